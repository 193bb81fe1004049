"""Writes folders.json: what keras.utils 3.15.1 on TensorFlow 2.21.0 makes of the folders in compat/folder_cases.py.

Run from the repository's root where both and Pillow are installed: python compat/recorded/record_folders.py
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras

sys.path.insert(0, str(Path(__file__).parents[2]))
from compat.folder_cases import CASES, make, outcome


def rounded(value):
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


with tempfile.TemporaryDirectory() as root:
    make(root)
    recorded = {name: outcome(case, keras.utils, root) for name, case in CASES.items()}
for result in recorded.values():
    for dataset in result if isinstance(result, list) else ():
        dataset["rows"] = rounded(dataset["rows"])
text = json.dumps(recorded, separators=(",", ":"), ensure_ascii=False)
Path(__file__).with_name("folders.json").write_text(text.replace('}],"', '}],\n"') + "\n", encoding="utf-8")

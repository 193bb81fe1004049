"""Writes folders.json and sounds.json: what keras.utils 3.15.1 on TensorFlow 2.21.0 makes of compat/folder_cases.py.

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
from compat.folder_cases import CASES, SOUNDS, make, outcome


def rounded(value):
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def record(cases, name):
    """Writes what comes of the cases into a file beside this one."""
    with tempfile.TemporaryDirectory() as root:
        make(root)
        recorded = {name: outcome(case, keras.utils, root) for name, case in cases.items()}
    for result in recorded.values():
        for dataset in result if isinstance(result, list) else ():
            dataset["rows"] = rounded(dataset["rows"])
    text = json.dumps(recorded, separators=(",", ":"), ensure_ascii=False)
    Path(__file__).with_name(name).write_text(text.replace('}],"', '}],\n"') + "\n", encoding="utf-8")


record(CASES, "folders.json")
record(SOUNDS, "sounds.json")

"""Writes StringLookup.json and IntegerLookup.json: what these layers of Keras 3.15.1 on TensorFlow 2.21.0 answer to
compat/lookup_cases.py.

Run from the repository's root where both are installed: python compat/recorded/record_lookups.py
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from compat.lookup_cases import CASES, answer

for layer in ("StringLookup", "IntegerLookup"):
    found = {name: answer(keras, case, np.asarray) for name, case in CASES.items() if case["layer"] == layer}
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False).replace('},"', '},\n"')
    Path(__file__).with_name(f"{layer}.json").write_text(text + "\n", encoding="utf-8")

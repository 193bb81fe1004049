"""Writes hashing.json: what Keras 3.15.1 on TensorFlow 2.21.0 answers to the cases in compat/hashing_cases.py.

Run from the repository's root where both are installed: python compat/recorded/record_hashing.py
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras

sys.path.insert(0, str(Path(__file__).parents[2]))
from compat.hashing_cases import CASES
from compat.recorded.shown import answer

lines = [f"{json.dumps(name)}:{json.dumps(answer(case, keras), separators=(',', ':'))}" for name, case in CASES.items()]
Path(__file__).with_name("hashing.json").write_text("{" + ",\n".join(lines) + "}\n")

"""Writes text.json: what Keras 3.15.1 on TensorFlow 2.21.0 answers to the cases in compat/text_cases.py.

Run from the repository's root where both are installed: python compat/recorded/record_text.py
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras

sys.path.insert(0, str(Path(__file__).parents[2]))
from compat.recorded.shown import answer
from compat.text_cases import CASES

lines = [f"{json.dumps(name)}:{json.dumps(answer(case, keras), separators=(',', ':'))}" for name, case in CASES.items()]
Path(__file__).with_name("text.json").write_text("{" + ",\n".join(lines) + "}\n")

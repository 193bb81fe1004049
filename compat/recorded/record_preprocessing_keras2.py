"""Writes preprocessing_keras2.json: what tf.keras 2 (tf_keras 2.21.0 on TensorFlow 2.21.0, with scipy 1.17, pandas and
Pillow) answers to compat/preprocessing_cases.py.

Run from the repository's root where these are installed: python compat/recorded/record_preprocessing_keras2.py
"""

import json
import sys
import tempfile
from pathlib import Path

import tf_keras

sys.path.insert(0, str(Path(__file__).parents[2]))
from compat.preprocessing_cases import CASES, answer, make_folder

with tempfile.TemporaryDirectory() as top:
    folder = make_folder(Path(top) / "images")
    recorded = {case: answer(case, tf_keras.preprocessing, folder) for case in CASES}
lines = [f"{json.dumps(case)}: {json.dumps(made, separators=(',', ':'))}" for case, made in recorded.items()]
Path(__file__).with_name("preprocessing_keras2.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

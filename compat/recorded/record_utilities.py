"""Writes utilities.json: what keras.utils 3.15.1 on TensorFlow 2.21.0 makes of the calls in compat/utility_cases.py.

Run from the repository's root where both are installed: python compat/recorded/record_utilities.py
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras

sys.path.insert(0, str(Path(__file__).parents[2]))
from compat.recorded.record_datasets import plain
from compat.utility_cases import CASES

recorded = {}
for name, case in CASES.items():
    try:
        made = case(keras.utils)
    except (TypeError, ValueError) as error:
        recorded[name] = type(error).__name__
        continue
    datasets = made if isinstance(made, tuple) else (made,)
    recorded[name] = [[plain(element) for element in dataset.as_numpy_iterator()] for dataset in datasets]
text = json.dumps(recorded, separators=(",", ":"))
Path(__file__).with_name("utilities.json").write_text(text.replace('],"', '],\n"') + "\n")

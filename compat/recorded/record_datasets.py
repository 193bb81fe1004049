"""Writes datasets.json: what TensorFlow 2.21.0 makes of the pipelines in compat/dataset_cases.py.

Run from the repository's root where TensorFlow is installed: python compat/recorded/record_datasets.py
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[2]))
from compat.dataset_cases import CASES


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return {"tuple": [plain(item) for item in value]}
    array = np.asarray(value)
    if array.dtype.kind in "SO":
        array = np.char.decode(array.astype("S"))
    return {"dtype": "string" if array.dtype.kind == "U" else array.dtype.name, "values": array.tolist()}


def spec(value):
    if isinstance(value, dict):
        return {key: spec(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return {"tuple": [spec(item) for item in value]}
    shape = None if value.shape.rank is None else value.shape.as_list()
    return {"dtype": value.dtype.name, "shape": shape}


def main():
    recorded = {}
    for name, case in CASES.items():
        dataset = case(tf.data.Dataset)
        elements = list(dataset.as_numpy_iterator())
        recorded[name] = {
            "elements": [plain(element) for element in elements],
            "cardinality": int(dataset.cardinality()),
            "spec": spec(dataset.element_spec),
        }
    text = json.dumps(recorded, indent=None, separators=(",", ":"))
    Path(__file__).with_name("datasets.json").write_text(text.replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()

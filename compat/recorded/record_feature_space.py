"""Writes feature_space.json and feature_space.keras: what Keras 3.15.1 on TensorFlow 2.21.0 answers to the cases in
compat/feature_space_cases.py, and a file of it with what it makes of some rows; and text.keras, a model of texts.

Run from the repository's root where both are installed: python compat/recorded/record_feature_space.py
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from compat.feature_space_cases import CASES, NEW, file_data, file_space
from compat.recorded.shown import answer, shown
from compat.text_cases import CORPUS

here = Path(__file__).parent
found = {name: answer(case, keras) for name, case in CASES.items()}
space = file_space(keras)
space.save(here / "feature_space.keras")
found["file"] = shown(space({name: np.array(column) for name, column in file_data(NEW).items()}))
vectorize = keras.layers.TextVectorization(output_mode="tf_idf", ngrams=2, name="words")
vectorize.adapt(CORPUS)
model = keras.Sequential([keras.Input((1,), dtype="string"), vectorize])
model.save(here / "text.keras")
found["texts"] = shown(model(np.array(CORPUS)[:, None]))
lines = [f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'))}" for name, value in found.items()]
(here / "feature_space.json").write_text("{" + ",\n".join(lines) + "}\n")

"""Writes word_programs.json: what the programs in compat/word_programs.py give under Keras 3.15.1 on TensorFlow 2.21.0.

Run from the repository's root where both are installed: python compat/recorded/record_word_programs.py
"""

import json
import os
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parents[2]))
from compat import word_programs as programs

recorded = {}
for program in (programs.words_in_the_model, programs.texts_in_the_model, programs.words_before_the_model):
    model, x, y, rest = program(keras)
    x = tf.nest.map_structure(tf.constant, x)
    binary = program is programs.texts_in_the_model
    found = programs.trained(keras, model, x, y, "binary_crossentropy" if binary else "mse")
    if program is programs.words_before_the_model:
        model, rest = programs.with_words_outside(keras, model, rest), programs.NEW["job"][:, None]
    predictions = model.predict(tf.nest.map_structure(tf.constant, rest), verbose=0)
    recorded[program.__name__] = {**found, "predicted": np.round(predictions, 6).tolist()}
text = json.dumps(recorded, separators=(",", ":"))
Path(__file__).with_name("word_programs.json").write_text(text.replace('},"', '},\n"') + "\n")

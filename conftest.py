"""Settings that every test run needs, however pytest is started: the oracle, real Keras, runs on torch."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("MPLBACKEND", "Agg")

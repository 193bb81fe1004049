"""The first compile and fit of a process load nothing heavy: torch's compiler takes seconds to import."""

import subprocess
import sys

SCRIPT = """
import sys
import numpy as np
import torchkeras as keras

x = np.random.rand(64, 6).astype("float32")
model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dropout(0.2),
                          keras.layers.BatchNormalization(), keras.layers.Dense(3, activation="softmax")])
for optimizer in ("adam", "sgd", "rmsprop"):
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, np.arange(64) % 3, validation_split=0.25, verbose=0)
model.predict(x, verbose=0)
print(sorted({name.split(".")[0] for name in sys.modules} & {"sympy", "tensorflow", "jax", "matplotlib", "pandas"}))
print("torch._dynamo" in sys.modules)
"""


def test_training_does_not_load_the_compiler():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["[]", "False"]

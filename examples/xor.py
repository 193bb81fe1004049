"""The smallest network that needs a hidden layer: exclusive or.

python -m torchkeras examples/xor.py
"""

import keras
import numpy as np

keras.utils.set_random_seed(1)

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype="float32")
y = np.array([[0], [1], [1], [0]], dtype="float32")

model = keras.Sequential(
    [
        keras.Input(shape=(2,)),
        keras.layers.Dense(8, activation="tanh"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.05), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x, y, batch_size=4, epochs=300, verbose=0)

loss, accuracy = model.evaluate(x, y, verbose=0)
for pair, value in zip(x, model.predict(x, verbose=0)[:, 0]):
    print(f"{pair[0]:.0f} xor {pair[1]:.0f} = {value:.3f}")
print(f"loss {loss:.4f}, accuracy {accuracy:.2f}")

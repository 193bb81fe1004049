"""Tickets with a text and a set of tags; the network gives a priority and a department."""

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

keras.utils.set_random_seed(21)
words, tags, departments = 40, 6, 4

text_input = keras.Input(shape=(None,), name="text", dtype="int32")
tags_input = keras.Input(shape=(tags,), name="tags")
text_features = layers.Embedding(words, 10, name="embed")(text_input)
text_features = layers.LSTM(8, name="read")(text_features)
merged = layers.concatenate([text_features, tags_input])
merged = layers.Dense(12, activation="relu")(merged)
priority = layers.Dense(1, activation="sigmoid", name="priority")(merged)
department = layers.Dense(departments, activation="softmax", name="department")(merged)
model = keras.Model(inputs=[text_input, tags_input], outputs={"priority": priority, "department": department})

rng = np.random.default_rng(21)
text = rng.integers(words, size=(96, 7))
tag_data = rng.integers(2, size=(96, tags)).astype("float32")
targets = {
    "priority": (text.mean(axis=1, keepdims=True) > 20).astype("float32"),
    "department": keras.utils.to_categorical(tag_data[:, :3].sum(axis=1), departments),
}
model.compile(
    optimizer=keras.optimizers.RMSprop(1e-2),
    loss={"priority": keras.losses.BinaryCrossentropy(), "department": "categorical_crossentropy"},
    loss_weights={"priority": 1.0, "department": 0.2},
    metrics={"priority": ["mae"], "department": ["accuracy", keras.metrics.CategoricalCrossentropy(name="ce")]},
)
data = {"text": text, "tags": tag_data}
history = model.fit(data, targets, epochs=3, batch_size=32, verbose=2)
print(sorted(history.history))
print({name: round(values[-1], 5) for name, values in history.history.items()})
results = model.evaluate(data, targets, verbose=0, return_dict=True)
print({name: round(value, 5) for name, value in results.items()})
predictions = model.predict({"tags": tag_data[:3], "text": text[:3]}, verbose=0)
print(predictions["priority"].ravel(), predictions["department"])
print(model.predict([text[:3], tag_data[:3]], verbose=0)["priority"].ravel())
print(model.train_on_batch(data, targets, return_dict=True))
print([tensor.name for tensor in model.inputs], model.output_names)

"""Programs on tables with words and numbers, the same for both libraries. Imports numpy only: `k` is Keras or ours.

`compat/recorded/record_word_programs.py` writes down what Keras on TensorFlow gives, `test_word_programs.py` compares.
"""

import numpy as np

ROWS = 24
JOBS = np.array(["cook", "nurse", "pilot", "cook", "clerk", ""] * 4)
TOWNS = np.array((["Oslo"] * 3 + ["Rome", "Lima"]) * 5)[:ROWS]
AGES = (np.arange(ROWS) * 7 % 50 + 18).astype("float32")
YEARS = np.array([1990, 2001, 1990, 2010] * 6)
NOTES = np.array(["late and tired", "On time!", "tired, tired", "late", "early", "on time again"] * 4)
PAYS = (AGES / 20 + (JOBS == "pilot") + 0.5 * (YEARS == 1990)).astype("float32")
NEW = {
    "job": np.array(["pilot", "smith"]),
    "town": np.array(["Lima", "Bern"]),
    "age": np.array([30.0, 61.0], "float32"),
    "year": np.array([1990, 1950]),
    "note": np.array(["Tired again", "new words"]),
}
TABLE = {"job": JOBS, "town": TOWNS, "age": AGES, "year": YEARS, "note": NOTES}


def columns(table, names):
    return {name: table[name][:, None] for name in names}


def with_known_weights(model):
    """Weights that need no generator."""
    for weight in model.trainable_weights:
        size = int(np.prod(weight.shape))
        weight.assign((np.cos(np.arange(size)) * 0.3).reshape(tuple(weight.shape)).astype("float32"))
    return model


def trained(k, model, x, y, loss="mse", metrics=("mae",)):
    with_known_weights(model).compile(k.optimizers.SGD(0.05), loss, metrics=list(metrics))
    history = model.fit(x, y, batch_size=6, epochs=3, shuffle=False, verbose=0).history
    found = {key: [float(value) for value in values] for key, values in history.items()}
    return {**found, "evaluated": [float(value) for value in model.evaluate(x, y, verbose=0)]}


def words_in_the_model(k):
    """Every column has its layer inside the model; what comes in is raw."""
    names = ("job", "town", "age", "year")
    job, town, year = k.layers.StringLookup(output_mode="one_hot"), k.layers.StringLookup(), k.layers.IntegerLookup()
    age, ages = k.layers.Normalization(), k.layers.Discretization(num_bins=3, output_mode="one_hot")
    data = columns(TABLE, names)
    for layer, name in ((job, "job"), (town, "town"), (year, "year"), (age, "age")):
        layer.adapt(data[name])
    ages.update_state(data["age"])  # its `adapt` asks for TensorFlow
    ages.finalize_state()
    kinds = {"job": "string", "town": "string", "age": "float32", "year": "int64"}
    inputs = {name: k.Input((1,), name=name, dtype=kinds[name]) for name in names}
    embedded = k.layers.Flatten()(k.layers.Embedding(town.vocabulary_size(), 2)(town(inputs["town"])))
    parts = [
        job(inputs["job"]),
        embedded,
        age(inputs["age"]),
        ages(inputs["age"]),
        k.layers.CategoryEncoding(year.vocabulary_size(), output_mode="one_hot")(year(inputs["year"])),
        k.layers.HashedCrossing(5, output_mode="one_hot")((inputs["job"], inputs["town"])),
    ]
    parts = [k.ops.cast(part, "float32") for part in parts]
    hidden = k.layers.Dense(4, activation="relu")(k.layers.Concatenate()(parts))
    model = k.Model(inputs, k.layers.Dense(1)(hidden))
    return model, data, PAYS[:, None], columns(NEW, names)


def texts_in_the_model(k):
    """Texts become words, words embeddings."""
    layer = k.layers.TextVectorization(max_tokens=12, output_sequence_length=4)
    layer.adapt(NOTES)
    text = k.Input((1,), dtype="string")
    words = k.layers.GlobalAveragePooling1D()(k.layers.Embedding(12, 3, mask_zero=True)(layer(text)))
    model = k.Model(text, k.layers.Dense(1, activation="sigmoid")(words))
    return model, NOTES[:, None], (PAYS > 2).astype("float32")[:, None], NEW["note"][:, None]


def words_before_the_model(k):
    """A model of vectors is trained; a second one that takes raw words is put around it."""
    job = k.layers.StringLookup(output_mode="multi_hot", mask_token="")
    job.adapt(JOBS)
    vectors = np.asarray(job(JOBS[:, None])).astype("float32")
    inner = k.Sequential(
        [k.layers.Input((vectors.shape[-1],)), k.layers.Dense(3, activation="tanh"), k.layers.Dense(1)]
    )
    return inner, vectors, PAYS[:, None], job


def with_words_outside(k, inner, job):
    raw = k.Input((1,), dtype="string")
    return k.Model(raw, inner(k.ops.cast(job(raw), "float32")))

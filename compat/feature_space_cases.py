"""What FeatureSpace is asked. Imports numpy only: `k` is Keras or torchkeras.

`compat/recorded/record_feature_space.py` writes down what Keras on TensorFlow answers, and a file of Keras's;
`test_feature_space.py` compares.
"""

import numpy as np

DATA = {
    "size": [0.0, 1.0, 2.0, 5.0],
    "price": [4.0, 2.0, 9.0, 1.0],
    "colour": ["red", "blue", "red", "green"],
    "shop": [3, 1, 3, 7],
}
NEW = {"size": [1.5, -1.0], "price": [0.0, 3.0], "colour": ["blue", "black"], "shop": [7, 8]}
ONE = {name: column[0] for name, column in NEW.items()}


def space(features, adapt=True, **kwargs):
    """What a space makes of columns and of one row; static shapes; names."""

    def case(k):
        made = features(k.utils.FeatureSpace) if callable(features) else features
        layer = k.utils.FeatureSpace(made, **kwargs)
        names = list(made)
        if adapt:
            layer.adapt({name: np.array(DATA[name]) for name in names})
        rows = layer({name: np.array(NEW[name]) for name in names})
        one = layer({name: np.array(ONE[name]) for name in names})
        return [rows, one, layer.get_encoded_features(), layer.get_inputs()]

    return case


def config(k):
    space = k.utils.FeatureSpace
    features = {"size": space.float_rescaled(2.0, 1.0), "colour": space.string_categorical(max_tokens=3)}
    layer = space(features, crosses=[("size", "colour")], crossing_dim=4, name="s")
    found = layer.get_config()
    described = found["features"]["colour"]
    return [sorted(found), described["module"], described["class_name"], sorted(described["config"]), found["crosses"]]


def file_space(k):
    """The space that is written into a file."""
    features = {"size": "float_normalized", "price": "float_discretized", "colour": "string_categorical"}
    features.update(shop="integer_categorical", plain="float", hashed="string_hashed")
    layer = k.utils.FeatureSpace(features, crosses=[("colour", "shop")], crossing_dim=8, hashing_dim=4, name="space",
                                 num_discretization_bins=3)  # fmt: skip
    layer.adapt({name: np.array(column) for name, column in file_data(DATA).items()})
    return layer


def file_data(data):
    return {**data, "plain": data["size"], "hashed": data["colour"]}


ALL = {"size": "float", "price": "float_normalized", "colour": "string_categorical", "shop": "integer_categorical"}
CASES = {
    "float": space({"size": "float"}, adapt=False),
    "normalized": space({"size": "float_normalized"}),
    "rescaled": space(lambda f: {"size": f.float_rescaled(0.5, 1.0)}, adapt=False),
    "rescaled by default": space({"size": "float_rescaled"}, adapt=False),
    "discretized": space({"price": "float_discretized"}, num_discretization_bins=3),
    "discretized as numbers": space(
        lambda f: {"price": f.float_discretized(3, output_mode="int")}, output_mode="dict"
    ),
    "strings": space({"colour": "string_categorical"}),
    "few strings": space(lambda f: {"colour": f.string_categorical(max_tokens=3)}),
    "strings without unknown ones": space(lambda f: {"colour": f.string_categorical(num_oov_indices=2)}),
    "integers": space({"shop": "integer_categorical"}),
    "integers as numbers": space(lambda f: {"shop": f.integer_categorical(output_mode="int")}, output_mode="dict"),
    "hashed strings": space({"colour": "string_hashed"}, adapt=False, hashing_dim=5),
    "hashed integers": space(lambda f: {"shop": f.integer_hashed(6)}, adapt=False),
    "all": space(ALL),
    "all in a dict": space(ALL, output_mode="dict"),
    "crossed": space(ALL, crosses=[("colour", "shop")], crossing_dim=8),
    "crossed as numbers": space(
        lambda f: {"colour": f.string_categorical(output_mode="int"), "shop": "integer_categorical"},
        output_mode="dict",
    ),
    "crossed in a dict": lambda k: space(
        ALL, output_mode="dict", crosses=[k.utils.FeatureSpace.cross(("colour", "shop"), 8, output_mode="int")]
    )(k),
    "crossed hashes": space(
        {"colour": "string_hashed", "shop": "integer_hashed"}, adapt=False, crosses=[("shop", "colour")]
    ),
    "a layer of one's own": lambda k: space(
        {"colour": k.utils.FeatureSpace.feature("string", k.layers.TextVectorization(output_mode="tf_idf"), "float")}
    )(k),
    "config": config,
    "before adapt": space(ALL, adapt=False),
    "no features": space({}),
    "bad kind": space({"size": "number"}),
    "bad mode": space(ALL, output_mode="list"),
    "bad cross": space(ALL, crosses=[("colour", "weight")]),
    "no crossing_dim": space(ALL, crosses=[("colour", "shop")], crossing_dim=None),
    "numbers in one vector": space(lambda f: {"shop": f.integer_categorical(output_mode="int")}),
    "bad mode of a feature": space(lambda f: {"shop": f.integer_categorical(output_mode="count")}),
    "called without a dict": lambda k: k.utils.FeatureSpace({"size": "float"})([1.0, 2.0]),
    "adapted to a list": lambda k: k.utils.FeatureSpace(ALL).adapt([1.0]),
}  # fmt: skip

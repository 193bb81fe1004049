"""`get_state_tree` and `set_state_tree`: the same trees as Keras's, and what is refused."""

import keras as reference
import numpy as np
import pytest

import torchkeras as keras
from compat.curves import plain, run_both, seed_weights


def network(k, compiled=True):
    layers = [k.layers.Dense(3, name="a"), k.layers.BatchNormalization(name="b"), k.layers.Dropout(0.0, name="d")]
    model = seed_weights(k.Sequential([k.Input((2,)), *layers], name="net"))
    if compiled:
        model.compile("adam", "mse", metrics=["mae"])
        model.train_on_batch(np.ones((2, 2)), np.ones((2, 3)))
    return model


def numbers(tree):
    """Without the state of seeds, which both keep as they like."""
    tree["non_trainable_variables"].pop("seed_generator", None)
    return tree


def test_trees_are_keras_s():
    run_both(lambda k: numbers(network(k).get_state_tree("numpy_array")))
    run_both(lambda k: {kind: list(tree) for kind, tree in numbers(network(k).get_state_tree()).items()})


def test_a_tree_of_keras_is_taken():
    tree = network(reference).get_state_tree("numpy_array")
    model = network(keras)
    for variable in model.variables:
        variable.assign(np.ones(variable.shape))
    model.set_state_tree(numbers(tree))
    for kind, values in numbers(model.get_state_tree("numpy_array")).items():
        np.testing.assert_equal(plain(values), tree[kind])


def test_a_part_of_a_tree():
    def scenario(k):
        model = network(k)
        model.set_state_tree({"trainable_variables": {"net": {"a": {"bias": np.full(3, 7.0), "other": np.ones(2)}}}})
        model.set_state_tree({"optimizer_variables": {"adam": {"iteration": 5}}, "metrics_variables": {}})
        return [*model.get_weights(), int(model.optimizer.iterations)]

    assert run_both(scenario)[-1] == 5


def test_the_values_are_the_variables():
    model = network(keras)
    bias = model.get_state_tree()["trainable_variables"]["net"]["a"]["bias"]
    assert bias is model.layers[0].bias


@pytest.mark.parametrize("k", [reference, keras])
def test_refused(k):
    model = network(k)
    for tree in ({"weights": {}}, {"trainable_variables": {"net": {"a": {"bias": np.ones(4)}}}}):
        with pytest.raises(ValueError):
            model.set_state_tree(tree)
    with pytest.raises(ValueError, match="value_format"):
        model.get_state_tree("list")

    class Twice(k.layers.Layer):
        def build(self, shape):
            self.one, self.two = self.add_weight(shape=(1,), name="w"), self.add_weight(shape=(1,), name="w")

        def call(self, x):
            return x

    model = k.Sequential([k.Input((2,)), Twice()])
    model.compile("sgd")
    with pytest.raises(ValueError, match="path"):
        model.get_state_tree()


def test_a_model_that_is_not_compiled():
    tree = network(keras, compiled=False).get_state_tree()
    assert tree["optimizer_variables"] == tree["metrics_variables"] == {}

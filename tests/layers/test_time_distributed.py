"""TimeDistributed: one call or one per step, masks, several inputs and outputs, losses, errors."""

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.layers import time_distributed

X = torch.randn(4, 5, 6, 3, generator=torch.Generator().manual_seed(1))
WORDS = torch.rand(4, 5, 6, generator=torch.Generator().manual_seed(2)) > 0.4
WORDS[1, 2:] = False


def stepwise(monkeypatch):
    """From now on every TimeDistributed calls its layer once per step."""
    monkeypatch.setattr(time_distributed, "_obstacle_in", lambda *args: "a test")


def two_inputs():
    a, b = layers.Input((3,), name="a"), layers.Input((2,), name="b")
    joined = layers.Concatenate()([layers.Dense(4)(a), b])
    return keras.Model([a, b], {"sum": layers.Dense(1)(joined), "all": joined})


MAKERS = {
    "dense": lambda: layers.Dense(2, "relu"),
    "conv": lambda: layers.Conv1D(2, 3, padding="same"),
    "recurrent": lambda: layers.LSTM(2),
    "sequences": lambda: layers.GRU(2, return_sequences=True, return_state=True),
    "attention": lambda: layers.TimeDistributed(layers.Dense(2)),
    "model": lambda: keras.Sequential([layers.Conv1D(2, 3), layers.BatchNormalization(), layers.LSTM(2)]),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("masked", [False, True])
def test_one_call_equals_one_per_step(name, masked, monkeypatch):
    if masked and name == "attention":
        return
    layer = layers.TimeDistributed(MAKERS[name]())
    mask = WORDS if masked else None
    together = layer(X, mask=mask)
    assert layer.explain_kernel() == ("one call", "time is folded into the batch")
    stepwise(monkeypatch)
    layer._keep(_verdicts={})
    apart = layer(X, mask=mask)
    assert layer.explain_kernel()[0] == "one call per step"
    torch.testing.assert_close(together, apart)
    for a, b in zip(keras.tree.flatten(together), keras.tree.flatten(apart), strict=True):
        masks = [getattr(each, "_keras_mask", None) for each in (a, b)]
        assert (masks[0] is None) == (masks[1] is None) == (not masked)
        if masked:
            assert torch.equal(*masks) and a.shape[: masks[0].dim()] == masks[0].shape


def test_words_of_sentences():
    """The mask of the words reaches the inner layer, that of the sentences the outer one."""
    words = torch.where(WORDS, 3, 0)
    inner, outer = layers.LSTM(4), layers.LSTM(2)
    embedded = layers.Embedding(5, 3, mask_zero=True)
    sentences = layers.TimeDistributed(inner)(embedded(words))
    for i in range(5):
        torch.testing.assert_close(sentences[:, i], inner(embedded(words)[:, i].detach(), mask=WORDS[:, i]))
    assert torch.equal(sentences._keras_mask, WORDS.any(-1))
    found = outer(sentences)
    torch.testing.assert_close(found, outer(sentences.detach(), mask=WORDS.any(-1)))


def test_several_inputs_and_outputs():
    layer = layers.TimeDistributed(two_inputs())
    a, b = torch.randn(2, 5, 3), torch.randn(2, 5, 2)
    found = layer([a, b])
    assert {key: tuple(value.shape) for key, value in found.items()} == {"sum": (2, 5, 1), "all": (2, 5, 6)}
    for i in range(5):
        torch.testing.assert_close(found["sum"][:, i], layer.layer([a[:, i], b[:, i]])["sum"])
    symbolic = layer([layers.Input((None, 3)), layers.Input((None, 2))])
    assert symbolic["sum"].shape == (None, None, 1)
    again = layers.TimeDistributed.from_config(layer.get_config())
    assert again([a, b])["all"].shape == (2, 5, 6)


class Centered(layers.Layer):
    """A user's layer that looks across the batch."""

    def call(self, inputs):
        return inputs - inputs.mean(0)


def subtracting():
    x = layers.Input((6, 3))
    return keras.Model(x, x - keras.ops.mean(x, axis=0, keepdims=True))


def of_all(x):
    return x / x.sum()


REASONS = [
    (Centered, False, "code of a user"),
    (lambda: layers.Lambda(lambda x: x - x.mean(0)), False, "code of a user"),
    (lambda: layers.Dense(3, activation=of_all), False, "code of a user"),
    (lambda: layers.TorchModuleWrapper(torch.nn.Linear(3, 3)), False, "code of a user"),
    (subtracting, False, "operations between"),
    (lambda: layers.Dense(3, activity_regularizer="l2"), False, "adds losses"),
    (lambda: layers.GRU(3, stateful=True), False, "keeps states"),
    (layers.BatchNormalization, True, "statistics"),
    (lambda: layers.Dropout(0.5), True, "draws anew"),
    (lambda: keras.Sequential([layers.LSTM(3, dropout=0.5)]), True, "draws anew"),
]


@pytest.mark.parametrize(("make", "training", "reason"), REASONS)
def test_one_call_per_step_where_samples_depend_on_each_other(make, training, reason):
    layer = layers.TimeDistributed(make())
    layer(X[:, :, :, :], training=training)
    kernel, why = layer.explain_kernel(training)
    assert kernel == "one call per step" and reason in why
    if training:
        assert layer.explain_kernel()[0] == "one call"


def test_steps_see_their_own_batch():
    found = layers.TimeDistributed(Centered())(X)
    torch.testing.assert_close(found, X - X.mean(0))


def test_a_layer_that_begins_to_add_losses():
    layer = layers.TimeDistributed(layers.Dense(2))
    layer(X[:, :, 0])
    assert layer.explain_kernel()[0] == "one call"
    layer.layer.activity_regularizer = "l2"
    outputs = layer(X[:, :, 0])
    assert layer.explain_kernel()[0] == "one call per step" and len(layer.losses) == 5
    torch.testing.assert_close(sum(layer.losses), 0.01 * (outputs**2).sum() / 4)


def test_stateful_inner_layer():
    layer = layers.TimeDistributed(layers.GRU(2, stateful=True))
    found = layer(X)
    layer.layer.reset_state()
    for i in range(5):
        torch.testing.assert_close(found[:, i], layer.layer(X[:, i]))


def test_statistics_move_step_by_step():
    layer, twin = layers.TimeDistributed(layers.BatchNormalization()), layers.BatchNormalization()
    layer(X, training=True)
    for i in range(5):
        twin(X[:, i], training=True)
    for a, b in zip(layer.weights, twin.weights, strict=True):
        torch.testing.assert_close(a, b)


def test_hooks_of_the_layer_run():
    layer, seen = layers.TimeDistributed(layers.Dense(2)), []
    layer.layer.register_forward_hook(lambda module, args, output: seen.append(tuple(args[0].shape)))
    layer(X)
    assert seen == [(20, 6, 3)]


def test_no_steps_and_no_samples():
    layer = layers.TimeDistributed(layers.Dense(2))
    for shape in ((4, 0, 3), (0, 5, 3)):
        assert layer(torch.ones(shape)).shape == (*shape[:2], 2)


def test_layer_of_a_user_without_build():
    class Two(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    layer = layers.TimeDistributed(Two())
    assert layer(layers.Input((None, 3))).shape == (None, None, 2)
    assert layer(X[:, :, 0]).shape == (4, 5, 2) and len(layer.weights) == 2


REFUSED = [
    (lambda: layers.TimeDistributed(torch.nn.Linear(3, 2)), "takes a layer"),
    (lambda: layers.TimeDistributed(layers.Dense(2))(torch.ones(4, 3)), "at least 3 axes"),
    (lambda: layers.TimeDistributed(layers.Dense(2)).compute_output_shape((4, 3)), "at least 3 axes"),
    (lambda: layers.TimeDistributed(layers.Dense(2))(X, mask=np.ones(4, bool)), r"begins with \(4, 5\)"),
    (lambda: layers.TimeDistributed(layers.Dense(2))(X, mask=np.ones((4, 6), bool)), r"begins with \(4, 5\)"),
]


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_axes_that_may_be_the_batch_keep_steps_apart():
    x = torch.randn(4, 3, 2)
    for inner in (layers.Softmax(axis=0), layers.Softmax(axis=-2), layers.UnitNormalization(axis=0)):
        outputs = layers.TimeDistributed(inner)(x)
        torch.testing.assert_close(outputs, torch.stack([inner(step) for step in x.unbind(1)], 1))

"""`model.explain()`: what ran, on which memory, and why a slow path was taken."""

from types import SimpleNamespace

import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.errors import SlowPathError
from torchkeras.models.explain import _times_by_layer


def images(**options):
    return keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, **options), layers.Flatten(), layers.Dense(2)], name="images"
    )


def row_of(explanation, path):
    return next(row for row in explanation.rows if row.path.split("/")[-1] == path)


def test_kernels_layouts_and_dtypes_are_those_that_ran():
    found = images(name="conv").explain()
    conv = row_of(found, "conv")
    assert (conv.kernel, conv.layout, conv.dtype, conv.copies) == ("convolution", "channels_last", "float32", 0)
    assert found.rows[-1].kernel == "addmm"
    assert [row.kind for row in found.rows] == ["Conv2D", "Dense"]  # Flatten is a view


def test_mixed_precision_shows():
    found = images(name="conv", dtype="mixed_bfloat16").explain()
    assert row_of(found, "conv").dtype == "bfloat16"


@pytest.mark.parametrize(
    ("make", "call", "reason"),
    [
        (lambda: layers.LSTM(4), {}, None),
        (lambda: layers.LSTM(4, recurrent_dropout=0.5), {}, "recurrent_dropout"),
        (lambda: layers.GRU(4, reset_after=False), {}, "reset"),
        (lambda: layers.RNN(layers.LSTMCell(4)), {}, "no kernel for this cell"),
        (lambda: layers.Bidirectional(layers.LSTM(4)), {}, None),
        (lambda: layers.Bidirectional(layers.LSTM(4, activation="relu")), {}, "tanh"),
        (lambda: layers.TimeDistributed(layers.Dense(4)), {}, None),
        (lambda: layers.TimeDistributed(layers.Lambda(torch.tanh)), {}, "code of a user"),
        (lambda: layers.MultiHeadAttention(2, 4), {}, None),
        (lambda: layers.MultiHeadAttention(2, 4), {"return_attention_scores": True}, "scores"),
    ],
    ids=[
        "lstm",
        "recurrent dropout",
        "reset before",
        "cell",
        "both directions",
        "both by loop",
        "folded",
        "per step",
        "heads",
        "scores",
    ],
)
def test_says_why_a_path_is_slow(make, call, reason):
    layer = make()
    inputs = keras.Input((5, 3))
    arguments = (inputs, inputs) if isinstance(layer, layers.MultiHeadAttention) else (inputs,)
    model = keras.Model(inputs, layer(*arguments, **call))
    found = model.explain()
    if reason is None:
        assert not found.slow
        assert model.explain(strict=True).to_dict() == found.to_dict()
    else:
        assert [row.path for row in found.slow] == [layer.path] and reason in found.slow[0].slow
        with pytest.raises(SlowPathError, match=f"1 of 1 layers.*\n.*{reason}"):
            model.explain(strict=True)


def test_a_loop_counts_its_kernels():
    model = keras.Sequential([keras.Input((5, 3)), layers.RNN(layers.LSTMCell(4))])
    row = model.explain().rows[0]
    assert row.kernels["addmm"] == 6 and "addmm x6" in str(model.explain())  # the inputs at once, the state per step


def test_waiting_for_the_host_is_slow():
    class Branching(layers.Layer):
        def call(self, x):
            return x * 2 if x.sum() > 0 else x

    model = keras.Sequential([layers.Dense(3), Branching()])
    found = model.explain(torch.ones(2, 3))
    assert [row.kind for row in found.slow] == ["Branching"] and "host" in found.slow[0].slow


def test_looks_into_models_and_layers_of_users_but_not_into_its_own():
    class Block(layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inside, self.attention = layers.Dense(3, name="in"), layers.MultiHeadAttention(1, 3, name="at")

        def call(self, x):
            return torch.tanh(self.attention(x, x) + self.inside(x))

    inputs = keras.Input((4, 3))
    nested = keras.Sequential([keras.Input((4, 3)), layers.Dense(3, name="deep")], name="nested")
    model = keras.Model(inputs, torch.relu(nested(Block(name="block")(inputs))))
    kinds = {row.path: row.kind for row in model.explain().rows}
    assert kinds["block"] == "Block" and kinds["block/in"] == "Dense" and kinds["nested/deep"] == "Dense"
    assert kinds["block/at"] == "MultiHeadAttention" and kinds[""] == "Functional"
    assert len(kinds) == 5


def test_changes_nothing():
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(4, 5, 3)),
            layers.GaussianNoise(0.5, seed=3),
            layers.BatchNormalization(),
            layers.LSTM(2, stateful=True),
        ]
    )
    model.weights[0].grad = torch.ones(3)
    before = [tensor.detach().clone() for tensor in (*model.parameters(), *model.buffers())]
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    model.explain(torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(1)), training=True, profile=True)
    assert torch.equal(torch.rand(3), expected)
    after = [*model.parameters(), *model.buffers()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(model.weights[0].grad, torch.ones(3)) and model.weights[1].grad is None


def test_profiled_shares_add_up():
    model = keras.Sequential([keras.Input((64,)), layers.Dense(8, name="wide"), layers.Dense(2, name="narrow")])
    found = model.explain(torch.rand(256, 64), training=True, profile=True)
    shares = {row.path.split("/")[-1]: row.share for row in found.rows}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["wide"] > 0 and shares["narrow"] > 0 and "%" in str(found)


def test_backward_kernels_are_counted_for_the_layer_of_their_forward():
    def event(name, number=-1, parent=None, time=0.0):
        return SimpleNamespace(id=name, name=name, sequence_nr=number, cpu_parent=parent, time=time)

    layer = event("explain:dense", time=1.0)
    loss, backward, of_loss = event("sum", 6, time=2.0), event("AddmmBackward", 5), event("SumBackward", 6, time=32.0)
    events = [layer, event("addmm", 5, layer, 4.0), loss, backward, event("mm", -1, backward, 8.0), of_loss]
    assert _times_by_layer(events, "time") == {"dense": 13.0, "": 34.0}


def test_training_follows_compile():
    model = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5)])
    assert not model.explain().rows  # nothing is computed
    model.compile("sgd", "mse")
    assert model.explain().training and model.explain().rows[0].kind == "Dropout"
    assert not model.explain(training=False).rows


def test_several_inputs_dicts_and_integers():
    inputs = {"ids": keras.Input((4,), dtype="int32", name="ids"), "x": keras.Input((3,), name="x")}
    joined = layers.Concatenate()([layers.Flatten()(layers.Embedding(9, 2)(inputs["ids"])), inputs["x"]])
    model = keras.Model(inputs, layers.Dense(1)(joined))
    assert [row.kernel for row in model.explain().rows] == ["embedding", "cat", "addmm"]


def test_a_model_without_a_known_input_asks_for_one():
    model = keras.Sequential([layers.Dense(1)])
    with pytest.raises(ValueError, match="pass `x`"):
        model.explain()
    assert model.explain(torch.ones(2, 3)).rows[0].kernel == "addmm"


def test_to_dict_is_plain():
    import json

    found = images().explain(profile=True).to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["layers"][1]["kernels"] == {"convolution": 1}

"""`print_summary` beside the installed Keras's, on the same model object."""

import os
import re
import sys

import keras
import numpy as np
import pytest
from keras import layers

from torchkeras.models.summary import print_summary


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def sequential():
    model = keras.Sequential(name="plain")
    model.add(keras.Input((28, 28, 1)))
    model.add(layers.Conv2D(32, 3))
    model.add(layers.BatchNormalization())
    model.add(layers.Flatten())
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(10, activation="softmax"))
    return model


def trained(optimizer="adam"):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(40), layers.Dense(1)])
    model.compile(optimizer, "mse")
    model.fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0)
    return model


def compiled():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def branches():
    a, b = keras.Input((5,), name="a"), keras.Input((7,), name="b")
    left, right = layers.Dense(4)(a), layers.Dense(4)(b)
    both = layers.Concatenate()([left, right, left])
    return keras.Model([a, b], [layers.Dense(1, name="one")(both), layers.Dense(2, name="two")(both)], name="branches")


def shared_layer():
    a = keras.Input((4,))
    dense = layers.Dense(4)
    return keras.Model(a, dense(dense(a)), name="shared")


def straight_functional():
    a = keras.Input((4,))
    return keras.Model(a, layers.Dense(2)(layers.Dense(3)(a)), name="straight")


def operations():
    a = keras.Input((4, 6))
    b = keras.ops.relu(a) * 2.0 + keras.ops.mean(a, axis=-1, keepdims=True)
    c, d = keras.ops.split(b, 2, axis=-1)
    return keras.Model(a, [c[:, 0], keras.ops.transpose(d, (0, 2, 1))], name="operations")


def operations_in_line():
    a = keras.Input((4, 6))
    return keras.Model(a, keras.ops.sum(keras.ops.exp(a), axis=(1, 2)))


def nested():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.Dense(8)], name="inner")
    a = keras.Input((8,))
    middle_in = keras.Input((8,))
    middle = keras.Model(middle_in, layers.Add()([inner(middle_in), middle_in]), name="middle")
    return keras.Model(a, layers.Add()([middle(a), inner(a)]), name="outer")


def nested_sequential():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.Dense(8)], name="inner")
    deeper = keras.Sequential([inner, layers.Dense(2)], name="deeper")
    return keras.Sequential([keras.Input((8,)), deeper, layers.Dense(1)], name="outermost")


def several_outputs():
    a = keras.Input((5, 3))
    outputs, h, c = layers.LSTM(6, return_sequences=True, return_state=True)(a)
    attended, scores = layers.MultiHeadAttention(2, 4)(outputs, outputs, return_attention_scores=True)
    return keras.Model(a, {"h": h, "c": c, "attended": attended, "scores": scores})


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Dense(12)
        self.stack = [layers.Dense(3), layers.Dropout(0.1), layers.BatchNormalization()]

    def call(self, x):
        x = self.first(x)
        for layer in self.stack:
            x = layer(x)
        return x


def subclassed_built():
    model = Subclassed(name="subclassed")
    model(np.zeros((2, 5), "float32"))
    return model


def subclassed_of_functional():
    class Mine(keras.Model):
        def __init__(self):
            a = keras.Input((3,))
            super().__init__(a, layers.Dense(2)(a), name="mine")

    return Mine()


def in_subclassed():
    class Wrapping(layers.Layer):
        def __init__(self):
            super().__init__(name="wrapping")
            self.dense = layers.Dense(7)

        def call(self, x):
            return {"out": self.dense(x), "in": x}

    a = keras.Input((3,))
    outputs = Wrapping()(a)
    return keras.Model(a, outputs)


def long_names():
    name = "a_layer_with_a_name_that_says_all_that_can_be_said_about_what_it_is_for"
    a = keras.Input((4,), name="input_" + name)
    left = layers.Dense(5, name=name)(a)
    right = layers.Dense(5, name="another " + "word " * 12)(a)
    b = layers.GlobalAveragePooling1D(name="x" * 26)(layers.Reshape((1, 5))(layers.Add()([left, right])))
    return keras.Model(a, b, name="long_names")


def frozen():
    model = sequential()
    model.layers[0].trainable = False
    return model


def mixed_types():
    a = keras.Input((4,), dtype="int32")
    x = layers.Embedding(1000, 70, dtype="float16")(a)
    return keras.Model(a, layers.Dense(3, dtype="mixed_bfloat16")(layers.Flatten()(x)))


def many_weights():
    return keras.Sequential([keras.Input((3000,)), layers.Dense(2000), layers.Dense(3000)])


def scalars():
    a = keras.Input(batch_shape=(3,))
    return keras.Model(a, keras.ops.sum(a))


MODELS = [
    sequential, trained, compiled, branches, shared_layer, straight_functional, operations, operations_in_line, nested,
    nested_sequential, several_outputs, subclassed_built, subclassed_of_functional, in_subclassed, long_names, frozen,
    mixed_types, many_weights, scalars,
    lambda: Subclassed(), lambda: keras.Sequential(name="empty"),
    lambda: keras.Sequential([layers.Dense(3), layers.Dropout(0.5)]), lambda: trained(keras.optimizers.SGD(0.1, 0.9)),
]  # fmt: skip
OPTIONS = [
    {},
    {"expand_nested": True, "show_trainable": True},
    {"expand_nested": True, "line_length": 70},
    {"line_length": 52},
    {"line_length": 131, "show_trainable": True},
    {"positions": [0.5, 0.7, 0.85, 1.0]},
    {"positions": [0.2, 0.35, 0.55, 0.8], "line_length": 90},  # ends before the line does
    {"positions": [0.5, 0.7, 1.0], "show_trainable": True},
    {"positions": [0.2, 0.35, 0.8], "line_length": 90},
]


def both(model, **options):
    texts = []
    for summary in (model.summary, lambda **options: print_summary(model, **options)):
        collected = []
        summary(print_fn=collected.append, **options)
        assert len(collected) == 1
        texts.append(collected[0])
    return texts


@pytest.mark.parametrize("make", MODELS)
def test_text_is_keras(make):
    model = make()
    columns = both(model)[0].splitlines()[2].count("┃") - 1
    for options in OPTIONS:
        if len(options.get("positions", ())) in (0, columns):
            theirs, ours = both(model, **options)
            assert ours == theirs, options
            assert model.name in ours


@pytest.mark.parametrize("columns", [60, 80, 97, 118, 300])
def test_width_follows_the_terminal(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    for make in (sequential, branches):
        theirs, ours = both(make())
        assert ours == theirs
    assert max(map(len, ours.splitlines())) == min(columns - 4, 108)


@pytest.mark.parametrize("ends", [("conv2d", "dense"), ("dense", "conv2d"), ("flat.*", ".*"), ("drop", "drop")])
def test_layer_range(ends):
    keras.utils.clear_session()
    theirs, ours = both(sequential(), layer_range=ends)
    assert ours == theirs


@pytest.mark.parametrize("options", [{"layer_range": ["a"]}, {"layer_range": [1, 2]}, {"layer_range": ["no", "dense"]},
                                     {"line_length": 12}])  # fmt: skip
def test_what_keras_refuses_is_refused(options):
    model = sequential()
    with pytest.raises(ValueError):
        model.summary(print_fn=str, **options)
    with pytest.raises(ValueError):
        print_summary(model, print_fn=str, **options)


def characters(text):
    """The characters that a terminal shows, each with its style."""
    style, shown = "", []
    for escape, char in re.findall(r"\x1b\[([\d;]*)m|((?s:.))", text):
        if char:
            shown.append((char, style))
        else:
            style = {"0": "", "1;91": "1;38;5;9"}.get(escape, escape)
    return shown


def on_a_terminal(program):
    import pty

    pid, end = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="100", KERAS_BACKEND="torch")
        os.environ.pop("NO_COLOR", None)
        os.execv(sys.executable, [sys.executable, "-c", program])
    printed = b""
    while True:
        try:
            piece = os.read(end, 65536)
        except OSError:  # how Linux says that the program has ended
            piece = b""
        if not piece:
            break
        printed += piece
    os.close(end)
    assert os.waitpid(pid, 0)[1] == 0, printed.decode()
    return printed.decode().replace("\r\n", "\n")


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
import keras
from compat.test_summary import nested, frozen
from torchkeras.models.summary import print_summary
for model in (nested(), frozen()):
    for summary in (model.summary, lambda **options: print_summary(model, **options)):
        summary(show_trainable=True, expand_nested=True)
        print("=====")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a pseudo-terminal")
def test_colours_on_a_terminal():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    screens = on_a_terminal(PROGRAM.format(root=root)).split("=====\n")
    assert len(screens) == 5
    for theirs, ours in (screens[:2], screens[2:4]):
        assert characters(ours) == characters(theirs)
        assert "\x1b[38;5;34m" in ours and "\x1b[1m" in ours

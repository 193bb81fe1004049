"""model_to_dot, plot_model, Config and get_source_inputs beside Keras's."""

import copy
import itertools
import pickle
import sys

import numpy as np
import pytest
from keras.src.utils import model_visualization

import torchkeras
from compat import dot_graphs
from compat.curves import SIDES


@pytest.fixture(autouse=True)
def pydot(monkeypatch):
    monkeypatch.setattr(model_visualization, "pydot", dot_graphs)
    monkeypatch.setitem(sys.modules, "pydot", dot_graphs)
    monkeypatch.setattr(dot_graphs.Dot, "written", [])
    for side in SIDES:
        side.utils.clear_session(free_memory=False)


def chain(k):
    return k.Sequential(
        [
            k.Input((8, 8, 1)),
            k.layers.Conv2D(2, 3, activation="relu"),
            k.layers.Flatten(),
            k.layers.Dense(3, name="out"),
        ]
    )


def frozen(k):
    model = chain(k)
    model.layers[0].trainable = False
    return model


def branches(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), dtype="int32", name="b")
    dense = k.layers.Dense(4, activation="tanh")
    x = k.layers.Concatenate()([dense(a), dense(k.ops.cast(b, "float32")), a])
    return k.Model([a, b], {"x": k.layers.Softmax()(x), "y": k.layers.BatchNormalization()(x)})


def operators(k):
    x = k.Input((4,))
    return k.Model(x, k.ops.relu(x + 1) * x)


def nested(k):
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3), k.layers.ReLU()], name="inner")
    x = k.Input((4,), name="x")
    deep = k.Model(x, [k.layers.Dense(2)(inner(x)), k.layers.Activation("gelu")(x)], name="deep")
    y = k.Input((4,), name="y")
    first, second = deep(y)
    return k.Model(y, k.layers.Concatenate()([first, second, inner(second)]))


def of_models(k):
    return k.Sequential([chain(k), k.Sequential([k.layers.Dense(2), k.layers.Dense(1)], name="tail")])


def several(k):
    a, b = k.Input((2,), name="a"), k.Input((2,), name="b")
    inner = k.Model({"a": a, "b": b}, {"s": a + b, "d": a - b}, name="both")
    c = k.Input((2,), name="c")
    out = inner({"a": c, "b": k.layers.Dense(2)(c)})
    return k.Model(c, k.layers.Add()([out["s"], out["d"]]))


def twice(k):
    x = k.Input((3,))
    dense = k.layers.Dense(3)
    k.Model(x, dense(k.layers.Dense(3, name="another")(x)))  # a call that belongs to another model
    return k.Model(x, dense(dense(x)))


def own(k):
    class Own(k.Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = k.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Own()
    model(np.ones((1, 3), "float32"))
    return model


MODELS = (chain, frozen, branches, operators, nested, of_models, several, twice, own)
ALL = {
    "show_shapes": True, "show_dtype": True, "show_layer_names": True, "expand_nested": True,
    "show_layer_activations": True, "show_trainable": True,
}  # fmt: skip
ARGUMENTS = [
    {},
    *[{name: True} for name in ALL],
    ALL,
    {"show_layer_names": False},
    {"rankdir": "LR", "dpi": 96, "splines": "curved"},
    {"subgraph": True},
    {"show_trainable": True, "show_dtype": True},
    {"show_layer_activations": True, "show_shapes": True, "show_layer_names": False},
]


@pytest.mark.parametrize("model", MODELS)
def test_graphs(model):
    theirs, ours = (model(side) for side in SIDES)
    for arguments in ARGUMENTS:
        graphs = [
            side.utils.model_to_dot(each, **arguments).plain({})
            for side, each in zip(SIDES, (theirs, ours), strict=True)
        ]
        assert graphs[0] == graphs[1], arguments


def test_the_order_of_arguments():
    graphs = [
        side.utils.model_to_dot(nested(side), True, True, False, "LR", True, 90, False, True, True, "line").plain({})
        for side in SIDES
    ]
    assert graphs[0] == graphs[1]


@pytest.mark.parametrize("name", ["model.png", "model", "a.b.svg", "model.pdf"])
def test_files(name, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    for side in SIDES:
        side.utils.plot_model(chain(side), tmp_path / name, True, True, True, "LR", True, 90, True, True, "line")
    first, second = dot_graphs.Dot.written
    assert first == second and first[0] == str(tmp_path / name)


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    model = chain(torchkeras)
    monkeypatch.setattr("shutil.which", lambda program: None)
    with pytest.raises(ImportError, match=r"(?s)pip install pydot.*apt install graphviz.*Graphviz is missing"):
        torchkeras.utils.plot_model(model, tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "pydot", None)
    for function in (torchkeras.utils.plot_model, torchkeras.utils.model_to_dot):
        with pytest.raises(ImportError, match=r"(?s)pip install pydot.*apt install graphviz.*pydot is missing"):
            function(model)
    assert not list(tmp_path.iterdir())


def test_in_a_notebook_it_is_printed(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "IPython.core.magics.namespace", dot_graphs)
    monkeypatch.setitem(sys.modules, "pydot", None)
    assert torchkeras.utils.plot_model(chain(torchkeras), tmp_path / "a.png") is None
    assert "pip install pydot" in capsys.readouterr().out


@pytest.mark.parametrize("function", ["model_to_dot", "plot_model"])
def test_refusals(function, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    for side in SIDES:
        call = getattr(side.utils, function)
        with pytest.raises(ValueError, match="buil"):
            call(side.Sequential([side.layers.Dense(1)]))
        with pytest.raises(ValueError, match="layer_range"):
            call(chain(side), layer_range=["a", "b"])
        with pytest.raises(ValueError, match="colour"):
            call(chain(side), colour="red")
    assert torchkeras.utils.model_to_dot(chain(torchkeras), layer_range=None)


def test_names_that_graphviz_would_read():
    model = torchkeras.Sequential([torchkeras.Input((2,)), torchkeras.layers.Dense(1, name="a<b>&c")])
    label = torchkeras.utils.model_to_dot(model).parts[0].attributes["label"]
    assert "<b>a&lt;b&gt;&amp;c</b>" in label


# -- get_source_inputs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [chain, branches, operators, nested, of_models, several, twice])
def test_sources(model):
    names = []
    for side in SIDES:
        made = model(side)
        names.append([[t.name for t in side.utils.get_source_inputs(out)] for out in side.tree.flatten(made.outputs)])
    assert len(names[0][0]) == len(names[1][0])
    if model is not chain:  # whose Input is unnamed
        assert [[n.rstrip("_0123456789") for n in each] for each in names[0]] == [
            [n.rstrip("_0123456789") for n in each] for each in names[1]
        ]


def test_sources_of_what_has_none():
    for side in SIDES:
        x = side.Input((2,))
        assert side.utils.get_source_inputs(x)[0] is x
        for other in (5, None, [x], np.ones(2)):
            assert side.utils.get_source_inputs(other) is other
        loose = side.KerasTensor((2,))
        assert side.utils.get_source_inputs(loose) is loose


def test_sources_of_a_long_way():
    x = start = torchkeras.Input((2,))
    for _ in range(2000):
        x = x + 1
    assert torchkeras.utils.get_source_inputs(x) == [start]


# -- Config -----------------------------------------------------------------------------------------------------------

PROGRAMS = [
    lambda c: (c.a, c["a"], c.get("a"), c.get("x"), c.get("x", 5), "a" in c, "x" in c, len(c), list(c)),
    lambda c: (sorted(c.keys()), sorted(c.values()), sorted(c.items()), dict(c), c.as_dict(), c.to_json(), repr(c)),
    lambda c: c.unknown,
    lambda c: c.momentun,
    lambda c: c["unknown"],
    lambda c: c.pop("a"),
    lambda c: c.pop("x"),
    lambda c: c.pop("x", 3),
    lambda c: c.pop(),
    lambda c: (c.update({"a": 5}, z=3), c.as_dict()),
    lambda c: (setattr(c, "new", 3), c.as_dict()),
    lambda c: (c.__setitem__("new", 3), c.new),
    lambda c: (c.__setitem__(5, 3), c[5]),
    lambda c: (c.__delitem__("a"), c.as_dict()),
    lambda c: c.__delitem__("x"),
    lambda c: (c.freeze(), c.frozen, c.a, len(c)),
    lambda c: (c.freeze(), setattr(c, "a", 3)),
    lambda c: (c.freeze(), c.__setitem__("a", 3)),
    lambda c: (c.freeze(), c.__delitem__("a")),
    lambda c: (c.freeze(), c.pop("a")),
    lambda c: (c.freeze(), c.update(a=3)),
    lambda c: (c.freeze(), c.unfreeze(), setattr(c, "a", 3), c.a, c.frozen),
    lambda c: setattr(c, "frozen", True),
    lambda c: (c.as_dict().pop("a"), c.a),
    lambda c: (setattr(c, "f", len), c.to_json()),
    lambda c: (setattr(c, "_hidden", 3), c._hidden, c.as_dict()),
    lambda c: c.update(5),
    lambda c: [*c],
    lambda c: {**c},
    lambda c: bool(c),
    lambda c: c == c,
]


@pytest.mark.parametrize("program", range(len(PROGRAMS)))
def test_configs(program):
    seen = []
    for side in SIDES:
        try:
            seen.append(PROGRAMS[program](side.utils.Config(a=1, momentum=0.9)))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            seen.append(type(error))
    assert seen[0] == seen[1]


def test_copies_of_configs():
    config = torchkeras.utils.Config(a=[1])
    config.freeze()
    for made in (copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert made.a == [1] and made.frozen
    with pytest.raises(AttributeError, match="Did you mean 'a_long_name'"):
        _ = torchkeras.utils.Config(a_long_name=1).a_long_nam
    with pytest.raises(AttributeError, match="belongs to every config"):
        config.items = 3
    assert torchkeras.utils.Config(items=3)["items"] == 3
    assert not list(itertools.islice(torchkeras.utils.Config(), 1))

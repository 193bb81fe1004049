"""What a layer holds: random edits against a plain object that takes the same edits, and the kinds of container."""

import collections
import copy
import gc
import pickle
import types
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import torchkeras as keras

NAMES = ("a", "b", "c")
Pair = collections.namedtuple("Pair", "left right")


class Holder(keras.layers.Layer):
    def call(self, x):
        return x


def leaf(kind):
    if kind == "layer":
        layer = keras.layers.Dense(1, use_bias=False)
        layer.build((None, 1))
        return layer
    if kind == "weight":
        return keras.Variable([1.0])
    return {"metric": keras.metrics.Mean, "seed": keras.random.SeedGenerator, "number": lambda: 3.0}[kind]()


# Edits: functions (holder, name, other name, leaf, other leaf) that run alike on a layer and on a plain object.


def _rows(holder, name):
    """Every list inside an attribute, outermost first."""
    found, waiting = [], [getattr(holder, name)]
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, list):
            found.append(value)
        if isinstance(value, (list, tuple)):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
    return found


def _first_row(edit):
    def on_first_row(h, n, m, x, y):
        for row in _rows(h, n)[:1]:
            edit(row, x, y)

    return on_first_row


def _last_row(edit):
    def on_last_row(h, n, m, x, y):
        for row in _rows(h, n)[-1:]:
            edit(row, x, y)

    return on_last_row


def _on_dict(edit):
    def on_dict(h, n, m, x, y):
        if isinstance(getattr(h, n), dict):
            edit(getattr(h, n), x, y)

    return on_dict


def swap(h, n, m, x, y):
    first, second = getattr(h, n), getattr(h, m)
    setattr(h, n, second)
    setattr(h, m, first)


def add_in_place(h, n, m, x, y):
    if isinstance(getattr(h, n), list):
        value = getattr(h, n)
        value += [x, y]
        setattr(h, n, value)


def twice(h, n, m, x, y):
    if isinstance(getattr(h, n), list) and len(getattr(h, n)) < 5:
        value = getattr(h, n)
        value *= 2
        setattr(h, n, value)


def or_in_place(h, n, m, x, y):
    if isinstance(getattr(h, n), dict):
        value = getattr(h, n)
        value |= {"r": x}
        setattr(h, n, value)


EDITS = {
    "new list": lambda h, n, m, x, y: setattr(h, n, [x, y]),
    "new nested list": lambda h, n, m, x, y: setattr(h, n, [[x], {"p": [y]}]),
    "new dict": lambda h, n, m, x, y: setattr(h, n, {"p": x, "q": [y]}),
    "new tuple": lambda h, n, m, x, y: setattr(h, n, (x, [y])),
    "alone": lambda h, n, m, x, y: setattr(h, n, None if isinstance(x, float) else x),  # a weight refuses numbers
    "None": lambda h, n, m, x, y: setattr(h, n, None),
    "again": lambda h, n, m, x, y: setattr(h, n, getattr(h, n)),
    "alias": lambda h, n, m, x, y: setattr(h, m, getattr(h, n)),
    "shared": lambda h, n, m, x, y: setattr(h.other, n, getattr(h, m)),
    "taken over": lambda h, n, m, x, y: setattr(h, n, getattr(h.other, m)),
    "swap": swap,
    "+=": add_in_place,
    "*=": twice,
    "|=": or_in_place,
    "append": _first_row(lambda row, x, y: row.append(x)),
    "append list": _last_row(lambda row, x, y: row.append([x])),
    "append tuple": _last_row(lambda row, x, y: row.append((x, [y]))),
    "append inside": _last_row(lambda row, x, y: row.append(x)),
    "extend": _first_row(lambda row, x, y: row.extend(item for item in (x, y))),
    "insert": _first_row(lambda row, x, y: row.insert(0, x)),
    "slice": _first_row(lambda row, x, y: row.__setitem__(slice(0, 1), {"v": y, "w": x}.values())),
    "pop": _first_row(lambda row, x, y: row and row.pop(0)),
    "pop inside": _last_row(lambda row, x, y: row and row.pop()),
    "clear": _first_row(lambda row, x, y: row.clear()),
    "reverse": _first_row(lambda row, x, y: row.reverse()),
    "delete": _first_row(lambda row, x, y: row.__delitem__(slice(1, None))),
    "replace": _first_row(lambda row, x, y: row and row.__setitem__(0, x)),
    "key": _on_dict(lambda d, x, y: d.__setitem__("p", x)),
    "update": _on_dict(lambda d, x, y: d.update(q=[x, y])),
    "setdefault": _on_dict(lambda d, x, y: d.setdefault("t", []).append(x)),
    "popitem": _on_dict(lambda d, x, y: d and d.popitem()),
}


def held(value, key):
    """`(key, leaf)` of a plain value."""
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from held(item, f"{key}_{index}")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from held(item, f"{key}_{name}")
    elif value is not None and not isinstance(value, float):
        yield key, value


class Model:
    """What a layer should say that it holds, from the plain object that took the same edits."""

    def __init__(self, plain):
        self.plain, self.met = plain, []

    def look(self):
        for name in NAMES:
            for _, item in held(getattr(self.plain, name), name):
                if not any(item is each for each in self.met):
                    self.met.append(item)

    def of_kind(self, kind):
        now = [item for name in NAMES for _, item in held(getattr(self.plain, name), name)]
        return [item for item in self.met if isinstance(item, kind) and any(item is each for each in now)]

    def keys(self):
        found = set()
        for name in NAMES:
            first = {}
            for key, item in held(getattr(self.plain, name), name):
                first.setdefault(id(item), (key, item))
            for key, item in first.values():
                if isinstance(item, torch.nn.Module):
                    found.add(f"{key}.kernel")
                elif isinstance(item, torch.nn.Parameter):
                    found.add(key)
        return found


def same(found, expected):
    return len(found) == len(expected) and all(a is b for a, b in zip(found, expected, strict=True))


def check(layer, model):
    weights, layers = model.of_kind(torch.nn.Parameter), model.of_kind(keras.layers.Layer)
    seeds, metrics = model.of_kind(keras.random.SeedGenerator), model.of_kind(keras.metrics.Metric)
    assert set(layer.state_dict()) == model.keys()
    assert same(layer._layers, layers)
    assert same(layer.weights, [*weights, *(each.kernel for each in layers)])
    assert {id(p) for p in layer.parameters()} == {id(w) for w in layer.weights}
    assert {id(metric) for metric in layer.metrics} == {id(metric) for metric in metrics}
    assert len(layer.metrics) == len(metrics)
    assert {id(each) for each in layer._seed_generators} == {id(each) for each in seeds}
    assert len(layer.variables) == len(layer.weights) + len(seeds)


def fresh():
    layer, plain = Holder(), types.SimpleNamespace()
    layer.other, plain.other = Holder(), types.SimpleNamespace()
    others = layer.other
    for holder in (layer, layer.other, plain, plain.other):
        for name in NAMES:
            setattr(holder, name, None)
    del layer.other  # a neighbour, not a sublayer
    layer._keep(other=others)
    return layer, plain


STEP = st.tuples(
    st.sampled_from(sorted(EDITS)),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    *[st.sampled_from(["layer", "weight", "metric", "seed", "number"])] * 2,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(STEP, min_size=1, max_size=12))
def test_any_edits(steps):
    layer, plain = fresh()
    model, beside = Model(plain), Model(plain.other)
    leaves = []
    for edit, name, other, *kinds in steps:
        x, y = map(leaf, kinds)
        leaves += [x, y]
        EDITS[edit](plain, name, other, x, y)
        EDITS[edit](layer, name, other, x, y)
        model.look()
        beside.look()
        check(layer, model)
        check(layer.other, beside)
    _check_copies(layer)


def _check_copies(layer):
    layer._keep(other=None)
    before = set(layer.state_dict())
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert list(other.state_dict()) == list(layer.state_dict())
        assert len(other.metrics) == len(layer.metrics) and len(other.variables) == len(layer.variables)
        assert not {id(p) for p in other.parameters()} & {id(p) for p in layer.parameters()}
        for name in NAMES:
            for row in _rows(other, name)[-1:]:
                row.append(leaf("weight"))
                assert len(other.weights) == len(layer.weights) + 1 and set(layer.state_dict()) == before
                row.pop()


def test_kinds_of_container_keep_their_kind():
    layer = Holder()
    layer.a = Pair(leaf("layer"), [leaf("layer")])
    layer.b = collections.defaultdict(list)
    layer.b["x"].append(leaf("layer"))
    layer.c = collections.OrderedDict(z=leaf("layer"), y=leaf("layer"))
    layer.d = collections.deque([leaf("layer")], maxlen=2)
    layer.d.appendleft(leaf("layer"))
    layer.e = {leaf("weight")}
    layer.e.add(leaf("weight"))
    layer.a.right.append(leaf("layer"))
    assert isinstance(layer.a, Pair) and layer.d.maxlen == 2 and list(layer.c) == ["z", "y"]
    kinds = (layer.b, collections.defaultdict), (layer.d, collections.deque), (layer.e, set)
    assert all(isinstance(value, kind) for value, kind in kinds)
    assert list(layer._modules) == ["a_0", "a_1_0", "b_x_0", "c_z", "c_y", "d_1", "d_0", "a_1_1"]
    assert list(layer._parameters) == ["e_0", "e_1"]
    other = pickle.loads(pickle.dumps(layer))
    other.b["new"].append(leaf("layer"))
    other.d.append(leaf("layer"))  # full: the first falls out
    assert len(other._layers) == len(layer._layers) + 1 and other.d.maxlen == 2


def test_what_a_layer_meets_again_takes_its_old_place():
    layer = Holder()
    layer.a, layer.b = leaf("layer"), leaf("layer")
    first, second = layer.a, layer.b
    layer.a, layer.b = layer.b, layer.a
    assert same(layer._layers, [first, second]) and layer.a is second


def test_a_list_gives_way_to_an_attribute_of_the_name_of_its_key():
    layer = Holder()
    layer.heads, layer.heads_0 = [leaf("layer")], leaf("layer")
    assert len(layer._layers) == 2 and layer._modules["heads_0"] is layer.heads_0
    del layer.heads_0
    layer.heads.append(leaf("layer"))
    assert layer._layers[0] is layer.heads[0] and len(layer._layers) == 2


def test_a_list_takes_the_place_of_a_layer_or_weight():
    layer = Holder()
    layer.head = leaf("layer")
    layer.head = [layer.head, leaf("layer")]
    layer.scale = layer.add_weight(shape=(1,))
    layer.scale = [layer.scale, layer.add_weight(shape=(1,))]
    assert list(layer._modules) == ["head_0", "head_1"] and list(layer._parameters) == ["scale_0", "scale_1"]


def test_weights_in_a_list_come_in_the_order_in_which_they_were_made():
    layer = Holder()
    first, second = layer.add_weight(shape=(1,)), layer.add_weight(shape=(1,))
    layer.rows = [second, first]
    assert same(layer.weights, [first, second])


def test_lists_and_metrics_may_be_set_before_the_constructor_of_the_base():
    class Early(keras.layers.Layer):
        def __init__(self):
            self.blocks, self.seen = [leaf("layer")], keras.metrics.Mean()
            super().__init__()

    layer = Early()
    layer.blocks.append(leaf("layer"))
    assert len(layer._layers) == 2 and layer.metrics == [layer.seen]


def test_numbers_in_a_list_cost_no_look_at_what_is_there(monkeypatch):
    layer = Holder()
    layer.history = [0.0]
    looks = []
    monkeypatch.setattr(Holder, "_look_again", lambda *args: looks.append(args))
    for value in range(5):
        layer.history.append(float(value))
    assert not looks and len(layer.history) == 6


def test_what_left_a_layer_is_freed():
    layer = Holder()
    layer.blocks, layer.by_name = [leaf("layer")], {"x": [leaf("layer")]}
    gone = [weakref.ref(layer.blocks[0]), weakref.ref(layer.by_name["x"][0]), weakref.ref(layer)]
    layer.blocks.pop()
    del layer.by_name
    gc.collect()
    assert [each() for each in gone[:2]] == [None, None]
    del layer
    gc.collect()
    assert gone[2]() is None


@pytest.mark.parametrize("kind", [list, dict])
def test_a_container_inside_itself_is_walked_once(kind):
    layer = Holder()
    layer.ring = kind()
    if kind is list:
        layer.ring.append(layer.ring)
        layer.ring.append(leaf("layer"))
    else:
        layer.ring["again"], layer.ring["x"] = layer.ring, leaf("layer")
    assert len(layer._layers) == 1


def test_a_property_that_raises_says_why_and_runs_once():
    runs = []

    class WithProperty(Holder):
        @property
        def broken(self):
            """Words."""
            runs.append(1)
            return self.missing_part.x

    layer = WithProperty()
    with pytest.raises(AttributeError, match="missing_part"):
        _ = layer.broken
    assert not hasattr(layer, "broken") and len(runs) == 2 and WithProperty.broken.__doc__ == "Words."


def test_a_layer_set_to_none_reads_as_none_and_gives_way_to_anything():
    layer = Holder()
    layer.head = leaf("layer")
    layer.head = None
    assert layer.head is None
    layer.head = leaf("layer")
    layer.head = len
    assert layer.head is len and layer.weights == []
    layer.scale = layer.add_weight(shape=())
    with pytest.raises(TypeError, match="scale"):
        layer.scale = 3.0

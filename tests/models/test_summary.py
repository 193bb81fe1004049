"""The summary of stand-in models: how the table fits its line, where it is printed, what it refuses."""

import io
import sys
import types

import pytest
import torch

import torchkeras as keras
from torchkeras.callbacks import console
from torchkeras.errors import ShapeInferenceError
from torchkeras.models import summary
from torchkeras.models._summary_table import Text, draw, fill_line
from torchkeras.models.summary import print_summary


class Dense:
    built = True
    trainable = True

    def __init__(self, name, shape=(None, 3), count=12, **attributes):
        self.name = name
        self.weights = [torch.zeros(count)] if count else []
        self._inbound_nodes = []
        self._build_shapes_dict = {"input_shape": (None, 2)}
        self._shape = shape
        vars(self).update(attributes)

    def count_params(self):
        return sum(weight.numel() for weight in self.weights)

    def compute_output_shape(self, input_shape):
        assert input_shape == (None, 2)
        if isinstance(self._shape, Exception):
            raise self._shape
        return self._shape


class Model:
    name = "m"

    def __init__(self, *layers, **attributes):
        self.layers = list(layers)
        self.trainable_weights = [weight for layer in layers for weight in layer.weights]
        self.non_trainable_weights = []
        vars(self).update(attributes)


@pytest.fixture(autouse=True)
def terminal_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "64")


def printed(model, **options):
    texts = []
    print_summary(model, print_fn=texts.append, **options)
    assert len(texts) == 1
    return texts[0]


def test_whole_text():
    assert printed(Model(Dense("first"), Dense("second", (None, None, 1), 1234))) == (
        'Model: "m"\n'
        "┏━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━┓\n"
        "┃ Layer (type)             ┃ Output Shape      ┃   Param # ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━┩\n"
        "│ first (Dense)            │ (None, 3)         │        12 │\n"
        "├──────────────────────────┼───────────────────┼───────────┤\n"
        "│ second (Dense)           │ (None, None, 1)   │     1,234 │\n"
        "└──────────────────────────┴───────────────────┴───────────┘\n"
        " Total params: 1,246 (4.87 KB)\n"
        " Trainable params: 1,246 (4.87 KB)\n"
        " Non-trainable params: 0 (0.00 B)\n"
    )


def cells(model, row, **options):
    """The cells of a layer's first line."""
    return [cell.strip() for cell in printed(model, **options).splitlines()[4 + 2 * row].split("│")[1:-1]]


@pytest.mark.parametrize(
    "shape, shown",
    [
        ((None, 3), "(None, 3)"),
        ((3,), "(3)"),
        ((), "()"),
        ([(None, 3)], "(None, 3)"),
        ([(None, 3), (2, 1)], "[(None, 3), (2, 1)]"),
        (((None, 3), ((1,),)), "((None, 3), ((1),))"),
        ({"a": (None, 3), "b": [(1, 2), (3, 4)]}, "{a: (None, 3), b: [(1, 2), (3, 4)]}"),
        (torch.Size([4, 5]), "(4, 5)"),
        (NotImplementedError(), "?"),
        (ShapeInferenceError(), "?"),
    ],
)
def test_output_shapes(shape, shown):
    assert cells(Model(Dense("d", shape)), 0, line_length=120)[1] == shown


def test_an_error_in_a_layer_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        printed(Model(Dense("d", ZeroDivisionError())))


def test_unbuilt_and_bare_operations():
    operation = types.SimpleNamespace(name="op", _inbound_nodes=[])
    model = Model(Dense("d", count=0, built=False, _build_shapes_dict=None))
    model.layers.append(operation)
    assert cells(model, 0, line_length=100) == ["d (Dense)", "?", "0 (unbuilt)"]
    assert cells(model, 1, show_trainable=True, line_length=100) == ["op (SimpleNamespace)", "?", "0", "-"]


def test_trainable_column():
    model = Model(Dense("a"), Dense("b", trainable=False), Dense("c", count=0))
    assert [cells(model, row, show_trainable=True)[3] for row in range(3)] == ["Y", "N", "-"]


def test_nested_layers():
    inner = Dense("inner", layers=[Dense("deep", layers=[Dense("deepest")])])
    lines = printed(Model(inner), expand_nested=True).splitlines()
    assert [line.split("│")[1][1:].rstrip() for line in lines[4:10:2]] == [
        "inner (Dense)",
        "   └ deep (Dense)",
        "      └ deepest (Dense)",
    ]
    assert "deep" not in printed(Model(inner))


def test_totals_count_shared_memory_once():
    weight, counter = torch.zeros(1000, dtype=torch.float16), torch.zeros(3, dtype=torch.int64)
    optimizer = types.SimpleNamespace(built=True, variables=[torch.zeros(64, dtype=torch.bool), counter])
    model = Model(compiled=True, optimizer=optimizer)
    model.trainable_weights, model.non_trainable_weights = [weight, weight], [counter]
    assert printed(model).splitlines()[-4:] == [
        " Total params: 2,070 (2.01 KB)",
        " Trainable params: 2,000 (1.95 KB)",
        " Non-trainable params: 3 (24.00 B)",
        " Optimizer params: 67 (32.00 B)",
    ]


def test_optimizers_without_state_are_left_out():
    parameter = torch.nn.Parameter(torch.zeros(2))
    for optimizer in (None, torch.optim.SGD([parameter], 0.1), types.SimpleNamespace(built=False)):
        assert "Optimizer" not in printed(Model(compiled=True, optimizer=optimizer))


def test_positions_in_characters():
    first, second = (printed(Model(Dense("d")), line_length=80, positions=p) for p in ([0.5, 0.75, 1.0], [40, 60, 80]))
    assert first == second
    trainable = printed(Model(Dense("d")), line_length=80, positions=[40, 60, 80], show_trainable=True)
    assert {len(line) for line in trainable.splitlines()[1:-3]} == {80}


def test_line_length_is_honoured_beyond_the_terminal():
    lines = printed(Model(Dense("d")), line_length=150).splitlines()
    assert {len(line) for line in lines[1:-3]} == {150}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"line_length": 15}, "does not fit into 15 characters"),
        ({"positions": [0.5, 1.0]}, "2 entries; the table has 3"),
        ({"layer_range": ["a"]}, "expected two strings"),
        ({"layer_range": (0, 1)}, "expected two strings"),
        ({"layer_range": ("d", "zz")}, "no layer matches 'zz'; the model has: d, e"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        printed(Model(Dense("d"), Dense("e")), **options)


def test_layer_range_takes_patterns_in_either_order():
    model = Model(*[Dense(name) for name in ("a1", "b1", "b2", "c1")])
    for ends in (("b", "b"), ("b.", "b2"), ("b2", "b1")):
        text = printed(model, layer_range=ends)
        assert [name in text for name in ("a1", "b1", "b2", "c1")] == [False, True, True, False]


def test_connections():
    """A layer called twice, and one with two inputs: calls outside the model do not count."""
    source, twice, merge = Dense("source", count=0), Dense("twice"), Dense("merge")

    def tensor(layer, node_index=0, tensor_index=0):
        history = types.SimpleNamespace(operation=layer, node_index=node_index, tensor_index=tensor_index)
        return types.SimpleNamespace(shape=(None, 3), _keras_history=history)

    def call(layer, *inputs):
        node = types.SimpleNamespace(operation=layer, input_tensors=list(inputs))
        node.output_tensors = [tensor(layer, len(layer._inbound_nodes))]
        layer._inbound_nodes.append(node)
        return node

    nodes = [call(source), call(twice, tensor(source)), call(twice, tensor(twice))]
    call(twice, tensor(Dense("elsewhere")))
    nodes.append(call(merge, tensor(twice, 1), tensor(source, 0, 2)))
    model = Model(source, twice, merge, _nodes_by_depth=dict(enumerate([[node] for node in nodes])))
    model._operations = model.layers
    options = {"line_length": 110}
    assert [cells(model, row, **options)[3] for row in range(3)] == [
        "-",
        "source[0][0], twice[0][0]",
        "twice[1][0], source[0][2]",
    ]
    assert "Connected to" in printed(model, **options)
    straight = Model(source, _nodes_by_depth={0: nodes[:1]}, _operations=[source])
    assert "Connected to" not in printed(straight)


@pytest.mark.parametrize(
    "widths, total, expected",
    [
        ([10, 10], 20, [10, 10]),
        ([41, 32, 17], 80, [38, 28, 14]),  # cuts of 10/3, 7/2 and 3, halves rounded to even
        ([6, 6, 6, 6], 11, [3, 3, 2, 3]),
        ([20, 10], 45, [30, 15]),
        ([7, 7, 7], 25, [9, 8, 8]),
    ],
)
def test_columns_fill_the_line(widths, total, expected):
    assert fill_line(widths, total) == expected
    assert sum(expected) == total


@pytest.mark.parametrize(
    "text, lines",
    [
        ("short", ["short   "]),
        ("two words", ["two     ", "words   "]),
        ("abcdefghij k", ["abcdefg…", "k       "]),
        ("a bcdefghijk", ["a       ", "bcdefgh…"]),
        ("  indented", ["  inden…"]),
        ("日本語の名", ["日本語 …"]),
        ("", ["        "]),
    ],
)
def test_cells_wrap_at_words(text, lines):
    table = draw(["h"], [[Text(text)]], ["left"], [10], 12)
    assert [line.plain for line in table[3:-1]] == [f"│ {line} │" for line in lines]


def test_columns_too_narrow_for_any_text_still_keep_the_frame():
    table = draw(["ab"] * 4, [[Text("word")] * 4], ["left"] * 4, [4] * 4, 16)
    assert {len(line.plain) for line in table} == {16}


class Stream(io.StringIO):
    encoding = "utf-8"
    terminal = False

    def isatty(self):
        return self.terminal


@pytest.fixture
def stream(monkeypatch):
    stream = Stream()
    # pytest puts its own sys.stdout in place between a fixture and its test, so the modules get theirs.
    for module in (console, summary):
        monkeypatch.setattr(module, "sys", types.SimpleNamespace(stdout=stream, modules=sys.modules))
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "PYCHARM_HOSTED"):
        monkeypatch.delenv(name, raising=False)
    return stream


def test_written_without_colours_to_a_file(stream):
    model = Model(Dense("first"))
    print_summary(model)
    assert stream.getvalue() == printed(model)


def test_coloured_on_a_terminal(stream):
    stream.terminal = True
    model = Model(Dense("first"))
    print_summary(model, show_trainable=True, line_length=80)
    text = stream.getvalue()
    assert text.startswith('\x1b[1mModel: "m"\x1b[0m\n┏')
    assert "first (\x1b[38;5;33mDense\x1b[0m)" in text
    assert "(\x1b[38;5;45mNone\x1b[0m, \x1b[38;5;34m3\x1b[0m)" in text
    assert "\x1b[1;38;5;34mY\x1b[0m" in text


def test_ascii_stream(stream):
    stream.encoding = "ascii"
    print_summary(Model(Dense("first", layers=[Dense("ünner")])), expand_nested=True)
    lines = stream.getvalue().splitlines()
    assert lines[1] == "+==========================+===================+===========+"
    assert lines[4].startswith("| first (Dense)            | (None, 3)  ")
    assert lines[6].startswith("|    + ?nner (Dense)       | ")
    assert printed(Model(Dense("first"))).splitlines()[1] == lines[1]


def test_page_in_a_notebook(stream, monkeypatch):
    shown = []
    shell = type("ZMQInteractiveShell", (), {})()
    module = types.ModuleType("IPython")
    module.get_ipython = lambda: shell
    module.display = types.ModuleType("IPython.display")
    module.display.display = lambda data, raw: shown.append(data)
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", module.display)
    model = Model(Dense("<b>"))

    print_summary(model)  # redirected inside the notebook
    assert stream.getvalue() == printed(model) and not shown

    monkeypatch.setattr(Stream, "__module__", "ipykernel.iostream")
    print_summary(model)
    assert shown[0]["text/plain"] == printed(model)
    assert shown[0]["text/html"].startswith('<pre style="white-space: pre;')
    assert '&lt;b&gt; (<span style="color: #0087ff">Dense</span>)' in shown[0]["text/html"]
    assert stream.getvalue() == printed(model)


def test_layers_of_several_arguments_in_a_subclassed_model():
    """Each is asked for its output shape under the names that it uses; one that needs more shapes shows "?"."""

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.cell = keras.layers.LSTMCell(2)
            self.stack = keras.layers.StackedRNNCells([keras.layers.LSTMCell(2)])

        def call(self, x):
            state = [torch.zeros(4, 2), torch.zeros(4, 2)]
            return self.cell(x, state)[0] + self.stack(x, [state])[0]

    model = Model()
    model(torch.ones(4, 3))
    lines = []
    model.summary(print_fn=lines.append, line_length=100)
    assert "((4, 2), [(4, 2), (4, 2)])" in lines[0]
    assert any("StackedRNNCells" in line and "?" in line for line in lines[0].split("\n"))

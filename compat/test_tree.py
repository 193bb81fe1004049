"""`keras.tree` and `keras.config` against the installed Keras."""

import collections
import inspect

import keras
import pytest

from torchkeras import config, tree
from torchkeras.core.scopes import settings

Pair = collections.namedtuple("Pair", ["first", "second"])
STRUCTURES = [1, None, [1, 2], (1, [2, 3]), {"b": [1, 2], "a": 3}, [Pair(1, (2, 3)), {"z": None}], [], {}]


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_flattening_and_mapping(structure):
    theirs = keras.tree
    assert tree.flatten(structure) == theirs.flatten(structure)
    assert tree.is_nested(structure) == theirs.is_nested(structure)
    assert tree.lists_to_tuples(structure) == theirs.lists_to_tuples(structure)
    assert tree.flatten_with_path(structure) == theirs.flatten_with_path(structure)
    assert tree.map_structure(str, structure) == theirs.map_structure(str, structure)
    want = theirs.map_structure(str, structure, none_is_leaf=False)
    assert tree.map_structure(str, structure, none_is_leaf=False) == want
    flat = tree.flatten(structure)
    assert tree.pack_sequence_as(structure, flat) == theirs.pack_sequence_as(structure, flat) == structure


@pytest.mark.parametrize("top_down", [True, False])
@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_traversal(structure, top_down):
    def visit(library):
        seen = []

        def function(part):
            seen.append(part)
            if part == 2:
                return library.MAP_TO_NONE
            return "tuple" if type(part) is tuple else None

        return library.traverse(function, structure, top_down), seen

    assert visit(tree) == visit(keras.tree)


@pytest.mark.parametrize("function", ["assert_same_structure", "assert_same_paths"])
@pytest.mark.parametrize(
    ("a", "b"), [([1], (1,)), ([1], [[1]]), ({"a": 1}, {"b": 1}), ({"a": (1, 2)}, {"a": (3, 4)}), ([1], [1, 2]), (1, 2)]
)
def test_comparison(function, a, b):
    try:
        getattr(keras.tree, function)(a, b)
    except ValueError:
        with pytest.raises(ValueError, match=r"differ|only in"):
            getattr(tree, function)(a, b)
    else:
        assert getattr(tree, function)(a, b) is None


def test_partial_maps_and_shapes():
    for library in (tree, keras.tree):
        assert library.map_structure_up_to([0, [0, 0]], str, [[1, 1], [2, 2]]) == ["[1, 1]", ["2", "2"]]
        assert library.map_shape_structure(lambda s: ("s", s), [(1, None), {"a": (2,)}]) == [
            ("s", (1, None)),
            {"a": ("s", (2,))},
        ]
        with pytest.raises(TypeError):
            library.map_structure(3, [1])
        with pytest.raises(ValueError):
            library.map_structure(max, [1], (2,))


@pytest.mark.parametrize("module", ["tree", "config"])
def test_public_names_and_signatures(module):
    ours, theirs = {"tree": tree, "config": config}[module], getattr(keras, module)
    # Lambdas in files are never run here, so there is nothing to enable.
    for name in (n for n in dir(theirs) if not n.startswith("_") and n != "enable_unsafe_deserialization"):
        value = getattr(theirs, name)
        if callable(value):
            names = list(inspect.signature(value).parameters)
            assert list(inspect.signature(getattr(ours, name)).parameters) == names, name


def test_settings(monkeypatch):
    for name in ("floatx", "epsilon", "image_data_format", "max_epochs", "max_steps_per_epoch", "flash_attention"):
        monkeypatch.setattr(settings, name, getattr(settings, name))
    assert (config.floatx(), config.epsilon(), config.image_data_format()) == ("float32", 1e-7, "channels_last")
    config.set_max_epochs(3)
    config.set_max_steps_per_epoch(2)
    assert (config.max_epochs(), config.max_steps_per_epoch()) == (3, 2)
    config.disable_flash_attention()
    assert config.is_flash_attention_enabled() is False
    config.enable_flash_attention()
    assert config.is_flash_attention_enabled() is not False
    config.disable_interactive_logging()
    assert not config.is_interactive_logging_enabled()
    config.enable_interactive_logging()
    assert config.is_interactive_logging_enabled()
    config.set_backend("torch")
    with pytest.raises(ValueError, match="'jax'"):
        config.set_backend("jax")
    with pytest.raises(ValueError, match="int8"):
        config.set_floatx("int8")
    with pytest.raises(ValueError, match="channels"):
        config.set_image_data_format("nchw")

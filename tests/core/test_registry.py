"""What a name stands for, and what users add to that."""

import pytest

import torchkeras as keras
from torchkeras.core import registry


@pytest.fixture
def no_traces():
    """Takes back what a test publishes or registers."""
    tables = (registry._by_name, registry._by_object, registry._package_names, registry.custom_objects)
    before = [dict(table) for table in tables]
    entries = {name: list(found) for name, found in registry._by_name.items()}
    yield
    for table, contents in zip(tables, before, strict=True):
        table.clear()
        table.update(contents)
    registry._by_name.update(entries)


def test_a_published_class_is_found_by_its_names_within_its_kind(no_traces):
    @registry.published("layer", "keras.layers", aliases=("Halver",))
    class Halve:
        pass

    assert registry.find("Halve") is registry.find("Halver", ("layer", "model")) is Halve
    assert registry.find("Halve", ("loss",)) is None
    assert "Halve" in registry.names_of_kind("layer") and "Halver" in registry.names_of_kind("layer")
    entry = registry.entry_of(Halve)
    assert (entry.kind, entry.module, entry.name) == ("layer", "keras.layers", "Halve")


def test_of_several_with_one_name_the_module_decides(no_traces):
    @registry.published("loss", "keras.losses")
    def gap():
        pass

    @registry.published("metric", "keras.metrics", name="gap")
    class Gap:
        pass

    assert registry.all_named("gap") == [gap, Gap]
    assert registry.find("gap", module="keras.metrics") is Gap
    assert registry.find("gap", ("metric",)) is Gap


def test_the_first_publication_is_what_configs_name(no_traces):
    @registry.published("initializer", "keras.initializers", name="first")
    @registry.published("initializer", "keras.initializers", name="second")
    def start():
        pass

    assert registry.entry_of(start).name == "second"
    assert registry.find("first") is registry.find("second") is start


def test_kinds_are_those_that_the_room_lists():
    listed = {
        *("layer", "model", "initializer", "regularizer", "constraint", "activation", "loss", "metric"),
        *("metric_function", "optimizer", "optimizer map", "torch optimizer", "schedule", "policy", "operation"),
        *("seed generator", "torch loss", "feature"),
    }
    assert {entry.kind for entry in registry._by_object.values()} == listed
    assert all(f'"{kind}"' in registry.register.__doc__ for kind in listed)


def test_registered_objects_have_a_package(no_traces):
    @keras.saving.register_keras_serializable(package="lab", name="swish")
    def own(x):
        return x

    assert registry.get_registered_name(own) == "lab>swish"
    assert registry.get_registered_object("lab>swish") is own
    assert registry.get_registered_object("swish") is None
    assert registry.get_registered_name(len) == "len"


def test_a_registered_class_needs_a_config():
    with pytest.raises(ValueError, match=r"Bare: it has no get_config\(\)"):
        keras.saving.register_keras_serializable()(type("Bare", (), {}))


def test_the_innermost_scope_wins_then_the_global_table_then_what_the_call_brings(no_traces):
    registry.get_custom_objects()["x"] = "global"
    assert registry.get_registered_object("x", custom_objects={"x": "call"}) == "global"
    with registry.custom_object_scope({"x": "outer"}):
        with registry.custom_object_scope({"x": "inner"}):
            assert registry.get_registered_object("x") == "inner"
        assert registry.get_registered_object("x") == "outer"
    assert registry.get_registered_object("y", custom_objects={"y": "call"}, module_objects={"y": "module"}) == "call"
    assert registry.get_registered_object("y", module_objects={"y": "module"}) == "module"


def test_scopes_take_none_several_dicts_and_decorate():
    with registry.custom_object_scope(None), registry.custom_object_scope({"a": 1}, {"b": 2}):
        assert [registry.find_custom(name) for name in "ab"] == [1, 2]

    @registry.custom_object_scope({"c": 3})
    def inside():
        return registry.find_custom(None, "missing", "c")

    assert inside() == 3
    with pytest.raises(TypeError, match="got 3"):
        registry.custom_object_scope(3)

"""What a class declares is what it takes, shows, keeps and writes: fields, one option after the other."""

import inspect
import pickle

import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.core.arguments import between, number, one_of, positive_int, tuple_of
from torchkeras.core.fields import REQUIRED, Configured, add_rule, field, handed_on, shown_as, with_rules
from torchkeras.core.layer import Layer
from torchkeras.core.serialization import serialize_keras_object
from torchkeras.layers import _slots


class Range(Configured):
    start = field()
    stop = field(10)
    step = field(1, convert=int)


def names(cls):
    return list(inspect.signature(cls).parameters)


# -- a call -----------------------------------------------------------------------------------------------------------


def test_arguments_become_attributes_and_a_config():
    made = Range(1, step="2")
    assert (made.start, made.stop, made.step) == (1, 10, 2)
    assert made.get_config() == {"start": 1, "stop": 10, "step": 2}
    assert Range.from_config(made.get_config()).get_config() == made.get_config()


def test_the_signature_and_help_show_the_fields():
    assert str(inspect.signature(Range)) == "(start, stop=10, step=1)"
    assert inspect.signature(Range).parameters["start"].default is REQUIRED
    assert "class Range(torchkeras.core.fields.Configured)\n |  Range(start, stop=10, step=1)" in help_of(Range)


def help_of(thing):
    import pydoc

    return pydoc.plain(pydoc.render_doc(thing))


@pytest.mark.parametrize(
    ("args", "kwargs", "error", "text"),
    [
        ((), {}, TypeError, "needs `start`"),
        ((1, 2, 3, 4), {}, TypeError, r"at most 3 positional arguments \(start, stop, step\), got 4"),
        ((1,), {"start": 2}, TypeError, "`start` twice"),
        ((1,), {"steps": 2}, TypeError, "unknown argument.*`steps`.*Did you mean `step`"),
        ((1,), {"steps": 2}, ValueError, "Known: start, stop, step"),
        ((1,), {"step": "x"}, ValueError, "invalid literal"),
    ],
)
def test_calls_that_do_not_fit(args, kwargs, error, text):
    with pytest.raises(error, match=text):
        Range(*args, **kwargs)


def test_a_default_is_converted_each_time():
    class Bag(Configured):
        items = field((), convert=list)

    one, other = Bag(), Bag()
    one.items.append(1)
    assert other.items == []


def test_none_of_an_optional_field_is_not_converted():
    class Limit(Configured):
        most = field(None, convert=float, optional=True)

    assert Limit().most is None
    assert Limit(3).most == 3.0


# -- the list of a class ----------------------------------------------------------------------------------------------


def test_inherited_fields_come_first_and_own_ones_behind():
    class Named(Range):
        name = field(None)

    assert names(Named) == ["start", "stop", "step", "name"]


def test_a_field_declared_again_stands_where_the_others_of_its_class_stand():
    class Backwards(Range):
        step = field(-1)
        stop = field(0)

    assert names(Backwards) == ["start", "step", "stop"]
    assert Backwards(5).step == -1


def test_after_names_the_place():
    class Placed(Range):
        unit = field("s", after="start")
        scale = field(1.0, after="start")
        base = field(10, after="scale")
        last = field(None)

    assert names(Placed) == ["start", "unit", "scale", "base", "stop", "step", "last"]


def test_own_first_holds_for_a_family():
    class Family(Configured, own_first=True):
        name = field(None)

    class Member(Family):
        rate = field(0.1)

    class Grandchild(Member):
        decay = field(0.0)

    assert names(Member) == ["rate", "name"]
    assert names(Grandchild) == ["decay", "rate", "name"]


def test_fields_of_other_classes_and_left_out_ones():
    class Other(Configured):
        colour = field("red")
        step = field(7)

    class Both(Range, fields_from=[Other], without=["stop"]):
        width = field(2)
        start = field(0, after="step")

    assert names(Both) == ["colour", "step", "start", "width"]
    assert Both().step == 1, "what the class inherits wins over what it takes from others, in their place"
    assert Both.from_config(Both("blue", 3, 4).get_config()).get_config() == {
        "colour": "blue",
        "step": 3,
        "start": 4,
        "width": 2,
    }


def test_hidden_fields_are_taken_but_not_shown():
    class Quiet(Range, hidden=["stop"]):
        pass

    assert names(Quiet) == ["start", "step"]
    assert Quiet(1, stop=5).get_config() == {"start": 1, "stop": 5, "step": 1}
    assert names(Range) == ["start", "stop", "step"]
    with pytest.raises(TypeError, match="hidden="):

        class Wrong(Range, hidden=["no"]):
            pass


def test_handed_on_fields_are_converted_by_the_object_that_they_are_for():
    class Owner(Configured, fields_from=[handed_on(Range)]):
        pass

    assert Owner(1, step="2").step == "2"
    assert names(Owner) == names(Range)


def test_a_dict_of_fields_serves_classes_of_a_rank():
    class Sized(Configured):
        def __init_subclass__(cls, rank=None, **options):
            if rank is not None:
                options["fields_from"] = [{"size": field(convert=tuple_of("size", rank))}]
            super().__init_subclass__(**options)

    class Flat(Sized, rank=2):
        pass

    assert Flat(3).size == (3, 3)
    assert names(Flat) == ["size"]


@pytest.mark.parametrize("options", [{"without": ["stpo"]}, {"body": {"more": field(1, after="stpo")}}])
def test_names_that_are_no_fields_are_refused_with_the_class(options):
    with pytest.raises(TypeError, match=r"Wrong: .*'stpo'.*start, stop, step"):
        type("Wrong", (Range,), options.pop("body", {}), **options)


def test_mixins_give_fields_too():
    class Seeded:
        seed = field(None)

    class Drawn(Seeded, Range):
        pass

    assert names(Drawn) == ["start", "stop", "step", "seed"]
    assert Drawn(1, seed=3).seed == 3


# -- options of a field -----------------------------------------------------------------------------------------------


def test_hidden_fields_are_taken_by_name_only():
    class Old(Range):
        legacy = field(False, shown=False)

    assert names(Old) == ["start", "stop", "step"]
    assert Old(1, legacy=True).legacy is True
    assert Old(1).get_config()["legacy"] is False
    with pytest.raises(TypeError, match="at most 3"):
        Old(1, 2, 3, True)


def test_keyword_only_fields():
    class Strict(Range):
        check = field(True, keyword_only=True)

    assert str(inspect.signature(Strict)) == "(start, stop=10, step=1, *, check=True)"


def test_fields_that_are_not_written():
    class Quiet(Range):
        seed = field(None, in_config=False)

    assert "seed" not in Quiet(1, seed=3).get_config()


def test_a_field_may_keep_its_value_under_another_attribute():
    class View:
        shape = property(lambda self: "a view")

    class Reshaped(View, Configured):
        shape = field(convert=tuple, attribute="target")

    class Made(Reshaped):
        shape = field(convert=tuple, attribute="_target")

    made = Made([1, 2])
    assert made._target == (1, 2)
    assert made.shape == "a view"
    assert Made.from_config(made.get_config()).get_config() == {"shape": (1, 2)}


def test_nested_objects_are_written_and_loaded():
    class Outer(Layer):
        inner = _slots.nested("layer", "inner layer")
        rest = _slots.nested("layer", "inner layer", default=())

    made = Outer(layers.Dense(3, name="inside"), [layers.ReLU(), layers.Flatten()])
    config = made.get_config()
    assert config["inner"]["class_name"] == "Dense"
    again = Outer.from_config(config)
    assert (type(again.inner), again.inner.name) == (layers.Dense, "inside")
    assert [type(each) for each in again.rest] == [layers.ReLU, layers.Flatten]
    assert config["inner"]["class_name"] == "Dense", "the config is left as it was"


def test_users_classes_inside_a_config_are_named_by_custom_objects():
    config = layers.RNN(layers.LSTMCell(2)).get_config()
    config["cell"] = {"class_name": "Cell", "config": {}, "module": None, "registered_name": "Cell"}

    class Cell(layers.LSTMCell, without=["units"]):
        units = 5

    assert layers.RNN.from_config(config, custom_objects={"Cell": Cell}).cell.units == 5
    with pytest.raises(ValueError, match="Cell"):
        layers.RNN.from_config(config)


# -- layers -----------------------------------------------------------------------------------------------------------


def test_places_of_base_arguments():
    class Pool(Layer):
        size = field(2)
        name = _slots.base()
        dtype = _slots.base()

    made = Pool(3, "here", "float16")
    assert (made.size, made.name, made.compute_dtype) == (3, "here", "float16")
    assert names(Pool) == ["size", "name", "dtype", "kwargs"]
    assert Pool(name="by_name").name == "by_name"
    assert set(made.get_config()) == {"size", "name", "dtype", "trainable"}


def test_a_layer_without_fields_shows_what_every_layer_takes():
    class Plain(Layer):
        pass

    class None_(Layer, fields_from=[]):
        pass

    assert names(Plain) == ["activity_regularizer", "trainable", "dtype", "autocast", "name", "kwargs"]
    assert names(None_) == ["kwargs"]
    with pytest.raises(TypeError, match="at most 0 positional"):
        Plain(3)


def test_a_users_subclass_with_a_constructor():
    class Wide(layers.Dense):
        def __init__(self, factor, units=2, **kwargs):
            super().__init__(units * factor, **kwargs)
            self.factor = factor

        def get_config(self):
            config = super().get_config()
            return {**config, "factor": self.factor, "units": self.units // self.factor}

    made = Wide(3, activation="relu", name="wide")
    assert names(Wide) == ["factor", "units", "kwargs"]
    assert made.units == 6
    again = Wide.from_config(made.get_config())
    assert (again.units, again.name, again.activation) == (6, "wide", made.activation)


def test_a_users_subclass_without_a_constructor():
    class Same(layers.Dense):
        def call(self, inputs):
            return super().call(inputs) + 1

    assert inspect.signature(Same) == inspect.signature(layers.Dense)
    assert Same(3).get_config()["units"] == 3

    class More(Same):
        shift = field(1.0, after="units")

    assert names(More)[:3] == ["units", "shift", "activation"]
    assert More.from_config(More(3, 2.0).get_config()).shift == 2.0


def test_a_mixin_with_a_constructor_before_the_layer():
    class Tagged:
        def __init__(self, *args, tag="none", **kwargs):
            super().__init__(*args, **kwargs)
            self.tag = tag

    class Dense(Tagged, layers.Dense):
        pass

    made = Dense(3, tag="t")
    assert (made.units, made.tag) == (3, "t")
    assert names(Dense) == ["args", "tag", "kwargs"]


def test_recurrent_layers_take_the_fields_of_their_cell():
    for layer, cell in ((layers.LSTM, layers.LSTMCell), (layers.GRU, layers.GRUCell)):
        mine = names(layer)
        assert [name for name in mine if name in names(cell)][:9] == names(cell)[:9]
        assert mine[mine.index("bias_regularizer") + 1] == "activity_regularizer"
        assert "cell" not in mine and "zero_output_for_mask" not in mine
        assert layer(2, zero_output_for_mask=True).zero_output_for_mask


def test_objects_and_classes_pickle():
    class_, made = pickle.loads(pickle.dumps((layers.Conv2D, layers.Conv2D(3, 2, strides=2, name="c"))))
    assert class_ is layers.Conv2D
    assert made.get_config() == layers.Conv2D(3, 2, strides=2, name="c").get_config()
    declared = pickle.loads(pickle.dumps(field(3, optional=True)))
    assert (declared.default, declared.optional) == (3, True)
    initializer = pickle.loads(pickle.dumps(keras.initializers.GlorotUniform(seed=1)))
    torch.testing.assert_close(initializer((2, 3)), keras.initializers.GlorotUniform(seed=1)((2, 3)))


def test_shown_as():
    class Base(Configured):
        @shown_as(lambda first, *, second=2: None)
        def __init__(self, *args, **kwargs):
            super().__init__()

    assert str(inspect.signature(Base)) == "(first, *, second=2)"


# -- rules of another generation --------------------------------------------------------------------------------------


def _renamed(old, new):
    def rule(fields, args, kwargs):
        if old in kwargs and new in fields:
            kwargs[new] = kwargs.pop(old)
        return args

    return rule


def test_rules_belong_to_a_class_and_its_subclasses():
    class Ruled(Range):
        pass

    class Child(Ruled):
        pass

    Ruled(1)  # the plan is made before the rule comes
    Child(1)
    add_rule(Ruled, _renamed("end", "stop"))
    assert (Ruled(1, end=5).stop, Child(1, end=6).stop) == (5, 6)
    with pytest.raises(TypeError, match="`end`"):
        Range(1, end=5)


def test_a_class_of_the_same_name_has_no_rules():
    Dense = type("Dense", (Layer,), {"units": field(1), "output_dim": field(7)})
    assert Dense(output_dim=3).output_dim == 3
    with pytest.raises(TypeError, match="`W_regularizer`"):
        type("Dense", (Layer,), {"units": field(1)})(W_regularizer="l2")
    mine = type("Mine", (layers.Dense,), {})
    assert mine(output_dim=3, W_regularizer="l2").units == 3


def test_rules_of_a_function():
    @with_rules
    def make(size, name=None):
        return size, name

    add_rule(make, _renamed("label", "name"))
    assert make(3, label="x") == (3, "x")
    assert names(make) == ["size", "name"]


# -- converters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [3, 3.0, torch.tensor(3), torch.tensor([3.0])])
def test_numbers_in_any_box(box):
    assert positive_int("n")(box) == 3 and type(positive_int("n")(box)) is int
    assert between("n", 0, 3)(box) == 3
    assert number("n")(box) == 3


@pytest.mark.parametrize(
    ("convert", "wrong"),
    [
        *[(positive_int("n"), value) for value in (0, -1, 1.5, None, "3", [3], float("nan"), float("inf"))],
        *[(between("n", 0, 1), value) for value in (-0.1, 1.1, None, "0.5", [0.5], float("nan"))],
        *[(tuple_of("n", 2), value) for value in (0, (1,), (1, 2, 3), (1, 0), (1.0, 2.0), "ab", None, {})],
        *[(one_of("n", "a", "b"), value) for value in ("c", None, 1, ["a"])],
    ],
)
def test_refusals_are_both_errors_that_keras_raises(convert, wrong):
    for error in (TypeError, ValueError):
        with pytest.raises(error, match="`n` must be"):
            convert(wrong)


def test_serialized_values_are_plain():
    config = layers.Conv2D(4, 3, kernel_regularizer="l2").get_config()
    assert config["kernel_regularizer"] == serialize_keras_object(keras.regularizers.L2())

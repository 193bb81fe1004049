"""Custom objects in files: what errors say, what stays one, what runs code. compat/ has the same beside Keras."""

import base64
import json
import marshal
import threading
import zipfile

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.core import registry, scopes
from torchkeras.errors import UnknownObjectError, UnsafeFileError, UnserializableError


@pytest.fixture(autouse=True)
def no_traces():
    tables = (registry._package_names, registry.custom_objects)
    before = [dict(table) for table in tables]
    yield
    for table, contents in zip(tables, before, strict=True):
        table.clear()
        table.update(contents)


class Shift(layers.Layer):
    def call(self, x):
        return x + 1.0


class Scale(layers.Layer):
    def call(self, x):
        return 2.0 * x


def own_loss(y_true, y_pred):
    return (y_true - y_pred).abs().mean(-1)


def own_metric(y_true, y_pred):
    return y_pred.mean()


def network(*inner, loss="mse", **options):
    model = keras.Sequential([keras.Input((3,)), *inner, layers.Dense(1)])
    model.compile("sgd", loss, **options)
    return model


def error_of(call, *arguments, **options):
    with pytest.raises(UnknownObjectError) as found:
        call(*arguments, **options)
    assert isinstance(found.value, TypeError) and isinstance(found.value, ValueError)
    return str(found.value)


# -- what is missing --------------------------------------------------------------------------------------------------


def test_a_file_names_all_that_is_missing_and_the_line_to_type(tmp_path):
    path = tmp_path / "m.keras"
    network(Shift(), Scale(), loss=own_loss, metrics=[own_metric]).save(path)
    table = "{'Shift': Shift, 'Scale': Scale, 'own_loss': own_loss, 'own_metric': own_metric}"
    text = error_of(keras.saving.load_model, path)
    assert f"keras.models.load_model({str(path)!r}, custom_objects={table})" in text
    assert "@keras.saving.register_keras_serializable()" in text and "compile=False" not in text
    layers_only = {"Shift": Shift, "Scale": Scale}
    text = error_of(keras.saving.load_model, path, custom_objects=layers_only)
    assert "custom_objects={'own_loss': own_loss, 'own_metric': own_metric})" in text and "compile=False" in text
    again = keras.saving.load_model(path, custom_objects=layers_only, compile=False)
    assert not again.compiled
    text = error_of(keras.saving.load_model, path, compile=False)
    assert "'Scale': Scale})" in text and "own_loss" not in text


def test_each_door_shows_its_own_line():
    model = network(Shift())
    config, custom = model.get_config(), "custom_objects={'Shift': Shift})"
    assert f"model_from_json(json_string, {custom}" in error_of(keras.models.model_from_json, model.to_json())
    assert f"Sequential.from_config(config, {custom}" in error_of(keras.Sequential.from_config, config)
    inputs = keras.Input((3,))
    graph = keras.Model(inputs, Shift()(inputs)).get_config()
    assert f"Model.from_config(config, {custom}" in error_of(keras.Model.from_config, graph)
    described = keras.saving.serialize_keras_object(Shift())
    assert f"deserialize_keras_object(config, {custom}" in error_of(keras.saving.deserialize_keras_object, described)
    text = error_of(layers.Dense.from_config, layers.Dense(1, activation=own_metric).get_config())
    assert "`activation` of Dense" in text and "Dense.from_config(config, custom_objects={'own_metric'" in text


def test_a_registered_class_is_shown_with_its_package():
    cls = keras.saving.register_keras_serializable("lab", "Moved")(type("Other", (Shift,), {"__module__": "lab.parts"}))
    config = keras.saving.serialize_keras_object(cls())
    registry.custom_objects.clear()
    text = error_of(layers.deserialize, config)
    assert "'Other' of module 'lab.parts', registered as 'lab>Moved'" in text
    assert "register_keras_serializable('lab')" in text
    for name in ("lab>Moved", "Other"):
        assert type(layers.deserialize(config, custom_objects={name: cls})) is cls


def test_near_misses_are_told():
    described = keras.saving.serialize_keras_object(Shift())
    assert "known as 'my_shift', but the key must be 'Shift'" in error_of(
        layers.deserialize, described, custom_objects={"my_shift": Shift}
    )
    for given in (Shift, [Shift]):
        with pytest.raises(TypeError, match=r"must be a dict.*write \{'Shift': Shift\}"):
            layers.deserialize(described, custom_objects=given)
    assert type(layers.deserialize(described, custom_objects={"Shift": Shift()})) is Shift
    with pytest.raises(TypeError, match="with its brackets"):
        keras.saving.register_keras_serializable(Shift)


def test_a_missing_class_of_a_functional_subclass_is_named(tmp_path):
    class Net(keras.Model):
        pass

    inputs = keras.Input((3,))
    Net(inputs, layers.Dense(1)(inputs)).save(tmp_path / "m.keras")
    assert "custom_objects={'Net': Net})" in error_of(keras.saving.load_model, tmp_path / "m.keras")
    assert type(keras.saving.load_model(tmp_path / "m.keras", custom_objects={"Net": Net})) is Net
    keras.saving.register_keras_serializable()(Net)
    assert type(keras.saving.load_model(tmp_path / "m.keras")) is Net


# -- which class a name means -----------------------------------------------------------------------------------------


def test_a_registered_class_never_takes_the_place_of_a_published_one():
    own = keras.saving.register_keras_serializable()(type("Dense", (layers.Dense,), {"__module__": "lab"}))
    described = [keras.saving.serialize_keras_object(cls(1)) for cls in (own, layers.Dense)]
    assert [type(layers.deserialize(each)) for each in described] == [own, layers.Dense]
    keras.saving.register_keras_serializable()(gelu := type(own_metric)(own_metric.__code__, globals(), "gelu"))
    assert layers.Dense(1, activation="gelu").activation is keras.activations.gelu is not gelu


def test_a_class_of_a_program_is_not_taken_for_a_published_one():
    own = type("Dense", (layers.Dense,), {"__module__": "__main__"})
    described = keras.saving.serialize_keras_object(own(1))
    assert described["module"] is None
    error_of(layers.deserialize, described)
    assert type(layers.deserialize(described, custom_objects={"Dense": own})) is own


def test_what_was_saved_before_it_was_registered_is_found():
    described = keras.saving.serialize_keras_object(Shift()), keras.saving.serialize_keras_object(own_loss)
    for thing in (Shift, own_loss):
        keras.saving.register_keras_serializable("lab")(thing)
    assert type(layers.deserialize(described[0])) is Shift
    assert keras.losses.deserialize(described[1]) is own_loss
    keras.saving.register_keras_serializable("other")(type("Shift", (Shift,), {}))
    error_of(layers.deserialize, described[0])  # two packages have the name


def test_false_names_and_wrong_kinds_are_refused():
    keras.saving.register_keras_serializable("lab")(Shift)
    relu = {"module": "keras.layers", "class_name": "ReLU", "config": {}, "registered_name": "lab>Shift"}
    function = {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "lab>Shift"}
    for described in (relu, function, {**relu, "registered_name": "lab>Unknown"}):
        with pytest.raises(UnsafeFileError, match="registered name"):
            keras.saving.deserialize_keras_object(described)
    with pytest.raises(UnknownObjectError, match="Shift is a layer, where initializer belongs"):
        keras.initializers.deserialize(keras.saving.serialize_keras_object(Shift()))


def test_scopes_belong_to_their_thread():
    described, found = keras.saving.serialize_keras_object(Shift()), []

    def elsewhere():
        try:
            found.append(layers.deserialize(described))
        except ValueError as error:
            found.append(error)

    with keras.saving.custom_object_scope({"Shift": Shift}), keras.utils.custom_object_scope({"x": 1}):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert type(layers.deserialize(described)) is Shift
    assert isinstance(found[0], UnknownObjectError)


# -- what stays one ---------------------------------------------------------------------------------------------------


def test_an_object_of_the_users_that_stands_in_several_places_stays_one(tmp_path):
    class Counting(keras.regularizers.Regularizer):
        def __call__(self, w):
            return 0.1 * w.sum()

        def get_config(self):
            return {}

    shared, alone = Counting(), Counting()
    parts = [layers.Dense(2, kernel_regularizer=each) for each in (shared, shared, alone)]
    network(*parts).save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", custom_objects={"Counting": Counting})
    first, second, third = (layer.kernel_regularizer for layer in again.layers[:3])
    assert first is second is not third


# -- lambdas ----------------------------------------------------------------------------------------------------------


def test_lambdas_are_written_with_a_warning_and_run_only_where_that_is_allowed(tmp_path):
    path, bias = tmp_path / "m.keras", 3.0
    model = network(layers.Dense(2, activation=lambda x, slope=2.0: slope * x + bias), loss=lambda a, b: (a - b).abs())
    with pytest.warns(UserWarning, match=r"lambda of .*test_custom_objects.py:\d+ is saved as byte code"):
        model.save(path)
    with pytest.raises(UnsafeFileError, match="safe_mode=False"):
        keras.saving.load_model(path)
    with pytest.warns(UserWarning, match="for one version of Python"):
        again = keras.saving.load_model(path, safe_mode=False)
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert again.evaluate(x, x[:, :1], verbose=0) == model.evaluate(x, x[:, :1], verbose=0)
    with pytest.raises(UnsafeFileError):
        keras.models.model_from_json(model.to_json())


@pytest.mark.filterwarnings("ignore")
def test_the_setting_of_the_thread_allows_lambdas_in_texts():
    text = network(layers.Dense(2, activation=lambda x: x)).to_json()
    keras.config.enable_unsafe_deserialization()
    try:
        assert keras.models.model_from_json(text).layers[0].activation(3) == 3
        with pytest.raises(UnsafeFileError):
            keras.saving.deserialize_keras_object(json.loads(text), safe_mode=True)
    finally:
        scopes.state.unsafe_unless_told = False


def test_names_that_a_lambda_looks_up_are_told():
    described = described_lambda(lambda x: own_metric(x, x) + np.float32(1))
    with pytest.warns(UserWarning, match=r"looks up np, own_metric.*custom_objects=\{'np': np, 'own_metric'"):
        keras.saving.deserialize_keras_object(described, safe_mode=False)
    with keras.saving.custom_object_scope({"np": np, "own_metric": own_metric}), pytest.warns(UserWarning):
        found = keras.saving.deserialize_keras_object(described, safe_mode=False)
    assert found(torch.ones(2)) == 2


def described_lambda(function):
    with pytest.warns(UserWarning, match="lambda"):
        return json.loads(json.dumps(keras.saving.serialize_keras_object(function)))


@pytest.mark.parametrize("code", [b"\xff\xff", b"\x00\x01" * 4, b"\x97\x00\x00\x00"])
def test_code_of_another_python_is_refused(code):
    """Instructions that this one does not know, or whose entries lie elsewhere."""
    described = described_lambda(lambda x: x)
    other = (lambda x: x).__code__.replace(co_code=code)
    described["config"]["value"][0] = base64.encodebytes(marshal.dumps(other)).decode()
    with pytest.raises(ValueError, match="for the version of Python"):
        keras.saving.deserialize_keras_object(described, safe_mode=False)


@pytest.mark.filterwarnings("ignore")
def test_what_no_file_can_hold_is_named_and_the_old_file_stays(tmp_path):
    table = torch.ones(3)
    network().save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()
    with pytest.raises(UnserializableError, match=r"config\['config'\]\['layers'\].*A lambda holds it"):
        network(layers.Lambda(lambda x: x * table)).save(tmp_path / "m.keras")
    assert (tmp_path / "m.keras").read_bytes() == before


# -- configs that cannot be made --------------------------------------------------------------------------------------


def test_an_argument_that_cannot_be_saved_is_named_with_what_to_write(tmp_path):
    class Holding(layers.Layer):
        def __init__(self, table, units=2, **kwargs):
            super().__init__(**kwargs)
            self.table = table

        def call(self, x):
            return x

    with pytest.raises(
        NotImplementedError, match=r"(?s)Holding.*table.*def get_config\(self\):.*\"table\": self.table"
    ):
        network(Holding(np.ones(3))).save(tmp_path / "m.keras")


class Around(layers.Layer):
    """Forgets to make its layer anew."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        return {**super().get_config(), "inner": self.inner}


def test_a_description_that_nobody_reads_is_told(tmp_path):
    network(Around(layers.Dense(2))).save(tmp_path / "m.keras")
    with (
        pytest.warns(UserWarning, match=r"(?s)Around keeps `inner` as the dict.*def from_config"),
        pytest.raises(TypeError, match="not callable"),
    ):
        keras.saving.load_model(tmp_path / "m.keras", custom_objects={"Around": Around})


def test_a_config_that_forgets_an_argument_is_told():
    class Forgetful(Around):
        def get_config(self):
            return layers.Layer.get_config(self)

    config = Forgetful(layers.Dense(1)).get_config()
    with pytest.raises(TypeError, match=r"(?s)Forgetful cannot be made.*inner.*get_config\(\) must return the"):
        Forgetful.from_config(config)


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, threading.Lock(), np.array(["a"]), int])
def test_values_without_a_description(value):
    with pytest.raises(ValueError):
        keras.saving.serialize_keras_object(value)


def test_a_config_that_is_no_dict():
    class Odd(layers.Layer):
        def get_config(self):
            return 3

    with pytest.raises(TypeError, match=r"get_config.. of Odd must return a dict, got 3"):
        keras.saving.serialize_keras_object(Odd())


def test_a_dict_of_the_users_own_may_say_class_name():
    for own in ({"class_name": "cat", "n": 1}, {"config": 3}, {"a": (1, 2), "b": None}):
        assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(own)) == own


def test_dtypes_are_written_by_name():
    given = [np.float32, np.dtype("int8"), torch.bfloat16]
    assert keras.saving.serialize_keras_object(given) == ["float32", "int8", "bfloat16"]


# -- reports ----------------------------------------------------------------------------------------------------------


def test_assets_and_their_layer_go_by_one_path(tmp_path):
    class Words(layers.Layer):
        words = ()

        def call(self, x):
            return x

        def save_assets(self, folder):
            with open(f"{folder}/words.txt", "w") as file:
                file.write(",".join(self.words))

        def load_assets(self, folder):
            with open(f"{folder}/words.txt") as file:
                self.words = file.read().split(",")

    model = network(Words(), Words())
    model.layers[0].words, model.layers[1].words = ["a"], ["b", "c"]
    model.save(tmp_path / "m.keras")
    names = zipfile.ZipFile(tmp_path / "m.keras").namelist()
    assert [name for name in names if "assets" in name] == [
        "assets/layers/words/words.txt", "assets/layers/words_1/words.txt",
    ]  # fmt: skip
    again = keras.saving.load_model(tmp_path / "m.keras", custom_objects={"Words": Words})
    assert [layer.words for layer in again.layers[:2]] == [["a"], ["b", "c"]]


@pytest.mark.parametrize("name", ["Dense", "Scale"])
def test_a_class_of_another_name_in_the_place_of_the_saved_one_gets_its_weights(name, tmp_path):
    class Halving(layers.Dense):
        def call(self, x):
            return super().call(x) / 2

    class Scale(layers.Dense):
        pass

    model = network(*([layers.Dense(2)] if name == "Dense" else [Scale(2)]))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", custom_objects={name: Halving})
    assert type(again.layers[0]) is Halving
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    again.save(tmp_path / "again.keras")
    last = keras.saving.load_model(tmp_path / "again.keras", custom_objects={"Halving": Halving})
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(last.predict(x, verbose=0), again.predict(x, verbose=0))


def test_a_clone_knows_the_objects_of_its_original():
    class Near(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return torch.full(shape, 0.1)

        def get_config(self):
            return {}

    model = network(layers.Dense(2, own_metric, kernel_initializer=Near()))
    clone = keras.models.clone_model(model)
    assert clone.layers[0].activation is own_metric and type(clone.layers[0].kernel_initializer) is Near
    error_of(layers.Dense.from_config, model.layers[0].get_config())


def test_a_function_that_shares_its_name_with_one_of_keras_is_told():
    layer = keras.layers.Dense(2, activation=torch.nn.functional.leaky_relu)
    with pytest.warns(UserWarning, match="functional.leaky_relu is saved by its name.*read in its place"):
        keras.saving.serialize_keras_object(layer)

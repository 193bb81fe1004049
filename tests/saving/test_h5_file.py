"""HDF5 in Keras 2's layout: what does not fit, what is matched how, states of old optimizers, files of strangers."""

import json

import h5py
import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers
from torchkeras.errors import CorruptFileError, UnsafeFileError


def dense(units=3, names=("one", "two")):
    return keras.Sequential(
        [keras.Input((2,)), layers.Dense(units, name=names[0]), layers.Dense(1, name=names[1])], name="whole"
    )


def values(model):
    return [weight.numpy().copy() for weight in model.weights]


def same(found, wanted):
    assert len(found) == len(wanted)
    for ours, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours, other)


# -- what does not fit ------------------------------------------------------------------------------------------------


def test_all_that_does_not_fit_is_one_error_and_nothing_changes(tmp_path):
    dense(3).save_weights(tmp_path / "w.h5")
    model = dense(4)
    before = values(model)
    with pytest.raises(ValueError) as caught:
        model.load_weights(tmp_path / "w.h5")
    text = str(caught.value)
    for part in ("one (Dense)", "two (Dense)", "(2, 4)", "(2, 3)", "(4, 1)", "(3, 1)", "skip_mismatch=True", "w.h5"):
        assert part in text
    same(values(model), before)


@pytest.mark.parametrize("by_name", [False, True])
def test_skip_mismatch_leaves_only_what_does_not_fit(by_name, tmp_path):
    source = dense(3)
    source.layers[1].bias.assign([5.0])
    source.save_weights(tmp_path / "w.h5")
    model = dense(4)
    before = values(model)
    with pytest.warns(UserWarning, match="does not fit the model everywhere"):
        model.load_weights(tmp_path / "w.h5", skip_mismatch=True, by_name=by_name)
    same(values(model), [*before[:3], np.array([5.0], "float32")])


def test_another_number_of_layers_lists_both_and_changes_nothing(tmp_path):
    dense().save_weights(tmp_path / "w.h5")
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3, name="alone")])
    before = values(model)
    with pytest.raises(ValueError, match="layer count mismatch") as caught:
        model.load_weights(tmp_path / "w.h5")
    for part in ("one: [(2, 3), (3,)]", "two: [(3, 1), (1,)]", "alone: [(2, 3), (3,)]", "by_name=True"):
        assert part in str(caught.value)
    same(values(model), before)


def test_a_larger_window_does_not_take_a_smaller_kernel(tmp_path):
    def model(window):
        return keras.Sequential([keras.Input((9, 9, 1)), layers.Conv2D(2, window, name="c")])

    model(5).save_weights(tmp_path / "w.h5")
    with pytest.raises(ValueError, match=r"c \(Conv2D\).*\(7, 7, 1, 2\), what is saved has \(5, 5, 1, 2\)"):
        model(7).load_weights(tmp_path / "w.h5")


def test_by_name_takes_equal_names_and_tells_of_the_others(tmp_path):
    source = dense(names=("one", "two"))
    source.save_weights(tmp_path / "w.h5")
    model = dense(names=("one", "other"))
    before = values(model)
    with pytest.warns(UserWarning, match=r"no layer of the model took what the file has for \['two'\]"):
        model.load_weights(tmp_path / "w.h5", by_name=True)
    same(values(model), [*values(source)[:2], *before[2:]])


def test_by_name_does_not_look_into_models_and_says_so(tmp_path):
    dense().save_weights(tmp_path / "w.h5")
    outer = keras.Sequential([keras.Input((2,)), dense()])
    with pytest.warns(UserWarning, match="'one', 'two'.*not into models inside"):
        outer.load_weights(tmp_path / "w.h5", by_name=True)


def test_by_name_is_for_this_layout(tmp_path):
    model = dense()
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="by_name=True is for HDF5 files in Keras 2's layout"):
        model.load_weights(tmp_path / "m.weights.h5", by_name=True)


# -- matching ---------------------------------------------------------------------------------------------------------


def test_layers_of_other_names_take_weights_in_order(tmp_path):
    source = dense(2, names=("z", "a"))
    source.save_weights(tmp_path / "w.h5")
    model = dense(2, names=("a", "z"))
    model.load_weights(tmp_path / "w.h5")
    same(values(model), values(source))


def frozen(part):
    inside = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="a"), layers.Dense(2, name="b")], name="inner")
    inside.layers[0].trainable = not part
    return keras.Sequential([keras.Input((2,)), inside])


@pytest.mark.parametrize("form", ["w.h5", "m.h5"])
def test_a_part_that_was_frozen_when_saved_gives_each_weight_its_own(form, tmp_path):
    source = frozen(True)  # lists b before a
    (source.save_weights if form == "w.h5" else source.save)(tmp_path / form)
    model = frozen(False)
    model.load_weights(tmp_path / form)
    same(values(model), values(source))


class Twins(layers.Layer):
    """Two sublayers of one type, whose weights have one name."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = layers.Dense(2, name="same"), layers.Dense(2, name="same")

    def build(self, shape):
        self.first.build(shape)
        self.second.build(shape)

    def call(self, x):
        return self.first(x) - self.second(x)


def test_weights_of_one_path_are_written_under_names_of_their_own(tmp_path):
    source = keras.Sequential([keras.Input((2,)), Twins()])
    source.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        group = next(iter(group for name, group in file["model_weights"].items() if name.startswith("twins")))
        names = list(group.attrs["weight_names"])
        assert len(set(names)) == 4 and all(name in group for name in names)
    model = keras.models.load_model(tmp_path / "m.h5", custom_objects={"Twins": Twins})
    same(values(model), values(source))


def test_names_too_many_for_one_attribute_are_read_from_several(tmp_path):
    source = keras.Sequential(
        [keras.Input((1,)), *(layers.Dense(1, name=f"{'long' * 120}{place}") for place in range(150))]
    )
    source.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert "layer_names0" in file["model_weights"].attrs and "layer_names" not in file["model_weights"].attrs
    same(values(keras.models.load_model(tmp_path / "m.h5")), values(source))


class Pair(keras.Model):
    """Two layers of one name."""

    def __init__(self):
        super().__init__()
        self.one, self.two = layers.Dense(2, name="same"), layers.Dense(2, name="same")

    def call(self, x):
        return self.one(x) - self.two(x)


def test_layers_of_one_name_keep_their_own_weights(tmp_path):
    source, model = Pair(), Pair()
    for each in (source, model):
        each(torch.ones(1, 2))
    source.save_weights(tmp_path / "w.h5")
    model.load_weights(tmp_path / "w.h5")
    same(values(model), values(source))


class OwnDense(layers.Dense):
    """A user's class in the place of ours."""


def test_a_users_class_takes_the_place_of_ours_with_its_weights(tmp_path):
    source = dense()
    source.save(tmp_path / "m.h5")
    model = keras.models.load_model(tmp_path / "m.h5", custom_objects={"Dense": OwnDense})
    assert all(type(layer) is OwnDense for layer in model.layers)
    same(values(model), values(source))


# -- whole models -----------------------------------------------------------------------------------------------------


class Custom(keras.Model):
    """A subclassed model."""

    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.units, self.one, self.scale = units, layers.Dense(units), self.add_weight(name="scale")

    def call(self, x):
        return self.one(x) * self.scale

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_weights_of_a_subclassed_model_come_back(tmp_path):
    source = Custom(3)
    source(torch.ones(1, 2))
    source.save_weights(tmp_path / "w.h5")
    model = Custom(3)
    model(torch.ones(1, 2))
    model.load_weights(tmp_path / "w.h5")
    same(values(model), values(source))
    source.save(tmp_path / "m.h5")
    model = Custom(3)
    model(torch.ones(1, 2))
    model.load_weights(tmp_path / "m.h5")
    same(values(model), values(source))


def test_a_subclassed_model_that_cannot_know_its_shape_says_what_to_do(tmp_path):
    source = Custom(3)
    source(torch.ones(1, 2))
    source.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match="use load_weights"):
        keras.models.load_model(tmp_path / "m.h5", custom_objects={"Custom": Custom})


def test_include_optimizer_and_words_of_keras_2(tmp_path):
    model = dense()
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 2)), np.ones((2, 1)))
    model.save(tmp_path / "free name", save_format="h5", include_optimizer=False)
    with h5py.File(tmp_path / "free name") as file:
        assert "optimizer_weights" not in file and "training_config" not in file.attrs
    again = keras.models.load_model(tmp_path / "free name")
    assert not again.compiled
    same(values(again), values(model))
    model.save(tmp_path / "m.hdf5")
    assert int(keras.models.load_model(tmp_path / "m.hdf5").optimizer.iterations) == 1
    assert not keras.models.load_model(tmp_path / "m.hdf5", compile=False).compiled
    with pytest.raises(FileExistsError):
        model.save(tmp_path / "m.hdf5", overwrite=False)


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    model = dense()
    model.save(tmp_path / "m.h5")
    before = (tmp_path / "m.h5").read_bytes()
    other = keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x)])
    other.get_config = lambda: {"bad": object()}
    with pytest.raises((TypeError, ValueError)):
        other.save(tmp_path / "m.h5")
    assert (tmp_path / "m.h5").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.h5"]


def test_a_float16_loss_scale_comes_back(tmp_path):
    model = dense()
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Nadam(0.01), initial_scale=8.0), "mse")
    for _ in range(3):
        model.train_on_batch(np.ones((2, 2)), np.ones((2, 1)))
    model.save(tmp_path / "m.h5")
    again = keras.models.load_model(tmp_path / "m.h5")
    same([v.numpy() for v in again.optimizer.variables], [v.numpy() for v in model.optimizer.variables])
    assert float(again.optimizer.inner_optimizer._u_product) == float(model.optimizer.inner_optimizer._u_product)


# -- states of older optimizers ---------------------------------------------------------------------------------------


def stored(name, entries, tmp_path, config=None):
    """A model whose file has such an optimizer state, loaded."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    model.compile(name, "mse")
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        training = json.loads(file.attrs["training_config"])
        training["optimizer_config"] = {"class_name": name, "config": config or {}}
        file.attrs["training_config"] = json.dumps(training).encode()
        del file["optimizer_weights"]
        group = file.create_group("optimizer_weights")
        group.attrs["weight_names"] = [key.encode() for key in entries]
        for key, value in entries.items():
            group[key] = value
    return keras.models.load_model(tmp_path / "m.h5").optimizer


K, B = np.arange(4, dtype="float32").reshape(2, 2), np.array([8, 9], "float32")


def variables(count, first=0):
    """The nameless state of Keras 2, kinds after each other."""
    return {
        f"training/X/Variable_{2 * kind + place}:0": (kind + 1) * each
        for kind in range(first, first + count)
        for place, each in enumerate((K, B))
    }


COUNTER = {"X/iterations:0": np.int64(7)}
KERAS_2 = {
    "SGD with a counter": (
        "SGD",
        {**COUNTER, **variables(1)},
        {"momentum": 0.5, "lr": 0.3, "decay": 0.0},
        "momentums",
        1,
    ),
    "SGD that uses no momentum": ("SGD", {**COUNTER, **variables(1)}, {"lr": 0.3}, None, 0),
    "Adam": ("Adam", {**COUNTER, **variables(2)}, {"lr": 0.3}, "_velocities", 2),
    "Adam with places for the largest": (
        "Adam",
        {**COUNTER, **variables(2), "training/X/a:0": np.zeros(1), "training/X/b:0": np.zeros(1)},
        {"lr": 0.3, "amsgrad": False},
        "_velocities",
        2,
    ),
    "Adam with the largest": ("Adam", {**COUNTER, **variables(3)}, {"amsgrad": True}, "_velocity_hats", 3),
    "RMSprop without a counter": ("RMSprop", variables(1), {"lr": 0.3}, "_velocities", 1),
    "RMSprop": ("RMSprop", {**COUNTER, **variables(1)}, {"lr": 0.3}, "_velocities", 1),
    "Adagrad": ("Adagrad", {**COUNTER, **variables(1)}, {"lr": 0.3}, "_accumulators", 1),
    "Adadelta": ("Adadelta", {**COUNTER, **variables(2)}, {"lr": 0.3}, "_accumulated_delta_vars", 2),
    "Adamax": ("Adamax", {**COUNTER, **variables(2)}, {"lr": 0.3}, "_u", 2),
    "Nadam": ("Nadam", {**COUNTER, **variables(2)}, {"lr": 0.3, "schedule_decay": 0.004}, "_velocities", 2),
    "Nadam with a product": (
        "Nadam",
        {**COUNTER, "X/m_schedule:0": np.float32(0.5), **variables(2)},
        {"lr": 0.3},
        "_velocities",
        2,
    ),
}


@pytest.mark.parametrize("case", KERAS_2.values(), ids=KERAS_2)
def test_states_of_keras_2_find_their_places(case, tmp_path, recwarn):
    name, entries, config, attribute, kind = case
    optimizer = stored(name, entries, tmp_path, config)
    if attribute is not None:
        same([state.numpy() for state in getattr(optimizer, attribute)], [kind * K, kind * B])
    assert int(optimizer.iterations) == (7 if "X/iterations:0" in entries else 0)
    assert float(optimizer.learning_rate) == pytest.approx(config.get("lr", 0.001))
    assert not [each for each in recwarn if "not loaded" in str(each.message)]


def test_another_number_of_states_warns_with_both_and_starts_afresh(tmp_path):
    entries = {"adam/iteration": np.int32(7), "adam/learning_rate": np.float32(0.1), "adam/kernel_momentum": K}
    with pytest.warns(UserWarning, match="it has 6 variables, the file 3"):
        optimizer = stored("Adam", entries, tmp_path, {"learning_rate": 0.5})
    assert int(optimizer.iterations) == 0 and float(optimizer.learning_rate) == 0.5


# -- strangers' files -------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    dense().save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as opened:
        yield opened


def refused(file, error, match):
    path = file.filename
    file.close()
    with pytest.raises(error, match=match):
        keras.models.load_model(path)
    with pytest.raises(error, match=match):
        dense().load_weights(path)


@pytest.mark.parametrize("name", ["../../optimizer_weights", "/model_weights/one", "one/../two"])
def test_names_may_not_lead_out_of_their_group(name, file):
    file["model_weights"].attrs["layer_names"] = [name.encode(), b"two"]
    refused(file, UnsafeFileError, "leads out")


def test_weights_may_not_lead_out_of_their_layer(file):
    file["model_weights/one"].attrs["weight_names"] = [b"../two/whole/two/kernel"]
    refused(file, UnsafeFileError, "leads out")


@pytest.mark.parametrize("key", ["layer_names", "weight_names"])
def test_lists_name_what_is_there(key, file):
    group = file["model_weights"] if key == "layer_names" else file["model_weights/one"]
    group.attrs[key] = [b"nothing"]
    refused(file, CorruptFileError, "nothing")


def test_references_in_the_place_of_names_are_not_followed(file):
    file["model_weights"].attrs["layer_names"] = file["model_weights"].ref
    refused(file, CorruptFileError, "no text")


def test_a_config_that_is_none(file):
    path = file.filename
    file.attrs["model_config"] = b"{"
    file.close()
    with pytest.raises(CorruptFileError, match="model_config"):
        keras.models.load_model(path)


def test_weights_alone_are_no_model(tmp_path):
    dense().save_weights(tmp_path / "w.h5")
    with pytest.raises(CorruptFileError, match="load_weights"):
        keras.models.load_model(tmp_path / "w.h5")


@pytest.mark.parametrize(
    "code", [["4wEAAAAA", None, None], {"class_name": "__lambda__", "config": {"code": "4wEAAAAA"}}]
)
def test_code_is_not_read(code, file):
    config = json.loads(file.attrs["model_config"])
    entry = {"name": "bad", "trainable": True, "function": code, "function_type": "lambda"}
    config["config"]["layers"].append({"class_name": "Lambda", "config": entry})
    path = file.filename
    for version in ("3.15.1", "2.3.0"):
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(config).encode(), version
        file.flush()
        with pytest.raises(UnsafeFileError):
            keras.models.load_model(path)


def test_a_file_without_its_weights_says_so(tmp_path):
    path = tmp_path / "m.h5"
    dense().save(path)
    with h5py.File(path, "r+") as file:
        del file["model_weights"]
    with pytest.raises(CorruptFileError, match=r"m\.h5 holds no model_weights, which a saved model has"):
        keras.models.load_model(path)


def test_a_state_of_other_shapes_says_which(tmp_path):
    entries = {"sgd/iteration": np.int64(1), "sgd/learning_rate": np.float32(0.1)}
    entries |= {"sgd/k_momentum": np.zeros((3, 2)), "sgd/b_momentum": np.zeros(2)}
    with pytest.warns(
        UserWarning, match=r"has shape \(2, 2\), what is saved as 'sgd/k_momentum' has \(3, 2\)\."
    ) as told:
        stored("SGD", entries, tmp_path, {"momentum": 0.5})
    assert "the file 4" not in str(told[0].message)

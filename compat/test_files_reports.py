"""Files of weights and models that users of Keras reported, and what else a layer may write beside its weights."""

import os
import warnings

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.file_cases import array, crossing, facts, load, made, scatter
from torchkeras import layers

X = np.random.default_rng(0).random((4, 5, 3), "float32")
Y = np.random.default_rng(1).random((4, 2), "float32")


def recurrent(k, cls=None):
    return k.Sequential([k.Input((5, 3)), (cls or k.layers.LSTM)(2, name="recurrent"), k.layers.Dense(2)])


# -- weights and classes of other names (keras#20322) -----------------------------------------------------------------


def test_weights_of_a_subclass_do_not_pass_for_those_of_its_base(tmp_path):
    class MyLSTM(layers.LSTM):
        pass

    model, base = made(torchkeras, lambda k: recurrent(k, MyLSTM)), made(torchkeras, recurrent)
    model.save_weights(tmp_path / "m.weights.h5")
    before = base.get_weights()
    with pytest.raises(ValueError, match=r"(?s)layers/lstm.*LSTMCell.*layers/my_lstm"):
        base.load_weights(tmp_path / "m.weights.h5")
    assert all((a == b).all() for a, b in zip(before, base.get_weights(), strict=True))
    again = made(torchkeras, lambda k: recurrent(k, MyLSTM))
    scatter(again)
    again.load_weights(tmp_path / "m.weights.h5")
    assert facts(again) == facts(model)


def test_a_subclass_of_the_same_name_takes_the_weights_of_keras(tmp_path):
    class LSTM(layers.LSTM):
        pass

    theirs = made(keras, recurrent)
    theirs.save_weights(tmp_path / "m.weights.h5")
    ours = made(torchkeras, lambda k: recurrent(k, LSTM))
    ours.load_weights(tmp_path / "m.weights.h5")
    assert [array(w).tobytes() for w in ours.weights] == [array(w).tobytes() for w in theirs.weights]


# -- training that goes on (tf-keras#70) ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [".keras", ".weights.h5"])
def test_training_in_two_parts_is_training_at_once(kind, tmp_path):
    def make(k):
        model = recurrent(k)
        model.compile("adam", "mse", metrics=["mae"])
        return model

    def fit(model, epochs):
        return model.fit(X, Y, epochs=epochs, shuffle=False, verbose=0).history

    at_once = made(torchkeras, make)
    whole = fit(at_once, 6)
    model = made(torchkeras, make)
    first = fit(model, 3)
    if kind == ".keras":
        model.save(tmp_path / "model.keras")
        again = load(torchkeras, tmp_path / "model.keras")
    else:
        model.save_weights(tmp_path / "model.weights.h5")
        again = made(torchkeras, make)
        again.optimizer.build(again.trainable_variables)
        again.load_weights(tmp_path / "model.weights.h5")
    assert int(again.optimizer.iterations) == 3
    second = fit(again, 3)
    assert {name: first[name] + second[name] for name in first} == whole
    assert facts(again) == facts(at_once)


# -- nothing is loaded in silence (tensorflow#24623) ------------------------------------------------------------------


def test_weights_for_a_model_without_an_input_shape(tmp_path):
    made(torchkeras, recurrent).save_weights(tmp_path / "m.weights.h5")
    model = torchkeras.Sequential([layers.LSTM(2), layers.Dense(2)])
    with pytest.raises(ValueError, match="build it, or call it on data"):
        model.load_weights(tmp_path / "m.weights.h5")
    model.build((None, 5, 3))
    model.load_weights(tmp_path / "m.weights.h5")


# -- the optimizer of another model (keras#20128) ---------------------------------------------------------------------


def test_an_optimizer_with_other_variables_starts_afresh_with_a_warning(tmp_path):
    def make(k, frozen):
        model = recurrent(k)
        model.layers[0].trainable = not frozen
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    for library in (keras, torchkeras):
        model = made(library, lambda k: make(k, frozen=True))
        model.train_on_batch(X, Y)
        model.save_weights(tmp_path / "m.weights.h5")
        other = made(torchkeras, lambda k: make(k, frozen=False))
        with pytest.warns(UserWarning, match=r"12 variables, the file 6|6.*12|12.*6"):
            other.load_weights(tmp_path / "m.weights.h5")
        assert [array(w).tobytes() for w in other.weights] == [array(w).tobytes() for w in model.weights]
        assert int(other.optimizer.iterations) == 0
        other.train_on_batch(X, Y)


# -- frozen layers (keras#6607, keras#11022) --------------------------------------------------------------------------


@pytest.mark.parametrize("writer", [keras, torchkeras], ids=lambda k: k.__name__)
def test_a_layer_that_learns_in_the_file_and_is_frozen_here(writer, tmp_path):
    def make(k, trainable):
        norm = k.layers.BatchNormalization(trainable=trainable)
        inner = k.Sequential([k.Input((4,)), k.layers.Dense(4, trainable=trainable), norm, k.layers.Dense(4)])
        return k.Sequential([k.Input((4,)), inner, k.layers.Dense(4)])

    model = made(writer, lambda k: make(k, True))
    scatter(model)
    model.save_weights(tmp_path / "m.weights.h5")
    other = made(torchkeras, lambda k: make(k, False))
    other.load_weights(tmp_path / "m.weights.h5")
    assert {w.path: array(w).tobytes() for w in other.weights} == {w.path: array(w).tobytes() for w in model.weights}


def test_clones_keep_what_is_frozen():
    found = []
    for k in (keras, torchkeras):
        inner = k.Sequential([k.Input((4,)), k.layers.Dense(4, trainable=False), k.layers.BatchNormalization()])
        x = k.Input((4,))
        model = k.Model(x, k.layers.Dense(2, trainable=False)(inner(x)))
        clone = k.models.clone_model(model)
        found.append(([layer.trainable for layer in clone.layers], [w.trainable for w in clone.weights]))
        assert found[-1][0] == [layer.trainable for layer in model.layers]
    assert found[0] == found[1]


# -- clones (tensorflow#39856, keras#16668) ---------------------------------------------------------------------------


def test_a_clone_of_a_subclass_has_its_steps():
    for k in (keras, torchkeras):

        class Stepping(k.Model):
            def train_step(self, *args):
                return {"mine": 7.0}

        x = k.Input((4,))
        model = Stepping(x, k.layers.Dense(2)(x))
        clone = k.models.clone_model(model)
        clone.compile("sgd", "mse")
        assert type(clone) is Stepping
        assert clone.fit(np.ones((2, 4)), np.ones((2, 2)), verbose=0).history["mine"] == [7.0]


def test_a_clone_has_fresh_weights_and_shared_layers_stay_shared():
    for k in (keras, torchkeras):
        x, one = k.Input((4,)), k.layers.Dense(4)
        model = k.Model(x, one(one(x)))
        clone = k.models.clone_model(model)
        assert len(clone.weights) == 2 and not (array(clone.weights[0]) == array(model.weights[0])).all()
        clone.set_weights(model.get_weights())
        data = np.ones((2, 4), "float32")
        np.testing.assert_array_equal(clone.predict(data, verbose=0), model.predict(data, verbose=0))


# -- what else a layer writes -----------------------------------------------------------------------------------------


def own(k):
    """Layers that write themselves, and an object that is none; made once for each library."""
    if k not in _OWN:
        _OWN[k] = _make_own(k)
    return _OWN[k]


_OWN = {}


def _make_own(k):
    class Words(k.layers.Layer):
        """A vocabulary in a file, a table of its own, and how it is built in its config."""

        def __init__(self, words=(), **options):
            super().__init__(**options)
            self.words = list(words)

        def build(self, shape):
            self.table = self.add_weight(shape=(len(self.words), 2), name="table")
            self.built_with = shape

        def call(self, x):
            return k.ops.matmul(x, self.table)

        def get_config(self):
            return super().get_config()

        def get_build_config(self):
            return {"words": len(self.words), "shape": list(self.built_with)}

        def build_from_config(self, config):
            self.words = ["?"] * config["words"]
            self.build(tuple(config["shape"]))
            self.built = True

        def save_own_variables(self, store):
            store["table"] = self.table
            store["size"] = np.array([len(self.words)])

        def load_own_variables(self, store):
            assert int(np.asarray(store["size"])[0]) == len(self.words)
            self.table.assign(store["table"])

        def save_assets(self, folder):
            os.makedirs(os.path.join(folder, "lists"))
            with open(os.path.join(folder, "lists", "words.txt"), "w", encoding="utf-8") as file:
                file.write("\n".join(self.words))

        def load_assets(self, folder):
            with open(os.path.join(folder, "lists", "words.txt"), encoding="utf-8") as file:
                self.words = file.read().split("\n")

    class Holder(k.layers.Layer):
        """Holds one in a list."""

        def __init__(self, **options):
            super().__init__(**options)
            self.parts = [Words(["a", "b", "c"]), Words(["d", "é"])]

        def build(self, shape):
            self.parts[0].build(shape)
            self.parts[1].build((None, 2))

        def call(self, x):
            return self.parts[1](self.parts[0](x))

    return {"Words": Words, "Holder": Holder}


def test_own_variables_assets_and_build_configs(tmp_path):
    def with_three(k):
        return k.Sequential([k.Input((3,)), own(k)["Words"](["x", "y", "ß"]), k.layers.Dense(2)])

    run = crossing(with_three, tmp_path, np.ones((2, 3), "float32"), custom=own, automatic=True)
    assert run.ours.layers[0].words == run.again.layers[0].words == ["x", "y", "ß"]
    held = crossing(
        lambda k: k.Sequential([k.Input((3,)), own(k)["Holder"](), k.layers.Dense(2)]),
        tmp_path,
        np.ones((2, 3), "float32"),
        custom=own,
        automatic=True,
    )
    assert [part.words for part in held.ours.layers[0].parts] == [["a", "b", "c"], ["d", "é"]]
    folder = tmp_path / "folder.keras"
    held.ours.save(folder, zipped=False)
    again = torchkeras.saving.load_model(folder, own(torchkeras))
    assert [part.words for part in again.layers[0].parts] == [["a", "b", "c"], ["d", "é"]]


# -- warnings ---------------------------------------------------------------------------------------------------------


def test_what_nobody_took_is_told_only_where_a_model_lacks_it(tmp_path):
    """Optimizers, metrics and seeds of a file need not be wanted; layers are missed."""

    def make(k, compiled):
        model = k.Sequential([k.Input((5, 3)), k.layers.Dropout(0.5), k.layers.LSTM(2), k.layers.Dense(2)])
        if compiled:
            model.compile("adam", "mse", metrics=["mae"])
            model.train_on_batch(X, Y)
        return model

    model = made(keras, lambda k: make(k, True))
    model.save_weights(tmp_path / "m.weights.h5")
    plain = made(torchkeras, lambda k: make(k, False))
    less = made(torchkeras, lambda k: k.Sequential([k.Input((5, 3)), k.layers.LSTM(2), k.layers.Dense(2)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        plain.load_weights(tmp_path / "m.weights.h5")
        less.load_weights(tmp_path / "m.weights.h5")
    assert [array(w).tobytes() for w in less.weights] == [array(w).tobytes() for w in model.weights]
    shorter = made(torchkeras, lambda k: k.Sequential([k.Input((5, 3)), k.layers.LSTM(2)]))
    with pytest.warns(UserWarning, match="layers/dense"):
        shorter.load_weights(tmp_path / "m.weights.h5")


# -- modules of torch -------------------------------------------------------------------------------------------------


def test_weights_of_wrapped_modules_cross(tmp_path):
    """Without a config (compat/deviations.md): `.weights.h5`, with torch's names and buffers."""

    def make(k):
        module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
        model = k.Sequential([k.layers.TorchModuleWrapper(module), k.layers.Dense(2)])
        model(np.ones((2, 4), "float32"))
        return model

    path = tmp_path / "m.weights.h5"
    for writer, reader in ((keras, torchkeras), (torchkeras, keras), (torchkeras, torchkeras)):
        model, other = made(writer, make), made(reader, make)
        module = model.layers[0].module
        module[1].running_mean.add_(0.5)
        model.save_weights(path)
        other.load_weights(path)
        for one, two in zip(module.state_dict().values(), other.layers[0].module.state_dict().values(), strict=True):
            assert torch.equal(one, two)
        assert [array(w).tobytes() for w in model.weights] == [array(w).tobytes() for w in other.weights]


def test_one_layer_of_a_frozen_stack_is_made_to_learn_again(tmp_path):
    found = []
    for library in (keras, torchkeras):
        model = library.Sequential([library.Input((3,)), library.layers.Dense(2), library.layers.Dense(1)])
        model.trainable = False
        model.save(tmp_path / "model.keras")
        again = library.models.load_model(tmp_path / "model.keras")
        frozen = [layer.trainable for layer in again.layers]
        again.layers[-1].trainable = True
        found.append((frozen, len(again.trainable_weights)))
    assert found == [([False, False], 2)] * 2

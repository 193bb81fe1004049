"""BackupAndRestore in a process that goes on: what is saved when, what is restored, and what a damaged backup does."""

import json
import os

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.callbacks import BackupAndRestore, Callback, CallbackList, EarlyStopping, ModelCheckpoint
from torchkeras.errors import CorruptFileError

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X[:, :1]
LATEST, METADATA = "latest.weights.h5", "training_metadata.json"


class Broken(Exception):
    pass


class Break(Callback):
    """Ends the training by an exception after so many steps, or at the end of an epoch."""

    def __init__(self, steps=None, epoch=None):
        super().__init__()
        self.left, self.at = steps, epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.left is not None:
            self.left -= 1
            if not self.left:
                raise Broken

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.at:
            raise Broken


@pytest.fixture
def folder(tmp_path):
    return os.fspath(tmp_path / "backup")


def model_of(built=True, optimizer=None, **compiled):
    layers = [keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.3), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers] if built else layers)
    model.compile(optimizer() if optimizer else keras.optimizers.Adam(0.01), "mse", metrics=["mae"], **compiled)
    return model


def fit(callbacks, make=model_of, epochs=4, seed=5, **arguments):
    """The model and the epochs that ran; None where it was broken off."""
    keras.utils.set_random_seed(seed)
    model = make()
    arguments = {"x": X, "y": Y, "batch_size": 8, **arguments}
    try:
        history = model.fit(epochs=epochs, verbose=0, callbacks=callbacks, **arguments)
    except Broken:
        return model, None
    return model, history.epoch


def same(model, other):
    return all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))


def never():
    return Break(steps=10**9)


def check_resumes(folder, steps, save_freq, make=model_of, data=dict, others=list, **arguments):
    """A training broken off after so many steps and then run again ends as an unbroken one; returns the epochs run."""
    whole, _ = fit([BackupAndRestore(f"{folder}-whole", save_freq), *others(), never()], make, **data(), **arguments)
    _, ran = fit([BackupAndRestore(folder, save_freq), *others(), Break(steps)], make, **data(), **arguments)
    assert ran is None
    model, ran = fit([BackupAndRestore(folder, save_freq), *others(), never()], make, **data(), **arguments)
    assert same(whole, model) and not os.path.exists(folder)
    return ran


# -- what is restored -------------------------------------------------------------------------------------------------


MOMENTS = [
    ("epoch", 8, [2, 3]),
    (2, 8, [2, 3]),
    (3, 4, [0, 1, 2, 3]),  # after the last batch of an epoch, before its end
    (5, 3, [0, 1, 2, 3]),  # nothing was saved yet
    (1, 12, [3]),
    (12, 12, [3]),
]


@pytest.mark.parametrize("save_freq, steps, epochs", MOMENTS)
def test_goes_on_where_it_stood(folder, save_freq, steps, epochs):
    assert check_resumes(folder, steps, save_freq) == epochs


def test_an_unbuilt_model_runs_the_missing_epochs_only(folder):
    """keras-team/keras 19179."""
    assert check_resumes(folder, 7, "epoch", lambda: model_of(built=False)) == [2, 3]


OPTIMIZERS = {
    "rate of a schedule": lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.9), 0.9),
    "averages": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9),
    "accumulation": lambda: keras.optimizers.Adam(0.01, gradient_accumulation_steps=4),
    "scaled loss": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.01), initial_scale=4.0, dynamic_growth_steps=3
    ),
    "of torch": lambda: lambda parameters: torch.optim.AdamW(parameters, 0.01, amsgrad=True),
    "several": lambda: keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1), {".*bias": keras.optimizers.Adam(0.01)})
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(folder, name):
    check_resumes(folder, 8, 3, lambda: model_of(optimizer=OPTIMIZERS[name]))


@pytest.mark.parametrize("at_once, save_freq, steps", [(2, 2, 4), (2, 1, 3), (2, "epoch", 5), (3, 3, 3), (3, 3, 2)])
def test_several_steps_in_one_execution(folder, at_once, save_freq, steps):
    check_resumes(folder, steps, save_freq, lambda: model_of(steps_per_execution=at_once))


@pytest.mark.parametrize("save_freq, steps", [("epoch", 8), (2, 8), (3, 4)])
def test_steps_as_graphs(folder, save_freq, steps):
    backend = {"backend": lambda graph, inputs: graph.forward}
    check_resumes(folder, steps, save_freq, lambda: model_of(jit_compile=backend))
    torch._dynamo.reset()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_precisions(folder, policy):
    def make():
        keras.config.set_dtype_policy(policy)
        try:
            return model_of()
        finally:
            keras.config.set_dtype_policy("float32")

    check_resumes(folder, 8, 3, make)


def recurrent():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(8, 3)), layers.Reshape((3, 1)), layers.LSTM(4, stateful=True, dropout=0.2),
            torch.nn.BatchNorm1d(4), layers.GaussianNoise(0.1), layers.Dense(1),
        ]
    )  # fmt: skip
    model.compile("adam", "mse")
    return model


def test_states_of_layers(folder):
    check_resumes(folder, 8, 2, recurrent)


class OwnStep(keras.Model):
    """Layers, optimizer and metric of its own, made with the first step."""

    def __init__(self):
        super().__init__()
        self.dense, self.seen = keras.layers.Dense(1), keras.metrics.Mean(name="seen")

    def train_step(self, data):
        x, y = data
        loss = ((self.dense(x + keras.random.normal(x.shape)) - y) ** 2).mean()
        self.zero_grad()
        loss.backward()
        variables = self.dense.trainable_variables
        with torch.no_grad():
            self.optimizer.apply([v.grad for v in variables], variables)
        self.seen.update_state(loss.detach())
        return {"seen": self.seen.result()}

    def call(self, inputs):
        return self.dense(inputs)


def test_steps_of_the_users_own(folder):
    def make():
        model = OwnStep()
        model.compile("adam")
        return model

    check_resumes(folder, 8, 3, make)


class Own(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[8 * index :][:8] + np.random.normal(size=(8, 3)).astype("float32"), Y[8 * index :][:8]


DATA = {
    "steps over the data": lambda: {"batch_size": 4, "steps_per_epoch": 4},
    "batches shuffled within": lambda: {"shuffle": "batch"},
    "in order": lambda: {"shuffle": False},
    "class weights, validation": lambda: {"sample_weight": np.arange(24.0), "validation_split": 0.25},
    "data set": lambda: {"x": Own(), "y": None, "batch_size": None},
    "data set, steps": lambda: {"x": Own(), "y": None, "batch_size": None, "steps_per_epoch": 2},
    "iterator": lambda: {
        "x": iter([(X[i : i + 6], Y[i : i + 6]) for i in range(18)]), "y": None, "batch_size": None,
        "steps_per_epoch": 4,
    },
    "torch dataset": lambda: {
        "x": torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), "y": None, "batch_size": 5,
    },
    "loader, steps": lambda: {
        "x": torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), 4, shuffle=True,
            generator=torch.Generator().manual_seed(0),
        ),
        "y": None, "batch_size": None, "steps_per_epoch": 4,
    },
}  # fmt: skip


@pytest.mark.parametrize("save_freq", ["epoch", 3])
@pytest.mark.parametrize("name", DATA)
def test_data(folder, name, save_freq):
    check_resumes(folder, 5, save_freq, data=DATA[name])


def test_other_callbacks(folder):
    """What they count comes back, wherever they stand in the list, and what they do at an epoch's beginning is done
    once."""

    def others():
        return [
            keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
            keras.callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=1.0),
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            EarlyStopping("loss", patience=4, min_delta=10.0, restore_best_weights=True),
        ]

    for save_freq in ("epoch", 2):
        check_resumes(
            folder, 14, save_freq, lambda: model_of(optimizer=OPTIMIZERS["averages"]), others=others, epochs=7,
            validation_split=0.25,
        )  # fmt: skip


def test_logs_of_the_epoch_are_those_of_all_its_batches(folder):
    logs = []

    class Look(Callback):
        def on_epoch_end(self, epoch, logs_=None):
            logs.append((epoch, logs_))

    fit([BackupAndRestore(f"{folder}-", 2), Look(), never()])
    whole, logs = dict(logs), []
    fit([BackupAndRestore(folder, 2), Break(5)])
    fit([BackupAndRestore(folder, 2), Look(), never()])
    assert [epoch for epoch, _ in logs] == [1, 2, 3] and all(whole[epoch] == each for epoch, each in logs)


def test_a_stopped_training_stays_stopped(folder):
    def others():
        return [EarlyStopping("loss", patience=1, min_delta=10.0, restore_best_weights=True)]

    class BreakLate(Callback):
        def on_train_end(self, logs=None):
            raise Broken

    whole, _ = fit(others())
    _, ran = fit([BreakLate(), BackupAndRestore(folder), *others()])
    assert ran is None
    stop = others()
    model, ran = fit([BackupAndRestore(folder), *stop])
    assert ran == [] and same(model, whole) and stop[0].stopped_epoch == 1


def test_own_callbacks_say_what_they_keep(folder):
    class Counts(Callback):
        resumed = ("steps", "sums")

        def __init__(self):
            super().__init__()
            self.steps, self.sums = 0, {"x": torch.zeros(2), "all": []}

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            self.sums["all"].append(batch)

    fit([BackupAndRestore(folder, 1), Counts(), Break(5)])
    counts = Counts()
    fit([BackupAndRestore(folder, 1), counts])
    assert counts.steps == 12 and counts.sums["all"] == [0, 1, 2] * 4
    assert np.array_equal(counts.sums["x"], [0, 0])


def test_is_called_after_those_whose_state_it_keeps():
    first, stop, plain = BackupAndRestore("x"), EarlyStopping(), Callback()
    order = CallbackList([first, plain, stop, plain])._in_order()
    assert order == [plain, stop, first, plain]
    assert CallbackList([plain, first])._in_order() == [plain, first]
    assert not CallbackList([first]).has_train_batch_end
    assert not CallbackList([BackupAndRestore("x", 5)]).look_at("train")


# -- what is saved ----------------------------------------------------------------------------------------------------


def test_files(folder):
    fit([BackupAndRestore(folder, double_checkpoint=True, delete_checkpoint=False)])
    assert sorted(os.listdir(folder)) == [LATEST, f"{LATEST}.bkp", METADATA, f"{METADATA}.bkp"]
    with open(os.path.join(folder, METADATA)) as now, open(os.path.join(folder, f"{METADATA}.bkp")) as before:
        assert (json.load(now), json.load(before)) == ({"epoch": 4, "batch": 0}, {"epoch": 3, "batch": 0})


def test_a_kept_backup_ends_the_next_training_at_once(folder):
    model, _ = fit([BackupAndRestore(folder, delete_checkpoint=False)])
    again, ran = fit([BackupAndRestore(folder, delete_checkpoint=False)])
    assert ran == [] and same(model, again)
    _, ran = fit([BackupAndRestore(folder)], epochs=6)
    assert ran == [4, 5]


def test_a_fit_after_one_that_went_on_begins_at_the_beginning(folder):
    model, _ = fit([BackupAndRestore(folder), Break(5)])
    backup = BackupAndRestore(folder)
    assert model.fit(X, Y, epochs=4, batch_size=8, verbose=0, callbacks=[backup]).epoch == [1, 2, 3]
    assert model.fit(X, Y, epochs=2, batch_size=8, verbose=0, callbacks=[backup]).epoch == [0, 1]


def test_what_else_is_in_the_folder_stays(folder):
    fit([BackupAndRestore(folder), ModelCheckpoint(os.path.join(folder, "model.keras"))], epochs=1)
    assert os.listdir(folder) == ["model.keras"]


# -- damage -----------------------------------------------------------------------------------------------------------


def damage(path):
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)


def test_a_damaged_backup_is_told(folder):
    fit([BackupAndRestore(folder), Break(8)])
    damage(os.path.join(folder, LATEST))
    with pytest.raises(CorruptFileError, match="remove the folder") as caught:
        fit([BackupAndRestore(folder)])
    assert isinstance(caught.value, OSError) and isinstance(caught.value, ValueError)  # Keras raises OSError


def test_the_backup_before_stands_in(folder):
    whole, _ = fit([])
    fit([BackupAndRestore(folder, double_checkpoint=True), Break(11)])
    damage(os.path.join(folder, LATEST))
    model, ran = fit([BackupAndRestore(folder, double_checkpoint=True)])
    assert ran == [2, 3] and same(model, whole)


def test_a_backup_of_another_model_is_told(folder):
    fit([BackupAndRestore(folder), Break(8)])
    with pytest.raises(ValueError, match="does not fit the model"):
        fit([BackupAndRestore(folder)], lambda: of_another_size())


def of_another_size():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def test_metadata_without_an_epoch(folder):
    """Of a backup of Keras's, which has nothing else that would tell it."""
    fit([BackupAndRestore(folder), Break(8)])
    model_of().save_weights(os.path.join(folder, LATEST))
    with open(os.path.join(folder, METADATA), "w") as file:
        file.write("{")
    with pytest.raises(CorruptFileError, match="tells no epoch"):
        fit([BackupAndRestore(folder)])


def test_arguments(tmp_path):
    BackupAndRestore(tmp_path / "a", save_before_preemption=True)
    with pytest.raises(ValueError, match="empty"):
        BackupAndRestore("")
    with pytest.raises(ValueError, match="'epoch' or an integer"):
        BackupAndRestore("a", save_freq="batch")
    with pytest.raises(TypeError, match="delete_checkpoint"):
        BackupAndRestore("a", delete=False)

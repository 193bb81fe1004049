"""History and the other spellings of what it holds."""

import copy
import json
import pickle

import pytest

from torchkeras.callbacks import History


def history_of(**logs):
    history = History()
    history.on_train_begin()
    history.on_epoch_end(0, logs)
    return history


def test_records_epochs_in_order_of_the_logs():
    history = History()
    history.set_params({"verbose": 0, "epochs": 5, "steps": 2})
    history.on_train_begin()
    for epoch in (3, 4):
        history.on_epoch_end(epoch, {"b": epoch * 1.0, "a": 0.5})
    assert history.epoch == [3, 4]
    assert list(history.history.items()) == [("b", [3.0, 4.0]), ("a", [0.5, 0.5])]
    assert history.params == {"verbose": 0, "epochs": 5, "steps": 2}


def test_is_given_to_the_model():
    class Model:
        pass

    history, model = History(), Model()
    history.set_model(model)
    history.on_epoch_end(0, {"loss": 1.0})
    assert model.history is history


@pytest.mark.parametrize(
    "logged, asked",
    [
        ("accuracy", "acc"),
        ("acc", "accuracy"),
        ("val_accuracy", "val_acc"),
        ("val_acc", "val_accuracy"),
        ("learning_rate", "lr"),
        ("lr", "learning_rate"),
        ("head_accuracy", "head_acc"),
        ("AUC", "auc"),
        ("auc", "AUC"),
        ("val_mean_squared_error", "val_MeanSquaredError"),
        ("MeanSquaredError", "mean_squared_error"),
    ],
)
def test_other_spellings(logged, asked):
    values = history_of(**{logged: 0.5, "loss": 1.0}).history
    assert values[asked] is values[logged]
    assert list(values) == [logged, "loss"]
    assert asked not in values and values.get(asked) is None


def test_the_name_as_logged_wins_and_ambiguity_is_an_error():
    values = history_of(acc=1.0, accuracy=2.0).history
    assert (values["acc"], values["accuracy"]) == ([1.0], [2.0])
    with pytest.raises(KeyError):
        history_of(auc=1.0, AUC=2.0).history["Auc"]


def test_missing_name_says_what_there_is():
    with pytest.raises(KeyError, match=r"logged: 'loss', 'mae'.*validation_data"):
        history_of(loss=1.0, mae=2.0).history["val_loss"]
    with pytest.raises(KeyError) as caught:
        history_of(loss=1.0).history["nothing"]
    assert "validation" not in str(caught.value)


def test_leaves_as_a_plain_dict():
    values = history_of(loss=1.0).history
    for copied in (pickle.loads(pickle.dumps(values)), copy.deepcopy(values), json.loads(json.dumps(values))):
        assert type(copied) is dict and copied == {"loss": [1.0]}
    assert repr(values) == "{'loss': [1.0]}"
    assert isinstance(values, dict)

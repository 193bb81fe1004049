"""Names, devices and the state on which a call depends besides its arguments."""

import threading

import pytest
import torch

import torchkeras as keras
from torchkeras.core import scopes
from torchkeras.core.scopes import state


@pytest.fixture(autouse=True)
def fresh_names():
    scopes.clear_session()


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("Dense", "dense"),
        ("MaxPooling2D", "max_pooling2d"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("LSTM", "lstm"),
        ("ReLU", "re_lu"),
        ("GRUCell", "gru_cell"),
        ("My_Layer", "my__layer"),
        ("Strange-Name!", "strange_name"),
    ],
)
def test_names_are_those_of_keras(class_name, name):
    assert scopes.snake_case(class_name) == name


def test_automatic_names_count_on_until_the_session_is_cleared():
    assert [scopes.unique_name("dense") for _ in range(3)] == ["dense", "dense_1", "dense_2"]
    assert scopes.unique_name("dropout") == "dropout"
    scopes.clear_session()
    assert scopes.unique_name("dense") == "dense"


def test_scopes_prefix_paths_and_close_again():
    with scopes.name_scope("model"), scopes.name_scope("block"):
        assert scopes.current_path() == "model/block"
        assert keras.Variable(1.0, name="w").path == "model/block/w"
    assert scopes.current_path() == ""


def test_a_scope_closes_when_the_block_raises():
    with pytest.raises(KeyError), scopes.name_scope("model"):
        raise KeyError
    assert scopes.current_path() == ""


def test_a_caller_enters_its_scope_once():
    caller = object()
    with scopes.name_scope("layer", caller=caller):
        with scopes.name_scope("layer", caller=caller):
            assert scopes.current_path() == "layer"
        with scopes.name_scope("layer", caller=object()):
            assert scopes.current_path() == "layer/layer"
        with scopes.name_scope("layer", caller=caller, deduplicate=False):
            assert scopes.current_path() == "layer/layer"


def test_a_parent_may_be_given():
    with scopes.name_scope("a"), scopes.name_scope("c", override_parent="x/y"):
        assert scopes.current_path() == "x/y/c"


@pytest.mark.parametrize("name", ["", "a/b", None, 3])
def test_names_of_scopes_are_checked(name):
    with pytest.raises(ValueError, match="name_scope needs"):
        scopes.name_scope(name)


def test_override_puts_everything_back_also_after_an_error():
    with pytest.raises(KeyError), scopes.override(training=True, names=("a",)):
        assert state.training is True and scopes.current_path() == "a"
        raise KeyError
    assert state.training is None and scopes.current_path() == ""


def test_each_thread_begins_with_the_defaults():
    seen = {}
    with scopes.override(training=True, device=torch.device("cpu")), scopes.name_scope("here"):
        thread = threading.Thread(target=lambda: seen.update(training=state.training, path=scopes.current_path()))
        thread.start()
        thread.join()
    assert seen == {"training": None, "path": ""}


def test_every_thread_value_is_declared_with_its_default():
    with pytest.raises(AttributeError), scopes.override(no_such_value=1):
        pass


@pytest.mark.parametrize("asked", ["cpu", "CPU:0", torch.device("cpu")])
def test_new_weights_go_to_the_device_of_the_block(asked):
    with scopes.device(asked):
        assert scopes.default_device().type == "cpu"
        assert keras.Variable([1.0]).device.type == "cpu"
    assert state.device is None


def test_torch_says_where_weights_go_unless_a_block_does():
    with torch.device("meta"):
        assert scopes.default_device().type == "meta"
        with scopes.device("cpu"):
            assert scopes.default_device().type == "cpu"


def test_gpu_is_another_word_for_cuda():
    with scopes.device("gpu:1"):
        assert scopes.default_device() == torch.device("cuda", 1)
    with pytest.raises(ValueError, match="got 3"), scopes.device(3):
        pass

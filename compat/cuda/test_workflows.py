"""The documented workflows on a GPU: training, inference, moving, mixed precision.

Runs where CUDA is present and says so where it is not. Compared with the same workflow on the CPU, not with stored
numbers.
"""

import numpy as np
import pytest
import torch

import torchkeras as keras

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]
layers = keras.layers


def mlp():
    return keras.Sequential(
        [keras.Input((20,)), layers.Dense(32, activation="relu"), layers.Dense(3, activation="softmax")]
    )


def cnn():
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, activation="relu", padding="same"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def lstm():
    return keras.Sequential([keras.Input((7, 5)), layers.LSTM(16), layers.Dense(3, activation="softmax")])


def attention():
    inputs = keras.Input((6, 16))
    x = layers.LayerNormalization()(layers.Add()([inputs, layers.MultiHeadAttention(2, 8)(inputs, inputs)]))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


MODELS = {"mlp": mlp, "cnn": cnn, "lstm": lstm, "attention": attention}
SHAPES = {"mlp": (20,), "cnn": (12, 12, 3), "lstm": (7, 5), "attention": (6, 16)}


def data(name, rows=70):
    random = np.random.default_rng(0)
    return random.normal(size=(rows, *SHAPES[name])).astype("float32"), random.integers(3, size=rows)


def trained(name, device, optimizer):
    keras.utils.set_random_seed(1)
    with keras.device("cpu"):
        weights = MODELS[name]().get_weights()  # a GPU draws other numbers from the same seed
    with keras.device(device):
        model = MODELS[name]()
    model.set_weights(weights)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = data(name)
    history = model.fit(x, y, epochs=3, batch_size=16, shuffle=False, verbose=0, validation_split=0.2)
    return model, history.history


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("name", MODELS)
def test_training_follows_the_curve_of_the_cpu(name, optimizer):
    model, on_gpu = trained(name, "cuda", optimizer)
    assert all(parameter.device.type == "cuda" for parameter in model.parameters())
    _, on_cpu = trained(name, "cpu", optimizer)
    for key, values in on_cpu.items():
        np.testing.assert_allclose(on_gpu[key], values, rtol=2e-2, atol=2e-2, err_msg=key)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_moves_to_the_gpu_and_back(name):
    model, _ = trained(name, "cpu", "adam")
    x, y = data(name)
    before = model.predict(x, verbose=0)
    model.to("cuda")
    np.testing.assert_allclose(model.predict(x, verbose=0), before, rtol=1e-3, atol=1e-4)
    model.fit(x, y, epochs=1, verbose=0)
    model.to("cpu")
    assert np.isfinite(model.evaluate(x, y, verbose=0)).all()


def test_a_new_model_stands_on_the_gpu():
    assert mlp().weights[0].device.type == "cuda"


def test_a_step_does_not_wait_for_the_device():
    model, _ = trained("mlp", "cuda", "adam")
    x, y = (torch.as_tensor(value, device="cuda") for value in data("mlp"))
    model.fit(x, y, verbose=0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        step = model._train_function()
        for _ in range(3):
            step((x[:16], y[:16], None))
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns(policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        model, history = trained("cnn", "cuda", "adam")
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
    assert model.weights[0].dtype is torch.float32

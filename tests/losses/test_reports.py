"""What bit people in losses, in Keras and elsewhere: each public report one test. And the rows of tf.keras 2 on losses
that no other test shows."""

import inspect

import numpy as np
import pytest
import torch

import torchkeras as keras
import torchkeras.keras2
from compat.needed import needed
from torchkeras import layers, losses, metrics

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
ZEROS = np.zeros((2, 1), "float32")


def fixed(weight=1.0, **arguments):
    """A model that gives its input times a weight."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile(**{"optimizer": "sgd", "loss": "mae", **arguments})
    return model


def test_a_loss_divides_by_the_count_and_a_metric_by_the_weights():
    """keras#19740: errors [1, 1] under weights [0, 1]."""
    model = fixed(weighted_metrics=["mae"])
    logs = model.evaluate(np.ones((2, 1)), ZEROS, sample_weight=np.array([0.0, 1.0]), verbose=0, return_dict=True)
    assert logs == {"loss": 0.5, "mae": 1.0}


def test_name_function_class_and_object_are_one_loss_under_weights():
    """tensorflow#29965."""
    weights, found = np.linspace(0.5, 3, 8), []
    for loss in ("mse", losses.mean_squared_error, losses.MeanSquaredError, losses.MeanSquaredError(), losses.mse):
        model = keras.Sequential([keras.Input((3,)), layers.Dense(1, kernel_initializer="ones")])
        model.compile("sgd", loss)
        history = model.fit(X, X[:, :1], sample_weight=weights, batch_size=3, epochs=2, shuffle=False, verbose=0)
        found.append((history.history["loss"], model.get_weights()[0].tolist()))
    for each in found[1:]:
        assert each[0] == pytest.approx(found[0][0], rel=1e-6)
        np.testing.assert_allclose(each[1], found[0][1], rtol=1e-6)


ROWS = [
    name
    for name, cls in vars(losses).items()
    if inspect.isclass(cls) and issubclass(cls, losses.Loss) and getattr(cls, "function", None) is not None
]
OTHER_RANKS = {"SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy", "CTC", "Circle"}  # of labels


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("name", [name for name in ROWS if name not in OTHER_RANKS])
def test_targets_and_predictions_whose_ranks_differ_by_one_are_aligned(name):
    """tensorflow#30040: (n,) against (n, 1) is no matter of (n, n)."""
    cls = getattr(losses, name)
    loss = cls(**needed(cls))
    target, scores = torch.tensor([1.0, 0.0, 1.0, 1.0]), torch.tensor([0.3, 0.6, 0.9, 0.2])
    wanted = loss(target[:, None], scores[:, None])
    torch.testing.assert_close(loss(target, scores[:, None]), wanted)
    torch.testing.assert_close(loss(target[:, None], scores), wanted)


def test_the_losses_weights_and_metrics_of_outputs_in_a_dict_go_by_key():
    """keras#21675: outputs {'a', 'b'} of layers with other names."""
    x = keras.Input((3,))
    model = keras.Model(x, {"b": layers.Dense(1, name="first")(x), "a": layers.Dense(2, name="second")(x)})
    model.compile("sgd", {"a": "mse", "b": "mae"}, {"a": 2.0, "b": 0.5}, metrics={"a": ["mae"], "b": ["mse"]})
    logs = model.evaluate(X, {"a": X[:, :2], "b": X[:, :1]}, verbose=0, return_dict=True)
    a, b = model.predict(X, verbose=0)["a"], model.predict(X, verbose=0)["b"]
    assert logs["a_loss"] == pytest.approx(np.square(a - X[:, :2]).mean(), rel=1e-5)
    assert logs["b_loss"] == pytest.approx(np.abs(b - X[:, :1]).mean(), rel=1e-5)
    assert logs["loss"] == pytest.approx(2 * logs["a_loss"] + 0.5 * logs["b_loss"], rel=1e-5)
    assert {"a_mae", "b_mse"} <= set(logs)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "mixed_bfloat16"])
def test_certain_predictions_in_16_bits_give_no_nan(policy):
    """tensorflow#38457: 1 - 1e-7 is 1 in float16. Predictions are cast to float32 before the loss."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, "sigmoid", kernel_initializer="ones", dtype=policy)])
    model.compile(keras.optimizers.SGD(0.01), "binary_crossentropy", auto_scale_loss=False)
    x = np.array([[60.0], [60.0], [-60.0], [-60.0], [0.0]])
    seen = model.fit(x, np.array([[0.0], [1.0], [0.0], [1.0], [1.0]]), verbose=0, epochs=2).history["loss"]
    assert np.isfinite(seen).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    for dtype in (torch.float16, torch.bfloat16):
        value = losses.BinaryCrossentropy()(torch.tensor([[0.0]]), torch.tensor([[1.0]], dtype=dtype))
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(15.94, abs=0.01)


# -- both generations' names ------------------------------------------------------------------------------------------

FUNCTIONS = {
    "mean_squared_error": ("mse", "MSE"),
    "mean_absolute_error": ("mae", "MAE"),
    "mean_absolute_percentage_error": ("mape", "MAPE"),
    "mean_squared_logarithmic_error": ("msle", "MSLE"),
    "kl_divergence": ("kld", "KLD", "kullback_leibler_divergence"),
    "log_cosh": ("logcosh",),
    "binary_crossentropy": ("bce", "BCE"),
    "categorical_crossentropy": (),
    "sparse_categorical_crossentropy": (),
    "hinge": (),
    "squared_hinge": (),
    "categorical_hinge": (),
    "huber": (),
    "poisson": (),
    "binary_focal_crossentropy": (),
    "categorical_focal_crossentropy": (),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_stand_in_losses_and_in_metrics_under_all_their_names(name):
    function = getattr(losses, name)
    for other in (name, *FUNCTIONS[name]):
        assert getattr(losses, other) is function
        assert getattr(metrics, other) is function
        assert losses.get(other) is function


def test_a_cosine_is_minus_itself_as_a_loss_only():
    """The loss has its sign turned, the metric has not."""
    same = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    assert losses.cosine_similarity(*same).item() == losses.cosine_proximity(*same).item() == -1.0
    assert metrics.cosine_similarity(*same).item() == metrics.cosine_proximity(*same).item() == 1.0


@pytest.mark.parametrize(
    ("cls", "more"),
    [
        ("MeanSquaredError", {}),
        ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1, "axis": -1}),
        ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": None}),
        ("Huber", {"delta": 0.5}),
        ("CosineSimilarity", {"axis": -1}),
    ],
)
def test_configs_that_keras_2_wrote_are_read(cls, more):
    """They hold the function as well, and `"auto"`."""
    name = getattr(losses, cls)().name
    config = {"reduction": "auto", "name": name, "fn": name, **more}
    loss = losses.deserialize({"class_name": cls, "config": config})
    assert type(loss).__name__ == cls
    assert loss.reduction == "sum_over_batch_size"
    assert all(getattr(loss, key) == value for key, value in more.items())


def test_reduction_none_in_fit_minimizes_the_sum():
    """Two samples, rate 0.1 on w**2: 1 becomes 0.6."""
    model = fixed(optimizer=keras.optimizers.SGD(0.1), loss=losses.MeanSquaredError(reduction="none"))
    history = model.fit(np.ones((2, 1)), ZEROS, verbose=0)
    assert model.get_weights()[0].item() == pytest.approx(0.6)
    assert history.history["loss"] == [1.0]

"""What `compile(loss=...)` may be given besides Keras's losses, and in which order it is called: torch's modules and
functions with the prediction first, every other callable as `(y_true, y_pred)`."""

import functools
import inspect
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import torchkeras as keras
from torchkeras import layers, losses

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype("float32")
CLASSES = np.arange(12) % 4
HOT = np.eye(4, dtype="float32")[CLASSES]
SIGNS = np.where(HOT > 0, 1, -1)
SHARES = RNG.random((12, 4)).astype("float32")

# Targets and the activation of the last layer, where a loss wants others than real numbers and scores.
SUITED = {
    "CrossEntropyLoss": (CLASSES, None),
    "NLLLoss": (CLASSES, "log_softmax"),
    "MultiMarginLoss": (CLASSES, None),
    "MultiLabelMarginLoss": (np.tile([[0, 2, -1, 0]], (12, 1)), None),
    "SoftMarginLoss": (SIGNS, None),
    "HingeEmbeddingLoss": (SIGNS, None),
    "MultiLabelSoftMarginLoss": (HOT, None),
    "BCELoss": (HOT, "sigmoid"),
    "BCEWithLogitsLoss": (HOT, None),
    "KLDivLoss": (SHARES, "log_softmax"),
}
FUNCTION_OF = {
    "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "CrossEntropyLoss": "cross_entropy",
    "HingeEmbeddingLoss": "hinge_embedding_loss",
    "HuberLoss": "huber_loss",
    "KLDivLoss": "kl_div",
    "L1Loss": "l1_loss",
    "MSELoss": "mse_loss",
    "MultiLabelMarginLoss": "multilabel_margin_loss",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss",
    "MultiMarginLoss": "multi_margin_loss",
    "NLLLoss": "nll_loss",
    "PoissonNLLLoss": "poisson_nll_loss",
    "SmoothL1Loss": "smooth_l1_loss",
    "SoftMarginLoss": "soft_margin_loss",
}
OF_MORE = ("CosineEmbeddingLoss", "CTCLoss", "GaussianNLLLoss", "MarginRankingLoss", "TripletMarginLoss")
OF_MORE += ("TripletMarginWithDistanceLoss",)
FUNCTIONS_OF_MORE = ("cosine_embedding_loss", "ctc_loss", "gaussian_nll_loss", "margin_ranking_loss")
FUNCTIONS_OF_MORE += ("triplet_margin_loss", "triplet_margin_with_distance_loss")
LAYERS = {"AdaptiveLogSoftmaxWithLoss", "LinearCrossEntropyLoss"}  # with weights of their own: no losses of two tensors


def model(activation=None, units=4):
    return keras.Sequential([keras.Input((3,)), layers.Dense(units, activation)])


def value(loss, target, activation=None, weights=None):
    """The loss over all samples, and the prediction and target as tensors."""
    network = model(activation)
    network.compile("sgd", loss)
    got = network.evaluate(X, target, sample_weight=weights, batch_size=12, verbose=0)
    assert network.fit(X, target, sample_weight=weights, verbose=0, epochs=0).epoch == []
    with torch.no_grad():
        return got, network(X), torch.as_tensor(target)


def test_every_loss_of_torch_is_served_or_refused():
    published = {name for name in dir(nn) if name.endswith("Loss")}
    assert published - LAYERS == set(FUNCTION_OF) | set(OF_MORE)


FORMS = [(name, form) for name in FUNCTION_OF for form in ("class", "object", "function", "partial")]
FORMS += [("MSELoss", "compiled"), ("CrossEntropyLoss", "compiled")]


@pytest.mark.filterwarnings("ignore:reduction. 'mean'")
@pytest.mark.parametrize(("name", "form"), FORMS)
def test_losses_of_torch_get_the_prediction_first(name, form):
    target, activation = SUITED.get(name, (SHARES, None))
    cls, function = getattr(nn, name), getattr(F, FUNCTION_OF[name])
    given = {
        "class": cls,
        "object": cls(),
        "function": function,
        "partial": functools.partial(function, reduction="sum"),
        "compiled": cls() if form != "compiled" else torch.compile(cls(), backend="eager"),
    }[form]
    got, prediction, target = value(given, target, activation)
    if target.dtype == torch.float64 or (target.dim() == 2 and name != "MultiLabelMarginLoss"):
        target = target.float()
    reduction = "sum" if form == "partial" else "mean"
    assert got == pytest.approx(float(function(prediction, target, reduction=reduction)), rel=1e-5)


@pytest.mark.filterwarnings("ignore:reduction. 'mean'")
@pytest.mark.parametrize("name", FUNCTION_OF)
def test_weights_of_ones_change_nothing_and_weights_weigh(name):
    target, activation = SUITED.get(name, (SHARES, None))
    network = model(activation)
    options = [{}]
    if name in ("CrossEntropyLoss", "NLLLoss"):
        options += [{"weight": torch.tensor([1.0, 2.0, 3.0, 4.0])}, {"ignore_index": 2}]
    if name == "KLDivLoss":
        options += [{"reduction": "batchmean"}]
    for each in options:
        network.compile("sgd", getattr(nn, name)(**each))
        ask = functools.partial(network.evaluate, X, target, batch_size=12, verbose=0)
        plain = ask()
        assert ask(sample_weight=np.ones(12)) == pytest.approx(plain, rel=1e-5), each
        assert ask(sample_weight=np.full(12, 0.5)) == pytest.approx(plain / 2, rel=1e-5), each
        halves = [ask(sample_weight=np.where(np.arange(12) % 2 == k, 1.0, 0.0)) for k in (0, 1)]
        assert sum(halves) == pytest.approx(plain, rel=1e-5), each


@pytest.mark.parametrize("name", OF_MORE)
def test_losses_of_more_than_two_tensors_are_refused_by_compile(name):
    for given in (getattr(nn, name), getattr(nn, name)()):
        with pytest.raises(ValueError, match=rf"{name} takes .* Pass a function \(y_true, y_pred\)"):
            model().compile("sgd", given)


@pytest.mark.parametrize("name", FUNCTIONS_OF_MORE)
def test_functions_of_more_than_two_tensors_are_refused_by_compile(name):
    with pytest.raises(ValueError, match=f"{name} takes "):
        model().compile("sgd", getattr(F, name))


def test_a_partial_that_gives_the_rest_is_served():
    got, prediction, target = value(functools.partial(F.gaussian_nll_loss, var=torch.ones(12, 4)), SHARES)
    assert got == pytest.approx(float(F.gaussian_nll_loss(prediction, target, torch.ones(12, 4))), rel=1e-5)


# -- callables of users: twice the target minus the prediction -------------------------------------------------------


def plain(y_true, y_pred):
    return (2 * y_true - y_pred).mean(-1)


def with_default(y_true, y_pred, factor=2.0):
    return (factor * y_true - y_pred).mean(-1)


def keyword_only(y_true, y_pred, *, factor=2.0):
    return (factor * y_true - y_pred).mean(-1)


def of_any(*args, **kwargs):
    assert not kwargs
    return plain(*args)


class Called:
    def __init__(self, factor=2.0):
        self.factor = factor

    def __call__(self, y_true, y_pred):
        return (self.factor * y_true - y_pred).mean(-1)

    def method(self, y_true, y_pred):
        return self(y_true, y_pred)

    @classmethod
    def of_class(cls, y_true, y_pred):
        return cls()(y_true, y_pred)

    @staticmethod
    def static(y_true, y_pred):
        return plain(y_true, y_pred)


class Named(nn.Module):
    def forward(self, y_true, y_pred):
        return plain(y_true, y_pred)


class AsLayer(layers.Layer):
    def call(self, first, second):
        return plain(first, second)


class OwnLoss(losses.Loss):
    def call(self, y_true, y_pred):
        return plain(y_true, y_pred)


@torch.jit.script
def scripted(y_true, y_pred):
    return (2 * y_true - y_pred).mean(-1)


CALLABLES = {
    "function": plain,
    "lambda": lambda t, p: plain(t, p),
    "default": with_default,
    "keyword only": keyword_only,
    "any arguments": of_any,
    "partial": functools.partial(with_default, factor=2.0),
    "partial of a partial": functools.partial(functools.partial(keyword_only, factor=3.0), factor=2.0),
    "object": Called(),
    "bound method": Called().method,
    "class method": Called.of_class,
    "static method": Called.static,
    "compiled": torch.compile(plain, backend="eager"),
    "scripted": scripted,
    "module with Keras's names": Named(),
    "layer": AsLayer(),
    "loss": OwnLoss(),
    "class of a loss": OwnLoss,
    "wrapper": losses.LossFunctionWrapper(plain),
}


@pytest.mark.parametrize("case", CALLABLES)
def test_other_callables_get_the_target_first(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        got, prediction, target = value(CALLABLES[case], SHARES)
    assert got == pytest.approx(float(plain(target, prediction).mean()), abs=1e-5)
    weights = np.linspace(0, 1, 12)
    got, prediction, target = value(CALLABLES[case], SHARES, weights=weights)
    assert got == pytest.approx(float((plain(target, prediction) * torch.as_tensor(weights)).mean()), abs=1e-5)


@pytest.mark.parametrize("names", ["prediction, target", "input, target", "y_pred, y_true", "logits, labels"])
def test_who_names_the_prediction_first_is_warned(names):
    room = {}
    exec(f"def loss({names}):\n    return 0 * ({names.replace(', ', ' - ')}).mean(-1)", room)
    with pytest.warns(UserWarning, match=r"is called as \(y_true, y_pred\)"):
        model().compile("sgd", room["loss"])
    assert list(inspect.signature(room["loss"]).parameters) == names.split(", ")


# -- modules of users -------------------------------------------------------------------------------------------------


class Squares(nn.Module):
    def forward(self, prediction, target):
        return (prediction - target) ** 2


def test_a_module_that_gives_values_is_averaged_and_weighed():
    weights = np.linspace(0, 1, 12)
    got, prediction, target = value(Squares(), SHARES)
    assert got == pytest.approx(float(F.mse_loss(prediction, target)), rel=1e-5)
    got, prediction, target = value(Squares(), SHARES, weights=weights)
    each = ((prediction - target) ** 2).mean(-1) * torch.as_tensor(weights)
    assert got == pytest.approx(float(each.mean()), rel=1e-5)


def test_classes_last_are_refused_with_advice():
    network = keras.Sequential([keras.Input((5, 3)), layers.Dense(4)])
    network.compile("sgd", nn.CrossEntropyLoss())
    with pytest.raises(RuntimeError, match=r"\(6, 5, 4\) and a target \(6, 5\).*classes in axis 1"):
        network.evaluate(np.zeros((6, 5, 3)), np.zeros((6, 5), int), verbose=0)
    network.add(layers.Permute((2, 1)))
    network.compile("sgd", nn.CrossEntropyLoss())
    assert network.evaluate(np.zeros((6, 5, 3)), np.zeros((6, 5), int), verbose=0) == pytest.approx(np.log(4), rel=1e-5)


def test_a_module_of_one_argument_is_no_loss():
    with pytest.raises(ValueError, match=r"Linear takes .*'input'.* a prediction and a target"):
        model().compile("sgd", nn.Linear(4, 4))


def test_a_loss_with_parameters_of_its_own_warns():
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.centre = nn.Parameter(torch.zeros(4))

        def forward(self, prediction, target):
            return ((prediction - target - self.centre) ** 2).mean()

    with pytest.warns(UserWarning, match="Centred has parameters of its own"):
        model().compile("sgd", Centred())

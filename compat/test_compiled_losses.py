"""`compile(loss=...)` and direct calls beside Keras's: names, forms for several outputs, weights, what a loss returns,
bad labels and arguments. Where both raise, ours is of Keras's type, and its words say what is wrong."""

import keras
import numpy as np
import pytest
import torch

import torchkeras
import torchkeras.keras2

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype("float32")
Y = np.abs(X.sum(1, keepdims=True))
CLASSES = np.arange(8) % 4
HOT = np.eye(4, dtype="float32")[CLASSES]
NUMBERS = np.arange(8.0)


def same_weights(k, seed):
    return k.initializers.GlorotUniform(seed=seed)


def step(k, loss, y=Y, units=1, activation=None, **options):
    """What one step and one look say of a small model: its loss before and after."""
    model = k.Sequential([k.Input((3,)), k.layers.Dense(units, activation, kernel_initializer=same_weights(k, 1))])
    model.compile("sgd", loss(k) if callable(loss) else loss)
    return [model.train_on_batch(X, y, **options), model.evaluate(X, y, verbose=0)]


def classes(k, y, loss="sparse_categorical_crossentropy", **options):
    return step(k, loss, y, 4, "softmax", **options)


def two_outputs(k, as_dict, loss, y, loss_weights=None, **options):
    x = k.Input((3,))
    a = k.layers.Dense(1, name="a", kernel_initializer=same_weights(k, 1))(x)
    b = k.layers.Dense(4, "softmax", name="b", kernel_initializer=same_weights(k, 2))(x)
    model = k.Model(x, {"a": a, "b": b} if as_dict else [a, b])
    model.compile("sgd", loss, loss_weights)
    logs = model.train_on_batch(X, y, return_dict=True, **options)
    return [logs[name] for name in sorted(logs)], sorted(logs)


def outcome(function, k):
    try:
        return function(k)
    except Exception as error:  # noqa: BLE001 - any type counts: it is compared
        return error


def numbers(value):
    if isinstance(value, tuple):
        return value[1], numbers(value[0])[1]
    return None, np.asarray([float(each) for each in np.ravel(value)])


def assert_agree(function):
    mine, real = (outcome(function, k) for k in (torchkeras, keras))
    assert not isinstance(real, Exception), real
    if isinstance(mine, Exception):
        raise mine
    (names, a), (wanted_names, b) = numbers(mine), numbers(real)
    assert names == wanted_names
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True)


NAMES = [
    "mse",
    "MSE",
    "mean_squared_error",
    "MeanSquaredError",
    "mae",
    "MAE",
    "mape",
    "MAPE",
    "msle",
    "MSLE",
    "kld",
    "KLD",
]
NAMES += ["kl_divergence", "cosine_similarity", "CosineSimilarity", "log_cosh", "LogCosh", "huber", "Huber", "poisson"]
NAMES += ["Poisson", "hinge", "squared_hinge", "Dice", "dice", "tversky", "Tversky", "KLDivergence"]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("names", [NAMES, ["bce", "BCE", "binary_crossentropy", "crossentropy", "ce"]], ids=len)
def test_names(names):
    """One model each, whose loss is looked at; what the older names stand for is in tests/losses."""
    for name in names:
        assert_agree(lambda k, name=name: step(k, name, (Y > 1).astype("float32"), 1, "sigmoid"))


REDUCTIONS = ["sum", "mean", "sum_over_batch_size", "mean_with_sample_weight"]


@pytest.mark.parametrize("weights", [None, NUMBERS], ids=["plain", "weighted"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions(reduction, weights):
    assert_agree(lambda k: step(k, lambda k: k.losses.Huber(reduction=reduction), sample_weight=weights))


def test_reduction_none_minimizes_the_sum_and_logs_the_mean():
    """Keras on torch cannot, its other backends and Keras 2 can."""
    logged = step(torchkeras, lambda k: k.losses.MeanSquaredError(reduction="none"))
    summed = step(torchkeras, lambda k: k.losses.MeanSquaredError(reduction="sum"))
    assert logged[0] == pytest.approx(summed[0] / 8, rel=1e-5)
    assert logged[1] == pytest.approx(summed[1] / 8, rel=1e-5)


RETURNS = {
    "one number": lambda t, p: ((t - p) ** 2).mean(),
    "all numbers": lambda t, p: (t - p) ** 2,
    "one for each sample": lambda t, p: ((t - p) ** 2).mean(-1),
    "some": lambda t, p: ((t - p) ** 2)[:2],
    "a list": lambda t, p: [((t - p) ** 2).mean()],
    "NaN": lambda t, p: ((t - p) ** 2).mean(-1) * float("nan"),
}


def own_loss(k, function):
    class Own(k.losses.Loss):
        def call(self, y_true, y_pred):
            return function(y_true, y_pred)

    return Own()


@pytest.mark.parametrize("case", RETURNS)
def test_what_a_loss_returns(case):
    function = RETURNS[case]
    assert_agree(lambda k: step(k, lambda k: lambda t, p: function(t, p)))
    assert_agree(lambda k: step(k, lambda k: own_loss(k, function)))
    if case != "some":
        assert_agree(lambda k: step(k, lambda k: own_loss(k, function), sample_weight=NUMBERS))


WEIGHTS = [NUMBERS, NUMBERS[:, None], np.arange(8), NUMBERS > 3, -NUMBERS, np.full(8, np.nan), np.zeros(8)]


def test_sample_weights():
    for weights in [*WEIGHTS, torch.arange(8.0)]:
        assert_agree(lambda k, weights=weights: step(k, "mse", sample_weight=weights))


CLASS_WEIGHTS = [
    {0: 1.0, 1: 2.0, 2: 3.0, 3: 4.0},
    {0: 2.0},
    {0.0: 1.0, 1.0: 2.0},
    {0: -1.0},
    {0: np.float32(2)},
    {9: 1.0},
    {},
]


def test_class_weights():
    for weight in CLASS_WEIGHTS:
        assert_agree(lambda k, weight=weight: classes(k, CLASSES, class_weight=weight))
        assert_agree(lambda k, weight=weight: classes(k, HOT, "categorical_crossentropy", class_weight=weight))
    binary = (CLASSES % 2)[:, None]
    assert_agree(lambda k: step(k, "bce", binary, 1, "sigmoid", class_weight={0: 2.0, 1: 1.0}))


def test_labels_of_every_kind():
    given = [CLASSES.astype("float32"), CLASSES + 0.5, CLASSES > 1, CLASSES[:, None], CLASSES.astype("uint8")]
    for labels in [*given, np.where(CLASSES == 1, -100, CLASSES), torch.as_tensor(CLASSES), CLASSES.astype("int8")]:
        assert_agree(lambda k, labels=labels: classes(k, labels))
        assert_agree(lambda k, labels=labels: step(
            k, lambda k: k.losses.SparseCategoricalCrossentropy(from_logits=True), labels, 4))  # fmt: skip


SPARSE = "sparse_categorical_crossentropy"
LISTED = ["mse", SPARSE]
BY_NAME = {"a": "mse", "b": SPARSE}


@pytest.mark.parametrize("as_dict", [True, False], ids=["outputs by name", "outputs in a list"])
def test_losses_of_several_outputs(as_dict):
    for loss in (BY_NAME, LISTED, tuple(LISTED), {"a": "mse", "b": None}, ["mse", None], [None, SPARSE]):
        for y in ({"a": Y, "b": CLASSES}, [Y, CLASSES]):
            assert_agree(lambda k, loss=loss, y=y: two_outputs(k, as_dict, loss, y))


def test_weights_of_several_outputs():
    y = [Y, CLASSES]
    for given in (
        [1.0, 0.5],
        {"a": 1.0, "b": 0.5},
        [0, 1],
        [-1.0, 1.0],
        (1, 2),
        [torch.tensor(1.0), torch.tensor(2.0)],
    ):
        assert_agree(lambda k, given=given: two_outputs(k, False, LISTED, y, given))
    for given in ([NUMBERS, np.ones(8)], NUMBERS, [NUMBERS, None]):
        assert_agree(lambda k, given=given: two_outputs(k, False, LISTED, y, sample_weight=given))


def test_a_loss_weight_that_a_callback_changes():
    weight = torchkeras.Variable(1.0, trainable=False)
    model = torchkeras.Sequential([torchkeras.Input((3,)), torchkeras.layers.Dense(1)])
    model.compile("sgd", "mse", loss_weights=[weight])
    before = model.evaluate(X, Y, verbose=0)
    weight.assign(3.0)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(3 * before, rel=1e-5)


# -- both raise -------------------------------------------------------------------------------------------------------


def without_super(k):
    class Own(k.losses.Loss):
        def __init__(self):
            self.factor = 2.0

        def call(self, y_true, y_pred):
            return self.factor * (y_true - y_pred) ** 2

    return Own()


REFUSED = {
    "an own class without super": (lambda k: step(k, without_super), r"must call super\(\).__init__"),
    "a dict of losses": (lambda k: step(k, lambda k: lambda t, p: {"a": (t - p) ** 2}), "type dict"),
    "unknown name": (lambda k: step(k, "mean_sqared_error"), "such as 'mean_squared_error'"),
    "a metric": (lambda k: step(k, "accuracy"), r"is a metric and no loss.*metrics=\['accuracy'\]"),
    "another metric": (lambda k: step(k, "categorical_accuracy"), "is a metric and no loss"),
    "wrong case": (lambda k: step(k, "Mse"), "such as 'mse'"),
    "a number": (lambda k: step(k, 3), "a name, a function or a Loss"),
    "a tensor": (lambda k: step(k, torch.ones(1)), "a name, a function or a Loss"),
    "bytes": (lambda k: step(k, b"mse"), "a name, a function or a Loss"),
    "gives None": (lambda k: step(k, lambda k: lambda t, p: None), "gave None"),
    "gives a string": (lambda k: step(k, lambda k: lambda t, p: "x"), "strings"),
    "gives a float": (lambda k: step(k, lambda k: lambda t, p: 1.0), "no gradient"),
    "gives an array": (lambda k: step(k, lambda k: lambda t, p: (t - p).detach().cpu().numpy()), "no gradient"),
    "detached": (lambda k: step(k, lambda k: lambda t, p: (t - p).detach()), "no gradient"),
    "bools": (lambda k: step(k, lambda k: lambda t, p: t > p), "no gradient"),
    "one argument": (lambda k: step(k, lambda k: lambda t: t), "positional argument"),
    "three arguments": (lambda k: step(k, lambda k: lambda t, p, w: t), "positional argument"),
    "the base": (lambda k: step(k, lambda k: k.losses.Loss()), "must define call"),
    "no target": (lambda k: step(k, "mse", None), "no target for the output"),
    "strings": (lambda k: step(k, "bce", np.array(["a"] * 8)), "holds strings"),
    "one-hot for indices": (lambda k: classes(k, HOT), "categorical crossentropy"),
    "indices for one-hot": (lambda k: classes(k, CLASSES, "categorical_crossentropy"), "sparse categorical"),
    "other units": (lambda k: step(k, "bce", HOT, 3, "sigmoid"), r"\(8, 4\).*\(8, 3\)"),
    "label too large": (lambda k: classes(k, CLASSES + 1), "from 0 to 3.* got 4"),
    "label negative": (lambda k: classes(k, CLASSES - 1), "from 0 to 3.* got -1"),
    "label NaN": (lambda k: classes(k, np.where(CLASSES == 1, np.nan, CLASSES)), "got NaN"),
    "all losses None": (lambda k: two_outputs(k, False, [None, None], [Y, CLASSES]), "No loss to compute"),
    "short loss weights": (lambda k: two_outputs(k, False, LISTED, [Y, CLASSES], [1.0]), "1 entries"),
    "loss weights of no output": (lambda k: two_outputs(k, False, LISTED, [Y, CLASSES], {"z": 1.0}), r"names \['z'\]"),
    "loss weights in an array": (lambda k: two_outputs(k, False, LISTED, [Y, CLASSES], np.ones(2)), "list or a dict"),
    "reduction": (lambda k: k.losses.MeanSquaredError(reduction="avg"), "must be one of .*'avg'"),
    "reduction in capitals": (lambda k: k.losses.MeanSquaredError(reduction="SUM"), "must be one of"),
    "unknown argument": (lambda k: k.losses.MeanSquaredError(from_logits=True), "unknown argument.*from_logits"),
    "unknown dtype": (lambda k: k.losses.MeanSquaredError(dtype="float99"), "float99"),
    "q": (lambda k: k.losses.CategoricalGeneralizedCrossEntropy(q=0), "between 0 and 1"),
    "y_true None": (lambda k: k.losses.MeanSquaredError()(None, torch.ones(1, 1)), "y_true is None"),
    "y_pred None": (lambda k: k.losses.MeanSquaredError()(torch.ones(1, 1), None), "y_pred is None"),
    "features": (lambda k: k.losses.MeanSquaredError()(torch.ones(2, 3), torch.ones(2, 4)), r"\(2, 3\).*\(2, 4\)"),
    "samples": (lambda k: k.losses.mean_squared_error(torch.ones(2, 3), torch.ones(3, 3)), r"\(2, 3\).*\(3, 3\)"),
    "structures": (
        lambda k: k.losses.MeanSquaredError()({"a": torch.ones(1)}, {"b": torch.ones(1)}),
        "structures differ",
    ),
    "class axis": (lambda k: k.losses.CategoricalCrossentropy(axis=5)(torch.eye(2), torch.eye(2)), "axis=5"),
    "axis of classes": (lambda k: k.losses.SparseCategoricalCrossentropy(axis=5)([0, 1], torch.eye(2)), "axis=5"),
    "sum axis": (lambda k: k.losses.Dice(axis=7)(torch.eye(3), torch.eye(3)), "out of range"),
    "alpha": (lambda k: k.losses.CategoricalFocalCrossentropy([0.1, 0.2])(torch.eye(3), torch.eye(3)), "tensor a .3."),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_type_of_keras_and_clear_words(case):
    function, words = REFUSED[case]
    error = outcome(function, keras)
    assert isinstance(error, Exception)
    with pytest.raises(type(error), match=words):
        function(torchkeras)


@pytest.mark.parametrize("loss", ["mean_squared_error", "Huber"])
def test_every_function_says_both_shapes(loss):
    with pytest.raises(RuntimeError, match=r"\(2, 3\) with y_pred of shape \(4, 3\)"):
        found = getattr(torchkeras.losses, loss)
        (found() if isinstance(found, type) else found)(torch.ones(2, 3), torch.ones(4, 3))


def test_lists_of_alpha():
    data = torch.eye(3), torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    for alpha in ([0.1, 0.2, 0.3], np.array([0.1, 0.2, 0.3], "float32"), torch.tensor([0.1, 0.2, 0.3])):
        mine, real = (k.losses.CategoricalFocalCrossentropy(alpha=alpha)(*data) for k in (torchkeras, keras))
        torch.testing.assert_close(mine, real)


def test_fit_goes_on_over_a_loss_of_nan():
    found = []
    for k in (torchkeras, keras):
        model = k.Sequential([k.Input((3,)), k.layers.Dense(1, kernel_initializer=same_weights(k, 1))])
        model.compile(k.optimizers.SGD(0.1), "mse")
        target = np.where(np.arange(8)[:, None] > 5, np.nan, Y)
        history = model.fit(X, target, epochs=3, batch_size=4, shuffle=False, verbose=0)
        found.append((history.history["loss"], model.get_weights()[0]))
    np.testing.assert_array_equal(found[0][0], [np.nan] * 3)
    np.testing.assert_array_equal(found[1][0], [np.nan] * 3)
    np.testing.assert_array_equal(found[0][1], found[1][1])

"""Every published loss, metric and optimizer against Keras, over what may come in: dtypes, containers, shapes, weights,
masks, arguments, state given and returned.

Driven by what is published under the names that Keras has: one that is added later is swept without a new test. Where
Keras raises there is nothing to agree with; what torchkeras decided otherwise is a line of deviations.md.
"""

import inspect
import os
import warnings

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.names import find, manifest
from compat.needed import needed

BASES = {
    "Loss",
    "Metric",
    "LossFunctionWrapper",
    "MeanMetricWrapper",
    "Optimizer",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "OptimizerMap",
}
# Their targets and predictions have forms of their own: compat/test_sequence_losses.py.
BASES |= {"CTC", "Circle", "CategoricalGeneralizedCrossEntropy"}
BASES |= {"ctc", "circle", "categorical_generalized_cross_entropy"}
LOOKUPS = {"get", "serialize", "deserialize"}


def published(room):
    """The names of a room of Keras that torchkeras publishes: `(name, whether it is a class)`."""
    for name in sorted(manifest()):
        place, _, short = name.rpartition(".")
        if place == room and short not in BASES | LOOKUPS and (found := find(name)) is not None and callable(found):
            yield short, inspect.isclass(found)


LOSSES, METRICS, OPTIMIZERS = (list(published(f"keras.{room}")) for room in ("losses", "metrics", "optimizers"))
CALLABLES = [("losses", *each) for each in LOSSES] + [("metrics", *each) for each in METRICS]
IDS = [f"{room}.{name}" for room, name, _ in CALLABLES]
ACCUMULATORS = {"Mean", "Sum"}  # they take values, not targets and predictions
ROUNDED = {"huber", "log_cosh", "LogCoshError", "poisson", "Poisson", "mean_absolute_percentage_error"}
ROUNDED |= {"MeanAbsolutePercentageError"}  # Keras rounds their constants where predictions are whole numbers
# Keras keeps a class index in the dtype of the scores, where 2 is True, and turns the sign of unsigned targets.
WRAPPED = {"categorical_accuracy": ["bool"], "sparse_categorical_accuracy": ["bool"], "CategoricalAccuracy": ["bool"]}
WRAPPED |= {"SparseCategoricalAccuracy": ["bool"], "categorical_focal_crossentropy": ["uint8"]}


def takes_indices(name):
    return name.lower().startswith("sparse")


def inputs(name, shape=(4, 3), seed=0):
    """Targets and predictions of a shape that suit a loss or metric: classes in the last axis."""
    rng = np.random.default_rng(seed)
    predictions = rng.uniform(0.05, 0.95, shape)
    classes = rng.integers(0, shape[-1], shape[:-1])
    return classes if takes_indices(name) else np.eye(shape[-1])[classes], predictions


def call(library, room, name, is_class, *data, **options):
    """The outcome of a loss or metric of one library: its result, or the error."""
    function = getattr(getattr(library, room), name)
    arguments = data[1:] if name in ACCUMULATORS else data
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = (
                function(**{**needed(function), **options})(*arguments)
                if is_class
                else function(*arguments, **needed(function))
            )
    except (ValueError, TypeError, RuntimeError, IndexError, AttributeError, NotImplementedError) as error:
        return error
    return torch.as_tensor(np.asarray(result.detach())) if isinstance(result, torch.Tensor) else torch.as_tensor(result)


def difference(mine, real, tolerance=1e-5):
    """A sentence where two outcomes differ; None where they agree or Keras raised."""
    if isinstance(real, Exception):
        return None
    if isinstance(mine, Exception):
        return f"raised {type(mine).__name__}: {str(mine)[:120]}"
    if mine.dtype == torch.float64 and real.dtype == torch.float32:  # deviations.md: 64 bits are kept
        mine = mine.float()
    if (mine.dtype, mine.shape) != (real.dtype, real.shape):
        return f"{mine.dtype} {tuple(mine.shape)}, Keras {real.dtype} {tuple(real.shape)}"
    if torch.allclose(mine.double(), real.double(), rtol=tolerance, atol=tolerance / 10, equal_nan=True):
        return None
    return f"{mine.flatten()[:4].tolist()}, Keras {real.flatten()[:4].tolist()}"


def assert_none_differs(found):
    assert not found, "\n".join(f"{label}: {what}" for label, what in found[:20])


def swept(room, name, is_class, cases):
    """The differences over labelled arguments `(label, target, prediction, …)`."""
    found = []
    for label, *data in cases:
        mine, real = (call(library, room, name, is_class, *data) for library in (torchkeras, keras))
        if what := difference(mine, real, 2e-3 if "float16" in label else 1e-5):
            found.append((label, what))
    return found


TARGET_DTYPES = ("bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64")
PREDICTION_DTYPES = ("bool", "uint8", "int32", "int64", "float16", "float32", "float64")
CONTAINERS = {"array": np.asarray, "tensor": torch.as_tensor, "list": lambda x: x.tolist()}


@pytest.mark.parametrize(("room", "name", "is_class"), CALLABLES, ids=IDS)
def test_dtypes_and_containers(room, name, is_class):
    def cases():
        target, prediction = inputs(name)
        for true in TARGET_DTYPES:
            for pred in PREDICTION_DTYPES:
                whole = np.dtype(pred).kind in "bui"
                if whole and (name in ROUNDED or pred in WRAPPED.get(name, ())):
                    continue
                for container, put in CONTAINERS.items():
                    if container != "array" and pred != "float32":
                        continue
                    given = (target > 0 if true == "bool" else target).astype(true)
                    scores = (prediction > 0.5 if whole else prediction).astype(pred)
                    yield f"{true} {pred} {container}", put(given), put(scores)

    assert_none_differs(swept(room, name, is_class, cases()))


def forms():
    """Labelled pairs of targets and predictions in every form and shape that scripts hand in."""
    rng = np.random.default_rng(1)
    rows, hits = rng.uniform(0.05, 0.95, (4, 3)).astype("float32"), np.eye(3, dtype="float32")[[0, 2, 1, 1]]
    line, ones = rng.uniform(0.05, 0.95, 4).astype("float32"), np.array([1, 0, 1, 1], "float32")
    steps, classes = rng.uniform(0.05, 0.95, (2, 4, 3)).astype("float32"), rng.integers(0, 3, (2, 4))
    return [
        ("numbers", 1.0, 0.5),
        ("numpy numbers", np.float32(1), np.float32(0.5)),
        ("scalars", torch.tensor(1.0), torch.tensor(0.5)),
        ("vectors", ones, line),
        ("lists", ones.tolist(), line.tolist()),
        ("tuples", tuple(ones.tolist()), tuple(line.tolist())),
        ("vector and column", ones, line[:, None]),
        ("column and vector", ones[:, None], line),
        ("columns", ones[:, None], line[:, None]),
        ("lists of tensors", list(torch.tensor(hits)), list(torch.tensor(rows))),
        ("lists of arrays", list(hits), list(rows)),
        ("array and tensor", hits, torch.tensor(rows)),
        ("tensor and array", torch.tensor(hits), rows),
        ("list and tensor", hits.tolist(), torch.tensor(rows)),
        ("tensor and list", torch.tensor(hits), rows.tolist()),
        ("steps", np.eye(3, dtype="float32")[classes], steps),
        ("trailing axis of targets", np.eye(3, dtype="float32")[classes][..., None], steps),
        ("trailing axis of predictions", np.eye(3, dtype="float32")[classes], steps[..., None]),
        ("indices", np.array([0, 2, 1, 1]), rows),
        ("column of indices", np.array([[0], [2], [1], [1]]), rows),
        ("indices of steps", classes, steps),
        ("one target", hits[:1], rows),
        ("a number as target", 1.0, rows),
        ("one prediction", hits, rows[:1]),
        ("nothing", np.zeros((0, 3), "float32"), np.zeros((0, 3), "float32")),
        ("one row", hits[:1], rows[:1]),
        ("negative strides", hits[::-1], rows[::-1]),
        ("columns first", np.asfortranarray(hits), np.asfortranarray(rows)),
        ("big-endian", hits.astype(">f4"), rows.astype(">f4")),
        ("read-only", np.broadcast_to(hits[:1], (4, 3)), rows),
    ]


@pytest.mark.parametrize(("room", "name", "is_class"), CALLABLES, ids=IDS)
def test_forms_and_shapes(room, name, is_class):
    assert_none_differs(swept(room, name, is_class, forms()))


# -- weights and masks ------------------------------------------------------------------------------------------------

WEIGHTS = [
    None,
    1,
    2.5,
    True,
    np.float32(2),
    np.int64(3),
    [1, 2, 3, 4],
    (1, 2, 3, 4),
    [[1], [2], [3], [4]],
    np.arange(4),
] + [np.arange(4) > 1, torch.arange(4), torch.arange(4).double(), np.arange(4.0)[:, None], np.zeros(4)]
REDUCTIONS = ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none", None)
CLASSES = [("losses", name) for name, is_class in LOSSES if is_class]
CLASSES += [("metrics", name) for name, is_class in METRICS if is_class]
CLASS_IDS = [f"{room}.{name}" for room, name in CLASSES]
# A loss of the whole batch is one number, which Keras spreads over weights.
WHOLE = {"Dice", "Tversky"}


@pytest.mark.parametrize(("room", "name"), CLASSES, ids=CLASS_IDS)
def test_weights(room, name):
    found = []
    target, prediction = inputs(name)
    for weights in WEIGHTS:
        for options in [{"reduction": each} for each in REDUCTIONS] if room == "losses" else [{}]:
            mine, real = (
                call(library, room, name, True, target, prediction, weights, **options)
                for library in (torchkeras, keras)
            )
            if what := difference(mine, real):
                found.append((f"{weights!r} {options}", what))
    assert_none_differs(found)


@pytest.mark.parametrize("kind", ["array", "tensor", "list", "integers", "floats"])
@pytest.mark.parametrize(("room", "name"), CLASSES, ids=CLASS_IDS)
def test_masks_of_predictions_in_every_form(room, name, kind):
    mask = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], bool)
    mask = {
        "array": mask,
        "tensor": torch.tensor(mask),
        "list": mask.tolist(),
        "integers": mask.astype("int32"),
        "floats": torch.tensor(mask).float(),
    }[kind]
    target, prediction = inputs(name, (4, 3, 2))
    found = []
    for weights in (None, np.linspace(0, 1, 12).reshape(4, 3), np.ones((4, 3)).tolist()):
        outcomes = []
        for library in (torchkeras, keras):
            given = torch.tensor(prediction, dtype=torch.float32)
            given._keras_mask = mask
            outcomes.append(call(library, room, name, True, torch.tensor(target), given, weights))
        if what := difference(*outcomes):
            found.append((f"weights {weights!r}", what))
    assert_none_differs(found)


FITS = [(), (4,), (4, 1), (4, 3), (1,), (1, 1), (1, 3)]
REFUSED = [((4,), (4, 4)), ((4,), (1, 4)), ((3,), (4, 3)), ((4, 1), (1, 4)), ((4,), (4, 1, 1)), ((4, 3), (4, 3, 3))]


@pytest.mark.parametrize("shape", FITS, ids=str)
def test_weights_that_fit_values_of_steps(shape):
    from keras.src.losses.loss import reduce_weighted_values

    rng = np.random.default_rng(0)
    values, weights = rng.random((4, 3)), rng.random(shape)
    theirs = weights[:, None] if shape == (4,) else weights  # Keras refuses weights of samples here
    for reduction in REDUCTIONS:
        mine = torchkeras.losses.reduce_weighted_values(values, weights, None, reduction)
        torch.testing.assert_close(mine, reduce_weighted_values(values, theirs, None, reduction), check_dtype=False)


@pytest.mark.parametrize(("values", "weights"), REFUSED, ids=str)
def test_weights_that_would_spread_are_refused(values, weights):
    with pytest.raises(ValueError, match=r"Weights of shape .* do not fit values of shape"):
        torchkeras.losses.reduce_weighted_values(np.ones(values), np.ones(weights))


MEANS = [(room, name) for room, name in CLASSES if name not in ACCUMULATORS | WHOLE]


@pytest.mark.parametrize(("room", "name"), MEANS, ids=[f"{room}.{name}" for room, name in MEANS])
def test_weights_of_more_axes_than_the_values_are_refused(room, name):
    """Square weights would spread silently over the samples."""
    target, prediction = inputs(name, (4, 4))
    values = torchkeras.losses.mean_squared_error(target, prediction)
    if room == "losses":
        values = getattr(torchkeras.losses, name)(reduction=None)(target, prediction)
    weights = np.ones((*values.shape, 4)) if room == "losses" else np.ones((4, 4, 4))
    with pytest.raises(ValueError, match="do not fit"):
        cls = getattr(getattr(torchkeras, room), name)
        cls(**needed(cls))(target, prediction, weights)


# -- arguments and configs --------------------------------------------------------------------------------------------

# Values other than the default; a name that is not here gets one by its default's type.
OTHER = {"axis": [0, -2], "ignore_class": [1], "dtype": ["float64"], "reduction": ["sum", None], "name": ["mine"]}
OTHER |= {"label_smoothing": [0.1, np.float32(0.2)], "k": [2], "ema_overwrite_frequency": [2], "learning_rate": [0.2]}
OTHER |= {"use_ema": [True], "gradient_accumulation_steps": [2], "loss_scale_factor": [2.0], "weight_decay": [0.1]}
OTHER |= {"clipnorm": [0.5], "clipvalue": [0.5], "global_clipnorm": [0.5]}


def variants(cls):
    """Arguments of a class, one at a time away from its default, and all at once."""
    alone = []
    for name, parameter in inspect.signature(cls).parameters.items():
        default = parameter.default
        if name in OTHER:
            alone += [{name: value} for value in OTHER[name]]
        elif isinstance(default, bool):
            alone.append({name: not default})
        elif isinstance(default, (int, float)):
            alone.append({name: type(default)(default * 0.5 + 0.25 if isinstance(default, float) else default + 1)})
    return alone


def plain(config):
    return {key: float(value) if isinstance(value, np.floating) else value for key, value in config.items()}


ALL_CLASSES = [*CLASSES, *(("optimizers", name) for name, is_class in OPTIMIZERS if is_class)]


@pytest.mark.parametrize(("room", "name"), ALL_CLASSES, ids=[f"{room}.{name}" for room, name in ALL_CLASSES])
def test_configs_of_other_arguments(room, name):
    """What Keras writes is written, with the same values; both libraries make equal objects of it."""
    ours, theirs = (getattr(library, room) for library in (torchkeras, keras))
    cls, real = getattr(ours, name), getattr(theirs, name)
    for arguments in variants(real):
        fixed = arguments if room == "optimizers" and "name" in arguments else {**arguments, "name": "fixed"}
        fixed = {**needed(real), **fixed}
        mine, wanted = cls(**fixed), real(**fixed)
        config = mine.get_config()
        left_out = {key for key, each in cls._fields.items() if not each.in_config}
        assert set(config) - set(wanted.get_config()) <= left_out, arguments
        for key, value in plain(wanted.get_config()).items():
            assert plain(config)[key] == value, arguments
        assert cls.from_config(config).get_config() == config
        assert real.from_config(config).get_config() == wanted.get_config()
        assert ours.deserialize(ours.serialize(mine)).get_config() == plain(config)
        assert (
            plain(ours.deserialize(theirs.serialize(wanted)).get_config()).items()
            >= {key: value for key, value in plain(wanted.get_config()).items() if key not in left_out}.items()
        )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name, is_class in LOSSES if is_class])
def test_a_loss_agrees_with_its_function_and_with_keras(name):
    ours, theirs = getattr(torchkeras.losses, name), getattr(keras.losses, name)
    taken = inspect.signature(ours.function).parameters
    target, prediction = (
        torch.tensor(each, dtype=None if takes_indices(name) and not i else torch.float32)
        for i, each in enumerate(inputs(name, (3, 3, 3)))
    )
    for arguments in [{}, *variants(theirs)]:
        own = {key: value for key, value in arguments.items() if key in taken}
        values = ours.function(target, prediction, **own)
        torch.testing.assert_close(ours(reduction=None, **own)(target, prediction), values)
        counted = (target != own["ignore_class"]).sum() if "ignore_class" in own else values.numel()
        torch.testing.assert_close(ours(**own)(target, prediction), values.sum() / counted)
        torch.testing.assert_close(theirs(reduction=None, **own)(target, prediction), values, rtol=2e-5, atol=2e-6)


# -- state given and returned -----------------------------------------------------------------------------------------


def numbers(variables):
    return [np.array(v.detach().cpu() if isinstance(v, torch.Tensor) else v.value.detach().cpu()) for v in variables]


@pytest.mark.parametrize("name", [name for name, is_class in METRICS if is_class])
def test_metrics_with_given_state(name):
    results = []
    for library in (torchkeras, keras):
        cls = getattr(library.metrics, name)
        metric = cls(**needed(cls))
        data = inputs(name, (6, 8))[name in ACCUMULATORS :]
        metric.update_state(*data)
        before = numbers(metric.variables)
        empty = metric.stateless_reset_state()
        once = metric.stateless_update_state(empty, *data)
        held = [torch.as_tensor(each).clone() for each in once]
        twice = metric.stateless_update_state(tuple(once), *inputs(name, (6, 8), 1)[name in ACCUMULATORS :])
        for given, kept in zip(once, held, strict=True):
            assert torch.equal(torch.as_tensor(given), kept)
        for now, then in zip(numbers(metric.variables), before, strict=True):
            np.testing.assert_array_equal(now, then)
        with pytest.raises(ValueError, match="metric_variables"):
            metric.stateless_update_state([*once, once[0]], *data)
        results.append([*once, *twice, metric.stateless_result(once), metric.stateless_result(twice)])
    for mine, real in zip(*results, strict=True):
        np.testing.assert_allclose(torch.as_tensor(mine).detach(), torch.as_tensor(real).detach(), rtol=1e-5)


SITUATIONS = [{}, {"use_ema": True}, {"gradient_accumulation_steps": 2}, {"clipnorm": 0.5}, {"weight_decay": 0.1}]


@pytest.mark.parametrize("options", SITUATIONS, ids=str)
@pytest.mark.parametrize("name", [name for name, is_class in OPTIMIZERS if is_class])
def test_optimizers_with_given_state(name, options):
    results = []
    for library in (torchkeras, keras):
        variables = [library.Variable([1.0, -2.0]), library.Variable([[0.5]])]
        optimizer = getattr(library.optimizers, name)(0.1, **options)
        optimizer.build(variables)
        before = numbers([*optimizer.variables, *variables])
        values = [torch.tensor(each) for each in numbers(variables)]
        state = [torch.tensor(each) for each in numbers(optimizer.variables)]
        for step in range(4):
            grads = [torch.tensor([0.5, -0.25]) * (step + 1), torch.tensor([[2.0]])]
            values, state = optimizer.stateless_apply(state, grads, values)
        for now, then in zip(numbers([*optimizer.variables, *variables]), before, strict=True):
            np.testing.assert_array_equal(now, then)
        with pytest.raises(ValueError):
            optimizer.stateless_apply(state[1:], grads, values)
        results.append([*values, *state])
    for mine, real in zip(*results, strict=True):
        np.testing.assert_allclose(mine.detach(), torch.as_tensor(real).detach(), rtol=2e-6, atol=1e-7)

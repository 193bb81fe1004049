"""No public name of `keras.ops`, `keras.random` and the small families lacks a case; the manifest drives the loop.

The calls that fit no table (they take functions, or give no tensors) are compared here. May import both libraries.
"""

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat import names, op_variants, test_activations, test_initializers, test_ops_math, test_regularizers
from compat.op_cases import NOT_TRACED
from compat.test_op_sweep import function_of
from compat.test_ops import _run

MANIFEST = names.manifest()
X = np.array([[4.0, 1.0, -2.0], [1.0, 3.0, 0.5]], "float32")
SQUARE = np.array([[2.0, 1.0], [0.5, 3.0]], "float32")


def _own_gradient(k):
    @k.ops.custom_gradient
    def twice(x):
        return x * 2.0, lambda *args, upstream=None: upstream * 10.0

    x = torch.ones(3, requires_grad=True)
    y = twice(x)
    y.sum().backward()
    return y.detach(), x.grad


def _eig(k):
    """Vectors may have any phase: what they must do is compared."""
    values, vectors = (part.to(torch.complex64) for part in k.ops.eig(SQUARE))
    return values, torch.tensor(SQUARE).to(torch.complex64) @ vectors - vectors * values


def _seeds(k):
    generator = k.random.SeedGenerator(4)
    return [generator.next().tolist(), generator.next(ordered=False).tolist(), generator.get_config()["seed"]]


def _round_trip(family, name, **config):
    def call(k):
        module, snake = getattr(k, family), {"NonNeg": "non_neg"}.get(name, name.lower())
        made = module.get({"class_name": name, "config": config})
        saved = module.serialize(made)
        return saved, module.deserialize(saved).get_config(), module.get(snake).get_config(), module.get(None)

    return call


def _subclass(family, base):
    """The family's root takes a user's class: what it can do without a line of its own."""

    def call(k):
        module = getattr(k, family)

        class Own(getattr(module, base)):
            def __call__(self, *args, **kwargs):
                return 5

            def get_config(self):
                return {}

        made = module.get(Own())
        return made(np.ones(2)), module.get(Own)(np.ones(2)), made.get_config(), Own.from_config({})(np.ones(2))

    return call


# name -> a function of the library whose result is compared.
CALLS = {
    "keras.ops.cond": lambda k: [k.ops.cond(flag, lambda: X * 2.0, lambda: X - 1.0) for flag in (True, False)],
    "keras.ops.convert_to_numpy": lambda k: k.ops.convert_to_numpy(k.ops.convert_to_tensor(X)),
    "keras.ops.custom_gradient": _own_gradient,
    "keras.ops.dtype": lambda k: [k.ops.dtype(k.ops.convert_to_tensor(x)) for x in (X, X > 0, 1, [1.5])],
    "keras.ops.eig": _eig,
    "keras.ops.empty": lambda k: [(tuple(x.shape), x.dtype) for x in (k.ops.empty((2, 3)), k.ops.empty((0,), "int8"))],
    "keras.ops.empty_like": lambda k: [
        (tuple(x.shape), x.dtype) for x in (k.ops.empty_like(X), k.ops.empty_like(X, dtype="int32"))
    ],
    "keras.ops.is_tensor": lambda k: [k.ops.is_tensor(x) for x in (X, 1.0, k.ops.ones(2), k.Input((2,)))],
    "keras.ops.ndim": lambda k: [k.ops.ndim(x) for x in (X, 1.0)],
    "keras.ops.nonzero": lambda k: list(k.ops.nonzero(X > 0.75)),
    "keras.ops.shape": lambda k: [tuple(k.ops.shape(x)) for x in (X, np.float32(1.0), k.Input((None, 3)))],
    "keras.ops.size": lambda k: [int(k.ops.size(x)) for x in (X, X[:0])],
    "keras.ops.vectorize": lambda k: k.ops.vectorize(lambda a, b: a * b + 1.0)(X[:, :, None], X[:, None]),
    "keras.random.SeedGenerator": _seeds,
    "keras.activations.get": lambda k: [k.activations.get(x)(X) for x in ("relu", None, "softplus")],
    "keras.activations.serialize": lambda k: [
        k.activations.serialize(getattr(k.activations, x)) for x in ("elu", "mish")
    ],
    "keras.activations.deserialize": lambda k: [k.activations.deserialize(x)(X) for x in ("elu", "log_softmax")],
    **{
        f"keras.{family}.{name}": _round_trip(family, *example[:1], **example[1])
        for family, example in {
            "initializers": ("Ones", {}),
            "regularizers": ("L1", {"l1": 0.25}),
            "constraints": ("NonNeg", {}),
        }.items()
        for name in ("get", "serialize", "deserialize")
    },
    "keras.initializers.Initializer": _subclass("initializers", "Initializer"),
    "keras.regularizers.Regularizer": _subclass("regularizers", "Regularizer"),
    "keras.constraints.Constraint": _subclass("constraints", "Constraint"),
}


def _same(ours, theirs):
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            _same(a, b)
    elif isinstance(theirs, torch.Tensor):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    elif isinstance(theirs, np.ndarray):
        assert isinstance(ours, np.ndarray)
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    else:
        assert ours == theirs


@pytest.mark.parametrize("name", CALLS)
def test_calls_that_fit_no_table(name):
    ours, theirs = CALLS[name](torchkeras), CALLS[name](keras)
    _same(ours, theirs)


def _covered():
    """The objects that have a case somewhere, of ours."""
    found = {function_of(torchkeras.ops, name) for name in op_variants.BY_OP}
    found |= {getattr(torchkeras.ops, flow.split()[0]) for flow in test_ops_math._FLOWS}
    found |= {names.find(name) for name in CALLS}
    found |= {getattr(torchkeras.random, name) for name, _ in test_initializers.DRAWS}
    found |= {getattr(torchkeras.initializers, name) for name, _ in test_initializers.CASES}
    found |= {torchkeras.initializers.STFT}  # test_initializers.py::test_stft
    found |= {getattr(torchkeras.activations, name) for name in test_activations.NAMES}
    found |= {getattr(getattr(torchkeras, family), name) for family, name, _ in test_regularizers.CASES}
    return found


COVERED = _covered()
ROOMS = ("ops", "random", "initializers", "activations", "regularizers", "constraints")


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_has_a_case(room):
    """An alias counts through the object that it stands for."""
    public = [name for name in MANIFEST if name.startswith(f"keras.{room}.")]
    assert len(public) > 10
    assert [name for name in public if names.find(name) is None] == []
    assert [name for name in public if names.find(name) not in COVERED] == []


def test_names_that_stand_for_one_function_in_keras_do_so_here():
    groups = {}
    for name in (name for name in MANIFEST if name.startswith("keras.ops.")):
        theirs = keras
        for part in name.split(".")[1:]:
            theirs = getattr(theirs, part)
        groups.setdefault(theirs, []).append(name)
    assert len(groups) > 330
    assert [group for group in groups.values() if len({names.find(name) for name in group}) > 1] == []


@pytest.mark.parametrize("name", NOT_TRACED)
def test_what_is_not_traced_cannot_be(name):
    """An entry of NOT_TRACED that has become needless fails."""

    def fails(case):
        torch.compiler.reset()
        try:
            _run(torch.compile(function_of(torchkeras.ops, name), fullgraph=True, backend="eager"), case, False)
        except (torch._dynamo.exc.TorchDynamoException, RuntimeError):
            return True
        return False

    assert any(fails(case) for case in op_variants.CASES if case.name == name)


@pytest.mark.parametrize("space", ["keras.ops", *(f"keras.ops.{name}" for name in ("image", "linalg", "nn", "numpy"))])
def test_each_namespace_lists_the_names_of_keras(space):
    """Each ops room lists its names once; together they are those of Keras, and nothing else."""
    public = {name.rpartition(".")[2] for name in MANIFEST if names.room_of(name) == space}
    listed = names.find(space).__all__
    assert len(set(listed)) == len(listed)
    assert set(listed) - {"image", "linalg", "nn", "numpy"} == public

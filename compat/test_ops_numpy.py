"""The later numpy names of `keras.ops` against the installed Keras, and what cannot be compared case by case."""

import keras
import numpy as np
import pytest
import torch

from compat import test_ops as comparison
from compat.op_cases import NOT_TRACED
from compat.op_cases_numpy import CASES
from torchkeras import ops
from torchkeras.errors import ShapeInferenceError
from torchkeras.layers import Input


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_values_and_gradients(case):
    comparison.test_values_and_gradients(case)


@pytest.mark.parametrize("case", [case for case in CASES if case.symbolic], ids=repr)
def test_static_shapes_and_configs(case):
    comparison.test_static_shapes_and_configs(case)


@pytest.mark.parametrize("case", {c.name: c for c in CASES if c.name not in NOT_TRACED}.values(), ids=repr)
def test_compiles_without_graph_breaks(case):
    comparison.test_compiles_without_graph_breaks(case)


def test_argpartition_parts_the_numbers():
    x = torch.randn(4, 9)
    order = ops.argpartition(x, 3)
    assert order.dtype == torch.int32
    parted = torch.gather(x, 1, order.long())
    assert (parted[:, :3] <= parted[:, 3:4]).all()
    assert (parted[:, 4:] >= parted[:, 3:4]).all()
    assert ops.argpartition(x, 3, axis=None).shape == (36,)
    assert ops.argpartition(Input((9,)), 3).shape == (None, 9)
    integers = torch.tensor([[4, 1, 3, 0]])
    kth = integers[0, ops.argpartition(integers, 1)[0, 1].long()]
    assert kth == integers[0, keras.ops.argpartition(integers, 1)[0, 1].long()] == 1
    with pytest.raises(ValueError, match="out of bounds"):
        ops.argpartition(x, 9)
    with pytest.raises(ValueError, match="integer"):
        ops.argpartition(x, 1.5)


def test_running_sums_without_nan_keep_infinities_as_numpy_does():
    x = np.array([1.0, np.nan, np.inf, 2.0])
    np.testing.assert_array_equal(ops.nancumsum(x), np.nancumsum(x))
    np.testing.assert_array_equal(ops.nancumprod(x), np.nancumprod(x))


@pytest.mark.parametrize("name", ["nanmax", "nanmin", "nanprod", "nanvar", "nanstd", "nanmedian", "nancumsum"])
def test_double_precision_is_numpys(name):
    x = np.random.default_rng(1).normal(size=(4, 5))
    x[1, 2] = np.nan
    have = getattr(ops, name)(x, axis=1)
    assert have.dtype == torch.float64
    np.testing.assert_allclose(have, getattr(np, name)(x, axis=1), rtol=1e-14)
    assert getattr(ops, name)(Input((5,), dtype="float64"), axis=1).dtype == "float64"


def test_large_flat_indices_keep_their_type():
    index = torch.tensor([2**40 + 3])
    assert [part.tolist() for part in ops.unravel_index(index, (2**38, 8))] == [[2**37], [3]]


def test_columns_of_powers_have_gradients():
    x = torch.tensor([2.0, 0.0], requires_grad=True)
    (ops.vander(x, N=3) * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [14.0, 10.0]


def test_correlate_of_a_shorter_first_sequence_is_numpys():
    a, v = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -2.0, 4.0, 0.5])
    for mode in ("valid", "same", "full"):
        np.testing.assert_allclose(ops.correlate(a, v, mode), np.correlate(a, v, mode), atol=1e-12)
    assert ops.correlate(Input(batch_shape=(6,)), np.ones(4, "float32"), "same").shape == (6,)
    assert ops.correlate(Input(batch_shape=(None,)), np.ones(4, "float32")).shape == (None,)


def test_static_shape_of_correlations_is_that_of_the_result():
    assert ops.corrcoef(Input(batch_shape=(3, 5))).shape == ops.corrcoef(torch.randn(3, 5)).shape == (3, 3)


def test_vectors_of_unknown_length_have_a_cross_product_beside_three_numbers():
    unknown, three, two = (Input(batch_shape=(4, size)) for size in (None, 3, 2))
    assert ops.cross(unknown, three).shape == (4, 3) and ops.cross(three, unknown, axisc=0).shape == (3, 4)
    assert ops.cross(two, two).shape == (4,)
    for other in (unknown, two):
        with pytest.raises(ShapeInferenceError, match="2 or 3 numbers"):
            ops.cross(unknown, other)


def test_select_promotes_its_choices_and_broadcasts():
    x = torch.arange(4)
    got = ops.select([x < 1, x > 2], [x.to(torch.int8), torch.tensor(7.0)], default=-1)
    assert got.tolist() == [0, -1, -1, 7]
    assert got.dtype == torch.float32
    with pytest.raises(ValueError, match="as many choices"):
        ops.select([x < 1], [x, x])
    with pytest.raises(ValueError, match="two lists"):
        ops.select(x < 1, [x])


def test_view_without_a_dtype_changes_nothing():
    x = torch.arange(4, dtype=torch.int16)
    assert ops.view(x).dtype == torch.int16
    with pytest.raises(ValueError, match="bytes are left"):
        ops.view(x[:3], "int32")
    with pytest.raises(ValueError, match="bytes are left"):
        ops.view(Input(batch_shape=(3,), dtype="int16"), "int32")


def test_counts_of_weights_have_gradients():
    weights = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    counts = ops.bincount(torch.tensor([0, 2, 2]), weights=weights)
    assert counts.tolist() == [1.0, 0.0, 5.0]
    (counts * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert weights.grad.tolist() == [1.0, 100.0, 100.0]
    rows = torch.tensor([[0, 1], [0, 4]])  # rows of different length
    assert ops.bincount(rows).tolist() == [[1, 1, 0, 0, 0], [1, 0, 0, 0, 1]]
    with pytest.raises(ValueError, match="sparse"):
        ops.bincount(rows, sparse=True)
    with pytest.raises(ValueError, match="negative"):
        ops.bincount(torch.tensor([-1]))


def test_histograms_of_integers_and_wrong_arguments():
    counts, edges = ops.histogram(torch.tensor([1, 2, 2, 5]), bins=4)
    want, at = np.histogram([1, 2, 2, 5], bins=4)
    np.testing.assert_array_equal(counts, want)
    np.testing.assert_array_equal(edges, at)
    assert [out.shape for out in ops.histogram(Input(batch_shape=(None,)), bins=4)] == [(4,), (5,)]
    for error, arguments in ((TypeError, {"bins": 2.5}), (ValueError, {"bins": -1}), (ValueError, {"range": (2, 1)})):
        with pytest.raises(error):
            ops.histogram(torch.ones(3), **arguments)
        with pytest.raises(error):
            keras.ops.histogram(torch.ones(3), **arguments)


def test_unique_of_matrices():
    x = torch.tensor([[3, 1], [1, 2]])
    values, index, inverse = ops.unique(x, return_index=True, return_inverse=True)
    want = np.unique(x.numpy(), return_index=True, return_inverse=True)
    for ours, theirs in zip((values, index, inverse.reshape(-1)), (want[0], want[1], want[2].reshape(-1)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    spec = ops.unique(Input((2,)), return_inverse=True, axis=1, size=2)
    assert [(tuple(out.shape), out.dtype) for out in spec] == [((None, 2), "float32"), ((2,), "int32")]


def test_vectorize_broadcasts_and_keeps_excluded_arguments():
    a, b = torch.arange(3.0).reshape(3, 1), torch.arange(4.0)
    assert torch.equal(ops.vectorize(lambda x, y: x * y + 1)(a, b), a * b + 1)
    dot = ops.vectorize(torch.dot, signature="(n),(n)->()")
    torch.testing.assert_close(dot(torch.ones(5, 1, 3), torch.ones(2, 3)), torch.full((5, 2), 3.0))
    matvec = ops.vectorize(torch.mv, signature="(n,m),(m)->(n)")
    assert matvec(torch.ones(2, 3, 4), torch.ones(4)).shape == (2, 3)
    scaled = ops.vectorize(lambda x, mode, scale: x * len(mode) * scale, excluded={1})
    assert scaled(b, "abc", scale=torch.tensor(2.0)).tolist() == [0.0, 6.0, 12.0, 18.0]
    assert keras.ops.vectorize(lambda x, y: x * y + 1)(a, b).shape == (3, 4)
    with pytest.raises(ValueError, match="cannot be read"):
        ops.vectorize(torch.dot, signature="n,n")(a, b)
    with pytest.raises(ValueError, match="size 3 and size 2"):
        dot(torch.ones(3), torch.ones(2))
    with pytest.raises(ValueError, match="callable"):
        ops.vectorize(3)


def test_windows_need_a_length():
    for name in ("bartlett", "blackman", "hamming", "hanning"):
        with pytest.raises(TypeError):
            getattr(ops, name)(Input(()))
        with pytest.raises(TypeError):
            getattr(keras.ops, name)(keras.Input(()))


@pytest.mark.parametrize("name", ["hsplit", "vsplit", "dsplit", "fliplr"])
def test_too_few_axes_are_an_error(name):
    extra = (2,) if "split" in name else ()
    with pytest.raises(ValueError, match="at least"):
        getattr(ops, name)(torch.tensor(1.0), *extra)


def test_exponents_are_integers_and_sequences_have_one_axis():
    with pytest.raises(TypeError, match="integers"):
        ops.ldexp(torch.ones(2), torch.ones(2))
    with pytest.raises(ValueError, match="one axis"):
        ops.searchsorted(torch.ones(2, 2), torch.ones(2))
    with pytest.raises(ValueError, match="one axis"):
        ops.digitize(torch.ones(2), torch.ones(2, 2))
    with pytest.raises(ValueError, match="one axis"):
        ops.vander(torch.ones(2, 2))
    with pytest.raises(TypeError, match="integer"):
        ops.vander(torch.ones(2), N=2.0)


# -- where Keras on torch does otherwise (compat/deviations.md) --------------------------------------------------------

deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


def both(function):
    """The results of one function of `keras.ops`, ours and Keras's, as plain values."""

    def outcome(library_ops):
        try:
            return function(library_ops)
        except (ValueError, TypeError, RuntimeError):
            return "refused"

    return outcome(ops), outcome(keras.ops)


def _longer(x, text):
    return x * len(text)


@deviation
@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda o: o.nancumsum(torch.tensor([1.0, float("inf")])).tolist(), id="nancumsum"),
        pytest.param(lambda o: o.correlate(torch.ones(2), torch.ones(4), "same").tolist(), id="correlate"),
        pytest.param(lambda o: o.argpartition(torch.tensor([0.9, 0.1, 0.5]), 1).tolist(), id="argpartition"),
        pytest.param(lambda o: str(o.view(torch.ones(2, dtype=torch.int32)).dtype), id="view"),
        pytest.param(lambda o: str(o.unravel_index(torch.tensor([2]), (3, 3))[0].dtype), id="unravel_index"),
        pytest.param(lambda o: o.bincount(torch.tensor([[0, 0], [0, 2]])).tolist(), id="bincount"),
        pytest.param(lambda o: o.histogram(torch.tensor([1, 2]), 2)[0].tolist(), id="histogram"),
        pytest.param(lambda o: o.unique(torch.tensor([[3, 1]]), return_index=True)[1].tolist(), id="unique"),
        pytest.param(lambda o: o.vectorize(_longer, excluded={1})(torch.ones(2), "ab").tolist(), id="vectorize"),
    ],
)
def test_numpys_results(function):
    ours, theirs = both(function)
    assert ours == theirs


@deviation
def test_static_shape_of_correlations_is_that_of_the_input():
    shapes = [o.corrcoef(make(batch_shape=(3, 5))).shape for o, make in ((ops, Input), (keras.ops, keras.Input))]
    assert tuple(shapes[0]) == tuple(shapes[1])

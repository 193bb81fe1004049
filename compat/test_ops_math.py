"""Fourier, segments, CTC, linear algebra and control flow of `keras.ops` against the installed Keras."""

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat import test_ops as comparison
from compat.op_cases import NOT_TRACED
from compat.op_cases_math import CASES
from torchkeras import ops
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


# -- control flow -----------------------------------------------------------------------------------------------------


def _step(carry, x):
    return carry * 0.5 + x, carry * x


_FLOWS = {
    "map": lambda o, x: o.map(lambda row: row * 2.0, x),
    "map structure": lambda o, x: o.map(lambda row: {"a": row[0] + row[1], "b": row[1]}, (x, x * 2.0)),
    "vectorized_map": lambda o, x: o.vectorized_map(lambda row: o.sum(row * row), x),
    "vectorized_map structure": lambda o, x: o.vectorized_map(lambda pair: pair[0] + pair[1], (x, x)),
    "scan": lambda o, x: o.scan(_step, o.zeros((4,)), x),
    "scan reverse": lambda o, x: o.scan(_step, o.zeros((4,)), x, reverse=True, unroll=2),
    "scan length": lambda o, x: o.scan(lambda c, _: (c * 2.0, c), x, length=3),
    "associative_scan": lambda o, x: o.associative_scan(lambda a, b: a + b, x, axis=1),
    "associative_scan last": lambda o, x: o.associative_scan(o.maximum, x, reverse=True, axis=-1),
    "associative_scan structure": lambda o, x: o.associative_scan(
        lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (x, x + 1.0), axis=1
    ),
    "switch": lambda o, x: (
        o.switch(1, [lambda a: a, lambda a: o.concatenate([a, a], 0)[:, 1:]], x)
        if isinstance(x, torch.Tensor)
        else o.switch(0, [lambda a: a * 2.0, lambda a: a], x)
    ),
    "while_loop": lambda o, x: o.while_loop(lambda a: o.max(o.abs(a)) < 50.0, lambda a: a * 2.0, x),
    "while_loop tuple": lambda o, x: o.while_loop(
        lambda a, b: o.max(b) < 1e9, lambda a, b: (a * 2.0, b + 1.0), (x, x), maximum_iterations=3
    ),
    "fori_loop": lambda o, x: o.fori_loop(0, 3, lambda i, a: a * 2.0 + float(i), x),
    "jvp": lambda o, x: o.jvp(lambda a: o.sin(a) * 2.0, (x,), (x * 0.0 + 1.0,)),
    "jvp aux": lambda o, x: o.jvp(lambda a: (o.exp(a), a[:, 0]), (x,), (x,), has_aux=True),
}


def _described(library, outputs):
    flat = library.tree.flatten(outputs)
    return [(tuple(out.shape), out.dtype) for out in flat]


@pytest.mark.parametrize("flow", _FLOWS)
def test_control_flow(flow):
    function, x = _FLOWS[flow], torch.tensor(np.random.default_rng(0).normal(size=(5, 4)).astype("float32"))
    first, second = x.clone().requires_grad_(), x.clone().requires_grad_()
    want, have = keras.tree.flatten(function(keras.ops, first)), torchkeras.tree.flatten(function(ops, second))
    assert len(want) == len(have)
    for a, b in zip(have, want, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b)
    sum((out * out).sum() for out in want).backward()
    sum((out * out).sum() for out in have).backward()
    torch.testing.assert_close(second.grad, first.grad)


@pytest.mark.parametrize("flow", sorted(set(_FLOWS) - {"map structure", "vectorized_map structure", "jvp"}))
def test_control_flow_in_graphs(flow):
    function = _FLOWS[flow]
    want, have = function(keras.ops, keras.Input((4,))), function(ops, Input((4,)))
    assert _described(torchkeras, have) == _described(keras, want)


@pytest.mark.parametrize("flow", sorted(set(_FLOWS) - {"scan length"}))
def test_control_flow_in_models(flow):
    """A functional model runs what was recorded."""
    inputs = Input(batch_shape=(5, 4))
    model = torchkeras.Model(inputs, torchkeras.tree.flatten(_FLOWS[flow](ops, inputs)))
    x = torch.randn(5, 4)
    want = torchkeras.tree.flatten(_FLOWS[flow](ops, x))
    if flow == "switch":
        want = [x * 2.0]
    have = torchkeras.tree.flatten(model(x))
    for a, b in zip(have, want, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("flow", sorted(set(_FLOWS) - {"while_loop", "while_loop tuple"}))
def test_control_flow_compiles(flow):
    x = torch.randn(5, 4)
    torch.compiler.reset()
    have = torch.compile(lambda v: _FLOWS[flow](ops, v), fullgraph=True, backend="eager")(x)
    for a, b in zip(torchkeras.tree.flatten(have), torchkeras.tree.flatten(_FLOWS[flow](ops, x)), strict=True):
        torch.testing.assert_close(a, b)


def test_branches_on_tensors_compile_with_gradients():
    def branch(x, choice):
        first = ops.cond(ops.sum(x) > 0, lambda: x * 2.0, lambda: x * x)
        return first + ops.switch(choice, [lambda a: a + 1.0, lambda a: a - 1.0, lambda a: a * 3.0], x)

    compiled = torch.compile(branch, fullgraph=True, backend="eager")
    for sign in (1.0, -1.0):
        for choice in (-1, 0, 1, 2, 9):
            first = torch.full((3,), 2.0 * sign, requires_grad=True)
            second = torch.full((3,), 2.0 * sign, requires_grad=True)
            want, have = branch(first, torch.tensor(choice)), compiled(second, torch.tensor(choice))
            torch.testing.assert_close(have, want)
            want.sum().backward()
            have.sum().backward()
            torch.testing.assert_close(second.grad, first.grad)


def test_cond_in_a_graph():
    def graph(library):
        pred = library.Input(batch_shape=(), dtype="bool")
        return pred, library.ops.cond(pred, lambda: library.ops.ones((2,)), lambda: library.ops.zeros((2,)))

    (pred, have), (_, want) = graph(torchkeras), graph(keras)
    assert (tuple(have.shape), have.dtype) == (tuple(want.shape), want.dtype)
    model = torchkeras.Model(pred, have)
    assert model(torch.tensor(True)).tolist() == [1.0, 1.0]
    assert model(torch.tensor(False)).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="same shapes"):
        ops.cond(pred, lambda: ops.ones(2), lambda: ops.ones(3))
    x = Input((2,))
    with pytest.raises(ValueError, match="from outside"):
        ops.cond(pred, lambda: x * 2.0, lambda: x)


def test_scan_without_outputs_and_associative_scan_of_integers():
    carry, nothing = ops.scan(lambda c, x: (c + x, None), torch.zeros(()), torch.arange(4.0))
    assert carry == 6.0
    assert nothing.tolist() == [0.0] * 4
    for size in range(1, 9):
        x = torch.arange(size) + 2**40
        torch.testing.assert_close(ops.associative_scan(torch.add, x), torch.cumsum(x, 0))
    with pytest.raises(ValueError, match="one size"):
        ops.associative_scan(lambda a, b: a, (torch.ones(2), torch.ones(3)))
    with pytest.raises(TypeError, match="function"):
        ops.scan(None, torch.ones(1), torch.ones(2))
    with pytest.raises(ValueError, match="unroll"):
        ops.scan(_step, torch.ones(1), torch.ones(2), unroll=0)
    with pytest.raises(ValueError, match="length"):
        ops.scan(_step, torch.ones(1))


# -- gradients of one's own -------------------------------------------------------------------------------------------


def _log1pexp(library_ops):
    @library_ops.custom_gradient
    def log1pexp(x):
        e = library_ops.exp(x)

        def gradient(*args, upstream=None):
            return upstream * (1.0 - 1.0 / (1.0 + e))

        return library_ops.log(1.0 + e), gradient

    return log1pexp


def test_custom_gradient():
    first, second = (torch.tensor([1.0, 2.0, 100.0], requires_grad=True) for _ in range(2))
    want, have = _log1pexp(keras.ops)(first), _log1pexp(ops)(second)
    torch.testing.assert_close(have, want)
    want.sum().backward()
    have.sum().backward()
    torch.testing.assert_close(second.grad, first.grad)
    third = torch.tensor([1.0, 2.0, 100.0], requires_grad=True)
    torch.compile(_log1pexp(ops), backend="eager")(third).sum().backward()
    torch.testing.assert_close(third.grad, first.grad)


def test_custom_gradient_of_several_arguments_and_in_a_graph():
    @ops.custom_gradient
    def scaled(x, factor, power):
        return x * factor, lambda upstream: (upstream * 10.0, None, None)

    x, factor = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    scaled(x, factor, 3).sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]
    assert factor.grad is None
    inputs = Input((2,))
    model = torchkeras.Model(inputs, scaled(inputs, 2.0, 3))
    y = torch.ones(1, 2, requires_grad=True)
    model(y).sum().backward()
    assert y.grad.tolist() == [[10.0, 10.0]]

    @ops.custom_gradient
    def too_few(x, y):
        return x + y, lambda upstream: upstream

    with pytest.raises(ValueError, match="1 gradients for 2"):
        too_few(x, factor).sum().backward()
    with pytest.raises(TypeError, match="gradient function"):
        ops.custom_gradient(lambda x: x)(x)


# -- unknown sizes, dtypes, sparse ------------------------------------------------------------------------------------


def _spec(outputs):
    flat = torchkeras.tree.flatten(outputs)
    return [(tuple(out.shape), out.dtype) for out in flat]


def test_unknown_sizes_that_keras_has_no_answer_for():
    assert _spec(ops.svd(Input((None, 3)), full_matrices=False)) == [
        ((None, None, None), "float32"),
        ((None, None), "float32"),
        ((None, None, 3), "float32"),
    ]
    assert _spec(ops.lu_factor(Input((None, 3)))) == [((None, None, 3), "float32"), ((None, None), "int32")]
    assert _spec(ops.rearrange(Input((6, None)), "b (h w) c -> (b h) w c", h=2)) == [((None, 3, None), "float32")]
    assert _spec(ops.einsum("bij,jk->bik", Input((2, None)), torch.ones(3, 5))) == [((None, 2, 5), "float32")]
    assert _spec(ops.einsum("b...i,b...i->b...", Input((None, 4)), Input((3, 4)))) == [((None, 3), "float32")]
    assert _spec(ops.dot_product_attention(Input((None, 2, 8)), Input((7, 2, 8)), Input((7, 2, 5)))) == [
        ((None, None, 2, 5), "float32")
    ]
    assert _spec(ops.slice(Input((4, None)), [0, 1, 2], [-1, -1, 3])) == [((None, 3, 3), "float32")]
    assert _spec(ops.segment_sum(Input((2,)), Input((), dtype="int32"))) == [((None, 2), "float32")]


@pytest.mark.parametrize("size", [None, 16])
def test_static_shapes_of_signals(size):
    for name, args in [
        ("stft", (8, 4, 8)),
        ("stft", (6, 3, 9, "hann", False)),
        ("rfft", ()),
        ("extract_sequences", (5, 2)),
    ]:
        have, want = (
            getattr(ops, name)(Input((2, size)), *args),
            getattr(keras.ops, name)(keras.Input((2, size)), *args),
        )
        assert _described(torchkeras, have) == _described(keras, want)
    for name, args in [("istft", (8, 4, 8)), ("istft", (8, 4, 10, 30)), ("irfft", ()), ("irfft", (9,))]:
        have = getattr(ops, name)((Input((2, size, 5)), Input((2, size, 5))), *args)
        want = getattr(keras.ops, name)((keras.Input((2, size, 5)), keras.Input((2, size, 5))), *args)
        assert _described(torchkeras, have) == _described(keras, want)


@pytest.mark.parametrize("names", [("float16", "float32"), ("int32", "float16"), ("int8", "int8"), ("bool", "int32")])
def test_einsum_of_mixed_dtypes(names):
    x, y = (torch.ones(2, 3).to(getattr(torch, name)) for name in names)
    want = keras.backend.result_type(*names) if names != ("int8", "int8") else "int32"
    result = ops.einsum("ij,kj->ik", x, y)
    assert str(result.dtype) == f"torch.{want}"
    assert result.tolist() == [[3, 3], [3, 3]]
    symbolic = ops.einsum("ij,kj->ik", Input((3,), dtype=names[0]), y)
    assert symbolic.dtype == want == keras.ops.einsum("ij,kj->ik", keras.Input((3,), dtype=names[0]), y).dtype


def test_integers_become_floats_in_linear_algebra():
    x = np.array([[4, 1], [1, 3]], "int32")
    for name in ("cholesky", "inv", "det", "pinv", "logdet"):
        torch.testing.assert_close(getattr(ops, name)(x), getattr(ops, name)(x.astype("float32")))
        assert getattr(ops, name)(Input((2, 2), dtype="int32")).dtype == "float32"
    assert ops.cdist(x, x).dtype == torch.float32
    assert ops.view_as_real(x).tolist()[0] == [[4, 0], [1, 0]]


def test_equal_points_have_distance_and_gradient_zero():
    x = torch.ones(2, 3, requires_grad=True)
    distances = ops.cdist(x, x)
    distances.sum().backward()
    assert distances.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert x.grad.abs().sum() == 0


def test_sparse_tensors_are_taken_where_torch_has_kernels():
    dense = torch.eye(3)[:2] * 2.0
    sparse = dense.to_sparse()
    y = torch.randn(3, 4)
    for name, args in [
        ("matmul", (sparse, y)),
        ("add", (sparse, sparse)),
        ("multiply", (sparse, 2.0)),
        ("abs", (sparse,)),
    ]:
        have, want = getattr(ops, name)(*args), getattr(keras.ops, name)(*args)
        assert have.layout == want.layout
        torch.testing.assert_close(have.to_dense(), want.to_dense())
    assert ops.convert_to_tensor(sparse) is sparse
    with pytest.raises(TypeError, match="Sparse"):
        ops.convert_to_numpy(sparse)


# -- CTC, slices ------------------------------------------------------------------------------------------------------


def test_beam_search_finds_what_counting_all_alignments_finds():
    torch.manual_seed(3)
    steps, classes = 4, 3
    logits = torch.randn(1, steps, classes)
    logs = logits.log_softmax(-1)[0]
    totals = {}
    for alignment in np.ndindex(*(classes,) * steps):
        labels = [c for i, c in enumerate(alignment) if c != 0 and (i == 0 or alignment[i - 1] != c)]
        score = sum(logs[i, c] for i, c in enumerate(alignment)).exp().item()
        totals[tuple(labels)] = totals.get(tuple(labels), 0.0) + score
    best = sorted(totals, key=totals.get, reverse=True)[:3]
    paths, scores = ops.ctc_decode(logits, [steps], "beam_search", beam_width=50, top_paths=3)
    assert [tuple(c for c in path.tolist() if c >= 0) for path in paths[:, 0]] == best
    np.testing.assert_allclose(scores[0].exp(), [totals[labels] for labels in best], rtol=1e-5)


def test_beam_search_with_few_beams_and_many_paths():
    paths, scores = ops.ctc_decode(torch.randn(2, 3, 4), [3, 2], "beam_search", beam_width=2, top_paths=4)
    assert paths.shape == (4, 2, 3)
    assert scores[:, 2:].tolist() == [[float("-inf")] * 2] * 2
    assert (paths[2:] == -1).all()
    logits = torch.randn(2, 5, 4, requires_grad=True)
    ops.ctc_decode(logits, [5, 4], "beam_search", beam_width=4)[1].sum().backward()
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().sum() > 0


def test_slices_at_tensors_do_not_read_them():
    x, start = torch.arange(12.0).reshape(3, 4), torch.tensor([1, 2])
    assert ops.slice(x, start, (2, 2)).tolist() == [[6.0, 7.0], [10.0, 11.0]]
    assert ops.slice(x, [start[0], 2], (2, -1)).tolist() == [[6.0, 7.0], [10.0, 11.0]]
    compiled = torch.compile(ops.slice_update, fullgraph=True, backend="eager")
    assert compiled(x, start, torch.zeros(2, 2)).tolist()[1:] == [[4.0, 5.0, 0.0, 0.0], [8.0, 9.0, 0.0, 0.0]]


def test_scatters_that_combine_have_gradients():
    x = torch.ones(3, 2, requires_grad=True)
    updates = torch.tensor([[2.0, 0.0], [4.0, 5.0]], requires_grad=True)
    result = ops.scatter_update(x, [[0], [-1]], updates, reduction="max")
    assert result.tolist() == [[2.0, 1.0], [1.0, 1.0], [4.0, 5.0]]
    result.sum().backward()
    assert updates.grad.tolist() == [[1.0, 0.0], [1.0, 1.0]]
    assert x.grad.tolist() == [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]


def test_attention_with_bias_and_causal_order():
    q, k, v, bias = torch.randn(1, 3, 1, 4), torch.randn(1, 3, 1, 4), torch.randn(1, 3, 1, 4), torch.randn(1, 1, 3, 3)
    infinite = bias.masked_fill(torch.ones(3, 3).triu(1).bool(), float("-inf"))
    want = ops.dot_product_attention(q, k, v, bias=infinite)
    torch.testing.assert_close(ops.dot_product_attention(q, k, v, bias=bias, is_causal=True), want)


# -- errors -----------------------------------------------------------------------------------------------------------

_BAD = {
    "pair": (lambda o: o.fft((torch.ones(3),) * 3), ValueError),
    "pair of two shapes": (lambda o: o.fft((torch.ones(3), torch.ones(4))), ValueError),
    "pair of integers": (lambda o: o.fft((torch.ones(3).int(), torch.ones(3).int())), ValueError),
    "stft of integers": (lambda o: o.stft(torch.ones(30).int(), 8, 4, 8), TypeError),
    "short transform": (lambda o: o.stft(torch.ones(30), 8, 4, 7), ValueError),
    "no stride": (lambda o: o.stft(torch.ones(30), 8, 0, 8), ValueError),
    "unknown window": (lambda o: o.stft(torch.ones(30), 8, 4, 8, window="boxcar"), ValueError),
    "window of another length": (lambda o: o.stft(torch.ones(30), 8, 4, 8, window=torch.ones(7)), ValueError),
    "istft stride": (lambda o: o.istft((torch.ones(3, 5), torch.ones(3, 5)), 8, 9, 8, center=False), ValueError),
    "segment matrix": (lambda o: o.segment_sum(torch.ones(4), torch.ones(2, 2).int()), ValueError),
    "segment rows": (lambda o: o.segment_sum(torch.ones(4), torch.ones(3).int()), ValueError),
    "ctc strategy": (lambda o: o.ctc_decode(torch.ones(1, 2, 3), torch.tensor([2]), "best"), ValueError),
    "not square": (lambda o: o.inv(torch.ones(2, 3)), ValueError),
    "no matrix": (lambda o: o.cholesky(torch.ones(2)), ValueError),
    "not positive": (lambda o: o.cholesky(-torch.eye(2)), ValueError),
    "rows": (lambda o: o.solve(torch.eye(3), torch.ones(2, 2)), ValueError),
    "qr mode": (lambda o: o.qr(torch.ones(2, 2), mode="raw"), ValueError),
    "points": (lambda o: o.cdist(torch.ones(2, 3), torch.ones(2, 2)), ValueError),
    "vector": (lambda o: o.cdist(torch.ones(2), torch.ones(2, 2)), ValueError),
    "parts": (lambda o: o.view_as_complex(torch.ones(2, 3)), ValueError),
    "reduction": (lambda o: o.scatter_update(torch.ones(2), [[0]], torch.ones(1), "mean"), ValueError),
    "pattern": (lambda o: o.rearrange(torch.ones(2, 2), "a b"), ValueError),
    "attention": (lambda o: o.dot_product_attention(*(torch.ones(2, 2, 2),) * 3), ValueError),
    "flash": (lambda o: o.dot_product_attention(*(torch.ones(1, 2, 1, 4),) * 3, flash_attention=True), RuntimeError),
}
_BAD_INPUTS = {
    "norm": (lambda o, x: o.norm(x, ord="max"), ValueError),
    "vector norm": (lambda o, x: o.norm(x, ord="fro", axis=1), ValueError),
    "matrix norm": (lambda o, x: o.norm(x, ord=3, axis=(0, 1)), ValueError),
    "fft": (lambda o, x: o.fft2((x, x)), ValueError),
    "unstack": (lambda o, x: o.unstack(x), ValueError),
    "slice": (lambda o, x: o.slice(x, [0], [1]), ValueError),
    "lstsq": (lambda o, x: o.lstsq(torch.ones(2, 3), o.reshape(x, (-1, 2, 2))), ValueError),
    "einsum": (lambda o, x: o.einsum("abc->a", x), ValueError),
}


@pytest.mark.parametrize("name", _BAD)
def test_bad_input_raises_what_keras_raises(name):
    function, error = _BAD[name]
    with pytest.raises(error):
        function(keras.ops)
    with pytest.raises(error, match=r"\w"):
        function(ops)


@pytest.mark.parametrize("name", _BAD_INPUTS)
def test_bad_symbolic_input_raises_what_keras_raises(name):
    function, error = _BAD_INPUTS[name]
    with pytest.raises(error):
        function(keras.ops, keras.Input((4,)))
    with pytest.raises(error, match=r"\w"):
        function(ops, Input((4,)))


def test_patterns_that_cannot_be_read():
    x = torch.ones(2, 6)
    for pattern, lengths, text in [
        ("a (b c) -> a b c", {}, "all but one"),
        ("a (b c) -> a b c", {"b": 4}, "cannot be split"),
        ("a b -> a", {}, "same names"),
        ("a b c -> a b c", {}, "names 3 axes"),
        ("a (b -> a b", {}, "cannot read"),
        ("a b -> b a", {"c": 2}, "does not name"),
    ]:
        with pytest.raises(ValueError, match=text):
            ops.rearrange(x, pattern, **lengths)
    assert ops.rearrange(torch.ones(2, 3, 4, 5), "a ... (b c) -> c ... (a b)", b=5).shape == (1, 3, 4, 10)


# -- where the two differ on purpose: lines of deviations.md ----------------------------------------------------------

deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


@deviation
@pytest.mark.parametrize("name", ["eig", "lu_factor", "slogdet"])
def test_static_specs_of_decompositions(name):
    have, want = getattr(ops, name)(Input((3, 3))), getattr(keras.ops, name)(keras.Input((3, 3)))
    assert _described(torchkeras, have) == _described(keras, want)


@deviation
def test_attention_spec_has_the_shape_of_the_query():
    shapes = [(3, 2, 8), (3, 2, 8), (3, 2, 5)]
    want = keras.ops.dot_product_attention(*(keras.Input(shape) for shape in shapes))
    assert tuple(ops.dot_product_attention(*(Input(shape) for shape in shapes)).shape) == tuple(want.shape)


@deviation
def test_associative_scan_narrows_to_float32():
    x = torch.arange(4)
    assert ops.associative_scan(torch.add, x).dtype == keras.ops.associative_scan(torch.add, x).dtype


@deviation
def test_equal_points_have_no_gradient():
    def gradient(library_ops):
        x = torch.ones(2, 3, requires_grad=True)
        library_ops.cdist(x, x).sum().backward()
        return x.grad.tolist()

    assert str(gradient(ops)) == str(gradient(keras.ops))


@deviation
def test_segments_of_large_integers_round():
    x, numbers = torch.tensor([2**24 + 1, 2**24 - 1]), torch.tensor([0, 0])
    assert ops.segment_max(x, numbers).tolist() == keras.ops.segment_max(x, numbers).tolist()


@deviation
def test_custom_gradients_are_lost_in_graphs():
    def gradient(library, library_ops):
        inputs = library.Input((2,))
        twice = library_ops.custom_gradient(lambda x: (x * 2.0, lambda *args, upstream: upstream * 10.0))
        x = torch.ones(1, 2, requires_grad=True)
        library.Model(inputs, twice(inputs))(x).sum().backward()
        return x.grad.tolist()

    assert gradient(torchkeras, ops) == gradient(keras, keras.ops)


@deviation
@pytest.mark.parametrize("name", ["view_as_real", "scatter_update", "einsum", "rearrange", "svd"])
def test_keras_has_no_answer(name):
    """Keras on torch raises; the other backends, or common sense, have an answer."""
    x = torch.ones(2, 3, requires_grad=True)
    inputs = {keras.ops: keras.Input, ops: Input}
    call = {
        "view_as_real": lambda o: o.view_as_real(x),
        "scatter_update": lambda o: o.scatter_update(x, [[0], [0]], x * x, "mul").sum().backward(),
        "einsum": lambda o: o.einsum("ij,ij->i", x, x.half()),
        "rearrange": lambda o: o.rearrange(inputs[o]((4,)), "b (h w) -> (b h) w", h=2),
        "svd": lambda o: o.svd(inputs[o]((None, 3))),
    }[name]

    def raises(library_ops):
        try:
            call(library_ops)
        except (RuntimeError, TypeError):
            return True
        return False

    assert raises(ops) == raises(keras.ops)

"""Layers of attention as torch modules: the same as torch's, which kernel runs, what may be overridden."""

import itertools
import math
import warnings

import pytest
import torch

from torchkeras import layers
from torchkeras.layers.attention_multi_head import MultiHeadAttention


def twin_of_torch(heads, width):
    """Torch's module, and ours with its weights."""
    theirs = torch.nn.MultiheadAttention(width, heads, batch_first=True)
    ours = layers.MultiHeadAttention(heads, width // heads)
    ours.build((None, None, width), (None, None, width))
    with torch.no_grad():
        parts = (ours.query_dense, ours.key_dense, ours.value_dense)
        for part, weight, bias in zip(parts, theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True):
            part.kernel.copy_(weight.t().view(width, heads, -1))
            part.bias.copy_(bias.uniform_().view(heads, -1))
        ours.output_dense.kernel.copy_(theirs.out_proj.weight.t().view(heads, -1, width))
        ours.output_dense.bias.copy_(theirs.out_proj.bias.uniform_())
    return theirs, ours


def test_equals_torch():
    theirs, ours = twin_of_torch(4, 16)
    query, value = torch.randn(3, 5, 16), torch.randn(3, 6, 16)
    torch.testing.assert_close(ours(query, value), theirs(query, value, value, need_weights=False)[0])
    outputs, scores = ours(query, value, return_attention_scores=True)
    expected = theirs(query, value, value, average_attn_weights=False)
    torch.testing.assert_close((outputs, scores), expected)


def test_projections_are_products_on_the_weights_own_memory():
    layer = layers.MultiHeadAttention(2, 4)
    layer.build((None, 5, 6), (None, 5, 6))
    for part in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense):
        weight = part.matrix(part.kernel)
        assert weight.is_contiguous() and weight.data_ptr() == part.kernel.data_ptr()


@pytest.mark.parametrize(
    ("options", "call", "kernel"),
    [
        ({}, {}, "torch"),
        ({}, {"masked": True}, "torch"),
        ({"dropout": 0.1}, {"training": True}, "torch"),
        ({}, {"return_attention_scores": True}, "einsum"),
        ({"dropout": 0.1}, {"masked": True}, "einsum"),
        ({"dropout": 0.1, "seed": 1}, {"training": True}, "einsum"),
    ],
)
def test_explains_its_kernel(options, call, kernel, monkeypatch):
    """What `explain_kernel` says is what runs."""
    layer = layers.MultiHeadAttention(2, 4, **options)
    name, reason = layer.explain_kernel(**call)
    assert name.startswith(kernel) and reason
    used = []
    run = MultiHeadAttention._run_kernel
    monkeypatch.setattr(MultiHeadAttention, "_run_kernel", lambda *args: used.append("torch") or run(*args))
    x = torch.randn(2, 5, 6)
    given = {key: value for key, value in call.items() if key != "masked"}
    if call.get("masked"):
        given["attention_mask"] = torch.ones(2, 5, 5, dtype=torch.bool)
    layer(x, x, **given)
    assert used == (["torch"] if kernel == "torch" else [])


def test_dropout_drops_in_training_only():
    layer = layers.MultiHeadAttention(2, 4, dropout=0.5)
    x = torch.randn(2, 5, 6)
    assert torch.equal(layer(x, x), layer(x, x, training=False))
    assert not torch.allclose(layer(x, x, training=True), layer(x, x))
    x = torch.randn(64, 16, 6)  # its mean over many draws is the value without
    expected = layer(x, x).detach()
    mean = torch.stack([layer(x, x, training=True).detach() for _ in range(200)]).mean(0)
    assert (mean - expected).abs().mean() < 0.1 * expected.abs().mean()


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_rows_that_may_look_nowhere_are_finite(dropout):
    layer = layers.MultiHeadAttention(1, 2, dropout=dropout, use_bias=False)
    x = torch.randn(1, 3, 4, requires_grad=True)
    mask = torch.tensor([[[True, False, False], [False] * 3, [True] * 3]])
    outputs = layer(x, x, attention_mask=mask)
    outputs.sum().backward()
    assert outputs.isfinite().all() and x.grad.isfinite().all()
    values = layer.value_dense(x)
    expected = layer.output_dense(values.mean(1, keepdim=True))[0, 0] if dropout == 0.0 else torch.zeros(4)
    torch.testing.assert_close(outputs[0, 1], expected)


def test_causal_mask_hides_the_future():
    layer = layers.MultiHeadAttention(2, 4)
    x = torch.randn(2, 5, 6)
    changed = x.clone()
    changed[:, 3:] += 1.0
    before, after = (layer(each, each, use_causal_mask=True) for each in (x, changed))
    torch.testing.assert_close(after[:, :3], before[:, :3])
    assert not torch.allclose(after[:, 3:], before[:, 3:])


def test_sliding_window_sees_neighbours_only():
    layer = layers.MultiHeadAttention(1, 2, sliding_window=2)
    x = torch.randn(1, 5, 4)
    scores = layer(x, x, return_attention_scores=True)[1][0, 0]
    near = (torch.arange(5)[:, None] - torch.arange(5)).abs() < 2
    assert torch.equal(scores > 0, near)


def test_masks_that_tensors_carry():
    """Padding is not looked at, its own rows keep the mask, and no layer inside warns of it."""
    layer = layers.MultiHeadAttention(2, 4)
    x = torch.randn(2, 5, 6)
    layer(x, x)
    masked = x.clone()
    masked._keras_mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outputs = layer(masked, masked)
    assert outputs._keras_mask is masked._keras_mask
    torch.testing.assert_close(outputs[1:, :3], layer(x[1:, :3], x[1:, :3]))


def test_own_attention_gets_the_causal_mask():
    """A subclass that computes attention itself sees every mask, as a tensor."""
    seen = []

    class Linear(MultiHeadAttention):
        def _compute_attention(
            self, query, key, value, attention_mask=None, training=None, return_attention_scores=False
        ):
            seen.append(attention_mask)
            weights = torch.einsum("btnh,bsnh->bnts", query, key) / math.sqrt(self.key_dim)
            weights = weights.masked_fill(~attention_mask.unsqueeze(1), 0.0)
            return torch.einsum("bnts,bsnh->btnh", weights, value), weights

    layer, x = Linear(2, 4), torch.randn(2, 5, 6)
    assert layer(x, x, use_causal_mask=True).shape == (2, 5, 6)
    assert torch.equal(seen[0][0], torch.ones(5, 5, dtype=torch.bool).tril())


def test_symbolic_scores_have_the_lengths_of_both_sides():
    query, value = layers.Input((5, 6)), layers.Input((7, 6))
    outputs, scores = layers.MultiHeadAttention(2, 4)(query, value, return_attention_scores=True)
    assert outputs.shape == (None, 5, 6) and scores.shape == (None, 2, 5, 7)


def test_axes_are_settled_when_built():
    layer = layers.MultiHeadAttention(2, 4, attention_axes=-2, output_shape=3)
    assert layer.get_config()["attention_axes"] == (-2,) and layer.get_config()["output_shape"] == (3,)
    layer.build((2, 3, 5, 6), (2, 3, 5, 6))
    assert layer.get_config()["attention_axes"] == (2,)
    assert layer.compute_output_shape((2, 3, 5, 6), (2, 3, 5, 6)) == (2, 3, 5, 3)
    assert layer.explain_kernel()[0].startswith("torch")
    assert layer.explain_kernel(masked=True)[0].startswith("einsum")


def test_penalty_is_that_of_the_four_projections():
    layer, x = layers.MultiHeadAttention(1, 2, activity_regularizer="l2"), torch.randn(2, 3, 4)
    layer(x, x)
    assert len(layer.losses) == 4
    config = layer.get_config()["activity_regularizer"]
    assert config["class_name"] == "L2" and layers.MultiHeadAttention.from_config(layer.get_config()) is not None


# -- masks and axes ---------------------------------------------------------------------------------------------------


def attended_one_by_one(layer, query, value, allowed, axes):
    """Outputs `(batch, …, features)` from the definition: attended axes flattened, the others part of the batch.

    `allowed` says for two places `(batch and other axes, attended axes)` whether the first may look at the second.
    """
    q, k, v = layer.query_dense(query), layer.key_dense(value), layer.value_dense(value)
    kept = [axis for axis in range(query.dim() - 1) if axis not in axes]
    out = torch.zeros(*query.shape[:-1], layer.num_heads, layer.value_dim)
    for rest in itertools.product(*(range(query.shape[axis]) for axis in kept)):
        for place in itertools.product(*(range(query.shape[axis]) for axis in axes)):
            here = index_of(kept, rest, axes, place)
            seen = [
                other
                for other in itertools.product(*(range(value.shape[axis]) for axis in axes))
                if allowed(rest, place, other)
            ]
            keys = torch.stack([k[index_of(kept, rest, axes, other)] for other in seen])
            values = torch.stack([v[index_of(kept, rest, axes, other)] for other in seen])
            weights = (keys * q[here]).sum(-1).div(math.sqrt(layer.key_dim)).softmax(0)
            out[here] = (weights.unsqueeze(-1) * values).sum(0)
    return layer.output_dense(out)


def index_of(kept, rest, axes, place):
    spots = dict(zip(kept, rest, strict=True)) | dict(zip(axes, place, strict=True))
    return tuple(spots[axis] for axis in sorted(spots))


AXES = [
    ((2, 4, 3), (1,)),
    ((2, 3, 4, 3), (2,)),
    ((2, 3, 4, 3), (1,)),
    ((2, 2, 3, 3), (1, 2)),
    ((2, 2, 3, 2, 3), (1, 3)),
]


@pytest.mark.parametrize(("shape", "axes"), AXES)
@pytest.mark.parametrize("window", [None, 2])
def test_causal_masks_follow_the_attended_axes(shape, axes, window):
    layer = layers.MultiHeadAttention(2, 4, attention_axes=axes, sliding_window=window)
    x = torch.randn(shape)
    sizes = [shape[axis] for axis in axes]
    number = {place: i for i, place in enumerate(itertools.product(*map(range, sizes)))}

    def allowed(rest, place, other):
        distance = number[place] - number[other]
        return 0 <= distance < (window or math.inf)

    outputs = layer(x, x, use_causal_mask=True)
    torch.testing.assert_close(outputs, attended_one_by_one(layer, x, x, allowed, axes))


@pytest.mark.parametrize(("shape", "axes"), AXES)
@pytest.mark.parametrize("kind", [torch.bool, torch.float32, torch.int64])
def test_masks_of_steps_follow_the_attended_axes(shape, axes, kind):
    layer = layers.MultiHeadAttention(2, 4, attention_axes=axes)
    x = torch.randn(shape)
    mask = torch.rand(shape[:-1]) > 0.4
    kept = [axis for axis in range(len(shape) - 1) if axis not in axes]
    mask[tuple(0 if axis in axes else slice(None) for axis in range(len(shape) - 1))] = True  # everyone sees something
    number = {place: i for i, place in enumerate(itertools.product(*(range(shape[axis]) for axis in axes)))}

    def allowed(rest, place, other):
        return mask[index_of(kept, rest, axes, other)] and number[other] <= number[place]

    layer.build(shape, shape)
    expected = attended_one_by_one(layer, x, x, allowed, axes)
    for name in ("value_mask", "key_mask"):
        torch.testing.assert_close(layer(x, x, use_causal_mask=True, **{name: mask.to(kind)}), expected)
    pairs = torch.ones(*(shape[axis] for axis in (*axes, *axes)))
    torch.testing.assert_close(layer(x, x, use_causal_mask=True, value_mask=mask, attention_mask=pairs[None]), expected)


def test_a_mask_over_the_attended_axis_serves_all_others():
    layer, x = layers.MultiHeadAttention(2, 4, attention_axes=(2,)), torch.randn(2, 3, 4, 3)
    mask = torch.tensor([[True, True, False, True], [True, False, False, True]])
    whole = mask[:, None].expand(2, 3, 4)
    torch.testing.assert_close(layer(x, x, value_mask=mask), layer(x, x, value_mask=whole))
    torch.testing.assert_close(
        layer(x, x, query_mask=mask, return_attention_scores=True),
        layer(x, x, query_mask=whole, return_attention_scores=True),
    )


@pytest.mark.parametrize(("shape", "axes"), AXES)
def test_one_kernel_serves_all_axes(shape, axes, monkeypatch):
    """Unmasked, the kernel gives what the formula gives, causal or not."""
    layer, x = layers.MultiHeadAttention(2, 4, attention_axes=axes), torch.randn(shape)
    for causal in (False, True):
        found = layer(x, x, use_causal_mask=causal)
        with monkeypatch.context() as patch:
            patch.setattr(MultiHeadAttention, "_obstacle", lambda *_: "the formula")
            torch.testing.assert_close(found, layer(x, x, use_causal_mask=causal))


# -- grouped queries --------------------------------------------------------------------------------------------------


def grouped(**options):
    return layers.GroupQueryAttention(head_dim=4, num_query_heads=6, num_key_value_heads=2, **options)


@pytest.mark.parametrize("call", [{}, {"use_causal_mask": True}, {"return_attention_scores": True}])
def test_heads_of_queries_share_keys_and_values(call):
    """Multi-head attention whose heads of keys and values are repeated gives the same."""
    layer, whole = grouped(), layers.MultiHeadAttention(6, 4)
    query, value = torch.randn(2, 5, 6), torch.randn(2, 7, 6)
    layer(query, value), whole(query, value)
    parts = ("query_dense", "key_dense", "value_dense", "output_dense")
    with torch.no_grad():
        for part in parts:
            times = 3 if part in ("key_dense", "value_dense") else 1
            for name, axis in (("kernel", 1), ("bias", 0)):
                weight = getattr(getattr(layer, part), name).uniform_(-1, 1)
                axis = 0 if times == 1 else axis
                getattr(getattr(whole, part), name).copy_(weight.repeat_interleave(times, axis))
    torch.testing.assert_close(layer(query, value, **call), whole(query, value, **call))


def test_grouped_keys_are_not_copied():
    layer, x = grouped(), torch.randn(2, 5, 6)
    layer(x, x)
    with torch.profiler.profile() as profile, torch.no_grad():
        layer(x, x, use_causal_mask=True)
    names = {event.key for event in profile.key_averages()}
    assert "aten::_scaled_dot_product_flash_attention_for_cpu" in names and "aten::repeat_interleave" not in names


@pytest.mark.parametrize(
    "masks",
    [{"value_mask": (2, 5)}, {"attention_mask": (2, 5, 5)}, {"attention_mask": (1, 5, 5), "query_mask": (2, 5)}],
)
@pytest.mark.parametrize("make", [grouped, lambda: layers.MultiHeadAttention(6, 4)])
def test_masks_keep_the_fused_kernel(make, masks):
    """Masks reach it as they are, to be spread by the kernel, and give what the scores give."""
    layer, x = make(), torch.randn(2, 5, 6)
    layer(x, x)
    given = {name: torch.rand(shape) > 0.4 for name, shape in masks.items()}
    given = {name: mask.index_fill(-1, torch.tensor([0]), True) for name, mask in given.items()}
    given.pop("query_mask", None)
    with torch.profiler.profile() as profile, torch.no_grad():
        outputs = layer(x, x, **given)
    assert "aten::_scaled_dot_product_flash_attention_for_cpu" in {event.key for event in profile.key_averages()}
    torch.testing.assert_close(outputs, layer(x, x, **given, return_attention_scores=True)[0])


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_no_key_at_all_is_finite(causal, scores):
    """torch itself gives NaN for a row without any key."""
    x = torch.randn(2, 3, 4, requires_grad=True)
    mask = torch.tensor([[False] * 3, [True] * 3])
    for layer in (layers.Attention(), layers.AdditiveAttention()):
        found = layer([x, x], mask=[None, mask], use_causal_mask=causal, return_attention_scores=scores)
        found = found[0] if scores else found
        assert found.isfinite().all()
        torch.testing.assert_close(found[0], x[0].mean(0).expand(3, 4))
    for layer in (grouped(), layers.MultiHeadAttention(6, 4)):
        found = layer(x, x, value_mask=mask, use_causal_mask=causal, return_attention_scores=scores)
        found = found[0] if scores else found
        assert found.isfinite().all()
        found.sum().backward()
        assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_key_value_heads": 4}, "multiple of"),
        ({"head_dim": 0}, "head_dim"),
        ({"dropout": 0.1, "flash_attention": True}, "flash_attention"),
        ({"sliding_window": 0}, "sliding_window"),
    ],
)
def test_grouped_queries_refuse(options, message):
    with pytest.raises(ValueError, match=message):
        layers.GroupQueryAttention(**{"head_dim": 4, "num_query_heads": 6, "num_key_value_heads": 2, **options})


def test_grouped_queries_refuse_shapes():
    with pytest.raises(ValueError, match="same number of features"):
        grouped()(layers.Input((5, 6)), layers.Input((5, 7)))
    with pytest.raises(ValueError, match="must agree"):
        grouped()(layers.Input((5, 6)), layers.Input((5, 6)), layers.Input((4, 6)))


# -- without projections ----------------------------------------------------------------------------------------------


def test_attention_is_the_softmax_of_products():
    query, value, key = torch.randn(2, 5, 4), torch.randn(2, 7, 3), torch.randn(2, 7, 4)
    expected = (query @ key.transpose(1, 2)).softmax(-1)
    outputs, scores = layers.Attention()([query, value, key], return_attention_scores=True)
    torch.testing.assert_close((outputs, scores), (expected @ value, expected))
    torch.testing.assert_close(layers.Attention()([query, value, key]), outputs)


@pytest.mark.parametrize(
    ("make", "call", "kernel"),
    [
        (lambda: layers.Attention(), {}, "torch"),
        (lambda: layers.Attention(use_scale=True, dropout=0.1), {"training": True}, "torch"),
        (lambda: layers.Attention(), {"masked": True}, "matmul"),
        (lambda: layers.Attention(), {"return_attention_scores": True}, "matmul"),
        (lambda: layers.Attention(dropout=0.1, seed=1), {"training": True}, "matmul"),
        (lambda: layers.Attention(score_mode="concat"), {}, "matmul"),
        (lambda: layers.AdditiveAttention(), {}, "matmul"),
    ],
)
def test_attention_explains_its_kernel(make, call, kernel):
    layer, x = make(), torch.randn(2, 5, 6)
    name, reason = layer.explain_kernel(**call)
    assert name.startswith(kernel) and reason
    layer([x, x])
    given = {key: value for key, value in call.items() if key != "masked"}
    if call.get("masked"):
        given["mask"] = [None, torch.ones(2, 5, dtype=torch.bool)]
    with torch.profiler.profile() as profile, torch.no_grad():
        layer([x, x], **given)
    assert ("aten::scaled_dot_product_attention" in {e.key for e in profile.key_averages()}) is (kernel == "torch")


def test_the_query_keeps_its_mask_and_its_padding_becomes_zero():
    query, value = torch.randn(1, 3, 4), torch.randn(1, 2, 4)
    query._keras_mask = torch.tensor([[True, True, False]])
    outputs = layers.Attention()([query, value])
    assert outputs._keras_mask is query._keras_mask
    assert outputs[0, 2].eq(0).all() and not outputs[0, :2].eq(0).any()


def test_own_scores_are_used():
    class Distance(layers.Attention):
        def _calculate_scores(self, query, key):
            return -torch.cdist(query, key)

    query, value = torch.randn(2, 5, 4), torch.randn(2, 7, 4)
    expected = (-torch.cdist(query, value)).softmax(-1) @ value
    torch.testing.assert_close(Distance()([query, value]), expected)


@pytest.mark.parametrize("name", ["Attention", "AdditiveAttention"])
@pytest.mark.parametrize(
    ("inputs", "mask"),
    [
        (torch.ones(2, 3, 4), None),
        ((torch.ones(2, 3, 4),) * 2, None),
        ([torch.ones(2, 3, 4)], None),
        ([torch.ones(2, 3, 4)] * 4, None),
        ([torch.ones(2, 3, 4)] * 2, torch.ones(2, 3)),
        ([torch.ones(2, 3, 4)] * 2, [torch.ones(2, 3)]),
    ],
)
def test_attention_refuses(name, inputs, mask):
    with pytest.raises(ValueError, match="as a list"):
        getattr(layers, name)()(inputs, mask=mask)

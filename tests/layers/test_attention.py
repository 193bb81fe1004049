"""MultiHeadAttention as a torch module: the same as torch's, which kernel runs, what may be overridden."""

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
        weight = part.linear_weight(part.kernel)
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
    assert layer.explain_kernel()[0].startswith("einsum")


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

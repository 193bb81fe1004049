"""Attention over given tensors: steps that may look nowhere, and what may be asked on the way there."""

import pytest
import torch

from torchkeras.ops import _attention
from torchkeras.ops._attention import attend

BATCH, HEADS, STEPS, KEYS, SIZE = 2, 4, 5, 7, 3


def by_scores(query, key, value, mask):
    """What Keras computes: a large number takes the place of all scores in rows that may look nowhere, whose shares are
    equal; their gradients are a softmax's."""
    key, value = (each.repeat_interleave(HEADS // each.shape[1], 1) for each in (key, value))
    scores = query @ key.transpose(-2, -1) * SIZE**-0.5
    nowhere = mask.any(-1, keepdim=True).logical_not()
    scores = torch.where(nowhere, scores - scores.detach(), scores.masked_fill(~mask, -torch.inf))
    return scores.softmax(-1) @ value


def parts(others=HEADS, value_size=SIZE, dtype=torch.float64):
    shapes = (BATCH, HEADS, STEPS, SIZE), (BATCH, others, KEYS, SIZE), (BATCH, others, KEYS, value_size)
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def mask_of(*shape):
    """The first batch entry may look nowhere, or else one step."""
    mask = torch.rand(shape) > 0.3
    mask[..., 0] = True
    if shape[-2] == STEPS:
        mask[..., 2, :] = False
    else:
        mask[0] = False
    return mask


def results(function, tensors, *more, **options):
    outputs = function(*tensors, *more, **options)
    factors = torch.linspace(-1, 1, outputs.numel(), dtype=outputs.dtype).view_as(outputs)
    return outputs, *torch.autograd.grad((outputs * factors).sum(), tensors)


@pytest.fixture(params=["look", "no look"])
def look(request, monkeypatch):
    """With and without a look at the mask, which is for the CPU only."""
    if request.param == "no look":
        monkeypatch.setattr(_attention, "runs_plainly", lambda: False)


@pytest.mark.parametrize(
    "shape", [(2, 4, 5, 7), (2, 1, 5, 7), (1, 4, 5, 7), (5, 7), (2, 1, 1, 7), (2, 1, 5, 1)], ids=str
)
@pytest.mark.parametrize("others", [4, 2, 1])
@pytest.mark.parametrize(
    ("dtype", "loose"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.05)], ids=str
)
def test_steps_that_may_look_nowhere_look_evenly(dtype, loose, others, shape, look):
    tensors, mask = parts(others, dtype=dtype), mask_of(*shape)
    found = results(attend, tensors, mask=mask, grouped=others < HEADS)
    exact = [each.detach().double().requires_grad_() for each in tensors]
    for a, b in zip(found, results(by_scores, exact, mask), strict=True):
        torch.testing.assert_close(a.double(), b, rtol=loose, atol=loose)


def test_values_of_another_size_than_keys(look):
    """For which torch has no fused kernel on the CPU."""
    tensors, mask = parts(value_size=6), mask_of(BATCH, 1, STEPS, KEYS)
    torch.testing.assert_close(results(attend, tensors, mask=mask), results(by_scores, tensors, mask))


def test_no_keys_give_zeros():
    query, key, value = (torch.ones(1, 1, steps, 3, requires_grad=True) for steps in (2, 0, 0))
    assert attend(query, key, value, mask=torch.zeros(1, 1, 2, 0, dtype=torch.bool)).eq(0).all()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compiled_in_one_graph(backend):
    tensors, mask = parts(), mask_of(BATCH, 1, STEPS, KEYS)
    compiled = torch.compile(attend, fullgraph=True, backend=backend)
    torch.testing.assert_close(results(compiled, tensors, mask=mask), results(by_scores, tensors, mask))


def test_under_transforms():
    tensors, mask = parts(), mask_of(BATCH, 1, STEPS, KEYS)
    _, *want = results(lambda *each: by_scores(*each, mask).square(), tensors)
    factors = torch.linspace(-1, 1, BATCH * HEADS * STEPS * SIZE, dtype=torch.float64).view(BATCH, HEADS, STEPS, SIZE)

    def loss(query, key, value, mask, factors):
        return (attend(query, key, value, mask=mask).square() * factors).sum()

    tensors = [each.detach() for each in tensors]
    gradient = torch.func.grad(loss, argnums=(0, 1, 2))
    torch.testing.assert_close(gradient(*tensors, mask, factors), tuple(want))
    singly = torch.func.vmap(lambda *each: gradient(*(part.unsqueeze(0) for part in each)))(*tensors, mask, factors)
    torch.testing.assert_close([each.squeeze(1) for each in singly], want)


def test_second_derivatives_by_plain_functions():
    tensors, mask, found = parts(), mask_of(BATCH, 1, STEPS, KEYS), []
    for function in (lambda *each: attend(*each, mask=mask), lambda *each: by_scores(*each, mask)):
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            outputs = function(*tensors)
        first = torch.autograd.grad(outputs.square().sum(), tensors, create_graph=True)
        found.append(torch.autograd.grad(sum(each.square().sum() for each in first), tensors))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("learns", [False, True])
def test_other_rows_cost_nothing_on_the_cpu(learns, monkeypatch):
    """Nor do any where nothing is learned."""
    monkeypatch.delattr(_attention, "_for_keys")
    tensors, mask = parts(), mask_of(BATCH, 1, STEPS, KEYS)
    with torch.set_grad_enabled(learns):
        mask = mask | (torch.arange(KEYS) == 0) if learns else mask
        torch.testing.assert_close(attend(*tensors, mask=mask), by_scores(*tensors, mask))

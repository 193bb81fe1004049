"""Every published layer under torch.func, forward-mode and second derivatives.

The loops run over what is published, as in test_citizenship.py. In training too: state moves as in a plain call.
"""

import contextlib
import copy
import functools

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd import functional as AF
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap

from compat.layer_cases import CASES, WITHOUT_GRADIENT, without_draws
from tests.layers.test_citizenship import PLAIN, TRAINING, inputs_of, layer_of, named, tensors, total
from torchkeras import layers, ops
from torchkeras.core import tree

# What torch's own functions cannot do either.
NO_VECTORIZED_FORWARD = {  # autograd.functional, by its older vmap
    *(f"{kind}Pooling{rank}D" for kind in ("Max", "AdaptiveMax") for rank in (1, 2, 3)),
    "MelSpectrogram",
}
# By their kernels; torch.nn.attention says how to keep away from them.
NO_SECOND_BACKWARD = {"Attention", "GroupQueryAttention", "MultiHeadAttention"}
BATCH_STATISTICS = {"BatchNormalization"}  # vmap: one moving mean cannot follow all that vmap runs over
WHOLE_BATCHES = {"Equalization"}  # computes with what all samples of a batch have, as Keras's does

SMOOTH = [
    case
    for case in PLAIN
    if case.layer not in WITHOUT_GRADIENT and any(value.is_floating_point() for value in tree.flatten(inputs_of(case)))
]
BOTH = pytest.mark.parametrize(
    "case, options",
    [pytest.param(case, {}, id=case.title) for case in SMOOTH]
    + [pytest.param(case, {"training": True}, id=case.title) for case in TRAINING],
)


def function_of(layer, inputs, options):
    """`(f, x)`: the layer's float outputs as one vector, as a function of its first float input."""
    flat, quiet = tree.flatten(inputs), without_draws(layer) if isinstance(layer, layers.Layer) else {}
    index = next(i for i, value in enumerate(flat) if value.is_floating_point())

    def function(x):
        values = [*flat[:index], x, *flat[index + 1 :]]
        outputs = tensors(layer(*tree.pack_sequence_as(inputs, values), **(options or quiet)))
        return torch.cat([out.flatten() for out in outputs if out.is_floating_point()])

    return function, flat[index]


def twice(case):
    """The context in which a gradient of plain autograd may be differentiated again."""
    if case.layer in NO_SECOND_BACKWARD:
        return torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    return contextlib.nullcontext()


def small(case):
    """A built layer in float64 and inputs of a batch small enough for full Jacobians."""
    return layer_of(case).double(), inputs_of(case, batch=2, dtype=torch.float64)


def from_the_same_state(layer, *functions):
    """What the functions give, each begun with the layer's state (statistics, seeds) as it is now."""
    before, results = [value.detach().clone() for value in layer.variables], []
    for function in functions:
        with torch.no_grad():
            for variable, value in zip(layer.variables, before, strict=True):
                variable.copy_(value)
        results.append(function())
    return results


def learned_of(layer):
    return {name: value.detach() for name, value in layer.named_parameters() if value.requires_grad}


def close(found, expected, scale=1.0):
    """`scale`: of the numbers that were added up on the way, where it is far from 1."""
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * max(1.0, scale / 100))


@BOTH
def test_jacobians_agree(case, options):
    layer, inputs = small(case)
    function, x = function_of(layer, inputs, options)
    modes = {
        "reverse": jacrev(function),
        "forward": jacfwd(function, randomness="same"),
        "autograd": lambda x: AF.jacobian(function, x),
    }
    if not options:
        modes["vectorized"] = lambda x: AF.jacobian(function, x, vectorize=True)
    if not options and case.layer not in NO_VECTORIZED_FORWARD:
        modes["vectorized forward"] = lambda x: AF.jacobian(function, x, vectorize=True, strategy="forward-mode")
    found = from_the_same_state(layer, *(functools.partial(mode, x) for mode in modes.values()))
    if case.repeatable:
        for each in found:
            close(each, found[0])


@pytest.mark.parametrize("case", [case for case in PLAIN if case.layer in BATCH_STATISTICS], ids=named)
def test_jacobians_by_all_parameters(case):
    """`dict(model.named_parameters())` holds statistics too, which are no buffers here."""
    layer, inputs = layer_of(case), inputs_of(case)
    state = {name: value.detach() for name, value in layer.named_parameters()}

    def function(state):
        return total(functional_call(layer, state, inputs))

    found, expected = jacrev(function)(state), jacfwd(function)(state)
    close(found, expected)
    assert all(float(found[name].abs().sum()) > 0 for name in state if name.startswith("moving"))


@BOTH
def test_hessians_agree(case, options):
    layer, inputs = small(case)
    function, x = function_of(layer, inputs, options)

    def square(x):
        return function(x).square().sum()

    mixed = jacfwd(jacrev(square), randomness="same")
    with twice(case):
        found, expected = from_the_same_state(layer, lambda: mixed(x), lambda: AF.hessian(square, x))
    if case.repeatable:
        close(found, expected)
        if not options:
            close(hessian(square)(x), expected)


@BOTH
def test_a_penalty_on_the_gradient_reaches_the_weights(case, options):
    """Double backward: the gradient of a gradient by `create_graph=True` is that of torch.func."""
    layer, inputs = small(case)
    twin = copy.deepcopy(layer)
    weights = learned_of(layer)

    def penalty(weights):
        def loss(x):
            function, _ = function_of(lambda *args, **kw: functional_call(twin, weights, args, kw), inputs, options)
            return function(x).square().sum()

        return grad(loss)(start).square().sum()

    function, start = function_of(layer, inputs, options)
    x = start.clone().requires_grad_()
    with twice(case):
        loss = function(x).square().sum()
    if not loss.requires_grad:
        return
    (first,) = torch.autograd.grad(loss, x, create_graph=True)
    if first.requires_grad:
        first.square().sum().backward()
    if case.repeatable and weights:
        for name, expected in grad(penalty)(weights).items():
            found = layer.get_parameter(name).grad
            close(torch.zeros_like(expected) if found is None else found, expected)


@BOTH
def test_forward_mode(case, options):
    """By torch.func and by dual numbers, in the input and in the weights."""
    layer, inputs = small(case)
    function, x = function_of(layer, inputs, options)
    weights = learned_of(layer)

    def by_duals():
        with forward_ad.dual_level():
            tangent = forward_ad.unpack_dual(function(forward_ad.make_dual(x, torch.ones_like(x)))).tangent
        return torch.zeros_like(expected) if tangent is None else tangent

    def loss(weights):
        return total(functional_call(layer, weights, inputs, options)).double()

    def in_weights():
        return jvp(loss, (weights,), ({name: torch.ones_like(value) for name, value in weights.items()},))[1]

    def by_gradient():
        return sum(gradient.sum() for gradient in grad(loss)(weights).values())

    expected = jvp(function, (x,), (torch.ones_like(x),))[1]
    again = from_the_same_state(layer, lambda: jvp(function, (x,), (torch.ones_like(x),))[1], by_duals)
    both = from_the_same_state(layer, in_weights, by_gradient) if weights else (x, x)
    if case.repeatable:
        close(*again)
        close(*both)


@pytest.mark.parametrize("case", PLAIN, ids=named)
def test_sample_by_sample(case):
    """vmap over the samples gives the batch; vmap(grad) gives what a loop over the samples gives."""
    layer, inputs = layer_of(case), inputs_of(case)
    flat, weights = tree.flatten(inputs), learned_of(layer)

    def one(weights, *values):
        values = tree.pack_sequence_as(inputs, [value[None] for value in values])
        return functional_call(layer, weights, values, without_draws(layer))

    axes = (None, *[0] * len(flat))
    found = vmap(lambda *args: tuple(tensors(one(*args))), in_dims=axes)(weights, *flat)
    for a, b in zip(found, tensors(layer(*inputs, **without_draws(layer))), strict=True):
        if case.layer not in WHOLE_BATCHES:
            close(a.reshape(b.shape), b)
    if not weights:
        return
    gradients = vmap(grad(lambda *args: total(one(*args))), in_dims=axes)(weights, *flat)
    for index in range(len(flat[0])):
        layer.zero_grad()
        total(one({}, *(value[index] for value in flat))).backward()
        looped = {name: layer.get_parameter(name).grad for name in weights}
        scale = max(float(each.abs().max()) for each in looped.values())  # a key's bias has none but rounding
        for name in weights:
            close(gradients[name][index], looped[name], scale)


@pytest.mark.parametrize("case", TRAINING, ids=named)
def test_sample_by_sample_in_training(case):
    layer, inputs = layer_of(case), inputs_of(case)

    def one(*samples):
        return layer(*tree.pack_sequence_as(inputs, [sample[None] for sample in samples]), training=True)

    run, x = vmap(one, randomness="different"), tree.flatten(inputs)
    if layer.trainable and BATCH_STATISTICS & {type(each).__name__ for each in layer._flatten_layers()}:
        with pytest.raises(RuntimeError, match="training=False"):
            run(*x)
    else:
        assert all(each.shape[0] == len(x[0]) for each in tensors(run(*x)))


@pytest.mark.parametrize("case", PLAIN + TRAINING, ids=named)
def test_several_sets_of_weights(case):
    """vmap over stacked weights, statistics among them: each set is moved on its own."""
    layer, inputs = layer_of(case), inputs_of(case)
    options = {"training": True} if case.training else {}
    state = {name: value.detach() for name, value in layer.named_parameters()}
    if not state or case.training and getattr(layer, "dropout", 0):  # one after the other, sets draw other numbers
        return
    sets = [state, {name: value * 2 for name, value in state.items()}]
    stacked = {name: torch.stack([each[name] for each in sets]) for name in state}
    single = [{name: value.clone() for name, value in each.items()} for each in sets]
    before = {name: value.detach().clone() for name, value in layer.named_parameters()}

    def run(weights):
        return tuple(tensors(functional_call(layer, weights, inputs, options)))

    found, *expected = from_the_same_state(
        layer,
        lambda: vmap(run, randomness="same")(stacked),
        *(functools.partial(run, each) for each in single),
    )
    for index, each in enumerate(single):
        for a, b in zip(found, expected[index], strict=True):
            close(a[index], b)
        for name, value in each.items():
            close(stacked[name][index], value)
    for name, value in layer.named_parameters():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("case", TRAINING, ids=named)
def test_state_moves_as_in_a_plain_call(case):
    layer, inputs = layer_of(case), inputs_of(case)
    twin = copy.deepcopy(layer)
    function, x = function_of(layer, inputs, {"training": True})
    torch.func.vjp(function, x)
    twin(*inputs, training=True)
    for a, b in zip(layer.variables, twin.variables, strict=True):
        torch.testing.assert_close(a.detach(), b.detach())


def test_attention_learns_a_bias():
    query, key, value = (torch.randn(2, 3, 2, 4) for _ in range(3))
    bias = torch.randn(2, 2, 3, 3, requires_grad=True)
    outputs = ops.dot_product_attention(query, key, value, bias)
    scores = torch.einsum("bthd,bshd->bhts", query, key) / 2 + bias
    close(outputs, torch.einsum("bhts,bshd->bthd", scores.softmax(-1), value))
    weights = torch.randn_like(outputs)
    (found,) = torch.autograd.grad((outputs * weights).sum(), bias, create_graph=True)
    close(found, jacrev(lambda b: (ops.dot_product_attention(query, key, value, b) * weights).sum())(bias.detach()))
    found.square().sum().backward()
    assert bias.grad.abs().sum() > 0


def test_recurrent_kernels_where_they_can_serve():
    layer, x = layers.LSTM(3), torch.randn(2, 4, 3)
    layer(x)
    chosen = []

    def loss(x):
        chosen.append(layer.explain_kernel()[0])
        return layer(x).sum()

    loss(x), grad(loss)(x)
    vmap(lambda sample: loss(sample[None]))(x), jvp(loss, (x,), (x,)), grad(lambda x: grad(loss)(x).sum())(x)
    assert chosen == ["torch.lstm", "torch.lstm", *["loop over steps"] * 3]


@pytest.mark.parametrize("name", sorted({case.layer for case in CASES} - WITHOUT_GRADIENT))
def test_every_configuration_under_vmap_and_forward_mode(name):
    """Not the numbers of dropout, which differ from sample to sample."""
    for case in (case for case in CASES if case.layer == name and not case.kwargs):
        layer, inputs = layer_of(case), inputs_of(case)
        if not any(value.is_floating_point() for value in tree.flatten(inputs)):
            continue
        function, x = function_of(layer, inputs, {"training": False})
        outputs = function(x)
        mapped = vmap(function, randomness="different")(torch.stack([x, x]))
        _, slope = jvp(function, (x,), (torch.ones_like(x),))
        assert slope.shape == outputs.shape
        loose = {"rtol": 2e-2, "atol": 2e-2} if outputs.dtype in (torch.float16, torch.bfloat16) else {}
        torch.testing.assert_close(mapped[1], outputs, **{"rtol": 1e-3, "atol": 1e-3, **loose}, equal_nan=True)


@pytest.mark.parametrize("kind", ["GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"])
@pytest.mark.parametrize("axis", [-1, 1])
def test_normalized_images_in_any_memory(kind, axis):
    """torch's rules for its normalization kernels want the usual order of memory, which channels last are not."""
    layer = getattr(layers, kind)(axis=axis, **({"groups": 2} if kind == "GroupNormalization" else {}))
    for order in ((0, 1, 2, 3, 4), (0, 1, 4, 2, 3), (1, 0, 3, 2, 4)):
        back = [order.index(place) for place in range(5)]
        x, weights = torch.randn(3, 2, 4, 5, 4).permute(order).contiguous().permute(back), torch.randn(2, 4, 5, 4)
        close(vmap(layer)(x), torch.stack([layer(each) for each in x]))
        _, slope = jvp(layer, (x[0],), (x[1],))
        gradient = grad(lambda image: (layer(image) * weights).sum())(x[0])  # noqa: B023 - called at once
        close((slope * weights).sum(), (gradient * x[1]).sum())

"""The steps of a GRU on the CPU, where torch has no kernel of its own for it but a loop of many small operations.

May import torch. Knows no layer. Few operations a step each way; what does not depend on the step before is done for
all steps at once: the inputs' product by the caller, derivatives of the activations and gradients of the weights here.
All tensors of steps are `(steps, batch, ...)`; the gates are update, reset, candidate, as in Keras.
"""

import torch
import torch.nn.functional as F


def serve(sequences):
    """Whether the loop can take the place of torch's kernel for these sequences."""
    here = sequences.device.type == "cpu" and sequences.dtype in (torch.float32, torch.float64)
    return here and not (torch._C._are_functorch_transforms_active() or torch.is_autocast_enabled("cpu"))


def layer(sequences, states, mask, directions):
    """What `fused.run` gives, for a GRU."""
    found = []
    for index, weights in enumerate(directions):
        found.append(_direction(sequences, None if states is None else states[0][index], mask, index, *weights))
    outputs = [each[0] for each in found]
    last = held = torch.stack([each[1] for each in found])
    if mask is not None:
        last = last.masked_fill(~mask.any(1, keepdim=True), 0.0)
    return last, outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1), [held]


def _direction(sequences, initial, mask, backwards, kernel, recurrent_kernel, bias):
    """`(outputs (batch, steps, units), last state)` of one direction."""
    units = recurrent_kernel.shape[0]
    if initial is None:
        initial = sequences.new_zeros(sequences.shape[0], units)
    inputs_bias, state_bias = (None, kernel.new_zeros(3 * units)) if bias is None else bias
    if mask is not None:
        sequences = sequences.masked_fill(~mask.unsqueeze(-1), 0.0)  # whatever stands there
        mask = mask.t()
    steps = sequences.transpose(0, 1)
    if backwards:
        steps, mask = steps.flip(0), None if mask is None else mask.flip(0)
    weights = (initial, recurrent_kernel, state_bias)
    if torch.is_grad_enabled() and any(each.requires_grad for each in (steps, kernel, *weights)):
        outputs, last = run(F.linear(steps.contiguous(), kernel.t(), inputs_bias), *weights, mask)
    else:
        outputs = infer(steps, kernel, inputs_bias, *weights, mask)
        last = outputs[-1]
    if mask is not None:  # before the first step kept there is no output to repeat
        outputs = outputs.masked_fill(~mask.cummax(0).values.unsqueeze(-1), 0.0)
    return (outputs.flip(0) if backwards else outputs).transpose(0, 1), last


def run(projected, initial, kernel, bias, mask):
    """`(outputs of all steps, last one)` of a GRU that resets after the product, with gradients.

    Args:
        projected: what the inputs add to the gates, their bias included, `(steps, batch, 3 * units)`.
        initial: the state before, `(batch, units)`.
        kernel, bias: of the state, `(units, 3 * units)` and `(3 * units,)`.
        mask: None or bool `(steps, batch)`; at False the state is held.
    """
    return _Steps.apply(projected, initial, kernel, bias, _held(mask))


def _held(mask):
    return None if mask is None else mask.logical_not().unsqueeze(-1)


def infer(steps, kernel, inputs_bias, initial, state_kernel, state_bias, mask):
    """The outputs of all steps, without gradients: in the memory of the inputs' product, to which each step adds the
    state's; of the candidate, whose two parts the reset gate keeps apart, only the bias is there before.

    Args:
        steps: `(steps, batch, features)`.
        kernel, inputs_bias, state_kernel, state_bias: weights as Keras shapes them; `inputs_bias` may be None.
    """
    count, batch, features = steps.shape
    units = initial.shape[-1]
    rows = steps.reshape(count * batch, features)
    of_gates, of_candidates = kernel.split([2 * units, units], 1)
    if inputs_bias is None:
        inputs_bias = torch.zeros_like(state_bias)
    sums = rows.new_empty(count * batch, 3 * units)
    torch.addmm((inputs_bias + state_bias)[: 2 * units], rows, of_gates, out=sums[:, : 2 * units])
    sums[:, 2 * units :] = state_bias[2 * units :]
    candidates = torch.addmm(inputs_bias[2 * units :], rows, of_candidates).view(count, batch, units)
    sums = sums.view(count, batch, 3 * units)
    outputs = rows.new_empty(count, batch, units)
    views = [sums, sums[..., : 2 * units], *sums.split(units, -1), candidates, outputs]
    held, state = _held(mask), initial
    holds = [None] * count if held is None else held.unbind(0)
    for hold, three, gates, update, reset, added, candidate, output in zip(
        holds, *(view.unbind(0) for view in views), strict=True
    ):
        three.addmm_(state, state_kernel)
        gates.sigmoid_()
        if hold is not None:
            update.masked_fill_(hold, 1.0)
        candidate.addcmul_(reset, added).tanh_()
        state = torch.lerp(candidate, state, update, out=output)
    return outputs


def _forward(projected, initial, kernel, bias, held):
    """The outputs, and what the backward pass needs: update and reset gates, candidates, what the state adds to
    these."""
    steps, batch, _ = projected.shape
    units = initial.shape[-1]
    outputs = projected.new_empty(steps, batch, units)
    gates, candidates, added = (projected.new_empty(steps, batch, parts * units) for parts in (2, 1, 1))
    views = [gates, candidates, added, outputs, *projected.split([2 * units, units], 2), *gates.split(units, 2)]
    holds = [None] * steps if held is None else held.unbind(0)
    state, inner = initial, projected.new_empty(batch, 3 * units)
    h_gates, h_candidate = inner.split([2 * units, units], 1)
    for hold, both, candidate, add, output, x_gates, x_candidate, update, reset in zip(
        holds, *(view.unbind(0) for view in views), strict=True
    ):
        torch.addmm(bias, state, kernel, out=inner)
        torch.add(x_gates, h_gates, out=both).sigmoid_()
        if hold is not None:
            update.masked_fill_(hold, 1.0)
        torch.addcmul(x_candidate, reset, h_candidate, out=candidate).tanh_()
        add.copy_(h_candidate)
        state = torch.lerp(candidate, state, update, out=output)
    return outputs, (gates, candidates, added)


class _Steps(torch.autograd.Function):
    """The loop with a backward pass of its own."""

    @staticmethod
    def forward(ctx, projected, initial, kernel, bias, held):
        outputs, kept = _forward(projected, initial, kernel, bias, held)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(projected, initial, kernel, bias, held, outputs, *kept)
        return outputs, outputs[-1].clone()

    @staticmethod
    def backward(ctx, of_outputs, of_last):
        projected, initial, kernel, bias, held, outputs, *kept = ctx.saved_tensors
        if of_outputs is None and of_last is None:
            return (None,) * 5
        if torch.is_grad_enabled() or _is_batched(of_outputs) or _is_batched(of_last):
            return _differentiable(ctx, (projected, initial, kernel, bias), held, of_outputs, of_last)
        before = torch.cat([initial.unsqueeze(0), outputs[:-1]])
        of_gates, of_candidates, of_initial = _backward(before, kernel, kept, of_outputs, of_last)
        flat = of_gates.flatten(0, 1)
        of_kernel = torch.mm(flat.t(), before.flatten(0, 1)).t()  # in the memory order of the weight
        of_bias = flat.sum(0)
        of_gates[..., -initial.shape[-1] :] = of_candidates  # from here on of what the inputs add
        return of_gates, of_initial, of_kernel, of_bias, None


def _backward(before, kernel, kept, of_outputs, of_last):
    """Gradients of what the state adds to the gates, of the candidates' activations, and of the initial state."""
    gates, candidates, added = kept
    steps, batch, units = before.shape
    update, reset = gates.split(units, dim=-1)
    through = (1.0 - candidates.square()).mul_(1.0 - update)  # from the output to the candidate's activation
    of_gates = before.new_empty(steps, batch, 3, units)  # at first the factors from the output to each
    torch.sub(before, candidates, out=of_gates[:, :, 0]).mul_(update).mul_(1.0 - update)
    torch.mul(through, reset, out=of_gates[:, :, 2])
    torch.mul(of_gates[:, :, 2], added, out=of_gates[:, :, 1]).mul_(1.0 - reset)
    arrived = before.new_empty(steps, batch, units)  # gradient of each output
    carried = before.new_zeros(batch, units) if of_last is None else of_last.clone()
    back = kernel.t()
    parts = [arrived, arrived.unsqueeze(2), of_gates, of_gates.flatten(2), update]
    parts = [reversed(part.unbind(0)) for part in parts]
    given = [None] * steps if of_outputs is None else reversed(of_outputs.unbind(0))
    for own, here, here_thrice, three, flat, gate in zip(given, *parts, strict=True):
        here.copy_(carried) if own is None else torch.add(carried, own, out=here)
        three.mul_(here_thrice)
        torch.mul(here, gate, out=carried).addmm_(flat, back)
    return of_gates.flatten(2), through.mul_(arrived), carried


def _differentiable(ctx, inputs, held, of_outputs, of_last):
    """The gradients by torch's own rules: for second derivatives, and for many gradients at once."""
    again = torch.is_grad_enabled()
    if not again:
        inputs = [
            each.detach().requires_grad_(needed) for each, needed in zip(inputs, ctx.needs_input_grad, strict=False)
        ]
    wanted = [each for each, needed in zip(inputs, ctx.needs_input_grad, strict=False) if needed]
    with torch.enable_grad():
        outputs = torch.stack(_plain(*inputs, held))
    pairs = [(outputs, of_outputs), (outputs[-1], of_last)]
    results, grads = zip(*[pair for pair in pairs if pair[1] is not None], strict=True)
    found = iter(torch.autograd.grad(results, wanted, grads, create_graph=again, allow_unused=True))
    return *(next(found) if needed else None for needed in ctx.needs_input_grad[:4]), None


def _is_batched(tensor):
    """Whether torch maps over several gradients (`is_grads_batched`), which writing into memory does not survive."""
    return tensor is not None and torch._C._functorch.is_legacy_batchedtensor(tensor)


def _plain(projected, state, kernel, bias, held):
    """The states of all steps, in operations that torch differentiates."""
    states = []
    for step, inputs in enumerate(projected.unbind(0)):
        x_z, x_r, x_h = inputs.chunk(3, dim=1)
        h_z, h_r, h_h = torch.addmm(bias, state, kernel).chunk(3, dim=1)
        update = torch.sigmoid(x_z + h_z)
        if held is not None:
            update = update.masked_fill(held[step], 1.0)
        candidate = torch.tanh(x_h + torch.sigmoid(x_r + h_r) * h_h)
        state = torch.lerp(candidate, state, update)
        states.append(state)
    return states

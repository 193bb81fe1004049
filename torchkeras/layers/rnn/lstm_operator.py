"""torch's LSTM kernel of the CPU as an operator that `torch.compile` takes whole, with its gradients.

May import torch. Knows no layer. Traced, the kernel loses the memory that its backward pass needs, and torch's compiler
would unroll the steps: minutes of compiling for slower code. `fused` calls this instead.
"""

import torch

_NAMES = "Tensor x, Tensor kernel, Tensor state_kernel, Tensor bias, Tensor state_bias, Tensor h, Tensor c"
_LSTM = 2  # the number of the kind
_AVAILABLE = torch.backends.mkldnn.is_available()

_library = torch.library.Library("torchkeras", "FRAGMENT")
_library.define(f"lstm({_NAMES}, bool backwards, bool learns) -> (Tensor, Tensor, Tensor, Tensor)")
_library.define(
    f"lstm_backward(Tensor? of_outputs, Tensor? of_h, Tensor? of_c, {_NAMES}, Tensor outputs, Tensor last_h, "
    f"Tensor last_c, Tensor memory, bool backwards) -> ({', '.join(['Tensor'] * 7)})"
)


def serves(weight):
    """Whether torch's compiler is at work, and the kernel takes a weight of this kind."""
    known = _AVAILABLE and weight.device.type == "cpu" and weight.dtype == torch.float32
    return known and torch.compiler.is_dynamo_compiling()


def run(sequences, states, weights, both):
    """What `torch._VF.lstm` gives for sequences `(batch, steps, features)`, in one direction or both.

    Args:
        states: two of `(directions, batch, units)`.
        weights: for each direction that of the inputs, that of the state, and two biases or none.
    """
    steps = sequences.transpose(0, 1).contiguous()
    per_direction = len(weights) // (1 + both)
    found = []
    for index in range(1 + both):
        own = weights[index * per_direction : (index + 1) * per_direction]
        if per_direction == 2:
            own = [*own, *[own[1].new_zeros(own[1].shape[0])] * 2]
        initial = [state[index] for state in states]
        found.append(torch.ops.torchkeras.lstm(steps, *own, *initial, index == 1, torch.is_grad_enabled()))
    outputs, h, c, _ = zip(*found, strict=True)
    return torch.cat(outputs, dim=-1).transpose(0, 1), torch.stack(h), torch.stack(c)


def _forward(x, kernel, state_kernel, bias, state_bias, h, c, backwards, learns):
    with torch.set_grad_enabled(learns):  # else the kernel keeps nothing for its backward pass
        found = torch.ops.aten.mkldnn_rnn_layer(
            x, kernel, state_kernel, bias, state_bias, h, c, backwards, [], _LSTM, h.shape[-1], 1, True, False, False,
            learns,
        )  # fmt: skip
    *found, memory = found
    return *(each.detach() for each in found), x.new_empty(0, dtype=torch.uint8) if memory is None else memory


def _forward_shapes(x, kernel, state_kernel, bias, state_bias, h, c, backwards, learns):
    size = torch.library.get_ctx().new_dynamic_size() if learns else 0
    memory = x.new_empty(size, dtype=torch.uint8)
    return x.new_empty(*x.shape[:2], h.shape[-1]), torch.empty_like(h), torch.empty_like(c), memory


def _backward(of_outputs, of_h, of_c, x, *tensors_and_direction):
    *weights, h, c, outputs, last_h, last_c, memory, backwards = tensors_and_direction
    found = torch.ops.aten.mkldnn_rnn_layer_backward(
        x, *weights, h, c, outputs, last_h, last_c, of_outputs, of_h, of_c, backwards, _LSTM, h.shape[-1], 1, True,
        True, False, [], False, memory,
    )  # fmt: skip
    return tuple(each.contiguous() for each in found)


def _backward_shapes(of_outputs, of_h, of_c, *tensors_and_direction):
    return tuple(each.new_empty(each.shape) for each in tensors_and_direction[:7])


def _keep(ctx, inputs, output):
    *tensors, ctx.backwards, _ = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(*tensors, *output)


def _differentiate(ctx, of_outputs, of_h, of_c, _):
    found = torch.ops.torchkeras.lstm_backward(of_outputs, of_h, of_c, *ctx.saved_tensors, ctx.backwards)
    return *found, None, None


for _name, _function, _shapes in (("lstm", _forward, _forward_shapes), ("lstm_backward", _backward, _backward_shapes)):
    _library.impl(_name, _function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"torchkeras::{_name}", _shapes, lib=_library)
torch.library.register_autograd("torchkeras::lstm", _differentiate, setup_context=_keep, lib=_library)

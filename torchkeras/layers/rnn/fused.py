"""torch's recurrent kernels under Keras's weights and masks.

May import torch. Knows no layer.

The kernels know no masks. A mask is served by moving the steps to keep to the front of each sequence, running the
kernel once, and reading each step's output where it came to lie: the numbers of skipping steps, without waiting for the
device or looping.
"""

import torch

# Saturates a sigmoid: sigmoid(_CLOSED) is exactly 0 and sigmoid(-_CLOSED) exactly 1, in float16 too.
_CLOSED = -1e4


def lstm(sequences, states, mask, weights, needs_state):
    """`(last output, outputs, [h, c])` of an LSTM over `(batch, steps, features)`.

    Args:
        states: `[h, c]`, each `(batch, units)`.
        mask: None or bool `(batch, steps)`; at False the output before is repeated (at first zeros), states are held.
        weights: `(kernel, recurrent_kernel, bias or None)` as Keras shapes them.
        needs_state: whether the final states must be right (with a mask, the cell state costs a little).
    """
    kernel, recurrent_kernel, bias = weights
    kernel, recurrent_kernel = kernel.t(), recurrent_kernel.t()
    if mask is None:
        outputs, h, c = _run(torch._VF.lstm, sequences, states, kernel, recurrent_kernel, bias)
        return h, outputs, [h, c]
    packed, padding = _pack(sequences, mask)
    if needs_state:
        packed, kernel = _hold_cell_state(packed, padding, kernel)
    outputs, _, c = _run(torch._VF.lstm, packed, states, kernel, recurrent_kernel, bias)
    outputs, h = _unpack(outputs, mask, states[0])
    return outputs[:, -1], outputs, [h, c]


def gru(sequences, states, mask, weights):
    """`(last output, outputs, [h])` of a GRU that resets after the product; its bias is `(2, 3 * units)`."""
    kernel, recurrent_kernel, bias = weights
    # Keras has the gates update, reset, candidate; torch has reset first. No view does that: small copies.
    kernel, recurrent_kernel = (_reset_first(weight.t()) for weight in (kernel, recurrent_kernel))
    biases = [None] if bias is None else [_reset_first(each) for each in bias.unbind(0)]
    return _one_state(torch._VF.gru, sequences, states, mask, kernel, recurrent_kernel, *biases)


def simple(kind, sequences, states, mask, weights):
    """`(last output, outputs, [h])` of a plain recurrent layer with activation "tanh" or "relu"."""
    kernel, recurrent_kernel, bias = weights
    function = {"tanh": torch._VF.rnn_tanh, "relu": torch._VF.rnn_relu}[kind]
    return _one_state(function, sequences, states, mask, kernel.t(), recurrent_kernel.t(), bias)


def _reset_first(weight):
    update, reset, candidate = weight.chunk(3)
    return torch.cat([reset, update, candidate])


def _one_state(function, sequences, states, mask, *weights):
    """A kernel whose state is its output."""
    if mask is None:
        outputs, h = _run(function, sequences, states, *weights)
        return h, outputs, [h]
    outputs, _ = _run(function, _pack(sequences, mask)[0], states, *weights)
    outputs, h = _unpack(outputs, mask, states[0])
    return outputs[:, -1], outputs, [h]


def _run(function, sequences, states, *weights):
    weights = [weight for weight in weights if weight is not None]
    if len(weights) == 3:
        weights.append(torch.zeros_like(weights[2]))  # torch has two biases that add up
    states = tuple(state.unsqueeze(0) for state in states)
    train = torch.is_grad_enabled() and not torch.jit.is_tracing()  # a trace is checked without gradients
    initial = states if len(states) > 1 else states[0]
    outputs, *final = function(sequences, initial, weights, len(weights) == 4, 1, 0.0, train, False, True)
    return (outputs, *(state.squeeze(0) for state in final))


def _pack(sequences, mask):
    """Steps to keep first, in order; the rest behind them. Also where the rest lies `(batch, steps)`."""
    order = torch.argsort(mask.logical_not().to(torch.uint8), dim=1, stable=True)
    packed = sequences.gather(1, order.unsqueeze(-1).expand_as(sequences))
    steps = torch.arange(mask.shape[1], device=mask.device)
    padding = steps >= mask.sum(1, keepdim=True)
    return packed, padding


def _hold_cell_state(packed, padding, kernel):
    """Adds an input, 1 on padding, that shuts the input gate and opens the forget gate: `c` is held exactly."""
    units = kernel.shape[0] // 4
    flag = padding.unsqueeze(-1)
    packed = torch.cat([packed.masked_fill(flag, 0.0), flag.to(packed.dtype)], dim=-1)
    column = torch.zeros(4, units, 1, dtype=kernel.dtype, device=kernel.device)
    column[0], column[1] = _CLOSED, -_CLOSED
    return packed, torch.cat([kernel, column.view(4 * units, 1)], dim=1)


def _unpack(outputs, mask, initial):
    """Outputs at the steps of the sequence, and the last one kept `(batch, units)`, `initial` where no step was."""
    position = mask.cumsum(1) - 1  # of the last step kept so far
    index = position.clamp(min=0).unsqueeze(-1)
    outputs = outputs.gather(1, index.expand(-1, -1, outputs.shape[-1]))
    never = (position < 0).unsqueeze(-1)
    last = torch.where(never[:, -1], initial, outputs[:, -1])
    return outputs.masked_fill(never, 0.0), last

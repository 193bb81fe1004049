"""torch's recurrent kernels under Keras's weights and masks, in one direction or in both at once.

May import torch. Knows no layer.

The kernels know no masks. A mask is served by moving the steps to keep to the front of each sequence, running the
kernel once, and reading each step's output where it came to lie: the numbers of skipping steps, without waiting for the
device or looping. On the CPU, where a look at the mask costs nothing, steps that are in order stay where they are and
the steps behind the longest sequence are not computed.
"""

import torch

from torchkeras.core.transforms import beyond_kernels
from torchkeras.layers.rnn import gru_steps, lstm_operator, one_piece

_FUNCTIONS = {
    "lstm": torch._VF.lstm,
    "gru": torch._VF.gru,
    "rnn_tanh": torch._VF.rnn_tanh,
    "rnn_relu": torch._VF.rnn_relu,
}
# Saturates a sigmoid: sigmoid(_CLOSED) is exactly 0 and sigmoid(-_CLOSED) exactly 1, in float16 too.
_CLOSED = -1e4


def run(kernel, sequences, states, mask, directions, needs_outputs=True, needs_cell=True):
    """`(last output, outputs, states)` of a recurrent layer over `(batch, steps, features)`.

    Args:
        kernel: "lstm", "gru" (which resets after the product; see `gru_steps`), "rnn_tanh" or "rnn_relu".
        states: the initial ones, each `(directions, batch, units)`, or None for zeros. With a mask those of a second
            direction must be zero: it begins with the padding, which the kernels can hold at zero only.
        mask: None or bool `(batch, steps)`; at False the output before is repeated (at first zeros), states are held.
        directions: one or two of `(kernel, recurrent_kernel, bias or None)` as Keras shapes them; the second reads from
            the end.
        needs_outputs: whether the outputs of all steps must be right, with a mask.
        needs_cell: whether the final cell state of an LSTM must be right; with a mask it costs a little.

    Gives the last outputs and the states as `(directions, batch, units)`, the outputs as
    `(batch, steps, directions * units)`, those of both directions in the order of the sequence.
    """
    if kernel == "gru" and _in_plain_python() and gru_steps.serve(sequences):
        return gru_steps.layer(sequences, states, mask, directions)
    in_one_piece = _in_plain_python() and one_piece.serves(sequences)
    if in_one_piece:
        one_piece.lay(kernel, directions)
    weights = [_torchs_weights(kernel, *direction) for direction in directions]
    if states is None:
        states = [sequences.new_zeros(len(directions), sequences.shape[0], directions[0][1].shape[0])]
        states = states * 2 if kernel == "lstm" else states
    if mask is None:
        outputs, states = _run(kernel, sequences, states, weights, in_one_piece)
        return states[0], outputs, states
    packed, padding = _pack(sequences, mask)
    if len(directions) == 2 or (kernel == "lstm" and needs_cell):
        packed, weights = _held(kernel, packed, padding, weights)
    outputs, after = _run(kernel, packed, states, weights, in_one_piece)
    last, never = _last(outputs, after[0], padding)
    held = last if len(directions) == 2 else torch.where(never, states[0], last)
    return last.masked_fill(never, 0.0), _unpack(outputs, mask) if needs_outputs else outputs, [held, *after[1:]]


def _torchs_weights(kind, kernel, recurrent_kernel, bias):
    """`[input weights, state weights]`, and two biases where there is one: torch's two add up, None is zeros. A tuple
    stands for its parts, one above the other."""
    weights = [kernel.t(), recurrent_kernel.t()]
    if kind == "gru":  # Keras has the gates update, reset, candidate; torch has reset first. No view does that
        return [_reset_first(weight) for weight in (*weights, *([] if bias is None else bias.unbind(0)))]
    return weights if bias is None else [*weights, bias, None]


def _reset_first(weight):
    update, reset, candidate = weight.chunk(3)
    return reset, update, candidate


def _whole(weight):
    return torch.cat(weight) if isinstance(weight, tuple) else weight


def _run(kind, sequences, states, directions, in_one_piece):
    weights = [weight for direction in directions for weight in direction]
    both, biased = len(directions) == 2, len(directions[0]) == 4
    if in_one_piece:
        weights = one_piece.gather(kind, weights, both)
    else:
        weights = [_whole(weight) for weight in weights]
        weights = [torch.zeros_like(weights[i - 1]) if each is None else each for i, each in enumerate(weights)]
    if kind == "lstm" and lstm_operator.serves(weights[0]):
        outputs, *final = lstm_operator.run(sequences, states, weights, both)
        return outputs, final
    train = torch.is_grad_enabled() and not torch.jit.is_tracing()  # a trace is checked without gradients
    initial = states if kind == "lstm" else states[0]
    outputs, *final = _FUNCTIONS[kind](sequences, initial, weights, biased, 1, 0.0, train, both, True)
    return outputs, final


# -- masks ------------------------------------------------------------------------------------------------------------


def _pack(sequences, mask):
    """Steps to keep first, in order; the rest behind them. Also where the rest lies, `(batch, steps)`."""
    lengths = mask.sum(1, keepdim=True)
    padding = torch.arange(mask.shape[1], device=mask.device) >= lengths
    if _may_look(mask):
        longest = max(int(lengths.max()), 1) if len(lengths) else 1
        padding = padding[:, :longest]
        in_order = torch.equal(mask[:, :longest], ~padding)
    else:
        longest, in_order = mask.shape[1], False
    if in_order:
        return sequences[:, :longest], padding
    if _in_plain_python():
        order = torch.argsort(mask.logical_not().to(torch.uint8), dim=1, stable=True)[:, :longest]
    else:  # ONNX has no stable sort
        places = torch.arange(mask.shape[1], device=mask.device)
        order = torch.sort(torch.where(mask, places, places + mask.shape[1]), dim=1)[1][:, :longest]
    return sequences.gather(1, order.unsqueeze(-1).expand(-1, -1, sequences.shape[-1])), padding


def _may_look(mask):
    """Whether its values are at hand: not on a device that would have to be waited for, nor in a traced program."""
    return mask.device.type == "cpu" and _in_plain_python()


def _in_plain_python():
    return not (torch.compiler.is_compiling() or torch.jit.is_tracing() or beyond_kernels())


def _held(kind, packed, padding, directions):
    """Adds an input, 1 on padding, with which the states of an LSTM, and zero states of the others, stay exactly as
    they are."""
    flag = padding.unsqueeze(-1)
    packed = torch.cat([packed.masked_fill(flag, 0.0), flag.to(packed.dtype)], dim=-1)
    return packed, [_with_column(kind, *map(_whole, direction)) for direction in directions]


def _with_column(kind, kernel, recurrent_kernel, *biases):
    column = torch.zeros_like(kernel[:, :1])
    units = recurrent_kernel.shape[1]
    if kind == "lstm":  # nothing gets in, nothing is forgotten
        column[:units], column[units : 2 * units] = _CLOSED, -_CLOSED
    elif kind == "gru":  # no update
        column[units : 2 * units] = -_CLOSED
    elif biases:  # its activation of zero is zero
        column = -sum(bias for bias in biases if bias is not None).unsqueeze(1)
    return [torch.cat([kernel, column], dim=1), recurrent_kernel, *biases]


def _last(outputs, final, padding):
    """The outputs of the last step kept, `(directions, batch, units)`, and where there is none, `(batch, 1)`.

    The second direction ends with the first step: its final state is that."""
    lengths = padding.shape[1] - padding.sum(1)
    index = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, final.shape[-1])
    last = outputs[..., : final.shape[-1]].gather(1, index).squeeze(1)
    return torch.stack([last, *final.unbind(0)[1:]]), (lengths == 0).unsqueeze(-1)


def _unpack(outputs, mask):
    """Outputs at the steps of the sequence; those of a second direction are right at the steps kept only."""
    position = mask.cumsum(1) - 1  # of the last step kept so far
    index = position.clamp(min=0).unsqueeze(-1)
    outputs = outputs.gather(1, index.expand(-1, -1, outputs.shape[-1]))
    return outputs.masked_fill((position < 0).unsqueeze(-1), 0.0)

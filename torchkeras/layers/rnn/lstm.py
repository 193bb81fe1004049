"""LSTM and its cell.

May import core and the families below layers. The layer runs torch's own LSTM kernel wherever that computes the same.
"""

import torch

from torchkeras.core.arguments import positive_int
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers.rnn.cells import RecurrentCell, clamped_rate
from torchkeras.layers.rnn.own_cell import OwnCell, use_cudnn


@published("layer", "keras.layers")
class LSTMCell(RecurrentCell):
    """One step of an LSTM (Hochreiter & Schmidhuber 1997), for `RNN(LSTMCell(units))` or a loop of your own.

    Arguments as for `LSTM`. Call: `cell(inputs, [h, c])` with `(batch, features)` and two states `(batch, units)` gives
    `(h, [h, c])`.

    In torch: `nn.LSTMCell(features, units)`, the gates in the same order.
    """

    units = field(convert=positive_int("units"))
    activation = _slots.activation("tanh")
    recurrent_activation = _slots.activation("sigmoid")
    use_bias = field(True)
    kernel_initializer = _slots.initializer("glorot_uniform")
    recurrent_initializer = _slots.initializer("orthogonal")
    bias_initializer = _slots.initializer("zeros")
    unit_forget_bias = field(True)
    kernel_regularizer = _slots.regularizer()
    recurrent_regularizer = _slots.regularizer()
    bias_regularizer = _slots.regularizer()
    kernel_constraint = _slots.constraint()
    recurrent_constraint = _slots.constraint()
    bias_constraint = _slots.constraint()
    dropout = clamped_rate()
    recurrent_dropout = clamped_rate()
    seed = field(None)

    _gates, _states = 4, 2

    def _bias_initializer(self):
        if not self.unit_forget_bias:
            return self.bias_initializer

        def with_open_forget_gate(shape, dtype=None):
            part = (self.units,)
            rest = self.bias_initializer((2 * self.units,), dtype=dtype)
            first = self.bias_initializer(part, dtype=dtype)
            return torch.cat([first, torch.ones_like(first), rest])

        return with_open_forget_gate

    def _step(self, projected, states, weights, recurrent_mask):
        h, c = states
        if recurrent_mask is None:
            gates = torch.addmm(projected, h, weights[1])
        else:
            gates = projected + self._recur(h, weights[1], recurrent_mask)
        i, f, g, o = gates.chunk(4, dim=1)
        opened = self.recurrent_activation
        c = opened(f) * c + opened(i) * self.activation(g)
        h = opened(o) * self.activation(c)
        return h, [h, c]


@published("layer", "keras.layers")
class LSTM(OwnCell, cell=LSTMCell):
    """Long short-term memory over a sequence `(batch, steps, features)`.

    Args:
        units: size of the output and of the two states.
        activation, recurrent_activation: of the candidate and the output, and of the three gates.
        use_bias, unit_forget_bias: whether there is a bias, and whether that of the forget gate begins at 1.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the cell's `kernel`
            `(features, 4 * units)`, `recurrent_kernel` `(units, 4 * units)` and `bias` `(4 * units,)`; gates in the
            order input, forget, candidate, output.
        dropout, recurrent_dropout: fraction of inputs, and of the state, dropped in training (one mask per sequence).
        seed: for the dropout masks.
        return_sequences: the output of every step `(batch, steps, units)` instead of the last one `(batch, units)`.
        return_state: also the final states: `(output, h, c)`.
        go_backwards: read the sequence from its end; outputs come in the order of reading.
        stateful: begin each batch with the final states of the one before (until `reset_state`).
        unroll: accepted; torch loops are unrolled anyway.
        use_cudnn: "auto" takes torch's kernel where it computes the same; True insists on it; False: not on CUDA.

    Call arguments: `sequences`, `initial_state` (list of two), `mask` `(batch, steps)` with False for steps to skip
    (states are held, the output before is repeated), `training`.

    Which kernel runs, and why: `explain_kernel()`.

    Example:
        >>> LSTM(8, return_sequences=True)(torch.ones(2, 5, 3)).shape
        torch.Size([2, 5, 8])

    In torch: `nn.LSTM(features, units, batch_first=True)`, whose weights are `kernel.t()`, `recurrent_kernel.t()` and
    two biases that add up.
    """

    activity_regularizer = _slots.activity_regularizer(always=True, after="bias_regularizer")
    use_cudnn = use_cudnn()

    _kernel = "lstm"

"""GRU and its cell.

May import core and the families below layers. The layer runs torch's own GRU kernel wherever that computes the same.
"""

import torch

from torchkeras.core.arguments import positive_int
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers.rnn.cells import RecurrentCell, clamped_rate
from torchkeras.layers.rnn.own_cell import OwnCell, use_cudnn


@published("layer", "keras.layers")
class GRUCell(RecurrentCell):
    """One step of a gated recurrent unit (Cho et al. 2014), for `RNN(GRUCell(units))` or a loop of your own.

    Arguments as for `GRU`. Call: `cell(inputs, [h])` with `(batch, features)` and a state `(batch, units)` gives
    `(h, [h])`.

    In torch: `nn.GRUCell(features, units)`, the first two gates exchanged.
    """

    units = field(convert=positive_int("units"))
    activation = _slots.activation("tanh")
    recurrent_activation = _slots.activation("sigmoid")
    use_bias = field(True)
    kernel_initializer = _slots.initializer("glorot_uniform")
    recurrent_initializer = _slots.initializer("orthogonal")
    bias_initializer = _slots.initializer("zeros")
    kernel_regularizer = _slots.regularizer()
    recurrent_regularizer = _slots.regularizer()
    bias_regularizer = _slots.regularizer()
    kernel_constraint = _slots.constraint()
    recurrent_constraint = _slots.constraint()
    bias_constraint = _slots.constraint()
    dropout = clamped_rate()
    recurrent_dropout = clamped_rate()
    reset_after = field(True)
    seed = field(None)

    _gates = 3

    def _bias_shape(self):
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _input_bias(self, bias):
        return bias[0] if bias is not None and self.reset_after else bias

    def _step(self, projected, states, weights, recurrent_mask):
        (h,) = states
        kernel, bias = weights[1], weights[2]
        x_z, x_r, x_h = projected.chunk(3, dim=1)
        if self.reset_after:
            inner = self._recur(h, kernel, recurrent_mask, None if bias is None else bias[1])
            h_z, h_r, h_h = inner.chunk(3, dim=1)
        else:
            masks = recurrent_mask if recurrent_mask is not None else [1.0] * 3
            k_z, k_r, k_h = kernel.chunk(3, dim=1)
            h_z, h_r = (h * masks[0]) @ k_z, (h * masks[1]) @ k_r
        z = self.recurrent_activation(x_z + h_z)
        r = self.recurrent_activation(x_r + h_r)
        candidate = r * h_h if self.reset_after else (r * (h * masks[2])) @ k_h
        h = torch.lerp(self.activation(x_h + candidate), h, z)
        return h, [h]


@published("layer", "keras.layers")
class GRU(OwnCell, cell=GRUCell):
    """Gated recurrent unit over a sequence `(batch, steps, features)`.

    Args:
        units: size of the output and of the state.
        activation, recurrent_activation: of the candidate, and of the two gates.
        use_bias: whether there is a bias.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the cell's `kernel`
            `(features, 3 * units)`, `recurrent_kernel` `(units, 3 * units)` and `bias` `(2, 3 * units)`: of the inputs,
            and of the state (`(3 * units,)` without `reset_after`); gates in the order update, reset, candidate.
        dropout, recurrent_dropout: fraction of inputs, and of the state, dropped in training (one mask per sequence).
        seed: for the dropout masks.
        return_sequences: the output of every step `(batch, steps, units)` instead of the last one `(batch, units)`.
        return_state: also the final state: `(output, h)`.
        go_backwards: read the sequence from its end; outputs come in the order of reading.
        stateful: begin each batch with the final states of the one before (until `reset_state`).
        unroll: accepted; torch loops are unrolled anyway.
        reset_after: apply the reset gate to the state's product, as torch's kernel does, instead of to the state.
        use_cudnn: "auto" takes torch's kernel where it computes the same; True insists on it; False: not on CUDA.

    Call arguments: `sequences`, `initial_state` (list of one), `mask` `(batch, steps)` with False for steps to skip
    (the state is held, the output before is repeated), `training`.

    Which kernel runs, and why: `explain_kernel()`.

    Example:
        >>> GRU(8, return_sequences=True)(torch.ones(2, 5, 3)).shape
        torch.Size([2, 5, 8])

    In torch: `nn.GRU(features, units, batch_first=True)`, the first two gates exchanged.
    """

    activity_regularizer = _slots.activity_regularizer(always=True, after="bias_regularizer")
    reset_after = field(True)
    use_cudnn = use_cudnn()

    _kernel = "gru"
    _why = "the same arithmetic; on the CPU in steps of our own, as torch has a slower loop there"

    def _obstacle(self):
        after = getattr(self.cell, "reset_after", True)
        return super()._obstacle() if after else "the kernel resets after the product, reset_after is False"

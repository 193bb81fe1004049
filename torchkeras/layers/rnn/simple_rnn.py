"""SimpleRNN and its cell.

May import core and the families below layers. The layer runs torch's own kernel where its activation is tanh or relu.
"""

from torchkeras import activations
from torchkeras.core.arguments import positive_int
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers.rnn.cells import RecurrentCell, SeedFirst, clamped_rate
from torchkeras.layers.rnn.own_cell import OwnCell


@published("layer", "keras.layers")
class SimpleRNNCell(SeedFirst, RecurrentCell):
    """One step of a plain recurrent layer: `activation(inputs @ kernel + state @ recurrent_kernel + bias)`.

    Arguments as for `SimpleRNN`. Call: `cell(inputs, [h])` gives `(h, [h])`.

    In torch: `nn.RNNCell(features, units)`.
    """

    units = field(convert=positive_int("units"))
    activation = _slots.activation("tanh")
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
    seed = field(None)

    def call(self, sequence, states, training=False):
        """One step; Keras calls the inputs of this cell `sequence`."""
        return super().call(sequence, states, training)

    _plain_call = call

    def compute_output_shape(self, sequence_shape, states_shape=None):
        return super().compute_output_shape(sequence_shape, states_shape)

    def _step(self, projected, states, weights, recurrent_mask):
        output = self.activation(projected + self._recur(states[0], weights[1], recurrent_mask))
        return output, [output]


@published("layer", "keras.layers")
class SimpleRNN(OwnCell, cell=SimpleRNNCell):
    """A plain recurrent layer over a sequence `(batch, steps, features)`: each output is the next step's state.

    Args:
        units: size of the output and of the state.
        activation: of the output.
        use_bias: whether there is a bias.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the cell's `kernel`
            `(features, units)`, `recurrent_kernel` `(units, units)` and `bias` `(units,)`.
        dropout, recurrent_dropout: fraction of inputs, and of the state, dropped in training (one mask per sequence).
        return_sequences: the output of every step `(batch, steps, units)` instead of the last one `(batch, units)`.
        return_state: also the final state: `(output, h)`.
        go_backwards: read the sequence from its end; outputs come in the order of reading.
        stateful: begin each batch with the final states of the one before (until `reset_state`).
        unroll: accepted; torch loops are unrolled anyway.
        seed: for the dropout masks.

    Call arguments as for `LSTM`. Which kernel runs, and why: `explain_kernel()`.

    Example:
        >>> SimpleRNN(8)(torch.ones(2, 5, 3)).shape
        torch.Size([2, 8])

    In torch: `nn.RNN(features, units, batch_first=True)`.
    """

    activity_regularizer = _slots.activity_regularizer(always=True, after="bias_regularizer")
    seed = field(None, in_config=False)

    @property
    def _kernel(self):
        return {activations.tanh: "rnn_tanh", activations.relu: "rnn_relu"}.get(self.cell.activation)

    def _wrong_activation(self, cell):
        return None if self._kernel else "the kernel knows tanh and relu only"

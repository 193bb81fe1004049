"""ConvLSTM1D, ConvLSTM2D, ConvLSTM3D and their cells: an LSTM whose products are convolutions.

May import core, random and the families below layers. One mechanism serves all ranks. One convolution gives all gates:
that of the inputs runs before the loop, over all steps at once.
"""

import torch

from torchkeras import activations
from torchkeras.core import scopes
from torchkeras.core.arguments import one_of, positive_int
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers._convolution import CONVOLUTIONS, Padding, torch_kernel
from torchkeras.layers._spatial import Format, Ranked, output_sizes
from torchkeras.layers.rnn.cells import RecurrentCell, SeedFirst, clamped_rate
from torchkeras.layers.rnn.own_cell import OwnCell


class ConvLSTMCell(SeedFirst, Ranked, RecurrentCell):
    """One step of a convolutional LSTM: inputs and states are `(batch, *sizes, channels)`, or channels first.

    The inputs' convolution has strides, padding and dilation; the state's keeps its size.
    """

    _gates, _states, _mask_per_gate = 4, 2, True
    _follows = False  # the random numbers of a cell are drawn once

    @classmethod
    def _fields_of(cls, rank):
        return {
            "filters": field(convert=positive_int("filters")),
            "kernel_size": _slots.sizes("kernel_size", rank),
            "strides": _slots.sizes("strides", rank, 1),
            "padding": field("valid", convert=one_of("padding", "valid", "same")),
            "data_format": _slots.data_format(),
            "dilation_rate": _slots.sizes("dilation_rate", rank, 1),
            "activation": _slots.activation("tanh"),
            "recurrent_activation": _slots.activation("sigmoid"),
            "use_bias": field(True),
            "kernel_initializer": _slots.initializer("glorot_uniform"),
            "recurrent_initializer": _slots.initializer("orthogonal"),
            "bias_initializer": _slots.initializer("zeros"),
            "unit_forget_bias": field(True),
            "kernel_regularizer": _slots.regularizer(),
            "recurrent_regularizer": _slots.regularizer(),
            "bias_regularizer": _slots.regularizer(),
            "kernel_constraint": _slots.constraint(),
            "recurrent_constraint": _slots.constraint(),
            "bias_constraint": _slots.constraint(),
            "dropout": clamped_rate(),
            "recurrent_dropout": clamped_rate(),
            "seed": field(None),
        }

    def _configure(self):
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"`strides` > 1 and `dilation_rate` > 1 exclude each other, got strides={self.strides}, "
                f"dilation_rate={self.dilation_rate}."
            )
        self.units = self.filters  # what the base calls the size of a state
        super()._configure()
        self._format = Format(self._rank, self.data_format)
        row = (1,) if self._rank == 1 else ()  # sequences are images with one row
        window, ones = row + self.kernel_size, (1,) * max(self._rank, 2)
        self._pad_inputs = Padding(self.padding, window, row + self.strides, row + self.dilation_rate)
        self._pad_state = Padding("same", window, ones, ones)
        self._sizes = None

    def build(self, input_shape):
        form, rank = self._format, self._rank
        channels = input_shape[form.channels]
        if channels is None:
            raise ValueError(
                f"Layer {self.name!r} needs to know the number of channels of its input, got a step of shape "
                f"{tuple(input_shape)}. Give the Input a full shape, or set data_format."
            )
        self._sizes = self._state_sizes(input_shape)
        shape = (*self.kernel_size, channels, 4 * self.filters)
        order = (rank + 1, *range(rank), rank)
        self.kernel = _slots.weight(self, "kernel", shape, memory_order=order)
        shape = (*self.kernel_size, self.filters, 4 * self.filters)
        self.recurrent_kernel = _slots.weight(self, "recurrent_kernel", shape, slot="recurrent", memory_order=order)
        self.bias = None
        if self.use_bias:
            self.bias = _slots.weight(self, "bias", (4 * self.filters,), initializer=self._bias_initializer())

    def _bias_initializer(self):
        if not self.unit_forget_bias:
            return self.bias_initializer

        def with_open_forget_gate(shape, dtype=None):
            first = self.bias_initializer((self.filters,), dtype=dtype)
            rest = self.bias_initializer((2 * self.filters,), dtype=dtype)
            return torch.cat([first, torch.ones_like(first), rest])

        return with_open_forget_gate

    def _project(self, inputs, weights, mask=None):
        """What one step, or all of them `(batch, steps, ...)`, add to the gates, bias included."""
        kernel, bias = weights[0], weights[2]
        if not inputs.is_floating_point():
            inputs = self._in_floats(inputs, kernel.dtype)
        steps = inputs.shape[1] if inputs.dim() > self._rank + 2 else None
        if mask is not None:
            inputs = self._masked(inputs, mask if steps is None else [each.unsqueeze(1) for each in mask])
        groups = 1 if mask is None else 4
        if steps is None:
            return self._convolve(self._pad_inputs, inputs, kernel, bias, groups)
        gates = self._convolve(self._pad_inputs, inputs.flatten(0, 1), kernel, bias, groups)
        return gates.unflatten(0, (inputs.shape[0], steps))

    def _convolve(self, pad, x, kernel, bias, groups):
        """`x` in the layer's own order of axes, and so the result; torch sees both as permuted views."""
        form = self._format
        if form.to_torch is not None:
            x = x.permute(form.to_torch)
        x, padding = pad(x.unsqueeze(2) if form.rank == 1 else x)
        kernel = torch_kernel(kernel, form.rank)
        outputs = CONVOLUTIONS[len(pad.window)](x, kernel, bias, pad.steps, padding, pad.gaps, groups)
        if form.rank == 1:
            outputs = outputs.squeeze(2)
        return outputs if form.to_keras is None else outputs.permute(form.to_keras)

    def _masked(self, inputs, masks):
        """Inputs under the mask of each gate, side by side: the groups of one convolution."""
        axis = -1 if self._format.channels_last else -1 - self._rank
        return torch.cat([inputs * mask for mask in masks], dim=axis)

    def _step(self, projected, states, weights, recurrent_mask):
        h, c = states
        if recurrent_mask is not None:
            h = self._masked(h, recurrent_mask)
        groups = 1 if recurrent_mask is None else 4
        gates = projected + self._convolve(self._pad_state, h, weights[1], None, groups)
        i, f, g, o = gates.chunk(4, dim=self._format.channels)
        if self.recurrent_activation is activations.sigmoid:  # on memory without gaps: faster, though `g` needs none
            i, f, _, o = gates.sigmoid().chunk(4, dim=self._format.channels)
        else:
            i, f, o = map(self.recurrent_activation, (i, f, o))
        c = f * c + i * self.activation(g)
        h = o * self.activation(c)
        return h, [h, c]

    # -- shapes and states --------------------------------------------------------------------------------------------

    def _state_sizes(self, input_shape):
        _, sizes, _ = self._format.split(input_shape)
        return output_sizes(self.name, sizes, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def compute_output_shape(self, inputs_shape, states_shape=None):
        shape = self._format.join(inputs_shape[0], self._state_sizes(inputs_shape), self.filters)
        return shape, [shape, shape]

    def get_initial_state(self, batch_size=None):
        """Zeros for inputs of the size that the cell was built with."""
        if self._sizes is None or None in self._sizes:
            raise ValueError(
                f"Layer {self.name!r} cannot tell the size of its states: it was built for inputs of sizes "
                f"{self._sizes}. Give the Input its spatial sizes, or pass `initial_state`."
            )
        return self._zeros(batch_size, self._sizes)

    def states_before(self, inputs):
        """Zeros for a step `(batch, ...)`, whatever its size."""
        return self._zeros(inputs.shape[0], self._state_sizes(inputs.shape))

    def _zeros(self, batch_size, sizes):
        shape = tuple(self._format.join(batch_size, sizes, self.filters))
        device = self.kernel.device if self.built else scopes.default_device()
        dtype = self.dtype_policy.torch_compute
        return [torch.zeros(shape, dtype=dtype, device=device) for _ in range(2)]


class ConvLSTM1DCell(ConvLSTMCell, rank=1):
    """One step over sequences within a step: `(batch, sizes, channels)`."""


class ConvLSTM2DCell(ConvLSTMCell, rank=2):
    """One step over images."""


class ConvLSTM3DCell(ConvLSTMCell, rank=3):
    """One step over volumes."""


class _ConvLSTM(OwnCell):
    """What the layers of all ranks share. There is no kernel in torch: the loop runs one convolution a step."""

    unroll = field(False, shown=False)

    _cell_name = "conv_lstm_cell"

    def _configure(self):
        super()._configure()
        self.input_spec = InputSpec(ndim=self.cell._rank + 3)

    def explain_kernel(self):
        return "loop over steps", "no kernel of torch has the loop in it; one convolution a step gives all gates"

    def _run(self, sequences, states, mask, training):
        return self._loop(sequences, states, mask, training)

    def _zero_states(self, sequences):
        if type(self).get_initial_state is not OwnCell.get_initial_state:  # a subclass has its own
            return super()._zero_states(sequences)
        return self.cell.states_before(sequences[:, 0])

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, steps, *rest = self._batch_first(sequences_shape)
        (_, *sizes), states = self.cell.compute_output_shape((batch, *rest))
        output = self._batch_first((batch, steps, *sizes)) if self.return_sequences else (batch, *sizes)
        return (output, *states) if self.return_state else output


@published("layer", "keras.layers")
class ConvLSTM1D(_ConvLSTM, cell=ConvLSTM1DCell):
    """Convolutional LSTM (Shi et al. 2015) over a sequence of rows: convolutions in place of an LSTM's products.

    Args:
        filters: channels of the output and of the two states.
        kernel_size: size of the window over inputs and state, one integer.
        strides, padding, dilation_rate: of the inputs' convolution, as for `Conv1D`; `padding` is "valid" or "same".
            The state's convolution has neither strides nor dilation and keeps its size.
        data_format: "channels_last" `(batch, steps, rows, channels)` or
            "channels_first" `(batch, steps, channels, rows)`.
        activation, recurrent_activation: of the candidate and the output, and of the three gates.
        use_bias, unit_forget_bias: whether there is a bias, and whether that of the forget gate begins at 1.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the cell's `kernel`
            `(*window, channels, 4 * filters)`, `recurrent_kernel` `(*window, filters, 4 * filters)` and `bias`
            `(4 * filters,)`; gates in the order input, forget, candidate, output.
        dropout, recurrent_dropout: fraction of inputs, and of the state, dropped in training (one mask per gate and
            sequence).
        seed: for the dropout masks.
        return_sequences: the output of every step instead of the last one.
        return_state: also the final states: `(output, h, c)`, each of the size that padding and strides leave.
        go_backwards: read the sequence from its end; outputs come in the order of reading.
        stateful: begin each batch with the final states of the one before (until `reset_state`).

    Call arguments as for `LSTM`; `initial_state` is a list of two, each `(batch, rows, filters)`.

    Example:
        >>> ConvLSTM1D(8, 3, padding="same")(torch.ones(2, 5, 6, 3)).shape
        torch.Size([2, 6, 8])

    Raises `ValueError` for strides and dilation together, and where the input is smaller than the window. In torch: a
    loop with one `nn.Conv1d` for the inputs of all steps and one for the state.
    """

    activity_regularizer = _slots.activity_regularizer(always=True, after="bias_regularizer")


@published("layer", "keras.layers")
class ConvLSTM2D(_ConvLSTM, cell=ConvLSTM2DCell):
    """Convolutional LSTM (Shi et al. 2015) over a sequence of images: convolutions in place of an LSTM's products.

    Args:
        filters: channels of the output and of the two states.
        kernel_size: size of the window over inputs and state, one integer or 2.
        strides, padding, dilation_rate: of the inputs' convolution, as for `Conv2D`; `padding` is "valid" or "same".
            The state's convolution has neither strides nor dilation and keeps its size.
        data_format: "channels_last" `(batch, steps, rows, cols, channels)` or
            "channels_first" `(batch, steps, channels, rows, cols)`.
        activation, recurrent_activation: of the candidate and the output, and of the three gates.
        use_bias, unit_forget_bias: whether there is a bias, and whether that of the forget gate begins at 1.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the cell's `kernel`
            `(*window, channels, 4 * filters)`, `recurrent_kernel` `(*window, filters, 4 * filters)` and `bias`
            `(4 * filters,)`; gates in the order input, forget, candidate, output.
        dropout, recurrent_dropout: fraction of inputs, and of the state, dropped in training (one mask per gate and
            sequence).
        seed: for the dropout masks.
        return_sequences: the output of every step instead of the last one.
        return_state: also the final states: `(output, h, c)`, each of the size that padding and strides leave.
        go_backwards: read the sequence from its end; outputs come in the order of reading.
        stateful: begin each batch with the final states of the one before (until `reset_state`).

    Call arguments as for `LSTM`; `initial_state` is a list of two, each `(batch, rows, cols, filters)`.

    Example:
        >>> ConvLSTM2D(8, 3, padding="same")(torch.ones(2, 5, 6, 6, 3)).shape
        torch.Size([2, 6, 6, 8])

    Raises `ValueError` for strides and dilation together, and where the input is smaller than the window. In torch: a
    loop with one `nn.Conv2d` for the inputs of all steps and one for the state.
    """

    activity_regularizer = _slots.activity_regularizer(always=True, after="bias_regularizer")


@published("layer", "keras.layers")
class ConvLSTM3D(_ConvLSTM, cell=ConvLSTM3DCell):
    """Convolutional LSTM (Shi et al. 2015) over a sequence of volumes: convolutions in place of an LSTM's products.

    Args:
        filters: channels of the output and of the two states.
        kernel_size: size of the window over inputs and state, one integer or 3.
        strides, padding, dilation_rate: of the inputs' convolution, as for `Conv3D`; `padding` is "valid" or "same".
            The state's convolution has neither strides nor dilation and keeps its size.
        data_format: "channels_last" `(batch, steps, depth, rows, cols, channels)` or
            "channels_first" `(batch, steps, channels, depth, rows, cols)`.
        activation, recurrent_activation: of the candidate and the output, and of the three gates.
        use_bias, unit_forget_bias: whether there is a bias, and whether that of the forget gate begins at 1.
        kernel_*, recurrent_*, bias_*: initializers, regularizers and constraints of the cell's `kernel`
            `(*window, channels, 4 * filters)`, `recurrent_kernel` `(*window, filters, 4 * filters)` and `bias`
            `(4 * filters,)`; gates in the order input, forget, candidate, output.
        dropout, recurrent_dropout: fraction of inputs, and of the state, dropped in training (one mask per gate and
            sequence).
        seed: for the dropout masks.
        return_sequences: the output of every step instead of the last one.
        return_state: also the final states: `(output, h, c)`, each of the size that padding and strides leave.
        go_backwards: read the sequence from its end; outputs come in the order of reading.
        stateful: begin each batch with the final states of the one before (until `reset_state`).

    Call arguments as for `LSTM`; `initial_state` is a list of two, each `(batch, depth, rows, cols, filters)`.

    Example:
        >>> ConvLSTM3D(8, 3, padding="same")(torch.ones(2, 5, 6, 6, 6, 3)).shape
        torch.Size([2, 6, 6, 6, 8])

    Raises `ValueError` for strides and dilation together, and where the input is smaller than the window. In torch: a
    loop with one `nn.Conv3d` for the inputs of all steps and one for the state.
    """

    activity_regularizer = _slots.activity_regularizer(always=True, after="bias_regularizer")

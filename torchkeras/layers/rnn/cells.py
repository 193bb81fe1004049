"""What the cells of LSTM, GRU and SimpleRNN share: weights, dropout masks, one step.

May import core, random and the families below layers. Knows no loop: `recurrent.py` drives cells.
"""

import torch
import torch.nn.functional as F

from torchkeras import random
from torchkeras.core import scopes
from torchkeras.core.fields import field
from torchkeras.core.layer import Layer
from torchkeras.layers import _slots


def clamped_rate():
    """A slot for a dropout rate; numbers outside 0 to 1 are moved to the nearest bound, as Keras does."""
    return field(0.0, convert=lambda value: min(1.0, max(0.0, value)))


class RecurrentCell(Layer):
    """A cell with `kernel` `(inputs, gates * units)`, `recurrent_kernel` `(units, gates * units)` and a bias.

    A subclass declares the fields, `_gates`, `_states`, and `_step`. One step of a sequence has two parts: `_project`
    (what the inputs contribute, for all steps at once if the caller has them) and `_step` (what the state contributes).
    """

    _gates, _states = 1, 1
    _mask_per_gate = False  # dropout of the inputs draws one mask per gate even without recurrent dropout
    implementation = 2  # Keras 2's number for "all gates in one product"

    def _configure(self):
        self.seed_generator = self._make_seeds()
        self.state_size = self.units if self._states == 1 else [self.units] * self._states
        self.output_size = self.units
        self._dropout_mask = self._recurrent_dropout_mask = None

    def _make_seeds(self):
        return random.SeedGenerator(seed=self.seed)

    def build(self, input_shape):
        width = self.units * self._gates
        self.kernel = _slots.weight(self, "kernel", (input_shape[-1], width), memory_order=(1, 0))
        shape = (self.units, width)
        self.recurrent_kernel = _slots.weight(self, "recurrent_kernel", shape, slot="recurrent", memory_order=(1, 0))
        self.bias = None
        if self.use_bias:
            self.bias = _slots.weight(self, "bias", self._bias_shape(), initializer=self._bias_initializer())

    def _bias_shape(self):
        return (self.units * self._gates,)

    def _bias_initializer(self):
        return self.bias_initializer

    def call(self, inputs, states, training=False):
        """One step: `(batch, inputs)` and a list of states `(batch, units)` -> `(output, [new states])`.

        A cell with one state also takes it without a list, and then gives it so.
        """
        if not isinstance(states, (list, tuple)):
            output, (state,) = self.call(inputs, [states], training)
            return output, state
        weights = self.cast_weights()
        kind = weights[1].dtype
        states = [state if state.is_floating_point() else self._in_floats(state, kind) for state in states]
        mask = self.get_dropout_mask(inputs) if training else None
        recurrent_mask = self.get_recurrent_dropout_mask(states[0]) if training else None
        return self._step(self._project(inputs, weights, mask), states, weights, recurrent_mask)

    def cast_weights(self):
        """`(kernel, recurrent_kernel, bias)` in the compute dtype."""
        weights = self.kernel, self.recurrent_kernel, self.bias
        policy = self.dtype_policy
        if not policy.mixed:
            return weights
        return tuple(None if weight is None else weight.to(policy.torch_compute) for weight in weights)

    def _input_bias(self, bias):
        return bias

    def _project(self, inputs, weights, mask=None):
        """What inputs `(batch, ..., features)` add to the gates, bias included: `(batch, ..., gates * units)`."""
        kernel, bias = weights[0], self._input_bias(weights[2])
        if not inputs.is_floating_point():
            inputs = self._in_floats(inputs, kernel.dtype)
        if mask is not None and isinstance(mask, list):  # one mask per gate
            parts = zip(mask, kernel.t().chunk(self._gates), strict=True)
            outputs = torch.cat([F.linear(_masked(inputs, each), part) for each, part in parts], dim=-1)
            return outputs if bias is None else outputs + bias
        if mask is not None:
            inputs = _masked(inputs, mask)
        return F.linear(inputs, kernel.t(), bias)

    def _recur(self, state, recurrent_kernel, mask, bias=None):
        """What a state `(batch, units)` adds to the gates: `(batch, gates * units)`."""
        if isinstance(mask, list):
            parts = zip(mask, recurrent_kernel.t().chunk(self._gates), strict=True)
            outputs = torch.cat([F.linear(state * each, part) for each, part in parts], dim=-1)
            return outputs if bias is None else outputs + bias
        if mask is not None:
            state = state * mask
        return F.linear(state, recurrent_kernel.t(), bias)

    _plain_call = call  # what a layer that has all inputs at once may take apart into `_project` and `_step`

    # -- dropout ------------------------------------------------------------------------------------------------------

    def draw_masks(self, inputs, state, training):
        """Fresh `(mask of inputs, mask of the state)` for a sequence: each None, a tensor, or one tensor per gate.

        Outside training they are drawn too, for nothing, as Keras does: after a validation the same seed then goes on
        as it does there.
        """
        if not training and torch.compiler.is_compiling():
            return None, None
        masks = self._draw(inputs, self.dropout), self._draw(state, self.recurrent_dropout)
        return masks if training else (None, None)

    def _draw(self, like, rate):
        if rate == 0.0 or (rate == 1.0 and self._gates > 1):  # Keras's cells with gates ignore a rate of 1
            return None
        ones = torch.ones_like(like)
        # Keras draws one mask per gate as soon as the recurrent part has dropout.
        if self._gates == 1 or not (self.recurrent_dropout or self._mask_per_gate):
            return random.dropout(ones, rate, seed=self.seed_generator)
        return [random.dropout(ones, rate, seed=self.seed_generator) for _ in range(self._gates)]

    def get_dropout_mask(self, step_input):
        """The mask of the inputs, the same at all steps until `reset_dropout_mask`."""
        if self._dropout_mask is None:
            self._keep(_dropout_mask=self._draw(step_input, self.dropout))
        return self._dropout_mask

    def get_recurrent_dropout_mask(self, step_input):
        """The mask of the state, the same at all steps until `reset_recurrent_dropout_mask`."""
        if self._recurrent_dropout_mask is None:
            self._keep(_recurrent_dropout_mask=self._draw(step_input, self.recurrent_dropout))
        return self._recurrent_dropout_mask

    def reset_dropout_mask(self):
        """The next step draws a new mask."""
        self._dropout_mask = None

    def reset_recurrent_dropout_mask(self):
        """The next step draws a new mask."""
        self._recurrent_dropout_mask = None

    # -- shapes and states --------------------------------------------------------------------------------------------

    def get_initial_state(self, batch_size=None):
        """Zeros: a list with one `(batch_size, units)` per state."""
        device = self.kernel.device if self.built else scopes.default_device()
        dtype = self.dtype_policy.torch_compute
        return [torch.zeros((batch_size, self.units), dtype=dtype, device=device) for _ in range(self._states)]

    def compute_output_shape(self, inputs_shape, states_shape=None):
        shape = (inputs_shape[0], self.units)
        return shape, [shape] * self._states


class SeedFirst:
    """A cell that draws the seed of its dropout masks before the initializers draw theirs, as Keras's SimpleRNN and
    ConvLSTM do: after `set_random_seed` the weights are then the same."""

    def __init__(self, *args, **kwargs):
        seed = (dict(zip(self._fields, args)) | kwargs).get("seed")
        self.__dict__["_seeds"] = random.SeedGenerator(seed)
        super().__init__(*args, **kwargs)

    def _make_seeds(self):
        return self.__dict__.pop("_seeds")


def _masked(inputs, mask):
    """Inputs `(batch, features)` or `(batch, steps, features)` times a mask `(batch, features)`."""
    return inputs * (mask if inputs.dim() == mask.dim() else mask.unsqueeze(1))

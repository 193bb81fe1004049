"""RNN: a cell driven over the steps of a sequence.

May import core, random and the families below layers. Knows cells by their manners only: `call(inputs, states)`
and `state_size`.
"""

import inspect

import torch

from torchkeras.core import tree, unfilled
from torchkeras.core.conversion import as_tensor
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.kernels import slow_path
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.transforms import write
from torchkeras.core.variable import Variable, restored
from torchkeras.layers import _slots
from torchkeras.layers.rnn.cells import RecurrentCell
from torchkeras.layers.rnn.stacked import StackedRNNCells, cell_output_size, zero_states


def _cell(value):
    """A cell, or a list of cells as one."""
    if isinstance(value, (list, tuple)):
        value = StackedRNNCells(value)
    for needed in ("call", "state_size"):
        if not hasattr(value, needed):
            raise ValueError(f"An RNN cell needs `call` and `state_size`; {value!r} has no `{needed}`.")
    if not isinstance(value.state_size, (int, list, tuple)):
        raise ValueError(f"`state_size` of an RNN cell must be an integer or a list of them, got {value.state_size!r}.")
    return value


@published("layer", "keras.layers")
class RNN(Layer):
    """Runs a cell over a sequence `(batch, steps, ...)`.

    Args:
        cell: a layer (or any object) with `call(inputs_at_t, states_at_t) -> (output, new_states)` and `state_size`, an
            integer or a list of them; also `output_size` and `get_initial_state(batch_size)` if it likes. A list of
            cells is stacked.
        return_sequences: the outputs of all steps instead of the last one.
        return_state: also the final states: `(output, *states)`.
        go_backwards: read the sequence from its end; outputs come in the order of reading.
        stateful: begin each batch with the final states of the one before (until `reset_state`).
        unroll: accepted; torch loops are unrolled anyway.
        zero_output_for_mask: zeros at masked steps instead of the output before them, with `return_sequences`.

    Call arguments: `sequences`, `initial_state` (a list), `mask` `(batch, steps)` with False for steps to skip,
    `training`.

    Example:
        >>> RNN(LSTMCell(8), return_sequences=True)(torch.ones(2, 5, 3)).shape
        torch.Size([2, 5, 8])
    """

    cell = _slots.nested("layer", "cell", convert=_cell)
    return_sequences = field(False)
    return_state = field(False)
    go_backwards = field(False)
    stateful = field(False)
    unroll = field(False)
    zero_output_for_mask = field(False)

    implementation = 2  # Keras 2's number for "all gates in one product"
    _takes_several = True  # the sequences and, as in Keras 2, the states

    def _configure_base(self, rest):
        self.__dict__["time_major"] = bool(rest.pop("time_major", False))  # (steps, batch, features), as Keras 2 offers
        super()._configure_base(rest)

    def _configure(self):
        self.supports_masking = True
        sizes = self.cell.state_size
        self.single_state = isinstance(sizes, int)
        self.state_size = [sizes] if self.single_state else list(sizes)
        self._state_names = []
        self._call_takes = _parameters(self.cell.call)
        self._initial_takes = _parameters(getattr(self.cell, "get_initial_state", None))

    def get_config(self):
        config = super().get_config()
        return {**config, "time_major": True} if self.time_major else config  # Keras 3 knows no such argument

    def build(self, sequences_shape, initial_state_shape=None):
        batch, *rest = self._batch_first(sequences_shape)
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((batch, *rest[1:]))
        if self.stateful:
            if batch is None:
                raise ValueError(
                    f"Layer {self.name!r} is stateful, so the batch size must be known: got sequences of shape "
                    f"{tuple(sequences_shape)}. Give `batch_size` to Input (or `batch_input_shape` to the layer)."
                )
            self._make_states(batch)

    def _batch_first(self, shape):
        return (shape[1], shape[0], *shape[2:]) if self.time_major else tuple(shape)

    # -- states -------------------------------------------------------------------------------------------------------

    def get_initial_state(self, batch_size=None, inputs=None):
        """The states before the first step, a list. `batch_size` may be a tensor of sequences, as in Keras 2."""
        batch_size = inputs if batch_size is None else batch_size
        if isinstance(batch_size, (torch.Tensor, KerasTensor)) and batch_size.ndim:
            batch_size = self._batch_first(batch_size.shape)[0]
        make = getattr(self.cell, "get_initial_state", None)
        if make is None:
            return zero_states(self.state_size, batch_size, getattr(self.cell, "compute_dtype", self.compute_dtype))
        options = {"batch_size": batch_size, "inputs": None, "dtype": self.compute_dtype}
        state = make(**{name: value for name, value in options.items() if name in self._initial_takes})
        return list(state) if tree.is_nested(state) else [state]

    def _make_states(self, batch_size):
        """Buffers, so that they move with the layer, but belong to no weight file."""
        for name in self._state_names:
            del self._buffers[name]
        values = tree.flatten(self.get_initial_state(batch_size))
        self._state_names = [f"rnn_state_{index}" for index in range(len(values))]
        for name, value in zip(self._state_names, values, strict=True):
            self.register_buffer(name, unfilled.zeros_beside(value.detach().clone()), persistent=False)

    @property
    def states(self):
        """The states kept between batches, in the cell's structure; None unless stateful and built. Each is a Variable
        over the memory of what is kept: to `assign` to it sets the state."""
        return self._kept(self._state_variable) if self._state_names else None

    def _kept(self, form):
        """`form(name)` for each kept state, in the cell's structure."""
        return tree.pack_sequence_as(self.state_size, [form(name) for name in self._state_names])

    def _state_variable(self, name):
        facts = {"_name": name, "path": f"{self.path or self.name}/{name}", "_trainable": False, "autocast": False}
        return restored(Variable, self._buffers[name], False, facts)

    def reset_state(self, states=None):
        """Sets the kept states to zero, or to the given arrays."""
        self.reset_states(states)

    def reset_states(self, states=None):
        """Sets the kept states to zero, or to the given arrays. Raises `AttributeError` where none are kept."""
        if states is None:
            values = [0.0] * len(self._state_names)
        else:
            values = tree.flatten(states)
            if not self.stateful:
                raise AttributeError(f"Layer {self.name!r} keeps no states: make it with stateful=True.")
            if not self._state_names:
                self._make_states(len(values[0]))
        if len(values) != len(self._state_names):
            raise ValueError(f"Layer {self.name!r} has {len(self._state_names)} states, got {len(values)} values.")
        with torch.no_grad():
            for name, value in zip(self._state_names, values, strict=True):
                buffer = self._buffers[name]
                buffer.copy_(as_tensor(value, buffer.dtype, buffer.device).expand_as(buffer))

    # -- call ---------------------------------------------------------------------------------------------------------

    def forward(self, *args, **kwargs):
        if len(args) != 1 or type(args[0]) is not torch.Tensor:
            args, kwargs = keras2_call(args, kwargs)
        return super().forward(*args, **kwargs)

    def call(self, sequences, initial_state=None, mask=None, training=False):
        sequences, states, mask = self._enter(sequences, initial_state, mask)
        return self._leave(*self.inner_loop(sequences, states, mask, training))

    def _enter(self, sequences, initial_state, mask):
        """`(sequences, states, mask)` as `inner_loop` takes them: batch first, in the cell's dtype."""
        if self.time_major:
            sequences = sequences.transpose(0, 1)
            mask = None if mask is None else mask.transpose(0, 1)
        mask = None if mask is None else self._bool_mask(mask, sequences)
        states = self._states_for(sequences, initial_state)
        kind = self.cell.dtype_policy.torch_compute if isinstance(self.cell, Layer) else None
        if kind is not None and kind is not self.dtype_policy.torch_compute:  # a cell with a policy of its own
            sequences, states = tree.map_structure(lambda tensor: tensor.to(kind), (sequences, states))
        return sequences, states, mask

    def _leave(self, last, outputs, states):
        """What the layer gives: the output, perhaps with the states, which a stateful layer keeps."""
        dtype = self.dtype_policy.torch_compute
        if self.stateful:
            self._keep_states(states)
        output = (outputs if self.return_sequences else last).to(dtype)
        if self.time_major and self.return_sequences:
            output = output.transpose(0, 1)
        if self.return_state:
            return (output, *tree.map_structure(lambda state: state.to(dtype), list(states)))
        return output

    def _keep_states(self, states):
        with torch.no_grad():
            for name, value in zip(self._state_names, tree.flatten(states), strict=True):
                write(torch.Tensor.copy_, self._buffers[name], value)

    def _states_for(self, sequences, initial_state):
        if initial_state is None:
            if self.stateful:
                self._check_batch(sequences)
                states = self._kept(lambda name: self._buffers[name].clone())
            else:
                states = self._zero_states(sequences)
        else:
            states = list(initial_state) if tree.is_nested(initial_state) else [initial_state]
            if len(states) != len(self.state_size):
                raise ValueError(
                    f"Layer {self.name!r} has {len(self.state_size)} state(s), got {len(states)} as `initial_state`."
                )
        dtype = getattr(self.cell, "dtype_policy", self.dtype_policy).torch_compute
        return tree.map_structure(lambda state: state.to(device=sequences.device, dtype=dtype), states)

    def _zero_states(self, sequences):
        return self.get_initial_state(sequences.shape[0])

    def _check_batch(self, sequences):
        expected = self._buffers[self._state_names[0]].shape[0]
        if sequences.shape[0] != expected:
            raise ValueError(
                f"Layer {self.name!r} is stateful with a batch size of {expected}, it got a batch of "
                f"{sequences.shape[0]}: every batch must have the size that it was built with."
            )

    def _bool_mask(self, mask, sequences):
        mask = tree.flatten(mask)[0]  # one mask serves all inputs
        if mask.dim() > 2 and mask.shape[2:].numel() == 1:
            mask = mask.flatten(1)
        if mask.dim() == 2 and mask.shape[0] == 1:
            mask = mask.expand(sequences.shape[0], -1)
        if mask.shape != sequences.shape[:2]:
            raise ValueError(
                f"The mask of layer {self.name!r} must have the shape (batch, steps) = {tuple(sequences.shape[:2])}, "
                f"got {tuple(mask.shape)}."
            )
        return mask if mask.dtype is torch.bool else mask.to(torch.bool)

    # -- the loop -----------------------------------------------------------------------------------------------------

    def explain_kernel(self):
        """`(kernel, reason)`: torch's own kernel, or a loop over the steps and why."""
        return "loop over steps", "torch has no kernel for this cell"

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """`(last output, outputs, states)` for sequences `(batch, steps, ...)` and a list of states."""
        if self.go_backwards:
            sequences = sequences.flip(1)
            mask = None if mask is None else mask.flip(1)
        return self._run(sequences, initial_state, mask, training)

    def _run(self, sequences, states, mask, training):
        """`inner_loop` for sequences in the order of reading."""
        slow_path(self)
        return self._loop(sequences, states, mask, training)

    def _loop(self, sequences, states, mask, training):
        step, inputs = self._stepper(sequences, states, training)
        masks = None if mask is None else mask.unbind(1)
        output, kept = None, []
        for index, current in enumerate(inputs):
            before, previous = states, output
            output, states = step(current, states)
            if masks is not None:
                output, states = self._hold(masks[index], output, previous, states, before)
            if self.return_sequences:
                kept.append(output)
        outputs = torch.stack(kept, dim=1) if kept else output.unsqueeze(1)
        return output, outputs, states

    def _hold(self, mask, output, previous, states, before):
        """At masked steps: the states as before, the output repeated or zero."""

        def choose(new, old):
            return torch.where(mask.view(-1, *[1] * (new.dim() - 1)), new, old)

        if previous is None or (self.zero_output_for_mask and self.return_sequences):
            previous = torch.zeros_like(output)
        flat = [choose(new, old) for new, old in zip(tree.flatten(states), tree.flatten(before), strict=True)]
        return choose(output, previous), tree.pack_sequence_as(before, flat)

    def _stepper(self, sequences, states, training):
        """`(step, inputs per step)`: our own cells get the inputs of all steps through their kernel at once."""
        cell = self.cell
        if isinstance(cell, RecurrentCell) and type(cell).call is cell._plain_call.__func__:
            if sequences.is_floating_point():  # a cell of another policy casts its own inputs
                sequences = sequences.to(cell.dtype_policy.torch_compute)
            masks = cell.draw_masks(sequences[:, 0], states[0], training)
            weights = cell.cast_weights()
            projected = cell._project(sequences, weights, masks[0])
            return (lambda z, before: cell._step(z, before, weights, masks[1])), projected.unbind(1)
        run = cell if callable(cell) else cell.call
        options = {"training": training} if "training" in self._call_takes else {}
        _forget_masks(cell)

        def step(inputs, before):
            output, after = run(inputs, tuple(before), **options)
            return output, list(after) if tree.is_nested(after) else [after]

        return step, sequences.unbind(1)

    # -- shapes and masks ---------------------------------------------------------------------------------------------

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, steps, *_ = self._batch_first(sequences_shape)
        size = cell_output_size(self.cell)
        output = self._batch_first((batch, steps, size)) if self.return_sequences else (batch, size)
        if not self.return_state:
            return output
        return (output, *tree.map_structure(lambda units: (batch, units), self.state_size))

    def compute_mask(self, inputs, mask):
        mask = tree.flatten(mask)[0] if mask is not None else None
        kept = mask if self.return_sequences else None
        return [kept] + [None] * len(self.state_size) if self.return_state else kept


def _parameters(function):
    """Names of a function's parameters."""
    return frozenset(inspect.signature(function).parameters) if function is not None else frozenset()


def _forget_masks(cell):
    """A new sequence draws new dropout masks."""
    for each in getattr(cell, "cells", [cell]):
        if isinstance(each, RecurrentCell):
            each.reset_dropout_mask()
            each.reset_recurrent_dropout_mask()


def keras2_call(args, kwargs):
    """Keras 2's ways to call a recurrent layer: `inputs=`, `[x, *states]`, and a mask as second argument."""
    kwargs = dict(kwargs)
    if "inputs" in kwargs and not args and "sequences" not in kwargs:
        kwargs["sequences"] = kwargs.pop("inputs")
    first = args[0] if args else kwargs.get("sequences")
    if isinstance(first, (list, tuple)) and len(first) > 1 and all(hasattr(item, "shape") for item in first):
        if len(args) < 2 and kwargs.get("initial_state") is None:
            args, kwargs["initial_state"] = args[1:], list(first[1:])
            kwargs["sequences"] = first[0]
    if len(args) > 1 and str(getattr(args[1], "dtype", "")).endswith("bool"):
        kwargs.update(zip(("mask", "training", "initial_state"), args[1:], strict=False))
        args = args[:1]
    return args, kwargs

"""Bidirectional: a recurrent layer in both directions.

May import core, random and the families below layers. Two of our own layers run as one kernel where that computes the
same; any other layers run one after the other.
"""

import types

import torch

from torchkeras.core import registry, tree
from torchkeras.core.fields import field
from torchkeras.core.kernels import slow_path
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers.rnn.own_cell import OwnCell
from torchkeras.layers.rnn.recurrent import keras2_call
from torchkeras.layers.wrapper import wrapped_layer

_MERGED = {
    "concat": lambda forward, backward: torch.cat([forward, backward], dim=-1),
    "sum": torch.add,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": torch.mul,
    None: lambda forward, backward: (forward, backward),
}


def _merge_mode(value):
    if value not in _MERGED:
        raise ValueError(f"`merge_mode` must be one of {', '.join(map(repr, _MERGED))}; got {value!r}.")
    return value


def _layer(convert, **options):
    return _slots.nested(("layer", "model"), "recurrent layer", convert=convert, **options)


def _forward(value):
    """The forward layer that a given layer stands for."""
    return _copy(wrapped_layer(value), value.name, "forward_")


@published("layer", "keras.layers")
class Bidirectional(Layer):
    """Runs a recurrent layer over a sequence from both ends and merges the outputs.

    Args:
        layer: a recurrent layer, or any with `go_backwards`, `return_sequences`, `return_state` and `stateful`. It
            serves as a model: copies of it with new weights run, `forward_layer` and `backward_layer`.
        merge_mode: "concat", "sum", "mul", "ave", or None for a tuple of both outputs.
        weights: initial values of all weights, those of the forward layer first.
        backward_layer: the layer that reads from the end, with the other `go_backwards` and else alike. It runs itself.

    Call arguments are those of the layer; the first half of `initial_state` goes to the forward layer, the other to the
    backward layer. With `return_state` the states follow in the same order: `(output, *forward, *backward)`. With
    `return_sequences` the outputs of both directions are in the order of the sequence, and zero at masked steps.

    Which kernel runs, and why: `explain_kernel()`.

    Example:
        >>> Bidirectional(LSTM(8, return_sequences=True))(torch.ones(2, 5, 3)).shape
        torch.Size([2, 5, 16])

    In torch: `nn.LSTM(features, units, batch_first=True, bidirectional=True)`.

    Raises `ValueError` for what is no layer, an unknown `merge_mode`, and layers that do not fit each other.
    """

    layer = _layer(_forward, attribute="forward_layer")
    merge_mode = field("concat", convert=_merge_mode)
    weights = _slots.base()
    backward_layer = _layer(wrapped_layer, default=None, optional=True)

    def _configure(self):
        layer = self.forward_layer
        if self.backward_layer is None:
            name = layer.name.removeprefix("forward_")
            self.backward_layer = _copy(layer, name, "backward_", go_backwards=True)
        self._check_pair()
        for each in (layer, self.backward_layer):
            if getattr(each, "zero_output_for_mask", None) is not None:
                each.zero_output_for_mask = each.return_sequences
        self.stateful, self.return_sequences = layer.stateful, layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec
        if self._declared_input is None:
            self._keep(_declared_input=layer._declared_input)

    def _check_pair(self):
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                "The two layers of a Bidirectional must read in different directions, but both have "
                f"go_backwards={forward.go_backwards}: set it on `backward_layer` only."
            )
        for name in ("stateful", "return_sequences", "return_state"):
            values = getattr(forward, name), getattr(backward, name)
            if values[0] != values[1]:
                raise ValueError(
                    f"The two layers of a Bidirectional must have the same `{name}`, got {values[0]} for the forward "
                    f"layer and {values[1]} for `backward_layer`."
                )

    def build(self, sequences_shape, initial_state_shape=None):
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)

    # -- states -------------------------------------------------------------------------------------------------------

    @property
    def states(self):
        """The states kept between batches, those of the forward layer first; None unless stateful and built."""
        found = self.forward_layer.states, self.backward_layer.states
        return (*found[0], *found[1]) if all(found) else None

    def reset_state(self):
        """Sets the kept states of both layers to zero. Raises `AttributeError` where none are kept."""
        if not self.stateful:
            raise AttributeError(f"Layer {self.name!r} keeps no states: make its layer with stateful=True.")
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    # -- call ---------------------------------------------------------------------------------------------------------

    def forward(self, *args, **kwargs):
        if len(args) != 1 or type(args[0]) is not torch.Tensor:
            args, kwargs = keras2_call(args, kwargs)
        return super().forward(*args, **kwargs)

    def call(self, sequences, initial_state=None, mask=None, training=None):
        if self._obstacle(training, mask, initial_state) is None:
            outputs, finals = self._run_once(sequences, initial_state, mask, training)
        else:
            slow_path(self, mask is not None, training, initial_state is not None)
            outputs, finals = self._run_twice(sequences, initial_state, mask, training)
        if not self.return_state:
            return outputs
        return (*outputs, *finals) if self.merge_mode is None else (outputs, *finals)

    def _merged(self, *outputs):
        dtype = self.dtype_policy.torch_compute
        return _MERGED[self.merge_mode](*(each.to(dtype) for each in outputs))

    def _run_twice(self, sequences, initial_state, mask, training):
        halves = _halves(initial_state)
        found, finals = [], []
        for layer, states in zip((self.forward_layer, self.backward_layer), halves, strict=True):
            info, options = layer._call_info, {}
            if info.training:
                options["training"] = training
            if info.mask:
                options["mask"] = mask
            output = layer(sequences, initial_state=states, **options)
            output, *rest = output if self.return_state else (output,)
            found.append(output)
            finals += rest
        if self.return_sequences:
            found[1] = found[1].flip(0 if getattr(self.backward_layer, "time_major", False) else 1)
        return self._merged(*found), finals

    def _run_once(self, sequences, initial_state, mask, training):
        layers, states = (self.forward_layer, self.backward_layer), None
        if initial_state is None and not self.stateful:
            mask = None if mask is None else layers[0]._bool_mask(mask, sequences)
            layers[0]._check_sizes(sequences, ())
        else:
            halves = _halves(initial_state)
            entered = [layer._enter(sequences, each, mask) for layer, each in zip(layers, halves, strict=True)]
            sequences, _, mask = entered[0]
            for _, own, _ in entered:
                layers[0]._check_sizes(sequences, own)
            states = [torch.stack(pair) for pair in zip(entered[0][1], entered[1][1], strict=True)]
        if sequences.dtype is not layers[0].dtype_policy.torch_compute:
            sequences = layers[0]._in_floats(sequences)
        for layer in layers:
            if layer.dropout:  # drawn for nothing, as by the layers themselves
                layer.cell.draw_masks(sequences[:, 0], sequences, training)
        last, outputs, finals = layers[0]._run_kernel(sequences, states, mask, layers[1])
        finals = list(zip(*(final.unbind(0) for final in finals), strict=True))
        if self.stateful:
            for layer, own in zip(layers, finals, strict=True):
                layer._keep_states(own)
        if not self.return_sequences:
            outputs = self._merged(*last.unbind(0))
        else:
            if mask is not None:
                outputs = outputs.masked_fill(mask.logical_not().unsqueeze(-1), 0.0)
            if self.merge_mode == "concat":  # as the kernel gives them
                outputs = outputs.to(self.dtype_policy.torch_compute)
            else:
                outputs = self._merged(*outputs.chunk(2, dim=-1))
        return outputs, [state for own in finals for state in own]

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        output = self.forward_layer.compute_output_shape(sequences_shape)
        states = ()
        if self.return_state:
            output, *states = output
        if self.merge_mode == "concat":
            outputs = ((*output[:-1], output[-1] * 2),)
        else:
            outputs = (output,) if self.merge_mode else (output, output)
        if len(outputs) == 1 and not states:
            return outputs[0]
        return (*outputs, *states, *states)

    def compute_mask(self, inputs, mask):
        mask = tree.flatten(mask)[0] if mask is not None and self.return_sequences else None
        return mask if self.merge_mode else (mask, mask)

    # -- the kernel ---------------------------------------------------------------------------------------------------

    def explain_kernel(self, masked=False, training=False, initial_state=False):
        """`(kernel, reason)`: both directions as one kernel, or two runs and why."""
        obstacle = self._obstacle(training, masked or None, initial_state or None)
        if obstacle is None:
            return f"torch.{self.forward_layer._kernel}, bidirectional", "the same arithmetic"
        own = getattr(self.forward_layer, "explain_kernel", None)
        return f"two runs of {own()[0] if own else type(self.forward_layer).__name__}", obstacle

    def _obstacle(self, training, mask, initial_state):
        """Why one run of torch's kernel cannot serve both directions, or None."""
        forward, backward = self.forward_layer, self.backward_layer
        for layer in (forward, backward):
            found = layer._obstacle() if isinstance(layer, OwnCell) else None
            if found is not None:
                return found
            if getattr(layer, "_kernel", None) is None:
                return f"torch has no kernel for a {type(layer).__name__}"
            if layer._overridden:
                return f"{type(layer).__name__} has a `{layer._overridden}` of its own"
        return _differing(forward, backward) or _needing_two(forward, backward, training, mask, initial_state)


def _differing(forward, backward):
    if type(forward) is not type(backward) or forward._kernel != backward._kernel:
        return "the directions are layers of different kinds"
    if forward.time_major or backward.time_major:
        return "sequences lie before the batch"
    same = ("units", "use_bias", "dtype_policy")
    names = [name for name in same if getattr(forward, name) != getattr(backward, name)]
    if names:
        return f"the directions differ in {', '.join(names)}"
    return "the forward layer reads backwards" if forward.go_backwards else None


def _needing_two(forward, backward, training, mask, initial_state):
    """What a call asks for that one run cannot give."""
    if training and (forward.dropout or backward.dropout):
        return "each direction drops inputs of its own"
    if mask is not None and (initial_state is not None or forward.stateful):
        return "with a mask the backward direction begins with padding, through which the kernel holds zero states only"
    layers = forward, backward
    if mask is not None and forward.return_sequences and not all(layer.zero_output_for_mask for layer in layers):
        return "outputs are to be repeated at masked steps"
    if any(layer.activity_regularizer is not None for layer in layers):
        return "each direction has losses of its own"
    if any(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks for layer in layers):
        return "a direction has hooks"
    return None


def _halves(initial_state):
    """The states of each direction."""
    if initial_state is None:
        return None, None
    half = len(initial_state) // 2
    return list(initial_state[:half]), list(initial_state[half:])


def _copy(layer, name, prefix, **changes):
    """A layer made again from its config, under a name with that prefix, and built if it was. Classes and functions
    that it was made with need no registration."""
    held = layer._flatten_layers()
    known = {type(each).__name__: type(each) for each in held if registry.entry_of(type(each)) is None}
    for each in held:
        known.update((f.__name__, f) for f in _own_functions(each))
    config = {**layer.get_config(), **changes, "name": prefix + name.removeprefix(prefix)}
    made = type(layer).from_config(config, known)
    made.build_from_config(layer.get_build_config())
    made._keep(_declared_input=layer._declared_input)  # in no config, as is
    if hasattr(layer, "use_cudnn"):
        made.use_cudnn = layer.use_cudnn
    return made


def _own_functions(layer):
    values = (getattr(layer, each.attribute, None) for each in type(layer)._fields.values())
    return [v for v in values if isinstance(v, types.FunctionType) and registry.entry_of(v) is None]

"""TimeDistributed: one layer applied to each step of a sequence.

May import core and the families below layers. Time is folded into the batch wherever that gives the numbers of one call
per step; only our own layers are known well enough for that.
"""

import types

import torch

from torchkeras.core import registry, scopes, tree
from torchkeras.core.keras_tensor import is_shape
from torchkeras.core.kernels import slow_path
from torchkeras.core.layer import Layer
from torchkeras.core.masks import mask_of
from torchkeras.core.registry import published
from torchkeras.layers.wrapper import Wrapper

_OF_USERS = {"Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer"}  # run what they are given
_RATES = ("rate", "dropout", "recurrent_dropout", "stddev")


@published("layer", "keras.layers")
class TimeDistributed(Wrapper):
    """Applies a layer to every step of `(batch, steps, ...)`, with the same weights.

    Args:
        layer: a layer or model for `(batch, ...)`. It may have several inputs, each `(batch, steps, ...)`, and several
            outputs.

    Call arguments: `inputs`, `training`, `mask` `(batch, steps, ...)`: step i gets `mask[:, i]`. What comes out has the
    mask that the layer gives its own output; where it gives none, a step with anything in it counts.

    All steps are one call, with time folded into the batch, where that is the same: not for statistics and dropout in
    training, losses, kept states, and code of users. Which it is, and why: `explain_kernel()`.

    Example:
        >>> TimeDistributed(Dense(8))(torch.ones(2, 5, 3)).shape
        torch.Size([2, 5, 8])

    In torch: `layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])`.

    Raises `ValueError` for what is no layer, for inputs without steps or features, and for a mask of another size.
    """

    def _configure(self):
        self.supports_masking = True
        self._keep(_verdicts={})

    def build(self, input_shape):
        super().build(_one_step(self, input_shape))

    def call(self, inputs, training=None, mask=None):
        first = tree.flatten(inputs)[0]
        takes = self.layer._call_info
        options = {"training": training} if takes.training else {}
        masks = None
        if mask is not None:
            self._check_mask(first, mask)
            if self.layer.supports_masking or takes.mask or takes.masks:
                masks = tree.flatten(mask)
        if self._obstacle(training) is None:
            outputs = self.layer(_each(inputs, masks, lambda t: t.flatten(0, 1)), **options)
            return _joined([outputs], mask, lambda parts: parts[0].unflatten(0, first.shape[:2]))
        slow_path(self, training)
        steps = [self.layer(_each(inputs, masks, lambda t, i=i: t[:, i]), **options) for i in range(first.shape[1])]
        return _joined(steps, mask, lambda parts: torch.stack(parts, dim=1))

    def _check_mask(self, first, mask):
        for each in tree.flatten(mask):
            if each is not None and tuple(each.shape[:2]) != tuple(first.shape[:2]):
                raise ValueError(
                    f"Layer {self.name!r} needs a mask that begins with {tuple(first.shape[:2])} (batch and steps), "
                    f"got one of shape {tuple(each.shape)} for inputs of shape {tuple(first.shape)}."
                )

    def _pass_mask(self, inputs, outputs, mask):
        """The outputs have theirs from `call`."""
        return outputs

    def compute_output_shape(self, input_shape):
        steps = _first_shape(input_shape)[1]
        child = self.layer.compute_output_shape(_one_step(self, input_shape))
        return _map_shapes(lambda shape: (shape[0], steps, *shape[1:]), child)

    # -- one call or one per step -------------------------------------------------------------------------------------

    def explain_kernel(self, training=False):
        """`(kernel, reason)`: one call for all steps, or one per step and why."""
        obstacle = self._obstacle(training)
        return ("one call per step", obstacle) if obstacle else ("one call", "time is folded into the batch")

    def _obstacle(self, training):
        """Why one call for all steps would not give the numbers of one call per step, or None."""
        training = bool(training)
        if torch.compiler.is_compiling():
            return _obstacle_in(self.layer, training)
        changes, verdicts = scopes.process.loss_source_changes, self._verdicts
        if verdicts.get("changes") != changes:  # a layer joined or left a model, or began to add losses
            verdicts.clear()
            verdicts["changes"] = changes
        if training not in verdicts:
            verdicts[training] = _obstacle_in(self.layer, training)
        return verdicts[training]


def _obstacle_in(layer, training):
    reasons = (_reason(each, training) for each in layer._flatten_layers())
    return next((reason for reason in reasons if reason is not None), None)


def _reason(layer, training):
    """Why samples of a batch may not be independent of each other in this layer, those below aside."""
    name = f"{type(layer).__name__} {layer.name!r}"
    entry = registry.entry_of(type(layer))
    if entry is None or entry.name in _OF_USERS or _has_function_of_user(layer):
        return f"{name} runs code of a user, which may look across the batch"
    if not all(isinstance(each, Layer) for each in getattr(layer, "operations", ())):
        return f"{name} has operations between its layers, which may look across the batch"
    if layer.__dict__["_adds_losses"]:
        return f"{name} adds losses"
    if any(isinstance(axis, int) and (axis == 0 or axis < -1) for axis in tree.flatten(layer.__dict__.get("axis"))):
        return f"{name} may compute along the batch"
    if layer.__dict__.get("stateful"):
        return f"{name} keeps states from step to step"
    if training and any(not getattr(v, "_made_trainable", True) for v in layer._own_variables()):
        return f"{name} keeps statistics of each step in training"
    if training and layer._seed_generators and any(getattr(layer, each, 0) for each in _RATES):
        return f"{name} draws anew for each step in training"
    return None


def _has_function_of_user(layer):
    values = (getattr(layer, each.attribute, None) for each in type(layer)._fields.values())
    return any(isinstance(v, types.FunctionType) and registry.entry_of(v) is None for v in values)


# -- tensors, masks, shapes -------------------------------------------------------------------------------------------


def _each(inputs, masks, take):
    """What `take` makes of every input, with what it makes of its mask."""
    taken = [take(tensor) for tensor in tree.flatten(inputs)]
    if masks is not None:
        for tensor, mask in zip(taken, masks * len(taken) if len(masks) == 1 else masks, strict=False):
            if mask is not None:
                tensor._keras_mask = take(mask)
    return tree.pack_sequence_as(inputs, taken)


def _joined(parts, mask, join):
    """The outputs of all calls as one structure, with their masks; where a call gave none, that of the inputs."""
    given = None if mask is None else next(each for each in tree.flatten(mask) if each is not None)
    leaves = []
    for each in zip(*map(tree.flatten, parts), strict=True):
        leaf = join(each)
        if given is not None:
            masks = [mask_of(part) for part in each]
            if all(_fits(found, part) for found, part in zip(masks, each, strict=True)):
                leaf._keras_mask = join(masks)
            else:
                leaf._keras_mask = given.flatten(2).any(-1) if given.dim() > 2 else given
        leaves.append(leaf)
    return tree.pack_sequence_as(parts[0], leaves)


def _fits(mask, tensor):
    """Whether there is a mask for this tensor; models hand on that of their inputs, whatever became of the axes."""
    return mask is not None and mask.shape == tensor.shape[: mask.dim()]


def _map_shapes(function, shapes):
    if is_shape(shapes):
        return function(shapes)
    if isinstance(shapes, dict):
        return {key: _map_shapes(function, shape) for key, shape in shapes.items()}
    return type(shapes)(_map_shapes(function, shape) for shape in shapes)


def _first_shape(shapes):
    while not is_shape(shapes):
        shapes = next(iter(shapes.values() if isinstance(shapes, dict) else shapes))
    return shapes


def _one_step(layer, shapes):
    """The shapes of one step."""

    def step(shape):
        if len(shape) < 3:
            raise ValueError(
                f"Layer {layer.name!r} takes inputs of at least 3 axes (batch, steps, ...), got the shape "
                f"{tuple(shape)}."
            )
        return (shape[0], *shape[2:])

    return _map_shapes(step, shapes)

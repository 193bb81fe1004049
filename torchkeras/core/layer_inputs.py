"""What comes in through a layer's door and the masks that travel with it.

May import core. A mixin of `core.layer.Layer`; knows nothing of building, graphs or configs.
"""

import itertools
import operator
import warnings

import numpy as np
import torch

from torchkeras.core import conversion, registry, scopes, tree
from torchkeras.core.array_likes import holds_array
from torchkeras.core.dtypes import is_float_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.masks import any_mask, mask_of, masks_in
from torchkeras.errors import UnsupportedInputError


class LayerInputs:
    """Conversion of a call's arguments, and masks."""

    _takes_several = False  # whether the first argument is made to be several tensors, so that errors do not blame that
    _masks_inside = False  # whether the layers inside put masks on the outputs, as those of a graph do
    _convert_input_args = True  # Keras's switch, for layers that take words, arrays or other objects as they are
    _allow_non_tensor_positional_args = True  # Keras's too; layers of users take what they like
    _takes_strings = False  # whether a published layer is content with arrays of strings, as models are
    _takes_numbers = False  # whether a published layer takes a Python number for its input, as Keras's data layers do

    # -- inputs at the door -------------------------------------------------------------------------------------------

    def _convert(self, args, kwargs):
        """Arrays to tensors on the layer's device, floats to the compute dtype; symbolic tensors as they are."""
        if not self._convert_input_args:
            return args, kwargs
        names = self._call_info.names
        new_args = []
        for position, value in enumerate(args):
            name = names[position] if position < len(names) else f"argument {position}"
            new_args.append(self._convert_argument(value, name))
        new_kwargs = {key: self._convert_argument(value, key) for key, value in kwargs.items()}
        if args:
            name = names[0] if names else "inputs"
            if conversion.is_number_list(args[0]):
                new_args[0] = self._convert_leaf(conversion.as_tensor(args[0], None, self._device()), name)
        if registry.entry_of(type(self)) is not None:
            self._require_tensors(names, new_args, new_kwargs)
        return tuple(new_args), new_kwargs

    def _fit_as_they_are(self, args, kwargs):
        """Whether arguments need no conversion and carry no mask: plain tensors in the compute dtype (integers too),
        lists of them, None and flags. Such calls of a built layer skip everything that the others need."""
        if kwargs.get("mask") is not None:
            return False
        policy = self.__dict__["_dtype_policy"]
        for value in (*args, *kwargs.values()):
            kind = type(value)
            if kind is list or kind is tuple:
                if not all(type(item) is torch.Tensor and _is_plain(item, policy) for item in value):
                    return False
            elif kind is torch.Tensor:
                if not _is_plain(value, policy):
                    return False
            elif value is not None and kind is not bool:
                return False
        return bool(args)

    def _require_tensors(self, names, args, kwargs):
        """The arguments that a published layer must have are data; users' layers may take what they like."""
        for place, name in enumerate(names[: max(self._call_info.needed, 1)]):
            if place < len(args):
                args[place] = self._tensors(args[place], name)
            elif name in kwargs:
                kwargs[name] = self._tensors(kwargs[name], name)

    def _tensors(self, value, name):
        def tensor(leaf):
            if leaf is None or isinstance(leaf, (torch.Tensor, KerasTensor)):
                return leaf
            if isinstance(leaf, np.ndarray) and self._takes_strings:
                return leaf
            if self._takes_numbers and isinstance(leaf, conversion.NUMBERS):
                return self._convert_leaf(conversion.as_tensor(leaf, None, self._device()), name)
            if conversion.is_array_like(leaf):  # a stand-in for a tensor, which users' layers get as it is
                return self._convert_leaf(conversion.as_tensor(leaf, what=self._name_of(name)), name)
            raise UnsupportedInputError(
                f"Layer {self.name!r} takes tensors (or arrays) as `{name}`, got {leaf!r} of type "
                f"{type(leaf).__name__}."
            )

        return tree.map_structure(tensor, value) if tree.is_nested(value) else tensor(value)

    def _in_floats(self, inputs, dtype=None):
        """Whole numbers and bools as floats, of the compute dtype by default. Complex numbers would lose a part."""
        if inputs.is_complex():
            kind = str(inputs.dtype).removeprefix("torch.")
            raise UnsupportedInputError(
                f"Layer {self.name!r} computes with {self.compute_dtype} numbers, got {kind} inputs of shape "
                f"{tuple(inputs.shape)}: give it their real part, their absolute value, or both parts side by side."
            )
        return inputs.to(dtype or self.dtype_policy.torch_compute)

    def _name_of(self, argument):
        return f"`{argument}` of layer {self.name!r}"

    def _convert_argument(self, value, name):
        if value is None or isinstance(value, (bool, str)):
            return value
        if name.endswith("mask"):
            return self._convert_mask(value, name)
        if not tree.is_nested(value):
            return self._convert_leaf(value, name)
        return tree.map_structure(lambda leaf: self._convert_leaf(leaf, name), value)

    def _convert_mask(self, value, name):
        """Masks keep their dtype; a list of numbers is one mask, any other a structure of masks."""
        if conversion.is_number_list(value):
            return conversion.as_tensor(value, None, self._device())

        def mask(leaf):
            if holds_array(leaf) and not isinstance(leaf, (torch.Tensor, KerasTensor)):
                return conversion.as_tensor(leaf, None, self._device(), self._name_of(name))
            return leaf

        return tree.map_structure(mask, value) if tree.is_nested(value) else mask(value)

    def _convert_leaf(self, value, name):
        """Arrays of every library become tensors, arrays of strings arrays of numpy; floats get the compute dtype."""
        if not isinstance(value, torch.Tensor):
            if not holds_array(value) or isinstance(value, KerasTensor):
                return value
            value = conversion.as_tensor_or_strings(value, self._device(), self._name_of(name))
            if not isinstance(value, torch.Tensor):
                return value
        policy = self.dtype_policy
        if policy.casts and self.autocast and value.is_floating_point() and value.dtype is not policy.torch_compute:
            mask = mask_of(value)
            value = value.to(policy.torch_compute)
            if mask is not None:
                value._keras_mask = mask
        return value

    def _dtype_inside(self, dtype):
        """The dtype that inputs of this one have in `call`."""
        casts = self.dtype_policy.casts and self.autocast and is_float_dtype(dtype)
        return self.compute_dtype if casts else dtype

    def _device(self):
        for parameter in self.parameters():
            return parameter.device
        return scopes.default_device()

    # -- masks --------------------------------------------------------------------------------------------------------

    def compute_mask(self, inputs, previous_mask):
        """The mask of the outputs; by default the one that came in (when `supports_masking`)."""
        return previous_mask

    def _fill_masks(self, info, args, kwargs):
        """Hands the masks that tensors carry to `call`; returns those of the first argument.

        With one tensor argument its mask goes to `mask`; with several, each argument's to `<argument>_mask` only.
        """
        values = dict(zip(info.names, args, strict=False))
        values.update(kwargs)
        first = args[0] if args else next(iter(values.values()), None)
        mask = masks_in(first)
        for name, keyword in info.masks.items():
            if name in values and values.get(keyword) is None:
                found = masks_in(values[name])
                if any_mask(found):
                    kwargs[keyword] = found
        if info.mask and any_mask(mask) and values.get("mask") is None and "mask" not in info.names[: len(args)]:
            if sum(_holds_tensor(value) for name, value in values.items() if not name.endswith("mask")) == 1:
                kwargs["mask"] = mask
        given = kwargs.get("mask", values.get("mask"))
        return given if given is not None else mask

    def _pass_mask(self, inputs, outputs, mask):
        """The outputs with their masks: what the layer's class says with a `compute_mask` of its own, else what `call`
        or a layer inside has put on them, else what came in."""
        if not self.supports_masking:
            if any_mask(mask) and outputs is not inputs and not self._masks_inside:
                self._warn_of_mask()
            return outputs
        leaves = tree.flatten(outputs)
        if not self._makes_mask and all(mask_of(leaf) is not None for leaf in leaves):
            return outputs
        masks = self.compute_mask(inputs, mask)
        if masks is None:
            return outputs
        pairs = itertools.zip_longest(leaves, tree.flatten(masks)[: len(leaves)])
        masked = [self._with_mask(leaf, each) for leaf, each in pairs]
        if all(map(operator.is_, masked, leaves)):
            return outputs
        return tree.pack_sequence_as(outputs, masked)

    def _with_mask(self, tensor, mask):
        if mask is None or not isinstance(tensor, torch.Tensor):
            return tensor
        before = mask_of(tensor)
        if before is not None:
            if mask is before or not self._makes_mask:
                return tensor
            tensor = tensor.view_as(tensor)  # it may be an input, which others read with its own mask
        tensor._keras_mask = mask
        return tensor

    def _warn_of_mask(self):
        if not self.__dict__.get("_warned_of_mask"):
            self.__dict__["_warned_of_mask"] = True
            warnings.warn(
                f"Layer {self.name!r} (of type {type(self).__name__}) was passed an input with a mask attached to it. "
                "However, this layer does not support masking and will therefore destroy the mask information. "
                "Downstream layers will not see the mask.",
                stacklevel=4,
            )

    def _penalize_activity(self, outputs):
        for tensor in tree.flatten(outputs):
            if isinstance(tensor, torch.Tensor):
                self.add_loss(self.activity_regularizer(tensor) / max(tensor.shape[0] if tensor.dim() else 1, 1))


def _is_plain(tensor, policy):
    """Whether a tensor has no mask and no float type to cast."""
    cast = tensor.dtype is not policy.torch_compute and tensor.is_floating_point()
    return not cast and mask_of(tensor) is None


def _holds_tensor(value):
    return any(isinstance(leaf, torch.Tensor) for leaf in tree.flatten(value))

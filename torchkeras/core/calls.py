"""What a layer's `call` and `build` take, worked out once per class; and the matching of shapes to arguments.

May import core. Nothing here runs per call of a built layer.
"""

import functools
import inspect
import math

import torch

from torchkeras.core import tree
from torchkeras.core.keras_tensor import KerasTensor, Shape, is_shape, standardize_shape


def ignores_training(call):
    """Decorator of a `call` that takes `training` only because Keras's does, so that subclasses can hand it on; nothing
    asks which it is."""
    call._ignores_training = True
    return call


class CallInfo:
    """The facts of one `call` signature.

    Attributes:
        names: positional parameter names without self.
        training, mask: whether `call` takes them by name (and does not ignore them).
        most: how many arguments it takes by position.
        needed: how many positional parameters have no default.
        training_place: position of `training` among `names`, or None.
        training_default: the bool that `call` declares as its default, or None.
        any_keyword: whether it has `**kwargs`.
        masks: mask parameter for each tensor parameter (`{"query": "query_mask"}`; "mask" for the first).
    """

    def __init__(self, call):
        self.call = call
        parameters = list(inspect.signature(call).parameters.values())[1:]
        kinds = inspect.Parameter
        if getattr(call, "_ignores_training", False):  # a second tensor is no `training`
            parameters = [p.replace(kind=kinds.KEYWORD_ONLY) if p.name == "training" else p for p in parameters]
        self.names = [p.name for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        self.most = math.inf if any(p.kind is kinds.VAR_POSITIONAL for p in parameters) else len(self.names)
        self.needed = sum(p.name in self.names and p.default is p.empty for p in parameters)
        accepted = {p.name for p in parameters if p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)}
        self.accepted = accepted
        self.any_keyword = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
        self.training = "training" in accepted and not getattr(call, "_ignores_training", False)
        self.training_place = self.names.index("training") if self.training and "training" in self.names else None
        default = next((p.default for p in parameters if p.name == "training"), None)
        self.training_default = default if isinstance(default, bool) else None
        self.mask = "mask" in accepted
        self.masks = {name: f"{name}_mask" for name in self.names if f"{name}_mask" in accepted}
        self.signature = inspect.Signature(parameters)

    def bind(self, args, kwargs):
        """Argument name -> value, as passed."""
        return dict(self.signature.bind(*args, **kwargs).arguments)


def is_tensor_like(value):
    """Whether a value counts as a tensor argument: torch tensors and symbolic ones."""
    return isinstance(value, (torch.Tensor, KerasTensor))


def tensor_arguments(arguments):
    """The arguments that are tensors or hold only tensors (and at least one), by name."""
    found = {}
    for name, value in arguments.items():
        leaves = tree.flatten(value) if tree.is_nested(value) else [value]
        present = [leaf for leaf in leaves if leaf is not None]
        if present and all(is_tensor_like(leaf) for leaf in present):
            found[name] = value
    return found


def shape_tree(value, probe=None):
    """Shapes in the structure of tensors; sizes that a running probe put in become None again."""

    def shape_of(leaf):
        if leaf is None:
            return None
        return probe.unknown(leaf.shape) if probe is not None else Shape(leaf.shape)

    if not tree.is_nested(value):
        return shape_of(value)
    return tree.map_structure(shape_of, value)


@functools.cache
def _parameters(function):
    parameters = list(inspect.signature(function).parameters.values())
    kinds = inspect.Parameter
    names = [
        p.name for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
    ]
    return names[1:], any(p.kind is kinds.VAR_KEYWORD for p in parameters)


def shape_arguments(method, shapes):
    """Arguments for `build` or `compute_output_shape` from the shapes of the tensor arguments.

    One tensor argument, or a method with one parameter: its shape by position. Otherwise `<argument>_shape` by name,
    as far as the method takes them.
    """
    names, any_keyword = _parameters(method)
    if not names and not any_keyword:
        return (), {}
    named = {f"{name}_shape": shape for name, shape in shapes.items()}
    by_name = {key: shape for key, shape in named.items() if any_keyword or key in names}
    if len(shapes) == 1 or len(names) == 1 or not by_name:
        first = next(iter(shapes.values()), None)
        return (first,), {}
    return (), by_name


def missing_shape(method, args, kwargs):
    """The first parameter without a default for which `shape_arguments` found no shape, or None."""
    parameters = list(inspect.signature(method).parameters.values())[1 + len(args) :]
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return next((p.name for p in parameters if p.kind in plain and p.default is p.empty and p.name not in kwargs), None)


def normalize_shapes(value):
    """User-given shapes (`build((None, 3))`, lists and dicts of them) as `Shape`s."""
    if value is None:
        return None
    if is_shape(value) or isinstance(value, torch.Size):
        return standardize_shape(value)
    if isinstance(value, dict):
        return {key: normalize_shapes(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(normalize_shapes(item) for item in value)
    return value

"""Optimizers by name, class, config or instance.

May import core and this folder. Knows each optimizer by what the registry says.
"""

import torch

from torchkeras.core import registry
from torchkeras.core.family import Family
from torchkeras.core.fields import refuse_unknown
from torchkeras.optimizers.optimizer import Optimizer
from torchkeras.optimizers.torch_optimizer import TorchOptimizer


class _Optimizers(Family):
    """Names in any case, with or without a module; optimizers of torch, and what makes one, are wrapped."""

    def is_member(self, found):
        return isinstance(found, torch.optim.Optimizer)

    def get(self, identifier):
        if _is_of_torch(identifier):
            return TorchOptimizer(identifier)
        if isinstance(identifier, type) and not issubclass(identifier, Optimizer):
            raise ValueError(f"{identifier.__name__} is no optimizer: give a name such as 'adam', or an optimizer.")
        return super().get(_published_name(identifier))

    def deserialize(self, config, custom_objects=None, use_legacy_format=False):
        with registry.CustomObjectScope(custom_objects or {}):
            if isinstance(config, dict):
                config = {**config, "class_name": _published_name(config.get("class_name"))}
            return super().deserialize(config)


def _is_of_torch(identifier):
    """Whether torch's own optimizer is meant: one, its class, or a function that makes one from parameters."""
    if isinstance(identifier, type):
        return issubclass(identifier, torch.optim.Optimizer) and not issubclass(identifier, Optimizer)
    if isinstance(identifier, torch.optim.Optimizer):
        return not isinstance(identifier, Optimizer)
    return callable(identifier) and not hasattr(identifier, "get_config")


_family = _Optimizers("optimizer", "adam", more_kinds=("torch optimizer",))


def _published_name(name):
    """The name as published: "ADAM", "Custom>Adam" and "adam" are all Adam; anything else is left as it is."""
    if not isinstance(name, str):
        return name
    short = name.split(">")[-1]
    if registry.find_custom(name, short) is None:
        for known in registry.names_of_kind("optimizer"):
            if known.lower() == short.lower():
                return registry.entry_of(registry.find(known, ("optimizer",))).name
    return name


def serialize(optimizer, **old):
    """The config of an optimizer as a dict with its class name."""
    _refuse("serialize", old)
    return _family.serialize(optimizer)


def deserialize(config, custom_objects=None, **old):
    """An optimizer from its dict; class names in any case, with or without a module.

    Args:
        config: what `serialize` gave, or `{"class_name": ..., "config": ...}`.
        custom_objects: dict of names to optimizer classes of your own.
    """
    _refuse("deserialize", old)
    return _family.deserialize(config, custom_objects)


def get(identifier, **old):
    """An optimizer from a name, class, config dict or instance; `None` gives `None`.

    A `torch.optim.Optimizer`, such a class, and a function that makes one from a list of parameters give a
    `TorchOptimizer`. Raises `ValueError` for anything else.
    """
    _refuse("get", old)
    return _family.get(identifier)


def _refuse(owner, old):
    refuse_unknown(owner, {k: v for k, v in old.items() if k not in ("use_legacy_optimizer", "use_legacy_format")})

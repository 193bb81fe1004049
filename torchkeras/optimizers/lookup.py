"""Optimizers by name, class, config or instance.

May import core and this folder. Knows each optimizer by what the registry says.
"""

import torch

from torchkeras.core import registry
from torchkeras.core.family import Family
from torchkeras.core.fields import refuse_unknown
from torchkeras.optimizers.optimizer import Optimizer


class _Optimizers(Family):
    """Names in any case, with or without a module; optimizers of torch serve as they are."""

    def is_member(self, found):
        return isinstance(found, torch.optim.Optimizer)

    def get(self, identifier):
        if isinstance(identifier, type) and not issubclass(identifier, Optimizer):
            name = identifier.__name__
            raise ValueError(f"{name} needs parameters: pass an instance, such as {name}(model.parameters(), lr=...).")
        return super().get(_published_name(identifier))

    def deserialize(self, config, custom_objects=None, use_legacy_format=False):
        with registry.CustomObjectScope(custom_objects or {}):
            if isinstance(config, dict):
                config = {**config, "class_name": _published_name(config.get("class_name"))}
            return super().deserialize(config)


_family = _Optimizers("optimizer", "adam")


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

    A plain `torch.optim.Optimizer` is returned as it is. Raises `ValueError` for anything else.
    """
    _refuse("get", old)
    return _family.get(identifier)


def _refuse(owner, old):
    refuse_unknown(owner, {k: v for k, v in old.items() if k not in ("use_legacy_optimizer", "use_legacy_format")})

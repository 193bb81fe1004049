"""Optimizers by name, class, config or instance.

May import core and this folder. Knows each optimizer by what the registry says.
"""

import torch

from torchkeras.core import registry
from torchkeras.core.fields import refuse_unknown
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.optimizers.optimizer import Optimizer

_KINDS = ("optimizer",)


def serialize(optimizer, **old):
    """The config of an optimizer as a dict with its class name."""
    _refuse("serialize", old)
    return serialize_keras_object(optimizer)


def deserialize(config, custom_objects=None, **old):
    """An optimizer from its dict; class names in any case, with or without a module.

    Args:
        config: what `serialize` gave, or `{"class_name": ..., "config": ...}`.
        custom_objects: dict of names to optimizer classes of your own.
    """
    _refuse("deserialize", old)
    config = dict(config)
    name = config.get("class_name")
    if isinstance(name, str):
        config["class_name"] = _published_name(name)
    return deserialize_keras_object(config, custom_objects=custom_objects, kinds=_KINDS, printable_name="optimizer")


def get(identifier, **old):
    """An optimizer from a name, class, config dict or instance; `None` gives `None`.

    A plain `torch.optim.Optimizer` is returned as it is. Raises `ValueError` for anything else.
    """
    _refuse("get", old)
    if identifier is None:
        return None
    found = identifier
    if isinstance(identifier, str):
        found = deserialize({"class_name": identifier, "config": {}})
    elif isinstance(identifier, dict):
        found = deserialize(identifier)
    elif isinstance(identifier, type) and issubclass(identifier, Optimizer):
        found = identifier()
    if isinstance(found, torch.optim.Optimizer):
        return found
    if isinstance(identifier, type) and issubclass(identifier, torch.optim.Optimizer):
        raise ValueError(
            f"{identifier.__name__} needs parameters: pass {identifier.__name__}(model.parameters(), lr=...)."
        )
    raise ValueError(
        f"Could not interpret optimizer identifier {identifier!r}: pass a name such as 'adam', an optimizer, its class "
        "or its config."
    )


def _published_name(name):
    """The name as published: "ADAM", "Custom>Adam" and "adam" are all Adam; other names are left as they are."""
    short = name.split(">")[-1]
    if registry.find_custom(name, short) is None:
        for known in registry.names_of_kind("optimizer"):
            if known.lower() == short.lower():
                return registry.entry_of(registry.find(known, _KINDS)).name
    return name


def _refuse(owner, old):
    refuse_unknown(owner, {k: v for k, v in old.items() if k not in ("use_legacy_optimizer", "use_legacy_format")})


registry.set_resolver("optimizer", get)

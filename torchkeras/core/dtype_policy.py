"""Dtype policies: in which type a layer keeps its weights and in which it computes.

May import core. Knows no layer. Quantized policies and maps of policies are in `policy_kinds.py`.
"""

import torch

from torchkeras.core import conversion, registry
from torchkeras.core.dtypes import FLOATS, KNOWN, is_float_dtype, standardize_dtype, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.scopes import settings

MIXED = ("mixed_float16", "mixed_bfloat16")
_parsers = {}  # beginning of a name -> function that makes the policy of a whole name


@registry.published("policy", "keras", aliases=("Policy",))
class DTypePolicy:
    """A dtype name, or `"mixed_float16"`/`"mixed_bfloat16"`: compute in 16 bits, keep weights in float32.

    Example:
        >>> DTypePolicy("mixed_float16").compute_dtype, DTypePolicy("mixed_float16").variable_dtype
        ('float16', 'float32')
    """

    quantization_mode = None

    def __init__(self, name=None):
        if name is None:
            name = dtype_policy().name
        self._name = name
        self._set_dtypes(name)

    def _set_dtypes(self, name):
        """The dtypes that a plain or mixed name stands for. Raises `TypeError` and `ValueError` for what is none."""
        if not isinstance(name, str):
            raise TypeError(f"A policy's name must be a string such as 'mixed_float16', got {name!r}.")
        if name not in MIXED and name not in KNOWN:
            raise ValueError(f"Unknown dtype policy {name!r}: use a dtype name or one of {list(MIXED)}.")
        self.compute_dtype = name.removeprefix("mixed_")
        self.variable_dtype = "float32" if name in MIXED else name
        # Torch types and flags that every layer call reads.
        self.mixed = name in MIXED
        self.torch_compute = None if name == "string" else torch_dtype(self.compute_dtype)
        self.casts = self.compute_dtype in FLOATS

    name = property(lambda self: self._name)

    def convert_input(self, x, autocast, dtype):
        """`x` in `dtype` if it holds floats and `autocast` is on; arrays become tensors, all else stays as it is."""
        if hasattr(x, "__array__") and not isinstance(x, (torch.Tensor, KerasTensor)):
            x = conversion.as_tensor(x)
        if not autocast or not isinstance(x, (torch.Tensor, KerasTensor)) or not is_float_dtype(x.dtype):
            return x
        if standardize_dtype(x.dtype) == standardize_dtype(dtype):
            return x
        if isinstance(x, torch.Tensor):
            return x.to(torch_dtype(dtype))
        return x.cast_to(dtype)

    def get_config(self):
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __eq__(self, other):
        return type(other) is type(self) and self.name == other.name

    def __hash__(self):
        return hash(self.name)

    def __repr__(self):
        return f'<{type(self).__name__} "{self.name}">'


FloatDTypePolicy = Policy = DTypePolicy
registry.register(DTypePolicy, "policy", "keras", name="FloatDTypePolicy")


def add_names(beginning, make):
    """Called once by each further kind of policies: names that begin so are made by `make(name)`."""
    _parsers[beginning] = make


def get(identifier):
    """A policy from a policy, name, dtype object, config dict or None (the global policy)."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return _from_dict(identifier)
    if isinstance(identifier, str):
        return _named(identifier)
    return _named(standardize_dtype(identifier))


def _from_dict(described):
    """A policy from what `serialize` gives, or from a bare config."""
    config = described.get("config", described)
    name = described.get("class_name", "DTypePolicy")
    cls = registry.find_custom(described.get("registered_name"), name) or registry.find(name, ("policy",))
    if cls is None:
        known = ", ".join(registry.names_of_kind("policy"))
        raise ValueError(f"Unknown dtype policy class {name!r}. There are {known}; yours go into custom_objects.")
    return get(config.get("name")) if cls is DTypePolicy else cls.from_config(config)


_cache = {}


def _named(name):
    if name not in _cache:
        make = next((make for beginning, make in _parsers.items() if name.startswith(beginning)), DTypePolicy)
        if make is not DTypePolicy and name in KNOWN:  # "int8" is a dtype, "int8_from_float32" a quantized policy
            make = DTypePolicy
        _cache[name] = make(name)
    return _cache[name]


def dtype_policy():
    """The global policy: what `set_dtype_policy` said, else the one of `floatx()`."""
    return settings.policy if settings.policy is not None else _named(settings.floatx)


def set_dtype_policy(policy):
    """Sets the policy of layers made from now on: a name or a policy. None goes back to that of `floatx()`.

    Raises `ValueError` for anything else.
    """
    if policy is not None and not isinstance(policy, (str, DTypePolicy)):
        raise ValueError(f"A policy's name or a DTypePolicy is needed, such as 'mixed_float16'; got {policy!r}.")
    settings.policy = None if policy is None else get(policy)

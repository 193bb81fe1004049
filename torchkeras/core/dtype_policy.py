"""Dtype policies: in which type a layer keeps its weights and in which it computes.

May import core. Knows no layer.
"""

from torchkeras.core import registry
from torchkeras.core.dtypes import FLOATS, KNOWN, standardize_dtype, torch_dtype
from torchkeras.core.scopes import settings

MIXED = ("mixed_float16", "mixed_bfloat16")


@registry.published("policy", "keras", aliases=("Policy",))
class DTypePolicy:
    """A dtype name, or `"mixed_float16"`/`"mixed_bfloat16"`: compute in 16 bits, keep weights in float32.

    Example:
        >>> DTypePolicy("mixed_float16").compute_dtype, DTypePolicy("mixed_float16").variable_dtype
        ('float16', 'float32')
    """

    def __init__(self, name=None, source_name=None):
        if name is None:
            name = dtype_policy().name
        if not isinstance(name, str):
            raise TypeError(f"A policy's name must be a string such as 'mixed_float16', got {name!r}.")
        if name not in MIXED and name not in KNOWN:
            raise ValueError(f"Unknown dtype policy {name!r}: use a dtype name or one of {list(MIXED)}.")
        self._name = name
        self.compute_dtype = name.removeprefix("mixed_")
        self.variable_dtype = "float32" if name in MIXED else name
        # Torch types and flags that every layer call reads.
        self.mixed = name in MIXED
        self.torch_compute = None if name == "string" else torch_dtype(self.compute_dtype)
        self.casts = self.compute_dtype in FLOATS
        self.quantization_mode = None

    name = property(lambda self: self._name)

    def get_config(self):
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __eq__(self, other):
        return isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self):
        return hash(self.name)

    def __repr__(self):
        return f"<DTypePolicy {self.name!r}>"


FloatDTypePolicy = Policy = DTypePolicy
registry.register(DTypePolicy, "policy", "keras", name="FloatDTypePolicy")


def get(identifier):
    """A policy from a policy, name, dtype object, config dict or None (the global policy)."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        config = identifier.get("config", identifier)
        return get(config.get("name"))
    if isinstance(identifier, str):
        return _named(identifier)
    return _named(standardize_dtype(identifier))


_cache = {}


def _named(name):
    if name not in _cache:
        _cache[name] = DTypePolicy(name)
    return _cache[name]


def dtype_policy():
    """The global policy: what `set_dtype_policy` said, else the one of `floatx()`."""
    return settings.policy if settings.policy is not None else _named(settings.floatx)


def set_dtype_policy(policy):
    """Sets the policy of layers made from now on. Accepts a name or a policy."""
    settings.policy = None if policy is None else get(policy)

"""Quantized dtype policies, and a map from layer paths to policies.

May import core. What a quantized layer does with its policy is not known here: a policy says how it is called, what
mode it names, and in which types the layer computes and keeps what is not quantized.
"""

import re
from collections.abc import MutableMapping

from torchkeras.core import dtype_policy, registry
from torchkeras.core.dtype_policy import DTypePolicy, add_names
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object

QUANTIZATION_MODES = ("int8", "float8", "int4", "gptq", "awq")


@registry.published("policy", "keras.dtype_policies")
class QuantizedDTypePolicy(DTypePolicy):
    """A quantization mode over a plain policy; its name is `<mode>_from_<source_name>`.

    Args:
        mode: "int8", "float8", "int4", "gptq" or "awq".
        source_name: name of the policy for everything that is not quantized; by default the global one.

    Example:
        >>> policy = QuantizedDTypePolicy("int8", "mixed_bfloat16")
        >>> policy.name, policy.compute_dtype, policy.variable_dtype
        ('int8_from_mixed_bfloat16', 'bfloat16', 'float32')
    """

    def __init__(self, mode, source_name=None):
        self._source_name = source_name = dtype_policy.dtype_policy().name if source_name is None else source_name
        self._set_dtypes(source_name)
        if mode not in QUANTIZATION_MODES:
            raise ValueError(f"Unknown quantization mode {mode!r}: use one of {', '.join(QUANTIZATION_MODES)}.")
        if mode == "int8" and self.compute_dtype == "float16":
            raise ValueError("int8 quantization does not go with computing in float16: choose bfloat16 or float32.")
        self.quantization_mode = mode
        self._name = f"{mode}_from_{source_name}"

    def get_config(self):
        return {"mode": self.quantization_mode, "source_name": self._source_name}


@registry.published("policy", "keras.dtype_policies")
class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """Training in float8: `amax_history_length` largest values are remembered to choose scales."""

    default_amax_history_length = 1024

    def __init__(self, mode, source_name=None, amax_history_length=1024):
        super().__init__(mode, source_name)
        if not isinstance(amax_history_length, int):
            raise TypeError(f"`amax_history_length` must be an integer, got {amax_history_length!r}.")
        self._amax_history_length = amax_history_length

    amax_history_length = property(lambda self: self._amax_history_length)

    def get_config(self):
        return {**super().get_config(), "amax_history_length": self.amax_history_length}

    def __eq__(self, other):
        return super().__eq__(other) and self.amax_history_length == other.amax_history_length

    __hash__ = DTypePolicy.__hash__


class _Parameterized(QuantizedDTypePolicy):
    """A quantized policy whose mode carries integers: `mode/number/number`."""

    form = ""  # such as "gptq/<weight_bits>/<group_size>"

    def __init__(self, mode, source_name=None):
        head, *names = re.findall(r"\w+", self.form)
        parts = mode.split("/")
        if len(parts) != len(names) + 1 or parts[0] != head:
            raise ValueError(f"The mode of {type(self).__name__} must look like {self.form!r}, got {mode!r}.")
        if not all(re.fullmatch(r"-?\d+", part) for part in parts[1:]):
            raise ValueError(f"The parts of mode {self.form!r} must be integers, got {mode!r}.")
        super().__init__(head, source_name)
        self.mode, self._whole_mode = head, mode
        self._name = f"{mode}_from_{self._source_name}"
        for name, part in zip(names, parts[1:], strict=True):
            setattr(self, name, int(part))
        self._check()

    def _check(self):
        """Raises `ValueError` for numbers that the method does not know."""

    def _require_size(self, name):
        size = getattr(self, name)
        if size < -1 or size == 0:
            raise ValueError(f"{name} must be positive, or -1 for a whole axis; mode {self._whole_mode!r} has {size}.")

    def _require_bits(self, *known):
        if self.weight_bits not in known:
            raise ValueError(f"weight_bits must be among {known}; mode {self._whole_mode!r} has {self.weight_bits}.")

    def get_config(self):
        names = re.findall(r"\w+", self.form)[1:]
        return {**super().get_config(), "mode": "/".join([self.mode, *(str(getattr(self, name)) for name in names)])}


@registry.published("policy", "keras.dtype_policies")
class Int4DTypePolicy(_Parameterized):
    """4-bit weights in blocks: mode "int4/128" for blocks of 128 numbers, "int4/-1" for whole channels."""

    form = "int4/<block_size>"

    def __init__(self, mode, source_name=None):
        super().__init__(mode, source_name)

    def _check(self):
        self._require_size("block_size")


@registry.published("policy", "keras.dtype_policies")
class GPTQDTypePolicy(_Parameterized):
    """GPTQ: mode "gptq/4/128" for 4-bit weights in groups of 128; 2, 3, 4 or 8 bits."""

    form = "gptq/<weight_bits>/<group_size>"

    def __init__(self, mode, source_name=None):
        super().__init__(mode, source_name)

    def _check(self):
        self._require_bits(2, 3, 4, 8)
        self._require_size("group_size")


@registry.published("policy", "keras.dtype_policies")
class AWQDTypePolicy(_Parameterized):
    """AWQ: mode "awq/4/128" for 4-bit weights in groups of 128."""

    form = "awq/<weight_bits>/<group_size>"

    def __init__(self, mode, source_name=None):
        super().__init__(mode, source_name)

    def _check(self):
        self._require_bits(4)
        self._require_size("group_size")


def _quantized(name):
    """The policy of a name such as "int8_from_float32" or "gptq/4/128_from_mixed_bfloat16"."""
    mode, *source = name.split("_from_")
    if len(source) != 1:
        raise ValueError(f"A quantized policy's name looks like 'int8_from_float32', got {name!r}.")
    kinds = {"gptq": GPTQDTypePolicy, "awq": AWQDTypePolicy, "float8": QuantizedFloat8DTypePolicy}
    cls = kinds.get(mode.split("/")[0], QuantizedDTypePolicy)
    if mode.startswith("int4/"):
        cls = Int4DTypePolicy
    return cls(mode, source[0])


for _mode in QUANTIZATION_MODES:
    add_names(_mode, _quantized)


# -- policies by path -------------------------------------------------------------------------------------------------


@registry.published("policy", "keras.dtype_policies")
class DTypePolicyMap(DTypePolicy, MutableMapping):
    """A dict from layer paths (or regular expressions of whole paths) to policies, with a default for the rest.

    Args:
        default_policy: what paths without an entry get; by default the global policy.
        policy_map: dict of path -> policy.

    Raises `ValueError` where a path matches several expressions, and for a key that is there already.

    Example:
        >>> policies = DTypePolicyMap("float32", {"encoder/.*": DTypePolicy("bfloat16")})
        >>> policies["encoder/dense"].name, policies["decoder"].name
        ('bfloat16', 'float32')
    """

    def __init__(self, default_policy=None, policy_map=None):
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("`default_policy` must be one policy, not a map of them.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(f"`policy_map` must be a dict of path -> policy, got {policy_map!r}.")
        self._default_given, self._default = default_policy, dtype_policy.get(default_policy)
        self._policies = policy_map or {}
        self.__dict__.update({key: getattr(self._default, key) for key in ("mixed", "torch_compute", "casts")})

    default_policy = property(lambda self: self._default)
    name = property(lambda self: f"map_{self._default.name}")
    compute_dtype = property(lambda self: self._default.compute_dtype)
    variable_dtype = property(lambda self: self._default.variable_dtype)
    quantization_mode = property(lambda self: self._default.quantization_mode)

    def __getitem__(self, key):
        if key in self._policies:
            return self._policies[key]
        matches = [pattern for pattern in self._policies if re.fullmatch(pattern, key)]
        if len(matches) > 1:
            raise ValueError(f"The path {key!r} matches several keys of the policy map, {matches}: let one match.")
        return self._policies[matches[0]] if matches else self._default

    def __setitem__(self, key, policy):
        if key in self._policies:
            raise ValueError(f"The policy map has an entry for {key!r} already: {self._policies[key]!r}.")
        try:
            self._policies[key] = dtype_policy.get(policy)
        except (TypeError, ValueError) as error:
            raise ValueError(f"The value for {key!r} is no dtype policy: {policy!r}. {error}") from error

    def __delitem__(self, key):
        del self._policies[key]

    def __contains__(self, key):
        return key in self._policies

    def __len__(self):
        return len(self._policies)

    def __iter__(self):
        return iter(self._policies)

    def get_config(self):
        policies = serialize_keras_object(self._policies)
        if self._default_given is None:  # all follow the global policy that is in force when they are read again
            for policy in policies.values():
                policy["config"]["source_name" if "mode" in policy["config"] else "name"] = None
        return {"default_policy": serialize_keras_object(self._default_given), "policy_map": policies}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        policies = deserialize_keras_object(config["policy_map"], custom_objects, kinds=("policy",))
        return cls(dtype_policy.get(config["default_policy"]) if config["default_policy"] else None, policies)

    __eq__ = MutableMapping.__eq__
    __hash__ = None

    def __repr__(self):
        policies = {key: policy.name for key, policy in self._policies.items()}
        return f"<DTypePolicyMap default_policy={self._default.name!r}, policies={policies}>"

"""`keras.mixed_precision`: the global dtype policy under its older names too. May import core and optimizers."""

from torchkeras.core.dtype_policy import DTypePolicy, dtype_policy, set_dtype_policy
from torchkeras.optimizers import LossScaleOptimizer

Policy = DTypePolicy
global_policy, set_global_policy, set_policy = dtype_policy, set_dtype_policy, set_dtype_policy

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
    "set_policy",
]

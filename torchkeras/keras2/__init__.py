"""Keras 2's spellings: tables and thin wrappers that register themselves with the engine.

May import everything below the shim. No other room has a branch on "Keras 2".
"""

from torchkeras.keras2 import (
    activations,
    add_weight,
    callbacks,
    layer_members,
    layer_paths,
    layers,
    legacy_optimizers,
    losses,
    metrics,
    models,
    modules,
    optimizers,
    preprocessing,
    regularizers,
    training,
    utilities,
)

__all__ = [
    "activations",
    "add_weight",
    "callbacks",
    "layer_members",
    "layer_paths",
    "layers",
    "legacy_optimizers",
    "losses",
    "metrics",
    "models",
    "modules",
    "optimizers",
    "preprocessing",
    "regularizers",
    "training",
    "utilities",
]

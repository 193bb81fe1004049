"""torchkeras: Keras code, running as real PyTorch.

Public names only. `import torchkeras as keras` gives Keras's modules and classes; `python -m torchkeras script.py`
runs a script that imports `keras` or `tensorflow.keras`; `torchkeras.install()` does the same inside a running program.
"""

import gc

_collects = gc.isenabled()
gc.disable()  # what an import makes stays: looking through that and all of torch's would take as long as the import
try:
    from torchkeras import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        dtype_policies,
        export,
        initializers,
        keras2,
        layers,
        legacy,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        tree,
        utils,
    )
    from torchkeras.core.dtype_policy import DTypePolicy, FloatDTypePolicy
    from torchkeras.core.input_spec import InputSpec
    from torchkeras.core.keras_tensor import KerasTensor
    from torchkeras.core.layer import Layer
    from torchkeras.core.remat import RematScope, remat
    from torchkeras.core.scopes import device, name_scope
    from torchkeras.core.stateless import StatelessScope, SymbolicScope
    from torchkeras.core.symbolic import Operation
    from torchkeras.core.variable import Variable
    from torchkeras.initializers import Initializer
    from torchkeras.layers import Input
    from torchkeras.losses import Loss
    from torchkeras.metrics import Metric
    from torchkeras.models import Model, Sequential
    from torchkeras.models.function import Function
    from torchkeras.optimizers import Optimizer
    from torchkeras.regularizers import Regularizer
    from torchkeras.shim import install, uninstall
    from torchkeras.shim.notebook import load_ipython_extension, unload_ipython_extension
finally:
    if _collects:
        gc.enable()

__version__ = "3.15.1"  # the Keras release whose behaviour this is; the package's own version is in its metadata


def version():
    """The Keras release that torchkeras follows."""
    return __version__


__all__ = [
    "DTypePolicy",
    "FloatDTypePolicy",
    "Function",
    "Initializer",
    "Input",
    "InputSpec",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Operation",
    "Optimizer",
    "Regularizer",
    "RematScope",
    "Sequential",
    "StatelessScope",
    "SymbolicScope",
    "Variable",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "device",
    "dtype_policies",
    "export",
    "initializers",
    "install",
    "keras2",
    "layers",
    "legacy",
    "load_ipython_extension",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "name_scope",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "remat",
    "saving",
    "tree",
    "uninstall",
    "unload_ipython_extension",
    "utils",
    "version",
]

"""Layers that run another framework's programs: JaxLayer, FlaxLayer, TFSMLayer.

May import core. They stand here so that code which names them gets an answer: their constructors say what they would
need and what to do instead.
"""

import os

from torchkeras.core import serialization
from torchkeras.core.fields import field
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.errors import UnsafeFileError
from torchkeras.layers import _slots

_ANOTHER_KERAS = "run that model under Keras itself, with KERAS_BACKEND={}"


@published("layer", "keras.layers")
class JaxLayer(Layer):
    """A JAX function as a layer, which torch cannot run.

    The layer would need JAX beside torch, gradients handed from one to the other both ways, and JAX's arrays as torch
    parameters.

    Args:
        call_fn, init_fn, params, state, seed, native_serialization_platforms: as in Keras.

    Raises `ValueError` always, as Keras does on torch. Instead: write the function with `keras.ops` or torch in the
    `call` of a `Layer`, and make its parameters in `build` with `add_weight`.
    """

    call_fn = field()
    init_fn = field(None)
    params = field(None)
    state = field(None)
    seed = field(None)
    native_serialization_platforms = field(None)

    _program = "a JAX function"

    def _configure(self):
        raise ValueError(
            f"{type(self).__name__} runs {self._program}, which torch cannot: it needs Keras on JAX or TensorFlow. "
            "Write it with keras.ops or torch in the call() of a Layer, with parameters made by add_weight() in "
            f"build(); or {_ANOTHER_KERAS.format('jax')}."
        )


@published("layer", "keras.layers")
class FlaxLayer(JaxLayer, fields_from=[], without=list(JaxLayer._fields)):
    """A Flax module as a layer, which torch cannot run; see `JaxLayer`.

    Args:
        module, method, variables: as in Keras.

    Raises `ValueError` always. Instead: write the module as a `Layer` or a torch module, and load its arrays with
    `set_weights`.
    """

    module = field()
    method = field(None)
    variables = field(None, attribute="_variables_given")  # `layer.variables` are its weights

    _program = "a Flax module"


@published("layer", "keras.layers")
class TFSMLayer(Layer, extra=""):
    """A SavedModel of TensorFlow as a layer, which torch cannot run.

    The layer would need TensorFlow to run the saved graph, and gradients handed between the two.

    Args:
        filepath, call_endpoint, call_training_endpoint, trainable, name, dtype: as in Keras.

    Raises `NotImplementedError` always, as Keras does on torch; `UnsafeFileError` where a config names one, unless
    unsafe deserialization is on: a saved graph is code. Instead: build the model again and hand over its weights with
    `get_weights` and `set_weights`, or export it to ONNX.
    """

    filepath = field(convert=os.fspath)
    call_endpoint = field("serve")
    call_training_endpoint = field(None)
    trainable = field(True, in_config=False, base=True)
    name = _slots.base()
    dtype = _slots.base()

    def _configure(self):
        raise NotImplementedError(
            f"TFSMLayer runs the SavedModel {self.filepath!r}, which needs TensorFlow. Build the model again and "
            "hand over its weights with get_weights() and set_weights(), export it to ONNX, or "
            f"{_ANOTHER_KERAS.format('tensorflow')}."
        )

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None):
        """Refuses, as the constructor does; in safe mode because of what a SavedModel may do."""
        if serialization.is_safe(safe_mode):
            raise UnsafeFileError(
                f"The config names the SavedModel {config.get('filepath')!r}, a program of TensorFlow that could do "
                "anything when it is run, and so is never loaded by default."
            )
        return super().from_config(config, custom_objects)

"""Weights as older layers had them, in the form of today's: Keras 1, Theano's convolutions, cuDNN's recurrent layers.

May import layers' names only as words. Takes and gives numpy arrays in the order of the file. Which class a layer is
of is asked by name, so that subclasses of users count as what they derive from.
"""

import numpy as np

_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")
_RECURRENT = ("LSTM", "GRU")
_WRAPPERS = ("TimeDistributed", "Bidirectional")
_OF_KERAS_1 = (*_CONVOLUTIONS, *_RECURRENT)


def may_differ(layer, version, backend):
    """Whether arrays of the right shapes may still mean something else."""
    if not _is_first(version) and backend != "theano":
        return False
    return _is(layer, *_OF_KERAS_1, *_WRAPPERS) or bool(getattr(layer, "layers", None))


def converted(layer, arrays, version="2", backend=None):
    """The arrays as the layer of today has them, or None where no older form of it is known to have such ones."""
    if _is(layer, "Bidirectional"):
        return _halves(layer, arrays, version, backend)
    if _is(layer, "TimeDistributed"):
        return converted(layer.layer, arrays, version, backend)
    if getattr(layer, "layers", None) and not _is(layer, *_RECURRENT):
        return _of_model(layer, arrays, version, backend)
    arrays = list(arrays)
    if _is_first(version):
        arrays = _from_keras_1(layer, arrays)
    if arrays and _is(layer, *_CONVOLUTIONS):
        arrays = _convolution(layer, arrays, backend)
    if _is(layer, "LSTM") and len(arrays) == 3:
        return _lstm(arrays)
    if _is(layer, "GRU") and len(arrays) == 3:
        return _gru(layer, arrays)
    return arrays


def _is(layer, *names):
    return any(cls.__name__ in names for cls in type(layer).__mro__)


def _is_first(version):
    return str(version).split(".")[0] in ("0", "1")


# -- layers of layers -------------------------------------------------------------------------------------------------


def _halves(layer, arrays, version, backend):
    half = len(arrays) // 2
    parts = [
        converted(inner, part, version, backend)
        for inner, part in ((layer.forward_layer, arrays[:half]), (layer.backward_layer, arrays[half:]))
    ]
    return None if any(part is None for part in parts) else [*parts[0], *parts[1]]


def _of_model(model, arrays, version, backend):
    """A model inside of a model: what trains of all its layers, then what does not, each share converted by itself."""
    layers = [layer for layer in model.layers if layer.weights]
    if sum(len(layer.weights) for layer in layers) != len(arrays):
        return None
    waiting = list(arrays)
    trained = [[waiting.pop(0) for _ in layer.trainable_weights] for layer in layers]
    others = [[waiting.pop(0) for _ in layer.non_trainable_weights] for layer in layers]
    trained_now, others_now = [], []
    for layer, first, second in zip(layers, trained, others):
        found = converted(layer, [*first, *second], version, backend)
        if found is None or len(found) != len(first) + len(second):
            return None
        trained_now += found[: len(first)]
        others_now += found[len(first) :]
    return [*trained_now, *others_now]


# -- Keras 1 ----------------------------------------------------------------------------------------------------------


def _from_keras_1(layer, arrays):
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    if _is(layer, "ConvLSTM2D") and len(arrays) == 12:
        arrays = _joined_gates(arrays, (0, 2, 1, 3))
        if channels_first:
            arrays[:2] = [np.transpose(each, (2, 3, 1, 0)) for each in arrays[:2]]
    elif _is(layer, "Conv1D") and arrays and arrays[0].ndim == 4:
        arrays[0] = _of_one_axis(layer, arrays[0])
    elif _is(layer, "Conv2DTranspose") and arrays and arrays[0].ndim == 4:
        arrays[0] = np.transpose(arrays[0], (2, 3, 0, 1) if channels_first else (0, 1, 3, 2))
    elif _is(layer, "Conv2D", "Conv3D") and channels_first and arrays:
        arrays[0] = np.moveaxis(arrays[0], (1, 0), (-2, -1))  # was (filters, channels, *window)
    elif _is(layer, "LSTM") and len(arrays) == 12:
        arrays = _joined_gates(arrays, (0, 2, 1, 3))  # input, cell, forget, output then
    elif _is(layer, "GRU") and len(arrays) == 9:
        arrays = _joined_gates(arrays, (0, 1, 2))
    return arrays


def _of_one_axis(layer, kernel):
    """A convolution along one axis was one of two, with a window of one along the second."""
    window = layer.kernel_size[0]
    if kernel.shape[:2] != (window, 1) or kernel.shape[3] != layer.filters:
        kernel = np.transpose(kernel, (2, 3, 1, 0))  # before Keras 1.1: (filters, channels, window, 1)
    return kernel[:, 0]


def _joined_gates(arrays, order):
    """Kernels, recurrent kernels and biases of single gates, side by side in today's order of gates."""
    return [np.concatenate([arrays[3 * gate + kind] for gate in order], axis=-1) for kind in range(3)]


# -- convolutions -----------------------------------------------------------------------------------------------------


def _convolution(layer, arrays, backend):
    kernels = 2 if _is(layer, "ConvLSTM2D") else 1
    wanted = tuple(layer.weights[0].shape)
    if arrays[0].shape != wanted and arrays[0].ndim == 4:
        arrays[:kernels] = [np.transpose(each, (3, 2, 0, 1)) for each in arrays[:kernels]]
    if backend == "theano":  # it convolved, the others correlate
        arrays[:kernels] = [np.flip(each, tuple(range(each.ndim - 2))).copy() for each in arrays[:kernels]]
    return arrays


# -- cuDNN ------------------------------------------------------------------------------------------------------------


def _lstm(arrays):
    units = arrays[1].shape[0]
    if arrays[2].shape != (8 * units,):
        return arrays
    return [*_from_cudnn(arrays, 4), arrays[2][: 4 * units] + arrays[2][4 * units :]]


def _gru(layer, arrays):
    units = arrays[1].shape[0]
    if arrays[2].shape != (6 * units,) or not layer.reset_after:
        return arrays
    return [*_from_cudnn(arrays, 3), arrays[2].reshape(2, -1)]


def _from_cudnn(arrays, gates):
    """Kernels of gates that were kept transposed: the recurrent ones as such, the others in memory only."""
    kernel, recurrent = (np.split(each, gates, axis=1) for each in arrays[:2])
    of_inputs = [part.T.reshape(part.shape, order="F") for part in kernel]
    return np.concatenate(of_inputs, axis=1), np.concatenate([part.T for part in recurrent], axis=1)

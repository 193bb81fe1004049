"""How much a model computes for one sample, roughly, and whether it takes each sample by itself: from it follows how
many threads a step takes, and how many small batches of a prediction go together.

May import core. Reads the shapes in a graph and of the weights; runs nothing, and says None where these do not tell.
"""

import math

from torchkeras.core.layer_state import LayerState

# What computes more than its weights and shapes show, and what runs code of the user's.
_UNTOLD = {
    "AdditiveAttention", "Attention", "Dot", "Einsum", "EinsumDense", "GroupedQueryAttention", "Lambda", "Matmul",
    "MultiHeadAttention", "Tensordot", "TorchModuleWrapper",
}  # fmt: skip
# What takes each sample by itself when nothing is learned, with any settings but those that `rows_apart` looks at.
_BY_SAMPLE = {
    "Activation", "AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "Conv1D", "Conv2D", "Conv2DTranspose",
    "Conv3D", "Dense", "DepthwiseConv2D", "Dropout", "ELU", "Flatten", "Functional", "GRU", "GRUCell",
    "GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "InputLayer",
    "LSTM", "LSTMCell", "LeakyReLU", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "ReLU", "Rescaling", "Sequential",
    "SeparableConv1D", "SeparableConv2D", "ZeroPadding1D", "ZeroPadding2D",
}  # fmt: skip
_ELEMENTWISE = 4  # what an operation costs per number that it reads or writes, in multiplications of a matrix product


def work_of(graph):
    """Multiplications of a forward pass per sample; None for a graph of which this cannot be told.

    Within a factor of two or three: the weights of a layer, times the places that they are applied at.
    """
    total = 0
    for step in graph.steps:
        read = [graph.specs[place] for place in step.places_read() if graph.specs[place] is not None]
        shapes = [spec[0][1:] for spec in read], [graph.specs[place][0][1:] for place in step.outputs]
        if None in [size for side in shapes for shape in side for size in shape] or not _is_told(step.operation):
            return None
        inner = getattr(step.operation, "_graph", None)
        work = _work_of_operation(step.operation, *shapes) if inner is None else work_of(inner)
        if work is None:
            return None
        total += work
    return total


def rows_apart(graph):
    """Whether no sample of a batch has a say in what becomes of another, as far as is known."""
    return all(map(_is_by_sample, (part for step in graph.steps for part in _parts(step.operation))))


def _is_by_sample(part):
    functions = [getattr(part, name, None) for name in ("activation", "recurrent_activation")]
    return (
        type(part).__name__ in _BY_SAMPLE
        and not getattr(part, "stateful", False)
        and all(each is None or str(each.__module__).startswith("torchkeras.") for each in functions)
    )


def _parts(operation):
    return operation._flatten_layers() if isinstance(operation, LayerState) else [operation]


def _is_told(operation):
    """Whether the operation, with all layers below it, is one of ours that does what its shapes say."""
    return all(
        type(part).__module__.startswith("torchkeras.") and type(part).__name__ not in _UNTOLD
        for part in _parts(operation)
    )


def _work_of_operation(operation, read, made):
    numbers = sum(math.prod(shape) for shape in [*read, *made])
    weights = operation.weights if isinstance(operation, LayerState) else []
    kernel = next((weight.shape for weight in weights if weight.dim() > 1), None)
    if kernel is None:
        return _ELEMENTWISE * numbers
    places = [_places(shape, kernel[-2]) for shape in read] + [_places(shape, kernel[-1]) for shape in made]
    return _ELEMENTWISE * numbers + max(places) * sum(weight.numel() for weight in weights)


def _places(shape, channels):
    """At how many places of a sample's shape a kernel over so many channels is applied."""
    numbers = math.prod(shape)
    return numbers // channels if numbers % channels == 0 else numbers // min(shape, default=1)

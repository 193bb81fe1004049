"""Recurrent weights in one piece of memory, as cuDNN reads them.

May import torch. Knows no layer.

cuDNN takes all weights of a recurrent layer from one piece of memory, in an order of its own. torch brings weights that
lie elsewhere there in every call, one copy each, and warns. Parameters are therefore laid there once and stay the same
tensors; weights that are made for the call (gates in another order, casts) are made there, by one concatenation.
"""

import functools
import itertools
import math

import torch

_MODES = {"rnn_relu": 0, "rnn_tanh": 1, "lstm": 2, "gru": 3}  # cuDNN's


def serves(weight):
    """Whether cuDNN will read this weight."""
    return weight.is_cuda and torch.backends.cudnn.is_acceptable(weight)


def lay(kind, directions):
    """Lays parameters there, each of which has memory of its own. Their values and names, all else, stay as they are.

    Args:
        directions: one or two of `(kernel, recurrent_kernel, bias or None)` as Keras shapes them.
    """
    tensors = [tensor for direction in directions for tensor in direction if tensor is not None]
    alike = all(isinstance(each, torch.nn.Parameter) and each.dtype is tensors[0].dtype for each in tensors)
    if kind == "gru" or not alike:  # no view gives a GRU's gates in torch's order
        return
    biased = len(tensors) == 3 * len(directions)
    kernel, recurrent_kernel = tensors[:2]
    layout = _layout(
        kind, kernel.shape[0], recurrent_kernel.shape[0], biased, len(directions) == 2, kernel.dtype, kernel.device
    )
    offsets = layout.of_parameters
    if _lie(tensors, offsets, layout.size) or not all(map(_alone, tensors)):
        return
    with torch.no_grad():
        piece = kernel.new_zeros(layout.size)
        for tensor, offset in zip(tensors, offsets, strict=True):
            place = piece[offset : offset + tensor.numel()].view(tensor.shape[::-1])
            place = place.t() if tensor.dim() == 2 else place
            tensor.data = place.copy_(tensor)


def gather(kind, weights, both):
    """torch's list of weights, in one piece.

    Args:
        weights: as torch orders them: for each direction that of the inputs `(gates * units, features)`, that of the
            state, and two biases or none. A tuple stands for its parts, one above the other; None for a bias of zeros.
        both: whether there are two directions.
    """
    first, of_state = (weight[0] if isinstance(weight, tuple) else weight for weight in weights[:2])
    biased = len(weights) == 4 * (1 + both)
    layout = _layout(kind, first.shape[1], of_state.shape[1], biased, both, first.dtype, first.device)
    if not any(isinstance(weight, tuple) for weight in weights):
        there = [(weight, offset) for weight, offset in zip(weights, layout.offsets, strict=True) if weight is not None]
        if _lie(*zip(*there, strict=True), layout.size):
            return [layout.zeros(first, i) if weight is None else weight for i, weight in enumerate(weights)]
    return layout.joined(weights, first)


class _Layout:
    """Where the weights lie in the piece."""

    def __init__(self, size, shapes, offsets, per_direction):
        self.size, self.shapes, self.offsets = size, shapes, offsets
        self.numbers = [math.prod(shape) for shape in shapes]
        self.order = sorted(range(len(shapes)), key=offsets.__getitem__)
        self.of_parameters = [offset for i, offset in enumerate(offsets) if i % per_direction < 3]

    def zeros(self, first, place):
        """The zeros of a bias that the layer does not have, in the piece in which a weight lies."""
        return first.detach().as_strided(self.shapes[place], (1,), self.offsets[place])

    def joined(self, weights, first):
        """All weights by one concatenation; what has no weight is zero."""
        parts, sizes, end = [], [], 0
        for place in self.order:
            gap = self.offsets[place] - end
            if gap:
                parts.append(first.new_zeros(gap))
                sizes.append(gap)
            weight = weights[place]
            pieces = weight if isinstance(weight, tuple) else (weight,)
            parts += [first.new_zeros(self.numbers[place]) if each is None else each.reshape(-1) for each in pieces]
            sizes.append(self.numbers[place])
            end = self.offsets[place] + self.numbers[place]
        if end < self.size:
            parts.append(first.new_zeros(self.size - end))
            sizes.append(self.size - end)
        found = torch.cat(parts).split(sizes)
        starts = dict(zip(itertools.accumulate([0, *sizes[:-1]]), found, strict=True))
        return [starts[offset].view(shape) for offset, shape in zip(self.offsets, self.shapes, strict=True)]


@functools.lru_cache(maxsize=256)
def _layout(kind, features, units, biased, both, dtype, device):
    """Asks cuDNN."""
    gates = {"lstm": 4, "gru": 3}.get(kind, 1) * units
    shapes = [(gates, features), (gates, units), *[(gates,)] * (2 * biased)] * (1 + both)
    with torch.no_grad():
        weights = [torch.zeros(shape, dtype=dtype, device=device) for shape in shapes]
        piece = torch._cudnn_rnn_flatten_weight(
            weights, 4 if biased else 2, features, _MODES[kind], units, 0, 1, True, both
        )
    return _Layout(piece.numel(), shapes, [weight.storage_offset() for weight in weights], 4 if biased else 2)


def _lie(tensors, offsets, size):
    """Whether tensors lie at these places of one piece of this size."""
    first = tensors[0]
    start, each = first.data_ptr() - offsets[0] * first.element_size(), first.element_size()
    storage = first.untyped_storage()
    return (
        storage.data_ptr() == start
        and storage.nbytes() == size * each
        and all(tensor.data_ptr() - start == offset * each for tensor, offset in zip(tensors, offsets, strict=True))
    )


def _alone(tensor):
    return tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()

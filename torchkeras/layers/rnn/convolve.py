"""A convolution with its window, strides, padding and data format settled: torch's kernels over Keras's order of axes.

May import core. Knows no layer. Data and kernels are handed over as permuted views, so nothing is copied.
"""

import torch
import torch.nn.functional as F

from torchkeras.core.windows import pad_widths, same_padding

_KERNELS = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}


def _one_row(x, kernel, bias, strides, padding, dilation, groups):
    """Convolution of channels_last sequences as images with one row: torch's conv1d would copy the data first."""
    padding = (0, *padding) if padding else 0
    x, kernel = x.unsqueeze(2), kernel.unsqueeze(2)
    return torch.conv2d(x, kernel, bias, (1, *strides), padding, (1, *dilation), groups).squeeze(2)


class Convolution:
    """`(batch, *sizes, channels)`, or channels first, convolved with a kernel `(*window, channels / groups, filters)`.

    Args:
        form: the `Format` of the data.
        window, strides, dilation: a number per spatial axis.
        padding: "valid", "same" or, for one axis, "causal".
    """

    def __init__(self, form, window, strides, padding, dilation):
        rank = form.rank
        self.window, self.strides, self.dilation = window, strides, dilation
        self._to_torch, self._to_keras = form.to_torch, form.to_keras
        self._kernel_order = (rank + 1, rank, *range(rank))
        self._kernel = _one_row if rank == 1 and form.channels_last else _KERNELS[rank]
        self._by_size = padding == "same" and max(strides) > 1
        self._padding, self._explicit = 0, None  # left to torch's kernel; added before it
        if padding == "causal":
            self._explicit = (dilation[0] * (window[0] - 1), 0)
        elif padding == "same" and not self._by_size:
            pairs = [same_padding(size, size, 1, gap) for size, gap in zip(window, dilation, strict=True)]
            self._padding, self._explicit = _split(pairs)

    def __call__(self, x, kernel, bias=None, groups=1):
        if self._to_torch is not None:
            x = x.permute(self._to_torch)
        padding, explicit = self._padding, self._explicit
        if self._by_size:
            axes = zip(x.shape[2:], self.window, self.strides, strict=True)
            padding, explicit = _split([same_padding(*axis) for axis in axes])
        if explicit is not None:
            x = F.pad(x, explicit)
        kernel = kernel.permute(self._kernel_order)
        outputs = self._kernel(x, kernel, bias, self.strides, padding, self.dilation, groups)
        return outputs if self._to_keras is None else outputs.permute(self._to_keras)


def _split(pairs):
    """`(padding for torch's kernel, padding to add before it or None)`: the kernel pads both sides alike."""
    if all(before == after for before, after in pairs):
        return tuple(before for before, _ in pairs), None
    return 0, pad_widths(pairs)


def kernel_memory(rank):
    """The `memory_order` of a kernel of Keras's shape: `(filters, *window, inputs)`, torch's weight channels_last."""
    return (rank + 1, *range(rank), rank)

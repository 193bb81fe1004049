"""Pooling to a size of one's choice: AdaptiveMaxPooling and AdaptiveAveragePooling over one to three axes.

May import core. Window `i` of `n` over `size` positions goes from `floor(i * size / n)` to `ceil((i + 1) * size / n)`:
torch's rule and Keras's, so torch's kernels serve.
"""

import torch.nn.functional as F

from torchkeras.core.arguments import tuple_of
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers._spatial import Format, Ranked

_POOLS = {
    "max": {1: F.adaptive_max_pool1d, 2: F.adaptive_max_pool2d, 3: F.adaptive_max_pool3d},
    "average": {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d},
}


class _AdaptivePooling(Ranked, Layer):
    """The largest or mean entry of as many windows as the output has positions, channel by channel."""

    _kind = None

    @classmethod
    def _fields_of(cls, rank):
        return {
            "output_size": field(convert=tuple_of("output_size", rank)),
            "data_format": _slots.data_format(),
        }

    def _configure(self):
        self.input_spec = InputSpec(ndim=self._rank + 2)
        self._format = Format(self._rank, self.data_format)
        self._to_torch, self._to_keras = self._format.to_torch, self._format.to_keras

    def call(self, inputs):
        if self._to_torch is not None:
            inputs = inputs.permute(self._to_torch)
        outputs = _POOLS[self._kind][self._rank](inputs, self.output_size)
        return outputs if self._to_keras is None else outputs.permute(self._to_keras)

    def compute_output_shape(self, input_shape):
        batch, _, channels = self._format.split(input_shape)
        return self._format.join(batch, self.output_size, channels)


@published("layer", "keras.layers")
class AdaptiveMaxPooling1D(_AdaptivePooling, rank=1):
    """Largest entry of each of `output_size` windows over sequences of any length.

    Args:
        output_size: steps of the output.
        data_format: `"channels_last"` `(batch, steps, channels)` or `"channels_first"` `(batch, channels, steps)`.

    Example:
        >>> AdaptiveMaxPooling1D(4)(torch.zeros(2, 9, 3)).shape
        torch.Size([2, 4, 3])

    In torch: `nn.AdaptiveMaxPool1d(output_size)`, for channels first.
    """

    _kind = "max"


@published("layer", "keras.layers")
class AdaptiveMaxPooling2D(_AdaptivePooling, rank=2):
    """Largest entry of each window over images of any size; as many windows as the output has positions.

    Args:
        output_size: rows and columns of the output, one integer or 2.
        data_format: `"channels_last"` `(batch, rows, cols, channels)` or `"channels_first"`
            `(batch, channels, rows, cols)`.

    Example:
        >>> AdaptiveMaxPooling2D(4)(torch.zeros(2, 9, 7, 3)).shape
        torch.Size([2, 4, 4, 3])

    In torch: `nn.AdaptiveMaxPool2d(output_size)`, for channels first.
    """

    _kind = "max"


@published("layer", "keras.layers")
class AdaptiveMaxPooling3D(_AdaptivePooling, rank=3):
    """Largest entry of each window over volumes of any size; as many windows as the output has positions.

    Args:
        output_size: sizes of the output, one integer or 3.
        data_format: `"channels_last"` `(batch, depth, rows, cols, channels)` or `"channels_first"`
            `(batch, channels, depth, rows, cols)`.

    Example:
        >>> AdaptiveMaxPooling3D(2)(torch.zeros(2, 9, 7, 5, 3)).shape
        torch.Size([2, 2, 2, 2, 3])

    In torch: `nn.AdaptiveMaxPool3d(output_size)`, for channels first.
    """

    _kind = "max"


@published("layer", "keras.layers")
class AdaptiveAveragePooling1D(_AdaptivePooling, rank=1):
    """Mean of each of `output_size` windows over sequences of any length.

    Args:
        output_size: steps of the output.
        data_format: `"channels_last"` `(batch, steps, channels)` or `"channels_first"` `(batch, channels, steps)`.

    Example:
        >>> AdaptiveAveragePooling1D(2)(torch.arange(4.0).reshape(1, 4, 1)).flatten()
        tensor([0.5000, 2.5000])

    In torch: `nn.AdaptiveAvgPool1d(output_size)`, for channels first.
    """

    _kind = "average"


@published("layer", "keras.layers")
class AdaptiveAveragePooling2D(_AdaptivePooling, rank=2):
    """Mean of each window over images of any size; as many windows as the output has positions.

    Args:
        output_size: rows and columns of the output, one integer or 2.
        data_format: `"channels_last"` `(batch, rows, cols, channels)` or `"channels_first"`
            `(batch, channels, rows, cols)`.

    Example:
        >>> AdaptiveAveragePooling2D((4, 2))(torch.zeros(2, 9, 7, 3)).shape
        torch.Size([2, 4, 2, 3])

    In torch: `nn.AdaptiveAvgPool2d(output_size)`, for channels first.
    """

    _kind = "average"


@published("layer", "keras.layers")
class AdaptiveAveragePooling3D(_AdaptivePooling, rank=3):
    """Mean of each window over volumes of any size; as many windows as the output has positions.

    Args:
        output_size: sizes of the output, one integer or 3.
        data_format: `"channels_last"` `(batch, depth, rows, cols, channels)` or `"channels_first"`
            `(batch, channels, depth, rows, cols)`.

    Example:
        >>> AdaptiveAveragePooling3D(2)(torch.zeros(2, 9, 7, 5, 3)).shape
        torch.Size([2, 2, 2, 2, 3])

    In torch: `nn.AdaptiveAvgPool3d(output_size)`, for channels first.
    """

    _kind = "average"

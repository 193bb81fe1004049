"""Pooling in 1D to 3D: MaxPooling and AveragePooling over windows, GlobalMaxPooling and GlobalAveragePooling over all
positions.

May import core. Two mechanisms, `_WindowPooling` and `_GlobalPooling`; the classes below say only which.
"""

import torch
import torch.nn.functional as F

from torchkeras.core.fields import field, one_of
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.windows import same_padding
from torchkeras.layers import _slots
from torchkeras.layers._spatial import Format, output_sizes


def _average(pool):
    """Average pooling that counts only real entries, as TensorFlow has it."""
    return lambda x, window, strides, padding, ceil: pool(x, window, strides, padding, ceil, False)


def _maximum(pool):
    return lambda x, window, strides, padding, ceil: pool(x, window, strides, padding, 1, ceil)


_POOLS = {
    "max": {1: _maximum(F.max_pool1d), 2: _maximum(F.max_pool2d), 3: _maximum(F.max_pool3d)},
    "average": {1: _average(F.avg_pool1d), 2: _average(F.avg_pool2d), 3: _average(F.avg_pool3d)},
}


class _WindowPooling(Layer):
    """The largest or mean entry of each window, channel by channel."""

    _rank, _kind = None, None

    def _configure(self):
        rank = self._rank
        self.input_spec = InputSpec(ndim=rank + 2)
        self.built = True
        if self.strides is None:
            self.strides = self.pool_size
        self._format = Format(rank, self.data_format)
        self._to_torch, self._to_keras = self._format.to_torch, self._format.to_keras
        self._ones = (1,) * rank

    def call(self, inputs):
        if self._to_torch is not None:
            inputs = inputs.permute(self._to_torch)
        pool = _POOLS[self._kind][self._rank]
        if self.padding == "valid":
            outputs = pool(inputs, self.pool_size, self.strides, 0, False)
        else:
            outputs = self._pool_same(pool, inputs)
        return outputs if self._to_keras is None else outputs.permute(self._to_keras)

    def _pool_same(self, pool, inputs):
        """TensorFlow's "same" without padding a copy.

        torch pads both sides alike. Where one more entry is due on the right, windows that overhang the end are kept
        (`ceil_mode`), or, with stride 1, one window too many at the start is cut off.
        """
        padding, cut = [], []
        for axis, (size, window, stride) in enumerate(
            zip(inputs.shape[2:], self.pool_size, self.strides, strict=True), 2
        ):
            left, right = same_padding(size, window, stride)
            if left != right and stride == 1:
                left = right
                cut.append(axis)
            padding.append(left)
        outputs = pool(inputs, self.pool_size, self.strides, tuple(padding), True)
        for axis in cut:
            outputs = outputs.narrow(axis, 1, outputs.shape[axis] - 1)
        return outputs

    def compute_output_shape(self, input_shape):
        batch, sizes, channels = self._format.split(input_shape)
        sizes = output_sizes(self.name, sizes, self.pool_size, self.strides, self.padding, self._ones)
        return self._format.join(batch, sizes, channels)


class _GlobalPooling(Layer):
    """The largest or mean entry of each channel over all positions."""

    _rank, _kind = None, None
    data_format = _slots.data_format()
    keepdims = field(False, convert=bool)

    def _configure(self):
        self.input_spec = InputSpec(ndim=self._rank + 2)
        self.built = True
        self._format = Format(self._rank, self.data_format)
        self._axes = self._format.spatial

    def call(self, inputs):
        if self._kind == "max":
            return inputs.amax(self._axes, self.keepdims)
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute)
        return inputs.mean(self._axes, self.keepdims)

    def compute_output_shape(self, input_shape):
        batch, _, channels = self._format.split(input_shape)
        if self.keepdims:
            return self._format.join(batch, (1,) * self._rank, channels)
        return (batch, channels)


def _window_fields(rank):
    """The fields of window pooling in Keras's order (Keras 2's default of 2 stays for averages too)."""
    return {
        "pool_size": _slots.sizes("pool_size", rank, 2 if rank == 1 else (2,) * rank),
        "strides": field(None, convert=_slots.tuple_of("strides", rank, optional=True)),
        "padding": field("valid", convert=one_of("padding", "valid", "same")),
        "data_format": _slots.data_format(),
        "name": field(None, in_config=False),
    }


_WINDOW_DOC = """{what} of each window over {over}, channel by channel.

    Args:
        pool_size: size of the window, one integer or {rank}.
        strides: steps of the window; by default its size.
        padding: `"valid"` (only whole windows) or `"same"` (output size = input size / strides{edges}).
        data_format: `"channels_last"` `(batch, {axes}, channels)` or `"channels_first"` `(batch, channels, {axes})`.
        name: layer name.

    Example:
        >>> {name}()(torch.zeros({example})).shape
        torch.Size([{result}])

    In torch: `nn.{torch}(pool_size, strides)`, for channels first.
    """

_GLOBAL_DOC = """{what} over all positions of {over}: `(batch, {axes}, channels)` -> `(batch, channels)`.

    Args:
        data_format: `"channels_last"` or `"channels_first"` `(batch, channels, {axes})`.
        keepdims: whether the reduced axes stay, with size 1.

    Example:
        >>> {name}()(torch.zeros({example})).shape
        torch.Size([2, 3])

    In torch: `x.{torch}(dim=(...))`.
    """

_OVER = {1: ("sequences", "steps"), 2: ("images", "rows, cols"), 3: ("volumes", "depth, rows, cols")}


def _sizes(size, rank):
    return ", ".join(map(str, (2, *(size,) * rank, 3)))


def _window_pooling(kind, rank):
    """One class of the window family."""
    name = f"{'Max' if kind == 'max' else 'Average'}Pooling{rank}D"
    short = "MaxPool" if kind == "max" else "AvgPool"
    over, axes = _OVER[rank]
    doc = _WINDOW_DOC.format(
        what="Largest entry" if kind == "max" else "Mean",
        over=over,
        rank=rank,
        axes=axes,
        edges="" if kind == "max" else "; padding does not count",
        name=name,
        torch=f"{short}{rank}d",
        example=_sizes(8, rank),
        result=_sizes(4, rank),
    )
    body = {"__doc__": doc, "__module__": __name__, "_rank": rank, "_kind": kind, **_window_fields(rank)}
    return published("layer", "keras.layers", aliases=(f"{short}{rank}D",))(type(name, (_WindowPooling,), body))


def _global_pooling(kind, rank):
    """One class of the global family."""
    word, short = ("Max", "Max") if kind == "max" else ("Average", "Avg")
    name = f"Global{word}Pooling{rank}D"
    over, axes = _OVER[rank]
    doc = _GLOBAL_DOC.format(
        what="Largest entry" if kind == "max" else "Mean",
        over=over,
        axes=axes,
        name=name,
        example=_sizes(8, rank),
        torch="amax" if kind == "max" else "mean",
    )
    body = {"__doc__": doc, "__module__": __name__, "_rank": rank, "_kind": kind}
    return published("layer", "keras.layers", aliases=(f"Global{short}Pool{rank}D",))(
        type(name, (_GlobalPooling,), body)
    )


MaxPooling1D = _window_pooling("max", 1)
MaxPooling2D = _window_pooling("max", 2)
MaxPooling3D = _window_pooling("max", 3)
AveragePooling1D = _window_pooling("average", 1)
AveragePooling2D = _window_pooling("average", 2)
AveragePooling3D = _window_pooling("average", 3)
GlobalMaxPooling1D = _global_pooling("max", 1)
GlobalMaxPooling2D = _global_pooling("max", 2)
GlobalMaxPooling3D = _global_pooling("max", 3)
GlobalAveragePooling2D = _global_pooling("average", 2)
GlobalAveragePooling3D = _global_pooling("average", 3)


@published("layer", "keras.layers", aliases=("GlobalAvgPool1D",))
class GlobalAveragePooling1D(_GlobalPooling):
    """Mean over all steps of sequences: `(batch, steps, channels)` -> `(batch, channels)`.

    Args:
        data_format: `"channels_last"` or `"channels_first"` `(batch, channels, steps)`.
        keepdims: whether the steps axis stays, with size 1.

    Call arguments: `inputs`; `mask` `(batch, steps)`: only steps with True count. The output has no mask.

    Example:
        >>> GlobalAveragePooling1D()(torch.zeros(2, 8, 3)).shape
        torch.Size([2, 3])

    In torch: `x.mean(dim=1)`.
    """

    _rank, _kind = 1, "average"

    def _configure(self):
        super()._configure()
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return super().call(inputs)
        mask = mask.to(torch.bool).unsqueeze(self._format.channels)
        total = inputs.where(mask, 0).sum(self._axes, self.keepdims)
        return total / mask.to(total.dtype).sum(self._axes, self.keepdims)

    def compute_mask(self, inputs, mask=None):
        return None

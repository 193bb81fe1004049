"""What all convolutions share: arguments, errors, padding, the way from Keras's layout to torch's and back.

May import core and the families below layers. A family says in class attributes which arguments it takes and makes
its weights in `_make_weights`; `_convolve` does the arithmetic on tensors whose channels stand at axis 1.

Kernels always lie in channels_last memory, whatever the data format: torch then runs oneDNN's (cuDNN's) channels_last
kernels, brings channels-first inputs into that memory once and leaves the outputs there. Milliseconds on a CPU (one
thread, float32, torch 2.13), forward and with backward, channels first beside channels last:
    plain, 32 images of 28 x 28 x 32 to 64, step 2          1.9   14.8      1.5    7.0
    plain, 4 volumes of 12 x 12 x 12 x 16 to 32             0.8    2.8      0.7    2.7
    plain, 32 sequences of 128 x 64 to 64                   0.9    3.1      0.7    2.3
    depthwise, 32 images of 28 x 28 x 64                    7.8   19.0      0.6    2.8
    depthwise, the same with 2 windows for each channel    25.5   69.1      6.7   24.4
    depthwise, 32 sequences of 128 x 64                     0.4    1.2      0.1    0.6
    window of one (pointwise), 32 of 28 x 28 x 64 to 128    6.4   19.8      3.0   12.4
    transposed, 32 images of 14 x 14 x 64 to 32, step 2     6.4   11.0      1.7    5.6
A matrix product for windows of one, or inputs repeated for several windows of a channel, gains nothing over these.

Sequences are images with one row here: torch's conv1d would first copy the data into the order channels, steps.
"""

import torch
import torch.nn.functional as F

from torchkeras.activations import in_place
from torchkeras.core.arguments import one_of, positive_int
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.windows import pad_widths, same_padding
from torchkeras.layers import _slots
from torchkeras.layers._spatial import Format, Ranked, output_sizes

CONVOLUTIONS = {2: torch.conv2d, 3: torch.conv3d}


class Convolution(Ranked, Layer):
    """A window of weights that slides over `_rank` spatial axes.

    Attributes of a family:
        _arguments: its arguments in Keras's order, up to `activation`.
        _paddings: what `padding` may be.
        _kernels: beginnings of the names of the slots for its kernels: `depthwise` -> `depthwise_initializer`.
        _steps_with_gaps: whether strides and dilation may both exceed 1.
        _makes_views: whether `_convolve` gives a part of a tensor, which no activation may write to.
    """

    _arguments = ()
    _paddings = ("valid", "same")
    _kernels = ("kernel",)
    _steps_with_gaps = False
    _makes_views = False

    @classmethod
    def _fields_of(cls, rank):
        ones = 1 if rank == 1 else (1,) * rank
        known = {
            "filters": field(convert=positive_int("filters")),
            "kernel_size": _slots.sizes("kernel_size", rank),
            "strides": _slots.sizes("strides", rank, ones),
            "padding": field("valid", convert=one_of("padding", *cls._paddings)),
            "output_padding": _slots.sizes("output_padding", rank, None, allow_zero=True, optional=True),
            "data_format": _slots.data_format(),
            "dilation_rate": _slots.sizes("dilation_rate", rank, ones),
            "depth_multiplier": field(1, convert=positive_int("depth_multiplier")),
            "groups": field(1, convert=positive_int("groups")),
        }
        return {
            **{name: known[name] for name in cls._arguments},
            "activation": _slots.activation(),
            "use_bias": field(True),
            **{f"{each}_initializer": _slots.initializer("glorot_uniform") for each in cls._kernels},
            "bias_initializer": _slots.initializer("zeros"),
            **{f"{each}_regularizer": _slots.regularizer() for each in cls._kernels},
            "bias_regularizer": _slots.regularizer(),
            "activity_regularizer": _slots.activity_regularizer(always=True),
            **{f"{each}_constraint": _slots.constraint() for each in cls._kernels},
            "bias_constraint": _slots.constraint(),
        }

    def _configure(self):
        rank = self._rank
        if not self._steps_with_gaps and max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"`strides` > 1 and `dilation_rate` > 1 exclude each other, got strides={self.strides}, "
                f"dilation_rate={self.dilation_rate}."
            )
        self.input_spec = InputSpec(min_ndim=rank + 2, max_ndim=rank + 2)
        self._format = Format(rank, self.data_format)
        self._to_torch, self._to_keras = self._format.to_torch, self._format.to_keras
        row = (1,) if rank == 1 else ()
        self._window, self._steps = row + self.kernel_size, row + self.strides
        self._gaps = row + self.dilation_rate

    # -- weights ------------------------------------------------------------------------------------------------------

    def build(self, input_shape):
        axis = self._format.channels
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                f"Layer {self.name!r} needs to know the number of channels (axis {axis}) of its input, got shape "
                f"{tuple(input_shape)}. Give the Input a full shape, or set data_format."
            )
        self.compute_output_shape(input_shape)  # refuses inputs smaller than the window
        self._make_weights(channels)
        self.bias = _slots.weight(self, "bias", (self._channels_out(channels),)) if self.use_bias else None
        rank = self._rank + 2
        self.input_spec = InputSpec(min_ndim=rank, max_ndim=rank, axes={axis: channels})

    def _make_weights(self, channels):
        """Makes the kernels, which come before the bias."""
        raise NotImplementedError

    def _channels_out(self, channels):
        return self.filters

    # -- the call -----------------------------------------------------------------------------------------------------

    def call(self, inputs):
        if not inputs.is_floating_point():
            inputs = self._in_floats(inputs)
        outputs = self._convolve(self._in_torchs_order(inputs))
        activation = self.activation
        activate = None if self._makes_views else in_place(activation)
        if activate is not None:
            activate(outputs)  # before the views, in which autograd would write more slowly
        outputs = self._in_kerass_order(outputs)
        return outputs if activate is not None else activation(outputs)

    def _in_torchs_order(self, x):
        """Channels at axis 1, sequences as images of one row."""
        if self._to_torch is not None:
            x = x.permute(self._to_torch)
        return x.unsqueeze(2) if self._rank == 1 else x

    def _in_kerass_order(self, x):
        if self._rank == 1:
            x = x.squeeze(2)
        return x if self._to_keras is None else x.permute(self._to_keras)

    rank = property(lambda self: self._rank, doc="The number of spatial axes.")

    def _convolve(self, x):
        """The outputs without activation; `x` and they have their channels at axis 1 and two or three spatial axes."""
        raise NotImplementedError

    def explain_kernel(self):
        """`(kernel, reason)`: torch's own kernel, alone or with a copy of the inputs or outputs and why."""
        name, obstacle = f"torch.{self._kernel_function.__name__}", self._obstacle()
        return (name, "the same arithmetic") if obstacle is None else (f"{name} and a copy", obstacle)

    def _obstacle(self):
        """Why torch's kernel alone cannot serve, or None."""
        return self._pad.obstacle()

    def compute_output_shape(self, input_shape):
        batch, sizes, channels = self._format.split(input_shape)
        sizes = output_sizes(self.name, sizes, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        return self._format.join(batch, sizes, self._channels_out(channels))


class Padding:
    """How a layer's inputs are padded: by torch's kernel where both sides are alike, else by a copy before it.

    `symmetric` is left to the kernel, `explicit` are the widths to add first (None: nothing), and `by_size` says that
    both follow from the inputs' size: "same" with strides.
    """

    def __init__(self, padding, window, steps, gaps):
        self.window, self.steps, self.gaps = window, steps, gaps
        self.symmetric, self.explicit, self.by_size = 0, None, padding == "same" and max(steps) > 1
        if padding == "causal":
            self.explicit = (gaps[-1] * (window[-1] - 1), 0)
        elif padding == "same" and not self.by_size:
            self.symmetric, self.explicit = self._split(window)  # any size gives the same

    def _split(self, sizes):
        pairs = [same_padding(*axis) for axis in zip(sizes, self.window, self.steps, self.gaps, strict=True)]
        if all(left == right for left, right in pairs):
            return tuple(left for left, _ in pairs), None
        return 0, pad_widths(pairs)

    def __call__(self, x):
        """`(x, padding for torch's kernel)`."""
        if not self.by_size:
            symmetric, explicit = self.symmetric, self.explicit
        elif any(isinstance(size, torch.SymInt) for size in x.shape[2:]):  # exported for any size: nothing to look at
            pairs = zip(x.shape[2:], self.window, self.steps, self.gaps, strict=True)
            symmetric, explicit = 0, pad_widths([same_padding(*axis, at_least=torch.sym_max) for axis in pairs])
        else:
            symmetric, explicit = self._split(x.shape[2:])
        return (x if explicit is None else F.pad(x, explicit)), symmetric

    def obstacle(self):
        """Why a padded copy of the inputs may come before the kernel, or None."""
        uneven = "the zeros before and after an axis differ in number, which torch's kernel does not take"
        if self.explicit is not None:
            return uneven
        return f"for some sizes {uneven}" if self.by_size and max(self.window) > 1 else None


def torch_kernel(kernel, rank):
    """Keras's `(*window, a, b)` as torch's `(b, a, *window)`, sequences with a row; the same memory."""
    kernel = kernel.permute(rank + 1, rank, *range(rank))
    return kernel.unsqueeze(2) if rank == 1 else kernel

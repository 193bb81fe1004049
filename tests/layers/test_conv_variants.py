"""Transposed, depthwise and separable convolutions: memory, kernels, hand-made numbers, and what they refuse; and what
all convolutions share."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from torchkeras.layers import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)

# A layer and the shape of its inputs, channels last.
EACH = [
    (lambda **options: Conv1D(4, 3, **options), (2, 8, 3)),
    (lambda **options: Conv2D(4, 3, **options), (2, 8, 7, 3)),
    (lambda **options: Conv3D(4, 3, **options), (2, 5, 6, 4, 3)),
    (lambda **options: Conv1DTranspose(4, 3, **options), (2, 8, 3)),
    (lambda **options: Conv2DTranspose(4, 3, **options), (2, 8, 7, 3)),
    (lambda **options: Conv3DTranspose(4, 3, **options), (2, 3, 4, 2, 3)),
    (lambda **options: DepthwiseConv1D(3, depth_multiplier=2, **options), (2, 8, 3)),
    (lambda **options: DepthwiseConv2D(3, depth_multiplier=2, **options), (2, 8, 7, 3)),
    (lambda **options: SeparableConv1D(4, 3, depth_multiplier=2, **options), (2, 8, 3)),
    (lambda **options: SeparableConv2D(4, 3, depth_multiplier=2, **options), (2, 8, 7, 3)),
]
NAMES = [make().__class__.__name__ for make, _ in EACH]
each = pytest.mark.parametrize(("make", "shape"), EACH, ids=NAMES)


class Kernels(TorchDispatchMode):
    """Names of the kernels that ran."""

    def __init__(self):
        super().__init__()
        self.ran = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.ran.append(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


_VIEWS = {"permute", "unsqueeze", "squeeze", "view", "_unsafe_view", "detach", "alias", "t", "transpose", "reshape"}


def kernels_of(layer, x):
    with Kernels() as seen:
        layer(x)
    return [name for name in seen.ran if name not in _VIEWS]


# -- memory -----------------------------------------------------------------------------------------------------------


@each
def test_nothing_is_copied(make, shape):
    """Weights, inputs and outputs go to torch's kernels and back as views."""
    layer = make(activation="relu")
    layer.build(shape)
    assert set(kernels_of(layer, torch.randn(shape))) == {"convolution", "relu_"}


@each
def test_outputs_are_contiguous(make, shape):
    assert make(activation="relu")(torch.randn(shape)).is_contiguous()


@each
def test_gradients_lie_like_their_weights(make, shape):
    layer = make()
    layer(torch.randn(shape)).square().sum().backward()
    assert all(weight.grad.stride() == weight.stride() for weight in layer.weights)


@each
def test_channels_first_data_goes_to_the_same_kernels(make, shape):
    """torch brings it into channels_last memory once; what comes out stays there, so the next layer copies nothing."""
    outputs = make(data_format="channels_first")(torch.randn(shape).movedim(-1, 1).contiguous())
    assert outputs.movedim(1, -1).is_contiguous()


def test_kernels_are_torchs_weights():
    transposed, depthwise = Conv2DTranspose(8, 3), DepthwiseConv2D(3, depth_multiplier=2)
    transposed.build((None, 9, 9, 4))
    depthwise.build((None, 9, 9, 4))
    weight = transposed.kernel.permute(3, 2, 0, 1)
    assert weight.shape == (4, 8, 3, 3) and weight.is_contiguous(memory_format=torch.channels_last)
    weight = depthwise.kernel.permute(2, 3, 0, 1).reshape(8, 1, 3, 3)
    assert weight.data_ptr() == depthwise.kernel.data_ptr()
    x = torch.randn(2, 9, 9, 4)
    found = depthwise(x).permute(0, 3, 1, 2)
    torch.testing.assert_close(found, torch.conv2d(x.permute(0, 3, 1, 2), weight, depthwise.bias, groups=4))


def test_relu_leaves_the_inputs_alone():
    """It writes into what the convolution made; a window of one entry makes something new as well."""
    layer = Conv2D(3, 1, activation="relu", kernel_initializer="ones")
    x = -torch.ones(1, 2, 2, 3)
    assert layer(x).max() == 0 and x.max() == -1


@each
def test_relu_writes_into_no_view(make, shape):
    """Autograd would copy the gradient."""
    outputs = make(activation="relu")(torch.randn(shape))
    nodes, seen = [outputs.grad_fn], set()
    while nodes:
        node = nodes.pop()
        seen.add(node.name() if node else None)
        nodes.extend(parent for parent, _ in (node.next_functions if node else ()))
    assert "ReluBackward0" in seen and "CopySlices" not in seen


def test_activation_may_change():
    layer = Conv2D(1, 1, activation="relu", kernel_initializer="ones")
    x = -torch.ones(1, 1, 1, 1)
    assert layer(x).item() == 0
    layer.activation = torch.nn.Identity()
    assert layer(x).item() == -1


# -- numbers ----------------------------------------------------------------------------------------------------------


def ones_over(layer, values):
    return layer(torch.tensor(values).reshape(1, -1, 1)).flatten().tolist()


def test_transposed_windows_overlap():
    """Three windows of three, two apart: 1 1 1+2 2 2+3 3 3; "same" keeps six of the seven."""
    ones = {"filters": 1, "strides": 2, "kernel_initializer": "ones"}
    assert ones_over(Conv1DTranspose(kernel_size=3, **ones), [1.0, 2.0, 3.0]) == [1, 1, 3, 2, 5, 3, 3]
    assert ones_over(Conv1DTranspose(kernel_size=3, padding="same", **ones), [1.0, 2.0, 3.0]) == [1, 1, 3, 2, 5, 3]
    # Four wide: 1 1 3 3 5 5 3 3, of which one goes at each end.
    assert ones_over(Conv1DTranspose(kernel_size=4, padding="same", **ones), [1.0, 2.0, 3.0]) == [1, 3, 3, 5, 5, 3]
    # Narrower than the step: gaps, and what lies behind the last window is the bias alone.
    narrow = Conv1DTranspose(kernel_size=1, bias_initializer="ones", **ones)
    assert ones_over(narrow, [1.0, 2.0]) == [2, 1, 3, 1]


@pytest.mark.parametrize("activation", [None, "relu", "tanh", "softmax"])
def test_what_is_cut_off_leaves_no_gaps(activation):
    """An odd window with an even step: Keras keeps the entry before, torch's kernel one behind."""
    layer = Conv2DTranspose(4, 3, strides=2, padding="same", activation=activation)
    outputs = layer(torch.randn(2, 5, 6, 3))
    assert outputs.shape == (2, 10, 12, 4) and outputs.is_contiguous()
    first = Conv2DTranspose(4, 3, strides=2, padding="same", activation=activation, data_format="channels_first")
    first(torch.randn(2, 3, 5, 6))
    first.set_weights(layer.get_weights())
    x = torch.randn(2, 3, 5, 6)
    outputs = first(x)
    if activation != "softmax":  # over the last axis, whatever it is
        assert outputs.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(outputs.permute(0, 2, 3, 1), layer(x.permute(0, 2, 3, 1)))


def test_channels_of_a_depthwise_convolution_do_not_mix():
    layer = DepthwiseConv2D(2, depth_multiplier=2)
    x = torch.randn(1, 4, 4, 3)
    before = layer(x)
    x[..., 1] += 1
    changed = (layer(x) - before).abs().amax((0, 1, 2)) > 1e-6
    assert changed.tolist() == [False, False, True, True, False, False]


@each
def test_whole_numbers_count_as_floats(make, shape):
    layer = make()
    x = np.random.default_rng(0).integers(0, 200, shape)
    torch.testing.assert_close(layer(x.astype("uint8")), layer(x.astype("float32")))


@each
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_no_sample_at_all(make, shape, padding):
    """Forward and backward; sums over nothing are zero."""
    layer = make(strides=2, padding=padding)
    layer.build(shape)
    x = torch.zeros(0, *shape[1:], requires_grad=True)
    outputs = layer(x)
    assert outputs.shape == (0, *layer.compute_output_shape(shape)[1:])
    outputs.sum().backward()
    assert x.grad.shape == x.shape and all(not weight.grad.any() for weight in layer.weights)


# -- which kernel runs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "copied"),
    [
        (Conv2D(2, 3), False),
        (Conv2D(2, 3, padding="same"), False),
        (Conv2D(2, 2, padding="same"), True),
        (Conv2D(2, (3, 2), padding="same", data_format="channels_first"), True),
        (Conv2D(2, 1, strides=2, padding="same"), False),
        (Conv2D(2, 3, strides=2, padding="same"), True),
        (Conv2D(2, 3, dilation_rate=2, padding="same"), False),
        (DepthwiseConv2D(4, padding="same"), True),
        (SeparableConv2D(2, 3, padding="same"), False),
        (Conv2DTranspose(2, 3, strides=2), False),
        (Conv2DTranspose(2, 4, strides=2, padding="same"), False),
        (Conv2DTranspose(2, 1, strides=4, padding="same", output_padding=3), False),
        (Conv2DTranspose(2, 3, strides=2, padding="same"), True),
        (Conv2DTranspose(2, 2, padding="same"), True),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else str(value),
)
def test_what_explain_kernel_says_is_what_runs(layer, copied):
    shape = (2, 8, 8, 8)
    layer.build(shape)
    kernel, reason = layer.explain_kernel()
    assert ("copy" in kernel) == copied == (reason != "the same arithmetic")
    assert bool({"constant_pad_nd", "clone"} & set(kernels_of(layer, torch.randn(shape)))) == copied


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Conv2DTranspose(3, 3, output_padding=1), r"smaller than `strides`.*\(1, 1\)"),
        (lambda: Conv2DTranspose(3, 3, strides=(3, 2), output_padding=(0, 2)), "smaller than `strides`"),
        (lambda: Conv2DTranspose(3, 3, strides=2, output_padding=-1), "`output_padding`.* >= 0.*-1"),
        (lambda: Conv2DTranspose(3, 3, strides=2, output_padding=(1, 0, 1)), "`output_padding`"),
        (lambda: Conv2DTranspose(3, 3, strides=2, dilation_rate=2), "exclude each other"),
        (lambda: Conv1DTranspose(3, 3, padding="causal"), "'valid', 'same'; got 'causal'"),
        (lambda: Conv1DTranspose(3, 3, groups=3), "groups"),
        (lambda: Conv3DTranspose(0, 3), "`filters`"),
        (lambda: DepthwiseConv2D(3, depth_multiplier=0), "`depth_multiplier`"),
        (lambda: DepthwiseConv1D(3, padding="causal"), "causal"),
        (lambda: DepthwiseConv1D((3, 3)), "`kernel_size`"),
        (lambda: SeparableConv2D(0, 3), "`filters`"),
        (lambda: SeparableConv2D(2, 3, strides=0), "`strides`"),
        (lambda: SeparableConv1D(2, 3, data_format="last"), "`data_format`"),
    ],
)
def test_refuses_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@each
def test_refuses_inputs(make, shape):
    layer = make()
    with pytest.raises(ValueError, match=f"min_ndim={len(shape)}, found ndim={len(shape) - 1}"):
        layer(torch.zeros(shape[:-1]))
    with pytest.raises(ValueError, match=f"max_ndim={len(shape)}, found ndim={len(shape) + 1}"):
        layer(torch.zeros(*shape, 1))
    with pytest.raises(ValueError, match="number of channels"):
        layer.build((*shape[:-1], None))
    layer(torch.zeros(shape))
    with pytest.raises(ValueError, match="axis -1 of input shape to have value 3, found 5"):
        layer(torch.zeros(*shape[:-1], 5))


@pytest.mark.parametrize("make", [DepthwiseConv2D, lambda window: SeparableConv2D(2, window)])
def test_refuses_inputs_smaller_than_the_window(make):
    with pytest.raises(ValueError, match=r"\(2, 9\) is smaller than its window \(3, 3\)"):
        make(3)(torch.zeros(1, 2, 9, 3))


def test_refuses_inputs_of_which_nothing_remains():
    with pytest.raises(ValueError, match=r"nothing remains of inputs of spatial size \(1, 5\)"):
        Conv2DTranspose(2, 2, padding="same", output_padding=0)(torch.zeros(1, 1, 5, 3))


def test_sequences_ask_convolution_op_too():
    class Doubled(Conv1D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, 2 * kernel)

    plain = Conv1D(4, 3, padding="causal", bias_initializer="ones")
    x = torch.rand(2, 7, 3)
    plain(x)
    layer = Doubled.from_config(plain.get_config())
    layer(x)
    layer.set_weights(plain.get_weights())
    torch.testing.assert_close(layer(x) - 1, 2 * (plain(x) - 1))
    assert layer.rank == 1

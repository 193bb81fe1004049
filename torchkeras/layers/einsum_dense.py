"""EinsumDense: a fully connected layer whose axes an einsum equation names.

May import core and the families below layers.
"""

import math
import re

import torch

from torchkeras.activations import linear
from torchkeras.core.calls import ignores_training
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.initializers import VarianceScaling
from torchkeras.layers import _slots
from torchkeras.layers._affine import affine
from torchkeras.layers._low_rank import LowRank

_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")


def _partial_shape(value):
    return (value,) if isinstance(value, int) else tuple(value)


class Equation:
    """The parts of `inputs,kernel->outputs`, and the shapes that follow from an input shape."""

    def __init__(self, text):
        match = _EQUATION.fullmatch(text.replace(" ", ""))
        left, self.inputs, right, self.kernel, left_out, self.outputs, right_out = (
            match.groups() if match else [None] * 7
        )
        if not match or left != left_out or right != right_out or (left and right):
            raise ValueError(
                f"Invalid einsum equation {text!r}: write inputs,kernel->outputs as in 'ab,bc->ac', '...b,bc->...c' or "
                "'ab...,bc->ac...'."
            )
        for letter in self.outputs:
            if letter not in self.inputs and letter not in self.kernel:
                raise ValueError(f"Axis {letter!r} of the output of {text!r} is in neither the inputs nor the kernel.")
        for letter in self.kernel:
            if letter not in self.inputs and letter not in self.outputs:
                raise ValueError(f"Axis {letter!r} of the kernel of {text!r} is in neither the inputs nor the outputs.")
        self.text, self.elided_left, self.elided_right = text, bool(left), bool(right)
        self.bound = "".join(letter for letter in self.inputs if letter not in self.outputs)
        self.new = "".join(letter for letter in self.outputs if letter not in self.inputs)

    @property
    def is_linear(self):
        """Whether it is one matrix product over the last axes, as `abcd,cde->abe` is."""
        free = self.inputs[: len(self.inputs) - len(self.bound)]
        together = set(self.kernel) == set(self.bound + self.new) and len(set(self.kernel)) == len(self.kernel)
        return (
            together and not self.elided_right and self.inputs == free + self.bound and self.outputs == free + self.new
        )

    def output_shape(self, input_shape, partial):
        """The full output shape; `partial` is what the user gave, without the batch and elided axes."""
        elided = len(input_shape) - len(self.inputs)
        if elided < 0 or (elided and not (self.elided_left or self.elided_right)):
            raise ValueError(f"The equation {self.text!r} does not fit inputs of shape {tuple(input_shape)}.")
        ahead = input_shape[1:elided] if self.elided_left else ()
        behind = input_shape[len(input_shape) - elided :] if self.elided_right else ()
        shape = (input_shape[0], *ahead, *partial, *behind)
        expected = elided + len(self.outputs)
        if len(shape) != expected:
            raise ValueError(
                f"The equation {self.text!r} gives outputs of rank {expected} for inputs of shape "
                f"{tuple(input_shape)}; output_shape={partial} would give rank {len(shape)}. Leave out the batch axis "
                "and those of '...'."
            )
        return shape

    def sizes(self, input_shape, output_shape):
        """`(size of each letter among the inputs, among the outputs)`."""
        elided = len(input_shape) - len(self.inputs)
        start = elided if self.elided_left else 0
        ins = dict(zip(self.inputs, input_shape[start:], strict=False))
        outs = dict(zip(self.outputs, output_shape[start:], strict=False))
        for letter, size in ins.items():
            if outs.get(letter) is not None and outs[letter] != size:
                raise ValueError(
                    f"Axis {letter!r} of {self.text!r} is {size} in the inputs and {outs[letter]} in the outputs: give "
                    "None for it in output_shape."
                )
        return ins, outs


@published("layer", "keras.layers")
class EinsumDense(LowRank, Layer, low_rank="kernel"):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: such as `"abc,cd->abd"`; `...` may stand for axes in front of or behind the others.
        output_shape: sizes of the output's axes but the batch axis and those under `...`; None where the input says.
        activation: name, function or None for none.
        bias_axes: letters of the output's axes along which the bias varies; None for no bias.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint:
            of the weights `kernel` (shape as the equation says) and `bias`.

    Raises `ValueError` where equation, inputs and `output_shape` do not fit.

    Example:
        >>> EinsumDense("abc,cde->abde", output_shape=(None, 4, 2), bias_axes="de")(torch.ones(3, 5, 8)).shape
        torch.Size([3, 5, 4, 2])

    In torch: `torch.einsum`; where the equation is a product over the last axes, one matrix product as in `nn.Linear`.
    """

    equation = field()
    output_shape = field(convert=_partial_shape, attribute="partial_output_shape")  # a call's is on every layer
    activation = _slots.activation()
    bias_axes = field(None)
    kernel_initializer = _slots.initializer("glorot_uniform")
    bias_initializer = _slots.initializer("zeros")
    kernel_regularizer = _slots.regularizer()
    bias_regularizer = _slots.regularizer()
    kernel_constraint = _slots.constraint()
    bias_constraint = _slots.constraint()
    lora_rank = _slots.lora()
    lora_alpha = _slots.lora()
    gptq_unpacked_column_size = field(None, in_config=False)
    quantization_config = field(None)
    activity_regularizer = _slots.activity_regularizer(always=True, shown=False)

    def build(self, input_shape):
        equation = Equation(self.equation)
        output_shape = equation.output_shape(input_shape, self.partial_output_shape)
        ins, outs = equation.sizes(input_shape, output_shape)
        kernel = equation.kernel
        order = tuple(kernel.index(letter) for letter in equation.bound + equation.new) if equation.is_linear else None
        self.input_spec = InputSpec(ndim=len(input_shape))
        shape = tuple(ins[letter] if outs.get(letter) is None else outs[letter] for letter in kernel)
        initializer = self._kernel_initializer(equation)
        self.kernel = _slots.weight(self, "kernel", shape, initializer=initializer, memory_order=order)
        self.bias = None
        if self.bias_axes is not None:
            self.bias = _slots.weight(self, "bias", self._bias_shape(equation, outs, len(output_shape)))
        self._linear_order, self._bound = order, len(equation.bound)
        if order is not None:
            sizes = [shape[axis] for axis in order]
            self._new_sizes = tuple(sizes[self._bound :])
            self._matrix = math.prod(sizes[: self._bound]), math.prod(self._new_sizes)
        self._bias_fits = self.bias is not None and set(self.bias_axes) == set(equation.new)

    def _kernel_initializer(self, equation):
        """An initializer that scales by fans learns from the equation which axes are inputs and which outputs."""
        initializer = self.kernel_initializer
        scales = isinstance(initializer, VarianceScaling)
        if not scales or (initializer.input_axes is not None and initializer.output_axes is not None):
            return initializer
        axes = range(len(equation.kernel))
        config = {
            **initializer.get_config(),
            "seed": initializer.seed,
            "input_axes": [axis for axis in axes if equation.kernel[axis] not in equation.outputs],
            "output_axes": [axis for axis in axes if equation.kernel[axis] in equation.outputs],
        }
        return type(initializer).from_config(config)

    def _bias_shape(self, equation, outs, rank):
        """Sizes from the first axis of the bias to the end of the output, 1 where the bias does not vary."""
        unknown = [letter for letter in self.bias_axes if letter not in equation.outputs]
        if unknown:
            raise ValueError(
                f"Bias axes {unknown} are not among the output's axes {equation.outputs!r} of {self.equation!r}."
            )
        first = min(equation.outputs.index(letter) for letter in self.bias_axes)
        shape = [outs[letter] if letter in self.bias_axes else 1 for letter in equation.outputs[first:]]
        behind = rank - len(equation.outputs) if equation.elided_right else 0
        return (*shape, *[1] * behind)

    def matrix(self, kernel):
        """The kernel as matrix `(inputs, outputs)` of a linear map, a view; None for other equations."""
        order = self._linear_order
        if order is None or kernel.dim() == 2 and order == (0, 1):
            return None if order is None else kernel
        if order != tuple(range(kernel.dim())):
            kernel = kernel.permute(order)
        return kernel.reshape(self._matrix)

    @ignores_training
    def call(self, inputs, training=None):
        kernel, bias = self.kernel, self.bias
        if not inputs.is_floating_point():
            inputs = self._in_floats(inputs, kernel.dtype)
        matrix = self.matrix(kernel)
        if matrix is None:
            outputs = torch.einsum(self.equation, inputs, kernel)
        elif bias is None or self._bias_fits:
            bias = bias if bias is None or bias.dim() == 1 else bias.flatten()
            return affine(inputs, matrix, bias, self.activation, self._new_sizes, self._bound)
        else:
            outputs = affine(inputs, matrix, None, linear, self._new_sizes, self._bound)
        return self.activation(outputs if bias is None else outputs + bias)

    def compute_output_shape(self, input_shape):
        return Equation(self.equation).output_shape(input_shape, self.partial_output_shape)

"""Dense: a fully connected layer.

May import core and the families below layers.
"""

from torchkeras.core.arguments import positive_int
from torchkeras.core.calls import ignores_training
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.layers import _slots
from torchkeras.layers._affine import affine
from torchkeras.layers._low_rank import LowRank


@published("layer", "keras.layers")
class Dense(LowRank, Layer, low_rank="kernel"):
    """`activation(inputs @ kernel + bias)` on the last axis.

    Args:
        units: size of the last axis of the output.
        activation: name, function or None for none.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint,
            bias_constraint: of the weights `kernel` `(inputs, units)` and `bias` `(units,)`.
        lora_rank, lora_alpha: learn the kernel through two factors from the start: `enable_lora`.

    Input `(..., inputs)` of rank 2 or more, output `(..., units)`.

    Example:
        >>> Dense(8, activation="relu")(torch.ones(2, 3)).shape
        torch.Size([2, 8])

    In torch: `nn.Linear(inputs, units)`, whose weight is `kernel.t()`.
    """

    units = field(convert=positive_int("units"))
    activation = _slots.activation()
    use_bias = field(True)
    kernel_initializer = _slots.initializer("glorot_uniform")
    bias_initializer = _slots.initializer("zeros")
    kernel_regularizer = _slots.regularizer()
    bias_regularizer = _slots.regularizer()
    activity_regularizer = _slots.activity_regularizer()
    kernel_constraint = _slots.constraint()
    bias_constraint = _slots.constraint()
    lora_rank = _slots.lora()
    lora_alpha = _slots.lora()
    quantization_config = field(None)

    def _configure(self):
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape):
        size = input_shape[-1]
        self.kernel = _slots.weight(self, "kernel", (size, self.units))
        self.bias = _slots.weight(self, "bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})

    @ignores_training
    def call(self, inputs, training=None):
        kernel, bias = self.kernel, self.bias
        if not inputs.is_floating_point():
            inputs = self._in_floats(inputs, kernel.dtype)
        return affine(inputs, kernel, bias, self.activation, (self.units,))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

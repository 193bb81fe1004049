"""SpectralNormalization: a wrapper that keeps the largest singular value of a kernel at one.

May import core and the families below layers, and Wrapper.
"""

import torch
from torch.func import functional_call

from torchkeras.core.arguments import positive_int
from torchkeras.core.fields import field
from torchkeras.core.input_spec import InputSpec
from torchkeras.core.registry import published
from torchkeras.core.transforms import write
from torchkeras.initializers import TruncatedNormal
from torchkeras.layers.wrapper import Wrapper
from torchkeras.ops.nn_statistics import unit_length


@published("layer", "keras.layers")
class SpectralNormalization(Wrapper):
    """Divides the kernel of a layer by its largest singular value at each training call (Miyato et al. 2018).

    The value is estimated by power iteration, which goes on from call to call. The kernel itself is overwritten, as in
    Keras; the gradient is that of the layer with the kernel it then has.

    Args:
        layer: a layer with a `kernel` or `embeddings`.
        power_iterations: steps of the estimate in each training call.

    Weights: those of the layer, and `vector_u` `(1, outputs)`.

    Raises `ValueError` for a layer with neither weight.

    Example:
        >>> layer = SpectralNormalization(Dense(3))
        >>> for _ in range(50):
        ...     outputs = layer(torch.ones(2, 4), training=True)
        >>> round(torch.linalg.matrix_norm(layer.layer.kernel, 2).item(), 4)
        1.0

    In torch: `nn.utils.parametrizations.spectral_norm(module)`, which divides in every call, keeps the kernel as it was
    and sends gradients through the division.
    """

    power_iterations = field(1, convert=positive_int("power_iterations"))

    def build(self, input_shape):
        super().build(input_shape)
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})
        names = [name for name in ("kernel", "embeddings") if hasattr(self.layer, name)]
        if not names:
            raise ValueError(
                f"Layer {self.name!r} normalizes a `kernel` or `embeddings`; {type(self.layer).__name__} "
                f"{self.layer.name!r} has neither."
            )
        self._kernel_name = names[0]
        self.kernel = getattr(self.layer, names[0])
        self.kernel_shape = self.kernel.shape
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel_shape[-1]),
            initializer=TruncatedNormal(stddev=0.02),
            trainable=False,
            autocast=False,
            dtype=self.layer.variable_dtype,
        )

    def _configure(self):
        super()._configure()
        self.register_load_state_dict_post_hook(_one_kernel)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        _one_kernel(self)
        return self

    def call(self, inputs, training=False):
        if training:
            kernel = self._wrapped_kernel()
            with torch.no_grad():
                for weight, value in zip((self.vector_u, kernel), self.normalized_weights(), strict=True):
                    write(torch.Tensor.copy_, weight, value)
            # A copy serves, so that the next call may overwrite the kernel before this one's gradients are taken.
            outputs = functional_call(self.layer, {self._kernel_name: kernel.clone()}, (inputs,))
        else:
            outputs = self.layer(inputs)
        # As in Keras; but what an embedding is given are no values of the dtype that its outputs have.
        return outputs if self._kernel_name == "embeddings" else outputs.to(inputs.dtype)

    def _wrapped_kernel(self):
        return getattr(self.layer, self._kernel_name)  # as it is, where `self.kernel` may be cast

    def normalized_weights(self):
        """`(vector_u, kernel)` after the steps of one call; a kernel of zeros stays as it is."""
        kernel = self._wrapped_kernel()
        rows = kernel.reshape(-1, self.kernel_shape[-1])
        u = self.vector_u
        for _ in range(self.power_iterations):
            v = unit_length(u @ rows.t(), (0, 1))
            u = unit_length(v @ rows, (0, 1))
        value = v @ rows @ u.t()
        is_zero = rows.eq(0).all()
        return torch.where(is_zero, self.vector_u, u), torch.where(is_zero, kernel, kernel / value)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


def _one_kernel(layer, *_):
    """Where torch makes new parameters, each of the kernel's two names gets one of its own: they become one again."""
    if layer.built:
        layer.kernel = layer._wrapped_kernel()

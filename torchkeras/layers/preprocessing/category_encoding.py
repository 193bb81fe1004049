"""CategoryEncoding: whole numbers as vectors of ones or counts.

May import core and this room.
"""

from torchkeras.core.arguments import positive_int
from torchkeras.core.conversion import as_tensor
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers.preprocessing.encoded import encoded, encoded_shape

_OLD = {"binary": "multi_hot"}


def _num_tokens(value):
    if value is None:
        raise InvalidArgumentError(
            "`num_tokens` must be given, a positive integer. Where it is not known beforehand, IntegerLookup finds it."
        )
    return positive_int("num_tokens")(value)


def _output_mode(value):
    mode = _OLD.get(value, value) if isinstance(value, str) else value
    if mode not in ("one_hot", "multi_hot", "count"):
        raise InvalidArgumentError(f"`output_mode` must be 'one_hot', 'multi_hot' or 'count', got {value!r}.")
    return mode


@published("layer", "keras.layers")
class CategoryEncoding(Layer):
    """Numbers from 0 to `num_tokens - 1` as vectors of `num_tokens` ones and zeros, or counts.

    Args:
        num_tokens: how many numbers there are.
        output_mode: `"multi_hot"` (1 for each number that a sample holds), `"one_hot"` (a vector for each number) or
            `"count"` (how often a sample holds each number). Keras 2's `"binary"` is `"multi_hot"`.
        sparse: torch has no such layer: True is refused at the call, as in Keras.

    Call arguments:
        inputs: whole numbers, `(samples, length)`, or `(length,)` for one sample. Negative ones count nowhere.
        count_weights: in mode `"count"` what each number counts, in the shape of `inputs`.

    Output: `(samples, num_tokens)`; in mode `"one_hot"` `(samples, length, num_tokens)`, without the middle axis where
    `length` is 1.

    Raises `ValueError` for numbers from `num_tokens` up, and for weights in another mode.

    Example:
        >>> CategoryEncoding(4, output_mode="count")([[0, 3, 3]])
        tensor([[1., 0., 0., 2.]])

    In torch: `F.one_hot(inputs, num_tokens).sum(1).float()`.
    """

    _takes_numbers = True
    num_tokens = field(None, convert=_num_tokens)
    output_mode = field("multi_hot", convert=_output_mode)
    sparse = field(False, in_config=False)

    def _configure(self):
        self.autocast = False  # numbers in floats must not be rounded to 16 bits

    def call(self, inputs, count_weights=None):
        if self.sparse:
            raise ValueError(f"Layer {self.name!r}: sparse=True is not supported on torch, leave it out.")
        if count_weights is not None:
            if self.output_mode != "count":
                raise InvalidArgumentError(
                    f"`count_weights` of layer {self.name!r} count in output_mode='count' only, its mode is "
                    f"{self.output_mode!r}."
                )
            count_weights = as_tensor(count_weights, self.compute_dtype, inputs.device)
        owner = f"Layer {self.name!r}"
        return encoded(inputs, self.output_mode, self.num_tokens, self.dtype, count_weights, owner)

    def compute_output_shape(self, input_shape):
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def compute_output_spec(self, inputs, count_weights=None):
        dtype = self.dtype if count_weights is None else self.compute_dtype
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=dtype)

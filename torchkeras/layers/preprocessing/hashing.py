"""Hashing: categories as numbers of bins, without a vocabulary.

May import core and this room. Bins are TensorFlow's, and so Keras's: the fingerprint of a string, or of a whole number
written in decimal digits, modulo the number of bins.
"""

import numpy as np
import torch

from torchkeras.core import dtype_policy, tree
from torchkeras.core.arguments import one_of, positive_int
from torchkeras.core.array_likes import as_ndarray
from torchkeras.core.conversion import as_tensor
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.transforms import outside_graphs
from torchkeras.errors import InvalidArgumentError, UnsupportedInputError
from torchkeras.layers.preprocessing import fingerprints
from torchkeras.layers.preprocessing.encoded import encoded, encoded_shape
from torchkeras.layers.preprocessing.index_lookup import salt_of
from torchkeras.layers.preprocessing.strings import as_strings


class Hashes:
    """Mixin before `Layer`: `call` gets strings as numpy arrays and numbers as tensors, whatever held them; whole
    numbers come out in int64 unless a dtype was given."""

    _takes_strings = True
    _takes_several = True  # lists of strings
    output_mode = "int"

    def _configure_base(self, rest):
        self._keep(_dtype_given=rest.get("dtype") is not None)
        super()._configure_base(rest)

    def _configure(self):
        if self.output_mode == "int" and not self._dtype_given:
            self.__dict__["_dtype_policy"] = dtype_policy.get("int64")
        self.autocast = False  # numbers in floats must not be rounded to 16 bits
        self.built = True

    def _convert(self, args, kwargs):
        name = self._call_info.names[0]
        if args:
            args = (self._columns(args[0], name), *args[1:])
        elif name in kwargs:
            kwargs = {**kwargs, name: self._columns(kwargs[name], name)}
        return args, kwargs

    def _columns(self, value, name):
        return self._strings_or_numbers(value, name)

    def _fit_as_they_are(self, args, kwargs):
        return False

    def _strings_or_numbers(self, value, name):
        if value is None or isinstance(value, (torch.Tensor, KerasTensor)):
            return value
        what = self._name_of(name)
        listed = isinstance(value, (list, tuple)) and any(
            isinstance(leaf, torch.Tensor) for leaf in tree.flatten(value)
        )
        if listed or hasattr(type(value), "__dlpack__") and not hasattr(type(value), "__array__"):
            return as_tensor(value, what=what)
        array = as_ndarray(value, what)
        if array.dtype.kind in "biuf" and array.dtype != np.uint64:
            return as_tensor(array, device=self._device(), what=what)
        if array.dtype.kind == "O" and array.size and not isinstance(array.flat[0], (str, bytes)):
            return as_tensor(value, device=self._device(), what=what)
        return as_strings(array, what)

    def _device_of(self, values):
        return values.device if isinstance(values, torch.Tensor) else self._device()


@published("layer", "keras.layers")
class Hashing(Hashes, Layer, extra="kwargs"):
    """The number of a bin for each string or whole number: the same for equal ones, and nearly never for others where
    there are many more bins than values.

    Args:
        num_bins: how many bins, that of `mask_value` included.
        mask_value: what goes to bin 0, all else to those behind it.
        salt: an integer of 64 bits, or two of them: SipHash under this key in place of FarmHash, so that nobody without
            it can find strings of one bin.
        output_mode: `"int"` (the numbers), `"one_hot"`, `"multi_hot"` or `"count"`: vectors of `num_bins`, as
            `CategoryEncoding` makes them.
        sparse: for vectors; on torch they are dense all the same, as Keras gives them there.

    Input: strings (arrays, lists, columns of data frames) or whole numbers of any shape; floats lose their fraction.
    Output: int64 of the same shape, or vectors in `floatx()`; `dtype` says otherwise.

    Raises `ValueError` for a `dtype` that cannot hold numbers of bins.

    Example:
        >>> Hashing(3)(["A", "B", "C", "D", "E"])
        tensor([1, 0, 1, 1, 2])
        >>> Hashing(3, output_mode="count")([["A", "B", "C"]])
        tensor([[1., 2., 0.]])
    """

    num_bins = field(convert=positive_int("num_bins"))
    mask_value = field(None)
    salt = field(None, convert=lambda value: list(salt_of(value)), optional=True)
    output_mode = field("int", convert=one_of("output_mode", "int", "one_hot", "multi_hot", "count"))
    sparse = field(False)

    def _configure(self):
        super()._configure()
        if self.output_mode == "int" and self.dtype not in ("int32", "int64"):
            raise InvalidArgumentError(
                f"`dtype` of Hashing must be 'int32' or 'int64' with output_mode='int', got {self.dtype!r}."
            )
        if self.output_mode == "int" and self.sparse:
            raise InvalidArgumentError("`sparse` is for output_mode='one_hot', 'multi_hot' or 'count', not for 'int'.")

    @outside_graphs
    def call(self, inputs):
        masked = self.mask_value is not None and self.num_bins > 1
        bins = self._bins(inputs, self.num_bins - 1 if masked else self.num_bins)
        if masked:
            bins = np.where(self._is_masked(inputs), 0, bins + 1)
        numbers = torch.from_numpy(bins).to(self._device_of(inputs))
        return encoded(numbers, self.output_mode, self.num_bins, self.dtype, owner=f"Layer {self.name!r}")

    def _bins(self, values, count):
        texts = digits(values) if isinstance(values, torch.Tensor) else values
        flat = np.ravel(texts)
        found = fingerprints.farmhash(flat) if self.salt is None else fingerprints.siphash(flat, self.salt)
        return (found % np.uint64(count)).astype(np.int64).reshape(texts.shape)

    def _is_masked(self, values):
        if isinstance(values, torch.Tensor) == isinstance(self.mask_value, (str, bytes)):
            kind = "numbers" if isinstance(values, torch.Tensor) else "strings"
            raise UnsupportedInputError(
                f"Layer {self.name!r} has mask_value={self.mask_value!r}, which cannot be among its inputs, {kind}."
            )
        if isinstance(values, torch.Tensor):
            return (values == self.mask_value).cpu().numpy()
        return values == as_strings(self.mask_value)

    def compute_output_shape(self, input_shape):
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs):
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.dtype)


def digits(numbers):
    """Whole numbers of a tensor in decimal digits: a numpy array of `S`. Floats lose their fraction."""
    values = numbers.detach().cpu()
    if values.dtype == torch.bool:
        return np.where(values.numpy(), b"true", b"false")
    return values.to(torch.int64).numpy().astype("S20")

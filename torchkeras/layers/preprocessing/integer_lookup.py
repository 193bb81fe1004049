"""IntegerLookup: whole numbers of any size to indices by a vocabulary, and back.

May import core and this room. The table is a pair of tensors that live where the inputs do.
"""

import numpy as np
import torch

from torchkeras.core.arguments import flag, one_of
from torchkeras.core.conversion import as_array
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.transforms import outside_graphs
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing import index_lookup
from torchkeras.layers.preprocessing.fingerprints import bins_of
from torchkeras.layers.preprocessing.index_lookup import MASK, UNKNOWN, IndexLookup


def _int64_only(value):
    if value != "int64":
        raise InvalidArgumentError(f"`vocabulary_dtype` must be 'int64', got {value!r}.")
    return value


@published("layer", "keras.layers")
class IntegerLookup(IndexLookup):
    """Indices for whole numbers: the place of each in a vocabulary.

    Args:
        max_tokens: how many tokens the vocabulary may have, special ones too; `adapt` keeps the most frequent. By
            default all.
        num_oov_indices: how many indices there are for what is not in the vocabulary; with several, the remainder of
            the division by this number says which; with 0 such numbers are an error.
        mask_token: the number with index 0, for padding; by default there is none.
        oov_token: what stands for unknown numbers in the vocabulary, and with `invert` comes out for unknown indices.
        vocabulary: list, array or tensor of numbers, or the path of a text file with one in each line; by default
            `adapt` makes it.
        vocabulary_dtype: `"int64"`.
        idf_weights: a weight for each token of `vocabulary`, for `output_mode="tf_idf"`.
        invert: whether to give numbers for indices.
        output_mode: `"int"` for indices; `"one_hot"` for a vector for each number; `"multi_hot"`, `"count"`,
            `"tf_idf"` for a vector for each row, with 1 for what occurs, how often it does, or that times the weight.
        sparse: refused where True: there are no sparse outputs on torch.
        pad_to_max_tokens: whether vectors have `max_tokens` places even where the vocabulary has fewer tokens.
        oov_method: `"floormod"`, or `"farmhash"` for a hash of the number's digits in place of the remainder.
        salt: a number, or two, that change that hash.

    Input: numbers of any shape; floats lose their fraction. Output: int64 (`"tf_idf"` gives float32).

    Raises `NotAdaptedError` (a `RuntimeError`) when called without a vocabulary, `ValueError` for one with repeated or
    misplaced special tokens.

    Example:
        >>> layer = IntegerLookup(vocabulary=[2010, 2020])
        >>> layer([[2020, 1999]])
        tensor([[2, 0]])

    In torch: `torch.searchsorted(sorted_tokens, x)`, and a look at what stands there.
    """

    max_tokens = field(None, convert=index_lookup.max_tokens, optional=True)
    num_oov_indices = field(1, convert=index_lookup.count_of_unknown)
    mask_token = field(None)
    oov_token = field(-1)
    vocabulary = field(None, in_config=False, attribute="_given")
    vocabulary_dtype = field("int64", convert=_int64_only)
    idf_weights = field(None, in_config=False, attribute="_given_weights")
    invert = field(False, convert=flag("invert"))
    output_mode = index_lookup.output_mode("int", "one_hot", "multi_hot", "count", "tf_idf")
    sparse = field(False, convert=flag("sparse"))
    pad_to_max_tokens = field(False, convert=flag("pad_to_max_tokens"))
    oov_method = field("floormod", convert=one_of("oov_method", "floormod", "farmhash"))
    salt = field(None, convert=index_lookup.salt_of)
    name = _slots.base()

    _dtype_of_tokens = "int64"
    _takes_numbers = True

    def _configure(self):
        for name in ("_sorted", "_order", "_all"):
            self.register_buffer(name, None, persistent=False)
        super()._configure()

    def _tokens_of(self, data):
        return as_array(data, f"a token of layer {self.name!r}").astype(np.int64)

    def _take(self, vocabulary, idf_weights):
        numerals = isinstance(vocabulary, (list, tuple)) and all(isinstance(token, str) for token in vocabulary)
        return super()._take(self._parsed(vocabulary) if numerals else vocabulary, idf_weights)

    def _parsed(self, lines):
        return [int(line) for line in lines]

    def _make_table(self, tokens):
        known = torch.tensor([*tokens, *([] if self.mask_token is None else [self.mask_token])], dtype=torch.int64)
        places = torch.arange(len(known))
        if self.mask_token is not None:
            places[-1] = MASK
        device = self._device()
        self._sorted, order = known.to(device).sort()
        self._order = places.to(device)[order]
        self._all = torch.tensor(self._before + tokens, dtype=torch.int64, device=device)

    def _places_of(self, inputs):
        inputs = inputs.long()
        if not len(self._sorted):
            return torch.full_like(inputs, UNKNOWN)
        at = torch.searchsorted(self._sorted, inputs).clamp_(max=len(self._sorted) - 1)
        return torch.where(self._sorted[at] == inputs, self._order[at], UNKNOWN)

    def _bins_of(self, inputs, unknown):
        if self.oov_method == "floormod":
            return inputs.long().remainder(self.num_oov_indices)
        return self._hashed(inputs, unknown.device)

    @outside_graphs
    def _hashed(self, inputs, device):
        digits = inputs.long().cpu().numpy().astype(str)
        bins = bins_of(digits.ravel(), self.num_oov_indices, self.salt).reshape(digits.shape)
        return torch.as_tensor(bins, device=device)

    def _inverted(self, indices):
        indices = indices.long()
        known = (indices >= 0) & (indices < len(self._all))
        return torch.where(known, self._all[torch.where(known, indices, 0)], self.oov_token)

"""StringLookup: strings to whole numbers by a vocabulary, and back.

May import core and this room.
"""

import numpy as np
import torch

from torchkeras.core.arguments import flag, one_of
from torchkeras.core.conversion import as_tensor_or_symbolic
from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing import index_lookup
from torchkeras.layers.preprocessing.fingerprints import bins_of, packed
from torchkeras.layers.preprocessing.index_lookup import MASK, IndexLookup
from torchkeras.layers.preprocessing.strings import TakesStrings, as_strings
from torchkeras.layers.preprocessing.token_table import TokenTable


def _encoding(value):
    if not isinstance(value, str):
        raise InvalidArgumentError(f"`encoding` must be a name such as 'utf-8', got {value!r}.")
    return value


@published("layer", "keras.layers")
class StringLookup(TakesStrings, IndexLookup):
    """Whole numbers for strings: the place of each in a vocabulary.

    Args:
        max_tokens: how many tokens the vocabulary may have, special ones too; `adapt` keeps the most frequent. By
            default all.
        num_oov_indices: how many indices there are for what is not in the vocabulary; with several, a hash of the
            string says which; with 0 such strings are an error.
        mask_token: the token with index 0, for padding; by default there is none.
        oov_token: what stands for unknown strings in the vocabulary, and with `invert` comes out for unknown numbers.
        vocabulary: list or array of tokens, or the path of a text file with one in each line; by default `adapt`
            makes it.
        idf_weights: a weight for each token of `vocabulary`, for `output_mode="tf_idf"`.
        invert: whether to give strings for indices.
        output_mode: `"int"` for indices; `"one_hot"` for a vector for each string; `"multi_hot"`, `"count"`,
            `"tf_idf"` for a vector for each row, with 1 for what occurs, how often it does, or that times the weight.
        pad_to_max_tokens: whether vectors have `max_tokens` places even where the vocabulary has fewer tokens.
        sparse: refused where True: there are no sparse outputs on torch.
        encoding: of the vocabulary's file.
        salt: a number, or two, that change the hash of unknown strings.

    Input: strings of any shape: a list, array, column of a data frame. Output: int64 (`"tf_idf"` gives float32);
    with `invert` a numpy array of strings.

    Raises `NotAdaptedError` (a `RuntimeError`) when called without a vocabulary, `ValueError` for one with repeated or
    misplaced special tokens.

    Example:
        >>> layer = StringLookup(vocabulary=["red", "green"])
        >>> layer(["green", "blue", "red"])
        tensor([2, 0, 1])
        >>> layer.get_vocabulary()
        ['[UNK]', 'red', 'green']

    In torch: `torch.tensor([table.get(text, 0) for text in texts])` with a dict.
    """

    max_tokens = field(None, convert=index_lookup.max_tokens, optional=True)
    num_oov_indices = field(1, convert=index_lookup.count_of_unknown)
    mask_token = field(None)
    oov_token = field("[UNK]")
    vocabulary = field(None, in_config=False, attribute="_given")
    idf_weights = field(None, in_config=False, attribute="_given_weights")
    invert = field(False, convert=flag("invert"))
    output_mode = index_lookup.output_mode("int", "one_hot", "multi_hot", "count", "tf_idf")
    pad_to_max_tokens = field(False, convert=flag("pad_to_max_tokens"))
    sparse = field(False, convert=flag("sparse"))
    encoding = field("utf-8", convert=_encoding)
    name = _slots.base()
    salt = field(None, convert=index_lookup.salt_of)
    oov_method = field("floormod", convert=one_of("oov_method", "floormod", "farmhash"), shown=False)  # Keras writes it

    _dtype_of_tokens = "string"

    def _as_strings(self, value, name):
        return as_tensor_or_symbolic(value) if self.invert else super()._as_strings(value, name)

    def _tokens_of(self, data):
        return as_strings(data, f"a token of layer {self.name!r}")

    def _make_table(self, tokens):
        mask = [] if self.mask_token is None else [self.mask_token]
        table = TokenTable([token.encode() for token in tokens + mask])
        self._keep(_table=table, _array=np.array(self._before + tokens, dtype=str))

    def _places_of(self, inputs):
        places = self._table.places(packed(inputs.ravel()))
        if self.mask_token is not None:
            places[places == len(self._table) - 1] = MASK
        return torch.as_tensor(places.reshape(inputs.shape), device=self._device())

    def _bins_of(self, inputs, unknown):
        bins = np.zeros(inputs.shape, np.int64)
        where = unknown.cpu().numpy()
        bins[where] = bins_of(inputs[where], self.num_oov_indices, self.salt)
        return torch.as_tensor(bins, device=unknown.device)

    def _inverted(self, indices):
        indices = indices.cpu().numpy().astype(np.int64)
        known = (indices >= 0) & (indices < len(self._array))
        return np.where(known, self._array.take(np.where(known, indices, 0)), np.array(self.oov_token))

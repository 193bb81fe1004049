"""TextVectorization: texts to whole numbers, one for each word, or to vectors of counts.

May import core and this room. Splitting is in tokens.py, finding words in token_table.py, the vocabulary in a
StringLookup that the layer holds, as in Keras's files. Texts are taken in portions, whose bytes stay in the cache.
"""

import numpy as np
import torch

from torchkeras.core.arguments import flag, positive_int
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.registry import published
from torchkeras.core.serialization import deserialize_keras_object
from torchkeras.errors import InvalidArgumentError, NotAdaptedError, UnsupportedInputError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing import index_lookup, tokens
from torchkeras.layers.preprocessing.adapting import AdaptingLayer
from torchkeras.layers.preprocessing.index_lookup import MASK
from torchkeras.layers.preprocessing.string_lookup import StringLookup
from torchkeras.layers.preprocessing.strings import TakesStrings, as_strings
from torchkeras.layers.preprocessing.token_table import TokenTable

_PORTION = 1 << 18  # characters that are split together


def _way(name, choices):
    """Accepts one of a few words, a function, or None."""

    def convert(value):
        if value is None or callable(value) or (isinstance(value, str) and value in choices):
            return value
        words = ", ".join(map(repr, choices))
        raise InvalidArgumentError(f"`{name}` must be {words}, None or a function, got {value!r}.")

    return convert


def _widths(value):
    """None, an integer, or a tuple of integers."""
    whole = isinstance(value, tuple) and all(type(each) is int for each in value)
    if value is None or type(value) is int or whole:
        return value
    raise InvalidArgumentError(f"`ngrams` must be None, an integer or a tuple of integers, got {value!r}.")


def _function_of(value):
    """A way of standardizing or splitting from a config: a function of the user's, by the name under which it is
    registered."""
    if value is None or isinstance(value, str) or callable(value):
        return value
    return deserialize_keras_object(value, kinds=(), printable_name="a function of texts")


@published("layer", "keras.layers")
class TextVectorization(TakesStrings, AdaptingLayer, extra="kwargs"):
    """Whole numbers for the words of texts, or a vector for each text.

    Args:
        max_tokens: how many words the vocabulary may have, special ones too; `adapt` keeps the most frequent.
        standardize: `"lower_and_strip_punctuation"`, `"lower"`, `"strip_punctuation"` (ASCII letters and punctuation),
            None, or a function of an array of strings that gives one of the same shape.
        split: `"whitespace"` (of ASCII), `"character"`, None (each string is a word), or a function of an array of
            strings that gives a list of words for each.
        ngrams: n for groups of 1 to n words in a row, or a tuple of the lengths of groups.
        output_mode: `"int"`, or for vectors `"multi_hot"`, `"count"`, `"tf_idf"`; Keras 2's `"binary"` and `"tf-idf"`
            are understood.
        output_sequence_length: in mode `"int"` the length to which rows are cut and filled with 0.
        pad_to_max_tokens: whether vectors have `max_tokens` places whatever the vocabulary has.
        vocabulary: list or array of words, or the path of a text file with one in each line; by default `adapt` makes
            it.
        idf_weights: for `"tf_idf"`, a weight for each word of `vocabulary`.
        sparse: refused where True: there are no sparse outputs on torch.
        ragged: in mode `"int"` whether rows keep their lengths: a jagged `torch.nested` tensor.
        encoding: of inputs that are bytes, and of the vocabulary's file.

    Input: strings `(batch,)` or `(batch, 1)`, without `split` of any shape. Output: int64 `(batch, longest)` with 0 for
    padding and 1 for unknown words; vectors `(batch, words)` are int64 too, those of `"tf_idf"` float32.

    Raises `NotAdaptedError` (a `RuntimeError`) when called without a vocabulary.

    Example:
        >>> layer = TextVectorization(output_sequence_length=4)
        >>> layer.adapt(["The cat sat.", "the mat"])
        >>> layer.get_vocabulary()
        ['', '[UNK]', 'the', 'sat', 'mat', 'cat']
        >>> layer(["A cat sat", "The mat"])
        tensor([[1, 5, 3, 0],
                [2, 4, 0, 0]])

    In torch: none; `torchtext` had the like.
    """

    max_tokens = field(None, convert=index_lookup.max_tokens, optional=True)
    standardize = field(tokens.STANDARDS[0], convert=_way("standardize", tokens.STANDARDS), load=_function_of)
    split = field("whitespace", convert=_way("split", tokens.SPLITS), load=_function_of)
    ngrams = field(None, convert=_widths, load=lambda value: tuple(value) if isinstance(value, list) else value)
    output_mode = index_lookup.output_mode("int", "one_hot", "multi_hot", "count", "tf_idf")
    output_sequence_length = field(None, convert=positive_int("output_sequence_length"), optional=True)
    pad_to_max_tokens = field(False, convert=flag("pad_to_max_tokens"))
    vocabulary = field(None, in_config=False, attribute="_given")
    idf_weights = field(None, in_config=False, attribute="_given_weights")
    sparse = field(False, convert=flag("sparse"))
    ragged = field(False, convert=flag("ragged"))
    encoding = field("utf-8")
    name = _slots.base()

    def _configure(self):
        if self.output_sequence_length is not None and self.output_mode != "int":
            raise InvalidArgumentError(
                f"`output_sequence_length` is for output_mode='int', got it with output_mode={self.output_mode!r}."
            )
        if self.ragged and self.output_mode != "int":
            raise InvalidArgumentError(f"`ragged` is for output_mode='int', got output_mode={self.output_mode!r}.")
        given, weights = self._given, self._given_weights
        del self._given, self._given_weights
        self._has_input_vocabulary = given is not None
        self._lookup_layer = StringLookup(
            max_tokens=self.max_tokens,
            vocabulary=given,
            idf_weights=weights,
            pad_to_max_tokens=self.pad_to_max_tokens,
            mask_token="",
            output_mode=self.output_mode,
            sparse=self.sparse,
            encoding=self.encoding,
        )
        self._keep(_table=None, _seen=None)
        self._widths = tuple(range(1, self.ngrams + 1)) if isinstance(self.ngrams, int) else self.ngrams
        self.built = True

    def build(self, input_shape=None):
        """There is nothing to build."""

    def get_config(self):
        lookup = self._lookup_layer.get_config()
        config = {**super().get_config(), "ngrams": self.ngrams}
        given = {key: lookup[key] for key in ("vocabulary", "idf_weights")}
        return {**config, **given, "vocabulary_size": lookup["vocabulary_size"] or self.vocabulary_size()}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A layer from what `get_config` gave. Raises `UnsafeFileError` for one that names a file as vocabulary."""
        index_lookup.refuse_path(cls, config)
        left_out = ("vocabulary_size", "has_input_vocabulary")
        kept = {key: value for key, value in config.items() if key not in left_out}
        layer = super().from_config(kept, custom_objects)
        layer._lookup_layer._keep(_promised=index_lookup.size_of(config))
        return layer

    # -- the vocabulary -----------------------------------------------------------------------------------------------

    def get_vocabulary(self, include_special_tokens=True):
        """The words in the order of their numbers, as a list.

        Args:
            include_special_tokens: whether `""` for padding (in mode `"int"`) and `"[UNK]"` are among them.
        """
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self):
        """Number of words, special ones too."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary, idf_weights=None):
        """Sets the words, and their weights for `output_mode="tf_idf"`. See `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def _words(self):
        """The table of words in force, and what number each place in it means: an array that begins with those of the
        mask and of unknown words, whose places are -2 and -1."""
        known = self._lookup_layer._tokens
        if known is None:
            raise NotAdaptedError(
                f"Layer {self.name!r} has no vocabulary yet: call adapt(data), or make it with vocabulary=[...]."
            )
        if self._table is None or self._table[0] is not known:
            places = torch.arange(MASK, len(known), device="cpu")
            numbers = self._lookup_layer._with_unknown(places, None).numpy()
            self._keep(_table=(known, TokenTable([word.encode() for word in known]), numbers))
        return self._table[1:]

    # -- adapting -----------------------------------------------------------------------------------------------------

    def adapt(self, data, batch_size=None, steps=None):
        """Makes the vocabulary of texts: the most frequent words first, in place of an earlier one.

        Args:
            data: an array or list of texts; or what gives batches: a dataset, a DataLoader, a generator.
            batch_size: how many texts of an array to look at together; the result is the same.
            steps: how many batches to take of what gives batches; by default all.
        """
        self._lookup_layer._refuse_fixed()
        super().adapt(data, steps, batch_size)

    def reset_state(self):
        self._lookup_layer.reset_state()
        self._keep(_seen=None)

    def update_state(self, data):
        if self._seen is None:
            self._keep(_seen=_Seen(self.output_mode == "tf_idf"))
        texts = self._as_strings(data, "data")
        for part in self._portions(texts.reshape(-1, 1) if texts.ndim < 2 else texts):
            self._seen.add(part)

    def finalize_state(self):
        self._hand_over()
        self._lookup_layer.finalize_state()

    def merge_state(self, layers):
        self._refuse_others(layers)
        for layer in (self, *layers):
            layer._hand_over()
        self._lookup_layer.merge_state([layer._lookup_layer for layer in layers])

    def _hand_over(self):
        """What was counted goes to the lookup."""
        if self._seen is not None:
            self._lookup_layer._take_counts(*self._seen.words())
            self._keep(_seen=None)

    # -- calling ------------------------------------------------------------------------------------------------------

    def _as_strings(self, value, name):
        if isinstance(value, list) and value and all(type(each) is str for each in value):
            texts = np.empty(len(value), object)  # an array of `U` has the longest one's room for each
            texts[:] = value
            return texts
        if isinstance(value, np.ndarray) and value.dtype.kind == "S" and self.encoding.lower() != "utf-8":
            return np.char.decode(value, self.encoding)
        return super()._as_strings(value, name)

    def call(self, inputs):
        if self.split is None and inputs.ndim == 0:
            return self.call(inputs.reshape(1)).reshape(self.compute_output_shape(()))
        (table, numbers), lookup = self._words(), self._lookup_layer
        found, counts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for part in self._portions(inputs):
            places = table.places(part.text)
            places[part.text.lengths == 0] = MASK
            found.append(numbers.take(places - MASK))
            counts.append(part.counts)
        indices, counts = np.concatenate(found), np.concatenate(counts)
        if self.ragged:
            return self._jagged(indices, counts)
        lookup._keep(_depth_of_calls=lookup.vocabulary_size())
        rows = lookup._encoded(self._rows(indices, counts))
        return rows.reshape(*self._outer(inputs.shape), *rows.shape[1:])

    def _outer(self, shape):
        """The shape before the axis of words, from that of the texts."""
        if self.split is None:
            return tuple(shape[:-1])
        if len(shape) > 1 and shape[-1] not in (1, None):
            raise UnsupportedInputError(
                f"Layer {self.name!r} splits texts of shape (batch,) or (batch, 1), got {tuple(shape)}: use split=None "
                "for words, or a layer for each column."
            )
        return tuple(shape[:-1] if len(shape) > 1 else shape)

    # -- words --------------------------------------------------------------------------------------------------------

    def _portions(self, texts):
        """The tokens of texts, in portions of some rows."""
        standardize = self.standardize
        self._outer(texts.shape)  # refuses what cannot be split
        if callable(standardize):
            texts = as_strings(standardize(texts.astype(str)), f"what `standardize` of layer {self.name!r} gave")
            standardize = None
        if self.split is None:
            yield self._joined(tokens.unsplit(texts, standardize))
        elif callable(self.split):
            texts = np.array(tokens.standardized(texts.ravel().tolist(), standardize), object)
            texts = np.array([text.decode() for text in texts], dtype=str)
            yield self._joined(self._split_by_user(texts))
        else:
            for part in _portions_of(texts.ravel().tolist()):
                yield self._joined(tokens.tokens_of(part, standardize, self.split))

    def _split_by_user(self, texts):
        rows = self.split(texts)
        rows = rows.tolist() if isinstance(rows, np.ndarray) else list(rows)
        if len(rows) != len(texts) or not all(isinstance(row, (list, tuple, np.ndarray)) for row in rows):
            raise UnsupportedInputError(
                f"`split` of layer {self.name!r} must give a list of words for each of {len(texts)} texts, got "
                f"{repr(rows)[:80]}."
            )
        return tokens.of_rows(rows)

    def _joined(self, part):
        return part if self._widths is None else tokens.ngrams(part, self._widths)

    def _rows(self, indices, counts):
        """A matrix with a text in each row, behind it padding."""
        longest = int(counts.max()) if len(counts) else 0
        width = self.output_sequence_length or longest
        padding = 0 if self.output_mode == "int" else -1
        if longest > width:
            indices, counts = self._cut(indices, counts)
        if len(indices) == len(counts) * width:  # nothing to fill
            return torch.from_numpy(indices.reshape(len(counts), width)).to(self._device())
        rows = np.full(len(counts) * width, padding)
        gaps = np.arange(len(counts)) * width - (np.cumsum(counts) - counts)
        rows[np.arange(len(indices)) + np.repeat(gaps, counts)] = indices
        return torch.from_numpy(rows.reshape(len(counts), width)).to(self._device())

    def _cut(self, indices, counts):
        """At most as many indices of each text as its row has places."""
        places = np.arange(len(indices)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = places < self.output_sequence_length
        return indices[kept], np.minimum(counts, self.output_sequence_length)

    def _jagged(self, indices, counts):
        if self.output_sequence_length is not None:
            indices, counts = self._cut(indices, counts)
        offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]))
        device = self._device()
        return torch.nested.nested_tensor_from_jagged(torch.from_numpy(indices).to(device), offsets.to(device))

    # -- shapes -------------------------------------------------------------------------------------------------------

    def compute_output_shape(self, input_shape):
        outer = self._outer(input_shape)
        if self.split is None and self._widths is None and not (input_shape and self.output_sequence_length):
            words = tuple(input_shape[-1:])
        else:
            words = (self.output_sequence_length,)
        if self.output_mode == "int":
            return (*outer, *words)
        depth = self._lookup_layer.compute_output_shape((None, None))[-1]
        return (*outer, *(words if self.output_mode == "one_hot" else ()), depth)

    def compute_output_spec(self, inputs):
        shape = Shape(self.compute_output_shape(inputs.shape))
        return KerasTensor(shape, dtype=self._lookup_layer._dtype_of_results)

    # -- files --------------------------------------------------------------------------------------------------------

    def save_own_variables(self, store):
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store):
        self._lookup_layer.load_own_variables(store)

    def save_assets(self, directory):
        """The vocabulary as `vocabulary.txt`, a word in each line, unless the config has it."""
        self._lookup_layer.save_assets(directory)

    def load_assets(self, directory):
        self._lookup_layer.load_assets(directory)


def _portions_of(texts):
    """Lists of some texts, together of `_PORTION` characters or a few more."""
    begin, size = 0, 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= _PORTION:
            yield texts[begin : place + 1]
            begin, size = place + 1, 0
    if begin < len(texts):
        yield texts[begin:]


class _Seen:
    """Words that were seen: how often, and with `by_row` in how many texts."""

    def __init__(self, by_row):
        self.table, self.rows, self.by_row = TokenTable(), 0, by_row
        self.counts = self.documents = np.zeros(0, np.int64)

    def add(self, part):
        places = self.table.places(part.text, grow=True)
        size = len(self.table)
        self.rows += len(part.counts)
        self.counts = _added(self.counts, places, size)
        if self.by_row:
            once = np.unique(part.rows() * size + places)
            self.documents = _added(self.documents, once % max(size, 1), size)

    def words(self):
        """Two dicts and the number of texts."""
        words = [word.decode() for word in self.table.tokens]
        return dict(zip(words, self.counts.tolist())), dict(zip(words, self.documents.tolist())), self.rows


def _added(counts, places, size):
    more = np.bincount(places, minlength=size)
    more[: len(counts)] += counts
    return more

"""The mechanism of StringLookup and IntegerLookup: a vocabulary, what is not in it, and the forms of the result.

May import core and this room. A vocabulary begins with the mask token (only where indices are given as they are) and
the tokens for what is not in it; a subclass gives the table that finds a token's place among the rest.
"""

import json
import os
from collections import Counter

import numpy as np
import torch

from torchkeras.core.arguments import one_of, positive_int
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.errors import InvalidArgumentError, NotAdaptedError, UnsafeFileError
from torchkeras.layers.preprocessing.adapting import AdaptingLayer
from torchkeras.layers.preprocessing.encoded import encoded, encoded_shape

_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
UNKNOWN, MASK = -1, -2  # places of what is not in the vocabulary, and of the mask token
_OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}  # Keras 2's


def output_mode(*modes):
    """A field for the form of a result; Keras 2's names of some are understood."""
    convert = one_of("output_mode", *modes)
    return field("int", convert=lambda value: convert(_OLD_MODES.get(value, value)))


def max_tokens(value):
    if positive_int("max_tokens")(value) == 1:
        raise InvalidArgumentError("`max_tokens` must be greater than 1, got 1.")
    return int(value)


def count_of_unknown(value):
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
        raise InvalidArgumentError(f"`num_oov_indices` must be an integer of 0 or more, got {value!r}.")
    return int(value)


def salt_of(value):
    """None, or a pair of integers: one integer stands for both."""
    if value is None:
        return None
    items = [value] * 2 if isinstance(value, (int, np.integer)) else value
    whole = isinstance(items, (list, tuple)) and all(isinstance(item, (int, np.integer)) for item in items)
    if not whole or len(items) != 2:
        raise InvalidArgumentError(f"`salt` must be an integer or two, got {value!r}.")
    return tuple(int(item) for item in items)


def refuse_path(cls, config):
    """Raises `UnsafeFileError` for a config that names a file as vocabulary."""
    path = config.get("vocabulary")
    if isinstance(path, str):
        raise UnsafeFileError(
            f"A config of {cls.__name__} names a file, {path!r}, as its vocabulary: no file may have others read. "
            "Read it yourself and make the layer with vocabulary=[...]."
        )


def size_of(config):
    """How many tokens the layer of a config has that its vocabulary, an asset of the file, will bring."""
    size = config.get("vocabulary_size")
    return size if type(size) is int else None


class IndexLookup(AdaptingLayer, extra="kwargs"):
    """The base of both lookups.

    A subclass gives `_tokens_of` (an array of tokens of anything), `_make_table` (what finds a list of tokens, the mask
    token under `MASK`), `_places_of` (int64 places of inputs by that table, `UNKNOWN` where they are not in it),
    `_bins_of` (numbers for what is not in it) and `_inverted` (tokens of indices).
    """

    _dtype_of_tokens = None

    def _configure(self):
        given, weights = self._given, self._given_weights
        del self._given, self._given_weights
        if self.pad_to_max_tokens and self.max_tokens is None:
            raise InvalidArgumentError("With pad_to_max_tokens=True, `max_tokens` must be given too.")
        if self.invert and self.output_mode != "int":
            raise InvalidArgumentError(f"With invert=True, `output_mode` must be 'int', got {self.output_mode!r}.")
        if self.sparse:
            if self.output_mode == "int":
                raise InvalidArgumentError(
                    "`sparse` is for an `output_mode` of 'one_hot', 'multi_hot', 'count' or 'tf_idf'."
                )
            raise InvalidArgumentError("Sparse outputs are not supported on torch: use sparse=False.")
        if weights is not None and self.output_mode != "tf_idf":
            raise InvalidArgumentError(
                f"`idf_weights` is for output_mode='tf_idf', got it with output_mode={self.output_mode!r}."
            )
        self._keep(
            _given=None, _tokens=None, _promised=None, _seen=None, _settled=False, _fixed=False, _depth_of_calls=None
        )
        self.register_buffer("_idf", None, persistent=False)
        if given is not None:
            self._keep(_given=self._take(given, weights))
        elif weights is not None:
            raise InvalidArgumentError("`idf_weights` needs a `vocabulary`, whose weights they are.")

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A layer from what `get_config` gave. A config may come from a file, so one that names a file of this machine
        as vocabulary is refused: `UnsafeFileError`."""
        refuse_path(cls, config)
        kept = {key: value for key, value in config.items() if key != "vocabulary_size"}
        layer = super().from_config(kept, custom_objects)
        layer._keep(_promised=size_of(config))
        return layer

    def get_config(self):
        config = super().get_config()
        weights = None if self._given is None else self._given[1]
        tokens = None if self._given is None else list(self._given[0])
        known = self._promised if self._tokens is None else self.vocabulary_size()
        return {**config, "vocabulary": tokens, "idf_weights": weights, "vocabulary_size": known}

    # -- the vocabulary -----------------------------------------------------------------------------------------------

    @property
    def _before(self):
        """The special tokens, which stand before the others."""
        oov = [self.oov_token] * self.num_oov_indices
        mask = self.mask_token is not None and self.output_mode == "int"
        return [self.mask_token, *oov] if mask else oov

    def get_vocabulary(self, include_special_tokens=True):
        """The tokens in the order of their indices, as a list.

        Args:
            include_special_tokens: whether the mask token and those for what is not in the vocabulary are among them.
        """
        tokens = self._tokens or []
        return [*self._before, *tokens] if include_special_tokens else list(tokens)

    def vocabulary_size(self):
        """Number of tokens, special ones too."""
        return len(self._before) + len(self._tokens or ())

    def set_vocabulary(self, vocabulary, idf_weights=None):
        """Sets the tokens, and their weights for `output_mode="tf_idf"`; `adapt` is no longer possible then.

        Args:
            vocabulary: list, array or tensor of tokens, or the path of a text file with one in each line. Special
                tokens may stand at its beginning.
            idf_weights: list, array or tensor, a number for each token.

        Raises `ValueError` for repeated tokens, special ones elsewhere, an empty vocabulary, or one beyond
        `max_tokens`; `RuntimeError` if the size of vectors would change after a call.
        """
        if self.output_mode != "tf_idf" and idf_weights is not None:
            raise InvalidArgumentError(
                f"`idf_weights` is for output_mode='tf_idf', got it with output_mode={self.output_mode!r}."
            )
        self._take(vocabulary, idf_weights)

    def _take(self, vocabulary, idf_weights):
        """Puts a vocabulary from outside in force. Returns what a config says of it."""
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = self._parsed(self._read(vocabulary))
        tokens = self._tokens_of(vocabulary).ravel().tolist()
        if not tokens:
            raise InvalidArgumentError(f"`vocabulary` of layer {self.name!r} is empty.")
        self._refuse_repeated(tokens)
        kept = self._without_special(tokens)
        weights = None if idf_weights is None else np.asarray(_host(idf_weights), dtype="float32").ravel()
        if self.output_mode == "tf_idf":
            self._refuse_unfit_weights(weights, tokens)
            weights = weights[len(tokens) - len(kept) :]
        self._settle(kept, weights)
        self._keep(_fixed=True)
        return tokens, None if idf_weights is None else np.asarray(_host(idf_weights)).tolist()

    def _refuse_unfit_weights(self, weights, tokens):
        if weights is None:
            raise InvalidArgumentError("With output_mode='tf_idf', a `vocabulary` needs `idf_weights` too.")
        if len(weights) != len(tokens):
            raise InvalidArgumentError(
                f"`idf_weights` must have one number for each token: got {len(weights)} for {len(tokens)} tokens."
            )

    def _refuse_repeated(self, tokens):
        if len(set(tokens)) < len(tokens):
            repeated = [token for token, count in Counter(tokens).items() if count > 1]
            repeated = [
                token for token in repeated if token != self.oov_token or tokens.count(token) != self.num_oov_indices
            ]
            if repeated:
                raise InvalidArgumentError(
                    f"`vocabulary` of layer {self.name!r} holds tokens more than once: {repeated[:10]}."
                )

    def _without_special(self, tokens):
        """The tokens without the special ones at their beginning. Raises `ValueError` for special ones elsewhere: the
        one for unknown tokens may be a token like others, except where indices would have to give it."""
        mask_first = [self.mask_token] if self.mask_token is not None else []
        for before in (mask_first + [self.oov_token] * self.num_oov_indices, self._before, mask_first):
            if before and tokens[: len(before)] == before:
                tokens = tokens[len(before) :]
                break
        for token, what in ((self.mask_token, "mask"), (self.oov_token, "OOV")):
            if token is not None and token in tokens and (what == "mask" or self.invert):
                raise InvalidArgumentError(
                    f"`vocabulary` of layer {self.name!r} holds the {what} token {token!r} at place "
                    f"{tokens.index(token)}: leave special tokens out, or put them first: {self._before}."
                )
        return tokens

    def _settle(self, tokens, weights):
        """Puts tokens, and their weights, in force, or leaves all as it is."""
        size = len(self._before) + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise InvalidArgumentError(
                f"`vocabulary` of layer {self.name!r} has {size} tokens with the special ones; `max_tokens` is "
                f"{self.max_tokens}."
            )
        if self._depth_of_calls not in (None, size) and self.output_mode != "int" and not self.pad_to_max_tokens:
            raise RuntimeError(
                f"Layer {self.name!r} was called with a vocabulary of {self._depth_of_calls} tokens and gives vectors "
                f"of that size (output_mode={self.output_mode!r}), so it cannot have {size} now: make a new layer, or "
                "use pad_to_max_tokens=True."
            )
        self._make_table(tokens)
        self._keep(_tokens=tokens)
        if weights is not None:
            weights = torch.as_tensor(np.asarray(weights, dtype="float32"))
            unknown = (
                weights.mean().expand(self.num_oov_indices)
                if weights.numel()
                else weights.new_zeros(self.num_oov_indices)
            )
            self._idf = torch.cat([unknown, weights])

    @property
    def idf_weights(self):
        """The weights of `output_mode="tf_idf"`, those of special tokens first, or None."""
        return None if self._idf is None else self._padded(self._idf)

    def _padded(self, weights):
        return torch.nn.functional.pad(weights, (0, self._depth - len(weights)))

    @property
    def _depth(self):
        return self.max_tokens if self.pad_to_max_tokens else self.vocabulary_size()

    # -- adapting -----------------------------------------------------------------------------------------------------

    def adapt(self, data, steps=None, batch_size=None):
        """Makes the vocabulary of data: the most frequent tokens first, in place of an earlier one.

        Args:
            data: an array, list or column of tokens; or what gives batches: a dataset, a DataLoader, a generator.
            steps: how many batches to take of what gives batches; by default all.
            batch_size: how many rows of an array to look at together; the result is the same.

        Raises `ValueError` if a vocabulary was given to the layer.
        """
        self._refuse_fixed()
        super().adapt(data, steps, batch_size)

    def _refuse_fixed(self):
        if self._fixed:
            raise InvalidArgumentError(
                f"Layer {self.name!r} was given a vocabulary: it cannot adapt() to data. Make it without one."
            )

    def reset_state(self):
        self._keep(_seen=None, _settled=False)

    def update_state(self, data):
        if self._seen is None or self._settled:
            self._keep(_seen=_Seen(), _settled=False)
        tokens = self._tokens_of(data)
        self._seen.add(tokens if tokens.ndim > 1 else tokens.reshape(-1, 1), self.output_mode == "tf_idf")

    def _take_counts(self, counts, documents, rows):
        """As `update_state`, for what somebody else has counted: how often each token came, in how many of `rows`."""
        if self._seen is None or self._settled:
            self._keep(_seen=_Seen(), _settled=False)
        self._seen.counts.update(counts)
        self._seen.documents.update(documents)
        self._seen.rows += rows

    def finalize_state(self):
        if self._seen is None or self._settled:
            return
        seen, special = self._seen, {self.mask_token, self.oov_token}
        order = sorted(seen.counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
        tokens = [token for token, _ in order if token not in special]
        if self.max_tokens is not None:
            tokens = tokens[: self.max_tokens - len(self._before)]
        weights = None
        if self.output_mode == "tf_idf":
            within = np.array([seen.documents[token] for token in tokens], dtype="float64")
            weights = np.log(1 + seen.rows / (1 + within))
        self._settle(tokens, weights)
        self._keep(_settled=True)

    def merge_state(self, layers):
        self._refuse_others(layers)
        merged = _Seen()
        for layer in (self, *layers):
            if layer._seen is not None:
                merged.merge(layer._seen)
        self._keep(_seen=merged, _settled=False)
        self.finalize_state()

    # -- calling ------------------------------------------------------------------------------------------------------

    def call(self, inputs):
        if self._tokens is None:
            raise NotAdaptedError(
                f"Layer {self.name!r} has no vocabulary yet: call adapt(data), or make it with vocabulary=[...]."
            )
        self._keep(_depth_of_calls=self.vocabulary_size())
        if self.invert:
            return self._inverted(inputs)
        return self._encoded(self._with_unknown(self._places_of(inputs), inputs))

    def _encoded(self, indices):
        if self.output_mode == "int":
            return indices
        weights = None if self._idf is None else self.idf_weights.to(indices.device)
        dtype = torch.int64 if weights is None else weights.dtype
        return encoded(indices, self.output_mode, self._depth, dtype, weights, f"Layer {self.name!r}")

    def _with_unknown(self, places, inputs):
        """Indices of places among the tokens: those after the special ones, of the mask, of what is not there."""
        before = len(self._before)
        unknown = places == UNKNOWN
        if not self.num_oov_indices:
            self._refuse_unknown(unknown, inputs)
            bins = 0
        elif self.num_oov_indices == 1:
            bins = before - 1
        else:
            bins = self._bins_of(inputs, unknown) + (before - self.num_oov_indices)
        indices = torch.where(unknown, bins, places + before)
        if self.mask_token is None:
            return indices
        return torch.where(places == MASK, 0 if self.output_mode == "int" else -1, indices)

    def _refuse_unknown(self, unknown, inputs):
        if bool(unknown.any()):
            found = np.asarray(_host(inputs))[unknown.cpu().numpy()]
            raise InvalidArgumentError(
                f"With num_oov_indices=0 all inputs of layer {self.name!r} must be in its vocabulary, got "
                f"{np.unique(found)[:10].tolist()}: use num_oov_indices=1."
            )

    def compute_output_shape(self, input_shape):
        if self._tokens is not None or self.pad_to_max_tokens:
            return encoded_shape(input_shape, self.output_mode, self._depth)
        promised = self._promised if self._promised is not None and self._promised > len(self._before) else None
        return encoded_shape(input_shape, self.output_mode, promised)

    def compute_output_spec(self, inputs):
        return KerasTensor(Shape(self.compute_output_shape(inputs.shape)), dtype=self._dtype_of_results)

    @property
    def _dtype_of_results(self):
        if self.invert:
            return self._dtype_of_tokens
        return "float32" if self.output_mode == "tf_idf" else "int64"

    # -- files --------------------------------------------------------------------------------------------------------

    def get_extra_state(self):
        """The vocabulary for torch's `state_dict`, as bytes in a tensor, which every format of weights takes."""
        weights = None if self._idf is None else self._idf[self.num_oov_indices :].tolist()
        text = json.dumps([self._tokens, weights])
        return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)

    def set_extra_state(self, state):
        tokens, weights = json.loads(bytes(state.cpu().tolist()))
        if tokens is not None:
            self._settle(tokens, weights)

    def save_own_variables(self, store):
        """The weights of `tf_idf`, which Keras keeps here too."""
        if self._idf is not None:
            store["idf_weights"] = self.idf_weights.cpu().numpy()

    def load_own_variables(self, store):
        if self.output_mode == "tf_idf" and "idf_weights" in store.keys():  # noqa: SIM118 - a store is no dict
            self._keep(_loaded_idf=np.asarray(store["idf_weights"]))

    def save_assets(self, directory):
        """The vocabulary as `vocabulary.txt`, a token in each line, unless the config has it."""
        if self._given is None and self._tokens is not None:
            text = "\n".join(str(token) for token in self.get_vocabulary())
            with open(os.path.join(directory, "vocabulary.txt"), "w", encoding="utf-8", newline="") as file:
                file.write(text)

    def load_assets(self, directory):
        path = os.path.join(directory, "vocabulary.txt")
        if self._given is None and os.path.exists(path):
            tokens = self._tokens_of(self._parsed(self._read(path, own=True))).ravel().tolist()
            self._refuse_repeated(tokens)
            tokens = self._without_special(tokens)
            weights = self.__dict__.pop("_loaded_idf", None)
            weights = None if weights is None else weights[self.num_oov_indices :][: len(tokens)]
            self._settle(tokens, weights)

    def _parsed(self, lines):
        return lines

    def _read(self, path, own=False):
        """The lines of a vocabulary's file. A newline at its end ends the last one; in our `own`, an asset in UTF-8, an
        empty token may stand behind it."""
        if not os.path.exists(path):
            raise InvalidArgumentError(f"`vocabulary` of layer {self.name!r}: there is no file {os.fspath(path)!r}.")
        with open(path, encoding="utf-8" if own else getattr(self, "encoding", "utf-8"), newline="") as file:
            text = file.read()
        lines = (text if own else text.removesuffix("\n")).split("\n")
        return [line.removesuffix("\r") for line in lines]


class _Seen:
    """Tokens that were seen: how often, in how many rows, of how many."""

    def __init__(self):
        self.counts, self.documents, self.rows = Counter(), Counter(), 0

    def add(self, tokens, by_row):
        self.counts.update(tokens.ravel().tolist())
        self.rows += len(tokens)
        if by_row:
            for row in tokens.reshape(len(tokens), -1).tolist():
                self.documents.update(set(row))

    def merge(self, other):
        self.counts.update(other.counts)
        self.documents.update(other.documents)
        self.rows += other.rows


def _host(value):
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value

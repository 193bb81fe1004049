"""`keras.preprocessing.text` of Keras 2: words as numbers, on the host.

May import core and errors.
"""

import collections
import hashlib
import json
import math
import warnings

import numpy as np

from torchkeras.core.fields import Configured, add_rule, field, with_rules
from torchkeras.errors import CorruptFileError, InvalidArgumentError, UnfitInputError

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_MODES = ("binary", "count", "tfidf", "freq")
_VOCABULARY = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")  # each a JSON text in configs


@with_rules
def text_to_word_sequence(input_text, filters=_FILTERS, lower=True, split=" "):
    """The words of a text, as a list.

    Args:
        input_text: the text.
        filters: characters that separate words and are left out; punctuation without `'` by default.
        lower: whether to turn the text into lower case first.
        split: what separates words.

    Raises `UnfitInputError`, which is an AttributeError too, for what is no string.

    Example:
        >>> text_to_word_sequence("Don't worry: be happy!")
        ["don't", 'worry', 'be', 'happy']
    """
    text = _text(input_text)
    text = text.lower() if lower else text
    return [word for word in text.translate(str.maketrans(dict.fromkeys(filters, split))).split(split) if word]


def _text(value):
    if not isinstance(value, str):
        raise UnfitInputError.like(
            AttributeError(),
            f"A text must be a string, got {value!r} ({type(value).__name__}): fill in missing texts and turn others "
            "into strings first, in pandas by column.fillna('').astype(str).",
        )
    return value


@with_rules
def one_hot(input_text, n, filters=_FILTERS, lower=True, split=" ", analyzer=None):
    """`hashing_trick` by Python's `hash`, whose numbers for strings are others in each process.

    Args: as of `hashing_trick`.

    Example:
        >>> numbers = one_hot("the cat and the dog", 50)
        >>> len(numbers), numbers[0] == numbers[3], 1 <= min(numbers), max(numbers) < 50
        (5, True, True, True)
    """
    return hashing_trick(input_text, n, hash, filters=filters, lower=lower, split=split, analyzer=analyzer)


def hashing_trick(text, n, hash_function=None, filters=_FILTERS, lower=True, split=" ", analyzer=None):
    """A number from 1 to n - 1 for each word of a text; two words may share one.

    Args:
        text: the text.
        n: how many numbers there are, 0 among them, which no word gets.
        hash_function: "md5", or a function of a word that gives a whole number; None is Python's `hash`, whose numbers
            are others in each process.
        filters, lower, split: as of `text_to_word_sequence`.
        analyzer: function that gives the words of a text, in place of these three.

    Returns a list.

    Raises `InvalidArgumentError` for an n below 2 and for other hash functions.

    Example:
        >>> hashing_trick("the cat and the dog", 50, hash_function="md5")
        [43, 32, 14, 43, 2]
    """
    if n < 2:
        raise InvalidArgumentError(f"`n` must be at least 2, because no word gets the number 0; got {n}.")
    function = {None: hash, "md5": _md5}.get(hash_function, hash_function)
    if not callable(function):
        raise InvalidArgumentError(f'`hash_function` must be None, "md5" or a function, got {hash_function!r}.')
    words = text_to_word_sequence(text, filters, lower, split) if analyzer is None else analyzer(text)
    return [function(word) % (n - 1) + 1 for word in words]


def _md5(word):
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer(Configured):
    """Numbers words by how often they occur: the most frequent gets 1, and no word gets 0.

    Args:
        num_words: only words with a number below it count, so one word less than it says; None for all.
        filters, lower, split: as of `text_to_word_sequence`.
        char_level: characters instead of words.
        oov_token: stands for all words that do not count. It gets the number 1, and words begin with 2. Without it
            they are left out.
        analyzer: function that gives the words of a text, in place of `filters`, `lower` and `split`.

    A text is a string, or a list of words, which are only turned into lower case.

    Attributes, after `fit_on_texts`: `word_counts` and `word_docs` (word: how often, in how many texts), `word_index`
    (word: number), `index_word`, `index_docs` (number: in how many texts), `document_count`.

    Example:
        >>> tokenizer = Tokenizer(num_words=4, oov_token="<unknown>")
        >>> tokenizer.fit_on_texts(["The cat saw the dog.", "The dog ran."])
        >>> tokenizer.texts_to_sequences(["The dog saw a bird"])
        [[2, 3, 1, 1, 1]]
        >>> tokenizer.sequences_to_texts([[2, 3, 1]])
        ['the dog <unknown>']

    In torch: torchtext's `build_vocab_from_iterator`.
    """

    num_words = field(None)
    filters = field(_FILTERS)
    lower = field(True)
    split = field(" ")
    char_level = field(False)
    oov_token = field(None)
    analyzer = field(None, in_config=False)
    document_count = field(0, shown=False)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.word_counts, self.word_docs, self.index_docs = (collections.Counter() for _ in range(3))
        self.word_index, self.index_word = {}, {}

    # -- learning -----------------------------------------------------------------------------------------------------

    def fit_on_texts(self, texts):
        """Counts the words of texts, an iterable of strings or lists of words, and numbers all that were ever seen."""
        for text in texts:
            words = self._words(text)
            self.document_count += 1
            self.word_counts.update(words)
            self.word_docs.update(set(words))
        by_frequency = sorted(self.word_counts, key=self.word_counts.get, reverse=True)
        first = [] if self.oov_token is None else [self.oov_token]
        self.word_index = {word: number for number, word in enumerate([*first, *by_frequency], 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences):
        """Counts in how many sequences (a list of lists of numbers) each number is, for the mode "tfidf"."""
        self.document_count += len(sequences)
        for sequence in sequences:
            self.index_docs.update(set(_listed(sequence)))

    def _words(self, text):
        if isinstance(text, (list, tuple, np.ndarray)):
            return [_text(word).lower() for word in text] if self.lower else list(text)
        if self.char_level:
            return _text(text).lower() if self.lower else _text(text)
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    # -- translating --------------------------------------------------------------------------------------------------

    def texts_to_sequences(self, texts):
        """The words of each text as numbers: a list of lists."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts):
        """The same, one text after the other."""
        for text in texts:
            yield self._counting(map(self.word_index.get, self._words(text)), self.word_index.get(self.oov_token))

    def sequences_to_texts(self, sequences):
        """The words of each list of numbers, joined by spaces: a list of strings."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences):
        """The same, one list after the other."""
        for sequence in sequences:
            known = (number if number in self.index_word else None for number in _listed(sequence))
            numbers = self._counting(known, self.word_index.get(self.oov_token))
            yield " ".join(self.index_word[number] for number in numbers)

    def _counting(self, numbers, unknown):
        """Those numbers that count. In the place of others, and of None, stands `unknown` if there is an oov_token."""
        limit = self.num_words or math.inf
        if self.oov_token is None:
            return [number for number in numbers if number is not None and number < limit]
        return [unknown if number is None or number >= limit else number for number in numbers]

    def texts_to_matrix(self, texts, mode="binary"):
        """`sequences_to_matrix` of texts."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode=mode)

    def sequences_to_matrix(self, sequences, mode="binary"):
        """A row for each list of numbers and a column for each number, 0 included: `(rows, num_words)`, or without
        `num_words` one column more than there are words.

        Args:
            sequences: list of lists of numbers.
            mode: what stands there: "binary" 1 if the number occurs, "count" how often, "freq" its share of the list,
                "tfidf" `(1 + log(count)) * log(1 + texts / (1 + texts with it))`.

        Raises `ValueError` for other modes, without `num_words` before anything was learnt, and for "tfidf" before it.
        """
        columns = self.num_words or (len(self.word_index) + 1 if self.word_index else None)
        if columns is None:
            raise ValueError("The width is not known: give `num_words`, or call `fit_on_texts` first.")
        if mode not in _MODES:
            raise ValueError(f"`mode` must be one of {', '.join(map(repr, _MODES))}, got {mode!r}.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError('The mode "tfidf" needs texts to compare with: call `fit_on_texts` first.')
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences, strict=True):
            counts = collections.Counter(number for number in _listed(sequence) if number < columns)
            if counts:
                row[list(counts)] = self._entries(counts, len(sequence), mode)
        return matrix

    def _entries(self, counts, length, mode):
        """What stands in the columns of the numbers in `counts`."""
        found = np.array(list(counts.values()), dtype="float64")
        if mode == "tfidf":
            texts = np.array([self.index_docs.get(number, 0) for number in counts])
            return (1 + np.log(found)) * np.log(1 + self.document_count / (1 + texts))
        return {"binary": np.ones_like(found), "count": found, "freq": found / length}[mode]

    # -- files --------------------------------------------------------------------------------------------------------

    def get_config(self):
        """The arguments, without `analyzer`, and each table as a JSON text."""
        return {**super().get_config(), **{name: json.dumps(getattr(self, name)) for name in _VOCABULARY}}

    @classmethod
    def from_config(cls, config):
        """A tokenizer from what `get_config` gave."""
        missing = [name for name in _VOCABULARY if name not in config]
        if missing:
            raise CorruptFileError.like(KeyError(), f"The config of a Tokenizer lacks {', '.join(missing)}.")
        made = cls(**{name: value for name, value in config.items() if name not in _VOCABULARY})
        for name in ("word_counts", "word_docs"):
            getattr(made, name).update(json.loads(config[name]))
        made.word_index = json.loads(config["word_index"])
        made.index_word = {int(number): word for number, word in json.loads(config["index_word"]).items()}
        made.index_docs.update({int(number): count for number, count in json.loads(config["index_docs"]).items()})
        return made

    def to_json(self, **kwargs):
        """The tokenizer as a JSON text for `tokenizer_from_json`; `kwargs` go to `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)

    def __setstate__(self, state):  # pickles of older versions have fewer attributes
        vars(self).update({"analyzer": None, "oov_token": None, "document_count": 0, **state})
        vars(self).setdefault("index_word", {number: word for word, number in self.word_index.items()})


def _listed(sequence):
    return sequence.tolist() if hasattr(sequence, "tolist") else sequence


def tokenizer_from_json(json_string):
    """A `Tokenizer` from what its `to_json` gave.

    Raises `ValueError` for what is no such text.

    Example:
        >>> tokenizer = Tokenizer()
        >>> tokenizer.fit_on_texts(["one two two"])
        >>> tokenizer_from_json(tokenizer.to_json()).word_index
        {'two': 1, 'one': 2}
    """
    described = json.loads(json_string)
    config = described.get("config") if isinstance(described, dict) else None
    if not isinstance(config, dict):
        raise ValueError("This is no text of a Tokenizer: give what `tokenizer.to_json()` returned.")
    return Tokenizer.from_config(config)


def _older_name_of_the_text(parameters, args, kwargs):
    if "text" in kwargs:
        kwargs["input_text"] = kwargs.pop("text")
    return args


def _older_name_of_num_words(fields, args, kwargs):
    if "nb_words" in kwargs:
        warnings.warn("`nb_words` of Tokenizer is called `num_words` today.", DeprecationWarning, stacklevel=6)
        kwargs["num_words"] = kwargs.pop("nb_words")
    return args


add_rule(text_to_word_sequence, _older_name_of_the_text)
add_rule(one_hot, _older_name_of_the_text)
add_rule(Tokenizer, _older_name_of_num_words)

"""What TextVectorization is asked. Imports numpy only: `k` is Keras or torchkeras.

`compat/recorded/record_text.py` writes down what Keras on TensorFlow answers, `test_preprocessing_text.py` compares.
"""

import numpy as np

TEXTS = ["The cat sat on the mat.", "A  dog,\tthe DOG!", "", "Ünïcode ÄÖÜ — naïve café", "one\u00a0two\nthree's (four)"]
CORPUS = ["foo bar", "bar baz", "baz bada boom", "foo foo Foo!", "", "zebra apple apple"]
VOCABULARY = ["the", "cat", "dog", "sat", "café", "ünïcode", "a", "on"]
PUNCTUATION = [
    "".join(map(chr, range(32, 127))),
    "a\u2019b\u201cc\u201d d\u2014e \u00a1f\u00bf",
    "x\u2028y\u3000z\x0bw\x0cv\x1cu\x85t",
]
BATCHES = (["foo bar", "bar"], ["baz foo"], ["foo", "qux qux qux"])


class One:
    """One layer: adapted, or with a vocabulary, and what it makes of some texts."""

    def __init__(self, texts=TEXTS, adapt=None, vocabulary=VOCABULARY, **config):
        self.texts, self.adapt, self.config = texts, adapt, config
        self.vocabulary = vocabulary if adapt is None else None

    def __call__(self, k):
        layer = k.layers.TextVectorization(vocabulary=self.vocabulary, **self.config)
        found = {}
        if self.adapt is not None:
            layer.adapt(self.adapt)
            found["vocabulary"] = layer.get_vocabulary()
        found["size"] = layer.vocabulary_size()
        found["result"] = layer(self.texts)
        return found


def adapted(*args, texts=TEXTS, **kwargs):
    """What is learned, with and without special tokens."""

    def case(k):
        layer = k.layers.TextVectorization(**kwargs)
        layer.adapt(*args)
        plain = layer.get_vocabulary(include_special_tokens=False)
        return [layer.get_vocabulary(), plain, layer.vocabulary_size(), layer(texts)]

    return case


def graph(shape, adapt=None, dtype="string", **kwargs):
    def case(k):
        layer = k.layers.TextVectorization(vocabulary=None if adapt else VOCABULARY, **kwargs)
        if adapt:
            layer.adapt(adapt)
        return layer(k.Input(batch_shape=shape, dtype=dtype))

    return case


def config(**kwargs):
    def case(k):
        layer = k.layers.TextVectorization(name="t", **kwargs)
        return {key: value for key, value in layer.get_config().items() if key != "dtype"}

    return case


def config_after_adapt(k):
    layer = k.layers.TextVectorization(max_tokens=5, name="t")
    layer.adapt(CORPUS)
    return {key: value for key, value in layer.get_config().items() if key != "dtype"}


def rebuilt(**kwargs):
    """What a layer made from a config makes of texts."""

    def case(k):
        layer = k.layers.TextVectorization(**kwargs)
        again = k.layers.TextVectorization.from_config(layer.get_config())
        if layer.vocabulary_size() <= 2:
            again.adapt(CORPUS)
        return [again.get_vocabulary(), again(TEXTS)]

    return case


def with_vocabulary(*args, made=None, texts=TEXTS, **kwargs):
    """`set_vocabulary`, and what follows."""

    def case(k):
        layer = k.layers.TextVectorization(**(made or {}))
        layer.set_vocabulary(*args, **kwargs)
        return [layer.get_vocabulary(), layer.vocabulary_size(), layer(texts)]

    return case


def twice(k):
    """The second `adapt` forgets the first."""
    layer = k.layers.TextVectorization()
    layer.adapt(CORPUS)
    layer.adapt(["only this"])
    return layer.get_vocabulary()


def in_steps(k):
    """`update_state` adds up until `finalize_state`."""
    layer = k.layers.TextVectorization(output_mode="tf_idf")
    layer.reset_state()
    for batch in BATCHES:
        layer.update_state(np.array(batch))
    layer.finalize_state()
    return [layer.get_vocabulary(), layer(CORPUS)]


def before_adapt(**kwargs):
    return lambda k: k.layers.TextVectorization(**kwargs)(TEXTS)


IDF = {"output_mode": "tf_idf", "idf_weights": [0.5, 1.0, 1.5, 2.0, 0.1, 0.2, 0.3, 0.4]}
COLUMN = np.array(TEXTS)[:, None]

CASES = {
    "plain": One(),
    "a column": One(COLUMN),
    "objects": One(np.array(TEXTS, object)),
    "bytes": One(np.array([text.encode() for text in TEXTS])),
    "one text": One("the cat"),
    "one text in an array": One(np.array("the cat")),
    "lists in lists": One([["the cat"], ["dog"]]),
    "no texts": One(np.array([], "U1")),
    "empty texts": One(["", ""]),
    "empty texts of a length": One(["", ""], output_sequence_length=3),
    "lower": One(standardize="lower"),
    "strip_punctuation": One(standardize="strip_punctuation"),
    "no standardization": One(standardize=None),
    "punctuation": One(PUNCTUATION, vocabulary=["abcdefghijklmnopqrstuvwxyz", "0123456789", "abc", "x", "y", "z"]),
    "punctuation learned": adapted(PUNCTUATION, texts=PUNCTUATION),
    "only lower learned": adapted(PUNCTUATION, texts=PUNCTUATION, standardize="lower"),
    "no standardization learned": adapted(PUNCTUATION, texts=PUNCTUATION, standardize=None),
    "characters": One(split="character"),
    "characters learned": adapted(TEXTS, split="character"),
    "characters of graphemes": adapted(["e\u0301🙂👨‍👩‍👧", "日本語"], split="character", standardize=None),
    "no split": One(["the", "cat", "", "other"], split=None),
    "no split of rows": One([["the", "cat"], ["dog", "other"]], split=None),
    "no split, cut": One([["the", "cat"], ["dog", "other"]], split=None, output_sequence_length=1),
    "no split, filled": One([["the", "cat"], ["dog", "other"]], split=None, output_sequence_length=3),
    "no split, vector, filled": One(["the", "cat"], split=None, output_sequence_length=3),
    "no split, counted": One([["the", "the"], ["", "other"]], split=None, output_mode="count"),
    "no split, vector, counted": One(["the", "other"], split=None, output_mode="count"),
    "no split, vector, one_hot": One(["the", "other"], split=None, output_mode="one_hot"),
    "no split, one_hot": One([["the", "the"], ["", "other"]], split=None, output_mode="one_hot"),
    "no split learned": adapted([["The cat", "dog"], ["dog", ""]], texts=["dog", "the cat"], split=None),
    "a matrix": One([["the", "cat"], ["dog", "other"]]),
    "cut": One(output_sequence_length=2),
    "filled": One(output_sequence_length=12),
    "ragged": One(ragged=True),
    "ragged and cut": One(ragged=True, output_sequence_length=2),
    "two-grams": adapted(CORPUS, ngrams=2, texts=CORPUS),
    "three-grams": adapted(TEXTS, ngrams=3),
    "only two-grams": adapted(CORPUS, ngrams=(2,), texts=CORPUS),
    "two- before one-grams": One(["the cat sat"], ngrams=(2, 1), vocabulary=["the", "the cat", "cat"]),
    "two-grams of characters": adapted(["abc", "ab", ""], ngrams=(1, 2), split="character", texts=["abd"]),
    "two-grams without split": One([["the", "cat", "sat"]], ngrams=2, split=None, vocabulary=["the", "the cat"]),
    "grams of zero": One(ngrams=0),
    "multi_hot": One(output_mode="multi_hot"),
    "binary": One(output_mode="binary"),
    "count": One(output_mode="count"),
    "count of one text": One("the the cat", output_mode="count"),
    "count of a column": One(COLUMN, output_mode="count"),
    "count in a wide vector": One(output_mode="count", max_tokens=12, pad_to_max_tokens=True),
    "multi_hot of two-grams": One(output_mode="multi_hot", ngrams=2, vocabulary=["the cat", "dog"]),
    "tf_idf": One(**IDF),
    "tf-idf": One(output_mode="tf-idf", idf_weights=IDF["idf_weights"]),
    "tf_idf in a wide vector": One(**IDF, max_tokens=12, pad_to_max_tokens=True),
    "tf_idf learned": adapted(CORPUS, output_mode="tf_idf", texts=CORPUS),
    "tf_idf learned and cut": adapted(CORPUS, output_mode="tf_idf", texts=CORPUS, max_tokens=4),
    "count learned": adapted(CORPUS, output_mode="count", texts=CORPUS, max_tokens=4),
    "padding learned": adapted(CORPUS, output_mode="count", texts=CORPUS, max_tokens=20, pad_to_max_tokens=True),
    "max_tokens of 3": adapted(["a b c"], max_tokens=3, texts=["a b c"]),
    "max_tokens of 1": adapted(["a b c"], max_tokens=1, texts=["a b c"]),
    "max_tokens of 2": adapted(["a b c"], max_tokens=2, texts=["a b c"]),
    "ties": adapted(["b a c", "c a b", "d"], texts=["a b c d"]),
    "array": adapted(np.array(CORPUS), texts=CORPUS),
    "column": adapted(np.array(CORPUS)[:, None], texts=CORPUS),
    "list of lists": adapted([[text] for text in CORPUS], texts=CORPUS),
    "generator": lambda k: adapted((batch for batch in BATCHES), texts=CORPUS)(k),
    "generator and steps": lambda k: adapted((batch for batch in BATCHES), None, 2, texts=CORPUS)(k),
    "adapted twice": twice,
    "adapted in steps": in_steps,
    "vocabulary": with_vocabulary(["cat", "the"]),
    "vocabulary with special tokens": with_vocabulary(["", "[UNK]", "cat", "the"]),
    "vocabulary in an array": with_vocabulary(np.array(["cat", "the"])),
    "vocabulary with the unknown one": with_vocabulary(["[UNK]", "cat", "the"]),
    "vocabulary with duplicates": with_vocabulary(["cat", "the", "cat"]),
    "vocabulary with a special token in the middle": with_vocabulary(["cat", "", "the"]),
    "no vocabulary": with_vocabulary([]),
    "too long a vocabulary": with_vocabulary(["a", "b", "c"], made={"max_tokens": 3}),
    "vocabulary of weights": with_vocabulary(["cat", "the"], [2.0, 3.0], made={"output_mode": "tf_idf"}),
    "vocabulary without weights": with_vocabulary(["cat", "the"], made={"output_mode": "tf_idf"}),
    "weights without tf_idf": with_vocabulary(["cat", "the"], idf_weights=[1.0, 2.0]),
    "too many weights": with_vocabulary(["cat", "the"], [2.0, 3.0, 1.0], made={"output_mode": "tf_idf"}),
    "vocabulary of counts": with_vocabulary(["cat", "the"], made={"output_mode": "count"}),
    "before adapt": before_adapt(),
    "before adapt, counted": before_adapt(output_mode="count"),
    "bad standardize": before_adapt(standardize="upper"),
    "bad split": before_adapt(split="words"),
    "bad mode": before_adapt(output_mode="embedding"),
    "bad ngrams": before_adapt(ngrams=[1, 2]),
    "bad ngrams in a tuple": before_adapt(ngrams=(1, "a")),
    "bad length": before_adapt(output_sequence_length="3"),
    "length of counts": before_adapt(output_mode="count", output_sequence_length=3),
    "ragged counts": before_adapt(output_mode="count", ragged=True),
    "sparse whole numbers": before_adapt(sparse=True),
    "bad max_tokens": before_adapt(max_tokens=0),
    "padding without max_tokens": before_adapt(output_mode="count", pad_to_max_tokens=True),
    "weights without a vocabulary": before_adapt(output_mode="tf_idf", idf_weights=[1.0]),
    "vocabulary as a missing file": One(vocabulary="/no/such/file.txt"),
    "graph": graph((None,)),
    "graph of a column": graph((None, 1)),
    "graph of a length": graph((None, 1), output_sequence_length=7),
    "graph of known rows": graph((3, 1), output_sequence_length=7),
    "graph of counts": graph((None, 1), output_mode="count"),
    "graph of counts of a vector": graph((None,), output_mode="count"),
    "graph of padded counts": graph((None, 1), output_mode="count", max_tokens=20, pad_to_max_tokens=True),
    "graph of learned counts": graph((None, 1), CORPUS, output_mode="multi_hot", max_tokens=20),
    "graph without split": graph((None, 4), split=None),
    "graph without split of counts": graph((None, 4), split=None, output_mode="count"),
    "config": config(),
    "full config": config(max_tokens=9, standardize="lower", split="character", ngrams=(1, 3), vocabulary=["a", "b"]),
    "config of counts": config(output_mode="binary", max_tokens=9, pad_to_max_tokens=True, ngrams=2),
    "config of weights": config(output_mode="tf_idf", vocabulary=["a", "b"], idf_weights=[1.0, 2.0]),
    "config of sizes": config(output_sequence_length=5, ragged=True, encoding="utf-8", trainable=False),
    "config after adapt": config_after_adapt,
    "rebuilt": rebuilt(output_sequence_length=4, vocabulary=VOCABULARY),
    "rebuilt with ngrams": rebuilt(ngrams=(1, 2), vocabulary=["the", "the cat"]),
    "rebuilt without split": rebuilt(split=None, standardize=None, vocabulary=VOCABULARY),
    "rebuilt with weights": rebuilt(vocabulary=VOCABULARY, **IDF),
    "rebuilt before adapt": rebuilt(output_sequence_length=4, max_tokens=6),
    "output shapes": lambda k: [
        list(k.layers.TextVectorization(vocabulary=["a"], **kwargs).compute_output_shape(shape))
        for kwargs in ({}, {"output_sequence_length": 5}, {"output_mode": "count"})
        for shape in ((3,), (3, 1), (None, 1))
    ],
}  # fmt: skip

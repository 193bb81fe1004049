"""What StringLookup and IntegerLookup are asked: arguments, adapting, inputs. Imports numpy only: `k` is Keras or ours.

`compat/recorded/record_lookups.py` writes down what Keras on TensorFlow answers, `test_preprocessing_lookups.py`
compares.
"""

import numpy as np

STRINGS = ["cat", "dog", "a cat", "ünï", "", "dog ", "Cat"]
WORDS = np.array([["dog", "cat", "emu"], ["cat", "", "[UNK]"], ["dog", "ünï", "yak"]])
NUMBERS = [5, 17, 0, -3, 2**40]
DIGITS = np.array([[17, 5, 99], [0, -1, -3], [5, -7, 2**40 + 1]])
ROWS = {"StringLookup": WORDS, "IntegerLookup": DIGITS}
KNOWN = {"StringLookup": STRINGS, "IntegerLookup": NUMBERS}
MASKS = {"StringLookup": "", "IntegerLookup": 0}
UNKNOWN = {"StringLookup": "<o>", "IntegerLookup": -9}
WEIGHTS = [0.5, 1.5, 2.0, 0.25, 3.0, 1.0, 4.0]
MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


def ask(layer, *, adapt=None, x=None, then=None, **options):
    """A case: the arguments of a layer, what it adapts to (batches), what it is called with, what happens then."""
    return {"layer": layer, "adapt": adapt, "x": ROWS[layer] if x is None else x, "then": then, "options": options}


def _given(layer):
    """Cases with a vocabulary."""
    known, mask, unknown = KNOWN[layer], MASKS[layer], UNKNOWN[layer]
    without = [token for token in known if token != mask]
    for count in (0, 1, 2, 3):
        options = {"vocabulary": known, "num_oov_indices": count}
        yield f"{count} for unknown", ask(layer, **options, x=known if count == 0 else None)
        yield f"{count} for unknown, refused" if count == 0 else f"{count} for unknown, again", ask(layer, **options)
        yield (
            f"{count} for unknown, masked",
            ask(layer, vocabulary=without, num_oov_indices=count, mask_token=mask, x=known if count == 0 else None),
        )
        inverted = [[0, 1, 2], [5, 7, 99], [-1, 3, 4]]
        yield f"{count} for unknown, inverted", ask(layer, **options, invert=True, x=np.array(inverted))
        yield (
            f"{count} for unknown, inverted, masked",
            ask(layer, vocabulary=without, num_oov_indices=count, mask_token=mask, invert=True, x=np.array(inverted)),
        )
    for mode in MODES:
        weights = {"idf_weights": WEIGHTS[: len(known)]} if mode == "tf_idf" else {}
        options = {"vocabulary": known, "output_mode": mode, **weights}
        yield f"{mode}", ask(layer, **options)
        yield f"{mode} of one row", ask(layer, **options, x=ROWS[layer][0])
        yield f"{mode} of one", ask(layer, **options, x=ROWS[layer][0, 0])
        yield f"{mode} of a column", ask(layer, **options, x=ROWS[layer][:, :1])
        yield f"{mode} of three axes", ask(layer, **options, x=ROWS[layer][None])
        yield f"{mode}, padded", ask(layer, **options, max_tokens=10, pad_to_max_tokens=True)
        yield f"{mode}, room to spare", ask(layer, **options, max_tokens=10)
        weights = {"idf_weights": WEIGHTS[: len(without)]} if mode == "tf_idf" else {}
        options = {"vocabulary": without, "output_mode": mode, "mask_token": mask, **weights}
        yield f"{mode}, masked", ask(layer, **options)
        yield f"{mode}, masked, two for unknown", ask(layer, **options, num_oov_indices=2)
        yield f"{mode}, masked, padded", ask(layer, **options, max_tokens=12, pad_to_max_tokens=True)
    yield "another token for unknown", ask(layer, vocabulary=known, oov_token=unknown)
    yield (
        "another token for unknown, inverted",
        ask(layer, vocabulary=known, oov_token=unknown, invert=True, x=np.array([0, 1, 77])),
    )
    yield "an array", ask(layer, vocabulary=np.array(known))
    yield "a tuple", ask(layer, vocabulary=tuple(known))
    yield "special tokens first", ask(layer, vocabulary=[mask, unknown, *without], mask_token=mask, oov_token=unknown)
    yield "unknown first", ask(layer, vocabulary=[unknown, *known], oov_token=unknown)
    yield "mask first", ask(layer, vocabulary=[mask, *without], mask_token=mask)
    yield "mask later", ask(layer, vocabulary=[*without, mask], mask_token=mask)
    yield "unknown later", ask(layer, vocabulary=[*known, unknown], oov_token=unknown)
    yield "unknown twice first", ask(layer, vocabulary=[unknown, unknown, *known], oov_token=unknown, num_oov_indices=2)
    yield "unknown once of two", ask(layer, vocabulary=[unknown, *known], oov_token=unknown, num_oov_indices=2)
    yield (
        "special tokens first in vectors",
        ask(layer, vocabulary=[mask, unknown, *without], mask_token=mask, oov_token=unknown, output_mode="count"),
    )
    yield (
        "unknown first in vectors",
        ask(layer, vocabulary=[unknown, *without], mask_token=mask, oov_token=unknown, output_mode="count"),
    )
    yield "repeated tokens", ask(layer, vocabulary=[*known, known[1]])
    yield "an empty vocabulary", ask(layer, vocabulary=[])
    yield "too small a maximum", ask(layer, vocabulary=known, max_tokens=3)
    yield "the smallest maximum", ask(layer, vocabulary=known, max_tokens=len(known) + 1)
    yield "not adapted", ask(layer)
    yield "adapted though given", ask(layer, vocabulary=known, adapt=[ROWS[layer]])


def _bad(layer):
    """Arguments that do not go together."""
    known = KNOWN[layer]
    yield "a maximum of 1", ask(layer, max_tokens=1)
    yield "a maximum of 0", ask(layer, max_tokens=0)
    yield "a negative maximum", ask(layer, max_tokens=-4)
    yield "a negative number for unknown", ask(layer, num_oov_indices=-1)
    yield "no such mode", ask(layer, output_mode="words")
    yield "no mode", ask(layer, output_mode=None)
    yield "inverted vectors", ask(layer, vocabulary=known, invert=True, output_mode="one_hot")
    yield "padded to nothing", ask(layer, vocabulary=known, pad_to_max_tokens=True)
    yield "sparse indices", ask(layer, vocabulary=known, sparse=True)
    yield "weights for indices", ask(layer, vocabulary=known, idf_weights=WEIGHTS[: len(known)])
    yield "weights without tokens", ask(layer, idf_weights=[1.0], output_mode="tf_idf")
    yield "tokens without weights", ask(layer, vocabulary=known, output_mode="tf_idf")
    yield "too few weights", ask(layer, vocabulary=known, output_mode="tf_idf", idf_weights=[1.0])
    yield "a file that is not there", ask(layer, vocabulary="/no/such/file.txt")
    yield "an unknown word", ask(layer, no_such_word=1)


def _adapted(layer):
    """Cases that adapt."""
    mask, known = MASKS[layer], KNOWN[layer]
    a, b, c, d = known[:4]
    batches = [np.array([[a, b], [a, c]]), np.array([[d, b], [a, mask]])]
    yield "adapted", ask(layer, adapt=batches, x=np.array([[a, b], [c, d]]))
    yield "adapted to one batch", ask(layer, adapt=[np.concatenate(batches)], x=np.array([[a, b], [c, d]]))
    yield "adapted to vectors", ask(layer, adapt=[np.array([a, b, a, c])], x=np.array([a, b]))
    yield "adapted with a mask", ask(layer, adapt=batches, mask_token=mask, x=np.array([[a, mask]]))
    yield "adapted with ties", ask(layer, adapt=[np.array([[d, c, b, a], [a, b, c, d]])], x=np.array([[a, b, c, d]]))
    yield "adapted to few", ask(layer, adapt=batches, max_tokens=3, x=np.array([[a, b], [c, d]]))
    yield (
        "adapted to few, with ties",
        ask(layer, adapt=[np.array([[d, c, b, a], [a, b, c, d]])], max_tokens=3, x=np.array([[a, b, c, d]])),
    )
    yield (
        "adapted to few, with a mask",
        ask(layer, adapt=batches, max_tokens=4, mask_token=mask, num_oov_indices=2, x=np.array([[a, b], [c, mask]])),
    )
    yield (
        "adapted to special tokens",
        ask(
            layer, adapt=[np.array([[a, UNKNOWN[layer], UNKNOWN[layer]]])], oov_token=UNKNOWN[layer], x=np.array([[a]])
        ),
    )
    yield "adapted and inverted", ask(layer, adapt=batches, invert=True, x=np.array([[0, 1], [2, 9]]))
    for mode in MODES[1:]:
        yield f"adapted, {mode}", ask(layer, adapt=batches, output_mode=mode, x=np.array([[a, b], [c, known[-1]]]))
        yield (
            f"adapted, {mode}, masked",
            ask(layer, adapt=batches, output_mode=mode, mask_token=mask, x=np.array([[a, mask], [c, known[-1]]])),
        )
        yield (
            f"adapted, {mode}, padded",
            ask(
                layer,
                adapt=batches,
                output_mode=mode,
                max_tokens=9,
                pad_to_max_tokens=True,
                x=np.array([[a, b], [c, a]]),
            ),
        )
        yield (
            f"adapted, {mode}, two for unknown",
            ask(layer, adapt=batches, output_mode=mode, num_oov_indices=2, x=np.array([[a, b], [c, known[-1]]])),
        )
    yield "a vocabulary set after adapting", ask(layer, adapt=batches, then=lambda made: made.set_vocabulary(known))
    yield "special tokens set", ask(layer, then=lambda made: made.set_vocabulary([UNKNOWN[layer], *known]))
    yield "an empty vocabulary set", ask(layer, then=lambda made: made.set_vocabulary([]))
    yield "repeated tokens set", ask(layer, then=lambda made: made.set_vocabulary([known[0], known[0]]))
    yield "too many tokens set", ask(layer, max_tokens=3, then=lambda made: made.set_vocabulary(known))
    yield (
        "weights set",
        ask(layer, output_mode="tf_idf", then=lambda made: made.set_vocabulary(known, WEIGHTS[: len(known)])),
    )
    yield "weights set for indices", ask(layer, then=lambda made: made.set_vocabulary(known, WEIGHTS[: len(known)]))
    yield "no weights set", ask(layer, output_mode="tf_idf", then=lambda made: made.set_vocabulary(known))
    yield "adapted twice", ask(layer, adapt=batches, then=lambda made: made.adapt(np.array([[c, c, d]])))
    yield "reset", ask(layer, adapt=batches, then=lambda made: made.reset_state())
    yield "settled by hand", ask(layer, then=lambda made: [made.update_state(each) for each in batches])


CASES = {f"{layer}: {name}": case for layer in KNOWN for part in (_given, _bad, _adapted) for name, case in part(layer)}
CASES |= {
    "StringLookup: salted": ask("StringLookup", vocabulary=STRINGS, num_oov_indices=3, salt=[3, 5]),
    "StringLookup: another encoding": ask("StringLookup", vocabulary=STRINGS, encoding="utf-8"),
    "StringLookup: no such encoding": ask("StringLookup", vocabulary=STRINGS, encoding=3),
    "IntegerLookup: tokens as strings": ask("IntegerLookup", vocabulary=["5", "17"]),
    "IntegerLookup: farmhash": ask("IntegerLookup", vocabulary=NUMBERS, num_oov_indices=3, oov_method="farmhash"),
    "IntegerLookup: salted": ask("IntegerLookup", vocabulary=NUMBERS, num_oov_indices=3, oov_method="farmhash", salt=7),
    "IntegerLookup: int32": ask("IntegerLookup", vocabulary=NUMBERS, x=DIGITS.clip(-9, 99).astype("int32")),
    "IntegerLookup: floats": ask("IntegerLookup", vocabulary=NUMBERS, x=np.array([[5.7, 17.0]])),
    "IntegerLookup: vocabulary_dtype": ask("IntegerLookup", vocabulary=NUMBERS, vocabulary_dtype="int32"),
    "IntegerLookup: floats as tokens": ask("IntegerLookup", vocabulary=[1.0, 2.0], x=np.array([[1, 2]])),
}


def answer(k, case, array):
    """What a layer of the library `k` answers, ready for JSON; an error as its built-in types. `array` makes plain
    arrays of its tensors."""
    found = {}
    try:
        layer = getattr(k.layers, case["layer"])(**case["options"])
        if case["adapt"] is not None:
            layer.adapt(iter(case["adapt"]) if len(case["adapt"]) > 1 else case["adapt"][0])
        if case["then"] is not None:
            case["then"](layer)
            layer.finalize_state()
        found["vocabulary"] = _plain(layer.get_vocabulary())
        found["without special tokens"] = _plain(layer.get_vocabulary(include_special_tokens=False))
        found["size"] = int(layer.vocabulary_size())
        config = layer.get_config()
        found["config"] = {key: _plain(config[key]) for key in sorted(config) if key not in ("name", "dtype")}
        dtype = "int64" if layer.invert or case["layer"] == "IntegerLookup" else "string"
        for shape in ((None,), (None, 1), (None, 3)):
            symbol = layer(k.KerasTensor(shape, dtype))
            found[f"symbolic {shape}"] = [list(symbol.shape), str(symbol.dtype)]
        values = array(layer(case["x"]))
        found["values"] = [_kind(values), list(values.shape), _plain(values)]
    except Exception as error:  # noqa: BLE001 - of any kind: its types are what is written down
        found["error"] = _type(error)
    return found


def _kind(values):
    return "string" if values.dtype.kind in "OSU" else values.dtype.name


def _plain(value):
    if isinstance(value, bytes):
        return value.decode()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value


def _type(error):
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return sorted(kinds & {"TypeError", "ValueError", "RuntimeError"})

"""Every public name of Keras that torchkeras has is of the same kind and can be called the same way."""

import pytest

from compat import names, tables

MANIFEST = names.manifest()
PRESENT = sorted(name for name in MANIFEST if names.find(name) is not None)

# Modules of which every name is here.
COMPLETE = (
    "keras.activations",
    "keras.backend",
    "keras.callbacks",
    "keras.config",
    "keras.constraints",
    "keras.dtype_policies",
    "keras.export",
    "keras.initializers",
    "keras.legacy.saving",
    "keras.models",
    "keras.ops",
    "keras.preprocessing",
    "keras.random",
    "keras.regularizers",
    "keras.saving",
    "keras.tree",
    "keras.utils.legacy",
)

# name -> why its signature differs. An entry that is no longer needed fails the test.
EXCEPTIONS = {
    "keras.saving.deserialize_keras_object": "safe_mode=None says nothing; an explicit True outranks the setting",
    "keras.utils.deserialize_keras_object": "safe_mode=None says nothing; an explicit True outranks the setting",
}


@pytest.mark.parametrize("name", PRESENT)
def test_kind_and_signature(name):
    ours, entry = names.find(name), MANIFEST[name]
    assert names.kind_of(ours) == entry["kind"]
    reason = None
    if entry["signature"] is not None:
        reason = names.disagreement(names.signature_of(ours), entry["signature"])
    assert (reason is None) is (name not in EXCEPTIONS), reason or f"{name}: the exception is not needed"


@pytest.mark.parametrize("room", COMPLETE)
def test_no_name_is_missing(room):
    theirs = [name for name in MANIFEST if name.startswith(f"{room}.")]
    assert theirs
    assert [name for name in theirs if names.find(name) is None] == []


def test_every_layer_but_preprocessing_is_here():
    spectrograms = ("keras.layers.MelSpectrogram", "keras.layers.STFTSpectrogram")
    theirs = [
        name
        for name, entry in MANIFEST.items()
        if name.startswith("keras.layers.")
        and (name in spectrograms or not entry.get("canonical", "").startswith("keras.src.layers.preprocessing."))
    ]
    assert len(theirs) > 120
    assert [name for name in theirs if names.find(name) is None] == []


def test_exceptions_are_names():
    assert [name for name in EXCEPTIONS if name not in PRESENT] == []


def test_table_of_names_is_up_to_date():
    assert tables.NAMES.read_text(encoding="utf-8") == tables.names_table(), "run `python -m compat.tables`"


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        ("(x, axis=-1)", "(x, axis=-1)", None),
        ("(x, axis=0)", "(x, axis=-1)", "by default"),
        ("(x, keepdims=False, axis=-1)", "(x, axis=-1, keepdims=False)", "position 2"),
        ("(x)", "(x, axis=-1)", "missing"),
        ("(x, axis=-1, *, old=None)", "(x, axis=-1)", None),
        ("(x, axis=-1, old=None, **kwargs)", "(x, axis=-1, **kwargs)", None),
        ("(x, axis=-1, more)", "(x, axis=-1)", "asked for"),
        ("(x, *, axis=-1)", "(x, axis=-1)", "position 2"),
        ("(x=None)", "(x)", None),
        ("(x)", "(x=None)", "by default"),
        ("(x)", "(x, **kwargs)", "further keywords"),
        ("()", "(self, /, *args, **kwargs)", None),
        ("(a, shape=(2, 2), name='a, b')", "(self, a, shape=(2, 2), name='a, b')", None),
    ],
)
def test_the_comparison_sees_differences(ours, theirs, reason):
    found = names.disagreement(ours, theirs)
    assert (found is None) if reason is None else reason in found

"""HDF5 files that reach out, ask for too much or hold what no weight is: through every door that reads HDF5.

Each case is a function that changes a valid file by h5py at the path of a weight. The pipe among the canaries would
hang whoever opened it.
"""

import os
import shutil
import struct
import zipfile
import zlib

import h5py
import numpy as np
import pytest

import torchkeras as keras
from tests.saving.harness import small_model
from torchkeras.errors import CorruptFileError, ResourceLimitError, UnsafeFileError

U, R, C = UnsafeFileError, ResourceLimitError, CorruptFileError
WEIGHT = "layers/dense/vars/0"  # of the layer `first`, by the paths of Keras's files
OPTIMIZER = "optimizer/vars/2"


# -- what a stranger writes -------------------------------------------------------------------------------------------


def _replaced(file, path, make):
    del file[path]
    make(path)


def external_link(file, path, place):
    _replaced(file, path, lambda at: file.__setitem__(at, h5py.ExternalLink(os.fspath(place.pipe), "/")))


def soft_link(file, path, place):
    _replaced(file, path, lambda at: file.__setitem__(at, h5py.SoftLink("/layers/dense_1/vars/0")))


def dangling_link(file, path, place):
    _replaced(file, path, lambda at: file.__setitem__(at, h5py.SoftLink("/nowhere")))


def _dataset(file, path, kind, shape, **options):
    """A dataset by HDF5's own calls, which take what h5py's would refuse."""
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    for name, arguments in options.items():
        getattr(created, name)(*arguments)
    space = h5py.h5s.create_simple(shape) if shape is not None else h5py.h5s.create(h5py.h5s.NULL)
    return h5py.h5d.create(file.id, path.encode(), kind, space, created)


F4 = h5py.h5t.NATIVE_FLOAT


def external_storage(file, path, place):
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_external(os.fspath(place.pipe).encode(), 0, 48)
    _replaced(file, path, lambda at: h5py.h5d.create(file.id, at.encode(), F4, h5py.h5s.create_simple((4, 3)), created))


def virtual_dataset(file, path, place):
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[...] = h5py.VirtualSource(os.fspath(place.pipe), "data", (4, 3))
    _replaced(file, path, lambda at: file.create_virtual_dataset(at, layout))


def huge_chunked(file, path, place):
    _replaced(
        file,
        path,
        lambda at: file.create_dataset(at, (10**6, 10**6), "f4", chunks=(1000, 1000), compression="gzip"),
    )


def huge_contiguous(file, path, place):
    _replaced(file, path, lambda at: _dataset(file, at, F4, (2**40,)))


def wraps_around(file, path, place):
    """Sizes whose product is zero in 64 bits."""
    _replaced(file, path, lambda at: _dataset(file, at, F4, (2**32, 2**31), set_chunk=((1024, 1024),)))


def many_just_below(file, path, place):
    """Each would pass a limit for single datasets."""
    for number in range(40):
        _dataset(file, f"{path.rpartition('/')[0]}/more_{number}", F4, (2**23,))


def unknown_filter(file, path, place):
    options = {"set_chunk": ((4, 3),), "set_filter": (32001, h5py.h5z.FLAG_OPTIONAL, (1,))}
    _replaced(file, path, lambda at: _dataset(file, at, F4, (4, 3), **options))


def _packed(content):
    def make_one(file, path, place):
        def make(at):
            dataset = _dataset(file, at, F4, (4, 3), set_chunk=((4, 3),), set_deflate=(4,))
            dataset.write_direct_chunk((0, 0), content)

        _replaced(file, path, make)

    return make_one


small_bomb, large_bomb = _packed(zlib.compress(bytes(3_000_000))), _packed(zlib.compress(bytes(50_000_000)))
no_gzip = _packed(b"this is not deflated")
small_bomb.__name__, large_bomb.__name__, no_gzip.__name__ = "small_bomb", "large_bomb", "no_gzip"


def cyclic_group(file, path, place):
    file[f"{path.rpartition('/')[0]}/round"] = file["layers" if "layers" in file else "/"]


def of_itself(file, path, place):
    file[f"{path.rpartition('/')[0]}/round"] = file[path.rpartition("/")[0]]


def deep(file, path, place):
    file.create_group("/".join("d" * 300))


def _typed(dtype, value):
    def change(file, path, place):
        _replaced(file, path, lambda at: file.create_dataset(at, data=np.full((4, 3), value, object), dtype=dtype))

    return change


def fixed_text(file, path, place):
    _replaced(file, path, lambda at: file.create_dataset(at, data=np.full((4, 3), b"text")))


def references(file, path, place):
    _replaced(file, path, lambda at: file.create_dataset(at, (4, 3), h5py.ref_dtype))


def regions(file, path, place):
    _replaced(file, path, lambda at: file.create_dataset(at, (4, 3), h5py.regionref_dtype))


def ragged(file, path, place):
    _replaced(file, path, lambda at: file.create_dataset(at, (4, 3), h5py.vlen_dtype("f4")))


def record(file, path, place):
    _replaced(file, path, lambda at: file.create_dataset(at, (4, 3), np.dtype([("a", "f4"), ("b", "i8")])))


def complex_numbers(file, path, place):
    _replaced(file, path, lambda at: file.create_dataset(at, data=np.full((4, 3), 1 + 2j, "c8")))


def bytes_of_no_kind(file, path, place):
    _replaced(file, path, lambda at: file.create_dataset(at, data=np.zeros((4, 3), "V2")))
    file[path].attrs["dtype"] = "object"


def numbers_for_a_name(file, path, place):
    """The attribute that tells bfloat16 apart, as a huge array of numbers."""
    _replaced(file, path, lambda at: file.create_dataset(at, data=np.zeros((4, 3), "V2")))
    file[path].attrs["dtype"] = np.zeros(5000)


def named_type(file, path, place):
    _replaced(file, path, lambda at: file.__setitem__(at, np.dtype("f4")))


def group_for_a_weight(file, path, place):
    _replaced(file, path, file.create_group)


def nothing(file, path, place):
    _replaced(file, path, lambda at: file.create_dataset(at, data=h5py.Empty("f4")))


AT_A_WEIGHT = {
    external_link: U,
    soft_link: U,
    dangling_link: U,
    external_storage: U,
    virtual_dataset: U,
    huge_chunked: R,
    huge_contiguous: R,
    wraps_around: R,
    many_just_below: R,
    unknown_filter: C,
    small_bomb: R,
    large_bomb: C,  # larger than its chunk when packed
    no_gzip: C,
    cyclic_group: C,
    of_itself: C,
    deep: C,
    _typed(h5py.string_dtype(), "text"): C,
    fixed_text: C,
    references: C,
    regions: C,
    ragged: C,
    record: C,
    complex_numbers: C,
    bytes_of_no_kind: C,
    numbers_for_a_name: C,
    named_type: C,
    group_for_a_weight: ValueError,  # the weight is missing
    nothing: C,
}
LINKS = (external_link, soft_link, dangling_link)


# -- doors ------------------------------------------------------------------------------------------------------------


def _weights_file(place, change, path):
    name = os.fspath(place.own / "m.weights.h5")
    model = small_model()
    model.optimizer.build(model.trainable_variables)
    model.save_weights(name)
    with h5py.File(name, "a") as file:
        change(file, path, place)
    return name


def _keras_file(place, change, path, method=zipfile.ZIP_STORED):
    weights, name = _weights_file(place, change, path), os.fspath(place.own / "m.keras")
    model = small_model()
    model.optimizer.build(model.trainable_variables)
    model.save(name)
    with zipfile.ZipFile(name) as old:
        texts = {part: old.read(part) for part in ("config.json", "metadata.json")}
    with zipfile.ZipFile(name, "w", method) as new:
        for part, text in texts.items():
            new.writestr(part, text)
        new.write(weights, "model.weights.h5")
    return name


def _folder(place, change, path):
    weights, name = _weights_file(place, change, path), os.fspath(place.own / "folder.keras")
    small_model().save(name, zipped=False)
    shutil.copy(weights, os.path.join(name, "model.weights.h5"))
    return name


def _into_a_model(name):
    small_model().load_weights(name)


DOORS = {
    "weights": (_weights_file, _into_a_model),
    "keras": (_keras_file, keras.models.load_model),
    "packed": (lambda *args: _keras_file(*args, zipfile.ZIP_DEFLATED), keras.models.load_model),
    "weights of keras": (_keras_file, _into_a_model),
    "folder": (_folder, keras.models.load_model),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("change", AT_A_WEIGHT, ids=lambda change: change.__name__)
def test_at_a_weight(place, change, door):
    make, read = DOORS[door]
    error = place.refused(read, make(place, change, WEIGHT), types=AT_A_WEIGHT[change])
    assert str(place.own) in str(error)  # it names the file


@pytest.mark.parametrize(
    "path", ["layers", "layers/dense", "layers/dense/vars", "optimizer", "optimizer/vars", OPTIMIZER]
)
@pytest.mark.parametrize("change", LINKS, ids=lambda change: change.__name__)
def test_links_anywhere_on_the_way(place, change, path):
    for make, read in (DOORS["weights"], DOORS["keras"]):
        assert path in str(place.refused(read, make(place, change, path), types=U))


def test_links_where_nothing_is_looked_for(place):
    def beside(file, path, place):
        file["layers/stray"] = h5py.ExternalLink(os.fspath(place.pipe), "/")

    for make, read in DOORS.values():
        place.refused(read, make(place, beside, WEIGHT), types=U)


def test_a_million_groups(place):
    def many(file, path, place):
        for number in range(3000):
            file.create_group(f"g{number}")

    name = _weights_file(place, many, WEIGHT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torchkeras.saving.hdf5.MAX_OBJECTS", 1000)
        place.refused(_into_a_model, name, types=R)


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0, 0.1, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_files_that_are_cut(place, ending, part):
    path = place.own / f"m{ending}"
    model = small_model()
    (model.save if ending == ".keras" else model.save_weights)(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    model, before = small_model(), small_model().get_weights()
    read = keras.models.load_model if ending == ".keras" else model.load_weights
    error = place.refused(read, path, types=C if part else ValueError)
    assert f"m{ending}" in str(error)
    for ours, theirs in zip(model.get_weights(), before):
        np.testing.assert_array_equal(ours, theirs)


def test_gzip_itself_is_read(place):
    def packed(file, path, place):
        data = file[path][...]
        del file[path]
        file.create_dataset(path, data=data, chunks=(2, 2), compression="gzip", shuffle=True, fletcher32=True)

    model, changed = small_model(), small_model()
    changed.set_weights([weight + 1 for weight in changed.get_weights()])
    changed.load_weights(_weights_file(place, packed, WEIGHT))
    for ours, theirs in zip(changed.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


def test_errors_name_file_and_part(place):
    name = _keras_file(place, no_gzip, WEIGHT)
    error = place.refused(keras.models.load_model, name, types=C)
    assert "m.keras: model.weights.h5" in str(error) and "layers/dense" in str(error)


def test_a_pipe_is_never_opened(place):
    for read in (keras.models.load_model, _into_a_model):
        place.refused(read, os.fspath(place.pipe), types=U)


# -- Keras 2's layout -------------------------------------------------------------------------------------------------


def _old_file(place, change, whole, path=None):
    name = os.fspath(place.own / "old.h5")
    model = small_model()
    model.optimizer.build(model.trainable_variables)
    (model.save if whole else model.save_weights)(name)
    with h5py.File(name, "a") as file:
        found = []
        file.visititems(lambda at, each: found.append(at) if isinstance(each, h5py.Dataset) else None)
        kernels = [at for at in found if file[at].shape == (4, 3) and "optimizer" not in at]
        change(file, path or kernels[0], place)
    return name


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("change", AT_A_WEIGHT, ids=lambda change: change.__name__)
def test_at_a_weight_of_the_old_layout(place, change, whole):
    name = _old_file(place, change, whole)
    error = place.refused(keras.models.load_model if whole else _into_a_model, name, types=AT_A_WEIGHT[change])
    assert "old.h5" in str(error)


@pytest.mark.parametrize("path", ["model_weights", "model_weights/first", "optimizer_weights"])
@pytest.mark.parametrize("change", LINKS, ids=lambda change: change.__name__)
def test_links_in_the_old_layout(place, change, path):
    name = _old_file(place, change, True, path)
    for read in (keras.models.load_model, _into_a_model):
        place.refused(read, name, types=U)


NAMES = {
    "/etc/passwd": U,
    "../../optimizer_weights": U,
    "..": U,
    "nobody": C,
    "first/../last": U,
    "": C,
    "a\\b": C,
    "x" * 5000: C,
}


@pytest.mark.parametrize("listed", ["layer_names", "weight_names"])
@pytest.mark.parametrize("text", NAMES, ids=lambda text: text[:20])
def test_names_that_lead_out(place, listed, text):
    def change(file, path, place):
        file[path].attrs[listed] = [text.encode()]

    group = "model_weights" if listed == "layer_names" else "model_weights/first"
    name = _old_file(place, change, True, group)
    for read in (keras.models.load_model, _into_a_model):
        place.refused(read, name, types=(NAMES[text], C))


ATTRIBUTES = {
    "numbers": np.zeros(3),
    "a number": 7,
    "references": np.array([h5py.Reference()] * 2, h5py.ref_dtype),
    "a record": np.zeros(2, np.dtype([("a", "f4")])),
    "no UTF-8": np.bytes_(b"\xff\xfe"),
    "twice": [b"first", b"first"],
    "ragged": np.array([np.zeros(2, "f4"), np.zeros(1, "f4")], object),
}


@pytest.mark.parametrize(
    ("key", "case"),
    [
        (key, case)
        for key in ("layer_names", "weight_names", "model_config", "training_config", "keras_version")
        for case in ATTRIBUTES
        if (key, case) != ("keras_version", "twice")  # a list of texts is read as one that says nothing
    ],
)
def test_attributes_of_other_kinds(place, key, case):
    at = {"layer_names": "model_weights", "weight_names": "model_weights/first"}.get(key, "/")

    def change(file, path, place):
        options = {"dtype": h5py.vlen_dtype("f4")} if case == "ragged" else {}
        if key in file[path].attrs:
            del file[path].attrs[key]
        file[path].attrs.create(key, ATTRIBUTES[case], **options)

    place.refused(keras.models.load_model, _old_file(place, change, True, at), types=ValueError)


def test_an_editor_reads_no_links(place):
    for change in (*LINKS, external_storage, virtual_dataset):
        place.refused(keras.saving.KerasFileEditor, _weights_file(place, change, WEIGHT), types=U)
        place.refused(keras.saving.KerasFileEditor, _keras_file(place, change, WEIGHT), types=U)
    place.refused(keras.saving.KerasFileEditor, _weights_file(place, huge_contiguous, WEIGHT), types=R)


@pytest.mark.parametrize("length", [2**64 - 16, 2**64 - 1, 0])
def test_a_heap_that_leads_into_itself(tmp_path, length):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}"  # a text of variable length lies in a heap
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    number = 0 if length == 0 else 1
    content[heap + 16 : heap + 32] = struct.pack("<HHIQ", number, 1, 0, length)
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match="heap of texts"):
        keras.models.load_model(path)

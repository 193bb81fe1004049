"""Keras 2's image generators beside the copy that Keras 3 keeps for old programs: from one seed the same numbers.

scipy computes the affine maps there, and is not needed here.
"""

import copy
import itertools
import pathlib
import warnings

import numpy as np
import pytest
from keras.src.legacy.preprocessing import image as theirs
from PIL import Image

from compat.preprocessing_cases import FRAME, GENERATORS, IMAGES, LABELS, make_folder
from torchkeras.preprocessing import image as ours

SIDES = (theirs, ours)
pytestmark = pytest.mark.filterwarnings("ignore:Please import `affine_transform`")  # theirs
RNG = np.random.default_rng(0)


def outcome(call):
    """What a call gives, or the kind of what it raises; warnings aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.random.seed(5)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - compared
            return type(error)


def assert_equal(ours, theirs, tolerance):
    if isinstance(theirs, (list, tuple, dict)):
        assert type(ours) is type(theirs) and len(ours) == len(theirs)
        keys = theirs if isinstance(theirs, dict) else range(len(theirs))
        for key in keys:
            assert_equal(ours[key], theirs[key], tolerance)
    elif isinstance(theirs, np.ndarray):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, abs=tolerance)
    else:
        assert ours == theirs


def same(call, tolerance=1e-4):  # values go up to 255: a last bit of float32 is 1.5e-5
    their_outcome, our_outcome = (outcome(lambda side=side: call(side)) for side in SIDES)
    if isinstance(their_outcome, type):
        wanted = next(kind for kind in their_outcome.__mro__ if kind.__module__ in ("builtins", "PIL"))
        assert isinstance(our_outcome, type) and issubclass(our_outcome, wanted), (our_outcome, their_outcome)
    else:
        assert_equal(our_outcome, their_outcome, tolerance)
    return our_outcome


# -- one image --------------------------------------------------------------------------------------------------------

AXES = [(1, 2, 0), (0, 1, 2), (2, 1, 0), (1, 0, 2)]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("mode", ["nearest", "reflect", "wrap", "constant"])
def test_affine_maps(mode, order):
    rng = np.random.default_rng(order)
    for trial in range(24):
        rows, columns, channels = AXES[trial % 4]
        x = rng.uniform(-1, 255, size=rng.integers(1, 12, 3)).astype(["float32", "float64"][trial % 2])
        arguments = {
            "theta": rng.choice([0, 90, 180, rng.uniform(-180, 180)]),
            "tx": rng.choice([0, 1, -2, 0.5, rng.uniform(-9, 9)]),
            "ty": rng.choice([0, 1, -3, rng.uniform(-30, 30)]),
            "shear": rng.choice([0, rng.uniform(-50, 50)]),
            "zx": rng.choice([1, 0.5, 2, rng.uniform(0.5, 2)]),
            "zy": rng.choice([1, rng.uniform(0.3, 3)]),
            "row_axis": rows, "col_axis": columns, "channel_axis": channels,
            "fill_mode": mode, "cval": rng.choice([0.0, 7.5]), "order": order,
        }  # fmt: skip
        same(lambda side, x=x, arguments=arguments: side.apply_affine_transform(x, **arguments), 3e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
def test_affine_maps_of_whole_numbers(dtype):
    """Sums that are halves but for their last bits may be rounded the other way."""
    x = (RNG.uniform(-1, 255, size=(6, 7, 3)) + (0 if dtype == "uint8" else -100)).astype(dtype)
    for order, shift in itertools.product((0, 1), (0.5, 1, -2.25)):
        arguments = {"tx": shift, "zy": 0.7, "row_axis": 0, "col_axis": 1, "channel_axis": 2, "order": order}
        found = [side.apply_affine_transform(x, fill_mode="constant", **arguments) for side in SIDES]
        assert found[0].dtype == found[1].dtype == x.dtype
        apart = np.abs(found[0].astype("int64") - found[1])
        assert apart.max() <= order and np.mean(apart) < 0.05


WRONG = {
    "axes": {"row_axis": 1, "col_axis": 1},
    "middle": {"row_axis": 0, "col_axis": 2, "channel_axis": 1},
    "far": {"row_axis": 3},
}


@pytest.mark.parametrize("case", WRONG)
def test_refused_axes(case):
    same(lambda side: side.apply_affine_transform(IMAGES[0], 1, **WRONG[case]))
    same(lambda side: side.apply_affine_transform(IMAGES, 1))


LAST = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
FUNCTIONS = {
    "random_rotation": [(40,), (40, 0, 1, 2, "reflect", 0.0, 0), (40, 1, 2, 0)],
    "random_shift": [(0.3, 0.2), (0.3, 0.0, 0, 1, 2, "wrap")],
    "random_shear": [(30,), (30, 0, 1, 2, "constant", 9.0)],
    "random_zoom": [((0.5, 1.5),), ([1, 1], 0, 1, 2), ((0.5, 0.6), 0, 1, 2), (0.5,), ((1, 2, 3),)],
    "random_channel_shift": [(20.0,), (300, 2)],
    "random_brightness": [((0.2, 2.0),), ((0.2, 2.0), False), ((1, 2, 3),)],
    "apply_channel_shift": [(12.5,), (-40, 2)],
    "apply_brightness_shift": [(0.5,), (1.7, False), (0,), (3, True)],
}
CASES = [(name, arguments) for name, several in FUNCTIONS.items() for arguments in several]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_functions(name, arguments, channels):
    x = RNG.uniform(0, 255, size=(8, 6, channels)).astype("float32")
    for values in (x, x - 100, x * 2) if channels > 1 else (x,):
        same(lambda side, values=values: getattr(side, name)(values, *arguments))
    if "brightness" not in name:
        same(lambda side: getattr(side, name)(x.astype("float64"), *arguments))


# -- generators -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("case", GENERATORS)
def test_generator(case, augment):
    def work(side):
        generator = side.ImageDataGenerator(**GENERATORS[case])
        generator.fit(IMAGES, augment=augment, rounds=2, seed=3)
        learnt = generator.mean, generator.std, generator.zca_whitening_matrix
        transforms = [generator.get_random_transform((6, 9, 3), seed) for seed in (None, 1)]
        transformed = [generator.apply_transform(IMAGES[0], each) for each in transforms]
        one = generator.random_transform(IMAGES[1], seed=2)
        standardized = generator.standardize(IMAGES[2].copy()), generator.standardize(IMAGES.copy())
        batches = generator.flow(IMAGES, LABELS, batch_size=3, seed=4)
        fetched = [batches[1], batches[0], next(batches), batches.next() if side is ours else next(batches), batches[2]]
        return learnt, transforms, transformed, one, standardized, len(batches), fetched, batches.total_batches_seen

    same(work, 2e-3 if case == "whitened" else 1e-4)


@pytest.mark.parametrize("case", [name for name in GENERATORS if "light" not in name and name != "all"])
def test_channels_first(case):
    images = IMAGES.transpose(0, 3, 1, 2)

    def work(side):
        generator = side.ImageDataGenerator(data_format="channels_first", **GENERATORS[case])
        generator.fit(images)
        return next(generator.flow(images, batch_size=4, seed=1))

    same(work, 2e-3 if case == "whitened" else 1e-4)


REFUSED = {
    "format": {"data_format": "x"},
    "split": {"validation_split": 1.5},
    "zoom": {"zoom_range": (1, 2, 3)},
    "light": {"brightness_range": 0.5},
    "name": {"rotation": 3},
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_arguments(case):
    assert issubclass(same(lambda side: side.ImageDataGenerator(**REFUSED[case])), (ValueError, TypeError))


def test_refused_data():
    same(lambda side: side.ImageDataGenerator().fit(IMAGES[0]))
    same(lambda side: side.ImageDataGenerator().flow(IMAGES[0]))
    same(lambda side: side.ImageDataGenerator().flow(IMAGES, LABELS)[3])


FLOWS = {
    "plain": {},
    "no targets": {"y": None},
    "weights": {"sample_weight": np.arange(7.0)},
    "in order": {"shuffle": False, "batch_size": 2},
    "seed": {"seed": 9, "batch_size": 4},
    "training": {"subset": "training", "ignore_class_split": True},
    "validation": {"subset": "validation", "sample_weight": np.arange(7), "ignore_class_split": True},
    "all classes": {"subset": "validation", "y": np.zeros(7)},
    "classes missing": {"subset": "validation"},
    "no such subset": {"subset": "test"},
    "vectors": {"y": np.eye(7), "shuffle": False},
    "other inputs": {"x": [IMAGES, [np.arange(7), np.arange(14).reshape(7, 2)]]},
    "other input": {"x": (IMAGES, np.arange(7)), "y": None, "subset": "training"},
    "other lengths": {"y": LABELS[:3]},
    "weights of other lengths": {"sample_weight": LABELS[:3]},
    "inputs of other lengths": {"x": [IMAGES, LABELS[:3]]},
    "two channels": {"x": IMAGES[..., :2]},
    "bytes": {"x": IMAGES.astype("uint8")},
    "lists": {"y": LABELS.tolist()},
}


@pytest.mark.parametrize("case", FLOWS)
def test_flow(case):
    def work(side):
        generator = side.ImageDataGenerator(rotation_range=20, validation_split=0.4)
        batches = generator.flow(**{"x": IMAGES, "y": LABELS, **FLOWS[case]})
        first = [batches[index] for index in range(len(batches))]
        batches.on_epoch_end()
        second = [next(batches) for _ in range(len(batches) + 1)]
        batches.reset()
        counts = batches.n, batches.batch_index, batches.total_batches_seen, batches.index_array
        return first, second, next(batches), counts

    same(work)


def saved(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("options", [{}, {"save_prefix": "a", "save_format": "bmp", "seed": 3}])
def test_saved_images(options, tmp_path):
    def work(side):
        folder = tmp_path / side.__name__
        folder.mkdir()
        batches = side.ImageDataGenerator(rotation_range=9).flow(IMAGES, batch_size=4, save_to_dir=folder, **options)
        return batches[1], next(batches), saved(folder)

    assert len(same(work)[-1]) == 7


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images") / "images")


def seen_of(batches):
    """Batches in both ways, and what the iterator says of itself."""
    names = (
        "samples",
        "class_indices",
        "classes",
        "filenames",
        "filepaths",
        "image_shape",
        "split",
        "n",
        "num_classes",
    )
    said = {name: getattr(batches, name) for name in names if hasattr(batches, name)}
    fetched = [batches[index] for index in range(len(batches))]
    batches.on_epoch_end()
    return said, fetched, list(itertools.islice(batches, len(batches) + 1))


FOLDERS = {
    "plain": {},
    "small": {"target_size": [4, 6], "batch_size": 3, "seed": 2},
    "grey": {"color_mode": "grayscale", "class_mode": "sparse"},
    "with transparency": {"color_mode": "rgba", "class_mode": None, "interpolation": "bilinear"},
    "some classes": {"classes": ["owls", "cats"], "class_mode": "binary"},
    "images": {"class_mode": "input", "keep_aspect_ratio": True},
    "training": {"subset": "training"},
    "validation": {"subset": "validation", "shuffle": False},
    "in order": {"shuffle": False, "follow_links": True, "interpolation": "lanczos"},
    "no such mode": {"class_mode": "raw"},
    "no such colours": {"color_mode": "cmyk"},
    "no such subset": {"subset": "x"},
    "no such method": {"interpolation": "x"},
}


@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
@pytest.mark.parametrize("case", FOLDERS)
def test_folder(case, first, folder, capsys):
    def work(side):
        layout = "channels_first" if first else "channels_last"
        generator = side.ImageDataGenerator(zoom_range=0.2, validation_split=0.4, data_format=layout)
        options = {"target_size": (8, 8), **FOLDERS[case]}
        return seen_of(generator.flow_from_directory(str(folder), **options)), capsys.readouterr().out

    same(work)


def test_no_folder(folder):
    assert same(lambda side: side.ImageDataGenerator().flow_from_directory(folder / "none")) is FileNotFoundError


FRAMES = {
    "plain": {},
    "binary": {"class_mode": "binary", "y_col": "two"},
    "three for binary": {"class_mode": "binary"},
    "binary with classes": {"class_mode": "binary", "classes": ["dog", "cat"]},
    "sparse": {"class_mode": "sparse", "classes": ["owl", "dog", "owl"], "weight_col": "weight"},
    "several": {"y_col": "several"},
    "some of several": {"y_col": "several", "classes": ["dog", "owl"]},
    "several for sparse": {"y_col": "several", "class_mode": "sparse"},
    "raw": {"class_mode": "raw", "y_col": "number", "weight_col": "number"},
    "two raw": {"class_mode": "raw", "y_col": ["number", "weight"]},
    "outputs": {"class_mode": "multi_output", "y_col": ["number", "weight"]},
    "one output": {"class_mode": "multi_output", "y_col": "number"},
    "images": {"class_mode": "input"},
    "nothing": {"class_mode": None, "classes": ["cat"]},
    "numbers for classes": {"y_col": "number"},
    "numbers for sparse": {"y_col": "number", "class_mode": "sparse"},
    "numbers for names": {"x_col": "number"},
    "words for weights": {"weight_col": "class"},
    "no such column": {"y_col": "none"},
    "training": {"subset": "training", "class_mode": "raw", "y_col": "number", "weight_col": "weight"},
    "validation": {"subset": "validation"},
    "in order": {"shuffle": False, "batch_size": 2, "target_size": (3, 3), "color_mode": "grayscale"},
    "older names": {"class_mode": "other", "y_col": "number", "has_ext": True, "drop_duplicates": False, "sort": 1},
    "not looked at": {"validate_filenames": False, "batch_size": 1},
    "no such mode": {"class_mode": "x"},
}


@pytest.mark.parametrize("case", FRAMES)
def test_frame(case, folder, capsys):
    def work(side):
        generator = side.ImageDataGenerator(horizontal_flip=True, validation_split=0.5)
        options = {"target_size": (8, 8), "batch_size": 3, "seed": 1, **FRAMES[case]}
        batches = generator.flow_from_dataframe(FRAME, str(folder), **options)
        seen = batches.labels if FRAMES[case].get("class_mode", "categorical") not in ("input", None) else None
        return seen_of(batches), seen, capsys.readouterr().out

    if case == "no such column":  # a KeyError of pandas
        assert all(issubclass(outcome(lambda side=side: work(side)), KeyError) for side in SIDES)
    else:
        same(work)


def test_frame_of_whole_paths(folder):
    frame = FRAME.iloc[:4].copy()
    frame["filename"] = [str(folder / name) for name in frame["filename"]]
    same(lambda side: seen_of(side.ImageDataGenerator().flow_from_dataframe(frame, target_size=(4, 4), seed=1)))


def test_copies_go_on_alike():
    batches = ours.ImageDataGenerator(rotation_range=9).flow(IMAGES, LABELS, batch_size=2, seed=1)
    next(batches)
    other = copy.deepcopy(batches)
    assert_equal(next(other), next(batches), 0)


def test_both_sides_have_the_same_parameters():
    import inspect

    for name in ("ImageDataGenerator", "NumpyArrayIterator", "DirectoryIterator", "DataFrameIterator", "Iterator"):
        parameters = [list(inspect.signature(getattr(side, name)).parameters.values()) for side in SIDES]
        assert [(p.name, p.default) for p in parameters[1]] == [(p.name, p.default) for p in parameters[0]], name
    for name in ("flow", "flow_from_directory", "flow_from_dataframe", "fit", "random_transform", "standardize"):
        parameters = [inspect.signature(getattr(side.ImageDataGenerator, name)).parameters for side in SIDES]
        assert [(p.name, p.default) for p in parameters[1].values()] == [
            (p.name, p.default) for p in parameters[0].values()
        ], name
    assert pathlib.Path(ours.ImageDataGenerator.__module__.replace(".", "/")).parts[1] == "keras2"

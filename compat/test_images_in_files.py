"""load_img, save_img, img_to_array and array_to_img beside the installed Keras."""

import io
import pathlib
import warnings

import keras
import numpy as np
import pytest
import torch
from PIL import Image

import torchkeras
from compat.curves import SIDES

RNG = np.random.default_rng(0)
COLOURS = RNG.uniform(-3, 300, size=(5, 7, 3))
IMAGE = Image.fromarray(RNG.integers(0, 256, size=(12, 20, 3), dtype="uint8"))


def outcome(call):
    """What a call gives, as something to compare; the type of what it raises."""
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            made = call()
    except (ValueError, TypeError, OSError) as error:
        return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ in ("builtins", "PIL"))
    messages = [each.category for each in told if each.category is not DeprecationWarning]
    if isinstance(made, Image.Image):
        return made.mode, made.size, np.asarray(made).tolist(), messages
    return made.dtype.name, made.shape, made.tolist(), messages


def same(call):
    theirs, ours = (outcome(lambda k=k: call(k.utils)) for k in SIDES)
    assert ours == theirs
    return ours


ARRAYS = {
    "colours": (COLOURS, {}),
    "as they are": (COLOURS, {"scale": False}),
    "one channel": (COLOURS[..., :1], {}),
    "one channel, large": (COLOURS[..., :1] * 900, {"scale": False}),
    "four channels": (RNG.uniform(size=(3, 4, 4)), {}),
    "two channels": (COLOURS[..., :2], {}),
    "channels first": (COLOURS.transpose(2, 0, 1), {"data_format": "channels_first"}),
    "no such format": (COLOURS, {"data_format": "x"}),
    "constant": (np.full((2, 2, 3), 7.0), {}),
    "bytes": (COLOURS.astype("uint8"), {"scale": False, "dtype": "uint8"}),
    "list": (COLOURS.tolist(), {}),
    "tensor": (torch.tensor(COLOURS), {}),
    "float64": (COLOURS, {"dtype": "float64"}),
    "matrix": (COLOURS[..., 0], {}),
    "batch": (COLOURS[None], {}),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_array_to_img(case):
    x, arguments = ARRAYS[case]
    same(lambda utils: utils.array_to_img(x, **arguments))


@pytest.mark.parametrize("arguments", [{}, {"data_format": "channels_first"}, {"dtype": "uint8"}, {"data_format": "x"}])
@pytest.mark.parametrize(
    "image", [IMAGE, IMAGE.convert("L"), IMAGE.convert("RGBA"), np.ones((2, 3)), np.ones((1, 2, 3, 4))]
)
def test_img_to_array(image, arguments):
    same(lambda utils: utils.img_to_array(image, **arguments))


LOAD = {
    "plain": {},
    "grey": {"color_mode": "grayscale"},
    "with transparency": {"color_mode": "rgba"},
    "no such mode": {"color_mode": "x"},
    "smaller": {"target_size": (5, 6)},
    "same size": {"target_size": (12, 20), "interpolation": "x"},
    "no such method": {"target_size": (5, 6), "interpolation": "x"},
    "middle": {"target_size": (10, 10), "keep_aspect_ratio": True, "interpolation": "bilinear"},
    "wide middle": {"target_size": (5, 40), "keep_aspect_ratio": True, "interpolation": "box"},
    "tall middle": {"target_size": (11, 3), "keep_aspect_ratio": True, "interpolation": "hamming"},
    **{
        name: {"target_size": (7, 9), "interpolation": name}
        for name in ("bilinear", "bicubic", "hamming", "box", "lanczos")
    },
}


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "I;16"])
@pytest.mark.parametrize("case", LOAD)
def test_load_img(case, mode, tmp_path):
    path = tmp_path / "image.png"
    image = (
        Image.fromarray(RNG.integers(0, 60000, size=(12, 20), dtype="uint16"))
        if mode == "I;16"
        else IMAGE.convert(mode)
    )
    image.save(path)
    same(lambda utils: utils.load_img(str(path), **LOAD[case]))


def test_kinds_of_paths(tmp_path):
    path = tmp_path / "image.png"
    IMAGE.save(path)
    broken = tmp_path / "broken.png"
    broken.write_bytes(path.read_bytes()[:20])
    for given in (path, str(path), lambda: io.BytesIO(path.read_bytes()), 5, tmp_path / "none.png", broken):
        same(lambda utils, given=given: utils.load_img(given() if callable(given) else given))


@pytest.mark.parametrize("name", ["image.png", "image.bmp", "image.jpg", "image.jpeg"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_save_img(name, channels, tmp_path):
    def call(utils):
        path = tmp_path / name
        utils.save_img(path, RNG_IMAGE[..., :channels])
        return Image.open(path)

    same(call)


RNG_IMAGE = RNG.uniform(size=(6, 8, 4))


def test_save_img_with_a_format(tmp_path):
    def call(utils):
        utils.save_img(str(tmp_path / "image"), COLOURS, file_format="png", scale=False)
        return Image.open(tmp_path / "image")

    same(call)
    with pytest.raises(ValueError, match=r"\.none"):
        torchkeras.utils.save_img(tmp_path / "image.none", COLOURS)


def test_published_under_both_names():
    for name in ("load_img", "save_img", "img_to_array", "array_to_img"):
        assert getattr(torchkeras.utils, name).__name__ == getattr(keras.utils, name).__name__
    assert pathlib.Path(torchkeras.utils.images.__file__).stem == "images"


RESIZED = {
    "wide": ((6, 6), {}),
    "tall": ((12, 5), {}),
    "same": ((5, 7), {}),
    "larger": ((15, 15), {"interpolation": "nearest"}),
    "three sizes": ((1, 2, 3), {}),
}


@pytest.mark.parametrize("shape", [(5, 7, 3), (2, 5, 7, 3), (5, 7)])
@pytest.mark.parametrize("case", RESIZED)
def test_smart_resize(case, shape):
    size, arguments = RESIZED[case]
    x = COLOURS[..., 0] if len(shape) == 2 else np.broadcast_to(COLOURS, shape).astype("float32")
    found = []
    for side in SIDES:
        try:
            made = side.preprocessing.image.smart_resize(x, size, **arguments)
            assert isinstance(made, np.ndarray)
            found.append(made)
        except ValueError:
            found.append(np.zeros(0))
    np.testing.assert_allclose(*found, atol=2e-3)
    assert torch.is_tensor(torchkeras.preprocessing.image.smart_resize(torch.ones(5, 7, 3), (2, 2)))

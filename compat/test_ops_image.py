"""`keras.ops.image` and the spatial operations of `keras.ops.nn` beside the installed Keras, and by themselves."""

import inspect

import keras
import numpy as np
import pytest
import torch

from compat.op_cases_image import AFFINE, END, IMAGE_CASES, SPATIAL_CASES, START
from compat.test_ops import _run, _symbolic
from torchkeras import Model, ops
from torchkeras.core import scopes
from torchkeras.core.serialization import serialize_keras_object
from torchkeras.layers import Input
from torchkeras.random import SeedGenerator

_SPATIAL = {case.name for case in SPATIAL_CASES}
CASES = IMAGE_CASES + SPATIAL_CASES
# Precision of values and gradients; gradients are sums over up to a thousand numbers.
_TOLERANCE = {torch.float16: 4e-3, torch.float64: 1e-9}
# Keras computes these in float32 for float64 too; a transform in float32 has coordinates in float32.
_NARROWED = {"affine_transform", "perspective_transform", "ssim"}


def _room(library_ops, case):
    return library_ops.nn if case.name in _SPATIAL else library_ops.image


def _close(case, ours, theirs, scale=1.0):
    if not ours.is_floating_point() and not ours.is_complex():
        return torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    tolerance = max(_TOLERANCE.get(ours.dtype, 2e-5), 2e-5 if case.name in _NARROWED else 0)
    return torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance * scale, equal_nan=True)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_values_and_gradients(case):
    torch.manual_seed(3)
    want, want_gradients = _run(getattr(_room(keras.ops, case), case.name), case, case.gradient)
    torch.manual_seed(3)
    have, gradients = _run(getattr(_room(ops, case), case.name), case, case.gradient)
    assert [(out.dtype, tuple(out.shape)) for out in have] == [(out.dtype, tuple(out.shape)) for out in want]
    for ours, theirs in zip(have, want, strict=True):
        _close(case, ours.detach(), theirs.detach())
    for ours, theirs in zip(gradients, want_gradients, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            _close(case, ours, theirs, float(theirs.abs().max()))


@pytest.mark.parametrize("case", [case for case in CASES if case.symbolic], ids=repr)
def test_static_shapes_and_configs(case):
    keras.utils.clear_session(free_memory=False)
    scopes.clear_session(free_memory=False)
    theirs, want = _symbolic(_room(keras.ops, case), lambda v: keras.Input(v.shape[1:], dtype=v.dtype.name), case)
    ours, have = _symbolic(_room(ops, case), lambda v: Input(v.shape[1:], dtype=v.dtype.name), case)
    assert [(tuple(out.shape), out.dtype) for out in have] == [(tuple(out.shape), out.dtype) for out in want]
    if case.config:
        assert serialize_keras_object(ours) == keras.saving.serialize_keras_object(theirs)


_ONE_EACH = {(case.name, case.kwargs.get("interpolation"), case.kwargs.get("fill_mode")): case for case in CASES}


@pytest.mark.parametrize("case", _ONE_EACH.values(), ids=repr)
def test_compiles_without_graph_breaks(case):
    function = getattr(_room(ops, case), case.name)
    torch.compiler.reset()
    torch.manual_seed(3)
    want, _ = _run(function, case, gradients=False)
    torch.manual_seed(3)
    have, _ = _run(torch.compile(function, fullgraph=True, backend="eager"), case, gradients=False)
    for ours, eager in zip(have, want, strict=True):
        torch.testing.assert_close(ours, eager, equal_nan=True)


@pytest.mark.parametrize("name", sorted(name for name in dir(keras.ops.image) if not name.startswith("_")))
def test_image_names_and_signatures(name):
    theirs = inspect.signature(getattr(keras.ops.image, name))
    assert str(inspect.signature(getattr(ops.image, name))) == str(theirs)
    assert any(case.name == name for case in IMAGE_CASES)


def test_spatial_operations_are_in_both_rooms():
    for name in _SPATIAL:
        assert getattr(ops, name) is getattr(ops.nn, name)


# -- unknown sizes ----------------------------------------------------------------------------------------------------

_UNKNOWN = [
    ("image.resize", (None, None, 3), (4, 5)),
    ("image.rgb_to_grayscale", (None, None, 3)),
    ("image.rgb_to_hsv", (None, None, None)),
    ("image.sobel_edges", (None, None, 3)),
    ("image.gaussian_blur", (None, 5, 3)),
    ("image.elastic_transform", (None, None, 3)),
    ("image.extract_patches", (None, 9, 3), 2, 3, 1, "same"),
    ("image.extract_patches", (None, 9, 3), 2),
    ("image.pad_images", (None, None, 3), 1, 2, 3, 4),
    ("image.pad_images", (None, None, 3), 1, 2, None, None, 9, 8),
    ("image.crop_images", (None, 7, 3), 1, 2, None, 1, 4),
    ("image.affine_transform", (None, None, 3), AFFINE[0]),
    ("image.perspective_transform", (None, None, 3), START[0], END[0]),
    ("nn.conv_transpose", (None, 4, 3), np.ones((3, 3, 2, 3), "float32"), 2, "same"),
    ("nn.depth_to_space", (None, 3, 8), 2),
    ("nn.depth_to_space", (2, 3, None), 2),
    ("nn.space_to_depth", (None, 4, 3), 2),
    ("nn.fold", (12, None), (3, 4), (2, 3)),
]


@pytest.mark.parametrize(("name", "shape", "args"), [(name, shape, args) for name, shape, *args in _UNKNOWN])
def test_static_shapes_of_unknown_sizes(name, shape, args):
    room, function = name.split(".")
    want = getattr(getattr(keras.ops, room), function)(keras.Input(shape), *args)
    have = getattr(getattr(ops, room), function)(Input(shape), *args)
    assert (tuple(have.shape), have.dtype) == (tuple(want.shape), want.dtype)


def test_static_shapes_that_keras_cannot_say():
    x = Input((None, None, 3))
    assert tuple(ops.unfold(x, 2).shape) == (None, None, None)
    assert tuple(ops.image.crop_images(x, 1, 1, 1, 1).shape) == (None, None, None, 3)
    assert ops.polar(Input((3,)), Input((1,))).dtype == "complex64"
    assert tuple(ops.polar(Input((3,)), Input((1,))).shape) == (None, 3)


# -- errors -----------------------------------------------------------------------------------------------------------

_X = torch.rand(2, 6, 7, 3)
_BAD = [
    ("image.rgb_to_grayscale", (_X[..., :2],)),
    ("image.rgb_to_grayscale", (_X[0, 0],)),
    ("image.rgb_to_hsv", (_X.int(),)),
    ("image.hsv_to_rgb", (_X[None],)),
    ("image.resize", (_X, (3, 3), "cubic")),
    ("image.resize", (_X, (3, 0))),
    ("image.resize", (_X, (3, 3, 3))),
    ("image.resize", (_X, (3, 3), "bilinear", False, True, True)),
    ("image.resize", (_X, (3, 3), "bilinear", False, False, False, "reflect")),
    ("image.resize", (_X[0, 0], (3, 3))),
    ("image.resize", (_X, (3, 3), "nearest", False, False, False, "constant", 0.0, "last")),
    ("image.affine_transform", (_X, AFFINE, "bicubic")),
    ("image.affine_transform", (_X, AFFINE, "bilinear", "edge")),
    ("image.affine_transform", (_X, AFFINE[None])),
    ("image.affine_transform", (_X[0, 0], AFFINE)),
    ("image.perspective_transform", (_X, START[0], END)),
    ("image.perspective_transform", (_X, START[:, :3], END[:, :3])),
    ("image.perspective_transform", (_X, START, END, "cubic")),
    ("image.map_coordinates", (_X[0], torch.rand(2, 4), 1)),
    ("image.map_coordinates", (_X[0], torch.rand(3), 1)),
    ("image.map_coordinates", (_X[0], torch.rand(3, 4), 1, "edge")),
    ("image.map_coordinates", (_X[0], torch.rand(3, 4), 2)),
    ("image.elastic_transform", (_X, 1.0, 1.0, "cubic")),
    ("image.elastic_transform", (_X, 1.0, 1.0, "nearest", "edge")),
    ("image.elastic_transform", (_X[0, 0],)),
    ("image.gaussian_blur", (_X[0, 0],)),
    ("image.scale_and_translate", (_X, (2, 3, 3, 3), torch.ones(2), torch.ones(2), (1, 2), "area")),
    ("image.extract_patches", (_X, 3.0)),
    ("image.extract_patches", (_X, (3,))),
    ("image.crop_images", (_X, 1, 1)),
    ("image.crop_images", (_X, -1, 1, 1, 1)),
    ("image.crop_images", (_X, None, 1, 4, 1, 3)),
    ("image.pad_images", (_X, 1, 1, 1, 1, 9)),
    ("image.pad_images", (_X, None, 1, 4, 1, 3)),
    ("image.ssim", (_X[0, 0], _X[0, 0])),
    ("nn.conv_transpose", (_X, torch.ones(2, 2, 4, 2))),
    ("nn.conv_transpose", (_X, torch.ones(2, 2, 4, 3), 1, "full")),
    ("nn.depth_to_space", (_X[0], 2)),
    ("nn.depth_to_space", (_X, 1)),
    ("nn.space_to_depth", (_X, 1)),
    ("nn.unfold", (_X[0], 2)),
    ("nn.fold", (_X, (3, 3), 2)),
    ("nn.psnr", (_X, _X[:1], 1.0)),
]


@pytest.mark.parametrize(("name", "args"), _BAD, ids=lambda value: value if isinstance(value, str) else "")
def test_bad_input_raises_what_keras_raises(name, args):
    room, function = name.split(".")

    def call(library_ops):
        return getattr(getattr(library_ops, room), function)(*args)

    with pytest.raises(Exception) as theirs:
        call(keras.ops)
    with pytest.raises(theirs.type) as ours:
        call(ops)
    assert len(str(ours.value)) > 30


@pytest.mark.parametrize(
    ("name", "args", "text"),
    [
        ("image.ssim", (_X, _X), "filter_size=11"),
        ("image.ssim", (_X, _X[:1], 1.0, 3), "one shape"),
        ("image.crop_images", (_X, 1, 1, None, 1, 10), "negative"),
        ("image.sobel_edges", (_X[0],), "4 axes"),
        ("image.gaussian_blur", (_X, 3), "tuple of two"),
        ("image.affine_transform", (_X, torch.ones(3, 8)), "3 transforms for 2 images"),
        (
            "image.scale_and_translate",
            (_X, (2, 3, 3, 3), torch.ones(1), torch.ones(2), (1, 2), "linear"),
            "each of the 2",
        ),
        ("image.extract_patches", (_X, 8), "do not fit"),
        ("image.extract_patches", (_X, 2, 1, 1, "full"), "'valid' or 'same'"),
        ("nn.depth_to_space", (_X, 2), "multiple of 4"),
        ("nn.space_to_depth", (_X, 2), "multiple of 2"),
        ("nn.fold", (torch.ones(2, 13, 4), (3, 3), 2), "multiple of 4"),
    ],
)
def test_bad_input_that_torch_explains_badly_elsewhere(name, args, text):
    room, function = name.split(".")
    with pytest.raises(ValueError, match=text):
        getattr(getattr(ops, room), function)(*args)


# -- numbers of our own -----------------------------------------------------------------------------------------------


def test_bicubic_resizing_has_tensorflows_numbers():
    """Resizing 0…15 on 4 x 4 to 3 x 3: 0.5154 is TensorFlow's documented number; an exact Keys kernel has 0.5142."""
    x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    assert ops.image.resize(x, (3, 3), "bicubic")[0, 0, 0, 0].item() == pytest.approx(0.5154086, abs=1e-6)
    for size in ((4, 4), (8, 8), (2, 2)):  # positions that the steps of 1/1024 hold exactly: the exact kernel's numbers
        scale = np.array(size, "float32") / 4
        want = keras.ops.image.scale_and_translate(x, (1, *size, 1), scale, scale * 0, (1, 2), "cubic", antialias=False)
        torch.testing.assert_close(ops.image.resize(x, size, "bicubic"), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["lanczos3", "lanczos5"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("size", [(4, 5), (13, 11)])
def test_lanczos_resizing_is_scaling(method, antialias, size):
    x = torch.rand(2, 8, 7, 3)
    scale = torch.tensor(size) / torch.tensor([8.0, 7.0])
    want = keras.ops.image.scale_and_translate(x, (2, *size, 3), scale, scale * 0, (1, 2), method, antialias)
    torch.testing.assert_close(ops.image.resize(x, size, method, antialias), want, rtol=1e-5, atol=1e-5)


def test_area_resizing_averages_what_a_pixel_covers():
    x = torch.rand(2, 6, 8, 3)
    want = torch.nn.functional.avg_pool2d(x.permute(0, 3, 1, 2), (2, 4)).permute(0, 2, 3, 1)
    torch.testing.assert_close(ops.image.resize(x, (3, 2), "area"), want)
    row = torch.tensor([1.0, 2.0, 4.0]).reshape(1, 3, 1)
    torch.testing.assert_close(ops.image.resize(row, (1, 2), "area").flatten(), torch.tensor([4 / 3, 10 / 3]))


def test_resizing_keeps_large_integers_and_saturates_small_ones():
    ids = torch.tensor([[2**31 - 1, 5], [16777217, 7]], dtype=torch.int32).reshape(2, 2, 1)
    assert ops.image.resize(ids, (4, 4), "nearest")[::2, ::2].equal(ids)
    edge = torch.tensor([0, 0, 0, 255, 255, 255], dtype=torch.uint8).reshape(1, 6, 1)
    signed = (edge.int() - 128).to(torch.int8)
    for image, low, high in ((edge, 0, 255), (signed, -128, 127)):
        result = ops.image.resize(image, (1, 17), "bicubic").flatten()
        assert (result.min(), result.max()) == (low, high)
        assert (result.int().diff() >= -30).all()  # nothing wrapped around


def test_blur_of_any_window_is_a_bell_and_keeps_the_shape():
    point = torch.zeros(1, 9, 9, 1)
    point[0, 4, 4, 0] = 1.0
    for window, sigma in (((3, 5), (1.0, 2.0)), ((4, 4), (1.0, 1.0)), ((1, 7), (2.0, 1.0))):
        result = ops.image.gaussian_blur(point, window, sigma)[0, :, :, 0]
        rows, columns = (
            np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / width) ** 2)
            for size, width in zip(window, reversed(sigma), strict=True)
        )
        want = np.zeros((9, 9))
        top, left = 4 - window[0] // 2, 4 - window[1] // 2
        want[top : top + window[0], left : left + window[1]] = np.outer(rows / rows.sum(), columns / columns.sum())
        np.testing.assert_allclose(result, want, atol=1e-6)
    x = torch.randint(0, 255, (2, 6, 6, 3), dtype=torch.uint8)
    assert ops.image.gaussian_blur(x).equal(ops.image.gaussian_blur(x.float()).round().to(torch.uint8))


def test_identity_transforms_give_the_image_back():
    x = torch.rand(2, 33, 47, 3)
    corners = [[0.0, 0.0], [46.0, 0.0], [0.0, 32.0], [46.0, 32.0]]
    for mode in ("constant", "reflect"):
        assert ops.image.affine_transform(x, [1, 0, 0, 0, 1, 0, 0, 0], fill_mode=mode).equal(x)
    torch.testing.assert_close(ops.image.perspective_transform(x, corners, corners), x, rtol=1e-4, atol=1e-4)
    moved = ops.image.affine_transform(x, [1, 0, -2, 0, 1, 0, 0, 0])
    assert moved[:, :, 2:].equal(x[:, :, :-2])
    assert (moved[:, :, :2] == 0).all()


def test_affine_transform_leaves_its_argument_alone_and_is_projective():
    x, transform = torch.rand(2, 12, 10, 3), torch.tensor(AFFINE)
    ops.image.affine_transform(x, transform)
    np.testing.assert_array_equal(transform, AFFINE)
    end, start = START[:1] * 1.5, END[:1] * 1.5
    same = ops.image.perspective_transform(x, start[0], end[0])
    points = np.concatenate([end[0], np.ones((4, 1))], 1)
    rows = [[*p, 0, 0, 0, *(-s[0] * p[:2])] for p, s in zip(points, start[0], strict=True)]
    rows += [[0, 0, 0, *p, *(-s[1] * p[:2])] for p, s in zip(points, start[0], strict=True)]
    numbers = np.linalg.solve(rows, np.concatenate([start[0, :, 0], start[0, :, 1]])).astype("float32")
    assert abs(numbers[6:]).min() > 1e-3
    torch.testing.assert_close(ops.image.affine_transform(x, numbers), same, rtol=1e-3, atol=1e-3)


def test_gradients_of_transforms():
    x = torch.rand(2, 5, 6, 2, dtype=torch.float64, requires_grad=True)
    transform = torch.tensor(AFFINE, dtype=torch.float64).add(0.013).requires_grad_()
    for mode in ("constant", "reflect", "wrap"):
        assert torch.autograd.gradcheck(
            lambda x, t, m=mode: ops.image.affine_transform(x, t, fill_mode=m), (x, transform)
        )


def test_elastic_transforms_with_a_seed_repeat():
    x = torch.rand(2, 12, 10, 3)
    first, again, other = (ops.image.elastic_transform(x, 8.0, 1.5, seed=seed) for seed in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)
    torch.compiler.reset()
    compiled = torch.compile(ops.image.elastic_transform, fullgraph=True, backend="eager")
    assert compiled(x, 8.0, 1.5, seed=1).equal(first)
    seeds = SeedGenerator(1)
    drawn = [ops.image.elastic_transform(x, 8.0, 1.5, seed=seeds) for _ in range(2)]
    assert drawn[0].equal(first)
    assert not drawn[1].equal(first)
    assert ops.image.elastic_transform((x * 255).to(torch.uint8), seed=1).dtype == torch.uint8
    assert ops.image.elastic_transform(x, alpha=0.0, seed=1).equal(x)


def test_depth_and_space_are_inverse():
    for form in ("channels_last", "channels_first"):
        x = torch.arange(2 * 8 * 4 * 16).reshape(2, 8, 4, 16)
        assert ops.space_to_depth(ops.depth_to_space(x, 2, form), 2, form).equal(x)


def test_whole_numbers_where_torch_kernels_take_none():
    assert ops.psnr(np.array([1, 2]), np.array([1, 4]), 10).item() == pytest.approx(20 - 10 * np.log10(2.0))
    assert ops.polar(torch.ones(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.bfloat16)).dtype == torch.complex64
    assert ops.image.extract_patches(torch.ones(1, 4, 4, 1, dtype=torch.bool), 2).all()


def test_operations_inside_a_model_run_on_unknown_sizes():
    inputs = Input((None, None, 3))
    x = ops.image.resize(inputs, (8, 8), "bicubic")
    x = ops.image.gaussian_blur(x)
    x = ops.image.extract_patches(x, 4)
    model = Model(inputs, ops.depth_to_space(x, 2))
    for size in (5, 9):
        images = torch.rand(2, size, size + 1, 3)
        assert model(images).shape == (2, 4, 4, 12)


# -- decisions: Keras's behaviour, which ours must not be (lines of deviations.md) ------------------------------------

deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


def _agree(function, *args, **kwargs):
    """Asserts that both libraries give the same, an error counting as a result."""
    results = []
    for library_ops in (ops, keras.ops):
        try:
            results.append(function(library_ops)(*args, **kwargs))
        except (ValueError, RuntimeError) as error:
            results.append(error)
    ours, theirs = results
    assert isinstance(ours, Exception) == isinstance(theirs, Exception)
    if not isinstance(ours, Exception):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@deviation
@pytest.mark.parametrize("size", [(3, 3), (9, 11)])
def test_bicubic_resizing_agrees(size):
    _agree(lambda o: o.image.resize, _X, size, interpolation="bicubic")


@deviation
@pytest.mark.parametrize("interpolation", ["lanczos3", "lanczos5", "area"])
def test_resizing_kernels_are_refused(interpolation):
    _agree(lambda o: o.image.resize, _X, (3, 3), interpolation=interpolation)


@deviation
def test_blur_takes_the_data_for_channels_first():
    _agree(lambda o: o.image.gaussian_blur, _X)


@deviation
@pytest.mark.parametrize("window", [(3, 5), (4, 4)])
def test_blur_changes_the_shape(window):
    _agree(lambda o: o.image.gaussian_blur, _X, window, (1.0, 2.0), data_format="channels_last")


@deviation
def test_elastic_transform_ignores_its_seed():
    def pair(library_ops):
        return lambda: torch.stack([library_ops.image.elastic_transform(_X, 4.0, 1.0, seed=5) for _ in range(2)]).std(0)

    _agree(pair)


@deviation
def test_affine_transform_adds_the_channel():
    _agree(lambda o: o.image.affine_transform, _X, [[1, 0, 0, 0, 1, 0, 0.05, 0.1]] * 2)


@deviation
def test_affine_transform_refuses_one_transform_for_a_batch():
    _agree(lambda o: o.image.affine_transform, _X, AFFINE[0])


@deviation
def test_crop_gives_less_than_was_asked_for():
    _agree(lambda o: o.image.crop_images, _X, 1, 1, target_height=10, target_width=2)


@deviation
def test_polar_says_that_it_is_real():
    dtypes = [tensor.dtype for tensor in (ops.polar(Input((3,)), 1.0), keras.ops.polar(keras.Input((3,)), 1.0))]
    assert dtypes[0] == dtypes[1]


@deviation
@pytest.mark.parametrize("name", ["psnr", "polar"])
def test_whole_numbers_and_bfloat16_are_refused(name):
    x = torch.ones(3, dtype=torch.bfloat16) if name == "polar" else torch.arange(3)
    options = {"max_val": 4} if name == "psnr" else {}
    _agree(lambda o: getattr(o, name), x, x + 1, **options)

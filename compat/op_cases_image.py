"""Cases of the differential test for `keras.ops.image` and the spatial operations of `keras.ops.nn`.

May import numpy and the form of a case. Knows neither library.
"""

import itertools

import numpy as np

from compat.op_cases import Case, f, i, restart

restart(1)


def u8(*shape):
    """Random bytes."""
    return i(*shape, high=256).astype("uint8")


def unit(*shape):
    """Random floats between 0 and 1."""
    return f(*shape, low=0.0, high=1.0)


def half(array):
    return array.astype("float16")


def double(array):
    return array.astype("float64")


FIRST = {"data_format": "channels_first"}
LAST = {"data_format": "channels_last"}
MODES = ("constant", "nearest", "wrap", "mirror", "reflect")

# Turned, sheared, scaled and moved out of the frame; c0 = c1 = 0.
AFFINE = np.array([[0.9, 0.2, -1.3, -0.3, 1.1, 0.7, 0.0, 0.0], [1.4, 0.0, 2.25, 0.1, 0.6, -3.5, 0.0, 0.0]], "float32")
START = np.array([[[0.0, 0.0], [5.5, 0.5], [0.2, 4.8], [6.0, 5.0]], [[1, 1], [5, 0], [0, 4], [5, 5]]], "float32")
END = np.array([[[0.4, 0.3], [6.1, 0.0], [0.0, 5.2], [5.2, 4.1]], [[0, 0], [6, 1], [1, 5], [6, 4]]], "float32")

_COLOR = [
    Case("rgb_to_grayscale", unit(2, 4, 5, 3)),
    Case("rgb_to_grayscale", unit(4, 5, 3)),
    Case("rgb_to_grayscale", unit(2, 3, 4, 5), **FIRST),
    Case("rgb_to_grayscale", unit(2, 4, 5, 1)),
    Case("rgb_to_grayscale", u8(2, 4, 5, 3)),
    Case("rgb_to_grayscale", half(unit(2, 4, 5, 3))),
    *(
        Case(name, *args, **options)
        for name in ("rgb_to_hsv", "hsv_to_rgb")
        for args, options in (
            ((unit(2, 4, 5, 3),), {}),
            ((unit(3, 4, 5),), FIRST),
            ((np.round(unit(2, 4, 5, 3) * 2) / 2,), {"gradient": False}),  # grey, black and two equal channels
            ((half(unit(2, 4, 5, 3)),), {}),
            ((double(unit(2, 4, 5, 3)),), {}),
        )
    ),
]

_RESIZE = [
    *(
        Case("resize", f(2, 7, 6, 3), size, interpolation=interpolation, antialias=antialias)
        for size, interpolation, antialias in itertools.product(
            ((3, 4), (11, 9), (7, 2)), ("nearest", "bilinear"), (False, True)
        )
    ),
    *(Case("resize", f(2, 7, 6, 3), size, interpolation="bicubic", antialias=True) for size in ((3, 4), (11, 9))),
    Case("resize", f(7, 6, 3), [4, 4]),
    Case("resize", f(2, 3, 7, 6), (4, 4), **FIRST),
    *(
        Case("resize", f(2, *shape, 3), size, **{option: True})
        for option in ("crop_to_aspect_ratio", "pad_to_aspect_ratio")
        for shape, size in (((7, 6), (3, 5)), ((6, 9), (5, 3)), ((8, 8), (4, 4)), ((5, 20), (9, 2)))
    ),
    Case("resize", f(2, 9, 6, 3), (4, 4), pad_to_aspect_ratio=True, fill_value=0.5),
    *(
        Case("resize", array, (4, 9), interpolation=interpolation)
        for interpolation in ("nearest", "bilinear")
        for array in (u8(2, 7, 6, 3), i(2, 7, 6, 3, low=-50, high=50), half(f(2, 7, 6, 3)), double(f(2, 7, 6, 3)))
    ),
    Case("resize", u8(2, 7, 6, 3), (3, 3), interpolation="bicubic", antialias=True),
    Case("resize", u8(2, 7, 6, 3) > 99, (3, 3)),
    *(
        Case("scale_and_translate", f(3, 7, 6, 2), shape, f(2, low=0.4, high=2.0), f(2), (1, 2), method, antialias)
        for shape in ((3, 4, 9, 2), (3, 12, 3, 2))
        for method in ("linear", "bilinear", "cubic", "lanczos3", "lanczos5")
        for antialias in (True, False)
    ),
    Case("scale_and_translate", i(3, 7, 6), (3, 12, 6), f(1, low=1.0), f(1), [-2], "tricubic"),
    Case("scale_and_translate", f(3, 7), (3, 7), f(1), f(1), (), "linear", gradient=False),
]

_GEOMETRY = [
    *(
        Case("affine_transform", f(2, 6, 7, 3), AFFINE, interpolation=interpolation, fill_mode=mode, gradient=False)
        for interpolation, mode in itertools.product(("nearest", "bilinear"), MODES)
    ),
    Case("affine_transform", f(2, 6, 7, 3), AFFINE, fill_value=1.5, gradient=False),
    Case("affine_transform", f(2, 3, 6, 7), AFFINE, **FIRST, gradient=False),
    Case("affine_transform", f(6, 7, 3), AFFINE[0], gradient=False),
    Case("affine_transform", u8(2, 6, 7, 3), AFFINE, fill_value=7.9, gradient=False),
    # Coordinates round to 1/512 of a pixel: small steps between pixels keep the results close.
    Case("affine_transform", half(f(2, 6, 7, 3, low=-0.5, high=0.5)), half(AFFINE), gradient=False),
    Case("affine_transform", double(f(2, 6, 7, 3)), AFFINE, gradient=False),
    Case("perspective_transform", f(2, 6, 7, 3), START, END),
    Case("perspective_transform", f(2, 6, 7, 3), START, END, interpolation="nearest"),
    Case("perspective_transform", f(2, 6, 7, 3), START[0], END[0], fill_value=2.0),
    Case("perspective_transform", f(2, 3, 6, 7), START, END, **FIRST),
    Case("perspective_transform", f(6, 7, 3), START[0], END[0]),
    Case("perspective_transform", u8(2, 6, 7, 3), START[1], END[1]),
    # Keras solves in float32 here; at corners on whole pixels the side that a gradient is taken from depends on it.
    Case("perspective_transform", double(f(2, 6, 7, 3)), START, END, gradient=False),
    Case("perspective_transform", half(f(2, 6, 7, 3)), START[1], END[1], gradient=False),
    *(
        Case("map_coordinates", f(6, 7), f(2, 5, 3, low=-9.0, high=16.0), order, fill_mode=mode)
        for order, mode in itertools.product((0, 1), MODES)
    ),
    Case("map_coordinates", f(6, 7, 3), f(3, 8, low=-2.0, high=8.0), 1, fill_value=1.5),
    Case("map_coordinates", f(9), f(1, 4, 5, low=-2.0, high=11.0), 1, "reflect"),
    Case("map_coordinates", i(6, 7, high=90), f(2, 9, low=-2.0, high=9.0), 1, fill_value=3.7),
    Case("map_coordinates", u8(6, 7), i(2, 9, low=-2, high=9), 0),
    Case("map_coordinates", f(6, 7), i(2, 9, low=-2, high=9), 1, "wrap"),
    Case("map_coordinates", f(6, 7), [f(4), f(4)], 1, symbolic=False),
    *(
        Case("elastic_transform", f(2, 9, 8, 3), 6.0, 1.0, interpolation=interpolation, fill_mode=mode)
        for interpolation, mode in itertools.product(("nearest", "bilinear"), MODES)
    ),
    Case("elastic_transform", f(2, 3, 9, 8), **FIRST),
    Case("elastic_transform", f(9, 8, 3), fill_value=0.5),
]

_WINDOWS = [
    Case("crop_images", f(2, 6, 7, 3), 1, 2, 3, 1),
    Case("crop_images", f(6, 7, 3), 1, None, None, 3, 4, 2),
    Case("crop_images", i(2, 3, 6, 7), None, 1, 2, None, 3, 5, "channels_first"),
    Case("pad_images", f(2, 6, 7, 3), 1, 2, 3, 1),
    Case("pad_images", f(6, 7, 3), 1, None, None, 3, 9, 12),
    Case("pad_images", i(2, 3, 6, 7), None, 1, 2, None, 8, 9, "channels_first"),
    *(
        Case("extract_patches", f(2, 9, 8, 3), size, strides, dilation, padding, config=False)
        for size, strides, dilation in ((2, None, 1), ((3, 2), 1, 1), ((2, 3), (3, 1), 1), (3, 1, 2), (3, 2, 2))
        for padding in ("valid", "same")
    ),
    Case("extract_patches", f(2, 3, 9, 8), (3, 2), 2, **FIRST, config=False),
    Case("extract_patches", f(9, 8, 3), 3, 1, 1, "same", config=False),
    Case("extract_patches", i(2, 9, 8, 3), 2, config=False),
    Case("extract_patches", f(2, 5, 6, 7, 2), (2, 3, 2), config=False),
    Case("extract_patches_3d", f(2, 5, 6, 7, 2), 2, 1, padding="same", config=False),
    Case("extract_patches_3d", f(2, 2, 5, 6, 7), (2, 3, 1), **FIRST, config=False),
    Case("extract_patches_3d", f(5, 6, 7, 2), (2, 3, 1), config=False),
    Case("gaussian_blur", f(2, 9, 8, 3), **LAST),
    Case("gaussian_blur", f(2, 9, 8, 3), (5, 5), (0.7, 2.0), **LAST),
    Case("gaussian_blur", f(3, 9, 8), **FIRST),
    Case("gaussian_blur", double(f(2, 9, 8, 3)), **LAST),
    Case("gaussian_blur", half(f(2, 9, 8, 3)), **LAST),
    Case("sobel_edges", f(2, 6, 7, 3)),
    Case("sobel_edges", f(2, 3, 6, 7), **FIRST),
    Case("sobel_edges", i(2, 6, 7, 3)),
    Case("sobel_edges", u8(2, 6, 7, 3)),
    Case("ssim", unit(2, 14, 15, 3), unit(2, 14, 15, 3)),
    Case("ssim", unit(2, 9, 8, 3), unit(2, 9, 8, 3), 2.0, 5, 1.0, 0.02, 0.05),
    Case("ssim", unit(3, 12, 12), unit(3, 12, 12), **FIRST),
    Case("ssim", double(unit(2, 12, 12, 1)), double(unit(2, 12, 12, 1))),
    Case("ssim", u8(2, 12, 12, 3), u8(2, 12, 12, 3), 255),
]

IMAGE_CASES = _COLOR + _RESIZE + _GEOMETRY + _WINDOWS

SPATIAL_CASES = [
    *(
        Case("conv_transpose", f(2, 5, 4, 3), f(*window, 2, 3), strides, padding, extra, dilation_rate=dilation)
        for window in ((3, 3), (4, 2))
        for padding in ("valid", "same")
        for strides, extra, dilation in ((1, None, 1), (2, None, 1), (3, 1, 1), ((2, 3), (0, 1), 1), (1, None, 2))
    ),
    Case("conv_transpose", f(2, 5, 4, 3), f(1, 1, 2, 3), 2, "same"),
    Case("conv_transpose", f(2, 5, 4, 3), f(3, 3, 2, 3), 2, "VALID", 4),
    Case("conv_transpose", f(2, 5, 4, 3), f(5, 5, 2, 3), 1, "same", 3),
    Case("conv_transpose", f(2, 5, 4, 3), f(4, 4, 2, 3), 2, "same", 0),
    Case("conv_transpose", f(2, 3, 5, 4), f(3, 2, 2, 3), 2, "same", **FIRST),
    Case("conv_transpose", f(2, 5, 3), f(4, 2, 3), 3, "same"),
    Case("conv_transpose", f(2, 3, 4, 5, 2), f(3, 2, 3, 4, 2), (2, 1, 2), "same"),
    *(
        Case(name, array, block, **form)
        for name, array, block, form in (
            ("depth_to_space", f(2, 3, 4, 8), 2, {}),
            ("depth_to_space", i(2, 3, 4, 18), 3, {}),
            ("depth_to_space", f(2, 8, 3, 4), 2, FIRST),
            ("space_to_depth", f(2, 6, 4, 3), 2, {}),
            ("space_to_depth", i(2, 6, 9, 1), 3, {}),
            ("space_to_depth", f(2, 3, 6, 4), 2, FIRST),
        )
    ),
    Case("unfold", f(2, 3, 7, 6), 2),
    Case("unfold", f(2, 3, 7, 6), (3, 2), (1, 2), (2, 1), (2, 3)),
    Case("fold", f(2, 12, 4), (3, 3), 2),
    Case("fold", f(2, 12, 12), 7, (3, 2), 1, (0, 1), (2, 2)),
    Case("polar", f(3, 4), f(3, 4), symbolic=False, gradient=False),
    Case("polar", i(3, 4), i(3, 4), symbolic=False),
    Case("polar", double(f(3, 4)), double(f(3, 4)), symbolic=False, gradient=False),
    Case("psnr", f(3, 4), f(3, 4), 2.0),
    Case("psnr", f(3, 4), f(3, 4), 255),
    Case("psnr", half(f(3, 4)), half(f(3, 4)), 2.0, symbolic=False),  # Keras's static dtype is float32
]

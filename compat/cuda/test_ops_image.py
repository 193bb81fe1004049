"""The image and spatial operations on a GPU: the numbers of the CPU, results on the device of the images."""

import pytest
import torch

from compat.op_cases_image import IMAGE_CASES, SPATIAL_CASES
from torchkeras import ops
from torchkeras.core import tree

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]

# cuDNN computes in another order, half precision convolutions in another precision.
_TOLERANCE = {torch.float16: 1e-2, torch.float64: 1e-9}
_CASES = [case for case in IMAGE_CASES + SPATIAL_CASES if case.name != "elastic_transform"]


def _result(case, device):
    def place(value):
        return torch.tensor(value, device=device) if hasattr(value, "dtype") else value

    args, kwargs = tree.map_structure(place, (list(case.args), case.kwargs))
    return getattr(ops if hasattr(ops, case.name) else ops.image, case.name)(*args, **kwargs)


@pytest.mark.parametrize("case", _CASES, ids=repr)
def test_numbers_of_the_cpu(case, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    have, want = _result(case, "cuda"), _result(case, "cpu")
    assert have.device.type == "cuda"
    tolerance = _TOLERANCE.get(want.dtype, 1e-4) if want.is_floating_point() or want.is_complex() else 0
    torch.testing.assert_close(have.cpu(), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("seed", [None, 1])
def test_elastic_transform_draws_on_the_device(seed):
    images = torch.rand(2, 16, 16, 3, device="cuda")
    first, second = (ops.image.elastic_transform(images, 4.0, 1.0, seed=seed) for _ in range(2))
    assert first.device.type == "cuda"
    assert first.equal(second) == (seed is not None)


def test_images_stay_where_they_are_and_arrays_come_to_them():
    images = torch.rand(2, 8, 8, 3, device="cuda")
    turned = ops.image.affine_transform(images, [0, 1, 0, 1, 0, 0, 0, 0])
    assert turned.equal(images.transpose(1, 2))
    corners = [[0.0, 0.0], [7.0, 0.0], [0.0, 7.0], [7.0, 7.0]]
    torch.testing.assert_close(ops.image.perspective_transform(images, corners, corners), images, rtol=1e-4, atol=1e-4)
    assert ops.image.map_coordinates(images[0, :, :, 0], [[0.0, 7.0], [0.0, 7.0]], 1).device.type == "cuda"
    scaled = ops.image.scale_and_translate(images, (2, 4, 4, 3), [0.5, 0.5], [0.0, 0.0], (1, 2), "linear")
    assert scaled.device.type == "cuda"

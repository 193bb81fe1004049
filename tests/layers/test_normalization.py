"""Normalization: which statistics serve, how they move, and in which dtype."""

import pytest
import torch

from torchkeras.layers import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)


def test_moving_variance_is_the_biased_one_for_every_rank():
    for shape in ((8, 1), (2, 4, 1), (2, 2, 2, 1)):
        layer = BatchNormalization(momentum=0.0)
        layer(torch.arange(8.0).reshape(shape), training=True)
        torch.testing.assert_close(layer.moving_mean.detach(), torch.tensor([3.5]))
        torch.testing.assert_close(layer.moving_variance.detach(), torch.tensor([5.25]))


def test_momentum_weighs_the_old_statistics():
    layer = BatchNormalization(momentum=0.9)
    layer(torch.tensor([[1.0], [3.0]]), training=True)
    torch.testing.assert_close(layer.moving_mean.detach(), torch.tensor([0.2]))
    torch.testing.assert_close(layer.moving_variance.detach(), torch.tensor([0.9 + 0.1]))


def test_frozen_layer_uses_and_keeps_its_moving_statistics():
    layer = BatchNormalization()
    x = torch.tensor([[1.0], [3.0]])
    layer(x)
    layer.trainable = False
    outputs = layer(x, training=True)
    torch.testing.assert_close(outputs, x / 1.001**0.5)
    assert layer.moving_mean.item() == 0.0


def test_one_sample_and_an_empty_batch_leave_finite_statistics():
    layer = BatchNormalization()
    outputs = layer(torch.tensor([[2.0, 5.0]]), training=True)
    torch.testing.assert_close(outputs.detach(), torch.zeros(1, 2))
    assert layer(torch.zeros(0, 2), training=True).shape == (0, 2)
    torch.testing.assert_close(layer.moving_variance.detach(), torch.full((2,), 0.99))


def test_train_flag_of_torch_means_training():
    layer = BatchNormalization(momentum=0.0)
    x = torch.tensor([[1.0], [3.0]])
    layer(x)
    layer.train()
    layer(x)
    assert layer.moving_mean.item() == 2.0
    layer.eval()
    torch.testing.assert_close(layer(torch.tensor([[2.0]])).detach(), torch.zeros(1, 1))


def test_axis_lists():
    one = BatchNormalization(axis=[3])
    assert one.get_config()["axis"] == 3
    several = BatchNormalization(axis=[1, 2], momentum=0.0)
    x = torch.randn(16, 3, 4, 5)
    outputs = several(x, training=True)
    assert several.gamma.shape == (1, 3, 4, 1)
    expected = (x - x.mean((0, 3), True)) / torch.sqrt(x.var((0, 3), correction=0, keepdim=True) + 1e-3)
    torch.testing.assert_close(outputs.detach(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(several.moving_mean.detach(), x.mean((0, 3), True))
    torch.testing.assert_close(several(x).detach(), expected, rtol=1e-4, atol=1e-5)


def test_masked_positions_do_not_count():
    layer = BatchNormalization(momentum=0.0)
    x = torch.tensor([[[1.0], [3.0], [100.0]]])
    layer(x, training=True, mask=torch.tensor([[True, True, False]]))
    torch.testing.assert_close(layer.moving_mean.detach(), torch.tensor([2.0]), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="one axis less"):
        layer(x, mask=torch.ones(1, 3, 1, dtype=torch.bool))


def test_sums_that_overflow_float16_do_not():
    layer = BatchNormalization(dtype="mixed_float16", momentum=0.0)
    x = torch.full((4096, 1), 100.0, dtype=torch.float16)
    outputs = layer(x, training=True)
    assert outputs.dtype == torch.float16
    assert layer.moving_mean.item() == 100.0
    assert layer.moving_mean.dtype == torch.float32
    wide = LayerNormalization(dtype="mixed_float16")(torch.linspace(-300, 300, 4096).reshape(1, -1))
    assert wide.dtype == torch.float16
    assert wide.isfinite().all()


def test_two_forward_passes_before_one_backward():
    layer = BatchNormalization()
    x = torch.randn(4, 3)
    (layer(x, training=True) + layer(x * 2, training=True)).sum().backward()
    assert layer.beta.grad.tolist() == [8.0] * 3


def test_synchronized_is_plain_in_one_process():
    x = torch.randn(4, 3)
    plain, synchronized = BatchNormalization(), BatchNormalization(synchronized=True)
    torch.testing.assert_close(synchronized(x, training=True), plain(x, training=True))


def test_layer_normalization_over_scattered_axes():
    x = torch.randn(2, 3, 4, 5)
    layer = LayerNormalization(axis=[1, 3], epsilon=1e-6)
    outputs = layer(x).detach()
    assert layer.gamma.shape == (3, 5)
    expected = (x - x.mean((1, 3), True)) / torch.sqrt(x.var((1, 3), correction=0, keepdim=True) + 1e-6)
    torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-5)


def test_rms_scaling_says_that_it_is_deprecated():
    with pytest.warns(UserWarning, match="RMSNormalization"):
        layer = LayerNormalization(rms_scaling=True)
    layer.build((None, 3))
    assert layer.beta is None
    assert layer.gamma is not None


@pytest.mark.parametrize("cls", [BatchNormalization, LayerNormalization, RMSNormalization, GroupNormalization])
def test_refuses_axes(cls):
    with pytest.raises(ValueError, match="out of range"):
        cls(axis=4).build((None, 3))
    with pytest.raises(ValueError, match="out of range"):
        cls(axis=4).compute_output_shape((None, 3))


@pytest.mark.parametrize("cls", [BatchNormalization, LayerNormalization, UnitNormalization])
def test_refuses_what_is_no_axis(cls):
    with pytest.raises((TypeError, ValueError)):
        cls(axis="last")


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"groups": 3}, (None, 4), "3 groups do not divide 4 channels"),
        ({}, (None, 4), "32 groups do not divide 4 channels"),
        ({"axis": 1}, (2, None, 4), "of known size"),
        ({"axis": 0}, (2, 3, 4), "not the batch"),
    ],
)
def test_refuses_groups(options, shape, message):
    with pytest.raises(ValueError, match=message):
        GroupNormalization(**options).build(shape)


@pytest.mark.parametrize("groups", [0, -2, 2.0, "2"])
def test_refuses_what_is_no_number_of_groups(groups):
    with pytest.raises(ValueError, match="`groups` must be"):
        GroupNormalization(groups)


def test_layer_normalization_of_images_is_position_by_position():
    """Over the last axis alone: each position of each image by the mean of its own channels."""
    x = torch.randn(2, 4, 5, 3)
    layer = LayerNormalization()
    outputs = layer(x).detach()
    assert layer.gamma.shape == layer.beta.shape == (3,)
    torch.testing.assert_close(outputs.mean(-1), torch.zeros(2, 4, 5), rtol=1e-4, atol=1e-5)
    x[0, 0, 0] += 7.0  # no other position sees it
    assert torch.equal(layer(x)[0, 1:], outputs[0, 1:]) and torch.equal(layer(x)[1], outputs[1])


@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("groups", [1, 2, -1])
def test_groups_are_those_of_torch(groups, axis):
    x = torch.randn(2, 4, 5, 3).movedim(1, axis)
    layer = GroupNormalization(groups, axis, epsilon=1e-4)
    outputs = layer(x).detach()
    expected = torch.nn.functional.group_norm(x.movedim(axis, 1), 4 if groups == -1 else groups, eps=1e-4)
    torch.testing.assert_close(outputs, expected.movedim(1, axis), rtol=1e-4, atol=1e-5)


def test_groups_of_channels_last_images_move_no_memory():
    layer, x = GroupNormalization(2), torch.randn(2, 4, 5, 6)
    layer(x)
    with torch.profiler.profile() as profile, torch.no_grad():
        outputs = layer(x)
    assert outputs.is_contiguous()
    assert not {"aten::contiguous", "aten::clone", "aten::copy_"} & {event.key for event in profile.key_averages()}


def test_rms_over_scattered_axes():
    x, layer = torch.randn(2, 3, 4, 5), RMSNormalization(axis=[3, 1])
    layer.build(x.shape)
    with torch.no_grad():
        layer.scale.copy_(torch.rand(3, 5))
    expected = x / torch.sqrt(x.square().mean((1, 3), keepdim=True) + 1e-6) * layer.scale[:, None, :]
    torch.testing.assert_close(layer(x), expected)


def test_unit_length_of_nothing():
    x = torch.zeros(2, 3, requires_grad=True)
    outputs = UnitNormalization()(x)
    outputs.sum().backward()
    assert outputs.tolist() == [[0.0] * 3] * 2 and x.grad.isfinite().all()


def test_refuses_clipping():
    with pytest.raises(ValueError, match="rmin <= rmax"):
        BatchNormalization(renorm=True, renorm_clipping={"rmin": 2, "rmax": 1})
    with pytest.raises(ValueError, match="keys"):
        BatchNormalization(renorm=True, renorm_clipping={"max": 1})


def test_moving_statistics_are_the_same_however_they_are_moved():
    """In torch's kernel where nothing stands in front of it, else from the statistics that it hands out."""
    plain, watched = BatchNormalization(momentum=0.7), BatchNormalization(momentum=0.7)
    for size in (3, 2, 7):
        x = torch.randn(size, 5, 4, 2) + 3.0
        outputs = plain(x, training=True)
        with torch.device("cpu"):  # a mode
            torch.testing.assert_close(watched(x, training=True), outputs)
    torch.testing.assert_close(plain.moving_mean, watched.moving_mean)
    torch.testing.assert_close(plain.moving_variance, watched.moving_variance)
    assert float(plain.moving_variance.min()) < 1.0 and float(plain.moving_mean.min()) > 1.0


def test_new_statistics_may_come_before_the_backward_pass():
    layer = BatchNormalization()
    x = torch.randn(6, 3, requires_grad=True)
    outputs = layer(x, training=True)
    layer.moving_mean.assign([1.0, 2.0, 3.0])
    outputs.square().sum().backward()
    assert torch.isfinite(x.grad).all() and x.grad.any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: LayerNormalization(axis=[1, 1]),
        lambda: LayerNormalization(axis=[2, -1]),
        lambda: RMSNormalization(axis=[1, -2]),
        lambda: UnitNormalization(axis=[1, 1]),
        lambda: BatchNormalization(axis=[1, -2]),
    ],
)
def test_an_axis_named_twice(make):
    with pytest.raises(ValueError, match="twice"):
        make()(torch.ones(2, 4, 3))

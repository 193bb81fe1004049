"""Bad input to operations and the small families: Keras's exception type, and a text.

May import both libraries. Where Keras leaves the check to torch (`RuntimeError`, `IndexError`…), ours may be a
`ValueError`; where Keras checks, ours is caught by what catches Keras's.
"""

import keras
import pytest
import torch

import torchkeras

X = torch.ones(2, 3)
INTS = torch.ones(2, 3, dtype=torch.int32)
IMG = torch.ones(1, 4, 4, 3)
REDUCTIONS = "sum mean max min prod var std all any argmax argmin cumsum median logsumexp softmax sort flip nansum"
REDUCTIONS = [*REDUCTIONS.split(), "count_nonzero", "diff"]

BAD = {
    # elementwise
    "add shapes": lambda k: k.ops.add(X, torch.ones(2, 4)),
    "add shapes static": lambda k: k.ops.add(k.Input((3,)), torch.ones(2, 4)),
    "add string": lambda k: k.ops.add("a", X),
    "clip shapes": lambda k: k.ops.clip(X, torch.ones(4), 1.0),
    "where shapes": lambda k: k.ops.where(X > 0, X, torch.ones(4)),
    "where shapes static": lambda k: k.ops.where(k.Input((3,), dtype="bool"), X, torch.ones(4)),
    "bitwise floats": lambda k: k.ops.bitwise_and(X, X),
    "left_shift floats": lambda k: k.ops.left_shift(X, X),
    # reductions
    "quantile axis": lambda k: k.ops.quantile(X, 0.5, axis=7),
    "max of nothing": lambda k: k.ops.max(torch.ones(0)),
    "argmax of nothing": lambda k: k.ops.argmax(torch.ones(0)),
    "quantile q": lambda k: k.ops.quantile(X, 1.5),
    "quantile method": lambda k: k.ops.quantile(X, 0.5, method="best"),
    # shaping
    "reshape": lambda k: k.ops.reshape(X, (4, 2)),
    "reshape static": lambda k: k.ops.reshape(k.Input(batch_shape=(2, 3)), (4, 2)),
    "reshape -1s": lambda k: k.ops.reshape(X, (-1, -1)),
    "transpose": lambda k: k.ops.transpose(X, (0, 2)),
    "transpose len": lambda k: k.ops.transpose(X, (0,)),
    "transpose static": lambda k: k.ops.transpose(k.Input((3,)), (0,)),
    "expand_dims": lambda k: k.ops.expand_dims(X, 5),
    "squeeze": lambda k: k.ops.squeeze(k.Input((3,)), 1),
    "swapaxes": lambda k: k.ops.swapaxes(X, 0, 4),
    "moveaxis": lambda k: k.ops.moveaxis(X, 0, 4),
    "concatenate": lambda k: k.ops.concatenate([X, torch.ones(3, 4)], axis=1),
    "concatenate static": lambda k: k.ops.concatenate([k.Input((3, 4)), k.Input((2, 5))], axis=1),
    "concatenate axis": lambda k: k.ops.concatenate([X, X], axis=3),
    "stack": lambda k: k.ops.stack([X, torch.ones(3)]),
    "stack static": lambda k: k.ops.stack([k.Input((3,)), k.Input((4,))]),
    "concatenate nothing": lambda k: k.ops.concatenate([]),
    "split": lambda k: k.ops.split(X, 2, axis=1),
    "split static": lambda k: k.ops.split(k.Input((3,)), 2, axis=1),
    "broadcast_to": lambda k: k.ops.broadcast_to(X, (2, 4)),
    "pad mode": lambda k: k.ops.pad(X, 1, mode="round"),
    "pad width": lambda k: k.ops.pad(X, ((1, 1), (1, 1), (1, 1))),
    "pad value": lambda k: k.ops.pad(X, 1, mode="reflect", constant_values=1.0),
    "take axis": lambda k: k.ops.take(X, [0], axis=4),
    "roll axis": lambda k: k.ops.roll(X, 1, axis=4),
    "repeat axis": lambda k: k.ops.repeat(X, 2, axis=4),
    "rot90": lambda k: k.ops.rot90(torch.ones(3)),
    "rot90 axes": lambda k: k.ops.rot90(X, axes=(0, 0)),
    "diagonal": lambda k: k.ops.diagonal(torch.ones(3)),
    "diag": lambda k: k.ops.diag(torch.ones(1, 2, 3)),
    "meshgrid": lambda k: k.ops.meshgrid(X, X, indexing="yx"),
    # products
    "matmul": lambda k: k.ops.matmul(X, X),
    "dot": lambda k: k.ops.dot(X, X),
    "tensordot": lambda k: k.ops.tensordot(X, X, axes=1),
    "einsum": lambda k: k.ops.einsum("ij,jk->ik", X, X),
    "einsum text": lambda k: k.ops.einsum("ij>ik", X),
    "cross": lambda k: k.ops.cross(torch.ones(4), torch.ones(4)),
    "inner": lambda k: k.ops.inner(X, torch.ones(2, 4)),
    # creation
    "zeros dtype": lambda k: k.ops.zeros((2,), dtype="flaot"),
    "zeros shape": lambda k: k.ops.zeros((-1,)),
    "cast dtype": lambda k: k.ops.cast(X, "flaot"),
    "arange step": lambda k: k.ops.arange(0, 5, 0),
    "full": lambda k: k.ops.full((2,), "a"),
    "linspace num": lambda k: k.ops.linspace(0, 1, -2),
    "eye": lambda k: k.ops.eye(-1),
    "convert": lambda k: k.ops.convert_to_tensor("abc"),
    "ragged": lambda k: k.ops.convert_to_tensor([[1], [1, 2]]),
    "cast none": lambda k: k.ops.cast(X, 3),
    # nn
    "conv rank": lambda k: k.ops.conv(X, torch.ones(3, 3, 3, 4)),
    "conv channels": lambda k: k.ops.conv(IMG, torch.ones(3, 3, 2, 4)),
    "conv static": lambda k: k.ops.conv(k.Input((4, 4, 3)), torch.ones(3, 3, 2, 4)),
    "pool format": lambda k: k.ops.max_pool(IMG, 2, data_format="first"),
    "moments axis": lambda k: k.ops.moments(X, axes=[4]),
    "batch_norm": lambda k: k.ops.batch_normalization(X, torch.ones(4), torch.ones(4), axis=-1),
    "bce shapes": lambda k: k.ops.binary_crossentropy(X, torch.ones(2, 4)),
    "cce shapes": lambda k: k.ops.categorical_crossentropy(X, torch.ones(2, 4)),
    "cce scalar": lambda k: k.ops.categorical_crossentropy(torch.tensor(1.0), torch.tensor(1.0)),
    "scce shapes": lambda k: k.ops.sparse_categorical_crossentropy(torch.ones(3).int(), X),
    "top_k": lambda k: k.ops.top_k(X, 5),
    "normalize order": lambda k: k.ops.normalize(X, order=0),
    "glu": lambda k: k.ops.glu(torch.ones(3)),
    "psnr": lambda k: k.ops.psnr(X, torch.ones(3), 1.0),
    "multi_hot": lambda k: k.ops.multi_hot(INTS),
    "ctc": lambda k: k.ops.ctc_loss(INTS, torch.ones(1, 2, 3), torch.ones(2), torch.ones(2)),
    # core
    "while": lambda k: k.ops.while_loop(1, lambda a: a, (1,)),
    "cond": lambda k: k.ops.cond(True, 1, 2),
    "scan": lambda k: k.ops.scan(3, X, X),
    "map": lambda k: k.ops.map(3, X),
    "switch": lambda k: k.ops.switch(0, [1]),
    "scatter": lambda k: k.ops.scatter(torch.tensor([[5]]), torch.ones(1), (2,)),
    "unstack": lambda k: k.ops.unstack(X, axis=5),
    "segment": lambda k: k.ops.segment_sum(X, torch.ones(3).int()),
    "numpy of symbolic": lambda k: k.ops.convert_to_numpy(k.Input((3,))),
    # image
    "resize rank": lambda k: k.ops.image.resize(X, (2, 2)),
    "resize name": lambda k: k.ops.image.resize(IMG, (2, 2), interpolation="best"),
    "resize size": lambda k: k.ops.image.resize(IMG, (2, 2, 2)),
    "gray": lambda k: k.ops.image.rgb_to_grayscale(X),
    "hsv dtype": lambda k: k.ops.image.rgb_to_hsv(IMG.int()),
    "affine": lambda k: k.ops.image.affine_transform(IMG, torch.ones(1, 7)),
    "affine mode": lambda k: k.ops.image.affine_transform(IMG, torch.ones(1, 8), fill_mode="x"),
    "patches": lambda k: k.ops.image.extract_patches(IMG, "a"),
    "map_coordinates": lambda k: k.ops.image.map_coordinates(X, torch.ones(3, 2), 1),
    "map order": lambda k: k.ops.image.map_coordinates(X, torch.ones(2, 2), 3),
    "crop": lambda k: k.ops.image.crop_images(IMG, 1, 1, 1, 1, 9, 9),
    "pad": lambda k: k.ops.image.pad_images(IMG, 1, 1, 1, 1, 9, 9),
    "blur": lambda k: k.ops.image.gaussian_blur(X),
    "perspective": lambda k: k.ops.image.perspective_transform(IMG, torch.ones(1, 3, 2), torch.ones(1, 4, 2)),
    "elastic": lambda k: k.ops.image.elastic_transform(X),
    # random, initializers ...
    "uniform dtype": lambda k: k.random.uniform((2,), dtype="int32"),
    "randint dtype": lambda k: k.random.randint((2,), 0, 2, dtype="float32"),
    "normal seed": lambda k: k.random.normal((2,), seed="a"),
    "categorical rank": lambda k: k.random.categorical(torch.ones(3), 1),
    "seed": lambda k: k.random.SeedGenerator("a"),
    "normal dtype": lambda k: k.random.normal((2,), dtype="foo"),
    "set seed": lambda k: k.utils.set_random_seed("1"),
    "init name": lambda k: k.initializers.get("glorot"),
    "init type": lambda k: k.initializers.get(3),
    "identity rank": lambda k: k.initializers.Identity()((2, 3, 4)),
    "orthogonal rank": lambda k: k.initializers.Orthogonal()((3,)),
    "scaling mode": lambda k: k.initializers.VarianceScaling(mode="fan"),
    "scaling scale": lambda k: k.initializers.VarianceScaling(scale=-1.0),
    "scaling distribution": lambda k: k.initializers.VarianceScaling(distribution="beta"),
    "init seed": lambda k: k.initializers.GlorotUniform(seed="a"),
    "init dtype": lambda k: k.initializers.Zeros()((2,), dtype="foo"),
    "init string dtype": lambda k: k.initializers.Zeros()((2,), dtype="string"),
    "activation": lambda k: k.activations.get("rellu"),
    "activation type": lambda k: k.activations.get(3),
    "regularizer": lambda k: k.regularizers.get("l3"),
    "regularizer value": lambda k: k.regularizers.L1("a"),
    "regularizer type": lambda k: k.regularizers.get(3),
    "orthogonal": lambda k: k.regularizers.OrthogonalRegularizer(mode="x"),
    "orthogonal call": lambda k: k.regularizers.OrthogonalRegularizer()(torch.ones(3)),
    "constraint": lambda k: k.constraints.get("max"),
    "constraint type": lambda k: k.constraints.get(3),
    **{
        f"{name} along no axis": lambda k, name=name: getattr(k.ops, name)(X, axis=5)
        for name in [*REDUCTIONS, "cumprod", "log_softmax", "argsort", "nanmean"]
    },
    **{
        f"{name} of a symbolic tensor along no axis": lambda k, name=name: getattr(k.ops, name)(k.Input((3,)), axis=5)
        for name in REDUCTIONS
    },
}
TORCHS = (RuntimeError, IndexError, NotImplementedError)


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    with pytest.raises(Exception) as refusal:
        BAD[name](keras)
    kinds = (refusal.type, ValueError) if issubclass(refusal.type, TORCHS) else refusal.type
    with pytest.raises(kinds, match=r"\w{3}"):
        BAD[name](torchkeras)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda o: o.sum(X, axis=2), "axis=2 is out of bounds for a tensor with 2 axes"),
        (lambda o: o.cumsum(X, axis=-3), "axis=-3 is out of bounds for a tensor with 2 axes"),
        (lambda o: o.softmax(torchkeras.Input((3,)), axis=4), "axis=4 is out of bounds"),
        (lambda o: o.sum(X, axis="a"), "axis='a' is no axis: give one integer, got str"),
        (lambda o: o.stack([X, torch.ones(3)]), r"one shape, got \[\(2, 3\), \(3,\)\]"),
        (lambda o: o.concatenate([]), "at least one tensor"),
        (lambda o: o.reshape(X, (-1, -1)), "Only one size may be -1"),
        (lambda o: o.transpose(X, (0,)), "all 2 axes"),
        (lambda o: o.average(X, axis=0, weights=torch.ones(3)), r"shapes \(3,\) and \(2, 3\), axis=0"),
        (lambda o: o.max(torch.ones(2, 0), axis=1), r"shape \(2, 0\), axis=1"),
        (lambda o: o.cast(X, "flaot32"), "Invalid dtype: 'flaot32'"),
        (lambda o: o.rot90(torch.ones(3)), "two different axes"),
    ],
)
def test_texts_say_what_came(call, text):
    with pytest.raises(ValueError, match=text):
        call(torchkeras.ops)


def test_a_wrong_axis_is_caught_either_way():
    """Keras raises IndexError for tensors and ValueError for symbolic ones; programs catch the one or the other."""
    for kind in (IndexError, ValueError):
        with pytest.raises(kind):
            torchkeras.ops.mean(X, axis=3)

"""The distributions of `keras.random`.

May import core and random/seeds. Knows no layer.

Every function takes `seed`: an integer (the same numbers at each call), a SeedGenerator (new numbers at each call), or
None (the global generator). Under `torch.compile` a draw is one opaque operator on the seed's state, so compiled code
gives the numbers of eager code. While shapes are inferred nothing is drawn.
"""

import torch

from torchkeras.core import scopes
from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import is_float_dtype, is_int_dtype, standardize_dtype, torch_dtype
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.opaque import opaque
from torchkeras.core.scopes import state
from torchkeras.random.seeds import draw_seed, seed_number


def _generator(seed, device):
    generator = torch.Generator(device=device)
    generator.manual_seed(seed_number(seed))
    return generator


def _sample(kind, shape, first, second, dtype, generator, device):
    """One draw: normal(mean, stddev), rand, randint(low, high) or keep (0/1 with probability `first`, in float32)."""
    if kind == "normal":
        return torch.normal(first, second, size=shape, generator=generator, dtype=dtype, device=device)
    if kind == "rand":
        return torch.rand(shape, generator=generator, dtype=dtype, device=device)
    if kind == "randint":
        return torch.randint(int(first), int(second), shape, generator=generator, dtype=dtype, device=device)
    return torch.bernoulli(torch.full(shape, first, device=device), generator=generator)


def _draw_from(words, kind, shape, first, second, dtype, advance):
    generator = torch.Generator(device=words.device)
    generator.manual_seed(int(words.sum()) & 0xFFFFFFFF)
    if advance:
        words[1] += 1
    return _sample(kind, shape, first, second, dtype, generator, words.device)


def _draw_shape(words, kind, shape, first, second, dtype, advance):
    return torch.empty(shape, dtype=dtype, device=words.device)


_draw_op = opaque(
    "draw(Tensor(a!) words, str kind, SymInt[] shape, float first, float second, ScalarType dtype, bool advance) "
    "-> Tensor",
    _draw_from,
    _draw_shape,
)


def _draw(kind, shape, seed, dtype, first=0.0, second=1.0, device=None):
    device = device or scopes.default_device()
    shape = _sizes(shape)
    if state.probe is not None:
        return torch.empty(shape, dtype=dtype, device=device)
    if torch.compiler.is_compiling():
        if getattr(seed, "_is_seed_generator", False):
            return _draw_op(seed.state, kind, shape, float(first), float(second), dtype, True)
        return _draw_op(draw_seed(seed), kind, shape, float(first), float(second), dtype, False)
    return _sample(kind, shape, first, second, dtype, _generator(seed, device), device)


def _sample_by(kind, concentration, generator):
    """One draw whose parameters are tensors."""
    sample = torch._standard_gamma if kind == "gamma" else torch._sample_dirichlet
    return sample(concentration, generator=generator)


def _draw_by_from(words, kind, concentration, advance):
    generator = torch.Generator(device=words.device)
    generator.manual_seed(int(words.sum()) & 0xFFFFFFFF)
    if advance:
        words[1] += 1
    return _sample_by(kind, concentration.to(words.device), generator)


def _draw_by_shape(words, kind, concentration, advance):
    return torch.empty_like(concentration, device=words.device)


_draw_by_op = opaque(
    "draw_by(Tensor(a!) words, str kind, Tensor concentration, bool advance) -> Tensor", _draw_by_from, _draw_by_shape
)


def _draw_by(kind, concentration, seed):
    if state.probe is not None:
        return torch.empty_like(concentration)
    if torch.compiler.is_compiling():
        if getattr(seed, "_is_seed_generator", False):
            return _draw_by_op(seed.state, kind, concentration, True)
        return _draw_by_op(draw_seed(seed), kind, concentration, False)
    return _sample_by(kind, concentration, _generator(seed, concentration.device))


def _sizes(shape):
    return [shape] if isinstance(shape, int) else list(shape)


def _float_type(dtype, function):
    if dtype is not None and not is_float_dtype(dtype):
        raise ValueError(f"keras.random.{function} needs a floating point dtype, got {standardize_dtype(dtype)!r}.")
    return torch_dtype(dtype)


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Numbers from a normal distribution.

    Example:
        >>> normal((2, 3), seed=1).shape
        torch.Size([2, 3])
    """
    if isinstance(mean, torch.Tensor) or isinstance(stddev, torch.Tensor):
        return _draw("normal", shape, seed, torch_dtype(dtype)) * stddev + mean
    return _draw("normal", shape, seed, torch_dtype(dtype), mean, stddev)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """A normal distribution without its tails: numbers further than two `stddev` from `mean` are drawn again."""
    dtype = torch_dtype(dtype)
    # Four candidates for each number, the first one within the bounds is taken; one in 200,000 times none is.
    candidates = _draw("normal", (*_sizes(shape), 4), seed, dtype)
    good = (candidates > -2) & (candidates < 2)
    chosen = candidates.gather(-1, good.max(-1, keepdim=True)[1]).squeeze(-1)
    return chosen.mul(stddev).add(mean)


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Numbers spread evenly over `[minval, maxval)`. Raises `ValueError` for integer dtypes: use `randint`."""
    dtype = _float_type(dtype, "uniform")
    drawn = _draw("rand", shape, seed, dtype)
    if isinstance(minval, (int, float)) and isinstance(maxval, (int, float)):
        return drawn.mul_(maxval - minval).add_(minval)  # in place: of large weights the memory costs most
    minval, maxval = as_tensor(minval).to(drawn), as_tensor(maxval).to(drawn)
    return (maxval - minval) * drawn + minval


def randint(shape, minval, maxval, dtype="int32", seed=None):
    """Integers from `minval` to `maxval - 1`, as `floatx()` for `dtype=None`. Raises `ValueError` for other float
    dtypes."""
    if dtype and not is_int_dtype(dtype):
        raise ValueError(f"keras.random.randint needs an integer dtype, got {standardize_dtype(dtype)!r}.")
    return _draw("randint", shape, seed, torch_dtype(dtype or "int32"), minval, maxval).to(torch_dtype(dtype))


def categorical(logits, num_samples, dtype="int32", seed=None):
    """Class indices drawn with the probabilities `softmax(logits)`: `(batch, classes)` -> `(batch, num_samples)`."""
    logits = as_tensor(logits)
    if logits.dim() != 2:
        raise ValueError(f"`logits` must have the shape (batch, classes), got {tuple(logits.shape)}.")
    if state.probe is not None:
        return torch.empty((logits.shape[0], num_samples), dtype=torch_dtype(dtype), device=logits.device)
    probabilities = torch.softmax(logits, dim=-1)
    drawn = torch.multinomial(probabilities, num_samples, replacement=True, generator=_generator(seed, logits.device))
    return drawn.to(torch_dtype(dtype))


def dropout(inputs, rate, noise_shape=None, seed=None):
    """Sets a fraction `rate` of the numbers to zero and divides the rest by `1 - rate`.

    Args:
        inputs: a float tensor of any shape.
        rate: fraction between 0 and 1.
        noise_shape: shape of the mask, broadcast to `inputs`; None entries take the size of `inputs`.
        seed: without one, or with a SeedGenerator that was given none, torch's own generator serves (and its fast
            kernel).

    torch: `torch.nn.functional.dropout(inputs, rate, training=True)`.
    """
    if not isinstance(inputs, KerasTensor):
        inputs = as_tensor(inputs)
    if rate == 0:
        return inputs
    if rate == 1:
        return torch.zeros_like(inputs)
    if noise_shape is None and (seed is None or getattr(seed, "_initial_seed", seed) is None):
        return torch.nn.functional.dropout(inputs, rate, True)
    keep = 1.0 - rate
    if noise_shape is None:
        shape = inputs.shape
    else:
        shape = [inputs.shape[axis] if size is None else size for axis, size in enumerate(noise_shape)]
    mask = _draw("keep", shape, seed, torch.float32, keep, device=inputs.device).bool()
    if noise_shape is not None:  # a small mask: one product over the data
        return inputs * (mask.to(inputs.dtype) / keep)
    return torch.where(mask, inputs / keep, torch.zeros((), dtype=inputs.dtype, device=inputs.device))


def shuffle(x, axis=0, seed=None):
    """The entries of `x` along `axis` in random order; slices move as a whole where `axis` is 0."""
    x = as_tensor(x)
    if not -x.dim() <= axis < x.dim():
        raise ValueError(f"shuffle: axis={axis} is no axis of a tensor of shape {tuple(x.shape)}.")
    axis %= x.dim()
    order = _draw("rand", x.shape[: axis + 1], seed, torch.float32, device=x.device).argsort(axis)
    order = order.reshape(*order.shape, *[1] * (x.dim() - axis - 1))
    return x.gather(axis, order.expand(x.shape))


def gamma(shape, alpha, dtype=None, seed=None):
    """Numbers from the gamma distribution with shape parameter `alpha` and rate 1."""
    alpha = _concentration(alpha, shape)
    drawn = _draw_by("gamma", alpha, seed)
    return drawn.clamp(min=torch.finfo(drawn.dtype).tiny).to(torch_dtype(dtype))


def binomial(shape, counts, probabilities, dtype=None, seed=None):
    """How many of `counts` trials succeed, each with the given probability."""
    counts = torch.broadcast_to(as_tensor(counts), _sizes(shape))
    probabilities = torch.broadcast_to(as_tensor(probabilities), _sizes(shape))
    return _seeded(lambda: torch.distributions.Binomial(counts, probabilities).sample(), counts, dtype, seed)


def beta(shape, alpha, beta, dtype=None, seed=None):
    """Numbers between 0 and 1 from the beta distribution."""
    both = torch.stack([_concentration(alpha, shape), _concentration(beta, shape)], -1)
    return _draw_by("dirichlet", both, seed)[..., 0].to(torch_dtype(dtype))


def _concentration(value, shape):
    value = as_tensor(value)
    if value.dtype not in (torch.float32, torch.float64):
        value = value.float()  # torch draws from these in no other precision
    return torch.broadcast_to(value, _sizes(shape))


def _seeded(sample, like, dtype, seed):
    """Runs a sampler that knows only torch's global generator, which is put back afterwards."""
    if state.probe is not None:
        return torch.empty(like.shape, dtype=torch_dtype(dtype), device=like.device)
    devices = [like.device] if like.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_number(seed))
        return sample().to(torch_dtype(dtype))

"""Branches and loops of `keras.ops`, as Python runs them.

May import core and the makers. Knows no layer.

On symbolic tensors the functions become arguments of the recorded node. Their results are found by the shape probe.
"""

import torch

from torchkeras.core import scopes, shape_probe, tree
from torchkeras.core.conversion import as_tensor
from torchkeras.core.keras_tensor import KerasTensor, Shape
from torchkeras.core.symbolic import operation
from torchkeras.ops._makers import joint_type, shape_of

__all__ = ["cond", "fori_loop", "map", "scan", "switch", "vectorized_map", "while_loop"]

# -- rules ------------------------------------------------------------------------------------------------------------


def _spec_of(value):
    return KerasTensor(Shape(shape_of(value)), joint_type((value,)))


def _results(function, *args):
    """What a function gives, as KerasTensors.

    Raises `ValueError` where it reaches for symbolic tensors that are not among its arguments: it would do so again
    when the model runs, and there they have no value.
    """
    specs = shape_probe.infer(function, args, {})
    if any(hasattr(leaf, "_keras_history") for leaf in tree.flatten(specs)):
        raise ValueError(
            f"{function!r} uses symbolic tensors from outside. Pass them in as arguments, choose between finished "
            "results with ops.where, or put the call into a layer."
        )
    return specs


def _stacked(specs, count):
    return tree.map_structure(lambda x: None if x is None else KerasTensor((count, *x.shape), x.dtype), specs)


def _entry(tensors):
    """One entry of the first axis of each symbolic tensor or array."""
    return tree.map_structure(lambda x: KerasTensor(shape_of(x)[1:], joint_type((x,))), tensors)


def _rows(tensors):
    return shape_of(tree.flatten(tensors)[0])[0]


# -- branches ---------------------------------------------------------------------------------------------------------


def _cond_spec(pred, true_fn, false_fn):
    first, second = _results(true_fn), _results(false_fn)
    tree.assert_same_structure(first, second)
    for a, b in zip(tree.flatten(first), tree.flatten(second), strict=True):
        if (a is None) != (b is None) or (a is not None and (a.shape, a.dtype) != (b.shape, b.dtype)):
            raise ValueError(f"Both branches of cond must give the same shapes and dtypes, got {first} and {second}.")
    return first


@operation("Cond", "core", ("pred", "true_fn", "false_fn"), output_spec=_cond_spec)
def cond(pred, true_fn, false_fn):
    """`true_fn()` or `false_fn()`, whichever `pred` (a bool or a tensor with one) chooses.

    Only the chosen function runs. Where a tensor decides under torch.compile, both are traced (`torch.cond`): they must
    give tensors of the same shapes and dtypes and change nothing else.
    """
    if isinstance(pred, torch.Tensor):
        if scopes.state.probe is not None:  # a tensor without a value: both branches have one shape
            return true_fn()
        if torch.compiler.is_compiling():
            return torch.cond(pred.reshape(()).bool(), true_fn, false_fn)
    return true_fn() if pred else false_fn()


@operation(
    "Switch",
    "core",
    ("index", "branches", "operands"),
    output_spec=lambda index, branches, *operands: _results(branches[0], *operands),
)
def switch(index, branches, *operands):
    """`branches[index](*operands)`; the index is clamped to the list."""
    last = len(branches) - 1
    if isinstance(index, torch.Tensor):
        if scopes.state.probe is not None:
            return branches[0](*operands)
        if torch.compiler.is_compiling():
            return _traced_switch(index.reshape(()), branches, operands)
    return branches[max(0, min(int(index), last))](*operands)


def _traced_switch(index, branches, operands):
    if len(branches) == 1:
        return branches[0](*operands)
    return torch.cond(
        index <= 0, lambda: branches[0](*operands), lambda: _traced_switch(index - 1, branches[1:], operands)
    )


# -- loops ------------------------------------------------------------------------------------------------------------


def _while_spec(cond, body, loop_vars):
    return tree.map_structure(_spec_of, loop_vars)


@operation("WhileLoop", "core", ("cond", "body", "loop_vars"), output_spec=_while_spec)
def while_loop(cond, body, loop_vars, maximum_iterations=None):
    """Repeats `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds, at most `maximum_iterations` times.

    Args:
        loop_vars: tuple of tensors or structures (then a tuple comes back), or one tensor.
    """
    single = not isinstance(loop_vars, (tuple, list))
    variables = (loop_vars,) if single else tuple(loop_vars)
    variables = tuple(tree.map_structure(as_tensor, variable) for variable in variables)
    count = 0
    while (maximum_iterations is None or count < maximum_iterations) and cond(*variables):
        result = body(*variables)
        variables = tuple(result) if isinstance(result, (tuple, list)) else (result,)
        count += 1
    return variables[0] if single else variables


def _fori_spec(lower, upper, body_fun, init_val):
    return tree.map_structure(_spec_of, init_val)


@operation("ForiLoop", "core", ("lower", "upper", "body_fun", "init_val"), output_spec=_fori_spec)
def fori_loop(lower, upper, body_fun, init_val):
    """`for i in range(lower, upper): value = body_fun(i, value)`."""
    value = init_val
    for i in range(int(lower), int(upper)):
        value = body_fun(i, value)
    return value


def _check_scan(f, xs, length, unroll):
    if not callable(f):
        raise TypeError(f"scan needs a function (carry, x) -> (carry, y), got {f!r}.")
    if not isinstance(unroll, int) or (not isinstance(unroll, bool) and unroll < 1):
        raise ValueError(f"`unroll` must be a positive integer or a bool, got {unroll!r}.")
    if xs is None and length is None:
        raise ValueError("scan needs `xs` to run over, or a `length`.")


def _scan_spec(f, init, xs=None, *, length, unroll):
    _check_scan(f, xs, length, unroll)
    carry, y = _results(f, init, None if xs is None else _entry(xs))
    count = int(length) if length is not None else _rows(xs)
    return carry, _stacked(tree.map_structure(_spec_of, init) if y is None else y, count)


@operation("Scan", "core", ("f", "init", "xs"), output_spec=_scan_spec)
def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """Runs `carry, y = f(carry, x)` over the first axis of `xs`; gives the last carry and all `y` stacked.

    Args:
        init: first carry, a tensor or structure.
        xs: tensor or structure of tensors, or None (then `x` is None).
        length: number of steps, by default the size of the first axis.
        reverse: from the last entry to the first; the `y` stay in the order of `xs`.
        unroll: accepted; steps run one by one.

    Raises `TypeError` where `f` cannot be called and `ValueError` without `xs` and `length`, or without any step.
    """
    _check_scan(f, xs, length, unroll)
    xs = tree.map_structure(as_tensor, xs) if xs is not None else None
    carry = tree.map_structure(as_tensor, init)
    empty = tree.map_structure(torch.zeros_like, carry)
    steps = range(int(length) if length is not None else _rows(xs))
    if not steps:
        raise ValueError("There is no entry to run over, so the shape of the result is not known.")
    outputs = []
    for i in reversed(steps) if reverse else steps:
        carry, y = f(carry, None if xs is None else tree.map_structure(lambda x, i=i: x[i], xs))
        outputs.append(empty if y is None else tree.map_structure(as_tensor, y))
    if reverse:
        outputs.reverse()
    return carry, tree.map_structure(lambda *ys: torch.stack(ys), *outputs)


@operation("Map", "core", ("f", "xs"), output_spec=lambda f, xs: _stacked(_results(f, _entry(xs)), _rows(xs)))
def map(f, xs):
    """`f` applied to each entry of the first axis, results stacked."""
    return scan.compute(lambda carry, x: (carry, f(x)), (), xs)[1]


def _vectorized_spec(function, elements):
    return _stacked(_results(function, _entry(elements)), _rows(elements))


@operation(
    "VectorizedMap", "core", ("elements",), output_spec=lambda elements, function: _vectorized_spec(function, elements)
)
def _vectorized_map(elements, function):
    return torch.vmap(function)(tree.map_structure(as_tensor, elements))


def vectorized_map(function, elements):
    """As `map`, all entries at once. torch: `torch.vmap(function)(elements)`."""
    return _vectorized_map(elements, function=function)

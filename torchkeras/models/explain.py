"""What runs in a model: per layer the kernel, the memory layout, the dtype, the share of a step's time, and why a slow
path is taken.

May import core. Nothing here is declared by layers but the reasons: kernels and layouts are those that torch was seen
to run in one forward pass under a dispatch mode, and times are torch's profiler's.
"""

import contextlib
import math
from collections import Counter
from dataclasses import asdict, dataclass, field

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from torchkeras.core import scopes, tree
from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.layer import Layer
from torchkeras.errors import SlowPathError

_UNKNOWN = 32  # the size that unknown axes get where no input is given
_COPIES = ("aten.clone", "aten.contiguous", "aten.copy_")
_HOST_READS = ("aten._local_scalar_dense", "aten.nonzero", "aten.masked_select")
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
_COLUMNS = ("layer", "kernel", "layout", "dtype", "time", "slow because")


@dataclass
class Row:
    """What ran in one layer.

    Attributes:
        path: the layer's; empty for what the model computes outside its layers.
        kind: its class.
        kernel: the kernel with the most arithmetic, as torch calls it.
        kernels: how often each kernel ran.
        layout: how the first tensor that the kernel read lies in memory: "contiguous", "channels_last" or "strided".
        copies: how many tensors were copied for another order of axes.
        dtype: of the kernel's result.
        share: part of the time of a pass, with training forward and backward; None unless profiled.
        slow: why a slow path was taken, or None.
    """

    path: str
    kind: str
    kernel: str = ""
    kernels: dict = field(default_factory=dict)
    layout: str = ""
    copies: int = 0
    dtype: str = ""
    share: float | None = None
    slow: str | None = None


class Explanation:
    """The rows of `model.explain()`. Prints as a table; `to_dict()` is for programs, `slow` has the slow rows."""

    def __init__(self, model, rows, training):
        self.model, self.rows, self.training = model, rows, training

    @property
    def slow(self):
        return [row for row in self.rows if row.slow]

    def to_dict(self):
        """Plain values: the model's name, `training`, and a dict per row."""
        return {"model": self.model, "training": self.training, "layers": [asdict(row) for row in self.rows]}

    def __str__(self):
        profiled = any(row.share is not None for row in self.rows)
        columns = [name for name in _COLUMNS if profiled or name != "time"]
        lines = [columns, *([_cell(row, name) for name in columns] for row in self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
        lines.insert(1, ["-" * width for width in widths])
        words = "training" if self.training else "inference"
        head = f'Model "{self.model}" in {words}: {len(self.rows)} layers, {len(self.slow)} on a slow path'
        table = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)
        return "\n".join([head, *table])

    __repr__ = __str__


def explain(model, x=None, training=None, profile=False, strict=False):
    """An `Explanation` of what runs in a model; `Model.explain` says the arguments."""
    training = bool(training if training is not None else getattr(model, "compiled", False))
    inputs = _inputs(model, x)
    with _unchanged(model):
        watch = _watch(model, inputs, training)
        shares = _shares(model, inputs, training, watch.rows) if profile else {}
    rows = []
    for module, row in watch.rows.items():
        if row.kernels or profile and module is model:  # the time between layers is the model's
            row.share = shares.get(row.path, 0.0) if profile else None
            row.slow = "; ".join(dict.fromkeys(watch.reasons.get(module, ()))) or None
            rows.append(row)
    found = Explanation(model.name, rows, training)
    if strict and found.slow:
        words = "\n".join(f"  {row.path} ({row.kind}): {row.slow}" for row in found.slow)
        raise SlowPathError(f"{len(found.slow)} of {len(rows)} layers of {model.name!r} take a slow path:\n{words}")
    return found


def _inputs(model, x):
    """What the model is called with: `x` on the model's device, or zeros of its input's shape."""
    weight = next(iter(model.parameters()), None)
    device = None if weight is None else weight.device
    if x is not None:
        return tree.map_structure(lambda value: as_tensor(value, device=device), x)
    if not model.built or not getattr(model, "inputs", None):
        raise ValueError(f"Model {model.name!r} does not know the shape of its input: pass `x`, a batch as for a call.")

    def zeros(spec):
        shape = [_UNKNOWN if size is None else size for size in spec.shape]
        return torch.zeros(shape, dtype=torch_dtype(spec.dtype), device=device)

    return tree.map_structure(zeros, model.input)


@contextlib.contextmanager
def _unchanged(model):
    """Puts back what a pass moves: statistics, seeds, states, gradients, and torch's random numbers."""
    weights = [tensor for tensor in (*model.parameters(), *model.buffers()) if not tensor.requires_grad]
    values = [tensor.detach().clone() for tensor in weights]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        with torch.random.fork_rng(enabled=True):
            yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(weights, values, strict=True):
                tensor.copy_(value)
        for parameter, gradient in gradients:
            parameter.grad = gradient


# -- kernels ----------------------------------------------------------------------------------------------------------


class _Watch(TorchDispatchMode):
    """Notes every kernel under the layer in which it runs."""

    def __init__(self, rows):
        super().__init__()
        self.rows, self.stack, self.reasons = rows, [], {}
        self._weights = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = str(function).rpartition(".")[0]
        module = self.stack[-1]
        if name in _HOST_READS:
            self.reasons.setdefault(module, []).append("it waits for values on the host")
        if not function.is_view and name not in ("aten.detach", "aten.alias"):
            self._note(self.rows[module], module, function, name, args, kwargs or {}, result)
        return result

    def _note(self, row, module, function, name, args, kwargs, result):
        short = name.removeprefix("aten.")
        row.kernels[short] = row.kernels.get(short, 0) + 1
        read = [leaf for leaf in tree.flatten((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        made = [leaf for leaf in tree.flatten(result) if isinstance(leaf, torch.Tensor)]
        if name in _COPIES and read and read[-1].stride() != made[0].stride():
            row.copies += 1
        arithmetic = sum(leaf.numel() for leaf in (*read, *made))
        count = flop_registry.get(function.overloadpacket)
        if count is not None:
            arithmetic += count(*args, **kwargs, out_val=result)
        self._weights[module, short] += arithmetic
        if self._weights[module, short] >= self._weights[module, row.kernel]:
            row.kernel = short
            row.dtype = str(made[0].dtype).removeprefix("torch.") if made else ""
            row.layout = _layout(read[0]) if read else ""


def _layout(tensor):
    if tensor.is_contiguous():
        return "contiguous"
    form = _FORMATS.get(tensor.dim())
    if form is not None and tensor.is_contiguous(memory_format=form):
        return "channels_last"
    return "strided"


def _rows_of(model):
    """A row per layer that is looked into no further: torchkeras's own layers are units, models and layers of users are
    not. The model's own row takes what it computes itself."""
    found = {model: Row("", type(model).__name__)}

    def visit(parent):
        for module in parent.children():
            if isinstance(module, Layer) and module not in found:
                found[module] = Row(module.path, type(module).__name__)
            if not _is_unit(module):
                visit(module)

    visit(model)
    return found


def _is_unit(module):
    return type(module).__module__.startswith("torchkeras.layers")


def _hooked(rows, enter, leave):
    """Calls `enter(module, row)` and `leave(module, row)` around the calls of the rows' layers."""
    handles = []
    for module, row in rows.items():
        handles.append(module.register_forward_pre_hook(lambda *_, module=module, row=row: enter(module, row)))
        handles.append(module.register_forward_hook(lambda *_, module=module, row=row: leave(module, row)))
    return handles


@contextlib.contextmanager
def _hooks(rows, enter, leave):
    handles = _hooked(rows, enter, leave)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _run(model, inputs, training):
    with torch.set_grad_enabled(training):
        return model(inputs, training=training) if model._call_info.training else model(inputs)


def _watch(model, inputs, training):
    """One pass under a watch; a first one goes before it, which builds what is not built."""
    _run(model, inputs, training)
    watch = _Watch(_rows_of(model))
    said = []
    with _hooks(watch.rows, lambda module, _: watch.stack.append(module), lambda *_: watch.stack.pop() and None):
        with scopes.override(slow_paths=said):
            watch.stack.append(model)
            with watch:
                _run(model, inputs, training)
    owners = {part: owner for owner in watch.rows if _is_unit(owner) for part in owner.modules()}
    for layer, reason in said:
        watch.reasons.setdefault(owners.get(layer, layer), []).append(reason)
    return watch


# -- times ------------------------------------------------------------------------------------------------------------


def _shares(model, inputs, training, rows):
    """Path -> part of the time of a pass, by torch's profiler; backward kernels go to the layer of their forward."""
    open_ranges = []

    def enter(_, row):
        open_ranges.append(torch.profiler.record_function(f"explain:{row.path}"))
        open_ranges[-1].__enter__()

    def leave(*_):
        open_ranges.pop().__exit__(None, None, None)

    def step():
        outputs = _run(model, inputs, training)
        if training:
            total = sum(leaf.sum() for leaf in tree.flatten(outputs) if leaf.requires_grad)
            if isinstance(total, torch.Tensor):
                total.backward()

    on_device = any(leaf.is_cuda for leaf in tree.flatten(inputs))
    kinds = [torch.profiler.ProfilerActivity.CPU, *([torch.profiler.ProfilerActivity.CUDA] if on_device else [])]
    with torch.profiler.profile(activities=kinds):
        step()  # the first step under a profiler is slow
    with _hooks(rows, enter, leave), torch.profiler.profile(activities=kinds) as profiler:
        for _ in range(3):
            step()
    times = _times_by_layer(profiler.events(), "self_device_time_total" if on_device else "self_cpu_time_total")
    total = math.fsum(times.values()) or 1.0
    return {path: time / total for path, time in times.items()}


def _times_by_layer(events, clock):
    """Path -> microseconds. A kernel of the backward pass carries the number of the forward one that it
    differentiates."""
    labels, numbers, times = {}, {}, Counter()

    def label(event):
        if event.id not in labels:
            own = event.name.removeprefix("explain:") if event.name.startswith("explain:") else None
            above = label(event.cpu_parent) if own is None and event.cpu_parent is not None else None
            labels[event.id] = own if own is not None else above
        return labels[event.id]

    for event in events:
        if label(event) is not None and event.sequence_nr >= 0:
            numbers.setdefault(event.sequence_nr, label(event))

    def owner(event):
        while event is not None:
            if label(event) is not None:
                return label(event)
            if event.sequence_nr in numbers:
                return numbers[event.sequence_nr]
            event = event.cpu_parent
        return ""

    for event in events:
        times[owner(event)] += getattr(event, clock)
    return times


# -- words ------------------------------------------------------------------------------------------------------------


def _cell(row, column):
    if column == "layer":
        return f"{row.path or '(outside of layers)'} ({row.kind})"
    if column == "kernel":
        times = row.kernels.get(row.kernel, 0)
        others = sum(row.kernels.values()) - times
        return row.kernel + (f" x{times}" if times > 1 else "") + (f" (+{others})" if others else "")
    if column == "layout":
        words = {0: "", 1: ", 1 copy"}.get(row.copies, f", {row.copies} copies")
        return row.layout + words
    if column == "time":
        return f"{row.share:.1%}".rjust(6)
    return {"dtype": row.dtype, "slow because": row.slow or ""}[column]

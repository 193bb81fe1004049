"""Groups: the variables of an optimizer in groups that one kernel call can update together.

May import torch only. Knows no formula: it says which tensors belong together, in which memory layout, and in which
portions a formula runs over them.

torch's fused kernels walk the memory of parameter, gradient and state side by side and never look at strides; on the
CPU they also copy whatever is not contiguous. A group therefore brings gradients into their parameters' layout and
hands the kernels contiguous views of that memory (`stored`): a weight kept in torch's order costs nothing extra.

Short floats are computed in float32, whatever kernel serves: a formula's small numbers are zeros in float16.

On a GPU every operation of a formula runs over a whole group, as few launches as there can be. On the CPU an operation
is a walk through memory: there a formula runs to its end on a portion that stays in the cache before the next portion
comes (`run`).
"""

import torch

from torchkeras.core.conversion import as_tensor

FUSED_DEVICES = ("cpu", "cuda")
PORTION = 1 << 18  # bytes of one tensor and thread: with gradient and state it stays in a core's cache
LONG_PORTION = 1 << 26  # bytes on other devices, where only short floats go in portions: a bound for their copies
SHORT = (torch.float16, torch.bfloat16)


def by_element(update):
    """Marks an `update_together` that treats each number by itself: it may run on a portion of a tensor."""
    update.unit = "element"
    return update


def by_tensor(update):
    """Marks an `update_together` that treats each tensor by itself, but needs the whole of it."""
    update.unit = "tensor"
    return update


class Group:
    """Variables of one device and dtype, with their state.

    Attributes:
        variables: list of the parameters, as the user knows them.
        params: the same memory as plain tensors for kernels; of complex ones the pairs of real numbers.
        slots: dict from state name to a list of state tensors, one per parameter, in the same form.
        fused: whether torch's fused kernels can take this group; else the `_foreach` operations serve.
        decay: the fraction of the parameters that the update is to take off, where its kernel does that.
        members: for each tensor its position in the group of which this one is a portion.
        memo: what an optimizer wants to keep per group from step to step.
    """

    __slots__ = (
        "_addresses",
        "_cuts",
        "_picked",
        "_stored",
        "_strides",
        "_turned",
        "decay",
        "device",
        "dtype",
        "fused",
        "members",
        "memo",
        "params",
        "slots",
        "variables",
    )

    def __init__(self, variables, slots, params=None):
        self.variables = variables
        self.params = real_views(variables) if params is None else params
        self.slots = {name: real_views(values) for name, values in slots.items()}
        self.device, self.dtype = self.params[0].device, self.params[0].dtype
        self.fused = (
            self.device.type in FUSED_DEVICES
            and self.dtype.is_floating_point
            and all(map(is_dense, params or self.params))
        )
        self.decay = 0.0
        self.members = range(len(variables))
        self.memo = {}
        self._addresses = [p.data_ptr() for p in self.params]
        self._strides = [p.stride() for p in self.params]
        self._turned = [(i, memory_order(p)) for i, p in enumerate(self.params) if not p.is_contiguous()]
        self._stored, self._cuts, self._picked = None, {}, ((), None)

    def pick(self, positions):
        """The group of some of the variables; the one made last is kept."""
        if self._picked[0] != positions:
            slots = {name: [values[i] for i in positions] for name, values in self.slots.items()}
            params = [self.params[i] for i in positions]
            self._picked = positions, Group([self.variables[i] for i in positions], slots, params)
        return self._picked[1]

    def moved(self):
        """Whether a parameter has other memory than before: it went to another device, dtype, layout or tensor."""
        return [v.data_ptr() for v in self.variables] != self._addresses

    def fitted(self, grads):
        """Gradients in the form and layout of `params`; as they are in nearly every case."""
        real = real_views(grads) if self.variables[0].is_complex() else grads
        if self.lies_like(real):
            return real
        return real_views(
            [like_parameter(grad, variable) for grad, variable in zip(grads, self.variables, strict=True)]
        )

    def lies_like(self, grads):
        """Whether the gradients lie in memory as the parameters do. Cheap when they lie as before."""
        strides = [g.stride() for g in grads]
        if strides == self._strides:
            return True
        if not all(map(same_layout, self.params, grads)):
            return False
        self._strides = strides
        return True

    def stored(self, grads):
        """`(params, grads, slots)` as contiguous views of their memory, for fused kernels."""
        if self._stored is None:
            slots = {name: self.in_memory_order(values) for name, values in self.slots.items()}
            self._stored = self.in_memory_order(self.params), slots
        params, slots = self._stored
        return params, self.in_memory_order(grads), slots

    def in_memory_order(self, tensors):
        """Contiguous views of tensors that lie as the parameters do."""
        if self._turned:
            tensors = list(tensors)
            for i, order in self._turned:
                tensors[i] = tensors[i].permute(order)
        return tensors

    # -- portions -----------------------------------------------------------------------------------------------------

    def run(self, formula, grads, unit=None):
        """Calls `formula(group, grads)`: once, or for one portion after the other on the CPU and for short floats.

        Args:
            formula: function of a Group and its gradients.
            grads: fitted gradients.
            unit: what must stay together: an "element", a "tensor", or None for the group, as one kernel takes it.
        """
        short = self.dtype in SHORT
        if unit is None or self.device.type != "cpu" and not short:
            formula(self, grads)
            return
        if unit not in self._cuts:
            self._cuts[unit] = self._cut(unit)
        sizes, portions = self._cuts[unit]
        if unit == "element":
            grads = self.in_memory_order(grads)
        grads = _pieces(grads, sizes)
        for portion, start, stop in portions:
            if short:
                portion.run_in_float32(formula, grads[start:stop])
            else:
                formula(portion, grads[start:stop])

    def run_in_float32(self, formula, grads):
        """Calls the formula on float32 copies and writes back what it made of them."""
        lists = [self.params, *self.slots.values()]
        wide = [[tensor.float() for tensor in tensors] for tensors in lists]
        group = Group(self.variables, dict(zip(self.slots, wide[1:], strict=True)), wide[0])
        group.memo, group.members = self.memo, self.members
        formula(group, [grad.float() for grad in grads])
        for short, tensors in zip(lists, wide, strict=True):
            torch._foreach_copy_(short, tensors)

    def _cut(self, unit):
        """The size of each tensor's pieces (0: it stays whole), and groups of pieces with their range among all."""
        size = PORTION * torch.get_num_threads() if self.device.type == "cpu" else LONG_PORTION
        limit = size // self.dtype.itemsize
        params, slots = self.params, self.slots
        sizes = [0] * len(params)
        if unit == "element":
            params, _, slots = self.stored(self.params)
            if self.fused:
                sizes = [_even(p.numel(), limit) if p.numel() > limit else 0 for p in params]
        pieces = _pieces(params, sizes)
        slots = {name: _pieces(values, sizes) for name, values in slots.items()}
        owners = [i for i, (p, size) in enumerate(zip(params, sizes, strict=True)) for _ in _pieces([p], [size])]
        portions, start, held = [], 0, 0
        for stop, piece in enumerate(pieces, 1):
            held += piece.numel()
            if held >= limit // 2 or stop == len(pieces):
                own = {name: values[start:stop] for name, values in slots.items()}
                portion = Group([self.variables[i] for i in owners[start:stop]], own, pieces[start:stop])
                portion.members = owners[start:stop]
                portions.append((portion, start, stop))
                start, held = stop, 0
        return sizes, portions


def _even(count, limit):
    """The size of equal pieces of at most `limit` numbers, in whole lines of memory."""
    pieces = -(-count // limit)
    return -(-count // pieces // 64) * 64


def _pieces(tensors, sizes):
    """Tensors cut into flat pieces of the sizes; those of size 0 stay whole."""
    return [
        piece
        for tensor, size in zip(tensors, sizes, strict=True)
        for piece in (tensor.view(-1).split(size) if size else (tensor,))
    ]


class Rows(Group):
    """Some rows of one variable, those that a sparse gradient has values for."""

    __slots__ = ("_indices", "_whole")

    def __init__(self, whole, indices):
        self._whole, self._indices = whole, indices
        super().__init__(whole.variables, whole.slots, whole.params)

    def run(self, formula, grads, unit=None):
        """Calls the formula on a copy of the rows and writes them back."""
        whole = [*self.params, *(values[0] for values in self.slots.values())]
        rows = [tensor.index_select(0, self._indices) for tensor in whole]
        slots = {name: [row] for name, row in zip(self.slots, rows[1:], strict=True)}
        formula(Group(self.variables, slots, rows[:1]), grads)
        for tensor, row in zip(whole, rows, strict=True):
            tensor.index_copy_(0, self._indices, row)


def refuse_complex(owner, variables, advice):
    """Raises `ValueError` for complex variables of two axes and more, which a rule of rows and columns cannot take."""
    for variable in variables:
        if isinstance(variable, torch.Tensor) and variable.is_complex() and variable.dim() > 1:
            raise ValueError(
                f"{owner} has no rule for complex matrices; it got {tuple(variable.shape)} in {variable.dtype}. Keep "
                f"the real and the imaginary part as a real variable each, or {advice}."
            )


def is_sparse(grad):
    """Whether a gradient is a sparse tensor of rows, as `torch.nn.Embedding(sparse=True)` makes them."""
    return isinstance(grad, torch.Tensor) and grad.layout is torch.sparse_coo and grad.sparse_dim() == 1


def split_rows(group, grads):
    """Pairs of `Rows` and their values for the sparse gradients, then the group and gradients of the others."""
    rows, others = [], []
    for i, (grad, variable) in enumerate(zip(grads, group.variables, strict=True)):
        if not is_sparse(grad):
            others.append(i)
            continue
        check_shape(grad, variable)
        grad = grad.to(variable.device, variable.dtype).coalesce()
        rows.append((Rows(group.pick((i,)), grad.indices()[0]), real_views([grad.values()])))
    if not others:
        return rows, group, []
    others = tuple(others)
    return rows, group.pick(others), [like_parameter(grads[i], group.variables[i]) for i in others]


def zeros_like(tensors):
    """Zeros in the shapes and layouts of tensors, made in one launch."""
    made = [torch.empty_like(tensor) for tensor in tensors]
    torch._foreach_zero_(made)
    return made


def real_views(tensors):
    """Tensors without their history; complex ones as pairs of real numbers."""
    return [torch.view_as_real(t.detach().resolve_conj()) if t.is_complex() else t.detach() for t in tensors]


def memory_order(tensor):
    """The axes of a tensor in the order in which they lie in memory, slowest first."""
    return sorted(range(tensor.ndim), key=lambda axis: -tensor.stride(axis))


def is_dense(tensor):
    """Whether a tensor covers one block of memory without gaps or overlaps, in any order of axes."""
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(tensor.stride(), tensor.shape) if size > 1):
        if stride != expected:
            return False
        expected *= size
    return True


def same_strides(shape, left, right):
    """Whether strides agree wherever an axis is longer than one."""
    return all(a == b for size, a, b in zip(shape, left, right) if size > 1)


def same_layout(param, grad):
    """Whether a gradient lies in memory as its parameter does."""
    return same_strides(param.shape, param.stride(), grad.stride())


def check_shape(grad, param):
    """Raises `ValueError` where a gradient has another shape than its parameter."""
    if grad.shape != param.shape:
        name = getattr(param, "path", None) or "a variable"
        raise ValueError(
            f"The gradient of {name} has shape {tuple(grad.shape)}; the variable has {tuple(param.shape)}."
        )


def like_parameter(grad, param):
    """A gradient (tensor, sparse tensor or array) in its parameter's device, dtype and memory layout; no copy if it is.

    Raises `ValueError` where the shapes differ.
    """
    if not isinstance(grad, torch.Tensor):
        grad = as_tensor(grad, what="a gradient")
    if grad.layout is not torch.strided:
        grad = grad.to_dense()
    if grad.is_complex():
        grad = grad.resolve_conj()
    check_shape(grad, param)
    if grad.dtype != param.dtype or grad.device != param.device:
        grad = grad.to(device=param.device, dtype=param.dtype)
    if not same_layout(param, grad):
        grad = torch.empty_like(param).copy_(grad)
    return grad.detach() if grad.requires_grad else grad


def groups_of(params, state):
    """Splits parameters into groups by device, dtype and density; moves state to where its parameter is now.

    Args:
        params: the parameters, each once.
        state: dict from parameter to a dict of state tensors of the parameter's shape.
    """
    found = {}
    for param in params:
        for slot in state[param].values():
            _follow(slot, param)
        found.setdefault((param.device, param.dtype, is_dense(param), tuple(state[param])), []).append(param)
    return [
        Group(members, {name: [state[p][name] for p in members] for name in names})
        for (*_, names), members in found.items()
    ]


def _follow(slot, param):
    if slot.shape != param.shape:  # one value for a row or a column
        if slot.device != param.device or slot.dtype != param.dtype:
            slot.data = slot.to(param)
        return
    if slot.device != param.device or slot.dtype != param.dtype or not same_layout(param, slot):
        slot.data = torch.empty_like(param).copy_(slot)

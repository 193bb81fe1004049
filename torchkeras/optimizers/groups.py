"""Groups: the variables of an optimizer in groups that one kernel call can update together.

May import torch only. Knows no formula: it says which tensors belong together and in which memory layout.

torch's fused kernels walk the memory of parameter, gradient and state side by side and never look at strides; on the
CPU they also copy whatever is not contiguous. A group therefore brings gradients into their parameters' layout and
hands the kernels contiguous views of that memory (`stored`): a weight kept in torch's order costs nothing extra.
"""

import torch

from torchkeras.core.conversion import as_tensor

FUSED_DEVICES = ("cpu", "cuda")


class Group:
    """Variables of one device and dtype, with their state.

    Attributes:
        params: list of parameters.
        slots: dict from state name to a list of state tensors, one per parameter.
        fused: whether torch's fused kernels can take this group; else the `_foreach` operations serve.
        memo: what an optimizer wants to keep per group from step to step.
    """

    __slots__ = (
        "_addresses",
        "_stored",
        "_strides",
        "_turned",
        "device",
        "dtype",
        "fused",
        "memo",
        "params",
        "slots",
    )

    def __init__(self, params, slots, fused):
        self.params, self.slots, self.fused = params, slots, fused
        self.device, self.dtype = params[0].device, params[0].dtype
        self.memo = {}
        self._addresses = [p.data_ptr() for p in params]
        self._strides = [p.stride() for p in params]
        self._turned = [(i, memory_order(p)) for i, p in enumerate(params) if not p.is_contiguous()]
        self._stored = None

    def pick(self, positions):
        """The group of some of the variables."""
        slots = {name: [values[i] for i in positions] for name, values in self.slots.items()}
        return Group([self.params[i] for i in positions], slots, self.fused)

    def moved(self):
        """Whether a parameter has other memory than before: it went to another device, dtype, layout or tensor."""
        return [p.data_ptr() for p in self.params] != self._addresses

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
            params = self._in_memory_order([p.detach() for p in self.params])
            slots = {name: self._in_memory_order([v.detach() for v in values]) for name, values in self.slots.items()}
            self._stored = params, slots
        params, slots = self._stored
        return params, self._in_memory_order(grads), slots

    def _in_memory_order(self, tensors):
        if self._turned:
            tensors = list(tensors)
            for i, order in self._turned:
                tensors[i] = tensors[i].permute(order)
        return tensors


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


def like_parameter(grad, param):
    """A gradient (tensor, sparse tensor or array) in its parameter's device, dtype and memory layout; no copy if it is.

    Raises `ValueError` where the shapes differ.
    """
    if not isinstance(grad, torch.Tensor):
        grad = as_tensor(grad, what="a gradient")
    if grad.layout is not torch.strided:
        grad = grad.to_dense()
    if grad.shape != param.shape:
        name = getattr(param, "path", None) or "a variable"
        raise ValueError(
            f"The gradient of {name} has shape {tuple(grad.shape)}; the variable has {tuple(param.shape)}."
        )
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
        fused = param.device.type in FUSED_DEVICES and param.is_floating_point() and is_dense(param)
        found.setdefault((param.device, param.dtype, fused, tuple(state[param])), []).append(param)
    return [
        Group(members, {name: [state[p][name] for p in members] for name in names}, fused)
        for (_, _, fused, names), members in found.items()
    ]


def _follow(slot, param):
    if slot.shape != param.shape:  # one value for a row or a column
        if slot.device != param.device or slot.dtype != param.dtype:
            slot.data = slot.to(param)
        return
    if slot.device != param.device or slot.dtype != param.dtype or not same_layout(param, slot):
        slot.data = torch.empty_like(param).copy_(slot)

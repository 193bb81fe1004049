"""StatelessScope: inside it variables have other values, and what is assigned to them stays in the scope.

May import torch and core. A torch-function mode stands in front of every torch call, as in the shape probe, so that
weights used by torch modules, in lists or captured by functions are replaced as well.
"""

import torch
from torch.overrides import TorchFunctionMode

from torchkeras.core import tree
from torchkeras.core.conversion import as_tensor
from torchkeras.core.scopes import state
from torchkeras.core.variable import Variable


class _Replace(TorchFunctionMode):
    """Puts a scope's values in the place of variables, and of what else the scope has values for."""

    def __init__(self, scope):
        super().__init__()
        self.scope = scope

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if state.stateless is not self.scope:
            return func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        writes = name.endswith("_") and not name.endswith("__")

        def replaced(value):
            if isinstance(value, torch.nn.Parameter) or id(value) in self.scope._values:
                return self.scope._value_for(value, writes)
            return value

        args, kwargs = tree.map_structure(replaced, (tuple(args), kwargs or {}))
        return func(*args, **kwargs)


class StatelessScope:
    """Computes with other values of variables, and keeps the variables themselves as they are.

    Args:
        state_mapping: pairs `(variable, value)`. Gradients flow to the values that want them.
        collect_losses: whether the losses of layers called inside are gathered in `losses`.
        initialize_variables: accepted; variables have their values from the start here.

    Raises `ValueError` for a key that is no Variable and for a value of another shape.

    Example:
        >>> v = Variable([1.0, 2.0])
        >>> with StatelessScope([(v, torch.tensor([3.0, 4.0]))]) as scope:
        ...     doubled = v * 2
        ...     _ = v.assign_add([1.0, 1.0])
        >>> doubled.tolist(), scope.get_current_value(v).tolist(), v.tolist()
        ([6.0, 8.0], [4.0, 5.0], [1.0, 2.0])

    torch: `torch.func.functional_call` does the same for one module.
    """

    def __init__(self, state_mapping=None, collect_losses=False, initialize_variables=True):
        self.collect_losses, self.initialize_variables = collect_losses, initialize_variables
        self._gathered, self._variables, self._values = [], {}, {}
        mapping = list(state_mapping or ())
        for variable, _ in mapping:
            if not isinstance(variable, Variable):
                raise ValueError(f"The keys of `state_mapping` must be Variables, got {variable!r}.")
        self._taking(mapping)

    def _taking(self, mapping):
        """Takes values for variables, plain parameters and buffers. Returns the scope."""
        for variable, value in mapping:
            name = getattr(variable, "path", "")
            value = as_tensor(value, variable.dtype, what=f"the value for {name!r}").to(variable.device)
            if value.shape != variable.shape:
                raise ValueError(
                    f"Variable {name!r} has shape {tuple(variable.shape)}, the value given for it has "
                    f"{tuple(value.shape)}."
                )
            self._keep(variable, value)
        return self

    def _keep(self, variable, value):
        self._variables[id(variable)] = variable  # keeps the id taken
        self._values[id(variable)] = (value, value._version, False)

    def _value_for(self, variable, writes=False):
        """What stands for a variable in a torch call; a copy of its own where the call may write to it."""
        found = self._values.get(id(variable))
        if found is None:
            if variable.requires_grad and not writes:
                return variable
            copy = torch.clone(variable.data)  # counters and statistics: functions such as batch_norm write to them
            self._variables[id(variable)], self._values[id(variable)] = variable, (copy, copy._version, True)
            return copy
        value, _, own = found
        if own or not (writes or not variable.requires_grad):
            return value
        copy = value.clone()
        self._values[id(variable)] = (copy, -1, True)
        return copy

    losses = property(lambda self: [value for _, value in self._gathered])

    def add_loss(self, loss):
        """Adds a loss to `losses`."""
        self._gathered.append((None, loss))

    def add_update(self, update):
        """Takes a pair `(variable, value)`: from here on the variable has that value in the scope."""
        variable, value = update
        self._variables[id(variable)] = variable
        self._values[id(variable)] = (value, -1, True)

    def get_current_value(self, variable):
        """The value of a variable in the scope: given, or assigned since; None where neither was done."""
        found = self._values.get(id(variable))
        if found is None:
            return None
        value, version, own = found
        return None if own and value._version == version else value

    def __enter__(self):
        self._before = state.stateless, state.losses
        state.stateless = self
        state.losses = self._gathered if self.collect_losses else []
        self._mode = _Replace(self)
        self._mode.__enter__()
        return self

    def __exit__(self, *error):
        self._mode.__exit__(*error)
        state.stateless, state.losses = self._before


class SymbolicScope:
    """Says that what runs inside works on symbolic tensors. Layers find that out by themselves; it changes nothing."""

    def __enter__(self):
        self._before, state.symbolic = state.symbolic, self
        return self

    def __exit__(self, *error):
        state.symbolic = self._before

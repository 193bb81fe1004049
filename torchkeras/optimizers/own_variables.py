"""OwnVariables: the variables that an optimizer keeps for itself, and how they are listed, saved and restored.

May import core and initializers. Knows no update formula. Order and names are Keras's: iteration, learning rate, then
the state that `build` makes, `adam/dense_kernel_momentum` for the momentum of `dense/kernel`.
"""

import numpy as np
import torch

from torchkeras import initializers
from torchkeras.core import scopes
from torchkeras.core.conversion import as_tensor
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.variable import Variable
from torchkeras.errors import NotBuiltError
from torchkeras.optimizers import old_states


class VariableList(list):
    """A list that may also be called, as Keras 2's `optimizer.variables()` was."""

    def __call__(self):
        return self


class OwnVariables:
    """The part of an optimizer that makes and lists its variables."""

    @property
    def variables(self):
        """All variables of the optimizer in Keras's order: counter, learning rate, state."""
        left_out = () if self._lists_derived else self._derived()
        return VariableList(each for each in self._variables if all(each is not other for other in left_out))

    weights = property(lambda self: self.variables)
    _lists_derived = True  # not inside a LossScaleOptimizer: Keras loses sight of them there

    def _derived(self):
        """Variables whose values follow from the others."""
        return []

    def _recall(self, given):
        """Works derived variables out again, those that are not among the ones that were given values."""

    def _rate_variable(self):
        """The learning rate, where it is a variable; else None."""
        rate = self.__dict__.get("_learning_rate")
        return rate if any(rate is each for each in self._variables) else None

    def _state_by_kind(self):
        """What the formula remembers: `{"momentum": [(model variable, its momentum)]}`."""
        columns = [pair for each in self.states() for pair in each.items()]
        found = {kind if isinstance(kind, str) else kind[0]: getattr(self, attribute) for attribute, kind in columns}
        if self.use_ema:
            found = {"average": self._model_variables_moving_average, **found}
        variables = list(self._trainable_variables)
        return {
            kind: [(variable, state) for variable, state in zip(variables, states) if state is not None]
            for kind, states in found.items()
        }

    def _track(self, variable):
        if all(variable is not known for known in self._variables):
            self._variables.append(variable)

    def _untrack(self, variable):
        self._variables[:] = [known for known in self._variables if known is not variable]

    # -- making ---------------------------------------------------------------------------------------------------

    def add_variable(self, shape, initializer="zeros", dtype=None, aggregation="none", layout=None, name=None):
        """A new optimizer variable.

        Args:
            shape: tuple without `None`.
            initializer: an initializer or its name.
            dtype: dtype name; `floatx()` by default, `"int"` for counters.
            name: leaf name; the path is prefixed by the optimizer's name.
        """
        dtype = torch_dtype("int32" if dtype == "int" else dtype)
        if initializer == "zeros" or initializer is None:
            value = torch.zeros(tuple(shape), dtype=dtype, device=scopes.default_device())
        else:
            value = _initialized(initializer, tuple(shape), dtype)
        return self._new_variable(value, name, aggregation)

    def _new_variable(self, value, name, aggregation="none"):
        with scopes.name_scope(self.name):
            variable = Variable(value, trainable=False, aggregation=aggregation, name=name)
        self._track(variable)
        return variable

    def add_variable_from_reference(self, reference_variable=None, name=None, initializer="zeros", **old):
        """State for one model variable: same shape, dtype, device and memory layout.

        Args:
            reference_variable: the model variable (`model_variable` in Keras 2).
            name: what the state is, such as `"momentum"` (`variable_name` in Keras 2).
            initializer: an initializer or its name; Keras 2 had `shape` here and an array `initial_value`.
        """
        reference = old.pop("model_variable", reference_variable)
        name = old.pop("variable_name", name) or "var"
        shape, value = old.pop("shape", None), old.pop("initial_value", None)
        if isinstance(initializer, (tuple, list, torch.Size)):
            shape, initializer = initializer, "zeros"
        if reference is None or old:
            raise TypeError(f"add_variable_from_reference needs a reference_variable; it got {sorted(old) or 'none'}.")
        shape = tuple(reference.shape if shape is None else shape)
        if value is not None:
            value = as_tensor(value, reference.dtype, reference.device).expand(shape)
        elif initializer == "zeros" or initializer is None:
            value = torch.zeros(shape, dtype=reference.dtype, device=reference.device)
        else:
            value = _initialized(initializer, shape, reference.dtype).to(reference.device)
        variable = self._new_variable(value, f"{self._label(reference)}_{name}")
        if shape == tuple(reference.shape):
            variable.data = torch.empty_like(reference).copy_(value)
            if id(reference) in self._trainable_variables_indices:
                self.state[reference][name] = variable
        return variable

    def _label(self, reference):
        label = getattr(reference, "path", None) or getattr(reference, "name", None)
        if label is None:  # a plain torch.nn.Parameter
            label = f"parameter_{self._trainable_variables_indices.get(id(reference), len(self._variables))}"
        return str(label).replace("/", "_").replace(":", "_")

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        """State for a list of model variables.

        Args:
            name: one name, or a list of names for several kinds of state.
            initializer: one initializer, or a list with one for each name.

        Returns a list of variables, or a tuple of lists when `name` is a list. A variable that takes its gradient as
        its new value has no state: its entry is `None`.
        """
        names = [name] if isinstance(name, str) else list(name)
        starts = list(initializer) if isinstance(initializer, (list, tuple)) else [initializer] * len(names)
        if len(names) != len(starts):
            raise ValueError(f"There are {len(names)} names but {len(starts)} initializers: give one for each name.")
        made = tuple([] for _ in names)
        for variable in trainable_variables:
            stateless = getattr(variable, "overwrite_with_gradient", False)
            for column, kind, start in zip(made, names, starts):
                column.append(None if stateless else self.add_variable_from_reference(variable, kind, start))
        return made[0] if isinstance(name, str) else made

    def states(self):
        """What the formula remembers of each variable; an optimizer says it here and nowhere else.

        Yields dicts from an attribute to what the state is: a name such as `"momentum"`, or a pair of it and an
        initializer. The variables of one dict lie side by side for each model variable, dicts follow each other: the
        order in which Keras stores them.
        """
        return ()

    def _make_states(self, states):
        for columns in states:
            kinds = [kind if isinstance(kind, tuple) else (kind, "zeros") for kind in columns.values()]
            names, initializers_ = map(list, zip(*kinds))
            made = self.add_optimizer_variables(self._trainable_variables, names, initializers_)
            for attribute, variables in zip(columns, made, strict=True):
                setattr(self, attribute, variables)

    # -- writing, for `update_step` of users ----------------------------------------------------------------------

    @torch.no_grad()
    def assign(self, variable, value):
        """Writes a value into a variable."""
        variable.copy_(as_tensor(value))

    @torch.no_grad()
    def assign_add(self, variable, value):
        """Adds to a variable."""
        variable.add_(value)

    @torch.no_grad()
    def assign_sub(self, variable, value):
        """Subtracts from a variable."""
        variable.sub_(value)

    def _require_built(self, what):
        if not self.built:
            raise NotBuiltError(
                f"The optimizer has no state yet: call optimizer.build(model.trainable_variables) before {what}."
            )

    # -- saving ---------------------------------------------------------------------------------------------------

    def get_weights(self):
        """The values of `variables` as numpy arrays."""
        return [variable.numpy() for variable in self.variables]

    def set_weights(self, weights):
        """Sets `variables` from arrays in the same order. Raises `ValueError` before `build` and for other shapes."""
        self._require_built("set_weights()")
        variables = self.variables
        if len(weights) != len(variables):
            raise ValueError(f"The optimizer has {len(variables)} variables, but {len(weights)} values were given.")
        for variable, weight in zip(variables, weights):
            if tuple(variable.shape) != np.shape(weight):
                raise ValueError(
                    f"Optimizer variable {variable.path} has shape {tuple(variable.shape)}; the value has "
                    f"{np.shape(weight)}."
                )
        for variable, weight in zip(variables, weights):
            variable.assign(weight)
        self._recall(variables)

    def save_own_variables(self, store):
        """Writes the variables into a mapping under "0", "1"…, as Keras's files have them."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store):
        """Reads what `save_own_variables` wrote, here or in any Keras. Warns and leaves everything as it is where that
        does not fit."""
        old_states.load(self, store, [str(place) for place in range(len(store.keys()))])


def _initialized(initializer, shape, dtype):
    if dtype.is_complex:  # the formulas see pairs of real numbers
        return torch.view_as_complex(_initialized(initializer, (*shape, 2), dtype.to_real()).contiguous())
    value = initializers.get(initializer)(shape, dtype=dtype)
    return as_tensor(value, dtype)

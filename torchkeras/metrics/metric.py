"""Metric: state that batches are added to, and a result.

May import core, initializers and losses' tensors. Knows no particular metric and no model.

State lives in non-trainable Variables on the device of the values: the first update from another device moves it.
Updates never read a value back to the host.
"""

import contextlib
import copy
import math
from functools import partial

import torch
import torch.distributed

from torchkeras import initializers
from torchkeras.core import registry, scopes, tree, unfilled
from torchkeras.core.dtypes import torch_dtype
from torchkeras.core.fields import Configured, field
from torchkeras.core.registry import published
from torchkeras.core.variable import Variable
from torchkeras.losses.loss import compute_dtype
from torchkeras.losses.tensors import as_tensor

dtype_field = partial(field, None, convert=compute_dtype)


def published_metric(*aliases):
    """Decorator: publishes a metric class under its name, the name in snake case, and further names."""

    def publish(cls):
        names = (scopes.snake_case(cls.__name__), *aliases)
        return published("metric", "keras.metrics", aliases=names)(cls)

    return publish


@published_metric()
class Metric(Configured):
    """Base of metrics: make state with `add_weight`, define `update_state` and `result`.

    Args:
        dtype: dtype or policy of the computation; `floatx()` by default.
        name: name in logs; by default the class's, numbered.

    Calling it updates the state and gives the result. Attributes that are Variables or Metrics, also in lists and
    dicts, count as state.

    Example:
        >>> class Largest(Metric):
        ...     def __init__(self, name="largest"):
        ...         super().__init__(name=name)
        ...         self.value = self.add_weight(name="value", initializer="zeros")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.value.assign(torch.maximum(self.value, y_pred.max()))
        ...     def result(self):
        ...         return self.value
        >>> Largest()(None, torch.tensor([1.0, 3.0])).item()
        3.0
    """

    dtype = dtype_field()
    name = field(None)
    _is_metric = True  # layers that hold one list it among their metrics
    _queue = None  # while rows of batches wait for this metric: who has them

    def _take_fields(self, args, kwargs):
        rest = super()._take_fields(args, kwargs)
        self.name = self.name or scopes.unique_name(scopes.snake_case(type(self).__name__))
        self._torch_dtype = torch_dtype(self.dtype)
        self._variables = []
        self._prepare()
        return rest

    def _prepare(self):
        """Makes the state of a published metric."""

    # -- state --------------------------------------------------------------------------------------------------------

    def add_variable(self, shape, initializer, dtype=None, aggregation="sum", name=None):
        """Makes a state variable.

        Args:
            shape: its shape.
            initializer: name, config, object or function `(shape, dtype)`; None for zeros.
            dtype: its dtype; `floatx()` by default.
            aggregation: what merging makes of the values of several metrics: "sum", "mean", "only_first_replica" or
                "none" (each keeps its own).
            name: its name; the path is `metric name/name`.
        """
        if "_variables" not in self.__dict__:
            raise RuntimeError(f"Call super().__init__() first in {type(self).__name__}.__init__().")
        initializer = initializers.get("zeros" if initializer is None else initializer)
        if registry.entry_of(type(self)) is not None:
            unfilled.afford(math.prod(shape), f"state of metric {self.name!r}")
        with scopes.name_scope(self.name.replace("/", ">")):
            variable = Variable(
                initializer,
                shape,
                dtype,
                trainable=False,
                aggregation=aggregation,
                synchronization="on_read",
                name=name,
            )
        self._variables.append(variable)
        return variable

    def add_weight(self, shape=(), initializer=None, dtype=None, name=None, aggregation=None):
        """Makes a state variable; `add_variable` with other defaults: a scalar of zeros."""
        shape = () if shape is None else shape
        return self.add_variable(shape, initializer, dtype, "sum" if aggregation is None else aggregation, name)

    @property
    def variables(self):
        """State variables: own ones as they were made, then those of metrics held in attributes."""
        if "_variables" not in self.__dict__:
            raise AttributeError(f"Call super().__init__() first in {type(self).__name__}.__init__().")
        self._settle()
        own, nested = list(self._variables), []
        for key, value in self.__dict__.items():
            if isinstance(value, (Variable, Metric, list, tuple, dict)) and key != "_variables":
                for leaf in tree.flatten(value):
                    if isinstance(leaf, Variable):
                        own.append(leaf)
                    elif isinstance(leaf, Metric):
                        nested.extend(leaf.variables)
        return list({id(variable): variable for variable in own + nested}.values())

    @property
    def weights(self):
        """The older name of `variables`."""
        return self.variables

    def _settle(self):
        """Brings into the variables what waits: numbers on the host, rows in a queue."""
        if self._queue is not None:
            self._queue.flush()

    def _joins(self, y_true, y_pred):
        """Whether batches of the form of these (tensors with rows) may be joined: the state is the same as after one by
        one. Not by default, as an update may count its calls, or average over what it is given."""
        return False

    def _follow(self, device):
        """Moves the state to the device of the values."""
        for variable in self._variables:
            variable.data = variable.data.to(device)

    def update_state(self, *args, **kwargs):
        raise NotImplementedError(f"{type(self).__name__} must define update_state(self, y_true, y_pred, …).")

    def result(self):
        raise NotImplementedError(f"{type(self).__name__} must define result(self).")

    def reset_state(self):
        """Puts every state variable to zero. An overridden `reset_states` does it instead."""
        if type(self).reset_states is not Metric.reset_states:
            self.reset_states()
        else:
            self._zero()

    def reset_states(self):
        """The older name of `reset_state`."""
        if type(self).reset_states is Metric.reset_states:
            self.reset_state()
        else:
            self._zero()  # called by super() from an override: back to reset_state would never end

    def _zero(self):
        with torch.no_grad():
            for variable in self.variables:
                variable.zero_()

    def merge_state(self, metrics):
        """Takes in the state of other metrics of the same kind: each variable as its `aggregation` says, most by their
        sum. Override it for state that no sum merges, such as a maximum.

        Raises `ValueError` where the states have different lengths.
        """
        metrics = list(metrics)
        mine = self.variables
        for other in metrics:
            theirs = other.variables
            if len(theirs) != len(mine):
                raise ValueError(
                    f"{other!r} has {len(theirs)} state variables, {self!r} has {len(mine)}: "
                    "only metrics of one kind merge."
                )
        for variable, *others in zip(mine, *(other.variables for other in metrics), strict=True):
            values = [variable, *(value.to(variable.device) for value in others)]
            if variable.aggregation in ("sum", "mean"):
                total = sum(value.detach() for value in values)
                variable.assign(total if variable.aggregation == "sum" else total / len(values))

    def result_over_processes(self, group=None):
        """The result of what all processes of a group of `torch.distributed` have seen, each its share of the data.

        The states are gathered and merged in the order of the ranks by `merge_state`; each process keeps its own. All
        processes of the group must call it. `result`, `fit` and `evaluate` never wait for other processes.

        Args:
            group: the processes; all of them by default. Where there is one, this is `result`.

        Raises `ValueError` in a process whose metric has no state yet, as it has seen no batch.

        Example:
            >>> metric = Mean()
            >>> metric.update_state([1.0, 2.0])          # in each process what it has
            >>> metric.result_over_processes()
            tensor(1.5000)
        """
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        if not together or torch.distributed.get_world_size(group) == 1:
            return self.result()
        return self._merged_over(group).result()

    def _merged_over(self, group):
        """A copy of the metric with the state of all processes."""
        mine = [variable.detach().cpu() for variable in self.variables]
        states = [None] * torch.distributed.get_world_size(group)
        torch.distributed.all_gather_object(states, mine, group)
        states = [state for state in states if len(state) == max(map(len, states))]
        if len(mine) < len(states[0]):
            raise ValueError(
                f"{self!r} has no state in this process, as it has seen no batch here: give each process at least one."
            )
        copies = [copy.deepcopy(self) for _ in states]
        for each, state in zip(copies, states, strict=True):
            for variable, value in zip(each.variables, state, strict=True):
                variable.assign(value)
        copies[0].merge_state(copies[1:])
        return copies[0]

    def __call__(self, *args, **kwargs):
        self.update_state(*args, **kwargs)
        return self.result()

    # -- state given and returned -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _holding(self, values):
        """The state is `values` inside the block, and what it was after it."""
        variables = self.variables
        if len(values) != len(variables):
            raise ValueError(
                f"`metric_variables` must hold one tensor for each of the {len(variables)} variables of "
                f"{type(self).__name__}, got {len(values)}."
            )
        kept = [variable.data for variable in variables]
        for variable, value in zip(variables, values, strict=True):
            variable.data = as_tensor(value, variable.dtype, variable.device).detach().clone()
        try:
            yield variables
        finally:
            self._settle()
            for variable, value in zip(variables, kept, strict=True):
                variable.data = value

    def stateless_update_state(self, metric_variables, *args, **kwargs):
        """The state that an update would make of `metric_variables`; the metric itself stays as it is."""
        with self._holding(metric_variables):
            self.update_state(*args, **kwargs)
            return [variable.detach().clone() for variable in self.variables]

    def stateless_result(self, metric_variables):
        """The result that the state `metric_variables` gives."""
        with self._holding(metric_variables):
            result = self.result()
            return tree.map_structure(lambda leaf: leaf.clone() if isinstance(leaf, Variable) else leaf, result)

    def stateless_reset_state(self):
        """The state that a reset makes."""
        with self._holding(self.variables):
            self.reset_state()
            return [variable.detach().clone() for variable in self.variables]

    # -- configuration ------------------------------------------------------------------------------------------------

    def get_config(self):
        config = super().get_config()
        return {"name": config.pop("name"), "dtype": config.pop("dtype"), **config}

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"

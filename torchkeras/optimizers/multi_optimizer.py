"""MultiOptimizer: several optimizers for the variables of one model, and the map that says which trains what.

May import core and the optimizer base.
"""

import re
from collections.abc import MutableMapping

from torchkeras.core.fields import field
from torchkeras.core.registry import published
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.core.transforms import outside_graphs
from torchkeras.optimizers.loss_scale_optimizer import LossScaleOptimizer
from torchkeras.optimizers.optimizer import Optimizer

_NO_RATE = "A MultiOptimizer has no learning rate of its own: use those of its `optimizers`."


@published("optimizer map", "keras.optimizers")
class OptimizerMap(MutableMapping):
    """Which optimizer trains a variable, by the variable's path.

    Args:
        default_optimizer: trains what nothing else is said of.
        optimizer_map: dict from a path, or a regular expression for whole paths, to an optimizer.

    `map[path]` finds an entry for just this path first, then the one whose expression matches all of it. Raises
    `ValueError` where several match, and for a key that is set twice.

    Example:
        >>> by_path = OptimizerMap(SGD(0.1), {"encoder/.*": Adam(0.001)})
        >>> by_path["encoder/dense/kernel"].name, by_path["head/kernel"].name
        ('adam', 'sgd')
    """

    def __init__(self, default_optimizer, optimizer_map=None):
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(f"`default_optimizer` must be a Keras optimizer, got {default_optimizer!r}.")
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"`optimizer_map` must be a dict of paths to optimizers, got {optimizer_map!r}.")
        self._default_optimizer = default_optimizer
        self._optimizers = {}
        for key, optimizer in (optimizer_map or {}).items():
            self[key] = optimizer

    default_optimizer = property(lambda self: self._default_optimizer, doc="Trains what nothing else is said of.")

    def __getitem__(self, key):
        if key in self._optimizers:
            return self._optimizers[key]
        matching = [pattern for pattern in self._optimizers if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise ValueError(
                f"Several keys of the OptimizerMap match {key!r}: {matching}. Make them exclude each other."
            )
        return self._optimizers[matching[0]] if matching else self._default_optimizer

    def __setitem__(self, key, optimizer):
        if not isinstance(key, str):
            raise ValueError(f"A key of an OptimizerMap is the path of a variable, or a pattern for it; got {key!r}.")
        if key in self._optimizers:
            raise ValueError(
                f"{key!r} is in the OptimizerMap already, for {self._optimizers[key].name!r}: delete it first."
            )
        _check_part(optimizer, f"the key {key!r}")
        self._optimizers[key] = optimizer

    def __delitem__(self, key):
        del self._optimizers[key]

    def __len__(self):
        return len(self._optimizers)

    def __iter__(self):
        return iter(self._optimizers)

    def __call__(self, variable):
        """The optimizer of a variable."""
        return self[variable.path]

    def get_config(self):
        """Both arguments as configs."""
        return {
            "default_optimizer": serialize_keras_object(self._default_optimizer),
            "optimizer_map": serialize_keras_object(self._optimizers),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A map from what `get_config` gave."""
        return cls(
            *(deserialize_keras_object(config[name], custom_objects) for name in ("default_optimizer", "optimizer_map"))
        )


def _check_part(optimizer, what):
    """Refuses what cannot train a part of the variables."""
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"The optimizer for {what} must be a Keras optimizer, got {optimizer!r}.")
    if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise ValueError(
            f"A {type(optimizer).__name__} cannot train a part of the variables, as asked for {what}: name the "
            "optimizer that it holds, and give `loss_scale_factor` to the MultiOptimizer."
        )


def _map(config):
    return deserialize_keras_object(config, printable_name="optimizer map")


@published("optimizer", "keras.optimizers", aliases=("multioptimizer",))
class MultiOptimizer(Optimizer):
    """Hands each variable to an optimizer of its own.

    Args:
        optimizer_map: an `OptimizerMap`, or a function from a variable to its optimizer.
        loss_scale_factor: the factor by which the loss is scaled; all optimizers take it.
        name: by default `multi_optimizer`, made unique.

    The optimizers are in `optimizers`; a `learning_rate` of its own it has not (`AttributeError`), but torch's
    schedulers find a group for each optimizer.

    Example:
        >>> by_path = OptimizerMap(SGD(0.1), {".*/bias": Adam(0.001)})
        >>> model = Sequential([Input((2,)), Dense(1)])
        >>> model.compile(MultiOptimizer(by_path), "mse")
        >>> [optimizer.name for optimizer in model.optimizer.optimizers]
        ['adam', 'sgd']

    In torch: one `torch.optim.Optimizer` for each part of the parameters.
    """

    optimizer_map = field(load=_map)
    _saved_as = {"_inner": "optimizers"}

    def __init__(self, optimizer_map, loss_scale_factor=None, name=None):
        if not callable(optimizer_map):
            raise ValueError(
                f"`optimizer_map` must be an OptimizerMap or a function from a variable to its optimizer, got "
                f"{optimizer_map!r}."
            )
        self.__dict__["_inner"] = []
        super().__init__(optimizer_map=optimizer_map, learning_rate=0.0, loss_scale_factor=loss_scale_factor, name=name)
        known = optimizer_map.values() if isinstance(optimizer_map, OptimizerMap) else ()
        default = [optimizer_map.default_optimizer] if isinstance(optimizer_map, OptimizerMap) else []
        for optimizer in (*known, *default):
            self._take(optimizer)

    optimizers = property(lambda self: self._inner, doc="The optimizers, in the order in which they were met.")

    def _take(self, optimizer):
        if all(optimizer is not known for known in self._inner):
            optimizer.loss_scale_factor = self.loss_scale_factor
            self._inner.append(optimizer)
            self.param_groups = [group for each in self._inner for group in each.param_groups]

    def build(self, variables):
        """Hands the variables out and builds the optimizers that got any."""
        if self.built:
            return
        variables = list(variables)
        parts = {}
        for variable in variables:
            optimizer = self.optimizer_map(variable)
            _check_part(optimizer, f"variable {variable.path!r}")
            self._take(optimizer)
            parts.setdefault(id(optimizer), []).append(variable)
        for optimizer in self._inner:
            if id(optimizer) in parts:
                optimizer.build(parts[id(optimizer)])
        self._forget_variables()
        self._trainable_variables = variables
        self._trainable_variables_indices = {id(variable): i for i, variable in enumerate(variables)}
        self.param_groups = [group for each in self._inner for group in each.param_groups]
        self.built = True

    @property
    def variables(self):
        """The counter and the (unused) rate, then the variables of the optimizers."""
        return type(super().variables)([*self._variables, *(v for each in self._inner for v in each.variables)])

    def _derived(self):
        return [variable for each in self._inner for variable in each._derived()]

    def _recall(self, given):
        for optimizer in self._inner:
            optimizer._recall(given)

    @property
    def learning_rate(self):
        """None: raises `AttributeError`."""
        raise AttributeError(_NO_RATE)

    @learning_rate.setter
    def learning_rate(self, value):
        raise AttributeError(_NO_RATE)

    @property
    def loss_scale_factor(self):
        """The factor by which the loss is scaled; setting it sets that of all optimizers."""
        return self.__dict__.get("_loss_scale_factor")

    @loss_scale_factor.setter
    def loss_scale_factor(self, value):
        self.__dict__["_loss_scale_factor"] = value
        for optimizer in self._inner:
            optimizer.loss_scale_factor = value

    # -- steps --------------------------------------------------------------------------------------------------------

    @outside_graphs
    def apply(self, grads, trainable_variables=None):
        """One update from a list of gradients, each by its variable's optimizer."""
        grads = list(grads)
        if not grads:
            return
        variables = self._resolve(grads, trainable_variables)
        given = {id(variable): grad for variable, grad in zip(variables, grads, strict=True)}
        if all(grad is None for grad in grads):
            raise ValueError("No gradients provided for any variable: all are None.")
        for optimizer in self._built():
            held = [variable for variable in optimizer._trainable_variables if id(variable) in given]
            if any(given[id(variable)] is not None for variable in held):
                optimizer.apply([given[id(variable)] for variable in held], held)
            elif held:
                self._warn_missing(held)
        self._iterations.advance()

    def _step_from_params(self):
        for optimizer in self._built():
            optimizer._step_from_params()
        self._iterations.advance()

    def _built(self):
        return [optimizer for optimizer in self._inner if optimizer.built]

    def finalize_variable_values(self, var_list):
        """Ends training of all optimizers."""
        wanted = {id(variable) for variable in var_list}
        for optimizer in self._built():
            optimizer.finalize_variable_values([v for v in optimizer._trainable_variables if id(v) in wanted])

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Passed to all optimizers."""
        for optimizer in self._inner:
            optimizer.exclude_from_weight_decay(var_list, var_names)

    # -- state and configuration --------------------------------------------------------------------------------------

    def state_dict(self):
        """The number of steps and the state dicts of the optimizers."""
        return {"iterations": self._iterations.host, "optimizers": [each.state_dict() for each in self._inner]}

    def load_state_dict(self, state_dict):
        """Copies what `state_dict` gave. Raises `ValueError` for another number of optimizers."""
        saved = state_dict["optimizers"]
        if len(saved) != len(self._inner):
            raise ValueError(f"The state is of {len(saved)} optimizers; this one has {len(self._inner)}.")
        for optimizer, state in zip(self._inner, saved, strict=True):
            if optimizer.built:
                optimizer.load_state_dict(state)
        self._iterations.assign(state_dict["iterations"])

    def get_config(self):
        """Map, scale and name."""
        return {
            "optimizer_map": serialize_keras_object(self.optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

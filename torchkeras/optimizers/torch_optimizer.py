"""TorchOptimizer: an optimizer of torch's own, or a recipe for one, with the face of a Keras optimizer.

May import core and the optimizer base. `compile(torch.optim.AdamW)` cannot make one, as a model may have no weights
yet: what is kept is the recipe, and `build` makes the optimizer. Rate and state stay one truth: torch's.
"""

import functools
import inspect
import warnings

import numpy as np
import torch

from torchkeras.core import registry
from torchkeras.core.registry import published
from torchkeras.core.serialization import deserialize_keras_object
from torchkeras.core.transforms import outside_graphs
from torchkeras.errors import UnserializableError
from torchkeras.optimizers.groups import like_parameter
from torchkeras.optimizers.learning_rate import as_number
from torchkeras.optimizers.optimizer import Optimizer

_HOOKS = tuple(
    f"_optimizer_{moment}_hooks"
    for moment in (
        "step_pre",
        "step_post",
        "state_dict_pre",
        "state_dict_post",
        "load_state_dict_pre",
        "load_state_dict_post",
    )
)


@published("torch optimizer", "torchkeras.optimizers")
class TorchOptimizer(Optimizer):
    """What `compile` makes of an optimizer from `torch.optim`, of such a class, and of a function of the parameters.

    Args:
        source: a `torch.optim.Optimizer`, or what makes one from a list of parameters: a class, a
            `functools.partial` of one, a function.
        name: by default `torch_optimizer`, made unique.

    `torch_optimizer` is torch's object, once there are parameters. `learning_rate` is the rate of its first group; when
    it is set, the other groups keep their ratio to it. `state_dict` is torch's, with `iterations` beside it. Files have
    its settings and state; a class or function that is not in torch.optim is found by `custom_objects`. Keras, which
    knows no such optimizers, reads these files with `compile=False`.

    Raises `TypeError` where the function gives something else, and for an optimizer that wants a closure (LBFGS) when
    `step` gets none: `fit` has none to give.

    Example:
        >>> model = Sequential([Input((2,)), Dense(1)])
        >>> model.compile(lambda parameters: torch.optim.SGD(parameters, lr=0.5), "mse")
        >>> history = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
        >>> model.optimizer.learning_rate = 0.25
        >>> model.optimizer.torch_optimizer.param_groups[0]["lr"]
        0.25
    """

    torch_optimizer = None
    _needs_closure = False
    _saved_never = (*Optimizer._saved_never, "_groups_before", "_state_before", "source")

    def __init__(self, source, name=None):
        given = isinstance(source, torch.optim.Optimizer)
        if not given:
            _check_recipe(source)
        self._seen = (None, None)  # the rate as it was last seen: in torch's group, in our variable
        self._read = (None, None, None)  # a rate in a tensor, its version, its number
        rate = source.param_groups[0]["lr"] if given else _rate_of(source)
        super().__init__(learning_rate=None if rate is None else as_number(rate), name=name)
        self.source, self.bound_by_user = None if given else source, given
        if given:
            self._adopt(source)

    # -- one truth ----------------------------------------------------------------------------------------------------

    @property
    def param_groups(self):
        """Those of torch's optimizer; before it is made, one empty group."""
        inner = self.torch_optimizer
        return self.__dict__["_groups_before"] if inner is None else inner.param_groups

    @param_groups.setter
    def param_groups(self, value):
        self.__dict__["_groups_before"] = value

    @property
    def state(self):
        """That of torch's optimizer."""
        inner = self.torch_optimizer
        return self.__dict__["_state_before"] if inner is None else inner.state

    @state.setter
    def state(self, value):
        self.__dict__["_state_before"] = value

    def _show_rate(self, rate):
        """torch's group keeps its own number."""

    def _host_rate(self):
        """The rate as a Python float, after torch's group and our variable have told each other what was written."""
        rate, inner = self._learning_rate, self.torch_optimizer
        own = None if rate is None else rate.host if isinstance(rate, torch.Tensor) else self._evaluated(rate)
        if inner is None:
            return own
        shown, kept = self._seen
        theirs = self._number(inner.param_groups[0]["lr"])
        if own is None or (theirs != shown and shown is not None):
            if isinstance(rate, torch.Tensor):
                rate.assign(theirs)
                own = rate.host
            elif rate is None:
                self._learning_rate = self._build_learning_rate(theirs)
                own = self._learning_rate.host
        elif own != kept:
            _set_rates(inner.param_groups, own)
            theirs = own
        self._seen = (theirs, own)
        return theirs

    def _number(self, rate):
        """A rate of torch's as a Python float. One that lies on a device is read when it was written, not each step."""
        if not isinstance(rate, torch.Tensor):
            return float(rate)
        before, version, number = self._read
        if rate is not before or rate._version != version:
            number = float(rate)
            self._read = (rate, rate._version, number)
        return number

    def _write_rate(self, value):
        Optimizer.learning_rate.fset(self, value)
        self._host_rate()

    learning_rate = property(Optimizer.learning_rate.fget, _write_rate, doc="The rate of the first group.")

    def _adopt(self, inner):
        variables = [parameter for group in inner.param_groups for parameter in group["params"]]
        for hooks in _HOOKS:  # one table for both
            getattr(inner, hooks).update(getattr(self, hooks))
            setattr(self, hooks, getattr(inner, hooks))
        self._trainable_variables = variables
        self._trainable_variables_indices = {id(variable): i for i, variable in enumerate(variables)}
        self.torch_optimizer, self.built, self.defaults = inner, True, inner.defaults
        self._needs_closure = inspect.signature(inner.step).parameters["closure"].default is inspect.Parameter.empty
        first = float(inner.param_groups[0]["lr"])
        rate = self._learning_rate
        unchanged = isinstance(rate, torch.Tensor) and rate.host == rate.new_tensor(first).item()
        self._seen = (first, rate.host if unchanged else None)
        self._host_rate()

    # -- the contract of an optimizer ---------------------------------------------------------------------------------

    def build(self, variables):
        """Makes torch's optimizer of these variables."""
        if self.built:
            return
        inner = self.source(list(variables))
        if not isinstance(inner, torch.optim.Optimizer) or isinstance(inner, Optimizer):
            raise TypeError(
                f"{_named(self.source)} was to make a torch.optim optimizer from a list of parameters; it gave "
                f"{inner!r}."
            )
        self._adopt(inner)

    def step(self, closure=None):
        """torch's step. Raises `TypeError` where that wants a closure and none is given."""
        if not self.built:
            return super().step(closure)
        if self._needs_closure and closure is None:
            raise TypeError(
                f"{type(self.torch_optimizer).__name__} computes the loss several times in each step, so that fit() "
                "cannot use it: write the loop yourself, with optimizer.step(closure)."
            )
        self._host_rate()
        loss = self.torch_optimizer.step() if closure is None else self.torch_optimizer.step(closure)
        self._iterations.advance()
        return loss

    step.hooked = True  # torch's own step, inside, is hooked

    @outside_graphs
    def apply(self, grads, trainable_variables=None):
        """One step from a list of gradients; what the variables hold in `.grad` stays as it is."""
        grads = list(grads)
        if trainable_variables is not None and self.bound_by_user:
            pairs = [pair for pair in zip(grads, trainable_variables, strict=True) if self._holds(pair[1])]
            grads, trainable_variables = map(list, zip(*pairs, strict=True)) if pairs else ([], [])
        if not grads:
            return
        given = {id(v): _fitting(g, v) for v, g in self._present(grads, trainable_variables)}
        kept = [(variable, variable.grad) for variable in self._trainable_variables]
        try:
            for variable in self._trainable_variables:
                variable.grad = given.get(id(variable))
            self.step()
        finally:
            for variable, grad in kept:
                variable.grad = grad

    def _holds(self, variable):
        return id(variable) in self._trainable_variables_indices

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Raises `ValueError`: torch's optimizers have groups for that."""
        raise ValueError(
            "A torch.optim optimizer decays by parameter group: give compile() a function of the parameters that makes "
            "it with two groups, one of them with weight_decay=0."
        )

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """Raises `NotImplementedError`: torch's optimizers cannot step beside their state."""
        raise NotImplementedError("torch.optim's optimizers have no stateless form: use a Keras optimizer.")

    # -- state --------------------------------------------------------------------------------------------------------

    def state_dict(self):
        """torch's, with the number of steps."""
        packed = super().state_dict() if self.torch_optimizer is None else self.torch_optimizer.state_dict()
        return {**packed, "iterations": self._iterations.host}

    def load_state_dict(self, state_dict):
        """Loads what `state_dict` gave, here or from torch's optimizer."""
        self._require_built("load_state_dict()")
        self.torch_optimizer.load_state_dict(state_dict)
        self._iterations.assign(state_dict.get("iterations", self._iterations.host))
        self._host_rate()

    def save_own_variables(self, store):
        """Writes counter and rate, then torch's state of each parameter as `position_name`. Parameters that do not
        learn have no position: an optimizer made by `model.parameters()` has them, one made by a model has not."""
        super().save_own_variables(store)
        if not self.built:
            return
        places = {old: new for new, old in enumerate(self._places_that_learn())}
        for place, slots in self.state_dict()["state"].items():
            key = places[place]
            for name, value in slots.items():
                if isinstance(value, (torch.Tensor, int, float)):
                    store[f"{key}_{name}"] = torch.as_tensor(value).detach().cpu().numpy()
                elif value is not None:
                    warnings.warn(f"{name!r} of {self.name!r} is no tensor and is not saved.", stacklevel=2)

    def load_own_variables(self, store):
        """Reads what `save_own_variables` wrote."""
        self._require_built("load_own_variables()")
        state, places = {}, self._places_that_learn()
        for label in store:
            key, _, name = label.partition("_")
            if name:
                state.setdefault(places[int(key)], {})[name] = torch.tensor(np.asarray(store[label]))
        groups = self.torch_optimizer.state_dict()["param_groups"]
        self.torch_optimizer.load_state_dict({"state": state, "param_groups": groups})
        super().load_own_variables({key: store[key] for key in store if "_" not in key})

    def _places_that_learn(self):
        with_state = self.state
        return [i for i, v in enumerate(self._trainable_variables) if v.requires_grad or v in with_state]

    def get_weights(self):
        """Counter, rate and torch's state, as arrays."""
        store = {}
        self.save_own_variables(store)
        return list(store.values())

    def set_weights(self, weights):
        """Sets what `get_weights` gave; an optimizer has its state after its first step only."""
        store = {}
        self.save_own_variables(store)
        if len(weights) != len(store):
            raise ValueError(
                f"{len(weights)} arrays were given, the optimizer has {len(store)}: torch's optimizers make their "
                "state in their first step. load_state_dict() makes it too."
            )
        self.load_own_variables(dict(zip(store, weights, strict=True)))

    # -- configuration ------------------------------------------------------------------------------------------------

    def get_config(self):
        """Name of the optimizer or function, and its settings. Raises `UnserializableError` where they do not say
        all."""
        if self.bound_by_user:
            made, settings = type(self.torch_optimizer), self._settings()
        else:
            made = self.source.func if isinstance(self.source, functools.partial) else self.source
            settings = dict(self.source.keywords) if isinstance(self.source, functools.partial) else {}
            if getattr(made, "__name__", "<lambda>") == "<lambda>" or getattr(self.source, "args", ()):
                raise UnserializableError(f"{self.source!r} cannot be saved: define a function and register its name.")
        if self._learning_rate is not None and (isinstance(made, type) or "lr" in settings):
            settings["lr"] = self._host_rate()
        return {"optimizer": made.__name__, "settings": settings, "name": self.name}

    def _settings(self):
        inner = self.torch_optimizer
        if len(inner.param_groups) > 1:
            raise UnserializableError(
                f"A {type(inner).__name__} of several groups cannot be described: give compile() a function of the "
                "parameters that makes it, and register its name."
            )
        return {key: inner.defaults[key] for key in inspect.signature(type(inner)).parameters if key in inner.defaults}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A recipe from what `get_config` gave: a class of torch.optim, or what `custom_objects` has of that name."""
        name, settings = config["optimizer"], deserialize_keras_object(config["settings"])
        found = registry.find_custom(name, custom=custom_objects)
        if found is None:
            found = getattr(torch.optim, name, None)
            found = found if isinstance(found, type) and issubclass(found, torch.optim.Optimizer) else None
        if found is None:
            raise ValueError(f"Unknown optimizer {name!r}: torch.optim has none of that name; pass custom_objects.")
        return cls(functools.partial(found, **settings) if settings else found, name=config.get("name"))


def _check_recipe(source):
    """Raises `TypeError` for a function that cannot be called with a list of parameters alone."""
    try:
        inspect.signature(source).bind([])
    except ValueError:  # builtins do not say what they take
        return
    except TypeError as error:
        raise TypeError(
            f"{_named(source)} cannot make an optimizer from a list of parameters alone ({error}). Give compile() a "
            "class of torch.optim, functools.partial(torch.optim.AdamW, lr=0.01), or a function such as "
            "lambda parameters: torch.optim.AdamW(parameters, lr=0.01)."
        ) from None


def _named(source):
    return getattr(source, "__name__", None) or repr(source)


def _rate_of(source):
    """The rate that a class or partial will give, None for a function that does not say."""
    given = getattr(source, "keywords", None) or {}
    try:
        parameter = inspect.signature(source).parameters.get("lr")
    except (TypeError, ValueError):  # builtins do not say what they take
        parameter = None
    rate = given.get("lr", None if parameter is None or parameter.default is parameter.empty else parameter.default)
    return rate if isinstance(rate, (int, float, torch.Tensor)) else None


def _set_rates(groups, rate):
    """Gives the first group a rate, and the others what keeps their ratio to it."""
    before = float(groups[0]["lr"])
    for group in groups:
        new = rate if not before else rate * (float(group["lr"]) / before)
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(new)
        else:
            group["lr"] = new


def _fitting(grad, variable):
    """A gradient in its variable's form; sparse ones stay sparse, for those that want them."""
    if isinstance(grad, torch.Tensor) and grad.layout is not torch.strided:
        return grad
    return like_parameter(grad, variable)

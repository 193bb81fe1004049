"""Optimizer: the base of all optimizers, Keras's contract on a real `torch.optim.Optimizer`.

May import core and the other files of this folder. Knows no update formula: a family member states its state in
`states` and its formula in `update_together`; a user's subclass states one variable's update in `update_step`.

Path of a step: gradients -> groups of equal device and dtype -> (loss scale, accumulation, clipping, weight decay) ->
`update_together` -> (moving average, constraints) -> counter. What stands in parentheses costs nothing unless it is
used.
"""

import inspect
import math
import warnings

import torch
from torch.autograd import profiler

from torchkeras.core import fields, scopes
from torchkeras.core.arguments import between, number
from torchkeras.core.fields import Configured, field
from torchkeras.core.scopes import settings
from torchkeras.core.variable import Variable
from torchkeras.optimizers import groups
from torchkeras.optimizers.extras import Extras
from torchkeras.optimizers.gradient_sources import GradientSources
from torchkeras.optimizers.host_scalar import host_scalar
from torchkeras.optimizers.learning_rate import HasLearningRate, learning_rate_field
from torchkeras.optimizers.own_variables import OwnVariables
from torchkeras.optimizers.torch_state import TorchState, Unbound

# What Keras writes first into a config, in its order; an optimizer's own fields follow.
_CONFIG_ORDER = (
    "name",
    "learning_rate",
    "weight_decay",
    "clipnorm",
    "global_clipnorm",
    "clipvalue",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)

# Without torch's wrapper, which imports its compiler (more than a second) only to say that this is not to be compiled.
_add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)


def epsilon_field(default=1e-7):
    """The field `epsilon` of optimizers that divide; `None` means the global `epsilon()`."""
    return field(default, convert=lambda value: settings.epsilon if value is None else number("epsilon")(value))


def number_field(name, default, least=-math.inf, most=math.inf, **options):
    """The field of a number of the formula, in any box, between two bounds."""
    return field(default, convert=between(name, least, most), **options)


class Optimizer(
    OwnVariables,
    HasLearningRate,
    Extras,
    GradientSources,
    TorchState,
    Configured,
    torch.optim.Optimizer,
    own_first=True,
    extra="kwargs",
):
    """Base class of optimizers.

    It is made without parameters, as in Keras, and bound to them by `build(variables)` or by the first `apply`; from
    then on it is a complete `torch.optim.Optimizer` (`step`, `zero_grad`, `param_groups`, `state_dict`, torch's
    schedulers). Before that, `step` and `zero_grad` warn that they have nothing to work on; torch's schedulers may be
    made already.

    Gradients may be sparse, as those of `torch.nn.Embedding(sparse=True)`: the numbers are those of dense ones. SGD
    without momentum and Adagrad then touch only the rows that have a gradient, unless weight decay or accumulation
    asks for all. Complex variables are updated as pairs of real ones, as torch does it.

    Args:
        learning_rate: a number, a schedule, or a callable without arguments or with the number of steps done.
        weight_decay: fraction of each variable, times the learning rate, taken off before the update.
        clipnorm: highest L2 norm of each gradient.
        clipvalue: highest absolute value of each gradient element.
        global_clipnorm: highest L2 norm of all gradients together. At most one of the three may be given.
        use_ema: whether moving averages of the variables are kept.
        ema_momentum: share of the old average, between 0 and 1.
        ema_overwrite_frequency: number of steps after which the variables take their averages; `None` for at the end
            only.
        loss_scale_factor: the factor by which `scale_loss` multiplies the loss and the step divides the gradients.
        gradient_accumulation_steps: number of steps whose mean gradient makes one update.
        name: by default the class name in snake case, made unique.

    Example of an optimizer of your own:
        >>> class SignDescent(Optimizer):
        ...     def update_step(self, gradient, variable, learning_rate):
        ...         self.assign_sub(variable, learning_rate * gradient.sign())
        >>> optimizer = SignDescent(learning_rate=0.1)
    """

    learning_rate = learning_rate_field()
    weight_decay = number_field("weight_decay", None, optional=True)
    clipnorm = field(None, convert=number("clipnorm"), optional=True)
    clipvalue = field(None, convert=number("clipvalue"), optional=True)
    global_clipnorm = field(None, convert=number("global_clipnorm"), optional=True)
    use_ema = field(False)
    ema_momentum = number_field("ema_momentum", 0.99)
    ema_overwrite_frequency = number_field("ema_overwrite_frequency", None, optional=True)
    loss_scale_factor = field(None, convert=number("loss_scale_factor"), optional=True)
    gradient_accumulation_steps = number_field("gradient_accumulation_steps", None, optional=True)
    name = field(None)

    _published_kind = "optimizer"
    bound_by_user = False  # whether the variables were chosen before `compile`: an optimizer of torch's
    _saved_never = ("_trainable_variables", "param_groups")  # the model's; before there are any, looking at them warns
    _update_arity = None  # number of arguments of a user's `update_step`

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "update_step" in cls.__dict__:
            cls._update_arity = _positional_count(cls.update_step)

    def __init__(self, *args, **kwargs):
        if args:
            _refuse_parameters(type(self).__name__, args[0])
        values, rest = fields.bind(type(self), args, kwargs)
        decay = rest.pop("decay", None)
        fields.refuse_unknown(type(self).__name__, rest, self._fields)
        _check(values)
        # torch wants parameters now; Keras gives them later. The one group is there from the start, so that torch's
        # schedulers can be made before the variables are known.
        torch.optim.Optimizer.__init__(self, [torch.empty(0)], {})
        self.built = False
        self.decay = float(decay or 0.0)
        self._variables = []
        self._forget_variables()
        self.param_groups[0]["params"] = self._trainable_variables
        self.name = values.pop("name") or scopes.unique_name(scopes.snake_case(type(self).__name__))
        with scopes.name_scope(self.name):
            self._iterations = host_scalar(0, torch.int32, "iteration")
        self._learning_rate = self._first_rate(values.pop("learning_rate"))
        for name, value in values.items():
            setattr(self, name, value)
        self._show_settings()

    def __setattr__(self, name, value):
        if isinstance(value, Variable):
            if "_variables" not in self.__dict__:
                raise RuntimeError(
                    f"Call super().__init__() in {type(self).__name__}.__init__ before setting variables."
                )
            self._track(value)
        object.__setattr__(self, name, value)
        if name == "_learning_rate":
            self._show_rate(value)

    def _show_rate(self, rate):
        """Puts the rate where torch's schedulers look for it."""
        for group in self.param_groups:
            group["lr"] = rate

    # -- binding to variables -------------------------------------------------------------------------------------

    def build(self, variables):
        """Binds the optimizer to model variables and makes the state that `states` names.

        A subclass may override it, call this first and add variables of its own kind. Built again, an optimizer with
        state stays as it is, as in Keras; one without is bound to the new variables.

        Args:
            variables: list of Variables or of plain `torch.nn.Parameter`s.
        """
        states = list(self.states())
        if self.built and (states or self.use_ema or self.gradient_accumulation_steps):
            return
        variables = list(variables)
        for variable in variables:
            if not isinstance(variable, torch.nn.Parameter) and not getattr(variable, "requires_grad", False):
                kind = "tensor without gradient" if isinstance(variable, torch.Tensor) else type(variable).__name__
                raise TypeError(
                    f"An optimizer is built for variables, such as model.trainable_variables; got a {kind} among them. "
                    "Pairs for apply_gradients are (gradient, variable), in this order."
                )
        self.state.clear()
        self._forget_variables()
        self._trainable_variables = variables
        self._trainable_variables_indices = {id(variable): i for i, variable in enumerate(variables)}
        group = self.param_groups.pop()  # the same dict goes back: a scheduler may have left its first rate in it
        group["params"] = list(variables)
        _add_param_group(self, group)
        if self.use_ema:
            self._model_variables_moving_average = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulated_gradients = [
                self.add_variable_from_reference(variable, "gradient_accumulator") for variable in variables
            ]
        self._make_states(states)
        self.built = True

    def _forget_variables(self):
        self._trainable_variables = Unbound(type(self).__name__)
        self._trainable_variables_indices = {}
        self._plan = None
        self._constrained = self._overwritten = ()

    def add_param_group(self, param_group):
        """Builds an unbuilt optimizer for `param_group["params"]`.

        Raises `ValueError` for a second group and one with settings of its own: an optimizer is built once, with all
        its variables and one learning rate.
        """
        if "_variables" not in self.__dict__:  # torch's constructor calls
            _add_param_group(self, param_group)
        elif not self.built and set(param_group) == {"params"}:
            params = param_group["params"]
            self.build([params] if isinstance(params, torch.Tensor) else params)
        else:
            raise ValueError(
                f"{type(self).__name__} is built once with all its variables and one learning rate. Make a new one for "
                "other variables, or use a torch.optim optimizer for groups with settings of their own."
            )

    def _var_key(self, variable):
        return id(variable)

    def _get_variable_index(self, variable):
        return self._trainable_variables_indices[id(variable)]

    _index_dict = property(lambda self: self._trainable_variables_indices, doc="Keras 2's name.")

    def _groups(self):
        """The groups of all variables, made anew after the model moved to another device, dtype or memory layout."""
        plan = self._plan
        if not plan or any(group.moved() for group in plan):  # no plan of an unbuilt optimizer is kept: it warns
            variables = list(self._trainable_variables)
            known = [v for v in variables if not getattr(v, "overwrite_with_gradient", False)]
            self._plan = plan = groups.groups_of(known, self.state)
            self._constrained = [v for v in variables if getattr(v, "constraint", None) is not None]
            self._overwritten = [v for v in variables if getattr(v, "overwrite_with_gradient", False)]
        return plan

    # -- counter --------------------------------------------------------------------------------------------------

    @property
    def iterations(self):
        """Number of updates done: an integer Variable, settable; a tensor while gradients accumulate."""
        if self.gradient_accumulation_steps:
            return self._iterations // self.gradient_accumulation_steps
        return self._iterations

    @iterations.setter
    def iterations(self, value):
        self._iterations.assign(int(value) * (self.gradient_accumulation_steps or 1))

    def _updates_done(self):
        """`iterations` as a Python number."""
        return self._iterations.host // (self.gradient_accumulation_steps or 1)

    # -- the formula ----------------------------------------------------------------------------------------------

    def begin_update(self):
        """Called once before the groups of an update: for state that all variables share."""

    def update_together(self, group, grads, learning_rate):
        """Updates the parameters of a group. The hook of our own optimizers.

        A formula of elements is marked with `groups.by_element`, one of tensors with `groups.by_tensor`: it runs on
        portions of a group where that is faster.

        Args:
            group: `Group` with `params`, `slots` and `fused`.
            grads: gradients, in their parameters' dtype, device and memory layout.
            learning_rate: Python float.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must override `update_step(gradient, variable, learning_rate)`."
        )

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable in place. The hook of users' optimizers; `super().update_step(...)` works too."""
        with torch.no_grad():
            group = groups.groups_of([variable], self.state)[0]
            grads = group.fitted([groups.like_parameter(gradient, variable)])
            self.update_together(group, grads, float(learning_rate))

    def _update_each(self, group, grads, rate):
        """Calls a user's `update_step` variable by variable."""
        rate = torch.tensor(rate) if self.decay else self.learning_rate
        arguments = () if self._update_arity == 2 else (rate,)
        for variable, grad in zip(group.variables, grads):
            grad = torch.view_as_complex(grad) if variable.is_complex() else grad
            self.update_step(grad, variable, *arguments)

    # -- a step ---------------------------------------------------------------------------------------------------

    def step(self, closure=None):
        """One update from the `.grad` of the variables, as torch has it. Variables without gradient are left alone.

        Args:
            closure: function that computes the gradients and returns the loss, which is then returned.
        """
        if torch.compiler.is_dynamo_compiling():  # `outside_graphs` without its cost
            return torch._dynamo.disable(Optimizer.step)(self, closure)
        if closure is not None or self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks:
            return self._step_with_hooks(closure)
        if profiler._is_profiler_enabled:
            with profiler.record_function(f"Optimizer.step#{type(self).__name__}.step"):
                return self._step_from_params()
        return self._step_from_params()

    step.hooked = True  # torch would wrap it to do the same at ten times the cost

    def _step_from_params(self):
        pairs, missing = [], None
        for group in self._groups():
            variables = group.variables
            grads = [g for v in variables if (g := v.grad) is not None and v.requires_grad]
            if len(grads) < len(variables):
                missing = (missing or []) + [v for v in variables if v.grad is None and v.requires_grad]
                present = tuple(i for i, v in enumerate(variables) if v.grad is not None and v.requires_grad)
                if not present:
                    continue
                group = group.pick(present)
            pairs.append((group, grads))
        if missing:
            self._warn_missing(missing)
        direct = [(v, v.grad) for v in self._overwritten if v.grad is not None]
        if pairs or direct:
            with torch.no_grad():
                self._advance(self._fitted(pairs), direct)

    def _fitted(self, pairs):
        """Groups with gradients in the form that their kernels rely on; rows of sparse gradients by themselves."""
        found = []
        for group, grads in pairs:
            if True in [grad.is_sparse for grad in grads]:
                if self._skips_zeros():
                    rows, group, grads = groups.split_rows(group, grads)
                    found += rows
                else:
                    grads = [groups.like_parameter(grad, v) for grad, v in zip(grads, group.variables, strict=True)]
            if grads:
                found.append((group, group.fitted(grads)))
        return found

    def _skips_zeros(self):
        """Whether a gradient of zero changes nothing, so that rows without one can be left out."""
        plain = self._update_arity is None and not self.weight_decay and not self.gradient_accumulation_steps
        return plain and self._zero_is_nothing()

    def _zero_is_nothing(self):
        """Whether the formula neither moves a variable nor changes its state where the gradient is zero."""
        return False

    def _unit(self, group):
        """What the formula needs to have together: an "element", a "tensor", or None for all of the group."""
        return getattr(self.update_together, "unit", None) if self._update_arity is None else None

    def _advance(self, pairs, direct=()):
        """The part of a step that all sources of gradients share.

        Args:
            pairs: groups with their fitted gradients.
            direct: pairs of a variable that takes its gradient as its value, and that gradient.
        """
        rate = self._host_rate()
        if self._shown:
            self._follow_settings()
        update = self._update_each if self._update_arity is not None else self.update_together
        if direct:
            self._overwrite(direct)
        if self._has_extras():
            self._update_with_extras(pairs, update, rate)
        else:
            self.begin_update()
            for group, grads in pairs:
                group.run(lambda part, some: update(part, some, rate), grads, self._unit(group))
        self._iterations.advance()

    def _warn_missing(self, variables):
        names = [getattr(v, "path", None) or f"parameter of shape {tuple(v.shape)}" for v in variables]
        warnings.warn(
            f"Gradients do not exist for variables {names} when minimizing the loss; they are left unchanged. Does the "
            "loss depend on them?",
            stacklevel=4,
        )

    # -- configuration --------------------------------------------------------------------------------------------

    def get_config(self):
        """The constructor's arguments as Keras writes them. Subclasses extend the dict."""
        config = {
            name: self._saved_learning_rate() if name == "learning_rate" else getattr(self, name)
            for name in _CONFIG_ORDER
        }
        config.update({name: value for name, value in fields.saved(self).items() if name not in config})
        if self.decay:
            config["decay"] = self.decay
        return config


def _refuse_parameters(owner, value):
    """Raises for parameters in the place of the learning rate, where torch's optimizers have them."""
    if hasattr(value, "__iter__") and not hasattr(value, "dtype") and not isinstance(value, str):
        raise ValueError(
            f"{owner} takes no parameters first, as torch's optimizers do: make it with {owner}(learning_rate=...) and "
            "call optimizer.build(model.trainable_variables), or let compile() and fit() do that; "
            "torch.optim's own optimizers work in compile() too."
        )


def _positional_count(function):
    """How many positional arguments an `update_step` takes besides self: 2 as in Keras 2, or 3."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return 2 if len(positional) == 2 and len(parameters) == 2 else 3


def _check(values):
    name = values["name"]
    if name is not None and (not isinstance(name, str) or "/" in name):
        raise ValueError(f"`name` must be a string without '/', got {name!r}.")
    steps = values["gradient_accumulation_steps"]
    if steps and (steps < 2 or steps != int(steps)):
        raise ValueError(f"`gradient_accumulation_steps` must be an integer >= 2, got {steps!r}.")
    momentum, frequency = values["ema_momentum"], values["ema_overwrite_frequency"]
    if values["use_ema"] and not 0 <= momentum <= 1:
        raise ValueError(f"`ema_momentum` must be between 0 and 1, got {momentum!r}.")
    if values["use_ema"] and frequency and (not isinstance(frequency, int) or frequency < 1):
        raise ValueError(f"`ema_overwrite_frequency` must be an integer >= 1 or None, got {frequency!r}.")
    given = [name for name in ("clipnorm", "clipvalue", "global_clipnorm") if values[name] is not None]
    if len(given) > 1:
        raise ValueError(f"Only one of clipnorm, clipvalue and global_clipnorm can be set; got {' and '.join(given)}.")

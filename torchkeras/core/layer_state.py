"""The weights and losses of a layer: what it owns, in Keras's order, and reading and writing them.

May import core. A mixin of `core.layer.Layer`; knows nothing of how layers are called.
"""

from contextlib import nullcontext

import numpy as np
import torch

from torchkeras.core import registry, tree, unfilled
from torchkeras.core.conversion import as_tensor, to_numpy
from torchkeras.core.dtypes import FLOATS, standardize_dtype
from torchkeras.core.scopes import process, state
from torchkeras.core.shape_probe import pause
from torchkeras.core.stateless import StatelessScope
from torchkeras.core.variable import Variable

_is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)  # torch 2.6 does not say


class LayerState:
    """Weights, `trainable`, losses and metrics of a layer."""

    # -- making weights -----------------------------------------------------------------------------------------------

    def add_weight(
        self,
        shape=None,
        initializer=None,
        dtype=None,
        trainable=True,
        autocast=True,
        regularizer=None,
        constraint=None,
        aggregation="none",
        overwrite_with_gradient=False,
        name=None,
        memory_order=None,
    ):
        """Makes a weight and registers it as a torch parameter.

        Args:
            shape: tuple of integers; `()` for a scalar.
            initializer: name, config, callable or array; Glorot uniform for floats, zeros otherwise.
            dtype: defaults to the layer's variable dtype.
            trainable: whether the optimizer updates it.
            autocast: whether it is read in the compute dtype under mixed precision.
            regularizer, constraint: name, config or callable.
            memory_order: logical axes slowest first, where torch's kernels want another layout than the shape says.

        Example: `self.scale = self.add_weight(shape=(units,), initializer="ones", name="scale")`.
        """
        self._require_init()
        dtype = standardize_dtype(dtype if dtype is not None else self.variable_dtype)
        if initializer is None:
            initializer = "glorot_uniform" if dtype in FLOATS else "zeros"
        self._refuse_state_in_call("weight", "__init__() or build()")
        initializer, shape = registry.resolve("initializer", initializer), _weight_shape(shape, self.name)
        waits = unfilled.may_wait(self, initializer)
        with pause(), self._scope(), unfilled.without_memory() if waits else nullcontext():
            variable = Variable(
                initializer,
                shape=shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name,
                memory_order=memory_order,
            )
        if waits:
            state.unfilled.add(variable, initializer, shape, dtype)
        variable.__dict__["_made_trainable"] = bool(trainable)
        variable.regularizer = registry.resolve("regularizer", regularizer)
        variable.constraint = registry.resolve("constraint", constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        if trainable and not self.trainable:
            variable.trainable = False
        self._register_provisionally(variable, name or "variable")
        return variable

    add_variable = add_weight

    def _register_provisionally(self, variable, name):
        """Registered under its own name until an attribute takes it; an automatic one is numbered within the layer."""
        name = name.replace(".", "_")  # torch allows no dots
        key, count = name, 0
        parameters = self._parameters
        while key in parameters:
            count += 1
            key = f"{name}_{count}"
        parameters[key] = variable
        self._places.meet(variable)
        variable.__dict__["_provisional"] = key
        self._keep(_ready=False)

    # -- what there is ------------------------------------------------------------------------------------------------

    def _child_modules(self):
        """Direct child modules, those in lists and dicts too, each once, in the order in which they were attached."""
        found = dict.fromkeys(self._modules.values())
        found.pop(None, None)
        return list(found)

    @property
    def _layers(self):
        """Direct sublayers in the order in which they were attached; torch's own modules hand out those inside them."""
        return list(dict.fromkeys(_layers_in(self._child_modules())))

    def _flatten_layers(self, recursive=True, include_self=True):
        """This layer and everything below it, parents first, each once."""
        seen, found = {id(self)}, [self] if include_self else []
        for child in self._layers:
            _visit(child, seen, found, recursive)
        return found

    def _own_variables(self):
        """Weights of this layer alone: those made trainable first, as Keras lists them."""
        own = [variable for variable in self._parameters.values() if variable is not None]
        return sorted(own, key=lambda v: not getattr(v, "_made_trainable", v.requires_grad))

    @property
    def variables(self):
        """All weights plus the states of random generators, own ones first, then sublayer by sublayer."""
        return _unique(self._collect(with_seeds=True))

    @property
    def weights(self):
        """All weights, own ones first, then sublayer by sublayer."""
        return _unique(self._collect(with_seeds=False))

    def _collect(self, with_seeds):
        found = list(self._own_variables())
        if with_seeds:
            found.extend(generator.state for generator in self._seed_generators)
        for child in self._child_modules():
            if isinstance(child, LayerState):
                found.extend(child._collect(with_seeds))
            else:
                found.extend(child.parameters())
                if with_seeds:
                    found.extend(each for layer in _layers_in([child]) for each in layer._collect(with_seeds))
        return found

    @property
    def trainable_variables(self):
        """Variables that the optimizer updates; empty for a frozen layer."""
        return [v for v in self.variables if _is_trainable(v)] if self.trainable else []

    @property
    def trainable_weights(self):
        """Weights that the optimizer updates; empty for a frozen layer."""
        return [v for v in self.weights if _is_trainable(v)] if self.trainable else []

    @property
    def non_trainable_variables(self):
        """Variables that no gradient reaches."""
        return [v for v in self.variables if not _is_trainable(v)] if self.trainable else self.variables

    @property
    def non_trainable_weights(self):
        """Weights that no gradient reaches."""
        return [v for v in self.weights if not _is_trainable(v)] if self.trainable else self.weights

    @property
    def trainable(self):
        """Whether this layer learns. Setting it reaches all sublayers and turns gradients off and on."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        if not isinstance(value, (bool, np.bool_, int)):
            raise ValueError(f"`trainable` must be a boolean, got {value!r}.")
        value = bool(value)
        process.trainable_changes += 1
        self._keep(_trainable=value)
        for variable in self._own_variables():
            if variable.__dict__.get("_made_trainable", variable.is_floating_point()):
                if isinstance(variable, Variable):
                    variable.trainable = value
                else:
                    variable.requires_grad_(value)
        for child in self._child_modules():
            if not isinstance(child, LayerState):
                child.requires_grad_(value)
        for layer in _layers_in(self._child_modules()):
            layer.trainable = value

    def count_params(self):
        """Number of scalars in all weights. Raises `ValueError` before the weights exist."""
        if not self.built:
            raise ValueError(
                f"You tried to call count_params() on layer {self.name!r}, which is not built yet: call "
                "build(input_shape) or call the layer on data."
            )
        return sum(weight.numel() for weight in self.weights)

    # -- values -------------------------------------------------------------------------------------------------------

    def get_weights(self):
        """Numpy copies of all weights, in the order of `weights`."""
        return [to_numpy(weight).copy() for weight in self.weights]

    def set_weights(self, weights):
        """Sets all weights from arrays in the order of `weights`; nothing changes unless all fit.

        Raises `ValueError` for a wrong count or shape.
        """
        own, values = self.weights, list(weights)
        if len(own) != len(values):
            raise ValueError(
                f"set_weights(weights) on layer {self.name!r} was given {len(values)} array(s), but the layer has "
                f"{len(own)} weight(s)."
            )
        tensors = [
            as_tensor(value, what=f"the array for weight {getattr(weight, 'path', '')!r}")
            for weight, value in zip(own, values, strict=True)
        ]
        for weight, value in zip(own, tensors, strict=True):
            if weight.shape != value.shape:
                raise ValueError(
                    f"Layer {self.name!r}: weight {getattr(weight, 'path', '')!r} has shape {tuple(weight.shape)}, "
                    f"the given array has shape {tuple(value.shape)}."
                )
        with torch.no_grad():
            for weight, value in zip(own, tensors, strict=True):
                weight.copy_(value)

    # -- losses and metrics -------------------------------------------------------------------------------------------

    def add_loss(self, loss):
        """Adds a scalar (or a list of them) to what training minimizes; a function without arguments is evaluated
        lazily.

        Inside `call` it counts until the layer, or one that holds it, is called again; a function counts always.
        """
        if not self.__dict__["_adds_losses"]:
            self._note_loss_source()
        if state.probe is not None or _is_exporting():  # a program without data has no losses to keep
            return
        for each in tree.flatten(loss):
            if each is None:
                continue
            if callable(each) and not isinstance(each, torch.Tensor):
                self.__dict__["_loss_functions"].append(each)
            elif state.losses is not None:
                state.losses.append((self, each))
            else:
                self.__dict__["_added"].append(each)

    def _note_loss_source(self):
        """From now on calls of this layer, and of those that hold it, look after its losses."""
        self._keep(_adds_losses=True)
        process.loss_source_changes += 1

    def _children_changed(self):
        """A layer joins or leaves: whoever holds this one looks for loss sources anew."""
        process.loss_source_changes += 1

    def _loss_sources(self):
        """The layers here and below that add losses, found once for as long as no layer joins or leaves any model."""
        d = self.__dict__
        if self._loss_layers_at != process.loss_source_changes:
            d["_loss_layers"] = [layer for layer in self._flatten_layers() if layer.__dict__["_adds_losses"]]
            d["_loss_layers_at"] = process.loss_source_changes
        return d["_loss_layers"]

    def _forget_losses(self):
        """Drops what earlier calls added here and below."""
        if torch.compiler.is_compiling():  # the list kept by `_loss_sources` would be a guard on every other model
            if self.__dict__["_adds_losses"]:
                self.__dict__["_added"] = []
            for child in self._layers:
                child._forget_losses()
            return
        for layer in self._loss_sources():
            layer.__dict__["_added"] = []

    @property
    def losses(self):
        """Scalars added in the last call here and below, then the regularization of every trainable weight."""
        return self._added_losses() + self._regularization_losses()

    def _added_losses(self):
        """Scalars that the last call added here and below, and those of functions."""
        sources = self._loss_sources()
        if state.losses is None:
            found = [value for layer in sources for value in layer.__dict__["_added"]]
        else:  # somebody else collects them meanwhile
            members = set(map(id, sources))
            found = [value for layer, value in state.losses if id(layer) in members]
        return found + [function() for layer in sources for function in layer.__dict__["_loss_functions"]]

    def _regularization_losses(self):
        weights = [v for v in self.trainable_weights if getattr(v, "regularizer", None) is not None]
        return [weight.regularizer(weight) for weight in weights]

    @property
    def metrics(self):
        """Metrics held as attributes, here and below; of a model below those that it lists itself."""
        found = {id(metric): metric for metric in self._metrics}
        for layer in self._layers:
            found.update((id(metric), metric) for metric in layer.metrics)
        return list(found.values())

    @property
    def metrics_variables(self):
        """State of `metrics`."""
        return [variable for metric in self.metrics for variable in metric.variables]

    # -- the state as an argument -------------------------------------------------------------------------------------

    def stateless_call(self, trainable_variables, non_trainable_variables, *args, return_losses=False, **kwargs):
        """Calls the layer with the given values for its variables and returns what would have changed.

        Args:
            trainable_variables, non_trainable_variables: values in the order of the properties of these names: weights,
                statistics and the states of random generators.
            return_losses: also return the losses, of regularizers too, at the given values.

        Returns `(outputs, non_trainable_values)` or `(outputs, non_trainable_values, losses)`. Variables, metrics and
        buffers of the layer stay as they are. Gradients flow to the given values. The torch equivalent is
        `torch.func.functional_call`. Raises `ValueError` before the layer is built and for values that do not fit.
        """
        self._require_built_for("stateless_call")
        mapping = [
            *self._values_for("trainable_variables", trainable_variables),
            *self._values_for("non_trainable_variables", non_trainable_variables),
            *((buffer, buffer.clone()) for buffer in self.buffers()),
        ]
        with StatelessScope(collect_losses=return_losses)._taking(mapping) as scope:
            outputs = self(*args, **kwargs)
            losses = self.losses if return_losses else None
        after = [scope.get_current_value(variable) for variable in self.non_trainable_variables]
        return (outputs, after, losses) if return_losses else (outputs, after)

    def _values_for(self, kind, given):
        own, given = getattr(self, kind), list(given)
        if len(own) != len(given):
            raise ValueError(f"{kind} must hold {len(own)} values for {self.name!r}, got {len(given)}.")
        return zip(own, given, strict=True)

    def _refuse_state_in_call(self, what, where):
        if self._in_first_call:
            raise ValueError(
                f"Layer {self.name!r} makes a {what} inside call(), so each call would make another one: make it in "
                f"{where}."
            )


def _layers_in(modules):
    """The layers among modules and inside torch's own ones, not those inside layers."""
    for module in modules:
        if isinstance(module, LayerState):
            yield module
        else:
            yield from _layers_in(module.children())


def _visit(layer, seen, found, recursive):
    """Adds a layer and, if wanted, everything below it, each once. No function inside another one: that would be a
    cycle of garbage with all the layers in it."""
    if id(layer) not in seen:
        seen.add(id(layer))
        found.append(layer)
        if recursive:
            for child in layer._layers:
                _visit(child, seen, found, recursive)


def _is_trainable(variable):
    return variable.trainable if isinstance(variable, Variable) else variable.requires_grad


def _unique(items):
    seen = set()
    return [item for item in items if not (id(item) in seen or seen.add(id(item)))]


def _weight_shape(shape, owner):
    shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    if any(size is None or not hasattr(size, "__index__") for size in shape):
        raise ValueError(
            f"Layer {owner!r} asks for a weight of shape {shape}: every size must be known. Give the layer an input "
            "with a known size on that axis."
        )
    return tuple(int(size) for size in shape)

"""The attributes of a layer: what setting one registers, what reading one gives, and the dtypes that follow the policy.

May import core. A mixin of `core.layer.Layer`; knows nothing of building and calling.
"""

import torch

from torchkeras.core import dtype_policy, registry, tree
from torchkeras.core.scopes import state
from torchkeras.core.tracking import register, track
from torchkeras.core.variable import Variable


class LayerAttributes:
    """Attribute access, names and dtypes."""

    def _require_init(self):
        if "_ready" not in self.__dict__:
            raise RuntimeError(
                f"In layer {type(self).__name__}: call `super().__init__()` at the start of __init__(), before "
                "anything else."
            )

    def __setattr__(self, name, value):
        d = self.__dict__
        if "_ready" not in d and isinstance(value, (torch.nn.Module, torch.nn.Parameter)):
            self._require_init()
        kind = type(value)
        if name in d.get("_held", ()):  # a tracked list or dict is replaced
            register(self, name, None, d["_held"])
        if kind in (list, dict, tuple) and name != "input_spec":
            value = track(value, self, name)
            for leaf in tree.flatten(value):
                if getattr(leaf, "_is_metric", False):
                    self._require_init()
                    d["_metrics"].append(leaf)
        elif isinstance(value, torch.nn.Parameter):
            provisional = value.__dict__.pop("_provisional", None)
            if provisional is not None and d["_parameters"].get(provisional) is value:
                self._rename_parameter(provisional, name)
                return
        elif isinstance(value, torch.nn.Module):
            if d["_in_first_call"] and name not in d["_modules"]:
                raise ValueError(
                    f"Layer {self.name!r} makes a sublayer ({name!r}) inside call(), so each call would make another "
                    "one: make "
                    "it in __init__() or build()."
                )
            d["_ready"] = False
            self._take_in(value)
        elif getattr(kind, "_is_seed_generator", False):
            d["_seed_generators"].append(value)
        elif getattr(kind, "_is_metric", False):
            d["_metrics"].append(value)
        torch.nn.Module.__setattr__(self, name, value)

    def __getattr__(self, name):
        d = self.__dict__
        parameters = d.get("_parameters")
        if parameters is not None:
            value = parameters.get(name)
            if value is not None:
                return value if state.casting is not self else _cast_weight(value, d["_dtype_policy"])
            value = d["_modules"].get(name)
            if value is not None:
                return value
            if name in d["_buffers"]:
                return d["_buffers"][name]
            view = getattr(type(self), name, None)
            if hasattr(view, "__get__") and not callable(view):  # a property that raised: once more, for its own words
                return view.__get__(self, type(self))
        elif not name.startswith("__"):
            self._require_init()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _rename_parameter(self, old, new):
        """The attribute's name becomes the key in `state_dict`, at the same place in the order."""
        parameters = self.__dict__["_parameters"]
        renamed = {new if key == old else key: value for key, value in parameters.items() if key == old or key != new}
        parameters.clear()
        parameters.update(renamed)
        self.__dict__.pop(new, None)

    def _child_changed(self, key, tracked):
        """A tracked list or dict of this layer changed."""
        held = self.__dict__.get("_held")
        if held is not None:
            register(self, key, tracked, held)

    @property
    def name(self):
        """The layer's name, unique in its model; settable."""
        return self.__dict__["_name"]

    @name.setter
    def name(self, value):
        self.__dict__["_name"] = value

    path = property(lambda self: self.__dict__["_path"])
    _metrics = property(lambda self: self.__dict__["_metrics"])
    _seed_generators = property(lambda self: self.__dict__["_seed_generators"])
    activity_regularizer = property(lambda self: self.__dict__["_activity_regularizer"])

    @activity_regularizer.setter
    def activity_regularizer(self, value):
        self.__dict__["_activity_regularizer"] = registry.resolve("regularizer", value)
        if value is not None:
            self._note_loss_source()

    # -- dtypes -------------------------------------------------------------------------------------------------------

    @property
    def dtype_policy(self):
        """In which types the layer keeps its weights and computes; settable by name or policy."""
        return self.__dict__["_dtype_policy"]

    @dtype_policy.setter
    def dtype_policy(self, value):
        self.__dict__["_dtype_policy"] = dtype_policy.get(value)

    compute_dtype = property(lambda self: self.dtype_policy.compute_dtype)
    variable_dtype = property(lambda self: self.dtype_policy.variable_dtype)
    dtype = property(lambda self: self.dtype_policy.variable_dtype)
    input_dtype = compute_dtype

    def _apply(self, fn, recurse=True):
        """torch's `.to(...)`, `.half()`, `.cuda()`: a new float type becomes the layer's policy."""
        super()._apply(fn, recurse)
        policy = self.dtype_policy
        if policy.casts:
            seen = fn(torch.empty(0, dtype=dtype_policy.torch_dtype(policy.variable_dtype))).dtype
            name = dtype_policy.standardize_dtype(seen)
            if name != policy.variable_dtype:
                self.dtype_policy = name
        return self

    def __repr__(self):
        if "_name" not in self.__dict__:
            return f"<{type(self).__name__} (not initialized)>"
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def __getstate__(self):
        """For copies and pickles: the graph around a layer is not part of it."""
        contents = dict(self.__dict__)
        contents.update(_inbound_nodes=[], _outbound_nodes=[], _added=[], _loss_layers=(), _loss_layers_at=None)
        return contents


def _cast_weight(value, policy):
    """A weight as a mixed-precision layer reads it; state that is assigned to keeps its `assign`.

    Reads attributes and no `__dict__`: torch.compile follows the former only."""
    if not value.is_floating_point() or not getattr(value, "autocast", True):
        return value
    cast = value.to(policy.torch_compute)
    if isinstance(value, Variable) and not getattr(value, "_made_trainable", True):
        cast.assign, cast.assign_add, cast.assign_sub = value.assign, value.assign_add, value.assign_sub
    return cast

"""The attributes of a layer: what setting one registers, what reading one gives, and the dtypes that follow the policy.

May import core. A mixin of `core.layer.Layer`; knows nothing of building and calling.
"""

import types

import torch

from torchkeras.core import dtype_policy, registry, scopes
from torchkeras.core.containers import CONTAINERS, matters, reports, tracked
from torchkeras.core.kept_variables import kept, plain
from torchkeras.core.scopes import state
from torchkeras.core.tracking import held_states, register
from torchkeras.core.variable import Variable
from torchkeras.core.weight_reads import read_of


class TellingProperty(property):
    """A property of a layer class: remembers its own AttributeError, since Python drops it and asks `__getattr__`."""

    def __get__(self, obj, owner=None):
        try:
            return super().__get__(obj, owner)
        except AttributeError as error:
            if obj is not None:
                state.property_error = obj, self, error
            raise


_PLAIN = frozenset((int, float, bool, str, type(None), types.FunctionType))  # kinds that hold nothing


class NotInitializedError(RuntimeError, AttributeError):
    """A layer was used before `super().__init__()`; for `hasattr`, dir() and their like an attribute is missing."""


class LayerAttributes:
    """Attribute access, names and dtypes."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, member in list(vars(cls).items()):
            if type(member) is property:
                telling = TellingProperty(member.fget, member.fset, member.fdel)
                telling.__doc__ = member.__doc__
                setattr(cls, name, telling)

    def _require_init(self):
        if "_ready" not in self.__dict__:
            raise NotInitializedError(
                f"In layer {type(self).__name__}: call `super().__init__()` at the start of __init__(), before "
                "anything else."
            )

    def _keep(self, **values):
        """Sets attributes that are no part of what the layer holds: neither Keras nor torch sees them."""
        self.__dict__.update(values)

    def __setattr__(self, name, value):
        d = self.__dict__
        kind = type(value)
        plain = kind in _PLAIN or (kind is tuple and all(map(_PLAIN.__contains__, map(type, value))))
        if plain and "_held" in d:  # more than half of all settings while a model is built
            taken = name in d["_parameters"] or name in d["_modules"] or name in d["_buffers"] or name in d["_held"]
            if not taken:
                object.__setattr__(self, name, value)  # torch does no more either
                return
        if "_ready" not in d and isinstance(value, (torch.nn.Module, torch.nn.Parameter)):
            self._require_init()
        held = d.get("_held")
        if held is None or "_converting" in d:  # before `super().__init__()`, which looks at what is here; inside torch
            torch.nn.Module.__setattr__(self, name, value)
            return
        moved = self._make_room(name) if name in d["_modules"] or name in d["_parameters"] else None
        try:
            self._set(name, value)
        finally:
            if moved is not None:
                register(self, moved)
        if name in held or matters(value):
            register(self, name)

    def _set(self, name, value):
        self._give_way(name, value)
        if isinstance(value, CONTAINERS) and name != "input_spec":
            torch.nn.Module.__setattr__(self, name, tracked(value, self, name))
        elif isinstance(value, torch.nn.Parameter):
            self._set_parameter(name, value)
        elif isinstance(value, torch.nn.Module):
            self._set_module(name, value)
        else:
            torch.nn.Module.__setattr__(self, name, value)

    def _make_room(self, name):
        """What a list registered under this name moves aside. Returns the list's attribute, or None."""
        d = self.__dict__
        for attribute, keys in d["_held"].items():
            if attribute != name and name in keys:
                item = keys.pop(name)
                table = d["_modules"] if isinstance(item, torch.nn.Module) else d["_parameters"]
                if table.get(name) is item:
                    del table[name]
                return attribute
        return None

    def _give_way(self, name, value):
        """A sublayer makes way for anything, a weight for what holds or is state: torch would refuse both.

        A number or tensor in a weight's place stays an error: `assign` was meant.
        """
        d = self.__dict__
        if name in d["_modules"] and not isinstance(value, torch.nn.Module):
            del d["_modules"][name]
            self._children_changed()
        elif name in d["_parameters"] and matters(value) and not isinstance(value, torch.nn.Parameter):
            del d["_parameters"][name]

    def _set_parameter(self, name, value):
        d = self.__dict__
        provisional = value.__dict__.get("_provisional")
        if provisional is not None and d["_parameters"].get(provisional) is value:
            del value.__dict__["_provisional"]
            self._rename_parameter(provisional, name)
            return
        self._set_in_order(d["_parameters"], name, value)

    def _set_module(self, name, value):
        d = self.__dict__
        if name not in d["_modules"]:
            self._refuse_state_in_call(f"sublayer ({name!r})", "__init__() or build()")
        d["_ready"] = False
        self._take_in(value)
        self._set_in_order(d["_modules"], name, value)

    def _set_in_order(self, table, name, value):
        places, replaces = self.__dict__["_places"], name in table
        torch.nn.Module.__setattr__(self, name, value)
        if places.meet(value) or replaces:
            places.sort(table)

    def _look_again(self, attribute):
        """A container in an attribute changed."""
        register(self, attribute)

    def __delattr__(self, name):
        torch.nn.Module.__delattr__(self, name)
        self._children_changed()
        if name in self.__dict__.get("_held", ()):
            register(self, name)

    def __getattr__(self, name):
        d = self.__dict__
        parameters = d.get("_parameters")
        if parameters is not None:
            value = parameters.get(name)
            if value is not None:
                return value if state.casting is None else _cast_weight(value, d["_dtype_policy"])
            modules, buffers = d["_modules"], d["_buffers"]
            value = modules.get(name)
            if value is not None:
                return value
            if name in buffers:
                return buffers[name]
            if name in parameters or name in modules:
                return None
            value = read_of(self, name)
            if value is not None:
                return value if state.casting is None else _cast_weight(value, d["_dtype_policy"])
            self._tell_property_error(name)
        elif not name.startswith("__"):
            self._require_init()
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self):
        return super().__dir__() if "_parameters" in self.__dict__ else object.__dir__(self)

    def _tell_property_error(self, name):
        """A property that raised an AttributeError says why in its own words; Python has thrown them away by now."""
        told, state.property_error = state.property_error, None
        if told is not None and told[0] is self and told[1] is getattr(type(self), name, None):
            raise told[2]
        view = getattr(type(self), name, None)
        if hasattr(view, "__get__") and not callable(view):  # another descriptor, or that of a mixin: once more
            view.__get__(self, type(self))

    def register_parameter(self, name, param):
        """torch's. `torch.nn.utils.prune` keeps a weight as `<name>_orig` and then flattens what follows from it."""
        if name.endswith("_orig") and isinstance(param, Variable) and not param.is_contiguous():
            param.lie_as_usual()
        super().register_parameter(name, param)

    def _rename_parameter(self, old, new):
        """The attribute's name becomes the key in `state_dict`, at the same place in the order."""
        parameters = self.__dict__["_parameters"]
        renamed = {new if key == old else key: value for key, value in parameters.items() if key == old or key != new}
        parameters.clear()
        parameters.update(renamed)
        self.__dict__.pop(new, None)

    @property
    def name(self):
        """The layer's name, unique in its model; settable."""
        return self._name

    @name.setter
    def name(self, value):
        self._keep(_name=value, _was_named=True)

    def _judge_name(self):
        """A name from a config that an unnamed layer of this class could have had is no name of its own."""
        base, _, number = self.name.rpartition("_")
        automatic = scopes.snake_case(type(self).__name__)
        self._keep(_was_named=self.name != automatic and not (base == automatic and number.isdigit()))

    path = property(lambda self: self._path)
    _metrics = property(lambda self: held_states(self, "_is_metric"))
    _seed_generators = property(lambda self: held_states(self, "_is_seed_generator"))
    activity_regularizer = property(lambda self: self._activity_regularizer)

    @activity_regularizer.setter
    def activity_regularizer(self, value):
        self._penalize_with(value)

    def _penalize_with(self, value):
        self._keep(_activity_regularizer=registry.resolve("regularizer", value))
        if value is not None:
            self._note_loss_source()

    # -- dtypes -------------------------------------------------------------------------------------------------------

    @property
    def dtype_policy(self):
        """In which types the layer keeps its weights and computes; settable by name or policy."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value):
        self._keep(_dtype_policy=dtype_policy.get(value))

    compute_dtype = property(lambda self: self.dtype_policy.compute_dtype)
    variable_dtype = property(lambda self: self.dtype_policy.variable_dtype)
    dtype = property(lambda self: self.dtype_policy.variable_dtype)
    input_dtype = compute_dtype

    def _apply(self, fn, recurse=True):
        """torch's `.to(...)`, `.half()`, `.cuda()`: a new float type becomes the layer's policy."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        with kept(self):
            super()._apply(lambda tensor: plain(fn(tensor)), recurse=False)
        policy = self.dtype_policy
        if policy.casts:
            seen = fn(torch.empty(0, dtype=dtype_policy.torch_dtype(policy.variable_dtype))).dtype
            name = dtype_policy.standardize_dtype(seen)
            if name != policy.variable_dtype:
                self.dtype_policy = name
        return self

    def _load_from_state_dict(self, state_dict, prefix, metadata, strict, missing_keys, unexpected_keys, error_msgs):
        with kept(self):
            super()._load_from_state_dict(
                state_dict, prefix, metadata, strict, missing_keys, unexpected_keys, error_msgs
            )
        if not self.built:
            self._put_aside(state_dict, prefix, unexpected_keys)

    def _put_aside(self, state_dict, prefix, unexpected_keys):
        """Keeps what is there for weights that building will make: `_load_put_aside` then gives it to them."""
        for key in [key for key in unexpected_keys if key.startswith(prefix)]:
            self._for_later[key[len(prefix) :]] = state_dict[key].detach()
            unexpected_keys.remove(key)

    def _load_put_aside(self):
        """The weights are made: they take the values that `load_state_dict` found for them before."""
        values = self._for_later
        self._keep(_for_later={})
        _, strange = self.load_state_dict(values, strict=False)
        if strange:
            raise RuntimeError(
                f"load_state_dict() gave layer {self.name!r} values before it was built, and now it has no weights "
                f"for {', '.join(map(repr, strange))}: its weights are {', '.join(map(repr, self.state_dict()))}."
            )

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination.update({prefix + key: value for key, value in self._for_later.items()})

    def __repr__(self):
        if "_name" not in self.__dict__:
            return f"<{type(self).__name__} (not initialized)>"
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def __getstate__(self):
        """For copies and pickles: the graph around a layer is not part of it."""
        contents = dict(self.__dict__)
        contents.update(_inbound_nodes=[], _outbound_nodes=[], _added=[], _loss_layers=(), _loss_layers_at=None)
        return contents

    def __setstate__(self, contents):
        """A copy's containers report to the copy."""
        super().__setstate__(contents)
        for attribute, value in list(self.__dict__.items()):
            if reports(value):
                register(self, attribute)


def _cast_weight(value, policy):
    """A weight as it is read while a mixed-precision layer computes: its own, or that of another such layer (tied
    weights). It keeps its `assign`.

    Reads attributes and no `__dict__`: torch.compile follows the former only."""
    if not policy.mixed or not value.is_floating_point() or not getattr(value, "autocast", True):
        return value
    cast = value.to(policy.torch_compute)
    if isinstance(value, Variable):
        cast.assign, cast.assign_add, cast.assign_sub = value.assign, value.assign_add, value.assign_sub
    return cast

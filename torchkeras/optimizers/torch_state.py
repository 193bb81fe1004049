"""TorchState: what torch's tools ask of an optimizer: state dicts, zeroed gradients, copies, hooks.

May import torch. Knows no formula. Our state tensors are Variables that keep their identity for as long as the
optimizer is built, so values are copied into them instead of replacing them as torch does.
"""

import warnings

import torch

_OWN_KEYS = ("params", "lr", "iterations", "shared")  # of a group in a state dict
_NOT_COPIED = ("_plan", "_trainable_variables_indices", "_constrained", "_overwritten", "step")


class Unbound(list):
    """The variables of an optimizer that is not built: none, and a warning to whoever goes through them.

    Its `step` and `zero_grad`, gradient scalers and clipping would otherwise do nothing in silence.
    """

    def __init__(self, owner):
        super().__init__()
        self.owner = owner

    def __reduce__(self):
        return Unbound, (self.owner,)

    def __iter__(self):
        warnings.warn(
            f"{self.owner} has no variables yet, so there is nothing to update: call "
            "optimizer.build(model.trainable_variables) first. compile() and fit() do so by themselves.",
            stacklevel=4,
        )
        return iter(())


class TorchState:
    """The torch side of an optimizer that its base class does not already have."""

    _settings_of_torch = {}  # torch's key in a group -> our attributes, for what torch's schedulers turn
    _shown = {}  # the values as they were last seen, in the group and in the attributes

    def _show_settings(self):
        """Puts into the group what torch's schedulers look for there (OneCycleLR and CyclicLR turn the momentum).

        A momentum of zero is not shown: it has no state, and the scheduler then says so.
        """
        shown = {key: self._setting(names) for key, names in self._settings_of_torch.items()}
        self._shown = {key: value for key, value in shown.items() if value}
        self.defaults.update(self._shown)
        self.param_groups[0].update(self._shown)
        self.param_groups[0]["iterations"] = self._iterations  # tools that take a state apart look for its keys here

    def _setting(self, names):
        values = tuple(getattr(self, name) for name in names)
        return values if len(values) > 1 else values[0]

    def _follow_settings(self):
        """Before a step: what was written into the group counts, else what was assigned to the attributes."""
        group = self.param_groups[0]
        for key, before in self._shown.items():
            names, given = self._settings_of_torch[key], group.get(key, before)
            if given != before:
                for name, value in zip(names, given if len(names) > 1 else (given,)):
                    setattr(self, name, value)
            else:
                given = self._setting(names)
            group[key] = self._shown[key] = given

    def zero_grad(self, set_to_none=True):
        """Drops the gradients of the variables, or fills them with zeros."""
        if not set_to_none:
            return super().zero_grad(set_to_none=False)
        for variable in self._trainable_variables:
            variable.grad = None
        return None

    def _step_with_hooks(self, closure):
        """`step` with a closure or with hooks registered by torch's tools, in torch's order."""
        args, kwargs, loss = (self, closure), {}, None
        for hook in list(self._optimizer_step_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._step_from_params()
        for hook in list(self._optimizer_step_post_hooks.values()):
            hook(self, args, kwargs)
        return loss

    def state_dict(self):
        """torch's form of the state: plain tensors per parameter, one group with the rate and the number of steps."""
        if self.built:
            packed = super().state_dict()
        else:
            packed = {"state": {}, "param_groups": [{**group, "params": []} for group in self.param_groups]}
        plain = {
            key: {name: value.detach() for name, value in slots.items()}
            for key, slots in packed["state"].items()
            if slots
        }
        rate = self._host_rate()  # `decay` counts from the rate as it was given
        rate = float(self._learning_rate) if isinstance(self._learning_rate, torch.Tensor) else rate
        own = {"lr": rate, "iterations": self._iterations.host}
        if shared := self._shared_state():
            own["shared"] = [variable.item() for variable in shared]
        return {**packed, "state": plain, "param_groups": [{**group, **own} for group in packed["param_groups"]]}

    def _shared_state(self):
        """Numbers that belong to no single variable, but for the rate and the counter."""
        known = {id(slot) for slots in self.state.values() for slot in slots.values()}
        known |= {id(self._learning_rate), id(self._iterations)}
        return [variable for variable in self._variables if id(variable) not in known and variable.dim() == 0]

    def load_state_dict(self, state_dict):
        """Copies what `state_dict` gave into a built optimizer. Raises `ValueError` where it does not fit."""
        self._require_built("load_state_dict()")
        for hook in list(self._optimizer_load_state_dict_pre_hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        groups = state_dict["param_groups"]
        keys = [key for group in groups for key in group["params"]]
        if len(keys) != len(self._trainable_variables):
            raise ValueError(
                f"The state is of {len(keys)} parameters; this optimizer has {len(self._trainable_variables)}."
            )
        copies = []
        for key, param in zip(keys, self._trainable_variables):
            saved, own = state_dict["state"].get(key, {}), self.state[param]
            if set(saved) != set(own):
                raise ValueError(
                    f"The state holds {sorted(saved)} per parameter; {type(self).__name__} needs {sorted(own)}."
                )
            for name, slot in own.items():
                if tuple(slot.shape) != tuple(saved[name].shape):
                    raise ValueError(
                        f"{name} of parameter {key} has shape {tuple(saved[name].shape)}, not {tuple(slot.shape)}."
                    )
                copies.append((slot, saved[name]))
        with torch.no_grad():
            for slot, value in copies:
                slot.copy_(value)
        self._iterations.assign(int(groups[0].get("iterations", 0)) if groups else 0)
        for variable, value in zip(self._shared_state(), groups[0].get("shared", ()) if groups else ()):
            variable.assign(value)
        if groups and isinstance(self._learning_rate, torch.Tensor):
            self._learning_rate.assign(float(groups[0]["lr"]))
        if groups:  # what torch's schedulers keep in a group, and the settings that they turn
            kept = {key: value for key, value in groups[0].items() if key not in _OWN_KEYS}
            self.param_groups[0].update(kept)
        for hook in list(self._optimizer_load_state_dict_post_hooks.values()):
            hook(self)

    def __getstate__(self):
        """Everything but caches and hooks: what pickle and deepcopy take along."""
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in _NOT_COPIED and not name.startswith("_optimizer_")
        }

    def __setstate__(self, state):
        self.__dict__.update(state)
        variables = self._trainable_variables
        self._forget_variables()
        if self.built:
            self._trainable_variables = variables
            self._trainable_variables_indices = {id(variable): i for i, variable in enumerate(variables)}
        super().__setstate__({})

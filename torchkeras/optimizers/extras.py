"""Extras: what an optimizer can do around its formula, each only when asked for.

Loss scaling, gradient accumulation, clipping, weight decay, moving averages, constraints. May import torch and this
folder's gradient functions. Knows no formula. Order of the parts as in Keras.
"""

import re

import torch

from torchkeras.optimizers import gradients


class Extras:
    """The part of an optimizer that surrounds an update."""

    _undecayed = ()
    _undecayed_names = None

    def _has_extras(self):
        return bool(
            self._constrained
            or self.use_ema
            or self.weight_decay
            or self.clipnorm
            or self.clipvalue
            or self.global_clipnorm
            or self.gradient_accumulation_steps
            or self.loss_scale_factor is not None
        )

    def _update_with_extras(self, pairs, update, rate):
        if pairs and self.loss_scale_factor is not None:
            pairs = [(group, gradients.divided(grads, self.loss_scale_factor)) for group, grads in pairs]
        if pairs and self.gradient_accumulation_steps:
            pairs, due = self._accumulate(pairs)
        else:
            due = bool(pairs)
        if due:
            self.begin_update()
            for (group, grads), clip in zip(pairs, self._clips(pairs), strict=True):
                self._update_group(group, grads, clip, update, rate)
            if self.gradient_accumulation_steps:
                self._clear_sums()
        if pairs and self.use_ema:
            self._update_averages()
        for variable in self._constrained:
            variable.copy_(variable.constraint(variable))

    def _update_group(self, group, grads, clip, update, rate):
        def clip_decay_update(portion, grads):
            if clip is not None:
                grads = clip(portion, grads)
            self._decay_weights(portion, rate)
            update(portion, grads, rate)

        unit = self._unit(group)
        if unit is None and clip is not None and self._update_arity is None:
            unit = getattr(update, "unit", None)  # clipped gradients stay in the cache, even for a single kernel
        group.run(clip_decay_update, grads, unit)

    # -- before the update ----------------------------------------------------------------------------------------

    def _accumulate(self, pairs):
        """Adds gradients up; on the last step of a round the sums become their means."""
        steps = self.gradient_accumulation_steps
        due, found = (self._iterations.host + 1) % steps == 0, []
        for group, grads in pairs:
            sums = group.slots["gradient_accumulator"]
            torch._foreach_add_(sums, grads)
            if due:
                torch._foreach_div_(sums, steps)
            found.append((group, sums))
        return found, due

    def _clear_sums(self):
        for group in self._groups():
            torch._foreach_zero_(group.slots["gradient_accumulator"])

    def _clips(self, pairs):
        """For each group a function of a portion of it and its gradients that clips these; or None."""
        if self.clipnorm and self.clipnorm > 0:
            return [gradients.norm_clip(grads, self.clipnorm) for _, grads in pairs]
        if self.global_clipnorm and self.global_clipnorm > 0:
            clip = gradients.global_norm_clip([grads for _, grads in pairs], self.global_clipnorm)
        elif self.clipvalue and self.clipvalue > 0:
            clip = gradients.value_clip(self.clipvalue)
        else:
            clip = None
        return [clip] * len(pairs)

    def _decay_weights(self, group, rate):
        self._shrink(group, self.weight_decay, rate)

    def _shrink(self, group, weight_decay, rate):
        """Takes a fraction off the variables that are not excluded."""
        if not weight_decay:
            return
        params = group.params
        if not self._all_decay():
            params = [p for p, v in zip(params, group.variables, strict=True) if self._use_weight_decay(v)]
        if params:
            torch._foreach_mul_(params, 1.0 - weight_decay * rate)

    def _all_decay(self):
        return not self._undecayed and self._undecayed_names is None

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Keeps variables out of weight decay: those listed, and those whose name contains one of `var_names`."""
        self._undecayed = list(var_list or ())
        names = [var_names] if isinstance(var_names, str) else list(var_names or ())
        self._undecayed_names = re.compile("|".join(names)) if names else None

    def _use_weight_decay(self, variable):
        if any(variable is each for each in self._undecayed):
            return False
        names = self._undecayed_names
        return names is None or names.search(getattr(variable, "name", None) or "") is None

    # -- after the update -----------------------------------------------------------------------------------------

    def _update_averages(self):
        momentum = self.ema_momentum if self._updates_done() else 0.0
        for group in self._groups():
            averages = group.slots["average"]
            torch._foreach_lerp_(averages, group.params, 1.0 - momentum)
        frequency = self.ema_overwrite_frequency
        if frequency and (self._updates_done() + 1) % frequency == 0:
            self._take_averages()

    def _take_averages(self):
        for group in self._groups():
            torch._foreach_copy_(group.params, group.slots["average"])

    def finalize_variable_values(self, var_list):
        """Ends training: with `use_ema`, the variables take their moving averages.

        Args:
            var_list: the variables that the optimizer was built with.
        """
        if not self.use_ema:
            return
        given, known = len(list(var_list)), len(self._trainable_variables)
        if given != known:
            raise ValueError(
                f"The optimizer keeps averages of {known} variables, but {given} were given: pass the variables "
                "that it was built with."
            )
        with torch.no_grad():
            self._take_averages()

    def scale_loss(self, loss):
        """The loss times `loss_scale_factor`, to be differentiated instead of the loss."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # -- variables that take their gradient as new value (scales of float8 layers) ----------------------------------

    def _overwrite(self, direct):
        """Writes gradients into their variables; of accumulated ones the highest, at the end of a round."""
        steps = self.gradient_accumulation_steps
        for variable, grad in direct:
            if not steps:
                variable.copy_(grad)
                continue
            highest = self._accumulated_gradients[self._get_variable_index(variable)]
            torch.maximum(highest, grad, out=highest)
            if (self._iterations.host + 1) % steps == 0:
                variable.copy_(highest)
                highest.zero_()

"""GradientSources: the ways in which Keras code hands gradients to an optimizer, besides torch's `step`.

May import torch and this folder's groups. Knows no formula.
"""

import torch

from torchkeras.core.conversion import as_tensor
from torchkeras.core.transforms import outside_graphs
from torchkeras.errors import NotBuiltError
from torchkeras.optimizers.groups import is_sparse, like_parameter


class GradientSources:
    """`apply`, `apply_gradients`, `minimize`, `compute_gradients`, `stateless_apply`."""

    @outside_graphs
    def apply(self, grads, trainable_variables=None):
        """One update from a list of gradients.

        Args:
            grads: tensors or arrays, one per variable; `None` leaves a variable alone, with a warning.
            trainable_variables: the variables; by default those that the optimizer was built with.

        Raises `ValueError` if all gradients are `None`, for unknown variables, and where numbers or shapes differ.
        """
        grads = list(grads)
        if not grads:
            return
        found = self._present(grads, trainable_variables)
        rows = self._skips_zeros()
        given = {id(v): g if rows and is_sparse(g) else like_parameter(g, v) for v, g in found}
        pairs = []
        with torch.no_grad():
            for group in self._groups():
                present = tuple(i for i, v in enumerate(group.variables) if id(v) in given)
                if present:
                    group = group if len(present) == len(group.variables) else group.pick(present)
                    pairs.append((group, [given[id(v)] for v in group.variables]))
            self._advance(self._fitted(pairs), [(v, given[id(v)]) for v in self._overwritten if id(v) in given])

    def _present(self, grads, variables):
        """Pairs of variable and gradient where there is one. Raises `ValueError` where there is none at all."""
        variables = self._resolve(grads, variables)
        found = [(v, g) for v, g in zip(variables, grads) if g is not None]
        if not found:
            raise ValueError(
                "No gradients provided for any variable: all are None. The loss must be computed from the variables, "
                "with gradients enabled, before it is differentiated."
            )
        if len(found) < len(grads):
            self._warn_missing([v for v, g in zip(variables, grads) if g is None])
        return found

    def _resolve(self, grads, variables):
        if variables is None:
            if not self.built:
                raise NotBuiltError("Pass the variables too, or call optimizer.build(model.trainable_variables) first.")
            variables = self._trainable_variables
        else:
            variables = list(variables)
            if not self.built:
                self.build(variables)
            for variable in variables:
                if id(variable) not in self._trainable_variables_indices:
                    name = getattr(variable, "path", None) or f"of shape {tuple(variable.shape)}"
                    raise ValueError(
                        f"Unknown variable {name}: this optimizer was built with other variables. Make a new "
                        "optimizer, or build this one with all variables that it is to train."
                    )
        if len(grads) != len(variables):
            raise ValueError(
                f"There are {len(grads)} gradients for {len(variables)} variables: one for each is needed."
            )
        return variables

    def apply_gradients(self, grads_and_vars, name=None, **old):
        """One update from pairs of gradient and variable; returns the step counter.

        Args:
            grads_and_vars: iterable of pairs, such as `zip(grads, model.trainable_variables)`.
            name: accepted and ignored, as are Keras 2's `skip_gradients_aggregation` and
                `experimental_aggregate_gradients`.
        """
        unknown = set(old) - {"skip_gradients_aggregation", "experimental_aggregate_gradients"}
        if unknown:
            raise TypeError(f"apply_gradients got unknown arguments {sorted(unknown)}.")
        pairs = list(grads_and_vars)
        if not pairs:
            raise ValueError("apply_gradients got no pairs. An exhausted zip(...) or an empty list of variables?")
        if any(not isinstance(pair, (tuple, list)) or len(pair) != 2 for pair in pairs):
            raise ValueError(
                "apply_gradients takes pairs of gradient and variable, such as zip(grads, model.trainable_variables); "
                "apply(grads, variables) takes two lists."
            )
        grads, variables = zip(*pairs)
        self.apply(grads, variables)
        return self._iterations

    def compute_gradients(self, loss, var_list=None, tape=None):
        """Pairs of gradient and variable for a loss: a function without arguments, or a tensor.

        Args:
            loss: the function or tensor.
            var_list: the variables; by default those that the optimizer was built with.
            tape: a gradient tape that recorded a tensor loss; torch's own graph serves without one.
        """
        variables = list(self._trainable_variables if var_list is None else var_list)
        if tape is not None and not callable(loss):
            return list(zip(tape.gradient(loss, variables), variables))
        if callable(loss) and not isinstance(loss, torch.Tensor):
            with torch.enable_grad():
                loss = loss()
        wanted = [v for v in variables if v.requires_grad]
        grads = iter(torch.autograd.grad(self.scale_loss(loss).sum(), wanted, allow_unused=True))
        return [(next(grads) if v.requires_grad else None, v) for v in variables]

    def minimize(self, loss, var_list=None, tape=None):
        """Computes the gradients of a loss and applies them; arguments as in `compute_gradients`.

        Example:
            >>> v = keras.Variable([1.0, 2.0])
            >>> counter = keras.optimizers.SGD(0.1).minimize(lambda: (v ** 2).sum(), [v])
            >>> v.numpy()
            array([0.8, 1.6], dtype=float32)
        """
        return self.apply_gradients(self.compute_gradients(loss, var_list, tape))

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """One update on given values instead of the variables' own, which stay as they are.

        Args:
            optimizer_variables: values in the order of `variables`.
            grads: gradients in the order of the model variables.
            trainable_variables: values in the order of the model variables.

        Returns `(new_trainable_variables, new_optimizer_variables)`, lists of tensors.
        """
        if not self.built:
            raise NotBuiltError("Call optimizer.build(trainable_variables) before stateless_apply().")
        held = [*self._trainable_variables, *self.variables]
        given = [*trainable_variables, *optimizer_variables]
        count = len(self._trainable_variables)
        if len(optimizer_variables) != len(self.variables) or len(trainable_variables) != count:
            raise ValueError(
                f"stateless_apply needs {len(self.variables)} optimizer values and {count} model values; got "
                f"{len(optimizer_variables)} and {len(trainable_variables)}."
            )
        with torch.no_grad():
            before = [variable.detach().clone() for variable in held]
            try:
                for variable, value in zip(held, given):
                    variable.copy_(as_tensor(value))
                self.apply(grads)
                after = [variable.detach().clone() for variable in held]
            finally:
                for variable, value in zip(held, before):
                    variable.copy_(value)
        return after[:count], after[count:]

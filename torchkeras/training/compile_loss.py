"""CompileLoss: what `compile(loss=..., loss_weights=...)` minimizes.

May import core, losses, metrics and this room. Built from the first prediction, because names and structures show
only then.
"""

import numbers
import types
import warnings

import torch

from torchkeras.core import registry, tree
from torchkeras.core.scopes import state
from torchkeras.core.scores import told_of
from torchkeras.errors import OutputError
from torchkeras.losses import Loss
from torchkeras.metrics import Mean
from torchkeras.metrics.resolve import resolve_loss
from torchkeras.training.outputs import Outputs
from torchkeras.training.torch_objects import as_loss


class CompileLoss:
    """The weighted sum of the losses of all outputs.

    Args:
        loss: name, function, Loss, torch module; a list or dict of them (None leaves an output untrained).
        loss_weights: None, numbers in a list, or a dict by output name; a Variable or tensor counts as it is then.
        output_names: the model's, if it has any.
    """

    def __init__(self, loss, loss_weights=None, output_names=None):
        self.user_loss, self.user_weights, self.output_names = loss, loss_weights, output_names
        for each in tree.flatten(loss_weights):
            scalar = isinstance(each, torch.Tensor) and each.dim() == 0  # one that a callback assigns to, say
            if each is not None and not scalar and not isinstance(each, numbers.Number):
                raise ValueError(f"`loss_weights` must be a number, a list or a dict of numbers, got {loss_weights!r}.")
        _check_known(loss)
        self.outputs = None
        self.trackers = []

    def build(self, y_true, y_pred):
        """Chooses the loss of each output. Raises `ValueError` where losses and outputs do not match."""
        outputs = Outputs(y_pred, self.output_names)
        one_for_all = not tree.is_nested(self.user_loss)
        given = outputs.align(self.user_loss, "`loss`", everywhere=one_for_all)
        self.trained = [index for index, each in enumerate(given) if each is not None]
        targets = outputs.align(y_true, "The target `y`", only=self.trained)
        predictions = outputs.flat(y_pred)
        self.losses = [
            None if each is None else _resolve(each, true, pred)
            for each, true, pred in zip(given, targets, predictions, strict=True)
        ]
        weights = self.user_weights
        if one_for_all and isinstance(weights, (list, tuple)) and len(weights) == 1:
            weights = weights[0]  # one loss, one weight: both for all outputs
        self.weights = outputs.align(weights, "`loss_weights`", everywhere=one_for_all, only=self.trained)
        self._make_trackers(outputs, y_pred)
        self.outputs = outputs
        self._only = self.losses[0] if outputs.single and self.weights[0] is None else None

    def _make_trackers(self, outputs, y_pred):
        """A mean for the loss of each output, where several have one; named by output, else by loss."""
        self._track = [None] * outputs.count
        used = [index for index in outputs.order_of(self.user_loss, y_pred) if self.losses[index] is not None]
        taken = set()
        for index in used if len(used) > 1 else ():
            name = base = f"{outputs.loss_name(index, self.user_loss, self.losses[index])}_loss"
            while name in taken:
                name = f"{base}_{len(taken)}"
            taken.add(name)
            self._track[index] = Mean(name=name)
        self.trackers = [self._track[index] for index in used if self._track[index] is not None]

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The total loss: a scalar tensor with gradients; None if no output has a loss."""
        total, _ = self.evaluate(y_true, y_pred, sample_weight)
        return total

    def evaluate(self, y_true, y_pred, sample_weight=None):
        """`(total, logged)`: they differ only for losses with reduction "none", whose sum is minimized and mean
        shown."""
        if self.outputs is None:
            self.build(y_true, y_pred)
        bare = isinstance(y_true, torch.Tensor) and isinstance(y_pred, torch.Tensor)
        if self._only is None or not bare or tree.is_nested(sample_weight):
            return self._evaluate_all(y_true, y_pred, sample_weight)
        value = _value(self._only, y_true, y_pred, sample_weight)
        return (value, value) if value.dim() == 0 else (value.sum(), value.mean())

    def _evaluate_all(self, y_true, y_pred, sample_weight):
        outputs = self.outputs
        targets = outputs.align(y_true, "The target `y`", only=self.trained)
        weights = outputs.align(sample_weight, "`sample_weight`", everywhere=True)
        total = logged = None
        predictions = outputs.flat(y_pred)
        for index in self.trained:
            factor, tracker, pred = self.weights[index], self._track[index], predictions[index]
            if targets[index] is None:
                raise OutputError(_no_target(index, outputs, targets))
            value = _value(self.losses[index], targets[index], pred, weights[index])
            summed, shown = (value, value) if value.dim() == 0 else (value.sum(), value.mean())
            if tracker is not None:
                tracker.update_state(shown.detach(), sample_weight=_rows(pred))
            if factor is not None:
                summed, shown = summed * factor, shown * factor
            total = summed if total is None else total + summed
            logged = shown if logged is None else logged + shown
        return total, logged


def _value(loss, y_true, y_pred, sample_weight):
    """The loss of one output; by way of its scores where a step of training knows them and the loss can."""
    if state.scores and isinstance(y_true, torch.Tensor) and isinstance(loss, Loss):
        told = told_of(y_pred)
        value = None if told is None else loss.of_scores(y_true, told, sample_weight)
        if value is not None:
            return value
    return loss(y_true, y_pred, sample_weight)


def _no_target(index, outputs, targets):
    there = [name for name, target in zip(outputs.names, targets) if target is not None]
    return (
        f"There is no target for the output {outputs.names[index]!r}, which has a loss: pass `y` for it, or set its "
        f"loss to None. Targets came for {there or 'no output'}."
    )


def _rows(tensor):
    return tensor.shape[0] if tensor.dim() else 1


def _resolve(loss, y_true, y_pred):
    loss = resolve_loss(as_loss(loss), y_true if y_true is not None else y_pred, y_pred)
    if y_true is not None and loss is not None:
        _check_shapes(loss, y_true, y_pred)
    return loss


def _check_shapes(loss, y_true, y_pred):
    """Elementwise losses of ours want equal shapes; those of users may do with targets what they like.

    A target of (N, 5) for an output of (N, 1) is nearly always a mistake, but it is how Keras computes: it warns. What
    cannot be broadcast raises `ValueError`.
    """
    true, pred = tuple(y_true.shape), tuple(y_pred.shape)
    published = registry.entry_of(getattr(loss, "fn", type(loss))) is not None
    if not published or len(true) != len(pred) or true == pred or loss._keeps_labels:
        return
    if any(a != b and 1 not in (a, b) for a, b in zip(true, pred)):
        raise ValueError(
            f"The target has shape {true}, the output of the model {pred}, which do not go together in {loss.name}: "
            "give targets the shape of the output, or the last layer as many units as the targets have columns."
        )
    warnings.warn(
        f"The target has shape {true}, the output {pred}: {loss.name} broadcasts one against the other. Give targets "
        "the shape of the output.",
        stacklevel=3,
    )


# Names by which functions of torch's habit call their arguments.
_PREDICTIONS = {
    "y_pred",
    "pred",
    "preds",
    "prediction",
    "predictions",
    "input",
    "inputs",
    "output",
    "outputs",
    "logits",
    "y_hat",
}
_TARGETS = {"y_true", "true", "target", "targets", "label", "labels", "y"}


def _check_known(loss):
    """Unknown names fail at compile, not in the middle of the first epoch."""
    for each in tree.flatten(loss):
        if isinstance(each, str):
            if each.lower() in ("crossentropy", "ce"):
                continue
            try:
                resolve_loss(each, None, None)
            except ValueError:
                if registry.find(each, ("metric",)) is None:
                    raise
                raise ValueError(
                    f"{each!r} is a metric and no loss, which needs a gradient: pass metrics=[{each!r}], and a loss "
                    "that goes with it, such as 'sparse_categorical_crossentropy', 'binary_crossentropy' or 'mse'."
                ) from None
        elif callable(each):
            if as_loss(each) is each:
                _warn_of_order(each)
            elif isinstance(each, torch.nn.Module) and any(p.requires_grad for p in each.parameters()):
                warnings.warn(
                    f"The loss {type(each).__name__} has parameters of its own, which are not the model's: they do not "
                    "learn. Make them attributes of the model, or give the optimizer both.",
                    stacklevel=4,
                )
        elif each is not None:
            raise ValueError(f"`loss` must be a name, a function or a Loss, got {each!r} ({type(each).__name__}).")


def _warn_of_order(function):
    """Keras gives the target first, whatever the names of the arguments say; who named them otherwise should know."""
    if isinstance(function, types.FunctionType):
        names = list(function.__code__.co_varnames[: function.__code__.co_argcount])[:2]
        if len(names) == 2 and names[0] in _PREDICTIONS and names[1] in _TARGETS:
            warnings.warn(
                f"The loss {function.__name__}({names[0]}, {names[1]}) is called as (y_true, y_pred): {names[0]!r} "
                "gets the target. Only losses of torch.nn and torch.nn.functional get the prediction first: wrap it in "
                "a function (y_true, y_pred), or name its arguments so.",
                stacklevel=5,
            )

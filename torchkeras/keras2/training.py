"""What tf.keras 2 models have besides: containers for custom training steps, class predictions, resetting states.

May import core, training and models. Attaches itself to them; no model knows of it.
"""

import numpy as np
import torch

from torchkeras.core import tree
from torchkeras.models.model import Model
from torchkeras.models.sequential import Sequential
from torchkeras.training.trainer import Trainer


class CompiledLoss:
    """`model.compiled_loss(y, y_pred, regularization_losses=model.losses)` for train steps of Keras 2."""

    def __init__(self, model):
        self.model = model

    def __call__(self, y_true, y_pred, sample_weight=None, regularization_losses=None):
        """The compiled loss plus the given ones, a scalar with gradients; it also goes into the model's loss metric."""
        compiled = self.model._training.compile_loss
        losses = [] if compiled is None else [compiled(y_true, y_pred, sample_weight)]
        losses.extend(regularization_losses or ())
        if not losses:
            raise ValueError("No loss to compute: give compile() a `loss`, or pass `regularization_losses`.")
        total = torch.stack([loss.sum() for loss in losses]).sum()
        rows = tree.flatten(y_pred)[0].shape[0]
        self.model._training.loss_tracker.update_state(total.detach(), sample_weight=rows)
        return total

    @property
    def metrics(self):
        """The loss metric and those of the outputs."""
        compiled = self.model._training.compile_loss
        return [self.model._training.loss_tracker, *(compiled.trackers if compiled is not None else ())]


class CompiledMetrics:
    """`model.compiled_metrics.update_state(y, y_pred, sample_weight)` for train steps of Keras 2."""

    def __init__(self, model):
        self.model = model

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch to the compiled metrics."""
        with torch.no_grad():
            self.model._update_metrics(y_true, y_pred, sample_weight)

    @property
    def metrics(self):
        """The compiled metrics, once a batch has shown the shapes."""
        compiled = self.model._training.compile_metrics
        return [] if compiled is None else compiled.metrics

    def result(self):
        """Log name -> value."""
        compiled = self.model._training.compile_metrics
        return {} if compiled is None else compiled.result()


def _compiled(name, kind):
    def view(self):
        if not self.compiled:  # an AttributeError, so that hasattr() answers and a walk over all members passes
            raise AttributeError(f"Model {self.name!r} has no {name} before compile(loss=..., metrics=...).")
        return kind(self)

    return property(view)


def predict_classes(self, x, batch_size=32, verbose=0):
    """The most probable class of each sample; of a single output unit, whether it exceeds 0.5."""
    probabilities = self.predict(x, batch_size=batch_size, verbose=verbose)
    if probabilities.shape[-1] > 1:
        return probabilities.argmax(axis=-1)
    return (probabilities > 0.5).astype(np.int32)


def predict_proba(self, x, batch_size=32, verbose=0):
    """The older name of `predict`."""
    return self.predict(x, batch_size=batch_size, verbose=verbose)


def reset_states(self):
    """Starts the states of all stateful layers again."""
    for layer in self._flatten_layers(include_self=False):
        if getattr(layer, "stateful", False) and not isinstance(layer, Model):
            layer.reset_state()


def to_yaml(self, **kwargs):
    """Raises `RuntimeError`: reading YAML can run code, so Keras gave it up."""
    raise RuntimeError("to_yaml() was removed from Keras, as reading YAML can run code: use to_json().")


Trainer.compiled_loss = _compiled("compiled_loss", CompiledLoss)
Trainer.compiled_metrics = _compiled("compiled_metrics", CompiledMetrics)
Sequential.predict_classes, Sequential.predict_proba = predict_classes, predict_proba
Model.reset_states = Model.reset_state = reset_states
Model.to_yaml = to_yaml

"""One step of training, evaluation and prediction, and what users override in it.

May import core, losses, optimizers and this room. Nothing here reads a value from the device: losses and metrics add
up in tensors, and the logs are made when someone looks.
"""

import torch

from torchkeras.core import tree
from torchkeras.core.scopes import state
from torchkeras.core.scores import room_for_scores
from torchkeras.training.data import packed, unpack_x_y_sample_weight

_NO_GRADIENT = (
    "The loss does not depend on the model's weights, so there is no gradient: compute it from y_pred by torch or "
    "keras.ops functions, without detach(), numpy(), item(), casts to integers, comparisons or argmax."
)
_OVERRIDABLE = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")
_WORK_OF_AN_UPDATE = 16  # of a weight, in multiplications of a matrix product


class Steps:
    """`train_step`, `test_step`, `predict_step`, `compute_loss`, `compute_metrics`: each overridable, as in Keras."""

    def train_step(self, data):
        """One training step on one batch; returns the logs. Override it for training schemes of your own.

        A step in plain torch looks like this:

            x, y = data
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred)
            self.zero_grad()
            loss.backward()
            self.optimizer.apply([v.grad for v in self.trainable_variables], self.trainable_variables)
            return self.compute_metrics(x, y, y_pred)
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self._learn(x, y, sample_weight)
        with torch.no_grad():
            return self.compute_metrics(x, y, y_pred, sample_weight)

    def _learn(self, x, y, sample_weight):
        """Forward, loss, backward, update; the loss goes into its tracker."""
        training = self._training
        if not training.is_settled():
            training.settle_again(self)
        learned = training.learned
        for variable in learned:
            variable.grad = None
        y_pred, loss = self._to_minimize(x, y, sample_weight)
        if learned:
            loss.backward()
            training.optimizer.step()
        return y_pred

    def _to_minimize(self, x, y, sample_weight):
        """`(prediction, what is differentiated)` of a training step; the loss goes into its tracker."""
        training = self._training
        y_pred, loss, shown = self._forward(x, y, sample_weight, True)
        training.loss_tracker.update_state(shown, sample_weight=_rows(x))  # which needs no gradient
        if training.learned and not loss.requires_grad:
            raise RuntimeError(_NO_GRADIENT)
        scale = getattr(training.optimizer, "scale_loss", None)
        return y_pred, loss if scale is None else scale(loss)

    def _forward(self, x, y, sample_weight, training):
        """`(prediction, what is minimized, what is logged)`. Crossentropies are computed from the scores behind the
        prediction, unless a `compute_loss` of the user's could look at it."""
        outer = state.scores
        state.scores = None if self._overrides("compute_loss") else room_for_scores(self._training.outputs)
        try:
            y_pred = self(x, training=training)
            return y_pred, *self._losses_of_step(x, y, y_pred, sample_weight, training)
        finally:
            state.scores = outer

    def test_step(self, data):
        """One evaluation step on one batch; returns the logs."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self._judge(x, y, sample_weight)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _judge(self, x, y, sample_weight):
        y_pred, _, shown = self._forward(x, y, sample_weight, False)
        self._training.loss_tracker.update_state(shown, sample_weight=_rows(x))
        return y_pred

    def predict_step(self, data):
        """Prediction for one batch."""
        x, _, _ = unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The scalar that a step minimizes: the compiled loss plus everything in `losses`.

        Raises `ValueError` if there is neither.
        """
        return self._training.losses(self, y, y_pred, sample_weight)[0]

    def _losses_of_step(self, x, y, y_pred, sample_weight, training):
        """`(total, shown)`: what is minimized and what is logged. Both are the user's where he overrides
        `compute_loss`."""
        state = self._training
        if not self._overrides("compute_loss"):
            return state.losses(self, y, y_pred, sample_weight)
        loss = self._compute_loss(x, y, y_pred, sample_weight, training)
        return loss, loss

    def _compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """`compute_loss`, which may be the user's and without `training`. Custom steps call it by this name too."""
        more = {"training": training} if self._training.compute_loss_takes_training else {}
        return self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **more)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Updates the compiled metrics and returns all results as a dict of tensors."""
        self._update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def _update_metrics(self, y, y_pred, sample_weight, may_wait=False):
        metrics = self._training.compile_metrics
        if metrics is not None:
            (metrics.take if may_wait else metrics.update_state)(y, y_pred, sample_weight)

    def get_metrics_result(self):
        """Log name -> current value of all metrics, as tensors on the device."""
        results = {}
        for metric in self.metrics:
            value = metric.result()
            results.update(value if isinstance(value, dict) else {metric.name: value})
        return results

    # -- steps as the loops call them ---------------------------------------------------------------------------------

    def _train_function(self, may_wait=False):
        """`batch -> logs or None`: None says that the metrics hold everything and nobody need read them now.
        `may_wait` says that nobody looks at the metrics between batches, so that they may get several together."""
        return self._as_graph("train", self._eager_train_function(may_wait))

    def _test_function(self, may_wait=False):
        return self._as_graph("test", self._eager_test_function(may_wait))

    def _predict_function(self):
        return self._as_graph("predict", self._eager_predict_function())

    def _as_graph(self, phase, eager):
        """The step, by way of `torch.compile` where `compile` was told so."""
        if self._training.graphs is None:
            return eager
        # Asked anew for each batch: a callback may compile.
        return lambda batch: (
            eager(batch) if (own := self._training.graphs) is None else own.run(phase, self, batch, eager)
        )

    def _eager_train_function(self, may_wait):
        if self._overrides("train_step"):
            return lambda batch: self._custom_step(self.train_step, batch)
        if self._overrides("compute_metrics"):
            return lambda batch: Steps.train_step(self, batch)

        def step(batch):
            x, y, sample_weight = batch
            y_pred = self._learn(x, y, sample_weight)
            if self._training.compile_metrics is not None:
                with torch.no_grad():
                    self._update_metrics(y, y_pred, sample_weight, may_wait)

        return step

    def _custom_step(self, step, batch):
        """A step of the user's: it may call parts of the model only, so what earlier steps added is dropped first."""
        self._forget_losses()
        return step(packed(batch))

    def _eager_test_function(self, may_wait):
        if self._overrides("test_step"):
            return lambda batch: self._custom_step(self.test_step, batch)
        if self._overrides("compute_metrics"):
            return lambda batch: Steps.test_step(self, batch)

        def step(batch):
            x, y, sample_weight = batch
            self._update_metrics(y, self._judge(x, y, sample_weight), sample_weight, may_wait)

        return step

    def _eager_predict_function(self):
        if self._overrides("predict_step"):
            return lambda batch: self.predict_step(packed(batch))
        return lambda batch: self(batch[0], training=False)

    def _work_of_step(self, phase):
        """Multiplications of a step, for each sample and for each step (core/processor.py); None where code of the
        user's decides what is computed."""
        work = self._work_of_sample()
        if work is None or self._model_device().type != "cpu" or any(map(self._overrides, _OVERRIDABLE)):
            return None
        if phase == "predict":
            return work, 0
        if not all(map(_is_told, tree.flatten(self._training.loss))):
            return None
        if phase == "test":
            return work, 0
        return 3 * work, _WORK_OF_AN_UPDATE * sum(variable.numel() for variable in self._training.learned)

    def _overrides(self, name):
        return getattr(type(self), name) is not getattr(Steps, name)


def _rows(x):
    if isinstance(x, torch.Tensor):
        return x.shape[0] if x.dim() else 1
    for leaf in tree.flatten(x):
        if leaf is not None:
            return leaf.shape[0]
    return 1


def _is_told(loss):
    """Whether a loss is a name or one of this library's or torch's: none of them computes more than the model."""
    kind = loss if hasattr(loss, "__qualname__") else type(loss)
    return loss is None or isinstance(loss, str) or (kind.__module__ or "").startswith(("torchkeras.", "torch."))

"""Names of a model's training that Keras keeps private and that custom steps use all the same.

May import core and this room. A mixin of Trainer. Nothing in the package reads these names.
"""

from torchkeras.core.layer_views import View


class TrainerViews:
    """Views of `Compiled` and of the trainer's methods."""

    _loss_tracker = View(lambda model: model._training.loss_tracker, "The mean of the losses; None before `compile`.")
    _compile_loss = View(lambda model: model._training.compile_loss, "What `compile(loss=...)` made of its argument.")
    _compile_metrics = View(lambda model: model._training.compile_metrics, "The same for `metrics`.")

    def _get_metrics_result_or_logs(self, logs):
        return self._result_or(logs)

    def _flatten_metrics_in_order(self, logs):
        values = [logs[name] for name in self._ordered_names(logs)]
        return values[0] if len(values) == 1 else values

    def _assert_compile_called(self, method_name="fit"):
        self._require_compiled(method_name or "fit")

"""Single batches: one update, one evaluation, one prediction, and the functions that do them.

May import this room. A mixin of Trainer, for loops that users write themselves.
"""

import torch

from torchkeras.callbacks.logs import python_logs
from torchkeras.core import tree
from torchkeras.core.processor import at_work
from torchkeras.training.array_source import ArraySource
from torchkeras.training.compiled import epoch
from torchkeras.training.data import packed, unpack_x_y_sample_weight
from torchkeras.training.results import to_numpy


class SingleBatches:
    """`train_on_batch`, `test_on_batch`, `predict_on_batch`, and what Keras's loops call per batch."""

    def _one_batch(self, x, y=None, sample_weight=None, class_weight=None):
        self._own_training().looked = True
        return ArraySource(
            x, y, sample_weight, batch_size=2**62, class_weight=class_weight, device=self._model_device()
        ).first_batch()

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False, reset_metrics=True):
        """One update on one batch. Returns the loss, or a list in the order of `metrics_names`, or a dict.

        The numbers are running means since the last `reset_metrics()`; `reset_metrics=True` starts them again for
        this batch.
        """
        self._require_compiled("train_on_batch")
        if class_weight is not None and sample_weight is not None:
            raise ValueError("Give `class_weight` or `sample_weight` for one batch, not both.")
        batch = self._one_batch(x, y, sample_weight, class_weight)
        with epoch(self), self._training.trainable.in_force(self):
            if reset_metrics:
                self.reset_metrics()
            self._get_ready_to_learn(batch)
            with at_work(self._step_of("train"), self._work_of_step("train")) as step:
                logs = step(batch)
            return self._in_order(python_logs(self._result_or(logs)), return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False, reset_metrics=True):
        """Loss and metrics on one batch, without an update. Returned as by `train_on_batch`."""
        self._require_compiled("test_on_batch")
        batch = self._one_batch(x, y, sample_weight)
        with epoch(self), torch.no_grad():
            if reset_metrics:
                self.reset_metrics()
            self._ensure_weights(batch)
            with at_work(self._step_of("test"), self._work_of_step("test")) as step:
                logs = step(batch)
            return self._in_order(python_logs(self._result_or(logs)), return_dict)

    def predict_on_batch(self, x):
        """Numpy prediction for one batch."""
        with torch.no_grad(), at_work(self._step_of("predict"), self._work_of_step("predict")) as step:
            return tree.map_structure(to_numpy, step(self._one_batch(x)))

    # -- functions of steps -------------------------------------------------------------------------------------------

    def _step_of(self, phase, **options):
        """What the loops run on each batch: the step, or the function in its place of users who override
        `make_train_function`, or set `train_function`; likewise for "test" and "predict"."""
        kept, maker = f"{phase}_function", f"make_{phase}_function"
        function, own = getattr(self._training, kept), getattr(SingleBatches, maker)
        if function is None and getattr(type(self), maker) is not own:
            function = getattr(self, maker)()
            function = getattr(self._training, kept) or function  # Keras 3 looks at one, Keras 2 at the other
        if function is None or getattr(function, "_is_the_step", False):
            return getattr(self, f"_{kept}")(**options)
        return lambda batch: function(_OneBatch([packed(batch)]))

    def make_train_function(self, force=False):
        """The function that trains on a list or iterator of one batch and returns its logs.

        Override it to wrap whole steps: what it leaves in `train_function` is what `fit` runs on each batch.
        """

        def train(batch):
            with self._training.trainable.in_force(self):
                self._get_ready_to_learn(batch)
                return self._train_function()(batch)

        return self._kept("train_function", train, force)

    def make_test_function(self, force=False):
        """As `make_train_function`, for evaluation."""

        def test(batch):
            with torch.no_grad():
                self._ensure_weights(batch)
                return self._test_function()(batch)

        return self._kept("test_function", test, force)

    def make_predict_function(self, force=False):
        """As `make_train_function`, for prediction: returns the outputs."""

        def predict(batch):
            with torch.no_grad():
                return self._predict_function()(batch)

        return self._kept("predict_function", predict, force)

    def _kept(self, name, step, force):
        if getattr(self, name) is None or force:

            def function(batches):
                batch = unpack_x_y_sample_weight(next(iter(batches)))
                with at_work(step) as flushing:
                    logs = flushing(batch)
                return self.get_metrics_result() if logs is None else logs

            function._is_the_step = True
            setattr(self, name, function)
        return getattr(self, name)


class _OneBatch(list):
    """A batch as the functions of users find it: the first of a list in Keras 3, the next of an iterator in Keras 2."""

    def __next__(self):
        if not self:
            raise StopIteration
        return self.pop()

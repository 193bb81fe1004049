"""The loops: fit, evaluate, predict, over data that are taken batch by batch.

May import core, callbacks and this room. A mixin of Trainer; what happens in a step is said in steps.py.
"""

import contextlib
import warnings

import torch

from torchkeras.callbacks import CallbackList, History
from torchkeras.callbacks.logs import UnreadLogs, python_logs
from torchkeras.core import processor, scopes
from torchkeras.training.arguments import refuse_unknown, whole_number
from torchkeras.training.array_source import ArraySource
from torchkeras.training.compiled import epoch
from torchkeras.training.data import split_validation, unpack_x_y_sample_weight
from torchkeras.training.progress import Progress
from torchkeras.training.results import Predictions
from torchkeras.training.sources import kind_of, source_of

_STOP = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}
_ROWS_TOGETHER = 4096  # samples, and
_WORK_TOGETHER = 2**26  # multiplications, up to which batches of a prediction are computed at once
_NO_CALLBACKS = CallbackList()


class Loops:
    """`fit`, `evaluate`, `predict`."""

    def _loop_callbacks(self, callbacks, verbose, with_history=False, **params):
        if isinstance(callbacks, CallbackList):
            if with_history and not any(isinstance(callback, History) for callback in callbacks):
                callbacks.append(History())
                callbacks.set_model(self)
            return callbacks
        verbose = 1 if verbose == "auto" else verbose
        return CallbackList(callbacks, with_history, verbose != 0, model=self, verbose=verbose, **params)

    # -- fit ----------------------------------------------------------------------------------------------------------

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        **older,
    ):
        """Trains the model.

        Args:
            x, y: arrays or tensors (data frames, memory maps, HDF5 data sets, sparse matrices of scipy too), or lists,
                tuples and dicts of them; the first axis counts the samples. Or, as `x` alone, what makes batches
                `(x, y)` or `(x, y, sample_weight)`: a generator, a DataLoader, a PyDataset, any iterable; a torch
                Dataset gives single samples.
            batch_size: samples per update, for arrays and torch Datasets; by default 32, or what makes
                `steps_per_epoch` steps of an array's rows.
            epochs: number of the last epoch; with `initial_epoch=2, epochs=5` three are run.
            verbose: 0 silent, 1 or "auto" a progress bar, 2 a line per epoch.
            callbacks: Callback objects.
            validation_split: share of the samples, taken from the end, to validate on.
            validation_data: `(x, y)` or `(x, y, sample_weight)` to validate on, or what makes batches of these.
            shuffle: new order of the samples in each epoch.
            class_weight: dict of class index -> weight.
            sample_weight: weights of the samples.
            steps_per_epoch, validation_steps: number of batches, where not all are wanted, or where the data have no
                end. The next epoch goes on where the last one stopped; validation always begins again.
            validation_freq: every how many epochs to validate, or the list of epochs.
            older: `workers`, `use_multiprocessing`, `max_queue_size` of Keras 2, for a PyDataset; no effect elsewhere.

        Returns a History: `history.history` maps log names to one number per epoch. Interrupting with Ctrl-C leaves
        a usable model.

        Raises `ValueError` before `compile`, for empty data and for what does not fit the model, and
        `UnsupportedInputError` for data that are no numbers.

        Example:
            >>> history = model.fit(x, y, epochs=3, batch_size=4, verbose=0)
            >>> history.epoch
            [0, 1, 2]

        In torch: the loop `optimizer.zero_grad(); loss_fn(model(x), y).backward(); optimizer.step()` over a DataLoader.
        """
        self._require_compiled("fit")
        refuse_unknown(Loops.fit, older)
        epochs, initial_epoch = (
            _capped_epochs(whole_number("epochs", epochs)),
            whole_number("initial_epoch", initial_epoch),
        )
        if validation_split and validation_data is None:
            if kind_of(x) is not ArraySource:
                raise ValueError(
                    f"`validation_split` cuts arrays, got `x` of type {type(x).__name__}: pass `validation_data`."
                )
            (x, y, sample_weight), validation_data = split_validation(x, y, sample_weight, validation_split)
        source = source_of(
            x, y, sample_weight, batch_size=batch_size, shuffle=shuffle, class_weight=class_weight,
            device=self._model_device(), steps=steps_per_epoch, **older,
        )  # fmt: skip
        options = {"batch_size": validation_batch_size or batch_size, "steps": validation_steps, **older}
        validate = self._validator(validation_data, validation_freq, options)
        self.stop_training = False
        with self._training.trainable.in_force(self), contextlib.closing(source):
            self._get_ready_to_learn(self._first_look(source))
            callbacks = self._loop_callbacks(callbacks, verbose, True, epochs=epochs, steps=source.num_batches)
            progress = Progress(self, source)
            callbacks.set_progress(progress)
            callbacks.on_train_begin()
            logs = {}
            for number in range(progress.first_epoch(initial_epoch), epochs):
                if source.ended():
                    break
                with epoch(self):
                    self.reset_metrics()
                    callbacks.on_epoch_begin(number)
                    step = self._step_of("train", may_wait=not callbacks.look_at("train"))
                    first, batches = progress.batches()
                    logs = self._run_epoch("train", batches, step, callbacks, first)
                    logs = python_logs(self._result_or(logs), nested=True)
                if validate is not None and validate.due(number):
                    logs.update({f"val_{name}": value for name, value in validate(callbacks).items()})
                callbacks.on_epoch_end(number, logs)
                if self.stop_training:
                    break
            self._training.finish()
            callbacks.on_train_end(logs)
        return self.history

    def _first_look(self, source):
        """A batch to make weights for. It costs random numbers where Keras looks at the data: for the first time after
        a `compile` with a loss or metrics, and as long as a layer is not built."""
        training = self._training
        looked = training.looked or (training.compile_loss is None and training.compile_metrics is None)
        training.looked = True
        if looked and all(layer.built for layer in self._flatten_layers()):
            return None  # nothing is to be learned from it
        return source.look()

    def _run_epoch(self, phase, batches, step, callbacks, first=0):
        """One pass over batches, to train, test or predict: what the last step gave.

        The batch hooks run every `steps_per_execution` batches, and after the last one.

        Args:
            phase: "train", "test" or "predict"; names the hooks and the flag by which a callback stops the pass.
            step: takes a batch and gives logs, or None where the metrics hold everything.
            first: the number of the first batch, where those before it have been run already.
        """
        begin, end = callbacks.batch_hooks(phase)
        every, stop = self.steps_per_execution, _STOP[phase]
        unread = self._unread_logs()
        index, logs = first - 1, None
        # What runs beside ends with the loop, also where a step fails.
        with contextlib.closing(batches), processor.at_work(step, self._work_of_step(phase)) as step:
            for index, batch in enumerate(batches, first):
                if begin is not None and index % every == 0:
                    begin(index)
                logs = step(batch)
                if end is not None and (index + 1) % every == 0:
                    end(index, unread if logs is None else logs)
                if getattr(self._training, stop):
                    break
        if end is not None and index >= first and (index + 1) % every:
            end(index, unread if logs is None else logs)
        return logs

    def _run_whole(self, phase, source, step, callbacks):
        """`_run_epoch` over data that nothing is learned from. Small batches are computed several at a time where that
        makes no difference but of rounding; the bar counts them one by one."""
        together = self._batches_together(phase, source, callbacks)
        if together == 1:
            return self._run_epoch(phase, source.batches(restart=phase == "test"), step, callbacks)
        index, logs, unread = -1, None, self._unread_logs()
        end = callbacks.batch_hooks(phase)[1]
        with processor.at_work(step, self._work_of_step(phase)) as step:
            for batch in source.batches(restart=True, together=together):
                logs = step(batch)
                first, index = index + 1, min(index + together, source.num_batches - 1)
                for each in range(first, index + 1) if end is not None else ():
                    end(each, unread if logs is None else logs)
        return logs

    def _batches_together(self, phase, source, callbacks):
        work = self._work_of_step(phase)
        if work is None or self.steps_per_execution > 1 or self.jit_compile or callbacks.look_at(phase):
            return 1
        if not isinstance(source, ArraySource) or source.steps is not None or not self._takes_rows_apart():
            return 1
        if phase == "test" and not self._training.adds_up_by_rows(source):
            return 1
        rows = min(_ROWS_TOGETHER, _WORK_TOGETHER // max(work[0], 1))
        return max(1, min(rows // source.batch_size, source.num_batches))

    def _unread_logs(self):
        """The logs of batches whose steps leave everything in the metrics."""
        own = self._training.loss_tracker is None or self._overrides("get_metrics_result")
        return UnreadLogs(self.get_metrics_result, None if own else lambda: self._training.loss_tracker.so_far())

    def _validator(self, data, freq, options):
        if data is None:
            return None
        if isinstance(data, (list, tuple)) and not 1 <= len(data) <= 3:
            raise ValueError(f"`validation_data` must be (x, y) or (x, y, sample_weight), got {len(data)} entries.")
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        source = source_of(x, y, sample_weight, device=self._model_device(), what="validation_data", **options)
        return _Validation(self, source, freq)

    # -- evaluate and predict -----------------------------------------------------------------------------------------

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **older,
    ):
        """Loss and metrics on data: a number, a list in the order of `metrics_names`, or a dict (`return_dict=True`).

        Arguments and errors as in `fit`; `steps` limits the number of batches. Nothing is learned, no gradient formed.

        Example:
            >>> list(model.evaluate(x, y, verbose=0, return_dict=True))
            ['loss', 'mae']
        """
        self._require_compiled("evaluate")
        refuse_unknown(Loops.evaluate, older)
        source = source_of(
            x, y, sample_weight, batch_size=batch_size, device=self._model_device(), steps=steps, **older
        )
        with contextlib.closing(source):
            with torch.no_grad():
                self._ensure_weights(self._first_look(source))
            callbacks = self._loop_callbacks(callbacks, verbose, epochs=1, steps=source.num_batches)
            return self._in_order(self._test(source, callbacks), return_dict)

    def _test(self, source, callbacks):
        """Logs of one pass over the data, without gradients."""
        with epoch(self):
            callbacks.on_test_begin()
            self.reset_metrics()
            self._own_training().stop_evaluating = False
            step = self._step_of("test", may_wait=not callbacks.look_at("test"))
            with torch.no_grad():
                logs = self._run_whole("test", source, step, callbacks)
                logs = python_logs(self._result_or(logs))
        callbacks.on_test_end(logs)
        return logs

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, **older):
        """Numpy predictions for all samples, in the structure of the model's outputs.

        Arguments as in `fit`; no `compile` is needed. One call of the model on tensors is `model(x)`.

        Example:
            >>> model.predict(x, verbose=0).shape
            (8, 1)

        In torch: `with torch.no_grad(): model(x).numpy()`, batch by batch.
        """
        refuse_unknown(Loops.predict, older)
        source = source_of(
            x, batch_size=batch_size, device=self._model_device(), steps=steps, may_be_empty=True, **older
        )
        if callbacks is None and verbose == 0:
            callbacks = _NO_CALLBACKS
        else:
            callbacks = self._loop_callbacks(callbacks, verbose, epochs=1, steps=source.num_batches)
        predictions = Predictions(source.rows, self.steps_per_execution)
        predict = self._step_of("predict")

        def step(batch):
            with scopes.override(losses=[]):  # a training of this model in another thread keeps its own
                return predictions.add(predict(batch))

        with torch.no_grad(), contextlib.closing(source):
            callbacks.on_predict_begin()
            self._own_training().stop_predicting = False
            self._run_whole("predict", source, step, callbacks)
            callbacks.on_predict_end()
        return predictions.result()


class _Validation:
    """Validation inside fit: when it is due, and a pass over its data."""

    def __init__(self, model, source, freq):
        self.model, self.source, self.freq = model, source, freq
        if not isinstance(freq, (int, list, tuple, set)) or (isinstance(freq, int) and freq < 1):
            raise ValueError(f"`validation_freq` must be a positive integer or a list of epochs, got {freq!r}.")

    def due(self, epoch):
        epoch += 1
        return epoch % self.freq == 0 if isinstance(self.freq, int) else epoch in self.freq

    def __call__(self, callbacks):
        with contextlib.closing(self.source):
            return {} if self.source.ended() else self.model._test(self.source, callbacks)


def _capped_epochs(epochs):
    """`keras.config.set_max_epochs`, for trying programs out."""
    most = scopes.settings.max_epochs
    if most and most < epochs:
        warnings.warn(f"Limiting epochs to {most}", stacklevel=3)
        return most
    return epochs

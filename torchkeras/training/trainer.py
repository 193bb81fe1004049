"""Trainer: compile, fit, evaluate, predict. A mixin of Model.

May import core, the families and this room. `fit -> epoch -> step`, each small; the steps are in steps.py.
"""

import inspect

import numpy as np
import torch

from torchkeras import optimizers
from torchkeras.callbacks import CallbackList, History
from torchkeras.core import scopes, shape_probe, tree
from torchkeras.core.dtypes import NAMES
from torchkeras.core.symbolic import KerasTensor
from torchkeras.errors import UnknownArgumentError
from torchkeras.metrics import Mean
from torchkeras.training.compile_loss import CompileLoss
from torchkeras.training.compile_metrics import CompileMetrics
from torchkeras.training.data import ArraySource, rows_of, split_validation, to_arrays, unpack_x_y_sample_weight
from torchkeras.training.steps import Steps
from torchkeras.training.trainable_state import CompiledTrainable

_OLDER_COMPILE = (
    "sample_weight_mode",
    "target_tensors",
    "cloning",
    "experimental_run_tf_function",
    "from_serialized",
    "pss_evaluation_shards",
)
_OLDER_LOOP = ("workers", "use_multiprocessing", "max_queue_size")


class Trainer(Steps):
    """What makes a layer trainable. See `Model`."""

    optimizer = None
    loss = loss_weights = None
    compiled = False
    stop_training = False
    history = None
    run_eagerly = False
    jit_compile = False
    steps_per_execution = 1
    train_function = test_function = predict_function = None
    _compile_arguments = None

    # -- compile ------------------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
        **older,
    ):
        """Says how the model is trained.

        Args:
            optimizer: name, Keras optimizer, or `torch.optim` optimizer over the model's parameters.
            loss: name, function `(y_true, y_pred)`, Loss or torch loss; a list or dict of them for several outputs.
            loss_weights: factors, as a list or dict.
            metrics: names, functions or Metrics; lists or dicts by output for several outputs.
            weighted_metrics: metrics that take the sample weights.
            steps_per_execution: batch hooks of callbacks run every so many batches.
            jit_compile: True compiles the forward pass with `torch.compile`; "auto" does not.
            auto_scale_loss: under `mixed_float16`, wrap the optimizer in a LossScaleOptimizer.
            older: keywords of Keras 2 that have no effect.

        The layers' `trainable` flags count as they are now, for all training until the next `compile`.
        """
        _refuse_unknown("compile", older, _OLDER_COMPILE)
        if metrics is None and _looks_like_metrics(loss_weights):  # Keras 2's third positional argument
            metrics, loss_weights = loss_weights, None
        d = self.__dict__
        d["_compile_arguments"] = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        optimizer = optimizers.get(optimizer)
        if (
            auto_scale_loss
            and self.dtype_policy.name == "mixed_float16"
            and isinstance(optimizer, optimizers.Optimizer)
        ):
            if not isinstance(optimizer, optimizers.LossScaleOptimizer):
                optimizer = optimizers.LossScaleOptimizer(optimizer)
        if not hasattr(steps_per_execution, "__index__") or int(steps_per_execution) < 1:
            raise ValueError(f"`steps_per_execution` must be a positive integer, got {steps_per_execution!r}.")
        d.update(
            optimizer=optimizer,
            loss=loss,
            loss_weights=loss_weights,
            run_eagerly=run_eagerly,
            steps_per_execution=int(steps_per_execution),
            jit_compile=jit_compile is True,
            compiled=True,
            stop_training=False,
            _compiled_call_impl=None,
            _loss_sources_at=None,
            _learned=None,
            _loss_tracker=Mean(name="loss"),
            _compile_loss=None if loss is None else CompileLoss(loss, loss_weights, self._known_output_names()),
            _compile_metrics=None,
            _compiled_trainable=CompiledTrainable(self),
        )
        if metrics is not None or weighted_metrics is not None:
            d["_compile_metrics"] = CompileMetrics(metrics, weighted_metrics, self._known_output_names())
        parameters = inspect.signature(self.compute_loss).parameters
        d["_loss_takes_training"] = "training" in parameters or any(
            p.kind is p.VAR_KEYWORD for p in parameters.values()
        )
        if self.jit_compile:
            torch.nn.Module.compile(self)

    def _known_output_names(self):
        try:
            return self.output_names
        except AttributeError:
            return None

    def compile_from_config(self, config):
        """Compiles with what `get_compile_config` gave."""
        self.compile(**config)

    def get_compile_config(self):
        """The arguments of `compile`."""
        return dict(self._compile_arguments) if self.compiled else None

    def _require_compiled(self, what):
        if not self.compiled:
            raise ValueError(
                f"You must call `compile()` before calling `{what}()`: say which optimizer and loss to use."
            )

    # -- metrics ------------------------------------------------------------------------------------------------------

    @property
    def metrics(self):
        """Loss tracker, compiled metrics, loss trackers of the outputs, then metrics held as attributes."""
        d = self.__dict__
        found = []
        if self.compiled:
            found.append(d["_loss_tracker"])
            if d["_compile_metrics"] is not None:
                found.append(d["_compile_metrics"])
            if d["_compile_loss"] is not None:
                found.extend(d["_compile_loss"].trackers)
        for layer in self._flatten_layers():
            found.extend(metric for metric in layer._metrics if not any(metric is other for other in found))
        return found

    @property
    def metrics_names(self):
        """Names in the order of the list that `evaluate` returns."""
        return self._ordered_names(self.get_metrics_result()) if self.compiled else []

    def reset_metrics(self):
        """Starts all metrics again."""
        for metric in self.metrics:
            metric.reset_state()

    def _ordered_names(self, logs):
        """Loss, compiled metrics in the user's order, output losses; then what is left, by name."""
        first = []
        for metric in self.metrics:
            first.extend([m.name for m in metric.metrics] if isinstance(metric, CompileMetrics) else [metric.name])
        first = [name for name in dict.fromkeys(first) if name in logs]
        return first + sorted(name for name in logs if name not in first)

    def _in_order(self, logs, return_dict):
        logs = {name: _number(value) for name, value in logs.items()}
        if return_dict:
            return dict(sorted(logs.items()))
        values = [logs[name] for name in self._ordered_names(logs)]
        return values[0] if len(values) == 1 else values

    def _result_or(self, logs):
        """The metrics' results, unless a step of the user's returned logs of its own."""
        results = self.get_metrics_result()
        if isinstance(logs, dict) and set(logs) != set(results):
            return logs
        return results

    # -- getting ready ------------------------------------------------------------------------------------------------

    def _model_device(self):
        for parameter in self.parameters():
            return parameter.device
        return scopes.default_device()

    def _ensure_weights(self, batch):
        """Weights for the shapes of a batch, without running on data."""
        if self._has_all_weights():
            return
        x = batch[0]

        def spec(leaf):
            if not isinstance(leaf, torch.Tensor):
                return leaf
            return KerasTensor((None, *leaf.shape[1:]), dtype=NAMES[leaf.dtype])

        specs = tree.map_structure(spec, x)
        with self._scope():
            if not self.built:
                self._build_from({"inputs": specs})
            if not self._has_all_weights():
                shape_probe.infer(self._probe_call, (specs,), {})
        self.__dict__["_weights_made"] = True

    def _has_all_weights(self):
        return self.__dict__.get("_weights_made") or (self.built and getattr(self, "_graph", None) is not None)

    def _get_ready_to_learn(self, batch):
        """Weights, optimizer state, the list of what is learned. Called with the compiled `trainable` flags in
        force."""
        d = self.__dict__
        if not self._overrides("predict_step") or d.get("_compile_loss") is not None:
            self._ensure_weights(batch)
        learned = self.trainable_variables
        optimizer = d["optimizer"]
        if isinstance(optimizer, optimizers.Optimizer) and not optimizer.built and learned:
            optimizer.build(learned)
        d["_learned"] = learned

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
            x, y: arrays or tensors, or lists, tuples and dicts of them; the first axis counts the samples.
            batch_size: samples per update, 32 by default.
            epochs: number of the last epoch; with `initial_epoch=2, epochs=5` three are run.
            verbose: 0 silent, 1 or "auto" a progress bar, 2 a line per epoch.
            callbacks: Callback objects.
            validation_split: share of the samples, taken from the end, to validate on.
            validation_data: `(x, y)` or `(x, y, sample_weight)` to validate on.
            shuffle: new order of the samples in each epoch.
            class_weight: dict of class index -> weight.
            sample_weight: weights of the samples.
            steps_per_epoch, validation_steps: number of batches, where not all are wanted.
            validation_freq: every how many epochs to validate, or the list of epochs.
            older: `workers`, `use_multiprocessing`, `max_queue_size` of Keras 2: no effect on arrays.

        Returns a History: `history.history` maps log names to one number per epoch. Interrupting with Ctrl-C leaves
            a usable model.
        """
        self._require_compiled("fit")
        _refuse_unknown("fit", older)
        data = _adapt(x, y, sample_weight)
        if validation_split and validation_data is None:
            data, validation_data = split_validation(data, validation_split)
        device = self._model_device()
        source = ArraySource(*data, batch_size, shuffle, class_weight, device, steps_per_epoch)
        validate = self._validator(
            validation_data, validation_batch_size or batch_size, validation_steps, validation_freq
        )
        self.__dict__["stop_training"] = False
        with self._compiled_trainable.in_force(self):
            self._get_ready_to_learn(source.first_batch())
            callbacks = self._loop_callbacks(callbacks, verbose, True, epochs=epochs, steps=source.num_batches)
            callbacks.on_train_begin()
            logs = {}
            for epoch in range(initial_epoch, epochs):
                self.reset_metrics()
                callbacks.on_epoch_begin(epoch)
                logs = dict(self._result_or(self._train_epoch(source, callbacks)))
                if validate is not None and validate.due(epoch):
                    logs.update({f"val_{name}": value for name, value in validate(callbacks).items()})
                callbacks.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            self._finish_learning()
            callbacks.on_train_end(logs)
        return self.history

    def _train_epoch(self, source, callbacks):
        step, logs, every = self._train_function(), None, self.steps_per_execution
        begin, end = callbacks.has_train_batch_begin, callbacks.has_train_batch_end
        index = -1
        for index, batch in enumerate(source.batches()):
            if begin and index % every == 0:
                callbacks.on_train_batch_begin(index)
            logs = step(batch)
            if end and (index + 1) % every == 0:
                callbacks.on_train_batch_end(index, self.get_metrics_result if logs is None else logs)
            if self.stop_training:
                break
        if end and (index + 1) % every:
            callbacks.on_train_batch_end(index, self.get_metrics_result if logs is None else logs)
        return logs

    def _finish_learning(self):
        optimizer = self.optimizer
        if isinstance(optimizer, optimizers.Optimizer) and self._learned:
            optimizer.finalize_variable_values(self._learned)

    def _validator(self, data, batch_size, steps, freq):
        if data is None:
            return None
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        return _Validation(self, _adapt(x, y, sample_weight, "validation_data"), batch_size, steps, freq)

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

        Arguments as in `fit`; `steps` limits the number of batches.
        """
        self._require_compiled("evaluate")
        _refuse_unknown("evaluate", older)
        source = ArraySource(*_adapt(x, y, sample_weight), batch_size, device=self._model_device(), steps=steps)
        with torch.no_grad():
            self._ensure_weights(source.first_batch())
        callbacks = self._loop_callbacks(callbacks, verbose, epochs=1, steps=source.num_batches)
        return self._in_order(self._test(source, callbacks), return_dict)

    def _test(self, source, callbacks):
        """Logs of one pass over the data, without gradients."""
        step, logs, every = self._test_function(), None, self.steps_per_execution
        begin, end = callbacks.has_test_batch_begin, callbacks.has_test_batch_end
        callbacks.on_test_begin()
        self.reset_metrics()
        self.__dict__["stop_evaluating"] = False
        index = -1
        with torch.no_grad():
            for index, batch in enumerate(source.batches(restart=True)):
                if begin and index % every == 0:
                    callbacks.on_test_batch_begin(index)
                logs = step(batch)
                if end and (index + 1) % every == 0:
                    callbacks.on_test_batch_end(index, self.get_metrics_result if logs is None else logs)
                if self.__dict__["stop_evaluating"]:
                    break
            if end and (index + 1) % every:
                callbacks.on_test_batch_end(index, self.get_metrics_result if logs is None else logs)
            logs = dict(self._result_or(logs))
        callbacks.on_test_end(logs)
        return logs

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None, **older):
        """Numpy predictions for all samples, in the structure of the model's outputs."""
        _refuse_unknown("predict", older)
        arrays = _adapt(x)
        if rows_of(arrays) == 0:
            return self._predict_nothing(arrays)
        source = ArraySource(*arrays, batch_size, device=self._model_device(), steps=steps)
        step = self._predict_function()
        quiet = callbacks is None and verbose == 0
        callbacks = None if quiet else self._loop_callbacks(callbacks, verbose, epochs=1, steps=source.num_batches)
        outputs = []
        with torch.no_grad():
            if not quiet:
                callbacks.on_predict_begin()
            self.__dict__["stop_predicting"] = False
            for index, batch in enumerate(source.batches()):
                if not quiet:
                    callbacks.on_predict_batch_begin(index)
                outputs.append(step(batch))
                if source.device.type == "cuda":
                    outputs[-1] = tree.map_structure(lambda t: t.to("cpu", non_blocking=True), outputs[-1])
                if not quiet:
                    callbacks.on_predict_batch_end(index, {"outputs": outputs[-1]})
                if self.__dict__["stop_predicting"]:
                    break
            if source.device.type == "cuda":
                torch.cuda.current_stream(source.device).synchronize()
            if not quiet:
                callbacks.on_predict_end()
        return _joined(outputs)

    def _predict_nothing(self, arrays):
        """No samples: empty arrays of the right shape, where the model's outputs are known."""
        with torch.no_grad():
            return tree.map_structure(_to_numpy, self(arrays[0], training=False))

    # -- single batches -----------------------------------------------------------------------------------------------

    def _one_batch(self, x, y=None, sample_weight=None, class_weight=None):
        source = ArraySource(
            *_adapt(x, y, sample_weight), 2**62, class_weight=class_weight, device=self._model_device()
        )
        return next(iter(source.batches()))

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False, reset_metrics=True):
        """One update on one batch. Returns the loss, or a list in the order of `metrics_names`, or a dict.

        The numbers are running means since the last `reset_metrics()`; `reset_metrics=True` starts them again for
        this batch.
        """
        self._require_compiled("train_on_batch")
        if class_weight is not None and sample_weight is not None:
            raise ValueError("Give `class_weight` or `sample_weight` for one batch, not both.")
        batch = self._one_batch(x, y, sample_weight, class_weight)
        if reset_metrics:
            self.reset_metrics()
        with self._compiled_trainable.in_force(self):
            self._get_ready_to_learn(batch)
            logs = self._train_function()(batch)
        return self._in_order(self._result_or(logs), return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False, reset_metrics=True):
        """Loss and metrics on one batch, without an update. Returned as by `train_on_batch`."""
        self._require_compiled("test_on_batch")
        batch = self._one_batch(x, y, sample_weight)
        if reset_metrics:
            self.reset_metrics()
        with torch.no_grad():
            self._ensure_weights(batch)
            logs = self._test_function()(batch)
            return self._in_order(self._result_or(logs), return_dict)

    def predict_on_batch(self, x):
        """Numpy prediction for one batch."""
        with torch.no_grad():
            return tree.map_structure(_to_numpy, self._predict_function()(self._one_batch(x)))

    def make_train_function(self, force=False):
        """The function that trains on a list or iterator of one batch and returns its logs."""
        return self._make_function("train_function", "_train_function", force)

    def make_test_function(self, force=False):
        """As `make_train_function`, for evaluation."""
        return self._make_function("test_function", "_test_function", force)

    def make_predict_function(self, force=False):
        """As `make_train_function`, for prediction."""
        return self._make_function("predict_function", "_predict_function", force)

    def _make_function(self, name, source, force):
        if self.__dict__.get(name) is None or force:
            step = getattr(self, source)()

            def function(batches):
                batch = unpack_x_y_sample_weight(next(iter(batches)))
                logs = step(batch)
                return self.get_metrics_result() if logs is None else logs

            self.__dict__[name] = function
        return self.__dict__[name]


class _Validation:
    """Validation inside fit: when it is due, and a pass over its data."""

    def __init__(self, model, data, batch_size, steps, freq):
        self.model, self.freq = model, freq
        if not isinstance(freq, (int, list, tuple, set)) or (isinstance(freq, int) and freq < 1):
            raise ValueError(f"`validation_freq` must be a positive integer or a list of epochs, got {freq!r}.")
        self.source = ArraySource(*data, batch_size, device=model._model_device(), steps=steps)

    def due(self, epoch):
        epoch += 1
        return epoch % self.freq == 0 if isinstance(self.freq, int) else epoch in self.freq

    def __call__(self, callbacks):
        return self.model._test(self.source, callbacks)


def _refuse_unknown(what, given, older=_OLDER_LOOP):
    unknown = sorted(set(given) - set(older))
    if unknown:
        raise UnknownArgumentError(f"{what}() got unknown argument(s) {unknown}.")


def _adapt(x, y=None, sample_weight=None, what=None):
    if x is None:
        raise ValueError("There are no data: pass `x` (numpy arrays, torch tensors, or lists and dicts of them).")
    prefix = f"{what}: " if what else ""
    data = tuple(
        to_arrays(value, prefix + name) for name, value in (("x", x), ("y", y), ("sample_weight", sample_weight))
    )
    rows_of(data)
    return data


def _looks_like_metrics(value):
    """Whether the third positional argument of compile holds metrics rather than numbers."""
    leaves = tree.flatten(value)
    return value is not None and bool(leaves) and all(isinstance(leaf, str) or callable(leaf) for leaf in leaves)


def _number(value):
    if isinstance(value, torch.Tensor):
        return float(value) if value.numel() == 1 else _to_numpy(value)
    return float(value) if isinstance(value, (np.generic, int, float)) else value


def _to_numpy(tensor):
    if not isinstance(tensor, torch.Tensor):
        return tensor
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype is torch.bfloat16 else tensor).numpy()


def _joined(outputs):
    if len(outputs) == 1:
        return tree.map_structure(_to_numpy, outputs[0]) if tree.is_nested(outputs[0]) else _to_numpy(outputs[0])
    if not tree.is_nested(outputs[0]):
        return _to_numpy(torch.cat(outputs))
    return tree.map_structure(lambda *parts: _to_numpy(torch.cat(parts)), *outputs)

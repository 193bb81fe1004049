"""Trainer: compile, the metrics, and getting ready to learn. A mixin of Model.

May import core, the families and this room. The loops are in loops.py, single batches in single_batches.py, steps in
steps.py.
"""

import warnings

import torch

from torchkeras import optimizers
from torchkeras.callbacks.logs import python_logs
from torchkeras.core import scopes, shape_probe, tree
from torchkeras.core.dtypes import NAMES
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.layer import Layer
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.errors import UnknownObjectError
from torchkeras.training import torch_losses_in_configs
from torchkeras.training.arguments import OLDER_COMPILE, positive_number, refuse_unknown
from torchkeras.training.compile_loss import CompileLoss
from torchkeras.training.compile_metrics import CompileMetrics
from torchkeras.training.compiled import Compiled
from torchkeras.training.loops import Loops
from torchkeras.training.single_batches import SingleBatches
from torchkeras.training.steps import Steps
from torchkeras.training.views import TrainerViews


class _Compiled:
    """A public attribute that `Compiled` holds. Assigning one to a model that is not compiled starts its own."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, model, owner=None):
        return getattr(Compiled if model is None else model._training, self.name)

    def __set__(self, model, value):
        model._own_training()
        setattr(model._training, self.name, value)


class _Optimizer(_Compiled):
    """The optimizer; one of torch's own comes as `optimizers.get` gives it, so that its rate can be set."""

    def __set__(self, model, value):
        plain = isinstance(value, torch.optim.Optimizer) and not isinstance(value, optimizers.Optimizer)
        super().__set__(model, optimizers.get(value) if plain else value)


class Trainer(Loops, SingleBatches, Steps, TrainerViews):
    """What makes a layer trainable. See `Model`.

    All that training knows of the model is in `_training`, a `Compiled`; the attributes below show the public part.
    """

    _training = Compiled()
    history = None

    compiled, optimizer, loss, loss_weights = _Compiled(), _Optimizer(), _Compiled(), _Compiled()
    run_eagerly, jit_compile, steps_per_execution = _Compiled(), _Compiled(), _Compiled()
    stop_training, stop_evaluating, stop_predicting = _Compiled(), _Compiled(), _Compiled()
    train_function, test_function, predict_function = _Compiled(), _Compiled(), _Compiled()

    def _own_training(self):
        """This model's own state: until something is said of it, all models share one that says nothing."""
        if "_training" not in self.__dict__:
            self.__dict__["_training"] = Compiled()
        return self._training

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
            optimizer: name, Keras optimizer, `torch.optim` optimizer over the model's parameters, or what makes one of
                them: a class, a `functools.partial` of it, a function of a list of parameters.
            loss: name, function `(y_true, y_pred)`, Loss or torch loss; a list or dict of them for several outputs.
            loss_weights: factors, as a list or dict.
            metrics: names, functions or Metrics; lists or dicts by output for several outputs.
            weighted_metrics: metrics that take the sample weights.
            steps_per_execution: batch hooks of callbacks run every so many batches.
            run_eagerly: True runs every step operation by operation, whatever `jit_compile` says.
            jit_compile: True makes each kind of step one graph of `torch.compile`, the optimizer's update after it; a
                dict gives its arguments (`{"mode": "max-autotune"}`). What cannot be a graph runs without, with a
                warning. "auto" compiles nothing.
            auto_scale_loss: under `mixed_float16`, wrap the optimizer in a LossScaleOptimizer.
            older: keywords of Keras 2 that have no effect.

        The layers' `trainable` flags count as they are now, for all training until the next `compile`.

        Raises `ValueError` for unknown names, `UnknownArgumentError` for unknown keywords. torch's own `compile` of a
        module is `torch.compile(model)`.

        Example:
            >>> model.compile("adam", "mse", metrics=["mae"])
            >>> model.compile(torch.optim.AdamW, torch.nn.MSELoss())
        """
        refuse_unknown(Trainer.compile, older, OLDER_COMPILE)
        if metrics is None and _looks_like_metrics(loss_weights):  # Keras 2's third positional argument
            metrics, loss_weights = loss_weights, None
        steps_per_execution = positive_number("`steps_per_execution`", steps_per_execution)
        jit_compile = _checked_jit_compile(jit_compile, run_eagerly)
        optimizer, names = optimizers.get(optimizer), self._known_output_names()
        compile_loss = None if loss is None else CompileLoss(loss, loss_weights, names)
        compile_metrics = None
        if metrics is not None or weighted_metrics is not None:
            compile_metrics = CompileMetrics(metrics, weighted_metrics, names, compile_loss)
        arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        # From here on nothing raises: a compile that fails leaves the model as it was.
        used = self._scaled(optimizer) if auto_scale_loss else optimizer
        self.__dict__["_training"] = Compiled.of(self, arguments, used, compile_loss, compile_metrics)

    def _scaled(self, optimizer):
        """The optimizer as `mixed_float16` needs it: with a scaled loss, so that small gradients do not vanish."""
        if self.dtype_policy.name != "mixed_float16" or not isinstance(optimizer, optimizers.Optimizer):
            return optimizer
        if isinstance(optimizer, optimizers.LossScaleOptimizer):
            return optimizer
        return optimizers.LossScaleOptimizer(optimizer)

    def _known_output_names(self):
        try:
            return self.output_names
        except AttributeError:
            return None

    def compile_from_config(self, config):
        """Compiles with what `get_compile_config` gave. A model with a `compile` of its own must override both."""
        if type(self).compile is not Trainer.compile:
            warnings.warn(
                f"{type(self).__name__} overrides compile(), so it was not compiled: override get_compile_config() and "
                "compile_from_config() too, or call compile() yourself.",
                stacklevel=2,
            )
            return
        try:
            arguments = deserialize_keras_object(config)
        except UnknownObjectError as error:
            for each in error.missing:
                each.of_compile = True
            raise
        self.compile(**arguments)
        if self.built and isinstance(self.optimizer, optimizers.Optimizer) and self.trainable_variables:
            self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        """The arguments of `compile` in a form for JSON; empty for a model that is not compiled.

        Raises `UnserializableError` (a `ValueError` and a `TypeError`) for what has no such form. A model is then saved
        without them, with a warning.
        """
        arguments = self._training.arguments
        if not arguments:
            return {}
        return serialize_keras_object({**arguments, "loss": torch_losses_in_configs.written(arguments.get("loss"))})

    def _require_compiled(self, what):
        if not self.compiled:
            raise ValueError(
                f"You must call `compile()` before calling `{what}()`: say which optimizer and loss to use."
            )

    # -- metrics ------------------------------------------------------------------------------------------------------

    @property
    def metrics(self):
        """Loss tracker, compiled metrics, loss trackers of the outputs, then metrics held as attributes, here and in
        layers below; those of a model below are its own."""
        found = self._training.metrics()
        known = {id(metric) for metric in found}
        for layer in self._training.layers(self):
            for metric in layer._metrics:
                if id(metric) not in known:
                    known.add(id(metric))
                    found.append(metric)
        return found

    @property
    def metrics_names(self):
        """Names in the order of the list that `evaluate` returns."""
        loss = self._training.compile_loss
        if not self.compiled or (loss is not None and loss.outputs is None):
            return []  # names show with the first batch
        return self._ordered_names(python_logs(self.get_metrics_result()))

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
        """What `evaluate` and its like return, from logs of Python's numbers."""
        if return_dict:
            return logs
        values = [logs[name] for name in self._ordered_names(logs)]
        return values[0] if len(values) == 1 else values

    def _result_or(self, logs):
        """The metrics' results, unless a step of the user's returned logs of its own."""
        results = self.get_metrics_result()
        if logs is None:
            return results
        if not isinstance(logs, dict):
            raise TypeError(
                f"train_step() and test_step() of {type(self).__name__} must return a dict of log name -> value, got "
                f"{logs!r}. Return for instance {{'loss': loss}}."
            )
        if set(logs) != set(results):
            return logs
        tracker = self._training.loss_tracker
        if "loss" in logs and tracker is not None and not tracker.told:
            results["loss"] = logs["loss"]  # the step returned a loss without telling the tracker
        return results

    # -- getting ready ------------------------------------------------------------------------------------------------

    def _model_device(self):
        for parameter in self.parameters():
            return parameter.device
        return scopes.default_device()

    def _ensure_weights(self, batch):
        """Weights for the shapes of a batch, without running on data. A model without `call` has no way to make
        any: its steps do."""
        training = self._training
        if training.weights_made:
            return
        built = all(layer.built for layer in self._flatten_layers())
        if not built and getattr(self.call, "__func__", None) is not Layer.call:
            specs = tree.map_structure(_spec, batch[0])
            with self._scope():
                if not self.built:
                    self._build_from({"inputs": specs})
                if not all(layer.built for layer in self._flatten_layers()):
                    shape_probe.infer(self._probe_call, (specs,), {})
            built = True
        training.weights_made = built

    def _get_ready_to_learn(self, batch):
        """Weights, optimizer state, the list of what is learned. Called with the compiled `trainable` flags in
        force."""
        self._ensure_weights(batch)
        self._training.settle(self)


def _checked_jit_compile(value, run_eagerly):
    """False, True, or a dict of keyword arguments of `torch.compile`."""
    if not isinstance(value, (bool, dict)) and value not in ("auto", None):
        raise ValueError(
            f"`jit_compile` must be True, False, 'auto' or a dict of arguments of torch.compile, got {value!r}."
        )
    value = False if value in ("auto", None) else value
    if value is not False and run_eagerly:
        warnings.warn("run_eagerly=True and jit_compile exclude each other: nothing is compiled.", stacklevel=3)
        return False
    return value


def _spec(leaf):
    """What stands for a batch while weights are made: its shape, with any number of samples."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return KerasTensor((None, *leaf.shape[1:]), dtype=NAMES[leaf.dtype])


def _looks_like_metrics(value):
    """Whether the third positional argument of compile holds metrics rather than numbers."""
    leaves = tree.flatten(value)
    return value is not None and bool(leaves) and all(isinstance(leaf, str) or callable(leaf) for leaf in leaves)

"""Compiled: everything that training knows of a model, in one object, `model._training`.

May import core, metrics, optimizers and this room. Knows of a model only what it is handed: its layers, weights and
whether it overrides a step. `Trainer` shows the public part under Keras's names.
"""

import contextlib
import inspect
import warnings

import torch

from torchkeras import metrics
from torchkeras.core.scopes import process, state
from torchkeras.optimizers import Optimizer
from torchkeras.training.compiled_step import Graphs
from torchkeras.training.trainable_state import CompiledTrainable, TrainableNow

_MEANS_OVER_ROWS = {
    "accuracy", "acc", "binary_accuracy", "binary_crossentropy", "categorical_accuracy", "categorical_crossentropy",
    "mae", "mean_absolute_error", "mean_squared_error", "mse", "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
}  # fmt: skip


class Mean(metrics.Mean):
    """The mean of the losses of an epoch's steps, where an epoch may be one step: it asks as little as it can.

    `told` says on the host whether it was given a loss. As long as nobody looked at the variables since the reset, the
    count stands on the host alone, and the mean is one division.
    """

    told = False
    _untouched = False

    def update_state(self, values, sample_weight=None):
        self.told = True
        if type(sample_weight) is not int or torch.compiler.is_compiling():  # the count goes into its variable
            self._untouched = False
        super().update_state(values, sample_weight)

    def _settle(self):
        self._untouched = False
        super()._settle()

    def result(self):
        return self.total.detach() / self._uncounted if self._untouched and self._uncounted else super().result()

    def so_far(self):
        """The result, as a number where that is at hand: a look at a tensor of the CPU waits for nothing."""
        if self._untouched and self._uncounted and self.total.is_cpu:
            return self.total.item() / self._uncounted
        return self.result()

    def reset_state(self):
        self.told = False
        if not self._untouched:
            super().reset_state()
            self._untouched = True
        elif self._uncounted:
            self.total.zero_()
            self._uncounted = 0


class Compiled:
    """What a model was compiled with, and what has been settled since.

    As it stands it says that nothing is compiled; `compile` puts a new one in place of the last, so that nothing of
    an earlier `compile` is left over.

    Args:
        arguments: the arguments of `compile` as `get_compile_config` writes them.
        optimizer: the optimizer in use, None for a model that only predicts or steps by itself.
        compile_loss, compile_metrics: `CompileLoss`, `CompileMetrics` or None.
        trainable: the layers' `trainable` flags at `compile`.
    """

    # Public on the model, under the same names.
    compiled = False
    optimizer = loss = loss_weights = None
    run_eagerly = jit_compile = False
    steps_per_execution = 1
    stop_training = stop_evaluating = stop_predicting = False
    train_function = test_function = predict_function = None

    # For the loops and steps.
    arguments = None
    loss_tracker = compile_loss = compile_metrics = None
    trainable = TrainableNow()
    compute_loss_takes_training = True
    looked = False  # whether data were looked at, which costs random numbers once
    weights_made = False  # whether every layer that a call reaches has its weights
    running = False  # whether an epoch is adding up metrics
    _graphs = None

    def __init__(self, arguments=None, optimizer=None, compile_loss=None, compile_metrics=None, trainable=None):
        self.learned = []  # the variables that a step updates
        self._settled = None  # for which optimizer and which `trainable` flags `learned` holds
        self._regularized, self._sources_found = [], None
        self._loss_layers = []
        self._layers, self._layers_found = [], None
        if arguments is None:
            return
        self.compiled, self.arguments, self.optimizer = True, arguments, optimizer
        for name in ("loss", "loss_weights", "run_eagerly", "steps_per_execution", "jit_compile"):
            setattr(self, name, arguments[name])
        self.compile_loss, self.compile_metrics, self.trainable = compile_loss, compile_metrics, trainable
        self.loss_tracker = Mean(name="loss")

    @classmethod
    def of(cls, model, arguments, optimizer, compile_loss, compile_metrics):
        """What replaces the model's present one. Called when nothing can fail any more."""
        before = model._training
        before.trainable.release()
        after = cls(arguments, optimizer, compile_loss, compile_metrics, CompiledTrainable(model))
        after.running = before.running
        after.weights_made = before.running and before.weights_made
        parameters = inspect.signature(model.compute_loss).parameters
        after.compute_loss_takes_training = "training" in parameters or any(
            p.kind is p.VAR_KEYWORD for p in parameters.values()
        )
        return after

    @property
    def graphs(self):
        """The steps as graphs of `torch.compile`; None where steps are run one operation after the other."""
        if not self.jit_compile or self.run_eagerly:
            return None
        if self._graphs is None or self._graphs.how != self.jit_compile:
            self._graphs = Graphs(self.jit_compile)
        return self._graphs

    def shapes_known(self):
        """Whether a first batch has shown which losses and metrics the outputs have."""
        loss, metrics = self.compile_loss, self.compile_metrics
        return (loss is None or loss.outputs is not None) and (metrics is None or metrics._outputs is not None)

    # -- metrics ------------------------------------------------------------------------------------------------------

    def metrics(self):
        """Loss tracker, compiled metrics, loss trackers of the outputs."""
        own = [self.loss_tracker, self.compile_metrics, *(self.compile_loss.trackers if self.compile_loss else ())]
        return [metric for metric in own if metric is not None]

    def layers(self, model):
        """The layers whose metrics are the model's: all below it but other models, which have their own."""
        changes = process.loss_source_changes  # layers that joined or left anywhere
        if self._layers_found == changes:
            return [model, *self._layers]
        found = [each for each in model._flatten_layers(include_self=False) if not hasattr(type(each), "_training")]
        if self.compiled:  # else this may be the one that all models share
            self._layers, self._layers_found = found, changes
        return [model, *found]

    def adds_up_by_rows(self, source):
        """Whether loss and metrics of several batches at once are those of the batches: means over samples, unweighed,
        whose names say so."""
        given = self.arguments
        metrics = given["metrics"] or ()
        names = [given["loss"], *(metrics if isinstance(metrics, (list, tuple)) else [metrics])]
        if source.weighted or given["weighted_metrics"] or given["loss_weights"]:
            return False
        return all(isinstance(name, str) and name in _MEANS_OVER_ROWS for name in names)

    @property
    def outputs(self):
        """How many outputs have a loss; 4 before the first prediction."""
        loss = self.compile_loss
        return 4 if loss is None or loss.outputs is None else len(loss.trained)

    # -- what is learned ----------------------------------------------------------------------------------------------

    def is_settled(self):
        """Whether `learned` still holds: two comparisons, in each step."""
        settled = self._settled
        return settled is not None and settled[0] is self.optimizer and settled[1] == process.trainable_changes

    def settle_again(self, model):
        """In the middle of training, after a callback froze or thawed layers, compiled, or changed the optimizer: from
        now on that counts, as if it had been compiled."""
        self.trainable.renew(model)
        self.weights_made = True  # the training began with that
        self.settle(model)

    def settle(self, model):
        """Lists what a step updates and makes the optimizer ready for it."""
        learned, optimizer = model.trainable_variables, self.optimizer
        own_step = model._overrides("train_step")
        if optimizer is None:
            if not own_step:
                raise ValueError("The model was compiled without an optimizer: pass one to compile(), such as 'adam'.")
        elif isinstance(optimizer, Optimizer) and not optimizer.bound_by_user:
            # Layers that a step of the user's own will build come later: `apply` then builds the optimizer for all.
            if learned and (optimizer.built or self.weights_made):
                _bind(optimizer, learned)
        else:
            _check_parameters(optimizer, learned, model.name)
        if not learned and not own_step:
            warnings.warn(f"Model {model.name!r} has no trainable weights: it learns nothing.", stacklevel=4)
        self.learned, self._settled = learned, (optimizer, process.trainable_changes)

    def finish(self):
        """After the last epoch: averaged weights and the like take their places."""
        if isinstance(self.optimizer, Optimizer) and self.learned:
            self.optimizer.finalize_variable_values(self.learned)

    def added_losses(self, model):
        """What the model's `losses` give after a forward pass; the list of regularized weights is made once."""
        if torch.compiler.is_compiling():  # a graph that looked at the counters would hold until any model changes
            sources = self._loss_layers
            found = [value for layer, value in state.losses if any(layer is source for source in sources)]
            found += [function() for layer in sources for function in layer.__dict__["_loss_functions"]]
        else:
            self.find_loss_sources(model)
            found = model._added_losses()
        found.extend(variable.regularizer(variable) for variable in self._regularized)
        return found

    def find_loss_sources(self, model):
        """Brings the lists of regularized weights and of layers that add losses up to date."""
        if self._sources_found != process.trainable_changes:
            self._regularized = [v for v in model.trainable_variables if getattr(v, "regularizer", None) is not None]
            self._sources_found = process.trainable_changes
        self._loss_layers = model._loss_sources()

    def losses(self, model, y, y_pred, sample_weight):
        """`(total, shown)`: what a step minimizes, with everything added in layers, and what is logged.

        They differ only for losses with reduction "none". Raises `ValueError` if there is no loss at all.
        """
        total = shown = None
        if self.compile_loss is not None:
            total, shown = self.compile_loss.evaluate(y, y_pred, sample_weight)
        for value in self.added_losses(model):
            value = value if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=torch.float32)
            value = value.sum() if value.dim() else value
            total = value if total is None else total + value
            shown = value if shown is None else shown + value
        if total is None:
            raise ValueError(
                "No loss to compute. Provide a `loss` argument in `compile()`, or call `add_loss` in a layer of the "
                "model."
            )
        return total, shown


@contextlib.contextmanager
def epoch(model):
    """Around everything that adds up metrics from a reset on.

    Inside a running epoch (a callback evaluates, trains a batch or fits), the epoch's metrics are set aside and come
    back unchanged; those made meanwhile start from nothing.
    """
    outer = model._training.running
    kept = [(metric, _state(metric)) for metric in single_metrics(model)] if outer else ()
    model._training.running = True
    try:
        yield
    finally:
        if model._training.compile_metrics is not None:
            model._training.compile_metrics.settle()  # an epoch that was broken off
        model._training.running = outer  # not necessarily the same object: a callback may compile
        if outer:
            known = {id(metric) for metric, _ in kept}
            for metric in single_metrics(model):
                if id(metric) not in known:
                    metric.reset_state()
            for metric, state in kept:
                _put_back(metric, state)


def single_metrics(model):
    """The model's metrics, those of `compile` one by one."""
    found = []
    for metric in model.metrics:
        found.extend(metric.metrics if metric is model._training.compile_metrics else [metric])
    return found


def _state(metric):
    """The values of a metric's variables, and what else it holds: Python numbers count as state too."""
    values = [(variable, variable.detach().clone()) for variable in metric.variables]
    return values, metric.set_aside() if hasattr(metric, "set_aside") else dict(vars(metric))


def _put_back(metric, state):
    values, attributes = state
    metric.variables  # noqa: B018 - a mean then adds what it kept on the host, before its values are replaced
    vars(metric).update(attributes)
    with torch.no_grad():
        for variable, value in values:
            variable.copy_(value)


def _bind(optimizer, learned):
    """Builds an optimizer for the variables that learn, or checks that it was built for them."""
    if not optimizer.built:
        optimizer.build(learned)
        return
    known = {id(variable) for variable in optimizer._trainable_variables}
    strange = [variable for variable in learned if id(variable) not in known]
    if strange:
        which = getattr(strange[0], "path", None) or f"a parameter of shape {tuple(strange[0].shape)}"  # torch's own
        raise ValueError(
            f"The optimizer was built for other variables: it does not know {which!r}. It belongs to "
            "another model, or layers were added or unfrozen since: call compile() again with a new optimizer."
        )


def _check_parameters(optimizer, learned, name):
    """Raises `ValueError` for an optimizer of torch's that was made for something else."""
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if learned and not any(id(variable) in held for variable in learned):
        made = getattr(optimizer, "torch_optimizer", optimizer)
        raise ValueError(
            f"{type(made).__name__} holds none of the parameters of model {name!r}: make it with "
            "model.parameters() after the weights exist, or pass compile() a function of the parameters that makes it."
        )

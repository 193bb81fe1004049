"""Steps as single graphs of `torch.compile`: what `compile(jit_compile=True)` makes of them.

May import core and this room's helpers. torch's compiler is imported by the first graph, never by `import torchkeras`.

A graph holds forward pass, losses, metrics and, to train, the backward pass; the optimizer follows with its own
kernels. What cannot be one graph is run as without `jit_compile`, with a warning that names the place and the reason:
never in silence, never in part.
"""

import sys
import types
import warnings
from pathlib import Path

import torch

from torchkeras.core import tree
from torchkeras.core.scopes import state
from torchkeras.training.data import packed
from torchkeras.training.graph_obstacles import reason

_OWN_STEP = (
    "the train_step of {} is Python of your own, with a backward pass and an update in its middle, and runs without a "
    "graph. What fits into compute_loss, compute_metrics or call becomes part of one."
)
_OLD_TORCH = (
    "torch {} cannot put a backward pass into a graph, so the training step runs without one. A newer torch can, and "
    "evaluate and predict have theirs."
)
_SETTING = "trace_autograd_ops"
_PACKAGE = str(Path(__file__).resolve().parents[1])


class Graphs:
    """The graphs of one compiled model: for training, evaluation and prediction one each, made when first needed.

    Copies and pickles of a model begin without any.

    Args:
        how: True, or a dict of keyword arguments of `torch.compile`.
    """

    def __init__(self, how):
        self.how = how
        self._graphs, self._told, self._traces_gradients = {}, False, None

    def __reduce__(self):
        return Graphs, (self.how,)

    def run(self, phase, model, batch, eager):
        """One step on a batch: what `eager(batch)` gives, which is the same step without a compiler."""
        training = model._training
        if phase == "train" and (obstacle := self._obstacle(model)) is not None:
            if not self._told:
                self._told = True
                warn(f"jit_compile: {obstacle}")
            return eager(batch)
        graph = self._graphs.get(phase)
        if graph is None:
            graph = self._graphs[phase] = _Graph(_FUNCTIONS[phase], self.how)
        # The first batch makes what a graph must find.
        ready = model.built and (phase == "predict" or training.shapes_known())
        if not graph.serves(batch) or not ready:
            return eager(batch)
        if phase == "train" and not training.is_settled():
            training.settle_again(model)
        training.find_loss_sources(model)
        if model._overrides("compute_metrics") or model._overrides("test_step"):
            for metric in model.metrics:  # read within the graph: a count left on the host would be a number of it
                metric.variables  # noqa: B018
        result = graph(model, batch)
        if result is None:
            return graph.give_up(model, batch, eager)
        if phase != "train":
            return result[0]
        grads, logs = result
        for variable, grad in zip(training.learned, grads, strict=True):
            variable.grad = grad
        training.optimizer.step()
        return logs

    def _obstacle(self, model):
        """What keeps every training step of a model from becoming a graph; None for nothing."""
        if model._overrides("train_step"):
            return _OWN_STEP.format(type(model).__name__)
        if self._traces_gradients is None:
            self._traces_gradients = _traces_gradients()
        return None if self._traces_gradients else _OLD_TORCH.format(torch.__version__)


def _traces_gradients():
    """Whether torch's compiler can take gradients within a graph, which older ones cannot."""
    import torch._dynamo

    return hasattr(torch._dynamo.config, _SETTING)


class _Graph:
    """One function of a model and a batch under `torch.compile`.

    A graph is made for batches of one form, the first that came: it is faster than one for any number of rows. What is
    left at the end of an epoch is no reason for another; it runs without. Where batches of other forms follow each
    other, there is one for them too (torch then leaves open what differs).

    Args:
        function: `(model, batch) -> tuple`, whose docstring says for warnings what it is.
        how: as of `Graphs`.
    """

    def __init__(self, function, how):
        import torch._dynamo

        self._dynamo, self._what, self._error, self._failed = torch._dynamo, function.__doc__, None, False
        # Code of its own: torch keeps graphs, and counts recompilations, by code object.
        own = types.FunctionType(function.__code__.replace(), function.__globals__, function.__name__)
        self._compiled = torch.compile(own, fullgraph=True, **({} if how is True else how))
        self._forms, self._strange = set(), False

    def serves(self, batch):
        """Whether there is, or will be, a graph for batches like this one."""
        if self._failed:
            return False
        form = tuple(
            [(leaf.shape, leaf.dtype) if isinstance(leaf, torch.Tensor) else leaf for leaf in tree.flatten(batch)]
        )
        if form in self._forms:
            self._strange = False
            return True
        if self._forms and not self._strange:
            self._strange = True
            return False
        self._forms.add(form)
        return True

    def __call__(self, model, batch):
        """What the function gives; None where no graph can be made of it."""
        dynamo = self._dynamo
        before = getattr(dynamo.config, _SETTING, None)
        try:
            if before is not None:
                setattr(dynamo.config, _SETTING, True)
            return self._compiled(model, batch)
        except (dynamo.exc.TorchDynamoException, dynamo.exc.FailOnRecompileLimitHit) as error:
            self._error = error  # all of these come while a graph is made: nothing of the step has run
            return None
        finally:
            if before is not None:
                setattr(dynamo.config, _SETTING, before)

    def give_up(self, model, batch, eager):
        """The step without a graph, from now on. An error in the model comes from here, as without a compiler."""
        result = eager(batch)
        self._failed, error, self._error = True, self._error, None
        warn(f"jit_compile: {self._what} of {model.name!r} runs without a graph. {reason(error, model)}")
        return result


def warn(text):
    """A warning at the line of the user's program."""
    frame, level = sys._getframe(1), 2
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, stacklevel=level)


def _train(model, batch):
    """the training step"""
    x, y, sample_weight = batch
    training, outer = model._training, state.losses
    state.losses = []
    y_pred, loss = model._to_minimize(x, y, sample_weight)
    state.losses = outer
    grads = torch.autograd.grad(loss, training.learned, allow_unused=True)
    with torch.no_grad():
        if model._overrides("compute_metrics"):
            return grads, model.compute_metrics(x, y, y_pred, sample_weight)
        model._update_metrics(y, y_pred, sample_weight)
    return grads, None


def _test(model, batch):
    """the evaluation step"""
    outer = state.losses
    state.losses = []
    logs = _judged(model, batch)
    state.losses = outer
    return (logs,)


def _judged(model, batch):
    x, y, sample_weight = batch
    if model._overrides("test_step"):
        return model.test_step(packed(batch))
    y_pred = model._judge(x, y, sample_weight)
    if model._overrides("compute_metrics"):
        return model.compute_metrics(x, y, y_pred, sample_weight)
    model._update_metrics(y, y_pred, sample_weight)
    return None


def _predict(model, batch):
    """the prediction step"""
    if model._overrides("predict_step"):
        return (model.predict_step(packed(batch)),)
    return (model(batch[0], training=False),)


_FUNCTIONS = {"train": _train, "test": _test, "predict": _predict}

"""Progress: where a running `fit` stands, as values, and how another one goes on from there.

May import core, random and this room. Knows of callbacks only that one of them asks.
"""

import contextlib

import torch

from torchkeras.random.streams import set_streams, streams
from torchkeras.training.compiled import single_metrics


class Progress:
    """Where a `fit` stands between epochs and within one.

    A state between epochs is the place in the data and the random streams. Within an epoch it is that of the epoch's
    beginning, the number of batches since, and streams and metrics of the moment: whoever goes on begins that epoch
    again, passes over so many batches, which gives the order of the rest, and then takes streams and metrics.

    Args:
        model: the model that is trained.
        source: where its batches come from.
    """

    def __init__(self, model, source):
        self._model, self._source = model, source
        self._waiting, self._reload, self._epoch = None, None, None

    # -- what is remembered -------------------------------------------------------------------------------------------

    def watch(self):
        """Says that states will be asked for, before the first epoch."""
        self._source.remembers = True

    def between_epochs(self):
        """The state before an epoch's first batch."""
        self._settle()
        return {"source": self._source.position(), "streams": streams()}

    def within_epoch(self, start, batches):
        """The state after so many batches of an epoch; `start` is what `between_epochs` gave at its beginning."""
        self._settle()
        return {"start": start, "batches": batches, "streams": streams(), "metrics": self._metrics()}

    def _settle(self):
        """What is added up from here on is added up in the same portions by whoever goes on from here."""
        metrics = self._model._training.compile_metrics
        if metrics is not None:
            metrics.begin_anew()

    def _metrics(self):
        return [[list(metric.variables), _plain_attributes(metric)] for metric in single_metrics(self._model)]

    # -- going on -----------------------------------------------------------------------------------------------------

    def make_all(self):
        """Metrics, and what a step of the user's own makes, which appear with the first batch: by taking one. It
        changes weights and metrics, which are to be read from a file afterwards."""
        model, batch = self._model, self._source.first_batch()
        own = model._overrides("train_step") or model._overrides("compute_metrics")
        with contextlib.nullcontext() if own else torch.no_grad():
            if own:
                model._train_function()(batch)
            else:
                model._update_metrics(batch[1], model._judge(*batch), batch[2])

    def first_epoch(self, initial):
        """The number of the epoch to begin with."""
        return initial if self._epoch is None else self._epoch

    def go_on(self, epoch, state=None, reload=None):
        """Says with which epoch to begin, and from which state: None for as it is now. `reload` reads everything else
        once more: within an epoch its beginning is announced again, and whoever listens may change rates and weights.
        """
        self._epoch, self._waiting, self._reload = epoch, state, reload
        if state is None:
            return
        start = state.get("start", state)
        self._source.go_to(start["source"])
        set_streams(start["streams"])

    def batches(self):
        """`(number of the first batch, batches)` of the coming epoch."""
        state, self._waiting = self._waiting, None
        if state is None or "start" not in state:
            return 0, self._source.batches()
        set_streams(state["start"]["streams"])
        batches = self._source.batches()
        for _ in range(state["batches"]):
            next(batches, None)
        self._reload()
        self._set_metrics(state["metrics"])
        set_streams(state["streams"])
        return state["batches"], batches

    @torch.no_grad()
    def _set_metrics(self, states):
        for metric, (values, attributes) in zip(single_metrics(self._model), states):
            variables = metric.variables  # what waits on the host is in them now
            vars(metric).update(attributes)
            for variable, value in zip(variables, values):
                variable.copy_(torch.as_tensor(value))


def _plain_attributes(metric):
    """What a metric counts in Python."""
    return {key: value for key, value in vars(metric).items() if isinstance(value, (bool, int, float))}

"""CompileMetrics: what `compile(metrics=..., weighted_metrics=...)` watches.

May import core, metrics and this room. Built from the first prediction, because `"accuracy"` is chosen by shapes.
"""

from torchkeras.core import tree
from torchkeras.metrics import Metric
from torchkeras.metrics.resolve import resolve_metric
from torchkeras.training.outputs import Outputs
from torchkeras.training.row_queue import RowQueue, update
from torchkeras.training.torch_objects import as_metric


class CompileMetrics(Metric):
    """All metrics of a compiled model, with Keras's names in logs.

    Args:
        metrics, weighted_metrics: a list; a list of lists or a dict by output name for several outputs; a bare name
            or function.
        output_names: the model's, if it has any.
        compile_loss: says which outputs are trained, so which have targets where not all have.
    """

    def __init__(self, metrics, weighted_metrics=None, output_names=None, compile_loss=None):
        super().__init__(name="compile_metrics")
        for what, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            _check(what, given)
        self._user_metrics, self._user_weighted, self._output_names = metrics, weighted_metrics, output_names
        self._compile_loss = compile_loss
        self._outputs = None
        self._entries, self._queues = [], []

    @property
    def metrics(self):
        """The metrics themselves, once the first batch has shown the shapes."""
        self.settle()
        return [metric for _, _, metric, _ in self._entries]

    @property
    def variables(self):
        return [variable for metric in self.metrics for variable in metric.variables]

    def build(self, y_true, y_pred):
        """Chooses the metrics of each output."""
        outputs = Outputs(y_pred, self._output_names)
        targets, predictions = self._targets(outputs, y_true), outputs.flat(y_pred)
        entries, taken = [], set()
        for given, weighted in ((self._user_metrics, False), (self._user_weighted, True)):
            for index, each in enumerate(_per_output(given, outputs)):
                for identifier in each:
                    true = targets[index] if targets[index] is not None else predictions[index]
                    metric = resolve_metric(as_metric(identifier), true, predictions[index])
                    entries.append(
                        (self._log_name(metric, outputs.prefix(index, given), weighted, taken), index, metric, weighted)
                    )
        for _, _, metric, _ in entries:  # what a metric counted elsewhere is none of this model's batches
            if metric.variables or hasattr(metric, "set_aside"):  # else it may have nothing to reset yet
                metric.reset_state()
        self._entries, self._outputs = entries, outputs
        self._queues = [
            (index, RowQueue([(metric, weighted) for _, at, metric, weighted in entries if at == index]))
            for index in dict.fromkeys(index for _, index, _, _ in entries)
        ]

    def _targets(self, outputs, y_true):
        only = None if self._compile_loss is None or self._compile_loss.outputs is None else self._compile_loss.trained
        return outputs.align(y_true, "The target `y`", only=only)

    @staticmethod
    def _log_name(metric, output, weighted, taken):
        """`accuracy`, `head_accuracy` with several outputs, `weighted_…` and `…_1` for repetitions."""
        prefix = f"{output}_" if output else ""
        name = prefix + metric.name
        if name in taken and weighted:
            name = f"{prefix}weighted_{metric.name}"
        base, count = name, 0
        while name in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name)
        return name

    def update_state(self, y_true, y_pred, sample_weight=None):
        columns = self._by_output(y_true, y_pred, sample_weight)
        for _, index, metric, weighted in self._entries:
            update([(metric, weighted)], *(column[index] for column in columns))

    def take(self, y_true, y_pred, sample_weight=None):
        """`update_state` for loops in which nobody looks between batches: rows may wait (`RowQueue`)."""
        columns = self._by_output(y_true, y_pred, sample_weight)
        for index, queue in self._queues:
            queue.take(*(column[index] for column in columns))

    def settle(self):
        """Hands the metrics what waits for them."""
        for _, queue in self._queues:
            queue.flush()

    def begin_anew(self):
        """From here on everything is added up as after a fresh start with the present state."""
        for _, queue in self._queues:
            queue.begin_anew()

    def _by_output(self, y_true, y_pred, sample_weight):
        """Targets, predictions and weights, each with an entry for each output."""
        if self._outputs is None:
            self.build(y_true, y_pred)
        outputs = self._outputs
        targets = [y_true] if outputs.single and not tree.is_nested(y_true) else self._targets(outputs, y_true)
        if sample_weight is None:
            return targets, outputs.flat(y_pred), [None] * outputs.count
        return targets, outputs.flat(y_pred), outputs.align(sample_weight, "`sample_weight`", everywhere=True)

    def result(self):
        """Log name -> value, a tensor or a dict of them, whose entries stand in the logs at the place of that name."""
        return self._named(Metric.result)

    def result_over_processes(self, group=None):
        """The same of what all processes have seen."""
        return self._named(Metric.result_over_processes, group)

    def _named(self, read, *args):
        self.settle()
        return {name: getattr(metric, read.__name__)(*args) for name, _, metric, _ in self._entries}

    def reset_state(self):
        for metric in self.metrics:
            metric.reset_state()


def _check(what, given):
    if given is None or isinstance(given, (list, tuple, dict, str)) or callable(given):
        for each in tree.flatten(given):
            if isinstance(each, str) and each.lower() not in ("accuracy", "acc", "crossentropy", "ce"):
                resolve_metric(each, None, None)
            elif each is not None and not isinstance(each, str) and as_metric(each) is each and not callable(each):
                raise ValueError(
                    f"`{what}` must hold names, functions or Metrics, got {each!r} ({type(each).__name__})."
                )
        return
    raise ValueError(f"`{what}` must be a list, a dict, a name or a function, got {given!r} ({type(given).__name__}).")


def _listed(value):
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _per_output(given, outputs):
    """A list of metrics for each output.

    For several outputs: a dict goes by name, a list as long as the outputs goes entry by entry (Keras 3), any other
    flat list holds for every output (Keras 2).
    """
    if given is None:
        return [[] for _ in range(outputs.count)]
    if outputs.count == 1:
        return [tree.flatten(given)]
    if isinstance(given, dict) or (outputs.deep and any(tree.is_nested(each) for each in given)):
        return [_listed(each) for each in outputs.align(given, "`metrics`", lists=True)]
    given = _listed(given)
    if len(given) == outputs.count:
        return [_listed(each) for each in given]
    if any(isinstance(each, (list, tuple)) for each in given):
        raise ValueError(
            f"`metrics` lists {len(given)} entries, but the model has {outputs.count} outputs: {outputs.names}."
        )
    return [given for _ in range(outputs.count)]

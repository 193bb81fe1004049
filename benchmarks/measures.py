"""What is measured, what is wanted, and how contenders are asked in turn.

Each measure gives rows (``Row``): medians per contender and the ratios of paired rounds. Rounds are interleaved
(A, B, C, A, B, C, ...), so a slow moment of the machine falls on all contenders and cancels in a round's ratio.
Imports ``worker`` only; must not import torch.
"""

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from statistics import median, quantiles

from .images import names as image_layers
from .worker import HAND, ContenderError, Worker

LONG = 2000  # steps after which moments that decay have become denormal numbers


@dataclass(frozen=True)
class Measure:
    """One line (``import``: two) of the table.

    ``kind`` is what a worker is asked to do with ``workload``, ``steps`` how often in one timed run; ``wanted`` is the
    largest ratio accepted (``None``: shown for comparison), after ``allowance`` (in the row's unit) is taken off;
    ``over`` names the contender in the denominator; ``by_hand`` says whether there is a hand-written form. Of the kinds
    ``op`` and ``step`` there is a line for each word of ``workload``; a step's names the form that torch is fastest in;
    ``beside`` is a contender's fit (or file) of the first word over that of the second.
    ``of_keras`` is the largest share of Keras's time accepted; ``in_keras`` says whether Keras on torch can do it.
    """

    name: str
    title: str
    kind: str
    workload: str = ""
    steps: int = 1
    wanted: float | None = None
    over: str = HAND
    allowance: float = 0.0
    by_hand: bool = True
    of_keras: float | None = None
    in_keras: bool = True


def structure(kind, what):
    """The measure of one thing done with a deep model (``structure.py``), against Keras."""
    return Measure(kind, f"172 layers: {what}", kind, "residual", 2, 0.5, "keras", by_hand=False)


def file(name, what, steps=2, wanted=0.5):
    """The measure of one thing done with files (``files.py``), against Keras."""
    return Measure(name, f"file: {what}", "file", name, steps, wanted, "keras", by_hand=False)


def folder(name, what):
    """The measure of one pass over a folder of 2,000 JPEGs (``folders.py``)."""
    return Measure(f"folder_{name}", f"folder: 2,000 JPEGs of 256x256, {what}", "folder", name, 50, 1.1, in_keras=False)


def fit_and_forward(name, what, steps, wanted, fit_steps=None, of_fit=None):
    """The measures of training a workload and of its forward pass under ``no_grad``."""
    return (
        Measure(name, f"fit: {what}", "fit", name, fit_steps or steps, of_fit or wanted),
        Measure(f"{name}_forward", "model(x): the same, no_grad", "call_no_grad", name, steps, wanted),
    )


def fit_compiled(name, what, steps):
    """The measures of training under ``torch.compile``: over the loop around a compiled module, and over itself without
    a compiler."""
    return (
        Measure(f"{name}_jit", f"fit: {what}, compiled", "fit", f"{name}_jit", steps, 0.9),
        Measure(f"{name}_jit_over_own", "the same over not compiled", "beside", f"{name}_jit {name}", steps, 1.0),
    )


def steps(name, words, wanted):
    """The measure of one step of optimizers over ready gradients (``workloads/optimizers.py``)."""
    return Measure(name, "step", "step", words, 4, wanted, of_keras=0.5)


MEASURES = (
    Measure("xor", "fit: XOR, Dense 4-1, batch 4", "fit", "xor", LONG, 0.8),
    Measure("epochs", "fit: XOR, epochs of one step", "epochs", "xor", 500, 1.1),
    Measure("mlp", "fit: MLP 784-300-100-10, batch 32", "fit", "mlp", LONG, 0.3),
    Measure("loader", "fit: MLP, from a DataLoader", "loader", "mlp", LONG, 1.0),
    Measure("generator", "fit: MLP, from a generator", "generator", "mlp", LONG, 1.05),
    Measure("evaluate", "evaluate: MLP, 60,000 rows", "evaluate", "mlp", 1875, 0.95),
    Measure("predict_rows", "predict: MLP, 60,000 rows", "predict_rows", "mlp", 1875, 0.95),
    *fit_and_forward("cnn", "CNN on 28x28, batch 64", 25, 0.85, LONG, 0.75),
    *fit_and_forward("separable", "3 separable conv., batch 32", 10, 0.95),
    *fit_and_forward("resnet", "2 residual blocks, batch 32", 10, 0.95),
    *fit_and_forward("lstm", "LSTM 64 on (40, 32), batch 64", 30, 0.95, LONG, 0.9),
    *fit_and_forward("gru", "GRU 64 on (40, 32), batch 64", 20, 0.95),
    *fit_and_forward("stacked_lstm", "2 LSTMs 64 on (40, 32), batch 64", 20, 0.95),
    *fit_and_forward("bidirectional", "Bidirectional LSTM 64 on (40, 32)", 20, 1.0),
    *fit_and_forward("masked_lstm", "LSTM 64, half padding, over packed", 20, 1.1),
    Measure("conv_lstm", "fit: ConvLSTM2D 16 on (8, 24, 24, 3)", "fit", "conv_lstm", 8, 0.6, "keras"),
    *fit_and_forward("attention", "2 attention blocks, batch 32", 25, 0.85, LONG, 0.8),
    *fit_and_forward("attention_module", "the same, nn.MultiheadAttention", 25, 0.85),
    *fit_and_forward("grouped", "2 blocks, grouped queries", 25, 0.95),
    *fit_compiled("xor", "XOR", 500),
    *fit_compiled("mlp", "MLP", 200),
    *fit_compiled("cnn", "CNN", 25),
    *fit_compiled("lstm", "LSTM", 30),
    *fit_compiled("attention", "2 attention blocks", 25),
    Measure("call", "model(x): ten Dense(16)", "call", "chain", 500, 1.5),
    Measure("call_no_grad", "model(x): the same, no_grad", "call_no_grad", "chain", 500),
    Measure("predict", "predict: one batch of 4", "predict", "small", 100, 0.1, "keras"),
    Measure("ops", "op", "op", "add matmul relu reshape sum concatenate softmax", 20000, 1.5, allowance=1.0),
    steps("optimizers_fused", "sgd momentum adam adamw", 1.05),
    steps("optimizers", "rmsprop adagrad adadelta adamax nadam adafactor muon ftrl lion lamb schedule_free", 1.1),
    steps("optimizers_around", "clipnorm global_clipnorm weight_decay ema accumulation", 1.1),
    steps("optimizers_small", "small_sgd small_adam small_rmsprop small_lion", 1.1),
    structure("build", "build"),
    structure("summary", "summary"),
    structure("config", "get_config"),
    structure("from_config", "from_config"),
    structure("clone", "clone_model"),
    structure("deepcopy", "deepcopy"),
    Measure("metrics", "fit: MLP, ten metrics, over none", "beside", "mlp_with_metrics mlp_one_hot", 200, 1.1),
    Measure("callbacks", "fit: MLP, five callbacks, over none", "beside", "mlp_with_callbacks mlp", 200, 1.03),
    *(Measure(name, f"image: {name}", "image", name, 2, 0.5, "keras", by_hand=False) for name in image_layers()),
    Measure("auc", "AUC: 200 thresholds, 1 M predictions", "auc", "", 2, 0.3, "keras", by_hand=False),
    file("save_large", "save 100 MB, .keras"),
    file("load_large", "load 100 MB, .keras"),
    file("save_large_h5", "save 100 MB, .h5", wanted=None),
    file("load_large_h5", "load 100 MB, .h5"),
    file("save_weights", "save_weights 100 MB", wanted=None),
    file("load_weights", "load_weights 100 MB", wanted=None),
    Measure(
        "load_safetensors", ".safetensors: load 100 MB, over .keras", "beside", "load_safetensors load_large", 2, 0.2
    ),
    file("save_deep", "save 1,000 layers, .keras"),
    file("load_deep", "load 1,000 layers, .keras"),
    Measure("load_memory", "load 100 MB: peak memory over the weights", "load_memory", "", 2, 1.2),
    folder("as_they_are", "as they are"),
    folder("resized", "to 224x224"),
    Measure("import", "import", "import", wanted=1.1),
    Measure("memory", "memory after {:,} steps over {:,}", "memory", "small", 5000, 1.01),
)


@dataclass
class Row:
    """A line of the table: a median per contender, the ratio of each round, and what of each number is not counted."""

    title: str
    unit: str
    wanted: float | None
    values: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, list[float]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    allowance: float = 0.0
    over: str = HAND
    of_keras: float | None = None

    def accepted(self, contender):
        """Whether the ratio and the share of Keras's time are as wanted; ``None`` without anything to compare."""
        ratio = self.ratio(contender)
        if ratio is None or self.wanted is None:
            return None
        spared = self.allowance / self.values[self.over] if self.allowance else 0.0
        keras = self.values.get("keras") if self.of_keras else None
        return ratio - spared <= self.wanted and (keras is None or self.values[contender] <= self.of_keras * keras)

    def ratio(self, contender):
        """The median of the paired ratios; ``None`` where there is nothing to compare."""
        return median(self.ratios[contender]) if contender in self.ratios else None

    def spread(self, contender):
        """The first and third quartile of the paired ratios; ``None`` for fewer than two rounds."""
        ratios = self.ratios.get(contender, [])
        return quantiles(ratios, n=4, method="inclusive")[::2] if len(ratios) > 1 else None


def paired_row(title, unit, wanted, samples, over, errors=None, allowance=0.0):
    """A row from ``samples`` (a list per contender, one number per round), each divided by that of ``over``."""
    medians = {name: median(numbers) for name, numbers in samples.items()}
    row = Row(title, unit, wanted, medians, {}, errors or {}, allowance, over)
    for name, numbers in samples.items():
        if over in samples and name != over:
            row.ratios[name] = [ours / theirs for ours, theirs in zip(numbers, samples[over], strict=True)]
    return row


def shortened(measure):
    """The measure with a twentieth of its steps or less, for a quick look."""
    part = 20 if measure.steps < LONG // 2 or measure.kind == "op" else 200
    return replace(measure, steps=max(measure.steps // part, 2) if measure.kind != "memory" else 500)


@contextmanager
def _kept(errors, name):
    """Keep a contender's failure as its result, so that the other contenders' numbers still come."""
    try:
        yield
    except ContenderError as error:
        errors[name] = str(error)


class Bench:
    """Runs measures over ``contenders`` (``"hand"``, the module measured, others), each in a process of its own."""

    def __init__(self, contenders, device, rounds):
        self.contenders, self.device, self.rounds = contenders, device, rounds
        self._open = ExitStack()
        self.workers = {name: self._open.enter_context(Worker(name, device)) for name in contenders}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._open.close()

    def facts(self):
        """torch's version, its threads and the device, as the hand-written contender sees them."""
        return self.workers[HAND].ask("facts")

    def rows(self, measure):
        """The measured rows of one measure."""
        if measure.kind == "import":
            return self._import_rows(measure)
        if measure.kind in ("op", "step"):
            each = [
                replace(measure, title=f"{measure.kind}: {word}", workload=word) for word in measure.workload.split()
            ]
            return [self._timed_row(one, "us", 1000) if measure.kind == "op" else self._timed_row(one) for one in each]
        kinds = {"memory": self._memory_row, "beside": self._beside_row, "load_memory": self._load_memory_row}
        return [kinds.get(measure.kind, self._timed_row)(measure)]

    def _timed_row(self, measure, unit="ms", scale=1):
        errors, samples = {}, {}
        for name, worker in self.workers.items():
            if name == HAND and not measure.by_hand or name == "keras" and not measure.in_keras:
                continue
            with _kept(errors, name):
                form = worker.ask("prepare", measure.kind, measure.workload, measure.steps)
                measure = replace(measure, title=f"{measure.title} ({form})") if form else measure
                samples[name] = []
        for _ in range(self.rounds):
            for name in list(samples):
                with _kept(errors, name):
                    samples[name].append(self.workers[name].ask("run") * scale)
                if name in errors:
                    del samples[name]
        row = paired_row(measure.title, unit, measure.wanted, samples, measure.over, errors, measure.allowance)
        return replace(row, of_keras=measure.of_keras)

    def _beside_row(self, measure):
        """Two workloads of one contender, in turn; each contender's ratio is over itself."""
        row = Row(measure.title, "ms", measure.wanted)
        kind = "file" if measure.name == "load_safetensors" else "fit"
        for name in self.contenders[1:2] if kind == "file" else self.contenders[1:]:  # Keras has no such files
            with ExitStack() as stack, _kept(row.errors, name):
                workers = [stack.enter_context(Worker(name, self.device)) for _ in measure.workload.split()]
                for worker, workload in zip(workers, measure.workload.split(), strict=True):
                    worker.ask("prepare", kind, workload, measure.steps)
                rounds = [[worker.ask("run") for worker in workers] for _ in range(self.rounds)]
                row.values[name] = median(first for first, _ in rounds)
                row.ratios[name] = [first / second for first, second in rounds]
        return row

    def _import_rows(self, measure):
        errors, samples = {}, {name: [] for name in self.contenders}
        for timed in range(1 + (self.rounds + 1) // 2):  # half the rounds: an import takes seconds
            for name in list(samples):
                with _kept(errors, name), Worker(name, self.device) as fresh:
                    cost = fresh.ask("import")
                    samples[name] += [cost] if timed else []  # the first round fills the file cache
                if name in errors:
                    del samples[name]
        columns = [{name: [cost[part] for cost in costs] for name, costs in samples.items()} for part in (0, 1)]
        return [
            paired_row(f"{measure.title}: time", "ms", measure.wanted, columns[0], measure.over, errors),
            paired_row(f"{measure.title}: peak memory", "MiB", measure.wanted, columns[1], measure.over),
        ]

    def _memory_row(self, measure):
        row = Row(measure.title.format(measure.steps, measure.steps // 10), "MiB", measure.wanted)
        ours = self.contenders[1]
        with _kept(row.errors, ours), Worker(ours, self.device) as fresh:
            early, late = fresh.ask("memory", measure.workload, measure.steps)
            row.values[ours], row.ratios[ours] = late, [late / early]
        return row

    def _load_memory_row(self, measure):
        row = Row(measure.title, "MiB", measure.wanted)
        for name in self.contenders[1:]:
            with _kept(row.errors, name), Worker(name, self.device) as fresh:
                peak, size = fresh.ask("memory_of_load")
                row.values[name], row.ratios[name] = peak, [peak / size]
        return row

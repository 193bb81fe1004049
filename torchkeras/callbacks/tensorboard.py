"""TensorBoard: event files that the program `tensorboard` shows.

May import core, layers and the callbacks beside it. Needs the package `tensorboard`, which torch's writer uses; it is
loaded when a training begins. What is written into which file under which name is Keras's.
"""

import time
import warnings
from pathlib import Path

import numpy as np
import torch

from torchkeras.callbacks.callback import Callback
from torchkeras.callbacks.event_files import EventFiles
from torchkeras.callbacks.learning_rates import log_rates
from torchkeras.callbacks.logs import python_logs
from torchkeras.callbacks.projector import Projector

# Arguments of Keras 2 that Keras 2 ignored too.
_WITHOUT_EFFECT = ("write_grads", "batch_size", "embeddings_layer_names", "embeddings_data")


class TensorBoard(Callback):
    """Writes losses, metrics, rates, weights and the model's graph for TensorBoard.

    Args:
        log_dir: folder of the files: those of the training go to `train`, those of the validation and of `evaluate` to
            `validation`. Each training should have its own.
        histogram_freq: every how many epochs histograms of the weights are written; 0 for never.
        write_graph: write the model's layers, for the graph page. Models written as subclasses have no such graph.
        write_images: together with the histograms write the weights as images.
        write_steps_per_second: write how many steps a second were run, by epoch and, with `update_freq`, by batch.
        update_freq: "epoch", or every how many batches their running loss and metrics are written besides; "batch"
            means each. The numbers are read from the device only for batches that are written.
        profile_batch: number of the batch, counted from 1 over all epochs, that torch's profiler records; or the first
            and last one, as a pair or in a text "10,20". The trace is a `.pt.trace.json` in `train`.
        embeddings_freq: every how many epochs the tables of Embedding layers are written for the projector page, and
            the model's weights; 0 for never.
        embeddings_metadata: the file with a label for each row, within `log_dir`: a name for all tables, or a dict from
            a layer's name to a file's.
        older: Keras 2's `write_grads`, `batch_size`, `embeddings_layer_names`, `embeddings_data`; without effect.

    Names in the files: `epoch_<name>` by epoch, `batch_<name>` by batch, `evaluation_<name>_vs_iterations` by the
    optimizer's counter, `<path of the weight>/histogram` and `/image`. A metric of several numbers has one name for
    each: `epoch_<name>/0`.

    Raises:
        ModuleNotFoundError: at the begin of training, if the package `tensorboard` is missing.
        ValueError: for a `profile_batch` of another form, and for metadata of layers that are no Embedding.

    Example:
        >>> board = TensorBoard("logs", histogram_freq=1)
        >>> history = model.fit(x, y, epochs=2, callbacks=[board], verbose=0)

    In torch: `torch.utils.tensorboard.SummaryWriter`, which this uses.
    """

    reads_logs_lazily = True

    resumed = ("_step",)

    def __init__(
        self,
        log_dir="logs",
        histogram_freq=0,
        write_graph=True,
        write_images=False,
        write_steps_per_second=False,
        update_freq="epoch",
        profile_batch=0,
        embeddings_freq=0,
        embeddings_metadata=None,
        **older,
    ):
        super().__init__()
        for name in older:
            if name not in _WITHOUT_EFFECT:
                raise TypeError(f"TensorBoard got the unknown argument `{name}`.")
            warnings.warn(f"TensorBoard ignores `{name}`, which has no effect since Keras 2.", stacklevel=2)
        self.log_dir = str(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.profile_batch = profile_batch
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._first_profiled, self._last_profiled = _range_of(profile_batch)
        self._profiler = None
        self._files = {}
        self._step = 0

    def set_model(self, model):
        super().set_model(model)
        self._close()
        if self.write_graph:
            self._train().write_layers(model)
        if self.embeddings_freq:
            self._projector = Projector(self.log_dir, model, self.embeddings_metadata)

    def _train(self):
        return self._file("train")

    def _file(self, name):
        if name not in self._files:
            self._files[name] = EventFiles(Path(self.log_dir, name))
        return self._files[name]

    def _close(self):
        for file in self._files.values():
            file.close()
        self._files = {}

    def on_train_begin(self, logs=None):
        self._step = 0
        self._train()

    def on_train_end(self, logs=None):
        self._end_profile()
        self._close()

    def on_train_batch_begin(self, batch, logs=None):
        self._step += 1
        if self._step == self._first_profiled:
            self._profiler = torch.profiler.profile(
                on_trace_ready=torch.profiler.tensorboard_trace_handler(str(Path(self.log_dir, "train")))
            )
            self._profiler.start()
        if self._is_due():
            self._batch_began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if self._is_due():
            if self.write_steps_per_second:
                seconds = time.perf_counter() - self._batch_began
                self._train().write_scalar("batch_steps_per_second", 1.0 / seconds, self._step)
            self._train().write_logs("batch_{}", python_logs(logs), self._step)
        if self._step >= self._last_profiled:
            self._end_profile()

    def _is_due(self):
        return self.update_freq != "epoch" and self._step % self.update_freq == 0

    def _end_profile(self):
        if self._profiler is not None:
            self._profiler.stop()
            self._profiler = None

    def on_epoch_begin(self, epoch, logs=None):
        if self.write_steps_per_second:
            self._epoch_began = time.perf_counter(), int(self.model.optimizer.iterations)

    def on_epoch_end(self, epoch, logs=None):
        self._write_epoch(epoch, logs or {})
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._projector.write(epoch)
        for file in self._files.values():
            file.flush()

    def on_test_begin(self, logs=None):
        self._file("validation")

    def on_test_end(self, logs=None):
        file = self._file("validation")
        iterations = getattr(self.model.optimizer, "iterations", None)
        if iterations is not None:
            file.write_logs("evaluation_{}_vs_iterations", logs or {}, int(iterations))
        file.flush()

    def _write_epoch(self, epoch, logs):
        if not logs:
            return
        training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        validation = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        if self.model.optimizer is not None:
            log_rates(self.model, training)
        if self.write_steps_per_second:
            began, iterations = self._epoch_began
            done = int(self.model.optimizer.iterations) - iterations
            training["steps_per_second"] = done / (time.perf_counter() - began)
        self._train().write_logs("epoch_{}", training, epoch)
        if validation:
            self._file("validation").write_logs("epoch_{}", validation, epoch)

    def _write_weights(self, epoch):
        for layer in self.model.layers:
            for weight in layer.weights:
                name, values = weight.path.replace(":", "_"), weight.detach().float()
                self._train().write_histogram(f"{name}/histogram", values, epoch)
                if self.write_images:
                    self._train().write_weight_as_image(f"{name}/image", values, epoch)


def _range_of(profile_batch):
    """`(first, last)` batch to be profiled, `(0, 0)` for none."""
    batches = profile_batch
    if isinstance(batches, str):
        batches = [int(number) for number in batches.split(",")]
    if isinstance(batches, (int, np.integer)):
        batches = (batches, batches)
    if not isinstance(batches, (tuple, list)) or len(batches) != 2 or not 0 <= batches[0] <= batches[1]:
        raise ValueError(
            f"`profile_batch` must be the number of a batch, or the first and the last one as a pair or as a text such "
            f"as '10,20'; got {profile_batch!r}."
        )
    return tuple(batches)

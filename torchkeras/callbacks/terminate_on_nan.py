"""TerminateOnNaN: ends the training at the first loss that is no finite number.

Imports torch, the callback base, the console and the reader of logs.
"""

import math
from collections import deque

import torch

from torchkeras.callbacks import console
from torchkeras.callbacks.callback import Callback
from torchkeras.callbacks.logs import one_of

# How many batches of a CUDA device may be under way before the oldest is waited for.
_MOST_UNDER_WAY = 64


class TerminateOnNaN(Callback):
    """Stops `fit` when the loss is NaN or infinite: ends the epoch at that batch and the training after that epoch.

    On the CPU the loss is looked at after each batch, which costs a microsecond. On a CUDA device a look would make the
    host wait for each batch; there the loss is copied without waiting and judged once it has arrived. The training
    then ends as many batches after the bad one as the device was behind, at the latest with the epoch; which batch it
    was is said as on the CPU.

    Args:
        raise_error: raise instead of stopping; the callbacks' `on_train_end` is then not called, and files of a
            BackupAndRestore stay.

    Raises:
        RuntimeError: the loss is not finite, and `raise_error` was asked for.

    Example:
        >>> history = model.fit(x, y, epochs=3, callbacks=[TerminateOnNaN()], verbose=0)
        >>> len(history.epoch)
        3
    """

    reads_logs_lazily = True

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error
        self._under_way = deque()

    def on_train_begin(self, logs=None):
        self._under_way.clear()

    def on_batch_end(self, batch, logs=None):
        loss = one_of(logs, "loss")
        if isinstance(loss, float):
            self._judge(batch, loss)
        elif loss is None:
            return
        elif isinstance(loss, torch.Tensor) and loss.is_cuda:
            self._under_way.append((batch, *_sent(loss)))
            self._judge_arrived()
        else:
            self._judge(batch, float(loss))

    def on_epoch_end(self, epoch, logs=None):
        while self._under_way:
            self._judge_oldest()

    def _judge_arrived(self):
        while self._under_way and (len(self._under_way) > _MOST_UNDER_WAY or self._under_way[0][2].query()):
            self._judge_oldest()

    def _judge_oldest(self):
        batch, loss, arrival = self._under_way.popleft()
        arrival.synchronize()
        self._judge(batch, float(loss))

    def _judge(self, batch, loss):
        if math.isfinite(loss):
            return
        self._under_way.clear()
        if self.raise_error:
            raise RuntimeError(
                f"The loss is {loss} at batch {batch}; TerminateOnNaN(raise_error=True) ends the training."
            )
        console.write(f"Batch {batch}: Invalid loss, terminating training\n")
        self.model.stop_training = True


def _sent(loss):
    """A copy of the loss on its way to the host, and the event of its arrival."""
    copy = loss.detach().to("cpu", non_blocking=True)
    arrival = torch.cuda.Event()
    arrival.record()
    return copy, arrival

"""Workers: what is made beside the program that uses it, handed out in order.

May import core's scopes and torch's data utilities. Knows neither datasets nor models.

Threads are these few lines; processes are torch's DataLoader, which ends with its worker's traceback where one raises,
and notices one that was killed.
"""

import collections
import concurrent.futures
import faulthandler
import itertools
import os
import pathlib
import queue
import signal
import sys
import tempfile
import threading
import time
import traceback

import torch
from torch.utils.data import DataLoader, Dataset

from torchkeras.core.scopes import process
from torchkeras.errors import WorkerError

_SIGNAL = getattr(signal, "SIGUSR1", None)
_MOMENT = 0.5  # seconds in which a worker writes down where it stands


def in_threads(function, items, count, ahead, timeout=None, what="the data set"):
    """`function(item) for item in items`, made by `count` threads, up to `ahead` of them in advance, in order.

    Args:
        items: iterable, read in the calling thread; may be without end.
        count: threads.
        ahead: results that are made or wait to be used at any time.
        timeout: seconds to wait for one; None for ever.
        what: in errors, what makes them.

    Raises what `function` raises, and `WorkerError` after the timeout. Where the generator is closed, threads end with
    the item that they are at.
    """
    items, tasks, waiting = iter(items), queue.SimpleQueue(), collections.deque()
    threads = [threading.Thread(target=_make, args=(function, tasks), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()

    def ask(number):
        for item in itertools.islice(items, number):
            future = concurrent.futures.Future()
            waiting.append(future)
            tasks.put((item, future))

    try:
        ask(ahead)
        while waiting:
            future = waiting.popleft()
            try:
                result = future.result(timeout)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise  # the function's own
                raise WorkerError(_too_long(what, timeout, _stacks(threads))) from None
            del future
            yield result
            del result
            ask(1)
    finally:
        for future in waiting:
            future.cancel()
        for _ in threads:
            tasks.put(None)


def _keep_to_one_core():
    """Lets the kernels of this thread, a worker, run in it alone. Spread over cores on which others are at work, they
    wait for each other: a pass over 500 photos takes seven times as long on a busy machine.

    torch hands the number that was set last to threads made later, so a thread that ends at once sets the old one.
    """
    with process.thread_numbers:
        others = torch.get_num_threads()
        torch.set_num_threads(1)
        restoring = threading.Thread(target=torch.set_num_threads, args=(others,))
        restoring.start()
        restoring.join()


def _make(function, tasks):
    """What a thread does: results, until it is given None."""
    _keep_to_one_core()
    while (task := tasks.get()) is not None:
        item, future = task
        if not future.set_running_or_notify_cancel():
            continue
        try:
            future.set_result(function(item))
        except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
            future.set_exception(error)
        del future, task, item


def read_ahead(items, size):
    """The items, read by a thread that is up to `size` of them ahead. What reading raises is raised in its place."""
    ready, room, ended = queue.SimpleQueue(), threading.Semaphore(size), threading.Event()

    def read():
        _keep_to_one_core()
        running = iter(items)
        try:
            while not ended.is_set():
                ready.put((next(running), None))
                room.acquire()
        except BaseException as error:  # noqa: BLE001 - raised where the item is waited for
            ready.put((None, error))
        if hasattr(running, "close"):
            running.close()

    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            room.release()
            yield item
            del item
    finally:
        ended.set()
        room.release()


def in_processes(dataset, order, count, ahead, timeout):
    """The items `dataset[index] for index in order`, made by processes, each with a copy of the data set as it is now.
    As `in_threads` otherwise.

    Raises `WorkerError` where a worker died or took too long, else what `__getitem__` raises.
    """
    with tempfile.TemporaryDirectory(prefix="torchkeras-workers-") as folder:
        loader = DataLoader(
            _Items(dataset), batch_size=None, sampler=order, collate_fn=_as_made, num_workers=count,
            prefetch_factor=max(ahead // count, 1), timeout=timeout or 0, worker_init_fn=_Reports(folder),
        )  # fmt: skip
        batches = iter(loader)
        try:
            yield from batches
        except RuntimeError as error:
            if str(error).startswith("DataLoader timed out"):
                text = _too_long(type(dataset).__name__, timeout, _stacks_of_processes(folder))
            elif str(error).startswith("DataLoader worker"):
                text = f"A worker process of {type(dataset).__name__} died while it made a batch: {error}"
            else:
                raise
            raise WorkerError(text) from None
        finally:
            end(batches)


def end(batches):
    """Ends the processes behind an iterator of torch's DataLoader, if there are any. Its own `__del__` does so too, but
    the traceback of an error keeps it from being called."""
    shut_down = getattr(batches, "_shutdown_workers", None)
    if shut_down is not None:
        shut_down()


class _Items(Dataset):
    """A data set of the user's as torch wants it. Its items are whole batches."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __getitem__(self, index):
        return self.dataset[index]


def _as_made(batch):
    return batch


class _Reports:
    """At the start of a worker process: it will write down where it stands when it is asked to."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, worker):
        if _SIGNAL is not None:
            self.file = open(os.path.join(self.folder, str(os.getpid())), "w")  # noqa: SIM115 - open as long as the worker
            faulthandler.register(_SIGNAL, self.file)


def _stacks_of_processes(folder):
    files = sorted(pathlib.Path(folder).iterdir())
    for file in files:
        os.kill(int(file.name), _SIGNAL)
    time.sleep(_MOMENT)
    return [f"Process {file.name}:\n{file.read_text()}" for file in files]


def _stacks(threads):
    frames = sys._current_frames()
    stacks = [frames[thread.ident] for thread in threads if thread.ident in frames]
    return ["".join(traceback.format_stack(frame)) for frame in stacks]


def _too_long(what, timeout, stacks):
    where = "\n".join(stacks) or "(they could not be asked)"
    return (
        f"{what} gave nothing for {timeout} seconds. Set its `timeout` to wait longer, or work without workers to make "
        f"batches in the training's own thread. The workers stand here:\n{where}"
    )

"""Workers of a PyDataset: batches in order, what goes wrong ends the training with a reason, nothing is left behind."""

import gc
import os
import signal
import threading
import time

import numpy as np
import psutil
import pytest
import torch

import torchkeras as keras
from torchkeras import data as keras_data
from torchkeras.errors import WorkerError

KINDS = {"threads": False, "processes": True}


class Data(keras.utils.PyDataset):
    timeout = 20

    def __init__(self, workers=2, use_multiprocessing=False, max_queue_size=4, count=12):
        super().__init__(workers, use_multiprocessing, max_queue_size)
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.happens(index)
        return np.full((2, 3), index, "float32"), np.full((2, 1), index, "float32")

    def happens(self, index):
        pass


def model():
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    network.compile(keras.optimizers.SGD(1e-4), "mse")
    return network


def children():
    return psutil.Process().children(recursive=True)


@pytest.fixture(autouse=True)
def nothing_is_left():
    processes, threads = set(children()), set(threading.enumerate())
    yield
    gc.collect()
    until = time.monotonic() + 10
    while time.monotonic() < until and (set(children()) - processes or set(threading.enumerate()) - threads):
        time.sleep(0.02)
    assert not set(children()) - processes and not set(threading.enumerate()) - threads


@pytest.fixture(params=KINDS)
def processes(request):
    return KINDS[request.param]


@pytest.mark.parametrize("workers, ahead", [(1, 1), (2, 1), (2, 10), (3, 4)])
def test_batches_come_in_order(processes, workers, ahead):
    class Slow(Data):
        def happens(self, index):
            time.sleep(0.02 * (index % 3 == 0))

    found = model().predict(Slow(workers, processes, ahead), verbose=0)
    expected = model().predict(Data(1), verbose=0)
    assert found.shape == expected.shape == (24, 1) and np.argsort(np.abs(found[:, 0]), kind="stable").tolist() == [
        *range(24)
    ]


def test_no_more_than_the_queue_is_made_ahead():
    made = []

    class Counted(Data):
        def happens(self, index):
            made.append(index)

    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            time.sleep(0.01)
            seen.append(len(made) - batch)

    model().fit(Counted(2, False, 3, count=20), verbose=0, callbacks=[Watch()])
    assert max(seen) <= 3 + 2  # waiting, and one to see shapes by, and the one in use


def test_changes_at_the_end_of_an_epoch_reach_the_workers(processes):
    class Growing(Data):
        offset = 0.0

        def __getitem__(self, index):
            return np.full((2, 3), self.offset, "float32"), np.zeros((2, 1), "float32")

        def on_epoch_end(self):
            self.offset += 1

    seen = []

    class Sees(keras.Model):
        def train_step(self, data):
            seen.append(float(data[0].max()))
            return {"loss": 0.0}

    network = Sees()
    network.compile("sgd")
    network.fit(Growing(2, processes, count=3), epochs=2, verbose=0)
    assert seen == [0, 0, 0, 1, 1, 1]


def test_what_a_worker_raises_ends_the_training(processes):
    class Raises(Data):
        def happens(self, index):
            if index == 7:
                raise ZeroDivisionError("on purpose")

    with pytest.raises(ZeroDivisionError, match="on purpose") as caught:
        model().fit(Raises(2, processes), verbose=0, shuffle=False)
    frames = [entry.name for entry in caught.traceback]
    assert "happens" in frames or "in happens" in str(caught.value)  # its own traceback, or its text from the process


def test_an_error_of_the_training_ends_the_workers(processes):
    class Fails(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    network = model()
    with pytest.raises(KeyboardInterrupt):
        network.fit(Data(2, processes, count=100), verbose=0, callbacks=[Fails()])
    network.fit(Data(2, processes), verbose=0)  # and the model goes on


def test_a_callback_that_stops_ends_the_workers(processes):
    class Stops(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    model().fit(Data(2, processes, count=100), verbose=0, callbacks=[Stops()])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_dies_ends_the_training(how):
    class Dies(Data):
        def happens(self, index):
            if index == 5:
                os.kill(os.getpid(), how)

    with pytest.raises(WorkerError, match="Dies died while it made a batch"):
        model().fit(Dies(2, True), verbose=0, shuffle=False)


def test_a_worker_that_is_killed_from_outside_ends_the_training():
    class Slow(Data):
        def happens(self, index):
            time.sleep(0.1)

    class Kills(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                for child in children():
                    child.kill()

    with pytest.raises(WorkerError, match="died"):
        model().fit(Slow(2, True, count=100), verbose=0, callbacks=[Kills()])


def test_a_worker_that_hangs_ends_the_training_and_shows_where(processes):
    release = threading.Event()

    class Hangs(Data):
        timeout = 1

        def happens(self, index):
            if index == 3:
                self.waits_for_ever()

        def waits_for_ever(self):
            release.wait(60)

    try:
        with pytest.raises(WorkerError, match=r"(?s)gave nothing for 1 seconds.*waits_for_ever"):
            model().fit(Hangs(2, processes), verbose=0, shuffle=False)
    finally:
        release.set()


def test_an_item_that_times_out_by_itself_is_told_as_it_is():
    class Late(Data):
        def happens(self, index):
            if index == 3:
                raise TimeoutError("of the user's")

    with pytest.raises(TimeoutError, match="of the user's"):
        model().fit(Late(2), verbose=0)


def test_a_data_set_without_a_call_to_super():
    class Bare(keras.utils.Sequence):
        def __init__(self):
            pass

        def __len__(self):
            return 2

        def __getitem__(self, index):
            return np.ones((2, 3)), np.ones((2, 1))

    model().fit(Bare(), verbose=0, epochs=2)
    assert Bare().num_batches == 2 and keras.utils.Sequence is keras.utils.PyDataset


def test_what_a_data_set_lacks_is_told():
    class Empty(keras.utils.PyDataset):
        pass

    class Endless(keras.utils.PyDataset):
        num_batches = None

    with pytest.raises(NotImplementedError, match="Endless must define __getitem__"):
        model().fit(Endless(), steps_per_epoch=2, verbose=0)
    for ask in (len, lambda data: data.num_batches, lambda data: model().fit(data, verbose=0)):
        with pytest.raises(NotImplementedError, match="Empty must define __len__"):
            ask(Empty())


def test_workers_keep_to_one_core_and_leave_torchs_threads_as_they_were():
    def number():
        seen = []
        asking = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        asking.start()
        asking.join()
        return seen[0]

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seen = []
        dataset = keras_data.Dataset.range(40).map(lambda n: seen.append(torch.get_num_threads()) or n, 4)
        ahead = dataset.map(lambda n: seen.append(torch.get_num_threads()) or n).prefetch(2)
        assert len(list(ahead)) == 40 and seen == [1] * 80
        assert torch.get_num_threads() == number() == 3
    finally:
        torch.set_num_threads(before)

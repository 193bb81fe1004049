"""How the CPU computes while a model works: denormal numbers, threads, and memory that was freed.

May import core. Knows no model. `at_work` is what the loops put around their steps.

Numbers below 1.2e-38 are denormal in float32, and a CPU takes some hundred cycles for each. The moments of a unit that
gets no gradient any more end there after some 800 steps and stay. A flag of the processor makes zeros of them, as
TensorFlow and XLA have it. Each thread has its own flag: torch sets that of the thread that calls, and the threads
of torch's kernels (OpenMP) take theirs over when they are made, long before.
"""

import contextlib
import ctypes
import sys

import torch

from torchkeras.core import tree
from torchkeras.core.scopes import process, settings, state

_SMALLEST = sys.float_info.min
_FLOATING_POINT_STATE = 512  # bytes; C libraries take 8 to 32
_WORK_OF_A_THREAD = 2**24  # multiplications: about half a millisecond
_KEPT_BYTES = 31 * 2**20  # just below the size from which glibc adapts to nothing


class at_work:
    """Around a loop of steps: `with at_work(step, work) as step:`, then `step(batch)`.

    While a step runs, denormal numbers are zeros, in this thread and in those of torch's kernels, and a small step
    keeps to one thread. What runs between the steps (callbacks, data) computes as ever. See
    `keras.config.disable_flush_denormals` and `disable_thread_choice`.

    Args:
        step: function of one batch.
        work: multiplications of a step, from which the number of threads follows: a pair (for each sample, for each
            step), or None where nobody knows. It never depends on how long something took, so that runs are equal.
    """

    def __init__(self, step, work=None):
        self._step, self._work = step, work
        self._flush = settings.flush_denormals and torch.set_flush_denormal(flushes())  # some processors have no flag
        self._threads, self._workers = None, contextlib.nullcontext()

    def __enter__(self):
        _keep_freed_memory()
        return self

    def __exit__(self, *error):
        return self._workers.__exit__(*error)

    def _begin(self, batch):
        self._threads = torch.get_num_threads()
        if self._work is not None and settings.thread_choice:
            self._threads = min(self._threads, threads_for(self._work[0] * _rows(batch) + self._work[1]))
        if self._flush and self._threads > 1:
            self._workers = _flushing_workers()
            self._workers.__enter__()

    def __call__(self, batch):
        if self._threads is None:
            self._begin(batch)
        ours, users = self._threads, torch.get_num_threads()
        flush = self._flush and not flushes()  # the user set the flag, or a step runs inside a step
        if ours < users:
            torch.set_num_threads(ours)
        if flush:
            torch.set_flush_denormal(True)
        try:
            return self._step(batch)
        finally:
            if flush:
                torch.set_flush_denormal(False)
            if ours < users and torch.get_num_threads() == ours:
                torch.set_num_threads(users)


def threads_for(work):
    """How many threads are worth having for so many multiplications: each waits for the others after every kernel,
    which costs little where the processor is theirs, and whole time slices where another program takes a core."""
    return max(1, work // _WORK_OF_A_THREAD)


def _rows(batch):
    leaf = next((leaf for leaf in tree.flatten(batch) if leaf is not None), None)
    return leaf.shape[0] if getattr(leaf, "shape", ()) else 1


def flushes():
    """Whether this thread makes zeros of denormal numbers."""
    return _SMALLEST * 0.5 == 0.0


@contextlib.contextmanager
def _flushing_workers():
    if state.workers_flush or torch.get_num_threads() == 1 or process.forked:
        yield
        return
    state.workers_flush, before = True, flushes()
    try:
        torch.set_flush_denormal(True)
        _workers_compute_as_this_thread()
        torch.set_flush_denormal(before)
        yield
    finally:
        state.workers_flush = False
        _workers_compute_as_this_thread()


def _workers_compute_as_this_thread():
    """Gives this thread's floating-point state to the threads that torch's kernels run in when it calls them.

    One parallel region, in which each thread calls C's `fesetenv`. Where torch stands on another OpenMP than GNU's,
    the threads do this by themselves in every region.
    """
    if _openmp is not None:
        ours = ctypes.create_string_buffer(_FLOATING_POINT_STATE)
        _openmp.fegetenv(ours)
        _openmp.GOMP_parallel(_set_state, ours, 0, 0)


def _find_openmp():
    library = ctypes.CDLL(torch._C.__file__)  # what torch itself is linked to, and no second copy
    try:
        library.GOMP_parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        library.GOMP_parallel.restype = None
        return library, ctypes.cast(library.fesetenv, ctypes.c_void_p)
    except AttributeError:
        return None, None


_openmp, _set_state = _find_openmp()


def _keep_freed_memory():
    """Lets the C library keep what a step frees for the next one, once per process.

    glibc gives back to the system what is free above twice the largest block that was freed so far, and takes it again
    a moment later, zeroed page by page: a tenth of a step. A large block that nobody touched costs nothing, and freed
    it tells glibc to keep twice as much. `MALLOC_TRIM_THRESHOLD_` and `MALLOC_MMAP_THRESHOLD_` in the environment have
    the last word.
    """
    if not process.keeps_freed_memory:
        process.keeps_freed_memory = True
        torch.empty(_KEPT_BYTES, dtype=torch.uint8, device="cpu")

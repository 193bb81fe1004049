"""How the CPU computes while a model works: denormal numbers, and memory that was freed.

May import core.scopes. Knows no model. `at_work` is what the loops put around their steps.

Numbers below 1.2e-38 are denormal in float32, and a CPU takes some hundred cycles for each. The moments of a unit that
gets no gradient any more end there after some 800 steps and stay. A flag of the processor makes zeros of them, as
TensorFlow and XLA have it. Each thread has its own flag: torch sets that of the thread that calls, and the threads
of torch's kernels (OpenMP) take theirs over when they are made, long before.
"""

import contextlib
import ctypes
import sys

import torch

from torchkeras.core.scopes import process, settings, state

_SMALLEST = sys.float_info.min
_FLOATING_POINT_STATE = 512  # bytes; C libraries take 8 to 32
_KEPT_BYTES = 31 * 2**20  # just below the size from which glibc adapts to nothing


@contextlib.contextmanager
def at_work(step):
    """Gives `step`, a function of one batch, in the form in which denormal numbers are zeros while it runs.

    Inside the block the kernels' threads have that too, whoever calls; what runs in this thread between the steps
    (callbacks, data) computes as ever. Where `keras.config.disable_flush_denormals()` was said, `step` stays as it is.
    """
    _keep_freed_memory()
    if not settings.flush_denormals or not torch.set_flush_denormal(flushes()):  # no such flag in this processor
        yield step
        return
    with _flushing_workers():
        yield _flushed(step)


def flushes():
    """Whether this thread makes zeros of denormal numbers."""
    return _SMALLEST * 0.5 == 0.0


def _flushed(step):
    def flushed(batch):
        if flushes():  # the user set the flag, or a step runs inside a step
            return step(batch)
        torch.set_flush_denormal(True)
        try:
            return step(batch)
        finally:
            torch.set_flush_denormal(False)

    return flushed


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

"""One contender in one process: the parent's handle (``Worker``) and the loop that answers it (``serve``).

Contenders need processes of their own because torchkeras and Keras may answer to the same names, and because a run of
one must not inherit the other's memory or threads. Imports ``runs`` alone at the top, which imports no torch.
"""

import importlib
import multiprocessing
import traceback

from . import runs

HAND = "hand"


class ContenderError(Exception):
    """A contender raised, or its process died; the text is its traceback."""


class Worker:
    """A process that runs one contender.

    Args:
        contender: ``"hand"``, or the name of the module that answers as ``keras``.
        device: ``"cpu"`` or ``"cuda"``.

    Example: ``Worker("hand", "cpu").ask("prepare", "fit", "xor", 100)``, then ``ask("run")`` gives ms per step.
    """

    def __init__(self, contender, device):
        self.contender = contender
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, contender, device))
        self._process.start()
        theirs.close()

    def ask(self, *request):
        """Send a request (``"facts"``, ``"prepare"``, ``"run"``, ``"import"``, ``"memory"``), wait for the answer."""
        try:
            self._pipe.send(request)
            failed, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(5)
            code = self._process.exitcode
            raise ContenderError(f"the process of {self.contender} ended with exit code {code}") from error
        if failed:
            raise ContenderError(answer)
        return answer

    def close(self):
        """End the process by closing its pipe."""
        self._pipe.close()
        self._process.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def serve(pipe, contender, device):
    """Answer requests from ``pipe`` until it closes: ``(False, answer)``, or ``(True, traceback)``."""
    desk = _Desk(contender, device)
    while True:
        try:
            name, *arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = (False, getattr(desk, "on_" + name)(*arguments))
        except Exception:  # noqa: BLE001 - a contender's failure is its result; the parent prints it
            answer = (True, traceback.format_exc())
        pipe.send(answer)


class _Desk:
    """What a worker can be asked."""

    def __init__(self, contender, device):
        self.contender, self.device = contender, device

    def on_facts(self):
        import torch

        device = "cpu" if self.device == "cpu" else torch.cuda.get_device_name()
        return {"torch": torch.__version__, "threads": torch.get_num_threads(), "device": device}

    def on_prepare(self, kind, workload, steps):
        """Build the model and run it once untimed; the name of the form chosen, where there were several."""
        import torch

        from . import folders, images
        from .files import FILES
        from .operations import OPS
        from .structure import STRUCTURE, repeated
        from .workloads import STEPS, WORKLOADS

        torch.manual_seed(0)
        form = None
        if kind == "step":
            keras = None if self.contender == HAND else importlib.import_module(self.contender)
            form, self.run = runs.optimizer_steps(STEPS[workload], steps, self.device, keras)
        elif kind == "op":
            keras = None if self.contender == HAND else importlib.import_module(self.contender)
            self.run = runs.operation(workload, OPS[workload], steps, self.device, keras)
        elif kind == "image":
            self.run = images.calls(workload, steps, importlib.import_module(self.contender))
        elif kind == "auc":
            self.run = runs.auc(steps, self.device, importlib.import_module(self.contender))
        elif kind == "file":
            once = FILES[workload](importlib.import_module(self.contender))
            self.run = lambda: [once() for _ in range(steps)]
        elif kind == "folder" and self.contender == HAND:
            self.run = folders.by_hand(workload, steps)
        elif kind == "folder":
            self.run = folders.in_keras(workload, steps, importlib.import_module(self.contender))
        elif kind in STRUCTURE:
            self.run = repeated(kind, WORKLOADS[workload], steps, importlib.import_module(self.contender))
        elif self.contender == HAND:
            self.run = runs.by_hand(kind, WORKLOADS[workload], steps, self.device)
        else:
            keras = importlib.import_module(self.contender)
            self.run = runs.in_keras(kind, WORKLOADS[workload], steps, self.device, keras)
        self.steps = steps
        self.run()
        return form

    def on_run(self):
        return runs.timed(self.run, self.steps, self.device)

    def on_import(self):
        return runs.import_cost("torch" if self.contender == HAND else self.contender)

    def on_memory_of_load(self):
        from .files import memory_of_load

        return memory_of_load(self.contender)

    def on_memory(self, workload, steps):
        from .workloads import WORKLOADS

        return runs.memory_growth(WORKLOADS[workload], steps, importlib.import_module(self.contender))

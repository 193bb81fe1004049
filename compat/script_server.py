"""Runs programs, each in a fork of this process, which has done the imports that take longer than most programs do.

`python -m torchkeras script_server.py` runs them here, `python script_server.py` under the real Keras. Each line of
standard input says what to run: the program, the folder to run it in (where its output goes, into the files out and
errors), and a folder to import from, or nothing. For each the exit status is printed. Must not know what programs do.
"""

import gc
import importlib
import os
import runpy
import signal
import sys

for name in ("keras", "sklearn.datasets", "torch.fx.experimental.symbolic_shapes"):
    importlib.import_module(name)
gc.freeze()  # the forks share what is there now

for line in sys.stdin:
    program, folder, imports = line.strip("\n").split("\t")
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        os.chdir(folder)
        for number, name in ((1, "out"), (2, "errors")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.path[0] = os.path.dirname(program)
        if imports:
            sys.path.insert(1, imports)
        sys.argv[:] = [program]
        runpy.run_path(program, run_name="__main__")
        sys.stdout.flush()
        os._exit(0)  # without taking the interpreter down piece by piece
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

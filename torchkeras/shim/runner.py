"""Runs an unmodified program as Python itself would, with torchkeras answering its Keras and TensorFlow imports.

Lives here: the command line, the `__main__` module of the program, the tidy traceback.
May import: finder. Must not know: what the program does. Exceptions are never caught: Python's own ending of a program
(exit status, interrupts, exit handlers) is what the user gets.
"""

from __future__ import annotations

import importlib.util
import io
import os
import runpy
import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType, TracebackType

from torchkeras.shim import finder

USAGE = """\
usage: python -m torchkeras [-h] (script.py | -m module) [arguments ...]

Runs a Keras program on PyTorch, unmodified: its `import keras`, `import tensorflow as tf` and `import tf_keras`
are answered by torchkeras. Arguments after the program's name are the program's own.

  script.py    a Python file, or a folder that holds a __main__.py
  -m module    a module, found as `python -m` finds it
"""

_HERE = os.path.dirname(__file__)
# Frames that stand above a program's own in every traceback, and those below it when a name is missing.
_STARTERS = {__file__, os.path.join(os.path.dirname(_HERE), "__main__.py"), "<frozen runpy>", runpy.__file__}
_ANSWERERS = {finder.__file__, os.path.join(_HERE, "tf", "missing.py")}


def main(argv: list[str] | None = None) -> None:
    """Run the program that the command line names; `argv` without the interpreter's and our own part.

    Raises:
        SystemExit: as the program ends itself; 2 for a command line that names no program, 1 for a module not found.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments:
        sys.exit(_refuse("it needs a script or -m module", usage=True))
    first, rest = arguments[0], arguments[1:]
    if first in ("-h", "--help"):
        print(USAGE, end="")
        return
    if first == "-m" and not rest:
        sys.exit(_refuse("-m needs a module", usage=True))
    if first.startswith("-") and not first.startswith("-m"):
        sys.exit(_refuse(f"unknown option {first}", usage=True))
    finder.install()
    sys.excepthook = _tidy(sys.excepthook)
    if first == "-m":
        run_module(rest[0], rest[1:])
    elif first.startswith("-m"):
        run_module(first[2:], rest)
    else:
        run_script(first, rest)


def run_script(path: str, arguments: list[str]) -> None:
    """Run the file `path` as `python path arguments...` would: its own folder leads `sys.path`."""
    sys.argv[:] = [path, *arguments]
    if os.path.isdir(path):
        _lead_path_with(path)
        return _run_main_of_folder(path)
    full = os.path.abspath(path)
    try:
        with io.open_code(full) as file:
            source = file.read()
    except OSError as error:
        sys.exit(_refuse(f"can't open file {full!r}: [Errno {error.errno}] {error.strerror}"))
    _lead_path_with(os.path.dirname(os.path.realpath(path)))
    _execute(
        compile(source, full, "exec", dont_inherit=True),
        __file__=full,
        __loader__=SourceFileLoader("__main__", full),
        __package__=None,
        __spec__=None,
        __cached__=None,
    )


def run_module(name: str, arguments: list[str]) -> None:
    """Run the module `name` as `python -m name arguments...` would; for a package, its `__main__`."""
    # While Python looks the module up (and imports its packages), argv[0] is "-m".
    sys.argv[:] = ["-m", *arguments]
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
            if spec is None:
                sys.exit(_refuse(f"No module named {name}.__main__; {name!r} is a package and cannot be run", status=1))
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            sys.exit(_refuse(str(error), status=1))
        raise  # a module that the program's own package imports
    if spec is None:
        sys.exit(_refuse(f"No module named {name}", status=1))
    _run_spec(spec)


def _run_main_of_folder(path: str) -> None:
    spec = PathFinder.find_spec("__main__", [path])
    if spec is None:
        sys.exit(_refuse(f"can't find '__main__' module in {path!r}", status=1))
    _run_spec(spec, path)


def _run_spec(spec: ModuleSpec, program: str | None = None) -> None:
    code = spec.loader.get_code(spec.name) if hasattr(spec.loader, "get_code") else None
    if code is None:
        sys.exit(_refuse(f"No code object available for {spec.name}", status=1))
    sys.argv[0] = program or spec.origin
    _execute(
        code,
        __file__=spec.origin,
        __loader__=spec.loader,
        __package__=spec.parent,
        __spec__=spec,
        __cached__=spec.cached,
    )


def _execute(code: CodeType, **attributes) -> None:
    """Run `code` as the `__main__` module. The module stays: exit handlers, threads and pickles still need it."""
    module = ModuleType("__main__")
    vars(module).update(attributes)
    vars(module)["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = module
    exec(code, vars(module))


def _lead_path_with(folder: str) -> None:
    """Give `sys.path` the program's folder where `python -m` had put the current one."""
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        sys.path[0] = folder


def _refuse(problem: str, status: int = 2, usage: bool = False) -> int:
    print(f"{USAGE.splitlines()[0]}\n" if usage else "", f"python -m torchkeras: {problem}", sep="", file=sys.stderr)
    return status


def _tidy(hook):
    """An `excepthook` that shows the program's own frames, then does what `hook` does."""

    def excepthook(kind, error, trace):
        while trace is not None and _file(trace) in _STARTERS:
            trace = trace.tb_next
        if isinstance(error, (ImportError, AttributeError)):
            _cut_after_program(trace)
        hook(kind, error.with_traceback(trace), trace)

    return excepthook


def _cut_after_program(trace: TracebackType | None) -> None:
    """End `trace` at the line that asked for a missing name, before the frames that answered."""
    last, step = None, trace
    while step is not None:
        if _file(step) not in _ANSWERERS and not _file(step).startswith("<frozen importlib"):
            last = step
        step = step.tb_next
    if last is not None:
        last.tb_next = None


def _file(trace: TracebackType) -> str:
    return trace.tb_frame.f_code.co_filename

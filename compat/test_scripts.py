"""Unmodified programs: each prints the same under `python -m torchkeras` and under the real Keras.

May start both libraries, in processes of their own. The programs lie in scripts/. One whose name ends in `_keras2` has
spellings that only Keras 2 knew; it runs here alone, and must print what its twin in today's spelling prints there.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "compat" / "scripts"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))
TWIN = "_keras2"
PROGRAMS = [name for name in SCRIPTS if not name.endswith(TWIN)]

# Stands for TensorFlow where only Keras is installed: its `keras` is the real one. Keras asks for the other two names.
STAND_IN = """\
import sys

import keras

for name, module in list(sys.modules.items()):
    if name.partition(".")[0] == "keras":
        sys.modules["tensorflow." + name] = module


class random:
    set_seed = staticmethod(lambda seed: None)


class TensorShape:
    pass
"""
# Importing Keras takes longer than most programs: it is done once, and each program runs in a fork of that process.
# Lines of standard input say what to run: the program, the folder to run it in, and "tensorflow" for the stand-in.
REAL_KERAS = """\
import os, runpy, signal, sys

import keras

for line in sys.stdin:
    program, folder, stand_in = line.strip("\\n").split("\\t")
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        os.chdir(folder)
        for number, name in ((1, "out"), (2, "errors")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
        sys.path[0] = os.path.dirname(program)
        if stand_in:
            sys.path.insert(1, folder)
        sys.argv[:] = [program]
        runpy.run_path(program, run_name="__main__")
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}

# Times of steps in the lines of `verbose=2`.
TIMES = re.compile(r"- \d+m?s - \d+m?u?s/(step|epoch) ")
NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:e[-+]?\d+)?(?![\w.])")


@pytest.fixture(scope="module")
def real_keras(tmp_path_factory):
    """A function that gives what a program prints under the real Keras."""
    environment = {**ENVIRONMENT, "KERAS_BACKEND": "torch", "PYTHONPATH": ""}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
    command = [sys.executable, "-c", REAL_KERAS]
    with subprocess.Popen(command, cwd=tmp_path_factory.mktemp("keras"), env=environment, **pipes) as process:

        def run(program):
            folder, script = tmp_path_factory.mktemp(program), FOLDER / f"{program}.py"
            stand_in = "tensorflow" if "tensorflow" in script.read_text() else ""
            if stand_in:
                (folder / "tensorflow").mkdir()
                (folder / "tensorflow" / "__init__.py").write_text(STAND_IN)
            process.stdin.write(f"{script}\t{folder}\t{stand_in}\n")
            process.stdin.flush()
            status = process.stdout.readline().strip()
            assert status == "0", f"{program} under Keras ended with {status}:\n{(folder / 'errors').read_text()}"
            return (folder / "out").read_text(encoding="utf-8")

        yield run
        process.stdin.close()


def run_here(program, folder):
    """What a program prints under `python -m torchkeras`."""
    result = subprocess.run(
        [sys.executable, "-m", "torchkeras", str(FOLDER / f"{program}.py")],
        cwd=folder, env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)}, capture_output=True, encoding="utf-8", timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, f"{program} under torchkeras:\n{result.stderr}"
    return result.stdout


def parts(output):
    """A program's output as its text, numbers and spaces aside, and its numbers."""
    output = TIMES.sub("", output)
    return "".join(NUMBER.sub("#", output).split()), [float(number) for number in NUMBER.findall(output)]


def differences(theirs, ours):
    """The first pair of lines whose text differs, else all pairs of numbers that do."""
    (their_text, their_numbers), (our_text, our_numbers) = parts(theirs), parts(ours)
    if their_text != our_text:
        pairs = zip(theirs.splitlines(), ours.splitlines())
        return next((pair for pair in pairs if parts(pair[0])[0] != parts(pair[1])[0]), (theirs, ours))
    return [(a, b) for a, b in zip(their_numbers, our_numbers, strict=True) if abs(a - b) > 1.01e-4 * (1 + abs(a))]


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_prints_the_same(program, real_keras, tmp_path):
    theirs = real_keras(program)
    assert len(parts(theirs)[1]) >= 5
    for name in (program, program + TWIN):
        if name in SCRIPTS:
            assert not differences(theirs, run_here(name, tmp_path)), name


def test_every_twin_has_its_program():
    assert {name.removesuffix(TWIN) for name in SCRIPTS if name.endswith(TWIN)} < set(PROGRAMS)


@pytest.mark.parametrize(
    ("theirs", "ours", "found"),
    [
        ("loss 0.5 [1, 2]", "loss 0.50004 [1,  2]", []),
        ("loss 0.5", "loss 0.501", [(0.5, 0.501)]),
        ("a\nloss 0.5", "a\nloss 0.5 0.5", ("loss 0.5", "loss 0.5 0.5")),
        ("5/5 - 0s - 12ms/step - loss: 1e-3", "5/5 - 3s - 1s/step - loss: 0.001", []),
    ],
)
def test_comparison_of_outputs(theirs, ours, found):
    assert differences(theirs, ours) == found

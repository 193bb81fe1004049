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
SCRIPTS_FOLDER = ROOT / "compat" / "scripts"
SCRIPTS = sorted(path.stem for path in SCRIPTS_FOLDER.glob("*.py"))
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
# Times of steps in the lines of `verbose=2`.
TIMES = re.compile(r"- \d+m?s - \d+m?u?s/(step|epoch) ")
NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:e[-+]?\d+)?(?![\w.])")


class Engine:
    """One of the two libraries, in a process that runs programs."""

    def __init__(self, command, environment, folder, stand_in=""):
        self.folder, self.stand_in = folder, stand_in
        self.process = subprocess.Popen(
            [sys.executable, *command, str(ROOT / "compat" / "script_server.py")],
            cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip

    def output_of(self, program):
        """What a program prints."""
        script, folder = SCRIPTS_FOLDER / f"{program}.py", self.folder / program
        folder.mkdir()
        imports = self.stand_in if "tensorflow" in script.read_text(encoding="utf-8") else ""
        self.process.stdin.write(f"{script}\t{folder}\t{imports}\n")
        self.process.stdin.flush()
        status = self.process.stdout.readline().strip()
        assert status == "0", f"{script} ended with {status}:\n{(folder / 'errors').read_text(encoding='utf-8')}"
        return (folder / "out").read_text(encoding="utf-8")

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """`(real Keras, torchkeras)`."""
    stand_in = tmp_path_factory.mktemp("imports")
    (stand_in / "tensorflow").mkdir()
    (stand_in / "tensorflow" / "__init__.py").write_text(STAND_IN)
    theirs = {"KERAS_BACKEND": "torch", "PYTHONPATH": ""}
    pair = (
        Engine([], theirs, tmp_path_factory.mktemp("keras"), str(stand_in)),
        Engine(["-m", "torchkeras"], {"PYTHONPATH": str(ROOT)}, tmp_path_factory.mktemp("torchkeras")),
    )
    yield pair
    for engine in pair:
        engine.end()


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
def test_program_prints_the_same(program, engines):
    real, ours = engines
    expected = real.output_of(program)
    assert len(parts(expected)[1]) >= 5
    for name in (program, program + TWIN):
        if name in SCRIPTS:
            assert not differences(expected, ours.output_of(name)), name


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

"""Every example runs under `python -m torchkeras`, and the same file runs with the real Keras."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"

# Stands for TensorFlow where only Keras is installed: what the examples import from it, from the real Keras.
STAND_IN = """\
import sys

import keras

for name, module in list(sys.modules.items()):
    if name.partition(".")[0] == "keras":
        sys.modules["tensorflow." + name] = module


class random:
    set_seed = staticmethod(lambda seed: None)
"""


def run(tmp_path, example, engine):
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "torchkeras"]
    if engine == "keras":
        if "from tensorflow" in (EXAMPLES / example).read_text(encoding="utf-8"):
            (tmp_path / "tensorflow").mkdir()
            (tmp_path / "tensorflow" / "__init__.py").write_text(STAND_IN)
        environment |= {"KERAS_BACKEND": "torch", "PYTHONPATH": str(tmp_path)}
        command = [sys.executable]
    result = subprocess.run(
        [*command, str(EXAMPLES / example)],
        cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8", timeout=240,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def check_digits(out, tmp_path):
    assert 'Model: "digits"' in out and "conv2d (Conv2D)" in out and "Total params: 38,330" in out
    assert "Epoch 10/10" in out and len(re.findall(r"val_accuracy: [01]\.\d+", out)) == 10
    assert float(re.search(r"Test accuracy: ([01]\.\d+)", out).group(1)) >= 0.95
    rows = re.findall(r"^ +\d  +(\d)  +(\d)  +\d+%$", out, re.MULTILINE)
    assert len(rows) == 8 and sum(predicted == true for predicted, true in rows) >= 5
    picture = (tmp_path / "digits_curve.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 5000


def check_xor(out, tmp_path):
    values = {(a, b): float(value) for a, b, value in re.findall(r"(\d) xor (\d) = ([\d.]+)", out)}
    assert {pair: round(value) for pair, value in values.items()} == {
        ("0", "0"): 0, ("0", "1"): 1, ("1", "0"): 1, ("1", "1"): 0,
    }  # fmt: skip
    assert float(re.search(r"loss ([\d.]+), accuracy 1.00", out).group(1)) < 0.05


def check_resume(out, tmp_path):
    whole, resumed = (
        re.search(rf"^{word}: +(.+)$", out, re.MULTILINE).group(1) for word in ("in a piece", "interrupted")
    )
    assert whole == resumed and len(whole.split()) == 10
    assert float(re.search(r"Largest difference: (\S+)", out).group(1)) < 1e-6
    assert float(re.search(r"features of the first: ([01]\.\d+)", out).group(1)) >= 0.9
    assert not list(tmp_path.glob("resume.*"))


CHECKS = {"digits.py": check_digits, "resume.py": check_resume, "xor.py": check_xor}


def test_every_example_has_its_check():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(CHECKS)


@pytest.mark.parametrize("engine", ["torchkeras", "keras"])
@pytest.mark.parametrize("example", CHECKS)
def test_example(tmp_path, example, engine):
    CHECKS[example](run(tmp_path, example, engine), tmp_path)

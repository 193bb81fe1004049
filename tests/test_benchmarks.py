"""The bench command runs, its table is complete, its arithmetic is right, both forms of a workload are one model.

Nothing here asserts a time. The command runs in a subprocess, as ``make bench`` runs it.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import torchkeras as keras
from benchmarks import folders, runs, texts
from benchmarks.files import FILES
from benchmarks.images import names as image_layers
from benchmarks.measures import MEASURES, Row, paired_row, shortened
from benchmarks.operations import OPS
from benchmarks.report import Table
from benchmarks.workloads import STEPS, WORKLOADS

ROOT = Path(__file__).resolve().parents[1]


def bench(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def markdown_rows(text):
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines[2:]}


def test_quick_run_prints_the_machine_and_one_row_for_each_measure():
    done = bench("xor", "call_no_grad", "--quick", "--no-keras", "--markdown")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"torch {torch.__version__} with" in done.stdout.splitlines()[0]
    assert "Keras left out" in done.stdout.splitlines()[0]
    rows = markdown_rows(done.stdout)
    assert list(rows) == ["fit: XOR, Dense 4-1, batch 4", "model(x): the same, no_grad"]
    for ours, hand, in_keras, ratio, *_ in rows.values():
        assert ours.endswith(" ms") and hand.endswith(" ms") and in_keras == ""
        assert float(ratio) > 0
    assert [cells[5] for cells in rows.values()] == ["<= 0.8", ""]
    assert [bool(cells[6]) for cells in rows.values()] == [True, False]


def test_memory_and_import_rows():
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from Linux's /proc")
    done = bench("import", "memory", "--quick", "--no-keras", "--markdown", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = markdown_rows(done.stdout)
    assert list(rows) == ["import: time", "import: peak memory", "memory after 500 steps over 50"]
    assert float(rows["import: peak memory"][3]) >= 1, "torchkeras imports torch, so it cannot be smaller"


def test_a_failing_contender_is_a_row_and_an_exit_code():
    done = bench("xor", "--quick", "--no-keras", "--markdown", "--module", "json")
    assert done.returncode == 1
    row = markdown_rows(done.stdout)["fit: XOR, Dense 4-1, batch 4"]
    assert row[0] == "failed" and row[1].endswith(" ms") and row[3] == ""
    assert "module 'json' has no attribute 'layers'" in done.stdout


def test_structure_has_no_hand_written_form():
    done = bench("config", "--quick", "--markdown", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    for ours, hand, in_keras, ratio, *_ in markdown_rows(done.stdout).values():
        assert ours.endswith(" ms") and hand == "" and in_keras.endswith(" ms") and float(ratio) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnn"], "no measure is called rnn; there are xor, epochs, mlp"),
        (["--module", "no_such_keras"], "no module named no_such_keras"),
        (["--rounds", "0"], "at least one round"),
    ],
)
def test_wrong_arguments_say_what_to_type(arguments, message):
    done = bench(*arguments)
    assert done.returncode == 2 and message in done.stderr


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_quick_run_on_cuda():
    done = bench("xor", "call", "--quick", "--device", "cuda", "--markdown")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(markdown_rows(done.stdout)) == 2
    assert torch.cuda.get_device_name() in done.stdout.splitlines()[0]


def test_the_ratio_is_the_median_of_paired_rounds_not_the_ratio_of_medians():
    row = paired_row("a", "ms", 1.0, {"hand": [1.0, 10.0, 2.0], "ours": [3.0, 20.0, 2.0]}, "hand")
    assert row.values == {"hand": 2.0, "ours": 3.0}
    assert row.ratios == {"ours": [3.0, 2.0, 1.0]}
    assert row.ratio("ours") == 2.0 and row.spread("ours") == [1.5, 2.5]
    assert row.ratio("hand") is None


def test_no_ratio_without_the_denominator():
    row = paired_row("predict", "ms", 0.1, {"hand": [1.0], "ours": [2.0]}, "keras")
    assert row.ratio("ours") is None and row.spread("ours") is None


@pytest.mark.parametrize("markdown", [False, True])
def test_table(capsys, markdown):
    table = Table("ours", markdown)
    table.head()
    table.row(Row("slow", "ms", 1.05, {"ours": 2.5, "hand": 2.0, "keras": 4.0}, {"ours": [1.25], "keras": [2.0]}))
    table.row(Row("fast", "MiB", 1.3, {"ours": 1.0, "hand": 2.0}, {"ours": [0.5]}, {"keras": "boom"}))
    head, rule, slow, fast = capsys.readouterr().out.splitlines()
    if markdown:
        assert head.startswith("| measure | ours | hand |") and set(rule) == set("|- ")
        assert slow == "| slow | 2.5 ms | 2 ms | 4 ms | 1.25 |  | <= 1.05 | NO | 2.00 |"
        assert fast == "| fast | 1 MiB | 2 MiB | failed | 0.50 |  | <= 1.3 | yes |  |"
    else:
        assert slow.split() == ["slow", "2.5", "ms", "2", "ms", "4", "ms", "1.25", "<=", "1.05", "NO", "2.00"]
        assert head.index("hand") == slow.index("2 ms") == fast.index("2 MiB")


def test_every_measure_names_a_workload_and_can_be_shortened():
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)
    for measure in MEASURES:
        known = {"op": OPS, "step": STEPS, "file": FILES, "image": image_layers(), "folder": folders.SIZES}
        known = known.get(measure.kind, {**WORKLOADS, **FILES})
        assert measure.kind == "import" or set(measure.workload.split()) <= set(known)
        assert measure.kind == "import" or 2 <= shortened(measure).steps <= measure.steps


IN_TWO_FORMS = sorted(WORKLOADS.keys() - {measure.workload for measure in MEASURES if not measure.by_hand})


@pytest.mark.parametrize("name", IN_TWO_FORMS)
def test_both_forms_are_one_model_on_the_same_rows(name):
    workload = WORKLOADS[name]
    by_hand, in_keras = workload.by_hand(), workload.in_keras(keras)
    (x, y), (torch_x, torch_y) = workload.data(3), workload.torch_data(3)
    assert torch_x.dtype == torch.float32 and torch_x.is_contiguous()
    np.testing.assert_array_equal(x, torch_x.permute(0, 2, 3, 1) if torch_x.dim() == 4 else torch_x)
    np.testing.assert_array_equal(y, torch_y)
    assert by_hand(torch_x).shape == tuple(in_keras(x).shape)
    second_biases = sum(  # nn.LSTM adds two biases where Keras has one
        weight.numel()
        for module in by_hand.modules()
        if isinstance(module, torch.nn.LSTM)
        for key, weight in module.named_parameters()
        if key.startswith("bias_hh")
    )
    learned = sum(weight.numel() for weight in in_keras.trainable_weights)  # torch's moving statistics are buffers
    assert sum(weight.numel() for weight in by_hand.parameters()) == learned + second_biases


def test_an_allowance_is_taken_off_before_the_ratio_is_judged():
    row = paired_row("op", "us", 1.5, {"hand": [1.0], "ours": [2.4]}, "hand", allowance=1.0)
    assert row.ratio("ours") == 2.4 and row.accepted("ours") is True
    assert paired_row("op", "us", 1.5, {"hand": [1.0], "ours": [2.6]}, "hand", allowance=1.0).accepted("ours") is False
    assert paired_row("op", "us", 1.5, {"hand": [1.0], "ours": [2.4]}, "hand").accepted("ours") is False
    assert paired_row("op", "us", None, {"hand": [1.0], "ours": [2.4]}, "hand").accepted("ours") is None


@pytest.mark.parametrize("name", OPS)
def test_both_forms_of_an_operation_give_the_same(name):
    op = OPS[name]
    torch.testing.assert_close(getattr(keras.ops, name)(*op.arguments), op.function(*op.arguments))


def test_both_sides_read_the_same_folder(monkeypatch):
    monkeypatch.setattr(folders, "WORKERS", 1)
    monkeypatch.setattr(folders, "BATCH", 3)
    for name in folders.SIZES:
        assert folders.by_hand(name, 2)() == folders.in_keras(name, 2, keras)() == 6


def test_operations_are_a_line_each():
    done = bench("ops", "--quick", "--no-keras", "--markdown", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = markdown_rows(done.stdout)
    assert list(rows) == [f"op: {name}" for name in OPS]
    assert all(cells[5] == "<= 1.5+1us" and cells[6] in ("yes", "NO") for cells in rows.values())


def test_steps_of_optimizers_are_a_line_each_that_names_torchs_form():
    done = bench("optimizers_fused", "--quick", "--no-keras", "--markdown", "--rounds", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = markdown_rows(done.stdout)
    names = next(measure for measure in MEASURES if measure.name == "optimizers_fused").workload.split()
    assert [title.rsplit(" ", 1)[0] for title in rows] == [f"step: {name}" for name in names]
    assert all(title.rsplit(" ", 1)[1] in ("(fused)", "(foreach)", "(loop)") for title in rows)


def test_a_share_of_kerass_time_can_be_wanted_too():
    numbers = {"hand": [1.0], "ours": [1.0], "keras": [1.5]}
    row = paired_row("step", "ms", 1.05, numbers, "hand")
    assert row.accepted("ours") is True
    row.of_keras = 0.5
    assert row.accepted("ours") is False
    row.values["keras"] = 2.0
    assert row.accepted("ours") is True


@pytest.mark.parametrize("name", STEPS)
def test_torchs_forms_of_a_step_agree(name):
    step = replace(STEPS[name], shapes=[(6, 4), (3,)])
    start, found = torch.cat([tensor.flatten() for tensor in step.tensors("cpu")]), []
    for kind in sorted(step.by_hand_on("cpu")[1].keys() - {"compiled"}):
        params, forms = step.by_hand_on("cpu")
        for _ in range(4):
            forms[kind]()
        found.append(torch.cat([param.detach().flatten() for param in params]))
        assert (found[-1] != start).all()
        torch.testing.assert_close(found[-1], found[0])
    assert callable(step.in_keras(keras, "cpu"))


@pytest.mark.parametrize("steps", [150, 450])
@pytest.mark.parametrize("kind", [*runs.FED, "evaluate", "predict_rows"])
def test_both_sides_see_as_many_rows_as_the_steps_have(kind, steps):
    workload, seen = WORKLOADS["xor"], {}

    class Counted:
        def __init__(self, side):
            self.side = side

        def __getattr__(self, name):
            return getattr(workload, name)

        def counted(self, model):
            model.register_forward_hook(lambda model, inputs, outputs: self.add(len(outputs)))
            return model

        def add(self, rows):
            seen[self.side] = seen.get(self.side, 0) + rows

        def by_hand(self):
            return self.counted(workload.by_hand())

        def in_keras(self, keras):
            return self.counted(workload.in_keras(keras))

    runs.by_hand(kind, Counted("hand"), steps, torch.device("cpu"))()
    runs.in_keras(kind, Counted("ours"), steps, "cpu", keras)()
    assert seen == {"hand": steps * workload.batch, "ours": steps * workload.batch}


def test_texts_are_timed_on_this_side():
    found = texts.measured(keras, 40)
    assert list(found) == ["int adapt", "int call", "tf_idf adapt", "tf_idf call"] and min(found.values()) > 0

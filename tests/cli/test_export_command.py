"""`tapehead export`: what it asks for, and what it prints."""

from pathlib import Path

import pytest
from calls import TINY, complaint

from tapehead.machines import exporting
from tapehead.machines.exporting import Exported

RUN = ["train", "copy", "--machine", "lstm", "--num-layers", "1", "--hidden-size", "4", "--out",
       "run", "--no-figures", *TINY]  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    """What the command asks to be exported; the tests' checks of shapes cannot be traced."""
    asked = []

    def export_step(machine, folder, *, onnx=False):
        asked.append((type(machine).__name__, str(folder), onnx))
        return Exported((folder / "a", folder / "b"), ("x", "s"), ("y", "t"), answers.pop(0))

    answers = [2e-7, None, 2e-7]
    monkeypatch.setattr(exporting, "export_step", export_step)
    return asked


def test_the_step_of_a_run_is_exported(call, asked):
    assert call(*RUN).code == 0
    outcome = call("export", "run")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [
        "run/export/a", "run/export/b", "(x, s) -> (y, t)",
        "off by at most 2e-07 of the machine's numbers, over 3 steps of 1, 2, 5 sequences",
    ]  # fmt: skip
    last = call("export", "run", "--onnx").out.splitlines()[-1]
    assert last == "not compared with the machine: onnxruntime is not installed"
    (told,) = call("export", "run", "--out", "elsewhere", "--json").json
    assert told == {
        "files": [str(Path("elsewhere", name)) for name in "ab"], "inputs": ["x", "s"],
        "outputs": ["y", "t"], "difference": 2e-7,
    }  # fmt: skip
    assert asked == [
        ("LSTM", "run/export", False), ("LSTM", "run/export", True), ("LSTM", "elsewhere", False),
    ]  # fmt: skip


def test_what_has_no_step_is_one_line(call, tmp_path):
    line = complaint(call("export", "memory-network/babi-1", "--out", "x"), 1)
    assert "cannot be exported: it reads a Story at once, and has no single steps" in line
    assert "there is no run directory nowhere" in complaint(call("export", "nowhere"), 2)
    assert not (tmp_path / "x").exists()

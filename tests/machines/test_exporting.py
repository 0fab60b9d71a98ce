"""One step as a program: in files that know nothing of tapehead, and the same as the machine."""

import json
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from tapehead import DNC, LSTM
from tapehead.errors import TapeheadError
from tapehead.machines import MACHINES, exporting
from tapehead.machines.exporting import export_step

SCRIPT = Path(__file__).with_name("export_steps.py")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder of exports, and what was said of each."""
    folder = tmp_path_factory.mktemp("exported")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), str(folder)],
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return folder, json.loads(done.stdout)


def start_of(folder, batch_size):
    held = np.load(folder / "initial-state.npz")
    return {name: part.repeat(batch_size, axis=0) for name, part in held.items()}


def test_a_saved_program_does_what_the_machine_does_without_tapehead(exported):
    folder, told = exported
    program = torch.export.load(folder / "program" / "step.pt2")
    called = [node.target for node in program.graph.nodes if node.op == "call_function"]
    owners = {getattr(target, "namespace", target.__module__) for target in called}
    assert owners == {"aten", "_operator"}  # PyTorch's own operations, and picking one of a tuple
    run, held = program.module(), np.load(folder / "program.npz")
    x = torch.from_numpy(held["x"])
    state, found = list(map(torch.from_numpy, start_of(folder / "program", 7).values())), []
    for t in range(x.shape[1]):
        y, *state = run(x[:, t], *state)
        found.append(y)
    wanted = torch.from_numpy(held["y"])
    torch.testing.assert_close(torch.stack(found, dim=1), wanted, rtol=1e-4, atol=1e-5)
    assert (wanted[0] - wanted[1]).abs().max() > 1e-2
    assert told["program"]["difference"] < 1e-6


def test_an_onnx_runtime_does_what_the_machine_does(exported):
    import onnxruntime

    folder, told = exported
    session = onnxruntime.InferenceSession(
        folder / "onnx" / "step.onnx", providers=["CPUExecutionProvider"]
    )
    assert [given.name for given in session.get_inputs()] == told["onnx"]["inputs"]
    assert [given.name for given in session.get_outputs()] == told["onnx"]["outputs"]
    held, found = np.load(folder / "onnx.npz"), []
    state = start_of(folder / "onnx", 7)
    for t in range(held["x"].shape[1]):
        y, *after = session.run(None, {"x": held["x"][:, t], **state})
        state = dict(zip(state, after, strict=True))
        found.append(y)
    np.testing.assert_allclose(np.stack(found, axis=1), held["y"], rtol=1e-4, atol=1e-5)
    assert np.abs(held["y"][0] - held["y"][1]).max() > 1e-2
    assert told["onnx"]["difference"] < 1e-5


def test_what_is_written_and_said(exported):
    folder, told = exported
    for name, file in (("program", "step.pt2"), ("onnx", "step.onnx")):
        assert told[name]["files"] == [file, "initial-state.npz"]
        assert {path.name for path in (folder / name).iterdir()} == {file, "initial-state.npz"}
        first, *state = told[name]["inputs"]
        assert (first, state[0]) == ("x", "memory")
        assert told[name]["outputs"] == ["y", *(f"next_{part}" for part in state)]
        assert told[name]["untouched"]


def small():
    torch.manual_seed(0)
    return LSTM(3, 2, hidden_size=4, num_layers=1)


STATE = [torch.zeros(1, 1, 4)] * 2


@pytest.mark.parametrize(
    ("gives", "complaint"),
    [
        ([torch.zeros(1, 3), *STATE], r"the exported y has shape \(1, 3\) where .* has \(1, 2\)"),
        ([torch.full((1, 2), torch.nan), *STATE], "the exported y is off by nan"),
        ([torch.zeros(1, 2), *STATE], "is off by .* of the machine's at step 1 of 1 sequences"),
    ],
)
def test_a_program_that_does_something_else_is_not_kept(tmp_path, monkeypatch, gives, complaint):
    monkeypatch.setattr(exporting, "_captured", lambda step: None)
    monkeypatch.setattr(exporting, "_to_file", lambda program, file: lambda given: gives)
    with pytest.raises(TapeheadError, match=complaint):
        export_step(small(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_operation_that_onnx_has_not_is_named_in_one_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        reason = RuntimeError("No ONNX function found for <OpOverload('aten.x')>. Failure: none\n.")
        raise torch.onnx.OnnxExporterError("Failed to convert.\nNext steps:\n...") from reason

    program = Mock(spec=torch.export.ExportedProgram)
    monkeypatch.setattr(exporting, "_captured", lambda step: program)
    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(TapeheadError) as error:
        export_step(small(), tmp_path, onnx=True)
    assert str(error.value) == (
        "PyTorch cannot write this machine's step for ONNX: No ONNX function found for "
        "<OpOverload('aten.x')>; without --onnx it can be exported"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_says_why(tmp_path, monkeypatch):
    reader = MACHINES["memory-network"](vocabulary_size=6, sentence_length=2, num_answers=2)
    with pytest.raises(TapeheadError, match="MemoryNetwork cannot be exported: it reads a Story"):
        export_step(reader, tmp_path)
    both = DNC(3, 2, bidirectional=True, memory_size=6, word_size=4, hidden_size=8)
    with pytest.raises(TapeheadError, match="cannot be exported: bidirectional must be False"):
        export_step(both, tmp_path)
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(TapeheadError, match=r"needs the package onnx: .* extra \[onnx\]"):
        export_step(small(), tmp_path, onnx=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(TapeheadError, match="cannot write to"):
        export_step(small(), tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

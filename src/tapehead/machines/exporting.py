"""One step of a machine as a program for other runtimes: (x, *state) -> (y, *state).

The program is the reference in plain operations, for any number of sequences. It knows nothing of
tapehead: where it runs, only PyTorch or an ONNX runtime is needed.
"""

import copy
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tapehead.errors import TapeheadError
from tapehead.machines.machine import Machine
from tapehead.machines.recurrent import Recurrent

PROGRAM, ONNX, START = "step.pt2", "step.onnx", "initial-state.npz"
BATCHES = (1, 2, 5)
"""Numbers of sequences that a program is compared with its machine at."""
STEPS = 3
TOLERANCE = 1e-4
"""Of the largest number that the machine gives, how far a program may be off."""

Run = Callable[[Sequence[Tensor]], Sequence[Any]]


class Exported(NamedTuple):
    """What was written.

    files: the program, and the state before the first step, for one sequence, by name.
    inputs, outputs: what the program takes and gives, in this order.
    difference: how far it is off its machine at most; None where nothing could run it.
    """

    files: tuple[Path, Path]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    difference: float | None


class Step(nn.Module):
    """One step with each tensor of the state by itself: `(x, *state) -> (y, *state)`.

    >>> import torch
    >>> from tapehead import LSTM
    >>> from tapehead.machines.exporting import Step
    >>> step = Step(LSTM(input_size=3, output_size=2, hidden_size=4, num_layers=1))
    >>> [tuple(part.shape) for part in step(torch.rand(5, 3), *step.start(5))]
    [(5, 2), (5, 1, 4), (5, 1, 4)]
    """

    def __init__(self, machine: Machine):
        super().__init__()
        if not isinstance(machine, Recurrent):
            raise TapeheadError(
                f"a {type(machine).__name__} cannot be exported: it reads a "
                f"{machine.reads.__name__} at once, and has no single steps"
            )
        machine = copy.deepcopy(machine).eval()
        if "backend" in machine.options:
            machine.backend = "reference"
        self.machine, self._kind = machine, type(machine.initial_state(1))

    def start(self, batch_size: int) -> tuple[Tensor, ...]:
        """The state before the first step."""
        return tuple(part.detach().clone() for part in self.machine.initial_state(batch_size))

    def inputs(self, batch_size: int, seed: int = 0) -> Tensor:
        """Some inputs, always the same."""
        like = self.machine._weight()
        generator = torch.Generator().manual_seed(seed)
        x = torch.rand(batch_size, self.machine.input_size, generator=generator)
        return x.to(like.device, like.dtype)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the state's tensors."""
        return self._kind._fields

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        y, after = self.machine.step(x, self._kind(*state))
        return (y, *after)


def export_step(machine: Machine, folder: Path | str, *, onnx: bool = False) -> Exported:
    """Write one step of a machine as a program, load it again and compare it with the machine.

    Args:
        folder: gets `step.pt2` (`torch.export`) or `step.onnx`, and `initial-state.npz`.

    Raises:
        TapeheadError: the machine has no single steps, a package for ONNX is missing, PyTorch
            cannot write an operation of it for ONNX, the folder cannot be written, or the program
            does not do what the machine does.

    >>> import tempfile
    >>> from tapehead import LSTM
    >>> from tapehead.machines.exporting import export_step
    >>> machine = LSTM(input_size=3, output_size=2, hidden_size=4, num_layers=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     exported = export_step(machine, folder)
    >>> exported.inputs, exported.outputs
    (('x', 'hidden', 'cell'), ('y', 'next_hidden', 'next_cell'))
    >>> exported.difference < 1e-6
    True
    """
    step, folder = Step(machine), Path(folder)
    try:
        step.machine.step(step.inputs(1), step.machine.initial_state(1))
    except ValueError as error:
        raise TapeheadError(f"this machine cannot be exported: {error}") from error
    if onnx:
        _check_onnx()
    inputs, outputs = ("x", *step.names), ("y", *(f"next_{name}" for name in step.names))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as unfinished:
            file = Path(unfinished) / (ONNX if onnx else PROGRAM)
            program = _captured(step)
            run = _to_onnx(program, file, inputs, outputs) if onnx else _to_file(program, file)
            difference = None if run is None else _difference(step, run, outputs)
            start = Path(unfinished) / START
            parts = [part.cpu().numpy() for part in step.start(1)]
            held: dict[str, Any] = dict(zip(step.names, parts, strict=True))
            np.savez(start, **held)
            files = folder / file.name, folder / START
            for source, target in zip((file, start), files, strict=True):
                os.replace(source, target)
    except OSError as error:
        raise TapeheadError(f"cannot write to {folder}: {error.strerror or error}") from error
    return Exported(files, inputs, outputs, difference)


def _captured(step: Step) -> torch.export.ExportedProgram:
    arguments = (step.inputs(3), *step.start(3))
    batch = {0: torch.export.Dim.DYNAMIC}
    with torch.no_grad(), _quietly():
        return torch.export.export(
            step,
            arguments,
            dynamic_shapes={"x": batch, "state": tuple(batch for _ in step.names)},
        )


def _to_file(program: torch.export.ExportedProgram, file: Path) -> Run:
    with _quietly():
        torch.export.save(program, file)
        loaded = torch.export.load(file).module()
    return lambda arguments: loaded(*arguments)


def _to_onnx(
    program: torch.export.ExportedProgram, file: Path, inputs: Sequence[str], outputs: Sequence[str]
) -> Run | None:
    with _quietly():
        try:
            written = torch.onnx.export(
                program.run_decompositions({torch.ops.aten.sort.stable: _sorted}),
                dynamo=True,
                input_names=inputs,
                output_names=outputs,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise TapeheadError(
                f"PyTorch cannot write this machine's step for ONNX: {_reason(error)}; without "
                "--onnx it can be exported"
            ) from error
        assert written is not None
        written.save(str(file), external_data=False)
    if find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    taken = {given.name for given in session.get_inputs()}

    def run(arguments: Sequence[Tensor]) -> Sequence[Any]:
        named = dict(zip(inputs, arguments, strict=True))
        feeds = {name: part.cpu().numpy() for name, part in named.items() if name in taken}
        return session.run(list(outputs), feeds)

    return run


def _reason(error: BaseException) -> str:
    """What began it, in a line: the others tell of each other."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).split("\n")[0].split(". ")[0] or type(error).__name__


def _sorted(
    x: Tensor, *, stable: bool | None = None, dim: int = -1, descending: bool = False
) -> tuple[Tensor, Tensor]:
    """A stable sort in ONNX, whose own is stable in any case: of equals the first comes first."""
    values, places = torch.ops.aten.sort.default(x, dim, descending)
    return values, places


def _check_onnx() -> None:
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise TapeheadError(
            f"exporting to ONNX needs the package {missing[0]}: install tapehead with its extra "
            "[onnx]"
        )


def _difference(step: Step, run: Run, outputs: Sequence[str]) -> float:
    """How far a program is off its machine at most, as a share of the largest number.

    Raises:
        TapeheadError: too far; names the output.
    """
    worst = 0.0
    for batch_size in BATCHES:
        state = step.start(batch_size)
        for number in range(STEPS):
            arguments = (step.inputs(batch_size, number), *state)
            with torch.no_grad():
                wanted = step(*arguments)
                got = run(arguments)
            for name, want, value in zip(outputs, wanted, got, strict=True):
                value = torch.as_tensor(value)
                if value.shape != want.shape:
                    raise TapeheadError(
                        f"the exported {name} has shape {tuple(value.shape)} where the machine's "
                        f"has {tuple(want.shape)}"
                    )
                if want.numel() == 0:
                    continue
                want, value = want.double().cpu(), value.double().cpu()
                off = (value - want).abs().max() / want.abs().max().clamp(min=1.0)
                if not off <= TOLERANCE:
                    raise TapeheadError(
                        f"the exported {name} is off by {off:.2g} of the machine's at step "
                        f"{number + 1} of {batch_size} sequences"
                    )
                worst = max(worst, float(off))
            state = wanted[1:]
    return worst


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what PyTorch says of its own parts."""
    log = logging.getLogger("torch.onnx._internal.exporter")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)

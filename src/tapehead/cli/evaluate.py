"""`tapehead evaluate`: a trained machine's scores at the task's test sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tapehead.checks import shown
from tapehead.cli.command import print_json, read_more, run_at, table
from tapehead.cli.options import UsageError, check_seed
from tapehead.cli.sizes import chosen_sizes, size_options

if TYPE_CHECKING:  # helping and refusing need no torch
    from tapehead.machines.machine import Machine
    from tapehead.tasks.metrics import Metric


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score the trained machine of a run on fresh sequences: at the sizes it was trained on and at
    the task's test sizes, or at sizes of your choice, as in `tapehead evaluate RUN --length 50 200`
    (the task's own options; `tapehead evaluate RUN --help` lists them)."""

    run: Path
    """Run directory, as written by `tapehead train`, or a machine of the zoo."""
    sequences: int = 1000
    """Sequences for each size."""
    seed: int = 0
    """Decides the sequences."""
    step: str = "best"
    """Checkpoint: best (by validation), latest, or the number of a step."""
    memory_size: int | None = None
    """Rows of its memory; left out: as it was tested after training."""
    beam_width: int | None = None
    """Answers that a machine that points follows at once; left out: as it was trained."""
    beam_choice: Literal["likeliest", "shortest"] | None = None
    """Of the answers that a beam found, the likeliest, or of tours the shortest."""
    device: str = "cpu"
    """Where the machine runs: auto, cpu, cuda or cuda:N."""
    json: bool = False
    """Print one line of JSON instead of a table."""


def run(argv: Sequence[str]) -> int:
    sizes = size_options(argv)
    heading = "Sizes to test, with those of the run"
    command, values = read_more(Evaluate, sizes, argv, "tapehead evaluate", heading=heading)
    if command.sequences < 1:
        raise UsageError(
            f"--sequences must be a whole number of at least 1, got {command.sequences}"
        )
    check_seed(command.seed)
    step = command.step if command.step in ("best", "latest") else _step(command.step)
    path = run_at(command.run)

    from tapehead.runs import evaluate, evaluate_settings, load_run
    from tapehead.runs.devices import usable_device
    from tapehead.runs.loading import load_task

    try:
        device = usable_device(command.device)
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    chosen = chosen_sizes(load_task(path), sizes, values) if sizes else {}
    config, machine, task = load_run(path, step=step, device=device)
    wanted = {"sequences": command.sequences, "seed": command.seed}
    asked: dict[str, object] = dict(wanted)
    heading = f"{config.machine} on {config.task}"
    rows = config.test_memory_size if command.memory_size is None else command.memory_size
    if rows is not None:
        _give_memory(machine, config.machine, rows)
        asked["memory_size"] = rows
        heading += f" with {rows:,} rows"
    for name, value in {
        "beam_width": command.beam_width,
        "beam_choice": command.beam_choice,
    }.items():
        if value is not None:
            _give_beam(machine, config.machine, name, value)
            asked[name] = value
    if command.beam_width is not None:
        heading += f" with a beam of {command.beam_width:,}"
    if command.beam_choice is not None:
        heading += f", the {command.beam_choice} answer"
    backend = str(machine.backend_choice())
    if chosen:
        scores = {label: evaluate(machine, at, **wanted) for label, at in chosen.items()}
    else:
        scores = {"as trained": evaluate(machine, task, **wanted)}
        scores |= evaluate_settings(machine, task, **wanted)
    if command.json:
        print_json({"run": str(command.run), "backend": backend, **asked, "evaluation": scores})
    else:
        print(f"{heading}, {command.sequences:,} sequences for each size, backend {backend}")
        print(scores_table(scores, task.metrics))
    return 0


def _give_memory(machine: "Machine", name: str, rows: int) -> None:
    """Raise a UsageError if the machine cannot have so many rows."""
    if not machine.resizable:
        raise UsageError(
            f"--memory-size must be left out for {name}, whose memory is fixed, got {rows}"
        )
    try:
        machine.set_rows(rows)
    except ValueError as error:
        raise UsageError(str(error).replace("memory_size", "--memory-size", 1)) from None


def _give_beam(machine: "Machine", name: str, option: str, value: object) -> None:
    """Raise a UsageError if the machine has no beam, or none such."""
    from tapehead.machines.pointing import Pointing

    flag = f"--{option.replace('_', '-')}"
    if not isinstance(machine, Pointing):
        raise UsageError(f"{flag} must be left out for {name}, which has none, got {value}")
    try:
        setattr(machine, option, value)
    except ValueError as error:
        raise UsageError(str(error).replace(option, flag, 1)) from None


def scores_table(evaluation: Mapping[str, Mapping[str, float]], metrics: Sequence["Metric"]) -> str:
    """Mean scores, a row for each test setting; metrics that none of them has are left out."""
    known = [m for m in metrics if all(m.name in scores for scores in evaluation.values())]
    rows = [
        [label, *(metric.shown(scores[metric.name]) for metric in known)]
        for label, scores in evaluation.items()
    ]
    header = ["test", *(metric.heading.replace(" per ", "/") for metric in known)]
    return table(rows, header=header, numbers=range(1, len(header)))


def _step(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"--step must be best, latest or the number of a step, got {shown(text)}")
    return int(text)

"""`tapehead evaluate`: a trained machine's scores at the task's test sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tapehead.cli.command import check_run, print_json, read, table
from tapehead.cli.options import UsageError


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score the trained machine of a run at the sizes it was trained on and at the task's test
    sizes, on fresh sequences."""

    run: Path
    """Run directory, as written by `tapehead train`."""
    sequences: int = 1000
    """Sequences for each size."""
    seed: int = 0
    """Decides the sequences."""
    step: str = "best"
    """Checkpoint: best (by validation), latest, or the number of a step."""
    device: str = "cpu"
    """Where the machine runs: cpu, cuda or cuda:N."""
    json: bool = False
    """Print one line of JSON instead of a table."""


def run(argv: Sequence[str]) -> int:
    command = read(Evaluate, argv, "tapehead evaluate")
    if command.sequences < 1:
        raise UsageError(
            f"--sequences must be a whole number of at least 1, got {command.sequences}"
        )
    step = command.step if command.step in ("best", "latest") else _step(command.step)
    check_run(command.run)

    from tapehead.training import evaluate, evaluate_settings, load_run

    config, machine, task = load_run(command.run, step=step, device=command.device)
    wanted = {"sequences": command.sequences, "seed": command.seed}
    scores = {"as trained": evaluate(machine, task, **wanted)}
    scores |= evaluate_settings(machine, task, **wanted)
    if command.json:
        print_json({"run": str(command.run), **wanted, "evaluation": scores})
    else:
        print(f"{config.machine} on {config.task}, {command.sequences:,} sequences for each row")
        print(scores_table(scores))
    return 0


def scores_table(evaluation: Mapping[str, Mapping[str, float]]) -> str:
    """Mean scores, a row for each test setting."""
    metrics = [name for name in next(iter(evaluation.values())) if name != "loss"]
    rows = [
        [label, *(_shown(name, scores[name]) for name in metrics)]
        for label, scores in evaluation.items()
    ]
    header = ["test", *(_HEADINGS.get(name, name) for name in metrics)]
    return table(rows, header=header, numbers=range(1, len(header)))


_HEADINGS = {
    "bit_errors": "wrong bits/sequence",
    "solved": "without error",
    "bits": "cost (bits/sequence)",
    "regret": "regret (bits/sequence)",
}


def _shown(metric: str, value: float) -> str:
    return f"{value:.1%}" if metric == "solved" else f"{value:.3f}"


def _step(text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"--step must be best, latest or the number of a step, got {text!r}")
    return int(text)

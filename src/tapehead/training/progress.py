"""How far a run has come, and how that is read back from a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tapehead.checks import Count, NotNegative, checks_of, shown
from tapehead.runs.checkpoint import Checkpoint
from tapehead.training.optimisers.schedules import Schedule


@dataclass(kw_only=True)
class Progress:
    """How far a run has come, as plain JSON values.

    seconds: of training alone.
    cpu_seconds: of the processor in the same time, all threads together.
    row_sequences, row_seconds: where the last row of metrics ended.
    level: of the curriculum.
    restarts: how often the run has begun anew, and `began` the sequences before the last time.
    level_since: the sequences before its level, or before the learning rate was last halved at it.
    halvings: how often the learning rate was halved.
    stuck: whether it begins anew with its next step; a checkpoint before that has the old weights,
        which may be the best.
    metrics_bytes, metrics_check: length of metrics.jsonl, and the check of its last row.
    validation: step, scores and verdict of the last validation.
    best: step, sequences and scores of the best validation.
    solved_after: sequences and seconds until the first validation under the pass mark.
    """

    step: Count = 0
    sequences: Count = 0
    seconds: NotNegative = 0.0
    cpu_seconds: NotNegative = 0.0
    row_sequences: Count = 0
    row_seconds: NotNegative = 0.0
    level: Count = 0
    restarts: Count = 0
    began: Count = 0
    level_since: Count = 0
    halvings: Count = 0
    stuck: bool = False
    metrics_bytes: Count = 0
    metrics_check: str = ""
    validation: dict[str, Any] | None = None
    best: dict[str, Any] | None = None
    solved_after: dict[str, int | float] | None = None

    @property
    def solved_at(self) -> int | None:
        """The sequences after which the task was first solved, or None."""
        return None if self.solved_after is None else int(self.solved_after["sequences"])

    def rate_of(self, schedule: Schedule) -> float:
        """The learning rate of the next step."""
        return schedule(self.sequences, self.began, self.solved_at, self.halvings)


_HOLDS: dict[str, dict[str, tuple[type, ...]]] = {
    "validation": {"step": (int,), "scores": (dict,), "passed": (bool,)},
    "best": {"step": (int,), "sequences": (int,), "scores": (dict,)},
    "solved_after": {"sequences": (int,), "seconds": (int, float)},
}


def progress_of(checkpoint: Checkpoint) -> Progress:
    """How far a run had come.

    Raises:
        TypeError, ValueError: there is an entry too many, or one with a value that no run can have.
    """
    entries = {n: entry for n, entry in checkpoint.progress.items() if n != "processes"}
    known, checks = [field.name for field in fields(Progress)], checks_of(Progress)
    for name, value in entries.items():
        if name not in known:
            raise TypeError(f"unknown entry {shown(name)} of progress")
        if name in checks:
            entries[name] = checks[name](name, value)
        elif value is not None and not _holds(value, _HOLDS[name]):
            raise TypeError(f"{name} must hold {', '.join(_HOLDS[name])}, got {shown(value)}")
    return Progress(**entries)


def _holds(value: Any, kinds: Mapping[str, tuple[type, ...]]) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == kinds.keys()
        and all(isinstance(value[name], kind) for name, kind in kinds.items())
        and all(isinstance(score, int | float) for score in value.get("scores", {}).values())
    )

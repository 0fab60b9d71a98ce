"""What a training run comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tapehead.checks import shown
from tapehead.errors import TapeheadError
from tapehead.machines.machine import Machine


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended.

    seed: its seed.
    solved: whether a validation met the task's pass mark.
    solved_after: sequences and seconds of training until the first that did, or None.
    sequences, steps, seconds: how long training went on; seconds leave out validations,
        checkpoints and compilation.
    scores: mean scores of the last validation.
    evaluation: mean scores at each test setting, if the config asks for them.
    path: run directory, or None.
    restarts: how often it began anew with other weights; their sequences count too.
    machine: the trained machine as it ended, or None if another process trained it.

    >>> from tapehead.training import TrainConfig, train
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> result = train(config)
    >>> result.solved, result.sequences, result.steps
    (False, 16, 2)
    """

    seed: int
    solved: bool
    solved_after: Mapping[str, int | float] | None
    sequences: int
    steps: int
    seconds: float
    scores: Mapping[str, float]
    evaluation: Mapping[str, Mapping[str, float]]
    restarts: int = 0
    path: Path | None = None
    machine: Machine | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """What result.json holds."""
        return {
            "seed": self.seed,
            "solved": self.solved,
            "solved_after": None if self.solved_after is None else dict(self.solved_after),
            "sequences": self.sequences,
            "steps": self.steps,
            "seconds": self.seconds,
            "restarts": self.restarts,
            "scores": dict(self.scores),
            "evaluation": {label: dict(scores) for label, scores in self.evaluation.items()},
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], path: Path | None = None) -> "Result":
        """The reverse of `to_dict`."""
        return cls(**value, path=path)


_HOLDS: dict[str, tuple[type, ...]] = {
    "seed": (int,),
    "solved": (bool,),
    "solved_after": (dict, type(None)),
    "sequences": (int,),
    "steps": (int,),
    "seconds": (int, float),
    "restarts": (int,),
    "scores": (dict,),
    "evaluation": (dict,),
}


_MAY_LACK = ("restarts",)
"""Entries that an earlier tapehead did not write."""


def checked_result(value: dict[str, Any], file: Path) -> dict[str, Any]:
    """The contents of a result.json, if they are what `Result.to_dict` gives.

    Raises:
        TapeheadError: an entry is missing, unknown or of another kind.
    """
    for name in {**_HOLDS, **value}:
        if name in _MAY_LACK and name not in value:
            continue
        if name not in value:
            raise TapeheadError(f"{file} is no result: {name} is missing")
        if name not in _HOLDS or not isinstance(value[name], _HOLDS[name]):
            raise TapeheadError(f"{file} is no result: {name} is {shown(value[name])}")
    return value

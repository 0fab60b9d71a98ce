"""What came of one choice of settings, and which of two is better."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tapehead.runs.result import Result


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One choice of settings, and what came of it.

    number: from 0, in the order in which they were tried.
    values: of the options that vary, by name.
    seeds: how many were trained. The trials after one that solved more leave out those of their
        seeds that could no longer make up for it.
    solved: how many of them were solved.
    sequences: until it was solved, the median over the seeds; all that there might be of one that
        was not.
    slowest: the most sequences that a seed was trained on.
    seconds: of training, the median.
    failed: how many seeds ended with an error.
    reason: why there is no result; empty if there is one.

    >>> from tapehead.training.sweeping import Trial
    >>> Trial(number=0, values={}, seeds=3, solved=3, sequences=2e4, seconds=1.0).is_whole
    True
    """

    number: int
    values: Mapping[str, Any]
    seeds: int = 0
    solved: int = 0
    sequences: float = 0.0
    slowest: int = 0
    seconds: float = 0.0
    failed: int = 0
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        return not self.reason


def trial_of(
    number: int, values: Mapping[str, Any], ended: Sequence[Result | None], most: int
) -> Trial:
    """Of runs, None for one that failed; each that was not solved counts with `most` sequences."""
    solved = [result.solved_after for result in ended if result is not None and result.solved_after]
    given = [result.sequences for result in ended if result is not None]
    took = [after["sequences"] for after in solved] + [most] * (len(ended) - len(solved))
    seconds = [result.seconds for result in ended if result is not None]
    return Trial(
        number=number,
        values=dict(values),
        seeds=len(ended),
        solved=len(solved),
        sequences=float(statistics.median(took)),
        slowest=max(given, default=most),
        seconds=float(statistics.median(seconds or [0.0])),
        failed=sum(result is None for result in ended),
    )


def merit(trial: Trial) -> tuple[int, float]:
    """By which trials are ordered, the best first."""
    return trial.seeds - trial.solved, trial.sequences


def is_hopeless(best: Trial | None, ended: Mapping[int, Result | None]) -> bool:
    """Whether more seeds stayed unsolved than of the best trial."""
    unsolved = sum(result is None or not result.solved for result in ended.values())
    return best is not None and unsolved > best.seeds - best.solved

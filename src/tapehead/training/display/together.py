"""Two who are told of the same run."""

from collections.abc import Mapping
from typing import Any

from tapehead.machines.machine import Machine
from tapehead.tasks import Task
from tapehead.training.display.reporter import Reporter, RunInfo
from tapehead.training.display.showing import Shielded


class Together(Reporter):
    """Tells a first reporter, and then another, whose errors are none of the first's.

    >>> from tapehead.training import Reporter, TrainConfig, train
    >>> from tapehead.training.display.together import Together
    >>> class Losses(Reporter):
    ...     def reported(self, row):
    ...         print(row["kind"], row["sequences"])
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> train(config, reporter=Together(Losses(), Losses())).steps
    train 16
    train 16
    validation 16
    validation 16
    2
    """

    def __init__(self, first: Reporter, other: Reporter):
        self._first, self._other = first, Shielded(other)

    def preparing(self, done: int, total: int, seconds_left: float | None) -> None:
        self._first.preparing(done, total, seconds_left)
        self._other.preparing(done, total, seconds_left)

    def started(self, info: RunInfo) -> None:
        self._other.started(info)
        self._first.started(info)

    def watching(self, machine: Machine, task: Task) -> None:
        self._other.watching(machine, task)
        self._first.watching(machine, task)

    def progressed(self, sequences: int, seconds: float) -> None:
        self._first.progressed(sequences, seconds)
        self._other.progressed(sequences, seconds)

    def reported(self, row: Mapping[str, Any]) -> None:
        self._first.reported(row)
        self._other.reported(row)

    def noted(self, text: str) -> None:
        self._first.noted(text)
        self._other.noted(text)

    def restarted(self, text: str) -> None:
        self._first.restarted(text)
        self._other.restarted(text)

    def finished(self, result: Mapping[str, Any]) -> None:
        self._other.finished(result)
        self._first.finished(result)

    def ended(self) -> None:
        self._other.ended()
        self._first.ended()

    def failed(self, reason: str) -> None:
        self._other.failed(reason)
        self._first.failed(reason)

    def for_run(self, name: str, seed: int) -> "Together":
        return Together(self._first.for_run(name, seed), self._other.for_run(name, seed))

    def counted(self, done: int, failed: int, total: int) -> None:
        self._first.counted(done, failed, total)
        self._other.counted(done, failed, total)

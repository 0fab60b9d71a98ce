"""Who is told how training goes: this one keeps silent. `lines.py` prints, `live.py` draws."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tapehead.machines.machine import Machine
from tapehead.tasks import Task
from tapehead.tasks.metrics import PassMark


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """What a reporter may want to say about a run before it starts.

    resumed_at: sequences done before; 0 for a fresh run.
    pass_mark: the metric and the threshold that decide whether the task is solved.
    began_with: whose weights a fresh run was given to begin with, if any.
    backend: what computes the machine's operation, and why nothing quicker does.
    has_errors: whether a sequence can be without error; a world only rewards.
    levels: of the curriculum; 1 for none.

    >>> from tapehead.training import Reporter, TrainConfig, train
    >>> class Sizes(Reporter):
    ...     def started(self, info):
    ...         print(f"{info.machine} on {info.task}, {info.parameters:,} parameters")
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> train(config, reporter=Sizes()).sequences
    lstm on copy, 1,328,136 parameters
    16
    """

    task: str
    machine: str
    seed: int
    parameters: int
    device: str
    threads: int
    processes: int
    max_sequences: int
    stop_when_solved: bool
    pass_mark: PassMark
    resumed_at: int
    path: str | None
    began_with: str | None = None
    backend: str = ""
    has_errors: bool = True
    levels: int = 1


class Reporter:
    """Is told what happens; this one keeps silent, and is the base of the others.

    One run calls `preparing` if what it trains on must first be made, `started` and `watching`,
    then `progressed` a few times a second and `reported` for each row of metrics, then `finished`
    unless it failed, and `ended` in any case.

    >>> from tapehead.training import Reporter, TrainConfig, train
    >>> class Losses(Reporter):
    ...     def reported(self, row):
    ...         print(row["kind"], row["sequences"])
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, report_every=8,
    ...                      validate_every=16, validation_sequences=4)
    >>> train(config, reporter=Losses()).sequences
    train 8
    train 16
    validation 16
    16
    """

    def preparing(self, done: int, total: int, seconds_left: float | None) -> None:
        """So many of the problems that the task trains on are made; None: nobody can say yet when
        all will be."""

    def started(self, info: RunInfo) -> None:
        """Training is about to begin."""

    def watching(self, machine: Machine, task: Task) -> None:
        """What is being trained, on which task: to be looked at between steps, and left as it is.

        Only in the process that trains.
        """

    def progressed(self, sequences: int, seconds: float) -> None:
        """So many sequences are done, after so many seconds of training."""

    def reported(self, row: Mapping[str, Any]) -> None:
        """A row of metrics.jsonl was written."""

    def noted(self, text: str) -> None:
        """Something a user should know."""

    def restarted(self, text: str) -> None:
        """A run that got nowhere begins anew."""
        self.noted(text)

    def finished(self, result: Mapping[str, Any]) -> None:
        """Training has come to its end; `result` is that of result.json."""

    def ended(self) -> None:
        """Nothing more will come, whether training finished, failed or was stopped."""

    def failed(self, reason: str) -> None:
        """One of several runs has failed, and the others go on."""

    def for_run(self, name: str, seed: int) -> "Reporter":
        """The reporter for one of several runs of which some may go on at the same time."""
        return self

    def counted(self, done: int, failed: int, total: int) -> None:
        """So many of several runs have ended."""


class QuietReporter(Reporter):
    """Says only what a user should know, on standard error.

    >>> from tapehead.training import QuietReporter, TrainConfig, train
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> train(config, reporter=QuietReporter()).steps
    2
    """

    def noted(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def restarted(self, text: str) -> None:
        """Says nothing: that is a part of training, and the result counts it."""


class Messenger(Reporter):
    """Passes all it is told on as messages: the name of the call, and its arguments."""

    def __init__(self, tell: Callable[[tuple[str, tuple[Any, ...]]], None]):
        self._tell = tell

    def preparing(self, done: int, total: int, seconds_left: float | None) -> None:
        self._tell(("preparing", (done, total, seconds_left)))

    def started(self, info: RunInfo) -> None:
        self._tell(("started", (info,)))

    def progressed(self, sequences: int, seconds: float) -> None:
        self._tell(("progressed", (sequences, seconds)))

    def reported(self, row: Mapping[str, Any]) -> None:
        self._tell(("reported", (row,)))

    def noted(self, text: str) -> None:
        self._tell(("noted", (text,)))

    def restarted(self, text: str) -> None:
        self._tell(("restarted", (text,)))

    def finished(self, result: Mapping[str, Any]) -> None:
        self._tell(("finished", (result,)))

    def ended(self) -> None:
        self._tell(("ended", ()))

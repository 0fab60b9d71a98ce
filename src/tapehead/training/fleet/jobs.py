"""Many training runs at a time, on any engine."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from tapehead.files import clear_errors
from tapehead.runs.config import TrainConfig
from tapehead.runs.directory import RunInUse
from tapehead.runs.result import Result
from tapehead.signals import Stopped, StopRequest
from tapehead.training.display.reporter import Messenger, Reporter
from tapehead.training.display.showing import Shielded, Showing
from tapehead.training.entry import train
from tapehead.training.fleet.engines import Engine
from tapehead.training.fleet.workers import News, Tell

PATIENCE = 120.0
"""Seconds that a machine which nobody hears any more may go on to hold a run."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of many.

    Attributes:
        path: run directory; None keeps nothing.
        resume: go on with what is there.

    >>> from tapehead.training import TrainConfig
    >>> from tapehead.training.fleet import Here, Job, run_jobs
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> results, errors = run_jobs([Job(config=config, path=None)], Here())
    >>> results[0].sequences, errors
    (16, {})
    """

    config: TrainConfig
    path: Path | None
    resume: bool = False

    @property
    def name(self) -> str:
        """What it is called among the others."""
        return f"seed {self.config.seed}"

    @property
    def log(self) -> Path | None:
        """The file for what its process prints beside its reports; None leaves it to the
        terminal."""
        return None


class Outcome(NamedTuple):
    """What became of jobs, by their places: the results, and why others failed."""

    results: dict[int, Result]
    errors: dict[int, str]


def run_jobs(jobs: Sequence[Job], engine: Engine, reporter: Reporter | None = None) -> Outcome:
    """Train them all; when one fails the others still go on.

    On an engine of other processes each run has one CPU thread unless its config says otherwise,
    and results come without machines.

    Args:
        reporter: is asked by `for_run` for a reporter for each, and told by `counted` how many
            have ended.

    Raises:
        Stopped: a signal arrived, or nobody reads what the reporter writes; every run under way
            has saved what it has.
    """
    request = StopRequest()
    shown = Shielded(reporter or Reporter(), Showing(request))
    reporters: dict[int, Reporter] = {}
    results: dict[int, Result] = {}
    errors: dict[int, str] = {}

    def hear(news: News[int] | None) -> None:
        if news is None:
            return
        place, job = news.key, jobs[news.key]
        if news.event == "started":
            reporters[place] = shown.for_run(job.name, job.config.seed)
        elif news.event == "told":
            told, details = news.value
            getattr(reporters[place], told)(*details)
        elif news.event == "lost":
            reporters[place].ended()
            shown.noted(f"{job.name}: {news.value}; it goes on from its last checkpoint")
            arguments[place] = _arguments(replace(job, resume=True), engine, patience=PATIENCE)
        elif news.event == "done":
            results[place] = replace(news.value, path=job.path)
        elif news.event in ("failed", "died"):
            errors[place] = news.value
            reporters[place].failed(news.value)
        if news.event in ("died", "stopped"):
            reporters[place].ended()
        if news.event in ("done", "failed", "died"):
            shown.counted(len(results), len(errors), len(jobs))

    arguments = {place: _arguments(job, engine) for place, job in enumerate(jobs)}
    work = _train_elsewhere if engine.remote else _train
    number = engine.do(work, arguments, hear, request)
    if number is not None:
        done = f"with {len(results)} of {len(jobs)} runs done; resume to go on"
        raise Stopped(number, done)
    return Outcome(results, errors)


def _arguments(job: Job, engine: Engine, patience: float = 0.0) -> tuple[Any, ...]:
    config = job.config
    if engine.remote and config.threads is None:
        config = replace(config, threads=1)
    return config.to_dict(), job.path, job.resume, job.log, patience


def _train(
    tell: Tell,
    settings: dict[str, Any],
    path: Path | None,
    resume: bool,
    log: Path | None,
    patience: float,
) -> Result:
    """One job, where this is called; waits so many seconds for another process to let go of it."""
    config, until = TrainConfig.from_dict(settings), time.monotonic() + patience
    with _printing_into(log):
        while True:
            try:
                return train(config, path, resume=resume, reporter=Messenger(tell))
            except RunInUse:
                if time.monotonic() >= until:
                    raise
                time.sleep(0.5)


def _train_elsewhere(*arguments: Any) -> Result:
    """One job in a process of its own, whose machine stays there."""
    return replace(_train(*arguments), machine=None)


@contextlib.contextmanager
def _printing_into(log: Path | None) -> Iterator[None]:
    """Add what this process prints to a file: several at once would garble a terminal."""
    if log is None:
        yield
        return
    with clear_errors(f"write to {log.parent}"):
        log.parent.mkdir(parents=True, exist_ok=True)
        file = open(log, "ab")  # noqa: SIM115
    before = [os.dup(number) for number in (1, 2)]
    try:
        with file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        for number, kept in zip((1, 2), before, strict=True):
            os.dup2(kept, number)
            os.close(kept)

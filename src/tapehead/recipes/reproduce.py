"""A published experiment run again: every contestant with every seed, several at a time.

Each run has its own process and one thread: the machines are many small operations, so a core for
each run beats several cores on one. A run that was stopped goes on from its checkpoint.
"""

import dataclasses
import os
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tapehead.errors import TapeheadError
from tapehead.recipes.experiment import Experiment
from tapehead.recipes.results import Cell, cells_of
from tapehead.runs import TrainConfig, read_config, read_metrics, read_result
from tapehead.runs.files import clear_errors
from tapehead.runs.records import read_start
from tapehead.runs.resumable import MANNER, check_resumable, differing
from tapehead.signals import Stopped
from tapehead.training import train
from tapehead.training.fleet.workers import Tell, Workers

State = Literal["waiting", "running", "done", "failed"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of an experiment."""

    contestant: str
    config: TrainConfig
    path: Path

    @property
    def name(self) -> str:
        return f"{self.contestant}, seed {self.config.seed}"

    @property
    def log(self) -> Path:
        """What the process of the run prints: several at once would garble a terminal."""
        return self.path.with_name(f"{self.path.name}.log")


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """Where a run stands; `row` is the last row of its metrics."""

    job: Job
    state: State
    row: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    error: str = ""


Watcher = Callable[[Sequence[JobStatus]], None]


def plan(
    experiment: Experiment,
    setting: str,
    seeds: Sequence[int],
    runs: Path,
    *,
    contestants: Sequence[str] | None = None,
    **overrides: Any,
) -> list[Job]:
    """The runs of an experiment, in folders `runs/<contestant>/seed-<n>`.

    `overrides` are options of TrainConfig that replace the recipe's; None leaves the recipe's.
    """
    changes = {name: value for name, value in overrides.items() if value is not None}
    return [
        Job(
            contestant=contestant,
            config=dataclasses.replace(
                experiment.recipe(experiment.task, contestant, setting),
                seed=seed,
                threads=1,
                **changes,
            ),
            path=runs / re.sub("[^a-z0-9]+", "-", contestant) / f"seed-{seed}",
        )
        # Seed by seed, so that a run that is cut short has something of every contestant.
        for seed in seeds
        for contestant in contestants or experiment.contestants
    ]


def jobs_of(experiment: Experiment, setting: str, cells: Sequence[Cell], runs: Path) -> list[Job]:
    """The runs behind the cells of a result, also of machines that an earlier command trained;
    those whose folders are not there are left out."""
    seeds = {cell["machine"]: cell["seeds"] for cell in cells if cell["setting"] == setting}
    return [
        job
        for contestant in experiment.contestants
        for job in plan(
            experiment, setting, seeds.get(contestant, ()), runs, contestants=[contestant]
        )
        if (job.path / "metrics.jsonl").exists()
    ]


def check_jobs(jobs: Sequence[Job], *, resume: bool) -> None:
    """Look at what is in the folders of the runs already.

    Raises:
        TapeheadError: there are runs and `resume` is not set, or they have other settings than a
            resumed run may change.
    """
    for job in jobs:
        if not (job.path / "config.json").exists():
            continue
        if not resume:
            raise TapeheadError(
                f"{job.path} already holds a run: --resume goes on with it, --runs names another "
                "folder"
            )
        try:
            check_resumable(read_config(job.path, to_resume=True), job.config)
        except TapeheadError as error:
            raise TapeheadError(f"{job.path}: {error}; --runs names another folder") from None


def run_jobs(jobs: Sequence[Job], *, workers: int, watch: Watcher) -> dict[str, dict[int, Any]]:
    """Train them all; returns each run's `result.json` by contestant and seed.

    Runs that are done already are not run again; one that was done with fewer sequences goes on.
    When one fails the others still go on.

    Raises:
        TapeheadError: some failed; names the first.
        Stopped: a signal arrived, or nobody reads what `watch` writes; every run has saved its
            state.
    """
    results = {job.path: _result_of(job) for job in jobs}
    todo = {
        job.path: (job.config.to_dict(), job.path, job.log)
        for job in jobs
        if results[job.path] is None
    }
    running: set[Path] = set()
    errors: dict[Path, str] = {}

    def status(job: Job) -> JobStatus:
        if job.path in running:
            return JobStatus(job=job, state="running", row=_last_row(job.path))
        if job.path in errors:
            return JobStatus(job=job, state="failed", error=errors[job.path])
        result = results[job.path]
        return JobStatus(job=job, state="waiting" if result is None else "done", result=result)

    def look(pool: Workers) -> None:
        try:
            watch([status(job) for job in jobs])
        except BrokenPipeError:  # nobody reads on: as after a signal, runs are saved
            pool.request.broken_pipe()

    with Workers(_train, todo, workers) as pool:
        for news in pool:
            if news is None:
                look(pool)
            elif news.event == "started":
                running.add(news.key)
            else:
                running.remove(news.key)
                results[news.key] = read_result(news.key)
                if news.event in ("failed", "died"):
                    errors[news.key] = news.value
    if pool.stopped_by is not None:
        done = sum(result is not None for result in results.values())
        raise Stopped(pool.stopped_by, f"with {done} of {len(jobs)} runs done; --resume goes on")
    watch([status(job) for job in jobs])
    if errors:
        first = next(job for job in jobs if job.path in errors)
        raise TapeheadError(
            f"{len(errors)} of {len(jobs)} runs failed; {first.name}: {errors[first.path]} "
            f"({first.log} may have more)"
        )
    found: dict[str, dict[int, Any]] = {}
    for job in jobs:
        found.setdefault(job.contestant, {})[job.config.seed] = results[job.path]
    return found


def result_cells(
    experiment: Experiment,
    setting: str,
    jobs: Sequence[Job],
    results: dict[str, dict[int, Any]],
) -> list[Cell]:
    """The cells of `result.json`, contestant by contestant, each with its runs' commit."""
    return [
        {**cell, **trained_at([job for job in jobs if job.contestant == contestant])}
        for contestant, runs in results.items()
        for cell in cells_of(experiment, contestant, setting, runs)
    ]


def trained_at(jobs: Sequence[Job]) -> dict[str, Any]:
    """The commit that runs were trained at, which may be older than the one that draws them."""
    starts = [read_start(job.path) for job in jobs]
    commits = {start["commit"] or "unknown" for start in starts}
    return {
        "commit": ", ".join(sorted(commits)),
        "commit_has_changes": any(start["commit_has_changes"] for start in starts),
    }


def default_workers() -> int:
    """One for each core that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _train(tell: Tell, settings: dict[str, Any], path: Path, log: Path) -> None:
    """In a process of its own: train one run, or say in one line why not."""
    with clear_errors(f"write to {log.parent}"):
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    try:
        train(TrainConfig.from_dict(settings), path, resume=True)
    except TapeheadError:
        raise
    except Exception as error:
        traceback.print_exc()  # into the log
        raise TapeheadError(str(error) or type(error).__name__) from error


def _result_of(job: Job) -> dict[str, Any] | None:
    """Of a run that is done, if it was done with these settings."""
    try:
        result = read_result(job.path)
    except TapeheadError:  # damaged: resuming the run writes it anew
        return None
    if result and set(differing(read_config(job.path, to_resume=True), job.config)) <= set(MANNER):
        return result
    return None


def _last_row(path: Path) -> dict[str, Any] | None:
    try:
        rows = read_metrics(path)
    except TapeheadError:  # not there yet
        return None
    return rows[-1] if rows else None

"""The runs of a published experiment: every contestant with every seed, several at a time.

Each run has its own process and one thread: the machines are many small operations, so a core for
each run beats several cores on one. A run that was stopped goes on from its checkpoint.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.recipes.experiment import Experiment
from tapehead.recipes.results import Cell
from tapehead.runs import TrainConfig, read_config, read_result
from tapehead.runs.resumable import MANNER, check_resumable, differing
from tapehead.training import Reporter, fleet
from tapehead.training.fleet import Engine, run_jobs


@dataclass(frozen=True, kw_only=True)
class ExperimentJob(fleet.Job):
    """One run of an experiment, which goes on with what there is of it.

    Attributes:
        task: what its experiment calls the task.
        one_of_tasks: whether its experiment has several.
    """

    contestant: str
    task: str
    path: Path
    resume: bool = True
    one_of_tasks: bool = False

    @property
    def name(self) -> str:
        where = f", {self.task}" if self.one_of_tasks else ""
        return f"{self.contestant}{where}, seed {self.config.seed}"

    @property
    def log(self) -> Path:
        return self.path.with_name(f"{self.path.name}.log")


def plan(
    experiment: Experiment,
    setting: str,
    seeds: Sequence[int],
    runs: Path,
    *,
    contestants: Sequence[str] | None = None,
    tasks: Sequence[str] | None = None,
    task_options: Mapping[str, Any] = {},
    **overrides: Any,
) -> list[ExperimentJob]:
    """The runs of an experiment, in folders `runs/<contestant>/seed-<n>`, or with several tasks
    `runs/<task>/<contestant>/seed-<n>`.

    Without `seeds` each contestant gets its usual ones. `overrides` are options of TrainConfig that
    replace the recipe's; None leaves the recipe's. `task_options` are added to the recipe's.
    """

    def config(task: str, contestant: str, seed: int) -> TrainConfig:
        chosen = experiment.recipe(task, contestant, setting)
        options = {**chosen.task_options, **task_options}
        changed: dict[str, Any] = {"task_options": options, "seed": seed, "threads": 1, **changes}
        if chosen.cooldown:
            changed["stop_when_solved"] = True  # and has cooled down
        return dataclasses.replace(chosen, **changed)

    machines = contestants or experiment.contestants
    wanted = {machine: seeds or experiment.usual_seeds(machine) for machine in machines}
    changes = {name: value for name, value in overrides.items() if value is not None}
    several = len(experiment.tasks) > 1
    return [
        ExperimentJob(
            contestant=contestant,
            task=task,
            config=config(task, contestant, seed),
            path=(runs / task if several else runs)
            / re.sub("[^a-z0-9]+", "-", contestant)
            / f"seed-{seed}",
            one_of_tasks=several,
        )
        # Seed by seed, so that a run that is cut short has something of every contestant.
        for seed in dict.fromkeys(seed for each in wanted.values() for seed in each)
        for task in tasks or experiment.tasks
        for contestant in machines
        if seed in wanted[contestant]
    ]


def jobs_of(
    experiment: Experiment, setting: str, cells: Sequence[Cell], runs: Path
) -> list[ExperimentJob]:
    """The runs behind the cells of a result, also of machines that an earlier command trained;
    those whose folders are not there are left out."""
    seeds = {cell["machine"]: cell["seeds"] for cell in cells if cell["setting"] == setting}
    return [
        job
        for contestant in experiment.contestants
        if contestant in seeds
        for job in plan(experiment, setting, seeds[contestant], runs, contestants=[contestant])
        if (job.path / "metrics.jsonl").exists()
    ]


def check_jobs(jobs: Sequence[ExperimentJob], *, resume: bool) -> None:
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


def run_plan(
    jobs: Sequence[ExperimentJob], engine: Engine, reporter: Reporter | None = None
) -> list[dict[str, Any]]:
    """Train them all; returns each run's `result.json`, in the order of the jobs.

    Runs that are done already are not run again; one that was done with fewer sequences goes on.
    When one fails the others still go on.

    Raises:
        TapeheadError: some failed; names the first.
        Stopped: a signal arrived, or nobody reads what the reporter writes; every run has saved
            its state.
    """
    found = {job.path: _result_of(job) for job in jobs}
    todo = [job for job in jobs if found[job.path] is None]
    outcome = run_jobs(todo, engine, reporter)
    if outcome.errors:
        place = min(outcome.errors)
        first = todo[place]
        raise TapeheadError(
            f"{len(outcome.errors)} of {len(jobs)} runs failed; {first.name}: "
            f"{outcome.errors[place]} ({first.log} may have more)"
        )
    results = [found[job.path] or read_result(job.path) for job in jobs]
    return [result for result in results if result is not None]


def _result_of(job: ExperimentJob) -> dict[str, Any] | None:
    """Of a run that is done, if it was done with these settings."""
    try:
        result = read_result(job.path)
    except TapeheadError:  # damaged: resuming the run writes it anew
        return None
    if result and set(differing(read_config(job.path, to_resume=True), job.config)) <= set(MANNER):
        return result
    return None

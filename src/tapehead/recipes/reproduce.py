"""A published experiment run again: its runs, the cells of its result, and its figure."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tapehead.files import clear_errors
from tapehead.recipes.drawing import draw_result
from tapehead.recipes.experiment import Contest, Experiment
from tapehead.recipes.jobs import ExperimentJob, check_jobs, jobs_of, plan, run_plan
from tapehead.recipes.results import Cell, cells_of, read_result, write_result
from tapehead.runs.provenance import provenance
from tapehead.runs.records import read_start
from tapehead.training import Reporter
from tapehead.training.fleet import Engine, make_engine


class Reproduced(NamedTuple):
    """What `result.json` holds, the cells of it that are new, and the files that were written."""

    result: dict[str, Any]
    cells: list[Cell]
    files: tuple[Path, ...]


def in_processes(jobs: Sequence[ExperimentJob]) -> Engine:
    """One for each core that this process may use."""
    return make_engine("processes", len(jobs))


def reproduce(
    experiment: Experiment,
    setting: str = "fast",
    *,
    seeds: Sequence[int] = (),
    machines: Sequence[str] = (),
    tasks: Sequence[str] = (),
    out: Path | None = None,
    runs: Path | None = None,
    resume: bool = False,
    engine: Callable[[Sequence[ExperimentJob]], Engine] = in_processes,
    reporter: Reporter | None = None,
    command: str | None = None,
    max_sequences: int | None = None,
    **judging: Any,
) -> Reproduced:
    """Train every contestant on every task with every seed, judge the runs, and draw them.

    Args:
        seeds: left out: the experiment's usual ones.
        machines: only these contestants; left out: all. Those trained before stay in the result.
        tasks: only these, of an experiment that has several; left out: all.
        out: folder of `result.json` and `figure.png`; left out: `results/<experiment>`.
        runs: folder of the run directories; left out: `runs/<experiment>/<setting>`.
        resume: go on with the runs that are there.
        engine: what does these jobs.
        command: that the result names; left out: the usual one.
        max_sequences: give up on a run after so many; left out: the recipe's.
        judging: options of the judge, `experiment.judged_with`, and of the tasks,
            `experiment.told_with`; `test_sequences`, unless the judge takes it, is that of the
            runs.

    Raises:
        TapeheadError: there are runs already and `resume` is not set, a run failed, or something
            cannot be written.
        Stopped: a signal arrived; every run has saved its state.
    """
    own = {name: judging.pop(name) for name in experiment.judged_with if name in judging}
    told = {name: judging.pop(name) for name in experiment.told_with if name in judging}
    if experiment.check is not None:
        experiment.check(**own)
    runs = runs or Path("runs") / experiment.name / setting
    out = out or Path("results") / experiment.name
    read_result(out)  # what cannot be added to is better known before all training
    jobs = plan(
        experiment,
        setting,
        seeds,
        runs,
        contestants=machines,
        tasks=tasks,
        task_options=told,
        stop_when_solved=experiment.until_solved,
        max_sequences=max_sequences,
        **judging,
    )
    check_jobs(jobs, resume=resume)
    facts = provenance() | {"command": command or f"tapehead reproduce {experiment.name}"}
    results = run_plan(jobs, engine(jobs), reporter)
    cells = result_cells(experiment, setting, jobs, results, own)
    result = write_result(out, experiment, cells, facts)
    figure = _draw(experiment, setting, result["cells"], runs, out)
    return Reproduced(result, cells, (out / "result.json", figure))


def result_cells(
    experiment: Experiment,
    setting: str,
    jobs: Sequence[ExperimentJob],
    results: Sequence[Mapping[str, Any]],
    options: Mapping[str, Any] | None = None,
) -> list[Cell]:
    """The cells of `result.json`, task by task and contestant by contestant, each with its runs'
    commit."""
    contests: dict[tuple[str, str], list[tuple[ExperimentJob, Mapping[str, Any]]]] = {}
    for job, result in zip(jobs, results, strict=True):
        contests.setdefault((job.task, job.contestant), []).append((job, result))
    cells = []
    for (task, contestant), runs in contests.items():
        by_seed = {job.config.seed: result for job, result in runs}
        contest = Contest(
            experiment,
            setting,
            task,
            contestant,
            [job for job, _ in runs],
            by_seed,
            options or {},
            partial(cells_of, experiment, task, contestant, setting, by_seed),
        )
        found = contest.cells() if experiment.judge is None else experiment.judge(contest)
        starts = {job.config.seed: read_start(job.path) for job in contest.jobs}
        cells += [{**cell, **_trained_at(starts, cell["seeds"])} for cell in found]
    return cells


def _trained_at(starts: Mapping[int, Mapping[str, Any]], seeds: Sequence[int]) -> dict[str, Any]:
    """The commit that runs were trained at, which may be older than the one that draws them; with
    `commits`, one for each seed, where they are several.

    Args:
        starts: by seed, what config.json of its run holds.
        seeds: those of the cell.
    """
    commits = {seed: start["commit"] or "unknown" for seed, start in starts.items()}
    several = sorted(set(commits.values()))
    changed = any(start["commit_has_changes"] for start in starts.values())
    told = {"commit": ", ".join(several), "commit_has_changes": changed}
    return told | ({"commits": [commits[seed] for seed in seeds]} if len(several) > 1 else {})


def _draw(
    experiment: Experiment, setting: str, cells: Sequence[Cell], runs: Path, out: Path
) -> Path:
    """`figure.png`, or that of another setting beside it."""
    from tapehead.viewing.style import save

    path = out / ("figure.png" if setting == "fast" else f"figure-{setting}.png")
    known = [cell for cell in cells if cell["setting"] == setting]
    if experiment.figure is not None:
        with clear_errors(f"write {path}"):
            return save(experiment.figure(known), path)
    drawn = jobs_of(experiment, setting, known, runs)
    machines = {job.contestant for job in drawn}
    known = [cell for cell in known if cell["machine"] in machines]
    return draw_result(experiment, setting, drawn, known, path)

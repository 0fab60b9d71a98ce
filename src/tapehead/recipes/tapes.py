"""The study `discrete/rl-ntm`: the five tasks of the RL-NTM under either controller, and on how
many seeds each is solved."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapehead.recipes.experiment import Experiment, Published

if TYPE_CHECKING:
    import tapehead.runs.config
    import tapehead.training

NAME = "discrete/rl-ntm"
PAPER = "Zaremba & Sutskever 2015 (arXiv 1505.00521), Table 4"
SEEDS = tuple(range(10))
SETTING = "fast"
# Whether the task was solved at all; the authors' own code solves on 30 to 50 % of seeds.
PUBLISHED = {
    "copy-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 1.0},
    "duplicated-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 1.0},
    "reverse-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 0.0},
    "forward-reverse-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 0.0},
    "repeat-copy-tape": {"rl-ntm-direct": 1.0, "rl-ntm-lstm": 0.0},
}
"""By task and contestant."""

FIRST_LEVELS = {"duplicated-tape": 3, "reverse-tape": 4, "forward-reverse-tape": 4}
"""Where it is not 1. On tapes of one symbol whoever writes at once is right, and a machine that has
learned so did not find out what longer ones ask for; copying, it only learned that way."""

TRAINING: dict[str, Any] = {
    "optimiser": "adam",
    "learning_rate": 3e-3,
    "clip_value": None,
    "clip_norm": 0.5,
    "batch_size": 64,
    "max_sequences": 192_000,
    "curriculum": "naive",
    # About a tenth of the symbols at the last level; the tenth of any length is among them.
    "lesson_mark": 1.2,
    "report_every": 3_200,
    "validate_every": 3_200,
    "validation_sequences": 200,
}


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of either controller on one of the five tasks; there are no others but ours."""
    from tapehead.runs.config import TrainConfig

    if setting != SETTING:
        raise ValueError(f"setting must be {SETTING} for {task}, got {setting!r}")
    options: dict[str, Any] = {"controller": contestant.removeprefix("rl-ntm-")}
    if task == "forward-reverse-tape":
        options["memory"] = True
    start = {"curriculum_start": FIRST_LEVELS.get(task, 1)}
    return TrainConfig.from_dict(
        {"task": task, "machine": "rl-ntm", "machine_options": options} | TRAINING | start
    )


TASKS = tuple(
    Experiment(
        name=NAME,
        source=PAPER,
        task=task,
        contestants=tuple(published),
        recipe=recipe,
        metric="solved",
        unit="share of sequences of 1 to 10 symbols wholly right",
        published={
            name: Published(value=solved, source=PAPER) for name, solved in published.items()
        },
        seeds=len(SEEDS),
        until_solved=True,
    )
    for task, published in PUBLISHED.items()
)
"""Each task as an experiment of its own, which `reproduce` below runs together."""


def reproduce(
    folder: Path,
    *,
    seeds: Sequence[int] = SEEDS,
    command: str = f"tapehead reproduce {NAME}",
    machines: Sequence[str] = (),
    runs: Path | None = None,
    resume: bool = False,
    workers: int | None = None,
    max_sequences: int | None = None,
    quiet: bool = False,
    json: bool = False,
) -> dict[str, Any]:
    """Train every controller on every task; write `result.json` and `figure.png` into `folder`.

    Args:
        machines: only these contestants; those trained before stay in the result.
        quiet, json: do not print a line for each run that ends.

    Raises:
        TapeheadError: there is no such machine, there are runs already and `resume` is not set, or
            a run failed.
    """
    from tapehead.errors import TapeheadError
    from tapehead.recipes.reproduce import (
        check_jobs,
        plan,
        result_cells,
        run_plan,
    )
    from tapehead.recipes.results import write_result
    from tapehead.runs.provenance import provenance
    from tapehead.tasks import TASKS as KNOWN
    from tapehead.training.fleet import Here, Processes, default_workers
    from tapehead.viewing.style import save
    from tapehead.viewing.success import success_figure

    for machine in machines:
        if machine not in TASKS[0].contestants:
            allowed = ", ".join(TASKS[0].contestants)
            raise TapeheadError(f"--machines must be one of {allowed}, got {machine!r}")
    base = runs or Path("runs") / NAME / SETTING
    jobs = {
        experiment.task: plan(
            experiment,
            SETTING,
            seeds,
            base / experiment.task,
            contestants=machines or None,
            max_sequences=max_sequences,
        )
        for experiment in TASKS
    }
    together = [job for task in jobs.values() for job in task]
    check_jobs(together, resume=resume)
    facts = provenance() | {"command": command}
    engine = Processes(min(workers or default_workers(), len(together)))
    run_plan(together, engine, _endings(tell=not (quiet or json)))
    # All done: what each task came to is read from its runs.
    cells = []
    for experiment in TASKS:
        found = run_plan(jobs[experiment.task], Here())
        cells += result_cells(experiment, SETTING, jobs[experiment.task], found)
    result = write_result(folder, TASKS[0], cells, facts)
    titles = {task: KNOWN[task].title for task in PUBLISHED}
    save(success_figure(result["cells"], titles), folder / "figure.png")
    return result


def _endings(*, tell: bool) -> "tapehead.training.Reporter":
    """Says when a run ends."""
    from tapehead.training import Reporter, RunInfo

    class Endings(Reporter):
        def __init__(self, contestant: str = "") -> None:
            self._contestant = contestant

        def started(self, info: RunInfo) -> None:
            self._run = f"{self._contestant}, {info.task}, seed {info.seed}"

        def finished(self, result: Mapping[str, Any]) -> None:
            if tell:
                verdict = "solved" if result["solved"] else "not solved"
                sequences, seconds = f"{result['sequences']:,} sequences", result["seconds"]
                print(f"{self._run}: {verdict} after {sequences}, {seconds:.0f} s", flush=True)

        def for_run(self, name: str, seed: int) -> Reporter:
            return Endings(name.rpartition(", seed")[0])

    return Endings()

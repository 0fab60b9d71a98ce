"""`dnc/graphs`: how far the DNC climbs in the three curricula of its paper within a budget.

The budget is a number of sequences (`--max-sequences`). Training needs no map; afterwards each
machine is asked about the lesson it reached, the last lesson, and the real maps: the Underground
where `--data` says where its tables are, and the family tree. Its memory then has as many rows as
the paper's: nothing learned depends on how many there are.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tapehead.recipes import dnc
from tapehead.recipes.experiment import Experiment

if TYPE_CHECKING:
    import tapehead.runs.config
    from tapehead.tasks import Task

NAME = "dnc/graphs"
PAPER = "Graves, Wayne et al. 2016"
SEEDS = (0,)
SETTING = "fast"


class Curriculum(NamedTuple):
    """What the paper trained a task with (Extended Data Table 2), what it reports (Tables 3 to 5)
    and our own budget.

    Attributes:
        paper: options of training and of the machine; those of training go before `LESSONS`.
        accuracy: per cent right after the last lesson, by the label of our test.
        sequences: budget of the fast setting.
    """

    paper: tuple[dict[str, Any], dict[str, Any]]
    accuracy: Mapping[str, float]
    table: int
    sequences: int


CURRICULA = {
    "traversal": Curriculum(
        (
            # A look at the lesson every 100 batches; a tenth of the batches from earlier lessons.
            {"learning_rate": 1e-5, "batch_size": 2, "report_every": 200},
            {"hidden_size": 256, "num_layers": 3, "memory_size": 256},
        ),
        {"final lesson": 99.0, "underground": 98.8},
        3,
        1_000_000,
    ),
    "shortest-path": Curriculum(
        (
            # A look every 2,000 batches, at 50 fresh episodes; nothing of earlier lessons.
            {
                "learning_rate": 3e-6,
                "batch_size": 1,
                "curriculum": "naive",
                "report_every": 2_000,
                "validation_sequences": 50,
            },
            {"hidden_size": 256, "num_layers": 2, "memory_size": 128},
        ),
        {"final lesson": 64.0, "underground": 55.3},
        5,
        60_000,
    ),
    "inference": Curriculum(
        (
            {"learning_rate": 1e-5, "batch_size": 32},
            {"hidden_size": 256, "num_layers": 3, "memory_size": 128},
        ),
        {"final lesson": 95.5, "family tree": 81.8},
        4,
        60_000,
    ),
}

PAPER_TRAINING: dict[str, Any] = {"optimiser": "rmsprop", "clip_value": None}
PAPER_MACHINE: dict[str, Any] = {"word_size": 50, "num_reads": 5} | dnc.PAPER_MACHINE

FAST_TRAINING: dict[str, Any] = {
    "optimiser": "adam",
    "learning_rate": 1e-3,
    "clip_value": None,
    "clip_norm": 10.0,
    "batch_size": 16,
}
FAST_MACHINE: dict[str, Any] = {
    "memory_size": 64,
    "word_size": 32,
    "num_reads": 4,
    "hidden_size": 128,
}
LESSONS: dict[str, Any] = {
    # A look at the lesson every 200 batches of 16; the last lesson is far off for most of the way.
    "curriculum": "look-back",
    "report_every": 3_200,
    "validate_every": 10_000_000,
    "validation_sequences": 256,
}


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of the DNC on one of the three tasks, `fast` or `paper`."""
    from tapehead.runs.config import TrainConfig

    curriculum = CURRICULA[task]
    training, machine = curriculum.paper
    if setting == "paper":
        training = PAPER_TRAINING | training | {"max_sequences": 1_000_000}
        machine = PAPER_MACHINE | machine
    else:
        training = FAST_TRAINING | {"max_sequences": curriculum.sequences}
        machine = FAST_MACHINE
    return TrainConfig.from_dict(
        {"task": task, "machine": contestant, "machine_options": dict(machine)} | LESSONS | training
    )


TASKS = tuple(
    Experiment(
        name=NAME,
        source=f"{PAPER}, Methods and Extended Data Table {curriculum.table}",
        task=task,
        contestants=("dnc",),
        recipe=recipe,
    )
    for task, curriculum in CURRICULA.items()
)
"""Each curriculum as an experiment of its own, which `reproduce` below runs together."""


def reproduce(
    folder: Path,
    *,
    seeds: tuple[int, ...] = SEEDS,
    command: str = f"tapehead reproduce {NAME}",
    data: str | None = None,
    runs: Path | None = None,
    resume: bool = False,
    workers: int | None = None,
    max_sequences: int | None = None,
    test_sequences: int | None = None,
    quiet: bool = False,
    json: bool = False,
) -> dict[str, Any]:
    """Train all three, judge them, and write `result.json` and `figure.png` into `folder`.

    Args:
        quiet, json: do not print a line for each lesson that is begun.

    Raises:
        TapeheadError: `data` holds no such tables, there are runs already and `resume` is not set,
            or a run failed.
    """
    from tapehead.recipes.reproduce import check_jobs, plan, run_plan
    from tapehead.recipes.results import write_result
    from tapehead.runs.provenance import provenance
    from tapehead.tasks import make_task
    from tapehead.tasks.graphs.maps import underground
    from tapehead.training.fleet import Processes, default_workers
    from tapehead.viewing.lessons import lessons_figure
    from tapehead.viewing.style import save

    if data:
        underground(data)  # not after hours of training that its tables are missing
    base = runs or Path("runs") / NAME / SETTING
    jobs = {
        experiment.task: plan(
            experiment,
            SETTING,
            seeds,
            base / experiment.task,
            max_sequences=max_sequences,
        )
        for experiment in TASKS
    }
    together = [job for task in jobs.values() for job in task]
    check_jobs(together, resume=resume)
    facts = provenance() | {"command": command}
    engine = Processes(min(workers or default_workers(), len(together)))
    run_plan(together, engine, _lessons(tell=not (quiet or json)))
    cells, climbs = [], {}
    for experiment in TASKS:
        task = experiment.task
        judged = [
            judge(job.path, data=data, sequences=test_sequences or 1_000) for job in jobs[task]
        ]
        cells += cells_of(task, seeds, judged, experiment.source)
        climbs[task] = [one["climb"] for one in judged]
    whole = dataclasses.replace(
        TASKS[0], source=f"{PAPER}, Methods and Extended Data Tables 3 to 5"
    )
    result = write_result(folder, whole, cells, facts)
    lessons = {task: make_task(task).max_difficulty for task in climbs}
    save(lessons_figure(climbs, lessons), folder / "figure.png")
    return result


def _lessons(*, tell: bool) -> "tapehead.training.Reporter":
    """Says when a run begins a lesson."""
    from tapehead.training import Reporter, RunInfo

    class Lessons(Reporter):
        def started(self, info: RunInfo) -> None:
            self._run, self._at = f"{info.task}, seed {info.seed}", None

        def reported(self, row: Mapping[str, Any]) -> None:
            lesson = row.get("difficulty")
            if tell and lesson is not None and lesson != self._at:
                self._at = lesson
                seen = f"{row['sequences']:,} sequences"
                print(f"{self._run}: lesson {lesson} after {seen}", flush=True)

        def for_run(self, name: str, seed: int) -> Reporter:
            return Lessons()

    return Lessons()


def judge(path: Path, *, data: str | None, sequences: int) -> dict[str, Any]:
    """How far a run came, and what its machine can do.

    Returns:
        `lesson`: the last it was at; `climb`: (sequences, lesson) of every report; `finished`,
        `sequences`, `seconds`; `accuracy`: per cent of sequences without an error, by test.
    """
    from tapehead.machines.dnc import DNC
    from tapehead.runs import evaluate, load_run, read_metrics, read_result
    from tapehead.tasks.graphs.task import GraphTask

    config, machine, task = load_run(path, step="latest")
    assert isinstance(machine, DNC)
    assert isinstance(task, GraphTask)
    climb = [
        (row["sequences"], row["difficulty"])
        for row in read_metrics(path)
        if row["kind"] == "train"
    ]
    ended = read_result(path)
    assert ended is not None
    lesson = climb[-1][1]
    machine.memory_size = max(machine.memory_size, PAPER_ROWS[config.task])
    tests: dict[str, Task] = {"lesson reached": task.at_lesson(lesson)}
    tests |= dataclasses.replace(task, data=data or "").test_settings()
    accuracy = {
        label: round(100 * evaluate(machine, setting, sequences=sequences)["solved"], 2)
        for label, setting in tests.items()
    }
    return {
        "lesson": lesson,
        "climb": climb,
        "finished": ended["solved"],
        "sequences": ended["sequences"],
        "seconds": round(ended["seconds"], 1),
        "accuracy": accuracy,
    }


PAPER_ROWS = {task: curriculum.paper[1]["memory_size"] for task, curriculum in CURRICULA.items()}


def cells_of(
    task: str, seeds: tuple[int, ...], judged: list[dict[str, Any]], source: str
) -> list[dict[str, Any]]:
    """The lesson reached, then the accuracy at each test, one value for each seed."""
    from tapehead.tasks import make_task

    lessons = make_task(task).max_difficulty
    shared = {
        "machine": "dnc",
        "task": task,
        "setting": SETTING,
        "seeds": list(seeds),
        "solved": sum(one["finished"] for one in judged),
        "sequences": [one["sequences"] for one in judged],
        "seconds": [one["seconds"] for one in judged],
    }
    cells = [
        shared
        | {
            "test": task,
            "metric": "lesson reached",
            "unit": "1",
            "values": [one["lesson"] for one in judged],
            "begun": [_begun(one["climb"]) for one in judged],
            "published": lessons,
            "source": source,
        }
    ]
    for test in judged[0]["accuracy"]:
        published = CURRICULA[task].accuracy.get(test)
        cells.append(
            shared
            | {
                "test": f"{task}, {test}",
                "metric": "accuracy",
                "unit": "% of sequences without an error",
                "values": [one["accuracy"][test] for one in judged],
                "published": published,
                "source": source if published is not None else None,
            }
        )
    return cells


def _begun(climb: Sequence[tuple[int, int]]) -> dict[str, int]:
    """The sequences after which each lesson was first reported."""
    begun: dict[str, int] = {}
    for sequences, lesson in climb:
        begun.setdefault(str(lesson), sequences)
    return begun

"""The experiment `babi/joint`: one machine for all twenty bAbI tasks, trained on all at once.

A run is judged as those of one task are, by the checkpoint with the best validation over all tasks;
there is a cell for each task.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tapehead.recipes.babi import (
    GENERATED,
    TASKS,
    Plan,
    config_of,
    figure,
    last_progress,
    published,
    stories_of,
    trained_on,
)
from tapehead.recipes.experiment import Contest, Experiment, Published

if TYPE_CHECKING:
    import tapehead.runs.config

TASK = "babi-all"
PLANS = {
    "memory-network": Plan(
        epochs=60,
        learning_rate=0.005,
        questions=128,
        clip_norm=40.0,
        linear=20,
        options={"embedding_size": 50},
    ),
    "entity-network": Plan(epochs=60, learning_rate=0.005, questions=40, clip_norm=10.0),
}
PUBLISHED = {
    "memory-network": [
        0.0, 1.0, 6.8, 0.0, 6.1, 0.1, 6.6, 2.7, 0.0, 0.5, 0.0, 0.1, 0.0, 0.0, 0.2, 0.2, 41.8, 8.0,
        75.7, 0.0,
    ],
    "entity-network": [
        0.0, 15.3, 29.3, 0.1, 0.4, 0.6, 1.8, 1.5, 0.0, 0.1, 0.2, 0.0, 0.0, 7.3, 3.6, 53.3, 8.8, 1.3,
        70.4, 0.0,
    ],
}  # fmt: skip
"""Test error in %: of MemN2N the best run, of EntNet the mean of runs."""
SOURCES = {
    "memory-network": "Sukhbaatar et al. 2015",
    "entity-network": "mean of runs, as in Franke et al. 2018",
}
_QUESTIONS = 180_000
_BATCH = 64


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of a machine on all tasks."""
    options = {"task": "all", "generated": True}
    stories = sum(stories_of(number) for number in range(1, 21))
    return config_of(PLANS[contestant], contestant, options, stories, _QUESTIONS)


def judge(contest: Contest) -> list[dict[str, Any]]:
    """The test error of each run's best checkpoint on each task."""
    return cells_by_task(contest, published(PUBLISHED, SOURCES))


def cells_by_task(
    contest: Contest, known: Mapping[str, Mapping[str, Published]]
) -> list[dict[str, Any]]:
    """A cell for each task of runs on all of them: the error of each run's best checkpoint.

    Args:
        known: published errors, by task and contestant.
    """
    from tapehead.runs import load_run

    common = contest.cells()[0]
    errors, validation, cpu_seconds = [], [], []
    for job in contest.jobs:
        _, machine, task = load_run(job.path)
        errors.append([error_on(machine.eval(), task, number) for number in range(1, 21)])
        progress = last_progress(job.path)
        validation.append(progress["best"]["scores"]["wrong"])
        cpu_seconds.append(round(progress["cpu_seconds"], 1))
    chosen = validation.index(min(validation))
    cells = []
    for task, values in zip(TASKS, zip(*errors, strict=True), strict=True):
        paper = known[task].get(contest.contestant)
        cells.append(
            common
            | {
                "task": task,
                "test": "test",
                "values": list(values),
                "validation": validation,
                "cpu_seconds": cpu_seconds,
                "best": values[chosen],
                "trained_on": trained_on(contest.jobs[0].config.task_options, task),
                "published": None if paper is None else paper.value,
                "source": None if paper is None else paper.source,
            }
        )
    return cells


def error_on(machine: Any, task: Any, number: int) -> float:
    """Share of the test questions of one task that a machine of all tasks answers wrongly."""
    import torch

    part = replace(task, task=str(number), split="test", generated=number in GENERATED)
    stories, wrong = part.stories, 0
    with torch.no_grad():
        for first in range(0, len(stories), _BATCH):
            outputs, batch = task.run(machine, task.batch_of(stories[first : first + _BATCH]))
            # Of each story in units of the mean number of questions.
            share = task.scores(outputs, batch)["wrong"].double().sum().item()
            wrong += round(share * task.answer.each)
    return wrong / sum(len(story.questions) for story in stories)


EXPERIMENT = Experiment(
    name="babi/joint",
    source="Sukhbaatar et al. 2015, table 3; Franke et al. 2018, table 1",
    tasks=(TASK,),
    contestants=tuple(PLANS),
    recipe=recipe,
    settings=("fast",),
    metric="wrong",
    unit="share of questions answered wrongly",
    seeds=1,
    told_with=("data",),
    judge=judge,
    figure=figure,
)

"""A picture of one problem of a task, for its page: drawn by the figures of the library.

Of sequences and points the answer is the task's own, by its oracle. Of tapes and stories a machine
of the zoo gives it, as what there is to see is how one reads them.
"""

from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure

from tapehead import Machine, zoo
from tapehead.forms import Points, Story, Tape
from tapehead.machines.machine import Trace
from tapehead.machines.pretrained import WEIGHTS
from tapehead.tasks.task import certain_logits
from tapehead.viewing.bits import bit_figure
from tapehead.viewing.points import answer_figure
from tapehead.viewing.problems import episode_of, pointed_of, story_figures, tape_figures
from tapehead.viewing.words import word_figure

MOST_STEPS = 64
"""Of a task that is longer a problem of an easier level is drawn, if it has levels."""
SEED = 0


class Picture(NamedTuple):
    """What is drawn, and a sentence that says what it is."""

    figure: Figure
    caption: str


def picture_of(task: Any) -> Picture:
    """One problem of a task and an answer to it."""
    if task.tells in (Story, Tape):
        return _by_a_machine(task)
    easier, level = _readable(task)
    batch = easier.batch(torch.Generator().manual_seed(SEED), 1)
    outputs = _right(easier, batch)
    if task.tells is Points:
        figure = _pointed(easier, outputs, batch)
    else:
        episode = episode_of(easier, outputs, batch)
        figure = word_figure(episode) if episode.words else bit_figure(episode)
    of_level = f" at level {level} of {task.max_difficulty}" if level < task.max_difficulty else ""
    return Picture(figure, f"One problem{of_level}, and its right answer.")


def _right(task: Any, batch: Any) -> torch.Tensor:
    """The best answer there is, as logits."""
    try:
        return task.oracle(batch)
    except NotImplementedError:
        return certain_logits(batch.targets)


def _readable(task: Any) -> tuple[Any, int]:
    """A task at its hardest level that is no longer than a picture shows well, and that level."""
    levels = range(task.max_difficulty, 0, -1)
    found = (level for level in levels if task.with_difficulty(level).max_steps <= MOST_STEPS)
    level = next(found, 1)
    return task.with_difficulty(level), level


def _pointed(task: Any, outputs: Any, batch: Any) -> Figure:
    """The right pointers, as if a machine had been sure of each."""
    batch = batch._replace(inputs=batch.inputs._replace(answer=batch.targets))
    sure = Trace(y=outputs, state=None, tensors={"attention": outputs.softmax(dim=-1)})
    return answer_figure(pointed_of(task, outputs, batch, sure))


def _by_a_machine(task: Any) -> Picture:
    draw, kind = (story_figures, "story") if task.tells is Story else (tape_figures, "tape")
    label = f"{task.name}-{getattr(task, task.variant)}" if task.variant else task.name
    name = min(trained_on(label), key=lambda name: (zoo.ZOO / name / WEIGHTS).stat().st_size)
    machine = Machine.from_pretrained(name)
    drawn = draw(machine, {"": task}, "", seed=SEED, subject="", title="")
    return Picture(drawn.figures[kind], f"One problem, and what `{name}` of the zoo does with it.")


def trained_on(label: str) -> list[str]:
    """The names in the zoo of the machines that were trained on a task: "copy", "babi-1"."""
    return [name for name in zoo.names() if name.partition("/")[2] == label]

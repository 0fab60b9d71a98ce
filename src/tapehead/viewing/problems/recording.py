"""What the page shows of a problem, made when it is asked for."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch

from tapehead.forms import Points, Story, Tape
from tapehead.runs import randomness
from tapehead.viewing.page.panels import Recording
from tapehead.viewing.page.recordings import (
    point_recording,
    story_recording,
    tape_recording,
)
from tapehead.viewing.problems.points import pointed_of
from tapehead.viewing.problems.running import run_one
from tapehead.viewing.problems.sequences import recorded_sequence, start_of
from tapehead.viewing.problems.stories import readings_of
from tapehead.viewing.problems.tapes import walk_of


def recorded(machine: Any, task: Any, *, seed: int = 0, label: str = "") -> Callable[[], Recording]:
    """Run a machine on one fresh problem of a task now; what the page shows of it is made when it
    is asked for, and may be made in another thread."""
    if task.tells is Story:
        generator = randomness.generator_for(seed, randomness.Stream.TEST)
        number = int(torch.randint(len(task.stories), (), generator=generator))
        readings = readings_of(machine, task, task.stories[number])
        return partial(story_recording, readings, label="story 1")
    outputs, batch, trace = run_one(machine, task, seed=seed, label=label)
    if task.tells is Tape:
        return partial(tape_recording, walk_of(task, outputs, batch, trace), label=label)
    if task.tells is Points:
        return partial(point_recording, pointed_of(task, outputs, batch, trace), label=label)
    start = start_of(machine)
    return cache(partial(recorded_sequence, task, outputs, batch, trace, start, label=label))

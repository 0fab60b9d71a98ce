"""The program of a trained run, on one sequence of its task."""

from pathlib import Path
from typing import Any, NamedTuple

from tapehead.errors import TapeheadError
from tapehead.machines.recurrent import Recurrent
from tapehead.tasks import SequenceTask
from tapehead.viewing.image import group_names
from tapehead.viewing.listing.layout import text
from tapehead.viewing.listing.moves import Step, moves, told
from tapehead.viewing.listing.program import program
from tapehead.viewing.problems import episode_of, load_viewed, run_one
from tapehead.viewing.style import machine_styles
from tapehead.viewing.traces import has_tensors
from tapehead.viewing.view import (
    choose_settings,
    describe_size,
    machine_name,
    typical_size,
    varied_size,
)

KEY = """\
Rows are those that a head is on most; blur says how far weightings and gates are from all or
nothing there, at worst, from 0 to 1. "head +1": one row on from where it was."""


class Listing(NamedTuple):
    """A run on one sequence, step by step.

    run: its directory.
    title: machine, task and size, and how many answers were right.
    """

    run: Path
    title: str
    steps: list[Step]

    def __str__(self) -> str:
        return f"{self.title}\n\n{text(program(self.steps))}\n\n{KEY}"

    def to_dict(self) -> dict[str, Any]:
        """As plain values, each step with what every head did."""
        steps = [
            {**step._asdict(), "moves": [move._asdict() for move in step.moves]}
            for step in self.steps
        ]
        return {"run": str(self.run), "title": self.title, "steps": steps}


def listing_of(path: Path, *, size: str | None = None, seed: int = 0) -> Listing:
    """What the heads of a trained machine do on a sequence of its task, as a program.

    The sequence is the one that `view_run` draws for the same size and seed.

    Args:
        path: run directory.
        size: label of one of the task's test settings, or another number; None takes the largest
            that training has seen.
        seed: decides the sequence.

    Raises:
        TapeheadError: no run, or one of a machine without heads on a memory.
        ValueError: the task has no such size.
    """
    config, machine, task = load_viewed(path)
    if not isinstance(task, SequenceTask):
        raise TapeheadError(f"{path}: a listing is of heads on a memory, and {task.name} has none")
    settings = choose_settings(task, None if size is None else [size])
    varied = varied_size(task)
    label = typical_size(settings, varied)
    outputs, batch, trace = run_one(machine, settings[label], seed=seed, label=label)
    if not has_tensors(trace, "read_weights", "write_weights"):
        raise TapeheadError(
            f"{path}: a listing is of heads on a memory, and {config.machine} has none"
        )
    episode = episode_of(settings[label], outputs, batch)
    one = {name: part[0] for name, part in trace.tensors.items()}
    start = machine.initial_state(1) if isinstance(machine, Recurrent) else None
    found = moves(one, start)
    names = told(episode.inputs, group_names(task.channel_names), episode.mask.tolist())
    name = machine_name(config)
    verdict = f": {episode.verdict}" if episode.verdict else ""
    return Listing(
        path,
        f"{machine_styles([name])[name].label} on {task.title.lower()}, "
        f"{describe_size(label, varied)}{verdict}",
        [
            Step(number, names[number - 1], bool(episode.mask[number - 1]), heads)
            for number, heads in enumerate(found, 1)
        ],
    )

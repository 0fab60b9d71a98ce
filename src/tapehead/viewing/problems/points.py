"""One set of points, and what a machine points at."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from tapehead.machines.machine import Machine, Trace
from tapehead.tasks import Batch, Task
from tapehead.tasks.metrics import SOLVED, VALID
from tapehead.viewing.page.recordings import point_recording
from tapehead.viewing.points import Pointed, answer_figure, steps_figure
from tapehead.viewing.problems.running import Drawn, run_one

MOST_POINTERS = 200
"""Pointers of an answer on the page; longer ones are left out."""


def point_figures(
    machine: Machine,
    settings: Mapping[str, Task],
    size: str,
    *,
    seed: int,
    subject: str,
    title: str,
) -> Drawn:
    """An answer beside the right one, and how the machine came to it."""
    runs = {
        label: pointed_of(task, *run_one(machine, task, seed=seed, label=label))
        for label, task in settings.items()
    }
    pointed = runs[size]
    figures = {"answer": answer_figure(pointed, title=title)}
    if pointed.shape != "order":
        figures["steps"] = steps_figure(pointed, title=title)
    recordings = [
        point_recording(runs[label], label=label)
        for label in runs
        if len(runs[label].attention) <= MOST_POINTERS
    ]
    return Drawn(figures, None, recordings)


def pointed_of(task: Any, outputs: Tensor, batch: Batch, trace: Trace) -> Pointed:
    """What a machine answered to the first problem of a batch."""
    points = batch.inputs
    count = int(points.sizes[0])
    said, right = (
        answer[0][: int((answer[0] != 0).cumprod(0).sum())].cpu().numpy()
        for answer in (points.answer, batch.targets)
    )
    scores = task.scores(outputs, batch)
    values = {m: m.shown(float(scores[m.name][0])) for m in task.judged if m != VALID}
    notes = [f"{v} {m.label}" if m.is_share else f"{m.label} {v}" for m, v in values.items()]
    solved = bool(scores[SOLVED.name][0])
    return Pointed(
        xy=points.xy[0, :count].cpu().double().numpy(),
        right=right,
        said=said,
        attention=trace.attention[0, : len(said) + 1, : count + 1].cpu().numpy(),
        shape=task.shape,
        solved=solved,
        note=", ".join(["right" if solved else "not right", *notes]),
    )

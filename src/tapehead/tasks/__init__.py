"""Tasks: data, loss, scores and an exact oracle, one file per task."""

from dataclasses import fields

from tapehead.checks import choice, listed, shown
from tapehead.registry import TASKS
from tapehead.tasks.associative_recall import AssociativeRecall
from tapehead.tasks.babi import BAbI, BAbIWords
from tapehead.tasks.chained_copy import ChainedCopy
from tapehead.tasks.copy import Copy
from tapehead.tasks.geometry import TSP, ConvexHull, Delaunay, Sorting
from tapehead.tasks.graphs import Inference, ShortestPath, Traversal
from tapehead.tasks.ngrams import NGrams
from tapehead.tasks.priority_sort import PrioritySort
from tapehead.tasks.repeat_copy import RepeatCopy
from tapehead.tasks.tapes import (
    CopyTape,
    DuplicatedTape,
    ForwardReverseTape,
    RepeatCopyTape,
    ReverseTape,
)
from tapehead.tasks.task import Batch, SequenceTask, Task


def make_task(name: str, **options: object) -> Task:
    """A task by its command-line name.

    Raises ValueError for an unknown task (listing the known ones) or an impossible value, and
    TypeError for an option that the task does not have (listing those it has).
    """
    choice(TASKS)("task", name)
    known = [field.name for field in fields(TASKS[name])]
    for option in options:
        if option not in known:
            raise TypeError(f"{name} has no option {shown(option)}; its options: {listed(known)}")
    return TASKS[name](**options)


__all__ = [
    "TASKS",
    "TSP",
    "AssociativeRecall",
    "BAbI",
    "BAbIWords",
    "Batch",
    "ChainedCopy",
    "ConvexHull",
    "Copy",
    "CopyTape",
    "Delaunay",
    "DuplicatedTape",
    "ForwardReverseTape",
    "Inference",
    "NGrams",
    "PrioritySort",
    "RepeatCopy",
    "RepeatCopyTape",
    "ReverseTape",
    "SequenceTask",
    "ShortestPath",
    "Sorting",
    "Task",
    "Traversal",
    "make_task",
]

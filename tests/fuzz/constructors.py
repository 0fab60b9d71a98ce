"""Constructors of machines, tasks, configs and optimisers, given values that nobody should pass."""

import inspect
import random
from collections.abc import Callable
from functools import cache
from typing import Any
from unittest import mock

import torch
from harness import Case
from values import nasty_values

from tapehead import room
from tapehead.machines import MACHINES
from tapehead.machines.cells import Cell
from tapehead.runs.config import TrainConfig
from tapehead.tasks import TASKS
from tapehead.tasks.bernoulli import BernoulliToy
from tapehead.training.objectives import ActorCritic, MoveChoices, RowChoices
from tapehead.training.objectives.estimator import AddressEstimator
from tapehead.training.optimisers import Adam, GravesRMSprop, RMSprop

SMALL = {
    "input_size": 3,
    "output_size": 2,
    "symbols": 5,
    "choices": 1,
    "rows": 3,
    "context_size": 2,
    "hidden_size": 4,
    "memory_size": 5,
    "word_size": 3,
    "vocabulary_size": 9,
    "sentence_length": 3,
    "num_answers": 2,
    "point_size": 2,
    "rule": "distinct",
}
MEMORY = 20_000_000
"""Bytes that this machine pretends to have: what fits into them is made in no time."""


@cache
def targets() -> list[tuple[Callable[..., Any], dict[str, Any]]]:
    """What is called, and the arguments that are right."""
    machines = [*MACHINES.values(), AddressEstimator, RowChoices, MoveChoices, ActorCritic]
    made = [(kind, _right(kind)) for kind in machines]
    made.append((Cell, {"controller": "gru", "input_size": 3, "hidden_size": 4}))
    made += [(kind, {}) for kind in (*TASKS.values(), BernoulliToy, TrainConfig)]
    weights = [torch.nn.Parameter(torch.zeros(3))]
    made += [(kind, {"params": weights, "lr": 0.1}) for kind in (RMSprop, GravesRMSprop, Adam)]
    return made


def case(draw: random.Random) -> Case:
    """One to three arguments of a constructor replaced."""
    kind, right = draw.choice(targets())
    names = [name for name in inspect.signature(kind).parameters if name not in _NO_OPTIONS]
    chosen = draw.sample(names, k=min(len(names), draw.choice((1, 1, 2, 3))))
    wrong = {name: draw.choice(nasty_values()) for name in chosen}

    def call() -> None:
        with mock.patch.object(room, "memory_of", return_value=MEMORY):
            kind(**(right | wrong))

    # A bound may hang on another option: of min_length and max_length either may be named.
    named = tuple(names) if len(chosen) > 1 else _related(chosen[0], names)
    return Case(kind.__name__, call, named, wrong)


_NO_OPTIONS = ("params", "fused")


def _related(name: str, names: list[str]) -> tuple[str, ...]:
    """Options that share a word with one: min_length and max_length, say."""
    words = set(name.split("_"))
    return tuple(other for other in names if words & set(other.split("_"))) + _BOUND.get(name, ())


_BOUND = {
    "context_length": ("sequence_length",),
    "num_vectors": ("num_answers",),
    "graph": ("data",),
    "learning_rate": ("final_learning_rate",),
    "baseline": ("samples",),
    "task_options": ("a must be",),
}


def _right(kind: Callable[..., Any]) -> dict[str, Any]:
    return {name: SMALL[name] for name in inspect.signature(kind).parameters if name in SMALL}

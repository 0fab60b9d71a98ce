"""How the loss of a machine is differentiated: chosen once, when a run is built.

It is all that differs between training a machine by backpropagation and training one whose choices
have no derivative. An objective owns what that takes: estimators, baselines, annealing.
"""

import inspect
from typing import Any

from tapehead.machines.machine import Machine
from tapehead.runs.randomness import as_by_default
from tapehead.tasks import Task
from tapehead.training.objectives.actor_critic import ActorCritic
from tapehead.training.objectives.linear_start import LinearStart
from tapehead.training.objectives.moves import MoveChoices
from tapehead.training.objectives.objective import Judged, Objective
from tapehead.training.objectives.rows import RowChoices
from tapehead.training.objectives.supervised import Supervised
from tapehead.training.objectives.teacher_forcing import TeacherForcing

OBJECTIVES: dict[str, type[Objective]] = {
    "supervised": Supervised,
    "linear-start": LinearStart,
    "teacher-forcing": TeacherForcing,
    "rows": RowChoices,
    "moves": MoveChoices,
    "actor-critic": ActorCritic,
}
"""By the names that machines and tasks know them by."""


def make_objective(machine: Machine, task: Task, **options: Any) -> Objective:
    """The objective that a machine as it is needs, or else the one that the task does; of the type
    and on the device of the machine's weights.

    Raises:
        TypeError: it has no such option.
        ValueError: an option has an impossible value, or the task cannot be trained on so.
    """
    kind = OBJECTIVES[task.trained_by or machine.objective]
    known = [n for n in inspect.signature(kind).parameters if n not in machine.objective_sizes]
    for option in options:
        if option not in known:
            allowed = f"its options: {', '.join(known)}" if known else "it has none"
            raise TypeError(f"the objective of this run has no option {option!r}; {allowed}")
    if task.interactive and machine.objective != "supervised":
        raise ValueError(
            f"addressing must be soft on {task.name}, whose inputs depend on the outputs, "
            f"got {getattr(machine, 'addressing', machine.objective)!r}"
        )
    with as_by_default():
        objective = kind(**machine.objective_sizes, **options)
        objective.prepare(machine)
    weight = next(machine.parameters())
    return objective.to(weight.device, weight.dtype)


__all__ = [
    "OBJECTIVES",
    "ActorCritic",
    "Judged",
    "LinearStart",
    "MoveChoices",
    "Objective",
    "RowChoices",
    "Supervised",
    "TeacherForcing",
    "make_objective",
]

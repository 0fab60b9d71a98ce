"""The study `discrete/copy`: what it costs a machine to learn to copy when it reads and writes one
row at a time, under each estimator of the gradient through its choices.

A machine that chooses from its first batch on learns lesson by lesson. One that is soft at first,
and annealed, finds its way as a soft machine does; what an estimator then has to do is to keep it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import torch

from tapehead.machines import MACHINES
from tapehead.machines.machine import Machine
from tapehead.recipes.trials import Outcome, Trial, run_trials
from tapehead.runs.config import TrainConfig
from tapehead.tasks import Task, make_task
from tapehead.training.objectives import Objective, RowChoices, make_objective

NAME = "discrete/copy"
PAPER = "not published: estimators of Williams 1992, Tucker et al. 2017, Grathwohl et al. 2018"
SEEDS = tuple(range(5))
TASK = {"max_length": 10, "num_bits": 8}

# Empty rows that differ can be told apart by content.
SIZES = {"memory_size": 16, "word_size": 12, "memory_init": "uniform"}
# An LSTM would keep the short sequences that lessons begin with in its own state, and find no use
# for the memory later.
SMALL = {"controller": "feedforward", "hidden_size": 64}
LARGE = {"controller": "lstm", "hidden_size": 100}
ESTIMATORS: dict[str, dict[str, Any]] = {
    "reinforce": {"estimator": "reinforce", "entropy": 0.0005},
    "rebar": {"estimator": "rebar", "entropy": 0.0005},
    "relax": {"estimator": "relax", "entropy": 0.0005},
    "straight-through-gumbel": {"estimator": "straight-through-gumbel"},
}
"""With what every discrete machine is trained; baselines are learned."""
CHOOSERS = {
    "discrete-ntm": "Discretised NTM, by lessons",
    "annealed discrete-ntm": "Discretised NTM, annealed",
    "annealed dynamic-ntm": "D-NTM, annealed",
}
"""Kinds of contestants -> what the figure calls them."""
SOFT = "ntm"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a machine is trained and when it counts as done.

    Attributes:
        max_sequences: give up after so many.
        learning_rate, clip_norm: of Adam, and the norm that gradients are cut at.
        check_every: batches between two looks at fresh sequences, with hard addresses.
        check_sequences: how many.
        lessons: whether it begins with the shortest sequences; otherwise with all lengths.
        lesson_mark: bit errors a sequence under which a lesson is passed.
        samples: estimates of one gradient that its variance is measured from.
        fresh_optimiser: whether an annealed machine gets a new one as it begins to choose. Adam's
            memory of the small gradients of a soft machine makes its first steps too long.
        choosing_epsilon: Adam's epsilon from then on.
    """

    max_sequences: int = 60_000
    batch_size: int = 32
    learning_rate: float = 3e-3
    clip_norm: float = 10.0
    check_every: int = 50
    check_sequences: int = 128
    lessons: bool = True
    lesson_mark: float = 3.0
    samples: int = 64
    fresh_optimiser: bool = False
    choosing_epsilon: float = 1e-8


WHOLE = Schedule(batch_size=16, check_every=100, lessons=False)
"""For a machine that is soft."""
ANNEALED_SCHEDULE = replace(WHOLE, fresh_optimiser=True)
ANNEALED = {"addressing": "annealed", "soft_batches": 1000, "annealing": 500}

# Nothing else makes the D-NTM's soft addresses sharp: it has no sharpening as the NTM has.
DYNAMIC = {
    "memory_size": 24,
    "word_size": 12,
    "controller": "feedforward",
    "hidden_size": 100,
    "addressing": "annealed",
    "soft_batches": 1000,
    "annealing": 1000,
    "soft_entropy_cost": 0.001,
    "entropy": 0.0,
}
DYNAMIC_SCHEDULE = Schedule(
    batch_size=16,
    learning_rate=2e-3,
    clip_norm=1.0,
    lesson_mark=1.0,
    check_every=25,
    fresh_optimiser=True,
    # At the usual 1e-8 noise alone makes long steps once a machine has nothing left to learn.
    choosing_epsilon=1e-4,
)


def errors_of(machine: Machine, task: Task, sequences: int, seed: int) -> float:
    """The score of the pass mark on fresh sequences."""
    machine.eval()
    with torch.no_grad():
        batch = task.batch(torch.Generator().manual_seed(seed), sequences)
        outputs, batch = task.run(machine, batch)
    machine.train()
    return float(task.scores(outputs, batch)[task.pass_mark.metric.name].mean())


def log_variance(
    machine: Machine, objective: Objective, task: Task, *, samples: int, seed: int = 0
) -> float | None:
    """log of the variance of the gradient at an addressing logit, averaged over the logits of one
    longest sequence; None for a machine without choices."""
    if not isinstance(objective, RowChoices):
        return None
    one = task.batch(torch.Generator().manual_seed(seed), 32)
    longest = int(one.inputs.lengths.argmax())
    batch = one.map(lambda part: part[longest : longest + 1].expand(samples, *part.shape[1:]))
    machine.eval()
    objective.eval()  # it only watches: no average may move
    estimate = objective.estimate(
        machine,
        batch.inputs.x,
        partial(task.step_costs, batch=batch),
        lengths=batch.inputs.lengths,
        generator=torch.Generator().manual_seed(seed),
        want_gradient=True,
    )
    machine.train()
    objective.train()
    assert estimate.gradient is not None
    return float(estimate.gradient.var(0).mean().clamp(min=1e-30).log())


def train(
    kind: str, options: Mapping[str, Any], task: Task, schedule: Schedule, seed: int
) -> Outcome:
    """One run, until the task is solved by the machine that it is to become: an annealed one is not
    done before it chooses in every batch.

    Each row of the curve has "sequences", "seconds" (of CPU time, training alone), "level", the
    error at the full task and "log_variance".
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    both = TrainConfig.from_dict({"machine": kind, "machine_options": dict(options)})
    machine = MACHINES[kind](**task.sizes, **both.machine_options)
    objective = make_objective(machine, task, **both.objective_options)
    weights = [*machine.parameters(), *objective.parameters()]
    optimiser = torch.optim.Adam(weights, lr=schedule.learning_rate)
    renew = schedule.fresh_optimiser and objective.still_soft
    metric = task.pass_mark.metric.name
    level = 1 if schedule.lessons else task.max_difficulty
    sequences, seconds, errors = 0, 0.0, float("inf")
    solved, rows = False, []
    while sequences < schedule.max_sequences and not solved:
        lesson = task.with_difficulty(level)
        begun = process_time()
        for _ in range(schedule.check_every):
            batch = lesson.batch(generator, schedule.batch_size)
            if renew and not objective.still_soft:
                optimiser = torch.optim.Adam(
                    weights, lr=schedule.learning_rate, eps=schedule.choosing_epsilon
                )
                renew = False
            optimiser.zero_grad()
            objective(machine, task, batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, schedule.clip_norm)
            optimiser.step()
            sequences += schedule.batch_size
        seconds += process_time() - begun
        fresh, count = 2**20 + sequences, schedule.check_sequences
        errors = errors_of(machine, task, count, fresh)
        variance = log_variance(machine, objective, task, samples=schedule.samples)
        rows.append(
            {
                "sequences": sequences,
                "seconds": round(seconds, 2),
                "level": level,
                metric: errors,
                "log_variance": variance,
            }
        )
        solved = objective.in_earnest and task.solved({metric: errors})
        # On to the first level that it cannot do yet: what carries over need not be learned again.
        # A soft machine does not do with hard addresses what it was never trained to do.
        while level < task.max_difficulty:
            lesson = task.with_difficulty(level)
            with objective.as_trained(machine):
                now = errors_of(machine, lesson, count, fresh)
            if now >= schedule.lesson_mark:
                break
            level += 1
    return {
        "value": errors,
        "solved": solved,
        "sequences": sequences,
        "seconds": round(seconds, 2),
        "rows": rows,
    }


def contestants() -> dict[str, tuple[str, dict[str, Any], Schedule]]:
    """The machines that meet: name -> kind, options and schedule."""
    found: dict[str, tuple[str, dict[str, Any], Schedule]] = {
        f"{SOFT} soft": (SOFT, SIZES | LARGE, WHOLE)
    }
    for estimator, options in ESTIMATORS.items():
        for chooser, kind, sizes, schedule in (
            ("discrete-ntm", "discrete-ntm", SIZES | SMALL, Schedule()),
            ("annealed discrete-ntm", "discrete-ntm", SIZES | LARGE | ANNEALED, ANNEALED_SCHEDULE),
            ("annealed dynamic-ntm", "dynamic-ntm", DYNAMIC, DYNAMIC_SCHEDULE),
        ):
            found[f"{chooser} {estimator}"] = (kind, options | sizes, schedule)
    return found


def trial(
    name: str, kind: str, options: Mapping[str, Any], task: Task, schedule: Schedule
) -> Trial:
    """A machine with its options on a task."""
    return Trial(
        machine=name,
        task=task.name,
        setting="fast",
        metric=task.pass_mark.metric.name,
        unit="wrong bits per sequence",
        options={"machine": dict(options), "task": asdict(task), "schedule": asdict(schedule)},
        # What a new setting is by default must be what was done before there was one.
        defaults={"schedule": asdict(Schedule())},
        run=partial(train, kind, options, task, schedule),
    )


def trials() -> list[Trial]:
    """A trial for each contestant."""
    task = make_task("copy", **TASK)
    return [
        trial(name, kind, options, task, schedule)
        for name, (kind, options, schedule) in contestants().items()
    ]


def reproduce(
    folder: Path,
    *,
    seeds: Sequence[int] = SEEDS,
    command: str = f"tapehead reproduce {NAME}",
    chosen: Sequence[Trial] | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Run the study; write `result.json` and `figure.png` into `folder`.

    Args:
        how: machines, workers, quiet and json of `run_trials`.

    Returns:
        What `result.json` holds.
    """
    # Drawing is slow to import, and a caller of the functions above may not need it.
    from tapehead.viewing.races import estimator_figure
    from tapehead.viewing.style import save

    result = run_trials(NAME, PAPER, chosen or trials(), seeds, folder, command, **how)
    save(estimator_figure(result["cells"], CHOOSERS, f"{SOFT} soft"), folder / "figure.png")
    return result

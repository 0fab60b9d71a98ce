"""What the figure of a race needs of its runs: learning curves, and the variance of the gradient.

The variance is measured after training, from checkpoints that the runs kept (`keep_every`): nothing
that only watches takes time from a run, or can change it.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch

from tapehead.recipes.experiment import Contest
from tapehead.recipes.results import Cell
from tapehead.runs import load_run, read_metrics
from tapehead.runs.checkpoint import checkpoint_steps, load_checkpoint
from tapehead.runs.loading import OBJECTIVE, copy_tensors
from tapehead.runs.records import run_id
from tapehead.tasks import Task
from tapehead.training.objectives import Objective, RowChoices, make_objective
from tapehead.training.saving import is_kept

SAMPLES = 64
"""Estimates of one gradient that its variance is measured from."""


def with_curves(contest: Contest) -> list[Cell]:
    """The usual cells, that of the training with the validations of every seed, and how many
    sequences a machine that is annealed has seen when it is soft no more.

    Seconds are those of the processor: races are run side by side, and on machines that do more.
    """
    cells, curves = contest.cells(), validations(contest)
    cells[0]["curves"] = curves
    # A run ends with the validation that it is solved by, or with one in vain.
    cells[0]["seconds"] = [rows[-1]["seconds"] for rows in curves]
    config = contest.jobs[0].config
    phases = (config.objective_options.get(name, 0) for name in ("soft_batches", "annealing"))
    cells[0]["soft_until"] = sum(int(batches) for batches in phases) * config.batch_size
    return cells


def validations(contest: Contest) -> list[list[dict[str, Any]]]:
    """Of every seed, what its validations said."""
    metric = contest.experiment.metric
    return [
        [
            {
                "sequences": row["sequences"],
                "seconds": round(row["cpu_seconds"], 2),
                metric: row[metric],
            }
            for row in read_metrics(job.path)
            if row["kind"] == "validation"
        ]
        for job in contest.jobs
    ]


def variances(path: Path, samples: int = SAMPLES) -> list[dict[str, Any]]:
    """`log_variance` at each checkpoint that a run kept for good: "sequences" and "log_variance";
    none for a machine without choices."""
    rows = []
    for step in checkpoint_steps(path / "checkpoint"):
        config, machine, task = load_run(path, step=step)
        if not is_kept(step, config):
            continue
        objective = make_objective(machine, task, **config.objective_options)
        if not isinstance(objective, RowChoices):
            return []
        learned = load_checkpoint(path / "checkpoint", step, run_id(path)).parts[OBJECTIVE]
        copy_tensors(objective.state_dict(), learned, OBJECTIVE, step)
        value = log_variance(machine, objective, task, samples=samples)
        rows.append({"sequences": step * config.batch_size, "log_variance": value})
    return rows


def log_variance(
    machine: Any, objective: Objective, task: Task, *, samples: int, seed: int = 0
) -> float | None:
    """log of the variance of the gradient at an addressing logit, averaged over the logits of one
    longest sequence or story; None for a machine without choices.

    What machine and objective have learned or count stays as it is.
    """
    if not isinstance(objective, RowChoices):
        return None
    one = task.batch(torch.Generator().manual_seed(seed), 32)
    batch = one.select(one.inputs.steps.argmax().expand(samples))
    modes = machine.training, objective.training
    machine.eval()
    objective.eval()  # it only watches: no average may move
    told = machine.unfolded(batch.inputs)
    estimate = objective.estimate(
        told.machine,
        told.x,
        told.costs(partial(task.step_costs, batch=batch)),
        lengths=told.lengths,
        generator=torch.Generator().manual_seed(seed),
        want_gradient=True,
    )
    machine.train(modes[0])
    objective.train(modes[1])
    assert estimate.gradient is not None
    gradient = estimate.gradient.unflatten(0, (samples, -1))  # of a story for each of its questions
    return float(gradient.var(0).mean().clamp(min=1e-30).log())

"""Speed of training with chosen rows: each contestant of `discrete/copy`, kernel beside reference.

    python benchmarks/discrete_speed.py results/speed/discrete

Writes result.json and figure.png there. A step is all that training does with a batch: forward and
backward pass of the estimator, and the optimiser's update; 16 or 32 sequences of 21 steps, as the
recipe has them. One thread, and processor time, which waiting for a busy machine does not enter.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure

from bars import paired_bars
from dnc_speed import surroundings, times_of
from tapehead.machines import MACHINES
from tapehead.recipes.discrete import CHOOSERS, ESTIMATORS, SOFT, recipe
from tapehead.tasks import make_task
from tapehead.training.objectives import make_objective
from tapehead.viewing.estimators import STYLES
from tapehead.viewing.style import save


def step_of(contestant: str, backend: str) -> Callable[[], None]:
    """A training step with rows that are chosen, its annealing long over."""
    torch.manual_seed(0)
    config = recipe("copy", contestant, "fast")
    task = make_task(config.task, **config.task_options)
    kind = MACHINES[config.machine]
    machine = kind(**task.sizes, **config.machine_options)
    machine.backend = backend
    objective = make_objective(machine, task, **config.objective_options)
    if hasattr(objective, "batches_seen"):
        objective.batches_seen.fill_(10**9)
    weights = [*machine.parameters(), *objective.parameters()]
    optimiser = torch.optim.Adam(weights, lr=1e-4)
    generator = torch.Generator().manual_seed(1)
    batch = task.batch(torch.Generator().manual_seed(3), config.batch_size)

    def step() -> None:
        optimiser.zero_grad()
        objective(machine, task, batch, generator).loss.backward()
        optimiser.step()

    return step


def measure(rounds: int) -> list[dict]:
    """Seconds of 1,000 training steps of each contestant."""
    found = []
    for contestant in (SOFT, *(f"{kind} {name}" for kind in CHOOSERS for name in ESTIMATORS)):
        config = recipe("copy", contestant, "fast")
        backends = ("cpu", "reference")
        steps = {backend: step_of(contestant, backend) for backend in backends}
        times = times_of(steps, rounds)
        row = {"contestant": contestant, "batch": config.batch_size}
        row |= {backend: times[f"{backend}_cpu_ms"] for backend in backends}
        row["reference_over_cpu"] = row["reference"] / row["cpu"]
        found.append(row)
        print(json.dumps(row), flush=True)
    return found


def titled(contestant: str) -> str:
    kind, _, estimator = contestant.rpartition(" ")
    title = CHOOSERS[kind].title if kind in CHOOSERS else "NTM"
    label = STYLES[estimator].label.removesuffix(" (biased)") if estimator in STYLES else estimator
    return f"{title}, {label}"


def speed_figure(rows: list[dict]) -> Figure:
    """Bars for each contestant: kernel and reference."""
    return paired_bars(
        {titled(row["contestant"]): (row["cpu"], row["reference"]) for row in rows},
        ("kernel", "reference"),
        "processor time of 1,000 training steps (s)",
        left=62.0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--rounds", type=int, default=9, help="of each measurement")
    parser.add_argument("--redraw", action="store_true", help="only draw what result.json holds")
    options = parser.parse_args()
    if options.redraw:
        result = json.loads((options.out / "result.json").read_text())
        save(speed_figure(result["speed"]["steps"]), options.out / "figure.png")
        return
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    result = {
        "cells": [],
        "speed": {"steps": measure(options.rounds)},
    }
    result = surroundings("speed/discrete") | {"unit": "seconds of 1,000 training steps"} | result
    (options.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    save(speed_figure(result["speed"]["steps"]), options.out / "figure.png")


if __name__ == "__main__":
    main()

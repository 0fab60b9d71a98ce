"""How many problems a second a pointer network learns from: all steps of the decoder in one call,
beside a plain loop that takes one step after the other, side by side in one process.

    python benchmarks/pointer_speed.py results/speed/pointer [--points 10 50] [--seconds 5]

Writes result.json and figure.png there. Both compute the same loss and the same gradients, which is
checked before anything is timed.
"""

import argparse
import json
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from bars import paired_bars
from dnc_speed import surroundings
from tapehead.benchmark import Step, interleaved
from tapehead.machines import PointerNetwork
from tapehead.tasks import ConvexHull
from tapehead.tasks.task import Batch
from tapehead.viewing.style import save

MACHINES = {
    "lstm, additive": {"encoder": "lstm", "attention": "additive", "hears": "point"},
    "lstm, dot": {"encoder": "lstm", "hears": "point"},
    "set, dot": {"encoder": "set", "widening": 2},
}


def whole(machine: PointerNetwork, task: ConvexHull, batch: Batch) -> Tensor:
    """The loss, all steps in one call."""
    told = batch.inputs._replace(answer=batch.targets)
    return task.loss(machine(**told._asdict())[0], batch)


def loop(machine: PointerNetwork, task: ConvexHull, batch: Batch) -> Tensor:
    """The same, one step of the decoder after the other."""
    points, targets = batch.inputs, batch.targets
    context, state = machine._encode(points)
    pointed = torch.zeros(len(targets), points.xy.shape[1] + 1, dtype=torch.bool)
    numbers = torch.arange(pointed.shape[1])
    logits = []
    for step in range(targets.shape[1]):
        made = machine._decode(context, state, targets[:, step - 1 : step or None], start=not step)
        state = made.state
        ended = pointed[:, :1]
        out = torch.where(ended, numbers > 0, pointed | ((numbers == 0) & (step < 3)))
        logits.append(made.logits[:, 0].masked_fill(out, -torch.inf))
        pointed = pointed.scatter(1, targets[:, step : step + 1], True)
    return task.loss(torch.stack(logits, 1), batch)


def measure(points: int, name: str, chosen: argparse.Namespace) -> dict:
    """Problems a second in both ways, whose gradients are compared first."""
    task = ConvexHull(min_points=points, max_points=points)
    batch = task.batch(torch.Generator().manual_seed(0), chosen.batch)
    batch = batch._replace(inputs=batch.inputs._replace(counts=None))
    torch.manual_seed(0)
    machine = PointerNetwork(**task.sizes, hidden_size=chosen.hidden, **MACHINES[name])
    ways = {"one call": whole, "loop": loop}
    gradients = []
    for way in ways.values():
        machine.zero_grad()
        way(machine, task, batch).backward()
        gradients.append([weight.grad.clone() for weight in machine.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)

    def step_of(way) -> Step:
        return lambda: way(machine, task, batch).backward()

    steps = {name: step_of(way) for name, way in ways.items()}
    times = interleaved(steps, seconds=chosen.seconds)
    rates = {way: 1e3 * chosen.batch / each["median"] for way, each in times.items()}
    row = {"machine": name, "points": points, **rates, "times": rates["one call"] / rates["loop"]}
    print(json.dumps(row), flush=True)
    return row


def speed_figure(rows: list[dict]) -> Figure:
    """Bars for each machine and number of points: one call, and the loop."""
    return paired_bars(
        {
            f"{row['machine']}, {row['points']} points": (row["one call"], row["loop"])
            for row in rows
        },
        ("all steps in one call", "a plain loop"),
        "problems a second, forward and backward pass",
        left=44.0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--points", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--redraw", action="store_true", help="only draw what result.json holds")
    chosen = parser.parse_args()
    if chosen.redraw:
        rows = json.loads((chosen.out / "result.json").read_text())["speed"]
    else:
        torch.set_num_threads(1)
        rows = [measure(points, name, chosen) for points in chosen.points for name in MACHINES]
        result = surroundings("speed/pointer") | {
            "unit": f"problems a second, batch {chosen.batch}",
            "cells": [],
            "speed": rows,
        }
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    save(speed_figure(rows), chosen.out / "figure.png")


if __name__ == "__main__":
    main()

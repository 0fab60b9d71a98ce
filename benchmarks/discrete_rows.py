"""Cost per step of a discrete machine against memory size, 1,000 to 1,000,000 rows.

Location addressing (heads move by -1, 0 or +1; `tapehead.ops.rows`) beside content addressing
(a cosine with every row), forward and backward, one sequence, one read and one write head:

    python benchmarks/discrete_rows.py --out results/discrete/rows

A step's cost is the difference between a long and a short sequence, so that opening the memory,
which costs its size once, is not in it; it is printed apart.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from tapehead.ops.estimators import CATEGORICAL
from tapehead.ops.rows import erase_and_add_rows, open_rows, read_rows
from tapehead.ops.similarity import cosine
from tapehead.runs.files import write_json
from tapehead.runs.provenance import provenance

WORD, HIDDEN = 20, 100


class Controller(nn.Module):
    """An LSTM cell and what it says to the heads."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(WORD, HIDDEN)
        self.interface = nn.Linear(HIDDEN, 2 * 3 + 2 * WORD + WORD)


def located(controller: Controller, initial: torch.Tensor, steps: int) -> torch.Tensor:
    """Heads that move from where they stood."""
    memory, token = open_rows(initial, 1)
    rows = torch.zeros(1, 2, dtype=torch.int64)
    hidden = cell = torch.zeros(1, HIDDEN)
    read, total = torch.zeros(1, 1, WORD), torch.zeros(())
    for _ in range(steps):
        hidden, cell = controller.cell(read[:, 0], (hidden, cell))
        shift, erase, add, _ = controller.interface(hidden).split([6, WORD, WORD, WORD], -1)
        draw = CATEGORICAL.draw(shift.unflatten(-1, (2, 3)))
        rows = (rows + draw.choice.argmax(-1) - 1) % len(initial)
        erase, add = erase.sigmoid()[:, None], add.tanh()[:, None]
        token = erase_and_add_rows(memory, token, rows[:, :1], erase, add)
        read, token = read_rows(memory, token, rows[:, 1:])
        log_prob = CATEGORICAL.log_prob(draw.logits, draw.choice).sum()
        total = total + read.square().sum() + log_prob
    return total


def by_content(controller: Controller, initial: torch.Tensor, steps: int) -> torch.Tensor:
    """The same, but each head asks every row how alike it is to a key."""
    memory, token = open_rows(initial, 1)
    hidden = cell = torch.zeros(1, HIDDEN)
    read, total = torch.zeros(1, 1, WORD), torch.zeros(())
    for _ in range(steps):
        hidden, cell = controller.cell(read[:, 0], (hidden, cell))
        _, erase, add, key = controller.interface(hidden).split([6, WORD, WORD, WORD], -1)
        # The rows themselves are held constant: even without their gradient this costs them all.
        scores = cosine(key[:, None].expand(-1, 2, -1), memory.values.clone())
        draw = CATEGORICAL.draw(scores)
        rows = draw.choice.argmax(-1)
        erase, add = erase.sigmoid()[:, None], add.tanh()[:, None]
        token = erase_and_add_rows(memory, token, rows[:, :1], erase, add)
        read, token = read_rows(memory, token, rows[:, 1:])
        log_prob = CATEGORICAL.log_prob(draw.logits, draw.choice).sum()
        total = total + read.square().sum() + log_prob
    return total


def seconds(run, controller: Controller, initial: torch.Tensor, steps: int) -> float:
    """CPU time: other processes do not count."""
    begun = time.process_time()
    run(controller, initial, steps).backward()
    return time.process_time() - begun


class Cost(NamedTuple):
    """Milliseconds of a step, one for each repeat, and of opening the memory."""

    steps: list[float]
    opening: float


def cost_of(run, rows: int, *, short: int, long: int, repeats: int) -> Cost:
    """From interleaved repeats of a short and a long sequence."""
    torch.manual_seed(0)
    controller, initial = Controller(), torch.full((rows, WORD), 1e-6)
    seconds(run, controller, initial, short)
    pairs = [
        (seconds(run, controller, initial, short), seconds(run, controller, initial, long))
        for _ in range(repeats)
    ]
    steps = [1e3 * (b - a) / (long - short) for a, b in pairs]
    whole = 1e3 * statistics.median(a for a, _ in pairs)
    return Cost(steps, whole - short * statistics.median(steps))


RUNS = {
    # Enough steps that the cost of a step stands out of the noise of opening the memory.
    "location addressing": (located, {"short": 50, "long": 450}),
    "content addressing": (by_content, {"short": 1, "long": 4}),
}


def cell(name: str, rows: int, cost: Cost, least: float) -> dict[str, Any]:
    """A row of the table; a repeat is solved if it costs at most twice the least memory's."""
    return {
        "machine": name,
        "task": "memory",
        "setting": f"{rows:,} rows",
        "metric": "cost of a step",
        "unit": "milliseconds of CPU time",
        "seeds": list(range(len(cost.steps))),
        "values": [round(value, 4) for value in cost.steps],
        "opening": round(cost.opening, 2),
        "solved": sum(value <= 2 * least for value in cost.steps),
        "sequences": [1] * len(cost.steps),
        "seconds": [0.0] * len(cost.steps),
        "published": None,
        "source": None,
    }


def draw(costs: dict[str, dict[int, Cost]], path: Path) -> None:
    """Cost of a step against rows, both logarithmic."""
    from tapehead.viewing.style import COLUMN, new_figure, open_frame, place, save, styled

    @styled
    def figure():
        found = new_figure(COLUMN, 56.0)
        axes = place(found, 14.0, 6.0, COLUMN - 18.0, 38.0)
        for name, colour, mark in zip(costs, ("#0072b2", "#d55e00"), "os", strict=True):
            rows = list(costs[name])
            steps = [cost.steps for cost in costs[name].values()]
            middle = [statistics.median(values) for values in steps]
            low, high = [min(values) for values in steps], [max(values) for values in steps]
            axes.fill_between(rows, low, high, color=colour, alpha=0.16, lw=0)
            axes.plot(rows, middle, color=colour, marker=mark, mec="white", mew=0.5, label=name)
        axes.set(xscale="log", yscale="log", xlabel="rows of memory")
        axes.set_ylabel("CPU time of a step (ms)")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.legend(loc="upper left")
        open_frame(axes)
        return found

    save(figure(), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--out", type=Path, help="folder of result.json and figure.png")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    about = provenance()
    costs: dict[str, dict[int, Cost]] = {name: {} for name in RUNS}
    print(f"{'rows':>10} {'location ms/step':>18} {'opening ms':>12} {'content ms/step':>18}")
    for rows in arguments.rows:
        for name, (run, lengths) in RUNS.items():
            costs[name][rows] = cost_of(run, rows, **lengths, repeats=arguments.repeats)
        here, there = (statistics.median(costs[name][rows].steps) for name in RUNS)
        opening = costs["location addressing"][rows].opening
        print(f"{rows:>10,} {here:>18.3f} {opening:>12.1f} {there:>18.3f}", flush=True)
    if arguments.out is None:
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    result = {
        "experiment": "discrete/rows",
        "command": "python benchmarks/discrete_rows.py --out results/discrete/rows",
        **{fact: about[fact] for fact in ("commit", "commit_has_changes", "versions", "hardware")},
        "cells": [
            cell(name, rows, cost, statistics.median(next(iter(of_name.values())).steps))
            for name, of_name in costs.items()
            for rows, cost in of_name.items()
        ],
    }
    write_json(arguments.out / "result.json", result)
    draw(costs, arguments.out / "figure.png")


if __name__ == "__main__":
    main()

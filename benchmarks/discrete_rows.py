"""Cost per step of a discrete machine against memory size, 1,000 to 1,000,000 rows.

Location addressing (heads move by -1, 0 or +1; `tapehead.ops.rows`) beside content addressing
(a cosine with every row), forward and backward, one sequence, one read and one write head:

    python benchmarks/discrete_rows.py

A step's cost is the difference between a long and a short sequence, so that opening the memory,
which costs its size once, is not in it; it is printed apart.
"""

import argparse
import statistics
import time

import torch
from torch import nn

from tapehead.ops.estimators import CATEGORICAL
from tapehead.ops.rows import erase_and_add_rows, open_rows, read_rows
from tapehead.ops.similarity import cosine

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
    read, total = torch.zeros(1, 1, WORD), 0.0
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
    read, total = torch.zeros(1, 1, WORD), 0.0
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
    begun = time.perf_counter()
    run(controller, initial, steps).backward()
    return time.perf_counter() - begun


def cost_per_step(run, rows: int, *, short: int, long: int, repeats: int) -> tuple[float, float]:
    """Milliseconds of a step, and of everything else, medians over interleaved repeats."""
    torch.manual_seed(0)
    controller, initial = Controller(), torch.full((rows, WORD), 1e-6)
    seconds(run, controller, initial, short)
    pairs = [
        (seconds(run, controller, initial, short), seconds(run, controller, initial, long))
        for _ in range(repeats)
    ]
    step = statistics.median((b - a) / (long - short) for a, b in pairs)
    return 1e3 * step, 1e3 * (statistics.median(a for a, _ in pairs) - short * step)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'rows':>10} {'location ms/step':>18} {'opening ms':>12} {'content ms/step':>18}")
    for rows in arguments.rows:
        step, opening = cost_per_step(located, rows, short=50, long=150, repeats=arguments.repeats)
        content, _ = cost_per_step(by_content, rows, short=1, long=4, repeats=3)
        print(f"{rows:>10,} {step:>18.3f} {opening:>12.1f} {content:>18.3f}", flush=True)


if __name__ == "__main__":
    main()

"""How far shortest paths can be found without a plan, lesson by lesson (docs/why-runs-fail.md).

A walker knows how far each edge takes it from the goal as long as that is less than `horizon`
edges. Of the edges that it knows it takes one that leads nearest; if it knows none, any.

    python benchmarks/looking_ahead.py
"""

import torch
from torch import Tensor

from tapehead.tasks import ShortestPath
from tapehead.tasks.graphs.planner import Told, distance_after, read_told, ways_out

GRAPHS, HORIZONS, SEED = 500, (0, 1, 2, 3, 4), 1


def choose(told: Told, at: Tensor, horizon: int) -> Tensor:
    """An edge for each sequence, from where it stands."""
    out, left = ways_out(told, at), distance_after(told)
    nearest = left.masked_fill(~out, 10**6).amin(1, keepdim=True)
    known = out & (left == nearest) & (left < horizon)
    pool = torch.where(known.any(1, keepdim=True), known, out)
    pool[~pool.any(1), 0] = True  # a dead end: the walk is over
    return torch.multinomial(pool.float(), 1)[:, 0]


def main() -> None:
    torch.manual_seed(0)
    print("% of paths that are shortest / two steps or more too long, by edges looked ahead")
    print("lesson", *(f"{horizon:>9}" for horizon in HORIZONS))
    for lesson in range(1, len(ShortestPath.lessons) + 1):
        task = ShortestPath().at_lesson(lesson)
        batch = task.batch(torch.Generator().manual_seed(SEED), GRAPHS)
        told = read_told(batch.inputs.x)
        shortest = told.distance.gather(1, told.start[:, None])[:, 0]
        row = []
        for horizon in HORIZONS:
            _, walk = task._walk(batch, lambda _, at, __, t=told, h=horizon: choose(t, at, h), told)
            steps = walk.mask.sum(1)
            right, late = (steps == shortest), (steps > shortest + 1)
            row.append(f"{100 * right.float().mean():3.0f} / {100 * late.float().mean():3.0f}")
        print(f"{lesson:>6}", *row, sep="  ")


if __name__ == "__main__":
    main()

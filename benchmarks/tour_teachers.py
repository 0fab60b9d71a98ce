"""How long the tours of each teacher are, on the same problems, and how many it finds a second.

    python benchmarks/tour_teachers.py [--teachers exact a1 a2 a3] [--points 5 10 20 50]

Speeds are in processor time of one thread, drawing the problems included. Exact tours of many
points are left out.
"""

import argparse
import time
from typing import get_args, get_type_hints

import torch

from tapehead.tasks import TSP

EXACT_UP_TO = 20


def main() -> None:
    teachers = get_args(get_type_hints(TSP)["teacher"])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teachers", nargs="+", choices=teachers, default=teachers)
    parser.add_argument("--points", type=int, nargs="+", default=[5, 10, 20, 50])
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'points':<8}{'teacher':<9}{'mean length':>12}{'its error':>11}{'a second':>11}")
    for points in chosen.points:
        for teacher in chosen.teachers:
            if teacher == "exact" and points > EXACT_UP_TO:
                continue
            task = TSP(min_points=points, max_points=points, teacher=teacher)
            task.batch(torch.Generator().manual_seed(chosen.seed), 1)  # compiles
            start = time.process_time()
            batch = task.batch(torch.Generator().manual_seed(chosen.seed), chosen.problems)
            seconds = time.process_time() - start
            order = batch.targets[:, :-1, None].expand(-1, -1, 2) - 1
            tours = batch.inputs.xy.double().gather(1, order)
            lengths = (tours - tours.roll(-1, 1)).norm(dim=-1).sum(1)
            error = lengths.std() / chosen.problems**0.5
            print(
                f"{points:<8}{teacher:<9}{lengths.mean():>12.3f}{error:>11.3f}"
                f"{chosen.problems / seconds:>11,.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Point at cities in the order of the shortest tour."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int64

from tapehead.checks import Count, Size
from tapehead.tasks.draws import random_integers
from tapehead.tasks.geometry.kernels.branch_and_bound import exact_tours
from tapehead.tasks.geometry.kernels.local_search import heuristic_tours
from tapehead.tasks.geometry.kernels.teachers import papers_tours
from tapehead.tasks.geometry.kernels.tours import held_karp, lengths
from tapehead.tasks.geometry.stored import Store, Tell, folder_of, kept, make_missing
from tapehead.tasks.geometry.task import Answers, Coordinates, Counts, PointTask, Said
from tapehead.tasks.metrics import SOLVED, VALID, Metric, PassMark
from tapehead.tasks.task import Batch, Task

LENGTH = Metric("length", "length of the tour", "")
GAP = Metric("gap", "longer than the teacher's tour", "% of its length")
Tours = Int64[np.ndarray, "batch cities"]
SUBSETS = 11
"""Points from which on branch and bound is quicker than all subsets."""
MOST_EXACT = 30
KICKS = {"search": 50, "local": 0, "greedy": -1}
PAPERS = {"a1": 1, "a2": 2, "a3": 3}


@dataclass(frozen=True, kw_only=True)
class TSP(PointTask):
    """Point at every city once, in the order of a short tour (travelling salesman problem).

    A tour begins at city 1, and its second city has a lower number than its last. A tour that is
    no longer than the teacher's is right, wherever it begins. One that misses cities or sees some
    twice is scored as if it left out the second visits and saw the missing ones at its end.

    min_points, max_points: range of how many there are, uniform, both ends included.
    mixed_points: as many for each problem of a batch; if false, one number for each batch.
    order: "drawn"; "x": points come from left to right.
    teacher: whose tours are the targets. "exact": the shortest ones, of at most 30 points;
        "search": local search (2-opt and Or-opt moves, kicked 50 times), which finds the shortest
        tour of 20 points 199 times in 200; "local": the same without a kick; "greedy": the shortest
        edges first; "a1", "a2" and "a3": the paper's heuristics, as the programs that it cites do
        them: greedy edges and a little 2-opt; nearest neighbours from each point and 2-opt;
        Christofides' algorithm from each point and 2-opt.
    stored: how many problems, as many of each size, are made once, kept in the user's cache, and
        trained on over and over; 0: fresh ones without end. Scores are of fresh ones in any case.
    stored_seed: decides which are stored.

    >>> import torch
    >>> from tapehead.tasks import TSP
    >>> task = TSP()
    >>> task.batch_of([[[0.0, 0.0], [1.0, 1.0], [0.1, 0.9], [0.9, 0.1]]]).targets
    tensor([[1, 3, 2, 4, 0]])
    """

    name = "tsp"
    title = "Travelling salesman"
    source = "Vinyals, Fortunato & Jaitly (2015), section 3.3"
    rule = "permutation"
    shape = "tour"

    min_points: Size = 5
    max_points: Size = 20
    mixed_points: bool = False
    order: Literal["drawn", "x"] = "drawn"
    teacher: Literal["exact", "search", "local", "greedy", "a1", "a2", "a3"] = "exact"
    stored: Count = 0
    stored_seed: Count = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher == "exact" and self.max_points > MOST_EXACT:
            raise ValueError(
                f"max_points must be at most {MOST_EXACT} with teacher 'exact', got "
                f"{self.max_points}"
            )

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(GAP, 0.01)

    @property
    def judged(self) -> tuple[Metric, ...]:
        return (GAP, LENGTH, VALID)

    def test_settings(self) -> dict[str, Task]:
        found: dict[str, Task] = {}
        for n in sorted({5, 10, 20, 25, 30, 40, 50} | {self.min_points, self.max_points}):
            # Nobody waits for the shortest tours of 10,000 larger problems.
            teacher = "exact" if n <= 20 else "local"
            found[str(n)] = replace(self.fresh, min_points=n, max_points=n, teacher=teacher)
        return found

    @property
    def fresh(self) -> "TSP":
        return replace(self, stored=0)

    def prepare(self, tell: Tell | None = None) -> None:
        if self.stored:
            sizes = range(self.min_points, self.max_points + 1)
            make_missing([self._store(points) for points in sizes], tell)

    @property
    def _stored_each(self) -> int:
        """Stored problems of each size."""
        return -(-self.stored // self.max_difficulty)

    def _store(self, points: int) -> Store:
        """Stored problems of one size."""
        name = f"{self.teacher}-{self.order}-{points}-points-seed-{self.stored_seed}"
        size = replace(self.fresh, min_points=points, max_points=points, mixed_points=False)
        return Store(
            folder_of(self.name, name), (self.stored_seed, points), self._stored_each, size.batch
        )

    def _at_level(self, level: int) -> "TSP":
        task = replace(self, max_points=self.min_points + level - 1)
        if level == self.max_difficulty:
            return task
        # As many of each size as at the last level, which are there.
        return replace(task, stored=self._stored_each * level)

    def numbers(self, batch_size: int, **options: Any) -> int:
        stored = options.get("stored", self.stored)
        # Two coordinates, and a pointer, which is smaller.
        kept = 3 * stored * options.get("max_points", self.max_points)
        return super().numbers(batch_size, **options) + kept

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        if not self.stored:
            return super()._sample(generator, batch_size)
        counts = random_integers(
            generator, self.min_points, self.max_points, batch_size, mixed=self.mixed_points
        )
        counts = counts.contiguous().numpy(force=True)
        drawn = torch.randint(
            self._stored_each, (batch_size,), generator=generator, device=generator.device
        ).numpy(force=True)
        most = int(counts.max())
        xy = np.zeros((batch_size, most, self.dims), dtype=np.float32)
        answers = np.zeros((batch_size, most + 1), dtype=np.int64)
        for points in np.unique(counts).tolist():
            problems, rows = kept(self._store(points)), counts == points
            xy[rows, :points] = problems.xy[drawn[rows]]
            answers[rows, :points] = problems.answers[drawn[rows]]
        batch = self._answered(*map(torch.from_numpy, (xy, counts, answers)))
        return batch.map(lambda part: part.to(generator.device))

    def _answers(self, xy: Coordinates, counts: Counts) -> Answers:
        tours = np.zeros(xy.shape[:2], dtype=np.int64)
        count = int(counts[0])
        if self.teacher in KICKS:
            heuristic_tours(xy, counts, KICKS[self.teacher], tours)
        elif self.teacher in PAPERS:
            papers_tours(xy, counts, PAPERS[self.teacher], tours)
        elif 3 < count < SUBSETS and (counts == count).all() and xy.shape[1] == count:
            held_karp(xy, count, tours)
        else:
            exact_tours(xy, counts, tours)
        return _canonical(tours, counts)

    def _judge(
        self, xy: Coordinates, counts: Counts, right: Answers, said: Said
    ) -> dict[str, np.ndarray]:
        """SOLVED, whether a valid tour is no longer than the teacher's; by what part of that it is
        longer; its length; and whether each city is in it once."""
        tours, valid = _repaired(said, counts)
        taught, _ = _repaired(right, counts)
        length, best = np.empty(len(xy)), np.empty(len(xy))
        lengths(xy, counts, tours, length)
        lengths(xy, counts, taught, best)
        gap = length / np.maximum(best, 1e-300) - 1
        return {
            SOLVED.name: valid & (gap < 1e-9),
            GAP.name: gap,
            LENGTH.name: length,
            VALID.name: valid,
        }


def _canonical(tours: Tours, counts: Counts) -> Answers:
    """Tours from point 0 on, the way round whose second point has the lower number; as pointers
    from 1, and the end."""
    places, counts = np.arange(tours.shape[1]), counts[:, None]
    there = places < counts
    first = np.where(there, tours, counts).argmin(1, keepdims=True)
    beside = [np.take_along_axis(tours, (first + step) % counts, 1) for step in (1, -1)]
    step = np.where(beside[0] > beside[1], -1, 1)
    turned = np.take_along_axis(tours, (first + step * places) % counts, 1)
    return np.pad(np.where(there, turned + 1, 0), ((0, 0), (0, 1)))


def _repaired(answers: Answers, counts: Counts) -> tuple[Tours, np.ndarray]:
    """Tours that see each city once: where an answer first points at it, those that it misses at
    the end; and whether nothing had to be done."""
    tours = np.zeros((len(answers), counts.max()), dtype=np.int64)
    valid = np.zeros(len(answers), dtype=bool)
    for row, (answer, count) in enumerate(zip(answers, counts, strict=True)):
        said = answer[: np.argmin(answer) if (answer == 0).any() else len(answer)]
        seen = dict.fromkeys(said.tolist())
        valid[row] = len(seen) == len(said) == count
        tour = [*seen, *(city for city in range(1, count + 1) if city not in seen)]
        tours[row, :count] = np.array(tour) - 1
    return tours, valid

"""Point at numbers in increasing order."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tapehead.checks import Size
from tapehead.tasks.geometry.task import Answers, Coordinates, Counts, PointTask
from tapehead.tasks.metrics import SOLVED, PassMark
from tapehead.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Sorting(PointTask):
    """Point at numbers from the smallest to the largest; of equals at the first one first.

    min_points, max_points: range of how many there are, uniform, both ends included.
    mixed_points: as many for each problem of a batch; if false, one number for each batch.
    order: "drawn"; "x": they come sorted, and there is nothing to do.

    >>> import torch
    >>> from tapehead.tasks import Sorting
    >>> task = Sorting()
    >>> task.batch_of([[[0.5], [0.1], [0.3]]]).targets
    tensor([[2, 3, 1, 0]])
    """

    name = "sorting"
    title = "Sorting"
    source = "after Vinyals, Bengio & Kudlur (2016), Order Matters, section 5.1"
    dims = 1
    least = 1
    rule = "permutation"
    shape = "order"

    min_points: Size = 5
    max_points: Size = 10
    mixed_points: bool = False
    order: Literal["drawn", "x"] = "drawn"

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(SOLVED, 0.99)

    def test_settings(self) -> dict[str, Task]:
        return {str(n): replace(self, min_points=n, max_points=n) for n in (5, 10, 15, 20)}

    def _answers(self, xy: Coordinates, counts: Counts) -> Answers:
        numbers = np.where(np.arange(xy.shape[1]) < counts[:, None], xy[..., 0], np.inf)
        order = numbers.argsort(1, kind="stable") + 1
        order[np.arange(xy.shape[1]) >= counts[:, None]] = 0
        return np.concatenate([order, np.zeros((len(xy), 1), dtype=np.int64)], 1)

    def _judge(self, xy, counts, right, said):
        width = max(right.shape[1], said.shape[1])
        padded = [np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in (right, said)]
        return {SOLVED.name: (padded[0] == padded[1]).all(1)}

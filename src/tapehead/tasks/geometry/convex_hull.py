"""Point at the corners of the convex hull."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tapehead.checks import Size
from tapehead.tasks.geometry.kernels.polygons import hulls, judge_polygons
from tapehead.tasks.geometry.task import Answers, Coordinates, Counts, PointTask, Said, same_cycles
from tapehead.tasks.metrics import SOLVED, VALID, Metric, PassMark
from tapehead.tasks.task import Task

AREA = Metric("area", "covered", "% of the area", "higher")


@dataclass(frozen=True, kw_only=True)
class ConvexHull(PointTask):
    """Point at the corners of the convex hull, counter-clockwise from the one with the lowest
    number.

    An answer that begins at another corner is right too. Points inside an edge are no corners; of
    equal points the first one is.

    min_points, max_points: range of how many there are, uniform, both ends included.
    mixed_points: as many for each problem of a batch; if false, one number for each batch.
    order: "drawn"; "x": points come from left to right, so that the first corner is the leftmost.

    >>> import torch
    >>> from tapehead.tasks import ConvexHull
    >>> task = ConvexHull()
    >>> task.batch_of([[[0.5, 0.5], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]]).targets
    tensor([[2, 4, 3, 0]])
    """

    name = "convex-hull"
    title = "Convex hull"
    source = "Vinyals, Fortunato & Jaitly (2015), section 3.1"
    rule = "distinct"
    shape = "polygon"

    min_points: Size = 5
    max_points: Size = 50
    mixed_points: bool = False
    order: Literal["drawn", "x"] = "drawn"

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(SOLVED, 0.9)

    @property
    def judged(self) -> tuple[Metric, ...]:
        return (AREA, VALID)

    def test_settings(self) -> dict[str, Task]:
        sizes = (5, 10, 50, 100, 200, 500)
        return {str(n): replace(self, min_points=n, max_points=n) for n in sizes}

    def _check(self, number: int, points: np.ndarray) -> None:
        if np.linalg.matrix_rank(points - points[0]) < 2:
            raise ValueError(f"problem {number} must have a hull, got points on one line")

    def _answers(self, xy: Coordinates, counts: Counts) -> Answers:
        answers = np.zeros((len(xy), xy.shape[1] + 1), dtype=np.int64)
        hulls(xy, counts, answers)
        return answers

    def _judge(
        self, xy: Coordinates, counts: Counts, right: Answers, said: Said
    ) -> dict[str, np.ndarray]:
        """SOLVED; the share of the hull's area that the answer covers, 0 if it is no polygon; and
        whether it is one."""
        areas, whole = np.empty(len(xy)), np.empty(len(xy))
        judge_polygons(xy, said, areas)
        judge_polygons(xy, right, whole)
        return {
            SOLVED.name: same_cycles(right, said),
            AREA.name: np.where(areas < 0, 0.0, areas / whole),
            VALID.name: areas >= 0,
        }

"""Point at the triangles of the Delaunay triangulation."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tapehead.checks import Size
from tapehead.tasks.geometry.kernels.polygons import hulls, judge_polygons
from tapehead.tasks.geometry.kernels.triangles import triangulations
from tapehead.tasks.geometry.task import Answers, Coordinates, Counts, PointTask, Said, lengths_of
from tapehead.tasks.metrics import SOLVED, VALID, Metric, PassMark
from tapehead.tasks.task import Task

TRIANGLES = Metric("triangles", "found", "% of the triangles", "higher")


@dataclass(frozen=True, kw_only=True)
class Delaunay(PointTask):
    """Point at the triangles of the Delaunay triangulation, three pointers each.

    The numbers of a triangle's points rise. An answer with the same triangles in another order is
    right too.

    min_points, max_points: range of how many there are, uniform, both ends included.
    mixed_points: as many for each problem of a batch; if false, one number for each batch.
    order: "drawn"; "x": points come from left to right.
    triangles: in which order they come: "incentre": by x and then y of their incentres, as in the
        paper; "numbers": by their first points' numbers, then their second points'.

    >>> import torch
    >>> from tapehead.tasks import Delaunay
    >>> task = Delaunay()
    >>> task.batch_of([[[0.0, 0.0], [0.1, 1.0], [0.9, 0.2], [0.3, 0.4]]]).targets
    tensor([[1, 2, 4, 1, 3, 4, 2, 3, 4, 0]])
    """

    name = "delaunay"
    title = "Delaunay triangulation"
    source = "Vinyals, Fortunato & Jaitly (2015), section 3.2"
    rule = "triples"
    shape = "triangles"

    min_points: Size = 5
    max_points: Size = 5
    mixed_points: bool = False
    order: Literal["drawn", "x"] = "drawn"
    triangles: Literal["incentre", "numbers"] = "incentre"

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(SOLVED, 0.8)

    @property
    def judged(self) -> tuple[Metric, ...]:
        return (TRIANGLES, VALID)

    @property
    def max_steps(self) -> int:
        return _room(self.max_points)

    def test_settings(self) -> dict[str, Task]:
        sizes = sorted({self.min_points, self.max_points})
        return {str(n): replace(self, min_points=n, max_points=n) for n in sizes}

    def _check(self, number: int, points: np.ndarray) -> None:
        # As a machine will see them.
        xy = points.astype(np.float32).astype(np.float64)[None]
        counts = np.array([len(points)])
        corners = np.zeros((1, len(points) + 1), dtype=np.int64)
        hulls(xy, counts, corners)
        answers = self._answers(xy, counts)
        parts = xy[0, answers[0, : lengths_of(answers)[0]].reshape(-1, 3) - 1]
        ahead, aside = parts[:, 1] - parts[:, 0], parts[:, 2] - parts[:, 0]
        covered = np.abs(ahead[:, 0] * aside[:, 1] - ahead[:, 1] * aside[:, 0]).sum() / 2
        area = np.empty(1)
        judge_polygons(xy, corners, area)
        # Of four points on a circle, either pair of triangles: both are found, one on the other.
        one = abs(covered - area[0]) <= 1e-9 * area[0]
        if not one or len(np.unique(xy[0], axis=0)) < len(points):
            raise ValueError(
                f"problem {number} must have one triangulation, got points that are equal, on one "
                "line or on one circle"
            )

    def _answers(self, xy: Coordinates, counts: Counts) -> Answers:
        answers = np.zeros((len(xy), _room(xy.shape[1])), dtype=np.int64)
        found = np.zeros(len(xy), dtype=np.int64)
        triangulations(xy, counts, self.triangles == "incentre", answers, found)
        return answers

    def _judge(
        self, xy: Coordinates, counts: Counts, right: Answers, said: Said
    ) -> dict[str, np.ndarray]:
        """SOLVED; the share of the right triangles that were found; and whether the answer consists
        of triangles, none of them twice."""
        solved, valid = np.zeros(len(xy), dtype=bool), np.zeros(len(xy), dtype=bool)
        found = np.zeros(len(xy))
        lengths = lengths_of(said)
        for row, (meant, given) in enumerate(zip(_triangles(right), _triangles(said), strict=True)):
            wanted, got = set(meant), set(given)
            found[row] = len(wanted & got) / max(1, len(wanted))
            proper = all(len(set(triangle)) == 3 for triangle in given)
            valid[row] = len(got) == len(given) > 0 and proper and lengths[row] % 3 == 0
            solved[row] = valid[row] and wanted == got
        return {SOLVED.name: solved, TRIANGLES.name: found, VALID.name: valid}


def _room(points: int) -> int:
    """Pointers of the largest triangulation, and the end."""
    return 3 * 2 * points + 1


def _triangles(answers: Answers) -> list[list[tuple[int, ...]]]:
    """Each answer's triangles, the numbers of each in order; what is left over is none."""
    lengths = lengths_of(answers) // 3
    return [
        [tuple(triangle) for triangle in np.sort(row[: 3 * length].reshape(-1, 3), 1).tolist()]
        for row, length in zip(answers, lengths, strict=True)
    ]

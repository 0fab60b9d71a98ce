"""Tours by kernels: the shortest against other ways to find them, teachers against the shortest."""

import inspect
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from tour_oracles import by_all_orders, by_integer_programming, length, problems

from tapehead.tasks import TSP, ConvexHull, Delaunay
from tapehead.tasks.geometry.kernels import polygons
from tapehead.tasks.geometry.kernels.branch_and_bound import exact_tours
from tapehead.tasks.geometry.kernels.local_search import heuristic_tours
from tapehead.tasks.geometry.kernels.tours import held_karp


def drawn(task, count):
    return task.batch(torch.Generator().manual_seed(0), count).targets.tolist()


@pytest.mark.parametrize("points", [4, 5, 7])
def test_shortest_tours_are_the_shortest_of_all_orders(points):
    xy = problems(11, points)  # more than a row of lanes, and not a whole one
    counts = np.full(len(xy), points)
    for find in (held_karp, exact_tours):
        tours = np.zeros((len(xy), points), dtype=np.int64)
        find(xy, points if find is held_karp else counts, tours)
        for each, tour in zip(xy, tours, strict=True):
            assert sorted(tour.tolist()) == list(range(points))
            assert length(each, tour) == pytest.approx(by_all_orders(each), abs=1e-12)


@pytest.mark.parametrize(("count", "points"), [(6, 11), (4, 14), (2, 19)])
def test_shortest_tours_are_those_of_integer_programming(count, points):
    xy = problems(count, points, seed=points)
    tours = np.zeros((count, points), dtype=np.int64)
    exact_tours(xy, np.full(count, points), tours)
    expected = [by_integer_programming(each) for each in xy]
    assert [length(*each) for each in zip(xy, tours, strict=True)] == pytest.approx(expected)
    if points <= 14:
        held_karp(xy, points, tours)
        assert [length(*each) for each in zip(xy, tours, strict=True)] == pytest.approx(expected)


def test_branch_and_bound_is_held_karp_where_search_is_not_enough():
    """Of these problems local search solves all but some: what it is cut by must not cut those."""
    xy = problems(3000, 12, seed=12)
    counts = np.full(len(xy), 12)
    found = []
    for find, more in ((held_karp, 12), (exact_tours, counts)):
        tours = np.zeros((len(xy), 12), dtype=np.int64)
        find(xy, more, tours)
        found.append(np.array([length(*each) for each in zip(xy, tours, strict=True)]))
    heuristic_tours(xy, counts, 10, tours)
    searched = np.array([length(*each) for each in zip(xy, tours, strict=True)])
    assert 3 < (searched > found[0] + 1e-9).sum() < 100
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


def test_teachers_are_as_good_as_their_names():
    xy = problems(40, 13)
    counts, tours = np.full(40, 13), np.zeros((40, 13), dtype=np.int64)

    def mean(find, *more):
        find(xy, counts, *more, tours)
        assert (np.sort(tours, 1) == np.arange(13)).all()
        return np.mean([length(*each) for each in zip(xy, tours, strict=True)])

    exact, greedy = mean(exact_tours), mean(heuristic_tours, -1)
    local, search = mean(heuristic_tours, 0), mean(heuristic_tours, 50)
    assert exact <= search * (1 + 1e-12) < exact * 1.001
    assert search <= local < exact * 1.02
    assert 1.05 * exact < greedy < 1.3 * exact


def test_without_numba_the_same_numbers_come(tmp_path):
    tasks = [
        ConvexHull(max_points=7),
        Delaunay(),
        TSP(max_points=6, mixed_points=True),
        TSP(teacher="a3"),
    ]
    program = """
import torch
from tapehead.tasks import TSP, ConvexHull, Delaunay
for task in (
    ConvexHull(max_points=7),
    Delaunay(),
    TSP(max_points=6, mixed_points=True),
    TSP(teacher="a3"),
):
    print(task.batch(torch.Generator().manual_seed(0), 3).targets.tolist())
"""
    (tmp_path / "numba.py").write_text("raise ModuleNotFoundError('numba')", encoding="utf-8")
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [str(drawn(task, 3)) for task in tasks]
    assert "runs without Numba, and so slowly" in done.stderr


def test_what_kernels_call_waits_for_numba_until_one_is_wanted():
    """Tasks are imported by every command, and few of these need Numba."""
    assert inspect.isfunction(polygons.turn)
    drawn(ConvexHull(), 2)  # by a kernel that calls it
    assert inspect.isfunction(polygons.turn)

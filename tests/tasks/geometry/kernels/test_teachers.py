"""The paper's heuristics: each against its steps written out in Python, and against its table."""

import itertools

import networkx
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from tour_oracles import length

from tapehead.tasks import TSP
from tapehead.tasks.geometry.kernels.teachers import papers_tours
from tapehead.tasks.geometry.kernels.tours import held_karp


def problems(count, points, seed=0):
    return np.random.default_rng(seed).random((count, points, 2))


def taught(number, xy):
    tours = np.zeros(xy.shape[:2], dtype=np.int64)
    papers_tours(xy, np.full(len(xy), xy.shape[1]), number, tours)
    assert (np.sort(tours, 1) == np.arange(xy.shape[1])).all()
    return tours


def lengths(xy, tours):
    return np.array([length(*each) for each in zip(xy, tours, strict=True)])


def turned(way, d, least=2, *, closed=False):
    """The way after one pass of 2-opt: each piece that makes it shorter is turned round."""
    way = list(way)
    kept = 0 if closed else 1
    for i in range(kept, len(way) - kept):
        for j in range(i + least - 1, len(way) - kept):
            a, b, c, e = way[i - 1], way[i], way[j], way[(j + 1) % len(way)]
            if b != e and d[a, c] + d[b, e] < d[a, b] + d[c, e] - 1e-12:
                way[i : j + 1] = way[i : j + 1][::-1]
    return way


def as_short_as_it_gets(way, d, *, closed=False):
    while (better := turned(way, d, closed=closed)) != way:
        way = better
    return way


def check_shortest_of(found, xy, tour):
    """Of two that differ by rounding either may be given."""
    assert tour.tolist() in found
    shortest = min(length(xy, np.array(way)) for way in found)
    assert length(xy, tour) == pytest.approx(shortest, abs=1e-12)


def test_a1_is_the_way_of_greedy_edges_turned_three_times():
    xy = problems(12, 60, seed=1)
    changed = np.zeros(3)
    for each, tour in zip(xy, taught(1, xy), strict=True):
        d, graph = cdist(each, each), networkx.empty_graph(len(each))
        edges = itertools.combinations(range(len(each)), 2)
        for i, j in sorted(edges, key=lambda edge: d[edge]):
            if max(graph.degree[i], graph.degree[j]) < 2 and not networkx.has_path(graph, i, j):
                graph.add_edge(i, j)
        first, last = sorted(node for node, degree in graph.degree() if degree == 1)
        way = networkx.shortest_path(graph, first, last)
        for number in range(3):
            better = turned(way, d, 3)
            changed[number] += better != way
            way = better
        assert tour.tolist() == way
    assert (changed > 0).all(), "the third pass too finds something to do"


def test_a2_is_the_best_of_nearest_neighbours_from_each_point():
    xy = problems(12, 13, seed=2)
    for each, tour in zip(xy, taught(2, xy), strict=True):
        d, found = cdist(each, each), []
        for start in range(len(d)):
            way = [start]
            while len(way) < len(d):
                left = [point for point in range(len(d)) if point not in way]
                way.append(min(left, key=lambda point: d[way[-1], point]))
            found.append(as_short_as_it_gets(way, d))
        check_shortest_of(found, each, tour)


def test_a3_is_the_best_of_christofides_from_each_point():
    xy = problems(12, 17, seed=3)
    for each, tour in zip(xy, taught(3, xy), strict=True):
        d = cdist(each, each)
        tree = networkx.minimum_spanning_tree(networkx.from_numpy_array(d))
        above = dict(networkx.bfs_predecessors(tree, 0))
        edges = [(point, above[point]) for point in range(1, len(d))]
        odd = [point for point in sorted(tree) if tree.degree(point) % 2]
        while odd:
            point = odd.pop(0)
            nearest = min(odd, key=lambda other: d[point, other])
            odd.remove(nearest)
            edges.append((point, nearest))
        found = []
        for start in range(len(d)):
            left, way, ended = list(edges), [start], []
            while way:
                edge = next((edge for edge in left if way[-1] in edge), None)
                if edge is None:
                    ended.append(way.pop())
                else:
                    left.remove(edge)
                    way.append(sum(edge) - way[-1])
            found.append(as_short_as_it_gets(list(dict.fromkeys(ended)), d, closed=True))
        check_shortest_of(found, each, tour)


PUBLISHED = {"exact": 2.87, "a1": 3.07, "a2": 2.87, "a3": 2.87}
"""Of ten cities, table 2 of the paper."""


def test_lengths_are_those_of_the_paper():
    """Beside the shortest tours of the same problems, so that few are enough."""
    xy = problems(600, 10, seed=4)
    shortest = np.zeros(xy.shape[:2], dtype=np.int64)
    held_karp(xy, 10, shortest)
    exact = lengths(xy, shortest)
    for number, teacher in ((1, "a1"), (2, "a2"), (3, "a3")):
        found = lengths(xy, taught(number, xy))
        assert (found >= exact - 1e-9).all()
        ratio = found.mean() / exact.mean()
        assert ratio == pytest.approx(PUBLISHED[teacher] / PUBLISHED["exact"], abs=0.008)


def test_a_teacher_is_an_option_of_the_task():
    xy = problems(30, 12, seed=5)
    for number, teacher in ((1, "a1"), (2, "a2"), (3, "a3")):
        targets = TSP(teacher=teacher).batch_of(list(xy)).targets[:, :-1].numpy()
        assert (targets[:, 0] == 1).all()
        assert lengths(xy, targets - 1) == pytest.approx(lengths(xy, taught(number, xy)), abs=1e-5)
    small = TSP(teacher="a2").batch_of([xy[0, :3], xy[1, :4]])
    assert small.targets[0].tolist() == [1, 2, 3, 0, 0]

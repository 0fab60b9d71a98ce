"""The heuristics A1, A2 and A3, from which the paper has its large tours; many side by side.

It says how long they take, and cites the programs: dmishin/tsp-solver, samlbest/traveling-salesman
and beckysag/traveling-salesman. What those do is done here.
"""

import numpy as np

from tapehead.tasks.geometry.kernels.branch_and_bound import spanning_tree
from tapehead.tasks.geometry.kernels.compiled import compiled, inner
from tapehead.tasks.geometry.kernels.local_search import greedy_edges, two_opt
from tapehead.tasks.geometry.kernels.tours import distances, length_of

PASSES, PIECE = 3, 3
"""Of 2-opt in A1, and the fewest points that it turns round."""


@inner
def a1(d, count, tour):
    """The way of greedy edges, made shorter by three passes of 2-opt. Its two ends stay, and how
    far apart they lie does not matter."""
    greedy_edges(d, count, tour)
    for _ in range(PASSES):
        two_opt(d, count, tour, 1, count - 2, PIECE)


@inner
def nearest_neighbours(d, count, start, tour):
    """Always to the nearest point not yet seen."""
    seen = np.zeros(count, dtype=np.bool_)
    at = start
    for place in range(count):
        tour[place] = at
        seen[at] = True
        nearest = -1
        for point in range(count):
            if not seen[point] and (nearest < 0 or d[at, point] < d[at, nearest]):
                nearest = point
        at = nearest


@inner
def even_graph(d, count, edges):
    """A connected graph with an even number of edges at each point, into `edges` (room, 2): the
    shortest tree, and of the points with an odd number there each with the nearest that is left.
    Returns how many edges.

    Christofides (1976) has the cheapest matching instead, and with it a bound of 1.5 times the
    shortest tour.
    """
    parent, near = np.empty(count, dtype=np.int64), np.empty(count)
    spanning_tree(d, np.arange(count), count, parent, near)
    odd = np.zeros(count, dtype=np.bool_)
    for point in range(1, count):
        edges[point - 1, 0], edges[point - 1, 1] = point, parent[point]
        odd[point] = not odd[point]
        odd[parent[point]] = not odd[parent[point]]
    size = count - 1
    for point in range(count):
        if not odd[point]:
            continue
        nearest = -1
        for other in range(point + 1, count):
            if odd[other] and (nearest < 0 or d[point, other] < d[point, nearest]):
                nearest = other
        odd[nearest] = False
        edges[size, 0], edges[size, 1] = point, nearest
        size += 1
    return size


@inner
def walk(edges, size, start, tour):
    """The points in the order in which a round over each edge once (Hierholzer) comes to them."""
    used, seen = np.zeros(size, dtype=np.bool_), np.zeros(len(tour), dtype=np.bool_)
    way = np.empty(size + 1, dtype=np.int64)
    way[0], depth, place = start, 0, 0
    while depth >= 0:
        at, chosen = way[depth], -1
        for edge in range(size):
            if not used[edge] and (edges[edge, 0] == at or edges[edge, 1] == at):
                chosen = edge
                break
        if chosen >= 0:
            used[chosen] = True
            depth += 1
            way[depth] = edges[chosen, 0] + edges[chosen, 1] - at
            continue
        depth -= 1
        if not seen[at]:
            seen[at] = True
            tour[place] = at
            place += 1


@inner
def from_each_point(d, count, is_a3, tour):
    """A2 or A3: the shortest of the tours that begin at each point, once 2-opt finds nothing more.

    A2 begins by nearest neighbours, and its 2-opt looks at the way from its first point to its last
    alone; A3 begins by a round over a graph with even numbers of edges.
    """
    edges = np.empty((2 * count, 2), dtype=np.int64)
    size = even_graph(d, count, edges) if is_a3 else 0
    first, last = (0, count - 1) if is_a3 else (1, count - 2)
    best, other = np.inf, np.empty(count, dtype=np.int64)
    for start in range(count):
        if is_a3:
            walk(edges, size, start, other)
        else:
            nearest_neighbours(d, count, start, other)
        while two_opt(d, count, other, first, last, 2):
            pass
        length = length_of(d, other, count)
        if length < best:
            best = length
            for place in range(count):
                tour[place] = other[place]


@compiled("(float64[:, :, ::1], int64[::1], int64, int64[:, ::1])")
def papers_tours(xy, counts, number, tours):
    """A tour of each by A1, A2 or A3, as `number` says, into `tours` (batch, points)."""
    most = xy.shape[1]
    d = np.empty((most, most))
    for each in range(len(xy)):
        count = counts[each]
        tour = tours[each, :count]
        if count < 4:
            for place in range(count):
                tour[place] = place
            continue
        distances(xy[each], count, d)
        if number == 1:
            a1(d, count, tour)
        else:
            from_each_point(d, count, number == 3, tour)

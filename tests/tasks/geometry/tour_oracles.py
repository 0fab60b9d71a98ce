"""Problems of tours, and the shortest by other ways than ours: all orders, integer programming."""

import itertools

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.spatial.distance import cdist


def problems(count, points, seed=0):
    return np.random.default_rng(seed).random((count, points, 2))


def length(xy, tour):
    return float(np.linalg.norm(xy[tour] - xy[np.roll(tour, -1)], axis=1).sum())


def by_all_orders(xy):
    """Length of the shortest tour."""
    others = itertools.permutations(range(1, len(xy)))
    return min(length(xy, np.array([0, *order])) for order in others)


def by_integer_programming(xy):
    """Length of the shortest tour: two edges at each city, and for each circle of an answer that
    misses cities a cut (Dantzig, Fulkerson & Johnson 1954), until there is none."""
    count = len(xy)
    edges = list(itertools.combinations(range(count), 2))
    d = cdist(xy, xy)
    costs = np.array([d[edge] for edge in edges])
    degrees = np.array([[city in edge for edge in edges] for city in range(count)], float)
    constraints = [LinearConstraint(degrees, 2, 2)]
    while True:
        found = milp(
            costs, integrality=np.ones(len(edges)), bounds=Bounds(0, 1), constraints=constraints,
            options={"mip_rel_gap": 0.0},
        )  # fmt: skip
        chosen = [edge for edge, on in zip(edges, found.x, strict=True) if on > 0.5]
        circle, city = set(), 0
        while city not in circle:
            circle.add(city)
            beside = [b if a == city else a for a, b in chosen if city in (a, b)]
            city = next((other for other in beside if other not in circle), 0)
        if len(circle) == count:
            return float(found.fun)
        crossing = np.array([(a in circle) != (b in circle) for a, b in edges], float)
        constraints.append(LinearConstraint(crossing, 2, np.inf))

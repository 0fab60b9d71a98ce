"""Tours through points: their lengths, and the shortest ones by all subsets; many side by side."""

import numpy as np

from tapehead.tasks.geometry.kernels.compiled import compiled, inner

LANES = 8
"""Instances that the subsets of `held_karp` are gone through for at once."""


@inner
def distances(xy, count, into):
    for i in range(count):
        for j in range(count):
            into[i, j] = np.hypot(xy[i, 0] - xy[j, 0], xy[i, 1] - xy[j, 1])


@inner
def length_of(d, tour, count):
    total = d[tour[count - 1], tour[0]]
    for place in range(count - 1):
        total += d[tour[place], tour[place + 1]]
    return total


@compiled("(float64[:, :, ::1], int64[::1], int64[:, ::1], float64[::1])")
def lengths(xy, counts, tours, into):
    """Of tours (batch, points)."""
    for each in range(len(xy)):
        total = 0.0
        count = counts[each]
        for place in range(count):
            a, b = tours[each, place], tours[each, (place + 1) % count]
            total += np.hypot(xy[each, a, 0] - xy[each, b, 0], xy[each, a, 1] - xy[each, b, 1])
        into[each] = total


@compiled("(float64[:, :, ::1], int64, int64[:, ::1])")
def held_karp(xy, count, tours):
    """Shortest tours from point 0 (Held & Karp 1962), into `tours` (batch, count).

    The cost of the best way from 0 through a subset to each of its points, from small subsets to
    large: count^2 2^count steps, and count 2^count numbers.
    """
    others = count - 1
    subsets = 1 << others
    d = np.empty((count, count, LANES))
    best = np.empty((subsets, others, LANES))
    least = np.empty(LANES)
    plane = np.empty((count, count))
    for first in range(0, len(xy), LANES):
        lanes = min(LANES, len(xy) - first)
        for lane in range(LANES):
            distances(xy[first + min(lane, lanes - 1)], count, plane)
            d[:, :, lane] = plane
        for subset in range(1, subsets):
            for end in range(others):
                if not subset >> end & 1:
                    continue
                rest = subset ^ (1 << end)
                if rest == 0:
                    for lane in range(LANES):
                        best[subset, end, lane] = d[0, end + 1, lane]
                    continue
                for lane in range(LANES):
                    least[lane] = np.inf
                for before in range(others):
                    if not rest >> before & 1:
                        continue
                    for lane in range(LANES):
                        cost = best[rest, before, lane] + d[before + 1, end + 1, lane]
                        least[lane] = min(least[lane], cost)
                for lane in range(LANES):
                    best[subset, end, lane] = least[lane]
        for lane in range(lanes):
            subset, after = subsets - 1, 0
            tours[first + lane, 0] = 0
            for place in range(others, 0, -1):
                chosen, lowest = -1, np.inf
                for end in range(others):
                    if subset >> end & 1:
                        cost = best[subset, end, lane] + d[end + 1, after, lane]
                        if cost < lowest:
                            chosen, lowest = end, cost
                tours[first + lane, place] = chosen + 1
                subset ^= 1 << chosen
                after = chosen + 1

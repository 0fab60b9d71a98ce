"""Short tours by local search, many side by side."""

import numpy as np

from tapehead.tasks.geometry.kernels.compiled import compiled, inner
from tapehead.tasks.geometry.kernels.tours import distances, length_of


@inner
def greedy_edges(d, count, tour):
    """Shortest edges first, none that closes a circle or is a point's third; then once round."""
    pairs = count * (count - 1) // 2
    costs, ends = np.empty(pairs), np.empty((pairs, 2), dtype=np.int64)
    at = 0
    for i in range(count):
        for j in range(i + 1, count):
            costs[at], ends[at, 0], ends[at, 1] = d[i, j], i, j
            at += 1
    order = np.argsort(costs)
    beside = np.full((count, 2), -1, dtype=np.int64)
    piece = np.arange(count)
    joined = 0
    for edge in order:
        i, j = ends[edge, 0], ends[edge, 1]
        if beside[i, 1] >= 0 or beside[j, 1] >= 0 or piece[i] == piece[j]:
            continue
        beside[i, 0 if beside[i, 0] < 0 else 1] = j
        beside[j, 0 if beside[j, 0] < 0 else 1] = i
        old, new = piece[i], piece[j]
        for point in range(count):
            if piece[point] == old:
                piece[point] = new
        joined += 1
        if joined == count - 1:
            break
    at, before = 0, -1
    for point in range(count):
        if beside[point, 1] < 0:
            at = point  # one end of the path that is left
            break
    for place in range(count):
        tour[place] = at
        ahead = beside[at, 0] if beside[at, 0] != before else beside[at, 1]
        before, at = at, ahead


@inner
def two_opt(d, count, tour, first, last, least):
    """Turn round each piece of a tour that makes it shorter so, once over all pieces of at least
    `least` points, 2 or more, between the places `first` and `last`; whether there was one.

    From 0 to count - 1 the tour gets shorter; from 1 to count - 2 the way from its first point to
    its last, whatever the edge between them.
    """
    better = False
    for i in range(first, last):
        for j in range(i + least - 1, last + 1):
            if i == 0 and j == count - 1:
                continue
            a, b = tour[i - 1], tour[i]
            c, e = tour[j], tour[(j + 1) % count]
            if d[a, c] + d[b, e] < d[a, b] + d[c, e] - 1e-12:
                low, high = i, j
                while low < high:
                    tour[low], tour[high] = tour[high], tour[low]
                    low += 1
                    high -= 1
                better = True
    return better


@inner
def improve(d, count, tour):
    """2-opt and Or-opt moves while one makes the tour shorter."""
    spare = np.empty(count, dtype=np.int64)
    better = True
    while better:
        better = two_opt(d, count, tour, 0, count - 1, 2)
        for size in range(1, min(4, count - 2)):
            for i in range(count):
                # A piece of some points is taken out, and put in elsewhere, either way round.
                for place in range(count):
                    spare[place] = tour[(i + place) % count]
                before, head, tail, after = spare[count - 1], spare[0], spare[size - 1], spare[size]
                won = d[before, head] + d[tail, after] - d[before, after]
                where, turned, most = -1, False, 1e-12
                for place in range(size, count - 1):
                    p, q = spare[place], spare[place + 1]
                    straight = won - (d[p, head] + d[tail, q] - d[p, q])
                    back = won - (d[p, tail] + d[head, q] - d[p, q])
                    if straight > most:
                        where, turned, most = place, False, straight
                    if back > most:
                        where, turned, most = place, True, back
                if where < 0:
                    continue
                at = 0
                for place in range(size, where + 1):
                    tour[at] = spare[place]
                    at += 1
                for part in range(size):
                    tour[at] = spare[size - 1 - part] if turned else spare[part]
                    at += 1
                for place in range(where + 1, count):
                    tour[at] = spare[place]
                    at += 1
                better = True


@inner
def search(d, count, tour, kicks):
    """A local optimum, kicked (double bridge) and improved again; the better one stays."""
    greedy_edges(d, count, tour)
    improve(d, count, tour)
    if count < 8:
        return
    best = length_of(d, tour, count)
    other = np.empty(count, dtype=np.int64)
    state = np.uint64(1)
    for _ in range(kicks):
        cuts = np.empty(3, dtype=np.int64)
        for cut in range(3):
            # Knuth's linear congruential generator; the same everywhere.
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            cuts[cut] = 1 + np.int64((state >> np.uint64(33)) % np.uint64(count - 1))
        cuts.sort()
        a, b, c = cuts
        at = 0
        for start, stop in ((0, a), (b, c), (a, b), (c, count)):
            for place in range(start, stop):
                other[at] = tour[place]
                at += 1
        improve(d, count, other)
        length = length_of(d, other, count)
        if length < best - 1e-12:
            best = length
            tour[:] = other


@compiled("(float64[:, :, ::1], int64[::1], int64, int64[:, ::1])")
def heuristic_tours(xy, counts, kicks, tours):
    """A tour of each, into `tours` (batch, points): by greedy edges alone if `kicks` is below 0,
    else by `search`."""
    most = xy.shape[1]
    d = np.empty((most, most))
    for each in range(len(xy)):
        count = counts[each]
        if count < 4:
            for place in range(count):
                tours[each, place] = place
            continue
        distances(xy[each], count, d)
        if kicks < 0:
            greedy_edges(d, count, tours[each, :count])
        else:
            search(d, count, tours[each, :count], kicks)

"""Shortest tours by branch and bound, many side by side."""

import numpy as np

from tapehead.tasks.geometry.kernels.compiled import compiled, inner
from tapehead.tasks.geometry.kernels.local_search import search
from tapehead.tasks.geometry.kernels.tours import distances, length_of


@inner
def spanning_tree(d, points, size, parent, near):
    """Cost of the shortest tree through `points[:size]` (Prim), and each one's parent."""
    for place in range(size):
        near[place], parent[place] = np.inf, -1
    near[0] = 0.0
    inside = np.zeros(size, dtype=np.bool_)
    total = 0.0
    for _ in range(size):
        at = -1
        for place in range(size):
            if not inside[place] and (at < 0 or near[place] < near[at]):
                at = place
        inside[at] = True
        total += near[at]
        for place in range(size):
            cost = d[points[at], points[place]]
            if not inside[place] and cost < near[place]:
                near[place], parent[place] = cost, at
    return total


@inner
def price(d, count, upper, prices):
    """Prices of points that make the shortest tree with one circle more like a tour (Held & Karp
    1970); returns the lower bound of all tours that they give."""
    priced = np.empty((count, count))
    points = np.arange(1, count)
    parent, near = np.empty(count, dtype=np.int64), np.empty(count)
    now, degree = np.zeros(count), np.empty(count)
    bound, scale = -np.inf, 2.0
    for step in range(30 + 5 * count):
        for i in range(count):
            for j in range(count):
                priced[i, j] = d[i, j] + now[i] + now[j]
        total = spanning_tree(priced, points, count - 1, parent, near)
        degree[:] = -2.0
        for place in range(1, count - 1):
            degree[points[place]] += 1
            degree[points[parent[place]]] += 1
        # Point 0 joins by its two shortest edges.
        one = two = -1
        for point in range(1, count):
            if one < 0 or priced[0, point] < priced[0, one]:
                one, two = point, one
            elif two < 0 or priced[0, point] < priced[0, two]:
                two = point
        total += priced[0, one] + priced[0, two] - 2 * now.sum()
        degree[0] += 2
        degree[one] += 1
        degree[two] += 1
        if total > bound:
            bound = total
            prices[:] = now
        square = (degree * degree).sum()
        if square == 0 or bound > upper - 1e-9:
            break
        if step % 10 == 9:
            scale *= 0.75
        now += scale * (upper - total) / square * degree
    return bound


@inner
def hopeless(priced, count, bound, upper, out):
    """Which edges no tour shorter than `upper` has, as the shortest tree with one circle would cost
    too much with them: `out` (count, count)."""
    points = np.arange(1, count)
    size = count - 1
    parent, near = np.empty(size, dtype=np.int64), np.empty(size)
    spanning_tree(priced, points, size, parent, near)
    # The dearest edge of the tree on the way between two points: it would go if they were joined.
    dearest = np.zeros((count, count))
    done, left = np.zeros(size, dtype=np.bool_), size - 1
    done[0] = True
    while left > 0:
        for place in range(1, size):
            if done[place] or not done[parent[place]]:
                continue
            point, joined = points[place], points[parent[place]]
            for other in range(size):
                if done[other]:
                    far = max(dearest[points[other], joined], near[place])
                    dearest[points[other], point] = dearest[point, points[other]] = far
            done[place] = True
            left -= 1
    one = two = np.inf
    for point in range(1, count):
        cost = priced[0, point]
        if cost < one:
            one, two = cost, one
        elif cost < two:
            two = cost
    for i in range(1, count):
        out[0, i] = out[i, 0] = bound + priced[0, i] - two > upper
        for j in range(1, count):
            out[i, j] = bound + priced[i, j] - dearest[i, j] > upper


@inner
def branch_and_bound(d, count, tour):
    """The shortest tour: ways from point 0 are followed as long as a tree through the points that
    they have not seen leaves hope."""
    search(d, count, tour, 10)
    best = length_of(d, tour, count)
    prices = np.empty(count)
    bound = price(d, count, best, prices)
    if bound > best - 1e-9:
        return
    priced = np.empty((count, count))
    for i in range(count):
        for j in range(count):
            priced[i, j] = d[i, j] + prices[i] + prices[j]
    out = np.empty((count, count), dtype=np.bool_)
    hopeless(priced, count, bound, best - 1e-9, out)
    limit = best + 2 * prices.sum() - 1e-9
    way, cost = np.zeros(count, dtype=np.int64), np.zeros(count)
    children = np.empty((count, count), dtype=np.int64)
    following, tried = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    seen = np.zeros(count, dtype=np.bool_)
    seen[0] = True
    points, parent = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    near = np.empty(count)
    depth, fresh = 0, True
    while depth >= 0:
        at = way[depth]
        if fresh:
            following[depth] = tried[depth] = 0
            if depth == count - 1:
                total = cost[depth] + priced[at, 0]
                if total < limit:
                    limit = total - 1e-9
                    tour[:] = way
            else:
                points[0] = at
                size = 1
                for point in range(count):
                    if not seen[point]:
                        points[size] = point
                        size += 1
                        if out[at, point]:
                            continue
                        place = following[depth]
                        # The nearest are followed first.
                        while place > 0 and (
                            priced[at, children[depth, place - 1]] > priced[at, point]
                        ):
                            children[depth, place] = children[depth, place - 1]
                            place -= 1
                        children[depth, place] = point
                        following[depth] += 1
                if depth > 0:
                    points[size] = 0
                    size += 1
                    if cost[depth] + spanning_tree(priced, points, size, parent, near) >= limit:
                        following[depth] = 0
        fresh = False
        if tried[depth] < following[depth]:
            point = children[depth, tried[depth]]
            tried[depth] += 1
            way[depth + 1], cost[depth + 1] = point, cost[depth] + priced[at, point]
            seen[point] = True
            depth += 1
            fresh = True
        else:
            if depth > 0:
                seen[at] = False
            depth -= 1


@compiled("(float64[:, :, ::1], int64[::1], int64[:, ::1])")
def exact_tours(xy, counts, tours):
    """`branch_and_bound` of each, into `tours` (batch, points)."""
    most = xy.shape[1]
    d = np.empty((most, most))
    for each in range(len(xy)):
        count = counts[each]
        if count < 4:
            for place in range(count):
                tours[each, place] = place
            continue
        distances(xy[each], count, d)
        branch_and_bound(d, count, tours[each, :count])

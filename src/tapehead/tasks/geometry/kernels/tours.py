"""Shortest tours through points: exact ones, and heuristics; many side by side."""

import numpy as np

from tapehead.tasks.geometry.kernels.compiled import compiled, inner

LANES = 8
"""Instances that the subsets of `held_karp` are gone through for at once."""


@inner
def distances(xy, count, into):
    for i in range(count):
        for j in range(count):
            into[i, j] = np.hypot(xy[i, 0] - xy[j, 0], xy[i, 1] - xy[j, 1])


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


@inner
def length_of(d, tour, count):
    total = d[tour[count - 1], tour[0]]
    for place in range(count - 1):
        total += d[tour[place], tour[place + 1]]
    return total


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
def improve(d, count, tour):
    """2-opt and Or-opt moves while one makes the tour shorter."""
    spare = np.empty(count, dtype=np.int64)
    better = True
    while better:
        better = False
        for i in range(count - 1):
            for j in range(i + 1, count):
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

"""Convex hulls and areas of polygons, many side by side."""

import numpy as np

from tapehead.tasks.geometry.kernels.compiled import compiled, inner


@inner
def turn(ax, ay, bx, by, cx, cy):
    """Twice the signed area of a triangle: above 0 if it is counter-clockwise."""
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


@inner
def by_x(xy, count):
    """Numbers of points by x, then y, then number."""
    order = np.empty(count, dtype=np.int64)
    for at in range(count):
        place = at
        while place > 0:
            other = order[place - 1]
            if xy[other, 0] < xy[at, 0] or (
                xy[other, 0] == xy[at, 0] and xy[other, 1] <= xy[at, 1]
            ):
                break
            order[place] = other
            place -= 1
        order[place] = at
    return order


@inner
def hull(xy, count, corners):
    """The corners of the convex hull of the first `count` points, counter-clockwise from the lowest
    number, into `corners`; returns how many they are.

    Andrew's monotone chain: points inside an edge are no corners, and of equal points the one with
    the lowest number is. Points on one line have two corners, or one.
    """
    order = by_x(xy, count)
    chain = np.empty(2 * count + 2, dtype=np.int64)
    size = 0
    for side in range(2):
        least = size + 1 if side == 0 else size
        for place in range(count):
            at = order[place] if side == 0 else order[count - 1 - place]
            if (
                size > 0
                and xy[chain[size - 1], 0] == xy[at, 0]
                and xy[chain[size - 1], 1] == xy[at, 1]
            ):
                chain[size - 1] = min(chain[size - 1], at)
                continue
            while (
                size > least
                and turn(
                    xy[chain[size - 2], 0],
                    xy[chain[size - 2], 1],
                    xy[chain[size - 1], 0],
                    xy[chain[size - 1], 1],
                    xy[at, 0],
                    xy[at, 1],
                )
                <= 0
            ):
                size -= 1
            chain[size] = at
            size += 1
    first = 0
    size = max(1, size - 1)  # the second side ends where the first began
    for place in range(size):
        if chain[place] < chain[first]:
            first = place
    for place in range(size):
        corners[place] = chain[(first + place) % size]
    return size


@compiled("(float64[:, :, ::1], int64[::1], int64[:, ::1])")
def hulls(xy, counts, answers):
    """`hull` of each (batch, points, 2), as pointers from 1, into zeros (batch, steps)."""
    for each in range(len(xy)):
        size = hull(xy[each], counts[each], answers[each])
        for place in range(size):
            answers[each, place] += 1


@inner
def area(xy, corners, count):
    """Of a polygon, by the shoelace formula; below 0 if its corners run clockwise."""
    total = 0.0
    for place in range(count):
        a, b = corners[place], corners[(place + 1) % count]
        total += xy[a, 0] * xy[b, 1] - xy[b, 0] * xy[a, 1]
    return total / 2


@inner
def crossing(xy, a, b, c, d):
    """Whether the edges a-b and c-d cross, touch or overlap."""
    ax, ay, bx, by = xy[a, 0], xy[a, 1], xy[b, 0], xy[b, 1]
    cx, cy, dx, dy = xy[c, 0], xy[c, 1], xy[d, 0], xy[d, 1]
    if max(ax, bx) < min(cx, dx) or max(cx, dx) < min(ax, bx):
        return False
    if max(ay, by) < min(cy, dy) or max(cy, dy) < min(ay, by):
        return False
    one = turn(ax, ay, bx, by, cx, cy) * turn(ax, ay, bx, by, dx, dy)
    other = turn(cx, cy, dx, dy, ax, ay) * turn(cx, cy, dx, dy, bx, by)
    return one <= 0 and other <= 0


@inner
def is_simple(xy, corners, count):
    """Whether corners are those of a polygon: three or more, none twice, no edges that cross."""
    if count < 3:
        return False
    for i in range(count):
        for j in range(i + 1, count):
            if corners[i] == corners[j]:
                return False
    for i in range(count):
        for j in range(i + 1, count):
            if j == i + 1 or (i == 0 and j == count - 1):
                continue  # neighbours share a corner
            if crossing(xy, corners[i], corners[i + 1], corners[j], corners[(j + 1) % count]):
                return False
    return True


@compiled("(float64[:, :, ::1], int64[:, ::1], float64[::1])")
def judge_polygons(xy, answers, areas):
    """The area of each answer (batch, steps) of pointers from 1 that is a polygon, else -1."""
    for each in range(len(xy)):
        count = 0
        while count < answers.shape[1] and answers[each, count] > 0:
            count += 1
        corners = answers[each, :count] - 1
        if is_simple(xy[each], corners, count):
            areas[each] = abs(area(xy[each], corners, count))
        else:
            areas[each] = -1.0

"""Delaunay triangulations, many side by side."""

import numpy as np

from tapehead.tasks.geometry.kernels.compiled import compiled, inner


@inner
def in_circle(xy, a, b, c, d):
    """Above 0 if d lies inside the circle through a, b and c, which run counter-clockwise."""
    ax, ay = xy[a, 0] - xy[d, 0], xy[a, 1] - xy[d, 1]
    bx, by = xy[b, 0] - xy[d, 0], xy[b, 1] - xy[d, 1]
    cx, cy = xy[c, 0] - xy[d, 0], xy[c, 1] - xy[d, 1]
    aa, bb, cc = ax * ax + ay * ay, bx * bx + by * by, cx * cx + cy * cy
    return ax * (by * cc - bb * cy) - ay * (bx * cc - bb * cx) + aa * (bx * cy - by * cx)


@inner
def is_empty(xy, count, i, j, k, side):
    """Whether no point lies inside the circle through three; `side` is above 0 if they run
    counter-clockwise."""
    a, b = (i, j) if side > 0 else (j, i)
    for other in range(count):
        if other != i and other != j and other != k and in_circle(xy, a, b, k, other) > 0:
            return False
    return True


@inner
def incentre(xy, i, j, k):
    """x and y of the centre of the circle inside a triangle: corners weighed by the sides that they
    face."""
    a = np.hypot(xy[j, 0] - xy[k, 0], xy[j, 1] - xy[k, 1])
    b = np.hypot(xy[i, 0] - xy[k, 0], xy[i, 1] - xy[k, 1])
    c = np.hypot(xy[i, 0] - xy[j, 0], xy[i, 1] - xy[j, 1])
    x = (a * xy[i, 0] + b * xy[j, 0] + c * xy[k, 0]) / (a + b + c)
    y = (a * xy[i, 1] + b * xy[j, 1] + c * xy[k, 1]) / (a + b + c)
    return x, y


@inner
def triangulation(xy, count, by_incentre, triples, centres):
    """The triangles whose circles are empty, as rising numbers, into `triples` (room, 3), in the
    order of their incentres (by x, then y) or else of their numbers; returns how many they are,
    also if there is no room.

    Where four points lie on one circle there are more than a triangulation has.
    """
    found = 0
    for i in range(count):
        for j in range(i + 1, count):
            for k in range(j + 1, count):
                side = (xy[j, 0] - xy[i, 0]) * (xy[k, 1] - xy[i, 1]) - (xy[j, 1] - xy[i, 1]) * (
                    xy[k, 0] - xy[i, 0]
                )
                if side == 0 or not is_empty(xy, count, i, j, k, side):
                    continue
                if found < len(triples):
                    x, y = np.float64(found), 0.0
                    if by_incentre:
                        x, y = incentre(xy, i, j, k)
                    place = found
                    while place > 0 and (
                        centres[place - 1, 0] > x
                        or (centres[place - 1, 0] == x and centres[place - 1, 1] > y)
                    ):
                        for part in range(2):
                            centres[place, part] = centres[place - 1, part]
                        for part in range(3):
                            triples[place, part] = triples[place - 1, part]
                        place -= 1
                    centres[place, 0], centres[place, 1] = x, y
                    triples[place, 0], triples[place, 1], triples[place, 2] = i, j, k
                found += 1
    return found


@compiled("(float64[:, :, ::1], int64[::1], boolean, int64[:, ::1], int64[::1])")
def triangulations(xy, counts, by_incentre, answers, found):
    """`triangulation` of each (batch, points, 2), as pointers from 1, into zeros (batch, steps);
    and how many triangles each has."""
    room = (answers.shape[1] - 1) // 3
    triples, centres = np.empty((room, 3), dtype=np.int64), np.empty((room, 2))
    for each in range(len(xy)):
        found[each] = triangulation(xy[each], counts[each], by_incentre, triples, centres)
        for triangle in range(min(found[each], room)):
            for part in range(3):
                answers[each, 3 * triangle + part] = triples[triangle, part] + 1

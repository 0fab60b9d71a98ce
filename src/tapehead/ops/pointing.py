"""Pointers as attention over the input (Vinyals, Fortunato & Jaitly 2015), and what an answer may
point at next.

Channels of logits: 0 ends the answer, 1 to n are the points.
"""

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

END = 0
Rule = Literal["free", "distinct", "permutation", "triples"]


def additive_scores(
    of_keys: Float[Tensor, "batch points units"],
    of_queries: Float[Tensor, "batch steps units"],
    weight: Float[Tensor, " units"],
) -> Float[Tensor, "batch steps points"]:
    """`u_j = v^T tanh(W1 e_j + W2 d_i)` (equation 3), from W1 e and W2 d."""
    return (of_keys[:, None] + of_queries[:, :, None]).tanh() @ weight


def dot_scores(
    of_keys: Float[Tensor, "batch points units"],
    of_queries: Float[Tensor, "batch steps units"],
) -> Float[Tensor, "batch steps points"]:
    """`u_j = (W1 e_j) . (W2 d_i) / sqrt(units)` (Vaswani et al. 2017, equation 1)."""
    return of_queries @ of_keys.mT * of_keys.shape[-1] ** -0.5


VIEWS = 8
"""Numbers of `seen_from_last`."""


def seen_from_last(
    xy: Float[Tensor, "batch points 2"],
    first: Int64[Tensor, " batch"],
    last: Int64[Tensor, "batch steps"],
    before: Int64[Tensor, "batch steps"],
) -> Float[Tensor, "batch steps channels views"]:
    """Each point of the plane as it is seen by one who goes from pointer to pointer: its distance,
    the logarithm of that, its direction (two numbers); by which part of a half turn, to the left,
    one would change the direction of one's way to go there; and under which part of a half turn the
    last step would be seen from there.

    The smallest turn leads round a convex hull, the largest of the other angles to the third point
    of a Delaunay triangle. The end is seen where the answer began. Without a point before the last
    one, the way is taken to come from above. Without a last point all of that is 0, and two more
    numbers, 0 else, are the point itself: where to begin can hang on small differences.

    Args:
        first: where the answer began.
        last, before: the point pointed at last at each step, and the one before that; 0: none.
    """
    places = torch.cat([xy.new_zeros(len(xy), 1, 2), xy], 1)
    batch = torch.arange(len(xy), device=xy.device)[:, None]
    targets = torch.cat([places[batch, first[:, None]], xy], 1)
    here, there = places[batch, last], places[batch, before]
    there = torch.where((before == 0)[..., None], here + xy.new_tensor([0.0, 1.0]), there)
    way = here - there
    ahead = targets[:, None] - here[:, :, None]
    distance = ahead.square().sum(-1).add(1e-12).sqrt()
    side = way[..., None, 0] * ahead[..., 1] - way[..., None, 1] * ahead[..., 0]
    along = (way[:, :, None] * ahead).sum(-1)
    turn = torch.atan2(side, along) / torch.pi
    back = targets[:, None] - there[:, :, None]  # from the last point but one
    facing = (ahead * back).sum(-1)
    under = torch.atan2(ahead[..., 0] * back[..., 1] - ahead[..., 1] * back[..., 0], facing)
    direction = (ahead / distance[..., None]).unbind(-1)
    seen = [distance, (distance + 0.01).log(), *direction, turn, under / torch.pi]
    begins = (last == 0)[..., None, None]
    itself = torch.where(begins, places[:, None], 0)
    return torch.cat([torch.where(begins, 0, torch.stack(seen, -1)), itself], -1)


def round_length(
    xy: Float[Tensor, "batch points dims"], answers: Int64[Tensor, "batch answers steps"]
) -> Float[Tensor, "batch answers"]:
    """Length of the way from pointer to pointer, and back from the last to the first."""
    steps = answers.shape[2]
    batch = torch.arange(len(xy), device=xy.device)[:, None, None]
    # The way waits at the first point once the answer has ended.
    way = xy[batch, torch.where(answers == END, answers[..., :1], answers) - 1]
    ahead = torch.arange(1, steps + 1, device=xy.device) % steps
    return (way[:, :, ahead] - way).square().sum(-1).sqrt().sum(-1)


class Said(NamedTuple):
    """What matters of an answer so far for what may come next.

    pointed: which channels were pointed at; the end too.
    steps: pointers so far.
    last: the last of them; 0 at the start.

    >>> import torch
    >>> from tapehead.ops.pointing import forbidden, nothing_said, say
    >>> counts = torch.tensor([3])
    >>> said = say(nothing_said(counts, channels=4), torch.tensor([2]))
    >>> said.steps, said.last
    (tensor([1]), tensor([2]))
    >>> forbidden("permutation", said, counts)  # the end, and what was pointed at
    tensor([[ True, False,  True, False]])
    """

    pointed: Bool[Tensor, "batch channels"]
    steps: Int64[Tensor, " batch"]
    last: Int64[Tensor, " batch"]


def nothing_said(counts: Int64[Tensor, " batch"], channels: int) -> Said:
    """Of an answer that has not begun."""
    pointed = torch.zeros(len(counts), channels, dtype=torch.bool, device=counts.device)
    return Said(pointed, torch.zeros_like(counts), torch.zeros_like(counts))


def say(said: Said, pointer: Int64[Tensor, " batch"]) -> Said:
    """With one pointer more."""
    pointed = said.pointed.scatter(1, pointer[:, None], True)
    return Said(pointed, said.steps + 1, pointer)


def longest(rule: Rule, points: Any) -> Any:
    """Pointers of the longest answer about a number of points (or several numbers), without its
    end: each point once, or the triangles of a triangulation, of which there are at most 2 n."""
    return points if rule in ("distinct", "permutation") else 6 * points


def forbidden(
    rule: Rule, said: Said, counts: Int64[Tensor, " batch"]
) -> Bool[Tensor, "batch channels"]:
    """Channels that an answer cannot go on with.

    - free: points that are not there.
    - distinct: also points that were pointed at, and the end before three points (or all that
      there are).
    - permutation: also the end before all points.
    - triples: groups of three points with rising numbers; the end only between groups, and not
      before the first.

    After its end, or where it can be no longer, an answer says nothing but the end.
    """
    channels = said.pointed.shape[1]
    numbers = torch.arange(channels, device=counts.device)
    out = numbers > counts[:, None]
    ended = said.pointed[:, END]
    steps, end = said.steps[:, None], numbers == END
    if rule in ("distinct", "permutation"):
        least = counts if rule == "permutation" else counts.clamp(max=3)
        out = out | said.pointed | (end & (steps < least[:, None]))
    elif rule == "triples":
        place = steps % 3
        # Room is left for those that must follow in the group.
        low = torch.where(place == 0, 0, said.last[:, None])
        high = counts[:, None] - 2 + place
        within = (numbers > low) & (numbers <= high)
        out = torch.where(end, (place > 0) | (steps == 0), ~within)
    # Nothing else, and that whatever the rule says of it.
    over = ended | (said.steps >= longest(rule, counts))
    return torch.where(over[:, None], ~end, out)


def forbidden_after(
    rule: Rule, before: Int64[Tensor, "batch steps"], counts: Int64[Tensor, " batch"], channels: int
) -> Bool[Tensor, "batch steps channels"]:
    """`forbidden` at every step of an answer, from the pointer before each step; the first of them
    is not looked at."""
    batch, steps = before.shape
    given = before[:, 1:]
    pointed = torch.zeros(batch, steps, channels, dtype=torch.bool, device=before.device)
    pointed[:, 1:].scatter_(2, given[..., None], True)
    pointed = pointed.to(torch.int16).cumsum(1, dtype=torch.int16) > 0
    last = torch.cat([torch.zeros_like(before[:, :1]), given], 1)
    at = torch.arange(steps, device=before.device).expand(batch, -1)
    said = Said(pointed.flatten(0, 1), at.flatten(), last.flatten())
    every = counts[:, None].expand(-1, steps).flatten()
    return forbidden(rule, said, every).unflatten(0, (batch, steps))

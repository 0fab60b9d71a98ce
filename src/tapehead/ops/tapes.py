"""Tapes of symbols, 0 for a blank, and the head on one: where it stands and what it sees.

A tape is a strip, or up to its last symbol a ring.
"""

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import pad


def ring_lengths(tape: Int64[Tensor, "batch places"]) -> Int64[Tensor, " batch"]:
    """Places up to the last that is not blank: a ring is as long in any batch."""
    places = torch.arange(1, tape.shape[1] + 1, device=tape.device)
    return (places * (tape != 0)).amax(1).clamp(min=1)


def in_view(
    tape: Int64[Tensor, "batch places"], reach: int, around: Int64[Tensor, " batch"] | None
) -> Int64[Tensor, "batch places_and_two window"]:
    """The symbols up to `reach` places to either side of each place, and of the one before and
    after the tape: there a head that left it stands, and sees blanks outside. On a ring of `around`
    places it sees those at the other end."""
    margin, window = reach + 1, 2 * reach + 1
    if around is not None:
        places = torch.arange(-margin, tape.shape[1] + margin, device=tape.device)
        return tape.gather(1, places % around[:, None]).unfold(1, window, 1)
    return pad(tape, (margin, margin)).unfold(1, window, 1)


def moved(
    head: Int64[Tensor, " batch"],
    move: Int64[Tensor, " batch"],
    places: int,
    around: Int64[Tensor, " batch"] | None,
) -> Int64[Tensor, " batch"]:
    """Where a head is after a move: on a strip it stops on the place just outside, on a ring of
    `around` places it goes on at the other end."""
    after = head + move
    return after.clamp(-1, places) if around is None else after % around

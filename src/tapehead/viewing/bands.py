"""Several seeds as a line in a band: what figures draw of them, and how they say so."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from tapehead.viewing.seeds import Seed, any_solved

MANY = 10
"""Seeds from which on a band leaves out the lowest and the highest quarter of them: one that fails
would otherwise fill the picture."""


class Band(NamedTuple):
    """The lower edge, the median and the upper edge, at each point."""

    low: Float[np.ndarray, "*points"]
    middle: Float[np.ndarray, "*points"]
    high: Float[np.ndarray, "*points"]


def band_of(values: Float[np.ndarray, "seeds *points"]) -> Band:
    """The median over seeds in their range or, of `MANY` and more, from the first quartile to the
    third.

    >>> import numpy as np
    >>> from tapehead.viewing.bands import band_of
    >>> band = band_of(np.array([0.0, 1, 8]))
    >>> float(band.low), float(band.middle), float(band.high)
    (0.0, 1.0, 8.0)
    >>> band = band_of(np.array([0.0] * 11 + [4, 900]))
    >>> float(band.low), float(band.middle), float(band.high)
    (0.0, 0.0, 0.0)
    """
    if len(values) < MANY:
        return Band(np.min(values, 0), np.median(values, 0), np.max(values, 0))
    low, high = np.quantile(values, (0.25, 0.75), axis=0)
    return Band(low, np.median(values, 0), high)


def beyond(values: Float[np.ndarray, " seeds"]) -> Float[np.ndarray, " some"]:
    """Of the values at one point, those outside the band; of fewer than `MANY` there are none."""
    low, _, high = band_of(values)
    return values[(values < low) | (values > high)]


def called(seeds: int) -> str:
    """What the band of so many seeds is."""
    return "range" if seeds < MANY else "quartiles"


def failing(machines: Mapping[str, Sequence[Seed] | None]) -> dict[str, list[Seed]]:
    """Of machines with `MANY` seeds and more, those that did not solve the task, which a band does
    not show; none where no machine solved it, or it cannot be solved."""
    if not any_solved(machines):
        return {}
    return {
        name: [seed for seed in seeds if seed.solved_at is None]
        for name, seeds in machines.items()
        if seeds and len(seeds) >= MANY
    }


def notes(
    seeds: Collection[int], *, machines: Mapping[str, Sequence[Seed] | None], dots: bool = False
) -> list[str]:
    """What a legend says of line and band, for so many seeds of each line.

    Args:
        machines: whose `failing` seeds are thin lines.
        dots: whether there are some, for seeds outside a band.
    """
    if max(seeds, default=1) < 2:
        return []
    kinds = {called(count) for count in seeds if count > 1}
    number = f"of {max(seeds)} seeds" if len(set(seeds)) == 1 else "over seeds"
    if kinds == {"range"}:
        said = [f"median and range {number}"]
    elif kinds == {"quartiles"}:
        said = [f"median and first to third quartile {number}"]
    else:
        said = [f"median and range over seeds, quartiles of {MANY} or more"]
    if any(failing(machines).values()):
        said.append("thin: seeds that do not solve it")
    if dots:
        said.append("dots: seeds outside")
    return said

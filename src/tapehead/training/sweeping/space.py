"""What a search may choose: ranges and lists of values, one for each option that varies."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tapehead.checks import shown

WIDE = 10.0
"""A range of numbers above 0 that spans this factor is searched by its logarithm."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both ends included; whole ones if both ends are whole.

    >>> from tapehead.training.sweeping import Range
    >>> Range(1e-4, 1e-2).by_logarithm, Range(1, 8).by_logarithm, Range(0, 100).by_logarithm
    (True, False, False)
    """

    low: int | float
    high: int | float

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def by_logarithm(self) -> bool:
        return self.low > 0 and self.high / self.low >= WIDE

    @property
    def examples(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def choose(self, name: str, trial: Any) -> int | float:
        """What an Optuna trial takes of it."""
        if self.is_whole:
            return trial.suggest_int(name, self.low, self.high, log=self.by_logarithm)
        return trial.suggest_float(name, self.low, self.high, log=self.by_logarithm)


@dataclass(frozen=True)
class Choice:
    """One of several values.

    >>> from tapehead.training.sweeping import Choice
    >>> Choice(("adam", "rmsprop")).examples
    ('adam', 'rmsprop')
    """

    values: tuple[Any, ...]

    @property
    def examples(self) -> tuple[Any, ...]:
        return self.values

    def choose(self, name: str, trial: Any) -> Any:
        """What an Optuna trial takes of it."""
        return trial.suggest_categorical(name, list(self.values))


Vary = Range | Choice


def parse_vary(text: str, read: Callable[[str], Any]) -> Vary:
    """`1e-4..1e-2`, a range, or `adam,rmsprop`, a list.

    Args:
        read: a value from its text; raises ValueError for none that there is.

    Raises:
        ValueError: text is neither, or says so of a value.

    >>> from tapehead.training.sweeping import parse_vary
    >>> parse_vary("1..8", int), parse_vary("adam,rmsprop", str)
    (Range(low=1, high=8), Choice(values=('adam', 'rmsprop')))
    """
    ends = re.fullmatch(r"(.+?)\.\.(.+)", text)
    if ends is None:
        values = tuple(read(part) for part in text.split(","))
        if len(set(values)) < len(values) or len(values) < 2:
            raise ValueError(f"must be LOW..HIGH or two or more different values, got {text}")
        return Choice(values)
    low, high = (read(end) for end in ends.groups())
    numbers = [isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high)]
    if not all(numbers) or not all(map(math.isfinite, (low, high))):
        raise ValueError(f"must be a list such as a,b: there is no range of {shown(text)}")
    if not low < high:
        raise ValueError(f"must be LOW..HIGH with LOW below HIGH, got {text}")
    return Range(low, high)

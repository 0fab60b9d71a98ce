"""Calls with values that nobody should pass: each works, or says in one clear line what is wrong.

A campaign is a list of cases made from a seed. `run` tries each, counts how it ended, and keeps
those that ended badly with all that is needed to see them again.
"""

import argparse
import collections
import random
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import torch

LONGEST_LINE = 400


class Case(NamedTuple):
    """One call. `names`: what the error may be about; one of them must stand in it."""

    label: str
    call: Callable[[], Any]
    names: tuple[str, ...]
    values: dict[str, Any]


class Odd:
    """Says nothing true about itself, and raises when it is asked."""

    def __eq__(self, other: object) -> Any:
        raise RuntimeError("asked whether it is equal")

    def __bool__(self) -> bool:
        raise RuntimeError("asked whether it is true")

    def __repr__(self) -> str:
        return "odd\nin two lines"

    __hash__ = None


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("asked for its name")


def nasty_values() -> list[Any]:
    """Values of every kind, most of them wrong everywhere, some right here and there."""
    whole = [0, 1, 2, 3, 7, -1, -(2**63), 10**4, 10**6, 10**9, 10**12, 2**31, 2**63, 10**30]
    real = [0.0, -0.0, 0.5, 1.0, -1.0, 1.5, 1e-45, 1e-300, 1e38, 1e39, 1e308]
    special = [float("nan"), float("inf"), -float("inf"), 10**5000, Fraction(1, 3), 1j]
    words = ["", "lstm", "copy", "auto", "none", "1", "x" * 10_000, "two\nlines", "é\0"]
    arrays = [np.int64(2), np.uint8(3), np.float32(0.5), np.bool_(True), np.array([1, 2])]
    tensors = [torch.tensor(2), torch.tensor(0.5), torch.ones(2, 3), torch.tensor(True)]
    others = [None, True, False, [], [1], (), {}, {"a": 1}, b"lstm", object(), Odd(), Mute(), int]
    return [*whole, *real, *special, *words, *arrays, *tensors, *others]


def complaint(case: Case) -> tuple[str, str | None]:
    """How a case ended, and what is wrong with that, if anything is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            case.call()
    except (TypeError, ValueError) as error:
        kind, text = type(error), str(error)
        if kind not in (TypeError, ValueError):
            return "failed", f"a {kind.__name__}: {text}"
        if "\n" in text or len(text) > LONGEST_LINE:
            return "failed", f"not one clear line: {text[:LONGEST_LINE]!r}"
        if not any(name in text for name in case.names):
            return "failed", f"names none of {', '.join(case.names)}: {text!r}"
        return f"refused, {kind.__name__}", None
    except Exception as error:
        return "failed", f"{type(error).__name__}: {str(error)[:LONGEST_LINE]!r}"
    return "worked", None


def run(cases: Iterator[Case], count: int) -> tuple[collections.Counter[str], list[str]]:
    """Try so many cases; counts of how they ended, and a line for each that ended badly."""
    counts: collections.Counter[str] = collections.Counter()
    failures = []
    for _, case in zip(range(count), cases, strict=False):
        ending, wrong = complaint(case)
        counts[ending] += 1
        if wrong is not None:
            values = {name: type(value).__name__ for name, value in case.values.items()}
            failures.append(f"{case.label} {values}: {wrong}")
    return counts, failures


def main(campaign: Callable[[random.Random], Iterator[Case]], description: str) -> int:
    """The command line of a campaign: prints counts and failures; exit code 1 if there are any."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=20_000, help="cases")
    parser.add_argument("--seed", type=int, default=0, help="decides the cases")
    arguments = parser.parse_args()
    counts, failures = run(campaign(random.Random(arguments.seed)), arguments.count)
    for ending, number in sorted(counts.items()):
        print(f"{ending}: {number:,}")
    for line, number in collections.Counter(failures).most_common():
        print(f"{number} times: {line}")
    return 1 if failures else 0

"""Steps folded into loops."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tapehead.viewing.listing.moves import Step

LONGEST = 6
"""Lines of a loop's body."""


class Line(NamedTuple):
    """Steps that follow each other and do the same, each from where the step before left off.

    steps: one or more.
    """

    steps: tuple[Step, ...]

    @property
    def kind(self) -> tuple[Any, ...]:
        return self.steps[0].kind, len(self.steps)

    @property
    def first(self) -> int:
        return self.steps[0].number

    @property
    def last(self) -> int:
        return self.steps[-1].number

    @property
    def blur(self) -> float:
        return max(step.blur for step in self.steps)


class Loop(NamedTuple):
    """A body of several lines, again and again.

    rounds: each as many lines as the others, two rounds or more.
    """

    rounds: tuple[tuple[Line, ...], ...]

    @property
    def first(self) -> int:
        return self.rounds[0][0].first

    @property
    def last(self) -> int:
        return self.rounds[-1][-1].last


def program(steps: Sequence[Step]) -> list[Line | Loop]:
    """Equal steps in one line, and equal lines that come again in a loop.

    Two steps are equal if they were told things of the same name, and each head did the same, came
    there in the same way and moved as far. Rows may differ: a loop that writes row 5, 6, 7 is one.
    """
    lines: list[Line] = []
    for step in steps:
        # The first of a run of equal steps may have come from elsewhere: it stands alone, unless
        # it is equal too.
        if lines and lines[-1].steps[-1].kind == step.kind:
            lines[-1] = Line((*lines[-1].steps, step))
        else:
            lines.append(Line((step,)))
    return list(_looped(lines))


def _looped(lines: list[Line]) -> Iterator[Line | Loop]:
    at = 0
    while at < len(lines):
        length, rounds = max(
            ((length, _rounds(lines, at, length)) for length in range(2, LONGEST + 1)),
            key=lambda pair: (pair[0] * (pair[1] - 1), -pair[0]),
        )
        if rounds < 2:
            yield lines[at]
            at += 1
            continue
        bodies = [lines[at + n * length : at + (n + 1) * length] for n in range(rounds)]
        yield Loop(tuple(tuple(body) for body in bodies))
        at += rounds * length


def _rounds(lines: Sequence[Line], at: int, length: int) -> int:
    """How often the lines from here come again, one after the other."""
    body = [line.kind for line in lines[at : at + length]]
    count = 1
    while [line.kind for line in lines[at + count * length : at + (count + 1) * length]] == body:
        count += 1
    return count if len(body) == length else 0

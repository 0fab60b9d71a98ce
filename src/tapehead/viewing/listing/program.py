"""Steps folded into loops, and written out as text."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tapehead.viewing.listing.moves import Move, Step

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

    >>> from tapehead.viewing.listing.moves import Move, Step
    >>> from tapehead.viewing.listing.program import program, text
    >>> heads = [Move("write", "write row", row, 1, "head +1", 0.0) for row in (5, 6, 7)]
    >>> steps = [Step(number, "bits", False, (head,)) for number, head in enumerate(heads, 1)]
    >>> print(text(program(steps)))
    steps  told  heads                              blur
    1-3    bits  write rows 5 to 7, head +1 (3 x)   0.00
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


def text(lines: Sequence[Line | Loop]) -> str:
    """The program as a table: steps, what was told, what the heads did, and the worst blur."""
    rows: list[tuple[str, str, str, str]] = [("steps", "told", "heads", "blur")]
    for line in lines:
        if isinstance(line, Line):
            rows.append(_row(line, ""))
            continue
        span = f"{line.first}-{line.last}"
        rows.append((span, "", f"{len(line.rounds)} times:", ""))
        rows += [_row(member, "  ", line.rounds, place) for place, member in enumerate(
            line.rounds[0]
        )]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)),
                   row[3].rjust(5)]).rstrip()
        for row in rows
    )  # fmt: skip


def _row(
    line: Line, indent: str, rounds: Sequence[Sequence[Line]] = (), place: int = 0
) -> tuple[str, str, str, str]:
    first = line.steps[0]
    span = str(line.first) if len(line.steps) == 1 else f"{line.first}-{line.last}"
    told = first.told or ("answer" if first.asked else "")
    if first.told and first.asked:
        told += ", answer"
    parts = [_phrase([step.moves[head] for step in line.steps]) for head in range(len(first.moves))]
    times = f" ({len(line.steps)} x)" if len(line.steps) > 1 else ""
    blur = max((one[place].blur for one in rounds), default=line.blur)
    return indent + span, told, "; ".join(filter(None, parts)) + times, f"{blur:.2f}"


def _phrase(head: Sequence[Move]) -> str:
    """One head over the steps of a line."""
    first, last = head[0], head[-1]
    name = first.head.partition(" ")[2]
    whose = f" (head {name})" if name else ""
    if first.row is None:
        return f"{first.verb}{' blurred' if first.how == 'blurred' else ''}{whose}"
    rows = f"{first.verb} {first.row}"
    if last.row != first.row:
        rows = f"{first.verb}s {first.row} to {last.row}"
    return rows + (f", {first.how}" if first.how else "") + whose

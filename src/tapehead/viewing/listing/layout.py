"""A program as a table that fits a screen."""

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from tapehead.viewing.listing.moves import Move
from tapehead.viewing.listing.program import Line, Loop

WIDTH = 120
"""Columns of the table, however many heads a machine has."""
TOLD = 30
"""Columns of what a step was told; longer ones go on in the next line."""
Cells = tuple[str, str, list[list[str]], str]
"""Of a row: steps, what was told, what the heads did (writing and reading ones apart), blur."""


def text(lines: Sequence[Line | Loop]) -> str:
    """The program as a table: steps, what was told, what the heads did, and the worst blur.

    Where heads do too much for one line, those that read begin a new one.

    >>> from tapehead.viewing.listing.moves import Move, Step
    >>> from tapehead.viewing.listing import program, text
    >>> heads = [Move("write", "write row", row, 1, "head +1", 0.0) for row in (5, 6, 7)]
    >>> steps = [Step(number, "bits", False, (head,)) for number, head in enumerate(heads, 1)]
    >>> print(text(program(steps)))
    steps  told  heads                              blur
    1-3    bits  write rows 5 to 7, head +1 (3 x)   0.00
    """
    rows: list[Cells] = [("steps", "told", [["heads"]], "blur")]
    for line in lines:
        if isinstance(line, Line):
            rows.append(_row(line, ""))
            continue
        span = f"{line.first}-{line.last}"
        rows.append((span, "", [[f"{len(line.rounds)} times:"]], ""))
        rows += [_row(member, "  ", line.rounds, place) for place, member in enumerate(
            line.rounds[0]
        )]  # fmt: skip
    steps = max(len(row[0]) for row in rows)
    told = min(max(len(row[1]) for row in rows), TOLD)
    room = WIDTH - steps - told - len("  " * 3 + " blur")
    found = [(row[0], textwrap.wrap(row[1], told) or [""], _packed(row[2], room), row[3])
             for row in rows]  # fmt: skip
    wide = max(len(each) for row in found for each in row[2])
    return "\n".join(
        f"{span if first else '':{steps}}  {name:{told}}  {did:{wide}}  "
        f"{blur if first else '':>5}".rstrip()
        for span, names, doings, blur in found
        for first, name, did in _beside(names, doings)
    )


def _beside(names: list[str], doings: list[str]) -> Iterator[tuple[bool, str, str]]:
    """The lines of two cells, and whether each is the first."""
    for place in range(max(len(names), len(doings))):
        name, did = (cell[place] if place < len(cell) else "" for cell in (names, doings))
        yield place == 0, name, did


def _packed(kinds: list[list[str]], room: int) -> list[str]:
    """Phrases in lines of so many columns: one, or some for each kind of head."""
    whole = "; ".join(phrase for kind in kinds for phrase in kind)
    if len(whole) <= room:
        return [whole]
    lines = []
    for kind in kinds:
        lines.append(kind[0])
        for phrase in kind[1:]:
            if len(f"{lines[-1]}; {phrase};") <= room:
                lines[-1] += f"; {phrase}"
            else:
                lines.append(phrase)
    return [*(f"{line};" for line in lines[:-1]), lines[-1]]


def _row(line: Line, indent: str, rounds: Sequence[Sequence[Line]] = (), place: int = 0) -> Cells:
    first = line.steps[0]
    span = str(line.first) if len(line.steps) == 1 else f"{line.first}-{line.last}"
    told = [first.told] if first.told else []
    # Some tasks say by a channel of that name that they ask.
    if first.asked and "answer" not in first.told.split(", "):
        told.append("answer")
    kinds = []
    for _, heads in groupby(range(len(first.moves)), lambda h: _kind(first.moves[h])):
        kinds.append(_phrases([[step.moves[head] for step in line.steps] for head in heads]))
    if len(line.steps) > 1:
        kinds[-1][-1] += f" ({len(line.steps)} x)"
    blur = max((one[place].blur for one in rounds), default=line.blur)
    return indent + span, ", ".join(told), kinds, f"{blur:.2f}"


def _kind(move: Move) -> str:
    return move.head.partition(" ")[0]


def _phrases(heads: Sequence[Sequence[Move]]) -> list[str]:
    """What heads of one kind did over the steps of a line, those that did the same together."""
    doings: dict[str, list[int]] = {}
    for moves in heads:
        number = moves[0].head.partition(" ")[2]
        doings.setdefault(_phrase(moves), []).extend([int(number)] if number else [])
    return [f"{did} ({_numbered(numbers)})" if numbers else did for did, numbers in doings.items()]


def _numbered(numbers: Sequence[int]) -> str:
    """[1, 3, 4, 5] -> "heads 1, 3-5"."""
    if len(numbers) == 1:
        return f"head {numbers[0]}"
    spans = [[numbers[0]]]
    for before, number in pairwise(numbers):
        if number == before + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    parts = [
        f"{span[0]}-{span[-1]}" if len(span) > 2 else ", ".join(map(str, span)) for span in spans
    ]
    return f"heads {', '.join(parts)}"


def _phrase(moves: Sequence[Move]) -> str:
    """One head over the steps of a line."""
    first, last = moves[0], moves[-1]
    if first.row is None:
        return f"{first.verb}{' blurred' if first.how == 'blurred' else ''}"
    rows = f"{first.verb} {first.row}"
    if last.row != first.row:
        rows = f"{first.verb}s {first.row} to {last.row}"
    return rows + (f", {first.how}" if first.how else "")

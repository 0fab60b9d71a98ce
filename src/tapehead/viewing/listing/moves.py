"""What each head did at each step, in words: the row it was on, and how it came there.

A weighting is a share of attention for each row. Here it is taken for the row with most of it, and
a gate for the side that it leans to; `blur` says how far that is from the truth.
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tapehead.viewing.style import to_array

LEAST = 0.5
"""The weight of a row from which a head is said to be on it."""
UNCHANGED = 0.01
"""A write that changes its row by less than this share of the largest number ever in memory is said
to leave it as it was."""
_MODES = ("back to the row written before", "found by content", "on to the row written next")
"""What the three read modes of a DNC do (Graves et al. 2016, Methods)."""


class Move(NamedTuple):
    """What one head did at one step.

    head: "write", "read", or "read 2" where there are several.
    verb: "write row", "read row", "leave row"; "write", "read" of a blurred weighting; "no write".
    row: that it was on; None if nothing was done.
    moved: rows from where it was the step before; None at the first step.
    how: it came there: "head +1", "found by content", ...
    blur: from 0 to 1, how far the weighting and the gates behind it are from all or nothing.
    """

    head: str
    verb: str
    row: int | None
    moved: int | None
    how: str
    blur: float

    @property
    def kind(self) -> tuple[Any, ...]:
        """What makes it the same as another step's, wherever the head was."""
        return self.head, self.verb, self.how, self.moved


class Step(NamedTuple):
    """A step of a program: what was told, whether an answer was asked for, and what heads did.

    number: from 1.
    """

    number: int
    told: str
    asked: bool
    moves: tuple[Move, ...]

    @property
    def kind(self) -> tuple[Any, ...]:
        return self.told, self.asked, tuple(move.kind for move in self.moves)

    @property
    def blur(self) -> float:
        return max((move.blur for move in self.moves), default=0.0)


def moves(tensors: dict[str, Any], start: Any = None) -> list[tuple[Move, ...]]:
    """What the heads did, writing ones first, step by step.

    Args:
        tensors: of a trace, by name, each of one sequence: (time, ...). `read_weights` and
            `write_weights` (time, heads, rows) must be there; `gate`, `shift` (NTM),
            `write_gate`, `allocation_gate`, `read_modes`, `free_gates` (DNC), `memory` are used
            where they are.
        start: the state before the first step, whose `read_weights`, `write_weights` and `memory`
            are used where it has them.
    """
    trace = {name: to_array(part).astype(float) for name, part in tensors.items()}
    reads, writes = trace["read_weights"], trace["write_weights"]
    changes = _changes(trace, start)
    heads = [
        *(("write", head, writes, _before(start, "write_weights", writes, head))
          for head in range(writes.shape[1])),
        *(("read", head, reads, _before(start, "read_weights", reads, head))
          for head in range(reads.shape[1])),
    ]  # fmt: skip
    columns = []
    for kind, head, weights, before in heads:
        count = weights.shape[1]
        name = kind if count == 1 else f"{kind} {head + 1}"
        number = head if kind == "read" else head + reads.shape[1]
        columns.append(_column(trace, kind, name, head, number, weights[:, head], before, changes))
    return list(zip(*columns, strict=True))


def _column(
    trace: dict[str, np.ndarray],
    kind: str,
    name: str,
    head: int,
    number: int,
    weights: np.ndarray,
    before: np.ndarray | None,
    changes: np.ndarray | None,
) -> list[Move]:
    """One head over time; `number` is its place among all heads, reads first."""
    steps, rows = weights.shape
    at = weights.argmax(1)
    weight = weights[np.arange(steps), at]
    came = [-1 if before is None else int(before.argmax()), *at[:-1].tolist()]
    found = []
    for step in range(steps):
        moved = None if came[step] < 0 else _signed(int(at[step] - came[step]), rows)
        how, doubt = _how(trace, kind, head, number, step, moved)
        on_row = weight[step] >= LEAST
        verb = f"{kind} row" if on_row else kind
        if kind == "write":
            gate = trace["write_gate"][step].max() if "write_gate" in trace else 1.0
            if gate < LEAST:
                found.append(Move(name, "no write", None, None, "", float(gate)))
                continue
            if changes is not None and on_row and changes[step, at[step]] < UNCHANGED:
                verb = "leave row"
        if not on_row:
            # Blurred: where it came from and went to says little.
            found.append(Move(name, verb, None, None, "blurred", float(1 - weight[step])))
            continue
        blur = max(float(1 - weight[step]), doubt)
        found.append(Move(name, verb, int(at[step]), moved, how, blur))
    return found


def _how(
    trace: dict[str, np.ndarray], kind: str, head: int, number: int, step: int, moved: int | None
) -> tuple[str, float]:
    """How a head came to its row, and how far what decided it is from all or nothing."""
    if "gate" in trace and "shift" in trace:
        gate = float(trace["gate"][step].reshape(-1)[number])
        shift = trace["shift"][step].reshape(-1, trace["shift"].shape[-1])[number]
        offset, doubt = int(shift.argmax()) - len(shift) // 2, float(1 - shift.max())
        if gate >= 0.5:
            ways = "found by content" + (f", then {offset:+d}" if offset else "")
            return ways, max(1 - gate, doubt)
        return f"head {offset:+d}" if offset else "head stays", max(gate, doubt)
    if kind == "write" and "allocation_gate" in trace:
        gate = float(trace["allocation_gate"][step].reshape(-1)[0])
        return ("a free one", 1 - gate) if gate >= 0.5 else ("found by content", gate)
    if kind == "read" and "read_modes" in trace:
        modes = trace["read_modes"][step][head]
        freed = trace["free_gates"][step].reshape(-1)[head] if "free_gates" in trace else 0.0
        how = _MODES[int(modes.argmax())] + (", then free it" if freed >= LEAST else "")
        return how, float(1 - modes.max())
    if moved is None:
        return "", 0.0
    return ("head stays" if moved == 0 else f"head {moved:+d}"), 0.0


def _changes(trace: dict[str, np.ndarray], start: Any) -> np.ndarray | None:
    """How much each step changed each row, against the largest number in memory: (time, rows)."""
    memory = trace.get("memory")
    if memory is None or memory.ndim != 3:
        return None
    first = getattr(start, "memory", None)
    before = memory[:1] if first is None else to_array(first).astype(float)[:1]
    if before.shape[1:] != memory.shape[1:]:
        before = memory[:1]
    largest = float(np.abs(memory).max()) or 1.0
    return np.abs(np.diff(np.concatenate([before, memory]), axis=0)).max(2) / largest


def _before(start: Any, name: str, weights: np.ndarray, head: int) -> np.ndarray | None:
    """Where a head was before the first step; None if nobody knows, or it was nowhere."""
    value = getattr(start, name, None)
    if value is None:
        return None
    first = to_array(value).astype(float)[0]
    if first.shape != weights.shape[1:] or first[head].max() < LEAST:
        return None
    return first[head]


def _signed(rows: int, count: int) -> int:
    """A distance on the ring of rows, the shorter way round."""
    return (rows + count // 2) % count - count // 2


def told(inputs: Any, names: Sequence[tuple[int, int, str]], asked: Sequence[bool]) -> list[str]:
    """What each step was told: the names of the groups of channels that are on, or "". Groups that
    are the digits of one number, such as "source 10s: 0–9", go by its name.

    A vector of numbers may be all zero: a step at which nothing is on, and no answer asked for,
    after one of several channels counts as another of these.

    Args:
        inputs: (time, channels).
        names: first and last channel of each group, and what it is called.
        asked: at which steps an answer is asked for.
    """
    values = to_array(inputs).astype(float)
    names = [(first, last, re.sub(r" \d+s: .*", "", name)) for first, last, name in names]
    found: list[str] = []
    for row, due in zip(values, asked, strict=True):
        on = dict.fromkeys(n for first, last, n in names if np.abs(row[first : last + 1]).max() > 0)
        label = ", ".join([*on][:3]) + (", ..." if len(on) > 3 else "")
        if not on and not due and found:
            vectors = {name for first, last, name in names if last > first}
            label = found[-1] if found[-1] in vectors else ""
        found.append(label)
    return found

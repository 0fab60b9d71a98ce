"""Which write did this read come from? What is left of every write, at every later step.

A write at step s by head h leaves w_s(n) a_s(m) in cell (n, m). Every later write multiplies the
cell by 1 - w(n) e(m), and what a step keeps of a row by itself, psi(n), too: the retention of a DNC
that clears freed rows, 0 or 1 of a sparse NTM that empties rows:

    C_sh->t(n, m) = w_sh(n) a_sh(m) prod_{u=s+1..t} psi_u(n) prod_g (1 - w_ug(n) e_ug(m))
    C_0->t(n, m)  = M_0(n, m)       prod_{u=1..t}   psi_u(n) prod_g (1 - w_ug(n) e_ug(m))
    M_t(n, m)     = C_0->t(n, m) + sum_{s<=t, h} C_sh->t(n, m)

Of a read r = sum_n w(n) M(n), sum_n w(n) C_sh(n) is the part that came from write (s, h). Parts are
vectors; the share of one is its projection on the whole, (part . r) / (r . r), so that shares sum
to 1. docs/page.md tells it in words.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from tapehead.viewing.traces import has_tensors

TOLERANCE = 1e-4
"""Of the largest number in the memory: what a trace in single precision may differ by."""
MOST = 5 * 10**7
"""Numbers of one step (writes x rows x word) beyond which nothing is worked out."""
LEAST_PART = 0.01
"""Of the largest row: what a write must leave in a row at some step to be told of by itself."""
MOST_PARTS = 10**6
"""Numbers that the parts of rows may take (steps x parts x word)."""


class Writes(NamedTuple):
    """How a machine changed its memory.

    start: M_0. weights: w. erase: e. add: a. kept: psi, what of each row a step keeps before it
        writes. in_turn: whether each head erases what the one before it added in the same step
        (Dynamic NTM), or all erase before any adds (NTM).

    >>> import numpy as np
    >>> from tapehead.viewing.origins import Writes
    >>> ones = np.ones((2, 1, 1))
    >>> writes = Writes(  # 3 into row 0, and then half of it erased and 1 added
    ...     start=np.zeros((2, 1)), weights=np.array([[[1.0, 0.0]], [[1.0, 0.0]]]),
    ...     erase=0.5 * ones, add=np.array([[[3.0]], [[1.0]]]),
    ... )
    >>> writes.memories()[..., 0]
    array([[3. , 0. ],
           [2.5, 0. ]])
    """

    start: Float[np.ndarray, "rows word"]
    weights: Float[np.ndarray, "time heads rows"]
    erase: Float[np.ndarray, "time heads word"]
    add: Float[np.ndarray, "time heads word"]
    kept: Float[np.ndarray, "time rows"] | None = None
    in_turn: bool = False

    def factors(self, step: int) -> Iterator[tuple[slice, Float[np.ndarray, "rows word"]]]:
        """Heads that add together, in order, and what of every cell is left as they do."""
        heads = self.weights.shape[1]
        for number in range(heads) if self.in_turn else (0,):
            group = slice(number, number + 1) if self.in_turn else slice(0, heads)
            weights, erase = self.weights[step, group], self.erase[step, group]
            factor = np.prod(1 - weights[:, :, None] * erase[:, None, :], axis=0)
            if self.kept is not None and number == 0:
                factor = factor * self.kept[step][:, None]
            yield group, factor

    def added(self, step: int, heads: slice) -> Float[np.ndarray, "heads rows word"]:
        return self.weights[step, heads][:, :, None] * self.add[step, heads][:, None, :]

    def memories(self) -> Float[np.ndarray, "time rows word"]:
        """The memory after every step, from the writes alone."""
        memory, after = self.start, []
        for step in range(len(self.weights)):
            for heads, factor in self.factors(step):
                memory = memory * factor + self.added(step, heads).sum(0)
            after.append(memory)
        return np.stack(after)


class Origins(NamedTuple):
    """Where reads and rows came from. Writes are numbered step by step, head by head.

    reads: (time, read heads, 1 + writes) shares, that of the initial memory first; they sum to 1.
    survival: (time, read heads, writes), how much of what a write added is left in the rows read.
    parts: which (write, row) are told of by themselves; content: (time, parts, word) what is left
        of them; shares: (time, parts) their shares of the row. initial: (time, rows, word).
    before: whether reads see the memory before the write of their step.
    heads: write heads.

    >>> import torch
    >>> from tapehead import NTM
    >>> from tapehead.viewing.origins import origins_of
    >>> machine = NTM(3, 2, memory_size=4, word_size=2, hidden_size=5)
    >>> start = machine.initial_state(1)
    >>> origins = origins_of(machine.trace(torch.rand(1, 6, 3), start), start.memory)
    >>> origins.reads.shape  # 6 steps, one head, the initial memory and 6 writes
    (6, 1, 7)
    >>> bool(abs(origins.reads.sum(-1) - 1).max() < 1e-9)
    True
    """

    reads: Float[np.ndarray, "time heads origins"]
    survival: Float[np.ndarray, "time heads writes"]
    parts: Int[np.ndarray, "parts 2"]
    content: Float[np.ndarray, "time parts word"]
    shares: Float[np.ndarray, "time parts"]
    initial: Float[np.ndarray, "time rows word"]
    before: bool
    heads: int


def parts_of(
    writes: Writes,
) -> Iterator[tuple[Float[np.ndarray, "rows word"], Float[np.ndarray, "writes rows word"]]]:
    """After each step, what is left of the initial memory, and of every write (zeros for those to
    come). The arrays are used again: what is kept of them must be copied."""
    steps, heads, rows = writes.weights.shape
    initial = writes.start.copy()
    left = np.zeros((steps * heads, rows, writes.start.shape[1]))
    for step in range(steps):
        for group, factor in writes.factors(step):
            first = step * heads
            initial *= factor
            left[: first + group.start] *= factor
            left[first + group.start : first + group.stop] = writes.added(step, group)
        yield initial, left


def origins_of(trace: Any, start: Any, element: int = 0) -> Origins | None:
    """Where everything in a traced episode's memory and reads came from.

    A machine shows in its trace how it writes (`write_weights`, `add` or `candidate`, `erase`, and
    `free_gates` or `kept`). How these make a memory is not guessed from the machine's name: a rule
    counts only if it gives the traced memory.

    Args:
        trace: `memory`, `write_weights`, `read_weights`, `reads` and those above, (batch, time,
            ...).
        start: (batch, rows, word), the memory before the first step.

    Returns:
        None: it has no such tensors, no known rule gives its memory, or it is too large.
    """
    writes = writes_of(trace, start, element)
    if writes is None:
        return None
    memory = doubles(trace.memory, element)
    steps, heads, rows = writes.weights.shape
    word = memory.shape[2]
    if steps * heads * rows * word > MOST:
        return None
    weights, wanted = (
        doubles(trace.read_weights, element),
        doubles(trace.reads, element)[..., -word:],
    )
    seen = _read_when(writes, memory, weights, wanted)
    if seen is None:
        return None
    before, weights = seen
    largest = max(float(np.linalg.norm(memory, axis=2).max()), 1e-300)
    reads = np.zeros((steps, weights.shape[1], 1 + steps * heads))
    survival = np.zeros((steps, weights.shape[1], steps * heads))
    peak = np.zeros((steps * heads, rows))
    initials = np.zeros((steps, rows, word))
    fresh = writes.weights.reshape(steps * heads, rows)  # what each write put where
    lasting = parts_of(writes._replace(add=np.ones_like(writes.add)))

    def account(step: int, initial: np.ndarray, left: np.ndarray, kept: np.ndarray) -> None:
        """Of the reads of a step, from the memory as it then was: of the writes until then."""
        w, made = weights[step], len(left)
        parts = np.concatenate([w @ initial[None], w @ left]).swapaxes(0, 1)
        whole = parts.sum(1)
        reads[step, :, : 1 + made] = _projections(parts, whole[:, None])
        weighed = w @ fresh[:made].T
        still = np.einsum("hn,snw->hs", w, kept) / word
        np.divide(still, weighed, out=survival[step, :, :made], where=weighed > 1e-12)

    if before:
        nothing = np.zeros((0, rows, word))
        account(0, writes.start, nothing, nothing)
    for step, ((initial, left), (_, kept)) in enumerate(
        zip(parts_of(writes), lasting, strict=True)
    ):
        made = (step + 1) * heads
        left, kept = left[:made], kept[:made]
        # Where reads see the memory before the write of their step, it is the next step's.
        if step + before < steps:
            account(step + before, initial, left, kept)
        initials[step] = initial
        np.maximum(peak[:made], np.einsum("snw,snw->sn", left, left), out=peak[:made])
    chosen = _chosen(np.sqrt(peak) / largest, steps, word)
    content = _content_of(writes, chosen)
    return Origins(
        reads=reads,
        survival=survival,
        parts=chosen,
        content=content,
        shares=_projections(content, memory[:, chosen[:, 1]]),
        initial=initials,
        before=before,
        heads=heads,
    )


def writes_of(trace: Any, start: Any, element: int = 0) -> Writes | None:
    """How the traced machine wrote; None if no known rule gives its memory."""
    added = next((name for name in ("add", "candidate") if has_tensors(trace, name)), None)
    if added is None or not has_tensors(trace, "memory", "write_weights", "read_weights", "reads"):
        return None
    memory = doubles(trace.memory, element)
    weights, add = doubles(trace.write_weights, element), doubles(getattr(trace, added), element)
    if add.shape[2] != memory.shape[2] or start.shape[1:] != memory.shape[1:]:
        return None
    # Without an erase vector a weighting replaces as much as it adds (TARDIS).
    erase = doubles(trace.erase, element) if has_tensors(trace, "erase") else np.ones_like(add)
    plain = Writes(doubles(start, element), weights, erase, add)
    scale = max(float(np.abs(memory).max()), 1e-300)
    for writes in _readings(plain, trace, element):
        if np.abs(writes.memories() - memory).max() <= TOLERANCE * scale:
            return writes
    return None


def _readings(plain: Writes, trace: Any, element: int) -> Iterator[Writes]:
    """What the tensors of a trace may mean."""
    yield plain
    if plain.weights.shape[1] > 1:
        yield plain._replace(in_turn=True)
    # The last row may be one that keeps nothing.
    without = plain._replace(weights=_without_last(plain.weights))
    yield without
    yield without._replace(in_turn=True)
    if has_tensors(trace, "kept"):
        # Nothing but whole rows is taken out, before the step writes.
        nothing = np.zeros_like(plain.erase)
        yield plain._replace(erase=nothing, kept=doubles(trace.kept, element))
    if has_tensors(trace, "free_gates"):
        # psi_t(n) = prod_r (1 - f_tr w_{t-1,r}(n)); at the first step nothing has been read.
        gates, read = doubles(trace.free_gates, element), doubles(trace.read_weights, element)
        last = np.concatenate([np.zeros_like(read[:1]), read[:-1]])
        yield plain._replace(kept=np.prod(1 - gates[:, :, None] * last, axis=1))


def _read_when(
    writes: Writes, memory: np.ndarray, weights: np.ndarray, wanted: np.ndarray
) -> tuple[bool, np.ndarray] | None:
    """Whether reads see the memory before the write of their step, and what they weigh its rows
    by; None if neither gives the traced reads."""
    earlier = np.concatenate([writes.start[None], memory[:-1]])
    scale = max(float(np.abs(memory).max()), 1e-300)
    for before, seen in ((True, earlier), (False, memory)):
        for given in (weights, _without_last(weights)):
            if np.abs(given @ seen - wanted).max() <= TOLERANCE * scale:
                return before, given
    return None


def _without_last(weights: np.ndarray) -> np.ndarray:
    return np.concatenate([weights[..., :-1], np.zeros_like(weights[..., -1:])], -1)


def _projections(parts: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(part . whole) / (whole . whole) over the last axis; 0 where the whole is nothing."""
    dot, square = (parts * whole).sum(-1), (whole * whole).sum(-1)
    square = np.broadcast_to(square, dot.shape)
    return np.divide(dot, square, out=np.zeros_like(dot), where=square > 1e-24)


def _content_of(
    writes: Writes, parts: Int[np.ndarray, "parts 2"]
) -> Float[np.ndarray, "time parts word"]:
    """After each step, what is left of these (write, row) alone; zeros for those to come."""
    steps, heads, _ = writes.weights.shape
    made, rows = parts.T
    left = np.zeros((len(parts), writes.start.shape[1]))
    content = np.empty((steps, *left.shape))
    for step in range(steps):
        for group, factor in writes.factors(step):
            left *= factor[rows]
            now = (made >= step * heads + group.start) & (made < step * heads + group.stop)
            left[now] = writes.added(step, group)[made[now] - step * heads - group.start, rows[now]]
        content[step] = left
    return content


def _chosen(peak: Float[np.ndarray, "writes rows"], steps: int, word: int) -> np.ndarray:
    """The parts that matter, (write, row), no more than there is room for."""
    room = max(1, MOST_PARTS // (steps * word))
    flat = peak.ravel()
    order = np.argsort(-flat, kind="stable")[:room]
    order = np.sort(order[flat[order] >= LEAST_PART])
    return np.stack(np.unravel_index(order, peak.shape), 1)


def doubles(values: Tensor | np.ndarray, element: int) -> np.ndarray:
    """One sequence of a tensor in double precision."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, np.float64)[element]

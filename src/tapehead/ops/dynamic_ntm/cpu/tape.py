"""Where the numbers of a sequence lie on the tape."""

from tapehead.ops.dynamic_ntm.cpu.layout import Arguments
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import at_address, record
from tapehead.ops.numba_kit.simd import pointer_like

arguments_at = at_address(record(Arguments))


@part
def record_of(a, kind, sequence, place):
    """The record of a sequence's start at place 0, of step t at t + 1."""
    each = 1 + a.time * a.keep
    return pointer_like(kind, a.tape) + (sequence * each + place * a.keep) * a.record


@part
def step_of(a, sequence, t):
    """The number of a step among those of all sequences."""
    return sequence * a.time + t


@part
def addresses_of(a, sequence, t):
    """Where the addresses of a step begin in tensors (batch, time, choices, rows)."""
    return step_of(a, sequence, t) * a.choices * a.rows

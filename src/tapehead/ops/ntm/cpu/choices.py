"""Rows are chosen, forward and backward: as `ops.estimators.addresses.Choosing` has it.

`at` is where an address begins in tensors (batch, time, choices, rows), which hold them in the
order of choosing.
"""

from tapehead.ops.estimators.addresses import Choosing
from tapehead.ops.ntm.cpu.softmax import LOWEST, normalise_exp, softmax_backward
from tapehead.ops.numba_kit.copying import add_to, clear, copy
from tapehead.ops.numba_kit.gathering import some_lane
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    lanes,
    larger,
    less,
    load,
    load_first,
    max_lanes,
    pointer_like,
    select,
    store,
    store_one,
)

SOFT, HARD, GIVEN = 1, 2, 3
"""How weightings come of logits; 0 where nothing is chosen."""
NO_SLOPE, SOFT_SLOPE, RELAXED_SLOPE = 0, 1, 2
"""What stands for the derivative of a choice that is hard."""

_HOW = {"soft": SOFT, "hard": HARD, "given": GIVEN}
_SLOPE = {"none": NO_SLOPE, "soft": SOFT_SLOPE, "relaxed": RELAXED_SLOPE}


def codes(ways: Choosing) -> dict[str, int]:
    """A way of choosing, as fields of a kernel's arguments."""
    return {"choosing": _HOW[ways.how], "choice_slope": _SLOPE[ways.slope]}


@part
def choose(a, at, weights):
    """From logits to a weighting, in place, both written down."""
    rows, width = a.rows, lanes(weights)
    if a.choice_offset:
        add_to(weights, pointer_like(weights, a.choice_offset) + at, rows)
    copy(weights, pointer_like(weights, a.choice_logits) + at, rows)
    if a.choosing == GIVEN:
        source = pointer_like(weights, a.choice_noise) + at
        for n in range(0, rows, width):
            store(weights + n, load_first(source + n, rows - n))
    else:
        top = disturb(a, at, weights, a.choosing == SOFT)
        if a.choosing == HARD:
            one_hot(a, weights, top)
        else:
            normalise_exp(rows, weights, top)
    copy(weights, pointer_like(weights, a.choice_weights) + at, rows)


@part
def disturb(a, at, values, relaxed):
    """values = values + noise, over the temperature if `relaxed`; their maximum."""
    rows, width = a.rows, lanes(values)
    lowest = fill(values, LOWEST)
    top = lowest
    for n in range(0, rows, width):
        value = load(values + n)
        if a.choice_noise:
            value = value + load_first(pointer_like(values, a.choice_noise) + at + n, rows - n)
        if relaxed:
            value = value / broadcast(pointer_like(values, a.choice_temperature))
        value = first(value, rows - n, lowest)
        store(values + n, value)
        top = larger(value, top)
    return max_lanes(top)


@part
def one_hot(a, values, top):
    """1 in the place of the first of the largest values, 0 elsewhere."""
    one, zero = fill(values, 1), fill(values, 0)
    found = 0
    for n in range(a.rows - 1, -1, -1):
        if some_lane(select(less(broadcast(values + n), top), one, zero)) == 0:
            found = n
    clear(values, a.rows_pad)
    store_one(values + found, one)


@part
def choose_backward(a, at, weights, change, room):
    """From the gradient of a weighting to that of its logits, in place; `room` is for a row."""
    rows, width = a.rows, lanes(weights)
    if a.d_choice_weights:
        add_to(change, pointer_like(change, a.d_choice_weights) + at, rows)
    if a.choosing == SOFT or (a.choosing == HARD and a.choice_slope != NO_SLOPE):
        values = weights
        relaxed = a.choosing == SOFT or a.choice_slope == RELAXED_SLOPE
        if a.choosing == HARD:
            values = room
            soften(a, at, values, relaxed)
        softmax_backward(a, values, change, change)
        if relaxed:
            temperature = broadcast(pointer_like(change, a.choice_temperature))
            for n in range(0, a.rows_pad, width):
                store(change + n, load(change + n) / temperature)
        if a.d_choice_noise:
            copy(change, pointer_like(change, a.d_choice_noise) + at, rows)
    else:
        if a.d_choice_noise:
            copy(change, pointer_like(change, a.d_choice_noise) + at, rows)
        clear(change, a.rows_pad)
    if a.d_choice_logits:
        add_to(change, pointer_like(change, a.d_choice_logits) + at, rows)
    if a.d_choice_offset:
        copy(change, pointer_like(change, a.d_choice_offset) + at, rows)


@part
def soften(a, at, target, relaxed):
    """The softmax that stands behind a hard choice."""
    rows, width = a.rows, lanes(target)
    logits = pointer_like(target, a.choice_logits) + at
    lowest = fill(target, LOWEST)
    top = lowest
    for n in range(0, rows, width):
        value = first(load_first(logits + n, rows - n), rows - n, lowest)
        store(target + n, value)
        top = larger(value, top)
    highest = max_lanes(top)
    if relaxed:
        highest = disturb(a, at, target, relaxed)
    normalise_exp(rows, target, highest)

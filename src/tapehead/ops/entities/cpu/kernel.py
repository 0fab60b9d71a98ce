"""The kernels: a story after the other, sentence by sentence, and back.

Of every sentence the *tape* keeps what the slots held before it (`states`), U h + V w + W s
(`sums`), the gates, and the length of each slot before it was brought to 1. The backward pass
leaves the gradients of all sums, so that the gradient of U is one large product afterwards.

With x the sums, c = PReLU(x), a = s h + s w, g = sigmoid(a), z = h + g c and h' = z / |z|:

    dz = (dh' - h' (h' dh')) / |z|        da = (dz c) g (1 - g)        dx = g dz PReLU'(x)
    dh = dz + da s + dx U                  ds = sum_j da_j h_j          dslope = sum g dz min(x, 0)

A length below `SHORTEST` counts as that, and then dz = dh' / SHORTEST, as in PyTorch.
"""

import ctypes

from tapehead.ops.numba_kit.copying import add_to, clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import sigmoid, sqrt
from tapehead.ops.numba_kit.native import at_address, integer_at, record, take
from tapehead.ops.numba_kit.product import multiply, multiply_add, pack
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    float32_at,
    float64_at,
    fma,
    lanes,
    larger,
    less,
    load,
    pointer_like,
    select,
    store,
    store_one,
    sum_lanes,
)

SHORTEST = 1e-12
_INTEGER = 8
_SHORTEST = SHORTEST


class Arguments(ctypes.Structure):
    """Addresses and sizes. Rows of tables, states and sums are `pad` numbers long, those of what
    the slots have one number of each `slots`.

    phase: 0 packs the weight, 1 goes forward, 2 back.
    starts: where each story's sentences begin in the tape, and where the last ends.
    """

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            "phase", "next", "batch", "time", "asked", "slots", "size", "pad",
            "facts", "likeness", "own", "keys", "of_keys", "weight", "packed", "slope",
            "told", "known", "starts", "held",
            "states", "sums", "gates", "norms", "last",
            "d_held", "d_sums", "d_facts", "d_likeness", "d_own", "d_keys", "d_slope",
        )
    )  # fmt: skip


arguments_at = at_address(record(Arguments))
NEXT = Arguments.next.offset


def single():
    """The entry for float32."""

    def entities(address):
        run(address, float32_at(0))

    return entities


def double():
    """The entry for float64."""

    def entities_double(address):
        run(address, float64_at(0))

    return entities_double


@part
def run(address, kind):
    a = arguments_at(address)
    if a.phase == 0:
        packed, weight = pointer_like(kind, a.packed), pointer_like(kind, a.weight)
        pack(packed, a.size, a.size, 0, 0, weight, 1, a.size, a.size, a.size)
        back = packed + a.size * a.pad
        pack(back, a.size, a.size, 0, 0, weight, a.size, 1, a.size, a.size)
        return
    story = take(address + NEXT)
    while story < a.batch:
        if a.phase == 1:
            forward(a, kind, story)
        else:
            backward(a, kind, story)
        story = take(address + NEXT)


@part
def number(address, place):
    return integer_at(address + place * _INTEGER)


@part
def forward(a, kind, story):
    start = number(a.starts, story)
    steps = number(a.starts, story + 1) - start
    block = a.slots * a.pad
    states = pointer_like(kind, a.states) + start * block
    sums = pointer_like(kind, a.sums) + start * block
    # What the last sentence leaves has no sentence after it: it is kept apart.
    last = pointer_like(kind, a.last) + story * block
    packed = pointer_like(kind, a.packed)
    h = states if steps else last
    copy(pointer_like(kind, a.keys), h, block)
    hand_out(a, kind, story, 0, h)
    for t in range(steps):
        row = number(a.told, story * a.time + t)
        x = sums + t * block
        after = states + (t + 1) * block if t + 1 < steps else last
        multiply(a.slots, h, a.pad, 1, packed, 0, a.size, a.size, x, a.pad)
        update(a, kind, start + t, row, h, x, after)
        h = after
        hand_out(a, kind, story, t + 1, h)


@part
def hand_out(a, kind, story, told, h):
    """What the slots hold goes to all questions that are asked now."""
    for question in range(a.asked):
        place = story * a.asked + question
        if number(a.known, place) == told:
            copy_slots(a, h, pointer_like(kind, a.held) + place * a.slots * a.size)


@part
def copy_slots(a, padded, target):
    for slot in range(a.slots):
        copy(padded + slot * a.pad, target + slot * a.size, a.size)


@part
def update(a, kind, place, row, h, x, after):
    """All slots after a sentence: equations 2 to 5."""
    width, size = lanes(h), a.pad
    s = pointer_like(kind, a.facts) + row * size
    own = pointer_like(kind, a.own) + row * size
    like = pointer_like(kind, a.likeness) + row * a.slots
    slope = pointer_like(kind, a.slope)
    gates = pointer_like(kind, a.gates) + place * a.slots
    norms = pointer_like(kind, a.norms) + place * a.slots
    zero = fill(h, 0)
    for slot in range(a.slots):
        old, mine = h + slot * size, x + slot * size
        key = pointer_like(kind, a.of_keys) + slot * size
        new = after + slot * size
        match = zero
        for i in range(0, size, width):
            match = fma(load(old + i), load(s + i), match)
        gate = sigmoid(sum_lanes(match) + broadcast(like + slot))
        square = zero
        for i in range(0, size, width):
            total = load(mine + i) + load(key + i) + load(own + i)
            store(mine + i, total)
            candidate = select(less(zero, total), total, load(slope + i) * total)
            z = fma(gate, candidate, load(old + i))
            store(new + i, z)
            square = fma(z, z, square)
        norm = larger(fill(h, _SHORTEST), sqrt(sum_lanes(square)))
        scale = fill(h, 1) / norm
        for i in range(0, size, width):
            store(new + i, load(new + i) * scale)
        store_one(gates + slot, gate)
        store_one(norms + slot, norm)


@part
def backward(a, kind, story):
    start = number(a.starts, story)
    steps = number(a.starts, story + 1) - start
    block = a.slots * a.pad
    states = pointer_like(kind, a.states) + start * block
    sums = pointer_like(kind, a.sums) + start * block
    d_sums = pointer_like(kind, a.d_sums) + start * block
    last = pointer_like(kind, a.last) + story * block
    # What this ends with is the gradient of the keys.
    d_h = pointer_like(kind, a.d_keys) + story * block
    back = pointer_like(kind, a.packed) + a.size * a.pad
    d_slope = pointer_like(kind, a.d_slope) + story * a.pad
    clear(d_slope, a.pad)
    clear(d_h, block)
    gather(a, kind, story, steps, d_h)
    for step in range(steps):
        t = steps - 1 - step
        row = number(a.told, story * a.time + t)
        d_x = d_sums + t * block
        h = states + t * block
        after = h + block if t + 1 < steps else last
        undo(a, kind, start + t, row, h, sums + t * block, after, d_h, d_x, d_slope)
        multiply_add(a.slots, d_x, a.pad, 1, back, 0, a.size, a.size, d_h, a.pad)
        gather(a, kind, story, t, d_h)


@part
def gather(a, kind, story, told, d_h):
    """Add the gradients of what the questions asked now were given."""
    for question in range(a.asked):
        place = story * a.asked + question
        if number(a.known, place) == told:
            source = pointer_like(kind, a.d_held) + place * a.slots * a.size
            for slot in range(a.slots):
                add_to(d_h + slot * a.pad, source + slot * a.size, a.size)


@part
def undo(a, kind, place, row, h, x, after, d_h, d_x, d_slope):
    """From the gradient after a sentence to that of the sums, and but for the way through U to that
    before the sentence."""
    width, size = lanes(h), a.pad
    s = pointer_like(kind, a.facts) + row * size
    slope = pointer_like(kind, a.slope)
    gates = pointer_like(kind, a.gates) + place * a.slots
    norms = pointer_like(kind, a.norms) + place * a.slots
    d_s = pointer_like(kind, a.d_facts) + place * size
    d_own = pointer_like(kind, a.d_own) + place * size
    d_like = pointer_like(kind, a.d_likeness) + place * a.slots
    clear(d_s, size)
    clear(d_own, size)
    zero, one = fill(h, 0), fill(h, 1)
    for slot in range(a.slots):
        old, mine = h + slot * size, x + slot * size
        new, above = after + slot * size, d_h + slot * size
        gate, norm = broadcast(gates + slot), broadcast(norms + slot)
        along = zero
        for i in range(0, size, width):
            along = fma(load(new + i), load(above + i), along)
        # Too short to be brought to length 1: divided by a constant.
        along = select(less(fill(h, _SHORTEST), norm), sum_lanes(along), zero)
        scale = one / norm
        d_gate = zero
        for i in range(0, size, width):
            d_z = (load(above + i) - load(new + i) * along) * scale
            total = load(mine + i)
            below = load(slope + i)
            up = less(zero, total)
            d_gate = fma(d_z, select(up, total, below * total), d_gate)
            through = gate * d_z
            store(d_slope + i, load(d_slope + i) + select(up, zero, through * total))
            of_sum = select(up, through, through * below)
            store(d_x + slot * size + i, of_sum)
            store(d_own + i, load(d_own + i) + of_sum)
            store(above + i, d_z)
        d_match = sum_lanes(d_gate) * gate * (one - gate)
        store_one(d_like + slot, d_match)
        for i in range(0, size, width):
            store(above + i, fma(d_match, load(s + i), load(above + i)))
            store(d_s + i, fma(d_match, load(old + i), load(d_s + i)))

"""The kernels: a block of sequences at a time, step by step, and back.

The *tape* keeps r, z, the candidate c and U h + b of the candidate for each row, in this order;
where the attention takes the place of z, there is no z. With a the sums that go into the gates:

    dc = dh (1 - z) (1 - c^2)      dr = dc (U h) r (1 - r)      dz = dh (h - c) z (1 - z)

The gradient of what comes from the input is (dr, dz, dc), that of what comes from the state before
(dr, dz, dc r); the latter, times U, and dh z go on to the state before. Of an attention g = 1 - z
the gradient is the sum of dh (c - h).
"""

import ctypes

from tapehead.ops.gru.cpu.gates import mix, undo_gates
from tapehead.ops.numba_kit.copying import clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import sigmoid, tanh
from tapehead.ops.numba_kit.native import at_address, integer_at, record, take
from tapehead.ops.numba_kit.product import multiply, multiply_add, pack
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    float32_at,
    float64_at,
    fma,
    lanes,
    load,
    pointer_like,
    store,
    store_one,
    sum_lanes,
)

BLOCK = 8
"""Sequences that go together: they share each load of a weight."""
_BLOCK, _INTEGER = BLOCK, 8


class Arguments(ctypes.Structure):
    """Addresses and sizes; rows have `pad` numbers for each gate.

    phase: 0 packs the weight, 1 goes forward, 2 back.
    gates: 3, or with an attention 2.
    order: sequences by length, the longest first.
    """

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            "phase", "next", "items", "gates", "size", "pad",
            "inputs", "attention", "weight", "bias", "packed", "starts", "order",
            "states", "tape", "work", "work_size",
            "d_states", "d_inputs", "d_hidden", "d_attention",
        )
    )  # fmt: skip


arguments_at = at_address(record(Arguments))
NEXT = Arguments.next.offset


def single():
    """The entry for float32."""

    def gru(address):
        run(address, float32_at(0))

    return gru


def double():
    """The entry for float64."""

    def gru_double(address):
        run(address, float64_at(0))

    return gru_double


@part
def run(address, kind):
    a = arguments_at(address)
    if a.phase == 0:
        wide = a.gates * a.pad
        packed, weight = pointer_like(kind, a.packed), pointer_like(kind, a.weight)
        pack(packed, a.size, wide, 0, 0, weight, 1, a.size, a.size, wide)
        pack(packed + a.pad * wide, wide, a.pad, 0, 0, weight, a.size, 1, wide, a.size)
        return
    block = take(address + NEXT)
    while block * _BLOCK < a.items:
        if a.phase == 1:
            forward(a, kind, block * _BLOCK)
        else:
            backward(a, kind, block * _BLOCK)
        block = take(address + NEXT)


@part
def number(address, place):
    return integer_at(address + place * _INTEGER)


@part
def start_of(a, place):
    """Where the rows begin of the sequence at a place of the order."""
    return number(a.starts, number(a.order, place))


@part
def length_of(a, place):
    item = number(a.order, place)
    return number(a.starts, item + 1) - number(a.starts, item)


@part
def longer(a, first, count, t):
    """How many sequences of a block have a step t."""
    active = 0
    while active < count and length_of(a, first + active) > t:
        active += 1
    return active


@part
def forward(a, kind, first):
    wide, pad = a.gates * a.pad, a.pad
    count = min(_BLOCK, a.items - first)
    h = pointer_like(kind, a.work) + first * a.work_size
    sums = h + _BLOCK * pad
    packed = pointer_like(kind, a.packed)
    states = pointer_like(kind, a.states)
    clear(h, _BLOCK * pad)
    for t in range(length_of(a, first)):
        active = longer(a, first, count, t)
        multiply(active, h, pad, 1, packed, 0, wide, a.size, sums, wide)
        for s in range(active):
            row = start_of(a, first + s) + t
            if a.gates == 3:
                step(a, kind, row, sums + s * wide, h + s * pad)
            else:
                attended_step(a, kind, row, sums + s * wide, h + s * pad)
            copy(h + s * pad, states + row * pad, pad)


@part
def step(a, kind, row, sums, h):
    width, pad = lanes(h), a.pad
    x = pointer_like(kind, a.inputs) + row * 3 * pad
    bias = pointer_like(kind, a.bias)
    tape = pointer_like(kind, a.tape) + row * 4 * pad
    for i in range(0, pad, width):
        reset = sigmoid(load(x + i) + load(sums + i) + load(bias + i))
        j = pad + i
        update = sigmoid(load(x + j) + load(sums + j) + load(bias + j))
        j = 2 * pad + i
        hidden = load(sums + j) + load(bias + j)
        candidate = tanh(fma(reset, hidden, load(x + j)))
        store(tape + i, reset)
        store(tape + pad + i, update)
        store(tape + 2 * pad + i, candidate)
        store(tape + 3 * pad + i, hidden)
        store(h + i, mix(update, load(h + i), candidate))


@part
def attended_step(a, kind, row, sums, h):
    width, pad = lanes(h), a.pad
    x = pointer_like(kind, a.inputs) + row * 2 * pad
    bias = pointer_like(kind, a.bias)
    tape = pointer_like(kind, a.tape) + row * 3 * pad
    g = broadcast(pointer_like(kind, a.attention) + row)
    for i in range(0, pad, width):
        reset = sigmoid(load(x + i) + load(sums + i) + load(bias + i))
        j = pad + i
        hidden = load(sums + j) + load(bias + j)
        candidate = tanh(fma(reset, hidden, load(x + j)))
        store(tape + i, reset)
        store(tape + pad + i, candidate)
        store(tape + 2 * pad + i, hidden)
        store(h + i, fma(g, candidate - load(h + i), load(h + i)))


@part
def backward(a, kind, first):
    wide, pad = a.gates * a.pad, a.pad
    count = min(_BLOCK, a.items - first)
    d_h = pointer_like(kind, a.work) + first * a.work_size
    sums = d_h + _BLOCK * pad
    zeros = sums + _BLOCK * wide
    back = pointer_like(kind, a.packed) + pad * wide
    states = pointer_like(kind, a.states)
    d_states = pointer_like(kind, a.d_states)
    d_hidden = pointer_like(kind, a.d_hidden)
    clear(d_h, _BLOCK * pad)
    clear(zeros, pad)
    steps = length_of(a, first)
    for back_step in range(steps):
        t = steps - 1 - back_step
        active = longer(a, first, count, t)
        for s in range(active):
            row = start_of(a, first + s) + t
            before = states + (row - 1) * pad if t > 0 else zeros
            above, own = d_h + s * pad, sums + s * wide
            add(above, d_states + row * pad, pad)
            if a.gates == 3:
                undo(a, kind, row, before, above, own)
            else:
                undo_attended(a, kind, row, before, above, own)
            copy(own, d_hidden + row * wide, wide)
        multiply_add(active, sums, wide, 1, back, 0, a.size, wide, d_h, pad)


@part
def add(target, source, count):
    for i in range(0, count, lanes(target)):
        store(target + i, load(target + i) + load(source + i))


@part
def undo(a, kind, row, before, d_h, sums):
    """The gradients of a step's sums, and in `d_h` what goes past the gates to the state before."""
    width, pad = lanes(d_h), a.pad
    tape = pointer_like(kind, a.tape) + row * 4 * pad
    d_x = pointer_like(kind, a.d_inputs) + row * 3 * pad
    for i in range(0, pad, width):
        reset, update = load(tape + i), load(tape + pad + i)
        candidate, hidden = load(tape + 2 * pad + i), load(tape + 3 * pad + i)
        above = load(d_h + i)
        d_reset, d_update, d_candidate = undo_gates(
            above, reset, update, candidate, hidden, load(before + i)
        )
        store(d_x + i, d_reset)
        store(d_x + pad + i, d_update)
        store(d_x + 2 * pad + i, d_candidate)
        store(sums + i, d_reset)
        store(sums + pad + i, d_update)
        store(sums + 2 * pad + i, d_candidate * reset)
        store(d_h + i, above * update)


@part
def undo_attended(a, kind, row, before, d_h, sums):
    """As `undo`, and the gradient of the attention."""
    width, pad = lanes(d_h), a.pad
    tape = pointer_like(kind, a.tape) + row * 3 * pad
    d_x = pointer_like(kind, a.d_inputs) + row * 2 * pad
    g = broadcast(pointer_like(kind, a.attention) + row)
    one, total = fill(d_h, 1), fill(d_h, 0)
    for i in range(0, pad, width):
        reset, candidate = load(tape + i), load(tape + pad + i)
        hidden, above = load(tape + 2 * pad + i), load(d_h + i)
        total = fma(above, candidate - load(before + i), total)
        d_candidate = above * g * (one - candidate * candidate)
        d_reset = d_candidate * hidden * reset * (one - reset)
        store(d_x + i, d_reset)
        store(d_x + pad + i, d_candidate)
        store(sums + i, d_reset)
        store(sums + pad + i, d_candidate * reset)
        store(d_h + i, above * (one - g))
    store_one(pointer_like(kind, a.d_attention) + row, sum_lanes(total))

"""The forward kernel: whole sequences, a block of them at a time."""

from tapehead.ops.dynamic_ntm.cpu.access import read_step, write_step
from tapehead.ops.dynamic_ntm.cpu.controller import controller_forward
from tapehead.ops.dynamic_ntm.cpu.layout import Arguments
from tapehead.ops.dynamic_ntm.cpu.state import end_sequence, start_sequence
from tapehead.ops.dynamic_ntm.cpu.tape import arguments_at, step_of
from tapehead.ops.dynamic_ntm.cpu.weights import pack_forward
from tapehead.ops.ntm.cpu.tape import length_of, longest
from tapehead.ops.numba_kit.copying import copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import take
from tapehead.ops.numba_kit.phases import PACK, RUN
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import float32_at, float64_at, pointer_like

NEXT_BLOCK, NEXT_SLOT = Arguments.next_block.offset, Arguments.next_slot.offset
_PACK, _RUN = PACK, RUN


def forward_kernel():
    """The entry for float32."""

    def dynamic_ntm_forward(address):
        forward(address, float32_at(0))

    return dynamic_ntm_forward


def forward_kernel_double():
    """The entry for float64."""

    def dynamic_ntm_forward_double(address):
        forward(address, float64_at(0))

    return dynamic_ntm_forward_double


@part
def forward(address, kind):
    a = arguments_at(address)
    if a.phase & _PACK:
        pack_forward(a, pointer_like(kind, a.packed))
    if a.phase & _RUN:
        slot = take(address + NEXT_SLOT)
        block = take(address + NEXT_BLOCK)
        while block < a.blocks:
            forward_block(a, kind, block, slot)
            block = take(address + NEXT_BLOCK)


@part
def forward_block(a, kind, block, slot):
    start = block * a.block
    count = min(a.block, a.batch - start)
    work = pointer_like(kind, a.work) + slot * a.work_size
    for s in range(count):
        start_sequence(a, kind, start + s, s, work)
        if length_of(a, start + s) == 0:
            end_sequence(a, kind, start + s, s, work)
    for t in range(longest(a, start, count)):
        for s in range(count):
            if t < length_of(a, start + s):
                known = work + s * a.known_pad + a.hidden_size
                x = pointer_like(kind, a.x) + step_of(a, start + s, t) * a.inputs
                copy(x, known, a.inputs)
        read_turns(a, kind, start, count, t, work)
        controller_forward(a, kind, start, count, t, work)
        write_heads(a, kind, start, count, t, work)
        for s in range(count):
            if t + 1 == length_of(a, start + s):
                end_sequence(a, kind, start + s, s, work)


@part
def read_turns(a, kind, start, count, t, work):
    """All readings of a step; what is found takes the place of what was found before."""
    packed = pointer_like(kind, a.packed)
    asked = work + a.at_work_reading
    for turn in range(a.turns):
        multiply(count, work, a.known_pad, 1, packed, 0, a.reading, a.known, asked, a.reading_pad)
        for s in range(count):
            if t >= length_of(a, start + s):
                continue
            reads = work + s * a.known_pad + a.hidden_size + a.inputs
            own = asked + s * a.reading_pad
            read_step(a, kind, start + s, s, t, turn, own, reads, work)
            place = step_of(a, start + s, t)
            if a.found:
                found = pointer_like(kind, a.found)
                at = (place * a.turns + turn) * a.read_numbers
                copy(reads, found + at, a.read_numbers)
            if turn == a.turns - 1:
                features = pointer_like(kind, a.features) + place * a.features_size
                copy(reads, features + a.hidden_size, a.read_numbers)


@part
def write_heads(a, kind, start, count, t, work):
    packed = pointer_like(kind, a.packed)
    asked, shown = work + a.at_work_asked, work + a.at_work_shown
    multiply(
        count, work + a.at_work_top, a.top_pad, 1, packed + a.at_packed_asked, 0, a.asked,
        a.hidden_size + 1, asked, a.asked_pad,
    )  # fmt: skip
    multiply(
        count, work + a.hidden_size, a.known_pad, 1, packed + a.at_packed_shown, 0, a.shown,
        a.inputs, shown, a.shown_pad,
    )  # fmt: skip
    for s in range(count):
        if t < length_of(a, start + s):
            own, brought = asked + s * a.asked_pad, shown + s * a.shown_pad
            write_step(a, kind, start + s, s, t, own, brought, work)

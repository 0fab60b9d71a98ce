"""The backward kernel: time reversed, a block of sequences at a time.

Gradients of what weights gave are written down step by step; the weights' own are products over
all steps, made of them afterwards (`calls`).
"""

from tapehead.ops.dynamic_ntm.cpu.access_backward import read_backward, write_backward
from tapehead.ops.dynamic_ntm.cpu.controller import controller_backward
from tapehead.ops.dynamic_ntm.cpu.forward import NEXT_BLOCK, NEXT_SLOT
from tapehead.ops.dynamic_ntm.cpu.state import (
    content_of,
    export_gradients,
    import_gradients,
    memory_of,
)
from tapehead.ops.dynamic_ntm.cpu.tape import arguments_at, record_of, step_of
from tapehead.ops.dynamic_ntm.cpu.weights import pack_backward
from tapehead.ops.ntm.cpu.tape import length_of, longest
from tapehead.ops.numba_kit.copying import add_to, clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import take
from tapehead.ops.numba_kit.phases import PACK, RUN
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import float32_at, float64_at, pointer_like

_PACK, _RUN = PACK, RUN


def backward_kernel():
    """The entry for float32."""

    def dynamic_ntm_backward(address):
        backward(address, float32_at(0))

    return dynamic_ntm_backward


def backward_kernel_double():
    """The entry for float64."""

    def dynamic_ntm_backward_double(address):
        backward(address, float64_at(0))

    return dynamic_ntm_backward_double


@part
def backward(address, kind):
    a = arguments_at(address)
    if a.phase & _PACK:
        pack_backward(a, pointer_like(kind, a.packed))
    if a.phase & _RUN:
        slot = take(address + NEXT_SLOT)
        block = take(address + NEXT_BLOCK)
        while block < a.blocks:
            backward_block(a, kind, block, slot)
            block = take(address + NEXT_BLOCK)


@part
def backward_block(a, kind, block, slot):
    start = block * a.block
    count = min(a.block, a.batch - start)
    work = pointer_like(kind, a.work) + slot * a.work_size
    for s in range(count):
        import_gradients(a, kind, start + s, s, work)
    steps = longest(a, start, count)
    for back in range(steps):
        t = steps - 1 - back
        for s in range(count):
            if t < length_of(a, start + s):
                content = record_of(a, kind, start + s, t) + a.at_content
                target = content_of(a, memory_of(a, s, work))
                copy(content, target, a.content_size * a.rows_pad)
                write_backward(a, kind, start + s, s, t, work)
        hidden_backward(a, kind, start, count, t, work)
        controller_backward(a, kind, start, count, t, work)
        reads_backward(a, kind, start, count, t, work)
    for s in range(count):
        export_gradients(a, kind, start + s, s, work)


@part
def hidden_backward(a, kind, start, count, t, work):
    """The whole gradient of each hidden state, into `below`."""
    below, size = work + a.at_work_below, a.hidden_size
    d_asked = pointer_like(kind, a.d_asked) + step_of(a, start, t) * a.asked
    multiply(
        count, d_asked, a.time * a.asked, 1, pointer_like(kind, a.packed) + a.at_packed_asked, 0,
        size, a.asked, below, a.known_pad,
    )  # fmt: skip
    for s in range(count):
        if t >= length_of(a, start + s):
            continue
        own = below + s * a.known_pad
        d_hidden = work + a.at_work_carry + s * a.carry + a.at_carry_hidden
        add_to(own, d_hidden, size)
        clear(d_hidden, size)
        if a.d_features:
            place = step_of(a, start + s, t) * a.features_size
            add_to(own, pointer_like(kind, a.d_features) + place, size)


@part
def reads_backward(a, kind, start, count, t, work):
    """From the gradient of what the controller saw of the reads, in `below`, to what the step began
    with: reads and hidden states of the step before."""
    below, size = work + a.at_work_below, a.hidden_size
    packed = pointer_like(kind, a.packed)
    for s in range(count):
        if t >= length_of(a, start + s):
            continue
        d_reads = work + a.at_work_carry + s * a.carry + a.at_carry_reads
        add_to(d_reads, below + s * a.known_pad, a.read_numbers)
        if a.d_features:
            place = step_of(a, start + s, t) * a.features_size + size
            add_to(d_reads, pointer_like(kind, a.d_features) + place, a.read_numbers)
    for back in range(a.turns):
        turn = a.turns - 1 - back
        d_asked = pointer_like(kind, a.d_read)
        d_asked = d_asked + (step_of(a, start, t) * a.turns + turn) * a.reading
        apart = a.time * a.turns * a.reading
        for s in range(count):
            if t < length_of(a, start + s):
                read_backward(a, kind, start + s, s, t, turn, d_asked + s * apart, work)
        multiply(
            count, d_asked, apart, 1, packed, 0, size + a.read_numbers, a.reading, below,
            a.known_pad,
        )  # fmt: skip
        for s in range(count):
            if t >= length_of(a, start + s):
                continue
            carry, own = work + a.at_work_carry + s * a.carry, below + s * a.known_pad
            add_to(carry + a.at_carry_hidden, own, size)
            copy(own + size, carry + a.at_carry_reads, a.read_numbers)

"""The backward kernel: time reversed, a block of sequences at a time.

Memories are computed again from the kept ones, segment by segment of `every` steps; gradients of
weight matrices gather over a chunk of several segments, and go in as one large product.
"""

from tapehead.ops.ntm.cpu.addressing import address_backward
from tapehead.ops.ntm.cpu.controller import lstm_backward, tanh_backward
from tapehead.ops.ntm.cpu.forward import NEXT_GROUP, NEXT_SLOT
from tapehead.ops.ntm.cpu.memory import read_backward, write, write_backward
from tapehead.ops.ntm.cpu.parameters import parameters_backward
from tapehead.ops.ntm.cpu.state import clip_gradients, export_gradients, import_gradients
from tapehead.ops.ntm.cpu.tape import (
    arguments_at,
    cell_before,
    d_cell_of,
    d_hidden_of,
    d_reads_of,
    input_area,
    input_row,
    inverse_before,
    length_of,
    longest,
    record_of,
    weights_before,
)
from tapehead.ops.ntm.cpu.weights import add_products, first_columns, pack_backward, reduce_sums
from tapehead.ops.numba_kit.copying import add_to, clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import take
from tapehead.ops.numba_kit.phases import PACK, REDUCE, RUN
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import float32_at, float64_at, pointer_like

_PACK, _RUN, _REDUCE = PACK, RUN, REDUCE


def backward_kernel():
    """The entry for float32."""

    def ntm_backward(address):
        backward(address, float32_at(0))

    return ntm_backward


def backward_kernel_double():
    """The entry for float64."""

    def ntm_backward_double(address):
        backward(address, float64_at(0))

    return ntm_backward_double


@part
def backward(address, kind):
    a = arguments_at(address)
    if a.phase & _PACK:
        pack_backward(a, pointer_like(kind, a.packed))
    if a.phase & _RUN:
        slot = take(address + NEXT_SLOT)
        group = take(address + NEXT_GROUP)
        while group < a.groups:
            sums = pointer_like(kind, a.sums) + group * a.sums_size
            started = False
            for block in range(group, a.blocks, a.groups):
                started = backward_block(a, kind, block, slot, sums, started)
            if not started:
                clear(sums, a.sums_size)
            group = take(address + NEXT_GROUP)
    if a.phase & _REDUCE:
        reduce_sums(a, pointer_like(kind, a.sums))


@part
def backward_block(a, kind, block, slot, sums, started):
    """Weight gradients go into `sums`, or are added if that was `started`; returns if it is now."""
    start = block * a.block
    count = min(a.block, a.batch - start)
    tape = pointer_like(kind, a.tape) + start * a.tape_size
    work = pointer_like(kind, a.work) + slot * a.work_size
    steps = longest(a, start, count)
    for s in range(count):
        import_gradients(a, kind, start + s, s, work)
        if a.d_x:
            length = length_of(a, start + s)
            rest = pointer_like(kind, a.d_x) + ((start + s) * a.time + length) * a.inputs
            clear(rest, (a.time - length) * a.inputs)

    chunks = (steps + a.chunk - 1) // a.chunk
    for c in range(chunks):
        low = (chunks - 1 - c) * a.chunk
        high = min(steps, low + a.chunk)
        segments = (high - low + a.every - 1) // a.every
        for g in range(segments):
            first_step = low + (segments - 1 - g) * a.every
            last_step = min(high, first_step + a.every)
            replay(a, tape, start, count, first_step, last_step, work)
            for t in range(last_step - 1, first_step - 1, -1):
                memory = work + a.at_work_memory
                memory = memory + (t - first_step) * count * a.word * a.rows_pad
                backward_step(a, kind, tape, start, count, t, t - low, memory, work)
        add_products(a, tape, count, low, high - low, work, sums, started)
        started = True

    for s in range(count):
        export_gradients(a, kind, start + s, s, work)
    return started


@part
def replay(a, tape, start, count, first_step, last_step, work):
    """The memories before and after each step of a segment."""
    size = a.word * a.rows_pad
    memory = work + a.at_work_memory
    kept = tape + count * a.at_checkpoints + first_step // a.every * count * size
    for s in range(count):
        length = length_of(a, start + s)
        if first_step < length:
            copy(kept + s * size, memory + s * size, size)
        for t in range(first_step, min(last_step, length)):
            before = memory + ((t - first_step) * count + s) * size
            record = record_of(a, tape, count, t, s)
            write(a, record, before, before + count * size, work + a.at_work_misc)


@part
def backward_step(a, kind, tape, start, count, t, row, memory, work):
    """One step of the block; `row` is its place in the rings, `memory` M_{t-1}, M_t behind it."""
    size, word_rows = a.hidden_size, a.word * a.rows_pad
    packed = pointer_like(kind, a.packed)
    d_outputs = work + a.at_ring_outputs + row * count * a.outputs_pad
    for s in range(count):
        if t < length_of(a, start + s):
            d_y = pointer_like(kind, a.d_y) + ((start + s) * a.time + t) * a.outputs
            copy(d_y, d_outputs + s * a.outputs_pad, a.outputs)
        else:
            clear(d_outputs + s * a.outputs_pad, a.outputs)
    d_top = work + a.at_work_top
    multiply(
        count, d_outputs, a.outputs_pad, 1, packed + a.at_packed_output, 0, a.top_inputs,
        a.outputs, d_top, a.top_inputs_pad,
    )  # fmt: skip
    d_interface = work + a.at_ring_interface + row * count * a.interface_pad
    for s in range(count):
        target = d_interface + s * a.interface_pad
        if t >= length_of(a, start + s):
            clear(target, a.interface)
            continue
        heads_step(
            a, tape, count, t, s, memory + s * word_rows, memory + (count + s) * word_rows,
            d_top + s * a.top_inputs_pad + size + 1, target, work,
            ((start + s) * a.time + t) * a.heads * a.rows,
        )  # fmt: skip
    # From here on `below` holds the gradient of the layer in hand's output.
    below = work + a.at_work_below
    multiply(
        count, d_interface, a.interface_pad, 1, packed + a.at_packed_interface, 0, size,
        a.interface, below, a.below_pad,
    )  # fmt: skip
    for layer in range(a.layers - 1, -1, -1):
        ring = work + a.at_work_rings + (layer * a.chunk * a.block + row * count) * a.gates_pad
        for s in range(count):
            d_gates = ring + s * a.gates_pad
            if t >= length_of(a, start + s):
                clear(d_gates, a.gates)
                continue
            d_output = below + s * a.below_pad
            carry = work + a.at_work_carry + s * a.carry
            if layer == a.layers - 1:
                add_to(d_output, d_top + s * a.top_inputs_pad, size)
                if a.d_choice_context:
                    d_context = pointer_like(kind, a.d_choice_context)
                    add_to(d_output, d_context + ((start + s) * a.time + t) * size, size)
            if a.lstm:
                add_to(d_output, d_hidden_of(a, carry, layer), size)
                record = record_of(a, tape, count, t, s) + layer * a.layer_record
                before = cell_before(a, tape, count, t, s, layer)
                lstm_backward(a, record, before, d_output, d_cell_of(a, carry, layer), d_gates)
            else:
                above = tape + input_area(a, count, layer + 1)
                hidden = above + (t * count + s) * input_row(a, layer + 1)
                tanh_backward(a, hidden, d_output, d_gates)
        if layer == 0:
            weight, columns, split = packed, first_columns(a), a.read_numbers
        else:
            weight = packed + a.at_packed_upper + (layer - 1) * a.packed_upper
            columns, split = a.upper_inputs - 1, size
        multiply(count, ring, a.gates_pad, 1, weight, 0, columns, a.gates, below, a.below_pad)
        for s in range(count):
            if t >= length_of(a, start + s):
                continue
            carry = work + a.at_work_carry + s * a.carry
            if a.lstm:
                copy(below + s * a.below_pad + split, d_hidden_of(a, carry, layer), size)
            if layer == 0:
                copy(below + s * a.below_pad, d_reads_of(a, carry), a.read_numbers)
                if a.d_x:
                    d_x = pointer_like(kind, a.d_x) + ((start + s) * a.time + t) * a.inputs
                    copy(below + s * a.below_pad + a.recalled, d_x, a.inputs)
    if a.bound:
        for s in range(count):
            if t < length_of(a, start + s):
                clip_gradients(a, kind, s, work)


@part
def heads_step(a, tape, count, t, s, before, after, d_read_here, target, work, place):
    """All heads of one sequence: the interface vector's gradient into `target`."""
    rows_pad, reads, writes = a.rows_pad, a.num_reads, a.num_writes
    carry = work + a.at_work_carry + s * a.carry
    d_memory = work + a.at_work_d_memory + s * a.word * rows_pad
    d_record = work + a.at_work_d_record
    misc = work + a.at_work_misc
    record = record_of(a, tape, count, t, s)
    d_reads = d_reads_of(a, carry)
    add_to(d_reads, d_read_here, a.read_numbers)
    reader, apart = weights_before(a, tape, count, t, s, 0)
    writer, _ = weights_before(a, tape, count, t, s, reads)
    d_writes = carry + reads * rows_pad
    first_inverse = inverse_before(a, tape, count, t, s)
    last_inverse = record + a.at_inverse
    if a.read_first:
        write_backward(a, record, before, d_memory, d_writes, d_record, misc)
        after, last_inverse = before, first_inverse
    read_backward(a, record, after, d_reads, carry)
    address_backward(
        a, 0, reads, record, reader, apart, after, last_inverse, carry, d_memory, d_reads,
        d_record, misc, place,
    )  # fmt: skip
    if not a.read_first:
        write_backward(a, record, before, d_memory, d_writes, d_record, misc)
    address_backward(
        a, reads, writes, record, writer, apart, before, first_inverse, d_writes, d_memory, d_reads,
        d_record, misc, place,
    )  # fmt: skip
    parameters_backward(a, record, d_record, target)

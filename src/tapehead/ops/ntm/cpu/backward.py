"""The backward kernel: time reversed, a block of sequences at a time.

Memories are computed again from the kept ones, segment by segment of `every` steps; gradients of
weight matrices gather over a chunk of several segments, and go in as one large product.
"""

from tapehead.ops.ntm.cpu.controller import lstm_backward, tanh_backward
from tapehead.ops.ntm.cpu.forward import (
    NEXT_GROUP,
    NEXT_SLOT,
    arguments_at,
    cell_before,
    input_area,
    input_row,
    inverse_before,
    length_of,
    longest,
    record_of,
    weights_before,
)
from tapehead.ops.ntm.cpu.heads import write
from tapehead.ops.ntm.cpu.heads_backward import (
    address_backward,
    parameters_backward,
    read_backward,
    write_backward,
)
from tapehead.ops.ntm.cpu.layout import PACK, REDUCE, RUN
from tapehead.ops.numba_kit.copying import add_to, clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import take
from tapehead.ops.numba_kit.product import multiply, multiply_add, pack
from tapehead.ops.numba_kit.simd import (
    broadcast,
    float32_at,
    float64_at,
    pointer_like,
    store_one,
)

_PACK, _RUN, _REDUCE = PACK, RUN, REDUCE


def backward_kernel(digest):
    """The entry for float32; see `compile_kernel` for `digest`."""

    def ntm_backward(address):
        digest  # noqa: B018
        backward(address, float32_at(0))

    return ntm_backward


def backward_kernel_double(digest):
    """The entry for float64."""

    def ntm_backward_double(address):
        digest  # noqa: B018
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
            clear(sums, a.sums_size)
            for block in range(group, a.blocks, a.groups):
                backward_block(a, kind, block, slot, sums)
            group = take(address + NEXT_GROUP)
    if a.phase & _REDUCE:
        reduce_sums(a, pointer_like(kind, a.sums))


@part
def pack_backward(a, packed):
    """Weights as (outputs, inputs): what gradients of outputs are multiplied by."""
    size, gates = a.hidden_size, a.gates
    numbers = a.read_numbers
    weight = pointer_like(packed, a.read_weight)
    pack(packed, gates, a.first_inputs, 0, 0, weight, numbers, 1, gates, numbers)
    recurrent = pointer_like(packed, a.recurrent_weight)
    if a.lstm:
        pack(packed, gates, a.first_inputs, 0, numbers, recurrent, size, 1, gates, size)
    for layer in range(1, a.layers):
        target = packed + a.at_packed_upper + (layer - 1) * a.packed_upper
        columns = a.upper_inputs - 1
        weight = pointer_like(packed, a.layer_weight) + (layer - 1) * gates * size
        pack(target, gates, columns, 0, 0, weight, size, 1, gates, size)
        if a.lstm:
            weight = recurrent + layer * gates * size
            pack(target, gates, columns, 0, size, weight, size, 1, gates, size)
    target = packed + a.at_packed_interface
    weight = pointer_like(packed, a.interface_weight)
    pack(target, a.interface, size, 0, 0, weight, size, 1, a.interface, size)


# What a sequence carries from step to step, besides the memory's gradient:
# weightings (heads, rows), reads, hidden states (layers), cells (layers).


@part
def d_reads_of(a, carry):
    return carry + a.heads * a.rows_pad


@part
def d_hidden_of(a, carry, layer):
    return carry + a.heads * a.rows_pad + a.reads_pad + layer * a.hidden_pad


@part
def d_cell_of(a, carry, layer):
    return carry + a.heads * a.rows_pad + a.reads_pad + (a.layers + layer) * a.hidden_pad


@part
def backward_block(a, kind, block, slot, sums):
    start = block * a.block
    count = min(a.block, a.batch - start)
    tape = pointer_like(kind, a.tape) + start * a.tape_size
    work = pointer_like(kind, a.work) + slot * a.work_size
    steps = longest(a, start, count)
    for s in range(count):
        import_gradients(a, kind, start + s, s, work)
        length = length_of(a, start + s)
        rest = pointer_like(kind, a.d_projected) + ((start + s) * a.time + length) * a.gates
        clear(rest, (a.time - length) * a.gates)

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
        add_products(a, tape, count, low, high - low, work, sums)

    for s in range(count):
        export_gradients(a, kind, start + s, s, work)


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
    d_interface = work + a.at_ring_interface + row * count * a.interface_pad
    below = work + a.at_work_below
    for s in range(count):
        target = d_interface + s * a.interface_pad
        if t >= length_of(a, start + s):
            clear(target, a.interface)
            continue
        features = pointer_like(kind, a.d_features)
        features = features + ((start + s) * a.time + t) * a.features_size
        heads_step(
            a, tape, count, t, s, memory + s * word_rows,
            memory + (count + s) * word_rows, features + size, target, work,
        )  # fmt: skip
    # From here on `below` holds the gradient of the layer in hand's output.
    packed = pointer_like(kind, a.packed)
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
                features = pointer_like(kind, a.d_features)
                features = features + ((start + s) * a.time + t) * a.features_size
                add_to(d_output, features, size)
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
                target = pointer_like(kind, a.d_projected)
                copy(d_gates, target + ((start + s) * a.time + t) * a.gates, a.gates)
        if layer == 0:
            weight, columns, split = packed, a.first_inputs, a.read_numbers
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


@part
def heads_step(a, tape, count, t, s, before, after, d_features, target, work):
    """All heads of one sequence: the interface vector's gradient into `target`."""
    rows_pad, reads, writes = a.rows_pad, a.num_reads, a.num_writes
    carry = work + a.at_work_carry + s * a.carry
    d_memory = work + a.at_work_d_memory + s * a.word * rows_pad
    d_record = work + a.at_work_d_record
    misc = work + a.at_work_misc
    record = record_of(a, tape, count, t, s)
    d_reads = d_reads_of(a, carry)
    add_to(d_reads, d_features, a.read_numbers)
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
        d_record, misc,
    )  # fmt: skip
    if not a.read_first:
        write_backward(a, record, before, d_memory, d_writes, d_record, misc)
    address_backward(
        a, reads, writes, record, writer, apart, before, first_inverse, d_writes, d_memory, d_reads,
        d_record, misc,
    )  # fmt: skip
    parameters_backward(a, record, d_record, target)


@part
def add_products(a, tape, count, low, steps, work, sums):
    """Weight gradients of `steps` steps from `low` on: gradients times inputs."""
    depth = steps * count
    for layer in range(a.layers):
        row = input_row(a, layer)
        inputs = tape + input_area(a, count, layer) + low * count * row
        ring = work + a.at_work_rings + layer * a.chunk * a.block * a.gates_pad
        target, columns = sums, a.first_inputs
        if layer > 0:
            target = sums + a.at_sums_upper + (layer - 1) * a.sums_upper
            columns = a.upper_inputs
        if columns > 0:
            multiply_add(a.gates, ring, 1, a.gates_pad, inputs, row, columns, depth, target, row)
    row = a.top_inputs_pad
    inputs = tape + input_area(a, count, a.layers) + low * count * row
    multiply_add(
        a.interface, work + a.at_ring_interface, 1, a.interface_pad, inputs, row,
        a.hidden_size + 1, depth, sums + a.at_sums_interface, row,
    )  # fmt: skip


@part
def import_gradients(a, kind, sequence, s, work):
    """The gradients of the last state; an address of zero stands for all zeros."""
    rows, word, size = a.rows, a.word, a.hidden_size
    carry = work + a.at_work_carry + s * a.carry
    clear(carry, a.carry)
    d_memory = work + a.at_work_d_memory + s * word * a.rows_pad
    clear(d_memory, word * a.rows_pad)
    if a.d_last_memory:
        source = pointer_like(kind, a.d_last_memory) + sequence * rows * word
        for n in range(rows):
            for j in range(word):
                store_one(d_memory + j * a.rows_pad + n, broadcast(source + n * word + j))
    for head in range(a.heads):
        target = carry + head * a.rows_pad
        if head < a.num_reads and a.d_last_read_weights:
            source = pointer_like(kind, a.d_last_read_weights)
            copy(source + (sequence * a.num_reads + head) * rows, target, rows)
        if head >= a.num_reads and a.d_last_write_weights:
            source = pointer_like(kind, a.d_last_write_weights)
            source = source + (sequence * a.num_writes + head - a.num_reads) * rows
            copy(source, target, rows)
    if a.d_last_reads:
        source = pointer_like(kind, a.d_last_reads) + sequence * a.read_numbers
        copy(source, d_reads_of(a, carry), a.read_numbers)
    if a.lstm:
        for layer in range(a.layers):
            at = (sequence * a.layers + layer) * size
            if a.d_last_hidden:
                source = pointer_like(kind, a.d_last_hidden) + at
                copy(source, d_hidden_of(a, carry, layer), size)
            if a.d_last_cell:
                copy(pointer_like(kind, a.d_last_cell) + at, d_cell_of(a, carry, layer), size)


@part
def export_gradients(a, kind, sequence, s, work):
    """The gradients of the first state, those that are wanted."""
    rows, word, size = a.rows, a.word, a.hidden_size
    carry = work + a.at_work_carry + s * a.carry
    if a.d_memory:
        d_memory = work + a.at_work_d_memory + s * word * a.rows_pad
        target = pointer_like(kind, a.d_memory) + sequence * rows * word
        for n in range(rows):
            for j in range(word):
                store_one(target + n * word + j, broadcast(d_memory + j * a.rows_pad + n))
    for head in range(a.heads):
        source = carry + head * a.rows_pad
        if head < a.num_reads and a.d_read_weights:
            target = pointer_like(kind, a.d_read_weights)
            copy(source, target + (sequence * a.num_reads + head) * rows, rows)
        if head >= a.num_reads and a.d_write_weights:
            target = pointer_like(kind, a.d_write_weights)
            at = (sequence * a.num_writes + head - a.num_reads) * rows
            copy(source, target + at, rows)
    if a.d_reads:
        target = pointer_like(kind, a.d_reads) + sequence * a.read_numbers
        copy(d_reads_of(a, carry), target, a.read_numbers)
    if a.lstm:
        for layer in range(a.layers):
            at = (sequence * a.layers + layer) * size
            if a.d_hidden:
                target = pointer_like(kind, a.d_hidden) + at
                copy(d_hidden_of(a, carry, layer), target, size)
            if a.d_cell:
                copy(d_cell_of(a, carry, layer), pointer_like(kind, a.d_cell) + at, size)


@part
def reduce_sums(a, sums):
    """Add up the groups' weight gradients, in order, and arrange them as the weights are."""
    for group in range(1, a.groups):
        add_to(sums, sums + group * a.sums_size, a.sums_size)
    size, gates, numbers = a.hidden_size, a.gates, a.read_numbers
    recurrent = pointer_like(sums, a.d_recurrent_weight)
    for g in range(gates):
        row = sums + g * a.first_inputs_pad
        copy(row, pointer_like(sums, a.d_read_weight) + g * numbers, numbers)
        if a.lstm:
            copy(row + numbers, recurrent + g * size, size)
    for layer in range(1, a.layers):
        weight = pointer_like(sums, a.d_layer_weight) + (layer - 1) * gates * size
        bias = pointer_like(sums, a.d_layer_bias) + (layer - 1) * gates
        for g in range(gates):
            row = sums + a.at_sums_upper + (layer - 1) * a.sums_upper + g * a.upper_inputs_pad
            copy(row, weight + g * size, size)
            if a.lstm:
                copy(row + size, recurrent + (layer * gates + g) * size, size)
            copy(row + a.upper_inputs - 1, bias + g, 1)
    for i in range(a.interface):
        row = sums + a.at_sums_interface + i * a.top_inputs_pad
        copy(row, pointer_like(sums, a.d_interface_weight) + i * size, size)
        copy(row + size, pointer_like(sums, a.d_interface_bias) + i, 1)

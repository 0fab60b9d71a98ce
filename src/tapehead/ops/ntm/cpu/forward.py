"""The forward kernel: whole sequences, a block of them at a time."""

from tapehead.ops.ntm.cpu.controller import lstm_forward, tanh_forward
from tapehead.ops.ntm.cpu.heads import address, head_parameters, inverse_norms, read, write
from tapehead.ops.ntm.cpu.layout import PACK, RUN, Arguments
from tapehead.ops.numba_kit.copying import clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import at_address, integer_at, record, take
from tapehead.ops.numba_kit.product import multiply, multiply_add, pack
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    float32_at,
    float64_at,
    pointer_like,
    store_one,
)

arguments_at = at_address(record(Arguments))
NEXT_GROUP = Arguments.next_group.offset
NEXT_SLOT = Arguments.next_slot.offset
_PACK, _RUN = PACK, RUN


def forward_kernel(digest):
    """The entry for float32; see `compile_kernel` for `digest`."""

    def ntm_forward(address):
        digest  # noqa: B018
        forward(address, float32_at(0))

    return ntm_forward


def forward_kernel_double(digest):
    """The entry for float64."""

    def ntm_forward_double(address):
        digest  # noqa: B018
        forward(address, float64_at(0))

    return ntm_forward_double


@part
def forward(address, kind):
    a = arguments_at(address)
    if a.phase & _PACK:
        pack_forward(a, pointer_like(kind, a.packed))
    if a.phase & _RUN:
        slot = take(address + NEXT_SLOT)
        group = take(address + NEXT_GROUP)
        while group < a.groups:
            for block in range(group, a.blocks, a.groups):
                forward_block(a, kind, block, slot)
            group = take(address + NEXT_GROUP)


@part
def pack_forward(a, packed):
    """Weights as (inputs, outputs): what each step's inputs are multiplied by."""
    size, gates = a.hidden_size, a.gates
    weight = pointer_like(packed, a.read_weight)
    numbers = a.read_numbers
    pack(packed, a.first_inputs, gates, 0, 0, weight, 1, numbers, numbers, gates)
    recurrent = pointer_like(packed, a.recurrent_weight)
    if a.lstm:
        pack(packed, a.first_inputs, gates, numbers, 0, recurrent, 1, size, size, gates)
    for layer in range(1, a.layers):
        target = packed + a.at_packed_upper + (layer - 1) * a.packed_upper
        depth = a.upper_inputs
        weight = pointer_like(packed, a.layer_weight) + (layer - 1) * gates * size
        pack(target, depth, gates, 0, 0, weight, 1, size, size, gates)
        if a.lstm:
            weight = recurrent + layer * gates * size
            pack(target, depth, gates, size, 0, weight, 1, size, size, gates)
        bias = pointer_like(packed, a.layer_bias) + (layer - 1) * gates
        pack(target, depth, gates, depth - 1, 0, bias, 1, 1, 1, gates)
    target = packed + a.at_packed_interface
    weight = pointer_like(packed, a.interface_weight)
    pack(target, size + 1, a.interface, 0, 0, weight, 1, size, size, a.interface)
    bias = pointer_like(packed, a.interface_bias)
    pack(target, size + 1, a.interface, size, 0, bias, 1, 1, 1, a.interface)


@part
def length_of(a, sequence):
    """Steps of a sequence, within 0 .. time."""
    if a.lengths == 0:
        return a.time
    return max(0, min(a.time, integer_at(a.lengths + 8 * sequence)))


@part
def longest(a, start, count):
    steps = 0
    for s in range(count):
        steps = max(steps, length_of(a, start + s))
    return steps


@part
def input_area(a, count, layer):
    """Where a layer's inputs start on the tape of a block; layer == layers: the interface's."""
    if layer == 0:
        return 0
    return a.time * count * (a.first_inputs_pad + (layer - 1) * a.upper_inputs_pad)


@part
def input_row(a, layer):
    """The length of one row of them."""
    if layer == a.layers:
        return a.top_inputs_pad
    if layer == 0:
        return a.first_inputs_pad
    return a.upper_inputs_pad


@part
def record_of(a, tape, count, t, s):
    return tape + count * a.at_records + (t * count + s) * a.record


@part
def weights_before(a, tape, count, t, s, head):
    """Where w_{t-1} of a head lies, and the distance to the next head's."""
    if t == 0:
        return tape + count * a.at_start + s * a.start + head * a.rows_pad, a.rows_pad
    record = record_of(a, tape, count, t - 1, s)
    return record + a.at_heads + (head * 3 + 2) * a.rows_pad, 3 * a.rows_pad


@part
def inverse_before(a, tape, count, t, s):
    """Where the inverse norms of M_{t-1} lie."""
    if t == 0:
        return tape + count * a.at_start + (s + 1) * a.start - a.rows_pad
    return record_of(a, tape, count, t - 1, s) + a.at_inverse


@part
def cell_before(a, tape, count, t, s, layer):
    if t == 0:
        at = tape + count * a.at_start + s * a.start + a.heads * a.rows_pad
        return at + layer * a.hidden_pad
    return record_of(a, tape, count, t - 1, s) + layer * a.layer_record + 4 * a.hidden_pad


@part
def forward_block(a, kind, block, slot):
    start = block * a.block
    count = min(a.block, a.batch - start)
    tape = pointer_like(kind, a.tape) + start * a.tape_size
    work = pointer_like(kind, a.work) + slot * a.work_size
    packed = pointer_like(kind, a.packed)
    interface = work + a.at_work_interface
    memory = work + a.at_work_memory
    memory_size = a.word * a.rows_pad
    misc = work + a.at_work_misc
    features = pointer_like(kind, a.features)
    top = tape + input_area(a, count, a.layers)
    steps = longest(a, start, count)

    if a.clean:
        # What is left of another block would reach the gaps of this one's tape.
        clear(work, a.work_size)
    for s in range(count):
        import_state(a, kind, start + s, count, s, tape, memory + s * memory_size)
        if length_of(a, start + s) == 0:
            export_state(a, kind, start + s, count, s, tape, memory + s * memory_size)

    for t in range(steps):
        for layer in range(a.layers):
            controller_layer(a, kind, packed, tape, start, count, t, layer, work)
        row = top + t * count * a.top_inputs_pad
        multiply(
            count, row, a.top_inputs_pad, 1, packed + a.at_packed_interface, 0, a.interface,
            a.hidden_size + 1, interface, a.interface_pad,
        )  # fmt: skip
        for s in range(count):
            length = length_of(a, start + s)
            if t >= length:
                continue
            own = memory + s * memory_size
            if t % a.every == 0:
                kept = tape + count * a.at_checkpoints + (t // a.every * count + s) * memory_size
                copy(own, kept, memory_size)
            record = record_of(a, tape, count, t, s)
            head_parameters(a, interface + s * a.interface_pad, record)
            step = features + ((start + s) * a.time + t) * a.features_size
            copy(row + s * a.top_inputs_pad, step, a.hidden_size)
            # The reads go into the next step's inputs; after the last step, nowhere of use.
            following = misc
            if t + 1 < a.time:
                following = tape + ((t + 1) * count + s) * a.first_inputs_pad
            head_steps(a, tape, count, t, s, record, own, misc, step + a.hidden_size, following)
            if t + 1 == length:
                export_state(a, kind, start + s, count, s, tape, own)

    for s in range(count):
        length = length_of(a, start + s)
        rest = features + ((start + s) * a.time + length) * a.features_size
        clear(rest, (a.time - length) * a.features_size)


@part
def controller_layer(a, kind, packed, tape, start, count, t, layer, gates):
    """One layer of the controller for the whole block, its output into the inputs of the next."""
    size, pad = a.hidden_size, a.gates_pad
    row = input_row(a, layer)
    inputs = tape + input_area(a, count, layer) + t * count * row
    if layer == 0:
        projected = pointer_like(kind, a.projected)
        for s in range(count):
            copy(projected + ((start + s) * a.time + t) * a.gates, gates + s * pad, a.gates)
            if t >= length_of(a, start + s):
                clear(inputs + s * row, row)
        multiply_add(count, inputs, row, 1, packed, 0, a.gates, a.first_inputs, gates, pad)
    else:
        weight = packed + a.at_packed_upper + (layer - 1) * a.packed_upper
        multiply(count, inputs, row, 1, weight, 0, a.gates, a.upper_inputs, gates, pad)
    above = tape + input_area(a, count, layer + 1)
    above_row = input_row(a, layer + 1)
    for s in range(count):
        hidden = above + (t * count + s) * above_row
        if t >= length_of(a, start + s):
            clear(hidden, above_row)
            continue
        if a.lstm:
            record = record_of(a, tape, count, t, s) + layer * a.layer_record
            cell = cell_before(a, tape, count, t, s, layer)
            # This layer's own next inputs hold its hidden state behind those from below.
            lstm_forward(a, gates + s * pad, cell, record, hidden)
            if t + 1 < a.time:
                below = a.read_numbers if layer == 0 else size
                copy(hidden, inputs + (count + s) * row + below, size)
        else:
            tanh_forward(a, gates + s * pad, hidden)
        store_one(hidden + last_input(a, layer + 1), fill(hidden, 1))


@part
def last_input(a, layer):
    """The place of the constant 1 among the inputs of an upper layer or the interface."""
    if layer == a.layers:
        return a.hidden_size
    return a.upper_inputs - 1


@part
def head_steps(a, tape, count, t, s, record, memory, halo, reads, following):
    """All heads of one sequence: address, write and read in the order that was asked for."""
    writer, apart = weights_before(a, tape, count, t, s, a.num_reads)
    reader, _ = weights_before(a, tape, count, t, s, 0)
    before = inverse_before(a, tape, count, t, s)
    after = record + a.at_inverse
    address(a, a.num_reads, a.num_writes, record, writer, apart, memory, before, halo)
    if a.read_first:
        address(a, 0, a.num_reads, record, reader, apart, memory, before, halo)
        read(a, record, memory, reads, following)
        write(a, record, memory, memory, after)
    else:
        write(a, record, memory, memory, after)
        address(a, 0, a.num_reads, record, reader, apart, memory, after, halo)
        read(a, record, memory, reads, following)


@part
def import_state(a, kind, sequence, count, s, tape, memory):
    """The state before the first step, from PyTorch's arrangement to the tape's."""
    rows, word, size = a.rows, a.word, a.hidden_size
    source = pointer_like(kind, a.memory) + sequence * a.memory_stride
    clear(memory, word * a.rows_pad)
    for n in range(rows):
        for j in range(word):
            store_one(memory + j * a.rows_pad + n, broadcast(source + n * word + j))
    start = tape + count * a.at_start + s * a.start
    clear(start, a.start)
    source = pointer_like(kind, a.read_weights) + sequence * a.read_weights_stride
    for head in range(a.num_reads):
        copy(source + head * rows, start + head * a.rows_pad, rows)
    source = pointer_like(kind, a.write_weights) + sequence * a.write_weights_stride
    for head in range(a.num_writes):
        copy(source + head * rows, start + (a.num_reads + head) * a.rows_pad, rows)
    reads = pointer_like(kind, a.reads) + sequence * a.reads_stride
    copy(reads, tape + s * a.first_inputs_pad, a.read_numbers)
    if a.lstm:
        hidden = pointer_like(kind, a.hidden) + sequence * a.hidden_stride
        cell = pointer_like(kind, a.cell) + sequence * a.cell_stride
        for layer in range(a.layers):
            below = a.read_numbers if layer == 0 else size
            inputs = tape + input_area(a, count, layer) + s * input_row(a, layer)
            copy(hidden + layer * size, inputs + below, size)
            at = start + a.heads * a.rows_pad + layer * a.hidden_pad
            copy(cell + layer * size, at, size)
    inverse_norms(a, memory, inverse_before(a, tape, count, 0, s))


@part
def export_state(a, kind, sequence, count, s, tape, memory):
    """The state after a sequence's last step."""
    rows, word, size = a.rows, a.word, a.hidden_size
    length = length_of(a, sequence)
    target = pointer_like(kind, a.last_memory) + sequence * rows * word
    for n in range(rows):
        for j in range(word):
            store_one(target + n * word + j, broadcast(memory + j * a.rows_pad + n))
    for head in range(a.heads):
        weights, _ = weights_before(a, tape, count, length, s, head)
        if head < a.num_reads:
            at = pointer_like(kind, a.last_read_weights)
            at = at + (sequence * a.num_reads + head) * rows
        else:
            at = pointer_like(kind, a.last_write_weights)
            at = at + (sequence * a.num_writes + head - a.num_reads) * rows
        copy(weights, at, rows)
    target = pointer_like(kind, a.last_reads) + sequence * a.read_numbers
    if length == 0:
        copy(tape + s * a.first_inputs_pad, target, a.read_numbers)
    else:
        features = pointer_like(kind, a.features)
        step = features + (sequence * a.time + length - 1) * a.features_size
        copy(step + size, target, a.read_numbers)
    if a.lstm:
        for layer in range(a.layers):
            at = (sequence * a.layers + layer) * size
            copy(
                cell_before(a, tape, count, length, s, layer),
                pointer_like(kind, a.last_cell) + at,
                size,
            )
            if length == 0:
                below = a.read_numbers if layer == 0 else size
                hidden = tape + input_area(a, count, layer) + s * input_row(a, layer) + below
            else:
                row = input_row(a, layer + 1)
                hidden = tape + input_area(a, count, layer + 1)
                hidden = hidden + ((length - 1) * count + s) * row
            copy(hidden, pointer_like(kind, a.last_hidden) + at, size)

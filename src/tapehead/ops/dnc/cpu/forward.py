"""The forward kernel: whole sequences, a block of them at a time."""

from tapehead.ops.dnc.cpu.access import access, split_interface
from tapehead.ops.dnc.cpu.layout import Arguments
from tapehead.ops.dnc.cpu.moving import export_columns, export_link, import_columns, import_link
from tapehead.ops.dnc.cpu.normalising import normalise
from tapehead.ops.ntm.cpu.controller import lstm_forward, tanh_forward
from tapehead.ops.ntm.cpu.similarity import inverse_norms
from tapehead.ops.ntm.cpu.tape import length_of, longest
from tapehead.ops.numba_kit.copying import clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import at_address, record, take
from tapehead.ops.numba_kit.phases import PACK, RUN
from tapehead.ops.numba_kit.product import multiply_add, pack
from tapehead.ops.numba_kit.simd import (
    broadcast,
    float32_at,
    float64_at,
    pointer_like,
    store_one,
)

arguments_at = at_address(record(Arguments))
NEXT_BLOCK = Arguments.next_block.offset
NEXT_SLOT = Arguments.next_slot.offset
_PACK, _RUN = PACK, RUN


def forward_kernel():
    """The entry for float32."""

    def dnc_forward(address):
        forward(address, float32_at(0))

    return dnc_forward


def forward_kernel_double():
    """The entry for float64."""

    def dnc_forward_double(address):
        forward(address, float64_at(0))

    return dnc_forward_double


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
def pack_forward(a, packed):
    """Weights as (inputs, outputs): what each step's inputs are multiplied by."""
    size, gates, numbers = a.hidden_size, a.gates, a.read_numbers
    for layer in range(a.layers):
        weight = pointer_like(packed, a.read_weight) + layer * gates * numbers
        target = packed + layer * a.packed_read
        pack(target, numbers, gates, 0, 0, weight, 1, numbers, numbers, gates)
        if a.lstm:
            weight = pointer_like(packed, a.recurrent_weight) + layer * gates * size
            target = packed + a.at_packed_recurrent + layer * a.packed_recurrent
            pack(target, size, gates, 0, 0, weight, 1, size, size, gates)
        if layer > 0:
            weight = pointer_like(packed, a.layer_weight) + (layer - 1) * gates * size
            target = packed + a.at_packed_below + (layer - 1) * a.packed_recurrent
            pack(target, size, gates, 0, 0, weight, 1, size, size, gates)
    weight = pointer_like(packed, a.interface_weight)
    target = packed + a.at_packed_interface
    outputs = a.outputs
    pack(target, outputs, a.interface, 0, 0, weight, 1, outputs, outputs, a.interface)


@part
def record_of(a, tape, count, t, s):
    """The record after step t; of t = -1, of the state at the start."""
    return tape + ((t + 1) * count + s) * a.record


@part
def checkpoint_of(a, tape, count, t, s):
    """Where memory and link before step t are kept, t being a multiple of `every`."""
    return tape + count * a.at_checkpoints + (t // a.every * count + s) * a.world


@part
def order_of(a, sequence, t):
    """The address of the rows in order of usage at step t; 0 before the first step."""
    if t < 0:
        return 0
    return a.order + 8 * (sequence * a.time + t) * a.rows


@part
def forward_block(a, kind, block, slot):
    start = block * a.block
    count = min(a.block, a.batch - start)
    tape = pointer_like(kind, a.tape) + start * a.tape_size
    work = pointer_like(kind, a.work) + slot * a.work_size
    interface, misc = work + a.at_work_interface, work + a.at_work_misc
    worlds = work + a.at_work_world
    features = pointer_like(kind, a.features)
    steps = longest(a, start, count)

    for s in range(count):
        length = length_of(a, start + s)
        import_state(a, kind, start + s, record_of(a, tape, count, -1, s), worlds + s * a.world)
        rest = features + ((start + s) * a.time + length) * a.features_size
        clear(rest, (a.time - length) * a.features_size)
        if length == 0:
            first = record_of(a, tape, count, -1, s)
            export_state(a, kind, start + s, first, worlds + s * a.world)

    for t in range(steps):
        for layer in range(a.layers):
            controller_layer(a, kind, tape, start, count, t, layer, work)
        offset = pointer_like(kind, a.offset)
        for s in range(count):
            source = offset + ((start + s) * a.time + t) * a.interface
            copy(source, interface + s * a.interface_pad, a.interface)
        here = features + (start * a.time + t) * a.features_size
        multiply_add(
            count, here, a.time * a.features_size, 1,
            pointer_like(kind, a.packed) + a.at_packed_interface, 0, a.interface, a.outputs,
            interface, a.interface_pad,
        )  # fmt: skip
        for s in range(count):
            length = length_of(a, start + s)
            if t >= length:
                continue
            world = worlds + s * a.world
            if t % a.every == 0:
                copy(world, checkpoint_of(a, tape, count, t, s), a.world)
            now, before = record_of(a, tape, count, t, s), record_of(a, tape, count, t - 1, s)
            if a.layer_norm:
                normalise(a, interface + s * a.interface_pad, now)
            split_interface(a, interface + s * a.interface_pad, now)
            orders = order_of(a, start + s, t - 1), order_of(a, start + s, t)
            step = features + ((start + s) * a.time + t) * a.features_size
            access(a, now, before, orders[0], orders[1], world, step + a.outputs, misc)
            if t + 1 == length:
                export_state(a, kind, start + s, now, world)


@part
def controller_layer(a, kind, tape, start, count, t, layer, work):
    """One layer of the controller for the whole block; its output goes into the features."""
    size, pad, numbers = a.hidden_size, a.gates_pad, a.read_numbers
    gates = work + a.at_work_gates
    packed = pointer_like(kind, a.packed)
    projected = pointer_like(kind, a.projected) + layer * a.gates
    features = pointer_like(kind, a.features)
    features_row = a.time * a.features_size
    here = features + (start * a.time + t) * a.features_size
    for s in range(count):
        source = projected + ((start + s) * a.time + t) * a.all_gates
        copy(source, gates + s * pad, a.gates)

    weight = packed + layer * a.packed_read
    if t == 0:
        source, row = pointer_like(kind, a.reads) + start * numbers, numbers
    else:
        source, row = here - a.features_size + a.outputs, features_row
    multiply_add(count, source, row, 1, weight, 0, a.gates, numbers, gates, pad)
    if a.lstm:
        weight = packed + a.at_packed_recurrent + layer * a.packed_recurrent
        if t == 0:
            source = pointer_like(kind, a.hidden) + (start * a.layers + layer) * size
            row = a.layers * size
        else:
            source, row = here - a.features_size + layer * size, features_row
        multiply_add(count, source, row, 1, weight, 0, a.gates, size, gates, pad)
    if layer > 0:
        weight = packed + a.at_packed_below + (layer - 1) * a.packed_recurrent
        source = here + (layer - 1) * size
        multiply_add(count, source, features_row, 1, weight, 0, a.gates, size, gates, pad)

    for s in range(count):
        if t >= length_of(a, start + s):
            continue
        hidden = features + ((start + s) * a.time + t) * a.features_size + layer * size
        if a.lstm:
            now = record_of(a, tape, count, t, s) + layer * a.layer_record
            before = record_of(a, tape, count, t - 1, s) + layer * a.layer_record
            lstm_forward(a, gates + s * pad, before + 4 * a.hidden_pad, now, hidden)
        else:
            tanh_forward(a, gates + s * pad, hidden)


@part
def import_state(a, kind, sequence, first, world):
    """The state before the first step, from PyTorch's arrangement to the tape's."""
    rows, word, rows_pad, size = a.rows, a.word, a.rows_pad, a.hidden_size
    clear(first, a.record)
    clear(world, a.world)
    source = pointer_like(kind, a.memory) + sequence * rows * word
    for n in range(rows):
        for j in range(word):
            store_one(world + j * rows_pad + n, broadcast(source + n * word + j))
    link = world + word * rows_pad
    if a.kept:
        import_columns(a, sequence, link + a.kept * rows_pad)
    import_link(a, pointer_like(kind, a.link), sequence, link)
    source = pointer_like(kind, a.read_weights) + sequence * a.num_reads * rows
    for head in range(a.num_reads):
        copy(source + head * rows, first + a.at_read_weights + head * rows_pad, rows)
    source = pointer_like(kind, a.write_weights) + sequence * rows
    copy(source, first + a.at_write_weights, rows)
    copy(pointer_like(kind, a.usage) + sequence * rows, first + a.at_usage, rows)
    copy(pointer_like(kind, a.precedence) + sequence * rows, first + a.at_precedence, rows)
    if a.lstm:
        source = pointer_like(kind, a.cell) + sequence * a.layers * size
        for layer in range(a.layers):
            target = first + layer * a.layer_record + 4 * a.hidden_pad
            copy(source + layer * size, target, size)
    inverse_norms(a, world, first + a.at_inverse)


@part
def export_state(a, kind, sequence, last, world):
    """The state after a sequence's last step."""
    rows, word, rows_pad, size = a.rows, a.word, a.rows_pad, a.hidden_size
    length = length_of(a, sequence)
    target = pointer_like(kind, a.last_memory) + sequence * rows * word
    for n in range(rows):
        for j in range(word):
            store_one(target + n * word + j, broadcast(world + j * rows_pad + n))
    link = world + word * rows_pad
    if a.kept:
        export_columns(a, sequence, link + a.kept * rows_pad)
    export_link(a, pointer_like(kind, a.last_link), sequence, link)
    target = pointer_like(kind, a.last_read_weights) + sequence * a.num_reads * rows
    for head in range(a.num_reads):
        copy(last + a.at_read_weights + head * rows_pad, target + head * rows, rows)
    target = pointer_like(kind, a.last_write_weights) + sequence * rows
    copy(last + a.at_write_weights, target, rows)
    copy(last + a.at_usage, pointer_like(kind, a.last_usage) + sequence * rows, rows)
    target = pointer_like(kind, a.last_precedence) + sequence * rows
    copy(last + a.at_precedence, target, rows)
    reads = pointer_like(kind, a.last_reads) + sequence * a.read_numbers
    hidden = pointer_like(kind, a.last_hidden) + sequence * a.layers * size
    if length == 0:
        source = pointer_like(kind, a.reads) + sequence * a.read_numbers
        copy(source, reads, a.read_numbers)
        source = pointer_like(kind, a.hidden) + sequence * a.layers * size
    else:
        source = pointer_like(kind, a.features)
        source = source + (sequence * a.time + length - 1) * a.features_size
        copy(source + a.outputs, reads, a.read_numbers)
    if a.lstm:
        copy(source, hidden, a.layers * size)
        target = pointer_like(kind, a.last_cell) + sequence * a.layers * size
        for layer in range(a.layers):
            cell = last + layer * a.layer_record + 4 * a.hidden_pad
            copy(cell, target + layer * size, size)

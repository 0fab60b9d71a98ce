"""The forward kernel: whole sequences, a block of them at a time."""

from tapehead.ops.ntm.cpu.addressing import address
from tapehead.ops.ntm.cpu.controller import lstm_forward, tanh_forward
from tapehead.ops.ntm.cpu.layout import Arguments
from tapehead.ops.ntm.cpu.memory import read, write
from tapehead.ops.ntm.cpu.parameters import head_parameters
from tapehead.ops.ntm.cpu.state import export_state, import_state
from tapehead.ops.ntm.cpu.tape import (
    arguments_at,
    cell_before,
    input_area,
    input_row,
    inverse_before,
    last_input,
    length_of,
    longest,
    record_of,
    weights_before,
)
from tapehead.ops.ntm.cpu.weights import pack_forward
from tapehead.ops.numba_kit.copying import clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import take
from tapehead.ops.numba_kit.phases import PACK, RUN
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import fill, float32_at, float64_at, pointer_like, store_one

NEXT_GROUP = Arguments.next_group.offset
NEXT_SLOT = Arguments.next_slot.offset
_PACK, _RUN = PACK, RUN


def forward_kernel():
    """The entry for float32."""

    def ntm_forward(address):
        forward(address, float32_at(0))

    return ntm_forward


def forward_kernel_double():
    """The entry for float64."""

    def ntm_forward_double(address):
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
            # The reads go into the next step's inputs too; after the last step, nowhere of use.
            following = misc
            if t + 1 < a.time:
                following = tape + ((t + 1) * count + s) * a.first_inputs_pad
            reads = row + s * a.top_inputs_pad + a.hidden_size + 1
            place = ((start + s) * a.time + t) * a.heads * a.rows
            head_steps(a, tape, count, t, s, record, own, misc, reads, following, place)
            if a.choosing:
                context = pointer_like(kind, a.choice_context)
                hidden = row + s * a.top_inputs_pad
                copy(hidden, context + ((start + s) * a.time + t) * a.hidden_size, a.hidden_size)
            if t + 1 == length:
                export_state(a, kind, start + s, count, s, tape, own)

    output_layer(a, kind, top, start, count, steps, work + a.at_ring_outputs)


@part
def output_layer(a, kind, top, start, count, steps, products):
    """Outputs of all steps of the block, zero past a sequence's length; `products` is room."""
    packed = pointer_like(kind, a.packed) + a.at_packed_output
    y = pointer_like(kind, a.y)
    row, pad = a.top_inputs_pad, a.outputs_pad
    for low in range(0, steps, a.chunk):
        high = min(steps, low + a.chunk)
        inputs = top + low * count * row
        multiply(
            (high - low) * count, inputs, row, 1, packed, 0, a.outputs, a.top_inputs, products, pad
        )
        for s in range(count):
            for t in range(low, min(high, length_of(a, start + s))):
                source = products + ((t - low) * count + s) * pad
                copy(source, y + ((start + s) * a.time + t) * a.outputs, a.outputs)
    for s in range(count):
        length = length_of(a, start + s)
        rest = y + ((start + s) * a.time + length) * a.outputs
        clear(rest, (a.time - length) * a.outputs)


@part
def controller_layer(a, kind, packed, tape, start, count, t, layer, gates):
    """One layer of the controller for the whole block, its output into the inputs of the next."""
    size, pad = a.hidden_size, a.gates_pad
    row = input_row(a, layer)
    inputs = tape + input_area(a, count, layer) + t * count * row
    if layer == 0:
        x = pointer_like(kind, a.x)
        for s in range(count):
            if t >= length_of(a, start + s):
                clear(inputs + s * row, row)
                continue
            own = inputs + s * row + a.recalled
            copy(x + ((start + s) * a.time + t) * a.inputs, own, a.inputs)
            store_one(own + a.inputs, fill(own, 1))
        multiply(count, inputs, row, 1, packed, 0, a.gates, a.first_inputs, gates, pad)
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
def head_steps(a, tape, count, t, s, record, memory, halo, reads, following, place):
    """All heads of one sequence: address, write and read in the order that was asked for."""
    writer, apart = weights_before(a, tape, count, t, s, a.num_reads)
    reader, _ = weights_before(a, tape, count, t, s, 0)
    before = inverse_before(a, tape, count, t, s)
    after = record + a.at_inverse
    address(a, a.num_reads, a.num_writes, record, writer, apart, memory, before, halo, place)
    if a.read_first:
        address(a, 0, a.num_reads, record, reader, apart, memory, before, halo, place)
        read(a, record, memory, reads, following)
        write(a, record, memory, memory, after)
    else:
        write(a, record, memory, memory, after)
        address(a, 0, a.num_reads, record, reader, apart, memory, after, halo, place)
        read(a, record, memory, reads, following)

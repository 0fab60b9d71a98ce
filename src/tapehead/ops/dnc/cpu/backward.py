"""The backward kernel: time reversed, a block of sequences at a time.

Memories and links are computed again from the kept ones, segment by segment of `every` steps.
Gradients of weight matrices are large products of what this leaves, and are left to PyTorch.
"""

from tapehead.ops.dnc.cpu.access import link_step, write
from tapehead.ops.dnc.cpu.access_backward import access_backward, split_backward
from tapehead.ops.dnc.cpu.carry import (
    d_cell_of,
    d_hidden_of,
    d_reads_of,
    export_gradients,
    import_gradients,
)
from tapehead.ops.dnc.cpu.forward import (
    NEXT_BLOCK,
    NEXT_SLOT,
    arguments_at,
    checkpoint_of,
    order_of,
    record_of,
)
from tapehead.ops.dnc.cpu.normalising import normalise_backward
from tapehead.ops.ntm.cpu.controller import lstm_backward, tanh_backward
from tapehead.ops.ntm.cpu.tape import length_of, longest
from tapehead.ops.numba_kit.copying import add_to, clear, clip, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import take
from tapehead.ops.numba_kit.phases import PACK, RUN
from tapehead.ops.numba_kit.product import multiply, pack
from tapehead.ops.numba_kit.simd import broadcast, float32_at, float64_at, pointer_like

_PACK, _RUN = PACK, RUN


def backward_kernel():
    """The entry for float32."""

    def dnc_backward(address):
        backward(address, float32_at(0))

    return dnc_backward


def backward_kernel_double():
    """The entry for float64."""

    def dnc_backward_double(address):
        backward(address, float64_at(0))

    return dnc_backward_double


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
def pack_backward(a, packed):
    """Weights as (outputs, inputs): what gradients of outputs are multiplied by."""
    size, gates, numbers = a.hidden_size, a.gates, a.read_numbers
    for layer in range(a.layers):
        weight = pointer_like(packed, a.read_weight) + layer * gates * numbers
        target = packed + layer * a.packed_read
        pack(target, gates, numbers, 0, 0, weight, numbers, 1, gates, numbers)
        if a.lstm:
            weight = pointer_like(packed, a.recurrent_weight) + layer * gates * size
            target = packed + a.at_packed_recurrent + layer * a.packed_recurrent
            pack(target, gates, size, 0, 0, weight, size, 1, gates, size)
        if layer > 0:
            weight = pointer_like(packed, a.layer_weight) + (layer - 1) * gates * size
            target = packed + a.at_packed_below + (layer - 1) * a.packed_recurrent
            pack(target, gates, size, 0, 0, weight, size, 1, gates, size)
    weight = pointer_like(packed, a.interface_weight)
    target = packed + a.at_packed_interface
    outputs = a.outputs
    pack(target, a.interface, outputs, 0, 0, weight, outputs, 1, a.interface, outputs)


# What a sequence carries from step to step behind what `access_backward` does: reads, hidden
# states, cells.


@part
def backward_block(a, kind, block, slot):
    start = block * a.block
    count = min(a.block, a.batch - start)
    tape = pointer_like(kind, a.tape) + start * a.tape_size
    work = pointer_like(kind, a.work) + slot * a.work_size
    steps = longest(a, start, count)
    for s in range(count):
        import_gradients(a, kind, start + s, s, work)
        # Past a sequence's end nothing has a gradient.
        place = (start + s) * a.time + length_of(a, start + s)
        rest = a.time - length_of(a, start + s)
        clear(pointer_like(kind, a.d_projected) + place * a.all_gates, rest * a.all_gates)
        clear(pointer_like(kind, a.d_offset) + place * a.interface, rest * a.interface)
    # Rows of sequences that have ended are multiplied too, and come to nothing.
    clear(work + a.at_work_outputs, a.block * a.outputs_pad)

    segments = (steps + a.every - 1) // a.every
    for g in range(segments):
        first_step = (segments - 1 - g) * a.every
        last_step = min(steps, first_step + a.every)
        replay(a, tape, start, count, first_step, last_step, work)
        for t in range(last_step - 1, first_step - 1, -1):
            world = work + a.at_work_world + (t - first_step) * count * a.world
            backward_step(a, kind, tape, start, count, t, world, work)

    for s in range(count):
        export_gradients(a, kind, start + s, s, work)


@part
def replay(a, tape, start, count, first_step, last_step, work):
    """Memory and link before and after each step of a segment."""
    lines = a.word * a.rows_pad
    worlds, misc = work + a.at_work_world, work + a.at_work_misc
    for s in range(count):
        length = length_of(a, start + s)
        if first_step < length:
            kept = checkpoint_of(a, tape, count, first_step, s)
            copy(kept, worlds + s * a.world, a.world)
        for t in range(first_step, min(last_step, length)):
            before = worlds + ((t - first_step) * count + s) * a.world
            after = before + count * a.world
            now, earlier = record_of(a, tape, count, t, s), record_of(a, tape, count, t - 1, s)
            write(a, now, before, after)
            link_step(a, now, earlier, before + lines, after + lines, misc, False)


@part
def backward_step(a, kind, tape, start, count, t, world, work):
    """One step of the block; `world` is memory and link before it, and behind those after it."""
    size = a.hidden_size
    features_row, gates_row = a.time * a.features_size, a.time * a.all_gates
    d_features = pointer_like(kind, a.d_features) + (start * a.time + t) * a.features_size
    d_offset = pointer_like(kind, a.d_offset) + (start * a.time + t) * a.interface
    d_projected = pointer_like(kind, a.d_projected) + (start * a.time + t) * a.all_gates
    d_outputs, below = work + a.at_work_outputs, work + a.at_work_below
    packed = pointer_like(kind, a.packed)
    d_record, misc = work + a.at_work_d_record, work + a.at_work_misc
    for s in range(count):
        if t >= length_of(a, start + s):
            continue
        carry, d_world = (
            work + a.at_work_carry + s * a.carry,
            work + a.at_work_d_world + s * a.world,
        )
        now, before = record_of(a, tape, count, t, s), record_of(a, tape, count, t - 1, s)
        d_reads = d_reads_of(a, carry)
        add_to(d_reads, d_features + s * features_row + a.outputs, a.read_numbers)
        access_backward(
            a, now, before, order_of(a, start + s, t), world + s * a.world,
            world + (count + s) * a.world, d_reads, carry, d_world, d_record, misc,
            pointer_like(kind, a.d_strength) + start + s,
        )  # fmt: skip
        d_interface = d_offset + s * a.time * a.interface
        split_backward(a, now, d_record, d_interface)
        if a.layer_norm:
            place = (start + s) * a.interface
            d_gain = pointer_like(kind, a.d_norm_gain) + place
            d_bias = pointer_like(kind, a.d_norm_bias) + place
            normalise_backward(a, now, d_interface, d_gain, d_bias)
        clear(d_reads, a.read_numbers)

    multiply(
        count, d_offset, a.time * a.interface, 1, packed + a.at_packed_interface, 0, a.outputs,
        a.interface, d_outputs, a.outputs_pad,
    )  # fmt: skip
    for layer in range(a.layers - 1, -1, -1):
        for s in range(count):
            if t >= length_of(a, start + s):
                continue
            carry = work + a.at_work_carry + s * a.carry
            d_hidden = d_hidden_of(a, carry, layer)
            add_to(d_hidden, d_outputs + s * a.outputs_pad + layer * size, size)
            add_to(d_hidden, d_features + s * features_row + layer * size, size)
            if a.bound:
                clip(d_hidden, size, broadcast(pointer_like(kind, a.bound)))
            d_gates = d_projected + s * gates_row + layer * a.gates
            if a.lstm:
                now = record_of(a, tape, count, t, s) + layer * a.layer_record
                earlier = record_of(a, tape, count, t - 1, s) + layer * a.layer_record
                d_cell = d_cell_of(a, carry, layer)
                lstm_backward(a, now, earlier + 4 * a.hidden_pad, d_hidden, d_cell, d_gates)
            else:
                hidden = pointer_like(kind, a.features) + layer * size
                hidden = hidden + ((start + s) * a.time + t) * a.features_size
                tanh_backward(a, hidden, d_hidden, d_gates)
            clear(d_hidden, size)
        d_gates = d_projected + layer * a.gates
        weight = packed + layer * a.packed_read
        multiply_back(
            a, start, count, t, d_gates, gates_row, weight, a.read_numbers, below, work,
            (a.num_reads + 3) * a.rows_pad,
        )  # fmt: skip
        if a.lstm:
            weight = packed + a.at_packed_recurrent + layer * a.packed_recurrent
            place = (a.num_reads + 3) * a.rows_pad + a.reads_pad + layer * a.hidden_pad
            multiply_back(a, start, count, t, d_gates, gates_row, weight, size, below, work, place)
        if layer > 0:
            weight = packed + a.at_packed_below + (layer - 1) * a.packed_recurrent
            place = (a.num_reads + 3) * a.rows_pad + a.reads_pad + (layer - 1) * a.hidden_pad
            multiply_back(a, start, count, t, d_gates, gates_row, weight, size, below, work, place)


@part
def multiply_back(a, start, count, t, d_gates, row, weight, columns, below, work, place):
    """Add d_gates times a weight to the carries of the block's sequences, from `place` on."""
    pad = max(a.hidden_pad, a.reads_pad)
    multiply(count, d_gates, row, 1, weight, 0, columns, a.gates, below, pad)
    for s in range(count):
        if t < length_of(a, start + s):
            add_to(work + a.at_work_carry + s * a.carry + place, below + s * pad, columns)

"""The state of a sequence, between PyTorch's arrangement and the tape's."""

from tapehead.ops.ntm.cpu.similarity import inverse_norms
from tapehead.ops.ntm.cpu.tape import (
    cell_before,
    d_cell_of,
    d_hidden_of,
    d_reads_of,
    input_area,
    input_row,
    inverse_before,
    length_of,
    weights_before,
)
from tapehead.ops.numba_kit.copying import clear, clip, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import broadcast, pointer_like
from tapehead.ops.numba_kit.transposition import transpose


@part
def import_state(a, kind, sequence, count, s, tape, memory):
    """The state before the first step, from PyTorch's arrangement to the tape's."""
    rows, word, size = a.rows, a.word, a.hidden_size
    source = pointer_like(kind, a.memory) + sequence * a.memory_stride
    clear(memory, word * a.rows_pad)
    transpose(source, word, rows, word, memory, a.rows_pad)
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
    transpose(memory, a.rows_pad, word, rows, target, word)
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
        top = tape + input_area(a, count, a.layers)
        top = top + ((length - 1) * count + s) * a.top_inputs_pad
        copy(top + size + 1, target, a.read_numbers)
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
        transpose(source, word, rows, word, d_memory, a.rows_pad)
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
def clip_gradients(a, kind, s, work):
    """The gradients of the state before a step, each number within +-`bound`."""
    bound = broadcast(pointer_like(kind, a.bound))
    clip(work + a.at_work_carry + s * a.carry, a.carry, bound)
    size = a.word * a.rows_pad
    clip(work + a.at_work_d_memory + s * size, size, bound)


@part
def export_gradients(a, kind, sequence, s, work):
    """The gradients of the first state, those that are wanted."""
    rows, word, size = a.rows, a.word, a.hidden_size
    carry = work + a.at_work_carry + s * a.carry
    if a.d_memory:
        d_memory = work + a.at_work_d_memory + s * word * a.rows_pad
        target = pointer_like(kind, a.d_memory) + sequence * rows * word
        transpose(d_memory, a.rows_pad, word, rows, target, word)
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

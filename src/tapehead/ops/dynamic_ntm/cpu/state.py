"""The state of a sequence, and its gradient, between PyTorch's arrangement and the kernel's."""

from tapehead.ops.dynamic_ntm.cpu.layout import LSTM
from tapehead.ops.dynamic_ntm.cpu.tape import record_of
from tapehead.ops.ntm.cpu.similarity import inverse_norms
from tapehead.ops.ntm.cpu.tape import length_of
from tapehead.ops.numba_kit.copying import clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import fill, pointer_like, store_one
from tapehead.ops.numba_kit.transposition import transpose

_LSTM = LSTM


@part
def memory_of(a, s, work):
    return work + a.at_work_memory + s * a.word * a.rows_pad


@part
def d_memory_of(a, s, work):
    return work + a.at_work_d_memory + s * a.word * a.rows_pad


@part
def content_of(a, memory):
    """Where the content begins of a memory; before it stand the addresses."""
    return memory + a.address_size * a.rows_pad


@part
def place_addresses(a, kind, memory):
    transpose(
        pointer_like(kind, a.address), a.address_size, a.rows, a.address_size, memory, a.rows_pad
    )


@part
def start_sequence(a, kind, b, s, work):
    """Memory, inputs and record before the first step."""
    memory, now = memory_of(a, s, work), record_of(a, kind, b, 0)
    clear(memory, a.word * a.rows_pad)
    place_addresses(a, kind, memory)
    content, size = content_of(a, memory), a.content_size
    source = pointer_like(kind, a.content) + b * a.rows * size
    transpose(source, size, a.rows, size, content, a.rows_pad)
    copy(content, now + a.at_content, size * a.rows_pad)
    inverse_norms(a, memory, now + a.at_inverse)
    recency = now + a.at_recency
    clear(recency, a.heads * a.rows_pad)
    source = pointer_like(kind, a.recency) + b * a.heads * a.rows
    for h in range(a.heads):
        copy(source + h * a.rows, recency + h * a.rows_pad, a.rows)
    known, top = work + s * a.known_pad, work + a.at_work_top + s * a.top_pad
    hidden = pointer_like(kind, a.hidden) + b * a.hidden_size
    copy(hidden, known, a.hidden_size)
    copy(hidden, now + a.at_hidden, a.hidden_size)
    copy(hidden, top, a.hidden_size)
    store_one(top + a.hidden_size, fill(top, 1))
    reads = pointer_like(kind, a.reads) + b * a.read_numbers
    copy(reads, known + a.hidden_size + a.inputs, a.read_numbers)
    store_one(known + a.known - 1, fill(known, 1))
    if a.controller == _LSTM:
        cell = pointer_like(kind, a.cell) + b * a.hidden_size
        copy(cell, now + 4 * a.hidden_pad, a.hidden_size)


@part
def end_sequence(a, kind, b, s, work):
    """The state after the last step."""
    now, size = record_of(a, kind, b, length_of(a, b)), a.content_size
    target = pointer_like(kind, a.last_content) + b * a.rows * size
    transpose(content_of(a, memory_of(a, s, work)), a.rows_pad, size, a.rows, target, size)
    target = pointer_like(kind, a.last_recency) + b * a.heads * a.rows
    for h in range(a.heads):
        copy(now + a.at_recency + h * a.rows_pad, target + h * a.rows, a.rows)
    known = work + s * a.known_pad
    reads = known + a.hidden_size + a.inputs
    copy(reads, pointer_like(kind, a.last_reads) + b * a.read_numbers, a.read_numbers)
    copy(known, pointer_like(kind, a.last_hidden) + b * a.hidden_size, a.hidden_size)
    if a.controller == _LSTM:
        cell = pointer_like(kind, a.last_cell) + b * a.hidden_size
        copy(now + 4 * a.hidden_pad, cell, a.hidden_size)


@part
def import_gradients(a, kind, b, s, work):
    """The gradients of the last state; those that are not there are zero. The addresses are in the
    memory before the backward pass as before the forward pass."""
    carry, size = work + a.at_work_carry + s * a.carry, a.content_size
    clear(carry, a.carry)
    memory = memory_of(a, s, work)
    clear(memory, a.word * a.rows_pad)
    place_addresses(a, kind, memory)
    d_memory = d_memory_of(a, s, work)
    clear(d_memory, a.word * a.rows_pad)
    if a.d_last_content:
        source = pointer_like(kind, a.d_last_content) + b * a.rows * size
        transpose(source, size, a.rows, size, content_of(a, d_memory), a.rows_pad)
    if a.d_last_recency:
        source = pointer_like(kind, a.d_last_recency) + b * a.heads * a.rows
        for h in range(a.heads):
            copy(source + h * a.rows, carry + h * a.rows_pad, a.rows)
    if a.d_last_reads:
        source = pointer_like(kind, a.d_last_reads) + b * a.read_numbers
        copy(source, carry + a.at_carry_reads, a.read_numbers)
    if a.d_last_hidden:
        source = pointer_like(kind, a.d_last_hidden) + b * a.hidden_size
        copy(source, carry + a.at_carry_hidden, a.hidden_size)
    if a.d_last_cell:
        source = pointer_like(kind, a.d_last_cell) + b * a.hidden_size
        copy(source, carry + a.at_carry_cell, a.hidden_size)


@part
def export_gradients(a, kind, b, s, work):
    """The gradients of the state at the start, and of the addresses, for this sequence."""
    carry, size = work + a.at_work_carry + s * a.carry, a.content_size
    d_memory = d_memory_of(a, s, work)
    target = pointer_like(kind, a.d_address) + b * a.rows * a.address_size
    transpose(d_memory, a.rows_pad, a.address_size, a.rows, target, a.address_size)
    target = pointer_like(kind, a.d_content) + b * a.rows * size
    transpose(content_of(a, d_memory), a.rows_pad, size, a.rows, target, size)
    target = pointer_like(kind, a.d_recency) + b * a.heads * a.rows
    for h in range(a.heads):
        copy(carry + h * a.rows_pad, target + h * a.rows, a.rows)
    target = pointer_like(kind, a.d_reads) + b * a.read_numbers
    copy(carry + a.at_carry_reads, target, a.read_numbers)
    target = pointer_like(kind, a.d_hidden) + b * a.hidden_size
    copy(carry + a.at_carry_hidden, target, a.hidden_size)
    if a.d_cell:
        target = pointer_like(kind, a.d_cell) + b * a.hidden_size
        copy(carry + a.at_carry_cell, target, a.hidden_size)

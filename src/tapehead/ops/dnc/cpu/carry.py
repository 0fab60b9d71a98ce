"""What a block's sequences carry backwards from step to step, and how it comes in and goes out.

`carry` holds, one behind the other, the gradients of read weightings, write weighting, usage and
precedence, each `rows`; then of reads, hidden states and cells. `d_world` holds those of memory and
link.
"""

from tapehead.ops.dnc.cpu.moving import export_link, import_link
from tapehead.ops.numba_kit.copying import clear, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import broadcast, pointer_like, store_one


@part
def d_write_of(a, carry):
    return carry + a.num_reads * a.rows_pad


@part
def d_usage_of(a, carry):
    return carry + (a.num_reads + 1) * a.rows_pad


@part
def d_precedence_of(a, carry):
    return carry + (a.num_reads + 2) * a.rows_pad


@part
def d_reads_of(a, carry):
    return carry + (a.num_reads + 3) * a.rows_pad


@part
def d_hidden_of(a, carry, layer):
    return d_reads_of(a, carry) + a.reads_pad + layer * a.hidden_pad


@part
def d_cell_of(a, carry, layer):
    return d_reads_of(a, carry) + a.reads_pad + (a.layers + layer) * a.hidden_pad


@part
def import_gradients(a, kind, sequence, s, work):
    """The gradients of the last state; an address of zero stands for all zeros."""
    rows, word, rows_pad, size = a.rows, a.word, a.rows_pad, a.hidden_size
    carry, d_world = work + a.at_work_carry + s * a.carry, work + a.at_work_d_world + s * a.world
    clear(carry, a.carry)
    clear(d_world, a.world)
    store_one(pointer_like(kind, a.d_strength) + sequence, broadcast(carry))
    if a.layer_norm:
        clear(pointer_like(kind, a.d_norm_gain) + sequence * a.interface, a.interface)
        clear(pointer_like(kind, a.d_norm_bias) + sequence * a.interface, a.interface)
    if a.d_last_memory:
        source = pointer_like(kind, a.d_last_memory) + sequence * rows * word
        for n in range(rows):
            for j in range(word):
                store_one(d_world + j * rows_pad + n, broadcast(source + n * word + j))
    if a.d_last_link:
        import_link(a, pointer_like(kind, a.d_last_link), sequence, d_world + word * rows_pad)
    if a.d_last_read_weights:
        source = pointer_like(kind, a.d_last_read_weights) + sequence * a.num_reads * rows
        for head in range(a.num_reads):
            copy(source + head * rows, carry + head * rows_pad, rows)
    if a.d_last_write_weights:
        source = pointer_like(kind, a.d_last_write_weights) + sequence * rows
        copy(source, d_write_of(a, carry), rows)
    if a.d_last_usage:
        copy(pointer_like(kind, a.d_last_usage) + sequence * rows, d_usage_of(a, carry), rows)
    if a.d_last_precedence:
        source = pointer_like(kind, a.d_last_precedence) + sequence * rows
        copy(source, d_precedence_of(a, carry), rows)
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
    rows, word, rows_pad, size = a.rows, a.word, a.rows_pad, a.hidden_size
    carry, d_world = work + a.at_work_carry + s * a.carry, work + a.at_work_d_world + s * a.world
    if a.d_memory:
        target = pointer_like(kind, a.d_memory) + sequence * rows * word
        for n in range(rows):
            for j in range(word):
                store_one(target + n * word + j, broadcast(d_world + j * rows_pad + n))
    if a.d_link:
        export_link(a, pointer_like(kind, a.d_link), sequence, d_world + word * rows_pad)
    if a.d_read_weights:
        target = pointer_like(kind, a.d_read_weights) + sequence * a.num_reads * rows
        for head in range(a.num_reads):
            copy(carry + head * rows_pad, target + head * rows, rows)
    if a.d_write_weights:
        target = pointer_like(kind, a.d_write_weights) + sequence * rows
        copy(d_write_of(a, carry), target, rows)
    if a.d_usage:
        copy(d_usage_of(a, carry), pointer_like(kind, a.d_usage) + sequence * rows, rows)
    if a.d_precedence:
        target = pointer_like(kind, a.d_precedence) + sequence * rows
        copy(d_precedence_of(a, carry), target, rows)
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

"""Where the numbers of a block of sequences lie, on the tape and in what the backward pass carries.

`a` is the block of arguments (`layout`), `count` the sequences of the block, `s` one of them and
`t` a step.
"""

from tapehead.ops.ntm.cpu.layout import Arguments
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import at_address, integer_at, record

arguments_at = at_address(record(Arguments))


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
def last_input(a, layer):
    """The place of the constant 1 among the inputs of an upper layer or the interface."""
    if layer == a.layers:
        return a.hidden_size
    return a.upper_inputs - 1


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


# What a sequence carries back from step to step, besides the memory's gradient:
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

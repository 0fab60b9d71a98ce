"""Weights, packed for the products of either pass."""

from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.product import pack
from tapehead.ops.numba_kit.simd import pointer_like


@part
def pack_forward(a, packed):
    """Weights as (inputs, outputs): what each step's inputs are multiplied by."""
    size, inputs, reads, gates = a.hidden_size, a.inputs, a.read_numbers, a.gates
    row = inputs + size + reads
    weight = pointer_like(packed, a.read_weight)
    # The weights know input, hidden, reads; the row that they are multiplied by has hidden first.
    pack(packed, a.known, a.reading, 0, 0, weight + inputs, 1, row, size, a.reading)
    pack(packed, a.known, a.reading, size, 0, weight, 1, row, inputs, a.reading)
    pack(packed, a.known, a.reading, size + inputs, 0, weight + inputs + size, 1, row, reads,
         a.reading)  # fmt: skip
    bias = pointer_like(packed, a.read_bias)
    pack(packed, a.known, a.reading, a.known - 1, 0, bias, 1, 1, 1, a.reading)

    target = packed + a.at_packed_input
    weight, row = pointer_like(packed, a.input_weight), inputs + reads
    pack(target, a.seen, gates, 0, 0, weight, 1, row, row, gates)
    pack(target, a.seen, gates, row, 0, pointer_like(packed, a.input_bias), 1, 1, 1, gates)
    if a.controller:
        weight = pointer_like(packed, a.recurrent_weight)
        pack(packed + a.at_packed_recurrent, size, gates, 0, 0, weight, 1, size, size, gates)

    target, heads, words = packed + a.at_packed_asked, writing(a), a.num_writes * a.content_size
    pack_asked(a, target, 0, a.write_weight, a.write_bias, 0, heads)
    pack_asked(a, target, heads, a.erase_weight, a.erase_bias, 0, words)
    pack_asked(a, target, heads + words, a.candidate_weight, a.candidate_bias, 0, words)
    pack_asked(a, target, heads + 2 * words, a.gate_weight, a.gate_bias, inputs, a.num_writes)
    target = packed + a.at_packed_shown
    weight = pointer_like(packed, a.gate_weight)
    pack(target, inputs, a.shown, 0, 0, weight, 1, inputs + size, inputs, a.num_writes)
    weight = pointer_like(packed, a.shown_weight)
    pack(target, inputs, a.shown, 0, a.num_writes, weight, 1, inputs, inputs, words)


@part
def pack_backward(a, packed):
    """Weights as (outputs, inputs): what gradients of outputs are multiplied by."""
    size, inputs, reads, gates = a.hidden_size, a.inputs, a.read_numbers, a.gates
    weight, row = pointer_like(packed, a.read_weight), inputs + size + reads
    pack(packed, a.reading, size + reads, 0, 0, weight + inputs, row, 1, a.reading, size + reads)
    target = packed + a.at_packed_input
    weight, row = pointer_like(packed, a.input_weight), inputs + reads
    pack(target, gates, reads, 0, 0, weight + inputs, row, 1, gates, reads)
    if a.controller:
        weight = pointer_like(packed, a.recurrent_weight)
        pack(packed + a.at_packed_recurrent, gates, size, 0, 0, weight, size, 1, gates, size)
    target, heads, words = packed + a.at_packed_asked, writing(a), a.num_writes * a.content_size
    pack_asked_back(a, target, 0, a.write_weight, 0, heads)
    pack_asked_back(a, target, heads, a.erase_weight, 0, words)
    pack_asked_back(a, target, heads + words, a.candidate_weight, 0, words)
    pack_asked_back(a, target, heads + 2 * words, a.gate_weight, inputs, a.num_writes)


@part
def writing(a):
    """Numbers of the write heads: keys, strengths and recency gates."""
    return a.num_writes * a.numbers


@part
def pack_asked(a, target, column, weight, bias, inputs, count):
    """What gives `count` of the numbers that are asked, from `column` on; of its inputs the first
    `inputs` are none of the hidden state."""
    size = a.hidden_size
    source = pointer_like(target, weight) + inputs
    pack(target, size + 1, a.asked, 0, column, source, 1, inputs + size, size, count)
    source = pointer_like(target, bias)
    pack(target, size + 1, a.asked, size, column, source, 1, 1, 1, count)


@part
def pack_asked_back(a, target, row, weight, inputs, count):
    """The same, for the backward pass."""
    size = a.hidden_size
    source = pointer_like(target, weight) + inputs
    pack(target, a.asked, size, row, 0, source, inputs + size, 1, count, size)

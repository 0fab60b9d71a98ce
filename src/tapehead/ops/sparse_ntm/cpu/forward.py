"""The forward kernel: whole sequences, a block of them at a time."""

from tapehead.ops.ntm.cpu.controller import lstm_forward
from tapehead.ops.numba_kit.copying import add_to, copy
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import at_address, record, take
from tapehead.ops.numba_kit.phases import PACK, RUN
from tapehead.ops.numba_kit.product import multiply, pack
from tapehead.ops.numba_kit.simd import (
    float32_at,
    float64_at,
    lanes,
    load_first,
    pointer_like,
    store,
)
from tapehead.ops.sparse_ntm.cpu.access import access, grown, holds_something
from tapehead.ops.sparse_ntm.cpu.layout import LIVE, Arguments
from tapehead.ops.sparse_ntm.cpu.search import number, put
from tapehead.ops.sparse_ntm.cpu.tape import length_of, longest, record_of, rows_of

NEXT_BLOCK, NEXT_SLOT = Arguments.next_block.offset, Arguments.next_slot.offset
arguments_at = at_address(record(Arguments))
_PACK, _RUN, _LIVE = PACK, RUN, LIVE


def forward_kernel():
    """The entry for float32."""

    def sparse_ntm_forward(address):
        forward(address, float32_at(0))

    return sparse_ntm_forward


def forward_kernel_double():
    """The entry for float64."""

    def sparse_ntm_forward_double(address):
        forward(address, float64_at(0))

    return sparse_ntm_forward_double


@part
def forward(address, kind):
    a = arguments_at(address)
    if a.phase & _PACK:
        pack_forward(a, pointer_like(kind, a.packed_at))
    if a.phase & _RUN:
        slot = take(address + NEXT_SLOT)
        block = take(address + NEXT_BLOCK)
        while block < a.blocks:
            forward_block(a, kind, block, slot)
            block = take(address + NEXT_BLOCK)


@part
def pack_forward(a, packed):
    """Weights as (inputs, outputs): what each step's inputs are multiplied by."""
    read, size = a.read, a.hidden_size
    weight = pointer_like(packed, a.read_weight_at)
    pack(packed, a.below, a.gates, 0, 0, weight, 1, read, read, a.gates)
    weight = pointer_like(packed, a.recurrent_weight_at)
    pack(packed, a.below, a.gates, read, 0, weight, 1, size, size, a.gates)
    weight = pointer_like(packed, a.interface_weight_at)
    target = packed + a.at_packed_interface
    pack(target, size, a.interface, 0, 0, weight, 1, size, size, a.interface)


@part
def forward_block(a, kind, block, slot):
    start = block * a.block
    count = min(a.block, a.batch - start)
    work = pointer_like(kind, a.work_at) + slot * a.work_size
    packed = pointer_like(kind, a.packed_at)
    gates, interface = work + a.at_work_gates, work + a.at_work_interface
    bias = pointer_like(kind, a.interface_bias_at)
    for s in range(count):
        start_sequence(a, kind, start + s, work + s * a.below_pad)
    for t in range(longest(a, start, count)):
        multiply(count, work, a.below_pad, 1, packed, 0, a.gates, a.below, gates, a.gates_pad)
        for s in range(count):
            if t >= length_of(a, start + s):
                continue
            own, place = gates + s * a.gates_pad, (start + s) * a.time + t
            add_to(own, pointer_like(kind, a.projected_at) + place * a.gates, a.gates)
            before, now = record_of(a, kind, start + s, t), record_of(a, kind, start + s, t + 1)
            hidden = work + s * a.below_pad + a.read
            lstm_forward(a, own, before + 4 * a.hidden_pad, now, hidden)
            copy(hidden, pointer_like(kind, a.features_at) + place * a.features, a.hidden_size)
        multiply(
            count, work + a.read, a.below_pad, 1, packed + a.at_packed_interface, 0, a.interface,
            a.hidden_size, interface, a.interface_pad,
        )  # fmt: skip
        for s in range(count):
            if t >= length_of(a, start + s):
                continue
            own = interface + s * a.interface_pad
            add_to(own, bias, a.interface)
            access(a, kind, start + s, t, slot, own, work)
            reads = work + s * a.below_pad
            place = ((start + s) * a.time + t) * a.features + a.hidden_size
            copy(reads, pointer_like(kind, a.features_at) + place, a.read)
            if t + 1 == length_of(a, start + s):
                end_sequence(a, kind, start + s, reads)


@part
def start_sequence(a, kind, b, inputs):
    """The memory where it will be changed, and what the first step finds of a step before."""
    word, heads, kept = a.word, a.heads, a.kept
    counters = a.counters_at + 8 * b * a.counter
    live = 0
    if a.memory_at != 0:
        source = pointer_like(kind, a.memory_at) + b * a.memory_stride
        target = pointer_like(kind, a.last_memory_at) + b * a.rows * word
        for row in range(a.rows):
            # What is empty stays untouched: memory that nobody touched takes no space.
            if holds_something(source + row * word, word):
                copy(source + row * word, target + row * word, word)
                live = grown(a, kind, b, live, row)
    put(counters, _LIVE, live)
    copy(pointer_like(kind, a.reads_at) + b * a.read, inputs, a.read)
    size = a.hidden_size
    copy(pointer_like(kind, a.hidden_at) + b * size, inputs + a.read, size)
    now = record_of(a, kind, b, 0)
    cell = pointer_like(kind, a.cell_at) + b * size
    for i in range(0, size, lanes(now)):
        store(now + 4 * a.hidden_pad + i, load_first(cell + i, size - i))
    weights = pointer_like(kind, a.read_weights_at) + b * heads * kept
    rows = rows_of(a, a.rows_tape_at, b, 0)
    for h in range(heads):
        for k in range(0, a.kept_pad, lanes(now)):
            part_of = load_first(weights + h * kept + k, max(0, kept - k))
            store(now + a.at_weights + h * a.kept_pad + k, part_of)
        for k in range(kept):
            # The gate has looked at shapes alone: a row that is not there would be written to.
            row = number(a.read_rows_at, (b * heads + h) * kept + k)
            row = max(0, min(a.rows - 1, row))
            put(rows, h * (kept + 1) + k, row)
        put(rows, h * (kept + 1) + kept, 0)


@part
def end_sequence(a, kind, b, inputs):
    """The state after the last step."""
    heads, kept, size = a.heads, a.kept, a.hidden_size
    steps = length_of(a, b)
    now, rows = record_of(a, kind, b, steps), rows_of(a, a.rows_tape_at, b, steps)
    copy(inputs, pointer_like(kind, a.last_reads_at) + b * a.read, a.read)
    copy(inputs + a.read, pointer_like(kind, a.last_hidden_at) + b * size, size)
    copy(now + 4 * a.hidden_pad, pointer_like(kind, a.last_cell_at) + b * size, size)
    weights = pointer_like(kind, a.last_read_weights_at) + b * heads * kept
    for h in range(heads):
        copy(now + a.at_weights + h * a.kept_pad, weights + h * kept, kept)
        for k in range(kept):
            row = number(rows, h * (kept + 1) + k)
            put(a.last_read_rows_at, (b * heads + h) * kept + k, row)

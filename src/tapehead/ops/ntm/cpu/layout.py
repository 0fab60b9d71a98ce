"""Sizes, and where every number of a run lies: computed once a configuration, read by the kernels.

The *tape* is what the forward pass leaves for the backward pass, one piece per sequence, grouped by
blocks of sequences that are computed together. Within a block:

    inputs       what each weight matrix is multiplied by, kept apart so that its gradient is one
                 large product: for each layer
                   (time, sequence, [reads or hidden below, hidden before, 1]),
                 then for the interface (time, sequence, [hidden, 1])
    records      (time, sequence, record), a record being
                   layers: input, forget, cell and output gate, cell, tanh(cell), each `hidden`
                   head parameters: keys, strengths, gates, sharpenings, shifts, erases, adds
                   heads: content weighting, shifted weighting, weighting, each `rows`
    checkpoints  (time / every, sequence, word, rows) the memory before every so many steps
    start        (sequence, [weightings, cells]) at the start

Memory is kept transposed, so that the innermost loops run over rows. Each piece that a loop walks
along is rounded up to whole vectors.
"""

import ctypes
from dataclasses import dataclass
from functools import lru_cache

from tapehead.ops.ntm.reference import NTMSpec
from tapehead.ops.numba_kit.simd import VECTOR_BYTES

LONGEST_BLOCK = 8
"""Sequences computed together: they share each load of a weight."""

MOST_GROUPS = 64
"""Groups of blocks; each adds up weight gradients of its own, in memory of its own."""

PRODUCT_ROWS = 128
"""Steps times sequences of a block that gather before they are added to the weight gradients."""

SIMILARITY_CODES = {"cosine": 0, "dot": 1, "euclidean": 2, "manhattan": 3}

_POINTERS = """
    projected lengths memory read_weights write_weights reads hidden cell read_weight
    recurrent_weight layer_weight layer_bias interface_weight interface_bias features
    last_memory last_read_weights last_write_weights last_reads last_hidden last_cell tape
    packed work sums d_features d_last_memory d_last_read_weights d_last_write_weights
    d_last_reads d_last_hidden d_last_cell d_projected d_memory d_read_weights d_write_weights
    d_reads d_hidden d_cell d_read_weight d_recurrent_weight d_layer_weight d_layer_bias
    d_interface_weight d_interface_bias
""".split()  # noqa: SIM905

_STRIDES = """
    memory_stride read_weights_stride write_weights_stride reads_stride hidden_stride
    cell_stride
""".split()  # noqa: SIM905

_SIZES = """
    batch time rows word num_reads num_writes heads shift_range shifts hidden_size layers lstm
    similarity read_first gates interface features_size read_numbers block blocks groups every
    chunk rows_pad word_pad hidden_pad gates_pad interface_pad heads_pad shifts_pad reads_pad
    first_inputs first_inputs_pad upper_inputs upper_inputs_pad top_inputs_pad record
    layer_record at_keys at_strengths at_gates at_sharpenings at_shifts at_erases at_adds
    at_heads start tape_size at_records at_checkpoints at_start packed_size at_packed_upper
    packed_upper at_packed_interface work_size at_work_interface at_work_memory at_work_d_memory
    at_work_carry carry at_work_rings ring at_ring_interface at_work_below below_pad
    at_work_misc at_work_d_record at_work_d_reads sums_size at_sums_upper sums_upper
    at_sums_interface
""".split()  # noqa: SIM905

_CONTROL = ["phase", "next_group", "next_slot"]


class Arguments(ctypes.Structure):
    """What a kernel is called with; every field is a whole number."""

    _fields_ = [(name, ctypes.c_int64) for name in (*_CONTROL, *_POINTERS, *_STRIDES, *_SIZES)]


PACK, RUN, REDUCE = 1, 2, 4
"""Phases of a kernel, to be added up: arrange the weights, run the sequences, add up gradients."""


@dataclass(frozen=True)
class Layout:
    """The sizes that Python needs, and a block of arguments with all sizes filled in."""

    template: bytes
    tape_size: int
    packed_size: int
    work_size: int
    sums_size: int
    groups: int

    def arguments(self) -> Arguments:
        return Arguments.from_buffer_copy(self.template)


def block_size(batch: int) -> int:
    """Sequences of a block: at least two blocks when there are two sequences.

    Depends on nothing but the batch, so that results do not depend on the number of threads.
    """
    return min(LONGEST_BLOCK, -(-batch // 2))


def default_every(time: int, rows: int, word: int, itemsize: int) -> int:
    """Steps between two kept memories: few enough that those between stay in the cache."""
    return max(1, min(time, 4))


@lru_cache(maxsize=256)
def layout(
    spec: NTMSpec,
    batch: int,
    time: int,
    rows: int,
    hidden: int,
    layers: int,
    itemsize: int,
    every: int,
    block: int,
) -> Layout:
    width = VECTOR_BYTES // itemsize

    def pad(count: int) -> int:
        return -(-count // width) * width

    sizes: dict[str, int] = {}
    heads, writes, word = spec.num_heads, spec.num_writes, spec.word_size
    lstm = int(spec.controller == "lstm")
    gates = 4 * hidden if lstm else hidden
    interface = sum(spec.interface_sizes)
    read_numbers = spec.num_reads * word
    blocks = -(-batch // block)
    groups = min(blocks, MOST_GROUPS)
    every = min(every, time)
    chunk = min(-(-time // every), max(1, PRODUCT_ROWS // (block * every))) * every

    first_inputs = read_numbers + lstm * hidden
    upper_inputs = hidden + lstm * hidden + 1
    rows_pad, word_pad, hidden_pad = pad(rows), pad(word), pad(hidden)
    gates_pad, interface_pad = pad(gates), pad(interface)
    first_pad, upper_pad, top_pad = pad(first_inputs), pad(upper_inputs), pad(hidden + 1)
    heads_pad, shifts_pad = pad(heads), pad(spec.num_shifts)
    memory = word * rows_pad
    upper = layers - 1

    place = _Places()
    layer_record = 6 * hidden_pad * lstm
    place.take("layers", layers * layer_record)
    at_keys = place.take("keys", heads * word_pad)
    at_strengths = place.take("strengths", heads_pad)
    at_gates = place.take("gates", heads_pad)
    at_sharpenings = place.take("sharpenings", heads_pad)
    at_shifts = place.take("shifts", heads * shifts_pad)
    at_erases = place.take("erases", writes * word_pad)
    at_adds = place.take("adds", writes * word_pad)
    at_heads = place.take("heads", heads * 3 * rows_pad)
    record = place.end

    tape = _Places()
    tape.take("inputs", time * (first_pad + upper * upper_pad + top_pad))
    at_records = tape.take("records", time * record)
    at_checkpoints = tape.take("checkpoints", -(-time // every) * memory)
    start = heads * rows_pad + layers * lstm * hidden_pad
    at_start = tape.take("start", start)

    packed = _Places()
    packed.take("first", max(first_inputs * gates_pad, gates * first_pad))
    packed_upper = max(upper_inputs * gates_pad, gates * upper_pad)
    at_packed_upper = packed.take("upper", upper * packed_upper)
    at_packed_interface = packed.take(
        "interface", max((hidden + 1) * interface_pad, interface * top_pad)
    )

    below_pad = max(first_pad, upper_pad, top_pad)
    reads_pad = pad(read_numbers) + width
    carry = heads * rows_pad + reads_pad + 2 * layers * hidden_pad
    # reads_pad: all reads of a sequence, one word behind the other, and a vector to spill into
    ring = block * gates_pad
    work = _Places()
    work.take("gates", block * gates_pad)
    at_work_interface = work.take("interface", block * interface_pad)
    at_work_memory = work.take("memory", (every + 1) * block * memory)
    at_work_d_memory = work.take("d_memory", block * memory)
    at_work_carry = work.take("carry", block * carry)
    at_work_rings = work.take("rings", layers * chunk * ring)
    at_ring_interface = work.take("interface ring", chunk * block * interface_pad)
    at_work_below = work.take("below", block * below_pad)
    # Of one sequence at a time; `heads` and `heads_backward` share it out.
    halo = rows_pad + 4 * spec.shift_range + 2 * width
    at_work_misc = work.take("misc", (heads + 3) * rows_pad + 2 * halo + reads_pad)
    at_work_d_record = work.take("gradients of a record", at_heads)
    at_work_d_reads = work.take("gradients of reads", reads_pad)
    work.take("what a last whole vector spills", width)

    sums = _Places()
    sums.take("first", gates * first_pad)
    sums_upper = gates * upper_pad
    at_sums_upper = sums.take("upper", upper * sums_upper)
    at_sums_interface = sums.take("interface", interface * top_pad)

    sizes = dict(  # noqa: C408
        batch=batch, time=time, rows=rows, word=word, num_reads=spec.num_reads, num_writes=writes,
        heads=heads, shift_range=spec.shift_range, shifts=spec.num_shifts, hidden_size=hidden,
        layers=layers, lstm=lstm, similarity=SIMILARITY_CODES[spec.similarity],
        read_first=int(spec.read_first), gates=gates, interface=interface,
        features_size=hidden + read_numbers, read_numbers=read_numbers,
        block=block, blocks=blocks, groups=groups, every=every, chunk=chunk,
        rows_pad=rows_pad, word_pad=word_pad, hidden_pad=hidden_pad, gates_pad=gates_pad,
        interface_pad=interface_pad, heads_pad=heads_pad, shifts_pad=shifts_pad,
        reads_pad=reads_pad,
        first_inputs=first_inputs, first_inputs_pad=first_pad, upper_inputs=upper_inputs,
        upper_inputs_pad=upper_pad, top_inputs_pad=top_pad,
        record=record, layer_record=layer_record, at_keys=at_keys, at_strengths=at_strengths,
        at_gates=at_gates, at_sharpenings=at_sharpenings, at_shifts=at_shifts,
        at_erases=at_erases, at_adds=at_adds, at_heads=at_heads, start=start,
        tape_size=tape.end, at_records=at_records, at_checkpoints=at_checkpoints,
        at_start=at_start,
        packed_size=packed.end, at_packed_upper=at_packed_upper, packed_upper=packed_upper,
        at_packed_interface=at_packed_interface,
        work_size=work.end, at_work_interface=at_work_interface, at_work_memory=at_work_memory,
        at_work_d_memory=at_work_d_memory, at_work_carry=at_work_carry, carry=carry,
        at_work_rings=at_work_rings, ring=ring, at_ring_interface=at_ring_interface,
        at_work_below=at_work_below, below_pad=below_pad, at_work_misc=at_work_misc,
        at_work_d_record=at_work_d_record, at_work_d_reads=at_work_d_reads,
        sums_size=sums.end, at_sums_upper=at_sums_upper, sums_upper=sums_upper,
        at_sums_interface=at_sums_interface,
    )  # fmt: skip
    assert sizes.keys() == set(_SIZES)
    return Layout(bytes(Arguments(**sizes)), tape.end, packed.end, work.end, sums.end, groups)


class _Places:
    """Hands out pieces of a buffer, one behind the other."""

    def __init__(self):
        self.end = 0

    def take(self, name: str, size: int) -> int:
        at = self.end
        self.end += size
        return at

"""Sizes, and where every number of a run lies: computed once a configuration, read by the kernels.

The *tape* is what the forward pass leaves for the backward pass, one piece per sequence, grouped by
blocks of sequences that are computed together. Within a block:

    records      (1 + time, sequence, record): the first holds the state at the start, as far as
                 a record has room for it. A record is
                   layers: input, forget, cell and output gate, cell, tanh(cell), each `hidden`
                   keys, strengths less one, erase, add, gates (free, allocation, write), modes
                   heads: similarity and content weighting, each `rows`, reads first
                   read weightings, write weighting, usage, retention, allocation, precedence,
                   forward and backward weightings, inverse norms of the memory, each `rows`
    checkpoints  (time / every, sequence, [memory (word, rows), link (rows, rows)]) before every
                 so many steps

Beside it lies `order`, whole numbers (sequence, time, rows): the rows from least used to most.
Memory is kept transposed, so that the innermost loops run over rows. Each piece that a loop walks
along is rounded up to whole vectors.
"""

import ctypes
from dataclasses import dataclass
from functools import lru_cache

from tapehead.ops.dnc.parts import DNCSpec
from tapehead.ops.numba_kit.simd import VECTOR_BYTES

LONGEST_BLOCK = 8
"""Sequences computed together: they share each load of a weight."""

REPLAYED_BYTES = 2**20
"""About how much memory the states between two kept ones may take, for one sequence."""

SIMILARITY_CODES = {"cosine": 0, "dot": 1, "euclidean": 2, "manhattan": 3}
ALLOCATION_CODES = {"sort": 0, "proportional": 1, "softmax": 2}

STATE = "memory read_weights write_weights reads usage precedence link hidden cell".split()  # noqa: SIM905
WEIGHTS = "read_weight recurrent_weight layer_weight interface_weight".split()  # noqa: SIM905

_POINTERS = [
    *"projected offset lengths strength features tape order packed work".split(),  # noqa: SIM905
    *STATE,
    *WEIGHTS,
    *(f"last_{name}" for name in STATE),
    *"d_features d_projected d_offset d_strength".split(),  # noqa: SIM905
    *(f"d_last_{name}" for name in STATE),
    *(f"d_{name}" for name in STATE),
]

_SIZES = """
    batch time rows word num_reads heads hidden_size layers lstm similarity allocation erase_freed
    gates all_gates interface features_size read_numbers outputs block blocks every
    rows_pad word_pad hidden_pad gates_pad interface_pad modes_pad outputs_pad reads_pad
    record layer_record at_keys at_strengths at_erase at_add at_gates at_modes at_scores
    at_content at_read_weights at_write_weights at_usage at_kept at_allocation at_precedence
    at_forward at_backward at_inverse tape_size at_checkpoints world
    packed_size at_packed_recurrent at_packed_below at_packed_interface packed_read
    packed_recurrent work_size at_work_gates at_work_interface at_work_world at_work_d_world
    at_work_carry carry at_work_outputs at_work_below at_work_d_record at_work_misc
""".split()  # noqa: SIM905

_CONTROL = ["phase", "next_block", "next_slot"]


class Arguments(ctypes.Structure):
    """What a kernel is called with; every field is a whole number."""

    _fields_ = [(name, ctypes.c_int64) for name in (*_CONTROL, *_POINTERS, *_SIZES)]


PACK, RUN = 1, 2
"""Phases of a kernel, to be added up: arrange the weights, run the sequences."""


@dataclass(frozen=True)
class Layout:
    """The sizes that Python needs, and a block of arguments with all sizes filled in."""

    template: bytes
    blocks: int
    tape_size: int
    packed_size: int
    work_size: int

    def arguments(self) -> Arguments:
        return Arguments.from_buffer_copy(self.template)


@lru_cache(maxsize=256)
def layout(
    spec: DNCSpec,
    batch: int,
    time: int,
    rows: int,
    hidden: int,
    layers: int,
    itemsize: int,
    every: int | None,
) -> Layout:
    width = VECTOR_BYTES // itemsize

    def pad(count: int) -> int:
        return -(-count // width) * width

    reads, word = spec.num_reads, spec.word_size
    heads = reads + 1
    lstm = int(spec.controller == "lstm")
    gates = 4 * hidden if lstm else hidden
    interface = spec.interface_size
    numbers, outputs = reads * word, layers * hidden
    # At least two blocks when there are two sequences. Depends on nothing but the batch, so that
    # results do not depend on the number of threads.
    block = min(LONGEST_BLOCK, -(-batch // 2))
    rows_pad, word_pad, hidden_pad, modes_pad = pad(rows), pad(word), pad(hidden), pad(3)
    gates_pad, interface_pad = pad(gates) + width, pad(interface) + width
    outputs_pad, reads_pad = pad(outputs) + width, pad(numbers) + width

    record = _Places()
    layer_record = 6 * hidden_pad * lstm
    record.take(layers * layer_record)
    at = dict(  # noqa: C408
        at_keys=record.take(heads * word_pad), at_strengths=record.take(pad(heads)),
        at_erase=record.take(word_pad), at_add=record.take(word_pad),
        at_gates=record.take(pad(reads + 2)), at_modes=record.take(reads * modes_pad),
        at_scores=record.take(heads * rows_pad), at_content=record.take(heads * rows_pad),
        at_read_weights=record.take(reads * rows_pad), at_write_weights=record.take(rows_pad),
        at_usage=record.take(rows_pad), at_kept=record.take(rows_pad),
        at_allocation=record.take(rows_pad), at_precedence=record.take(rows_pad),
        at_forward=record.take(reads * rows_pad), at_backward=record.take(reads * rows_pad),
        at_inverse=record.take(rows_pad),
    )  # fmt: skip

    world = (word + rows) * rows_pad
    if every is None:
        every = min(16, max(8, REPLAYED_BYTES // (world * itemsize)))
    every = max(1, min(every, time))
    tape = _Places()
    tape.take((1 + time) * record.end)
    at_checkpoints = tape.take(-(-time // every) * world)

    packed = _Places()
    packed_read = max(numbers * pad(gates), gates * pad(numbers))
    packed_recurrent = max(hidden * pad(gates), gates * pad(hidden))
    packed.take(layers * packed_read)
    at_packed_recurrent = packed.take(layers * packed_recurrent)
    at_packed_below = packed.take((layers - 1) * packed_recurrent)
    at_packed_interface = packed.take(max(outputs * pad(interface), interface * pad(outputs)))

    # Read weightings, write weighting, usage, precedence; reads; hidden states and cells.
    carry = (reads + 3) * rows_pad + reads_pad + 2 * layers * hidden_pad
    work = _Places()
    places = dict(  # noqa: C408
        at_work_gates=work.take(block * gates_pad),
        at_work_interface=work.take(block * interface_pad),
        at_work_world=work.take((every + 1) * block * world),
        at_work_d_world=work.take(block * world),
        at_work_carry=work.take(block * carry),
        at_work_outputs=work.take(block * outputs_pad),
        at_work_below=work.take(block * max(hidden_pad, reads_pad)),
        at_work_d_record=work.take(record.end),
        at_work_misc=work.take((2 * heads + 6) * rows_pad),
    )  # fmt: skip
    work.take(width)  # what a last whole vector spills

    sizes = dict(
        batch=batch, time=time, rows=rows, word=word, num_reads=reads, heads=heads,
        hidden_size=hidden, layers=layers, lstm=lstm,
        similarity=SIMILARITY_CODES[spec.similarity],
        allocation=ALLOCATION_CODES[spec.allocation], erase_freed=int(spec.erase_freed),
        gates=gates, all_gates=layers * gates, interface=interface,
        features_size=outputs + numbers, read_numbers=numbers, outputs=outputs,
        block=block, blocks=-(-batch // block), every=every,
        rows_pad=rows_pad, word_pad=word_pad, hidden_pad=hidden_pad, gates_pad=gates_pad,
        interface_pad=interface_pad, modes_pad=modes_pad, outputs_pad=outputs_pad,
        reads_pad=reads_pad, record=record.end, layer_record=layer_record,
        tape_size=tape.end, at_checkpoints=at_checkpoints, world=world,
        packed_size=packed.end, at_packed_recurrent=at_packed_recurrent,
        at_packed_below=at_packed_below, at_packed_interface=at_packed_interface,
        packed_read=packed_read, packed_recurrent=packed_recurrent,
        work_size=work.end, carry=carry, **at, **places,
    )  # fmt: skip
    assert sizes.keys() == set(_SIZES)
    template = bytes(Arguments(**sizes))
    return Layout(template, sizes["blocks"], tape.end, packed.end, work.end)


class _Places:
    """Hands out pieces of a buffer, one behind the other."""

    def __init__(self):
        self.end = 0

    def take(self, size: int) -> int:
        at = self.end
        self.end += size
        return at

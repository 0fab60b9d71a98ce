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
                   interface vector of mean 0 and variance 1, and what it was multiplied by
                   where links lead, if forward and backward weightings are sharpened; sharpness
                   heads: mask, mask above its floor, its square, key times that, each `word`
                   heads: inverse norms of the masked memory, each `rows`
                   of sparse links of K: rows written to, their weights, rows written before, their
                   weights, each K
    checkpoints  (time / every, sequence, [memory (word, rows), link (rows, rows)]) before every
                 so many steps; a sparse link is values (K, rows) and columns (K, rows)

Beside it lies `order`, whole numbers (sequence, time, rows): the rows from least used to most.
Memory is kept transposed, so that the innermost loops run over rows. Each piece that a loop walks
along is rounded up to whole vectors.
"""

import ctypes
from functools import lru_cache
from typing import NamedTuple

from tapehead.ops.dnc.cpu.sizes import Places, machine_sizes, tape_size
from tapehead.ops.dnc.parts import DNCSpec, DNCWeights
from tapehead.ops.numba_kit.pointers import Pointers
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES

LONGEST_BLOCK = 4
"""Sequences computed together: they share each load of a weight, and with more of them their link
matrices push each other out of the cache."""

REPLAYED_BYTES = 2**20
"""About how much memory the states between two kept ones may take, for one sequence."""

STATE = "memory read_weights write_weights reads usage precedence link hidden cell".split()  # noqa: SIM905
WEIGHTS = list(DNCWeights._fields[:6])

_POINTERS = [
    *"projected offset lengths strength features tape order packed work".split(),  # noqa: SIM905
    *["link_columns", "last_link_columns"],
    *STATE,
    *WEIGHTS,
    *(f"last_{name}" for name in STATE),
    *"d_features d_projected d_offset d_strength d_norm_gain d_norm_bias bound mask_floor".split(),  # noqa: SIM905
    *(f"d_last_{name}" for name in STATE),
    *(f"d_{name}" for name in STATE),
]

_SIZES = """
    batch time rows word num_reads frees heads hidden_size layers lstm similarity allocation
    erase_freed layer_norm masked sharp_links sparse_links kept
    gates all_gates interface features_size read_numbers outputs block blocks every
    rows_pad word_pad hidden_pad gates_pad interface_pad modes_pad outputs_pad reads_pad
    record layer_record at_keys at_strengths at_erase at_add at_gates at_modes at_scores
    at_content at_read_weights at_write_weights at_usage at_kept at_allocation at_precedence
    at_forward at_backward at_inverse at_normal at_inverse_deviation
    at_led_forward at_led_backward at_sharpness at_mask at_mask_opened at_mask_squares
    at_masked_keys at_masked_inverse
    at_written_rows at_written at_preceding_rows at_preceding tape_size at_checkpoints world
    packed_size at_packed_recurrent at_packed_below at_packed_interface packed_read
    packed_recurrent work_size at_work_gates at_work_interface at_work_world at_work_d_world
    at_work_carry carry at_work_outputs at_work_below at_work_d_record at_work_misc
""".split()  # noqa: SIM905

_CONTROL = ["phase", "next_block", "next_slot"]


class Arguments(ctypes.Structure):
    """What a kernel is called with; every field is a whole number."""

    _fields_ = [(name, ctypes.c_int64) for name in (*_CONTROL, *_POINTERS, *_SIZES)]


POINTERS = Pointers(Arguments, _POINTERS)


class Layout(NamedTuple):
    """A block of arguments with all sizes filled in, and these sizes by name."""

    template: bytes
    sizes: dict[str, int]
    spec: DNCSpec

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
    sizes = machine_sizes(spec, rows, hidden, layers, itemsize)
    width = VECTOR_BYTES // itemsize
    heads, rows_pad, world = sizes["heads"], sizes["rows_pad"], sizes["world"]
    # At least two blocks when there are two sequences. Depends on nothing but the batch, so that
    # results do not depend on the number of threads.
    block = min(LONGEST_BLOCK, -(-batch // 2))
    if every is None:
        every = min(16, max(8, REPLAYED_BYTES // (world * itemsize)))
    every = max(1, min(every, time))

    # Read weightings, write weighting, usage, precedence; reads; hidden states and cells.
    carry = (heads + 2) * rows_pad + sizes["reads_pad"] + 2 * layers * sizes["hidden_pad"]
    work = Places()
    places = dict(  # noqa: C408
        at_work_gates=work.take(block * sizes["gates_pad"]),
        at_work_interface=work.take(block * sizes["interface_pad"]),
        at_work_world=work.take((every + 1) * block * world),
        at_work_d_world=work.take(block * world),
        at_work_carry=work.take(block * carry),
        at_work_outputs=work.take(block * sizes["outputs_pad"]),
        at_work_below=work.take(block * max(sizes["hidden_pad"], sizes["reads_pad"])),
        at_work_d_record=work.take(sizes["record"]),
        at_work_misc=work.take((2 * heads + 6 + sizes["masked"] * sizes["word"]) * rows_pad),
    )  # fmt: skip
    work.take(width)  # what a last whole vector spills

    tape = tape_size(sizes, time, every)
    sizes |= dict(
        batch=batch, time=time, block=block, blocks=-(-batch // block), every=every,
        tape_size=tape, at_checkpoints=(1 + time) * sizes["record"],
        work_size=work.end, carry=carry, **places,
    )  # fmt: skip
    assert sizes.keys() == set(_SIZES)
    return Layout(bytes(Arguments(**sizes)), sizes, spec)

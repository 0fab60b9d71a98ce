"""Sizes, and where every number of a run lies: computed once a configuration, read by the kernels.

The *tape* holds a record for each step of each sequence, (sequence, 1 + time, record), the first
for the start, or one alone where no backward pass will come. A record:

    LSTM: input, forget, cell and output gate, cell, tanh(cell), each `hidden`
    keys and adds (heads, word), strengths and their slopes, write gates, gates (heads)
    inverse norms of the keys (heads)
    of the rows that were read: weights, scores and inverse norms (heads, kept), words (heads, kept,
    word)

The rows themselves stand beside it as whole numbers, (sequence, 1 + time, heads, kept + 1): those
that a head read, then the one that it emptied. Words are all that the backward pass needs of the
memory: a step costs it as little space at a million rows as at ten.

Each piece that a loop walks along is rounded up to whole vectors.
"""

import ctypes
from functools import lru_cache

from tapehead.ops.ntm.cpu.layout import block_size
from tapehead.ops.ntm.cpu.sizes import Places
from tapehead.ops.numba_kit.pointers import Pointers
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES

_CONTROL = ["phase", "next_block", "next_slot"]

_POINTERS = """
    projected lengths read_weight recurrent_weight interface_weight interface_bias threshold
    memory clock read_rows read_weights reads hidden cell
    last_memory last_accessed last_clock last_read_rows last_read_weights last_reads last_hidden
    last_cell features tape rows_tape inverse totals counters packed work
    slots slopes d_features d_last_read_weights d_last_reads d_last_hidden d_last_cell
    d_projected d_interface d_read_weights d_reads d_hidden d_cell
""".split()  # noqa: SIM905

_SIZES = """
    batch time keep rows memory_stride word word_pad heads heads_pad kept kept_pad
    hidden_size hidden_pad gates gates_pad interface interface_pad read below below_pad features
    block blocks record at_keys at_adds at_strengths at_slopes at_write_gates at_gates
    at_key_inverses at_weights at_scores at_inverses at_words row_record counter
    packed_size at_packed_interface work_size at_work_gates at_work_interface at_work_best
    at_work_words at_work_carry carry at_carry_cell at_carry_inputs
""".split()  # noqa: SIM905


class Arguments(ctypes.Structure):
    """What a kernel is called with; every field is a whole number. `lengths`, and what is not
    wanted, are 0; so is `memory` where it is zero everywhere."""

    _fields_ = [
        (name, ctypes.c_int64) for name in (*_CONTROL, *(f"{p}_at" for p in _POINTERS), *_SIZES)
    ]


POINTERS = Pointers(Arguments, _POINTERS, "_at")

LIVE, STAMP, PLACE, OLDEST = range(4)
"""What a sequence counts: how many rows from the first on may hold something; the least step of an
access, and the first row that has it; from `OLDEST` on the rows to be emptied, those read before,
and those found."""


@lru_cache(maxsize=256)
def layout(
    batch: int,
    time: int,
    rows: int,
    word: int,
    heads: int,
    kept: int,
    hidden: int,
    itemsize: int,
    keep: bool,
) -> Arguments:
    """A block of arguments with all sizes filled in; only to be read."""
    width = VECTOR_BYTES // itemsize

    def pad(count: int) -> int:
        return -(-count // width) * width

    read, gates = heads * word, 4 * hidden
    interface, below = 2 * read + 3 * heads, read + hidden
    sizes = {
        "batch": batch, "time": time, "keep": keep, "rows": rows, "word": word, "heads": heads,
        "kept": kept, "hidden_size": hidden, "gates": gates, "interface": interface, "read": read,
        "below": below, "features": below,
    }  # fmt: skip
    for name, count in (
        ("word", word), ("heads", heads), ("kept", kept), ("hidden", hidden), ("gates", gates),
        ("interface", interface), ("below", below),
    ):  # fmt: skip
        # Some are read from a place within: a vector more, so that this ends inside too.
        slack = width if name in ("interface", "below") else 0
        sizes[f"{name}_pad"] = pad(count) + slack
    heads_pad, kept_pad, word_pad = sizes["heads_pad"], sizes["kept_pad"], sizes["word_pad"]

    record = Places()
    record.take("layer", 6 * sizes["hidden_pad"])
    record.take("keys", heads * word_pad)
    record.take("adds", heads * word_pad)
    for name in ("strengths", "slopes", "write_gates", "gates", "key_inverses"):
        record.take(name, heads_pad)
    for name in ("weights", "scores", "inverses"):
        record.take(name, heads * kept_pad)
    record.take("words", heads * kept * word_pad)
    del record.at["at_layer"]

    block = block_size(batch)
    packed = Places()
    below_wide, hidden_pad = pad(below), sizes["hidden_pad"]
    packed.take("packed", max(below * sizes["gates_pad"], gates * below_wide))
    packed.take("packed_interface", max(hidden * pad(interface), interface * hidden_pad))
    del packed.at["at_packed"]

    carry = Places()
    carry.take("carry_weights", heads * kept_pad)
    carry.take("carry_cell", hidden_pad)
    carry.take("carry_inputs", sizes["below_pad"])
    del carry.at["at_carry_weights"]

    work = Places()
    work.take("inputs", block * sizes["below_pad"])
    work.take("work_gates", block * max(sizes["gates_pad"], sizes["below_pad"]))
    work.take("work_interface", block * max(sizes["interface_pad"], hidden_pad))
    # Four heads at a time look for rows; what is missing to four looks for nothing.
    work.take("work_best", (heads + 3) * kept_pad)
    work.take("work_words", (heads + 4) * word_pad)
    work.take("work_carry", block * carry.end)
    del work.at["at_inputs"]
    return Arguments(
        **sizes,
        **record.at,
        **packed.at,
        **work.at,
        **carry.at,
        record=record.end,
        row_record=heads * (kept + 1),
        counter=OLDEST + heads + heads * kept + (heads + 3) * kept,
        packed_size=packed.end,
        work_size=work.end,
        carry=carry.end,
        block=block,
        blocks=-(-batch // block),
    )

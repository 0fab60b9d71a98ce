"""Sizes, and where every number of a run lies: computed once a configuration, read by the kernels.

The *tape* holds a record for each step of each sequence, (sequence, 1 + time, record), the first
for the start, or one alone where no backward pass will come. A record:

    LSTM: input, forget, cell and output gate, cell, tanh(cell); GRU: reset and update gate,
    candidate, and what the hidden state brings to it; each `hidden`
    hidden
    keys of all addresses (choices, word), strengths, their slopes, recency gates (choices)
    of all addresses: cosine, weighting, weighting without the no-operation cell (choices, rows)
    erases, candidates, what the input brings to them (writes, content), input gates (writes)
    recency after the step (heads, rows)
    inverse norms of the memory's rows after the step, content after the step (content, rows)

Addresses are those of all turns of reading, then those of the write heads: the order of choosing.
A row of the memory has `word` numbers, its address and its content; the memory is kept transposed,
(word, rows), the addresses first, so that the innermost loops run over rows.

What weights are multiplied by stands in a row for each sequence, [hidden before, input, reads, 1],
of which the reading key sees all and the controller all but the first; the weight of the 1 is the
bias. From [hidden, 1] comes what is *asked* of the memory: writing keys, erases, candidates, input
gates; what the input itself brings to the last two is *shown*.

Each piece that a loop walks along is rounded up to whole vectors.
"""

import ctypes
from functools import lru_cache
from types import SimpleNamespace

from tapehead.ops.dynamic_ntm.parts import DynamicNTMSpec
from tapehead.ops.ntm.cpu.layout import block_size
from tapehead.ops.ntm.cpu.sizes import SIMILARITY_CODES, Places
from tapehead.ops.numba_kit.pointers import Pointers
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES

FEEDFORWARD, GRU, LSTM = 0, 3, 4
"""Controllers, by the gates of one that is recurrent."""
CONTROLLERS = {"feedforward": FEEDFORWARD, "gru": GRU, "lstm": LSTM}

_CONTROL = ["phase", "next_block", "next_slot", "choosing", "choice_slope"]

_POINTERS = """
    x lengths address read_weight read_bias input_weight input_bias recurrent_weight recurrent_bias
    write_weight write_bias erase_weight erase_bias candidate_weight candidate_bias shown_weight
    gate_weight gate_bias content recency reads hidden cell last_content last_recency last_reads
    last_hidden last_cell features found tape packed work
    choice_noise choice_offset choice_temperature choice_logits choice_weights
    d_features d_last_content d_last_recency d_last_reads d_last_hidden d_last_cell
    d_read d_input d_recurrent d_asked d_shown d_address d_content d_recency d_reads d_hidden
    d_cell d_choice_noise d_choice_offset d_choice_logits d_choice_weights
""".split()  # noqa: SIM905

_SIZES = """
    batch time keep block blocks inputs rows word content_size address_size num_reads num_writes
    heads turns choices hidden_size controller gates no_operation least_recently_used similarity
    numbers read_numbers reading asked shown seen known features_size
    rows_pad word_pad content_pad hidden_pad gates_pad reading_pad asked_pad shown_pad known_pad
    top_pad writes_pad choices_pad
    record at_hidden at_keys at_strengths at_slopes at_gates at_scores at_weights at_kept at_erases
    at_candidates at_shown at_input_gates at_recency at_inverse at_content
    packed_size at_packed_input at_packed_recurrent at_packed_asked at_packed_shown
    work_size at_work_top at_work_gates at_work_recurrent at_work_reading at_work_asked
    at_work_shown at_work_memory at_work_d_memory at_work_carry carry at_carry_reads
    at_carry_hidden at_carry_cell at_work_below at_work_change at_work_words at_work_spare
""".split()  # noqa: SIM905


class Arguments(ctypes.Structure):
    """What a kernel is called with; every field is a whole number. What is not wanted is 0."""

    _fields_ = [(name, ctypes.c_int64) for name in (*_CONTROL, *_POINTERS, *_SIZES)]


POINTERS = Pointers(Arguments, _POINTERS)


@lru_cache(maxsize=256)
def layout(
    spec: DynamicNTMSpec,
    batch: int,
    time: int,
    inputs: int,
    rows: int,
    address: int,
    hidden: int,
    itemsize: int,
    keep: bool,
) -> Arguments:
    """A block of arguments with all sizes filled in; only to be read."""
    width = VECTOR_BYTES // itemsize

    def pad(count: int) -> int:
        return -(-count // width) * width

    word, reads, writes = address + spec.word_size, spec.num_reads, spec.num_writes
    controller = CONTROLLERS[spec.controller]
    gates = max(1, controller) * hidden
    numbers, read_numbers = word + 2, reads * word
    asked = writes * (numbers + 2 * spec.word_size + 1)
    sizes = dict(  # noqa: C408
        batch=batch, time=time, keep=keep, inputs=inputs, rows=rows, word=word,
        content_size=spec.word_size, address_size=address, num_reads=reads, num_writes=writes,
        heads=reads + writes, turns=spec.reading_steps, choices=spec.choices, hidden_size=hidden,
        controller=controller, gates=gates, no_operation=spec.no_operation,
        least_recently_used=spec.least_recently_used, similarity=SIMILARITY_CODES["cosine"],
        numbers=numbers, read_numbers=read_numbers, reading=reads * numbers, asked=asked,
        shown=writes * (1 + spec.word_size), seen=inputs + read_numbers + 1,
        known=hidden + inputs + read_numbers + 1, features_size=hidden + read_numbers,
        rows_pad=pad(rows), word_pad=pad(word), content_pad=pad(spec.word_size),
        hidden_pad=pad(hidden), writes_pad=pad(writes), choices_pad=pad(spec.choices),
        top_pad=pad(hidden + 1),
    )  # fmt: skip
    for name in ("gates", "reading", "asked", "shown", "known"):
        # Read from places within: a vector more, so that this ends inside too.
        sizes[f"{name}_pad"] = pad(sizes[name]) + width
    s = SimpleNamespace(**sizes)
    block = block_size(batch)
    return Arguments(
        **sizes, **_record(s), **_packed(s, pad), **_work(s, block), block=block,
        blocks=-(-batch // block),
    )  # fmt: skip


def _record(s: SimpleNamespace) -> dict[str, int]:
    record = Places()
    gates = {FEEDFORWARD: 0, GRU: 4, LSTM: 6}[s.controller]
    record.take("layer", gates * s.hidden_pad)
    record.take("hidden", s.hidden_pad)
    record.take("keys", s.choices * s.word_pad)
    for name in ("strengths", "slopes", "gates"):
        record.take(name, s.choices_pad)
    for name in ("scores", "weights", "kept"):
        record.take(name, s.choices * s.rows_pad)
    for name in ("erases", "candidates", "shown"):
        record.take(name, s.num_writes * s.content_pad)
    record.take("input_gates", s.writes_pad)
    record.take("recency", s.heads * s.rows_pad)
    record.take("inverse", s.rows_pad)
    record.take("content", s.content_size * s.rows_pad)
    del record.at["at_layer"]
    return record.at | {"record": record.end}


def _packed(s: SimpleNamespace, pad) -> dict[str, int]:
    """Weights, packed for the forward pass (inputs, outputs) or the backward pass (the reverse)."""

    def room(inputs: int, outputs: int, wanted: int) -> int:
        return max(inputs * pad(outputs), outputs * pad(wanted))

    size, packed = s.hidden_size, Places()
    packed.take("packed", room(s.known, s.reading, size + s.read_numbers))
    packed.take("packed_input", room(s.seen, s.gates, s.read_numbers))
    packed.take("packed_recurrent", room(size, s.gates, size))
    packed.take("packed_asked", room(size + 1, s.asked, size))
    packed.take("packed_shown", s.inputs * pad(s.shown))
    del packed.at["at_packed"]
    return packed.at | {"packed_size": packed.end}


def _work(s: SimpleNamespace, block: int) -> dict[str, int]:
    """What one thread works in."""
    carry = Places()
    carry.take("carry_recency", s.heads * s.rows_pad)
    # Read and added to from places within.
    carry.take("carry_reads", s.known_pad)
    carry.take("carry_hidden", s.hidden_pad)
    carry.take("carry_cell", s.hidden_pad)
    del carry.at["at_carry_recency"]
    work, memory = Places(), s.word * s.rows_pad
    work.take("work_known", block * s.known_pad)
    work.take("work_top", block * s.top_pad)
    work.take("work_gates", block * s.gates_pad)
    work.take("work_recurrent", block * s.gates_pad)
    work.take("work_reading", block * s.reading_pad)
    work.take("work_asked", block * s.asked_pad)
    work.take("work_shown", block * s.shown_pad)
    work.take("work_memory", block * memory)
    work.take("work_d_memory", block * memory)
    work.take("work_carry", block * carry.end)
    work.take("work_below", block * s.known_pad)
    # Of one sequence at a time: gradients of weightings, of words that are written, and room.
    work.take("work_change", s.heads * s.rows_pad)
    work.take("work_words", 2 * s.num_writes * s.content_pad)
    work.take("work_spare", (s.num_writes + 1) * s.rows_pad)
    del work.at["at_work_known"]
    return work.at | carry.at | {"work_size": work.end, "carry": carry.end}

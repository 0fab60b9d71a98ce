"""Sizes, and where every number of a run lies: computed once a configuration, read by the kernels.

The *tape* is what the forward pass leaves for the backward pass, one piece per sequence, grouped by
blocks of sequences that are computed together. Within a block:

    inputs       what each weight matrix is multiplied by, kept apart so that its gradient is one
                 large product; the weight of the 1 is the bias:
                   first layer (time, sequence, [reads before, hidden before, x, 1]),
                   each further layer (time, sequence, [hidden below, hidden before, 1]),
                   interface and output (time, sequence, [hidden, 1, reads]); the interface sees no
                   reads
    records      (time, sequence, record), a record being
                   layers: input, forget, cell and output gate, cell, tanh(cell), each `hidden`
                   head parameters: keys, strengths, gates, sharpenings, shifts, erases, adds
                   heads: content weighting, shifted weighting, weighting, each `rows`
                   heads: similarity K, `rows`
                   inverse norms of the memory's rows after the step
    checkpoints  (time / every, sequence, word, rows) the memory before every so many steps
    start        (sequence, [weightings, cells, inverse norms]) at the start

Memory is kept transposed, so that the innermost loops run over rows. Each piece that a loop walks
along is rounded up to whole vectors.
"""

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace

from tapehead.ops.ntm.cpu.sizes import Places, machine_sizes, tape_sizes
from tapehead.ops.ntm.parts import NTMSpec
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES

LONGEST_BLOCK = 8
"""Sequences computed together: they share each load of a weight."""

MOST_GROUPS = 64
"""Groups of blocks; each adds up weight gradients of its own, in memory of its own."""

PRODUCT_ROWS = 128
"""Steps times sequences of a block that gather before they are added to the weight gradients."""

_POINTERS = """
    x lengths input_weight input_bias read_weight recurrent_weight layer_weight layer_bias
    interface_weight interface_bias output_weight output_bias memory read_weights write_weights
    reads hidden cell y last_memory last_read_weights last_write_weights last_reads last_hidden
    last_cell tape packed work sums d_y d_last_memory d_last_read_weights d_last_write_weights
    d_last_reads d_last_hidden d_last_cell d_x bound d_input_weight d_input_bias d_read_weight
    d_recurrent_weight d_layer_weight d_layer_bias d_interface_weight d_interface_bias
    d_output_weight d_output_bias d_memory d_read_weights d_write_weights d_reads d_hidden d_cell
    choice_noise choice_offset choice_temperature choice_logits choice_weights choice_context
    d_choice_noise d_choice_offset d_choice_logits d_choice_weights d_choice_context
""".split()  # noqa: SIM905

_STRIDES = """
    memory_stride read_weights_stride write_weights_stride reads_stride hidden_stride
    cell_stride
""".split()  # noqa: SIM905

_SIZES = """
    batch time inputs outputs rows word num_reads num_writes heads shift_range shifts
    hidden_size layers lstm
    similarity read_first gates interface read_numbers recalled block blocks groups every chunk
    rows_pad word_pad hidden_pad gates_pad interface_pad outputs_pad heads_pad shifts_pad reads_pad
    first_inputs first_inputs_pad upper_inputs upper_inputs_pad top_inputs top_inputs_pad record
    layer_record at_keys at_strengths at_gates at_sharpenings at_shifts at_erases at_adds
    at_heads at_scores at_inverse start tape_size at_records at_checkpoints at_start packed_size
    at_packed_upper packed_upper at_packed_interface at_packed_output work_size at_work_interface
    at_work_memory at_work_d_memory at_work_carry carry at_work_rings at_ring_interface
    at_ring_outputs at_work_top at_work_below below_pad at_work_misc at_work_d_record sums_size
    at_sums_upper sums_upper at_sums_interface at_sums_output
""".split()  # noqa: SIM905

_CONTROL = ["phase", "next_group", "next_slot", "clean", "choosing", "choice_slope"]


class Arguments(ctypes.Structure):
    """What a kernel is called with; every field is a whole number."""

    _fields_ = [(name, ctypes.c_int64) for name in (*_CONTROL, *_POINTERS, *_STRIDES, *_SIZES)]


@dataclass(frozen=True)
class Layout:
    """The sizes that Python needs, and a block of arguments with all sizes filled in."""

    sizes: Arguments
    """Only to be read: pointers are zero."""
    state_shapes: tuple[tuple[int, ...], ...]
    tape_size: int
    packed_size: int
    work_size: int
    sums_size: int
    groups: int
    gradient_clip: float

    def arguments(self) -> Arguments:
        return Arguments.from_buffer_copy(self.sizes)


def block_size(batch: int) -> int:
    """Sequences of a block: at least two blocks when there are two sequences.

    Depends on nothing but the batch, so that results do not depend on the number of threads.
    """
    return min(LONGEST_BLOCK, -(-batch // 2))


def default_every(time: int) -> int:
    """Steps between two kept memories: few enough that those between stay in the cache."""
    return min(time, 4)


@lru_cache(maxsize=256)
def layout(
    spec: NTMSpec,
    batch: int,
    time: int,
    inputs: int,
    outputs: int,
    rows: int,
    hidden: int,
    layers: int,
    itemsize: int,
    every: int,
    block: int,
) -> Layout:
    machine = machine_sizes(spec, inputs, outputs, rows, hidden, layers, itemsize)
    tape = tape_sizes(machine, time, every)
    blocks = -(-batch // block)
    groups = min(blocks, MOST_GROUPS)
    every = min(every, time)
    chunk = min(-(-time // every), max(1, PRODUCT_ROWS // (block * every))) * every
    batch_sizes = dict(  # noqa: C408
        batch=batch, time=time, block=block, blocks=blocks, groups=groups, every=every, chunk=chunk
    )  # fmt: skip
    packed = _packed_sizes(machine)
    work = _work_sizes(spec, machine, block, every, chunk, VECTOR_BYTES // itemsize)
    sums = _sums_sizes(machine)
    sizes = machine | tape | batch_sizes | packed | work | sums
    assert sizes.keys() == set(_SIZES), sizes.keys() ^ set(_SIZES)
    recurrent = layers if spec.controller == "lstm" else 0
    return Layout(
        Arguments(**sizes),
        (
            (rows, spec.word_size),
            (spec.num_reads, rows),
            (spec.num_writes, rows),
            (spec.num_reads, spec.word_size),
            (recurrent, hidden),
            (recurrent, hidden),
        ),
        tape["tape_size"],
        packed["packed_size"],
        work["work_size"],
        sums["sums_size"],
        groups,
        spec.gradient_clip,
    )


def _packed_sizes(machine: dict[str, int]) -> dict[str, int]:
    """Weights, packed for the forward pass (inputs, outputs) or the backward pass (the reverse)."""
    m = SimpleNamespace(**machine)
    upper = max(m.upper_inputs * m.gates_pad, m.gates * m.upper_inputs_pad)
    packed = Places()
    packed.take("packed", max(m.first_inputs * m.gates_pad, m.gates * m.first_inputs_pad))
    packed.take("packed_upper", (m.layers - 1) * upper)
    packed.take(
        "packed_interface",
        max((m.hidden_size + 1) * m.interface_pad, m.interface * m.hidden_pad),
    )
    packed.take("packed_output", max(m.top_inputs * m.outputs_pad, m.outputs * m.top_inputs_pad))
    del packed.at["at_packed"]
    return {"packed_size": packed.end, "packed_upper": upper, **packed.at}


def _work_sizes(
    spec: NTMSpec, machine: dict[str, int], block: int, every: int, chunk: int, width: int
) -> dict[str, int]:
    """What one thread works in."""
    m = SimpleNamespace(**machine)
    memory = m.word * m.rows_pad
    below_pad = max(m.first_inputs_pad, m.upper_inputs_pad)
    carry = m.heads * m.rows_pad + m.reads_pad + 2 * m.layers * m.hidden_pad
    halo = m.rows_pad + 4 * spec.shift_range + 2 * width
    work = Places()
    work.take("gates", block * m.gates_pad)
    work.take("work_interface", block * m.interface_pad)
    work.take("work_memory", (every + 1) * block * memory)
    work.take("work_d_memory", block * memory)
    work.take("work_carry", block * carry)
    work.take("work_rings", m.layers * chunk * block * m.gates_pad)
    work.take("ring_interface", chunk * block * m.interface_pad)
    work.take("ring_outputs", chunk * block * m.outputs_pad)
    work.take("work_top", block * m.top_inputs_pad)
    work.take("work_below", block * below_pad)
    # Of one sequence at a time; `heads` and `heads_backward` share it out.
    work.take("work_misc", 3 * m.rows_pad + 2 * halo + m.reads_pad)
    work.take("work_d_record", m.at_heads + width)
    del work.at["at_gates"]
    return {"work_size": work.end, "carry": carry, "below_pad": below_pad, **work.at}


def _sums_sizes(machine: dict[str, int]) -> dict[str, int]:
    """The weight gradients of one group of blocks, arranged as the inputs on the tape are."""
    m = SimpleNamespace(**machine)
    upper = m.gates * m.upper_inputs_pad
    sums = Places()
    sums.take("sums", m.gates * m.first_inputs_pad)
    sums.take("sums_upper", (m.layers - 1) * upper)
    sums.take("sums_interface", m.interface * m.top_inputs_pad)
    sums.take("sums_output", m.outputs * m.top_inputs_pad)
    del sums.at["at_sums"]
    return {"sums_size": sums.end, "sums_upper": upper, **sums.at}

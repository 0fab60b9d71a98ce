"""Sizes of records and tapes, from the sizes of a machine; see `layout` for what they hold.

Written so that sizes known by name only (those of `torch.compile`) pass through as well.
"""

from tapehead.ops.dnc.parts import DNCSpec
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES

SIMILARITY_CODES: dict[object, int] = {"cosine": 0, "dot": 1, "euclidean": 2, "manhattan": 3}
ALLOCATION_CODES = {"sort": 0, "proportional": 1, "softmax": 2}


class Places:
    """Hands out pieces of a buffer, one behind the other."""

    def __init__(self):
        self.end = 0

    def take(self, size: int) -> int:
        at = self.end
        self.end += size
        return at


def machine_sizes(
    spec: DNCSpec, rows: int, hidden: int, layers: int, itemsize: int
) -> dict[str, int]:
    """What depends on neither batch nor time; `_pad` is rounded up to whole vectors."""
    width = VECTOR_BYTES // itemsize

    def pad(count: int) -> int:
        return -(-count // width) * width

    reads, frees, word = spec.num_reads, spec.frees, spec.word_size
    heads = reads + 1
    lstm = int(spec.controller == "lstm")
    gates = 4 * hidden if lstm else hidden
    interface = spec.interface_size
    numbers, outputs = reads * word, layers * hidden
    # A link matrix is as many lines; a sparse one those of values, then those of columns.
    sparse, kept = spec.sparse_links, min(spec.sparse_links, rows)
    lines = 2 * kept if sparse else rows
    rows_pad, word_pad, hidden_pad, modes_pad = pad(rows), pad(word), pad(hidden), pad(3)
    layer_record = 6 * hidden_pad * lstm
    norm, masked, sharp = int(spec.layer_norm), int(spec.masked), int(spec.sharp_links)

    record = Places()
    record.take(layers * layer_record)
    at = dict(  # noqa: C408
        at_keys=record.take(heads * word_pad), at_strengths=record.take(pad(heads)),
        at_erase=record.take(word_pad), at_add=record.take(word_pad),
        at_gates=record.take(pad(frees + 2)), at_modes=record.take(reads * modes_pad),
        at_scores=record.take(heads * rows_pad), at_content=record.take(heads * rows_pad),
        at_read_weights=record.take(reads * rows_pad), at_write_weights=record.take(rows_pad),
        at_usage=record.take(rows_pad), at_kept=record.take(rows_pad),
        at_allocation=record.take(rows_pad), at_precedence=record.take(rows_pad),
        at_forward=record.take(reads * rows_pad), at_backward=record.take(reads * rows_pad),
        at_inverse=record.take(rows_pad),
        at_normal=record.take(norm * pad(interface)),
        at_inverse_deviation=record.take(norm * width),
        at_sharpness=record.take(sharp * pad(2 * reads)),
        at_mask=record.take(masked * heads * word_pad),
        at_mask_opened=record.take(masked * heads * word_pad),
        at_mask_squares=record.take(masked * heads * word_pad),
        at_masked_keys=record.take(masked * heads * word_pad),
        at_masked_inverse=record.take(masked * heads * rows_pad),
        at_written_rows=record.take(pad(kept)), at_written=record.take(pad(kept)),
        at_preceding_rows=record.take(pad(kept)), at_preceding=record.take(pad(kept)),
    )  # fmt: skip
    # Links that are not sharpened are followed straight to the weightings.
    for way in ("forward", "backward"):
        at[f"at_led_{way}"] = record.take(reads * rows_pad) if sharp else at[f"at_{way}"]

    packed = Places()
    packed_read = max(numbers * pad(gates), gates * pad(numbers))
    packed_recurrent = max(hidden * pad(gates), gates * pad(hidden))
    packed.take(layers * packed_read)
    at_packed_recurrent = packed.take(layers * packed_recurrent)
    at_packed_below = packed.take((layers - 1) * packed_recurrent)
    at_packed_interface = packed.take(max(outputs * pad(interface), interface * pad(outputs)))
    return dict(
        rows=rows, word=word, num_reads=reads, frees=frees, heads=heads, hidden_size=hidden,
        layers=layers, lstm=lstm, similarity=SIMILARITY_CODES[spec.similarity],
        allocation=ALLOCATION_CODES[spec.allocation], erase_freed=int(spec.erase_freed),
        layer_norm=norm, masked=masked, sharp_links=sharp, sparse_links=sparse, kept=kept,
        gates=gates, all_gates=layers * gates, interface=interface,
        features_size=outputs + numbers, read_numbers=numbers, outputs=outputs,
        rows_pad=rows_pad, word_pad=word_pad, hidden_pad=hidden_pad,
        gates_pad=pad(gates) + width, interface_pad=pad(interface) + width, modes_pad=modes_pad,
        outputs_pad=pad(outputs) + width, reads_pad=pad(numbers) + width,
        record=record.end, layer_record=layer_record, world=(word + lines) * rows_pad,
        packed_size=packed.end, at_packed_recurrent=at_packed_recurrent,
        at_packed_below=at_packed_below, at_packed_interface=at_packed_interface,
        packed_read=packed_read, packed_recurrent=packed_recurrent, **at,
    )  # fmt: skip


def tape_size(sizes: dict[str, int], time: int, every: int) -> int:
    """Numbers of one sequence's tape: records, then checkpoints."""
    return (1 + time) * sizes["record"] + -(-time // every) * sizes["world"]

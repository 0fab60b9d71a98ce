"""Sizes of records and tapes, from the sizes of a machine; see `layout` for what they hold.

Written so that sizes known by name only (those of `torch.compile`) pass through as well.
"""

from tapehead.ops.ntm.parts import NTMSpec
from tapehead.ops.numba_kit.vector_types import VECTOR_BYTES

SIMILARITY_CODES: dict[object, int] = {"cosine": 0, "dot": 1, "euclidean": 2, "manhattan": 3}


class Places:
    """Hands out pieces of a buffer, one behind the other."""

    def __init__(self):
        self.end = 0
        self.at: dict[str, int] = {}

    def take(self, name: str, size: int) -> None:
        """The next `size` numbers; where they start is kept under `at_name`."""
        self.at[f"at_{name}"] = self.end
        self.end += size


def machine_sizes(
    spec: NTMSpec, inputs: int, outputs: int, rows: int, hidden: int, layers: int, itemsize: int
) -> dict[str, int]:
    """What depends on neither batch nor time; `_pad` is rounded up to whole vectors."""
    width = VECTOR_BYTES // itemsize

    def pad(count: int) -> int:
        return -(-count // width) * width

    lstm = int(spec.controller == "lstm")
    gates = 4 * hidden if lstm else hidden
    interface = sum(spec.interface_sizes)
    read_numbers = spec.num_reads * spec.word_size
    recalled = read_numbers + lstm * hidden
    first_inputs = recalled + inputs + 1
    upper_inputs = hidden + lstm * hidden + 1
    top_inputs = hidden + 1 + read_numbers
    sizes = dict(  # noqa: C408
        inputs=inputs, outputs=outputs, rows=rows, word=spec.word_size,
        num_reads=spec.num_reads, num_writes=spec.num_writes,
        heads=spec.num_heads, shift_range=spec.shift_range, shifts=spec.num_shifts,
        hidden_size=hidden, layers=layers, lstm=lstm, read_first=int(spec.read_first),
        similarity=SIMILARITY_CODES[spec.similarity], gates=gates, interface=interface,
        read_numbers=read_numbers, recalled=recalled,
        first_inputs=first_inputs, upper_inputs=upper_inputs, top_inputs=top_inputs,
        rows_pad=pad(rows), word_pad=pad(spec.word_size), hidden_pad=pad(hidden),
        gates_pad=pad(gates), interface_pad=pad(interface), outputs_pad=pad(outputs),
        heads_pad=pad(spec.num_heads), shifts_pad=pad(spec.num_shifts),
        # One word behind the other, and a vector to spill into.
        reads_pad=pad(read_numbers) + width,
        first_inputs_pad=pad(first_inputs), upper_inputs_pad=pad(upper_inputs),
        top_inputs_pad=pad(top_inputs),
    )  # fmt: skip
    return sizes | _record_sizes(spec, sizes)


def _record_sizes(spec: NTMSpec, sizes: dict[str, int]) -> dict[str, int]:
    """The record of one step of one sequence."""
    heads, writes = spec.num_heads, spec.num_writes
    rows_pad, word_pad = sizes["rows_pad"], sizes["word_pad"]
    layer_record = 6 * sizes["hidden_pad"] * sizes["lstm"]
    record = Places()
    record.take("layers", sizes["layers"] * layer_record)
    record.take("keys", heads * word_pad)
    record.take("strengths", sizes["heads_pad"])
    record.take("gates", sizes["heads_pad"])
    record.take("sharpenings", sizes["heads_pad"])
    record.take("shifts", heads * sizes["shifts_pad"])
    record.take("erases", writes * word_pad)
    record.take("adds", writes * word_pad)
    record.take("heads", heads * 3 * rows_pad)
    record.take("scores", heads * rows_pad)
    record.take("inverse", rows_pad)
    del record.at["at_layers"]
    return {"record": record.end, "layer_record": layer_record, **record.at}


def tape_sizes(sizes: dict[str, int], time: int, every: int) -> dict[str, int]:
    """The tape of one sequence."""
    upper = sizes["layers"] - 1
    inputs = sizes["first_inputs_pad"] + upper * sizes["upper_inputs_pad"]
    cells = sizes["layers"] * sizes["lstm"] * sizes["hidden_pad"]
    start = sizes["heads"] * sizes["rows_pad"] + cells + sizes["rows_pad"]
    tape = Places()
    tape.take("inputs", time * (inputs + sizes["top_inputs_pad"]))
    tape.take("records", time * sizes["record"])
    tape.take("checkpoints", -(-time // every) * sizes["word"] * sizes["rows_pad"])
    tape.take("start", start)
    del tape.at["at_inputs"]
    return {"tape_size": tape.end, "start": start, **tape.at}


def tape_size(
    spec: NTMSpec,
    inputs: int,
    outputs: int,
    rows: int,
    hidden: int,
    layers: int,
    itemsize: int,
    time: int,
    every: int,
) -> int:
    """Numbers of one sequence's tape."""
    sizes = machine_sizes(spec, inputs, outputs, rows, hidden, layers, itemsize)
    return tape_sizes(sizes, time, every)["tape_size"]

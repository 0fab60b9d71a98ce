"""`tapehead bench`: what a training step costs on this computer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tapehead.cli.command import print_json, read, table
from tapehead.cli.options import UsageError


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Time one training step (forward and backward) of the NTM on copy at length 20: the CPU
    kernel, the plain reference and torch.nn.LSTM of the same width, in turn. Trust the ratios."""

    batches: tuple[int, ...] = (1, 16, 64)
    """Sequences of a batch, a row for each."""
    threads: int | None = None
    """CPU threads; left out: as PyTorch chooses."""
    seconds: float = 5.0
    """How long each row may take, about."""
    json: bool = False
    """Print one line of JSON instead of a table."""


def run(argv: Sequence[str]) -> int:
    command = read(Bench, argv, "tapehead bench")
    for flag, values in {"--batches": command.batches, "--threads": (command.threads,)}.items():
        for value in values:
            if value is not None and value < 1:
                raise UsageError(f"{flag} must be at least 1, got {value}")
    if not command.batches:
        raise UsageError("--batches needs whole numbers")
    if not 0 < command.seconds < math.inf:
        raise UsageError(f"--seconds must be above 0, got {command.seconds:g}")

    from tapehead.benchmark import ntm_speed

    rows = ntm_speed(command.batches, threads=command.threads, seconds=command.seconds)
    if command.json:
        print_json(rows)
        return 0
    cells = [
        [
            str(row["batch"]),
            str(row["threads"]),
            *(f"{row[f'{name}_ms']:.2f}" for name in ("cpu", "reference", "lstm")),
            f"{row['times_faster_than_reference']:.1f}x",
            f"{row['times_lstm']:.2f}x",
        ]
        for row in rows
    ]
    header = ["batch", "threads", "kernel ms", "reference ms", "LSTM ms"]
    header += ["reference/kernel", "kernel/LSTM"]
    print("NTM, 41 steps, memory 128 x 20, LSTM of 100 units, 1 read and 1 write head; medians")
    print(table(cells, header=header, numbers=range(len(header))))
    return 0

"""How long a training step takes, contenders side by side in one run.

Every round times each contender once, so that a busy machine slows all of them alike: trust the
ratios more than the milliseconds. Before its turn each takes a step that is not timed: training
repeats one step, so that its code and data are at hand, and not those of the other contenders.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tapehead.machines import NTM

Step = Callable[[], Any]
"""One forward and backward pass of a batch."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The sizes of a batch and of the machine that runs it; the defaults are the copy task's."""

    batch: int = 16
    time: int = 41
    inputs: int = 9
    outputs: int = 8
    rows: int = 128
    word: int = 20
    hidden: int = 100
    heads: int = 1

    def batch_of_inputs(self) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.rand(self.batch, self.time, self.inputs, generator=generator)

    def ntm(self, backend: str) -> NTM:
        torch.manual_seed(0)
        return NTM(
            self.inputs,
            self.outputs,
            memory_size=self.rows,
            word_size=self.word,
            num_reads=self.heads,
            num_writes=self.heads,
            hidden_size=self.hidden,
            read_first=False,
            backend=backend,
        )


def ntm_step(workload: Workload, backend: str) -> Step:
    machine, x = workload.ntm(backend), workload.batch_of_inputs()

    def step() -> None:
        y, _ = machine(x)
        y.sum().backward()

    return step


def lstm_step(workload: Workload) -> Step:
    """`torch.nn.LSTM` and an output layer: no memory at all."""
    lstm = nn.LSTM(workload.inputs, workload.hidden, batch_first=True)
    output, x = nn.Linear(workload.hidden, workload.outputs), workload.batch_of_inputs()

    def step() -> None:
        output(lstm(x)[0]).sum().backward()

    return step


def interleaved(
    steps: Mapping[str, Step], *, seconds: float = 5.0, least_rounds: int = 5
) -> dict[str, dict[str, float]]:
    """Milliseconds a step, `median` and `fastest`, of rounds that fill about so many seconds.

    A step that runs elsewhere returns the milliseconds that it took there; others return None.
    """
    for step in steps.values():
        step()
    taken: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[next(iter(steps))]) < least_rounds:
        for name, step in steps.items():
            step()
            start = time.perf_counter()
            elsewhere = step()
            here = 1e3 * (time.perf_counter() - start)
            taken[name].append(here if elsewhere is None else elsewhere)
    return {
        name: {"median": statistics.median(times), "fastest": min(times)}
        for name, times in taken.items()
    }


def ntm_speed(
    batches: Sequence[int] = (1, 16, 64),
    *,
    threads: int | None = None,
    seconds: float = 5.0,
    reference: bool = True,
) -> list[dict[str, Any]]:
    """Rows for a table: the NTM on its CPU kernel, on the plain reference, and `torch.nn.LSTM`.

    Args:
        batches: sequences of a batch, a row for each.
        threads: of PyTorch; None leaves them as they are.
        seconds: a row may take, about.
        reference: whether to time the plain reference too, which is slow.
    """
    before = torch.get_num_threads()
    rows = []
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        for batch in batches:
            workload = Workload(batch=batch)
            steps = {"cpu": ntm_step(workload, "cpu"), "lstm": lstm_step(workload)}
            if reference:
                steps["reference"] = ntm_step(workload, "reference")
            times = interleaved(steps, seconds=seconds)
            rows.append(row_of(workload, torch.get_num_threads(), times))
    finally:
        torch.set_num_threads(before)
    return rows


def row_of(
    workload: Workload, threads: int, times: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """One row: milliseconds of each contender, and how they compare with the CPU kernel."""
    own = times["cpu"]["median"]
    row: dict[str, Any] = {
        "batch": workload.batch,
        "time": workload.time,
        "rows": workload.rows,
        "threads": threads,
    }
    for name, numbers in times.items():
        row[f"{name}_ms"] = numbers["median"]
        row[f"{name}_fastest_ms"] = numbers["fastest"]
    for name in times:
        if name not in ("cpu", "lstm"):
            row[f"times_faster_than_{name}"] = times[name]["median"] / own
    if "lstm" in times:
        row["times_lstm"] = own / times["lstm"]["median"]
    return row

"""Whether two run directories hold the same run, to the bit, but for what a clock says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tapehead.runs.checkpoint import checkpoint_steps, load_checkpoint
from tapehead.training import read_metrics, read_result

CLOCKS = {
    "seconds", "cpu_seconds", "sequences_per_second", "row_seconds", "metrics_bytes",
    "metrics_check",
}  # fmt: skip
"""What a clock decides: times, and the rows' digests, which cover times."""


def differences(one: Path, other: Path, *, all_steps: bool = True) -> list[str]:
    """How two run directories differ, in words: rows, result, and the checkpoints both have.

    Args:
        all_steps: or only the last checkpoint.
    """
    found = []
    if without_clocks(read_metrics(one)) != without_clocks(read_metrics(other)):
        found.append("rows of metrics differ")
    if without_clocks(read_result(one)) != without_clocks(read_result(other)):
        found.append("results differ")
    folders = one / "checkpoint", other / "checkpoint"
    steps = [set(checkpoint_steps(folder)) for folder in folders]
    if max(steps[0]) != max(steps[1]):
        found.append(f"last checkpoints of steps {max(steps[0])} and {max(steps[1])}")
    for step in steps[0] & steps[1] if all_steps else {max(steps[0])} & {max(steps[1])}:
        mine, yours = (load_checkpoint(folder, step) for folder in folders)
        if without_clocks(mine.progress) != without_clocks(yours.progress):
            found.append(f"progress differs at step {step}")
        found += [
            f"{part} differ at step {step}"
            for part in mine.parts
            if not same_tensors(mine.parts[part], yours.parts.get(part, {}))
        ]
    return found


def same_tensors(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_clocks(item) for name, item in value.items() if name not in CLOCKS}
    return [without_clocks(item) for item in value] if isinstance(value, list) else value

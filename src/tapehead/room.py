"""What fits into memory, asked before anything is allocated; and how many cores there are."""

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

GIGABYTE = 10**9


def check_room(
    numbers: Callable[..., int],
    options: Mapping[str, Any],
    *,
    what: str,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Raise a ValueError that names the option to blame if so many numbers would not fit.

    Args:
        numbers: how many there will be, given `options`; pure arithmetic, without overflow.
        options: by name.
        what: they are, in words.
        device: that holds them; None: the default device.
        dtype: of each; None: the default dtype.
    """
    total = numbers(**options)
    size = (torch.get_default_dtype() if dtype is None else dtype).itemsize
    device = torch.get_default_device() if device is None else device
    there_is = memory_of(device.type, device.index)
    if there_is is None:
        there_is = 2**63 - 1  # no tensor is larger, wherever it is
    if total * size <= there_is:
        return
    # To blame is the option without which most of it would go.
    wholes = [name for name, value in options.items() if type(value) is int and value > 1]
    worst = min(wholes, key=lambda name: numbers(**{**options, name: 1}))
    raise ValueError(
        f"{worst} must be small enough for {_gigabytes(there_is)} of memory, got {options[worst]}: "
        f"{what} would take {_gigabytes(total * size)}"
    )


@cache
def memory_of(kind: str, index: int | None) -> int | None:
    """Bytes of memory of a device, all told; None if it cannot be known, or has no end."""
    if kind == "cuda":
        if (index or 0) >= torch.cuda.device_count():
            return None  # whoever uses it will be told that it is not there
        return torch.cuda.get_device_properties(index or 0).total_memory
    if kind != "cpu":
        return None
    try:
        bounds = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, OSError, ValueError):  # not a Unix
        return None
    # A container may have less than its machine.
    for file in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (Path("/sys/fs/cgroup") / file).read_text().strip()
        except OSError:
            continue
        bounds += [int(text)] if text.isdecimal() else []
    return min(bounds)


def cores() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gigabytes(size: int) -> str:
    whole = size // GIGABYTE
    if whole >= 10**15:
        return f"10^{len(str(whole)) - 1} GB"
    return f"{whole:,} GB" if whole >= 10 else f"{size / GIGABYTE:.1f} GB"

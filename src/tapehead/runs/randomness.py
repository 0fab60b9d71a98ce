"""Where random numbers come from: independent streams of one seed, saved and put back exactly."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor


class Stream(IntEnum):
    """Uses of a seed that must never share a random number."""

    WEIGHTS = 0
    TRAINING = 1
    VALIDATION = 2
    TEST = 3
    CURRICULUM = 4
    WARM_UP = 5
    RESTART = 6
    ROWS = 7


def derived_seed(seed: int, stream: Stream, *path: int) -> int:
    """A 64-bit seed that depends on all arguments and is unrelated for different ones."""
    low, high = np.random.SeedSequence([seed, int(stream), *path]).generate_state(2).tolist()
    return high << 32 | low


def generator_for(
    seed: int, stream: Stream, *path: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    return torch.Generator(device=device).manual_seed(derived_seed(seed, stream, *path))


def seed_globals(seed: int, *path: int) -> None:
    """Seed the generators of PyTorch, NumPy and Python that code may use behind our back."""
    value = derived_seed(seed, Stream.WEIGHTS, *path)
    torch.manual_seed(value)
    np.random.seed(value & 0xFFFFFFFF)  # noqa: NPY002
    random.seed(value)


def capture_globals(device: torch.device) -> dict[str, Tensor]:
    """The states of all global generators, as tensors of fixed sizes."""
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002
    keys, position = numpy["state"]["key"], numpy["state"]["pos"]
    has_gauss, gauss = numpy["has_gauss"], numpy["gauss"]
    version, integers, python_gauss = random.getstate()
    assert version == 3
    states = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.append(keys.astype(np.int64), [position, has_gauss])),
        "python": torch.tensor(integers, dtype=torch.int64, device="cpu"),
        # The spare normal deviates of NumPy and Python, and whether Python has one.
        "spares": torch.tensor(
            [gauss, python_gauss or 0.0, python_gauss is not None],
            dtype=torch.float64,
            device="cpu",
        ),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_globals(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Put back what `capture_globals` gave.

    Raises:
        ArithmeticError, LookupError, RuntimeError, TypeError, ValueError: these are no such states.
    """
    torch.set_rng_state(states["torch"])
    *keys, position, has_gauss = states["numpy"].tolist()
    if not 0 <= position <= len(keys):  # NumPy would read beyond its keys, and end the process
        raise ValueError(f"NumPy's position must be from 0 to {len(keys)}, got {position}")
    numpy_gauss, python_gauss, has_python_gauss = states["spares"].tolist()
    np.random.set_state(  # noqa: NPY002
        ("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, numpy_gauss)
    )
    random.setstate(
        (3, tuple(states["python"].tolist()), python_gauss if has_python_gauss else None)
    )
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


@contextmanager
def as_by_default() -> Iterator[None]:
    """Weights are drawn on the CPU in single precision, whatever the caller's defaults are: a run's
    own device and precision come after, and one seed means the same weights everywhere."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(dtype)

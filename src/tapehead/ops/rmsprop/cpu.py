"""RMSProp and Graves' variant in one pass over memory, for vectors on the CPU.

As seven operations on whole vectors, an update reads and writes each number several times over,
and takes half as long as a small machine's gradient. The numbers agree with the operations in
`reference.py` to rounding.
"""

import ctypes
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tapehead.ops import numba_kit
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import sqrt
from tapehead.ops.numba_kit.native import Kernel, at_address, compile_kernel, record
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    float32_at,
    float64_at,
    lanes,
    larger,
    load_first,
    pointer_like,
    store_first,
)


class Arguments(ctypes.Structure):
    """Addresses of the vectors; `numbers` are decay, 1 - decay, momentum, epsilon and rate."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in ("count", "weights", "gradient", "square", "velocity", "mean", "numbers")
    )


arguments_at = at_address(record(Arguments))


def update(
    weights: Tensor,
    gradient: Tensor,
    square: Tensor,
    velocity: Tensor,
    mean: Tensor | None,
    group: Mapping[str, Any],
) -> None:
    """One update in place, of plain RMSProp, or Graves' if there is a mean.

    Args:
        weights, gradient: contiguous vectors of floats on the CPU.
        square, velocity, mean: running mean square, velocity and running mean.
        group: decay, momentum, epsilon and lr.
    """
    kind = ctypes.c_float if weights.dtype == torch.float32 else ctypes.c_double
    decay = group["decay"]
    numbers = (kind * 5)(decay, 1 - decay, group["momentum"], group["epsilon"], group["lr"])
    arguments = Arguments(
        weights.numel(),
        weights.data_ptr(),
        gradient.data_ptr(),
        square.data_ptr(),
        velocity.data_ptr(),
        0 if mean is None else mean.data_ptr(),
        ctypes.addressof(numbers),
    )
    _kernel(weights.dtype)(ctypes.addressof(arguments))


def prepare(direction: str, dtype: torch.dtype) -> None:
    """Compile now what `update` needs, or load it; there is one `direction`, forward."""
    _kernel(dtype)


@part
def plain(a, weights, numbers):
    """See `reference.plain`."""
    gradients, squares, velocities = others(a, weights)
    decay, rest, momentum = broadcast(numbers), broadcast(numbers + 1), broadcast(numbers + 2)
    epsilon, rate = broadcast(numbers + 3), broadcast(numbers + 4)
    for i in range(0, a.count, lanes(weights)):
        left = a.count - i
        gradient = load_first(gradients + i, left)
        square = load_first(squares + i, left) * decay + gradient * gradient * rest
        root = sqrt(square) + epsilon
        velocity = load_first(velocities + i, left) * momentum + gradient / root
        store_first(squares + i, square, left)
        store_first(velocities + i, velocity, left)
        store_first(weights + i, load_first(weights + i, left) - velocity * rate, left)


@part
def graves(a, weights, numbers):
    """See `reference.graves`."""
    gradients, squares, velocities = others(a, weights)
    means = pointer_like(weights, a.mean)
    decay, rest, momentum = broadcast(numbers), broadcast(numbers + 1), broadcast(numbers + 2)
    epsilon, rate = broadcast(numbers + 3), broadcast(numbers + 4)
    for i in range(0, a.count, lanes(weights)):
        left = a.count - i
        gradient = load_first(gradients + i, left)
        square = load_first(squares + i, left) * decay + gradient * gradient * rest
        mean = load_first(means + i, left)
        mean = mean + (gradient - mean) * rest
        root = sqrt(larger(fill(weights, 0), square - mean * mean) + epsilon)
        velocity = load_first(velocities + i, left) * momentum - gradient / root * rate
        store_first(squares + i, square, left)
        store_first(means + i, mean, left)
        store_first(velocities + i, velocity, left)
        store_first(weights + i, load_first(weights + i, left) + velocity, left)


@part
def others(a, weights):
    """Gradients, mean squares and velocities."""
    return (
        pointer_like(weights, a.gradient),
        pointer_like(weights, a.square),
        pointer_like(weights, a.velocity),
    )


@part
def run(address, kind, centred):
    a = arguments_at(address)
    weights, numbers = pointer_like(kind, a.weights), pointer_like(kind, a.numbers)
    if centred:
        graves(a, weights, numbers)
    else:
        plain(a, weights, numbers)


def single() -> Callable[[int], None]:
    """The entry for float32."""

    def rmsprop(address):
        run(address, float32_at(0), arguments_at(address).mean != 0)

    return rmsprop


def double() -> Callable[[int], None]:
    """The entry for float64."""

    def rmsprop_double(address):
        run(address, float64_at(0), arguments_at(address).mean != 0)

    return rmsprop_double


@cache
def _kernel(dtype: torch.dtype) -> Kernel:
    kit = Path(numba_kit.__file__).parent
    sources = [Path(__file__), kit / "linking.py", kit / "maths.py", kit / "simd.py"]
    return compile_kernel("the optimiser", single if dtype == torch.float32 else double, sources)

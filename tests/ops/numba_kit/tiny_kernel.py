"""A kernel that compiles in a moment, and what it computes; run as a program it tells so.

python tiny_kernel.py                     use it once
python tiny_kernel.py flips FILE COUNT    use it in COUNT processes, each with one bit of FILE
                                          turned over
"""

import logging
import os
import sys
from pathlib import Path

import torch

from tapehead.ops.numba_kit import native
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import compile_kernel
from tapehead.ops.numba_kit.simd import float64_at, load_first, store_first


@part
def twice(pointer, count):
    number = load_first(pointer, count)
    store_first(pointer, number + number, count)


def build():
    def tiny_kernel(address):
        twice(float64_at(address), 3)

    return tiny_kernel


def works() -> bool:
    """Whether the kernel, compiled or loaded, doubles three numbers."""
    numbers = torch.tensor([1.5, -2.0, 4.0], dtype=torch.float64)
    compile_kernel("the tiny kernel", build, [Path(__file__)])(numbers.data_ptr())
    return numbers.tolist() == [3.0, -4.0, 8.0]


def flipped(file: Path, count: int) -> list[int]:
    """Exit codes of processes that find one bit of the file changed, in places all over it."""
    assert works()  # Numba has done now what it does once in a process
    whole, codes = file.read_bytes(), []
    for number in range(count):
        damaged = bytearray(whole)
        damaged[number * (len(whole) - 1) // (count - 1)] ^= 1 << number % 8
        file.write_bytes(damaged)
        child = os.fork()
        if child == 0:
            native._compiled.clear()
            os._exit(0 if works() and file.read_bytes() != bytes(damaged) else 1)
        codes.append(os.waitpid(child, 0)[1])
    return codes


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    if len(sys.argv) > 1:
        print(sorted(set(flipped(Path(sys.argv[2]), int(sys.argv[3])))))
    else:
        print("works" if works() else "wrong")

"""The phases of a call: weights are arranged once, sequences run in all threads, gradients of
weights are added up once."""

import ctypes

from tapehead.ops.numba_kit.native import Kernel

PACK, RUN, REDUCE = 1, 2, 4
"""To be added up in a kernel's field `phase`: arrange the weights, run the sequences, add up."""


def run_phases(kernel: Kernel, arguments: ctypes.Structure, phases: int, threads: int) -> None:
    """Run these phases of a kernel one after the other; the copies of `RUN` divide the work."""
    place = ctypes.addressof(arguments)
    if threads == 1:
        arguments.phase = phases
        kernel(place)
        return
    for phase, copies in ((PACK, 1), (RUN, threads), (REDUCE, 1)):
        if phases & phase:
            arguments.phase = phase
            kernel(place, copies)

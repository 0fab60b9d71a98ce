"""A limit on the size of files stands in for a disk that is full.

Python would keep the bytecode of a module that is imported then, cut off at that size, and each
later process would stumble over it (CPython gh-126606): none is written meanwhile.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

FULL_AT_4_KB = "ulimit -f 4; export PYTHONDONTWRITEBYTECODE=1;"
"""For a shell, before a command."""


@contextmanager
def disk_with_room_for(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    bytecode = sys.dont_write_bytecode
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = bytecode
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

"""Cases in a process of their own: one that kills it, or never ends, is a case like any other.

Before a case begins the worker says its number, so that the one that ended it is known.
"""

import collections
import json
import os
import random
import resource
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harness import Campaign, complaint, shown

FOLDER = Path(__file__).parent
BLOCK = 5_000
"""Cases of a worker: what they leave in its memory goes with it."""
MOST_MEMORY = 6 * 2**30


class Ending(NamedTuple):
    """How a case ended, what it was, and what is wrong with that, if anything is."""

    campaign: str
    number: int
    ending: str
    label: str
    wrong: str | None


def draw_of(campaign: str, seed: int, number: int) -> random.Random:
    """The generator that decides a case."""
    return random.Random(f"{campaign} {seed} {number}")


def work(name: str, campaign: Campaign, seed: int, first: int, count: int, out: int) -> None:
    """Try cases, and write to a pipe how each ends; runs in the worker."""
    for number in range(first, first + count):
        os.write(out, f"{json.dumps([number])}\n".encode())
        try:
            case = campaign(draw_of(name, seed, number))
        except Exception as error:  # a case that cannot even be made
            ending, label, wrong = "wrong", "no case", f"{type(error).__name__}: {shown(error)}"
        else:
            label, (ending, wrong) = case.label, complaint(case)
            if wrong is not None:
                values = {key: shown(value)[:200] for key, value in case.values.items()}
                wrong = f"{wrong} with {values}"
        os.write(out, f"{json.dumps([number, ending, label, wrong])}\n".encode())


def bound_memory() -> None:
    """So that a case which asks for all memory there is harms no one else."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def endings(name: str, seed: int, first: int, count: int, patience: float) -> Iterator[Ending]:
    """Cases of a campaign, tried by one worker after another.

    Args:
        patience: seconds that a case may take.
    """
    end = first + count
    while first < end:
        size = min(BLOCK, end - first)
        for ending in _block(name, seed, first, size, patience):
            yield ending
            first = ending.number + 1


def _block(name: str, seed: int, first: int, count: int, patience: float) -> Iterator[Ending]:
    """Cases up to the last of a block, or to one that ends the worker."""
    reader, writer = os.pipe()
    command = [sys.executable, str(FOLDER / "__main__.py"), name, "--seed", str(seed)]
    command += ["--first", str(first), "--count", str(count), "--worker", str(writer)]
    worker = subprocess.Popen(
        command, pass_fds=[writer], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    os.close(writer)
    begun, hung = first, False
    try:
        for line in _lines(reader, patience):
            begun, *rest = json.loads(line)
            if rest:
                yield Ending(name, begun, *rest)
                begun += 1
    except TimeoutError:
        hung = True
    finally:
        os.close(reader)
        worker.kill() if hung else None
        if worker.poll() is None:
            try:
                worker.wait(10)
            except subprocess.TimeoutExpired:
                worker.kill()
        said = worker.communicate()[1].decode(errors="replace")[-1500:]
    if begun < first + count:
        what = "hung" if hung else "crashed"
        why = f"over {patience:g} s" if hung else f"exit code {worker.returncode}: {said}"
        yield Ending(name, begun, what, "", why)


def _lines(reader: int, patience: float) -> Iterator[bytes]:
    waiting = b""
    while True:
        ready, _, _ = select.select([reader], [], [], patience)
        if not ready:
            raise TimeoutError
        data = os.read(reader, 1 << 16)
        if not data:
            return
        *lines, waiting = (waiting + data).split(b"\n")
        yield from lines


class Tally:
    """Counts of how cases ended, and those that ended badly."""

    def __init__(self) -> None:
        self.counts: dict[str, collections.Counter[str]] = {}
        self.failures: list[Ending] = []
        self.began = time.monotonic()

    def add(self, ending: Ending) -> None:
        self.counts.setdefault(ending.campaign, collections.Counter())[ending.ending] += 1
        if ending.wrong is not None:
            self.failures.append(ending)

    def table(self) -> str:
        """A row for each campaign."""
        heads = ["cases", "accepted", "refused", "undecided", "wrong", "crashed", "hung"]
        rows = [["campaign", *heads]]
        for name, counts in self.counts.items():
            refused = sum(n for ending, n in counts.items() if ending.startswith("refused"))
            numbers: dict[str, Any] = {**counts, "cases": counts.total(), "refused": refused}
            rows.append([name, *(f"{numbers.get(head, 0):,}" for head in heads)])
        return "\n".join(
            "".join(f"{cell:<14}" if i == 0 else f"{cell:>10}" for i, cell in enumerate(row))
            for row in rows
        )

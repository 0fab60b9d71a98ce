"""Calls of the command line, and what came of them."""

import json
import subprocess
import sys
from typing import NamedTuple

TINY = [
    "--max-sequences=32", "--batch-size=8", "--max-length=2", "--report-every=16",
    "--validation-sequences=4", "--test-sequences=1",
]  # fmt: skip


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        return [json.loads(line) for line in self.out.splitlines()]


def process(*arguments, folder, prefix=""):
    """Run a command in a process of its own, as the shell does."""
    command = f'{prefix} exec "$0" -m tapehead "$@"'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable, *map(str, arguments)],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


def complaint(outcome, code):
    """The one line of an outcome that went wrong with this exit code."""
    assert outcome.code == code, outcome
    assert "Traceback" not in outcome.err
    lines = outcome.err.splitlines()
    assert len(lines) == 1, outcome.err
    return lines[0]

"""`tapehead view`: the figures of a run, as PNG files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tapehead.cli.command import check_run, print_json, read
from tapehead.cli.options import UsageError


@dataclass(frozen=True, kw_only=True)
class View:
    """Draw the figures of a run: the trained machine at work, and how it came there. They are
    written as PNG; no window opens."""

    run: Path
    """Run directory, as written by `tapehead train`."""
    out: Path | None = None
    """Where the figures go; left out: RUN/figures."""
    sizes: tuple[str, ...] = ()
    """Sizes of the sequences to draw; left out: the task's test sizes."""
    seed: int = 0
    """Decides the sequences."""
    quiet: bool = False
    """Do not print the names of the files."""
    json: bool = False
    """Print them as JSON."""


def run(argv: Sequence[str]) -> int:
    command = read(View, argv, "tapehead view")
    check_run(command.run)

    from tapehead.viewing import view_run

    try:
        files = view_run(command.run, command.out, lengths=command.sizes or None, seed=command.seed)
    except ValueError as error:
        raise UsageError(str(error).replace("lengths", "--sizes", 1)) from None
    if command.json:
        print_json({"figures": [str(file) for file in files]})
    elif not command.quiet:
        for file in files:
            print(file)
    return 0

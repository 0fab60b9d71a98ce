"""What the commands share: reading their dataclass from argv, their help, and their output."""

import dataclasses
import gc
import json
import sys
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tapehead import zoo
from tapehead.checks import did_you_mean
from tapehead.cli.help import screen
from tapehead.cli.options import Option, UsageError, options_of
from tapehead.cli.parsing import parse

Command = TypeVar("Command")


class HelpRequest(Exception):
    """`--help` was given; the message is the help screen."""


def wants_help(argv: Sequence[str]) -> bool:
    return "-h" in argv or "--help" in argv


def read(
    command: type[Command],
    argv: Sequence[str],
    prog: str,
    *,
    choices: Mapping[str, Collection[str]] | None = None,
    footer: str = "",
) -> Command:
    """The command's dataclass filled from argv.

    Args:
        command: its docstring is the summary, its fields are the options; a field without a
            default is the positional argument.
        choices: allowed values of options, where the dataclass does not know them.

    Raises:
        HelpRequest: argv asks for help.
        UsageError: argv is wrong.
    """
    return read_more(command, (), argv, prog, choices=choices, footer=footer)[0]


def read_more(
    command: type[Command],
    more: Sequence[Option],
    argv: Sequence[str],
    prog: str,
    *,
    heading: str = "",
    choices: Mapping[str, Collection[str]] | None = None,
    footer: str = "",
) -> tuple[Command, dict[str, Any]]:
    """As `read`, with more options than the dataclass has: under `heading` in the help, and their
    values by name beside the command."""
    options = [
        dataclasses.replace(option, choices=(choices or {}).get(option.name, option.choices))
        for option in options_of(command)
    ]
    if wants_help(argv):
        positional = "".join(f" {option.flag}" for option in options if option.positional)
        summary = " ".join((command.__doc__ or "").split())
        usage = f"{prog}{positional} [options]"
        raise HelpRequest(screen(usage, summary, options, [(heading, more)], footer))
    values = parse([*options, *more], argv, prog)
    own = {option.name: values.pop(option.name) for option in options}
    return command(**own), values


@contextmanager
def first_imports() -> Iterator[None]:
    """Around the imports of a command: what PyTorch and Matplotlib make there stays to the end, and
    Python would look through all of it for garbage, again and again."""
    if "torch" in sys.modules:  # not the first; and what is there now may become garbage
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


UNPACKED = Path("runs/zoo")
"""Where machines of the zoo become run directories."""


def run_at(path: Path) -> Path:
    """The run directory of this name; that of a machine of the zoo is written to `UNPACKED`.

    Raises:
        UsageError: there is none.
    """
    if (folder := zoo.folder_of(path)) is not None:
        from tapehead.runs.packing import unpack

        return unpack(folder, UNPACKED / path)
    return check_run(path)


DRAWN = "figures"
"""The folder that may stand beside the runs of a folder."""


def holds_runs(path: Path) -> bool:
    """Whether a folder is one of runs, and of nothing else: who names another by mistake would have
    pictures drawn into whatever run lies in it."""
    inside = [each for each in path.glob("*/") if each.name != DRAWN and each.name[0] != "."]
    return bool(inside) and all((each / "config.json").is_file() for each in inside)


def check_run(path: Path) -> Path:
    """Raise a UsageError unless `path` looks like a run directory."""
    if not path.exists():
        near = did_you_mean(path.as_posix(), zoo.names())
        raise UsageError(f"there is no run directory {path}{near}")
    if not (path / "config.json").is_file():
        inside = next(iter(sorted(path.glob("*/config.json"))), None)
        hint = f"; {inside.parent} is one" if inside else ""
        raise UsageError(f"{path} is not a run directory: it has no config.json{hint}")
    return path


def print_json(value: Any) -> None:
    """One line of JSON, for other programs."""
    print(json.dumps(value, allow_nan=False))


LEAST_TEXT = 12
"""Columns that a text keeps however narrow the screen is."""


def table(
    rows: Sequence[Sequence[str]],
    *,
    header: Sequence[str],
    numbers: Sequence[int],
    width: int | None = None,
) -> str:
    """Columns of text under a header; those in `numbers` are aligned to the right.

    Texts that would make it wider than `width` go on in the next line.
    """
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    over = sum(widths) + 2 * (len(widths) - 1) - (width or 10_000)
    for column in sorted(set(range(len(header))) - set(numbers), key=lambda c: -widths[c]):
        cut = min(max(over, 0), max(widths[column] - LEAST_TEXT, 0))
        widths[column], over = widths[column] - cut, over - cut
    lines = []
    for row in [header, *rows]:
        pieces = [
            [cell] if column in numbers else textwrap.wrap(cell, widths[column]) or [""]
            for column, cell in enumerate(row)
        ]
        for below in range(max(map(len, pieces))):
            cells = [piece[below] if below < len(piece) else "" for piece in pieces]
            lines.append(
                "  ".join(
                    f"{cell:>{wide}}" if column in numbers else f"{cell:<{wide}}"
                    for column, (cell, wide) in enumerate(zip(cells, widths, strict=True))
                ).rstrip()
            )
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

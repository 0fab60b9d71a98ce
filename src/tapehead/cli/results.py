"""`tapehead results`: every result so far, our numbers beside the published ones."""

import csv
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapehead.checks import did_you_mean, listed, shown
from tapehead.cli.command import print_json, read, table
from tapehead.cli.help import screen_width
from tapehead.cli.options import UsageError, check_one_of
from tapehead.recipes.results import FIELDS, Row, cells_at, middle, rows_of


@dataclass(frozen=True, kw_only=True)
class Results:
    """Print every result so far, our numbers beside the published ones. In Python,
    `tapehead.results.load()` gives them as rows."""

    experiments: tuple[str, ...] = ()
    """Only of these: ntm/copy, or ntm for all that begin so; left out: all."""
    folder: Path | None = None
    """Where the results are; left out: results/, or those that come with tapehead."""
    csv: bool = False
    """Print a line for each seed, with commas between the values, for a spreadsheet or pandas."""
    json: bool = False
    """Print one line of JSON."""


def run(argv: Sequence[str]) -> int:
    command = read(Results, argv, "tapehead results")
    check_one_of(csv=command.csv, json=command.json)
    if command.folder is not None and not command.folder.is_dir():
        raise UsageError(f"there is no folder {command.folder} with results")
    cells = _chosen(cells_at(command.folder), command.experiments)
    if command.csv:
        _print_csv(rows_of(cells))
    elif command.json:
        print_json({"results": cells})
    else:
        print(results_table(cells))
    return 0


def _chosen(cells: list[dict[str, Any]], wanted: Sequence[str]) -> list[dict[str, Any]]:
    """The cells of experiments that are named, each by its name or by the beginning before a /."""
    known = dict.fromkeys(cell["experiment"] for cell in cells)
    chosen = set()
    for name in wanted:
        found = {each for each in known if f"{each}/".startswith(f"{name.rstrip('/')}/")}
        if not found:
            near = did_you_mean(name, known)
            raise UsageError(
                f"--experiments must be among {listed(known)}, got {shown(name)}{near}"
            )
        chosen |= found
    return [cell for cell in cells if not wanted or cell["experiment"] in chosen]


def _print_csv(rows: Sequence[Row]) -> None:
    writer = csv.DictWriter(sys.stdout, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def results_table(cells: Sequence[dict[str, Any]]) -> str:
    """A table for each experiment, setting and metric, and for each task if there are several."""
    if not cells:
        return "no results yet: `tapehead reproduce ntm/copy` makes some"
    tasks: dict[str, set[str]] = {}
    for cell in cells:
        tasks.setdefault(cell["experiment"], set()).add(cell["task"])
    sections: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        parts = [cell["experiment"], cell["setting"]]
        if len(tasks[cell["experiment"]]) > 1:
            parts.append(cell["task"])
        unit = "" if cell["unit"] in ("", "1") else f" ({cell['unit']})"
        heading = f"{', '.join(parts)}: {cell['metric']}{unit}"
        sections.setdefault(heading, []).append(cell)
    blocks = [
        "\n".join([*textwrap.wrap(heading, screen_width()), _section(members)])
        for heading, members in sections.items()
    ]
    return "\n\n".join([*blocks, "Ours: median over seeds (least to most)."])


def _section(cells: Sequence[dict[str, Any]]) -> str:
    """The table at full length if it fits; or else numbers of fewer digits, no seconds, and names
    on several lines."""
    tested = any(cell.get("test") for cell in cells)
    for digits, left_out in ((4, ()), (3, ()), (3, ("seconds",)), (2, ("seconds", "sequences"))):
        columns = {
            "machine": [cell["machine"] for cell in cells],
            "test": [(cell.get("test") or "as trained") if tested else "" for cell in cells],
            "ours": [_spread(cell["values"], digits) for cell in cells],
            "published": [
                "" if cell["published"] is None else _number(cell["published"], digits)
                for cell in cells
            ],
            "solved": [f"{cell['solved']}/{len(cell['seeds'])}" for cell in cells],
            "sequences": [f"{middle(cell['sequences']):,.0f}" for cell in cells],
            "seconds": [f"{middle(cell['seconds']):,.0f}" for cell in cells],
        }
        shown = {
            name: column
            for name, column in columns.items()
            if name not in left_out and (name not in ("test", "published") or any(column))
        }
        texts = sum(name in ("machine", "test") for name in shown)
        made = table(
            list(zip(*shown.values(), strict=True)),
            header=list(shown),
            numbers=range(texts, len(shown)),
            width=screen_width(),
        )
        if max(map(len, made.splitlines())) <= screen_width():
            break
    return made


def _spread(values: Sequence[float | int], digits: int) -> str:
    least, most = _number(min(values), digits), _number(max(values), digits)
    if least == most:
        return least
    return f"{_number(middle(values), digits)} ({least} to {most})"


def _number(value: float | int, digits: int) -> str:
    return f"{value:.{digits}g}"

"""`tapehead zoo`: the trained machines that come with the package."""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tapehead import zoo
from tapehead.cli.command import print_json, read, table
from tapehead.cli.help import screen_width
from tapehead.cli.options import UsageError, check_choice

WIDE = 100
"""Columns of a screen that take every column of the table."""


@dataclass(frozen=True, kw_only=True)
class Zoo:
    """List the trained machines that come with tapehead. `tapehead view NAME` shows one at work,
    `tapehead evaluate NAME` scores it, and `Machine.from_pretrained("NAME")` loads it in Python."""

    card: str | None = None
    """Print the card of this machine: what it does, how well, and how it was trained."""
    json: bool = False
    """Print one line of JSON."""


def run(argv: Sequence[str]) -> int:
    command = read(Zoo, argv, "tapehead zoo")
    if command.card is not None:
        check_choice("--card", command.card, zoo.names())
        if command.json:
            raise UsageError("--card and --json exclude each other")
        print((zoo.ZOO / command.card / "README.md").read_text(encoding="utf-8"), end="")
        return 0
    machines = [_facts(name) for name in zoo.names()]
    if command.json:
        print_json({"machines": machines})
    else:
        print(_table(machines))
    return 0


def _facts(name: str) -> dict[str, Any]:
    """What the files of a machine say of it; torch is not needed for that."""
    folder = zoo.ZOO / name
    start, result = (
        json.loads((folder / zoo.RUN / file).read_bytes())
        for file in ("config.json", "result.json")
    )
    return {
        "name": name,
        "machine": start["config"]["machine"],
        "task": start["config"]["task"],
        "parameters": start["parameters"],
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        "seed": start["config"]["seed"],
        "sequences": result["sequences"],
        "seconds": result["seconds"],
        **start["packed"],
        "commit": start["commit"],
    }


def _table(machines: Sequence[dict[str, Any]]) -> str:
    columns = {
        "name": [each["name"] for each in machines],
        "weights": [f"{each['parameters']:,}" for each in machines],
        "size": [f"{each['bytes'] / 1000:,.0f} kB" for each in machines],
        "trained on": [f"{each['sequences']:,}" for each in machines],
        "reached": [each["reached"] for each in machines],
        "mark": [each["mark"] for each in machines],
    }
    if screen_width() < WIDE:
        del columns["size"], columns["trained on"]
    rows = list(zip(*columns.values(), strict=True))
    numbers = range(1, len(columns) - 1)
    total = sum(each["bytes"] for each in machines) / 1e6
    return "\n".join(
        [
            table(rows, header=[*columns], numbers=numbers, width=screen_width()),
            "",
            *textwrap.wrap(
                "Reached: the mean over a validation's sequences, to be held against the task's "
                "mark.",
                screen_width(),
            ),
            f"{len(machines)} machines, {total:.1f} MB. Look at one: tapehead view ntm/copy",
        ]
    )

"""Help screens: one screen for each command, every option with its default."""

import shutil
import textwrap
from collections.abc import Sequence
from typing import Any

from tapehead.cli.options import Option

MOST_NAME_WIDTH = 30


def screen_width() -> int:
    """Columns of the terminal, or of what COLUMNS says; of a pipe 100. No line is longer than a
    reader's eye likes, or shorter than our longest names."""
    return min(max(shutil.get_terminal_size((100, 24)).columns, 40), 140)


def shown(value: Any) -> str:
    """A default as one would type it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def with_default(option: Option) -> str:
    return option.flag if option.positional else f"{option.flag} {shown(option.default)}"


def described(options: Sequence[Option]) -> list[str]:
    """Options with their defaults one below the other, each with its description."""
    heads = [with_default(option) for option in options]
    margin = min(max(map(len, heads), default=0), MOST_NAME_WIDTH) + 4
    lines: list[str] = []
    for option, head in zip(options, heads, strict=True):
        text = _description(option)
        body = textwrap.wrap(text, screen_width() - margin, break_on_hyphens=False) or [""]
        if len(head) + 4 > margin:
            lines.append(f"  {head}")
            head = ""
        lines.append(f"{f'  {head}':<{margin}}{body[0]}")
        lines += [" " * margin + line for line in body[1:]]
    return lines


def _description(option: Option) -> str:
    text = option.help.rstrip(".")
    # A name stays as one types it; any other first word gets its capital.
    if text.split(" ")[0].rstrip(",") not in (*option.choices, shown(option.default)):
        text = text[:1].upper() + text[1:]
    return f"{text}: {', '.join(option.choices)}" if option.choices else text


def packed(options: Sequence[Option]) -> list[str]:
    """Options with their defaults in as many columns as fit, read downwards."""
    entries = [with_default(option) for option in options]
    for rows in range(1, len(entries) + 1):
        columns = [entries[i : i + rows] for i in range(0, len(entries), rows)]
        widths = [max(map(len, column)) for column in columns]
        if sum(widths) + 2 * len(widths) <= screen_width():
            break
    else:
        return []
    return [
        "  "
        + "  ".join(
            f"{column[row]:<{width}}"
            for column, width in zip(columns, widths, strict=True)
            if row < len(column)
        ).rstrip()
        for row in range(len(columns[0]) if columns else 0)
    ]


def screen(
    usage: str,
    summary: str,
    options: Sequence[Option],
    groups: Sequence[tuple[str, Sequence[Option]]] = (),
    footer: str = "",
    *,
    everything: bool = False,
) -> str:
    """The whole help text of a command.

    `options` are described one by one; `groups` only list names and defaults, unless
    `everything` asks for their descriptions too.
    """
    positional = [option for option in options if option.positional]
    others = [option for option in options if not option.positional]
    lines = [f"usage: {usage}", "", *textwrap.wrap(summary, screen_width())]
    if positional:
        lines += ["", *described(positional)]
    lines += ["", "Options with their defaults", *described(others)]
    for heading, members in groups:
        if members:
            lines += ["", heading, *(described(members) if everything else packed(members))]
    if footer:
        lines += ["", *textwrap.wrap(footer, screen_width(), break_on_hyphens=False)]
    return "\n".join(lines)

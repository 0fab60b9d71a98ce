"""Docstrings as the site needs them.

Ours are written for a terminal: options in lines of `name: what it is`, tables as in Markdown, and
|x| for a length. Sphinx reads reStructuredText. So they are translated here, before napoleon
translates the sections (Args, Returns, ...).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

FIELD = re.compile(r"[a-z_]\w*(, [a-z_]\w*)*: \S")
"""A line that says what an option, an attribute or a field is."""
CODE = re.compile(r"(`[^`]*`)")


def as_rst(lines: Sequence[str]) -> list[str]:
    """A docstring, line by line, in reStructuredText with napoleon's sections."""
    done: list[str] = []
    for block in blocks(lines):
        if block[0].startswith(">>> "):
            done += block
        elif _is_table(block):
            done += _table(block)
        elif is_field(block):
            done += ["Args:", *(f"    {line}" for line in map(_escaped, block))]
        else:
            done += map(_escaped, block)
        done.append("")
    return done


def is_field(block: Sequence[str]) -> bool:
    """Whether a block says what options, attributes or fields are."""
    return bool(FIELD.match(block[0])) and all(
        FIELD.match(line) or line[0] == " " for line in block
    )


def blocks(lines: Iterable[str]) -> Iterable[list[str]]:
    """Lines between empty ones."""
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def _escaped(line: str) -> str:
    """Bars outside of code would be substitutions."""
    parts = CODE.split(line)
    return "".join(part if part[:1] == "`" else part.replace("|", r"\|") for part in parts)


def _is_table(block: Sequence[str]) -> bool:
    return len(block) > 1 and block[0].startswith("|") and set(block[1]) <= set("|- :")


def _table(block: Sequence[str]) -> list[str]:
    rows = [line.strip().strip("|").split("|") for line in (block[0], *block[2:])]
    made = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        for number, cell in enumerate(row):
            made.append(f"   {'  ' if number else '* '}- {cell.strip()}".rstrip())
    return made


def plain_types(signature: str) -> str:
    """A signature in which `Annotated[int, what it may be]` is `int`."""
    while (start := signature.find("Annotated[")) >= 0:
        first = end = start + len("Annotated[")
        depth, comma = 1, None
        while depth:
            if signature[end] == "," and depth == 1 and comma is None:
                comma = end
            depth += (signature[end] in "[(") - (signature[end] in "])")
            end += 1
        signature = signature[:start] + signature[first:comma] + signature[end:]
    return signature


def translate(app: Any, what: str, name: str, member: Any, options: Any, lines: list[str]) -> None:
    """For `autodoc-process-docstring`."""
    lines[:] = as_rst(lines)
    if what in ("attribute", "data") and lines and ":" in lines[0]:
        # napoleon takes what stands before a colon in the first line for a type.
        first, _, rest = lines[0].partition(" ")
        lines[:1] = [first, rest]


def sign(
    app: Any, what: str, name: str, member: Any, options: Any, signature: str | None,
    returned: str | None,
) -> tuple[str, str | None] | None:  # fmt: skip
    """For `autodoc-process-signature`."""
    return (plain_types(signature), returned) if signature else None


def skip(app: Any, what: str, name: str, member: Any, skipped: bool, options: Any) -> bool | None:
    """For `autodoc-skip-member`: leave out "Alias for field number 0" of named tuples."""
    return True if (member.__doc__ or "").startswith("Alias for field number") else None


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", translate, priority=400)  # napoleon has 500
    app.connect("autodoc-process-signature", sign)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

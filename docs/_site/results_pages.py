"""A page of the site for each folder of `results/`, and links from the other pages to it.

The Markdown files link to what lies outside `docs/` by relative paths, as GitHub wants it. In the
site, `../results/ntm/copy/` becomes the page `results/ntm/copy`, which shows the figures, the
numbers and the command of that folder. It is written from `result.json` at each build. Sphinx
itself copies single files (figures, `result.json`) into the site.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from statistics import median
from typing import Any

Cell = Mapping[str, Any]
FOLDER = re.compile(r"\]\(\.\./results/([\w/-]+?)/?\)")
"""The target of a link to a folder of results; one to a file in it has a suffix."""


EXAMPLE = re.compile(r"\]\(examples/(?:(README)\.rst|(\w+)\.py)\)")


def linked_to_pages(text: str) -> str:
    """A Markdown page of `docs/`, its links to folders of results and to examples turned to their
    pages."""
    text = EXAMPLE.sub(lambda found: f"](gallery/{found[2] or 'index'}.rst)", text)
    return FOLDER.sub(r"](results/\1.md)", text)


def result_page(folder: Path, up: str) -> str:
    """The Markdown page of one folder of results.

    Args:
        folder: with `result.json` and figures.
        up: the relative path from the page to the folder.
    """
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    parts = [f"# {result['experiment']}"]
    if "paper" in result:
        parts.append(f"{result['paper']}.")
    figures = sorted(path.name for path in folder.glob("*.png"))
    parts += [f"![Figure of {result['experiment']}]({up}/{name})" for name in figures]
    cells = [cell for cell in result["cells"] if "values" in cell and "seeds" in cell]
    parts += _tables(cells)
    parts += ["## Where it comes from", _facts(result, up)]
    return "\n\n".join(parts) + "\n"


def _tables(cells: Sequence[Cell]) -> Iterable[str]:
    """A table for each metric, then a line that says how to read them."""
    metrics: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        metrics.setdefault((cell["metric"], cell["unit"]), []).append(cell)
    for (metric, unit), members in metrics.items():
        yield f"## `{metric}`" + ("" if unit in ("", "1", metric) else f", {unit}")
        yield _table(members)
    if metrics:
        yield (
            "The column *ours* has the median over the seeds, and the least and the most where "
            "they differ. *Solved* counts the seeds that met the pass mark; sequences and seconds "
            "are medians of what they took until then, or of the whole training."
        )


def _table(cells: Sequence[Cell]) -> str:
    columns = {
        "task": [cell.get("task", "") for cell in cells],
        "machine": [cell["machine"] for cell in cells],
        "setting": [cell.get("setting", "") for cell in cells],
        "tested at": [cell.get("test") or "as trained" for cell in cells],
        "ours": [_spread(cell["values"]) for cell in cells],
        "published": [
            "" if cell.get("published") is None else _number(cell["published"]) for cell in cells
        ],
        "solved": [f"{cell['solved']} of {len(cell['seeds'])}" if "solved" in cell else ""
                   for cell in cells],
        "sequences": [_whole(cell.get("sequences")) for cell in cells],
        "seconds": [_whole(cell.get("seconds")) for cell in cells],
    }  # fmt: skip
    telling = ("task", "setting", "tested at")  # only where they differ
    shown = {
        name: column
        for name, column in columns.items()
        if any(column) and (name not in telling or len(set(column)) > 1)
    }
    rows = [shown, ["---"] * len(shown), *zip(*shown.values(), strict=True)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _spread(values: Sequence[float]) -> str:
    least, most = _number(min(values)), _number(max(values))
    return least if least == most else f"{_number(median(values))} ({least} to {most})"


def _number(value: float) -> str:
    if 0 < value < 0.0005:
        return "< 0.001"
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def _whole(values: Sequence[float] | None) -> str:
    return f"{median(values):,.0f}" if values else ""


def _facts(result: Mapping[str, Any], up: str) -> str:
    """Command, commit, versions and hardware, as a list."""
    hardware = result["hardware"]
    if isinstance(hardware, Mapping):
        hardware = f"{hardware['cores']} cores, {hardware['machine']}, {hardware['system']}"
    commands = list(dict.fromkeys(
        [cell["command"] for cell in result["cells"] if "command" in cell] or [result["command"]]
    ))  # fmt: skip
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    told = "command" if len(commands) == 1 else "commands"
    return "\n".join(
        [
            f"- {told}: " + ", ".join(f"`{command}`" for command in commands),
            f"- commit: `{result['commit'][:12]}` (each cell of the file names its own)",
            f"- versions: {versions}",
            f"- hardware: {hardware}",
            f"- all numbers, a value for each seed: [result.json]({up}/result.json)",
        ]
    )


def write_pages(results: Path, out: Path) -> list[str]:
    """Write a page for each result below `results` into `out`, and return their names.

    A page that did not change is left as it is, so that Sphinx need not read it again; one whose
    result is gone is removed.
    """
    pages = {}
    for path in sorted(results.glob("**/result.json")):
        name = path.parent.relative_to(results).as_posix()
        up = PurePosixPath(*[".."] * (len(PurePosixPath(name).parts) + 1), "results", name)
        pages[name] = result_page(path.parent, str(up))
    for old in out.glob("**/*.md"):
        if old.relative_to(out).with_suffix("").as_posix() not in pages:
            old.unlink()
    for name, text in pages.items():
        page = out / f"{name}.md"
        page.parent.mkdir(parents=True, exist_ok=True)
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
    return list(pages)


def _begin(app: Any) -> None:
    docs = Path(app.srcdir)
    write_pages(docs.parent / "results", docs / "results")


def _read(app: Any, name: str, source: list[str]) -> None:
    if not name.startswith("results/"):
        source[0] = linked_to_pages(source[0])


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", _begin)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The page as one file: template, styles and scripts in one piece, with the data in it."""

import html
import os
import re
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tapehead.viewing.page.packing import embedded

SCRIPTS = (
    "uplot/uPlot.iife.min.js",
    "data.js",
    "colours.js",
    "pens.js",
    "frame.js",
    "labels.js",
    "panels/heat.js",
    "panels/lines.js",
    "panels/matrix.js",
    "panels/origins.js",
    "panels/words.js",
    "panels/story.js",
    "panels/tape.js",
    "panels/map.js",
    "panels/points.js",
    "views.js",
    "curve.js",
    "player.js",
    "live.js",
    "main.js",
)
"""In the order in which they stand in the page; they share one scope."""
STYLES = ("uplot/uPlot.min.css", "page.css")


def page(document: dict[str, Any]) -> str:
    """The whole page as text."""
    named = " · ".join(filter(None, (document["title"], document["run"])))
    parts = {
        "title": html.escape(named),
        "styles": "\n".join(_asset(name) for name in STYLES),
        "scripts": "\n".join(_asset(name) for name in SCRIPTS),
        "data": embedded(document),
    }
    # In one go: what a run is called may look like a place of the template.
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _asset("page.html"))


def write_page(document: dict[str, Any], path: Path) -> Path:
    """Write the page whole or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_text(page(document), encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()
    return path


@cache
def _asset(name: str) -> str:
    return (files("tapehead.viewing.page") / "assets" / name).read_text(encoding="utf-8")

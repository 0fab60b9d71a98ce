"""What the site adds to the Markdown files: pages of results, links to them, a contents table."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from skips import needs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

pytestmark = needs("docs")


def load(name):
    place = importlib.util.spec_from_file_location(name, DOCS / "_site" / f"{name}.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site():
    return load("results_pages")


def test_links_to_folders_of_results_become_links_to_pages_and_no_others_do(site):
    text = (
        "[`a`](../results/ntm/copy/) [b](../results/dnc/time-to-it)\n"
        "![c](../results/ntm/copy/figure.png) [d](../results/ntm/copy/result.json) [e](results.md)"
    )
    assert site.linked_to_pages(text) == (
        "[`a`](results/ntm/copy.md) [b](results/dnc/time-to-it.md)\n"
        "![c](../results/ntm/copy/figure.png) [d](../results/ntm/copy/result.json) [e](results.md)"
    )


def test_links_to_examples_become_links_to_their_pages(site):
    text = "[a](examples/README.rst) [b](examples/watch_copy.py) [c](../examples/x.py)"
    assert site.linked_to_pages(text) == (
        "[a](gallery/index.rst) [b](gallery/watch_copy.rst) [c](../examples/x.py)"
    )


def test_every_folder_of_results_that_a_page_names_gets_a_page(site, tmp_path):
    names = set(site.write_pages(ROOT / "results", tmp_path))
    linked = {name for path in DOCS.glob("*.md") for name in site.FOLDER.findall(path.read_text())}
    assert "ntm/copy" in linked <= names
    for name in names:
        page = tmp_path / f"{name}.md"
        assert page.read_text().startswith(f"# {name}\n")
        assert all(
            (DOCS / "results" / name).parent.joinpath(link).resolve().exists()
            for link in re.findall(r"\]\((\.\./[^)]*)\)", page.read_text())
        )


def planted(folder, cells):
    folder.mkdir(parents=True)
    (folder / "figure.png").touch()
    result = {
        "experiment": "ntm/planted", "paper": "A paper 2014", "command": "tapehead reproduce last",
        "commit": "0123456789abcdef", "versions": {"torch": "2.13.0", "numba": "0.68.1"},
        "hardware": {"cores": 2, "machine": "x86_64", "system": "Linux", "gpus": []},
        "cells": cells,
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(result))


CELL = {
    "machine": "ntm-lstm", "task": "copy", "setting": "fast", "metric": "bits",
    "unit": "bits per sequence", "seeds": [0, 1, 2], "values": [0.00001, 2.5, 12345.0], "solved": 2,
    "sequences": [5000, 6000, 60000], "seconds": [4.0, 5.4, 50.0], "published": 0.1, "test": None,
    "command": "tapehead reproduce ntm/planted",
}  # fmt: skip


def test_a_page_of_results_shows_figures_numbers_and_where_they_come_from(site, tmp_path):
    at_length = {**CELL, "test": "50", "values": [3, 3, 3], "published": None}
    planted(tmp_path / "results" / "ntm" / "planted", [CELL, at_length])
    assert site.write_pages(tmp_path / "results", tmp_path / "docs" / "results") == ["ntm/planted"]
    text = (tmp_path / "docs" / "results" / "ntm" / "planted.md").read_text()
    assert "A paper 2014." in text
    assert "](../../../results/ntm/planted/figure.png)" in text
    assert "## `bits`, bits per sequence" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows == [
        "| machine | tested at | ours | published | solved | sequences | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| ntm-lstm | as trained | 2.5 (< 0.001 to 12,345) | 0.1 | 2 of 3 | 6,000 | 5 |",
        "| ntm-lstm | 50 | 3 |  | 2 of 3 | 6,000 | 5 |",
    ]
    assert "- command: `tapehead reproduce ntm/planted`" in text
    assert "reproduce last" not in text
    assert "`0123456789ab`" in text
    assert "torch 2.13.0, numba 0.68.1" in text
    assert "2 cores, x86_64, Linux" in text


def test_pages_are_written_anew_only_where_they_changed_and_old_ones_go(site, tmp_path):
    results, out = tmp_path / "results", tmp_path / "out"
    planted(results / "ntm" / "planted", [CELL])
    (out / "ntm").mkdir(parents=True)
    (out / "ntm" / "gone.md").touch()
    site.write_pages(results, out)
    assert [path.name for path in out.glob("**/*.md")] == ["planted.md"]
    page = out / "ntm" / "planted.md"
    before = page.stat().st_mtime_ns
    site.write_pages(results, out)
    assert page.stat().st_mtime_ns == before
    (results / "ntm" / "planted" / "figure.png").unlink()
    site.write_pages(results, out)
    assert "figure.png" not in page.read_text()


def test_every_page_is_in_the_table_of_contents():
    tree = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    entries = [
        line
        for path in DOCS.glob("*.md")
        for block in tree.findall(path.read_text())
        for line in block.splitlines()
        if line and not line.startswith(":")
    ]
    assert len(entries) == len(set(entries))
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert pages <= set(entries)


DOCSTRING = """What |x| is, not `|y|`.

seed, step: two numbers
    of one run.
path: a folder.

Note: this is prose
and goes on.

| name | symbol |
|---|---|
| memory | M |
| key | |

Args:
    path: a folder, or |x|.

>>> abs(-1) | 2
3"""


def test_docstrings_become_what_sphinx_reads():
    assert load("docstrings").as_rst(DOCSTRING.splitlines()) == [
        "What \\|x\\| is, not `|y|`.", "",
        "Args:", "    seed, step: two numbers", "        of one run.", "    path: a folder.", "",
        "Note: this is prose", "and goes on.", "",
        ".. list-table::", "   :header-rows: 1", "",
        "   * - name", "     - symbol", "   * - memory", "     - M", "   * - key", "     -", "",
        "Args:", "    path: a folder, or \\|x\\|.", "",
        ">>> abs(-1) | 2", "3", "",
    ]  # fmt: skip


def test_signatures_show_types_without_what_they_may_be():
    plain = load("docstrings").plain_types
    signature = "(rows: Annotated[int, ~checks.Check(names=(), f=[1])] = 5, x: Tensor | None)"
    assert plain(signature) == "(rows: int = 5, x: Tensor | None)"
    assert plain("(a: Annotated[dict[str, int], Check()], b: Annotated[int, 1])") == (
        "(a: dict[str, int], b: int)"
    )

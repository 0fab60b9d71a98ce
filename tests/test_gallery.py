"""The examples of the gallery run by themselves and show what their prose says."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skips import needs

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))

pytestmark = needs("docs")

SHOWN = {
    "ask_a_story": r"where is john\? bathroom.*where is mary\? garden",
    "dnc_in_your_model": r"batch 200: (9\d|100)%.*- as before",
    "lengths_and_pieces": r"alone\ndiffers by \S+ from the whole; 0 of 192 bits wrong",
    "one_row_at_a_time": r"reinforce: expected cost 1\.0[6-9].*relax: expected cost 1\.0[1-4]",
    "point_out_a_hull": r"points \[8, 9, 10, 11, 12, 13, 14, 4, 5, 6, 7\]",
    "watch_copy": r"0 sequences seen: [89].*6,400 sequences seen: 0\.[01] wrong bits",
    "your_own_machine": r"batch 80: (9\d|100)%.*True",
    "your_own_task": r"batches: 0\.\d\d wrong bits of 24\n\d",
}
"""What each prints, in the order in which it does."""

RUN_THEM = """
import contextlib, io, json, runpy, sys, traceback
done = {}
for path in json.load(sys.stdin):
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(path, run_name="__main__")
    except BaseException:
        said.write(traceback.format_exc())
    done[path] = said.getvalue()
print(json.dumps(done))
"""


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """By script: in one process, in an empty folder, where the pictures are left."""
    folder = tmp_path_factory.mktemp("examples")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN_THEM],
        input=json.dumps([str(path) for path in SCRIPTS]),
        capture_output=True, text=True, timeout=280, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, {Path(path).stem: said for path, said in json.loads(done.stdout).items()}


def test_there_are_eight_examples_each_with_what_it_shows():
    assert {path.stem for path in SCRIPTS} == set(SHOWN)
    assert len(SHOWN) == 8


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_runs_and_shows_what_it_says(name, printed):
    folder, said = printed
    assert re.search(SHOWN[name], said[name], re.DOTALL), said[name]
    pictures = re.findall(r'^save\(figure, "(.*)"\)$', (FOLDER / f"{name}.py").read_text(), re.M)
    assert pictures
    assert all((folder / picture).stat().st_size > 5_000 for picture in pictures)


def test_examples_have_a_title_and_short_lines():
    for path in SCRIPTS:
        lines = path.read_text().splitlines()
        assert max(map(len, lines)) <= 100, path.name
        assert lines[0] == '"""', path.name  # sphinx-gallery's title
        assert lines[2] == "=" * len(lines[1]), path.name


def test_an_example_is_a_notebook_too():
    """Each part of code between two parts of prose is a cell; a cell knows no `__file__`."""
    for path in SCRIPTS:
        text = path.read_text()
        cells = re.split(r"^# %%.*\n(?:#.*\n)*", text, flags=re.MULTILINE)
        assert len(cells) > 3, path.name
        statements = [node for cell in cells for node in ast.parse(cell).body]
        assert list(map(ast.dump, statements)) == list(map(ast.dump, ast.parse(text).body))
        names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        assert "__file__" not in names, path.name

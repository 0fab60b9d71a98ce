"""The site builds: every page, link, image and docstring of it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skips import needs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

pytestmark = [needs("docs"), needs("sphinx"), pytest.mark.slow, pytest.mark.timeout(900)]


def test_it_builds_off_line_and_without_a_warning(tmp_path):
    """A copy, as pages of results and tasks are written beside the others. The examples are pages
    without their output: `test_gallery.py` runs them."""
    made = shutil.ignore_patterns("_build", "results", "tasks", "gallery", "*.pyc")
    shutil.copytree(DOCS, tmp_path / "docs", ignore=made)
    for folder in ("results", "src"):  # which pages link to
        (tmp_path / folder).symlink_to(ROOT / folder)
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet",
         "--define=plot_gallery=0", "docs", "html"],
        cwd=tmp_path, env=os.environ | nowhere, capture_output=True, text=True, timeout=880,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    html = tmp_path / "html"
    pages = {path.stem for path in DOCS.glob("*.md")}
    assert pages <= {path.stem for path in html.glob("*.html")}
    text = (html / "ntm.html").read_text(encoding="utf-8")
    for link in ("results/ntm/copy.html", "zoo.html"):
        assert re.search(rf'href="{link}', (html / "index.html").read_text() + text), link
        assert (html / link).is_file()

"""Every reason for which a test may be skipped, in one list; nothing else skips one.

`pytestmark = needs("make")` skips the tests of a file where there is no make, and `@needs(...)` one
of them; in a fixture `find("ray")` skips what uses it.
"""

import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SITE = ("sphinx", "furo", "myst_parser", "sphinx_gallery", "sphinx_copybutton")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


class Need(NamedTuple):
    is_there: bool
    reason: str
    """Why tests are skipped where it is not."""


SKIPS = {
    "docs": Need((ROOT / "docs").exists(), "an installed copy has no README and no docs"),
    "sphinx": Need(all(map(find_spec, SITE)), "the packages that build the site are not installed"),
    "make": Need(
        shutil.which("make") is not None and (ROOT / "Makefile").exists(),
        "there is no make, or an installed copy, which has no Makefile",
    ),
    "fish": Need(shutil.which("fish") is not None, "there is no fish"),
    "chromium": Need(bool(CHROMIUM), "no Chromium is installed"),
    "playwright": Need(find_spec("playwright") is not None, "playwright is not installed"),
    "huggingface_hub": Need(
        find_spec("huggingface_hub") is not None, "huggingface-hub is not installed"
    ),
    "ray": Need(find_spec("ray") is not None, "ray is not installed"),
}


def needs(name: str) -> pytest.MarkDecorator:
    """A mark that skips a test where something is not there."""
    return pytest.mark.skipif(not SKIPS[name].is_there, reason=SKIPS[name].reason)


def find(name: str, module: str = "") -> Any:
    """A package, or a module of it; without it the test is skipped."""
    if not SKIPS[name].is_there:
        pytest.skip(SKIPS[name].reason)
    return import_module(module or name)

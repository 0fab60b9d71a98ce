"""The two commands set up once, and say what is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from skips import needs

ROOT = Path(__file__).parents[1]

pytestmark = needs("make")


def make(folder, *arguments):
    # `make test` tells its own make's settings to everything below it.
    free = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    free.pop("MFLAGS", None)
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=free, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def clone(tmp_path):
    """A checkout whose environment is a stand-in that only says what it is asked to do."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for tool in ("python", "tapehead"):
        (tools / tool).write_text(f'#!/bin/sh\necho {tool} "$@"\n')
        (tools / tool).chmod(0o755)
    return tmp_path


def test_train_installs_pinned_versions_and_runs_the_main_job(clone):
    lines = make(clone, "train", "ARGS=--seed 3").stdout.splitlines()
    install = next(line for line in lines if "pip install" in line)
    assert "--constraint constraints.txt" in install
    assert "--editable .[dev,docs]" in install
    assert lines[-1] == "tapehead train copy --out runs/copy --resume --seed 3"


def test_the_site_takes_warnings_for_errors(clone):
    lines = make(clone, "docs").stdout.splitlines()
    assert lines[-2].startswith("python -m sphinx --fail-on-warning")
    assert lines[-2].endswith("docs docs/_build/html")


def test_set_up_is_done_once_and_again_when_the_pins_change(clone):
    assert "pip install" in make(clone, "setup").stdout
    assert "pip install" not in make(clone, "setup").stdout
    newer = (clone / ".venv" / ".ready").stat().st_mtime + 10
    os.utime(clone / "constraints.txt", (newer, newer))
    assert "pip install" in make(clone, "setup").stdout


def test_a_set_up_that_failed_is_tried_again(clone):
    python = clone / ".venv" / "bin" / "python"
    works = python.read_text()
    python.write_text('#!/bin/sh\ncase "$*" in *install*) exit 1; esac\n')
    assert make(clone, "test").returncode != 0
    python.write_text(works)
    done = make(clone, "test")
    assert "pip install" in done.stdout
    assert "python -m pytest" in done.stdout


def test_without_python_it_says_so(clone):
    done = make(clone, "train", "PYTHON=false")
    assert done.returncode != 0
    assert "tapehead needs Python 3.11 or newer" in done.stderr


def test_the_pins_fit_the_ranges_that_the_package_asks_for():
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    )  # fmt: skip
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    assert pins["torch"] == "2.13.0"
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["dev"] + extras["docs"]
    for requirement in map(Requirement, wanted):
        version = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_ci_calls_make_test():
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    assert script[0] == "#!/usr/bin/env bash"
    assert script[-1] == "make test"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)

"""What there is: names without importing it, sizes beside the papers', results beside theirs."""

import json
from pathlib import Path

import pytest

from tapehead.machines import MACHINES
from tapehead.recipes import CALCULATIONS, EXPERIMENTS
from tapehead.recipes import results as results_module
from tapehead.recipes.results import SUMMARY, summary
from tapehead.tasks import TASKS


def test_what_is_read_from_source_is_the_real_thing():
    for registry in (TASKS, MACHINES):
        for name in registry:
            summary = registry.summary(name)
            assert len(summary) > 20
            docstring = " ".join((registry[name].__doc__ or "").split())
            assert docstring.startswith(summary)
            assert registry.name_of(registry[name]) == name
    for name in TASKS:
        assert TASKS[name].name == name


def test_the_overview_names_everything(call):
    out = call("list").out
    for name in [*TASKS, *MACHINES, *EXPERIMENTS, *CALCULATIONS]:
        assert f"  {name} " in out
    assert max(map(len, out.splitlines())) <= 100
    listed = call("list", "--json").json[0]
    assert list(listed["tasks"]) == list(TASKS)
    assert set(listed["experiments"]) == {*EXPERIMENTS, *CALCULATIONS}
    tardis = next(
        each
        for each in call("list", "--experiments", "--json").json[0]["experiments"]
        if each["name"] == "discrete/tardis"
    )
    assert tardis["tasks"] == ["copy", "associative-recall"]
    assert tardis["machines"][-2:] == ["lstm", "ntm"]


def test_parameter_counts_stand_beside_the_papers(call):
    """Tables 1-3 of the NTM paper, and our counts worked out by hand for two of them."""
    out = call("list", "--machines").out
    assert max(map(len, out.splitlines())) <= 100
    listed = call("list", "--machines", "--json").json[0]["machines"]
    rows = {(row["machine"], row["task"]): row for row in listed}
    assert len(rows) == 15
    copy = rows["lstm", "copy"]
    layers = 4 * 256 * (9 + 256 + 2) + 2 * 4 * 256 * (256 + 256 + 2)
    starts = 2 * 3 * 256  # learned hidden and cell states
    assert copy["parameters"] == layers + 8 * (256 + 1) + starts
    assert copy["published"] == 1_352_969
    assert f"{copy['parameters']:,}" in out
    assert "1,352,969" in out
    ntm = rows["ntm-feedforward", "copy"]
    head = 20 + 1 + 1 + 3 + 1  # key, strength, gate, shifts, sharpening
    controller = (9 + 20 + 1) * 100
    interface = (100 + 1) * (2 * head + 2 * 20)
    output = (100 + 20 + 1) * 8
    starts = 20 + 128 + 128 + 128 * 20  # learned first read, weightings and memory
    assert ntm["parameters"] == controller + interface + output + starts
    assert ntm["published"] == 17_162


def test_tasks_and_experiments(call):
    out = call("list", "--tasks", "--experiments").out
    assert max(map(len, out.splitlines())) <= 100
    assert "--max-length 20" in out
    assert "tested at 10; 20; 30; 50; 120" in out
    assert "ntm/priority-sort" in out
    assert "estimators/bernoulli" in out


@pytest.fixture
def results(tmp_path):
    shared = {
        "machine": "ntm-lstm", "task": "copy", "setting": "fast", "metric": "bits",
        "unit": "bits per sequence", "seeds": [0, 1, 2], "solved": 2,
        "sequences": [1000, 3000, 2000], "seconds": [10, 30, 20], "source": "somewhere",
    }  # fmt: skip
    cells = [
        shared | {"test": None, "values": [0.1, 0.3, 0.2], "published": 0.15},
        shared | {"test": "20", "values": [1.0, 4.0, 2.5], "published": None},
        shared | {"machine": "lstm", "test": None, "values": [5, 7, 6], "published": 4.8},
    ]
    folder = tmp_path / "results" / "ntm" / "copy"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps({"experiment": "ntm/copy", "cells": cells}))
    return folder


def test_results_stand_beside_the_published_values(call, results):
    outcome = call("list", "--results")
    assert outcome.err == ""
    out = outcome.out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "ntm/copy, fast: bits (bits per sequence)" in lines
    assert "ntm-lstm as trained 0.2 (0.1 to 0.3) 0.15 2/3 2,000 20" in lines
    assert "ntm-lstm 20 2.5 (1 to 4) 2/3 2,000 20" in lines
    assert "lstm as trained 6 (5 to 7) 4.8 2/3 2,000 20" in lines
    assert call("list", "--results", "--json").json[0]["results"][0]["experiment"] == "ntm/copy"


WIDTHS = [80, 100, 120, 200]


@pytest.fixture
def repository(monkeypatch):
    """The folder of the checkout, if this is one."""
    folder = Path(__file__).parents[2]
    assert (folder / "results").is_dir()
    return folder


def without_rules(out):
    return [line for line in out.splitlines() if line.strip("-")]


@pytest.mark.parametrize("width", WIDTHS)
def test_results_fit_the_terminal(call, repository, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    outcome = call("list", "--results", f"--folder={repository / 'results'}")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert max(map(len, lines)) <= width
    for name in ("ntm/copy", "discrete/rl-ntm", "dnc/extensions"):
        assert any(line.startswith(f"{name}, ") for line in lines)
    if width == 80:
        head = "machine                     ours  published  solved  sequences  seconds"
        assert head in lines


def test_no_two_rows_of_results_read_the_same(call, repository, monkeypatch):
    """Machine and test, in their section."""
    monkeypatch.setenv("COLUMNS", "140")
    cells = call("list", "--results", "--json").json[0]["results"]
    names = [
        (cell["experiment"], cell["setting"], cell["task"], cell["metric"], cell["machine"],
         cell.get("test"))
        for cell in cells
    ]  # fmt: skip
    assert len(set(names)) == len(names) > 200
    out = call("list", "--results").out
    assert "discrete/rl-ntm, fast, reverse: right" in out
    assert "discrete/rl-ntm, fast, copy: right" in out
    for block in out.split("\n\n")[:-1]:
        rows = without_rules(block)[1:]
        assert len(set(rows)) == len(rows), block


def test_results_come_with_the_package_and_are_current(call, repository):
    """Where this fails, `python -m tapehead.recipes.results` writes the file again."""
    assert SUMMARY.read_text() == summary(repository / "results")
    assert SUMMARY.stat().st_size < 200_000
    assert SUMMARY.parent == Path(results_module.__file__).parent  # so a wheel has it
    packaged = call("list", "--results")  # in an empty folder
    assert packaged.code == 0
    assert packaged.out == call("list", "--results", f"--folder={repository / 'results'}").out


def test_results_in_the_folder_at_hand_come_first(call, results):
    assert "ntm/copy" in call("list", "--results").out
    assert "discrete/rl-ntm" not in call("list", "--results").out
    outcome = call("list", "--results", "--folder=nowhere")
    assert (outcome.code, outcome.err) == (
        2, "tapehead list: there is no folder nowhere with results\n",
    )  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("arguments", [[], ["--tasks", "--experiments"]])
def test_other_lists_fit_the_terminal(call, monkeypatch, width, arguments):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = call("list", *arguments).out.splitlines()
    assert max(map(len, lines)) <= width


def test_a_damaged_result_is_named(call, results):
    (results / "result.json").write_text("[]")
    outcome = call("list", "--results")
    assert outcome.code == 1
    assert outcome.err == (
        "tapehead list: results/ntm/copy/result.json is not a result: it has no cells\n"
    )

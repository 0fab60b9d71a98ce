"""Results beside the published values: as tables, as CSV, and as rows in Python."""

import csv
import io
import json
from pathlib import Path

import pytest
from calls import complaint

import tapehead
from tapehead.errors import TapeheadError
from tapehead.recipes import results as results_module
from tapehead.recipes.results import SUMMARY, summary


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
    outcome = call("results")
    assert outcome.err == ""
    out = outcome.out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "ntm/copy, fast: bits (bits per sequence)" in lines
    assert "ntm-lstm as trained 0.2 (0.1 to 0.3) 0.15 2/3 2,000 20" in lines
    assert "ntm-lstm 20 2.5 (1 to 4) 2/3 2,000 20" in lines
    assert "lstm as trained 6 (5 to 7) 4.8 2/3 2,000 20" in lines
    assert call("results", "--json").json[0]["results"][0]["experiment"] == "ntm/copy"


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
    outcome = call("results", f"--folder={repository / 'results'}")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert max(map(len, lines)) <= width
    for name in ("ntm/copy", "discrete/rl-ntm", "dnc/extensions"):
        assert any(line.startswith(f"{name}, ") for line in lines)
    if width == 80:
        head = "machine                       ours  published  solved  sequences  seconds"
        assert head in lines


def test_no_two_rows_of_results_read_the_same(call, repository, monkeypatch):
    """Machine and test, in their section."""
    monkeypatch.setenv("COLUMNS", "140")
    cells = call("results", "--json").json[0]["results"]
    names = [
        (cell["experiment"], cell["setting"], cell["task"], cell["metric"], cell["machine"],
         cell.get("test"))
        for cell in cells
    ]  # fmt: skip
    assert len(set(names)) == len(names) > 200
    out = call("results").out
    assert "discrete/rl-ntm, fast, reverse-tape: solved" in out
    assert "discrete/rl-ntm, fast, copy-tape: solved" in out
    for block in out.split("\n\n")[:-1]:
        rows = without_rules(block)[1:]
        assert len(set(rows)) == len(rows), block


def test_results_come_with_the_package_and_are_current(call, repository):
    """Where this fails, `python -m tapehead.recipes.results` writes the file again."""
    assert SUMMARY.read_text() == summary(repository / "results")
    assert SUMMARY.stat().st_size < 200_000
    assert SUMMARY.parent == Path(results_module.__file__).parent  # so a wheel has it
    packaged = call("results")  # in an empty folder
    assert packaged.code == 0
    assert packaged.out == call("results", f"--folder={repository / 'results'}").out


def test_results_in_the_folder_at_hand_come_first(call, results):
    assert "ntm/copy" in call("results").out
    assert "discrete/rl-ntm" not in call("results").out
    outcome = call("results", "--folder=nowhere")
    assert (outcome.code, outcome.err) == (
        2, "tapehead results: there is no folder nowhere with results\n",
    )  # fmt: skip


def test_a_damaged_result_is_named(call, results):
    (results / "result.json").write_text("[]")
    outcome = call("results")
    assert outcome.code == 1
    assert outcome.err == (
        "tapehead results: results/ntm/copy/result.json is not a result: it has no cells\n"
    )


def test_a_csv_has_a_line_for_each_seed(call, results):
    outcome = call("results", "--csv")
    assert (outcome.code, outcome.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert len(rows) == 9
    by_place = {(row["machine"], row["test"], row["seed"]): row for row in rows}
    row = by_place["ntm-lstm", "20", "1"]
    assert (row["experiment"], row["value"], row["sequences"]) == ("ntm/copy", "4.0", "3000")
    assert (row["solved"], row["published"], row["source"]) == ("", "", "somewhere")
    assert by_place["ntm-lstm", "", "2"]["published"] == "0.15"


def test_a_row_says_whether_its_seed_solved_the_task_where_that_is_known(results):
    value = json.loads((results / "result.json").read_text())
    value["cells"][0]["solved_by_seed"] = [True, False, True]
    value["cells"][1]["solved"] = 3
    value["cells"][2]["solved"] = 0
    (results / "result.json").write_text(json.dumps(value))
    solved = [row["solved"] for row in tapehead.results.load(results.parents[1])]
    assert solved == [True, False, True, True, True, True, False, False, False]


def test_a_row_names_the_commit_of_its_seed_in_twelve_characters(results, repository, monkeypatch):
    old, new = "0123456789abcdef" + 24 * "0", "fedcba9876543210" + 24 * "0"
    value = json.loads((results / "result.json").read_text())
    value["cells"][0]["commit"] = old
    value["cells"][1] |= {"commit": f"{old}, {new}", "commits": [old, new, old]}
    value["cells"][2]["commit"] = f"{old}, {new}"
    (results / "result.json").write_text(json.dumps(value))
    commits = [row["commit"] for row in tapehead.results.load(results.parents[1])]
    one, other = old[:12], new[:12]
    assert commits == [one] * 3 + [one, other, one] + [f"{one}, {other}"] * 3
    # Those that come with the package are those of the checkout.
    monkeypatch.chdir(results)
    packaged = [row["commit"] for row in tapehead.results.load()]
    assert packaged == [row["commit"] for row in tapehead.results.load(repository / "results")]


def test_rows_are_flat_and_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = tapehead.results.load()
    assert len(rows) > 1000
    assert {tuple(row) for row in rows} == {tapehead.results.FIELDS}
    assert not any(isinstance(value, list | dict) for row in rows for value in row.values())
    with pytest.raises(TapeheadError, match="there is no folder nowhere with results"):
        tapehead.results.load("nowhere")


def test_experiments_are_chosen_by_name_or_beginning(call):
    def found(*names):
        printed = call("results", "--json", "--experiments", *names).json[0]["results"]
        return {cell["experiment"] for cell in printed}

    assert found("ntm/copy", "discrete/copy/") == {"ntm/copy", "discrete/copy"}
    assert {"dnc/copy", "dnc/graphs"} < found("dnc")
    assert all(name.startswith("dnc/") for name in found("dnc"))
    wrong = call("results", "--experiments", "ntm/cop")
    assert complaint(wrong, code=2).endswith("got 'ntm/cop'; did you mean ntm/copy?")
    both = call("results", "--csv", "--json")
    assert complaint(both, code=2).endswith("--csv and --json exclude each other")

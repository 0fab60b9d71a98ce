"""From runs to cells to result.json and back."""

import json

import pytest

from tapehead.errors import TapeheadError
from tapehead.recipes import EXPERIMENTS
from tapehead.recipes.results import all_cells, cells_of, middle, read_result, write_result

TASK = "associative-recall"
RECALL = EXPERIMENTS[f"ntm/{TASK}"]
FACTS = {
    "command": "tapehead reproduce ntm/associative-recall", "commit": "abc",
    "commit_has_changes": False, "versions": {"torch": "2"}, "hardware": {"cores": 2},
}  # fmt: skip


def run(solved_at, bits):
    """A run's result.json; it went on for 900 sequences and 9 seconds."""
    return {
        "solved": solved_at is not None,
        "solved_after": solved_at and {"sequences": solved_at, "seconds": solved_at / 100},
        "sequences": 900,
        "seconds": 9.0,
        "scores": {"bits": bits, "bit_errors": bits / 2},
        "evaluation": {"6": {"bits": bits + 1}, "7": {"bits": bits + 2}},
    }


def test_cells_hold_one_value_for_each_seed_in_order():
    runs = {3: run(None, 5.0), 1: run(400, 0.25)}
    trained, six, seven = cells_of(RECALL, TASK, "lstm", "fast", runs)
    assert (trained["seeds"], trained["values"], trained["test"]) == ([1, 3], [0.25, 5.0], None)
    assert (trained["solved"], trained["success_rate"]) == (1, 0.5)
    assert trained["solved_by_seed"] == [True, False]
    assert trained["sequences"] == [400, 900]  # until solved, or in vain
    assert trained["seconds"] == [4.0, 9.0]
    assert trained["scores"] == {"bits": [0.25, 5.0], "bit_errors": [0.125, 2.5]}
    assert (trained["published"], six["published"], seven["published"]) == (0.5, 2.0, None)
    assert "Figure 10" in trained["source"]
    assert "Figure 11" in six["source"]
    assert seven["source"] is None
    assert (six["test"], six["values"], seven["values"]) == ("6", [1.25, 6.0], [2.25, 7.0])
    for cell in (trained, six, seven):
        named = {key: cell[key] for key in ("machine", "task", "setting", "metric", "unit")}
        assert named == {
            "machine": "lstm", "task": "associative-recall", "setting": "fast", "metric": "bits",
            "unit": "bits per sequence",
        }  # fmt: skip


def test_a_result_keeps_what_others_put_there(tmp_path):
    lstm = cells_of(RECALL, TASK, "lstm", "fast", {0: run(None, 5.0)})
    ntm = cells_of(RECALL, TASK, "ntm-lstm", "fast", {0: run(400, 0.0)})
    paper = cells_of(RECALL, TASK, "lstm", "paper", {0: run(None, 9.0)})
    better = cells_of(RECALL, TASK, "lstm", "fast", {0: run(None, 4.0)})
    gone = [cell | {"task": "a task that is gone"} for cell in lstm]
    for number, cells in enumerate((lstm + gone, ntm, paper, better)):
        write_result(tmp_path, RECALL, cells, FACTS | {"commit": str(number)})
    result = read_result(tmp_path)
    assert result["experiment"] == "ntm/associative-recall"
    assert (result["commit"], result["versions"], result["hardware"]) == (
        "3", {"torch": "2"}, {"cores": 2},
    )  # fmt: skip
    kept = [
        (cell["machine"], cell["setting"], cell["values"][0], cell["commit"])
        for cell in result["cells"]
        if cell["test"] is None
    ]
    assert kept == [
        ("ntm-lstm", "fast", 0.0, "1"), ("lstm", "paper", 9.0, "2"), ("lstm", "fast", 4.0, "3"),
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_all_cells_of_a_folder_name_their_experiment(tmp_path):
    assert all_cells(tmp_path) == []
    cells = cells_of(RECALL, TASK, "lstm", "fast", {0: run(None, 5.0)})
    write_result(tmp_path / "ntm" / "associative-recall", RECALL, cells, FACTS)
    found = all_cells(tmp_path)
    assert len(found) == 3
    assert {cell["experiment"] for cell in found} == {"ntm/associative-recall"}


def test_damaged_and_foreign_results_are_named(tmp_path):
    assert read_result(tmp_path) is None
    file = tmp_path / "result.json"
    file.write_text("{")
    with pytest.raises(TapeheadError, match=r"result\.json is damaged: not JSON"):
        read_result(tmp_path)
    file.write_text(json.dumps({"cells": 3}))
    with pytest.raises(TapeheadError, match=r"result\.json is not a result: it has no cells"):
        read_result(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(TapeheadError, match=r"cannot read .*result\.json: Is a directory"):
        read_result(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    cells = cells_of(RECALL, TASK, "lstm", "fast", {0: run(None, 5.0)})
    with pytest.raises(TapeheadError, match=r"cannot write to .*file/folder: Not a directory"):
        write_result(tmp_path / "file" / "folder", RECALL, cells, FACTS)


def test_the_middle_is_the_median():
    assert middle([1.0, 100.0, 2.0]) == 2.0
    assert middle([4, 1]) == 2.5

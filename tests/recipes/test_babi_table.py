"""The table of bAbI: what it says is what the results say, and what is missing is marked."""

import json

import pytest

from tapehead.errors import TapeheadError
from tapehead.recipes import babi_table
from tapehead.recipes.babi import TASKS


def cell(task, machine, values, best, **changed):
    return {
        "task": task, "machine": machine, "setting": "fast", "metric": "wrong", "unit": "share",
        "seeds": list(range(len(values))), "values": values, "best": best, "trained_on": "10k",
        "sequences": [10] * len(values), "seconds": [2.5] * len(values), "solved": 0,
        "published": None, "source": None, **changed,
    }  # fmt: skip


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(name, cells):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"experiment": name, "cells": cells}))

    return write


def rows_of(text, heading):
    part = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[entry.strip() for entry in line.strip("|").split("|")] for line in lines]


def test_the_table_says_what_the_results_say(results, tmp_path):
    cells = [
        cell(task, "memory-network", [0.01 * number, 0.03 * number], 0.03 * number)
        for number, task in enumerate(TASKS, 1)
    ]
    cells[2]["trained_on"] = "simulated stories"
    results("babi/memory-network", cells)
    results("babi/joint", [cell(task, "entity-network", [0.2], 0.2) for task in TASKS[:2]])
    result = babi_table.reproduce(tmp_path / "out")
    first, second = result["cells"]
    assert first["values"] == pytest.approx([0.105, 0.315])
    assert first["best"] == pytest.approx(0.315)
    # 3 % of the first task; 6 % of the second and more of all others.
    assert (first["failed"], first["solved"]) == (19, 0)
    assert (first["seconds"], first["sequences"]) == ([50.0, 50.0], [200, 200])
    assert first["published"] == pytest.approx(0.04235)
    assert first["test"] == "mean of 20 tasks"
    assert second["machine"] == "entity-network, all tasks together"
    assert (second["test"], second["published"]) == ("mean of 2 tasks", 0.0765)
    # One run for both tasks, which its cells both tell of.
    assert (second["seconds"], second["sequences"]) == ([2.5], [10])

    text = (tmp_path / "out" / "table.md").read_text()
    head, _, *rows = rows_of(text, "Sentences, each task on its own")
    assert head[:6] == [
        "task", "MemN2N mean", "best", "published", "EntNet, not run", "published",
    ]  # fmt: skip
    assert rows[0][:6] == ["1 single supporting fact", "2.0", "3.0", "0.0", "", "0.0"]
    assert rows[2][:4] == ["3 three supporting facts", "6.0*", "9.0*", "2.1"]
    assert rows[20][:4] == ["mean", "21.0", "31.5", "4.2"]
    assert rows[21][:4] == ["failed", "18", "19", "3"]
    assert "- \\*: MemN2N on babi-3: trained on simulated stories.\n" in text
    # Two tasks of twenty are no mean.
    _, _, *joint = rows_of(text, "Sentences, all tasks together")
    assert joint[0][-3:] == ["20.0", "20.0", "0.0"]
    assert joint[2][-3:] == ["", "", "29.3"]
    assert joint[20][-3:] == ["", "", "9.7"]
    words, *_ = rows_of(text, "Words, all tasks together")
    assert words[1::2] == ["LSTM, not run", "NTM, not run", "DNC, not run"]
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000


def test_published_columns_have_the_printed_means():
    """All but the LSTM's and NTM's counts of failed tasks are those that the papers print."""
    printed = {
        ("MemN2N", 0): 4.2, ("EntNet", 0): 0.5, ("DMN+", 0): 2.8, ("D-NTM", 0): 12.8,
        ("MemN2N", 1): 7.5, ("EntNet", 1): 9.7, ("LSTM", 1): 25.2, ("NTM", 1): 20.1,
        ("DNC", 1): 3.8,
    }  # fmt: skip
    found = {
        (column.title, int(column.trained == "all tasks together")): round(
            sum(column.published) / 20 + 1e-9, 1
        )
        for column in babi_table.COLUMNS
    }
    assert found == printed


def test_without_results_it_says_what_makes_some(results, tmp_path):
    with pytest.raises(TapeheadError, match=r"^there are no results below results.babi: `tapehead"):
        babi_table.reproduce(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_seeds_mean_nothing(tmp_path):
    with pytest.raises(TapeheadError, match=r"^--seeds means nothing to babi/table"):
        babi_table.reproduce(tmp_path, seeds=(1,))


def test_machines_that_hear_words_fill_their_columns(results, tmp_path):
    cells = [cell(task, "dnc", [0.04, 0.02], 0.02) for task in TASKS]
    cells += [cell(task, "dnc", [0.9], 0.9, setting="paper") for task in TASKS]
    cells += [cell(task, "ntm-lstm", [0.3], 0.3) for task in TASKS]
    cells += [cell("babi-words-all", "dnc", [0.5], 0.5)]
    results("babi/words", cells)
    result = babi_table.reproduce(tmp_path / "out")
    assert [found["machine"] for found in result["cells"]] == [
        "ntm-lstm, all tasks together", "dnc, all tasks together",
    ]  # fmt: skip
    assert result["cells"][1]["values"] == pytest.approx([0.04, 0.02])
    text = (tmp_path / "out" / "table.md").read_text()
    head, _, *rows = rows_of(text, "Words, all tasks together")
    assert head == [
        "task", "LSTM, not run", "published", "NTM mean", "best", "published", "DNC mean", "best",
        "published",
    ]  # fmt: skip
    assert rows[1][1:] == ["", "53.2", "30.0", "30.0", "54.5", "3.0", "2.0", "0.4"]
    assert rows[20][-3:] == ["3.0", "2.0", "3.8"]

"""`ntm/grown-memory`, from one small run to its cells and figure."""

import pytest

from tapehead.recipes import EXPERIMENTS, grown
from tapehead.recipes.reproduce import reproduce
from tapehead.runs import evaluate, load_run
from tapehead.training import TrainConfig
from tapehead.training.fleet import Here

SMALL = {"memory_size": 5, "word_size": 3, "hidden_size": 4, "backend": "reference"}


def recipe(task, contestant, setting):
    return TrainConfig(
        task=task, task_options={"max_length": 2}, machine="ntm", machine_options=SMALL,
        max_sequences=16, batch_size=8, report_every=8, validation_sequences=4, threads=1,
    )  # fmt: skip


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(grown, "LENGTHS", (2, 7))
    monkeypatch.setattr(grown, "ROWS", (5, 11))
    experiment = EXPERIMENTS["ntm/grown-memory"]
    return experiment.__class__(**{**vars(experiment), "recipe": recipe})


def test_each_memory_is_tested_at_each_length(small, tmp_path):
    found = reproduce(
        small, seeds=(3, 1), machines=["ntm-lstm, 24 rows"], out=tmp_path / "out",
        runs=tmp_path / "runs", engine=lambda jobs: Here(), test_sequences=4,
    )  # fmt: skip
    usual, *cells = found.cells
    assert usual["test"] is None
    assert usual["seeds"] == [1, 3]
    assert [cell["test"] for cell in cells] == [
        "length 2, 5 rows", "length 7, 5 rows", "length 2, 11 rows", "length 7, 11 rows",
    ]  # fmt: skip
    for place, seed in enumerate((1, 3)):
        _, machine, task = load_run(
            tmp_path / "runs" / "ntm-lstm-24-rows" / f"seed-{seed}", step="latest"
        )
        for rows, cell in ((5, cells[1]), (11, cells[3])):
            machine.memory_size = rows
            wanted = evaluate(machine, task.resized(min_length=7, max_length=7), sequences=4)
            assert cell["values"][place] == wanted["bit_errors"]
            assert cell["scores"]["bits"][place] == wanted["bits"]
    assert cells[1]["scores"]["bits"] != cells[3]["scores"]["bits"]
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000


def test_there_are_as_many_rows_as_vectors_for_every_length():
    assert max(grown.ROWS) >= max(grown.LENGTHS)
    experiment = EXPERIMENTS["ntm/grown-memory"]
    for contestant, rows in grown.TRAINED.items():
        config = experiment.recipe("copy", contestant, "fast")
        assert config.machine_options["memory_size"] == rows
        assert config.test_memory_size is None
        assert grown.ROWS[0] >= rows >= 20

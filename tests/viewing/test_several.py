"""Several runs in one view, and folders of them."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tapehead.errors import TapeheadError
from tapehead.tasks import TASKS, make_task
from tapehead.tasks.metrics import BITS
from tapehead.training import TrainConfig, train
from tapehead.viewing import Seed, read_seed, several
from tapehead.viewing.seeds import drawable
from tapehead.viewing.several import runs_in, view_runs

sys.path.append(str(Path(__file__).parents[1] / "tasks"))

from tiny_world import Treasure

SMALL = {
    "machine": "lstm", "machine_options": {"hidden_size": 4, "num_layers": 1}, "batch_size": 8,
    "max_sequences": 16, "report_every": 8, "validation_sequences": 2, "threads": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds, one of other settings, and one of another task."""
    folder = tmp_path_factory.mktemp("runs")
    config = TrainConfig(**SMALL)
    for name, changes in {
        "seeds/seed-2": {"seed": 2}, "seeds/seed-10": {"seed": 10},
        "wide": {"machine_options": {"hidden_size": 5, "num_layers": 1}},
        "other": {"task": "ngrams", "task_options": {"sequence_length": 12}},
    }.items():  # fmt: skip
        train(TrainConfig(**SMALL | changes), folder / name)
    assert config.seed == 0
    return folder


def test_a_folder_of_seeds_is_its_runs_by_number(runs, tmp_path):
    assert runs_in(runs / "seeds") == [runs / "seeds" / "seed-2", runs / "seeds" / "seed-10"]
    assert runs_in(runs / "wide") == [runs / "wide"]
    assert runs_in(tmp_path) == []


def test_each_is_drawn_and_all_together(runs, tmp_path, monkeypatch):
    seen = {}
    curves = several.learning_curves

    def watch(machines, **options):
        seen.update(machines)
        return curves(machines, **options)

    monkeypatch.setattr(several, "learning_curves", watch)
    chosen = [*runs_in(runs / "seeds"), runs / "wide"]
    files = view_runs(chosen, tmp_path / "out", lengths=[2], format="svg")
    assert all(file.stat().st_size > 1000 for file in files)
    pictures = [file for file in files if file.name != "view.html"]
    assert all(file.read_text().startswith("<?xml") for file in pictures)
    names = {str(file.relative_to(tmp_path / "out")) for file in files}
    assert {"learning.svg", "seeds/seed-2/bits.svg", "wide/bits.svg"} <= names
    assert "bits.svg" in (tmp_path / "out/wide/view.html").read_text()
    assert {name: len(members) for name, members in seen.items()} == {"lstm": 2, "lstm, wide": 1}


def test_without_a_folder_the_common_picture_lies_beside_the_runs(runs):
    files = view_runs(runs_in(runs / "seeds"), lengths=[2])
    assert files[-1].resolve() == (runs / "seeds" / "learning.png").resolve()
    assert files[0].parent == runs / "seeds" / "seed-2" / "figures"


def test_runs_of_different_tasks_are_viewed_apart(runs, tmp_path):
    with pytest.raises(TapeheadError, match=r"different tasks \(copy, ngrams\): view them apart"):
        view_runs([runs / "wide", runs / "other"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_worlds_have_learning_curves_of_their_reward(tmp_path, monkeypatch):
    """A task without a cost in bits shows the first of its metrics that its runs have reported."""
    drawn = []
    curves = several.learning_curves

    def watch(machines, **options):
        drawn.append(curves(machines, **options))
        return drawn[-1]

    monkeypatch.setattr(several, "learning_curves", watch)
    with TASKS.holding(treasure=Treasure):
        for number in (1, 2):
            config = TrainConfig(**SMALL | {"task": "treasure", "seed": number})
            train(config, tmp_path / f"seed-{number}")
        files = view_runs(runs_in(tmp_path))
    assert [file.relative_to(tmp_path).parts for file in files if file.stem == "learning"] == [
        ("seed-1", "figures", "learning.png"), ("seed-2", "figures", "learning.png"),
        ("learning.png",),
    ]  # fmt: skip
    (axes,) = [axes for axes in drawn[0].axes if axes.get_xlabel()]
    assert axes.get_ylabel() == "reward per episode"
    (line,) = [line for line in axes.lines if line.get_label() == "lstm"]
    rows = [read_seed(tmp_path / f"seed-{number}").rows for number in (1, 2)]
    returns = [[row["return"] for row in each if row["kind"] == "train"] for each in rows]
    assert line.get_ydata().tolist() == pytest.approx(np.median(returns, axis=0).tolist())


def test_a_run_that_has_not_reported_is_left_out():
    task = make_task("copy")
    began = [{"kind": "train", "sequences": 8, "bits": 3.0, "bit_errors": 1.0, "difficulty": 1}]
    climbing = [*began, began[0] | {"difficulty": 2}]
    judged = [*climbing, {"kind": "validation", "sequences": 16, "bits": 2.0, "bit_errors": 1.0}]
    runs = {"none": Seed(rows=[]), "began": Seed(rows=began)}
    assert drawable(task, runs) == (BITS, {"began": runs["began"]})
    runs |= {"climbing": Seed(rows=climbing), "judged": Seed(rows=judged)}
    # Their lessons differ, so validations are drawn, and of some there is none yet.
    assert drawable(task, runs) == (BITS, {"judged": runs["judged"]})
    assert drawable(task, {"none": runs["none"]}) == (None, {})

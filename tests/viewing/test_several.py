"""Several runs in one view, and folders of them."""

import pytest

from tapehead.errors import TapeheadError
from tapehead.training import TrainConfig, train
from tapehead.viewing import several
from tapehead.viewing.several import runs_in, view_runs

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

    def watch(machines):
        seen.update(machines)
        return curves(machines)

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

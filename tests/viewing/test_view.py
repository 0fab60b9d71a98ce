"""A run directory as pictures."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from tapehead.errors import TapeheadError
from tapehead.tasks import TASKS
from tapehead.training import TrainConfig, load_run, train
from tapehead.viewing import read_seed, run_episode, view, view_run
from tapehead.viewing.memory import memory_figure
from tapehead.viewing.problems import sequences

SMALL = {
    "max_sequences": 64,
    "batch_size": 16,
    "report_every": 16,
    "validate_every": 32,
    "validation_sequences": 4,
    "test_sequences": 2,
    "device": "cpu",
    "threads": 1,
}
NTM = {"memory_size": 8, "word_size": 4, "hidden_size": 8, "backend": "reference"}


@pytest.fixture(scope="module")
def ntm_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "ntm"
    train(
        TrainConfig(task="copy", task_options={"max_length": 3}, machine_options=NTM, **SMALL), path
    )
    return path


@pytest.fixture(scope="module")
def lstm_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "lstm"
    options = {"hidden_size": 6, "num_layers": 1}
    train(TrainConfig(task="ngrams", machine="lstm", machine_options=options, **SMALL), path)
    return path


def test_a_run_with_memory_gives_every_picture(ntm_run):
    *files, page = view_run(ntm_run, lengths=[2, "10"])
    kinds = ["bits", "lengths", "memory", "heads", "learning", "generalisation", "summary"]
    assert files == [ntm_run / "figures" / f"{kind}.png" for kind in kinds]
    assert sorted(files) == sorted((ntm_run / "figures").iterdir())
    assert page == ntm_run / "view.html"
    text = page.read_text(encoding="utf-8")
    for file in files:
        assert f'"{file.stem}":"figures/{file.name}"' in text
    for file in files:
        assert imread(file)[..., :3].std() > 0.02


def test_a_run_without_memory_gives_the_others(lstm_run, tmp_path):
    files = view_run(lstm_run, tmp_path / "pictures")
    assert [file.name for file in files] == ["bits.png", "learning.png", "view.html"]
    assert {file.parent for file in files} == {tmp_path / "pictures"}


class Drawn(Exception):
    """Stops a view at its first picture."""


def test_what_is_drawn_is_what_the_machine_answers(ntm_run, monkeypatch):
    """The pictures' outputs are the trained machine's own, for the size asked for."""
    from tapehead.training import load_run

    def stop(episode, **_):
        raise Drawn(episode)

    monkeypatch.setattr(sequences, "bit_figure", stop)
    with pytest.raises(Drawn) as caught:
        view_run(ntm_run, lengths=[2])
    (episode,) = caught.value.args
    assert episode.mask.tolist() == [False] * 3 + [True] * 2
    _, machine, _ = load_run(ntm_run)
    with torch.no_grad():
        logits, _ = machine(torch.tensor(episode.inputs, dtype=torch.float32)[None])
    np.testing.assert_allclose(episode.outputs, logits[0].sigmoid(), atol=1e-6)
    np.testing.assert_array_equal(episode.targets[3:], episode.inputs[:2, :8])


def test_same_seed_same_sequence_and_no_global_randomness_used(ntm_run):
    from tapehead.training import load_run

    _, machine, task = load_run(ntm_run)
    before = torch.get_rng_state()
    first, _ = run_episode(machine, task.test_settings()["10"], seed=1, label="10")
    again, _ = run_episode(machine, task.test_settings()["10"], seed=1, label="10")
    other, _ = run_episode(machine, task.test_settings()["10"], seed=2, label="10")
    longer, _ = run_episode(machine, task.test_settings()["20"], seed=1, label="20")
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.outputs, again.outputs)
    assert (first.inputs != other.inputs).any()
    assert (longer.inputs[:10, :8] != first.inputs[:10, :8]).any()


def test_a_seed_is_its_metrics(ntm_run):
    rows = [json.loads(line) for line in (ntm_run / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        del row["check"]
    seed = read_seed(ntm_run)
    assert seed.rows == rows
    assert seed.solved_at is None


def test_solved_is_the_first_validation_that_passed(tmp_path):
    rows = [("train", 10, None), ("validation", 10, False), ("validation", 20, True),
            ("validation", 30, True)]  # fmt: skip
    lines = [
        json.dumps({"kind": kind, "sequences": at} | ({} if ok is None else {"passed": ok}))
        for kind, at, ok in rows
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"kind": "tra')
    assert read_seed(tmp_path).solved_at == 20
    assert len(read_seed(tmp_path).rows) == 4


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"machine": "ntm"}, "ntm-lstm"),
        ({"machine_options": {"controller": "feedforward"}}, "ntm-feedforward"),
        ({"machine": "lstm"}, "lstm"),
    ],
)
def test_machines_go_by_the_names_of_the_recipes(options, name):
    assert view.machine_name(TrainConfig(**options)) == name


@pytest.mark.parametrize(
    ("task", "varied"),
    [
        ("copy", ("length", 1, 20)),
        ("associative-recall", ("items", 2, 6)),
        ("repeat-copy", None),
        ("ngrams", None),
        ("priority-sort", None),
    ],
)
def test_the_size_that_tests_vary(task, varied):
    assert view.varied_size(TASKS[task]()) == varied


def test_the_picture_at_work_is_the_largest_trained_size():
    task = TASKS["copy"]()
    varied = view.varied_size(task)
    assert view.typical_size(task.test_settings(), varied) == "20"
    assert view.typical_size(view.choose_settings(task, [120, 30]), varied) == "30"
    assert view.typical_size(view.choose_settings(task, [7, 120, 3]), varied) == "7"
    assert view.typical_size(TASKS["repeat-copy"]().test_settings(), None).startswith("length 10")
    assert view.describe_size("20", varied) == "length 20"
    assert view.describe_size("6", view.varied_size(TASKS["associative-recall"]())) == "6 items"


def test_lengths_are_test_settings_or_other_sizes():
    task = TASKS["copy"]()
    chosen = view.choose_settings(task, ["120", 7])
    assert chosen["120"] == task.test_settings()["120"]
    assert (chosen["7"].min_length, chosen["7"].max_length) == (7, 7)
    assert view.choose_settings(task) == task.test_settings()


@pytest.mark.parametrize(
    ("task", "lengths", "message"),
    [
        ("copy", ["long"], "'long' is no size of copy; allowed: 10, 20, 30, 50, 120, or another"),
        ("ngrams", [100], "'100' is no size of ngrams; allowed: 200"),
        ("copy", [], "at least one size"),
        ("copy", [0], "min_length"),
    ],
)
def test_impossible_lengths(task, lengths, message):
    with pytest.raises(ValueError, match=message):
        view.choose_settings(TASKS[task](), lengths)


def test_clear_errors(ntm_run, tmp_path):
    with pytest.raises(TapeheadError, match="no run directory"):
        view_run(tmp_path / "nowhere")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TapeheadError, match="cannot write figures to"):
        view_run(ntm_run, tmp_path / "file", lengths=[2])


def test_a_machine_without_adds_shows_its_weightings_alone(tmp_path):
    """TARDIS stores pictures of its state: where it wrote and read is drawn, not what."""
    options = {"memory_size": 6, "word_size": 4, "hidden_size": 8, "address_size": 3}
    config = TrainConfig(machine="tardis", machine_options=options, **SMALL)
    train(dataclasses.replace(config, task_options={"max_length": 3}), tmp_path)
    files = view_run(tmp_path, lengths=[2])
    assert "memory" in [file.stem for file in files]
    episode, trace = run_episode(load_run(tmp_path)[1], TASKS["copy"](max_length=3))
    figure = memory_figure(episode, trace, values=False)
    titles = {axes.get_title(loc="left") for axes in figure.axes}
    assert {"Write weightings", "Read weightings"} <= titles
    assert not {"Adds", "Reads"} & titles
    # One row is written and read in each step, and drawn in full ink.
    assert trace.write_weights.max() == trace.read_weights.max() == 1


def test_tests_of_an_older_run_are_drawn_by_what_they_have():
    """Runs from before wrong steps were counted have wrong digits."""
    task = TASKS["inference"]()
    new = {"step_errors": 1.0, "digit_errors": 3.0, "solved": 0.5, "bits": 9.0}
    old = {"digit_errors": 3.0, "failed": 0.5, "solved": 0.5, "bits": 9.0}
    assert view.error_metric(task, {"a": new, "b": new}).name == "step_errors"
    assert view.error_metric(task, {"a": old, "b": new}).name == "digit_errors"
    assert view.error_metric(task, {}) is None


def test_a_run_smaller_than_every_test_is_drawn_at_its_own_size_too():
    small = TASKS["inference"](min_nodes=4, max_nodes=5, max_degree=2, max_length=2)
    assert list(view.choose_settings(small)) == ["as trained", *small.test_settings()]
    assert view.typical_size(view.choose_settings(small), view.varied_size(small)) == "as trained"
    whole = TASKS["inference"]()
    assert view.choose_settings(whole) == whole.test_settings()

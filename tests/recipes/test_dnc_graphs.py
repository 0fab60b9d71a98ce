"""`dnc/graphs`: the paper's settings, and one small run from training to the table."""

import dataclasses

import pytest

from tapehead.errors import TapeheadError
from tapehead.recipes import dnc_graphs, recipe
from tapehead.recipes.reproduce import reproduce
from tapehead.runs.build import build_machine, build_task
from tapehead.tasks import TASKS
from tapehead.training import read_config
from tapehead.training.fleet import Here

# Extended Data Table 2: LSTM, batch, learning rate, memory.
TABLE = {
    "traversal": ((3, 256), 2, 1e-5, (256, 50)),
    "shortest-path": ((2, 256), 1, 3e-6, (128, 50)),
    "inference": ((3, 256), 32, 1e-5, (128, 50)),
}
# Nothing here is worth compiling a kernel for.
SMALL = {
    "memory_size": 8,
    "word_size": 4,
    "num_reads": 1,
    "hidden_size": 8,
    "backend": "reference",
}


@pytest.mark.parametrize("task", TABLE)
def test_the_paper_setting_is_the_papers(task):
    controller, batch, rate, memory = TABLE[task]
    config = recipe(task, "dnc", "paper")
    machine = build_machine(config, build_task(config))
    assert (machine.num_layers, machine.hidden_size) == controller
    assert (machine.memory_size, machine.spec.word_size) == memory
    assert machine.spec.num_reads == 5
    assert (config.batch_size, config.learning_rate) == (batch, rate)
    assert config.clip_value is None
    assert machine.spec.gradient_clip == 10.0
    assert machine.output.bias is None
    assert machine.interface.bias is None


@pytest.mark.parametrize("task", TABLE)
def test_training_needs_no_map_and_starts_at_the_first_lesson(task):
    config = recipe(task, "dnc")
    assert config.task_options == ({"recall": 1.0} if task == "inference" else {})
    assert recipe(task, "lstm").start_from is None
    assert (config.curriculum, config.curriculum_start) == ("look-back", 1)


def test_published_accuracies_stand_at_tests_that_exist(tmp_path):
    for task, curriculum in dnc_graphs.CURRICULA.items():
        known = TASKS[task](data="somewhere").test_settings()
        assert set(curriculum.accuracy) <= set(known)


def test_one_curriculum_from_training_to_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(dnc_graphs, "FAST_MACHINE", SMALL)
    monkeypatch.setitem(dnc_graphs.INFERENCE_DNC, "start_from", None)  # has another machine
    own = {"tasks": ("inference",), "contestants": ("dnc",)}
    experiment = dataclasses.replace(dnc_graphs.EXPERIMENT, **own)
    options = {"out": tmp_path, "runs": tmp_path / "runs", "max_sequences": 32}
    options |= {"test_sequences": 3, "engine": lambda jobs: Here()}
    made = reproduce(experiment, **options)
    lesson, *accuracies = made.cells
    # What is asked of the machine is the judge's affair, not the run's.
    assert read_config(tmp_path / "runs" / "dnc" / "seed-3001").test_sequences == 0
    assert (lesson["values"], lesson["published"], lesson["solved"]) == ([1], 17, 0)
    assert lesson["sequences"] == [32]
    assert lesson["begun"] == [{"1": 32}]
    assert [cell["test"] for cell in accuracies] == [
        "inference, lesson reached",
        "inference, lesson reached, each answer",
        "inference, final lesson",
        "inference, final lesson, each answer",
        "inference, family tree",
        "inference, family tree, each answer",
    ]
    assert [cell["published"] for cell in accuracies] == [None, None, 95.5, None, 81.8, None]
    assert all(0 <= cell["values"][0] <= 100 for cell in accuracies)
    assert (tmp_path / "figure.png").stat().st_size > 1000
    with pytest.raises(TapeheadError, match="already holds a run: --resume goes on with it"):
        reproduce(experiment, **options)
    again = reproduce(experiment, **options, resume=True)
    assert again.cells == made.cells


def test_the_figure_climbs_from_lesson_to_lesson():
    """From the cells of a result alone."""
    cell = {
        "task": "traversal",
        "machine": "dnc",
        "metric": "lesson reached",
        "begun": [{"1": 100, "3": 400}],
        "sequences": [900],
        "values": [3],
        "published": 14,
    }
    other = cell | {"metric": "accuracy", "values": [50.0]}
    (axes,) = dnc_graphs.figure([cell, other]).axes
    climb, last = axes.lines
    assert climb.get_xydata().tolist() == [[0.1, 1], [0.4, 3], [0.9, 3]]
    assert set(last.get_ydata()) == {14}


def test_a_run_is_judged_at_its_lesson_with_the_papers_memory(tmp_path, monkeypatch):
    """With a stand-in for the evaluation that notes what it is asked."""
    from tapehead import runs
    from tapehead.training import TrainConfig, train

    config = recipe("inference", "dnc")
    config = dataclasses.replace(
        config,
        machine_options=SMALL,
        start_from=None,
        max_sequences=32,
        report_every=32,
        curriculum_start=3,
    )
    train(TrainConfig.from_dict(config.to_dict()), tmp_path / "run")
    asked = {}

    def look(machine, task, *, sequences):
        asked[task] = machine.memory_size
        return {"solved": 0.25, "step_errors": 1.5}  # of three answers

    monkeypatch.setattr(runs, "evaluate", look)
    found = dnc_graphs.judged_run(tmp_path / "run", data=None, sequences=3)
    assert found["lesson"] == 3
    assert found["climb"] == [(32, 3)]
    by_answer = {name: value for name, value in found["accuracy"].items() if "each answer" in name}
    assert len(by_answer) == len(found["accuracy"]) - len(by_answer) == 3
    assert set(by_answer.values()) == {50.0}
    assert {found["accuracy"][name.removesuffix(", each answer")] for name in by_answer} == {25.0}
    assert set(asked.values()) == {128}
    assert next(iter(asked)) == TASKS["inference"](recall=1.0).at_lesson(3)


def test_the_lstm_is_trained_alike_and_has_the_papers_score_at_the_first_lesson(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(dnc_graphs, "FAST_LSTM", {"hidden_size": 4, "num_layers": 1})
    own = {"tasks": ("traversal", "inference"), "contestants": ("lstm",)}
    experiment = dataclasses.replace(dnc_graphs.EXPERIMENT, **own)
    options = {"out": tmp_path, "runs": tmp_path / "runs", "max_sequences": 16}
    made = reproduce(experiment, **options, test_sequences=3, engine=lambda jobs: Here())
    published = {cell["test"]: cell["published"] for cell in made.cells if cell["published"]}
    assert published == {"traversal": 14, "traversal, lesson reached": 37.0, "inference": 17}
    by_machine = [recipe("traversal", name).to_dict() for name in ("dnc", "lstm")]
    for config in by_machine:
        for name in ("machine", "machine_options", "lesson_rows", "max_sequences"):
            del config[name]
    assert by_machine[0] == by_machine[1]


def test_a_folder_without_the_maps_is_said_before_training(tmp_path):
    with pytest.raises(TapeheadError, match="stations"):
        reproduce(dnc_graphs.EXPERIMENT, out=tmp_path, data=str(tmp_path), runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()

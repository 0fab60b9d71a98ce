"""The readers' experiments: settings for each task, the best checkpoint judged, all seeds drawn."""

from pathlib import Path

import pytest
import torch

from tapehead.recipes import EXPERIMENTS, babi, babi_dynamic_ntm, babi_words, recipe
from tapehead.recipes.jobs import plan, run_plan
from tapehead.recipes.reproduce import reproduce, result_cells
from tapehead.runs import load_run
from tapehead.runs.evaluation import evaluate_settings
from tapehead.tasks import make_task
from tapehead.tasks.babi.library import library_of
from tapehead.training.fleet import Here
from tapehead.training.objectives import LinearStart
from tapehead.viewing.tasks import error_figure


@pytest.mark.parametrize("name", babi.PLANS)
def test_every_task_has_settings_of_its_own_size(name):
    assert EXPERIMENTS[f"babi/{name}"].tasks == babi.TASKS
    for task, stories in (("babi-2", 1800), ("babi-16", 9000), ("babi-20", 840)):
        config = recipe(task, name)
        plan_, changes = babi.PLANS[name]
        epochs = changes.get(int(task.removeprefix("babi-")), {}).get("epochs", plan_.epochs)
        assert config.max_sequences == epochs * stories
        # As many questions in a batch, however many each story has.
        assert config.batch_size * 9000 / stories == pytest.approx(plan_.questions, rel=0.1)
    assert recipe("babi-3", name).task_options == {"task": "3", "generated": True}


def test_stories_named_on_the_command_line_are_told_and_tested(tmp_path, monkeypatch):
    monkeypatch.delenv("TAPEHEAD_BABI")
    sample = Path(__file__).parents[1] / "tasks" / "babi" / "sample"
    found = reproduce(
        EXPERIMENTS["babi/memory-network"], seeds=[0], tasks=["babi-1"], runs=tmp_path / "runs",
        out=tmp_path / "out", engine=lambda jobs: Here(), data=str(sample), max_sequences=2,
    )  # fmt: skip
    assert len(found.cells[0]["values"]) == 1
    _, _, task = load_run(tmp_path / "runs" / "babi-1" / "memory-network" / "seed-0")
    assert task.data == str(sample)
    assert task.library is library_of(str(sample), "10k", "1", False)


def test_a_run_is_judged_by_its_best_checkpoint_on_the_test_stories(tmp_path, monkeypatch):
    experiment = EXPERIMENTS["babi/memory-network"]
    short = {"max_sequences": 48, "batch_size": 8, "validate_every": 8, "report_every": 48}
    jobs = plan(experiment, "fast", [0, 1], tmp_path, tasks=["babi-1"], learning_rate=0.03, **short)
    assert [job.path.parent.parent.name for job in jobs] == ["babi-1"] * 2
    results, judged = run_plan(jobs, Here()), []

    def weights(machine):
        return machine.words.detach().clone()

    def evaluated(machine, task):
        judged.append(weights(machine))
        return {"test": {"wrong": 0.5 / len(judged)}}  # runs this small may be equally wrong

    monkeypatch.setattr("tapehead.runs.evaluation.evaluate_settings", evaluated)
    (cell,) = result_cells(experiment, "fast", jobs, results)
    assert (cell["task"], cell["test"], cell["published"]) == ("babi-1", "test", 0.0)
    differs = False
    for job, seen in zip(jobs, judged, strict=True):
        best, latest = (weights(load_run(job.path, step=step)[1]) for step in ("best", "latest"))
        assert torch.equal(seen, best)
        differs |= not torch.equal(best, latest)
    assert differs  # or it could be either
    first, second = cell["validation"]
    assert cell["values"] == [0.5, 0.25]
    assert first != second
    assert cell["best"] == (0.5 if first < second else 0.25)


def test_the_figure_has_a_point_for_each_seed():
    cells = [
        {"machine": "memory-network", "task": "babi-2", "values": [0.01, 0.2, 0.003],
         "best": 0.003, "published": 0.004},
        {"machine": "memory-network", "task": "babi-1", "values": [0.0], "best": 0.0,
         "published": None},
    ]  # fmt: skip
    axes = error_figure(cells, {"babi-1": "one", "babi-2": "two", "babi-3": "three"}).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["one", "two"]
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines[1:]]
    assert ([1.0, 20.0, pytest.approx(0.3)], [1, 1, 1]) in drawn
    assert ([pytest.approx(0.3)], [1]) in drawn
    assert len(drawn) == 2 + 3  # no published point of the first


def test_linear_start_leaves_out_the_softmax_for_so_many_batches():
    task = make_task("babi", generated=True)
    batch, asked = task.batch(torch.Generator(), 2), []

    class Spy(torch.nn.Module):
        def forward(self, linear=False, **form):
            asked.append(linear)
            return torch.zeros(*form["known"].shape, task.output_size, requires_grad=True), None

    objective = LinearStart(linear_batches=2)
    for _ in range(4):
        objective(Spy(), task, batch)
    assert asked == [True, True, False, False]
    again = LinearStart(linear_batches=2)
    again.load_state_dict(objective.state_dict())  # as a resumed run does
    assert again.in_earnest


def test_a_tenth_of_the_questions_makes_shorter_epochs():
    experiment = EXPERIMENTS["babi/memory-network-1k"]
    config = experiment.recipe("babi-2", "memory-network", "fast")
    assert config.task_options == {"task": "2", "size": "1k"}
    assert config.max_sequences == babi.MEMORY_1K.epochs * 180
    assert config.batch_size == round(32 / 5)
    assert experiment.published_of("babi-17", "memory-network").value == 0.404


@pytest.fixture
def fewer_stories(monkeypatch):
    """Ten are simulated where there are 1,800: that takes most of a minute."""
    monkeypatch.setattr("tapehead.tasks.babi.library._TOLD", {"10k": 10, "1k": 10})
    library_of.cache_clear()
    yield
    library_of.cache_clear()


@pytest.mark.usefixtures("fewer_stories")
def test_one_machine_for_all_tasks_has_a_cell_for_each(tmp_path):
    found = reproduce(
        EXPERIMENTS["babi/joint"], seeds=[0], machines=["memory-network"], max_sequences=8,
        runs=tmp_path / "runs", out=tmp_path / "out", engine=lambda jobs: Here(),
    )  # fmt: skip
    assert [cell["task"] for cell in found.cells] == list(babi.TASKS)
    kinds = [cell["trained_on"] for cell in found.cells]
    assert kinds == ["10k"] * 2 + ["simulated stories"] + ["10k"] * 17
    assert [cell["published"] for cell in found.cells][:3] == [0.0, 0.01, 0.068]
    _, machine, task = load_run(tmp_path / "runs" / "memory-network" / "seed-0")
    wrong = asked = 0
    for story in make_task("babi", task="7", split="test").stories:  # one by one, by hand
        form = task.form_of(story)
        answers = machine.eval()(*form)[0][0].argmax(-1)
        for answer, question in zip(answers.tolist(), story.questions, strict=True):
            wrong += task.answer.names[answer] != question.answer
            asked += 1
    assert found.cells[6]["values"] == [pytest.approx(wrong / asked)]


@pytest.mark.usefixtures("fewer_stories")
def test_stories_of_all_tasks_have_simulated_ones_where_a_file_is_often_missing():
    task = make_task("babi", task="all", generated=True)
    alone = make_task("babi", task="all")
    assert len(task.stories) - len(alone.stories) == 10 - len(make_task("babi", task="3").stories)
    kept = [story for story in alone.stories if story in task.stories]
    assert len(kept) == len(alone.stories) - len(make_task("babi", task="3").stories)
    assert task.test_settings()["test"].stories == alone.test_settings()["test"].stories


@pytest.mark.usefixtures("fewer_stories")
def test_words_have_a_cell_for_each_task_and_one_for_their_mean(tmp_path, monkeypatch):
    monkeypatch.setitem(babi_words.MACHINES, "lstm", {"hidden_size": 16, "num_layers": 1})
    monkeypatch.setitem(babi_words.TRAINING, "learning_rate", 0.05)
    found = reproduce(
        EXPERIMENTS["babi/words"], seeds=[0, 1], machines=["lstm"], max_sequences=160,
        runs=tmp_path / "runs", out=tmp_path / "out", engine=lambda jobs: Here(),
    )  # fmt: skip
    *cells, mean = found.cells
    assert [cell["task"] for cell in cells] == list(babi.TASKS)
    assert cells[2]["trained_on"] == "simulated stories"
    assert [cell["published"] for cell in cells[:3]] == [0.245, 0.532, 0.483]
    assert (mean["task"], mean["published"], mean["published_mean"]) == (
        "babi-words-all", 0.25205, 0.273,
    )  # fmt: skip
    for seed in range(2):
        assert mean["values"][seed] == pytest.approx(sum(c["values"][seed] for c in cells) / 20)
        curve = mean["curves"][seed]
        assert min(row["wrong"] for row in curve) == mean["validation"][seed]
        assert curve[-1]["sequences"] == 160
    assert mean["best"] in mean["values"]
    config, machine, task = load_run(tmp_path / "runs" / "lstm" / "seed-0")
    assert task.bucketed
    assert (config.machine, config.batch_size) == ("lstm", 32)
    machine.eval()
    for number in (8, 19):  # question by question: some answers have two words, or all
        wrong = asked = 0
        for story in make_task("babi", task=str(number), split="test").stories:
            batch = task.batch_of([story])
            said = task.read(machine(batch.inputs.x)[0][0][batch.mask[0]])
            for question in story.questions:
                count = len(question.answer.split(","))
                wrong += ",".join(said[:count]) != question.answer
                said, asked = said[count:], asked + 1
        assert cells[number - 1]["values"][0] == pytest.approx(wrong / asked)
    assert len({cell["values"][0] for cell in cells}) > 2  # they have learned something
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000


def test_words_are_read_by_the_machines_of_the_paper_and_by_ours():
    theirs = {name: babi_words.recipe("", name, "paper") for name in babi_words.CONTESTANTS}
    assert [config.machine for config in theirs.values()] == ["lstm", "ntm", "dnc"]
    assert {config.batch_size for config in theirs.values()} == {1}
    assert theirs["ntm-lstm"].machine_options["memory_size"] == 256
    ours = recipe("babi-words-all", "ntm", "fast")
    assert (ours.machine, ours.batch_size, ours.task_options["bucketed"]) == ("ntm", 32, True)
    assert 3e-5 <= ours.learning_rate <= 1e-4
    kept = {"layer_norm", "masked_lookup", "erase_freed", "bypass_dropout"}
    assert kept <= set(recipe("babi-words-all", "dnc", "fast").machine_options)


def test_the_dynamic_ntm_is_raced_softly_discretely_and_annealed_under_each_estimator(
    tmp_path, monkeypatch
):
    experiment, module = EXPERIMENTS["babi/dynamic-ntm"], babi_dynamic_ntm
    assert len(experiment.contestants) == 1 + 2 * 4
    assert experiment.published_of("babi-15", "annealed dynamic-ntm reinforce").value == 0.3973
    assert experiment.recipe("babi-15", module.SOFT, "fast").batch_size * 4 == 160
    small = {"memory_size": 3, "hidden_size": 4, "sentence_size": 4, "word_size": 3}
    plan_ = module.PLAN._replace(epochs=10, options=small)
    monkeypatch.setattr(module, "PLAN", plan_)
    monkeypatch.setattr(module, "PHASES", module.PHASES | {"soft_batches": 1, "annealing": 2})
    monkeypatch.setitem(babi._STORIES, 15, 2)
    contestants = [module.SOFT, "discrete dynamic-ntm rebar", "annealed dynamic-ntm reinforce"]
    found = reproduce(
        experiment, seeds=[0], machines=contestants, runs=tmp_path / "runs", out=tmp_path / "out",
        engine=lambda jobs: Here(), max_sequences=4,
    )  # fmt: skip
    soft, discrete, annealed = found.cells
    assert [cell["machine"] for cell in found.cells] == contestants
    assert [cell["soft_until"] for cell in found.cells] == [0, 0, 3]
    assert [len(cell["variances"][0]) for cell in found.cells] == [0, 2, 2]
    assert soft["published"] == 0.0
    for cell, name in ((discrete, "rebar"), (annealed, "reinforce")):
        run = tmp_path / "runs" / cell["machine"].replace(" ", "-") / "seed-0"
        config, machine, task = load_run(run)
        assert config.objective_options["estimator"] == name
        assert machine.addressing == "discrete"
        scores = evaluate_settings(machine, task)
        assert cell["values"] == [scores["test"]["wrong"]]
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000

"""Train, evaluate, view: every task with every machine that fits it, on budgets of a moment.

Looked at: the exit code, the table, and that a figure says of its sequence what `task.scores` does.
"""

import dataclasses
import json

import pytest
import torch

from tapehead.forms import Points, Story, Tape
from tapehead.machines import MACHINES
from tapehead.runs.evaluation import run_machine
from tapehead.tasks import TASKS
from tapehead.tasks.graphs import planner
from tapehead.training import load_run, read_result
from tapehead.viewing import problems
from tapehead.viewing.bits import bit_figure
from tapehead.viewing.tapes import Walk, tape_figure
from tapehead.viewing.words import word_figure

GRAPH = ["--min-nodes=4", "--max-nodes=5", "--min-degree=2", "--max-degree=2", "--max-length=2"]
SIZES = {
    "copy": ["--max-length=2"],
    "repeat-copy": ["--max-length=2", "--max-repeats=2"],
    "associative-recall": ["--max-items=2"],
    "ngrams": ["--context-length=2", "--sequence-length=12"],
    "priority-sort": ["--num-vectors=3", "--num-answers=2"],
    "chained-copy": ["--length=2", "--max-copies=2"],
    "traversal": GRAPH,
    "shortest-path": [*GRAPH, "--planning-steps=1"],
    "inference": [*GRAPH, "--queries=2", "--planning-steps=1"],
    "babi-words": ["--task=4"],
    **{
        name: ["--num-symbols=3", "--max-complexity=2"]
        for name, task in TASKS.items()
        if task.tells is Tape
    },
}
BUDGET = [
    "--max-sequences=8", "--batch-size=4", "--report-every=4", "--validation-sequences=2",
    "--test-sequences=0", "--no-figures", "--curriculum=none", "--out=run", "--threads=1",
    "--score-every=1",
]  # fmt: skip
MACHINE = ["--hidden-size=4"]
MEMORY = [*MACHINE, "--memory-size=5", "--word-size=3"]
INTERACTIVE = [name for name, task in TASKS.items() if task.interactive]
FITTING = [
    (task, machine)
    for task in TASKS
    for machine in MACHINES
    if TASKS[task].tells is MACHINES[machine].reads
    and TASKS[task].tells not in (Story, Points)
    and (task not in INTERACTIVE or machine not in ("discrete-ntm", "tardis"))
]


def options(machine):
    chosen = MEMORY if machine not in ("lstm", "rl-ntm") else MACHINE
    # The CPU kernels have tests of their own, and take seconds to load.
    kernels = ("ntm", "dnc", "dynamic-ntm", "sparse-ntm")
    return [*chosen, "--backend=reference"] if machine in kernels else chosen


@pytest.mark.parametrize(("task", "machine"), FITTING)
def test_trains_evaluates_and_is_drawn(call, tmp_path, task, machine):
    trained = call("train", task, f"--machine={machine}", *options(machine), *BUDGET, *SIZES[task])
    assert (trained.code, trained.err) == (0, "")
    chosen = TASKS[task]
    _, loaded, trained_task = load_run(tmp_path / "run")
    assert isinstance(trained_task, chosen)
    mark = trained_task.pass_mark.metric
    scores = read_result(tmp_path / "run")["scores"]
    assert f"{mark.shown(scores[mark.name])} {mark.label}" in trained.out  # the validation's line

    # A size of one's own choice, one more than in training; of given stories, the test's.
    name, value = SIZES[task][-1].split("=")
    other = "--split=test" if name == "--task" else f"{name}={int(value) + 1}"
    judged = call("evaluate", "run", "--sequences=2", other)
    assert (judged.code, judged.err) == (0, "")
    table = judged.out.splitlines()
    for metric in trained_task.metrics:
        assert metric.heading.replace(" per ", "/") in table[1]

    # The figure says of its sequence what the scores say of it.
    drawn = _drawn(loaded, trained_task)
    first, *_ = trained_task.metrics
    share = first.is_share
    verdict = drawn.verdict
    said = int(verdict.split(" ")[0]) if verdict[0].isdigit() else 0
    batch, outputs = _again(loaded, trained_task)
    scores = trained_task.scores(outputs, batch)
    of_share = round(scores[first.name].item() * trained_task.answer.each) if share else None
    assert said == (of_share if share else scores[first.name].item())
    assert verdict.split(" ")[-2] == trained_task.answer.unit
    assert bool(scores["solved"].item()) == verdict.startswith("all ")
    if machine in ("lstm", "rl-ntm"):  # what is drawn of an episode asks no machine
        figure = _figure(drawn)
        notes = {axes.get_title(loc="right") for axes in figure.axes}
        notes |= {text.get_text() for axes in figure.axes for text in axes.texts}
        assert verdict in notes


READERS = [name for name, machine in MACHINES.items() if machine.reads is Story]


@pytest.mark.parametrize("machine", READERS)
def test_a_reader_trains_is_evaluated_and_is_drawn(call, tmp_path, machine):
    own = {"memory-network": ["--embedding-size=4"], "dynamic-ntm-reader": MEMORY}
    sizes = own.get(machine, MACHINE)
    trained = call("train", "babi", "--task=2", f"--machine={machine}", *sizes, *BUDGET)
    assert (trained.code, trained.err) == (0, "")
    _, loaded, task = load_run(tmp_path / "run")
    wrong = read_result(tmp_path / "run")["scores"]["wrong"]
    assert f"{wrong:.1%} wrong answers" in trained.out
    judged = call("evaluate", "run")
    assert (judged.code, judged.err) == (0, "")
    assert "wrong answers (% of questions)" in judged.out.splitlines()[1]
    # The picture says of a question what the machine said.
    test = task.test_settings()["test"]
    batch = test.problems(torch.tensor([0]))
    outputs, _ = run_machine(test, loaded, batch, torch.device("cpu"), torch.float32)
    story = test.stories[0]
    readings = [
        problems.read_story(loaded, test, story, number) for number in range(len(story.questions))
    ]
    said = [test.answer.names[best] for best in outputs[0].argmax(-1)]
    assert [reading.said for reading in readings] == said
    right = [
        reading.said == question.answer
        for reading, question in zip(readings, story.questions, strict=True)
    ]
    each = 5
    assert test.scores(outputs, batch)["wrong"].item() == pytest.approx(right.count(False) / each)
    viewed = call("view", "run")
    assert viewed.code == 0
    assert "story.png" in viewed.out


POINTS = {
    "sorting": ["--min-points=3", "--max-points=4"],
    "convex-hull": ["--min-points=4", "--max-points=5"],
    "delaunay": ["--min-points=4", "--max-points=5"],
    "tsp": ["--min-points=4", "--max-points=5"],
}
POINTING = [name for name, machine in MACHINES.items() if machine.reads is Points]


@pytest.mark.parametrize("machine", POINTING)
@pytest.mark.parametrize("task", [name for name, kind in TASKS.items() if kind.tells is Points])
def test_a_machine_that_points_trains_is_evaluated_and_is_drawn(call, tmp_path, task, machine):
    trained = call("train", task, f"--machine={machine}", *MACHINE, *BUDGET, *POINTS[task])
    assert (trained.code, trained.err) == (0, "")
    _, loaded, known = load_run(tmp_path / "run")
    judged = call("evaluate", "run", "--sequences=8", "--points", "6")
    assert (judged.code, judged.err) == (0, "")
    for metric in known.metrics:
        assert metric.heading.replace(" per ", "/") in judged.out.splitlines()[1]
    wide = call("evaluate", "run", "--sequences=8", "--points", "4", "--beam-width=3", "--json")
    assert json.loads(wide.out)["beam_width"] == 3
    narrow = call("evaluate", "run", "--beam-width=0")
    assert (narrow.code, narrow.err.count("\n")) == (2, 1)
    assert "--beam-width must be a whole number of at least 1, got 0" in narrow.err
    # The picture says of a problem what the scores say of it.
    outputs, batch, trace = problems.run_one(loaded, known)
    scores = known.scores(outputs, batch)
    pointed = problems.pointed_of(known, outputs, batch, trace)
    assert pointed.solved == bool(scores["solved"])
    for metric in known.judged:
        shown = metric.shown(float(scores[metric.name]))
        assert (shown in pointed.note and metric.label in pointed.note) == (metric.name != "valid")
    said = batch.inputs.answer[0].tolist()
    assert pointed.said.tolist() == said[: said.index(0)]
    assert trace.answer[0].tolist() == said
    # Each step's attention is what the machine says after the steps before it.
    again, _ = loaded(**batch.inputs._asdict())
    expected = again[0].softmax(-1)[: len(pointed.said) + 1]
    assert torch.allclose(torch.tensor(pointed.attention), expected)
    viewed = call("view", "run", "--sizes", "6")
    assert (viewed.code, viewed.err) == (0, "")
    kinds = {line.rsplit("/", 1)[-1] for line in viewed.out.splitlines()}
    steps = set() if task == "sorting" else {"steps.png"}
    assert kinds == {"answer.png", "learning.png", "view.html", *steps}


def _drawn(machine, task):
    if task.tells is Tape:
        return problems.walk_of(task, *problems.run_one(machine, task))
    return problems.run_episode(machine, task)[0]


def _figure(drawn):
    if isinstance(drawn, Walk):
        return tape_figure(drawn)
    return (word_figure if drawn.words else bit_figure)(drawn)


def _again(machine, task):
    """The sequence that `run_episode` takes by default, as evaluation runs it."""
    import zlib

    from tapehead.runs import devices, randomness

    device, dtype = devices.place(machine)
    generator = randomness.generator_for(0, randomness.Stream.TEST, zlib.crc32(b""))
    batch = task.batch(generator, 1)
    randomness.seed_globals(0, int(randomness.Stream.TEST))
    with torch.no_grad():
        outputs, batch = run_machine(task, machine, batch, device, dtype)
    return batch, outputs


@pytest.mark.parametrize("task", INTERACTIVE)
@pytest.mark.parametrize("machine", ["discrete-ntm", "tardis"])
def test_a_machine_that_does_not_fit_is_refused_before_anything_is_written(
    call, tmp_path, task, machine
):
    refused = call("train", task, f"--machine={machine}", *options(machine), *BUDGET, *SIZES[task])
    assert refused.code == 2
    assert "whose inputs depend on the outputs" in refused.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("task", "machine", "fitting"), [("copy", "rl-ntm", "discrete-ntm"), ("copy-tape", "ntm", "rl")]
)
def test_a_machine_that_reads_another_form_is_refused(call, tmp_path, task, machine, fitting):
    refused = call("train", task, f"--machine={machine}", "--out=run")
    assert refused.code == 2
    assert f"machine must be one of {fitting}" in refused.err
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_what_the_heads_do_on_a_tape_is_drawn(call, tmp_path):
    sizes = SIZES["forward-reverse-tape"]
    name = "forward-reverse-tape"
    trained = call("train", name, "--machine=rl-ntm", *MACHINE, "--memory", *BUDGET, *sizes)
    assert trained.code == 0
    drawn = call("view", "run")
    assert (drawn.code, drawn.err) == (0, "")
    kinds = {line.rsplit("/", 1)[-1] for line in drawn.out.splitlines()}
    assert kinds == {"tape.png", "learning.png", "view.html"}
    _, machine, task = load_run(tmp_path / "run")
    outputs, batch, trace = problems.run_one(machine, task)
    walk = problems.walk_of(task, outputs, batch, trace)
    count = int(batch.inputs.answers[0])
    assert len(walk.asked) == len(walk.said) == walk.wrote.sum() == count
    assert walk.tape[-1] == "marker"
    assert walk.asked[-1] == "blank"
    assert walk.asked[:-1] == walk.tape[-2::-1]
    best = [task.answer.names[symbol] for symbol in outputs[0, :count].argmax(-1)]
    assert walk.said == best
    steps = len(walk.wrote)
    assert walk.input_head.tolist() == trace.input_head[0, :steps].tolist()
    figure = tape_figure(walk)
    (path,) = [axes for axes in figure.axes if axes.get_title(loc="left") == "Input tape"]
    assert path.lines[0].get_ydata().tolist() == walk.input_head.tolist()
    filled = path.lines[2].get_xdata().tolist()
    assert filled == [step + 1 for step in range(steps) if walk.wrote[step]]


@pytest.mark.parametrize("task", ["shortest-path", "copy"])
def test_every_picture_of_a_run(call, tmp_path, task, monkeypatch):
    """The whole command, at the size of training: the paper's own would take a while."""
    small = TASKS["shortest-path"]
    monkeypatch.setattr(small, "test_settings", lambda self: {"small": self})
    trained = call("train", task, "--machine=ntm", *options("ntm"), *BUDGET, *SIZES[task])
    assert trained.code == 0
    drawn = call("view", "run", *(["--sizes", "2"] if task == "copy" else []))
    assert (drawn.code, drawn.err) == (0, "")
    kinds = {line.rsplit("/", 1)[-1] for line in drawn.out.splitlines()}
    assert {"bits.png", "memory.png", "heads.png", "learning.png", "summary.png"} <= kinds
    assert all((tmp_path / line).stat().st_size > 1000 for line in drawn.out.splitlines())


def test_a_walk_is_drawn_as_it_was_walked(call, tmp_path):
    """Not as a teacher would have walked it: what the machine is told follows what it says."""
    sizes = ["--min-nodes=8", "--max-nodes=9", "--min-degree=2", "--max-degree=3", "--max-length=3"]
    call("train", "shortest-path", "--machine=lstm", *MACHINE, *BUDGET, *sizes, "--min-length=3")
    _, machine, task = load_run(tmp_path / "run")
    strayed = 0
    for seed in range(8):
        episode, trace = problems.run_episode(machine, task, seed=seed)
        told = torch.tensor(episode.inputs, dtype=torch.float32)[None]
        with torch.no_grad():
            outputs, _ = machine(told)
        answered = torch.tensor(episode.mask)
        expected = task.answer.probabilities(outputs[0, answered])
        drawn = torch.tensor(episode.outputs).float()[answered]
        assert torch.allclose(drawn, expected, atol=1e-4)
        assert torch.allclose(trace.y, outputs, atol=1e-5)
        # At each step it hears of the edge that it chose at the step before.
        heard = told[0, answered][1:, :90]
        assert [tuple(words) for words in task.answer.spelled(heard)] == list(episode.said[:-1])
        strayed += episode.count > 0
        # Wrong is a step that prolongs the way; another may be as good as the teacher's.
        left = planner.read_told(told).distance[0]
        steps = [(int(edge[0]), int(edge[2])) for edge in episode.said]
        assert episode.count == sum(int(1 + left[end] > left[at]) for at, end in steps)
        assert all(1 + left[int(e[2])] == left[int(e[0])] for e in episode.asked)
    assert strayed >= 4, "an untrained machine takes wrong turns"


def test_interactive_tasks_say_so():
    from tapehead.tasks import Task

    for task in TASKS.values():
        # A machine that points hears its own answer, but is told nothing else for it.
        assert task.interactive == (task.run is not Task.run and task.tells is not Points)
        assert dataclasses.is_dataclass(task().answer)

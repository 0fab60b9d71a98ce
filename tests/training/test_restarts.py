"""A run that gets nowhere begins anew, and that is as exact as all the rest."""

import os
import signal
from dataclasses import replace

import pytest
import torch
from stand_ins import rows, tiny

from tapehead.checks import LARGEST_WHOLE
from tapehead.errors import TapeheadError
from tapehead.runs.build import build_machine, build_task
from tapehead.runs.randomness import Stream, capture_globals, derived_seed, generator_for
from tapehead.tasks import TASKS, Copy
from tapehead.tasks.metrics import BIT_ERRORS, PassMark
from tapehead.training import (
    LineReporter,
    QuietReporter,
    Reporter,
    Stopped,
    load_run,
    read_metrics,
    read_result,
    train,
    train_seeds,
)
from tapehead.training.flat import FlatParameters
from tapehead.training.optimisers import RMSprop, learning_rate_schedule
from tapehead.training.progress import Progress
from tapehead.training.restarts import is_stuck, restart_is_due
from tapehead.training.rows import Rows
from tapehead.training.session import Session


def hopeless(**changes):
    """A run of 160 sequences that no weights can please: it begins anew at 50, 100 (twice)."""
    options = {
        "batch_size": 10,
        "max_sequences": 160,
        "report_every": 10,
        "stop_when_solved": False,
        "restart_after": 50,
        "restart_mark": 1e-9,
    }
    return tiny(**options | changes)


def states_of(monkeypatch, look):
    """What `look` sees of the session just before and just after each restart."""
    begin_again, seen = Session.begin_again, []

    def watched(session):
        seen.append(look(session))
        begin_again(session)
        seen.append(look(session))

    monkeypatch.setattr(Session, "begin_again", watched)
    return seen


def weights_of(session):
    return {name: value.clone() for name, value in session.machine.state_dict().items()}


class Notes(Reporter):
    def __init__(self):
        self.notes = []

    def noted(self, text):
        self.notes.append(text)


def test_it_goes_on_with_the_weights_of_the_next_seed(tmp_path, monkeypatch):
    config, watch = hopeless(), Notes()
    seen = states_of(monkeypatch, weights_of)
    result = train(config, tmp_path, reporter=watch)
    assert result.restarts == read_result(tmp_path)["restarts"] == 2
    task = build_task(config)
    for number, weights in enumerate(seen[1::2], 1):
        seed = derived_seed(config.seed, Stream.RESTART, number) % LARGEST_WHOLE
        fresh = build_machine(replace(config, seed=seed), task).state_dict()
        assert all(torch.equal(weights[name], fresh[name]) for name in fresh)
    assert [note[:27] for note in watch.notes] == [
        "restart 1 at 50 sequences: ",
        "restart 2 at 100 sequences:",
    ]
    assert result.sequences == 160


def test_a_fresh_start_forgets_the_optimiser(tmp_path):
    """The first steps after it are those of a run that begins with these weights."""
    options = {"hidden_size": 8, "num_layers": 1}
    config = hopeless(max_sequences=100, machine="lstm", machine_options=options, schedule="linear")
    train(config, tmp_path / "run")
    seed = derived_seed(config.seed, Stream.RESTART, 1) % LARGEST_WHOLE
    task = build_task(config)
    generator = generator_for(config.seed, Stream.TRAINING, 0)
    for _ in range(5):
        task.batch(generator, 10)
    machine = build_machine(replace(config, seed=seed), task)
    flat = FlatParameters(machine)
    optimiser = RMSprop([flat.parameter], config.learning_rate, momentum=0.9, decay=0.95)
    for share in (1.0, 0.8, 0.6, 0.4, 0.2):
        optimiser.param_groups[0]["lr"] = share * config.learning_rate
        batch = task.batch(generator, 10)
        flat.zero_gradient()
        outputs, batch = task.run(machine, batch)
        task.loss(outputs, batch).backward()
        flat.gradient.clamp_(-10, 10)
        optimiser.update()
    ended = load_run(tmp_path / "run")[1].state_dict()
    for name, value in machine.state_dict().items():
        torch.testing.assert_close(ended[name], value, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("step", [4, 5, 6, 10, 11])
def test_a_stop_before_at_or_after_a_restart_changes_nothing(tmp_path, step):
    class Stop(Reporter):
        def reported(self, row):
            if row["step"] == step:
                os.kill(os.getpid(), signal.SIGTERM)

    config = hopeless(schedule="linear", warmup=20)
    train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "run", reporter=Stop())
    train(config, tmp_path / "run", resume=True)
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")
    ours, whole = (load_run(tmp_path / name)[1].state_dict() for name in ("run", "whole"))
    assert all(torch.equal(ours[name], whole[name]) for name in whole)
    assert read_result(tmp_path / "run")["restarts"] == 2


def test_an_annealed_machine_is_soft_again(tmp_path, monkeypatch):
    """Its objective begins anew, and so does the optimiser's own epsilon of the soft batches."""
    levels = []

    class Watch(Reporter):
        def reported(self, row):
            if row["kind"] == "train":
                levels.append(row["difficulty"])

    config = hopeless(
        machine="discrete-ntm",
        machine_options={"memory_size": 4, "word_size": 3, "hidden_size": 5},
        objective_options={"soft_batches": 3},
        choosing_epsilon=1e-3,
        curriculum="linear",
        curriculum_sequences=20,
        max_sequences=100,
    )

    def softness(session):
        return session.objective.still_soft, session.learner.optimiser.param_groups[0]["epsilon"]

    epsilons = states_of(monkeypatch, softness)
    train(config, tmp_path, reporter=Watch())
    assert epsilons == [(False, 1e-3), (True, 1e-8)]
    assert levels[0] < levels[4]
    assert levels[5] == levels[0]


@pytest.mark.parametrize("checkpoint_every", [0.0, 60.0])
def test_the_best_weights_are_kept_where_they_were_given_up(
    tmp_path, monkeypatch, checkpoint_every
):
    """The best validation came with the report that ended in a restart."""
    seen = states_of(monkeypatch, weights_of)
    config = hopeless(max_sequences=100, validate_every=50, learning_rate=1e-6)
    config = replace(config, checkpoint_every=checkpoint_every)
    monkeypatch.setattr(Rows, "_rank", lambda rows, scores: (rows._session.progress.step,))
    train(config, tmp_path)
    best = load_run(tmp_path)[1].state_dict()
    assert all(torch.equal(best[name], seen[0][name]) for name in best)


def test_the_rows_of_validations_may_not_change(tmp_path):
    small = {"memory_size": 4, "word_size": 3, "hidden_size": 5}
    config = tiny(machine="ntm", machine_options=small, max_sequences=8, test_memory_size=5)
    train(config, tmp_path)
    with pytest.raises(TapeheadError, match="test_memory_size was 5 and is now 6; only"):
        train(replace(config, test_memory_size=6), tmp_path, resume=True)


def test_a_quiet_run_says_nothing_of_it_and_others_do(tmp_path, capsys):
    options = {"hidden_size": 8, "num_layers": 1}
    config = hopeless(max_sequences=100, machine="lstm", machine_options=options)
    train_seeds(config, (0,), workers=1, reporter=QuietReporter())
    assert capsys.readouterr().err == ""
    train_seeds(config, (0, 1), workers=2, reporter=LineReporter())
    said = capsys.readouterr().out
    assert said.count(": restart 1 at 50 sequences: ") == 2
    assert said.count("not solved after 100 sequences and 1 restart in ") == 2


def test_lessons_begin_anew(tmp_path):
    train(hopeless(max_sequences=120, curriculum="naive", lesson_mark=1e9), tmp_path)
    levels = [row["difficulty"] for row in read_metrics(tmp_path) if row["kind"] == "train"]
    assert levels == [1, 2, 3, 3, 3, 1, 2, 3, 3, 3, 3, 3]


def test_what_is_drawn_goes_on_as_it_would_have(tmp_path, monkeypatch):
    states = states_of(monkeypatch, lambda _: capture_globals(torch.device("cpu")))
    train(hopeless(), tmp_path)
    before, after, *_ = states
    assert len(states) == 4
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_learning_rate_begins_anew(tmp_path):
    schedule = learning_rate_schedule(hopeless(schedule="linear", learning_rate=1.0, warmup=20))

    def rate(sequences, began):
        return schedule(sequences, began, None, 0)

    assert rate(0, 0) == rate(50, 50) == 0.5
    assert rate(90, 0) == pytest.approx(0.5)
    # From 70 to 160: a third of the way at 100.
    assert rate(100, 50) == pytest.approx(2 / 3)
    assert rate(160, 50) == 0.0


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({}, True),
        ({"sequences": 49, "row_sequences": 40}, False),  # not yet
        ({"sequences": 61, "row_sequences": 51}, False),  # looked at before
        ({"began": 50, "sequences": 60, "row_sequences": 50}, False),
        ({"began": 50, "sequences": 101, "row_sequences": 91}, True),
        ({"began": 100, "sequences": 150, "row_sequences": 140}, False),  # too few are left
    ],
)
def test_when_it_looks(changes, due):
    progress = Progress(**{"sequences": 51, "row_sequences": 41} | changes)
    assert restart_is_due(hopeless(), progress) is due
    assert not restart_is_due(replace(hopeless(), restart_after=None, restart_mark=None), progress)


def test_what_averts_a_restart():
    config, task = hopeless(restart_mark=3.0), build_task(hopeless())
    worse, better = (dict.fromkeys(("bit_errors", "bits", "loss"), v) for v in (3.0, 2.9))
    assert is_stuck(config, task, Progress(), worse)
    assert not is_stuck(config, task, Progress(), better)
    assert is_stuck(replace(config, restart_mark=None), task, Progress(), better)
    solved = Progress(solved_after={"sequences": 20, "seconds": 1.0})
    assert not is_stuck(config, task, solved, worse)


def test_a_run_that_is_solved_by_the_validation_of_the_same_report_goes_on(tmp_path):
    class Easy(Copy):
        @property
        def pass_mark(self):
            return PassMark(BIT_ERRORS, 1e9)

    with TASKS.holding(easy=Easy):
        config = hopeless(task="easy", restart_mark=None, report_every=50, validate_every=50)
        result = train(config, tmp_path)
    assert (result.solved, result.restarts) == (True, 0)


def test_a_mark_without_a_time_is_refused():
    with pytest.raises(ValueError, match=r"restart_mark must be left out without restart_after"):
        hopeless(restart_after=None)


def test_a_run_that_may_restart_keeps_its_length(tmp_path):
    """Whether it begins anew near its end depends on where that is."""
    train(hopeless(), tmp_path)
    with pytest.raises(TapeheadError, match=r"max_sequences .*where restart_after sequences are"):
        train(hopeless(max_sequences=200), tmp_path, resume=True)

"""Searches: what varies, which trial is best or cut short, and that a stopped search goes on."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapehead.errors import TapeheadError
from tapehead.runs.result import Result
from tapehead.signals import Stopped
from tapehead.training import TrainConfig
from tapehead.training.fleet import Here
from tapehead.training.sweeping import Choice, Range, Sweep, Trial, parse_vary
from tapehead.training.sweeping import sweep as module
from tapehead.training.sweeping.trial import merit
from tapehead.viewing.sweeps import sweep_figure

SPACE = {
    "learning_rate": Range(1e-4, 1e-1),
    "batch_size": Range(4, 8),
    "optimiser": Choice(("adam", "rmsprop")),
}
SEEDS = (1000, 1001, 1002)


def config_of(values):
    if values["batch_size"] == 7:
        raise ValueError("batch_size must be no seven")
    return TrainConfig(
        machine="lstm", machine_options={"hidden_size": 4, "num_layers": 1}, max_sequences=1000,
        report_every=8, validation_sequences=4, test_sequences=0, threads=1, **values,
    )  # fmt: skip


@pytest.fixture
def trained(monkeypatch):
    """Runs that take no time: a seed is solved if the rate is high enough for it."""
    begun = []

    def run_jobs(jobs, engine, reporter=None):
        results = {}
        for place, job in enumerate(jobs):
            begun.append(job)
            rate, seed = job.config.learning_rate, job.config.seed
            needed = int(3 / rate)
            solved = rate > 1e-3 * (1 + seed - 1000) and needed <= job.config.max_sequences
            results[place] = Result(
                seed=seed, solved=solved, scores={}, evaluation={}, seconds=0.1, steps=1,
                solved_after={"sequences": needed, "seconds": 0.1} if solved else None,
                sequences=needed if solved else job.config.max_sequences,
            )  # fmt: skip
        return results, {}

    monkeypatch.setattr(module, "run_jobs", run_jobs)
    return begun


def test_the_best_solves_most_seeds_in_the_fewest_sequences(tmp_path, trained):
    sweep = Sweep(tmp_path / "s", SPACE, config_of, seeds=SEEDS)
    sweep.run(30, Here())
    whole = [trial for trial in sweep.trials if trial.is_whole]
    refused = [trial for trial in sweep.trials if not trial.is_whole]
    assert len(sweep.trials) == 30
    assert all(trial.reason == "batch_size must be no seven" for trial in refused)
    assert refused
    assert sweep.best.solved == 3
    assert sweep.best.sequences == min(t.sequences for t in whole if t.solved == 3)
    for trial in whole:
        needed, rate = int(3 / trial.values["learning_rate"]), trial.values["learning_rate"]
        assert trial.sequences == (needed if 2 * trial.solved > trial.seeds else 1000) or (
            2 * trial.solved == trial.seeds
        )
        assert 1e-4 <= rate <= 1e-1
        assert trial.values["optimiser"] in ("adam", "rmsprop")
    # Optuna learns from what it sees: its later proposals need fewer sequences.
    late = [trial.sequences for trial in whole if trial.number >= 20]
    early = [trial.sequences for trial in whole if trial.number < 10]
    assert sum(late) / len(late) < sum(early) / len(early)


def test_hopeless_trials_are_cut_short(tmp_path, trained):
    sweep = Sweep(tmp_path / "s", SPACE, config_of, seeds=SEEDS)
    sweep.run(20, Here())
    first_best = next(t.number for t in sweep.trials if t.is_whole and t.solved == 3)
    slowest = {t.number: t.slowest for t in sweep.trials}
    for trial in sweep.trials:
        if not trial.is_whole:
            continue
        if trial.number <= first_best:
            continue
        # One seed more than the best left unsolved, which left none, is the end of it.
        assert trial.seeds - trial.solved <= 1
        jobs = [job for job in trained if f"trial-{trial.number:03}" in str(job.path)]
        before = [
            t for t in sweep.trials if t.number < trial.number and t.is_whole and t.solved == 3
        ]
        best = min(before, key=lambda t: t.sequences)
        assert {job.config.max_sequences for job in jobs} == {min(1000, 3 * slowest[best.number])}
    assert any(trial.is_whole and trial.seeds < 3 for trial in sweep.trials)


@pytest.mark.parametrize("at", [0, 4, 11])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(
    tmp_path, trained, at, monkeypatch
):
    whole = Sweep(tmp_path / "whole", SPACE, config_of, seeds=SEEDS)
    whole.run(8, Here())
    instant, count = module.run_jobs, 0

    def stopping(*arguments):
        nonlocal count
        count += 1
        if count == at + 1:
            raise Stopped(15, "with 0 of 1 runs done; resume to go on")
        return instant(*arguments)

    monkeypatch.setattr(module, "run_jobs", stopping)
    with pytest.raises(Stopped):
        Sweep(tmp_path / "cut", SPACE, config_of, seeds=SEEDS).run(8, Here())
    again = Sweep(tmp_path / "cut", SPACE, config_of, seeds=SEEDS)
    again.run(8, Here())
    assert again.trials == whole.trials
    again.run(5, Here())  # there are more already
    assert again.trials == whole.trials


def test_real_runs_are_trained_and_kept(tmp_path):
    space = {"learning_rate": Range(1e-4, 1e-2)}
    small = lambda values: dataclasses.replace(  # noqa: E731
        config_of({"batch_size": 8, **values}), max_sequences=16
    )
    sweep = Sweep(tmp_path, space, small, seeds=(1000,), command="tapehead sweep copy")
    sweep.run(2, Here())
    for trial in sweep.trials:
        result = json.loads(
            (tmp_path / f"trial-{trial.number:03}/seed-1000/result.json").read_text()
        )
        assert (trial.seeds, trial.solved, trial.sequences) == (1, 0, 16)
        assert trial.seconds == result["seconds"]
    settings, trials = module.read_sweep(tmp_path)
    assert trials == sweep.trials
    assert settings["command"] == "tapehead sweep copy"


def test_a_folder_of_another_search_is_refused(tmp_path, trained):
    Sweep(tmp_path / "s", SPACE, config_of, seeds=SEEDS)
    Sweep(tmp_path / "s", SPACE, config_of, seeds=SEEDS)
    with pytest.raises(TapeheadError, match="holds another search: seeds is different there"):
        Sweep(tmp_path / "s", SPACE, config_of, seeds=(1, 2))
    other = {**SPACE, "batch_size": Range(4, 16)}
    with pytest.raises(TapeheadError, match="holds another search: space is different there"):
        Sweep(tmp_path / "s", other, config_of, seeds=SEEDS)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(TapeheadError, match="is not empty and holds no search"):
        Sweep(tmp_path, SPACE, config_of, seeds=SEEDS)
    with pytest.raises(TapeheadError, match=r"holds no sweep: sweep\.json is missing"):
        module.read_sweep(tmp_path)


def test_the_option_that_decides_is_the_most_important(tmp_path, trained):
    sweep = Sweep(tmp_path / "s", SPACE, config_of, seeds=SEEDS)
    sweep.run(3, Here())
    assert module.importances(tmp_path / "s") == {}
    sweep.run(40, Here())
    shares = module.importances(tmp_path / "s")
    assert next(iter(shares)) == "learning_rate"
    assert sum(shares.values()) == pytest.approx(1.0)
    figure = sweep_figure(sweep.trials, shares)
    panels = {axes.get_xlabel(): axes for axes in figure.axes}
    assert list(panels) == [name.replace("_", " ") for name in shares]
    drawn = {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in panels["learning rate"].lines
    }
    whole = [trial for trial in sweep.trials if trial.is_whole]
    assert drawn == {(t.values["learning_rate"], t.sequences) for t in whole}


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))
def test_a_range_is_what_was_typed(low, high):
    if low < high:
        assert parse_vary(f"{low!r}..{high!r}", float) == Range(low, high)
    else:
        with pytest.raises(ValueError, match="LOW below HIGH"):
            parse_vary(f"{low!r}..{high!r}", float)


@pytest.mark.parametrize(
    ("text", "read", "message"),
    [
        ("3", int, "must be LOW..HIGH or two or more different values, got 3"),
        ("3,3", int, "must be LOW..HIGH or two or more different values, got 3,3"),
        ("a..b", str, "must be a list such as a,b: there is no range of"),
        ("1..inf", float, "there is no range of"),
    ],
)
def test_what_is_no_range_and_no_list(text, read, message):
    with pytest.raises(ValueError, match=message):
        parse_vary(text, read)


def test_seeds_that_are_solved_count_before_sequences():
    slow = Trial(number=0, values={}, seeds=3, solved=3, sequences=900.0)
    quick = Trial(number=1, values={}, seeds=3, solved=3, sequences=300.0)
    some = Trial(number=2, values={}, seeds=3, solved=2, sequences=100.0)
    assert sorted([some, slow, quick], key=merit) == [quick, slow, some]


def test_a_trial_without_a_result_is_never_best():
    assert not Trial(number=0, values={}, reason="no").is_whole

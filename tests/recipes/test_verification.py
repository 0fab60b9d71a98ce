"""Published results run again: on made-up results, and one short run of a real recipe."""

import dataclasses
import json
from pathlib import Path

import pytest

from tapehead.recipes import EXPERIMENTS, ntm, verification
from tapehead.recipes.verification import (
    Outcome,
    PublishedRun,
    judge,
    main,
    published_runs,
    rerun,
    sample,
    verify,
)

CELL = {
    "machine": "ntm-lstm",
    "task": "copy",
    "setting": "fast",
    "test": None,
    "metric": "bits",
    "seeds": [0, 3],
    "values": [0.0, 7.25],
    "solved_by_seed": [True, False],
    "sequences": [6_000, 60_000],
    "seconds": [9.0, 50.0],
    "commit": "0123456789",
    "command": "tapehead reproduce ntm/copy --max-sequences 60000",
}


def write(folder, *cells, experiment="ntm/copy"):
    path = folder / experiment / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"experiment": experiment, "commit": "fedcba", "cells": cells}))


def test_claims_are_the_runs_of_cells_that_can_be_run_again(tmp_path):
    test = CELL | {"test": "50"}
    unknown = {key: value for key, value in CELL.items() if key != "solved_by_seed"}
    former = CELL | {"setting": "paper", "commit": "ab50a083" + 32 * "0"}
    newer = CELL | {"setting": "paper"}
    write(tmp_path, CELL, test, unknown, former, newer)
    write(tmp_path, CELL, experiment="speed/ntm")
    fast, paper = published_runs(tmp_path)
    assert [claim.setting for claim in (*fast, *paper)] == ["fast", "fast", "paper", "paper"]
    assert [claim.seed for claim in fast] == [0, 3]
    assert fast[1].published == Outcome(False, 60_000, 7.25)
    assert (fast[0].commit, fast[0].seconds) == ("01234567", 9.0)
    each = CELL | {"commits": ["aaaaaaaabb", "bbbbbbbbaa"], "machine": "ntm soft"}
    unknown = [each | {"machine": "a"}, each | {"task": "ngrams"}, each | {"setting": "paper"}]
    write(tmp_path / "more", *unknown, each, experiment="discrete/copy")
    assert len(published_runs(tmp_path / "more")) == 1
    assert [claim.commit for claim in published_runs(tmp_path / "more")[0]] == [
        "aaaaaaaa",
        "bbbbbbbb",
    ]


def judged_cell(**changes):
    return {
        "machine": "memory-network", "task": "babi-1", "setting": "fast", "test": "test",
        "metric": "wrong", "seeds": [0], "values": [0.03], "validation": [0.02],
        "solved_by_seed": [True], "sequences": [2], "seconds": [1.0], "cpu_seconds": [1.5],
        "commit": "0123456789",
        "command": "tapehead reproduce babi/memory-network --max-sequences 4",
    } | changes  # fmt: skip


def test_a_test_for_which_a_checkpoint_was_chosen_is_a_claim(tmp_path):
    write(tmp_path, judged_cell(), experiment="babi/memory-network")
    ((claim,),) = published_runs(tmp_path)
    assert claim.judged
    assert claim.seconds == 1.5  # of the whole run
    assert claim.published.value == 0.03


@pytest.mark.parametrize(
    ("now", "holds", "words"),
    [
        (0.03, True, "the same"),
        (0.04, True, "within a point: 1.0 points apart"),
        (0.0205, True, "within a point"),
        (0.042, False, "no longer holds: 1.2 points apart"),
        (0.018, False, "no longer holds"),
    ],
)
def test_a_judged_run_holds_within_a_point(now, holds, words):
    published = Outcome(True, 9, 0.03)
    verdict = judge(published, Outcome(False, 5, now), judged=True)
    assert verdict.holds == holds
    assert words in verdict.words


def test_a_judged_run_is_trained_and_judged_from_scratch(tmp_path):
    write(tmp_path, judged_cell(), experiment="babi/memory-network")
    ((claim,),) = published_runs(tmp_path)
    first, second = rerun(claim), rerun(claim)
    assert first == second
    assert 0.0 <= first.value <= 1.0
    lines = []
    write(tmp_path / "now", judged_cell(values=[first.value]), experiment="babi/memory-network")
    ((_, verdict),) = verify(tmp_path / "now", budget=60.0, seed=0, say=lines.append)
    assert verdict.words == "the same"
    assert lines[0].startswith("babi/memory-network, babi-1, fast: memory-network, seed 0: ")
    assert f"{100 * first.value:.1f}% wrong at 01234567" in lines[0]


def test_a_sample_is_one_run_of_each_cell_within_the_budget():
    cells = [
        [dataclasses.replace(claim_of(number), seed=seed) for seed in range(4)]
        for number in range(9)
    ]
    assert len(sample(cells, 90.0, 0)) == 9
    chosen = sample(cells, 45.0, 0)
    assert len({claim.machine for claim in chosen}) == len(chosen) == 4
    assert chosen == sample(cells, 45.0, 0)
    assert any(sample(cells, 45.0, seed) != chosen for seed in range(1, 5))
    assert sample(cells, 9.0, 0) == []


def claim_of(number):
    return PublishedRun(
        experiment="ntm/copy",
        machine=f"machine {number}",
        task="copy",
        setting="fast",
        seed=0,
        commit="01234567",
        seconds=10.0,
        published=Outcome(True, 6_000, 0.0),
    )


@pytest.mark.parametrize(
    ("published", "found", "holds", "words"),
    [
        ((True, 6_000, 0.0), (True, 6_000, 0.5), True, "the same"),
        ((True, 6_000, 0.0), (True, 7_000, 0.0), True, "differs by rounding"),
        ((True, 6_000, 0.0), (False, 60_000, 9.0), False, "solved then, not solved now"),
        ((False, 60_000, 9.0), (True, 5_000, 0.0), False, "not solved then, solved now"),
        ((False, 60_000, 9.0), (False, 60_000, 9.0 + 1e-7), True, "the same"),
        ((False, 60_000, 9.0), (False, 60_000, 9.1), True, "differs by rounding"),
    ],
)
def test_runs_are_judged_by_their_numbers_and_else_by_the_pass_mark(published, found, holds, words):
    verdict = judge(Outcome(*published), Outcome(*found))
    assert verdict.holds == holds
    assert words in verdict.words


def test_each_run_is_said_and_counted(tmp_path):
    write(tmp_path, CELL | {"seeds": [0], **{k: CELL[k][:1] for k in LISTS}})
    write(tmp_path, CELL | {"seeds": [3], **{k: CELL[k][1:] for k in LISTS}}, experiment="dnc/copy")
    lines = []
    now = Outcome(True, 6_000, 0.0)
    checked = verify(tmp_path, budget=100.0, seed=0, run=lambda claim: now, say=lines.append)
    assert {(claim.experiment, verdict.holds) for claim, verdict in checked} == {
        ("ntm/copy", True),
        ("dnc/copy", False),
    }
    assert any(
        line.startswith("ntm/copy, fast: ntm-lstm, seed 0: 6,000 sequences at 01234567, 6,000")
        and "the same" in line
        for line in lines
    )
    assert any("7.25 left after 60,000 sequences" in line and "no longer" in line for line in lines)
    assert lines[-1] == "1 of 2 runs hold, out of 2 cells"
    alone = verify(tmp_path, budget=100.0, seed=0, only=["ntm/copy"], run=lambda c: now, say=str)
    assert [claim.experiment for claim, _ in alone] == ["ntm/copy"]


LISTS = ("values", "solved_by_seed", "sequences", "seconds")


def test_the_exit_code_says_whether_all_hold(tmp_path, monkeypatch, capsys):
    write(tmp_path, CELL | {"seeds": [0], **{k: CELL[k][:1] for k in LISTS}})
    call = ["--results", str(tmp_path)]
    usual = verification.verify
    for solved, code in ((True, 0), (False, 1)):
        outcome = Outcome(solved, 6_000, 0.0)
        monkeypatch.setattr(
            verification, "verify", lambda *a, now=outcome, **k: usual(*a, run=lambda c: now, **k)
        )
        assert main(call) == code
    assert main([*call, "--budget", "1"]) == 1
    assert "nothing in" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*call, "--only", "ntm/cpy"])
    assert "--only must be one of ntm/copy, " in capsys.readouterr().err


def test_a_run_of_a_recipe_is_the_same_run_again(monkeypatch):
    """A tiny machine that never learns: what is compared is the run of the recipe itself."""
    small = {
        "machine_options": {"memory_size": 4, "hidden_size": 4, "backend": "reference"},
        "max_sequences": 64,
    }
    monkeypatch.setitem(ntm.FAST["copy"], "ntm-lstm", ntm.RMSPROP | small)
    claim = dataclasses.replace(
        claim_of(0), machine="ntm-lstm", published=Outcome(False, 32, 0.0), command="x"
    )
    shorter = dataclasses.replace(claim, command="tapehead reproduce ntm/copy --max-sequences 32")
    first, again, other = rerun(claim), rerun(claim), rerun(shorter)
    assert first == again
    assert (first.solved, first.sequences, other.sequences) == (False, 64, 32)
    assert first.value > 10
    assert dataclasses.replace(claim, seed=1) != claim
    assert rerun(dataclasses.replace(claim, seed=1)).value != first.value


def test_a_run_of_an_experiment_of_several_tasks_is_the_same_run_again():
    claim = dataclasses.replace(
        claim_of(0),
        experiment="discrete/rl-ntm",
        machine="rl-ntm-direct",
        task="reverse-tape",
        published=Outcome(False, 128, 0.0),
        command="tapehead reproduce discrete/rl-ntm --max-sequences 128",
    )
    assert rerun(claim) == Outcome(False, 128, 0.0)


def test_the_published_results_of_this_repository_have_claims():
    results = Path(__file__).parents[2] / "results"
    found = published_runs(results)
    names = {cell[0].experiment for cell in found}
    assert {"ntm/copy", "ntm/time-to-solution", "dnc/copy", "discrete/copy"} <= names
    for cell in found:
        one = cell[0]
        if one.experiment in EXPERIMENTS:
            assert one.machine in EXPERIMENTS[one.experiment].contestants

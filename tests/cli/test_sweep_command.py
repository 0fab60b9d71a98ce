"""`tapehead sweep`: what it refuses, and a search from nothing to its table and picture."""

import json

import pytest
from calls import TINY, complaint

from tapehead.training.fleet import Here
from tapehead.training.sweeping import Sweep

VARY = ["--vary", "learning-rate=1e-4..1e-2", "batch-size=4,8"]
SMALL = ["--machine=lstm", "--hidden-size=4", *TINY]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["copy"], "--vary must name at least one option, such as"),
        (["copy", "--vary", "rate=1..2"], "with the name of an option, got rate=1..2"),
        (["copy", "--vary", "batch-size"], "with the name of an option, got batch-size"),
        (["copy", "--vary", "batch-size=8"], "--vary batch-size must be LOW..HIGH or two or more"),
        (["copy", "--vary", "batch-size=8,x"], "--batch-size must be a whole number, got 'x'"),
        (
            ["copy", "--vary", "batch-size=0..8"],
            "--vary: --batch-size must be a whole number of at",
        ),
        (
            ["copy", "--vary", "optimiser=adam,sgd"],
            "--optimiser must be one of rmsprop, graves-rmsprop, adam",
        ),
        (["copy", "--vary", "mixed-lengths=yes,true"], "mixed-lengths must be yes,no, got true"),
        (["copy", "--vary", "batch-size=1,2", "batch-size=2,4"], "must name each option once"),
        (["copy", *VARY, "--trials=0"], "--trials must be a whole number of at least 1, got 0"),
        (["copy", *VARY, "--seeds", "1", "1"], "--seeds must differ, got 1 1"),
        (["--show"], "--show needs --out, the folder of a search"),
        (["--show", "--out=x", "--batch-size=3"], "unknown option --batch-size"),
    ],
)
def test_it_says_in_one_line_what_is_wrong(call, tmp_path, monkeypatch, arguments, message):
    monkeypatch.setattr(Sweep, "run", lambda *_, **__: None)  # nothing long, if it is let through
    assert message in complaint(call("sweep", *arguments), 2)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_search_is_one_line(call):
    assert "holds no sweep" in complaint(call("sweep", "--show", "--out=nowhere"), 1)


def test_from_nothing_to_table_and_picture(call, tmp_path, monkeypatch):
    monkeypatch.setattr("tapehead.cli.sweep.engine_of", lambda *_: Here())
    searched = [*VARY, *SMALL, "--trials=3", "--seeds", "1000", "1001"]
    told = call("sweep", "copy", *searched)
    assert (told.code, told.err) == (0, "")
    folder = tmp_path / "sweeps" / "copy-lstm"
    header, _, *rows, place = told.out.splitlines()[-6:]
    assert header.split() == [
        "trial", "solved", "sequences", "seconds", "learning-rate", "batch-size",
    ]  # fmt: skip
    assert sorted(row.split()[0] for row in rows) == ["0", "1", "2"]
    assert all(row.split()[1:4] == ["0", "of", "2"] for row in rows)
    assert place == "search: sweeps/copy-lstm"
    trials = call("sweep", "copy", *searched, "--json").json  # there are as many already
    assert [trial["values"]["batch_size"] in (4, 8) for trial in trials] == [True] * 3
    for trial in trials:
        config = json.loads(
            (folder / f"trial-{trial['number']:03}" / "seed-1001" / "config.json").read_text()
        )["config"]
        assert config["learning_rate"] == trial["values"]["learning_rate"]
        assert (config["seed"], config["machine_options"]["hidden_size"]) == (1001, 4)
    shown = call("sweep", "--show", "--out=sweeps/copy-lstm", "--json")
    assert shown.json == trials
    assert (folder / "sweep.png").stat().st_size > 1000


@pytest.mark.parametrize(("options", "at_once"), [([], None), (["--workers=1"], 1)])
def test_a_cluster_gets_all_seeds_of_a_trial_at_once(call, monkeypatch, options, at_once):
    class Cluster(Here):
        """An engine that says nothing of how much room it has."""

    given = []
    monkeypatch.setattr("tapehead.cli.sweep.engine_of", lambda *_: Cluster())
    monkeypatch.setattr(Sweep, "run", lambda *_, at_once: given.append(at_once))
    assert call("sweep", "copy", *VARY, *SMALL, *options).code == 0
    assert given == [at_once]

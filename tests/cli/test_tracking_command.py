"""`--track` of train, sweep and reproduce."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from calls import TINY, complaint

RUN = ["train", "copy", "--machine", "lstm", "--num-layers", "1", "--hidden-size", "4", "--out",
       "runs", "--no-figures", *TINY]  # fmt: skip


@pytest.fixture
def told(monkeypatch):
    """Rows by run, as a stand-in for trackio has them."""
    module, rows = ModuleType("trackio"), {}
    module.__spec__ = ModuleSpec("trackio", None)

    class Run:
        def __init__(self, *, project, name, config, resume):
            print("* Created new run")
            self.rows = rows.setdefault(name, [])

        def log(self, numbers, step):
            self.rows.append(step)

        def finish(self):
            print("* Run finished")

    module.init = Run
    monkeypatch.setitem(sys.modules, "trackio", module)
    return rows


def test_a_run_is_followed_and_the_output_is_the_commands_own(call, told):
    outcome = call(*RUN, "--seed", "5", "--json", "--track", "trackio")
    assert (outcome.code, outcome.err) == (0, "")
    assert {event["event"] for event in outcome.json} >= {"started", "reported", "finished"}
    assert [name[:12] for name in told] == ["lstm-seed-5-"]
    assert list(told.values()) == [[16, 32, 32]]


@pytest.mark.parametrize(
    "words",
    [
        RUN,
        ["sweep", "copy", "--machine", "lstm", "--vary", "hidden-size=2,3"],
        ["reproduce", "ntm/copy"],
    ],
    ids=lambda words: words[0],
)
def test_what_cannot_be_is_refused_before_anything_is_written(call, tmp_path, monkeypatch, words):
    allowed = "--track must be one of tensorboard, trackio, got 'wandb'"
    assert allowed in complaint(call(*words, "--track", "wandb"), 2)
    monkeypatch.setattr("tapehead.training.tracking.tracking.find_spec", lambda name: None)
    line = complaint(call(*words, "--track", "trackio"), 1)
    assert "needs the package trackio: install tapehead with its extra [trackio]" in line
    assert list(tmp_path.iterdir()) == []

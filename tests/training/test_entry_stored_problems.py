"""Training on problems that are made once: with progress, again, and stopped in between."""

import io
import shutil
import signal

import pytest

from tapehead.signals import Stopped
from tapehead.training import LineReporter, Reporter, TrainConfig, train

CONFIG = TrainConfig(
    task="tsp",
    task_options={"min_points": 4, "max_points": 5, "stored": 600},
    machine="pointer-network",
    machine_options={"hidden_size": 8},
    batch_size=8,
    max_sequences=24,
    validation_sequences=8,
    test_sequences=0,
)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tapehead" / "tsp"


def trained():
    lines = io.StringIO()
    result = train(CONFIG, reporter=LineReporter(lines))
    return result.scores, [line for line in lines.getvalue().splitlines() if "made" in line]


def test_problems_are_made_before_training_and_only_once(cache):
    first, told = trained()
    assert told[0] == "0 of 1,000 problems made"
    assert told[-1] == "1,000 of 1,000 problems made"
    assert trained() == (first, [])
    shutil.rmtree(cache / "exact-drawn-4-points-seed-0")
    again, told = trained()
    assert again == first, "they are the same when they are made anew"
    assert told[0] == "500 of 1,000 problems made"


def test_a_signal_while_problems_are_made_stops_before_anything_of_the_run_is_written(
    cache, tmp_path
):
    class Stops(Reporter):
        def __init__(self):
            self.calls = []

        def preparing(self, done, total, seconds_left):
            self.calls.append("preparing")
            signal.raise_signal(signal.SIGTERM)

        def started(self, info):
            self.calls.append("started")

        def ended(self):
            self.calls.append("ended")

    reporter = Stops()
    with pytest.raises(Stopped) as stopped:
        train(CONFIG, tmp_path / "run", reporter=reporter)
    assert stopped.value.exit_code == 143
    assert reporter.calls == ["preparing", "ended"]
    assert not (tmp_path / "run").exists()

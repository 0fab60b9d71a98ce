"""Trackers have the rows of metrics.jsonl, each once, whatever happens to a run, and end none."""

import contextvars
import json
import shutil
import sys
from collections import defaultdict
from dataclasses import replace
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from tapehead.errors import TapeheadError
from tapehead.runs import read_metrics
from tapehead.tasks import Copy
from tapehead.training import Reporter, RunInfo, TrainConfig, train, train_seeds
from tapehead.training.display import Together
from tapehead.training.tracking import Tracking, check_tracker
from tapehead.training.tracking.sinks import FOLDER

CONFIG = TrainConfig(
    machine="lstm", machine_options={"hidden_size": 4, "num_layers": 1},
    task_options={"max_length": 2}, batch_size=4, max_sequences=32, report_every=8,
    validate_every=16, validation_sequences=2, checkpoint_every=0.0, keep_every=8, threads=1,
)  # fmt: skip
ROWS = 6
"""Four reports and two validations."""


class FakeTrackio(ModuleType):
    """As trackio: a run begins where `init` is called, and ends the one before it there."""

    def __init__(self):
        super().__init__("trackio")
        self.__spec__ = ModuleSpec("trackio", None)
        self.kept = defaultdict(list)
        self.configs, self.resumed, self.current = {}, [], contextvars.ContextVar("current")
        self.trouble = None

    def init(self, *, project, name, config, resume):
        print("* Trackio project initialized")
        if self.trouble is not None:
            self.trouble()
        before = self.current.get(None)
        if before is not None:
            before.finish()
        key = project, name
        self.resumed.append(key in self.kept)
        assert resume == "allow"
        self.configs[key] = config
        run = FakeRun(self, self.kept[key])
        self.current.set(run)
        return run


class FakeRun:
    def __init__(self, module, kept):
        self.module, self.kept, self.finished = module, kept, False

    def log(self, numbers, step):
        assert not self.finished
        if self.module.trouble is not None:
            self.module.trouble()
        assert all(type(number) is float for number in numbers.values())
        self.kept.append((step, numbers))

    def finish(self):
        print("* Run finished. Uploading logs to Trackio (please wait...)")
        self.finished = True


@pytest.fixture
def trackio(monkeypatch):
    module = FakeTrackio()
    monkeypatch.setitem(sys.modules, "trackio", module)
    return module


def numbers(rows):
    """What a tracker ought to have."""
    return [
        (
            row["sequences"],
            {
                f"{row['kind']}/{name}": float(value)
                for name, value in row.items()
                if name not in ("kind", "step", "sequences")
            },
        )
        for row in rows
    ]


def go_back(path, step):
    """As a run that was killed after a checkpoint, rows having been written since."""
    (path / "result.json").unlink()
    for folder in (path / "checkpoint").iterdir():
        if int(folder.name) > step:
            shutil.rmtree(folder)


def test_trackio_has_every_row_once_and_goes_on_in_the_same_run(trackio, tmp_path, capsys):
    train(CONFIG, tmp_path, reporter=Tracking("trackio"))
    go_back(tmp_path, 4)
    longer = replace(CONFIG, max_sequences=64)
    train(longer, tmp_path, resume=True, reporter=Tracking("trackio"))
    (((project, name), kept),) = trackio.kept.items()
    assert (project, name[:12]) == ("tapehead-copy", "lstm-seed-0-")
    assert trackio.resumed == [False, True]
    assert trackio.configs[project, name]["batch_size"] == 4
    wanted = numbers(read_metrics(tmp_path))
    assert len(wanted) == 2 * ROWS
    assert [(step, row.keys()) for step, row in kept] == [
        (step, row.keys()) for step, row in wanted
    ]
    # What was done again is the same but for its times.
    for (_, one), (_, other) in zip(kept, wanted, strict=True):
        assert one.keys() == other.keys()
        for each in one:
            assert "second" in each or one[each] == other[each]
    assert kept[ROWS:] == wanted[ROWS:]
    assert capsys.readouterr().out == ""


def test_who_is_asked_late_is_told_all(trackio, tmp_path):
    train(CONFIG, tmp_path)
    train(replace(CONFIG, max_sequences=40), tmp_path, resume=True, reporter=Tracking("trackio"))
    (kept,) = trackio.kept.values()
    assert kept == numbers(read_metrics(tmp_path))
    assert len(kept) > ROWS


def test_tensorboard_drops_what_is_written_again(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def shown():
        events = EventAccumulator(str(tmp_path / FOLDER), size_guidance={"scalars": 0})
        events.Reload()
        tags = events.Tags()
        assert tags["tensors"] == ["settings/text_summary"]
        return {
            tag: [
                (event.step, pytest.approx(event.value, rel=1e-5)) for event in events.Scalars(tag)
            ]
            for tag in tags["scalars"]
        }

    def wanted():
        found = defaultdict(list)
        for step, row in numbers(read_metrics(tmp_path)):
            for tag, value in row.items():
                found[tag].append((step, value))
        return found

    train(CONFIG, tmp_path, reporter=Tracking("tensorboard"))
    assert shown() == wanted()
    first = wanted()
    go_back(tmp_path, 4)
    train(CONFIG, tmp_path, resume=True, reporter=Tracking("tensorboard"))
    # The seconds of a step that is done again are other ones.
    assert wanted()["train/seconds"][-1] != first["train/seconds"][-1]
    assert shown() == wanted()
    shutil.rmtree(tmp_path / FOLDER)  # by whoever wants to see it anew
    train(
        replace(CONFIG, max_sequences=40), tmp_path, resume=True, reporter=Tracking("tensorboard")
    )
    assert shown() == wanted()


def test_each_of_several_seeds_has_its_own_run(trackio, tmp_path):
    reporter = Together(Reporter(), Tracking("trackio"))
    train_seeds(CONFIG, [3, 4], tmp_path, reporter=reporter)
    assert len(trackio.kept) == 2
    for (_, name), kept in trackio.kept.items():
        seed = name.split("-")[2]
        assert kept == numbers(read_metrics(tmp_path / f"seed-{seed}"))


def test_two_runs_at_a_time_do_not_end_each_other(trackio, tmp_path):
    """As the runs of several processes, whose news come in turns."""
    paths = [tmp_path / "a", tmp_path / "b"]
    for seed, path in enumerate(paths):
        train(replace(CONFIG, seed=seed), path)
    followers = [Tracking("trackio").for_run(path.name, 0) for path in paths]
    for path, follower in zip(paths, followers, strict=True):
        follower.started(info(path, resumed_at=0))
    for rows in zip(*map(read_metrics, paths), strict=True):
        for row, follower in zip(rows, followers, strict=True):
            follower.reported(row)
    assert list(trackio.kept.values()) == [numbers(read_metrics(path)) for path in paths]


def test_news_that_come_late_are_told_once(trackio, tmp_path):
    """The run has gone on when it is heard that it has started."""
    train(CONFIG, tmp_path)
    rows = read_metrics(tmp_path)
    follower = Tracking("trackio")
    follower.started(info(tmp_path, resumed_at=16))
    for row in rows[2:]:
        follower.reported(row)
    assert next(iter(trackio.kept.values())) == numbers(rows)


def info(path, resumed_at):
    return RunInfo(
        task="copy", machine="lstm", seed=0, parameters=1, device="cpu", threads=1, processes=1,
        max_sequences=32, stop_when_solved=True, pass_mark=Copy().pass_mark,
        resumed_at=resumed_at, path=None if path is None else str(path),
    )  # fmt: skip


@pytest.mark.parametrize("kind", [BrokenPipeError, ValueError])
def test_a_tracker_that_fails_ends_no_run_and_catches_up(trackio, tmp_path, capfd, kind):
    calls = []

    def trouble():
        calls.append(1)
        if len(calls) in (1, 2, 5):  # cannot begin, twice; then cannot take a row
            raise kind("planted")

    trackio.trouble = trouble
    reporter = Together(Reporter(), Tracking("trackio"))
    assert train(CONFIG, tmp_path, reporter=reporter).sequences == 32
    (kept,) = trackio.kept.values()
    assert kept == numbers(read_metrics(tmp_path))
    err = capfd.readouterr().err
    assert err.count("planted") == 1
    assert "the job goes on: TapeheadError: trackio: " in err


def test_a_run_that_keeps_nothing_cannot_be_followed(trackio):
    with pytest.raises(TapeheadError, match="only runs that have a run directory"):
        Tracking("trackio").started(info(None, 0))


def test_a_note_that_is_none_of_ours_is_not_believed(trackio, tmp_path):
    for text in ("", "[]", '{"trackio": 3}', json.dumps({"trackio": ["x", 1]})):
        train(CONFIG, tmp_path / "run")
        (tmp_path / "run" / "tracking.json").write_text(text)
        follower = Tracking("trackio")
        follower.started(info(tmp_path / "run", resumed_at=32))
        assert trackio.kept.popitem()[1] == numbers(read_metrics(tmp_path / "run"))
        shutil.rmtree(tmp_path / "run")


def test_what_is_not_installed_names_its_extra(monkeypatch):
    monkeypatch.setattr("tapehead.training.tracking.tracking.find_spec", lambda name: None)
    for name in ("tensorboard", "trackio"):
        with pytest.raises(TapeheadError, match=rf"needs the package {name}.* extra \[{name}\]"):
            check_tracker(name)
    with pytest.raises(ValueError, match="track must be one of tensorboard, trackio, got 'x'"):
        check_tracker("x")

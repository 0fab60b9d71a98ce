"""The page of a run directory while a training goes on in it."""

import json
import shutil
import urllib.request
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tapehead.cli import main, view
from tapehead.runs import load_run, read_metrics
from tapehead.runs.directory import RunDirectory
from tapehead.training import TrainConfig, train
from tapehead.viewing.page.packing import plain
from tapehead.viewing.problems import recorded
from tapehead.viewing.watching import RunPage

CONFIG = TrainConfig(
    machine_options={"memory_size": 6, "word_size": 3, "hidden_size": 4}, batch_size=4,
    task_options={"max_length": 2}, max_sequences=16, report_every=8, validate_every=8,
    validation_sequences=2, keep_every=8, threads=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("watching") / "run"
    train(CONFIG, path)
    return path


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def panels(document):
    return [recording["panels"] for recording in plain(document)["recordings"]]


def of_machine(path, step):
    _, machine, task = load_run(path, step=step)
    machine.backend = "reference"  # as pages are made
    return plain(recorded(machine, task.test_settings()["10"], label="10")())["panels"]


def test_a_finished_run_is_shown_as_it_ended(run):
    document = RunPage(run, lengths=["10"]).document()
    assert not document["live"]
    assert document["curve"]["train"]["sequences"] == [8, 16]
    assert panels(document) == [of_machine(run, "best")]


def test_the_newest_checkpoint_is_what_is_shown_while_it_goes_on(run):
    (run / "result.json").unlink()
    page = RunPage(run, lengths=["10"])
    shutil.move(run / "checkpoint" / "4", run / "later")
    first, before = page.document(), page.state()
    assert panels(first) == [of_machine(run, 2)]
    assert page.state() == before
    shutil.move(run / "later", run / "checkpoint" / "4")
    assert page.state() != before
    second = page.document()
    assert panels(second) == [of_machine(run, 4)] != panels(first)


def test_before_there_is_a_checkpoint_there_is_the_curve(run):
    (run / "result.json").unlink()
    shutil.rmtree(run / "checkpoint")
    document = RunPage(run).document()
    assert document["recordings"] == []
    assert document["curve"]["train"]["sequences"] == [8, 16]
    (run / "metrics.jsonl").unlink()
    assert RunPage(run).document()["curve"]["train"]["sequences"] == []


def test_a_run_without_a_result_is_live_as_long_as_a_process_trains_in_it(run):
    (run / "result.json").unlink()
    page = RunPage(run, lengths=["10"])
    stopped = page.state()
    assert not page.document()["live"]
    with RunDirectory(run):
        training = page.state()
        assert page.document()["live"]
    assert not page.document()["live"]
    assert page.state() == stopped != training


def asked(address, path="live.json"):
    with urllib.request.urlopen(f"{address}{path}", timeout=60) as answer:
        return json.load(answer)


def test_the_command_serves_what_another_training_writes(run, capsys, monkeypatch):
    seen = []

    def sleep(seconds):
        """What happens between two looks at the files."""
        if not seen:
            address = json.loads(capsys.readouterr().out)["address"]
            assert address.startswith("http://127.0.0.1:")
            seen.append((address, asked(address)))
            train(replace(CONFIG, max_sequences=24), run, resume=True)
        elif len(seen) == 1:
            address, first = seen[0]
            seen.append(asked(address, f"live.json?version={first['version']}"))
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(view, "time", SimpleNamespace(sleep=sleep))
    assert main(["view", str(run), "--port", "0", "--json", "--sizes", "10"]) == 130
    (address, first), second = seen
    assert first["curve"]["train"]["sequences"] == [8, 16]
    assert second["curve"]["train"]["sequences"] == [8, 16, 24]
    assert second["recordings"][0]["panels"]
    assert len(read_metrics(run)) == 6
    with pytest.raises(OSError, match=r"."):  # the server has ended
        asked(address)
    assert not (run / "view.html").exists()


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--port", "70000"], "--port must be a whole number from 0 to 65535, got 70000"),
        (["--port", "0", "--listing"], "--port and --listing exclude each other"),
        (
            ["--port", "0", "--out", "x"],
            "--out means nothing to --port, which serves the run as it is",
        ),
        (["--port", "0", "--sizes", "x"], "--sizes: 'x' is no size of copy"),
        (["ntm/copy", "--port", "0"], "--port shows a single run, got 2"),
    ],
)
def test_wrong_calls_are_refused(run, tmp_path, monkeypatch, capsys, words, wanted):
    monkeypatch.chdir(tmp_path)
    assert main(["view", str(run), *words]) == 2
    assert wanted in capsys.readouterr().err


def test_a_row_and_a_result_are_news(run):
    page = RunPage(run)
    before = page.state()
    with (run / "metrics.jsonl").open("a") as file:
        file.write("{}\n")
    with_row = page.state()
    (run / "result.json").unlink()
    assert len({before, with_row, page.state()}) == 3
    assert page.state() == page.state()

"""A training with its page: the same to the bit, and none of its troubles."""

import json
import threading
import urllib.request
from dataclasses import replace

import pytest
import torch

from tapehead.cli import live, main
from tapehead.cli.live import LivePage
from tapehead.runs.build import build_machine, build_task
from tapehead.runs.directory import RunDirectory
from tapehead.training import TrainConfig, train
from tapehead.training.display import Reporter, Together
from tapehead.viewing.page import serving
from tapehead.viewing.page.serving import PageServer

TINY = {
    "max_sequences": 96, "batch_size": 8, "report_every": 16, "validate_every": 48,
    "validation_sequences": 4, "test_sequences": 2, "device": "cpu", "threads": 1,
}  # fmt: skip
COPY = {"max_length": 3}
RUNS = {
    "ntm": TrainConfig(
        task="copy", task_options=COPY, **TINY,
        machine_options={"memory_size": 8, "word_size": 4, "hidden_size": 8},
    ),
    "dnc, dropout": TrainConfig(
        task="copy", machine="dnc", task_options=COPY, **TINY,
        machine_options={"memory_size": 8, "word_size": 4, "hidden_size": 8, "bypass_dropout": 0.3},
    ),
    "discrete ntm": TrainConfig(
        task="copy", machine="discrete-ntm", task_options=COPY, **TINY,
        machine_options={"memory_size": 8, "word_size": 4, "hidden_size": 8},
    ),
    "rl-ntm": TrainConfig(
        task="reverse-tape", machine="rl-ntm", task_options={"max_complexity": 4}, **TINY,
        machine_options={"hidden_size": 8, "cell_size": 4},
    ),
    "memory network": TrainConfig(
        task="babi", machine="memory-network", **TINY, machine_options={"embedding_size": 8},
    ),
}  # fmt: skip


@pytest.fixture
def server():
    server = PageServer()
    yield server
    server.close()


def held(server):
    with urllib.request.urlopen(f"{server.address}live.json", timeout=120) as answer:
        return json.load(answer)


class Seen(Reporter):
    """Every row, without its times."""

    def __init__(self):
        self.rows = []

    def reported(self, row):
        times = ("seconds", "sequences_per_second", "cpu_seconds", "time")
        self.rows.append({name: part for name, part in row.items() if name not in times})


@pytest.mark.parametrize("name", RUNS)
def test_what_is_learned_is_the_same_to_the_bit(name, server, monkeypatch):
    """An episode between any two steps, and a reader who never stops asking."""
    alone, watched = Seen(), Seen()
    before = train(RUNS[name], reporter=alone)
    monkeypatch.setattr(live, "EVERY", 0.0)
    monkeypatch.setattr(live, "SHARE", 1e9)
    monkeypatch.setattr("tapehead.training.loop.TELL_EVERY", 0.0)
    page, done = LivePage(RUNS[name], server), threading.Event()

    def reader():
        while not done.wait(0.01):
            held(server)

    thread = threading.Thread(target=reader)
    held(server)  # from now on it is watched
    thread.start()
    try:
        after = train(RUNS[name], reporter=Together(watched, page))
    finally:
        done.set()
        thread.join()
    assert page._count >= 10
    assert watched.rows == alone.rows
    for (key, one), other in zip(
        before.machine.state_dict().items(), after.machine.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), key
    last = held(server)
    assert not last["live"]
    assert last["recordings"][0]["panels"]
    assert last["curve"]["train"]["sequences"][-1] == 96


def test_nobody_watches_and_no_episode_is_run(server, monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.0)
    monkeypatch.setattr("tapehead.training.loop.TELL_EVERY", 0.0)
    page = LivePage(RUNS["ntm"], server)
    train(RUNS["ntm"], reporter=page)
    assert page._count == 2  # the first, and the last


def test_an_episode_takes_no_more_than_its_share_of_the_time(server, monkeypatch):
    clock = [0.0]

    def slow(*arguments, **options):
        clock[0] += 6.0
        return None

    monkeypatch.setattr(live, "recorded", slow)
    monkeypatch.setattr(live.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(type(server), "watched", True)
    monkeypatch.setattr(server, "cost", 3.0)
    page = LivePage(RUNS["ntm"], server)
    task = build_task(RUNS["ntm"])
    page.watching(build_machine(RUNS["ntm"], task), task)
    assert page._count == 1
    # Nine seconds are paid for by three hundred of training.
    for later, count in ((299.0, 1), (2.0, 2), (299.0, 2), (2.0, 3)):
        clock[0] += later
        page.progressed(0, 0.0)
        assert page._count == count


def test_the_episode_is_the_machines_own_as_it_now_is(server):
    """Of the last state: what is served is what the trained machine does."""
    from tapehead.viewing.page.packing import plain
    from tapehead.viewing.problems import recorded

    page = LivePage(RUNS["ntm"], server)
    result = train(RUNS["ntm"], reporter=page)
    shown = held(server)["recordings"][0]
    again = recorded(
        result.machine, build_task(RUNS["ntm"]), seed=page._count - 1, label=shown["label"]
    )
    wanted = {panel["name"]: panel for panel in plain(again())["panels"]}
    for panel in shown["panels"]:
        assert panel == wanted[panel["name"]]


def test_a_page_that_fails_ends_no_run(server, monkeypatch, capfd):
    def broken(*arguments, **options):
        raise RuntimeError("planted")

    monkeypatch.setattr(live, "recorded", broken)
    told = Seen()
    assert (
        train(RUNS["ntm"], reporter=Together(told, LivePage(RUNS["ntm"], server))).sequences == 96
    )
    assert len(told.rows) == 8
    assert capfd.readouterr().err.count("planted") == 1


def test_the_command_prints_the_address(tmp_path, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(
        serving.PageServer, "wait_until_seen", lambda self: asked.append(held(self))
    )
    small = ["--max-sequences", "16", "--batch-size", "8", "--validation-sequences", "4",
             "--test-sequences", "0", "--hidden-size", "4", "--num-layers", "1"]  # fmt: skip
    arguments = ["train", "copy", "--machine", "lstm", "--out", str(tmp_path / "run"), *small]
    assert main([*arguments, "--live", "--no-figures"]) == 0
    assert "watch it at http://127.0.0.1:" in capsys.readouterr().out
    assert [page["live"] for page in asked] == [False]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--live", "--num-seeds", "2"], "--live shows a single run"),
        (["--port", "8000"], "--port needs --live"),
        (["--live", "--port", "70000"], "--port must be a whole number from 0 to 65535"),
    ],
)
def test_wrong_calls_are_refused(words, complaint, capsys):
    assert main(["train", "copy", *words]) == 2
    assert complaint in capsys.readouterr().err


def test_a_run_that_cannot_go_on_is_refused_before_anything_is_served(
    tmp_path, capsys, monkeypatch
):
    config = replace(RUNS["ntm"], schedule="linear")
    with RunDirectory(tmp_path) as run:
        run.begin(config, {})
    monkeypatch.setattr("tapehead.cli.train.server_at", lambda port: pytest.fail("served"))
    arguments = ["train", "--live", "--out", str(tmp_path)]
    assert main([*arguments, "--resume", "--max-sequences", "200"]) == 1
    complaint = capsys.readouterr().err
    assert "cannot resume: --max-sequences was 96 and is now 200, but the linear" in complaint
    assert main([*arguments, "copy"]) == 1
    assert f"{tmp_path} holds a run already: resume it" in capsys.readouterr().err


def test_a_port_in_use_is_named_before_anything_begins(tmp_path, server, capsys):
    port = server.address.rstrip("/").rsplit(":", 1)[1]
    out = tmp_path / "run"
    assert main(["train", "copy", "--out", str(out), "--live", "--port", port]) == 2
    assert f"--port {port} cannot be used" in capsys.readouterr().err
    assert not out.exists()

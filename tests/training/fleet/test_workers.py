"""Jobs in several processes: none lost, whatever becomes of the process that does them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tapehead.errors import TapeheadError
from tapehead.signals import stop_on_signal
from tapehead.training.fleet.workers import Workers


def work(tell, what, number):
    """A job that does as it is told."""
    if what == "die":
        os._exit(number)
    if what == "fail":
        raise (TapeheadError if number else ZeroDivisionError)(f"no {number}")
    if what == "tell":
        for count in range(number):
            tell(count)
    if what == "save":
        with stop_on_signal() as stop:
            tell("under way")
            while stop.number is None:
                time.sleep(0.01)
            tell("saved")
    return number, os.getpid()


def all_news(jobs, count):
    with Workers(work, jobs, count) as workers:
        return [(news.key, news.event, news.value) for news in workers if news is not None]


@pytest.mark.slow
def test_a_process_does_one_job_after_the_other_and_tells():
    news = all_news({"a": ("tell", 2), "b": ("tell", 1)}, 1)
    assert [(key, event) for key, event, _ in news] == [
        ("a", "started"), ("a", "told"), ("a", "told"), ("a", "done"),
        ("b", "started"), ("b", "told"), ("b", "done"),
    ]  # fmt: skip
    assert [value for _, event, value in news if event == "told"] == [0, 1, 0]
    (a, process), (b, same) = (value for _, event, value in news if event == "done")
    assert (a, b) == (2, 1)
    assert process == same != os.getpid()


@pytest.mark.slow
def test_a_process_that_dies_is_replaced_and_no_job_is_lost():
    jobs = {0: ("die", 3), 1: ("die", 4), 2: ("fail", 5), 3: ("fail", 0), 4: ("tell", 0)}
    ends = {key: (event, value) for key, event, value in all_news(jobs, 1)}
    assert ends[0] == ("died", "its process died (exit code 3)")
    assert ends[1] == ("died", "its process died (exit code 4)")
    assert ends[2] == ("failed", "no 5")
    assert ends[3][0] == "failed"
    assert "ZeroDivisionError: no 0" in ends[3][1]
    assert ends[4][0] == "done"


@pytest.mark.slow
def test_a_signal_lets_jobs_under_way_save_and_begins_no_more():
    ends, seen = {}, []
    jobs = {"saves": ("save", 1), "cannot": ("tell", 10**9), "waits": ("save", 1)}
    with Workers(work, jobs, 2) as workers:
        for news in workers:
            if news is None:
                continue
            if news.event == "told" and news.key == "saves":
                seen.append(news.value)
                if news.value == "under way":
                    os.kill(os.getpid(), signal.SIGTERM)
            ends[news.key] = news.event
    assert workers.stopped_by == signal.SIGTERM
    assert seen == ["under way", "saved"]
    assert ends == {"saves": "done", "cannot": "stopped"}


@pytest.mark.slow
def test_leaving_early_ends_the_jobs():
    def leave():
        with Workers(work, {1: ("save", 1), 2: ("tell", 10**9)}, 2) as workers:
            for news in workers:
                if news is not None and news.key == 1 and news.event == "told":
                    raise KeyError("full")

    before = multiprocessing.active_children()
    with pytest.raises(KeyError, match="full"):
        leave()
    assert multiprocessing.active_children() == before


@pytest.mark.slow
def test_workers_die_with_their_parent():
    """By kill -9 too; by the kernel's hand and, where it has none for it, by a thread's."""
    script = Path(__file__).with_name("kill_parent.py")
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    try:
        children = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(_lives(child) for child in children)
    finally:
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 20
    while any(map(_lives, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    left = [child for child in children if _lives(child)]
    for child in left:
        os.kill(child, signal.SIGKILL)
    parent.stdout.close()
    assert left == []


def _lives(number):
    """Whether a process runs; one that has ended may wait to be fetched by its new parent."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")

"""The same jobs on a cluster of two machines, of which one is lost: two nodes on this machine."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch

from skips import find
from tapehead.runs import load_run, read_metrics, read_result
from tapehead.runs.records import read_start

PATIENCE = 240
SMALL = [
    "--machine=lstm", "--hidden-size=4", "--num-layers=1", "--max-length=3", "--num-bits=4",
    "--batch-size=4", "--report-every=400", "--validate-every=4000", "--validation-sequences=4",
    "--test-sequences=0", "--checkpoint-every=1", "--no-stop-when-solved", "--device=cpu",
]  # fmt: skip
WHOLE = ["--max-sequences=8000"]
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
NOTICES = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 5,
}
"""A node that says nothing for five seconds is lost; Ray's usual patience is half a minute."""
HELPERS = ("dashboard-agent-listen", "dashboard-agent-grpc", "runtime-env-agent", "metrics-export")


def free_ports(count):
    """So many ports that nobody uses, no two alike: all are held until the last is found."""
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


def descendants(number):
    """Processes that a process started, and those that they started."""
    lines = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout
    parents = dict(map(int, line.split()) for line in lines.splitlines())
    found, news = set(), {number}
    while news:
        found |= news
        news = {child for child, parent in parents.items() if parent in news} - found
    return found


def kill(process):
    for number in descendants(process.pid):
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.communicate()


class Nodes:
    """Two of them with one core each, the first at the head."""

    def __init__(self, folder):
        # Ray gives its helpers 15 seconds to say which port they found, so they are told.
        self.port, *self._ports = free_ports(1 + 2 * len(HELPERS))
        self.address = f"127.0.0.1:{self.port}"
        self._folder = folder
        self.nodes = []

    def start(self, *where):
        """A node that is up; where all cores are busy Ray may give up, and is asked again."""
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *where, "--num-cpus=1"]
        command += ["--object-store-memory=80000000", "--node-ip-address=127.0.0.1", "--block"]
        command += [f"--{helper}-port={self._ports.pop()}" for helper in HELPERS]
        command += ["--disable-usage-stats"]
        log = self._folder / f"node-{len(self.nodes)}.log"
        for _ in range(3):
            with open(log, "wb") as file:
                process = subprocess.Popen(command, env=ENVIRONMENT, stdout=file, stderr=file)
            self.nodes.append(process)
            while process.poll() is None:
                if b"Ray runtime started" in log.read_bytes():
                    return
                time.sleep(0.1)
            kill(self.nodes.pop())
        pytest.fail(log.read_text())

    def __enter__(self):
        head = ["--head", f"--port={self.port}", "--include-dashboard=false"]
        head += [f"--system-config={json.dumps(NOTICES)}", f"--temp-dir={self._folder}"]
        try:
            self.start(*head)
            self.start(f"--address={self.address}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        for node in reversed(self.nodes):
            kill(node)

    def train(self, folder, *options):
        engine = ["--engine=ray", f"--ray-address={self.address}"]
        return start_training(folder, *engine, *options)


def start_training(folder, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "tapehead", "train", "copy", *SMALL, *options,
         "--no-figures", f"--out={folder}"],
        env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    find("ray")
    short = tmp_path_factory.mktemp("r")  # sockets have names of at most a hundred letters
    with Nodes(short) as two:
        yield two


def wait_for(happened, process):
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail("".join(process.communicate()))
        time.sleep(0.05)


def losses(folder):
    rows = read_metrics(folder)
    return [(row["kind"], row["sequences"], row["loss"]) for row in rows]


def finished(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    return out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_runs_of_a_lost_machine_go_on_at_another_to_the_same_bits(nodes, tmp_path):
    process = nodes.train(tmp_path / "runs", "--seeds", "0", "1", *WHOLE)
    lost = []

    def one_of_the_second_node_has_a_checkpoint():
        for file in (tmp_path / "runs").glob("seed-*/checkpoint/*/progress.json"):
            folder = file.parents[2]
            if int((folder / ".lock").read_text().split()[1]) in descendants(nodes.nodes[1].pid):
                lost.append(folder.name)
        return bool(lost)

    wait_for(one_of_the_second_node_has_a_checkpoint, process)
    kill(nodes.nodes[1])
    out = finished(process)
    name = lost[0].replace("-", " ")
    assert f"{name}: its machine was lost; it goes on from its last checkpoint" in out
    finished(start_training(tmp_path / "alone", "--seeds", "0", "1", "--workers=1", *WHOLE))
    for seed in ("seed-0", "seed-1"):
        folder, alone = tmp_path / "runs" / seed, tmp_path / "alone" / seed
        assert bool(read_start(folder).get("resumed")) == (seed == lost[0])
        assert read_result(folder)["scores"] == read_result(alone)["scores"]
        assert losses(folder) == losses(alone)
        _, mine, _ = load_run(folder, step="latest")
        _, yours, _ = load_run(alone, step="latest")
        for one, other in zip(mine.parameters(), yours.parameters(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.slow
def test_a_signal_saves_what_runs_on_the_cluster(nodes, tmp_path):
    process = nodes.train(tmp_path / "runs", "--seeds", "0", "1", "--max-sequences=100000000")
    wait_for(lambda: any((tmp_path / "runs").glob("seed-*/checkpoint/*/progress.json")), process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM
    assert "stopped by SIGTERM with 0 of 2 runs done; resume to go on" in err
    for folder in (tmp_path / "runs").iterdir():
        _, _, _ = load_run(folder, step="latest")


def test_a_cluster_that_is_not_there_is_an_error_of_one_line(tmp_path):
    find("ray")
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    ray = ["--engine=ray", f"--ray-address={nowhere}"]
    process = start_training(tmp_path / "runs", "--seeds", "0", "1", *ray)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert re.search(rf"no Ray cluster of these versions answers at {nowhere} \(.*\): start", last)

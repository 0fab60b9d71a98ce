"""What only real processes show: kill -9, signals, several processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from stand_ins import rows, tiny

from tapehead.errors import TapeheadError
from tapehead.runs.checkpoint import checkpoint_steps, load_checkpoint
from tapehead.training import TrainConfig, read_result, train

HERE = Path(__file__).parent
PATIENCE = 250  # seconds: processes import for a while where all cores are busy


def settings(**changes):
    return json.dumps(tiny(**changes).to_dict())


@pytest.fixture
def start():
    """Starts scripts of this folder; what still runs at the end of the test is killed."""
    processes = []

    def started(script, *arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-W", "error", str(HERE / script), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.communicate()


def finished(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + err
    return out


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def assert_same_run(one, other):
    assert rows(one) == rows(other)
    folders = [path / "checkpoint" for path in (one, other)]
    mine, yours = (load_checkpoint(folder, checkpoint_steps(folder)[-1]) for folder in folders)
    assert {"weights", "optimiser", "random", "scores"} == set(mine.parts)
    for part, tensors in mine.parts.items():
        assert tensors.keys() == yours.parts[part].keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, yours.parts[part][name]), (part, name)
    results = [read_result(path) for path in (one, other)]
    assert results[0]["scores"] == results[1]["scores"]


@pytest.mark.slow
def test_killed_at_any_moment_a_run_ends_with_the_same_bits(tmp_path, start):
    config = settings(
        max_sequences=1_200,
        checkpoint_every=0.0,
        curriculum="look-back",
        report_every=20,
        validate_every=60,
        optimiser="adam",
    )
    whole = start("train_once.py", config, tmp_path / "whole")
    killed = start("train_and_die.py", config, tmp_path / "killed", 8)
    finished(whole)
    assert "ended after 8 kills" in finished(killed)
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends_with_its_exit_code(tmp_path, start, number):
    config = settings(max_sequences=1_000_000, report_every=200)
    process = start("train_once.py", config, tmp_path / "run")
    for line in process.stdout:
        if line.split()[0] == "400":
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    *_compiling, err = err.splitlines(keepends=True)  # once on every machine
    assert err.startswith(f"stopped by {number.name} after ")
    assert err.endswith(f"saved in {tmp_path / 'run'}, resume to go on\n")
    done = int(err.split()[4].replace(",", ""))
    steps = [int(path.name) for path in (tmp_path / "run" / "checkpoint").iterdir()]
    assert max(steps) * 4 == done
    assert rows(tmp_path / "run")[-1]["sequences"] <= done


@pytest.mark.slow
def test_two_processes_train_one_machine(tmp_path, start):
    """Stopped and resumed, they end like two that were not."""
    config = settings(max_sequences=400, report_every=20, clip_norm=1.0)

    def both(folder, **environment):
        """Two processes with the environment that `torchrun --nproc-per-node=2` gives them."""
        together = {
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
            "GROUP_RANK": "0",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(free_port()),
            "TORCHELASTIC_RUN_ID": "test",
            **environment,
        }
        ranks = [
            start("train_once.py", config, folder, RANK=rank, LOCAL_RANK=rank, **together)
            for rank in "01"
        ]
        texts = ["".join(process.communicate(timeout=PATIENCE)) for process in ranks]
        return [process.returncode for process in ranks], texts

    codes, (text, other) = both(tmp_path / "whole")
    assert codes == [0, 0], text + other
    assert "2 processes" in text  # one of them reports
    assert "2 processes" not in other
    assert read_result(tmp_path / "whole")["sequences"] == 400

    codes, (text, other) = both(tmp_path / "stopped", TAPEHEAD_TEST_STOP="200")
    assert codes == [143, 143], text + other
    assert "stopped by SIGTERM after 200 sequences" in text
    codes, (text, other) = both(tmp_path / "stopped")
    assert codes == [0, 0], text + other
    assert "resumed at 200 sequences" in text
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")

    with pytest.raises(TapeheadError, match="trained by 2 processes and can be resumed only by as"):
        train(TrainConfig.from_dict(json.loads(config)), tmp_path / "stopped", resume=True)

"""A flipped bit in any file of a run is found by whoever reads it."""

import random

import pytest
from stand_ins import tiny

from tapehead.errors import TapeheadError
from tapehead.runs.checkpoint import DamagedCheckpoint, checkpoint_steps, load_checkpoint
from tapehead.runs.records import run_id
from tapehead.training import read_config, read_metrics, read_result, train

FLIPS = 150


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    train(tiny(machine="lstm", machine_options={"hidden_size": 4, "num_layers": 1}), path)
    return path


@pytest.mark.parametrize("name", ["config.json", "result.json", "metrics.jsonl"])
def test_in_a_file_of_the_run(run, name):
    read = {"config.json": read_config, "result.json": read_result, "metrics.jsonl": read_metrics}
    for _ in _flips(run / name):
        with pytest.raises(TapeheadError, match=name):
            read[name](run)
    read[name](run)


@pytest.mark.parametrize(
    "name",
    [
        "progress.json",
        *(f"{part}.safetensors" for part in ("weights", "optimiser", "random", "scores")),
    ],
)
def test_in_a_file_of_a_checkpoint(run, name):
    folder, identity = run / "checkpoint", run_id(run)
    step = checkpoint_steps(folder)[-1]
    for _ in _flips(folder / str(step) / name):
        with pytest.raises(DamagedCheckpoint, match=f"checkpoint/{step} is damaged: .*{name}"):
            load_checkpoint(folder, step, identity)
    load_checkpoint(folder, step, identity)


def _flips(file):
    """Flip bits of a file one at a time, evenly over all of it, and put each back."""
    data, draw = file.read_bytes(), random.Random(file.name)
    places = [draw.randrange(len(data)) for _ in range(FLIPS)]
    for place in [0, len(data) - 1, *places]:
        damaged = data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]
        file.write_bytes(damaged)
        yield damaged
    file.write_bytes(data)

"""Runs packed for others: unpacked they are looked at as before, and not trained on."""

import json
import shutil
from dataclasses import replace

import pytest
import torch

from tapehead import LSTM
from tapehead.errors import TapeheadError
from tapehead.runs import load_run, read_config, read_metrics, read_result
from tapehead.runs.packing import pack, unpack
from tapehead.training import TrainConfig, train

# At this rate the first validation is the best.
CONFIG = TrainConfig(
    machine="lstm",
    machine_options={"hidden_size": 8},
    task_options={"max_length": 2},
    optimiser="adam",
    learning_rate=3.0,
    batch_size=8,
    max_sequences=32,
    report_every=8,
    validate_every=8,
    validation_sequences=8,
    test_sequences=2,
    threads=1,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("packing") / "run"
    train(CONFIG, path)
    return path


@pytest.fixture
def packed(run, tmp_path):
    pack(run, tmp_path / "packed", name="lstm/copy", reproduce="do it again")
    return tmp_path / "packed"


def test_an_unpacked_run_is_the_run(run, packed, tmp_path):
    out = unpack(packed, tmp_path / "out" / "lstm")
    _, machine, _ = load_run(run)
    latest = json.loads(next((packed / "run" / "checkpoint").glob("*/progress.json")).read_bytes())
    assert latest["progress"]["best"]["step"] < latest["step"]  # so not that of the end
    for found in (load_run(out)[1], LSTM.from_pretrained(packed)):
        wanted, got = machine.state_dict(), found.state_dict()
        assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    assert read_config(out) == CONFIG
    assert read_metrics(out) == read_metrics(run)
    assert read_result(out) == read_result(run)
    assert unpack(packed, out) == out  # and again


def test_its_card_tells_of_the_machine_that_is_packed(run, packed):
    card = (packed / "README.md").read_text()
    best = min(
        (row for row in read_metrics(run) if row["kind"] == "validation"),
        key=lambda row: row["bit_errors"],
    )
    assert f"| as trained | {best['bit_errors']:.3f} |" in card
    assert f"{read_result(run)['scores']['bit_errors']:.3f}" not in card
    assert "It does not solve the task" in " ".join(card.split())
    assert "| again, in a checkout | `do it again` |" in card
    assert max(map(len, card.splitlines())) < 200


def test_it_is_not_trained_on(packed, tmp_path):
    out = unpack(packed, tmp_path / "out")
    with pytest.raises(TapeheadError, match="came with a packed machine, to be looked at"):
        train(replace(CONFIG, max_sequences=40), out, resume=True)


def test_what_is_damaged_or_in_the_way_is_named(run, packed, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    train(CONFIG, tmp_path / "another")
    with pytest.raises(TapeheadError, match=r"another holds another run than .*packed"):
        unpack(packed, tmp_path / "another")
    (packed / "model.safetensors").write_bytes(b"")
    with pytest.raises(TapeheadError, match=r"model\.safetensors is damaged"):
        unpack(packed, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (other / "result.json").unlink()
    with pytest.raises(TapeheadError, match="has not ended yet"):
        pack(other, tmp_path / "new", name="x/y", reproduce="")

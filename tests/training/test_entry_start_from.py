"""Runs that begin with the weights of a trained machine."""

import shutil
from dataclasses import replace

import pytest
import torch

from tapehead import Machine
from tapehead.errors import TapeheadError
from tapehead.training import TrainConfig, load_run, read_metrics, train

SMALL = TrainConfig(
    machine="dnc",
    machine_options={"memory_size": 6, "word_size": 4, "hidden_size": 8, "backend": "reference"},
    task_options={"max_length": 2, "num_bits": 2}, batch_size=4, max_sequences=40, threads=1,
    report_every=4, validate_every=20, validation_sequences=4, optimiser="adam",
)  # fmt: skip


@pytest.fixture
def trained(tmp_path):
    train(SMALL, tmp_path / "trained")
    return tmp_path / "trained"


def weights_of(run):
    return load_run(run, step="latest")[1].state_dict()


def test_it_begins_where_the_other_was_judged(trained, tmp_path):
    _, best, _ = load_run(trained)
    config = replace(SMALL, start_from=str(trained), seed=1, learning_rate=1e-9, max_sequences=4)
    train(config, tmp_path / "on")
    for name, tensor in weights_of(tmp_path / "on").items():
        assert torch.allclose(tensor, best.state_dict()[name], atol=1e-7), name
    fresh = train(replace(config, start_from=None)).machine.state_dict()
    assert not torch.allclose(fresh["output.weight"], best.state_dict()["output.weight"], atol=0.01)


def test_weights_of_another_precision_and_memory_fit(trained):
    larger = SMALL.machine_options | {"memory_size": 9}
    double = replace(
        SMALL, start_from=str(trained), precision="64", machine_options=larger, max_sequences=4,
        learning_rate=1e-9, seed=1,
    )  # fmt: skip
    begun = train(double).machine.output.weight
    assert begun.dtype == torch.float64
    assert torch.allclose(begun.float(), load_run(trained)[1].output.weight, atol=1e-7)


def test_stopped_and_resumed_it_needs_the_other_no_more_and_comes_to_the_same_bits(
    trained, tmp_path
):
    config = replace(SMALL, start_from=str(trained), seed=1)
    train(config, tmp_path / "whole")
    train(replace(config, max_sequences=20), tmp_path / "parts")
    shutil.rmtree(trained)
    train(config, tmp_path / "parts", resume=True)
    for name, tensor in weights_of(tmp_path / "whole").items():
        assert torch.equal(tensor, weights_of(tmp_path / "parts")[name]), name
    losses = [[row["loss"] for row in read_metrics(tmp_path / run)] for run in ("whole", "parts")]
    assert losses[0] == losses[1]


def test_a_machine_of_the_zoo_and_a_saved_one(tmp_path):
    machine = Machine.from_pretrained("ntm/copy")
    options = {"memory_size": 128, "memory_init": "uniform"}
    config = replace(
        SMALL, machine="ntm", machine_options=options, task_options={}, start_from="ntm/copy",
        learning_rate=1e-9, max_sequences=4,
    )  # fmt: skip
    assert train(config).scores["bit_errors"] == 0
    machine.save_pretrained(tmp_path / "mine")
    assert train(replace(config, start_from=str(tmp_path / "mine"))).scores["bit_errors"] == 0


def test_what_does_not_fit_or_is_not_there_is_one_line(trained, tmp_path):
    config = replace(SMALL, start_from=str(trained))
    wider = SMALL.machine_options | {"hidden_size": 9}
    with pytest.raises(
        TapeheadError,
        match=r"start_from must name a machine whose weights fit .*got .* a DNC: read_weight",
    ):
        train(replace(config, machine_options=wider), tmp_path / "wider")
    with pytest.raises(TapeheadError, match=r"there is no trained machine 'nowhere'"):
        train(replace(SMALL, start_from="nowhere"), tmp_path / "nowhere")
    assert not (tmp_path / "wider").exists()
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(ValueError, match=r"restart_after must be left out with start_from"):
        replace(config, restart_after=20)
    shutil.rmtree(trained / "checkpoint")
    with pytest.raises(TapeheadError, match=r"has no checkpoint yet"):
        train(replace(config, seed=1), tmp_path / "early")


def test_a_resumed_run_keeps_its_start(trained, tmp_path):
    train(replace(SMALL, start_from=str(trained)), tmp_path / "on")
    with pytest.raises(TapeheadError, match=r"start_from was '.* and is now None"):
        train(SMALL, tmp_path / "on", resume=True)

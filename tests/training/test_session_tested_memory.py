"""A machine may be validated and tested with more rows than it is trained with."""

import json

import pytest
import torch
from stand_ins import tiny

from tapehead.runs import evaluate_settings, load_run
from tapehead.runs.evaluation import mean_scores
from tapehead.runs.randomness import Stream
from tapehead.training import read_result, train
from tapehead.training.rows import VALIDATION_BATCH, VALIDATION_SEED

SMALL = {
    "machine": "ntm",
    "machine_options": {"memory_size": 4, "word_size": 3, "hidden_size": 5},
    "max_sequences": 8,
    "test_sequences": 8,
}


def test_validations_and_tests_are_taken_with_those_rows_and_the_machine_keeps_its_own(tmp_path):
    few = train(tiny(**SMALL), tmp_path / "few")
    many = train(tiny(**SMALL, test_memory_size=9), tmp_path / "many")
    assert many.machine.memory_size == 4
    for name, value in few.machine.state_dict().items():
        assert torch.equal(many.machine.state_dict()[name], value)
    assert many.scores != few.scores
    _, machine, task = load_run(tmp_path / "many")
    assert machine.memory_size == 4
    machine.memory_size = 9
    validation = mean_scores(
        machine, task, 16, VALIDATION_BATCH, VALIDATION_SEED, Stream.VALIDATION
    )
    assert many.scores == validation
    expected = evaluate_settings(machine, task, sequences=8)
    assert read_result(tmp_path / "many")["evaluation"] == expected
    assert expected["50"]["bits"] != few.evaluation["50"]["bits"]
    assert load_run(tmp_path / "many", as_tested=True)[1].memory_size == 9


def test_evaluate_and_the_figures_take_them_too(tmp_path, capsys):
    from tapehead.cli import main

    train(tiny(**SMALL, test_memory_size=9), tmp_path)
    assert main(["evaluate", str(tmp_path), "--sequences", "8", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["memory_size"] == 9
    assert told["evaluation"]["120"] == read_result(tmp_path)["evaluation"]["120"]
    assert (
        main(["evaluate", str(tmp_path), "--sequences", "8", "--memory-size", "4", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["evaluation"]["120"] != told["evaluation"]["120"]


def test_pictures_pages_and_listings_show_those_rows(tmp_path, monkeypatch):
    from tapehead.machines import NTM
    from tapehead.viewing import view_run
    from tapehead.viewing.listing.run import listing_of
    from tapehead.viewing.watching import RunPage

    train(tiny(**SMALL, test_memory_size=9), tmp_path)
    seen, trace = [], NTM.trace

    def traced(machine, *arguments, **options):
        seen.append(machine.memory_size)
        return trace(machine, *arguments, **options)

    monkeypatch.setattr(NTM, "trace", traced)
    view_run(tmp_path, lengths=[2])
    listing_of(tmp_path)
    RunPage(tmp_path, lengths=[2]).document()
    assert seen == [9, 9, 9]


def test_a_memory_that_cannot_grow_is_told():
    with pytest.raises(ValueError, match=r"test_memory_size must be left out for lstm, .* got 9"):
        train(tiny(machine="lstm", test_memory_size=9))

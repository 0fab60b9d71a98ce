"""`train --match-parameters`: what it prints, what the run keeps, and how that goes on."""

import json
from dataclasses import replace

import pytest
from calls import TINY, complaint

from tapehead.recipes import recipe
from tapehead.recipes.matching import match_parameters

RUN = ["train", "copy", "--machine", "lstm", "--num-layers", "1", "--out", "run", "--no-figures"]
MATCH = ["--match-parameters", "ntm"]


@pytest.fixture(scope="module")
def found():
    """What it comes to, by the recipe of today."""
    config = replace(recipe("copy", "lstm"), machine_options={"num_layers": 1})
    return match_parameters(config, "ntm")


def kept(folder):
    return json.loads((folder / "run" / "config.json").read_text())


def test_both_counts_are_printed_and_the_width_is_kept(call, tmp_path, found):
    outcome = call(*RUN, *TINY, *MATCH)
    assert outcome.code == 0
    counts = f"lstm has {found.parameters:,} parameters, ntm has {found.wanted:,}"
    options = found.config.machine_options
    assert outcome.out.splitlines()[0] == f"--hidden-size {options['hidden_size']}: {counts}"
    assert kept(tmp_path)["config"]["machine_options"] == options
    assert kept(tmp_path)["parameters"] == found.parameters


def test_json_and_quiet(call, found):
    first = call(*RUN, *TINY, *MATCH, "--json").json[0]
    counts = {"parameters": found.parameters, "wanted": found.wanted}
    size = found.config.machine_options["hidden_size"]
    assert first == {"event": "matched", "option": "hidden_size", "value": size, **counts}
    assert call(*RUN, *TINY, *MATCH, "--quiet", "--out", "other").out == ""


@pytest.mark.parametrize("again", [[], MATCH], ids=["resumed", "resumed, asked for again"])
def test_a_resumed_run_keeps_its_width(call, tmp_path, found, again):
    assert call(*RUN, *TINY, *MATCH).code == 0
    outcome = call(
        "train", "--out", "run", "--resume", "--test-sequences=2", "--no-figures", *again
    )
    assert outcome.code == 0
    assert kept(tmp_path)["config"]["machine_options"] == found.config.machine_options
    assert kept(tmp_path)["config"]["test_sequences"] == 2


def test_another_width_is_another_run(call):
    assert call(*RUN, *TINY, *MATCH).code == 0
    outcome = call("train", "--out", "run", "--resume", "--match-parameters", "ntm-feedforward")
    assert "cannot resume: --hidden-size was" in complaint(outcome, 1)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--hidden-size", "8"], "--match-parameters chooses --hidden-size: leave one of them out"),
        (["--hidden_size=8"], "--match-parameters chooses --hidden-size: leave one of them out"),
        (["--match-parameters", "ntmm"], "--match-parameters 'ntmm': machine must be one of"),
        (["--match-parameters", "pointer-network"], "which reads a Points and not a Sequence"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(call, tmp_path, words, wanted):
    assert wanted in complaint(call(*RUN, *MATCH, *words), 2)
    assert list(tmp_path.iterdir()) == []

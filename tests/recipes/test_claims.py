"""The table of README.md says what the results say."""

import json
from pathlib import Path

import pytest

from tapehead.errors import TapeheadError
from tapehead.recipes import EXPERIMENTS, claims
from tapehead.recipes.claims import BEGIN, END, Claim, renewed, table

ROOT = Path(__file__).parents[2]
CLAIM = Claim(
    task="copy",
    experiment="ntm/copy",
    machine="NTM",
    contestant="ntm-lstm",
    beyond=lambda f: f"{f.below('120', 1.0, 'bit_errors')}, {f.middle('50')}",
)


def test_the_readme_is_as_its_command_writes_it():
    """After a result has changed: python -m tapehead.recipes.claims."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert text == renewed(text, ROOT / "results")


def test_every_claim_is_of_a_contestant_of_its_experiment():
    for claim in claims.CLAIMS:
        if claim.experiment != "babi/table":
            assert claim.contestant in EXPERIMENTS[claim.experiment].contestants


def cell(test, values, **more):
    return {
        "machine": "ntm-lstm", "task": "copy", "setting": "fast", "test": test, "seeds": [0, 1, 2],
        "values": values, "solved": 2, "solved_by_seed": [True, False, True],
        "sequences": [4000, 60000, 6005], "seconds": [3.2, 700.0, 5.1], **more,
    }  # fmt: skip


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results" / "ntm" / "copy"
    folder.mkdir(parents=True)
    cells = [
        cell(None, [0.0, 9.0, 0.0]),
        cell("50", [0.0, 80.0, 0.125]),
        # Bits are a cost, and one wrong bit may cost several.
        cell("120", [3.5, 480.0, 1.0], scores={"bit_errors": [0.9, 200.0, 1.0]}),
        cell("120", [7.0, 7.0, 7.0], setting="paper"),
    ]
    (folder / "result.json").write_text(json.dumps({"cells": cells}))
    return tmp_path / "results"


def test_a_row_counts_seeds_and_takes_medians_of_those_that_solve_the_task(results):
    *_, row = table(results, [CLAIM]).splitlines()
    assert row == ("| [copy](results/ntm/copy/) | NTM | 2 of 3 | 5,000, 4 s | 1 of 3, 0.12 |")


def test_what_is_not_there_is_told(results):
    with pytest.raises(TapeheadError, match=r"ntm/copy has no cell of dnc"):
        table(results, [Claim(**{**vars(CLAIM), "contestant": "dnc"})])
    with pytest.raises(TapeheadError, match=r"README\.md has no table between"):
        renewed(f"{BEGIN}\n{END[:-1]}", results)

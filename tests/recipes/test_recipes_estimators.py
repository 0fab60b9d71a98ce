"""The Bernoulli experiment in small: seeds stay apart, estimators order as published."""

import json

import pytest
import torch

from tapehead.recipes.bernoulli import cells, pass_mark, reproduce, run_all
from tapehead.recipes.bernoulli_run import ESTIMATORS, ToyConfig, run
from tapehead.runs.provenance import provenance

SMALL = ToyConfig(target=0.45, steps=400, points=4)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_seeds_side_by_side_are_separate_runs(estimator):
    config = ToyConfig(target=0.45, steps=40, points=2, samples=50)
    alone, together = run(config, estimator, [3]), run(config, estimator, [1, 3])
    torch.testing.assert_close(alone.loss[0], together.loss[1], rtol=1e-6, atol=0)
    torch.testing.assert_close(alone.log_variance[0], together.log_variance[1], rtol=1e-3, atol=0)
    if estimator != "exact":
        assert not torch.equal(together.loss[0], together.loss[1])


def test_looking_more_often_does_not_change_the_run():
    seldom = run(ToyConfig(target=0.45, steps=40, points=2), "relax", [0])
    often = run(ToyConfig(target=0.45, steps=40, points=20), "relax", [0])
    assert torch.equal(seldom.loss[:, -1], often.loss[:, -1])


def test_variance_and_cost_order_as_published():
    curves = {name: run(SMALL, name, [0, 1, 2, 3]) for name in ("reinforce", "relax", "exact")}
    variance = {name: row.log_variance[:, -1].median() for name, row in curves.items()}
    loss = {name: row.loss[:, -1].median() for name, row in curves.items()}
    assert variance["relax"] < variance["reinforce"] - 3
    assert loss["exact"] < loss["relax"] < loss["reinforce"] < SMALL_START


SMALL_START = 0.2525


def test_wrong_calls_name_the_option():
    with pytest.raises(ValueError, match=r"estimator must be one of reinforce, .*got 'best'"):
        run(SMALL, "best", [0])
    with pytest.raises(ValueError, match="points must divide steps = 400, got 3"):
        run(ToyConfig(steps=400, points=3), "reinforce", [0])


def test_cells_count_solved_seeds_and_carry_the_published_value():
    configs = {"t=0.499": ToyConfig(target=0.499, steps=4, points=2, samples=10)}
    outcomes = run_all(configs, (0, 1), ("reinforce", "exact"))
    loss = outcomes["t=0.499"]["reinforce"].curves.loss
    loss[:, -1] = torch.tensor([0.2494, 0.2493])
    rows = cells(outcomes, configs, (0, 1))
    assert [(row["machine"], row["metric"]) for row in rows] == [
        ("reinforce", "expected cost"),
        ("reinforce", "log-variance"),
        ("exact", "expected cost"),
    ]
    assert rows[0]["values"] == [0.2494, 0.2493]
    assert rows[0]["solved"] == 1
    assert rows[0]["published"] == 0.249597
    assert pass_mark(0.499) == pytest.approx(0.249301)


def test_reproduce_writes_the_result_and_its_figure(tmp_path):
    configs = {
        "t=0.45": ToyConfig(target=0.45, steps=4, points=2, samples=10),
        "t=0.499": ToyConfig(target=0.499, steps=4, points=2, samples=10),
    }
    result = reproduce(tmp_path / "out", configs, (0, 1))
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == result
    assert result["experiment"] == "estimators/bernoulli"
    assert result["commit_has_changes"] == provenance()["commit_has_changes"]
    assert len(result["cells"]) == 2 * (2 * 6 + 1)
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000

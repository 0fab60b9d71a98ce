"""`tapehead view --listing`: what the heads of a run did, as a program."""

import pytest
from calls import complaint

from tapehead.training import TrainConfig, train
from tapehead.viewing.listing import listing_of


def trained(path, **options):
    small = {
        "task": "copy", "machine": "ntm", "task_options": {"max_length": 3}, "max_sequences": 8,
        "validation_sequences": 2, "test_sequences": 0, "batch_size": 4, "threads": 1,
    }  # fmt: skip
    train(TrainConfig(**small | options), path)
    return path


def test_a_run_is_listed_step_by_step(call, tmp_path):
    run = trained(
        tmp_path / "run", machine_options={"memory_size": 12, "backend": "reference"}
    )  # fmt: skip
    listing = listing_of(run, size="4")
    assert listing.title.startswith("NTM-LSTM on copy, length 4: ")
    assert [step.number for step in listing.steps] == list(range(1, 10))
    assert [step.told for step in listing.steps[4:6]] == ["delimiter", ""]
    assert [step.asked for step in listing.steps] == [False] * 5 + [True] * 4
    before = sorted(run.rglob("*"))
    shown = call("view", "run", "--listing", "--sizes", "4")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == f"{listing}\n"
    assert sorted(run.rglob("*")) == before  # nothing is drawn
    (found,) = call("view", "run", "--listing", "--sizes=4", "--json").json
    assert found["listings"][0]["title"] == listing.title
    assert found["listings"][0]["steps"][4]["told"] == "delimiter"
    both = call("view", "run", "--listing", "--sizes", "3", "4").out
    assert both.endswith(shown.out)
    assert "length 3" in both


@pytest.mark.parametrize(("options", "named"), [
    ({"machine": "lstm", "machine_options": {"hidden_size": 4}}, "lstm"),
    ({"machine": "rl-ntm", "task": "reverse-tape", "machine_options": {"hidden_size": 4},
      "task_options": {"max_complexity": 2}}, "reverse-tape"),
])  # fmt: skip
def test_where_no_head_is_on_a_memory_it_says_so(call, tmp_path, options, named):
    trained(tmp_path / "run", **options)
    shown = call("view", "run", "--listing")
    assert shown.code == 1
    assert f"a listing is of heads on a memory, and {named} has none" in shown.err


def test_wrong_calls_are_named(call, tmp_path):
    trained(tmp_path / "run", machine_options={"memory_size": 12, "backend": "reference"})
    for option in ("--out=x", "--format=svg", "--data=x"):
        line = complaint(call("view", "run", "--listing", option), 2)
        assert f"{option.partition('=')[0]} means nothing to --listing" in line
        line = complaint(call("view", "run", "--port=0", option), 2)
        assert f"{option.partition('=')[0]} means nothing to --port" in line
    line = complaint(call("view", "run", "--port=0", "--listing"), 2)
    assert line.endswith("--port and --listing exclude each other")
    shown = call("view", "run", "--listing", "--sizes=many")
    assert shown.code == 2
    assert "--sizes: 'many' is no size of copy" in shown.err


def test_figures_come_in_the_format_that_is_asked_for(call, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "tapehead.viewing.several.view_runs",
        lambda runs, out, **options: asked.append(options) or [],
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    assert call("view", "run", "--format", "pdf").code == 0
    assert asked[0]["format"] == "pdf"
    wrong = complaint(call("view", "run", "--format", "jpg"), code=2)
    assert "--format must be one of png, pdf, svg, got 'jpg'" in wrong

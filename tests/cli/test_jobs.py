"""Train, evaluate, view, go on: what a newcomer types, on a problem of a few seconds."""

import json

import pytest
from calls import TINY, complaint, process

from tapehead.training import read_config, read_metrics

LSTM = ["train", "copy", "--machine=lstm", "--hidden-size=4", *TINY]


def test_train_evaluate_view(call, tmp_path):
    trained = call(
        "train", "copy", *TINY, "--memory-size=6", "--hidden-size=5", "--backend=reference",
        "--clip-value=none", "--seed", "3",
    )  # fmt: skip
    assert (trained.code, trained.err) == (0, "")
    for text in ("seed 3", "validation at 32", "\n120 ", "runs/copy-ntm-lstm-1/figures/bits.png"):
        assert text in trained.out
    run = tmp_path / "runs" / "copy-ntm-lstm-1"
    config = read_config(run)
    assert (config.seed, config.clip_value, config.batch_size) == (3, None, 8)
    assert config.machine_options["memory_size"] == 6
    assert config.machine_options["word_size"] == 20  # from the recipe
    assert config.task_options == {"max_length": 2}
    pictures = {path.name for path in (run / "figures").iterdir()}
    assert {"bits.png", "memory.png", "learning.png", "generalisation.png"} <= pictures

    scores = call("evaluate", run, "--sequences=4", "--json").json[0]["evaluation"]
    assert list(scores) == ["as trained", "10", "20", "30", "50", "120"]
    assert scores["120"]["bits"] > scores["10"]["bits"] > scores["as trained"]["bits"] > 0
    table = call("evaluate", run, "--sequences=4").out
    assert f"{scores['120']['bit_errors']:.3f}" in table

    drawn = call("view", run, "--out=elsewhere", "--sizes", "2", "3", "--json")
    assert drawn.code == 0
    assert all((tmp_path / file).is_file() for file in drawn.json[0]["figures"])
    wrong = call("view", run, "--sizes", "long")
    assert wrong.code == 2
    assert "--sizes: 'long' is no size of copy" in wrong.err


def test_the_next_run_gets_a_folder_of_its_own(call, tmp_path):
    (tmp_path / "runs" / "copy-lstm-1").mkdir(parents=True)
    assert call(*LSTM, "--no-figures", "--quiet").out == ""
    assert (tmp_path / "runs" / "copy-lstm-2" / "result.json").exists()


def test_resume_begins_goes_on_and_ends(call, tmp_path):
    command = [*LSTM, "--schedule=constant", "--no-figures", "--out=run", "--resume"]
    assert call(*command, "--max-sequences=16").code == 0
    (tmp_path / "run" / "result.json").unlink()
    assert call(*command).code == 0
    rows = [row["sequences"] for row in read_metrics(tmp_path / "run") if row["kind"] == "train"]
    assert rows == [16, 32]
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    again = call(*command)
    assert again.code == 0
    assert "after 32 sequences" in again.out
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before

    other = call(*command, "--learning-rate=0.5")
    assert other.code == 1
    assert "cannot resume: learning_rate was" in other.err
    fresh = call(*LSTM, "--no-figures", "--out=run")
    assert fresh.code == 1
    assert "run holds a run already" in fresh.err


def test_several_seeds(call, tmp_path):
    done = call(*LSTM, "--seeds", 4, 7, "--workers=1", "--out=both")
    assert (done.code, done.err) == (0, "")
    assert "of 2 seeds solved" in done.out
    assert read_config(tmp_path / "both" / "seed-7").seed == 7
    assert (tmp_path / "both" / "learning.png").stat().st_size > 1000
    assert (tmp_path / "both" / "seed-4" / "figures" / "bits.png").exists()
    assert "both/seed-4 is one" in complaint(call("evaluate", "both"), 2)


def test_json_is_nothing_but_json(tmp_path):
    """In a process of its own, where a library's message would spoil it."""
    done = process(*LSTM, "--json", "--no-figures", "--out=run", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    events = [row["event"] for row in done.json]
    assert events[0] == "started"
    assert events[-1] == "finished"
    assert done.json[-1] | {} == {"event": "finished"} | json.loads(
        (tmp_path / "run" / "result.json").read_text()
    )


@pytest.mark.parametrize(
    ("flag", "value"), [("--mixed-lengths", True), ("--no-mixed-lengths", False)]
)
def test_switches(call, tmp_path, flag, value):
    assert call(*LSTM, "--no-figures", "--quiet", "--out=run", flag, "--test-sequences=0").code == 0
    assert read_config(tmp_path / "run").task_options.get("mixed_lengths", True) is value


def test_bench_sets_the_contenders_side_by_side(call):
    timed = call("bench", "--batches", 1, 2, "--seconds=0.01", "--threads=2", "--json")
    assert timed.code == 0
    rows = timed.json[0]
    assert [(row["batch"], row["threads"]) for row in rows] == [(1, 2), (2, 2)]
    assert min(row[f"{name}_ms"] for row in rows for name in ("cpu", "lstm", "reference")) > 0
    table = call("bench", "--batches=1", "--seconds=0.01").out
    assert "kernel ms" in table
    assert max(map(len, table.splitlines())) <= 100

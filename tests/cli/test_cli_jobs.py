"""Train, evaluate, view, go on: what a newcomer types, on a problem of a few seconds."""

import re
from functools import partial

import pytest
from calls import TINY, complaint, process

from tapehead import benchmark
from tapehead.cli.base import settings_before
from tapehead.cli.parsing import parse
from tapehead.cli.train import Train
from tapehead.cli.training_options import config_of, options_for
from tapehead.training import read_config, read_metrics, read_result

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

    told = call("evaluate", run, "--sequences=4", "--json").json[0]
    assert told["backend"] == "reference"
    scores = told["evaluation"]
    assert list(scores) == ["as trained", "10", "20", "30", "50", "120"]
    assert scores["120"]["bits"] > scores["10"]["bits"] > scores["as trained"]["bits"] > 0
    table = call("evaluate", run, "--sequences=4").out
    assert "4 sequences for each size, backend reference\n" in table
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
    assert "cannot resume: --learning-rate was" in other.err
    assert other.err.rstrip().endswith(
        "; only --max-sequences, --stop-when-solved, --cooldown, --patience, --test-sequences, "
        "--checkpoint-every, --keep-every, --device, --threads, --deterministic may change"
    )
    fresh = call(*LSTM, "--no-figures", "--out=run")
    assert fresh.code == 1
    assert "run holds a run already" in fresh.err


def test_resume_takes_the_options_of_the_run(call, tmp_path):
    """None needs to be repeated, and only those that are given are compared."""
    command = ["train", "repeat-copy", "--machine=lstm", "--hidden-size=4", "--schedule=constant"]
    few = ["--max-sequences=16", "--batch-size=8", "--report-every=8", "--validation-sequences=4"]
    assert call(*command, *few, "--test-sequences=1", "--seed=3", "--out=run").code == 0
    (tmp_path / "run" / "result.json").unlink()
    begun = read_config(tmp_path / "run")
    assert call("train", "--resume", "--out=run", "--no-figures").code == 0
    assert read_config(tmp_path / "run") == begun

    longer = call("train", "--resume", "--out", "run", "--max-sequences", 24, "--no-figures")
    assert longer.code == 0
    assert read_config(tmp_path / "run").max_sequences == 24
    assert read_config(tmp_path / "run").machine_options == begun.machine_options
    assert call("train", "--out=run", "--no-figures", "--resume", "repeat-copy").code == 0
    for given, message in (
        (["copy"], "TASK was 'repeat-copy' and is now 'copy'"),
        (["--machine=ntm"], "--machine was 'lstm' and is now 'ntm'"),
        (["--hidden-size=5"], "--hidden-size was 4 and is now 5; only --max-"),
        (["--batch-size=4"], "--batch-size was 8 and is now 4"),
        (["--seed=0"], "--seed was 3 and is now 0"),
        (["repeat-copy", "--machine=lstm", "--setting=fast"], "cannot resume: "),
    ):
        line = complaint(call("train", *given, "--resume", "--out=run", "--no-figures"), 1)
        assert f"cannot resume: {message}".replace("cannot resume: cannot", "cannot") in line


def test_a_linear_schedule_says_why_it_cannot_go_on_longer(call):
    few = ["--max-sequences=16", "--batch-size=8", "--validation-sequences=4"]
    command = ["train", "copy", "--machine=lstm", "--hidden-size=4", "--no-figures", *few]
    assert call(*command, "--test-sequences=0", "--schedule=linear", "--out=run").code == 0
    line = complaint(
        call("train", "--resume", "--out=run", "--max-sequences=32", "--no-figures"), 1
    )
    assert line == (
        "tapehead train: cannot resume: --max-sequences was 16 and is now 32, but the linear "
        "schedule of the learning rate ends at --max-sequences: from its first step a longer "
        "run is another one, so train it in a folder of its own"
    )


def test_resuming_seeds_names_them(call, tmp_path):
    short = [*LSTM, "--no-figures", "--max-sequences=16", "--test-sequences=0", "--out=both"]
    assert call(*short, "--seeds", 4, 7, "--workers=1", "--learning-rate=0.02").code == 0
    line = complaint(call("train", "--resume", "--out=both"), 2)
    assert line.endswith("both holds a run for each seed: name all of them with --seeds")
    resumed = call("train", "--resume", "--out=both", "--seeds", 4, 7, 9, "--workers=1",
                   "--no-figures")  # fmt: skip
    assert resumed.code == 0
    assert read_config(tmp_path / "both" / "seed-9").learning_rate == 0.02


def test_several_seeds(call, tmp_path):
    done = call(*LSTM, "--seeds", 4, 7, "--workers=1", "--out=both")
    assert (done.code, done.err) == (0, "")
    assert "of 2 seeds solved" in done.out
    assert read_config(tmp_path / "both" / "seed-7").seed == 7
    assert (tmp_path / "both" / "learning.png").stat().st_size > 1000
    assert (tmp_path / "both" / "seed-4" / "figures" / "bits.png").exists()
    assert "both/seed-4 is one" in complaint(call("evaluate", "both"), 2)
    # A folder of other things too is none of runs: nothing is drawn into what lies in it.
    (tmp_path / "both" / "photographs").mkdir()
    assert re.search(
        r"both is not a run .* both/seed-\d is one", complaint(call("view", "both"), 2)
    )


def test_json_is_nothing_but_json(tmp_path):
    """In a process of its own, where a library's message would spoil it."""
    done = process(*LSTM, "--json", "--no-figures", "--out=run", folder=tmp_path)
    assert (done.code, done.err) == (0, "")
    events = [row["event"] for row in done.json]
    assert events[0] == "started"
    assert events[-1] == "finished"
    assert done.json[-1] == {"event": "finished"} | read_result(tmp_path / "run")


@pytest.mark.parametrize(
    ("flag", "value"), [("--mixed-lengths", True), ("--no-mixed-lengths", False)]
)
def test_switches(call, tmp_path, flag, value):
    assert call(*LSTM, "--no-figures", "--quiet", "--out=run", flag, "--test-sequences=0").code == 0
    assert read_config(tmp_path / "run").task_options.get("mixed_lengths", True) is value


def test_who_does_not_stop_does_not_cool_down(call, tmp_path):
    """A recipe's cooldown ends a run, so it gives way; asked for beside it, it is an error."""
    small = [
        "train", "associative-recall", "--memory-size=6", "--hidden-size=5", "--backend=reference",
        "--max-sequences=32", "--batch-size=8", "--report-every=16", "--validation-sequences=4",
        "--test-sequences=0", "--no-figures", "--quiet",
    ]  # fmt: skip
    assert call(*small, "--out=run").code == 0
    assert read_config(tmp_path / "run").cooldown > 0
    assert call(*small, "--out=on", "--no-stop-when-solved").code == 0
    config = read_config(tmp_path / "on")
    assert (config.cooldown, config.stop_when_solved) == (0, False)
    both = call(*small, "--out=both", "--no-stop-when-solved", "--cooldown=50")
    assert "--cooldown must be 0 without --stop-when-solved" in complaint(both, 2)


def test_who_begins_with_trained_weights_does_not_begin_anew(call, tmp_path):
    """A recipe's restarts would give the weights up, so they give way; asked for, an error."""
    small = [
        "train", "copy", "--memory-size=6", "--hidden-size=5", "--backend=reference",
        "--max-sequences=16", "--batch-size=8", "--report-every=16", "--validation-sequences=4",
        "--test-sequences=0", "--no-figures", "--quiet",
    ]  # fmt: skip
    assert call(*small, "--out=run").code == 0
    assert read_config(tmp_path / "run").restart_after is not None
    assert call(*small, "--out=on", "--start-from=run").code == 0
    assert read_config(tmp_path / "on").restart_after is None
    both = call(*small, "--out=both", "--start-from=run", "--restart-after=9")
    assert "--restart-after must be left out with --start-from" in complaint(both, 2)
    other = call(*small, "--out=other", "--start-from=dnc/copy")
    assert "got 'dnc/copy', a DNC: read_weight has shape" in complaint(other, 1)


@pytest.mark.parametrize(
    ("given", "start"),
    [
        (["--backend=reference", "--memory-size=300"], "dnc/traversal"),
        (["--hidden-size=5"], None),
        (["--restart-after=4"], None),
        (["--hidden-size=5", "--start-from=own"], "own"),
    ],
)
def test_a_recipes_trained_weights_give_way_to_another_machine(given, start):
    """Who asks for another machine, or to begin anew, cannot have them; rows change no weights."""
    argv = ["inference", "--machine=dnc", *given]
    base, task_given = settings_before(argv)
    options = options_for(base, task_given, Train)
    assert base.start_from == "dnc/traversal"
    values = parse(options.all, argv, "tapehead train")
    assert config_of(base, options, values).start_from == start


def test_bench_sets_the_contenders_side_by_side(call, monkeypatch):
    small = partial(benchmark.Workload, time=3, rows=5, hidden=4)
    monkeypatch.setattr(benchmark, "Workload", small)
    timed = call("bench", "--batches", 1, 2, "--seconds=0.001", "--threads=2", "--json")
    assert timed.code == 0
    rows = timed.json[0]
    assert [(row["batch"], row["threads"]) for row in rows] == [(1, 2), (2, 2)]
    assert min(row[f"{name}_ms"] for row in rows for name in ("cpu", "lstm", "reference")) > 0
    table = call("bench", "--batches=1", "--seconds=0.001").out
    assert "kernel ms" in table
    assert max(map(len, table.splitlines())) <= 100

import json
import math
import random
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_ins import StopAt, rows, tiny

from tapehead.errors import TapeheadError
from tapehead.runs.build import build_task
from tapehead.runs.checkpoint import checkpoint_steps
from tapehead.runs.evaluation import mean_scores
from tapehead.runs.randomness import Stream
from tapehead.runs.sealed import read_sealed, write_sealed
from tapehead.tasks.copy import Copy
from tapehead.training import (
    Reporter,
    Stopped,
    evaluate,
    load_run,
    read_config,
    read_metrics,
    read_result,
    train,
)


def weights(machine):
    return {name: value.clone() for name, value in machine.state_dict().items()}


def same_weights(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def learnable(**changes):
    """A run that solves its task within some hundred steps."""
    settings = {
        "machine": "lstm",
        "machine_options": {"hidden_size": 16, "num_layers": 1},
        "task_options": {"max_length": 1, "num_bits": 1},
        "optimiser": "adam",
        "learning_rate": 3e-2,
        "max_sequences": 20_000,
        "validate_every": 20_000,
        "batch_size": 16,
        "report_every": 160,
    }
    return tiny(**settings | changes)


def test_losses_of_the_reference_run():
    """Golden numbers: a change that is said not to alter training must not alter these."""
    losses = []

    class Listen(Reporter):
        def reported(self, row):
            if row["kind"] == "train":
                losses.append(row["loss"])

    config = tiny(
        machine="lstm",
        machine_options={"hidden_size": 8, "num_layers": 1},
        optimiser="rmsprop",
        clip_norm=1.0,
        schedule="cosine",
        warmup=40,
    )
    result = train(config, reporter=Listen())
    assert losses == pytest.approx(GOLDEN_LOSSES, rel=1e-5)
    assert result.scores["bits"] == pytest.approx(GOLDEN_BITS, rel=1e-5)


GOLDEN_LOSSES = [0.6812972, 0.7045267, 0.6962928, 0.6404753, 0.6240734, 0.5933466]
GOLDEN_BITS = 6.2919364


def test_rows_of_metrics(tmp_path):
    result = train(tiny(score_every=1), tmp_path / "run")
    metrics = read_metrics(tmp_path / "run")
    train_rows = [row for row in metrics if row["kind"] == "train"]
    assert [row["sequences"] for row in train_rows] == [40, 80, 120, 160, 200, 240]
    assert [row["step"] for row in train_rows] == [10, 20, 30, 40, 50, 60]
    expected = {
        "kind", "step", "sequences", "seconds", "loss", "gradient_norm", "bit_errors", "solved",
        "bits", "learning_rate", "difficulty", "sequences_per_second",
    }  # fmt: skip
    assert all(set(row) == expected for row in train_rows)
    assert all(row["gradient_norm"] > 0 and row["learning_rate"] == 1e-2 for row in train_rows)
    validations = [row for row in metrics if row["kind"] == "validation"]
    assert [row["sequences"] for row in validations] == [100, 200, 240]
    assert validations[-1]["bit_errors"] == result.scores["bit_errors"]
    for name, some in (("seconds", metrics), ("cpu_seconds", validations)):
        times = [row[name] for row in some]
        assert times == sorted(times)
    assert result.sequences, result.steps == (240, 60)


def test_seconds_of_the_processor_leave_out_what_is_waited_for(tmp_path, monkeypatch):
    """A run that goes on adds to those it had."""
    drawn = Copy.batch

    def slowly(*args):
        time.sleep(0.01)
        return drawn(*args)

    monkeypatch.setattr(Copy, "batch", slowly)
    train(tiny(), tmp_path / "run")
    first = read_metrics(tmp_path / "run")[-1]
    assert first["seconds"] > 0.6
    assert 0 < first["cpu_seconds"] < first["seconds"] - 0.5
    train(tiny(max_sequences=480), tmp_path / "run", resume=True)
    last = read_metrics(tmp_path / "run")[-1]
    assert last["cpu_seconds"] > 1.2 * first["cpu_seconds"]


def test_run_directory(tmp_path):
    config = tiny(test_sequences=8)
    result = train(config, tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        ".lock", "checkpoint", "config.json", "figures", "metrics.jsonl", "result.json",
    }  # fmt: skip
    assert read_config(tmp_path / "run") == config
    value = json.loads((tmp_path / "run" / "config.json").read_text())
    assert value["versions"]["torch"] == torch.__version__
    assert value["parameters"] == sum(p.numel() for p in result.machine.parameters())
    assert read_result(tmp_path / "run") == result.to_dict()
    assert set(result.evaluation) == {"10", "20", "30", "50", "120"}
    assert result.evaluation["10"]["bits"] > 0


def test_the_same_settings_give_the_same_bits_and_another_seed_does_not():
    first, second, third = (train(tiny(seed=seed)).machine for seed in (1, 1, 2))
    assert same_weights(weights(first), weights(second))
    assert not same_weights(weights(first), weights(third))


@pytest.mark.parametrize("machine", ["ntm", "dnc", "lstm", "discrete-ntm", "tardis"])
def test_a_default_device_or_type_changes_nothing(tmp_path, machine):
    """What is the caller's own; device and precision of a run stand in its settings."""
    config = tiny(machine=machine, max_sequences=24, report_every=12, validate_every=12)
    plain = train(config)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        with torch.device("meta"):
            elsewhere = train(config, tmp_path)
            assert torch.get_default_dtype() == torch.float64
            _, loaded, _ = load_run(tmp_path, step="latest")
    finally:
        torch.set_default_dtype(before)
    for name, weight in plain.machine.state_dict().items():
        assert torch.equal(weight, elsewhere.machine.state_dict()[name]), name
        assert torch.equal(weight, loaded.state_dict()[name]), name
    assert plain.scores == elsewhere.scores


def test_what_is_watched_does_not_change_what_is_learned():
    plain = train(tiny()).machine
    watched = train(
        tiny(score_every=1, report_every=8, validate_every=12, checkpoint_every=0.0)
    ).machine
    assert same_weights(weights(plain), weights(watched))


@pytest.mark.parametrize("step", [10, 25, 50])  # after 25 steps a row is half full
@pytest.mark.parametrize("optimiser", ["rmsprop", "graves-rmsprop", "adam"])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path, step, optimiser):
    config = tiny(optimiser=optimiser, schedule="cosine")
    whole = train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "stopped", reporter=StopAt(step))
    torch.randn(3)  # the states of this process must not matter
    random.random()
    np.random.rand()  # noqa: NPY002
    resumed = train(config, tmp_path / "stopped", resume=True)
    assert same_weights(weights(whole.machine), weights(resumed.machine))
    assert rows(tmp_path / "whole") == rows(tmp_path / "stopped")
    assert whole.scores == resumed.scores


def test_a_stopped_curriculum_goes_on_where_it_was(tmp_path):
    options = {"max_length": 6, "num_bits": 1}
    config = learnable(curriculum="look-back", task_options=options, max_sequences=6_000)
    train(config, tmp_path / "whole")
    levels = [row["difficulty"] for row in rows(tmp_path / "whole", "train")]
    steps = [row["step"] for row in rows(tmp_path / "whole", "train")]
    middle = steps[levels.index(3)]  # the row tells of a level that has just been passed
    with pytest.raises(Stopped):
        train(config, tmp_path / "stopped", reporter=StopAt(middle))
    train(config, tmp_path / "stopped", resume=True)
    assert rows(tmp_path / "whole") == rows(tmp_path / "stopped")


def test_stopping_says_what_was_saved(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped) as caught:
        train(tiny(), tmp_path / "run", reporter=StopAt(20, signal.SIGINT))
    assert str(caught.value) == (
        f"stopped by SIGINT after 80 sequences; saved in {tmp_path / 'run'}, resume to go on"
    )
    assert caught.value.exit_code == 130
    assert checkpoint_steps(tmp_path / "run" / "checkpoint") == [20]
    with pytest.raises(Stopped, match="nothing is saved"):
        train(tiny(), reporter=StopAt(20))
    assert signal.getsignal(signal.SIGINT) is before


def test_training_stops_when_a_validation_meets_the_pass_mark(tmp_path):
    config = learnable()
    result = train(config, tmp_path / "run")
    assert result.solved
    assert result.sequences < 10_000
    assert result.solved_after["sequences"] == result.sequences
    assert result.scores["bit_errors"] < 0.1
    validations = rows(tmp_path / "run", "validation")
    assert [row["passed"] for row in validations][-1]
    # Validations come only after a report under the mark, not after each.
    reports = rows(tmp_path / "run", "train")
    under = [row["step"] for row in reports if row["bit_errors"] < 0.1]
    assert [row["step"] for row in validations] == under

    longer = replace(config, stop_when_solved=False, max_sequences=result.sequences + 480)
    result = train(longer)
    assert result.solved
    assert result.sequences == longer.max_sequences


def test_a_solved_run_cools_down(tmp_path):
    """It goes on with a falling rate, without a validation at each report, and stops by itself."""
    plain = train(learnable())
    config = learnable(cooldown=800, report_every=160)
    result = train(config, tmp_path / "run")
    assert result.solved_after["sequences"] == plain.sequences
    assert result.sequences == plain.sequences + 800
    rates = [
        row["learning_rate"]
        for row in rows(tmp_path / "run", "train")
        if row["sequences"] >= plain.sequences
    ]
    falling = [3e-2 * (1 + math.cos(math.pi * k / 5)) / 2 for k in range(6)]
    # The report that solved it was written before anyone knew.
    assert rates == pytest.approx(falling)
    validated = [row["sequences"] for row in rows(tmp_path / "run", "validation")]
    assert validated[-2:] == [plain.sequences, result.sequences]

    stop = StopAt((plain.sequences + 480) // 16)
    with pytest.raises(Stopped):
        train(replace(config, checkpoint_every=0.0), tmp_path / "again", reporter=stop)
    train(config, tmp_path / "again", resume=True)
    assert rows(tmp_path / "again") == rows(tmp_path / "run")

    capped = train(replace(config, max_sequences=plain.sequences + 320))
    assert capped.sequences == plain.sequences + 320


def test_the_rate_is_halved_where_a_lesson_lasts_too_long(tmp_path, monkeypatch):
    """Counted from the lesson's beginning or from the last time; not once the task is solved."""
    marks = iter([False, False, False, True, False, False, False, False])
    monkeypatch.setattr(
        "tapehead.training.curriculum.CurriculumSchedule._passed", lambda *_: next(marks)
    )
    config = tiny(
        curriculum="leaping", patience=40, report_every=20, max_sequences=140, learning_rate=0.4,
        schedule="constant", checkpoint_every=0.0,
    )  # fmt: skip
    train(config, tmp_path / "run")
    reports = rows(tmp_path / "run", "train")
    levels = [row["difficulty"] for row in reports]
    assert levels == [1, 1, 1, 1, 2, 2, 2]
    # At 40; the second lesson begins at 80; at 120.
    assert [row["learning_rate"] for row in reports] == [0.4, 0.4, 0.2, 0.2, 0.2, 0.2, 0.1]


def test_without_lessons_the_task_itself_is_what_lasts_too_long(tmp_path):
    config = tiny(patience=80, report_every=40, max_sequences=200, learning_rate=0.4)
    train(config, tmp_path / "run")
    found = [row["learning_rate"] for row in rows(tmp_path / "run", "train")]
    assert found == [0.4, 0.4, 0.2, 0.2, 0.1]


def test_impatience_is_resumed(tmp_path):
    settings = {"curriculum": "naive", "lesson_mark": 1e-6, "patience": 40, "report_every": 20}
    config = tiny(**settings, max_sequences=140, checkpoint_every=0.0)
    train(config, tmp_path / "whole")
    found = [row["learning_rate"] for row in rows(tmp_path / "whole", "train")]
    assert found[-1] < found[0] / 4
    with pytest.raises(Stopped):
        train(config, tmp_path / "run", reporter=StopAt(15))
    train(config, tmp_path / "run", resume=True)
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


def test_the_curriculum_reaches_the_batches(tmp_path):
    train(tiny(curriculum="linear", curriculum_sequences=120), tmp_path / "run")
    assert [row["difficulty"] for row in rows(tmp_path / "run", "train")] == [1, 2, 3, 3, 3, 3]
    easy = rows(tmp_path / "run", "train")[0]["bits"]
    train(tiny(), tmp_path / "plain")
    assert easy < 0.75 * rows(tmp_path / "plain", "train")[0]["bits"]


def test_precision_of_64_bits():
    machine = train(tiny(precision="64")).machine
    assert {value.dtype for value in machine.state_dict().values()} == {torch.float64}


def test_precision_of_16_bits_keeps_weights_whole(tmp_path):
    result = train(tiny(precision="bf16-mixed"), tmp_path / "run")
    assert {value.dtype for value in result.machine.state_dict().values()} == {torch.float32}
    whole = train(tiny())
    close = rows(tmp_path / "run", "validation")[-1]["bits"]
    assert close == pytest.approx(whole.scores["bits"], rel=0.05)
    assert close != whole.scores["bits"]


def test_the_process_is_left_as_it_was():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(9)
    expected = torch.randn(2)
    torch.manual_seed(9)
    result = train(tiny(threads=1, deterministic=True))
    assert torch.equal(torch.randn(2), expected)
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    storages = {value.untyped_storage().data_ptr() for value in result.machine.parameters()}
    assert len(storages) == 4


def test_a_directory_with_a_run_is_not_overwritten(tmp_path):
    train(tiny(), tmp_path / "run")
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    with pytest.raises(TapeheadError, match="run holds a run already: resume it, or choose"):
        train(tiny(), tmp_path / "run")
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    first = train(tiny(), tmp_path / "run")
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    again = train(tiny(), tmp_path / "run", resume=True)
    assert again == first
    assert same_weights(weights(again.machine), weights(first.machine))
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_a_run_can_be_extended(tmp_path):
    whole = train(tiny(max_sequences=400), tmp_path / "whole")
    train(tiny(), tmp_path / "run")
    longer = train(tiny(max_sequences=400), tmp_path / "run", resume=True)
    assert longer.sequences == 400
    assert read_config(tmp_path / "run").max_sequences == 400
    assert same_weights(weights(whole.machine), weights(longer.machine))
    assert read_result(tmp_path / "run")["sequences"] == 400


def test_a_finished_run_can_still_be_scored(tmp_path):
    first = train(tiny(), tmp_path / "run")
    scored = train(tiny(test_sequences=2), tmp_path / "run", resume=True)
    assert set(scored.evaluation) == {"10", "20", "30", "50", "120"}
    assert replace(scored, evaluation={}) == first
    assert read_result(tmp_path / "run")["evaluation"] == scored.evaluation


@pytest.mark.parametrize(
    ("settings", "change", "message"),
    [
        ({}, {"learning_rate": 0.5}, "learning_rate was 0.01 and is now 0.5; only max_sequences"),
        ({}, {"seed": 4}, "seed was 0 and is now 4"),
        ({"schedule": "linear"}, {"max_sequences": 500}, "max_sequences was 240 and is now 500"),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(tmp_path, settings, change, message):
    train(tiny(**settings), tmp_path / "run")
    with pytest.raises(TapeheadError, match=f"^cannot resume: {message}"):
        train(tiny(**settings | change), tmp_path / "run", resume=True)


def test_resuming_notes_versions_and_settings(tmp_path):
    with pytest.raises(Stopped):
        train(tiny(), tmp_path / "run", reporter=StopAt(20))
    config = tiny(test_sequences=3)
    for _ in range(2):  # the second finds a finished run, and nothing to note
        train(config, tmp_path / "run", resume=True)
        value = json.loads((tmp_path / "run" / "config.json").read_text())
        assert len(value["resumed"]) == 1
        assert value["resumed"][0]["versions"] == value["versions"]
        assert value["config"] == config.to_dict()


def test_resuming_where_nothing_is_starts_afresh(tmp_path):
    resumed = train(tiny(), tmp_path / "run", resume=True)
    assert same_weights(weights(resumed.machine), weights(train(tiny()).machine))


def test_a_damaged_last_checkpoint_costs_a_warning_and_some_steps(tmp_path):
    notes = []

    class Listen(Reporter):
        def noted(self, text):
            notes.append(text)

    config = tiny(checkpoint_every=0.0, max_sequences=80)
    whole = train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "run", reporter=StopAt(10))
    folder = tmp_path / "run" / "checkpoint"
    last, before = sorted(checkpoint_steps(folder))[::-1][:2]
    file = folder / str(last) / "optimiser.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    resumed = train(config, tmp_path / "run", resume=True, reporter=Listen())
    assert len(notes) == 1
    assert notes[0].startswith(f"warning: the checkpoint {folder / str(last)} is damaged: ")
    assert notes[0].endswith(f"; going on from step {before} instead")
    assert same_weights(weights(whole.machine), weights(resumed.machine))
    assert rows(tmp_path / "whole") == rows(tmp_path / "run")


def test_a_run_is_loaded_as_it_was_trained(tmp_path):
    result = train(tiny(), tmp_path / "run")
    state = torch.get_rng_state()
    config, machine, task = load_run(tmp_path / "run", step="latest")
    assert torch.equal(torch.get_rng_state(), state)
    assert config == tiny()
    assert task.max_length == 3
    assert not machine.training
    assert same_weights(weights(machine), weights(result.machine))


def test_the_best_validation_is_kept_and_loaded(tmp_path):
    train(tiny(max_sequences=480, learning_rate=0.3, validate_every=20), tmp_path / "run")
    validations = rows(tmp_path / "run", "validation")
    best = min(validations, key=lambda row: (row["bit_errors"], row["loss"]))
    assert best["step"] < 120
    assert checkpoint_steps(tmp_path / "run" / "checkpoint")[0] == best["step"]
    _, machine, task = load_run(tmp_path / "run")
    scores = mean_scores(machine, task, 16, 64, 0, Stream.VALIDATION)
    assert scores["bits"] == best["bits"]
    _, latest, _ = load_run(tmp_path / "run", step="latest")
    assert not same_weights(weights(machine), weights(latest))
    _, named, _ = load_run(tmp_path / "run", step=best["step"])
    assert same_weights(weights(machine), weights(named))


def test_some_checkpoints_are_kept_for_good(tmp_path):
    """Also where the run was stopped between them, and whatever number of sequences a step has."""
    config = learnable(max_sequences=400, keep_every=90, stop_when_solved=False)
    train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "pieces", reporter=StopAt(10))
    train(config, tmp_path / "pieces", resume=True)
    size = config.batch_size
    due = {-(-multiple // size) for multiple in (90, 180, 270, 360)}
    for name in ("whole", "pieces"):
        assert due <= set(checkpoint_steps(tmp_path / name / "checkpoint"))
    train(replace(config, keep_every=None), tmp_path / "none")
    assert len(checkpoint_steps(tmp_path / "none" / "checkpoint")) <= 3
    first = min(due)
    one, other = (load_run(tmp_path / name, step=first)[1] for name in ("whole", "pieces"))
    assert same_weights(weights(one), weights(other))


def test_what_cannot_be_loaded_says_why(tmp_path):
    with pytest.raises(TapeheadError, match=r"^there is no run directory .*none$"):
        load_run(tmp_path / "none")
    with pytest.raises(TapeheadError, match=r"holds no run: config\.json is missing"):
        load_run(tmp_path)
    train(tiny(), tmp_path / "run")
    with pytest.raises(TapeheadError, match=r"no checkpoint of step 7; it has .*60$"):
        load_run(tmp_path / "run", step=7)
    path = tmp_path / "run" / "config.json"
    value, _ = read_sealed(path, "run")
    value["config"]["machine_options"] = {"hidden_size": 5}
    write_sealed(path, value)
    with pytest.raises(
        TapeheadError,
        match=r"belong to another machine: scale has shape \(8,\), expected \(5,\)",
    ):
        load_run(tmp_path / "run")


def test_evaluation_draws_the_same_fresh_sequences_each_time():
    result = train(tiny())
    machine, task = result.machine, build_task(tiny())
    machine.train()
    before = torch.get_rng_state()
    one = evaluate(machine, task, sequences=50, seed=1, batch_size=16)
    assert torch.equal(torch.get_rng_state(), before)
    assert machine.training
    assert one == evaluate(machine, task, sequences=50, seed=1, batch_size=16)
    assert one != evaluate(machine, task, sequences=50, seed=2, batch_size=16)
    validation = mean_scores(machine, task, 50, 16, 1, Stream.VALIDATION)
    assert one["bits"] != validation["bits"]
    with pytest.raises(ValueError, match="sequences must be a whole number of at least 1, got 0"):
        evaluate(machine, task, sequences=0)


def test_means_weigh_every_sequence_alike():
    machine, task = train(tiny()).machine, build_task(tiny())
    # 5 sequences in batches of 4 and 1: the mean over batches would weigh the last four times.
    uneven = mean_scores(machine, task, 5, 4, 0, Stream.TEST)
    four = mean_scores(machine, task, 4, 4, 0, Stream.TEST)
    last = 5 * uneven["bit_errors"] - 4 * four["bit_errors"]
    assert last == pytest.approx(round(last), abs=1e-5)
    assert 0 <= last <= 12


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"task": "chess"}, ValueError, "chess"),
        ({"task_options": {"size": 3}}, TypeError, "size"),
        ({"machine": "abacus"}, ValueError, r"machine must be one of .*lstm, .*, got 'abacus'"),
        ({"batch_size": 10**12}, ValueError, r"batch_size must be small enough for .* of memory"),
        (
            {"task_options": {"max_length": 10**12}},
            ValueError,
            r"max_length must be small enough for .* of memory, got 1000000000000: a training step",
        ),
        ({"machine_options": {"beads": 3}}, TypeError, "noisy has no option 'beads'; its options"),
        ({"device": "cuda:99"}, ValueError, "device 'cuda:99' does not exist"),
    ],
)
def test_a_wrong_name_is_told_before_anything_is_written(tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        train(tiny(**change), tmp_path / "run")
    assert not (tmp_path / "run").exists()

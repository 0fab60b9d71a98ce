"""A run directory cannot lie: what was changed is found, and what was kept is not lost."""

import errno
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from stand_ins import StopAt, rows, tiny

from tapehead.errors import TapeheadError
from tapehead.runs.checkpoint import checkpoint_steps
from tapehead.runs.sealed import write_sealed
from tapehead.training import (
    Stopped,
    load_run,
    read_config,
    read_metrics,
    read_result,
    train,
)

OLD = Path(__file__).parent / "run_of_format_1"


def weights(path, step="latest"):
    return torch.cat([value.reshape(-1) for value in load_run(path, step=step)[1].parameters()])


def edit(path, old, new):
    """Replace a piece of a file by hand."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def stopped(path, config, step):
    with pytest.raises(Stopped):
        train(config, path, reporter=StopAt(step))
    return path


# Rows.


def test_resuming_a_finished_run_keeps_its_last_rows(tmp_path):
    """The last row and validation came after a checkpoint of the same step."""
    config = tiny(max_sequences=100, report_every=60, checkpoint_every=0.0, stop_when_solved=False)
    train(config, tmp_path)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    assert [row["kind"] for row in read_metrics(tmp_path)] == ["train", "validation", "train"]
    train(config, tmp_path, resume=True)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize(("step", "report_every"), [(35, 40), (60, 70), (35, 300)])
def test_a_signal_in_any_step_loses_no_row(tmp_path, step, report_every):
    config = tiny(report_every=report_every, validate_every=20, checkpoint_every=0.0)
    train(config, tmp_path / "whole")
    stopped(tmp_path / "run", config, step)
    for _ in range(2):
        train(config, tmp_path / "run", resume=True)
        assert rows(tmp_path / "run") == rows(tmp_path / "whole")


def test_rows_before_the_checkpoint_are_known_to_it(tmp_path):
    stopped(tmp_path, tiny(), 30)
    lines = (tmp_path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    altered = lines[0].replace(b": 0.", b": 1.", 1)
    for wrong in (lines[1:], [lines[0], *lines[2:]], [altered, *lines[1:]]):
        (tmp_path / "metrics.jsonl").write_bytes(b"".join(wrong))
        with pytest.raises(TapeheadError, match=r"metrics\.jsonl is damaged: (row 1|it has \d+ b)"):
            train(tiny(), tmp_path, resume=True)
        with pytest.raises(TapeheadError, match=r"metrics\.jsonl is damaged: row [12] has changed"):
            read_metrics(tmp_path)


@pytest.mark.parametrize("end", [b"", b"}", b"\x8a"])
def test_rows_that_are_gone_from_the_end_are_missed(tmp_path, end):
    """A last line without its end is still being written, unless a checkpoint knows it whole."""
    train(tiny(), tmp_path)
    file = tmp_path / "metrics.jsonl"
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    for damaged in (b"".join(lines[:-1]), b"".join(lines[:-2]), whole[:-1] + end, b""):
        file.write_bytes(damaged)
        with pytest.raises(TapeheadError, match=r"metrics\.jsonl is damaged: .*the checkpoint of"):
            read_metrics(tmp_path)
    file.write_bytes(whole + b'{"kind": "tr')
    assert len(read_metrics(tmp_path)) == len(lines)


def test_a_row_damaged_after_an_earlier_checkpoint_costs_only_some_steps(tmp_path):
    config = tiny(validate_every=10_000, checkpoint_every=0.0, max_sequences=160)
    train(config, tmp_path / "whole")
    stopped(tmp_path / "run", config, 20)
    steps = checkpoint_steps(tmp_path / "run" / "checkpoint")
    file = tmp_path / "run" / "metrics.jsonl"
    first, last = file.read_bytes().splitlines(keepends=True)
    assert steps == [19, 20]
    file.write_bytes(first + last.replace(b"0", b"1", 1))
    listen = StopAt()
    train(config, tmp_path / "run", resume=True, reporter=listen)
    (note,) = listen.notes
    assert "metrics.jsonl is damaged: row 2 has changed" in note
    assert note.endswith("; going on from step 19 instead")
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


# The best validation.


@pytest.mark.parametrize("checkpoint_every", [0.0, 60.0])
@pytest.mark.parametrize("step", [None, 60])
def test_best_is_the_best_validation(tmp_path, checkpoint_every, step):
    """Also where the last step was saved before its validation."""
    config = tiny(
        machine="lstm", machine_options={"hidden_size": 16, "num_layers": 1}, optimiser="adam",
        learning_rate=3e-2, task_options={"max_length": 1, "num_bits": 4},
        checkpoint_every=checkpoint_every,
    )  # fmt: skip
    if step:
        stopped(tmp_path, config, step)
    train(config, tmp_path, resume=True)
    validations = [row for row in read_metrics(tmp_path) if row["kind"] == "validation"]
    best = min(validations, key=lambda row: (row["bit_errors"], row["loss"]))
    assert best["step"] == 60
    assert torch.equal(weights(tmp_path, "best"), weights(tmp_path, 60))


def test_a_best_checkpoint_that_is_gone_is_said(tmp_path):
    train(tiny(max_sequences=480, learning_rate=0.3, validate_every=20), tmp_path)
    folder = tmp_path / "checkpoint"
    best = checkpoint_steps(folder)[0]
    shutil.rmtree(folder / str(best))
    with pytest.raises(TapeheadError, match=f"no checkpoint of step {best} any more, its best"):
        load_run(tmp_path)
    load_run(tmp_path, step="latest")


# Edits.


def test_an_edited_setting_is_named(tmp_path):
    stopped(tmp_path, tiny(), 30)
    config = tmp_path / "config.json"
    edit(config, '"learning_rate": 0.01', '"learning_rate": 0.02')
    message = (
        r"config\.json was edited: learning_rate is 0\.02 and was 0\.01 at step 30; put it back"
    )
    for resume in (tiny(), tiny(learning_rate=0.02)):
        with pytest.raises(TapeheadError, match=message):
            train(resume, tmp_path, resume=True)
    with pytest.raises(TapeheadError, match=message):
        load_run(tmp_path)
    edit(config, '"learning_rate": 0.02', '"learning_rate": 0.01')
    train(tiny(), tmp_path, resume=True)


def test_an_edit_that_changes_no_setting_is_mended(tmp_path):
    stopped(tmp_path, tiny(), 30)
    config = tmp_path / "config.json"
    edit(config, '"system": "', '"system": "my ')
    with pytest.raises(TapeheadError, match=r"was edited, but for its settings: its settings are"):
        load_run(tmp_path)
    assert read_config(tmp_path, to_resume=True) == tiny()
    listen = StopAt()
    train(tiny(), tmp_path, resume=True, reporter=listen)
    assert listen.notes[0].endswith("written anew")
    assert read_config(tmp_path) == tiny()
    assert '"system": "my ' in config.read_text()


def test_a_config_edited_before_the_first_checkpoint(tmp_path):
    train(tiny(), tmp_path)
    shutil.rmtree(tmp_path / "checkpoint")
    edit(tmp_path / "config.json", '"learning_rate": 0.01', '"learning_rate": 0.02')
    with pytest.raises(TapeheadError, match=r"config\.json is damaged: it has changed since"):
        train(tiny(), tmp_path, resume=True)


def test_settings_that_someone_sealed_anew_are_held_against_the_checkpoint(tmp_path):
    from tapehead.runs.sealed import read_sealed, write_sealed

    stopped(tmp_path, tiny(), 30)
    value, _ = read_sealed(tmp_path / "config.json", "run")
    value["config"]["learning_rate"] = 0.02
    write_sealed(tmp_path / "config.json", value)
    with pytest.raises(TapeheadError, match=r"learning_rate was 0\.01 and is now 0\.02"):
        train(tiny(learning_rate=0.02), tmp_path, resume=True)


@pytest.mark.parametrize("edited", [True, False])
def test_an_edited_result_is_no_result(tmp_path, edited):
    first = train(tiny(), tmp_path)
    result = tmp_path / "result.json"
    if edited:
        edit(result, '"solved_after": null', '"solved_after": {"sequences": 8, "seconds": 0.1}')
    else:
        train(tiny(seed=1), tmp_path.with_name("other"))
        shutil.copy(tmp_path.with_name("other") / "result.json", result)
    with pytest.raises(TapeheadError, match=r"result\.json (is damaged|belongs to another run)"):
        read_result(tmp_path)
    listen = StopAt()
    again = train(tiny(), tmp_path, resume=True, reporter=listen)
    assert replace(again, seconds=0.0) == replace(first, seconds=0.0)
    assert listen.notes[0].endswith("; it is written anew")
    assert read_result(tmp_path) == again.to_dict()


def test_a_result_from_later_in_the_same_run_is_refused(tmp_path):
    first = train(tiny(), tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "longer")
    train(tiny(max_sequences=600), tmp_path / "longer", resume=True)
    shutil.copy(tmp_path / "longer" / "result.json", tmp_path / "run" / "result.json")
    with pytest.raises(TapeheadError, match=r"is of step \d+, the last checkpoint of step \d+"):
        read_result(tmp_path / "run")
    again = train(tiny(), tmp_path / "run", resume=True)
    assert again.scores == first.scores
    assert read_result(tmp_path / "run") == again.to_dict()


@pytest.mark.parametrize("other", [{"seed": 1}, {}])
def test_a_checkpoint_of_another_run_is_refused(tmp_path, other):
    """Also of a run with the same settings: its rows are others'."""
    stopped(tmp_path / "run", tiny(), 20)
    stopped(tmp_path / "other", tiny(**other), 30)
    shutil.copytree(tmp_path / "other/checkpoint/30", tmp_path / "run/checkpoint/30")
    with pytest.raises(TapeheadError, match=r"checkpoint/30 belongs to another run: take it out"):
        train(tiny(), tmp_path / "run", resume=True)
    with pytest.raises(TapeheadError, match="belongs to another run"):
        load_run(tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoint/30")
    train(tiny(), tmp_path / "run", resume=True)


def test_a_checkpoint_under_another_number_is_damaged(tmp_path):
    stopped(tmp_path, tiny(checkpoint_every=0.0), 20)
    os.rename(tmp_path / "checkpoint/20", tmp_path / "checkpoint/50")
    listen = StopAt()
    train(tiny(checkpoint_every=0.0), tmp_path, resume=True, reporter=listen)
    assert "checkpoint/50 is damaged: it is of step 20; going on from step 19" in listen.notes[0]


# What does not belong there.


@pytest.mark.parametrize("kind", ["file", "link", "dangling", "folder", "pipe"])
def test_something_else_in_the_place_of_a_checkpoint(tmp_path, kind):
    run, thing = tmp_path / "run", tmp_path / "run" / "checkpoint" / "40"
    whole = train(tiny(), tmp_path / "whole")
    stopped(run, tiny(), 20)
    if kind == "file":
        thing.write_text("x")
    elif kind == "link":
        thing.symlink_to(tmp_path / "whole")
    elif kind == "dangling":
        thing.symlink_to(tmp_path / "none")
    elif kind == "folder":
        thing.mkdir()
    else:
        thing.mkdir()
        os.mkfifo(thing / "progress.json")
    listen = StopAt()
    result = train(tiny(), run, resume=True, reporter=listen)
    (note,) = listen.notes
    assert "checkpoint/40 is damaged: " in note
    assert note.endswith("; going on from step 20 instead")
    assert replace(result, seconds=0.0, path=None) == replace(whole, seconds=0.0, path=None)
    assert (tmp_path / "whole" / "result.json").exists()


_BYTES = {"bomb": b"[" * 10**6 + b"\n", "empty": b"", "list": b"[]\n", "bytes": b"\xff" * 9 + b"\n"}


@pytest.mark.parametrize("name", ["config.json", "result.json", "metrics.jsonl"])
@pytest.mark.parametrize("what", ["bomb", "empty", "folder", "list", "pipe", "bytes"])
def test_a_file_that_is_something_else_is_one_clear_line(tmp_path, name, what):
    train(tiny(max_sequences=16), tmp_path)
    file = tmp_path / name
    file.unlink()
    if what == "folder":
        file.mkdir()
    elif what == "pipe":
        os.mkfifo(file)
    else:
        file.write_bytes(_BYTES[what])
    read = {"config.json": read_config, "result.json": read_result, "metrics.jsonl": read_metrics}
    with pytest.raises(TapeheadError, match=name) as caught:
        read[name](tmp_path)
    assert "\n" not in str(caught.value)
    if name == "result.json" and what != "folder":
        train(tiny(max_sequences=16), tmp_path, resume=True)
        assert read_result(tmp_path) is not None
    else:
        with pytest.raises(TapeheadError, match=name) as caught:
            train(tiny(max_sequences=16), tmp_path, resume=True)
        assert "\n" not in str(caught.value)


@pytest.mark.timeout(60)
def test_a_pipe_is_waited_for_nowhere(tmp_path):
    stopped(tmp_path, tiny(checkpoint_every=0.0), 20)
    weights = next((tmp_path / "checkpoint/20").glob("*.safetensors"))
    for file in (weights, tmp_path / ".lock"):
        file.unlink()
        os.mkfifo(file)
    with pytest.raises(TapeheadError, match=r"cannot write to the run directory .*: not a file"):
        train(tiny(checkpoint_every=0.0), tmp_path, resume=True)
    (tmp_path / ".lock").unlink()
    listen = StopAt()
    train(tiny(checkpoint_every=0.0), tmp_path, resume=True, reporter=listen)
    assert f"checkpoint/20 is damaged: cannot read {weights.name}: not a file" in listen.notes[0]


@pytest.mark.parametrize("part", ["weights", "optimiser", "random", "scores"])
@pytest.mark.parametrize("data", [b"", b"\xff" * 100, b"\x10" + bytes(7) + b"{" * 16])
def test_tensors_that_are_none_are_damage(tmp_path, part, data):
    """As an old or a foreign program might write them: with digests that fit."""
    import hashlib

    from tapehead.runs.sealed import read_sealed, write_sealed

    stopped(tmp_path, tiny(), 30)
    folder = tmp_path / "checkpoint" / "30"
    (folder / f"{part}.safetensors").write_bytes(data)
    value, _ = read_sealed(folder / "progress.json", "checkpoint")
    digest = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    value["files"][f"{part}.safetensors"] = digest
    write_sealed(folder / "progress.json", value)
    listen = StopAt()
    train(tiny(), tmp_path, resume=True, reporter=listen)
    assert f"{part}.safetensors holds no tensors" in listen.notes[0]


@pytest.mark.parametrize("missing", ["processes", "step", "weights", "random", "scores"])
def test_a_checkpoint_that_lacks_something_is_one_clear_line(tmp_path, missing):
    from tapehead.runs.sealed import read_sealed, write_sealed

    stopped(tmp_path, tiny(), 30)
    file = tmp_path / "checkpoint" / "30" / "progress.json"
    value, _ = read_sealed(file, "checkpoint")
    value["progress"].pop(missing, None)
    value["files"].pop(f"{missing}.safetensors", None)
    if missing == "step":
        value["progress"]["pace"] = 1
    write_sealed(file, value)
    with pytest.raises(TapeheadError, match="checkpoint of step 30") as caught:
        train(tiny(), tmp_path, resume=True)
    assert "\n" not in str(caught.value)


# From before there were seals.


def test_a_run_of_format_1_is_read_and_goes_on(tmp_path):
    run = shutil.copytree(OLD, tmp_path / "run")
    config = read_config(run)
    assert len(read_metrics(run)) == 4
    load_run(run, step="best")
    train(config, tmp_path / "whole")
    train(config, run, resume=True)
    for mine, yours in zip(rows(run), rows(tmp_path / "whole"), strict=True):
        assert mine.pop("kind") == yours.pop("kind")
        assert mine == pytest.approx(yours, rel=1e-4)
    # The run was begun on a machine that rounds in another way.
    torch.testing.assert_close(weights(run), weights(tmp_path / "whole"), rtol=1e-3, atol=1e-4)
    assert json.loads((run / "config.json").read_text())["format"] == 1
    before = (run / "metrics.jsonl").read_bytes()
    train(config, run, resume=True)
    assert (run / "metrics.jsonl").read_bytes() == before


def test_a_checkpoint_of_format_1_belongs_to_no_other_run(tmp_path):
    stopped(tmp_path / "run", read_config(OLD), 20)
    shutil.copytree(OLD / "checkpoint" / "30", tmp_path / "run/checkpoint/30")
    with pytest.raises(TapeheadError, match="checkpoint/30 belongs to another run"):
        train(read_config(OLD), tmp_path / "run", resume=True)


@pytest.mark.parametrize("what", ["file", "pipe", "dangling", "loop"])
def test_something_else_in_the_place_of_all_checkpoints_costs_no_row(tmp_path, what):
    train(tiny(), tmp_path)
    folder, before = tmp_path / "checkpoint", (tmp_path / "metrics.jsonl").read_bytes()
    shutil.rmtree(folder)
    if what == "file":
        folder.write_text("x")
    elif what == "pipe":
        os.mkfifo(folder)
    else:
        folder.symlink_to(folder if what == "loop" else tmp_path / "none")
    with pytest.raises(TapeheadError, match=f"cannot read {folder}: "):
        train(tiny(max_sequences=280), tmp_path, resume=True)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


@contextmanager
def closed(folder):
    """A folder into which nobody may look."""
    folder.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        yield
    finally:
        os.seteuid(user)
        folder.chmod(0o700)


@pytest.mark.parametrize("read", [read_config, read_result, read_metrics, load_run])
def test_a_run_that_may_not_be_looked_into_is_not_said_to_be_missing(tmp_path, read):
    folder = tmp_path / "closed"
    train(tiny(max_sequences=16), folder / "run")
    with closed(folder), pytest.raises(TapeheadError, match=r"cannot read .*: Permission denied"):
        read(folder / "run")


def test_a_folder_that_may_not_be_read_is_not_trained_in(tmp_path, monkeypatch):
    train(tiny(max_sequences=16), tmp_path)

    def refused(self):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(TapeheadError, match=f"cannot read the run directory {tmp_path}: Perm"):
        train(tiny(max_sequences=16), tmp_path, resume=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", "x"), ("sequences", -1), ("seconds", None), ("level", 10**9), ("level", 1.5),
        ("metrics_bytes", "x"), ("metrics_check", 1), ("best", []), ("best", {"step": "x"}),
        ("validation", {"step": 1}), ("solved_after", {}), ("more", 1),
    ],
)  # fmt: skip
def test_progress_that_no_run_can_have_is_one_clear_line(tmp_path, name, value):
    """Sealed anew, so that only its contents tell."""
    stopped(tmp_path, tiny(), 20)
    for file in tmp_path.glob("checkpoint/*/progress.json"):
        header = json.loads(file.read_text())
        del header["sha256"]
        header["progress"][name] = value
        write_sealed(file, header)
    with pytest.raises(TapeheadError, match=f"does not fit this tapehead: .*{name}") as caught:
        train(tiny(), tmp_path, resume=True)
    assert "\n" not in str(caught.value)


def test_rows_that_cannot_be_checked_are_not_given_out(tmp_path):
    train(tiny(max_sequences=16), tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(TapeheadError, match=r"metrics.jsonl .*without the run's config.json"):
        read_metrics(tmp_path)

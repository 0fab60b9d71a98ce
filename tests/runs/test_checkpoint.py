import pytest
import torch

from full_disk import disk_with_room_for
from tapehead.errors import TapeheadError
from tapehead.runs.checkpoint import (
    Checkpoint,
    DamagedCheckpoint,
    checkpoint_steps,
    forget_after,
    load_checkpoint,
    load_latest,
    save_checkpoint,
)
from tapehead.runs.sealed import read_sealed, write_sealed


def made(step):
    generator = torch.Generator().manual_seed(step)
    return Checkpoint(
        step=step,
        parts={
            "weights": {"a.b": torch.randn(3, 5, generator=generator), "none": torch.ones(0)},
            "random": {"torch": generator.get_state(), "whole": torch.tensor([step])},
        },
        progress={"step": step, "best": None, "seconds": 0.1 + step},
    )


def same(one, other):
    return (
        one.step == other.step
        and one.progress == other.progress
        and all(
            torch.equal(tensor, other.parts[part][name])
            for part, tensors in one.parts.items()
            for name, tensor in tensors.items()
        )
    )


def test_what_is_saved_comes_back(tmp_path):
    save_checkpoint(tmp_path, made(7))
    assert same(load_checkpoint(tmp_path, 7), made(7))
    checkpoint, warning = load_latest(tmp_path)
    assert same(checkpoint, made(7))
    assert warning is None


def test_the_last_two_and_the_best_are_kept(tmp_path):
    for step in (3, 20, 100, 1_000):
        save_checkpoint(tmp_path, made(step), keep={3})
    assert checkpoint_steps(tmp_path) == [3, 100, 1_000]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["100", "1000", "3"]


def test_an_empty_or_missing_folder_has_no_checkpoint(tmp_path):
    assert load_latest(tmp_path) == (None, None)
    assert load_latest(tmp_path / "none") == (None, None)


def test_views_of_one_memory_are_saved_apart(tmp_path):
    flat = torch.arange(6.0)
    parts = {"weights": {"a": flat[:4].view(2, 2), "b": flat[4:]}}
    save_checkpoint(tmp_path, Checkpoint(step=1, parts=parts, progress={}))
    weights = load_checkpoint(tmp_path, 1).parts["weights"]
    assert torch.equal(weights["a"], flat[:4].view(2, 2))
    assert torch.equal(weights["b"], flat[4:])


FILES = ["weights.safetensors", "random.safetensors", "progress.json"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("harm", ["cut", "emptied", "removed", "altered"])
def test_a_damaged_checkpoint_is_recognised_and_the_one_before_taken(tmp_path, file, harm):
    save_checkpoint(tmp_path, made(1))
    save_checkpoint(tmp_path, made(2))
    path = tmp_path / "2" / file
    data = path.read_bytes()
    if harm == "removed":
        path.unlink()
    elif harm == "altered":
        path.write_bytes(data[:-10] + bytes([data[-10] ^ 1]) + data[-9:])
    else:
        path.write_bytes(data[: len(data) // 2] if harm == "cut" else b"")
    with pytest.raises(DamagedCheckpoint, match=f"{tmp_path / '2'} is damaged: .*{file}") as caught:
        load_checkpoint(tmp_path, 2)
    if harm == "cut" and file != "progress.json":
        assert str(caught.value).endswith(f"{len(data) // 2:,} bytes instead of {len(data):,}")
    checkpoint, warning = load_latest(tmp_path)
    assert same(checkpoint, made(1))
    assert "is damaged" in warning
    assert warning.endswith("; going on from step 1 instead")


def test_when_none_is_whole_it_says_so(tmp_path):
    for step in (1, 2):
        save_checkpoint(tmp_path, made(step))
        (tmp_path / str(step) / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(DamagedCheckpoint, match=r"/2 is damaged: .*; no earlier one is whole"):
        load_latest(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 3}, r"newer tapehead \(checkpoint format 3; this one reads up to 2\)"),
        ({"kind": "something else"}, "is not a checkpoint of tapehead"),
        ({"kind": None}, "is not a checkpoint of tapehead"),
        ({"files": "none"}, "is not a checkpoint of tapehead"),
        ({"format": "2"}, "is not a checkpoint of tapehead"),
        ({"files": {"../../secret": {"bytes": 1, "sha256": ""}}}, "is not a checkpoint"),
    ],
)
def test_a_newer_or_foreign_one_is_no_damage_and_stops(tmp_path, change, message):
    save_checkpoint(tmp_path, made(1))
    save_checkpoint(tmp_path, made(2))
    path = tmp_path / "2" / "progress.json"
    write_sealed(path, read_sealed(path, "checkpoint")[0] | change)
    with pytest.raises(TapeheadError, match=message) as caught:
        load_latest(tmp_path)
    assert not isinstance(caught.value, DamagedCheckpoint)


@pytest.mark.parametrize("room", [0, 60, 300])
def test_a_full_disk_leaves_the_earlier_checkpoint_whole(tmp_path, room):
    save_checkpoint(tmp_path, made(1))
    with disk_with_room_for(room), pytest.raises(TapeheadError) as caught:
        save_checkpoint(tmp_path, made(2))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"cannot save a checkpoint in {tmp_path}: File too large")
    assert str(caught.value).endswith("the checkpoint of step 1 is intact")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    assert same(load_latest(tmp_path)[0], made(1))


def test_going_back_forgets_what_came_later(tmp_path):
    for step in (5, 6):
        save_checkpoint(tmp_path, made(step))
    (tmp_path / ".7.tmp").mkdir()
    forget_after(tmp_path, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["5"]
    save_checkpoint(tmp_path, made(6))
    assert checkpoint_steps(tmp_path) == [5, 6]


def test_saving_a_step_again_replaces_it(tmp_path):
    save_checkpoint(tmp_path, made(1))
    again = made(1)
    again.progress["seconds"] = 99.0
    save_checkpoint(tmp_path, again)
    assert load_checkpoint(tmp_path, 1).progress["seconds"] == 99.0


def test_nothing_in_it_is_pickled(tmp_path):
    save_checkpoint(tmp_path, made(1))
    for path in (tmp_path / "1").iterdir():
        assert path.suffix in (".json", ".safetensors")
        assert path.read_bytes()[:1] != b"\x80"

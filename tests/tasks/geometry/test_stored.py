"""Problems that are kept: the same bytes whoever makes them, however often it is cut off."""

import fcntl
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from tour_oracles import by_all_orders, length

from tapehead.errors import TapeheadError
from tapehead.forms import Points
from tapehead.machines import PointerNetwork
from tapehead.runs.evaluation import evaluate
from tapehead.tasks import TSP
from tapehead.tasks.batch import Batch
from tapehead.tasks.geometry import stored
from tapehead.tasks.geometry.kernels.branch_and_bound import exact_tours
from tapehead.tasks.geometry.stored import PIECE, Store, kept, make_missing


class Drawing:
    """Problems whose answers say which points come first; counts how often it is asked."""

    def __init__(self, points=4):
        self.points, self.calls = points, 0

    def __call__(self, generator, count):
        self.calls += 1
        xy = torch.rand(count, self.points, 2, generator=generator)
        end = torch.zeros(count, 1, dtype=torch.int64)
        targets = torch.cat([xy[..., 0].argsort(1) + 1, end], 1)
        return Batch(Points(xy), targets, torch.ones_like(targets, dtype=torch.bool))


class Told(list):
    """What a maker tells."""

    def __call__(self, *numbers):
        self.append(numbers)


def store(root, points=4, count=3 * PIECE, seed=0):
    return Store(root / f"{points}-points-{seed}", (seed, points), count, Drawing(points))


def files(root):
    found = [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(found)}


def test_whoever_makes_them_makes_the_same_bytes(tmp_path):
    for workers in (1, 3):
        sizes = [store(tmp_path / str(workers), points, count=2 * PIECE) for points in (4, 5)]
        make_missing(sizes, workers=workers)
    once, again = files(tmp_path / "1"), files(tmp_path / "3")
    assert list(once) == [f"{points}-points-0/0000{n}" for points in (4, 5) for n in (0, 1)]
    assert once == again
    assert len(set(once.values())) == 4
    make_missing([store(tmp_path / "other", seed=1, count=PIECE)])
    first = kept(store(tmp_path / "1", count=2 * PIECE)), kept(store(tmp_path / "other", seed=1))
    assert not set(map(bytes, first[0].xy)) & set(map(bytes, first[1].xy))


def test_the_first_of_them_are_those_of_a_smaller_set(tmp_path):
    large, small = store(tmp_path, count=2 * PIECE + 7), store(tmp_path, count=PIECE - 3)
    everything = kept(large)
    assert (len(everything.xy), large.draw.calls) == (2 * PIECE + 7, 3)
    assert len(np.unique(everything.xy.reshape(len(everything.xy), -1), axis=0)) == 2 * PIECE + 7
    for part, whole in zip(kept(small), everything, strict=True):
        np.testing.assert_array_equal(part, whole[: PIECE - 3])
    assert small.draw.calls == 0
    assert everything.answers.dtype == np.uint8
    np.testing.assert_array_equal(everything.xy[..., 0].argsort(1) + 1, everything.answers)


def test_what_was_cut_off_goes_on_with_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "TELL_EVERY", 0)

    class Cut(BaseException):
        pass

    def cut(done, total, left):
        if done >= 2 * PIECE:
            raise Cut

    wanted = store(tmp_path, count=6 * PIECE)
    with pytest.raises(Cut):
        make_missing([wanted], cut, workers=1)
    for thread in threading.enumerate():
        if thread.name == "tapehead-stored":
            thread.join()
    finished = files(tmp_path)
    assert 2 <= len(finished) < 6
    (wanted.folder / ".00005.tmp").write_bytes(b"half of")
    again, told = store(tmp_path, count=6 * PIECE), Told()
    make_missing([again], told)
    assert again.draw.calls == 6 - len(finished)
    assert told[0] == (len(finished) * PIECE, 6 * PIECE, None)
    assert told[-1] == (6 * PIECE, 6 * PIECE, 0)
    whole = store(tmp_path / "whole", count=6 * PIECE)
    make_missing([whole])
    assert files(tmp_path / "whole") == {
        name: files(tmp_path)[name] for name in files(tmp_path / "whole")
    }
    told.clear()
    make_missing([again], told)
    assert told == []


def flipped(content):
    return content[:-9] + bytes([content[-9] ^ 4]) + content[-8:]


@pytest.mark.parametrize(
    "damage",
    [flipped, lambda content: content[:-1], lambda _: b"", lambda c: flipped(c[::-1])[::-1]],
)
def test_a_damaged_file_is_made_again_and_no_other(tmp_path, damage, caplog):
    make_missing([store(tmp_path)])
    before, path = files(tmp_path), tmp_path / "4-points-0" / "00001"
    path.write_bytes(damage(path.read_bytes()))
    again = store(tmp_path)
    assert len(kept(again).xy) == 3 * PIECE
    assert again.draw.calls == 1
    assert files(tmp_path) == before
    assert f"{path} is damaged: its problems are made again" in caplog.text


def test_a_file_in_the_place_of_another_is_damaged(tmp_path):
    make_missing([store(tmp_path), store(tmp_path, seed=1)])
    before = files(tmp_path)
    one, other = tmp_path / "4-points-0", tmp_path / "4-points-1"
    (one / "00000").write_bytes((one / "00001").read_bytes())
    (one / "00002").write_bytes((other / "00002").read_bytes())
    again = store(tmp_path)
    make_missing([again])
    assert again.draw.calls == 2
    assert files(tmp_path) == before


def test_others_wait_for_the_process_that_makes_them(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "POLL", 0.01)
    wanted, told = store(tmp_path, count=2 * PIECE), Told()
    maker = threading.Thread(target=make_missing, args=([wanted], told))
    with open(tmp_path / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        maker.start()
        while not told:
            time.sleep(0.01)
        assert wanted.draw.calls == 0
        # What the other process has finished is not made twice.
        elsewhere = store(tmp_path / "elsewhere", count=PIECE)
        make_missing([elsewhere])
        wanted.folder.mkdir()
        (wanted.folder / "00000").write_bytes((elsewhere.folder / "00000").read_bytes())
    maker.join()
    assert wanted.draw.calls == 1
    assert told[0] == (0, 2 * PIECE, None)
    assert told[-1][:2] == (2 * PIECE, 2 * PIECE)


def test_what_cannot_be_kept_is_said_in_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TapeheadError, match=r"^cannot read .*file.*: Not a directory$"):
        make_missing([store(tmp_path / "file")])
    wanted = store(tmp_path)
    monkeypatch.setattr(stored, "write_atomically", lambda *_: full())
    with pytest.raises(TapeheadError, match=r"^cannot write .*0000\d: No space left on device$"):
        make_missing([wanted], workers=2)

    def no_home():
        raise RuntimeError

    monkeypatch.setattr(stored, "user_cache", no_home)
    with pytest.raises(TapeheadError, match="no home folder: XDG_CACHE_HOME names another"):
        TSP(stored=1).batch(torch.Generator(), 1)


def full():
    raise OSError(28, "No space left on device")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tapehead" / "tsp"


def drawn(task, count, seed=0):
    return task.batch(torch.Generator().manual_seed(seed), count)


@pytest.mark.parametrize("mixed", [False, True])
def test_batches_are_of_stored_problems_with_their_shortest_tours(cache, mixed):
    task = TSP(min_points=4, max_points=6, stored=30, stored_seed=3, mixed_points=mixed)
    rows, sizes = set(), set()
    for seed in range(12):
        batch = drawn(task, 20, seed)
        assert (len(set(batch.inputs.sizes.tolist())) > 1) == mixed
        for xy, count, answer, mask in zip(
            batch.inputs.xy, batch.inputs.sizes.tolist(), batch.targets, batch.mask, strict=True
        ):
            assert (xy[count:] == 0).all()
            assert mask.tolist() == [step <= count for step in range(len(mask))]
            tour = answer[:count].numpy() - 1
            points = xy[:count].double().numpy()
            assert sorted(tour.tolist()) == list(range(count))
            assert length(points, tour) == pytest.approx(by_all_orders(points), abs=1e-9)
            rows.add(xy[:count].numpy().tobytes())
            sizes.add(count)
    assert sizes == {4, 5, 6}
    assert 20 < len(rows) <= 30, "ten of each size, over and over"
    one, again = drawn(task, 9).tensors(), drawn(task, 9).tensors()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert {path.name for path in cache.iterdir()} == {
        ".lock", *(f"exact-drawn-{points}-points-seed-3" for points in (4, 5, 6))
    }  # fmt: skip


def test_teachers_orders_and_seeds_have_sets_of_their_own(cache):
    plain = TSP(min_points=5, max_points=5, stored=8)
    first = drawn(plain, 1).inputs.xy
    assert torch.equal(drawn(replace(plain, teacher="greedy"), 1).inputs.xy, first)
    left_to_right = drawn(replace(plain, order="x"), 1).inputs.xy
    assert torch.equal(left_to_right[0], first[0, first[0, :, 0].argsort()])
    assert not torch.equal(drawn(replace(plain, stored_seed=1), 1).inputs.xy, first)
    assert len(list(cache.glob("*-points-*"))) == 4


def test_lessons_are_of_the_problems_of_the_last_one(cache):
    task = TSP(min_points=4, max_points=6, stored=2000)
    task.prepare()
    before = files(cache)
    assert task.with_difficulty(3) == task
    for level in (1, 2):
        lesson = task.with_difficulty(level)
        assert (lesson.max_points, lesson.stored) == (3 + level, 667 * level)
        told = Told()
        lesson.prepare(told)
        assert told == []
    assert files(cache) == before


def test_scores_are_of_fresh_problems(cache):
    task = TSP(min_points=4, max_points=4, stored=3)
    machine = PointerNetwork(**task.sizes, hidden_size=4)
    assert evaluate(machine, task, sequences=8) == evaluate(machine, task.fresh, sequences=8)
    assert not cache.exists()
    assert all(setting.stored == 0 for setting in task.test_settings().values())
    assert task.fresh == TSP(min_points=4, max_points=4)


def test_more_than_memory_holds_is_refused_before_anything_is_made(monkeypatch):
    monkeypatch.setattr("tapehead.tasks.geometry.tsp.kept", lambda _: pytest.fail("made"))
    with pytest.raises(ValueError, match=r"stored must be small enough for .* got 1\d+:"):
        drawn(TSP(stored=10**13), 1)


def test_tours_are_found_without_pythons_lock():
    """Or threads would solve one problem after another."""
    xy = np.random.default_rng(0).random((30, 20, 2))
    counts, tours = np.full(30, 20), np.zeros((30, 20), dtype=np.int64)
    exact_tours(xy[:1], counts[:1], tours[:1])

    def ran_meanwhile():
        times, stamps = [], []

        def solve():
            times.append(time.perf_counter())
            exact_tours(xy, counts, tours)
            times.append(time.perf_counter())

        thread = threading.Thread(target=solve)
        thread.start()
        while thread.is_alive():
            stamps.append(time.perf_counter())
            time.sleep(0.001)
        # Not at its begin, where one thread may come before the other.
        quarter = (times[1] - times[0]) / 4
        return any(times[0] + quarter < stamp < times[1] - quarter for stamp in stamps)

    assert any(ran_meanwhile() for _ in range(5))

"""What fits into memory is told before anything is allocated."""

import pytest
import torch

from tapehead import room
from tapehead.room import check_room, memory_of


def square(*, rows, word, name="memory"):
    return rows * rows + word


def test_the_option_to_blame_is_named(monkeypatch):
    monkeypatch.setattr(room, "memory_of", lambda kind, index: 4_000_000_000)
    check_room(square, {"rows": 30_000, "word": 5, "name": "x"}, what="it")
    with pytest.raises(
        ValueError,
        match=r"^rows must be small enough for 4\.0 GB of memory, got 40000: it would take 6",
    ):
        check_room(square, {"rows": 40_000, "word": 5, "name": "x"}, what="it")
    with pytest.raises(ValueError, match=r"^word must be small enough .*, got 4000000000000: it "):
        check_room(square, {"rows": 3, "word": 4 * 10**12}, what="it")
    with pytest.raises(ValueError, match="rows must be small enough"):
        check_room(square, {"rows": 30_000, "word": 5}, what="it", dtype=torch.float64)


def test_no_tensor_holds_more_than_its_count_can_say():
    meta = torch.device("meta")
    check_room(square, {"rows": 10**6, "word": 1}, what="it", device=meta)
    with pytest.raises(ValueError, match=r"rows must be small enough .*: it would take 10\^"):
        check_room(square, {"rows": 10**30, "word": 1}, what="it", device=meta)


def test_this_machine_has_some_memory():
    assert 10**8 < memory_of("cpu", None) < 10**15
    assert memory_of("meta", None) is None
    assert memory_of("cuda", 99) is None

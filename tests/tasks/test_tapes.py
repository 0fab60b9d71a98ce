"""The tape tasks: what is on the tape, what must be written, and that the time allows it."""

import pytest
import torch

from tapehead.tasks.tapes import BLANK, KINDS, MARKER, TapeTask

COUNTS = torch.tensor([1, 3, 6, 2])


def rows(kind, **options):
    task = TapeTask(kind=kind, max_complexity=6, **options)
    batch = task.batch(torch.Generator().manual_seed(0), COUNTS)
    for number, count in enumerate(COUNTS.tolist()):
        tape = batch.tape[number].tolist()
        end = tape.index(MARKER)
        assert set(tape[end + 1 :]) <= {BLANK}
        answer = batch.targets[number][batch.asked[number]].tolist()
        assert answer[-1] == BLANK
        yield count, tape[:end], answer[:-1], int(batch.limits[number])


@pytest.mark.parametrize("kind", KINDS)
def test_answer_follows_from_the_tape(kind):
    for count, tape, answer, _ in rows(kind):
        if kind == "copy":
            expected = tape
        elif kind == "duplicated-input":
            assert tape[::3] == tape[1::3] == tape[2::3]
            expected = tape[::3]
        elif kind == "repeat-copy":
            repeats, *data = tape
            assert repeats in (2, 3)
            expected = data * repeats
        else:
            expected = tape[::-1]
        assert answer == expected
        data = answer[:count]
        assert len(set(tape) - {2, 3} - set(data)) == 0
        assert all(4 <= symbol < 34 for symbol in data)


@pytest.mark.parametrize(
    ("kind", "needed"),
    [("copy", 7), ("duplicated-input", 19), ("reverse", 14), ("forward-reverse", 14)],
)
def test_time_is_what_a_good_program_needs_and_some(kind, needed):
    assert [limit for count, _, _, limit in rows(kind, slack=4) if count == 6] == [needed + 6 + 4]


def steps_of_a_walk(tape, repeats):
    """Of the program that turns at the end of the data and at its beginning, writing on its way to
    the right, until the closing blank."""
    tape, place, right, written, steps = [*tape, MARKER], 0, True, 0, 0
    while True:
        steps += 1
        if tape[place] == MARKER and written == repeats * (len(tape) - 2):
            return steps
        if tape[place] in (MARKER, repeats):
            right = tape[place] != MARKER
        else:
            written += right
        place += 1 if right else -1


def test_repeat_copy_has_time_to_go_back():
    seen = set()
    for count, tape, _, limit in rows("repeat-copy", slack=0):
        assert limit == steps_of_a_walk(tape, tape[0]) + count
        seen.add(tape[0])
    assert seen == {2, 3}


def test_repeats_and_symbols_are_drawn_evenly():
    task = TapeTask(kind="repeat-copy", num_symbols=3, max_complexity=1)
    batch = task.batch(torch.Generator().manual_seed(0), torch.ones(6000, dtype=torch.int64))
    assert (batch.tape[:, 0] == 2).float().mean() == pytest.approx(0.5, abs=0.04)
    for symbol in (4, 5, 6):
        assert (batch.tape[:, 1] == symbol).float().mean() == pytest.approx(1 / 3, abs=0.03)


def test_wrong_options_are_named():
    with pytest.raises(
        ValueError, match=r"kind must be one of copy, duplicated-input, .*, got 'sort'"
    ):
        TapeTask(kind="sort")
    with pytest.raises(ValueError, match="complexities must be 1 to 6, got 1 to 7"):
        TapeTask(max_complexity=6).batch(torch.Generator(), torch.tensor([1, 7]))

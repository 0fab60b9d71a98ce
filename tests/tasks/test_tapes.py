"""The tape tasks: what is on the tape, what must be written, and that the time allows it."""

import dataclasses

import pytest
import torch

from tapehead.forms import Tape
from tapehead.tasks import TASKS
from tapehead.tasks.tapes import BLANK, MARKER, RepeatCopyTape, ReverseTape

TAPE_TASKS = [kind for kind in TASKS.values() if kind.tells is Tape]
EVERY = pytest.mark.parametrize("kind", TAPE_TASKS, ids=lambda kind: kind.name)


def rows(kind, **options):
    """Complexity, tape up to its marker, answer up to its blank, and steps of many sequences."""
    task = kind(max_complexity=6, **options)
    batch = task.batch(torch.Generator().manual_seed(0), 40)
    written = batch.targets.argmax(-1)
    for number in range(40):
        tape = batch.inputs.symbols[number].tolist()
        end = tape.index(MARKER)
        assert set(tape[end + 1 :]) <= {BLANK}
        answer = written[number][batch.mask[number]].tolist()
        assert len(answer) == int(batch.inputs.answers[number])
        assert answer[-1] == BLANK
        data, _ = task.read(tape[:end])
        yield len(data), tape[:end], answer[:-1], int(batch.inputs.limits[number])


@EVERY
def test_answer_follows_from_the_tape(kind):
    seen = set()
    for count, tape, answer, _ in rows(kind):
        seen.add(count)
        if kind.name == "copy-tape":
            expected = tape
        elif kind.name == "duplicated-tape":
            assert tape[::3] == tape[1::3] == tape[2::3]
            expected = tape[::3]
        elif kind.name == "repeat-copy-tape":
            repeats, *data = tape
            assert repeats in (2, 3)
            expected = data * repeats
        else:
            expected = tape[::-1]
        assert answer == expected
        data = answer[:count]
        assert len(set(tape) - {2, 3} - set(data)) == 0
        assert all(4 <= symbol < 34 for symbol in data)
    assert seen == set(range(1, 7))


@EVERY
def test_the_oracle_is_right_and_pays_nothing(kind):
    task = kind(max_complexity=4)
    batch = task.batch(torch.Generator().manual_seed(0), 30)
    blind = batch._replace(targets=torch.zeros_like(batch.targets))
    outputs = task.oracle(blind)
    scores = task.scores(outputs, batch)
    assert scores["solved"].all()
    assert scores["symbol_errors"].sum() == 0
    assert task.loss(outputs, batch) == 0
    wrong = task.scores(outputs.roll(1, -1), batch)
    assert torch.equal(wrong["symbol_errors"], batch.mask.sum(1).float())
    assert not wrong["solved"].any()


@pytest.mark.parametrize(
    ("name", "needed"),
    [("copy-tape", 7), ("duplicated-tape", 19), ("reverse-tape", 14), ("forward-reverse-tape", 14)],
)
def test_time_is_what_a_good_program_needs_and_some(name, needed):
    kind = TASKS[name]
    found = {limit for count, _, _, limit in rows(kind, slack=4) if count == 6}
    assert found == {needed + 6 + 4}


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
    for count, tape, _, limit in rows(RepeatCopyTape, slack=0):
        assert limit == steps_of_a_walk(tape, tape[0]) + count
        seen.add(tape[0])
    assert seen == {2, 3}


def test_repeats_and_symbols_are_drawn_evenly():
    task = RepeatCopyTape(num_symbols=3, max_complexity=1)
    tape = task.batch(torch.Generator().manual_seed(0), 6000).inputs.symbols
    assert (tape[:, 0] == 2).float().mean() == pytest.approx(0.5, abs=0.04)
    for symbol in (4, 5, 6):
        assert (tape[:, 1] == symbol).float().mean() == pytest.approx(1 / 3, abs=0.03)


def test_a_lesson_is_the_published_mixture():
    task = ReverseTape(max_complexity=20).with_difficulty(4)
    drawn = task._complexities(torch.Generator().manual_seed(0), 100_000)
    assert 1 <= drawn.min() <= drawn.max() <= 20
    # Level 4 itself: 65 % and half of e, its share of 1 .. 4 + e, and of everything.
    below = sum(0.5 ** (e + 1) / (4 + e) for e in range(17))
    expected = 0.65 * 0.5 + 0.25 * below + 0.1 / 20
    assert (drawn == 4).float().mean().item() == pytest.approx(expected, abs=0.01)
    assert task.with_difficulty(20) == dataclasses.replace(task, lesson=4)
    assert ReverseTape(max_complexity=20).with_difficulty(20).lesson == 0


@EVERY
def test_tests_are_at_one_complexity(kind):
    for label, setting in kind(max_complexity=3).test_settings().items():
        batch = setting.batch(torch.Generator().manual_seed(0), 20)
        ends = (batch.inputs.symbols == MARKER).int().argmax(1).tolist()
        found = [
            setting.read(tape[:end])[0]
            for tape, end in zip(batch.inputs.symbols.tolist(), ends, strict=True)
        ]
        assert {len(data) for data in found} == {int(label)}


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="max_complexity must be a whole number of at least 5"):
        ReverseTape(min_complexity=5, max_complexity=4)
    with pytest.raises(ValueError, match="lesson must be a whole number from 0 to 6, got 7"):
        ReverseTape(max_complexity=6, lesson=7)

import pytest

from tapehead.tasks import Copy
from tapehead.tasks.metrics import Metric
from tapehead.training import TrainConfig
from tapehead.training.curriculum import CurriculumSchedule

TASK = Copy(max_length=5)
SOLVED, UNSOLVED = {"bit_errors": 0.05}, {"bit_errors": 3.0}


def curriculum(kind, **settings):
    return CurriculumSchedule(TrainConfig(curriculum=kind, **settings), TASK)


def solves(task):
    return SOLVED


def longest(schedule, step=0, sequences=0):
    return schedule.task_for(step, sequences).max_length


def test_none_is_the_task_itself():
    schedule = curriculum("none")
    assert schedule.task_for(0, 0) is TASK
    assert schedule.finished


def test_linear_climbs_evenly_and_stays_at_the_top():
    schedule = curriculum("linear", curriculum_sequences=100)
    assert [longest(schedule, sequences=s) for s in (0, 19, 20, 59, 79, 80, 500)] == [
        1, 1, 2, 3, 4, 5, 5,
    ]  # fmt: skip
    assert schedule.finished
    half = curriculum("linear", max_sequences=400, curriculum_start=3)
    assert [longest(half, sequences=s) for s in (0, 66, 67, 133, 134)] == [3, 3, 4, 4, 5]


def test_naive_goes_up_only_when_solved_and_only_to_the_top():
    schedule = curriculum("naive", curriculum_start=2)
    levels = []
    for means in (UNSOLVED, SOLVED, UNSOLVED, SOLVED, SOLVED, SOLVED):
        schedule.reported(means, solves)
        levels.append(longest(schedule))
    assert levels == [2, 3, 3, 4, 5, 5]
    assert schedule.finished
    assert schedule.task_for(0, 0) is TASK


def test_leaping_goes_to_the_first_level_not_passed_whatever_training_says():
    schedule = curriculum("leaping", lesson_mark=1.0)
    asked, able = [], {"below": 0}

    def learned(task):
        asked.append(task.max_length)
        return {"bit_errors": 0.5 if task.max_length < able["below"] else 1.5}

    for below, level, looked_at in ((1, 1, [1]), (4, 4, [1, 2, 3, 4]), (9, 5, [4])):
        able["below"] = below
        schedule.reported(UNSOLVED, learned)
        assert (longest(schedule), asked) == (level, looked_at)
        asked.clear()
    assert schedule.finished
    schedule.reported(SOLVED, learned)
    assert not asked


@pytest.mark.parametrize("kind", ["naive", "look-back"])
def test_a_level_is_passed_on_fresh_sequences_of_its_own(kind):
    """Training batches have easier ones among them, and a teacher may help with them."""
    schedule = curriculum(kind, curriculum_start=2)
    asked = []

    def fails(task):
        asked.append(task)
        return UNSOLVED

    schedule.reported(SOLVED, fails)
    assert schedule.level == 2
    assert asked == [TASK.with_difficulty(2)]
    schedule.reported(UNSOLVED, fails)
    assert len(asked) == 1, "no look at fresh sequences without need"
    schedule.reported(SOLVED, solves)
    assert schedule.level == 3


def test_look_back_draws_a_tenth_from_earlier_levels():
    schedule = curriculum("look-back", seed=7)
    for _ in range(3):
        schedule.reported(SOLVED, solves)
    assert schedule.level == 4
    lengths = [longest(schedule, step=step) for step in range(4_000)]
    counts = [lengths.count(length) for length in range(1, 6)]
    assert counts[4] == 0
    assert counts[3] == pytest.approx(3_600, abs=50)
    assert counts[:3] == pytest.approx([133] * 3, abs=50)
    assert lengths == [longest(schedule, step=step) for step in range(4_000)]
    other = curriculum("look-back", seed=8)
    other.level = 4
    assert lengths != [longest(other, step=step) for step in range(4_000)]


def test_a_start_beyond_the_last_level_is_refused():
    with pytest.raises(ValueError, match=r"curriculum_start must be at most 5, .* copy, got 6"):
        curriculum("naive", curriculum_start=6)
    assert curriculum("none", curriculum_start=6).finished


class Rewarded(Copy):
    """A task whose first metric is a reward: more is better."""

    metrics = (Metric("return", "reward", "per episode", "higher"),)


@pytest.mark.parametrize(
    ("task", "passes", "fails"),
    [
        (TASK, {"bit_errors": 1.4}, {"bit_errors": 1.5}),
        (Rewarded(max_length=5), {"return": 1.6}, {"return": 1.5}),
    ],
)
def test_a_lesson_is_passed_on_the_better_side_of_its_mark(task, passes, fails):
    schedule = CurriculumSchedule(TrainConfig(curriculum="naive", lesson_mark=1.5), task)
    for means, fresh, level in ((fails, passes, 1), (passes, fails, 1), (passes, passes, 2)):
        schedule.reported(means, lambda _, fresh=fresh: fresh)
        assert schedule.level == level

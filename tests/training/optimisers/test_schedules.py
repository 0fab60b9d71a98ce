import math

import pytest

from tapehead.training import TrainConfig
from tapehead.training.optimisers.schedules import learning_rate_schedule


def rates(points, **settings):
    config = TrainConfig(learning_rate=0.4, max_sequences=1_000, batch_size=10, **settings)
    return [learning_rate_schedule(config)(point, 0, None, 0) for point in points]


def test_constant():
    assert rates([0, 10, 999, 5_000]) == [0.4] * 4


def test_linear():
    got = rates([0, 500, 1_000, 1_200], schedule="linear", final_learning_rate=0.1)
    assert got == pytest.approx([0.4, 0.25, 0.1, 0.1])


def test_cosine():
    got = rates([0, 250, 500, 1_000, 1_200], schedule="cosine", final_learning_rate=0.1)
    quarter = 0.1 + 0.3 * (1 + math.cos(math.pi / 4)) / 2
    assert got == pytest.approx([0.4, quarter, 0.25, 0.1, 0.1])


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_climbs_from_one_batch_to_the_whole_rate(schedule):
    got = rates([0, 10, 50, 190, 200], schedule=schedule, warmup=200)
    assert got == pytest.approx([0.02, 0.04, 0.12, 0.4, 0.4])


def test_the_course_after_a_warm_up_ends_where_it_should():
    got = rates([600, 1_000], schedule="linear", warmup=200)
    assert got == pytest.approx([0.2, 0.0])


@pytest.mark.parametrize(("schedule", "reached"), [("constant", 0.4), ("linear", 0.25)])
def test_once_solved_the_rate_falls_from_where_it_was(schedule, reached):
    config = TrainConfig(
        learning_rate=0.4, max_sequences=1_000, schedule=schedule, final_learning_rate=0.1,
        cooldown=200,
    )  # fmt: skip
    rate = learning_rate_schedule(config)
    got = [rate(point, 0, 500, 0) for point in (500, 550, 600, 700, 800)]
    shares = [1.0, (1 + math.cos(math.pi / 4)) / 2, 0.5, 0.0, 0.0]
    assert got == pytest.approx([0.1 + (reached - 0.1) * share for share in shares])
    assert rate(500, 0, None, 0) == pytest.approx(reached)


def test_impatience_halves_the_rate_down_to_its_last():
    config = TrainConfig(
        learning_rate=0.4, max_sequences=1_000, final_learning_rate=0.15, cooldown=200,
    )  # fmt: skip
    rate = learning_rate_schedule(config)
    assert [rate(100, 0, None, halvings) for halvings in range(4)] == [0.4, 0.2, 0.15, 0.15]
    assert rate(600, 0, 500, 1) == pytest.approx(0.15 + 0.05 / 2)

import itertools
import random

import numpy as np
import pytest
import torch

from tapehead.runs.randomness import (
    Stream,
    capture_globals,
    derived_seed,
    generator_for,
    restore_globals,
    seed_globals,
)

CPU = torch.device("cpu")


def draw():
    return (
        torch.randn(3).tolist(),
        np.random.normal(size=3).tolist(),  # noqa: NPY002
        [random.gauss(0, 1) for _ in range(3)],
        np.random.randint(100),  # noqa: NPY002
        random.random(),
    )


@pytest.mark.parametrize("spares", [0, 1])
def test_global_states_come_back_exactly(spares):
    seed_globals(5)
    for _ in range(spares):  # each leaves a spare normal deviate behind
        np.random.normal()  # noqa: NPY002
        random.gauss(0, 1)
    states = {name: tensor.clone() for name, tensor in capture_globals(CPU).items()}
    first = draw()
    draw()
    restore_globals(states, CPU)
    assert draw() == first


@pytest.mark.parametrize("position", [-1, 625, 10**9])
def test_a_state_that_numpy_would_not_survive_is_refused(position):
    seed_globals(5)
    states = capture_globals(CPU)
    states["numpy"][-2] = position
    with pytest.raises(ValueError, match=f"position must be from 0 to 624, got {position}"):
        restore_globals(states, CPU)


def test_a_seed_decides_all_global_generators():
    seed_globals(5)
    first = draw()
    seed_globals(5)
    assert draw() == first
    seed_globals(6)
    assert all(a != b for a, b in zip(draw()[:3], first[:3], strict=True))


def test_streams_of_a_seed_never_meet():
    seeds = [
        derived_seed(seed, stream, number)
        for seed, stream, number in itertools.product(range(20), Stream, range(20))
    ]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) > 2**62


def test_a_generator_is_decided_by_all_its_names():
    def first(*names):
        return torch.randint(0, 2**40, (4,), generator=generator_for(*names)).tolist()

    assert first(3, Stream.TEST, 1) == first(3, Stream.TEST, 1)
    assert first(3, Stream.TEST, 1) != first(3, Stream.TEST, 2)
    assert first(3, Stream.TEST, 1) != first(3, Stream.TRAINING, 1)

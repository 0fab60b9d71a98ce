"""An engine by its name, or one of somebody else's."""

import re

import pytest

from tapehead.registry import ENGINES, AddressError
from tapehead.room import cores
from tapehead.training.fleet import Engine, Here, Processes, make_engine


class Own(Here):
    """An engine that remembers what it was made for."""

    def __init__(self, **made_for):
        self.made_for = made_for

    @classmethod
    def for_jobs(cls, jobs, **rest):
        return cls(jobs=jobs, **rest)


def test_processes_are_as_many_as_there_are_jobs_for():
    for workers, jobs, count in ((3, 2, 2), (3, 9, 3), (None, 999, cores())):
        engine = make_engine("processes", jobs, workers=workers, address="nowhere", gpus=1)
        assert isinstance(engine, Processes)
        assert engine.count == count


def test_an_engine_of_ones_own_is_told_what_the_jobs_take():
    with ENGINES.holding(own=Own):
        engine = make_engine("own", 7, workers=2, address="a:1", cores=3, gpus=1)
    assert isinstance(engine, Engine)
    assert engine.made_for == {"jobs": 7, "workers": 2, "address": "a:1", "cores": 3, "gpus": 1}


def test_what_is_no_engine_is_said():
    with pytest.raises(
        ValueError, match=re.escape("engine must be one of processes, ray, got 'x'")
    ):
        make_engine("x", 1)
    place = "tapehead.training.fleet.engines"
    with pytest.raises(AddressError, match=f"Here must be an instance of {place}.EngineKind"):
        make_engine(f"{place}:Here", 1)
    with pytest.raises(
        AddressError, match=f"{place} has no Elsewhere; it has EngineKind, Processes"
    ):
        make_engine(f"{place}:Elsewhere", 1)

"""A machine as large as another one: the nearest count there is, whatever the machine."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapehead.machines import MACHINES, Machine
from tapehead.recipes import recipe
from tapehead.recipes.matching import match_parameters, nearest_size
from tapehead.runs.build import build_machine, build_task
from tapehead.training import TrainConfig

STORIES = {"task": "babi", "task_options": {"generated": True}}
ON = {
    "discrete-ntm": ({"task": "copy"}, "lstm"),
    "dnc": ({"task": "copy"}, "ntm-feedforward"),
    "dynamic-memory-network": (STORIES, "entity-network"),
    "dynamic-ntm": ({"task": "copy"}, "dnc"),
    "dynamic-ntm-reader": (STORIES, "entity-network"),
    "entity-network": (STORIES, "memory-network"),
    "lstm": ({"task": "repeat-copy"}, "dnc"),
    "memory-network": (STORIES, "entity-network"),
    "ntm": ({"task": "priority-sort"}, "tardis"),
    "pointer-network": ({"task": "tsp"}, "seq2seq"),
    "rl-ntm": ({"task": "copy-tape"}, "rl-ntm"),
    "seq2seq": ({"task": "sorting"}, "pointer-network"),
    "sparse-ntm": ({"task": "associative-recall"}, "lstm"),
    "tardis": ({"task": "copy"}, "ntm"),
}
"""For each machine a task, and another machine that reads it."""


def parameters(config):
    machine = build_machine(config, build_task(config))
    return sum(weight.numel() for weight in machine.parameters())


@pytest.mark.parametrize("name", MACHINES)
def test_no_other_width_comes_nearer(name):
    on, other = ON[name]
    config = TrainConfig(machine=name, **on)
    found = match_parameters(config, other)
    size = found.config.machine_options[found.width]
    assert found.parameters == parameters(found.config)
    assert replace(found.config, machine_options={}) == config
    for near in (size - 4, size - 1, size + 1, size + 4):
        try:
            count = parameters(replace(found.config, machine_options={found.width: near}))
        except ValueError:  # no such width, at 0 or between two that its heads divide
            continue
        assert abs(found.parameters - found.wanted) <= abs(count - found.wanted)


def test_the_other_machine_is_that_of_its_recipe_on_the_same_task():
    config = TrainConfig(task="copy", task_options={"num_bits": 3}, machine="lstm")
    for other, setting in (("ntm-lstm", "paper"), ("ntm-feedforward", "fast"), ("dnc", "fast")):
        theirs = replace(recipe("copy", other, setting), task_options={"num_bits": 3})
        assert match_parameters(config, other, setting).wanted == parameters(theirs)
    defaults = TrainConfig(task="copy", task_options={"num_bits": 3}, machine="dynamic-ntm")
    assert match_parameters(config, "dynamic-ntm").wanted == parameters(defaults)
    counts = {match_parameters(config, other).wanted for other in ("ntm", "ntm-feedforward", "dnc")}
    assert len(counts) == 3


def test_the_variant_of_a_task_has_its_own_recipe():
    def stories(number):
        return {"task": number, "generated": True}

    config = TrainConfig(task="babi", task_options=stories("3"), machine="entity-network")
    theirs = replace(recipe("babi-3", "memory-network"), task_options=stories("3"))
    assert theirs.machine_options != recipe("babi-1", "memory-network").machine_options
    assert match_parameters(config, "memory-network").wanted == parameters(theirs)


def test_its_other_options_stay():
    options = {"num_layers": 2, "controller_init": "learned", "hidden_size": 7}
    config = TrainConfig(task="copy", machine="lstm", machine_options=options)
    found = match_parameters(config, "ntm")
    assert found.config == replace(
        config,
        machine_options={**options, "hidden_size": found.config.machine_options[found.width]},
    )
    assert found.parameters == pytest.approx(found.wanted, rel=0.03)


@given(
    wanted=st.integers(1, 100_000), step=st.integers(1, 9), slope=st.integers(0, 50),
    base=st.integers(0, 5_000),
)  # fmt: skip
def test_the_nearest_of_all_sizes_is_found(wanted, step, slope, base):
    def count(size):
        if size % step:
            raise ValueError("no such size")
        return base + slope * size + size * size

    found = nearest_size(count, wanted)
    nearest = min(range(step, 400 * step, step), key=lambda size: abs(count(size) - wanted))
    assert abs(count(found) - wanted) == abs(count(nearest) - wanted)


def test_where_no_width_can_be_the_reason_is_told():
    config = TrainConfig(task="copy", machine="lstm", machine_options={"num_layers": 0})
    with pytest.raises(ValueError, match="num_layers must be a whole number from 1 to 1000, got 0"):
        match_parameters(config, "ntm")


class Rigid(Machine):
    """Has nothing to change."""

    reads = MACHINES["lstm"].reads

    def __init__(self, input_size, output_size):
        super().__init__()

    def forward(self, x, state=None):
        raise NotImplementedError

    def trace(self, x, state=None):
        raise NotImplementedError


def test_what_cannot_be_matched_is_named():
    copy = TrainConfig(task="copy", machine="lstm")
    with pytest.raises(ValueError, match="match_parameters 'nothing': machine must be one of"):
        match_parameters(copy, "nothing")
    with pytest.raises(ValueError, match=r"match_parameters 'rl-ntm': .* reads a Tape"):
        match_parameters(copy, "rl-ntm")
    with pytest.raises(ValueError, match="match_parameters 'dynamic-ntm': no recipe"):
        match_parameters(copy, "dynamic-ntm", "paper")
    with MACHINES.holding(rigid=Rigid):
        config = TrainConfig(task="copy", machine="rigid")
        with pytest.raises(ValueError, match="must be left out: rigid has no option hidden_size"):
            match_parameters(config, "ntm")

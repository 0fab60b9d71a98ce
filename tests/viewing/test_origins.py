"""Where reads come from: planted traces whose answer is known, and every machine against its own
memory in double precision."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapehead import DNC, NTM, TARDIS, DynamicNTM, SparseNTM
from tapehead.machines.machine import Trace
from tapehead.viewing import origins
from tapehead.viewing.origins import origins_of, parts_of, writes_of
from tapehead.viewing.problems import start_of


def traced(**tensors):
    parts = {
        name: torch.as_tensor(part, dtype=torch.float64)[None] for name, part in tensors.items()
    }
    return Trace(torch.zeros(1, 1, 1), None, parts)


def planted():
    """Two rows of two numbers. Step 1 writes (4, 0) to row 0. Step 2 writes (0, 2) to row 0 with
    half the weight and erases all that it reaches: half of step 1's is left. Step 3 writes (6, 6)
    to row 1. Every step reads row 0 after its write; step 3 reads half of either row."""
    return traced(
        write_weights=[[[1.0, 0.0]], [[0.5, 0.0]], [[0.0, 1.0]]],
        add=[[[4.0, 0.0]], [[0.0, 2.0]], [[6.0, 6.0]]],
        erase=[[[1.0, 1.0]], [[1.0, 1.0]], [[0.0, 0.0]]],
        memory=[[[4.0, 0.0], [0.0, 0.0]], [[2.0, 1.0], [0.0, 0.0]], [[2.0, 1.0], [6.0, 6.0]]],
        read_weights=[[[1.0, 0.0]], [[1.0, 0.0]], [[0.5, 0.5]]],
        reads=[[[4.0, 0.0]], [[2.0, 1.0]], [[4.0, 3.5]]],
    )


def test_a_planted_episode_is_told_as_it_was_planted():
    found = origins_of(planted(), torch.zeros(1, 2, 2, dtype=torch.float64))
    assert found is not None
    assert not found.before
    # Of read (2, 1): (2, 0) is of step 1, (0, 1) of step 2; shares by projection are 4/5 and 1/5.
    np.testing.assert_allclose(found.reads[1, 0], [0, 0.8, 0.2, 0], atol=1e-12)
    # Of (4, 3.5): (1, 0), (0, 0.5) and (3, 3).
    square = 4.0**2 + 3.5**2
    parts = [0, 1 * 4 / square, 0.5 * 3.5 / square, (3 * 4 + 3 * 3.5) / square]
    np.testing.assert_allclose(found.reads[2, 0], parts, atol=1e-12)
    np.testing.assert_allclose(found.survival[1, 0], [0.5, 1, 0], atol=1e-12)
    np.testing.assert_allclose(found.survival[2, 0], [0.5, 1, 1], atol=1e-12)
    # What is left in the rows, of each write.
    assert found.parts.tolist() == [[0, 0], [1, 0], [2, 1]]
    np.testing.assert_allclose(found.content[2], [[2, 0], [0, 1], [6, 6]], atol=1e-12)
    np.testing.assert_allclose(found.content[0], [[4, 0], [0, 0], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(found.shares[2], [0.8, 0.2, 1], atol=1e-12)


def test_reads_may_come_before_the_write_of_their_step():
    trace = planted()
    trace.tensors["reads"] = torch.tensor([[[[0.0, 0.0]], [[4.0, 0.0]], [[1.0, 0.5]]]]).double()
    found = origins_of(trace, torch.zeros(1, 2, 2, dtype=torch.float64))
    assert found.before
    np.testing.assert_allclose(found.reads[:, 0, 1:].argmax(-1), [0, 0, 0])
    np.testing.assert_allclose(found.reads[1, 0], [0, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(found.survival[2, 0], [0.5, 1, 0], atol=1e-12)


def test_what_was_there_at_the_start_counts():
    trace = traced(
        write_weights=[[[0.25]]], add=[[[1.0]]], erase=[[[1.0]]], memory=[[[1.75]]],
        read_weights=[[[1.0]]], reads=[[[1.75]]],
    )  # fmt: skip
    found = origins_of(trace, torch.full((1, 1, 1), 2.0, dtype=torch.float64))
    np.testing.assert_allclose(found.reads[0, 0], [1.5 / 1.75, 0.25 / 1.75])
    np.testing.assert_allclose(found.initial[0], [[1.5]])


def test_what_is_left_is_the_mean_over_the_entries_of_a_word():
    """The second write erases one of the two entries, by half."""
    trace = traced(
        write_weights=[[[1.0]], [[0.5]]], add=[[[4.0, 4.0]], [[0.0, 0.0]]],
        erase=[[[1.0, 1.0]], [[1.0, 0.0]]], memory=[[[4.0, 4.0]], [[2.0, 4.0]]],
        read_weights=[[[1.0]], [[1.0]]], reads=[[[4.0, 4.0]], [[2.0, 4.0]]],
    )  # fmt: skip
    found = origins_of(trace, torch.zeros(1, 1, 2, dtype=torch.float64))
    np.testing.assert_allclose(found.survival[1, 0], [0.75, 1])
    np.testing.assert_allclose(found.reads[1, 0], [0, 1, 0])


def test_heads_in_turn_erase_what_the_one_before_added():
    """The same numbers as two heads at once would give another memory, and are told apart by it."""
    in_turn = traced(
        write_weights=[[[1.0], [0.5]]], add=[[[4.0], [2.0]]], erase=[[[1.0], [1.0]]],
        memory=[[[3.0]]], read_weights=[[[1.0]]], reads=[[[3.0]]],
    )  # fmt: skip
    found = origins_of(in_turn, torch.zeros(1, 1, 1, dtype=torch.float64))
    np.testing.assert_allclose(found.reads[0, 0], [0, 2 / 3, 1 / 3])
    np.testing.assert_allclose(found.survival[0, 0], [0.5, 1])
    at_once = traced(**{**{name: part[0] for name, part in in_turn.tensors.items()},
                        "memory": [[[5.0]]], "reads": [[[5.0]]]})  # fmt: skip
    found = origins_of(at_once, torch.zeros(1, 1, 1, dtype=torch.float64))
    np.testing.assert_allclose(found.reads[0, 0], [0, 4 / 5, 1 / 5])


def test_a_memory_that_no_rule_gives_is_not_explained():
    trace = planted()
    trace.tensors["memory"][0, 2, 1, 1] += 0.01
    assert origins_of(trace, torch.zeros(1, 2, 2, dtype=torch.float64)) is None


def test_reads_that_no_memory_gives_are_not_explained():
    trace = planted()
    trace.tensors["reads"][0, 2, 0, 1] += 0.01
    assert origins_of(trace, torch.zeros(1, 2, 2, dtype=torch.float64)) is None


def test_an_episode_that_is_too_large_is_left_out(monkeypatch):
    monkeypatch.setattr(origins, "MOST", 3 * 2 * 2 - 1)
    assert origins_of(planted(), torch.zeros(1, 2, 2, dtype=torch.float64)) is None


SIZES = {"input_size": 3, "output_size": 2, "memory_size": 7, "word_size": 4}
MACHINES = {
    "ntm": lambda: NTM(**SIZES, num_reads=2, num_writes=3),
    "ntm, read last": lambda: NTM(**SIZES, read_first=False, memory_init="random"),
    "dnc": lambda: DNC(**SIZES, num_reads=2),
    "dnc, not freeing": lambda: DNC(**SIZES, num_reads=2, freeing=False),
    "dnc, erase freed": lambda: DNC(**SIZES, num_reads=2, erase_freed=True),
    "dynamic ntm": lambda: DynamicNTM(**SIZES, num_reads=2, num_writes=2),
    "dynamic ntm, discrete": lambda: DynamicNTM(**SIZES, addressing="discrete"),
    "dynamic ntm, all rows": lambda: DynamicNTM(**SIZES, no_operation=False, num_writes=2),
    "sparse ntm": lambda: SparseNTM(**SIZES, num_heads=2, rows_per_head=3),
    "tardis": lambda: TARDIS(**SIZES),
    "tardis, soft": lambda: TARDIS(**SIZES, addressing="soft"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_parts_of_every_machine_make_up_its_memory_and_its_reads(name):
    """In double precision, to 1e-10: nothing is lost and nothing counted twice."""
    machine = MACHINES[name]().double()
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.mul_(3.0)  # gates and weightings far from even
        trace = machine.trace(torch.rand(1, 12, 3, dtype=torch.float64))
    start = start_of(machine)
    writes = writes_of(trace, start)
    assert writes is not None
    memory = trace.memory[0].numpy()
    for step, (initial, left) in enumerate(parts_of(writes)):
        np.testing.assert_allclose(initial + left.sum(0), memory[step], atol=1e-10)
    found = origins_of(trace, start)
    read = np.abs(trace.reads[0].numpy()[..., -4:]).max(-1) > 1e-9
    assert read.any()
    np.testing.assert_allclose(found.reads.sum(-1)[read], 1, atol=1e-10)
    rebuilt = found.initial + 0
    for part, (_, row) in enumerate(found.parts):
        rebuilt[:, row] += found.content[:, part]
    # Parts that are too small to be told of are left out: no more than that is missing.
    largest = np.linalg.norm(memory, axis=2).max()
    missing = np.linalg.norm(rebuilt - memory, axis=2).max() / largest
    assert missing < origins.LEAST_PART * writes.weights.shape[0] * writes.weights.shape[1]
    assert (found.survival >= -1e-12).all()
    assert (found.survival <= 1 + 1e-12).all()


@given(st.integers(0, 10_000))
def test_the_memory_is_linear_in_what_was_added(seed):
    """Without one write the memory misses exactly that write's parts: the definition of a part."""
    draw = np.random.default_rng(seed)
    steps, heads, rows, word = 5, 2, 3, 2
    writes = origins.Writes(
        start=draw.normal(size=(rows, word)),
        weights=draw.dirichlet(np.ones(rows), (steps, heads)),
        erase=draw.random((steps, heads, word)),
        add=draw.normal(size=(steps, heads, word)),
        kept=draw.random((steps, rows)),
        in_turn=bool(seed % 2),
    )
    step, head = int(draw.integers(steps)), int(draw.integers(heads))
    without = writes.add.copy()
    without[step, head] = 0
    gone = writes.memories()[-1] - writes._replace(add=without).memories()[-1]
    *_, (_, left) = parts_of(writes)
    np.testing.assert_allclose(left[step * heads + head], gone, atol=1e-12)

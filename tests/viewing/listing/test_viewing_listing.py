"""The listing says of planted traces what was planted."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapehead.ops.addressing import circular_shift, interpolate, sharpen
from tapehead.viewing.listing.layout import WIDTH, text
from tapehead.viewing.listing.moves import Move, Step, moves, told
from tapehead.viewing.listing.program import Line, Loop, program

ROWS = 8


class Start:
    """Both heads on row 0, memory empty."""

    read_weights = write_weights = np.eye(ROWS)[[0]][None]
    memory = np.zeros((1, ROWS, 2))


def sharp(row):
    return torch.eye(ROWS, dtype=torch.float64)[row]


def ntm_trace(read, write):
    """A trace of an NTM whose heads do what is said: a shift, or the row found by content and a
    shift behind it. The weightings are those of the paper's equations."""
    steps = len(read)
    heads = {"read": read, "write": write}
    gates, shifts = torch.zeros(steps, 2), torch.zeros(steps, 2, 3)
    weights = {}
    for number, (name, doings) in enumerate(heads.items()):
        now, kept = sharp(0), []
        for step, (found, shift) in enumerate(doings):
            gate = torch.tensor([[0.0 if found is None else 1.0]])
            by = torch.zeros(3, dtype=torch.float64)
            by[shift + 1] = 1.0
            content = sharp(found or 0)
            mixed = interpolate(content[None, None], now[None, None], gate)
            now = sharpen(circular_shift(mixed, by[None, None]), torch.full((1, 1), 5.0))[0, 0]
            gates[step, number], shifts[step, number] = gate.item(), by
            kept.append(now)
        weights[name] = torch.stack(kept)[:, None]
    memory = torch.zeros(steps, ROWS, 2)
    for step in range(steps):
        if step:
            memory[step] = memory[step - 1]
        memory[step, weights["write"][step, 0].argmax()] = 1.0 + step
    return {
        "read_weights": weights["read"], "write_weights": weights["write"], "memory": memory,
        "gate": gates, "shift": shifts,
    }  # fmt: skip


def test_a_planted_walk_of_an_ntm_is_told_step_by_step():
    read = [(None, 0), (None, 0), (3, 0), (None, 1), (None, 1), (5, -1)]
    write = [(None, 0), (None, 1), (None, 1), (None, -1), (None, 0), (2, 1)]
    found = moves(ntm_trace(read, write), Start)
    reads = [(move.verb, move.row, move.moved, move.how) for _, move in found]
    assert reads == [
        ("read row", 0, 0, "head stays"),
        ("read row", 0, 0, "head stays"),
        ("read row", 3, 3, "found by content"),
        ("read row", 4, 1, "head +1"),
        ("read row", 5, 1, "head +1"),
        ("read row", 4, -1, "found by content, then -1"),
    ]
    writes = [(move.verb, move.row, move.how) for move, _ in found]
    assert writes == [
        ("write row", 0, "head stays"),
        ("write row", 1, "head +1"),
        ("write row", 2, "head +1"),
        ("write row", 1, "head -1"),
        ("write row", 1, "head stays"),
        ("write row", 3, "found by content, then +1"),
    ]
    assert all(move.blur < 1e-6 for step in found for move in step)


def test_heads_walk_round_the_ring():
    trace = ntm_trace([(None, -1), (None, -1)], [(None, 1)] * 2)
    (_, first), (_, second) = moves(trace, Start)
    assert (first.row, first.moved, first.how) == (7, -1, "head -1")
    assert (second.row, second.moved) == (6, -1)


def test_what_is_between_two_states_is_blurred():
    trace = ntm_trace([(None, 0)], [(None, 0)])
    trace["read_weights"] = torch.tensor([[[0.4, 0.3, 0.3, 0, 0, 0, 0, 0]]])
    trace["write_weights"] = torch.tensor([[[0.9, 0.1, 0, 0, 0, 0, 0, 0]]])
    trace["gate"] = torch.tensor([[0.0, 0.25]])
    ((write, read),) = moves(trace, Start)
    assert (read.verb, read.row, read.how) == ("read", None, "blurred")
    assert read.blur == pytest.approx(0.6)
    assert (write.verb, write.row) == ("write row", 0)
    assert write.blur == pytest.approx(0.25)  # the gate's, more than the weighting's 0.1


def test_a_write_that_changes_nothing_leaves_its_row():
    trace = ntm_trace([(None, 0)] * 3, [(None, 0), (None, 1), (None, 1)])
    trace["memory"][1] = trace["memory"][0]
    assert [write.verb for write, _ in moves(trace, Start)] == [
        "write row",
        "leave row",
        "write row",
    ]


def test_a_dnc_is_told_in_its_own_words():
    modes = torch.eye(3)[[1, 2, 0]][:, None]  # content, forward, backward
    trace = {
        "read_weights": torch.stack([sharp(row) for row in (4, 5, 4)])[:, None],
        "write_weights": torch.stack([sharp(row) for row in (1, 2, 2)])[:, None],
        "write_gate": torch.tensor([[0.9], [1.0], [0.1]]),
        "allocation_gate": torch.tensor([[1.0], [0.2], [1.0]]),
        "read_modes": modes,
        "free_gates": torch.tensor([[0.0], [0.9], [0.0]]),
    }
    found = moves(trace)
    assert [(write.verb, write.row, write.how) for write, _ in found] == [
        ("write row", 1, "a free one"), ("write row", 2, "found by content"),
        ("no write", None, ""),
    ]  # fmt: skip
    assert [read.how for _, read in found] == [
        "found by content",
        "on to the row written next, then free it",
        "back to the row written before",
    ]


def test_several_heads_are_told_apart():
    trace = ntm_trace([(None, 0)], [(None, 0)])
    trace["read_weights"] = torch.cat([trace["read_weights"], sharp(2)[None, None]], 1)
    trace["gate"] = torch.zeros(1, 3)
    trace["shift"] = torch.tensor([[[0.0, 1, 0], [0, 0, 1], [1.0, 0, 0]]])
    ((write, first, second),) = moves(trace)
    assert [first.head, second.head, write.head] == ["read 1", "read 2", "write"]
    assert [first.how, second.how, write.how] == ["head stays", "head +1", "head -1"]
    shown = text(program([Step(1, "", False, (write, first, second))]))
    assert "read row 0, head stays (head 1); read row 2, head +1 (head 2)" in shown


def heads_doing(kind, doings):
    return [
        Move(f"{kind} {head}", f"{kind} row" if how else kind, row if how else None, None,
             how or "blurred", 0.5)
        for head, (row, how) in enumerate(doings, 1)
    ]  # fmt: skip


def test_heads_that_do_the_same_are_told_together():
    doings = [(0, ""), (4, "head +1"), (0, ""), (0, ""), (0, ""), (4, "head -1"), (4, "head +1")]
    shown = text(program([Step(1, "item", False, tuple(heads_doing("read", doings)))]))
    wanted = (
        "read blurred (heads 1, 3-5); read row 4, head +1 (heads 2, 7); "
        "read row 4, head -1 (head 6)"
    )
    assert shown.splitlines()[1].split("  ")[-2:] == [wanted, " 0.50"]


def test_a_table_of_many_heads_fits_and_loses_nothing():
    writes = heads_doing("write", [(90 + n, "found by content, then +1") for n in range(5)])
    reads = heads_doing("read", [(n, "on to the row written next") for n in range(3)])
    long = "source, destination, a channel with a long name"
    steps = [Step(number, long, True, (*writes, *reads)) for number in (1, 2)]
    lines = text(program(steps)).splitlines()
    assert max(map(len, lines)) <= WIDTH
    at = lines[0].index("heads")
    assert [line[at:].split("  ")[0].rstrip() for line in lines[1:]] == [
        "write row 90, found by content, then +1 (head 1);",
        "write row 91, found by content, then +1 (head 2);",
        "write row 92, found by content, then +1 (head 3);",
        "write row 93, found by content, then +1 (head 4);",
        "write row 94, found by content, then +1 (head 5);",
        "read row 0, on to the row written next (head 1);",
        "read row 1, on to the row written next (head 2);",
        "read row 2, on to the row written next (head 3) (2 x)",
    ]
    assert " ".join(line[7:at].strip() for line in lines[1:3]) == f"{long}, answer"
    assert [line.endswith("0.50") for line in lines[1:]] == [True] + [False] * 7


def step(number, how, row=0, moved=1, label="bits"):
    move = Move("write", "write row", row, moved, how, number / 1000)
    return Step(number, label, False, (move,))


def test_equal_steps_are_one_line_and_lines_that_come_again_a_loop():
    walk = [("found by content", 9), ("head +1", 1), ("head +1", 1)]
    steps = [step(1, "start", moved=None)] + [
        step(2 + 3 * turn + n, how, row=n, moved=moved)
        for turn in range(4)
        for n, (how, moved) in enumerate(walk)
    ]
    first, loop = program(steps)
    assert isinstance(first, Line)
    assert isinstance(loop, Loop)
    assert len(loop.rounds) == 4
    assert [[len(line.steps) for line in body] for body in loop.rounds] == [[1, 2]] * 4
    assert (loop.first, loop.last) == (2, 13)
    lines = text([first, loop]).splitlines()
    assert lines[2].split() == ["2-13", "4", "times:"]
    assert lines[3].startswith("  2    ")
    assert "write rows 1 to 2, head +1 (2 x)" in lines[4]
    assert lines[4].endswith("0.01")  # the worst of all rounds, step 13


@pytest.mark.parametrize("other", [
    step(2, "head -1"), step(2, "head +1", moved=2), step(2, "head +1", label="delimiter"),
])  # fmt: skip
def test_steps_that_differ_are_not_folded(other):
    assert len(program([step(1, "head +1"), other])) == 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), min_size=1, max_size=40))
def test_no_step_is_lost_and_none_told_twice(doings):
    steps = [step(n, how, moved=moved) for n, (how, moved) in enumerate(doings, 1)]
    flat = []
    for line in program(steps):
        bodies = line.rounds if isinstance(line, Loop) else [[line]]
        for body in bodies:
            assert [each.kind for each in body] == [each.kind for each in bodies[0]]
            flat += [one for each in body for one in each.steps]
            assert all(len({one.kind for one in each.steps}) == 1 for each in body)
    assert flat == steps


def test_inputs_are_called_by_their_channels():
    groups = [(0, 2, "bits 1-3"), (3, 3, "delimiter")]
    on = [[0], [], [3], [], [1, 3], [2], []]
    inputs = torch.zeros(len(on), 4)
    for step, channels in enumerate(on):
        inputs[step, channels] = 1.0
    asked = [False, False, False, True, False, False, True]
    # The second vector is all zero: a vector all the same. Not so those that ask.
    assert told(inputs, groups, asked) == [
        "bits 1-3", "bits 1-3", "delimiter", "", "bits 1-3, delimiter", "bits 1-3", "",
    ]  # fmt: skip


def test_the_digits_of_a_number_go_by_its_name():
    groups = [(0, 1, "source 10s: 0–9"), (2, 3, "source 1s: 0–9"), (4, 5, "edge 1s: 0–9"),
              (6, 6, "new phase"), (7, 7, "answer")]  # fmt: skip
    inputs = torch.zeros(3, 8)
    inputs[0, [1, 3, 4]] = inputs[1, [6, 7]] = 1.0
    names = told(inputs, groups, [False, True, True])
    assert names == ["source, edge", "new phase, answer", ""]
    move = (Move("write", "no write", None, None, "", 0.0),)
    lines = text(program([Step(n, name, n > 0, move) for n, name in enumerate(names)])).splitlines()
    wanted = ["source, edge", "new phase, answer", "answer"]
    at = lines[0].index("heads")
    assert [line[7:at].strip() for line in lines[1:]] == wanted

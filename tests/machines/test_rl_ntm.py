"""The RL-NTM: hand-set programs solve the tasks, and the estimate is the sum over all paths."""

import itertools

import jaxtyping
import pytest
import torch

from tapehead.forms import Tape
from tapehead.machines.rl_ntm import RLNTM
from tapehead.tasks import Batch
from tapehead.tasks.tapes import BLANK, MARKER, CopyTape, ForwardReverseTape


def drawn(task, counts):
    """A batch of tapes of these complexities."""
    parts = [
        type(task)(**{**vars(task), "min_complexity": count, "max_complexity": count}).batch(
            torch.Generator().manual_seed(number), 1
        )
        for number, count in enumerate(counts)
    ]
    tapes = [part.inputs.symbols[0] for part in parts]
    padded = torch.nn.utils.rnn.pad_sequence
    inputs = Tape(
        padded(tapes, batch_first=True),
        torch.cat([part.inputs.limits for part in parts]),
        torch.cat([part.inputs.answers for part in parts]),
    )
    targets = padded([part.targets[0] for part in parts], batch_first=True)
    return Batch(inputs, targets, padded([part.mask[0] for part in parts], batch_first=True))


def written(machine, tape, **how):
    """What a machine writes, and what happened on the way."""
    outputs, run = machine(*tape, **how)
    return outputs.argmax(-1), run


def follow(machine, script):
    """Make a machine choose as told: script (batch, time, choices of a step) of indices."""
    calls = itertools.count()
    machine._pick = lambda logits: script[:, next(calls)]


def said_is_seen(machine):
    """A direct controller that says the symbol under its head, or the one in its memory cell."""
    with torch.no_grad():
        machine.say.weight.zero_()
        machine.say.bias.zero_()
        here = machine.reach * machine.symbols
        machine.say.weight[:, here : here + machine.symbols] = 20 * torch.eye(machine.symbols)
        machine.say.weight[BLANK, here + MARKER] = 30.0
        pass_on_nothing(machine)
    return machine


def pass_on_nothing(machine, but=None):
    """Close the gates of all places in view; `but`: the number of one to open."""
    machine.pass_on.weight.zero_()
    machine.pass_on.bias.fill_(-50.0)
    if but is not None:
        machine.pass_on.bias[but] = 50.0


@pytest.mark.parametrize("reach", [0, 2])
def test_copy_by_hand_is_solved_with_no_time_to_spare(reach):
    """Always go right, always write: the program that copies."""
    task = CopyTape(max_complexity=6)
    machine = said_is_seen(RLNTM(task.symbols, reach=reach))
    with torch.no_grad():
        machine.choose.weight.zero_()
        machine.choose.bias.copy_(torch.tensor([-9.0, -9.0, 9.0, 0.0, -9.0, 9.0]))
    counts = torch.tensor([1, 4, 6])
    batch = drawn(task, counts.tolist())
    tight = batch.inputs._replace(limits=batch.inputs.answers)
    for given in (batch.inputs, tight):
        outputs, run = machine(*given)
        assert task.scores(outputs, batch)["solved"].all()
        assert torch.equal(run.wrote.sum(1), counts + 1)
        assert task.loss(outputs, batch) < 1e-3
        assert run.input_heads[2, :7].tolist() == list(range(7))
        trace = machine.trace(*given)
        assert torch.equal(trace.y, outputs)
        assert torch.equal(trace.input_head, run.input_heads.float())
        assert torch.equal(trace.wrote, run.wrote.float())
    wrong = batch._replace(targets=batch.targets.flip(0))
    assert not task.scores(outputs, wrong)["solved"].all()


def test_a_machine_that_never_writes_is_made_to_in_the_end():
    task = CopyTape(max_complexity=4)
    machine = said_is_seen(RLNTM(task.symbols))
    with torch.no_grad():
        machine.choose.weight.zero_()
        machine.choose.bias.copy_(torch.tensor([-9.0, 9.0, -9.0, 0.0, 9.0, -9.0]))
    tape = drawn(task, [2, 4]).inputs
    _, run = machine(*tape)
    for number in range(2):
        limit, due = int(tape.limits[number]), int(tape.answers[number])
        assert run.wrote[number].nonzero()[:, 0].tolist() == list(range(limit - due, limit))
        assert run.due[number, limit - due : limit].tolist() == list(range(due))
        assert not run.active[number, limit:].any()
        assert (run.log_probs[number, limit:] == 0).all()
    # Forced writing is not a choice: its log-probability is not in the sum.
    moves = machine.choose.bias[:3].log_softmax(-1)[1]
    writes = machine.choose.bias[4:].log_softmax(-1)[0]
    spare = int(tape.limits[0] - tape.answers[0])
    torch.testing.assert_close(run.log_probs[0].sum(), moves * int(tape.limits[0]) + writes * spare)


@pytest.mark.parametrize("place", range(-2, 3))
def test_a_gate_passes_on_the_symbol_of_its_place(place):
    task = CopyTape(max_complexity=4, num_symbols=6)
    machine = RLNTM(task.symbols, reach=2)
    with torch.no_grad():
        machine.say.weight.zero_()
        machine.say.bias.zero_()
        pass_on_nothing(machine, but=place + 2)
    inputs = drawn(task, [4]).inputs
    said, run = written(machine, inputs, sample=True)
    tape = [*inputs.symbols[0].tolist(), *[BLANK] * 8]
    wrote = run.wrote[0].nonzero()[:, 0].tolist()
    heads = [int(run.input_heads[0, time]) for time in wrote]
    expected = [tape[head + place] if head + place >= 0 else BLANK for head in heads]
    assert said[0].tolist() == expected


@pytest.mark.parametrize("ends", ["stop", "wrap"])
def test_at_the_ends_of_its_tape_the_input_head_stops_or_wraps_around(ends):
    """Forwards off the end of a tape of four places, then back off the beginning; beside it in the
    batch a longer one."""
    machine = said_is_seen(RLNTM(6, reach=1, input_ends=ends))
    tape = torch.tensor([[3, 4, 5, 2, 0, 0], [3, 4, 5, 2, 3, 4]])
    moves = [2, 2, 2, 2, 2, 2, *[0] * 8, 1, 1]
    script = torch.tensor([[move, 0, 1] for move in moves]).expand(2, -1, -1)
    inputs = Tape(tape, torch.tensor([16, 16]), torch.tensor([16, 16]))
    follow(machine, script)
    with torch.no_grad():
        machine.say.weight[0, machine.symbols + MARKER] = 0.0
    said, run = written(machine, inputs)
    heads = run.input_heads.tolist()
    if ends == "stop":
        assert heads[0] == [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0, -1, -1, -1]
        assert said[0].tolist() == [3, 4, 5, 2, 0, 0, 0, 0, 0, 2, 5, 4, 3, 0, 0, 0]
        return
    assert heads[0] == [0, 1, 2, 3, 0, 1, 2, 1, 0, 3, 2, 1, 0, 3, 2, 2]
    assert heads[1] == [0, 1, 2, 3, 4, 5, 0, 5, 4, 3, 2, 1, 0, 5, 4, 4]
    for row in (0, 1):
        assert said[row].tolist() == [int(tape[row, at]) for at in heads[row]]
    # The neighbour in view at an end is the symbol at the other end.
    with torch.no_grad():
        machine.say.weight.zero_()
        pass_on_nothing(machine, but=2)
    follow(machine, script)
    seen, _ = written(machine, inputs)
    assert seen[0].tolist() == [int(tape[0, (at + 1) % 4]) for at in heads[0]]


def test_impossible_ends_are_named():
    with pytest.raises(ValueError, match="input_ends must be one of stop, wrap, got 'ring'"):
        RLNTM(6, input_ends="ring")


def tape_player(task, reach, place=0, cell_size=None):
    """Stores the symbol under its input head, and says what is in the memory cell at a place."""
    cell_size = cell_size or task.symbols
    machine = RLNTM(
        task.symbols,
        memory=True,
        forward_only=True,
        cell_size=cell_size,
        hidden_size=4,
        reach=reach,
    )
    here = reach * task.symbols
    with torch.no_grad():
        machine.store.weight.zero_()
        machine.store.bias.fill_(-20.0)
        cells = 40 * torch.eye(cell_size, task.symbols)
        machine.store.weight[:, here : here + task.symbols] = cells
        machine.say.weight.zero_()
        machine.say.bias.zero_()
        pass_on_nothing(machine, but=2 * reach + 1 + reach + place)
        machine.keep.weight.zero_()
    return machine


@pytest.mark.parametrize(
    ("reach", "place", "cell_size"),
    [(0, 0, None), (2, 0, None), (1, -1, 14), (2, 2, 12), (2, -2, 10)],
)
def test_memory_keeps_what_was_stored_where_the_head_was(reach, place, cell_size):
    """Walk right storing each symbol, then walk the memory back saying it: reversed input."""
    task = ForwardReverseTape(max_complexity=5, num_symbols=6)
    machine = tape_player(task, reach, place, cell_size)
    count = 4
    batch = drawn(task, [count])
    # Where cells are too small for all symbols, those of the data still fit.
    assert cell_size is None or batch.inputs.symbols.max() < cell_size
    walk_on, turn, walk_back = [1, 2, 0], [0, 0, 0], [0, 0, 1]
    spare = int(batch.inputs.limits[0]) - count - 1
    follow(machine, torch.tensor([[walk_on] * count + [turn] + [walk_back] * spare]))
    # Store while walking on, keep afterwards.
    calls = itertools.count()
    machine.keep.forward = lambda hidden: torch.full((1, 1), -50.0 if next(calls) < count else 50.0)
    said, run = written(machine, batch.inputs)
    assert run.memory_heads[0, : count + 1].tolist() == list(range(count + 1))
    said, due = said[0].tolist(), batch.targets[0, :count].argmax(-1).tolist()
    # One who looks to the right is late, one who looks to the left is early.
    early, late = max(0, -place), max(0, place)
    assert said[late : count - early] == due[early : count - late]
    assert len(due[early : count - late]) >= 2


@pytest.mark.parametrize("reach", [0, 1])
def test_a_fresh_direct_controller_stores_the_symbol_under_its_head(reach):
    torch.manual_seed(0)
    machine = RLNTM(5, memory=True, cell_size=6, reach=reach)
    window = 2 * reach + 1
    seen = torch.zeros(5, machine.store.in_features)
    for symbol in range(5):
        for place in range(window):
            shown = symbol if place == reach else (symbol + 1) % 5
            seen[symbol, place * 5 + shown] = 1.0
    stored = machine.store(seen).tanh()
    assert stored.argmax(1).tolist() == list(range(5))
    assert (stored.diagonal() > 0.99).all()


@pytest.mark.parametrize("reach", [0, 2])
def test_what_is_stored_replaces_what_was_there(reach):
    task = ForwardReverseTape(max_complexity=5, num_symbols=6)
    machine = tape_player(task, reach)
    batch = drawn(task, [2])
    assert not torch.equal(batch.targets[0, 0], batch.targets[0, 1])
    stay = [1, 1, 0]
    spare = int(batch.inputs.limits[0]) - 2
    follow(machine, torch.tensor([[stay] * 2 + [[0, 1, 1]] * spare]))
    calls = itertools.count()
    machine.keep.forward = lambda hidden: torch.full((1, 1), -50.0 if next(calls) < 2 else 50.0)
    outputs, run = machine(*batch.inputs)
    assert run.wrote[0, :3].tolist() == [False, False, True]
    # Of 10 symbols one has 8 = PASSED_ON, the others -8.
    assert task.answer.costs(outputs, batch)[0, 0, 0] < 1e-3


def test_wrong_calls_are_named():
    with pytest.raises(ValueError, match="controller must be one of direct, lstm, got 'gru'"):
        RLNTM(10, controller="gru")
    with pytest.raises(ValueError, match="reach must be a whole number of at least 0, got -1"):
        RLNTM(10, reach=-1)
    task = CopyTape(max_complexity=3)
    tape = drawn(task, [3]).inputs
    with pytest.raises(ValueError, match="limits must leave a step for every symbol of the answer"):
        RLNTM(task.symbols)(*tape._replace(limits=torch.tensor([2])))
    with pytest.raises(ValueError, match="answers must be at least 1, got 0"):
        RLNTM(task.symbols)(*tape._replace(answers=torch.tensor([0])))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"symbols": [[1, 2, 3]]},
            TypeError,
            r"symbols must be a tensor \(batch, places\), got list",
        ),
        (
            {"symbols": torch.ones(2, 3)},
            ValueError,
            r"symbols must be torch.int64 on cpu where .*float32",
        ),
        (
            {"symbols": torch.ones(3, dtype=torch.int64)},
            ValueError,
            r"symbols must be \(batch, places\)",
        ),
        (
            {"symbols": torch.full((2, 3), 4)},
            ValueError,
            "symbols must lie between 0 and 3, got 4 to 4",
        ),
        ({"answers": torch.tensor([1])}, ValueError, r"answers must be \(2\)"),
        ({"answers": torch.tensor([1.0, 1.0])}, ValueError, "answers must be torch.int64"),
        ({"limits": [5, 5]}, TypeError, r"limits must be a tensor \(2\), got list"),
        ({"limits": torch.tensor([5.0, 5.0])}, ValueError, "limits must be torch.int64"),
        ({"limits": torch.tensor([5])}, ValueError, r"limits must be \(2\)"),
    ],
)
def test_tapes_that_are_none_are_named(change, error, message):
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        machine = RLNTM(4)
        given = {
            "symbols": torch.ones(2, 3, dtype=torch.int64),
            "limits": torch.tensor([5, 5]),
            "answers": torch.tensor([3, 2]),
        }
        outputs, _ = machine(**given)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(machine(**given)[0], outputs)
        with pytest.raises(error, match=message):
            machine(**given | change)
        with pytest.raises(error, match=message):
            machine.trace(**given | change)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def test_training_mode_draws_nothing():
    machine = RLNTM(10, hidden_size=8)
    tape = drawn(CopyTape(max_complexity=4, num_symbols=6), [3, 4]).inputs
    before = torch.get_rng_state()
    trained, judged = machine.train()(*tape)[0], machine.eval()(*tape)[0]
    assert torch.equal(trained, judged)
    assert torch.equal(torch.get_rng_state(), before)

"""The RL-NTM: hand-set programs solve the tasks, and the estimate is the sum over all paths."""

import itertools

import jaxtyping
import pytest
import torch
from paths import standard_errors

from tapehead.machines.rl_ntm import RLNTM
from tapehead.tasks.tapes import BLANK, MARKER, TapeTask


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
    task = TapeTask(kind="copy", max_complexity=6)
    machine = said_is_seen(RLNTM(task.symbols, reach=reach))
    with torch.no_grad():
        machine.choose.weight.zero_()
        machine.choose.bias.copy_(torch.tensor([-9.0, -9.0, 9.0, 0.0, -9.0, 9.0]))
    counts = torch.tensor([1, 4, 6])
    batch = task.batch(torch.Generator().manual_seed(0), counts)
    tight = batch._replace(limits=batch.asked.sum(1))
    for given in (batch, tight):
        run = machine(*given, sample=False)
        assert run.correct.all()
        assert torch.equal(run.wrote.sum(1), counts + 1)
        assert (run.costs.sum(1) < 1e-3).all()
        assert run.input_heads[2, :7].tolist() == list(range(7))
    assert not machine(*batch._replace(targets=batch.targets.flip(0)), sample=False).correct.all()


def test_a_machine_that_never_writes_is_made_to_in_the_end():
    task = TapeTask(kind="copy", max_complexity=4)
    machine = said_is_seen(RLNTM(task.symbols))
    with torch.no_grad():
        machine.choose.weight.zero_()
        machine.choose.bias.copy_(torch.tensor([-9.0, 9.0, -9.0, 0.0, 9.0, -9.0]))
    batch = task.batch(torch.Generator().manual_seed(0), torch.tensor([2, 4]))
    run = machine(*batch, sample=False)
    answers = batch.asked.sum(1)
    for number in range(2):
        limit, due = int(batch.limits[number]), int(answers[number])
        assert run.wrote[number].nonzero()[:, 0].tolist() == list(range(limit - due, limit))
        assert not run.active[number, limit:].any()
        assert (run.costs[number, limit:] == 0).all()
    # Forced writing is not a choice: its log-probability is not in the sum.
    moves = machine.choose.bias[:3].log_softmax(-1)[1]
    writes = machine.choose.bias[4:].log_softmax(-1)[0]
    spare = int(batch.limits[0] - answers[0])
    torch.testing.assert_close(
        run.log_probs[0].sum(), moves * int(batch.limits[0]) + writes * spare
    )


@pytest.mark.parametrize("place", range(-2, 3))
def test_a_gate_passes_on_the_symbol_of_its_place(place):
    task = TapeTask(kind="copy", max_complexity=4, num_symbols=6)
    machine = RLNTM(task.symbols, reach=2)
    with torch.no_grad():
        machine.say.weight.zero_()
        machine.say.bias.zero_()
        pass_on_nothing(machine, but=place + 2)
    batch = task.batch(torch.Generator().manual_seed(0), torch.tensor([4]))
    run = machine(*batch)
    tape = [*batch.tape[0].tolist(), *[BLANK] * 8]
    wrote = run.wrote[0].nonzero()[:, 0].tolist()
    heads = [int(run.input_heads[0, time]) for time in wrote]
    expected = [tape[head + place] if head + place >= 0 else BLANK for head in heads]
    assert run.written[0].tolist() == expected


@pytest.mark.parametrize("ends", ["stop", "wrap"])
def test_at_the_ends_of_its_tape_the_input_head_stops_or_wraps_around(ends):
    """Forwards off the end of a tape of four places, then back off the beginning; beside it in the
    batch a longer one."""
    machine = said_is_seen(RLNTM(6, reach=1, input_ends=ends))
    tape = torch.tensor([[3, 4, 5, 2, 0, 0], [3, 4, 5, 2, 3, 4]])
    moves = [2, 2, 2, 2, 2, 2, *[0] * 8, 1, 1]
    script = torch.tensor([[move, 0, 1] for move in moves]).expand(2, -1, -1)
    targets = torch.zeros(2, 16, dtype=torch.int64)
    run_of = (targets, torch.ones_like(targets, dtype=torch.bool), torch.tensor([16, 16]))
    follow(machine, script)
    with torch.no_grad():
        machine.say.weight[0, machine.symbols + MARKER] = 0.0
    run = machine(tape, *run_of)
    heads = run.input_heads.tolist()
    if ends == "stop":
        assert heads[0] == [0, 1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0, -1, -1, -1]
        assert run.written[0].tolist() == [3, 4, 5, 2, 0, 0, 0, 0, 0, 2, 5, 4, 3, 0, 0, 0]
        return
    assert heads[0] == [0, 1, 2, 3, 0, 1, 2, 1, 0, 3, 2, 1, 0, 3, 2, 2]
    assert heads[1] == [0, 1, 2, 3, 4, 5, 0, 5, 4, 3, 2, 1, 0, 5, 4, 4]
    for row in (0, 1):
        assert run.written[row].tolist() == [int(tape[row, at]) for at in heads[row]]
    # The neighbour in view at an end is the symbol at the other end.
    with torch.no_grad():
        machine.say.weight.zero_()
        pass_on_nothing(machine, but=2)
    follow(machine, script)
    seen = machine(tape, *run_of).written
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
    task = TapeTask(kind="forward-reverse", max_complexity=5, num_symbols=6)
    machine = tape_player(task, reach, place, cell_size)
    count = 4
    batch = task.batch(torch.Generator().manual_seed(0), torch.tensor([count]))
    # Where cells are too small for all symbols, those of the data still fit.
    assert cell_size is None or batch.tape.max() < cell_size
    walk_on, turn, walk_back = [1, 2, 0], [0, 0, 0], [0, 0, 1]
    spare = int(batch.limits[0]) - count - 1
    follow(machine, torch.tensor([[walk_on] * count + [turn] + [walk_back] * spare]))
    # Store while walking on, keep afterwards.
    calls = itertools.count()
    machine.keep.forward = lambda hidden: torch.full((1, 1), -50.0 if next(calls) < count else 50.0)
    run = machine(*batch, sample=False)
    assert run.memory_heads[0, : count + 1].tolist() == list(range(count + 1))
    said, due = run.written[0].tolist(), batch.targets[0, :count].tolist()
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
    task = TapeTask(kind="forward-reverse", max_complexity=5, num_symbols=6)
    machine = tape_player(task, reach)
    batch = task.batch(torch.Generator().manual_seed(0), torch.tensor([2]))
    assert batch.targets[0, 0] != batch.targets[0, 1]
    stay = [1, 1, 0]
    spare = int(batch.limits[0]) - 2
    follow(machine, torch.tensor([[stay] * 2 + [[0, 1, 1]] * spare]))
    calls = itertools.count()
    machine.keep.forward = lambda hidden: torch.full((1, 1), -50.0 if next(calls) < 2 else 50.0)
    run = machine(*batch, sample=False)
    assert run.wrote[0, :3].tolist() == [False, False, True]
    # Of 10 symbols one has 8 = PASSED_ON, the others -8.
    assert run.costs[0, 2] < 1e-3


COSTS = 3


@pytest.mark.parametrize(
    ("memory", "controller"), [(False, "direct"), (True, "direct"), (True, "lstm")]
)
def test_mean_estimate_is_the_sum_over_all_paths(memory, controller):
    """Two symbols to write in three steps: every sequence of choices, weighed and summed."""
    torch.manual_seed(0)
    machine = RLNTM(
        4,
        controller=controller,
        memory=memory,
        hidden_size=4,
        cell_size=2,
        forward_only=True,
        reach=1,
        baseline_size=3,
    ).double()
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(0.7 * torch.randn_like(parameter))
    tape = torch.tensor([[2, 3]])
    targets, limits = torch.tensor([[3, 0]]), torch.tensor([COSTS])
    asked = torch.ones(1, 2, dtype=torch.bool)

    def repeated(count):
        return [part.expand(count, *part.shape[1:]) for part in (tape, targets, asked, limits)]

    sizes = machine.choice_sizes
    every = list(itertools.product(*[range(size) for _ in range(COSTS) for size in sizes]))
    script = torch.tensor(every).unflatten(1, (COSTS, len(sizes)))
    original = machine._pick
    follow(machine, script)
    run = machine(*repeated(len(script)))
    # Different scripts are the same path where a choice was forced or the end was reached; each
    # path is then counted once for each script that leads to it.
    seen: dict[tuple, int] = {}
    for number in range(len(script)):
        free = [
            tuple(
                int(script[number, time, part])
                for part in range(len(sizes))
                if run.active[number, time]
                and not (part == len(sizes) - 1 and forced(run, number, time))
            )
            for time in range(COSTS)
        ]
        seen.setdefault(tuple(free), number)
    assert len(seen) < len(script)
    chosen = torch.tensor(list(seen.values()))
    probability = run.log_probs.sum(1)[chosen].exp()
    torch.testing.assert_close(probability.sum().item(), 1.0)
    mean = (probability * run.costs.sum(1)[chosen]).sum()
    own = [p for n, p in machine.named_parameters() if not n.startswith("baseline")]
    exact = torch.autograd.grad(mean, own, allow_unused=True)
    kept = [number for number, part in enumerate(exact) if part is not None]
    true = torch.cat([exact[number].flatten() for number in kept])

    machine._pick = original
    samples = []
    for _ in range(40):
        loss, _ = machine.training_loss(*repeated(500))
        parts = torch.autograd.grad(loss, [own[number] for number in kept])
        samples.append(torch.cat([part.flatten() for part in parts]))
    assert standard_errors(torch.stack(samples), true) < 6.5


def forced(run, number, time):
    """Whether the steps left were only enough for the symbols left."""
    written = int(run.wrote[number, :time].sum())
    return COSTS - time <= 2 - written


def test_baseline_learns_apart_from_the_machine():
    task = TapeTask(kind="copy", max_complexity=3)
    torch.manual_seed(0)
    machine = RLNTM(task.symbols, hidden_size=8)
    batch = task.batch(torch.Generator().manual_seed(0), torch.tensor([3, 2]))

    def gradients():
        machine.zero_grad()
        generator = torch.Generator().manual_seed(1)
        loss, _ = machine.training_loss(*batch, generator=generator)
        loss.backward()
        return {n: p.grad for n, p in machine.named_parameters() if p.grad is not None}

    joint = gradients()
    for name, parameter in machine.named_parameters():
        parameter.requires_grad_(name.startswith("baseline"))
    alone = gradients()
    for name, gradient in alone.items():
        torch.testing.assert_close(gradient, joint[name])
    assert all((gradient != 0).any() for name, gradient in alone.items())


def test_wrong_calls_are_named():
    with pytest.raises(ValueError, match="controller must be one of direct, lstm, got 'gru'"):
        RLNTM(10, controller="gru")
    with pytest.raises(ValueError, match="reach must be a whole number of at least 0, got -1"):
        RLNTM(10, reach=-1)
    task = TapeTask(kind="copy", max_complexity=3)
    batch = task.batch(torch.Generator().manual_seed(0), torch.tensor([3]))
    with pytest.raises(ValueError, match="limits must leave a step for every symbol asked"):
        RLNTM(task.symbols)(*batch._replace(limits=torch.tensor([2])))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"tape": [[1, 2, 3]]}, TypeError, r"tape must be a tensor \(batch, places\), got list"),
        (
            {"tape": torch.ones(2, 3)},
            ValueError,
            r"tape must be torch.int64 on cpu where .*float32",
        ),
        ({"tape": torch.ones(3, dtype=torch.int64)}, ValueError, r"tape must be \(batch, places\)"),
        ({"tape": torch.full((2, 3), 4)}, ValueError, "tape must lie between 0 and 3, got 4 to 4"),
        ({"targets": torch.full((2, 3), -1)}, ValueError, "targets must lie between 0 and 3"),
        ({"targets": torch.ones(1, 3, dtype=torch.int64)}, ValueError, r"targets must be \(2, ans"),
        ({"asked": torch.ones(2, 3)}, ValueError, "asked must be torch.bool"),
        ({"asked": torch.ones(2, 2, dtype=torch.bool)}, ValueError, r"asked must be \(2, 3\)"),
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
            "tape": torch.ones(2, 3, dtype=torch.int64),
            "targets": torch.ones(2, 3, dtype=torch.int64),
            "asked": torch.ones(2, 3, dtype=torch.bool),
            "limits": torch.tensor([5, 5]),
        }
        costs = machine(**given, sample=False).costs
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(machine(**given, sample=False).costs, costs)
        with pytest.raises(error, match=message):
            machine(**given | change)
        with pytest.raises(error, match=message):
            machine.training_loss(**given | change)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)

"""Actor-critic: the mean estimate is the gradient of the expected return, summed over all paths."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_world import Treasure

from tapehead import DNC, LSTM, NTM, TARDIS, DiscreteNTM, SparseNTM
from tapehead.runs import load_run, read_metrics
from tapehead.tasks import TASKS
from tapehead.tasks.world import play
from tapehead.training import TrainConfig, train
from tapehead.training.objectives import ActorCritic, actor_critic, make_objective
from tapehead.training.objectives.actor_critic import advantages

TASK = Treasure(reach=2, delay=0, moves=3)
MACHINES = {
    "lstm": lambda: LSTM(3, 3, hidden_size=4),
    "ntm": lambda: NTM(3, 3, memory_size=5, word_size=3, hidden_size=4),
    "dnc": lambda: DNC(3, 3, memory_size=5, word_size=3, hidden_size=4),
    "sparse-ntm": lambda: SparseNTM(3, 3, memory_size=5, word_size=3, hidden_size=4),
    "tardis": lambda: TARDIS(
        3, 3, memory_size=5, word_size=3, address_size=2, hidden_size=4, addressing="soft"
    ),
}


@pytest.fixture(autouse=True)
def _known():
    with TASKS.holding(treasure=Treasure):
        yield


def made(name, dtype=torch.float64):
    torch.manual_seed(0)
    machine = MACHINES[name]().to(dtype)
    with torch.no_grad():
        for weight in machine.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return machine


def problems(task, count=8, dtype=torch.float64):
    batch = task.batch(torch.Generator().manual_seed(3), count)
    return batch._replace(inputs=batch.inputs.to(torch.device("cpu"), dtype))


def one(batch, number):
    return batch.map(lambda part: part[number : number + 1])


def follow(monkeypatch, script):
    """Make an objective move as told, step by step."""
    steps = iter(script)

    def noise(logits, generator):
        return 1e9 * torch.nn.functional.one_hot(
            torch.full((len(logits),), next(steps)), logits.shape[-1]
        )

    monkeypatch.setattr(actor_critic, "gumbel", noise)


def paths(task, batch, machine, discount):
    """For each problem and each way to move: script, its chance and return (differentiable), and
    the entropies on it."""
    for number in range(len(batch.targets)):
        for moves in itertools.product([0, 1], repeat=task.moves):
            script = [0] * (1 + task.delay) + list(moves)
            steps = iter(script)
            outputs, played = play(
                task, machine, one(batch, number), lambda _, s=steps: torch.tensor([next(s)])
            )
            logs = outputs[..., :2].log_softmax(-1)
            mask = played.mask[0]
            chosen = (logs * played.targets[..., :2]).sum(-1)[0][mask].sum()
            # A path that ends early is met once for each way to go on.
            chance = chosen.exp() / 2 ** (task.moves - int(mask.sum()))
            rewards = played.targets[0, :, 2]
            value = (rewards * discount ** torch.arange(len(rewards)).double()).sum()
            entropy = -(logs.exp() * logs).sum(-1)[0][mask].sum()
            yield number, script, chance, value, entropy


def gradients(machine, loss):
    machine.zero_grad()
    loss.backward()
    return [torch.zeros_like(w) if w.grad is None else w.grad for w in machine.parameters()]


@pytest.mark.parametrize("entropy", [0.0, 0.3])
@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_the_mean_estimate_is_the_gradient_of_the_expected_return(discount, entropy, monkeypatch):
    """Whatever the values are; and what is paid for entropy is that of the moves at hand."""
    machine, batch = made("lstm"), problems(TASK, 4)
    assert len(set(batch.inputs.x[:, 0, 1].tolist())) > 2
    objective = ActorCritic(
        discount=discount, trace_decay=1.0, entropy=entropy, value_weight=0.0
    ).double()
    every = list(paths(TASK, batch, machine, discount))
    chances = sum(chance for _, _, chance, _, _ in every)
    torch.testing.assert_close(chances, chances.new_tensor(4.0))
    worth = sum(c * value + entropy * c.detach() * h for _, _, c, value, h in every) / 4
    wanted = gradients(machine, -worth)
    total = torch.zeros((), dtype=torch.float64)
    for number, script, chance, _, _ in every:
        follow(monkeypatch, script)
        judged = objective(machine, TASK, one(batch, number))
        total = total + chance.detach() * judged.loss / 4
    found = gradients(machine, total)
    assert max(w.abs().max() for w in wanted) > 1e-3
    for mine, truth in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, truth, rtol=1e-9, atol=1e-12)
    # The value of the loss is what the moves cost.
    cost = sum(c.detach() * -played_return(TASK, machine, one(batch, n), s)
               for n, s, c, _, _ in every) / 4  # fmt: skip
    torch.testing.assert_close(total.detach(), cost)


def played_return(task, machine, batch, script):
    steps = iter(script)
    _, played = play(task, machine, batch, lambda _: torch.tensor([next(steps)]))
    return played.targets[..., 2].sum().detach()


def test_moves_are_drawn_as_often_as_the_machine_says():
    machine, batch = made("lstm"), problems(TASK, 4)
    chances = {}
    for number, script, chance, _, _ in paths(TASK, batch, machine, 1.0):
        if number == 0:
            first = script[1]
            chances[first] = chances.get(first, 0.0) + chance.item()
    many = batch.map(lambda part: part[:1].expand(4000, *part.shape[1:]))
    judged = ActorCritic()(machine, TASK, many, torch.Generator().manual_seed(0))
    share = judged.batch.targets[:, 1, 1].mean().item()
    assert share == pytest.approx(chances[1], abs=0.03)
    assert 0.1 < share < 0.9


rewards_and_values = st.tuples(
    st.integers(1, 6), st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1)
)


@given(rewards_and_values)
@settings(deadline=None)
def test_advantages_are_the_sums_of_the_paper(case):
    time, seed, discount, decay = case
    torch.manual_seed(seed)
    rewards, values = torch.randn(2, 3, time, dtype=torch.float64)
    lengths = torch.randint(1, time + 1, (3,))
    alive = torch.arange(time) < lengths[:, None]
    rewards, values = rewards * alive, values * alive
    found = advantages(rewards, values, discount, decay)
    for number, length in enumerate(lengths.tolist()):
        r, v = rewards[number].tolist(), [*values[number, :length].tolist(), 0.0]
        surprises = [r[t] + discount * v[t + 1] - v[t] for t in range(length)]
        for t in range(time):
            wanted = sum((discount * decay) ** (s - t) * surprises[s] for s in range(t, length))
            assert found[number, t].item() == pytest.approx(wanted, abs=1e-9)


def test_the_critic_learns_what_is_still_to_come():
    """Its slope is that of the mean squared error of living steps, whatever stands in the rest."""
    machine, batch = made("lstm"), problems(TASK, 6)
    objective = ActorCritic(entropy=0.0, value_weight=2.0, trace_decay=1.0)
    with torch.no_grad():
        _, played = play(TASK, machine, batch, lambda logits: logits.argmax(-1))
    values = torch.randn(played.mask.shape, dtype=torch.float64, requires_grad=True)
    logits = torch.zeros(*played.mask.shape, 2, dtype=torch.float64)
    (slope,) = torch.autograd.grad(objective.pull(logits, values, played), values)
    rewards = played.targets[..., 2]
    to_come = rewards.flip(1).cumsum(1).flip(1)
    alive = torch.arange(rewards.shape[1]) < played.inputs.lengths[:, None]
    assert not alive.all()
    wanted = torch.where(alive, 4 * (values - to_come), 0.0) / alive.sum()
    torch.testing.assert_close(slope, wanted)


@pytest.mark.parametrize("name", MACHINES)
def test_the_second_pass_says_what_was_said_in_play(name):
    """Every machine with soft addresses, its kernel too: only so is the estimate that of the moves
    that were made."""
    machine, batch = made(name, torch.float32), problems(TASK, 5, torch.float32)
    said = []
    usual = actor_critic.play

    def watched(*arguments):
        said.append(usual(*arguments))
        return said[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actor_critic, "play", watched)
        judged = ActorCritic()(machine, TASK, batch)
    (outputs, played), steps = said[0], judged.batch.inputs.steps
    alive = torch.arange(outputs.shape[1]) < steps[:, None]
    assert judged.batch is played
    assert not outputs.requires_grad
    torch.testing.assert_close(judged.outputs[alive], outputs[alive], rtol=1e-4, atol=1e-5)
    judged.loss.backward()
    silent = [n for n, w in machine.named_parameters() if w.grad is None or not w.grad.any()]
    assert not [n for n in silent if not n.startswith(("norm", "allocation"))], silent


def settings_of(**changes):
    usual = {
        "task": "treasure",
        "machine": "lstm",
        "machine_options": {"hidden_size": 24},
        "optimiser": "adam",
        "learning_rate": 1e-2,
        "batch_size": 32,
        "max_sequences": 12_000,
        "report_every": 640,
        "validate_every": 1280,
        "validation_sequences": 64,
        "test_sequences": 8,
        "threads": 1,
    }
    return TrainConfig(**{**usual, **changes})


@pytest.mark.parametrize("critic", ["shared", "own"])
def test_it_learns_to_remember_where_to_go(critic, tmp_path):
    """Without memory the best is 0.9 half of the time and 0.7 in the other half less what that
    costs; the whole reward takes knowing the side."""
    result = train(settings_of(objective_options={"critic": critic}), tmp_path / "run")
    assert result.solved
    _, machine, task = load_run(tmp_path / "run")
    batch = task.batch(torch.Generator().manual_seed(9), 64)
    outputs, played = task.run(machine, batch)
    assert task.scores(outputs, played)["return"].mean() > 0.85
    rows = read_metrics(tmp_path / "run")
    assert rows[0]["loss"] == pytest.approx(-rows[0]["return"], abs=0.1)


def test_a_resumed_run_is_the_run_that_went_on(tmp_path):
    """Its critic too, which has weights of its own."""
    options = {"objective_options": {"critic": "own"}, "stop_when_solved": False}
    whole = train(settings_of(max_sequences=1280, **options), tmp_path / "whole")
    train(settings_of(max_sequences=640, **options), tmp_path / "parts")
    parts = train(settings_of(max_sequences=1280, **options), tmp_path / "parts", resume=True)
    ours, theirs = whole.machine.state_dict(), parts.machine.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_critic_of_its_own_never_moves_the_machine():
    machine, batch = made("lstm"), problems(TASK, 6)
    slopes = []
    for weight in (0.0, 3.0):
        torch.manual_seed(1)
        objective = make_objective(
            machine, TASK, critic="own", value_weight=weight, trace_decay=1.0
        )
        assert isinstance(objective, ActorCritic)
        assert objective.network.input_size == machine.input_size
        torch.manual_seed(2)
        judged = objective(machine, TASK, batch)
        slopes.append(gradients(machine, judged.loss))
        critics = [w.grad for w in objective.parameters()]
        assert any(g.abs().sum() > 0 for g in critics if g is not None) == bool(weight)
        twins = zip(objective.network.parameters(), machine.parameters(), strict=True)
        assert not all(torch.equal(own, other) for own, other in twins)
    for plain, weighted in zip(*slopes, strict=True):
        assert torch.equal(plain, weighted)


def test_what_cannot_be_is_one_clear_line():
    machine = made("lstm", torch.float32)
    assert isinstance(make_objective(machine, TASK), ActorCritic)
    for options, error, words in (
        ({"discount": 1.5}, ValueError, "discount must be a finite number from 0 to 1, got 1.5"),
        ({"trace_decay": -1}, ValueError, "trace_decay must be"),
        ({"critic": "mine"}, ValueError, "critic must be one of shared, own, got 'mine'"),
        ({"gamma": 1.0}, TypeError, "has no option 'gamma'; its options: discount"),
    ):
        with pytest.raises(error, match=words):
            make_objective(machine, TASK, **options)
    both_ways = DNC(3, 3, memory_size=4, hidden_size=4, word_size=3, bidirectional=True)
    with pytest.raises(ValueError, match="bidirectional must be False for single steps, got True"):
        make_objective(both_ways, TASK)(both_ways, TASK, problems(TASK, 2, torch.float32))
    discrete = DiscreteNTM(3, 3, memory_size=4, hidden_size=4, word_size=3)
    with pytest.raises(ValueError, match="addressing must be soft on treasure"):
        make_objective(discrete, TASK)

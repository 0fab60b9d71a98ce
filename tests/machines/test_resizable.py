"""A trained machine with another number of rows."""

import copy
import pickle

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils import parametrize, prune

from tapehead import DNC, NTM, TARDIS, DiscreteNTM, DynamicNTM, SparseNTM
from tapehead.machines.ntm import HEAD_INITS, MEMORY_INITS
from tapehead.machines.resizable import FAR, logits_at, rows_at
from tapehead.runs import TrainConfig
from tapehead.runs.build import build_machine, build_task
from tapehead.training.objectives import RowChoices

SHUT, OPEN = -60.0, 60.0
SIZES = {"word_size": 4, "hidden_size": 5}
seeds = st.integers(0, 2**31)
sizes = st.integers(1, 12)


def trained(kind=NTM, seed=0, dtype=torch.float64, **options):
    """As if it had been trained: every number somewhere else."""
    torch.manual_seed(seed)
    machine = kind(3, 2, **SIZES, **options).to(dtype)
    with torch.no_grad():
        for weight in machine.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return machine


def inputs(time=6, dtype=torch.float64, seed=1):
    return torch.randn(2, time, 3, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def equal(left, right):
    assert left.keys() == right.keys()
    return all(torch.equal(left[name], right[name]) for name in left)


@given(sizes, st.integers(1, 600), st.integers(1, 3), seeds, st.sampled_from([0.1, 3.0, 100.0]))
def test_new_rows_take_no_weight_that_single_precision_knows(rows, more, heads, seed, scale):
    torch.manual_seed(seed)
    logits = scale * torch.randn(heads, rows, dtype=torch.float64)
    before, after = logits.softmax(-1), logits_at(rows + more, logits).softmax(-1)
    torch.testing.assert_close(after[:, :rows], before, rtol=2e-7, atol=0)
    new = after[:, rows:]
    # All alike, and not so little that training could not find them.
    torch.testing.assert_close(
        new.sum(-1), torch.full((heads,), 1 / (1 + torch.e**FAR), dtype=torch.float64)
    )
    assert torch.equal(new, new[:, :1].expand_as(new))


@given(sizes, sizes, st.integers(1, 3), seeds)
def test_fewer_rows_share_the_weight_as_they_did(rows, more, heads, seed):
    torch.manual_seed(seed)
    logits = torch.randn(heads, rows + more, dtype=torch.float64)
    before, after = logits.softmax(-1)[:, :rows], logits_at(rows, logits).softmax(-1)
    torch.testing.assert_close(after, before / before.sum(-1, keepdim=True))


@pytest.mark.parametrize("kind", [NTM, DiscreteNTM])
@settings(max_examples=25, deadline=None)
@given(sizes, st.integers(1, 30), st.sampled_from(MEMORY_INITS), st.sampled_from(HEAD_INITS), seeds)
def test_more_rows_and_back_is_the_machine_it_was(kind, rows, more, memory_init, head_init, seed):
    options = {"memory_size": rows, "memory_init": memory_init, "head_init": head_init}
    machine = trained(kind, seed, **options)
    before = copy.deepcopy(machine.state_dict())
    y, _ = machine(inputs())
    machine.memory_size = rows + more
    assert machine.initial_state(1).memory.shape == (1, rows + more, 4)
    assert machine(inputs())[0].isfinite().all()
    machine.memory_size = rows
    assert equal(machine.state_dict(), before)
    assert torch.equal(machine(inputs())[0], y)


def by_place(machine):
    """Heads that begin on the first row, and never look for content."""
    with torch.no_grad():
        heads = machine.num_reads + machine.num_writes
        start = sum(machine.spec.interface_sizes[:2])
        machine.interface.weight[start : start + heads] = 0
        machine.interface.bias[start : start + heads] = SHUT
        for logits in (machine.initial_read_logits, machine.initial_write_logits):
            logits[:, 0] = logits.amax() + OPEN
    return machine


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(0, 2),
    st.integers(1, 50),
    st.booleans(),
    st.sampled_from(["constant", "learned"]),
    seeds,
)
def test_heads_that_go_by_place_never_notice_rows_they_do_not_reach(
    time, reach, more, read_first, memory_init, seed
):
    """Empty rows, as many as the heads can come to on both sides."""
    rows = 2 * reach * time + 1
    machine = by_place(
        trained(
            seed=seed,
            memory_size=rows,
            shift_range=reach,
            num_reads=2,
            read_first=read_first,
            memory_init=memory_init,
        )
    )
    with torch.no_grad():
        machine.initial_memory.fill_(1e-6)
    x = inputs(time, seed=seed)
    y, _ = machine(x)
    machine.memory_size = rows + more
    torch.testing.assert_close(machine(x)[0], y, rtol=1e-4, atol=1e-5)


def test_heads_that_go_round_the_memory_do_notice():
    """One row a step: after as many steps as there are rows a head is on the first one again."""
    machine = by_place(trained(memory_size=5))
    with torch.no_grad():
        first, second, third = (sum(machine.spec.interface_sizes[:n]) for n in (3, 4, 5))
        machine.interface.weight[first:third] = 0
        machine.interface.bias[first:second] = torch.tensor([SHUT, SHUT, OPEN] * 2).double()
        machine.interface.bias[second:third] = OPEN
    assert machine.trace(inputs()).read_weights[0, :, 0].argmax(-1).tolist() == [1, 2, 3, 4, 0, 1]
    machine.memory_size = 7
    assert machine.trace(inputs()).read_weights[0, :, 0].argmax(-1).tolist() == [1, 2, 3, 4, 5, 6]


@given(st.integers(1, 6), st.integers(1, 20), seeds)
@settings(max_examples=25, deadline=None)
def test_old_rows_keep_their_shares_of_what_content_finds_among_them(rows, more, seed):
    machine = trained(seed=seed, memory_size=rows, memory_init="uniform")
    before = machine.trace(inputs(1)).content_weights
    machine.memory_size = rows + more
    after = machine.trace(inputs(1)).content_weights[..., :rows]
    torch.testing.assert_close(after / after.sum(-1, keepdim=True), before, rtol=1e-4, atol=1e-5)


def test_new_rows_are_empty():
    memory = torch.arange(6.0).view(3, 2)
    assert torch.equal(rows_at(5, memory), torch.cat([memory, torch.full((2, 2), 1e-6)]))
    assert torch.equal(rows_at(7, rows_at(5, memory)), rows_at(7, memory))
    assert torch.equal(rows_at(2, memory), memory[:2])


@pytest.mark.parametrize(
    "options",
    [
        {"memory_init": "learned"},
        {"controller": "feedforward", "num_writes": 2, "read_first": False},
    ],
)
@pytest.mark.parametrize("rows", [3, 40])
def test_the_kernel_follows(options, rows):
    machine = trained(memory_size=8, backend="cpu", **options)
    machine(inputs())[0].sum().backward()
    machine.memory_size = rows
    twin = copy.deepcopy(machine)
    twin.backend = "reference"
    found = []
    for each in (machine, twin):
        each.zero_grad()
        y, state = each(inputs())
        (y.square().sum() + state.memory.square().sum()).backward()
        found.append([y, *state, *(weight.grad for weight in each.parameters())])
    for mine, wanted in zip(*found, strict=True):
        torch.testing.assert_close(mine, wanted)
    assert machine.initial_read_logits.grad.shape == (1, rows)
    if "memory_init" in options:
        assert machine.initial_memory.grad.abs().sum() > 0


@pytest.mark.parametrize("kind", [NTM, DiscreteNTM, DNC])
def test_copies_files_and_weights_are_of_the_new_size(kind):
    machine = trained(kind, memory_size=6)
    machine.memory_size = 11
    y, _ = machine(inputs())
    for twin in (copy.deepcopy(machine), pickle.loads(pickle.dumps(machine))):
        assert twin.memory_size == 11
        assert torch.equal(twin(inputs())[0], y)
        twin.memory_size = 6
        assert machine.memory_size == 11
        assert twin(inputs())[1]._fields == machine(inputs())[1]._fields
    settings = TrainConfig(
        task="copy",
        task_options={"num_bits": 1},
        machine={NTM: "ntm", DiscreteNTM: "discrete-ntm", DNC: "dnc"}[kind],
        machine_options={**SIZES, "memory_size": machine.memory_size},
    )
    task = build_task(settings)
    grown = trained(kind, memory_size=6)
    again = build_machine(settings, task)
    small = build_machine(settings, task)
    small.memory_size = 6
    small.memory_size = 11
    assert {n: w.shape for n, w in small.state_dict().items()} == {
        n: w.shape for n, w in again.state_dict().items()
    }
    again = kind(3, 2, **SIZES, memory_size=11).double()
    again.load_state_dict(machine.state_dict())
    assert torch.equal(again(inputs())[0], y)
    grown.memory_size = 11
    grown.load_state_dict(machine.state_dict())
    assert torch.equal(grown(inputs())[0], y)


def test_weights_stay_what_they_were_but_for_their_size():
    machine = trained(memory_size=6, memory_init="learned")
    machine.initial_read_logits.requires_grad_(False)
    before = dict(machine.named_parameters())
    buffers = {name for name, _ in machine.named_buffers()}
    with torch.inference_mode():
        machine.memory_size = 9
    after = dict(machine.named_parameters())
    assert list(after) == list(before)
    assert {name for name, _ in machine.named_buffers()} == buffers
    assert not after["initial_read_logits"].requires_grad
    assert after["initial_memory"].requires_grad
    assert after["initial_memory"].dtype == torch.float64
    changed = {name for name in after if after[name] is not before[name]}
    assert changed == {"initial_memory", "initial_read_logits", "initial_write_logits"}
    machine(inputs())[0].sum().backward()  # weights that inference mode made could not
    machine.memory_size = 9
    assert dict(machine.named_parameters())["initial_memory"] is after["initial_memory"]
    machine.reset_parameters()
    assert machine(inputs())[0].isfinite().all()


def test_a_drawn_memory_stays_a_constant_and_is_saved():
    machine = trained(memory_size=6, memory_init="uniform")
    machine.memory_size = 13
    assert "initial_memory" not in dict(machine.named_parameters())
    assert machine.state_dict()["initial_memory"].shape == (13, 4)


@pytest.mark.parametrize("kind", [NTM, DiscreteNTM, DNC])
def test_what_no_memory_can_have_changes_nothing(kind, monkeypatch):
    # Checks of types in signatures would speak first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    machine = trained(kind, memory_size=6)
    before = copy.deepcopy(machine.state_dict())
    for rows, error in ((0, ValueError), (True, TypeError), (2.0, TypeError), (10**12, ValueError)):
        with pytest.raises(error, match=r"^memory_size must be ") as raised:
            machine.memory_size = rows
        assert "\n" not in str(raised.value)
    assert machine.memory_size == 6
    assert equal(machine.state_dict(), before)
    _, state = machine(inputs())
    machine.memory_size = 7
    with pytest.raises(ValueError, match=r"^state.memory must have shape \(2, 7, 4\)"):
        machine(inputs(), state)


@pytest.mark.parametrize("change", ["prune", "parametrize"])
def test_a_weight_that_is_none_of_its_own_is_named(change):
    machine = trained(memory_size=6)
    if change == "prune":
        prune.l1_unstructured(machine, "initial_write_logits", 1)
    else:
        parametrize.register_parametrization(machine, "initial_write_logits", torch.nn.Identity())
    before = copy.deepcopy(machine.state_dict())
    with pytest.raises(RuntimeError, match=r"^initial_write_logits must be a plain weight"):
        machine.memory_size = 7
    assert machine.memory_size == 6
    assert equal(machine.state_dict(), before)


@pytest.mark.parametrize("kind", [DynamicNTM, TARDIS])
def test_machines_that_learn_about_each_row_say_that_theirs_are_fixed(kind):
    machine = trained(kind, memory_size=6)
    with pytest.raises(AttributeError, match=r"^memory_size of this .* is fixed at 6, got 7: make"):
        machine.memory_size = 7


def test_a_sparse_ntm_keeps_all_of_its_weights():
    """It learns nothing about single rows: rows that it never comes to change nothing."""
    machine = trained(SparseNTM, memory_size=40, rows_per_head=3)
    before, (y, state) = copy.deepcopy(machine.state_dict()), machine(inputs())
    machine.memory_size = 10**5
    assert equal(machine.state_dict(), before)
    again, after = machine(inputs())
    assert torch.equal(again, y)
    assert torch.equal(after.memory[:, :40], state.memory)
    assert not after.memory[:, 40:].any()
    with pytest.raises(ValueError, match=r"^state.memory must have shape \(2, 100000, 4\)"):
        machine(inputs(), state)


def test_an_objective_made_for_other_rows_says_so():
    machine = trained(DiscreteNTM, memory_size=6, dtype=torch.float32)
    objective = RowChoices(**machine.objective_sizes)
    machine.memory_size = 9
    x = inputs(dtype=torch.float32)
    with pytest.raises(ValueError, match=r"rows of the machine must be 6, .* got 9: make another"):
        objective.loss(machine, x, lambda y: y.sum(-1))
    RowChoices(**machine.objective_sizes).loss(machine, x, lambda y: y.sum(-1))[0].backward()
    assert machine.initial_write_logits.grad.shape == (1, 9)

"""What an operation keeps: for its backward pass, and where none can come."""

import weakref

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from tapehead import DNC, NTM, DiscreteNTM, DynamicNTM
from tapehead.ops import lending
from tapehead.ops.dnc.cpu import calls as dnc_calls
from tapehead.ops.dynamic_ntm import reference as dynamic_ntm
from tapehead.ops.ntm import reference
from tapehead.ops.ntm.cpu import calls as ntm_calls

SIZES = {"memory_size": 6, "word_size": 4, "hidden_size": 5}
STEPS = ntm_calls.STEPS_AT_ONCE
MACHINES = {
    "ntm": lambda: NTM(3, 2, **SIZES, num_reads=2, num_writes=2, backend="cpu"),
    "ntm read last": lambda: NTM(3, 2, **SIZES, read_first=False, shift_range=2, backend="cpu"),
    "ntm layers": lambda: NTM(3, 2, **SIZES, num_layers=2, similarity="dot", backend="cpu"),
    "ntm feedforward": lambda: NTM(3, 2, **SIZES, controller="feedforward", backend="cpu"),
    "ntm double": lambda: NTM(3, 2, **SIZES, backend="cpu").double(),
    "dnc": lambda: DNC(3, 2, **SIZES, backend="cpu"),
    "dnc layers": lambda: DNC(3, 2, **SIZES, num_layers=2, erase_freed=True, backend="cpu"),
    "dnc softmax": lambda: DNC(3, 2, **SIZES, allocation="softmax", backend="cpu"),
    "dnc feedforward": lambda: DNC(3, 2, **SIZES, controller="feedforward", backend="cpu"),
}
DOORS = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}


def made(name):
    torch.manual_seed(0)
    return MACHINES[name]()


def inputs(machine, time, batch=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, time, 3, generator=generator).to(machine.read_weight.dtype)


@pytest.mark.parametrize("lengths", [None, [2 * STEPS + 5, 1, STEPS], [STEPS + 1] * 3])
@pytest.mark.parametrize("name", MACHINES)
def test_inference_gives_what_training_gives_to_the_bit(name, lengths):
    machine = made(name)
    x = inputs(machine, 2 * STEPS + 5)
    y, state = machine(x, lengths=lengths)
    assert y.requires_grad
    for door in DOORS.values():
        with door():
            again, after = machine(x, lengths=lengths)
        assert torch.equal(y, again)
        assert all(map(torch.equal, state, after))
    machine.requires_grad_(False)
    again, after = machine(x, state, lengths=lengths)
    machine.requires_grad_(True)
    assert torch.equal(machine(x, state, lengths=lengths)[0], again)


@pytest.mark.parametrize("way", [*DOORS, "frozen"])
@pytest.mark.parametrize(("name", "calls"), [("ntm", ntm_calls), ("dnc", dnc_calls)])
def test_inference_takes_the_same_room_for_any_number_of_steps(name, calls, way, monkeypatch):
    machine, rooms = made(name), []
    usual = calls._room

    def watched(*arguments, **options):
        rooms.append(usual(*arguments, **options))
        return rooms[-1]

    monkeypatch.setattr(calls, "_room", watched)
    if way == "frozen":
        machine.requires_grad_(False)
    for time in (STEPS, 3 * STEPS, 20 * STEPS + 1):
        with DOORS.get(way, torch.enable_grad)():
            y, state = machine(inputs(machine, time))
        assert y.grad_fn is None
        assert all(part.grad_fn is None for part in state)
    sizes = [sum(part.nbytes for part in room) for room in rooms]
    assert len(sizes) == 3
    assert len(set(sizes)) == 1
    machine.requires_grad_(True)
    machine(inputs(machine, 20 * STEPS + 1))
    assert sum(part.nbytes for part in rooms[-1]) > 10 * sizes[0]


@pytest.mark.parametrize("name", ["ntm", "dnc"])
@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_lets_everything_large_go(name, reentrant):
    """Gradients are the same, and between the two passes nothing of the size of a tape is held."""
    machine = made(name)
    x = inputs(machine, 4 * STEPS).requires_grad_()
    large = x.nbytes * 2
    parameters = list(machine.parameters())
    wanted = torch.autograd.grad(machine(x)[0].square().sum(), [x, *parameters], allow_unused=True)

    held = Holding()
    with held:
        machine(x)
    assert held.largest() > large
    held = Holding()
    with held:
        y = checkpoint(lambda x: machine(x)[0], x, use_reentrant=reentrant)
    assert held.largest() <= large
    y.square().sum().backward()
    found = [x.grad, *(parameter.grad for parameter in parameters)]
    for got, want in zip(found, wanted, strict=True):
        assert (got is None and want is None) or torch.equal(got, want)


class Holding(torch.autograd.graph.saved_tensors_hooks):
    """What graphs built inside hold on to, outside of checkpoints."""

    def __init__(self):
        self.sizes = []
        super().__init__(self._pack, lambda tensor: tensor)

    def _pack(self, tensor):
        self.sizes.append(tensor.nbytes)
        return tensor

    def largest(self):
        return max(self.sizes, default=0)


def test_a_lent_buffer_comes_back_when_the_last_who_holds_it_lets_go(monkeypatch):
    monkeypatch.setattr(lending, "SMALLEST", 0)
    lending._spare.clear()
    like = torch.empty(0)
    first = lending.borrow(like, 100)
    place = first.data_ptr()
    view = first[10:20].view(2, 5)
    del first
    assert lending.borrow(like, 100).data_ptr() != place
    del view
    again = lending.borrow(like.double(), 50)
    assert again.data_ptr() == place
    assert again.dtype == torch.float64


def test_only_one_buffer_is_kept_and_none_beyond_a_size(monkeypatch):
    monkeypatch.setattr(lending, "SMALLEST", 0)
    lending._spare.clear()
    like = torch.empty(0)
    small, large = lending.borrow(like, 10), lending.borrow(like, 1000)
    del small, large
    assert [part.size for part in lending._spare] == [4000]
    monkeypatch.setattr(lending, "LARGEST", 4000)
    huge = lending.borrow(like, 1001)
    del huge
    assert not lending._spare


@pytest.mark.parametrize(
    ("make", "module", "writer"),
    [(DiscreteNTM, reference, "add"), (DynamicNTM, dynamic_ntm, "write")],
)
def test_a_machine_in_python_keeps_no_memories_it_does_not_need(make, module, writer, monkeypatch):
    """Of a long sequence they would be most of what there is."""
    machine, written, most = make(3, 2, **SIZES).eval(), [], 0
    usual = getattr(module, writer)

    def watched(*arguments):
        nonlocal most
        memory = usual(*arguments)
        written.append(weakref.ref(memory))
        most = max(most, sum(each() is not None for each in written))
        return memory

    monkeypatch.setattr(module, writer, watched)
    with torch.no_grad():
        machine(torch.rand(2, 30, 3))
        assert most <= 3
        machine.trace(torch.rand(2, 30, 3))
        assert most >= 30

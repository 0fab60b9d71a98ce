"""What reaches an operation, and what an operation keeps: the doors of kernels and references."""

import weakref

import jaxtyping
import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.utils.checkpoint import checkpoint

from tapehead import DNC, NTM, DiscreteNTM, DynamicNTM
from tapehead.machines import dynamic_ntm
from tapehead.ops import gate, lending
from tapehead.ops.dnc import reference as dnc_reference
from tapehead.ops.dnc.cpu import calls as dnc_calls
from tapehead.ops.dnc.cpu import dnc as dnc_kernel
from tapehead.ops.ntm import reference
from tapehead.ops.ntm import reference as ntm_reference
from tapehead.ops.ntm.cpu import calls as ntm_calls
from tapehead.ops.ntm.cpu import ntm as ntm_kernel

SIZES = {"memory_size": 6, "word_size": 4, "hidden_size": 5}
BATCH, TIME = 3, 5


@pytest.fixture(autouse=True)
def _as_a_user_runs_it():
    """Without the checks of shapes in signatures, which would speak first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


class Case:
    """An operation and its arguments by name, as a caller without a machine would have them."""

    def __init__(self, operation, machine, given, kept):
        self.operation, self.spec = operation, machine.spec
        self.given, self.kept = given, kept
        self.weights, self.state = machine._weights(), machine.initial_state(BATCH)

    def __call__(self, lengths=None, **changes):
        given = [changes.pop(name, value) for name, value in self.given.items()]
        weights = self.weights._replace(
            **{k: changes[k] for k in changes if k in self.weights._fields}
        )
        state = self.state._replace(**{k: changes[k] for k in changes if k in self.state._fields})
        return self.operation(*given, weights, state, self.spec, lengths)

    def tensors(self):
        parts = {**self.weights._asdict(), **self.state._asdict()}
        return {name: part for name, part in parts.items() if name in self.kept}


def case(name):
    torch.manual_seed(0)
    if name.startswith("ntm"):
        machine = NTM(3, 2, **SIZES)
        given = {"x": torch.rand(BATCH, TIME, 3)}
        operation = ntm_kernel if name == "ntm-cpu" else ntm_reference.ntm
        kept = machine._weights()._fields + machine.initial_state(1)._fields
    else:
        machine = DNC(3, 2, **SIZES)
        given = {
            "projected": torch.rand(BATCH, TIME, 20),
            "offset": torch.rand(BATCH, TIME, machine.spec.interface_size),
        }
        operation = dnc_kernel if name == "dnc-cpu" else dnc_reference.dnc
        kept = {*dnc_calls.WEIGHTS, *dnc_calls.STATE}
    return Case(operation, machine, given, kept)


every_case = pytest.mark.parametrize("name", ["ntm-cpu", "ntm-ref", "dnc-cpu", "dnc-ref"])


@every_case
def test_every_tensor_of_an_operation_is_looked_at(name):
    run = case(name)
    assert all(part.isfinite().all() for part in run()[0])
    for key, good in {**run.given, **run.tensors()}.items():
        if key in ("x", "projected"):
            continue
        shown = key.replace("_", "[._]", 1)
        for bad in (good.double(), good.bfloat16(), good.to("meta"), good.to_sparse()):
            with pytest.raises(
                ValueError, match=rf"{shown} must be (torch.float32 on cpu|a dense)"
            ):
                run(**{key: bad})
        for bad in (good[..., :-1], good[None], good.new_zeros(())):
            if bad.shape != good.shape:
                with pytest.raises(ValueError, match=r" must have (shape|more dim)"):
                    run(**{key: bad})
        with pytest.raises(TypeError, match=f"{shown} must be a tensor, got None"):
            run(**{key: None})


@every_case
def test_the_first_tensor_of_an_operation_is_looked_at(name):
    run = case(name)
    key = next(iter(run.given))
    for bad, error in (
        (None, TypeError),
        ([1.0], TypeError),
        (torch.rand(3, 5), ValueError),
        (run.given[key][:, :0], ValueError),
        (run.given[key].to_sparse(), ValueError),
    ):
        with pytest.raises(error, match=f"{key} must be "):
            run(**{key: bad})


@pytest.mark.parametrize("name", ["ntm-cpu", "dnc-cpu"])
def test_a_kernel_computes_in_its_own_types_alone(name):
    run = case(name)
    for kind in (torch.float16, torch.bfloat16):
        run_in = {key: part.to(kind) for key, part in {**run.given, **run.tensors()}.items()}
        if name == "dnc-cpu":
            run_in["allocation_strength"] = torch.zeros((), dtype=kind)
        with pytest.raises(ValueError, match=r"must be torch\.float32 or torch\.float64 on cpu"):
            run(**run_in)


@pytest.mark.parametrize("name", ["ntm-cpu", "dnc-cpu"])
def test_lengths_are_looked_at_by_a_kernel_too(name):
    run = case(name)
    for bad in (torch.ones(3), torch.ones(3, dtype=torch.bool), [1, 2, 3]):
        with pytest.raises(ValueError, match="lengths must be whole numbers on cpu, got"):
            run(lengths=bad)
    with pytest.raises(ValueError, match="one number for each of 3 sequences, got shape"):
        run(lengths=torch.tensor([1, 2]))
    # What lies beyond the steps there are is cut off, as in the reference.
    wild = run(lengths=torch.tensor([-5, 2, 2**62]))
    tame = run(lengths=torch.tensor([0, 2, TIME]))
    assert torch.equal(wild[0], tame[0])
    assert all(map(torch.equal, wild[1], tame[1]))


def test_a_tensor_without_storage_is_refused():
    weight = torch.rand(3, 4)
    weight.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match="weight must hold its numbers in memory"):
        gate.address("weight", weight)
    assert gate.address("nothing", torch.empty(0, 4)) == 0


def test_values_are_looked_at_only_where_they_are():
    assert gate.values_known(torch.ones(2))
    assert not gate.values_known(torch.ones(2, device="meta"))
    with FakeTensorMode():
        assert not gate.values_known(torch.ones(2))
    x = torch.rand(2, 4, 3, device="meta")
    assert gate.admit_lengths(torch.tensor([4, 9], device="meta"), x).is_meta


def test_lengths_are_the_librarys_own():
    x = torch.rand(3, 4, 2)
    given = torch.tensor([1, 2, 3])
    own = gate.admit_lengths(given, x)
    given.fill_(9)
    assert own.tolist() == [1, 2, 3]
    assert own.dtype == torch.int64
    assert gate.admit_lengths(torch.tensor([4, 4, 4]), x) is None


def test_padding_is_copied_only_where_there_is_some():
    x = torch.rand(2, 3, 4)
    assert gate.within_lengths(x, None) is x
    cleared = gate.within_lengths(x, torch.tensor([1, 3]))
    assert torch.equal(cleared[0, 0], x[0, 0])
    assert cleared[0, 1:].eq(0).all()
    assert torch.equal(cleared[1], x[1])


def test_a_tape_is_kept_where_gradients_can_be_asked_for_alone():
    weight, plain = torch.ones(2, requires_grad=True), torch.ones(2)
    assert gate.asks_for_gradients(plain, weight)
    assert not gate.asks_for_gradients(plain, plain)
    with torch.no_grad():
        assert not gate.asks_for_gradients(weight)
    with torch.inference_mode():
        assert not gate.asks_for_gradients(weight)
    with forward_ad.dual_level():
        assert gate.asks_for_gradients(plain)


# What an operation keeps.

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


def test_a_sparse_weight_is_not_like_the_others():
    """One that no operation reads, but training does."""
    layer = torch.nn.Linear(2, 2)
    assert gate.alike(layer, layer.weight)
    layer.bias = torch.nn.Parameter(layer.bias.detach().to_sparse())
    assert not gate.alike(layer, layer.weight)

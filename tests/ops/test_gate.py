"""What reaches an operation: the doors of kernels and references."""

import jaxtyping
import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad

from tapehead import DNC, NTM
from tapehead.ops import gate
from tapehead.ops.dnc import reference as dnc_reference
from tapehead.ops.dnc.cpu import calls as dnc_calls
from tapehead.ops.dnc.cpu import dnc as dnc_kernel
from tapehead.ops.ntm import reference as ntm_reference
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


def test_values_are_looked_at_only_where_they_are():
    assert gate.values_known(torch.ones(2))
    assert not gate.values_known(torch.ones(2, device="meta"))
    with FakeTensorMode():
        assert not gate.values_known(torch.ones(2))


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


def test_a_sparse_weight_is_not_like_the_others():
    """One that no operation reads, but training does."""
    layer = torch.nn.Linear(2, 2)
    assert gate.alike(layer, layer.weight)
    layer.bias = torch.nn.Parameter(layer.bias.detach().to_sparse())
    assert not gate.alike(layer, layer.weight)

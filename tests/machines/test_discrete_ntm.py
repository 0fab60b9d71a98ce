"""The discretised NTM: soft it is the plain machine, discrete it reads and writes single rows."""

import pytest
import torch

from tapehead.machines.discrete_ntm import DiscreteNTM
from tapehead.machines.ntm import NTM
from tapehead.ops.estimators import addresses
from tapehead.ops.ntm.cpu import calls


def test_soft_choice_is_the_plain_machine_to_the_floor_of_the_logarithm():
    torch.manual_seed(0)
    sizes = {"memory_size": 5, "word_size": 3, "hidden_size": 6, "num_reads": 2, "num_writes": 2}
    plain = NTM(4, 3, **sizes, backend="reference").double()
    for read_first in (False, True):
        plain.spec = plain.spec.__class__(**{**vars(plain.spec), "read_first": read_first})
        machine = DiscreteNTM(4, 3, **sizes, read_first=read_first, addressing="soft").double()
        machine.load_state_dict(plain.state_dict())
        x = torch.randn(3, 7, 4, dtype=torch.float64)
        lengths = torch.tensor([7, 4, 1])
        expected = plain.trace(x, lengths=lengths)
        got = machine.run(x, machine.initial_state(3), addresses.soft, lengths=lengths)
        torch.testing.assert_close(got.y, expected.y, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(got.state.memory, expected.state.memory, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("read_first", [False, True])
def test_a_soft_trace_is_of_the_run_to_the_last_digit(read_first):
    """The floor of the logarithm, which choices need, is not in what `forward` gives."""
    torch.manual_seed(0)
    sizes = {"memory_size": 5, "word_size": 3, "hidden_size": 6, "num_reads": 2, "num_writes": 1}
    machine = DiscreteNTM(4, 3, **sizes, addressing="soft", read_first=read_first).double()
    x, lengths = torch.randn(3, 7, 4, dtype=torch.float64), torch.tensor([7, 4, 1])
    active = torch.arange(7) < lengths[:, None]
    y, state = machine(x, lengths=lengths)
    trace = machine.trace(x, lengths=lengths)
    torch.testing.assert_close(trace.y[active], y[active], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(tuple(trace.state), tuple(state), rtol=1e-12, atol=1e-12)
    run = machine.run(x, machine.initial_state(3), addresses.soft, lengths=lengths, keep=True)
    assert trace.tensors.keys() == run.inner.keys()
    for name in ("weights", "read_weights", "write_weights"):
        got, wanted = getattr(trace, name)[active], run.inner[name][active]
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    softmax = trace.logits.softmax(-1)
    torch.testing.assert_close(softmax, trace.weights, rtol=1e-4, atol=1e-4)


def test_evaluation_reads_and_writes_exactly_one_row():
    # Reading after the write, so that what was read stands in the memory of the same step.
    sizes = {"memory_size": 6, "word_size": 3, "hidden_size": 8, "read_first": False}
    machine = DiscreteNTM(4, 3, **sizes).eval()
    trace = machine.trace(torch.randn(2, 9, 4))
    for name in ("read_weights", "write_weights"):
        weights = getattr(trace, name)
        assert set(weights.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(weights.sum(-1), torch.ones(2, 9, 1))
    changed = (trace.memory[:, 1:] != trace.memory[:, :-1]).any(-1).sum(-1)
    assert changed.max() == 1
    rows = trace.read_weights.argmax(-1, keepdim=True).expand(-1, -1, -1, 3)
    torch.testing.assert_close(trace.reads, trace.memory.gather(2, rows))
    again = machine(torch.zeros(1, 1, 4))[0]
    assert torch.equal(again, machine(torch.zeros(1, 1, 4))[0])


def test_soft_addresses_take_the_kernel_where_there_is_one(monkeypatch):
    called = []
    kernel = calls.forward
    monkeypatch.setattr(calls, "forward", lambda *a, **k: called.append(a) or kernel(*a, **k))

    def gradients(backend):
        torch.manual_seed(0)
        machine = DiscreteNTM(
            2, 2, memory_size=5, word_size=3, hidden_size=4, memory_init="uniform",
            addressing="soft", backend=backend,
        )  # fmt: skip
        y = machine(x)[0]
        y.square().sum().backward()
        assert len(called) == (1 if backend == "cpu" else 0)
        torch.testing.assert_close(y, machine.trace(x).y, rtol=1e-4, atol=1e-5)
        return [p.grad for p in machine.parameters()]

    x = torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(1))
    wanted = gradients("reference")
    for got, want in zip(gradients("cpu"), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="addressing must be one of soft, discrete, got 'hard'"):
        DiscreteNTM(2, 2, addressing="hard")

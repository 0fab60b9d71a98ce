"""A trace holds the same tensors, whichever backend ran."""

import pytest
import torch
from ntm_cases import Case

CASES = [
    Case(),
    Case(batch=17, num_reads=2, num_writes=3, layers=2, shift_range=2, read_first=True),
    Case(controller="feedforward", similarity="manhattan", rows=1, layers=2),
]
KEPT = ("memory", "reads", "read_weights", "write_weights")


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_traces_are_equal(case, ragged):
    machine = case.machine(backend="reference").double()
    twin = case.machine(backend="cpu").double()
    twin.load_state_dict(machine.state_dict())
    x = torch.randn(case.batch, case.time, 4, dtype=torch.float64)
    lengths = torch.randint(1, case.time + 1, (case.batch,)) if ragged else None
    truth, found = machine.trace(x, lengths=lengths), twin.trace(x, lengths=lengths)
    assert found.tensors.keys() == truth.tensors.keys()
    real = torch.ones(case.batch, case.time, dtype=torch.bool)
    if ragged:
        real = torch.arange(case.time) < lengths[:, None]
    for name, value in truth.tensors.items():
        where = torch.ones_like(real) if name in KEPT else real
        torch.testing.assert_close(
            found.tensors[name][where], value[where], rtol=1e-11, atol=1e-11, msg=name
        )
    torch.testing.assert_close(found.y[real], truth.y[real])
    torch.testing.assert_close(found.state, truth.state)


def test_gradients_flow_through_a_traces_outputs():
    machine = Case().machine(backend="cpu")
    x = torch.randn(3, 5, 4)
    wanted = torch.autograd.grad(machine(x)[0].sum(), machine.read_weight)
    torch.testing.assert_close(
        torch.autograd.grad(machine.trace(x).y.sum(), machine.read_weight), wanted
    )

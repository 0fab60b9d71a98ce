"""What of PyTorch works with the machines that read stories: the cells of their table in
docs/pytorch.md."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tapehead.forms import Story
from tapehead.machines import MACHINES
from tapehead.ops import entities, gru

SMALL = {
    "MemoryNetwork": {"embedding_size": 4, "hops": 2, "memory_size": 3},
    "EntityNetwork": {"num_slots": 3, "hidden_size": 4},
    "DynamicMemoryNetwork": {"hidden_size": 4, "hops": 2},
    "DynamicNTMReader": {
        "sentence_size": 4, "hidden_size": 5, "memory_size": 3, "word_size": 4, "address_size": 2,
    },
}  # fmt: skip
KINDS = {kind.__name__: kind for kind in MACHINES.values() if kind.__name__ in SMALL}
STORY = Story(
    sentences=torch.tensor([[0, 0, 0], [4, 5, 6], [7, 5, 0], [4, 8, 1], [6, 2, 0], [7, 4, 0]]),
    told=torch.tensor([[1, 2, 3, 2], [3, 1, 0, 0]]),
    questions=torch.tensor([[4, 5, 4], [5, 4, 0]]),
    known=torch.tensor([[2, 3, 4], [1, 2, 0]]),
)
WORKS, REFERENCE = "works", "reference"
ALL = dict.fromkeys(SMALL, WORKS)
KERNELS = dict.fromkeys(SMALL, REFERENCE) | {"MemoryNetwork": WORKS}
TABLE = {
    "meta device: built, run, loaded by assign=True": ALL,
    "captured by torch.compile(fullgraph=True)": dict.fromkeys(SMALL, REFERENCE),
    "inside torch.autocast": ALL,
    "a gradient of a gradient": KERNELS,
    "torch.func.grad and functional_call": KERNELS,
    "deepcopy and pickle of machine and trace": ALL,
}


def build(name, **options):
    torch.manual_seed(0)
    sizes = {"vocabulary_size": 9, "sentence_length": 3, "num_answers": 3}
    return KINDS[name](**sizes, **SMALL[name] | options).eval()


def by_reference(machine):
    twin = copy.deepcopy(machine)
    if hasattr(twin, "backend"):
        twin.backend = "reference"
    return twin


def close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def loss(machine, values=None):
    values = dict(machine.named_parameters()) if values is None else values
    y, _ = torch.func.functional_call(machine, values, tuple(STORY))
    return y.square().sum()


@pytest.mark.parametrize("name", SMALL)
def test_it_is_built_and_run_on_the_meta_device(name):
    machine = build(name)
    with torch.device("meta"):
        shell = build(name)
    y, _ = shell(*(part.to("meta") for part in STORY))
    assert (y.device.type, y.shape) == ("meta", (2, 3, 3))
    shell.load_state_dict(machine.state_dict(), assign=True)
    assert torch.equal(shell(*STORY)[0], machine(*STORY)[0])


CAPTURE = """
import torch
from test_reading_pytorch import SMALL, STORY, build, loss

for name in SMALL:
    machine = build(name)
    captured = torch.compile(machine, fullgraph=True, backend="aot_eager")
    y = captured(*STORY)[0]
    torch.testing.assert_close(y, machine(*STORY)[0], rtol=1e-4, atol=1e-6)
    weights = list(machine.parameters())
    ours = torch.autograd.grad(y.square().sum(), weights)
    theirs = torch.autograd.grad(loss(machine), weights)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert all(gradient.abs().sum() > 0 for gradient in ours), name
"""


@pytest.mark.timeout(600)
def test_it_is_captured_as_one_graph():
    """In a process of its own: shape checks are no code that PyTorch can trace."""
    subprocess.run([sys.executable, "-c", CAPTURE], check=True, cwd=Path(__file__).parent)


@pytest.mark.parametrize("name", SMALL)
def test_autocast_changes_nothing(name):
    machine = build(name)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = machine(*STORY)
        traced = machine.trace(*STORY).y
    assert y.dtype == traced.dtype == torch.float32
    assert torch.equal(y, machine(*STORY)[0])
    assert torch.equal(traced, machine.trace(*STORY).y)


@pytest.mark.parametrize("name", SMALL)
def test_a_gradient_can_be_differentiated(name):
    found = []
    for machine in (build(name).double(), by_reference(build(name)).double()):
        weights = list(machine.parameters())
        slopes = torch.autograd.grad(loss(machine), weights, create_graph=True)
        found.append(torch.autograd.grad(sum(each.square().sum() for each in slopes), weights))
    close(*found)
    assert any(gradient.abs().sum() > 0 for gradient in found[0])


@pytest.mark.parametrize("name", SMALL)
def test_torch_func_takes_its_gradient(name, monkeypatch):
    machine = build(name)
    values = dict(machine.named_parameters())
    wanted = torch.autograd.grad(loss(machine), list(values.values()))
    # Transforms cannot look into a kernel: the reference must have been taken.
    for kernels in (entities.cpu, gru.cpu):
        monkeypatch.setattr(kernels, "calls", None)
    found = torch.func.grad(lambda values: loss(machine, values))(values)
    close(tuple(found.values()), wanted)


@pytest.mark.parametrize("name", SMALL)
def test_machine_and_trace_copy_and_pickle(name):
    machine = build(name)
    with torch.no_grad():
        trace = machine.trace(*STORY)
    for again in (copy.deepcopy(machine), pickle.loads(pickle.dumps(machine))):
        assert torch.equal(again(*STORY)[0], machine(*STORY)[0])
    for other in (copy.deepcopy(trace), pickle.loads(pickle.dumps(trace))):
        assert torch.equal(other.attention, trace.attention)


def test_the_table_in_the_docs_is_this_one():
    page = (Path(__file__).parents[2] / "docs" / "pytorch.md").read_text()
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in row] for row in rows]
    (header,) = [row for row in rows if row[0] == "with stories"]
    assert header[1:] == list(SMALL)
    found = {row[0]: dict(zip(SMALL, row[1:], strict=True)) for row in rows if row[0] in TABLE}
    assert found == TABLE

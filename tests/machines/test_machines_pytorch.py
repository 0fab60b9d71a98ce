"""What of PyTorch works with which machine: every cell of the table in docs/pytorch.md."""

import copy
import pickle
import re
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn.utils import parametrizations, prune
from torch.utils import checkpoint

from tapehead import DNC, LSTM, NTM, TARDIS, DiscreteNTM, DynamicNTM, SparseNTM

SIZES = {"memory_size": 5, "word_size": 3, "hidden_size": 4}
MACHINES = {
    "NTM": partial(NTM, 4, 3, **SIZES),
    "NTM, feed-forward": partial(NTM, 4, 3, **SIZES, controller="feedforward"),
    "DNC": partial(DNC, 4, 3, **SIZES),
    "LSTM": partial(LSTM, 4, 3, hidden_size=4, num_layers=2),
    "DiscreteNTM": partial(DiscreteNTM, 4, 3, **SIZES),
    "DynamicNTM": partial(DynamicNTM, 4, 3, **SIZES),
    "SparseNTM": partial(SparseNTM, 4, 3, **SIZES, num_heads=2),
    "TARDIS": partial(TARDIS, 4, 3, **SIZES, addressing="soft"),
}
KERNELS = ("NTM", "NTM, feed-forward", "DNC", "DynamicNTM", "SparseNTM")
WORKS, REFERENCE, REFUSED = "works", "reference", "refused"
FUNC = dict.fromkeys(MACHINES, WORKS) | dict.fromkeys(KERNELS, REFERENCE)
EVERYWHERE = dict.fromkeys(MACHINES, WORKS)
CALLED = EVERYWHERE | dict.fromkeys(("NTM", "NTM, feed-forward"), REFERENCE)
UNREGISTERED = dict.fromkeys(("DynamicNTM", "SparseNTM"), REFERENCE)
# The first rows of this table are `torch.nn.LSTM`'s own limits.
TABLE = {
    "create_graph=True (gradient of a gradient)": FUNC,
    "torch.func.grad": FUNC,
    "torch.func.vmap over sequences": FUNC | {"LSTM": REFUSED},
    "torch.func.jvp and forward mode": FUNC | {"LSTM": REFUSED},
    "torch.func.functional_call": EVERYWHERE,
    "torch.compile(fullgraph=True)": EVERYWHERE | {"LSTM": REFUSED} | UNREGISTERED,
    "torch.export, dynamic batch": EVERYWHERE | UNREGISTERED,
    "torch.export, dynamic batch and time": EVERYWHERE
    | dict.fromkeys(("LSTM", "DiscreteNTM", "DynamicNTM", "SparseNTM", "TARDIS"), REFUSED),
    "meta device, then load_state_dict(assign=True)": EVERYWHERE,
    "deepcopy and pickle of machine, state and trace": EVERYWHERE,
    "torch.utils.checkpoint": EVERYWHERE,
    "torch.autocast": EVERYWHERE,
    "hooks on `output`": CALLED,
    "another module as `output`": CALLED,
    "prune, spectral_norm by hooks": CALLED,
    "parametrizations (spectral_norm, weight_norm)": EVERYWHERE,
    "quantize_dynamic": FUNC,
    "a loss on a trace": FUNC,
    "DistributedDataParallel": EVERYWHERE,
}


def build(name):
    torch.manual_seed(0)
    machine = MACHINES[name]()
    with torch.no_grad():
        for parameter in machine.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    # Discrete addresses are drawn in training: the same ones, or none, for a comparison.
    return machine.eval()


def by_reference(machine):
    twin = copy.deepcopy(machine)
    if hasattr(twin, "backend"):
        twin.backend = "reference"
    return twin


@pytest.fixture
def x():
    return torch.randn(2, 5, 4)


def close(found, truth):
    torch.testing.assert_close(found, truth, rtol=1e-4, atol=1e-5)


def loss_of(machine, parameters, x):
    return torch.func.functional_call(machine, parameters, (x,))[0].square().mean()


def create_graph(machine, x):
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(machine(x)[0].square().sum(), x, create_graph=True)
    found = torch.autograd.grad(slope.square().sum(), x)[0]
    assert found.abs().sum() > 0
    return found


def func_grad(machine, x):
    return torch.func.grad(partial(loss_of, machine), argnums=0)(
        dict(machine.named_parameters()), x
    )


def vmap(machine, x):
    many = torch.stack([x, x + 1, x - 1])
    found = torch.func.vmap(lambda x: machine(x)[0])(many)
    close(found, torch.stack([machine(x)[0] for x in many]))
    return found


def jvp(machine, x):
    return torch.func.jvp(lambda x: machine(x)[0], (x,), (torch.ones_like(x),))[1]


TRANSFORMS = {
    "create_graph=True (gradient of a gradient)": create_graph,
    "torch.func.grad": func_grad,
    "torch.func.vmap over sequences": vmap,
    "torch.func.jvp and forward mode": jvp,
}
REFUSALS = {
    "torch.func.vmap over sequences": "Batching rule not implemented for aten::lstm",
    "torch.func.jvp and forward mode": "forward AD with mkldnn_rnn_layer that does not support it",
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:There is a performance drop:UserWarning")
@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("feature", TRANSFORMS)
def test_transforms_give_what_the_reference_gives(feature, name, x):
    machine, run = build(name), TRANSFORMS[feature]
    if TABLE[feature][name] == REFUSED:
        with pytest.raises(RuntimeError, match=REFUSALS[feature]):
            run(machine, x)
        return
    close(run(machine, x), run(by_reference(machine), x))


@pytest.mark.parametrize("name", KERNELS)
def test_a_forced_kernel_refuses_transforms_in_one_line(name, x):
    machine = build(name)
    machine.backend = "cpu"
    with pytest.raises(RuntimeError, match=r'cannot run: torch\.func .* backend="reference"'):
        jvp(machine, x)
    with forward_ad.dual_level(), pytest.raises(RuntimeError, match='backend="reference"'):
        machine(forward_ad.make_dual(x, torch.ones_like(x)))


@pytest.mark.parametrize("name", MACHINES)
def test_functional_call_takes_the_weights_it_is_given(name, x):
    machine, other = build(name), build(name)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    found = torch.func.functional_call(machine, dict(other.named_parameters()), (x,))[0]
    close(found, other(x)[0])
    assert (found - machine(x)[0]).abs().amax() > 1e-4


@pytest.mark.parametrize("name", MACHINES)
def test_assigned_weights_leave_nothing_on_the_meta_device(name, x):
    machine = build(name)
    with torch.device("meta"):
        empty = MACHINES[name]().eval()
    empty.load_state_dict(machine.state_dict(), assign=True)
    assert not [name for name, tensor in empty.named_buffers() if tensor.is_meta]
    close(empty(x)[0], machine(x)[0])


@pytest.mark.parametrize("name", MACHINES)
def test_machines_states_and_traces_copy_and_pickle(name, x):
    machine = build(name)
    with torch.no_grad():
        trace = machine.trace(x)
        for twin in (copy.deepcopy(machine), pickle.loads(pickle.dumps(machine))):
            close(twin(x)[0], trace.y)
    for twin in (copy.copy(trace), copy.deepcopy(trace), pickle.loads(pickle.dumps(trace))):
        close(twin.hidden, trace.hidden)
        assert type(twin.state) is type(trace.state)
        close(tuple(twin.state), tuple(trace.state))
    with pytest.raises(AttributeError, match=r"this trace has no 'nothing'; it has .*hidden"):
        _ = trace.nothing


@pytest.mark.parametrize("name", MACHINES)
def test_a_trace_prints_names_and_shapes(name, x):
    text = repr(build(name).trace(x))
    assert "y (2, 5, 3), " in text
    assert "hidden (2, 5, 4)" in text
    assert len(text) < 800
    assert "\n" not in text


@pytest.mark.parametrize("name", MACHINES)
def test_a_loss_on_a_trace_trains(name, x):
    """Attention may be a target, and not only the outputs."""
    machine = build(name)
    twin = by_reference(machine)
    for one in (machine, twin):
        trace = one.trace(x)
        # Rows chosen outright pass no gradient on; what they were chosen by does.
        known = trace.tensors
        aim = known.get("logits", known.get("read_weights", trace.hidden))
        aim.square().sum().backward()
    found = {name: p.grad for name, p in machine.named_parameters() if p.grad is not None}
    close(found, {name: p.grad for name, p in twin.named_parameters() if p.grad is not None})
    assert any(gradient.abs().sum() > 0 for gradient in found.values())
    if name in KERNELS:
        with torch.no_grad():
            close(machine.trace(x).read_weights, twin.trace(x).read_weights)


@pytest.mark.parametrize("name", MACHINES)
def test_a_checkpoint_gives_the_same_gradients(name, x):
    machine = build(name)

    def run(x):
        return machine(x)[0]

    parameters = list(machine.parameters())
    plain = torch.autograd.grad(run(x).square().sum(), parameters, allow_unused=True)
    again = checkpoint.checkpoint(run, x, use_reentrant=False)
    close(torch.autograd.grad(again.square().sum(), parameters, allow_unused=True), plain)


@pytest.mark.parametrize("name", MACHINES)
def test_autocast_changes_nothing(name, x):
    """A machine computes in the type of its weights, whatever the layers around it do."""
    machine = build(name)
    with torch.autocast("cpu", torch.bfloat16):
        y, state = machine(x)
        half, _ = machine(x.bfloat16(), state)
    assert y.dtype == half.dtype == torch.float32
    close(y, machine(x)[0])
    close(half, machine(x.bfloat16().float(), state)[0])


PARTS = [
    ("NTM", "input"),
    ("NTM", "interface"),
    ("NTM", "output"),
    ("DNC", "input"),
    ("DNC", "interface"),
    ("DNC", "output"),
    ("LSTM", "output"),
    ("NTM, feed-forward", "output"),
    ("DiscreteNTM", "input"),
    ("DiscreteNTM", "interface"),
    ("DiscreteNTM", "output"),
    ("DynamicNTM", "read_interface"),
    ("DynamicNTM", "erase"),
    ("DynamicNTM", "output"),
    ("SparseNTM", "input"),
    ("SparseNTM", "interface"),
    ("SparseNTM", "output"),
    ("TARDIS", "output"),
]


class Adapted(nn.Module):
    """A layer with something learned beside it, without a weight of that name (as LoRA does)."""

    def __init__(self, layer):
        super().__init__()
        self.base = layer
        self.beside = nn.Linear(layer.in_features, layer.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.beside(x)


def merged(machine, part):
    """The same machine, the adapter added to the weight."""
    twin = copy.deepcopy(machine)
    adapted = getattr(twin, part)
    with torch.no_grad():
        adapted.base.weight.add_(adapted.beside.weight)
    setattr(twin, part, adapted.base)
    return twin


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_another_module_in_place_of_a_part_is_called(name, part, x):
    machine = build(name)
    setattr(machine, part, Adapted(getattr(machine, part)))
    close(machine(x)[0], merged(machine, part)(x)[0])
    machine(x)[0].square().sum().backward()
    assert getattr(machine, part).beside.weight.grad.abs().sum() > 0 or name == "DiscreteNTM"


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_hooks_on_a_part_take_effect(name, part, x):
    machine, seen = build(name), []
    layer = getattr(machine, part)
    before = machine(x)[0]
    layer.register_forward_hook(lambda module, inputs, output: seen.append(output) or 2 * output)
    doubled = build(name)
    with torch.no_grad():
        getattr(doubled, part).weight.mul_(2)
        getattr(doubled, part).bias.mul_(2)
    close(machine(x)[0], doubled(x)[0])
    assert seen
    assert (machine(x)[0] - before).abs().amax() > 1e-5


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize(("name", "part"), PARTS)
def test_pruning_and_the_older_spectral_norm_take_effect(name, part, x):
    machine = build(name)
    layer = getattr(machine, part)
    prune.random_unstructured(layer, "weight", 0.5)
    twin = build(name)
    with torch.no_grad():
        getattr(twin, part).weight.copy_(layer.weight_orig * layer.weight_mask)
    for _ in range(2):
        y = machine(x)[0]
        y.square().sum().backward()
        close(y, twin(x)[0])
        with torch.no_grad():
            # A stale product of mask and weight would not see it.
            layer.weight_orig.mul_(1.1)
            getattr(twin, part).weight.mul_(1.1)
    machine = build(name).train()
    torch.nn.utils.spectral_norm(getattr(machine, part))
    for _ in range(2):
        machine(x)[0].square().sum().backward()


@pytest.mark.parametrize("norm", [parametrizations.spectral_norm, parametrizations.weight_norm])
@pytest.mark.parametrize(("name", "part"), PARTS)
def test_parametrisations_take_effect(name, part, norm, x):
    machine = build(name)
    layer = norm(getattr(machine, part))
    machine.eval()
    twin = build(name)
    with torch.no_grad():
        getattr(twin, part).weight.copy_(layer.weight)
    close(machine(x)[0], twin(x)[0])
    for _ in range(2):
        machine.train()(x)[0].square().sum().backward()


@pytest.mark.parametrize("name", ["NTM", "DNC", "SparseNTM"])
def test_a_part_that_must_be_called_is_named_to_who_forces_a_kernel(name, x):
    machine = build(name)
    machine.interface.register_forward_hook(lambda *_: None)
    machine.backend = "cpu"
    with pytest.raises(RuntimeError, match="cannot run: interface must be called: hooks, or no"):
        machine(x)
    machine.interface = nn.Linear(4, 2)
    with pytest.raises(ValueError, match=r"interface.(weight|bias) must have shape"):
        machine(x)
    machine.backend, machine.interface = "auto", nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(ValueError, match=r"interface must give a tensor of shape \(2, \d+\), got"):
        machine(x)


@pytest.mark.parametrize("name", MACHINES)
def test_quantised_parts_are_used(name, x):
    machine = build(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.ao.quantization.quantize_dynamic(machine, {nn.Linear})
    y = quantised(x)[0]
    assert not torch.equal(y, machine(x)[0])
    torch.testing.assert_close(y, machine(x)[0], rtol=0.1, atol=0.1)


@pytest.fixture(scope="module")
def captured(tmp_path_factory):
    """What became of each machine in processes of their own: shape checks are no code that PyTorch
    can trace, and what one process exports another must be able to load."""
    folder = tmp_path_factory.mktemp("captured")
    script = Path(__file__).with_name("capture.py")
    for stage in ("make", "load"):
        subprocess.run([sys.executable, script, stage, folder], check=True)
    return {path.stem: path.read_text() for path in folder.glob("*.txt")}


CAPTURED = {
    "compile": "torch.compile(fullgraph=True)",
    "batch": "torch.export, dynamic batch",
    "time": "torch.export, dynamic batch and time",
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("how", CAPTURED)
def test_whole_machines_can_be_captured(how, name, captured):
    came = captured[f"{how} {name}"]
    if TABLE[CAPTURED[how]][name] == REFUSED:
        assert re.search("does not support RNN|must be a fixed number of steps", came), came
    else:
        assert came == "as it should"


@pytest.mark.parametrize("processes", [1, 2])
def test_data_parallel_machines_agree(processes, tmp_path):
    """Every parameter has a gradient, the mean over the processes; RL-NTMs too."""
    script = Path(__file__).with_name("parallel.py")
    running = [
        subprocess.Popen([sys.executable, script, tmp_path / "meet", str(rank), str(processes)])
        for rank in range(processes)
    ]
    assert [process.wait() for process in running] == [0] * processes


def test_the_table_in_the_docs_is_this_one():
    page = (Path(__file__).parents[2] / "docs" / "pytorch.md").read_text()
    rows = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in row] for row in rows]
    (header,) = [row for row in rows if row[0] == "feature"]
    assert header[1:] == list(MACHINES)
    found = {row[0]: dict(zip(MACHINES, row[1:], strict=True)) for row in rows if row[0] in TABLE}
    assert found == TABLE

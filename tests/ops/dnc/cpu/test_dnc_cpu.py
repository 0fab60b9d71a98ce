"""The fused kernels against the reference: outputs, final state, every gradient."""

import inspect
import subprocess
import sys

import pytest
import torch
from dnc_cases import build, compare, everything, start

from tapehead import DNC
from tapehead.machines.controlled import CONTROLLERS
from tapehead.ops.allocation import ALLOCATIONS
from tapehead.ops.backends import Choice
from tapehead.ops.dnc import DNCSpec, cpu, implementation, reference
from tapehead.ops.dnc.cpu import registered
from tapehead.ops.similarity import SIMILARITIES

VARIANTS = [
    {},
    {"num_layers": 3, "num_reads": 3},
    {"controller": "feedforward", "num_layers": 2, "num_reads": 2},
    {"similarity": "dot"},
    {"similarity": "euclidean", "num_reads": 2},
    {"similarity": "manhattan"},
    {"allocation": "proportional"},
    {"allocation": "softmax", "num_reads": 2},
    {"erase_freed": True, "num_reads": 3},
    {"freeing": False, "num_reads": 3},
    {"freeing": False, "masked_lookup": True, "sharp_links": True, "layer_norm": True},
    {"layer_norm": True, "num_reads": 2},
    {"masked_lookup": True, "num_reads": 2, "mask_floor": 0.1, "erase_freed": True},
    {"masked_lookup": True, "similarity": "dot"},
    {"masked_lookup": True, "similarity": "euclidean", "num_reads": 2, "mask_floor": 0.2},
    {"masked_lookup": True, "similarity": "manhattan", "layer_norm": True},
    {"sharp_links": True, "num_reads": 3},
    {"sparse_links": 1},
    {"sparse_links": 3, "num_reads": 2},
    {"sparse_links": 99, "num_reads": 2, "num_layers": 2},
    {"sparse_links": 4, "sharp_links": True, "rows": 20},
    {"sharp_links": True, "masked_lookup": True, "controller": "feedforward", "layer_norm": True},
    {"gradient_clip": 0.01, "num_layers": 2, "num_reads": 2},
    {"gradient_clip": 0.01, "num_layers": 2, "controller": "feedforward"},
]
SWITCHES = {"layer_norm": True, "masked_lookup": True, "sharp_links": True, "erase_freed": True}
SPARSE = {"sparse_links": 3, "layer_norm": True}
SIZES = [  # batch, time, rows, word, hidden
    (1, 1, 1, 1, 1),
    (2, 3, 7, 5, 4),
    (9, 4, 16, 8, 8),
    (3, 20, 33, 17, 19),
    (1, 5, 100, 63, 20),
]


@pytest.fixture
def nan_in_new_memory():
    """What is never written must never be read: fresh tensors hold NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("options", VARIANTS)
def test_everything_equals_the_reference(options, nan_in_new_memory):
    x = torch.randn(3, 6, 3, dtype=torch.float64)
    compare(everything(build("cpu", **options), x), everything(build("reference", **options), x))


@pytest.mark.parametrize("left", [0.0, 2.5e-7])
def test_a_memory_full_to_the_brim_is_shared_as_in_the_reference(left, nan_in_new_memory):
    """Free gates shut and nothing written in the step before: usage stays what it was."""
    found = []
    for backend in ("cpu", "reference"):
        machine = build(backend, allocation="proportional", rows=4)
        with torch.no_grad():
            at = sum(machine.spec.interface_sizes[:6])
            machine.interface.weight[at] = 0.0
            machine.interface.bias[at] = -1000.0
        state = start(machine, 1)
        usage = torch.full((1, 4), 1 - left, dtype=torch.float64, requires_grad=True)
        writes = torch.zeros(1, 1, 4, dtype=torch.float64, requires_grad=True)
        state = state._replace(usage=usage, write_weights=writes)
        x = torch.ones(1, 1, 3, dtype=torch.float64)
        y, after = machine(x, state)
        mixture = torch.linspace(-1, 1, 16, dtype=torch.float64).view(4, 4)
        loss = y.sum() + (after.memory[0] * mixture).sum()
        slopes = torch.autograd.grad(loss, (usage, writes))
        found.append((y, after.write_weights, after.memory, *slopes))
    for ours, truth in zip(*found, strict=True):
        assert truth.isfinite().all()
        torch.testing.assert_close(ours, truth, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("switches", [{}, SWITCHES, SPARSE])
@pytest.mark.parametrize("size", SIZES)
def test_everything_equals_the_reference_at_odd_sizes(size, switches, nan_in_new_memory):
    batch, time, rows, word, hidden = size
    options = {"rows": rows, "word": word, "hidden": hidden, "num_reads": 4, "num_layers": 2}
    options |= switches
    x = torch.randn(batch, time, 3, dtype=torch.float64)
    compare(everything(build("cpu", **options), x), everything(build("reference", **options), x))


@pytest.mark.parametrize("options", [VARIANTS[1], VARIANTS[2], SWITCHES, SPARSE])
def test_lengths_and_pieces(options, nan_in_new_memory):
    x = torch.randn(5, 9, 3, dtype=torch.float64)
    lengths = torch.tensor([9, 1, 4, 8, 5])
    ours, truth = build("cpu", **options), build("reference", **options)
    compare(everything(ours, x, lengths), everything(truth, x, lengths))
    compare(everything(ours, x, pieces=[2, 1, 6]), everything(truth, x))


@pytest.mark.parametrize("switches", [{}, SWITCHES, SPARSE])
@pytest.mark.parametrize("every", [1, 2, 3, 7, 100])
def test_how_often_memories_are_kept_changes_nothing(every, switches, monkeypatch):
    x = torch.randn(3, 7, 3, dtype=torch.float64)
    options = {"num_reads": 2, **switches}
    expected = everything(build("cpu", **options), x)
    usual = cpu.dnc
    monkeypatch.setattr(cpu, "dnc", lambda *args: usual(*args, checkpoint_every=every))
    found = everything(build("cpu", **options), x)
    assert all(torch.equal(found[name], part) for name, part in expected.items())


@pytest.mark.parametrize("switches", [{}, SWITCHES, SPARSE])
def test_results_are_the_same_bits_whatever_the_threads(switches):
    """Of the kernels themselves: the products around them are PyTorch's."""
    options = {"rows": 20, "num_reads": 2, "num_layers": 2, **switches}
    machine = build("cpu", **options, dtype=torch.float32)
    first = start(machine, 19)
    projected = torch.randn(19, 7, machine.input.out_features, requires_grad=True)
    offset = torch.randn(19, 7, machine.spec.interface_size, requires_grad=True)
    inputs = [projected, offset, *(part for part in first if part.is_floating_point())]

    def run(threads):
        torch.set_num_threads(threads)
        with torch.no_grad():
            weights = machine._weights()
        features, state = cpu.dnc(projected, offset, weights, first, machine.spec)
        outputs = [features, *(part for part in state if part.is_floating_point())]
        return [*outputs, *torch.autograd.grad([sum(o.sum() for o in outputs)], inputs)]

    usual = torch.get_num_threads()
    try:
        found = [run(threads) for threads in (1, 2, 3, 1)]
    finally:
        torch.set_num_threads(usual)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("switches", [{}, SWITCHES, SPARSE])
def test_single_precision_is_as_close_to_double_as_the_reference_is(switches):
    x = torch.randn(8, 30, 3, dtype=torch.float64)
    options = {"rows": 32, "word": 16, "hidden": 24, "num_reads": 2, **switches}
    truth = everything(build("reference", **options), x)
    errors = {}
    for backend in ("cpu", "reference"):
        found = everything(build(backend, **options).float(), x.float())
        errors[backend] = {
            name: ((found[name].double() - part).norm() / part.norm()).item()
            for name, part in truth.items()
            if part.is_floating_point() and part.norm() > 0
        }
    for name, error in errors["cpu"].items():
        assert error < 4 * errors["reference"][name] + 1e-5, name


@pytest.mark.parametrize("allocation", ["sort", "proportional", "softmax"])
def test_gradients_are_finite_from_an_all_zero_memory(allocation):
    machine = build("cpu", allocation=allocation, dtype=torch.float32)
    y, end = machine(torch.randn(2, 50, 3))
    (y.sum() + sum(part.sum() for part in end)).backward()
    for name, parameter in machine.named_parameters():
        assert parameter.grad.isfinite().all(), name


def test_rows_are_sorted_from_any_order_before_with_ties_by_number():
    """Usages that jump about from call to call, with many ties: the order is the stable one."""
    machine = build("cpu", rows=40)
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        state = start(machine, 2)
        usage = torch.randint(0, 4, (2, 40), generator=g) / 4.0
        state = state._replace(
            usage=usage.double(), write_weights=torch.zeros_like(state.write_weights)
        )
        x = torch.randn(2, 3, 3, dtype=torch.float64)
        y, end = machine(x, state)
        expected, truth = build("reference", rows=40)(x, state)
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(end.write_weights, truth.write_weights)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize(
    "options",
    [{"num_reads": 2}, {"controller": "feedforward", "gradient_clip": 1e6, **SWITCHES, **SPARSE}],
)
def test_operators_pass_pytorchs_check(options, ragged):
    made = build("cpu", dtype=torch.float32, num_layers=2, **options)
    spec, x = made.spec, torch.randn(3, 5, 3)
    lengths = torch.tensor([3, 5, 1]) if ragged else None
    state = [part for part in start(made, 3) if part.is_floating_point()]
    weights = made._weights()
    tensors = [made.input(x), made.interface.bias.expand(3, 5, -1), torch.tensor(3.0)]
    tensors += [*weights[:6], *state]
    columns = start(made, 3).link_columns
    projected, offset, *rest = [tensor.detach().clone().requires_grad_() for tensor in tensors]
    options = [getattr(spec, name) for name in registered.OPTIONS]
    operator = torch.ops.tapehead.dnc.default
    torch.library.opcheck(operator, (projected, offset, lengths, columns, *rest, *options, 2))


COMPILED = """
import torch
from tapehead import DNC
torch.manual_seed(0)
made = DNC(4, 3, memory_size=17, word_size=5, hidden_size=12, num_reads=2, backend="cpu")
compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
for batch, time in ((3, 6), (5, 9)):
    found = []
    x = torch.randn(batch, time, 4)
    for run in (made, compiled):
        y, state = run(x)
        loss = y.square().sum() + state.memory.sum()
        found.append([y, *state, *torch.autograd.grad(loss, list(made.parameters()))])
    torch.testing.assert_close(*found)
"""


def test_torch_compile_takes_the_whole_machine_as_one_graph():
    """In a process without shape checks: they are no code that PyTorch can trace."""
    subprocess.run([sys.executable, "-c", COMPILED], check=True)


@pytest.mark.parametrize("switches", [{}, SWITCHES, SPARSE])
def test_nan_goes_through_and_ends(switches):
    machine = build("cpu", **switches)
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    x[0, 1] = torch.nan
    y, _ = machine(x)
    assert y[0, 1:].isnan().all()
    assert y[1].isfinite().all()


EVERY_OPTION = {
    "num_layers": [2],
    "controller": CONTROLLERS,
    "similarity": SIMILARITIES,
    "allocation": ALLOCATIONS,
    "masked_lookup": [True],
    "freeing": [False],
    "erase_freed": [True],
    "sharp_links": [True],
    "layer_norm": [True],
    "bypass_dropout": [0.5],
    "bidirectional": [True],
    "sparse_links": [3],
    "biases": [False],
    "forget_bias": [0.0],
    "mask_floor": [0.5],
    "gradient_clip": [1.0],
}
SIZES_ALONE = {"input_size", "output_size", "memory_size", "word_size", "num_reads", "hidden_size"}


def test_auto_takes_the_kernel_whatever_the_switches():
    named = set(inspect.signature(DNC).parameters)
    assert named == {*EVERY_OPTION, *SIZES_ALONE, "backend"}
    for option, values in EVERY_OPTION.items():
        for value in values:
            machine = DNC(3, 2, memory_size=4, word_size=3, hidden_size=4, **{option: value})
            assert machine.backend_choice() == Choice("cpu"), option


def test_hidden_units_are_dropped_behind_the_kernel_as_behind_the_reference():
    found = []
    for backend in ("cpu", "reference"):
        machine, x = build(backend, bypass_dropout=0.5), torch.ones(3, 6, 3, dtype=torch.float64)
        torch.manual_seed(11)
        found.append(everything(machine, x))
    compare(*found)
    assert not torch.equal(found[0]["y"], everything(machine.eval(), x)["y"])


def test_auto_takes_the_kernel_where_it_can():
    spec = DNCSpec(num_reads=1, word_size=2)
    assert implementation("auto", torch.zeros(1, 1, 4), spec) is cpu
    assert implementation("auto", torch.zeros(1, 1, 4, dtype=torch.bfloat16), spec) is reference
    assert implementation("reference", torch.zeros(1, 1, 4), spec) is reference

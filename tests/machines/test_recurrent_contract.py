"""What every recurrent machine promises, held by each of the registry with the options that matter.

What one machine alone promises is in the file of that machine; what all of them say of arguments
that they cannot take, in `test_recurrent_inputs.py`.
"""

import copy
import math
import pickle
from typing import NamedTuple

import pytest
import torch
from torch import nn

from tapehead.machines import MACHINES, Recurrent
from tapehead.ops.links import SparseLink, dense_link
from tapehead.ops.similarity import cosine

TIME, BATCH = 7, 3
LENGTHS = [4, 7, 1]


class Leaky(nn.Module):
    """A recurrent layer of one's own, with two states."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.enter = nn.Linear(input_size, hidden_size)
        self.again = nn.Linear(hidden_size, hidden_size, bias=False)

    def forward(self, inputs, hidden, cell):
        cell = 0.9 * cell + 0.1 * self.again(hidden)
        return (self.enter(inputs) + cell).tanh(), cell


def softsign(input_size, hidden_size):
    return nn.Sequential(nn.Linear(input_size, hidden_size), nn.Softsign())


def halved(keys, memory):
    return 0.5 * cosine(keys, memory)


class Case(NamedTuple):
    """A machine of the registry, and what it cannot promise.

    whole: it must see its sequence whole.
    choosing: it takes one row outright, through which no gradient goes.
    drawing: it draws while it is trained.
    """

    kind: str
    options: dict
    whole: bool = False
    choosing: bool = False
    drawing: bool = False


SMALL = {"memory_size": 6, "word_size": 3, "hidden_size": 4}
ROWS = {**SMALL, "address_size": 2}
TARDIS = {**ROWS, "attention_size": 3}
SOFT = {"addressing": "soft"}
HARD = {"addressing": "discrete"}
OTHERWISE = {"usage_norm": "softmax", "scoring": "linear", "peepholes": True}
CASES = {
    "ntm": Case("ntm", SMALL),
    "ntm feedforward": Case("ntm", SMALL | {"controller": "feedforward"}),
    "ntm many": Case(
        "ntm", SMALL | {"num_layers": 2, "num_reads": 2, "num_writes": 3, "shift_range": 2}
    ),
    "ntm write first": Case(
        "ntm", SMALL | {"read_first": False, "similarity": "euclidean", "num_writes": 2}
    ),
    "ntm feedforward layers": Case(
        "ntm", SMALL | {"controller": "feedforward", "num_layers": 2, "similarity": "manhattan"}
    ),
    "ntm learned": Case(
        "ntm", SMALL | {"similarity": "dot", "memory_init": "learned", "controller_init": "learned"}
    ),
    "ntm own cell": Case("ntm", SMALL | {"controller": nn.GRUCell, "similarity": halved}),
    "ntm own layers": Case("ntm", SMALL | {"controller": Leaky, "num_layers": 2}),
    "dnc": Case("dnc", SMALL),
    "dnc feedforward": Case("dnc", SMALL | {"controller": "feedforward", "num_layers": 2}),
    "dnc many": Case("dnc", SMALL | {"num_layers": 3, "num_reads": 3}),
    "dnc proportional": Case(
        "dnc", SMALL | {"allocation": "proportional", "similarity": "euclidean"}
    ),
    "dnc softmax": Case(
        "dnc", SMALL | {"allocation": "softmax", "similarity": "dot", "num_reads": 2}
    ),
    "dnc extended": Case(
        "dnc",
        SMALL | {"masked_lookup": True, "erase_freed": True, "sharp_links": True, "num_reads": 2},
    ),
    "dnc keeping": Case("dnc", SMALL | {"freeing": False, "num_reads": 2}),
    "dnc normed": Case(
        "dnc",
        SMALL
        | {"masked_lookup": True, "similarity": "manhattan", "layer_norm": True, "num_layers": 2},
    ),
    "dnc sparse": Case("dnc", SMALL | {"sparse_links": 2, "num_reads": 2}),
    "dnc sparse in name": Case(
        "dnc", SMALL | {"sparse_links": 99, "sharp_links": True, "controller": "feedforward"}
    ),
    "dnc bidirectional": Case(
        "dnc", SMALL | {"bidirectional": True, "num_reads": 2, "layer_norm": True}, whole=True
    ),
    "dnc own cell": Case("dnc", SMALL | {"controller": nn.LSTMCell, "similarity": halved}),
    "dnc own layers": Case("dnc", SMALL | {"controller": softsign, "num_layers": 2}),
    "lstm": Case("lstm", {"hidden_size": 4, "num_layers": 3}),
    "lstm learned": Case("lstm", {"hidden_size": 4, "num_layers": 1, "controller_init": "learned"}),
    "discrete-ntm": Case("discrete-ntm", SMALL | HARD, choosing=True),
    "discrete-ntm many": Case(
        "discrete-ntm",
        SMALL | HARD | {"num_reads": 2, "num_writes": 2, "read_first": False},
        choosing=True,
    ),
    "discrete-ntm soft": Case("discrete-ntm", SMALL | SOFT),
    "discrete-ntm soft own cell": Case("discrete-ntm", SMALL | SOFT | {"controller": nn.GRUCell}),
    "dynamic-ntm": Case("dynamic-ntm", ROWS | SOFT),
    "dynamic-ntm many": Case(
        "dynamic-ntm",
        ROWS | SOFT | {"controller": "lstm", "num_reads": 2, "num_writes": 2, "reading_steps": 2},
    ),
    "dynamic-ntm feedforward": Case("dynamic-ntm", ROWS | SOFT | {"controller": "feedforward"}),
    "dynamic-ntm own cell": Case("dynamic-ntm", ROWS | SOFT | {"controller": nn.GRUCell}),
    "dynamic-ntm discrete": Case("dynamic-ntm", ROWS | HARD, choosing=True),
    "sparse-ntm": Case("sparse-ntm", SMALL | {"rows_per_head": 2}),
    "sparse-ntm many": Case("sparse-ntm", SMALL | {"num_heads": 2, "threshold": 0.2}),
    "tardis": Case("tardis", TARDIS | HARD, choosing=True),
    "tardis soft": Case("tardis", TARDIS | SOFT),
    "tardis otherwise": Case("tardis", TARDIS | SOFT | OTHERWISE),
    "tardis sampled": Case(
        "tardis", TARDIS | SOFT | {"scalar_gate": "gumbel-sigmoid"}, drawing=True
    ),
}  # fmt: skip
every_machine = pytest.mark.parametrize("name", CASES)
in_pieces = pytest.mark.parametrize("name", [name for name in CASES if not CASES[name].whole])
# TARDIS counts reads, and no gradient goes through a count; its own file differentiates it.
differentiable = pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if not case.choosing and case.kind != "tardis"]
)


def made(name, dtype=torch.float64, **options):
    """A machine far from the even weightings of a fresh one, every bias of its own."""
    torch.manual_seed(0)
    case = CASES[name]
    backend = {} if case.kind in ("lstm", "tardis") else {"backend": "reference"}
    machine = MACHINES[case.kind](3, 2, **{**case.options, **backend, **options}).double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in machine.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.3 * noise)
    return machine.to(dtype).eval()


def inputs(batch=BATCH, time=TIME, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, time, 3, generator=generator, dtype=torch.float64).to(dtype)


def loss_of(y, state):
    """Of every output and every part of the state, none weighted like another."""
    loss = torch.zeros((), dtype=y.dtype)
    for part in (y, *state):
        if part.is_floating_point():
            weights = torch.linspace(-1, 1, part[0].numel(), dtype=y.dtype)
            loss = loss + (part.flatten(1) * weights).sum() + part.square().sum()
    return loss


def gradients(machine, y, state):
    machine.zero_grad()
    loss_of(y, state).backward()
    return {name: parameter.grad for name, parameter in machine.named_parameters()}


def equal(left, right):
    return all(map(torch.equal, left, right))


def test_every_recurrent_machine_of_the_registry_is_held_to_it():
    recurrent = {name for name, kind in MACHINES.items() if issubclass(kind, Recurrent)}
    assert recurrent == {case.kind for case in CASES.values()}


@every_machine
def test_a_state_is_a_tuple_of_named_tensors_batch_first(name):
    machine, x = made(name), inputs()
    first = machine.initial_state(BATCH)
    y, last = machine(x)
    assert y.shape == (BATCH, TIME, 2)
    for state in (first, last):
        assert type(state) is type(first)
        assert all(part.shape[0] == BATCH for part in state)
        assert [part.shape for part in state] == [part.shape for part in first]
    assert equal(machine(x, first)[0], y)
    sizes = sum(part[0].numel() for part in first)
    assert machine.state_numbers == sizes


@in_pieces
def test_a_sequence_in_pieces_is_the_whole_in_outputs_state_and_gradients(name):
    machine, x = made(name), inputs(time=8)
    whole, end = machine(x)
    wanted = gradients(machine, whole, end)
    state, pieces = None, []
    for piece in x.split([1, 4, 3], dim=1):
        y, state = machine(piece, state)
        pieces.append(y)
    joined = torch.cat(pieces, 1)
    torch.testing.assert_close(joined, whole)
    torch.testing.assert_close(state, end)
    torch.testing.assert_close(gradients(machine, joined, state), wanted)


@in_pieces
def test_steps_are_the_whole(name):
    machine, x = made(name), inputs()
    state, steps = machine.initial_state(BATCH), []
    for x_t in x.unbind(1):
        y, state = machine.step(x_t, state)
        steps.append(y)
    whole, end = machine(x)
    torch.testing.assert_close(torch.stack(steps, 1), whole)
    torch.testing.assert_close(state, end)


@every_machine
def test_a_sequence_in_a_padded_batch_is_as_if_it_were_alone(name):
    machine, x = made(name), inputs().requires_grad_()
    lengths = torch.tensor(LENGTHS)
    y, state = machine(x, lengths=lengths)
    for b, length in enumerate(LENGTHS):
        alone, end = machine(x[b : b + 1, :length])
        torch.testing.assert_close(y[b : b + 1, :length], alone)
        torch.testing.assert_close(type(end)(*(part[b : b + 1] for part in state)), end)
    answered = torch.arange(TIME) < lengths[:, None]
    (slope,) = torch.autograd.grad(loss_of(y * answered[..., None], state), x)
    assert (slope[~answered] == 0).all()
    assert (slope[answered] != 0).any(-1).all()


@every_machine
def test_sequences_of_a_batch_do_not_mix(name):
    machine, x = made(name), inputs()
    _, state = machine(x[:, :3])
    order = torch.tensor([1, 0, 2])  # no rotation: it would not notice one
    y, end = machine(x, state)
    turned, after = machine(x[order], type(state)(*(part[order] for part in state)))
    torch.testing.assert_close(turned, y[order])
    torch.testing.assert_close(after, type(end)(*(part[order] for part in end)))


def comparable(state):
    """A state with its sparse links as a matrix: in which place a row keeps one is a backend's
    own affair."""
    columns = getattr(state, "link_columns", torch.empty(0))
    if not columns.numel():
        return state
    link = dense_link(SparseLink(state.link, columns))
    return state._replace(link=link, link_columns=columns[..., :0])


def shared(trace):
    """Inner tensors that the state holds too, as they are after each step."""
    parts = trace.state._asdict()
    if "content" in parts:
        parts["memory"] = parts["content"]
    if "link_columns" in parts and parts["link_columns"].numel():
        del parts["link"]  # which of them are kept, and a trace shows them all
    return {
        name: (tensor, parts[name])
        for name, tensor in trace.tensors.items()
        if name in parts and tensor[:, 0].shape == parts[name].shape
    }


@every_machine
def test_a_trace_is_the_run_itself(name):
    machine, x = made(name), inputs()
    y, state = machine(x)
    trace = machine.trace(x)
    torch.testing.assert_close(trace.y, y, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(comparable(trace.state), comparable(state), rtol=1e-9, atol=1e-9)
    for inner, tensor in trace.tensors.items():
        assert tensor.shape[:2] == (BATCH, TIME), inner
        assert tensor.isfinite().all(), inner
    for inner, (tensor, last) in shared(trace).items():
        torch.testing.assert_close(tensor[:, -1], last, msg=inner)
    with pytest.raises(AttributeError, match="this trace has no 'nothing'"):
        _ = trace.nothing


@in_pieces
def test_a_trace_goes_on_from_a_state_and_shows_each_step_once(name):
    machine, x = made(name), inputs()
    whole = machine.trace(x)
    first = machine.trace(x[:, :3])
    second = machine.trace(x[:, 3:], first.state)
    torch.testing.assert_close(second.state, whole.state)
    for inner, tensor in whole.tensors.items():
        joined = torch.cat([getattr(first, inner), getattr(second, inner)], 1)
        torch.testing.assert_close(joined, tensor, msg=inner)


@every_machine
def test_a_trace_past_the_end_of_a_sequence_shows_what_it_keeps(name):
    machine, x = made(name), inputs()
    trace = machine.trace(x, lengths=torch.tensor(LENGTHS))
    y, state = machine(x, lengths=torch.tensor(LENGTHS))
    torch.testing.assert_close(comparable(trace.state), comparable(state))
    for b, length in enumerate(LENGTHS):
        torch.testing.assert_close(trace.y[b, :length], y[b, :length])
        for inner, (tensor, _) in shared(trace).items():
            kept = tensor[b, length - 1].expand_as(tensor[b, length - 1 :])
            torch.testing.assert_close(tensor[b, length - 1 :], kept, msg=inner)


@every_machine
def test_nothing_hides_in_the_module_and_nothing_given_is_changed(name):
    machine, x = made(name), inputs()
    weights = {key: value.clone() for key, value in machine.state_dict().items()}
    y, state = machine(x)
    given = [x.clone(), *(part.clone() for part in state)]
    machine(inputs(batch=2) + 1)
    again, after = machine(x)
    assert torch.equal(again, y)
    assert equal(after, state)
    if not CASES[name].whole:
        machine(x, state)
    assert equal([x, *state], given)
    assert machine.state_dict().keys() == weights.keys()
    assert all(torch.equal(value, weights[key]) for key, value in machine.state_dict().items())


@every_machine
def test_training_mode_draws_nothing(name):
    """What is drawn is the objective's affair, but for gates that say that they are."""
    machine, x = made(name), inputs()
    before, judged = torch.get_rng_state(), machine(x)[0]
    trained = machine.train()(x)[0]
    assert torch.equal(trained, judged) != CASES[name].drawing
    assert torch.equal(torch.get_rng_state(), before) != CASES[name].drawing


@every_machine
def test_copies_and_saved_weights_are_the_same_machine_with_weights_of_their_own(name):
    machine, x = made(name), inputs(time=3)
    y, _ = machine(x)
    loaded = MACHINES[CASES[name].kind](3, 2, **CASES[name].options).double().eval()
    loaded.load_state_dict(machine.state_dict())
    if hasattr(loaded, "backend"):
        loaded.backend = "reference"
    for twin in (loaded, copy.deepcopy(machine), pickle.loads(pickle.dumps(machine))):
        assert torch.equal(twin(x)[0], y)
        with torch.no_grad():
            for parameter in twin.parameters():
                parameter.add_(0.1)
        assert not torch.equal(twin(x)[0], y)
    assert torch.equal(machine(x)[0], y)


@in_pieces
def test_a_state_that_was_saved_goes_on_to_the_same_bits(name):
    machine, x = made(name), inputs()
    with torch.no_grad():
        _, state = machine(x[:, :4])
        y, end = machine(x[:, 4:], state)
        for twin in (copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
            again, after = machine(x[:, 4:], twin)
            assert torch.equal(again, y)
            assert equal(after, end)
            assert type(after) is type(end)


@every_machine
def test_outputs_and_state_have_the_type_of_the_weights(name):
    machine, x = made(name), inputs()
    y, state = machine(x)
    single, after = made(name, torch.float32)(x.float())
    assert single.dtype == torch.float32
    for exact, part in zip(state, after, strict=True):
        assert part.dtype == (torch.float32 if exact.is_floating_point() else exact.dtype)
    # Not so for the later steps of a machine that chose another row, by a rounding.
    torch.testing.assert_close(single[:, 0].double(), y[:, 0], rtol=1e-4, atol=1e-4)


@every_machine
def test_every_weight_has_a_gradient_and_it_is_finite(name):
    machine = made(name)
    found = gradients(machine, *machine(inputs()))
    for weight, gradient in found.items():
        if gradient is None or not (gradient != 0).any():
            assert CASES[name].choosing, weight
        else:
            assert gradient.isfinite().all(), weight
    live = [g for g in found.values() if g is not None and (g != 0).any()]
    assert len(live) >= 3


@differentiable
def test_gradients_of_everything_by_finite_differences(name):
    least = {"hidden_size": 2, "word_size": 2, "memory_size": 3}
    machine = made(name, **{key: least[key] for key in least if key in CASES[name].options})
    x = inputs(batch=2, time=2).requires_grad_()
    names, values = zip(*machine.named_parameters(), strict=True)
    # A machine that has begun: rows alike, such as empty ones, trade places under a difference.
    begun = None
    if not CASES[name].whole:
        with torch.no_grad():
            _, begun = machine(inputs(batch=2, time=5))

    def run(x, *values):
        weights = dict(zip(names, values, strict=True))
        y, state = torch.func.functional_call(machine, weights, (x, begun))
        fresh, _ = torch.func.functional_call(machine, weights, (x[:, :1],))
        parts = (y, fresh, *(part for part in state if part.is_floating_point()))
        return torch.cat([part.flatten() for part in parts])  # one output is checked sooner

    assert torch.autograd.gradcheck(run, (x, *values), fast_mode=True)


@every_machine
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_from_an_empty_memory_and_at_sizes_of_one(name, dtype):
    for rows, time in ((1, 1), (1, 3), (4, 1)):
        sizes = {"memory_size": rows} if "memory_size" in CASES[name].options else {}
        machine = made(name, dtype, **sizes)
        state = machine.initial_state(1)
        parts = {
            part: torch.zeros_like(tensor).requires_grad_()
            for part, tensor in state._asdict().items()
            if part in ("memory", "content")
        }
        y, end = machine(inputs(1, time, dtype), state._replace(**parts))
        loss_of(y, end).backward()
        slopes = [p.grad for p in (*machine.parameters(), *parts.values()) if p.grad is not None]
        assert slopes
        assert all(slope.isfinite().all() for slope in slopes)


KERNELS = [name for name in CASES if made(name, **(
    {} if CASES[name].kind in ("lstm", "tardis") else {"backend": "auto"}
)).backend_choice().backend == "cpu"]  # fmt: skip


def test_there_are_kernels():
    assert {"ntm", "ntm many", "dnc", "dnc softmax", "discrete-ntm soft"} <= set(KERNELS)
    assert {"discrete-ntm", "discrete-ntm many"} <= set(KERNELS)
    assert {"dynamic-ntm many", "dynamic-ntm feedforward", "dynamic-ntm discrete"} <= set(KERNELS)
    assert {"dnc extended", "dnc normed", "dnc sparse", "dnc sparse in name"} <= set(KERNELS)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_the_reference_in_outputs_state_and_gradients(name):
    machine, x = made(name), inputs()
    lengths = torch.tensor(LENGTHS)
    # From a state in which no two rows are alike, which may come in either order.
    with torch.no_grad():
        begun = None if CASES[name].whole else machine(inputs() + 0.5)[1]
    found = []
    for backend in ("reference", "cpu"):
        machine.backend = backend
        y, state = machine(x, begun, lengths=lengths)
        past = torch.arange(TIME) >= lengths[:, None]
        y, state = y.masked_fill(past[..., None], 0), comparable(state)
        found.append((y, tuple(state), gradients(machine, y, state)))
    assert math.isfinite(found[0][0].sum().item())
    torch.testing.assert_close(found[1], found[0], rtol=1e-8, atol=1e-10)

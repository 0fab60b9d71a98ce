import math

import pytest
import torch
from torch import nn

from tapehead import LSTM, NTM
from tapehead.machines.discrete_ntm import DiscreteNTM
from tapehead.machines.ntm import HEAD_INITS
from tapehead.ops.ntm import NTMState
from tapehead.ops.similarity import SIMILARITIES

VARIANTS = [
    {},
    {"controller": "feedforward"},
    {"num_layers": 2, "num_reads": 2, "num_writes": 3, "shift_range": 2},
    {"read_first": False, "similarity": "euclidean", "num_writes": 2},
    {"controller": "feedforward", "num_layers": 2, "similarity": "manhattan"},
    {"similarity": "dot", "memory_init": "learned"},
    {"read_first": False, "memory_init": "learned", "controller_init": "learned"},
]


def small(dtype=torch.float64, **options):
    defaults = {"memory_size": 7, "word_size": 4, "hidden_size": 5, "memory_init": "uniform"}
    return NTM(3, 2, **{**defaults, "backend": "reference", **options}).to(dtype)


def inputs(batch=3, time=6, dtype=torch.float64):
    return torch.randn(batch, time, 3, dtype=dtype)


def paper_step(machine, x, memory, read_w, write_w, reads, hidden, cell):
    """One step of the paper for one sequence and one head of each kind, in scalars and loops."""
    n_rows, n_word = memory.shape

    def dot(a, b):
        return sum(p * q for p, q in zip(a, b, strict=True))

    def matvec(weight, vector):
        return [dot(row, vector) for row in weight.tolist()]

    def sigmoid(v):
        return 1 / (1 + math.exp(-v))

    def softplus(v):
        return math.log1p(math.exp(v))

    gates = [
        a + b + c + d
        for a, b, c, d in zip(
            matvec(machine.input.weight, x),
            machine.input.bias.tolist(),
            matvec(machine.read_weight, reads),
            matvec(machine.recurrent_weight[0], hidden),
            strict=True,
        )
    ]
    size = machine.hidden_size
    cell = [
        sigmoid(gates[size + j]) * cell[j] + sigmoid(gates[j]) * math.tanh(gates[2 * size + j])
        for j in range(size)
    ]
    hidden = [sigmoid(gates[3 * size + j]) * math.tanh(cell[j]) for j in range(size)]
    raw = [
        a + b
        for a, b in zip(
            matvec(machine.interface.weight, hidden), machine.interface.bias.tolist(), strict=True
        )
    ]
    position = 0

    def take(count):
        nonlocal position
        position += count
        return raw[position - count : position]

    keys = [take(n_word), take(n_word)]
    strengths, gates_, shifts, sharpenings = take(2), take(2), [take(3), take(3)], take(2)
    erase, add = take(n_word), take(n_word)

    def address(head, memory, previous):
        key = [math.tanh(v) for v in keys[head]]

        def cosine(row):
            epsilon = 1e-6
            return dot(key, row) / math.sqrt((dot(key, key) + epsilon) * (dot(row, row) + epsilon))

        scores = [math.exp(softplus(strengths[head]) * cosine(row)) for row in memory.tolist()]
        content = [s / sum(scores) for s in scores]
        g = sigmoid(gates_[head])
        gated = [g * c + (1 - g) * p for c, p in zip(content, previous, strict=True)]
        moves = [math.exp(v) for v in shifts[head]]
        moves = [m / sum(moves) for m in moves]
        shifted = [
            sum(gated[(i - offset) % n_rows] * moves[offset + 1] for offset in (-1, 0, 1))
            for i in range(n_rows)
        ]
        power = [v ** (1 + softplus(sharpenings[head])) for v in shifted]
        return [p / sum(power) for p in power]

    write_w = address(1, memory, write_w)
    memory = torch.tensor(
        [
            [
                memory[i, j].item() * (1 - write_w[i] * sigmoid(erase[j]))
                + write_w[i] * math.tanh(add[j])
                for j in range(n_word)
            ]
            for i in range(n_rows)
        ],
        dtype=torch.float64,
    )
    read_w = address(0, memory, read_w)
    reads = [dot(read_w, memory[:, j].tolist()) for j in range(n_word)]
    y = [
        a + b
        for a, b in zip(
            matvec(machine.output.weight, hidden + reads),
            machine.output.bias.tolist(),
            strict=True,
        )
    ]
    return y, memory, read_w, write_w, reads, hidden, cell


def test_reference_is_the_paper_written_out_in_scalars():
    machine, x = small(read_first=False), inputs(batch=1, time=4)
    for parameter in machine.parameters():
        nn.init.normal_(parameter, std=0.7)
    y, state = machine(x)
    start = machine.initial_state(1)
    now = (
        start.memory[0],
        start.read_weights[0, 0].tolist(),
        start.write_weights[0, 0].tolist(),
        start.reads[0, 0].tolist(),
        start.hidden[0, 0].tolist(),
        start.cell[0, 0].tolist(),
    )
    for time in range(4):
        expected, *now = paper_step(machine, x[0, time].tolist(), *now)
        torch.testing.assert_close(y[0, time].tolist(), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(state.memory[0], now[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(state.read_weights[0, 0].tolist(), now[1], rtol=1e-9, atol=1e-9)


def test_the_controller_is_a_torch_lstm_when_the_reads_are_cut():
    machine = small(num_layers=2)
    lstm = nn.LSTM(3, 5, 2, batch_first=True).double()
    with torch.no_grad():
        machine.read_weight.zero_()
        lstm.weight_ih_l0.copy_(machine.input.weight)
        lstm.bias_ih_l0.copy_(machine.input.bias)
        lstm.weight_hh_l0.copy_(machine.recurrent_weight[0])
        lstm.weight_ih_l1.copy_(machine.layer_weight[0])
        lstm.bias_ih_l1.copy_(machine.layer_bias[0])
        lstm.weight_hh_l1.copy_(machine.recurrent_weight[1])
        lstm.bias_hh_l0.zero_()
        lstm.bias_hh_l1.zero_()
    x = inputs()
    torch.testing.assert_close(machine.trace(x).hidden, lstm(x)[0])


@pytest.mark.parametrize("options", VARIANTS)
def test_a_trace_reads_with_its_weightings(options):
    machine, x = small(**options), inputs()
    trace = machine.trace(x)
    read_from = torch.cat([machine.initial_state(3).memory[:, None], trace.memory], 1)
    read_from = read_from[:, :-1] if machine.spec.read_first else read_from[:, 1:]
    torch.testing.assert_close(
        trace.reads, torch.einsum("btrn,btnw->btrw", trace.read_weights, read_from)
    )
    heads = machine.spec.num_heads
    for name in ("key", "strength", "gate", "shift", "sharpening", "content_weights"):
        assert getattr(trace, name).shape[:3] == (3, 6, heads)


def test_the_reads_feed_the_controller():
    """The mistake of a well-known package: what was read never reaches the next step."""
    machine, x = small(), inputs(time=2)
    before = machine.trace(x).hidden
    with torch.no_grad():
        machine.read_weight.add_(1)
    assert (machine.trace(x).hidden - before).abs().amax() > 1e-3


@pytest.mark.parametrize("read_first", [False, True])
def test_a_read_sees_this_steps_write_unless_it_comes_first(read_first):
    machine = small(read_first=read_first, memory_init="constant")
    with torch.no_grad():
        for layer in (machine.interface.weight, machine.interface.bias):
            layer.zero_()
        # Gates shut, shifts to stay, weights sharp on row 0; then add alone writes tanh(1).
        sizes = machine.spec.interface_sizes
        bias = machine.interface.bias.split(sizes)
        bias[2].fill_(-30)
        bias[3].view(2, 3)[:, 1] = 30
        bias[6].fill_(1)
        for logits in (machine.initial_read_logits, machine.initial_write_logits):
            logits.copy_(torch.tensor([[30.0, 0, 0, 0, 0, 0, 0]]))
    reads = machine.trace(inputs(time=1)).reads
    expected = 1e-6 if read_first else math.tanh(1)
    torch.testing.assert_close(reads, torch.full_like(reads, expected), rtol=1e-4, atol=1e-6)


def test_each_head_has_parameters_of_its_own():
    machine = small(num_reads=2, num_writes=2)
    trace = machine.trace(inputs())
    for name in ("key", "gate", "shift", "read_weights", "write_weights", "erase"):
        tensor = getattr(trace, name)
        assert not torch.allclose(tensor[:, :, 0], tensor[:, :, 1]), name


def test_initial_weightings_are_distributions_and_learned():
    machine, x = small(num_reads=2), inputs()
    state = machine.initial_state(3)
    for weights in (state.read_weights, state.write_weights):
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights.sum(-1)))
    machine(x)[0].sum().backward()
    for name in ("initial_reads", "initial_read_logits", "initial_write_logits"):
        assert getattr(machine, name).grad.abs().sum() > 0, name


def test_heads_start_on_the_first_row_or_anywhere():
    focused, anywhere = (NTM(3, 2, head_init=init).initial_state(1) for init in HEAD_INITS)
    assert focused.read_weights[0, 0, 0] > 0.8
    assert focused.write_weights[0, 0, 0] > 0.8
    assert anywhere.read_weights.max() < 0.2


@pytest.mark.parametrize("init", ["constant", "learned", "random", "uniform"])
def test_memory_starts_as_its_scheme_says(init):
    machine = NTM(3, 2, memory_init=init)
    memory = machine.initial_memory
    assert memory.requires_grad == (init == "learned")
    assert ("initial_memory" in dict(machine.named_buffers())) == (init != "learned")
    if init in ("constant", "learned"):
        assert (memory == 1e-6).all()
    else:
        bound, deviation = {"random": (1.0, 0.44), "uniform": (148**-0.5, 148**-0.5 / 3**0.5)}[init]
        assert memory.abs().max() <= bound
        assert memory.std().item() == pytest.approx(deviation, rel=0.05)
    assert torch.equal(machine.initial_state(2).memory[0], machine.initial_state(2).memory[1])


PAPER_START = {"memory_init": "learned", "controller_init": "learned"}


@pytest.mark.parametrize("kind", [NTM, DiscreteNTM, LSTM])
def test_a_learned_start_draws_nothing_and_begins_as_zeros(kind):
    learned, plain = {"controller_init": "learned"}, {}
    machines = []
    for options in (plain, learned):
        torch.manual_seed(0)
        machines.append(kind(3, 2, hidden_size=5, num_layers=2, **options))
        machines[-1].after = torch.rand(())
    usual, other = machines
    assert torch.equal(usual.after, other.after)
    names = dict(other.named_parameters())
    assert names.keys() - dict(usual.named_parameters()).keys() == {
        "initial_hidden",
        "initial_cell",
    }
    for name, parameter in usual.named_parameters():
        assert torch.equal(parameter, names[name]), name
    for name in ("initial_hidden", "initial_cell"):
        assert names[name].shape == (2, 5)
        assert not names[name].any()
    x = inputs(dtype=torch.float32)
    assert torch.equal(usual.eval()(x)[0], other.eval()(x)[0])


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("read_first", [False, True])
def test_a_learned_start_is_where_a_sequence_begins_and_is_learned(backend, read_first):
    machine = small(num_layers=2, backend=backend, read_first=read_first, **PAPER_START)
    start = ("initial_memory", "initial_reads", "initial_hidden", "initial_cell")
    names = [*start, "initial_read_logits", "initial_write_logits"]
    with torch.no_grad():
        for name in names:
            getattr(machine, name).normal_()
    state = machine.initial_state(3)
    for name, part in zip(start, (state.memory, state.reads, *state[-2:]), strict=True):
        assert torch.equal(part, getattr(machine, name).expand_as(part)), name
    x, weight = inputs(), torch.randn(3, 6, 2, dtype=torch.float64)

    def loss(**changed):
        return (torch.func.functional_call(machine, changed, (x,))[0] * weight).sum()

    found = torch.autograd.grad(loss(), [getattr(machine, name) for name in names])
    for name, slope in zip(names, found, strict=True):
        value = getattr(machine, name).detach()
        along = torch.randn_like(value)
        up, down = (loss(**{name: value + step * along}).item() for step in (1e-6, -1e-6))
        expected = (up - down) / 2e-6
        assert abs(expected) > 1e-7, name
        assert (slope * along).sum().item() == pytest.approx(expected, rel=1e-5, abs=1e-9), name


def test_a_feedforward_controller_has_no_start_to_learn():
    machine = small(controller="feedforward", **PAPER_START)
    assert not any(
        n.startswith(("initial_hidden", "initial_c")) for n, _ in machine.named_parameters()
    )
    assert machine.initial_state(2).hidden.shape == (2, 0, 5)
    machine(inputs())[0].sum().backward()
    assert machine.initial_memory.grad.abs().sum() > 0


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("options", [{}, {"controller": "feedforward"}])
def test_gradients_are_cut_at_each_step_on_the_way_back(options, backend):
    bound, x = 0.02, inputs(time=5)
    cut = small(gradient_clip=bound, backend=backend, **options)
    plain = small(**options)
    plain.load_state_dict(cut.state_dict())
    parameters = dict(plain.named_parameters())

    # Backpropagation through time by hand: a step at a time, and the state's gradient in between.
    states = [plain.initial_state(3)]
    for x_t in x.unbind(1):
        states.append(plain.step(x_t, states[-1])[1])
    d_state = [torch.zeros_like(part) for part in states[0]]
    total = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    seen = 0.0
    for time in reversed(range(5)):
        before = NTMState(*(part.detach().requires_grad_() for part in states[time]))
        y, after = plain.step(x[:, time], before)
        loss = y.sum() + sum((p * d).sum() for p, d in zip(after, d_state, strict=True))
        found = torch.autograd.grad(loss, [*before, *parameters.values()], allow_unused=True)
        d_state = [
            torch.zeros_like(part) if d is None else d
            for part, d in zip(before, found[: len(before)], strict=True)
        ]
        seen = max(seen, *(float(d.abs().max()) for d in d_state if d.numel()))
        d_state = [d.clamp(-bound, bound) for d in d_state]
        for gathered, d in zip(total.values(), found[len(before) :], strict=True):
            gathered += 0 if d is None else d
    assert seen > 2 * bound, "or there is nothing to cut"

    y, _ = cut(x)
    y.sum().backward()
    for name, parameter in cut.named_parameters():
        if not name.startswith("initial"):
            torch.testing.assert_close(parameter.grad, total[name], msg=name)


@pytest.mark.slow
def test_gradients_are_finite_over_ten_thousand_steps():
    machine = small(torch.float32, memory_init="constant", backend="auto")
    with torch.no_grad():
        machine.interface.weight.mul_(20)
    y, _ = machine(inputs(batch=1, time=10_000, dtype=torch.float32))
    y.square().mean().backward()
    for name, parameter in machine.named_parameters():
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_size": 0}, "memory_size must be a whole number of at least 1, got 0"),
        ({"num_reads": -2}, "num_reads must be a whole number of at least 1, got -2"),
        ({"shift_range": -1}, "shift_range must be a whole number of at least 0, got -1"),
        (
            {"controller": "gru"},
            "controller must be one of lstm, feedforward, or a function .* got 'gru'",
        ),
        ({"similarity": "cos"}, "similarity must be one of cosine, dot, euclidean, manhattan"),
        ({"memory_init": "zero"}, "memory_init must be one of constant, learned, random, uniform"),
        ({"controller_init": "zero"}, "controller_init must be one of zeros, learned, got 'zero'"),
        ({"gradient_clip": -1.0}, "gradient_clip must be a finite number of at least 0, got -1.0"),
        ({"memory_checkpoint_every": 0}, "memory_checkpoint_every must be a whole number of at le"),
        ({"backend": "gpu"}, "backend must be one of auto, reference, cpu, got 'gpu'"),
    ],
)
def test_an_impossible_option_is_named_with_its_value_and_what_it_may_be(options, message):
    with pytest.raises(ValueError, match=message):
        NTM(3, 2, **options)


def test_an_unknown_option_is_a_type_error():
    with pytest.raises(TypeError, match="heads"):
        NTM(3, 2, heads=4)


def test_reference_accepts_every_similarity_it_lists():
    outputs = {name: small(similarity=name) for name in SIMILARITIES}
    x = inputs()
    weights = outputs["cosine"].state_dict()
    for machine in outputs.values():
        machine.load_state_dict(weights)
    results = [machine(x)[0] for machine in outputs.values()]
    assert not any(torch.allclose(results[0], other) for other in results[1:])

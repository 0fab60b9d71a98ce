import copy
import math

import pytest
import torch

from tapehead import DNC
from tapehead.ops.dnc import DNCState

VARIANTS = [
    {},
    {"controller": "feedforward", "num_layers": 2},
    {"num_layers": 3, "num_reads": 3},
    {"allocation": "proportional", "similarity": "euclidean"},
    {"allocation": "softmax", "similarity": "dot", "num_reads": 2},
    {"masked_lookup": True, "erase_freed": True, "sharp_links": True, "num_reads": 2},
    {"masked_lookup": True, "similarity": "manhattan", "layer_norm": True, "num_layers": 2},
    {"sparse_links": 2, "num_reads": 2},
    {"sparse_links": 99, "sharp_links": True, "controller": "feedforward"},
]
AHEAD = {"bidirectional": True, "num_reads": 2, "layer_norm": True}


def small(dtype=torch.float64, **options):
    defaults = {"memory_size": 7, "word_size": 4, "hidden_size": 5, "backend": "reference"}
    machine = DNC(3, 2, **{**defaults, **options}).to(dtype)
    with torch.no_grad():
        # Far from the even weightings of a fresh machine, and every bias of its own.
        for parameter in machine.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        machine.interface.weight.mul_(2)
    return machine


def inputs(batch=3, time=6, dtype=torch.float64):
    return torch.randn(batch, time, 3, dtype=dtype)


def dot(a, b):
    return sum(p * q for p, q in zip(a, b, strict=True))


def paper_step(machine, x, memory, reads_w, write_w, reads, usage, precedence, link, hidden, cell):
    """One step of the paper for one sequence, in scalars and loops; everything is nested lists."""
    rows, word, heads = len(memory), len(memory[0]), len(reads_w)
    units = machine.hidden_size

    def matvec(weight, vector):
        return [dot(row, vector) for row in weight.tolist()]

    def sigmoid(v):
        return 1 / (1 + math.exp(-v))

    def oneplus(v):
        return 1 + math.log1p(math.exp(v))

    def softmax(values):
        powers = [math.exp(v) for v in values]
        return [p / sum(powers) for p in powers]

    # Controller.
    everything = [value for read in reads for value in read]
    new_hidden, new_cell = [], []
    for layer in range(machine.num_layers):
        block = slice(4 * units * layer, 4 * units * (layer + 1))
        terms = [
            matvec(machine.input.weight[block], x),
            machine.input.bias[block].tolist(),
            matvec(machine.read_weight[block], everything),
            matvec(machine.recurrent_weight[layer], hidden[layer]),
        ]
        if layer > 0:
            terms.append(matvec(machine.layer_weight[layer - 1], new_hidden[-1]))
        gates = [sum(term) for term in zip(*terms, strict=True)]
        state = [
            sigmoid(gates[units + j]) * cell[layer][j]
            + sigmoid(gates[j]) * math.tanh(gates[2 * units + j])
            for j in range(units)
        ]
        new_cell.append(state)
        new_hidden.append(
            [sigmoid(gates[3 * units + j]) * math.tanh(state[j]) for j in range(units)]
        )
    output = [value for layer in new_hidden for value in layer]
    raw = [
        a + b
        for a, b in zip(
            matvec(machine.interface.weight, output), machine.interface.bias.tolist(), strict=True
        )
    ]
    position = 0

    def take(count):
        nonlocal position
        position += count
        return raw[position - count : position]

    read_keys = [take(word) for _ in range(heads)]
    read_strengths = [oneplus(v) for v in take(heads)]
    write_key, write_strength = take(word), oneplus(take(1)[0])
    erase, write_vector = [sigmoid(v) for v in take(word)], take(word)
    free = [sigmoid(v) for v in take(heads)]
    allocation_gate, write_gate = sigmoid(take(1)[0]), sigmoid(take(1)[0])
    modes = [softmax(take(3)) for _ in range(heads)]
    assert position == len(raw) == word * heads + 3 * word + 5 * heads + 3

    def look_up(memory, key, strength):
        def cosine(row):
            epsilon = 1e-6
            return dot(key, row) / math.sqrt((dot(key, key) + epsilon) * (dot(row, row) + epsilon))

        return softmax([strength * cosine(row) for row in memory])

    # Writing.
    content = look_up(memory, write_key, write_strength)
    usage = [
        (usage[i] + write_w[i] - usage[i] * write_w[i])
        * math.prod(1 - free[h] * reads_w[h][i] for h in range(heads))
        for i in range(rows)
    ]
    order = sorted(range(rows), key=lambda i: usage[i])
    allocation = [0.0] * rows
    for j, i in enumerate(order):
        allocation[i] = (1 - usage[i]) * math.prod(usage[k] for k in order[:j])
    write_w = [
        write_gate * (allocation_gate * allocation[i] + (1 - allocation_gate) * content[i])
        for i in range(rows)
    ]
    memory = [
        [
            memory[i][j] * (1 - write_w[i] * erase[j]) + write_w[i] * write_vector[j]
            for j in range(word)
        ]
        for i in range(rows)
    ]

    # Linking.
    link = [
        [
            0.0
            if i == j
            else (1 - write_w[i] - write_w[j]) * link[i][j] + write_w[i] * precedence[j]
            for j in range(rows)
        ]
        for i in range(rows)
    ]
    precedence = [(1 - sum(write_w)) * precedence[i] + write_w[i] for i in range(rows)]

    # Reading.
    new_reads_w, new_reads = [], []
    for h in range(heads):
        forward = [dot(link[i], reads_w[h]) for i in range(rows)]
        backward = [sum(link[j][i] * reads_w[h][j] for j in range(rows)) for i in range(rows)]
        found = look_up(memory, read_keys[h], read_strengths[h])
        w = [
            modes[h][0] * backward[i] + modes[h][1] * found[i] + modes[h][2] * forward[i]
            for i in range(rows)
        ]
        new_reads_w.append(w)
        new_reads.append([sum(w[i] * memory[i][j] for i in range(rows)) for j in range(word)])
    features = output + [value for read in new_reads for value in read]
    y = [
        a + b
        for a, b in zip(
            matvec(machine.output.weight, features), machine.output.bias.tolist(), strict=True
        )
    ]
    after = (memory, new_reads_w, write_w, new_reads, usage, precedence, link, new_hidden, new_cell)
    return y, after


def test_every_step_is_the_papers():
    machine = small(num_reads=2, num_layers=3, memory_size=5)
    x = inputs(batch=1, time=5)
    y, end = machine(x)
    start = machine.initial_state(1)
    columns = start._replace(write_weights=start.write_weights[:, 0])
    names = [name for name in DNCState._fields if name != "link_columns"]
    state = [getattr(columns, name)[0].tolist() for name in names]
    for time in range(5):
        expected, state = paper_step(machine, x[0, time].tolist(), *state)
        torch.testing.assert_close(y[0, time], torch.tensor(expected, dtype=torch.float64))
    for name, value in zip(names, state, strict=True):
        ours = getattr(end, name)[0]
        torch.testing.assert_close(
            ours, torch.tensor(value, dtype=torch.float64).view_as(ours), msg=name
        )
    assert end.read_weights.std() > 0.01 < end.usage.std()


def test_interface_has_the_papers_size():
    spec = DNC(3, 2, word_size=50, num_reads=5).spec
    assert spec.interface_size == 50 * 5 + 3 * 50 + 5 * 5 + 3


@pytest.mark.parametrize("options", [*VARIANTS, AHEAD])
def test_a_trace_weighs_as_the_paper_does(options):
    machine, x = small(**options), inputs()
    trace = machine.trace(x)
    torch.testing.assert_close(
        trace.reads, torch.einsum("btrn,btnw->btrw", trace.read_weights, trace.memory)
    )
    modes = trace.read_modes[..., None]
    ways = (
        trace.backward_weights,
        trace.content_weights[:, :, : machine.spec.num_reads],
        trace.forward_weights,
    )
    torch.testing.assert_close(
        trace.read_weights, sum(modes[..., i, :] * way for i, way in enumerate(ways))
    )
    found = trace.content_weights[:, :, -1]
    gate = trace.allocation_gate[..., None]
    torch.testing.assert_close(
        trace.write_weights[:, :, 0],
        trace.write_gate[..., None] * (gate * trace.allocation + (1 - gate) * found),
    )
    assert trace.link.shape == (3, 6, 7, 7)
    assert (trace.link.diagonal(dim1=-2, dim2=-1) == 0).all()
    assert trace.free_gates.shape == (3, 6, machine.spec.num_reads)


def test_the_reads_feed_every_layer_of_the_controller():
    """The mistake of a well-known package: what was read never reaches the next step."""
    machine, x = small(num_layers=3), inputs(time=2)
    before = machine.trace(x).hidden.unflatten(-1, (3, 5))
    for layer in range(3):
        with torch.no_grad():
            # Only this layer's own reads: what reaches it from below must not pass for them.
            machine.read_weight.view(3, 20, 4)[layer].add_(1)
        after = machine.trace(x).hidden.unflatten(-1, (3, 5))
        assert (after[:, 0] == before[:, 0]).all()
        moved = (after[:, 1] - before[:, 1]).abs().amax(dim=(0, 2))
        assert moved[layer] > 1e-3
        assert (moved[:layer] == 0).all()
        with torch.no_grad():
            machine.read_weight.view(3, 20, 4)[layer].sub_(1)
        before = machine.trace(x).hidden.unflatten(-1, (3, 5))


def test_output_and_interface_come_from_all_layers():
    machine, x = small(num_layers=2), inputs(time=1)
    for layer in range(2):
        twin = copy.deepcopy(machine)
        with torch.no_grad():
            twin.interface.weight[:, 5 * layer : 5 * layer + 5].add_(1)
        assert (twin.trace(x).key - machine.trace(x).key).abs().max() > 1e-3
        twin = copy.deepcopy(machine)
        with torch.no_grad():
            twin.output.weight[:, 5 * layer : 5 * layer + 5].add_(1)
        assert (twin(x)[0] - machine(x)[0]).abs().max() > 1e-3


def planted(machine, **wanted):
    """The machine with its interface fixed to what `wanted` says, whatever it sees.

    Names: allocation_gate, write_gate, free, modes (-30 to 30 each), add, key.
    """
    names = ("key", "read_strength", "write_key", "write_strength", "erase", "add", "free")
    names = (*names, "allocation_gate", "write_gate", "modes", "mask", "sharpness")
    with torch.no_grad():
        machine.interface.weight.zero_()
        machine.interface.bias.zero_()
        pieces = dict(
            zip(names, machine.interface.bias.split(machine.spec.interface_sizes), strict=True)
        )
        for name, value in wanted.items():
            pieces[name].copy_(torch.as_tensor(value).expand_as(pieces[name]))
    return machine


OPEN, SHUT = 40.0, -40.0


def test_allocating_writes_fill_row_after_row_and_reads_follow_the_links():
    machine = small(memory_size=5)
    write = planted(machine, allocation_gate=OPEN, write_gate=OPEN, free=SHUT, add=[1.0, 2, 3, 4])
    trace = write.trace(inputs(batch=1, time=3))
    rows = torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(trace.write_weights[0, :, 0], rows[:3])
    torch.testing.assert_close(trace.usage[0, 2], rows[0] + rows[1])
    torch.testing.assert_close(trace.memory[0, 2, 1], torch.tensor([1.0, 2, 3, 4]).double())

    at_first = trace.state._replace(read_weights=rows[None, :1])
    modes = {"forward": [SHUT, SHUT, OPEN], "backward": [OPEN, SHUT, SHUT]}
    there = planted(machine, write_gate=SHUT, free=SHUT, modes=modes["forward"])
    trace = there.trace(inputs(batch=1, time=2), at_first)
    torch.testing.assert_close(trace.read_weights[0, :, 0], rows[1:3])
    back = planted(machine, write_gate=SHUT, free=SHUT, modes=modes["backward"])
    trace = back.trace(inputs(batch=1, time=2), trace.state)
    torch.testing.assert_close(trace.read_weights[0, :, 0], rows[[1, 0]])


@pytest.mark.parametrize("erase_freed", [False, True])
def test_freeing_a_row_takes_its_usage_and_with_the_switch_its_content(erase_freed):
    machine = small(memory_size=3, erase_freed=erase_freed)
    state = machine.initial_state(1)
    row = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    state = state._replace(
        memory=torch.ones_like(state.memory), usage=row[None], read_weights=row[None, None]
    )
    planted(machine, write_gate=SHUT, free=OPEN)
    trace = machine.trace(inputs(batch=1, time=1), state)
    assert trace.usage.abs().max() < 1e-12
    left = torch.ones(3, 4, dtype=torch.float64)
    left[1] = 0 if erase_freed else 1
    torch.testing.assert_close(trace.memory[0, 0], left)


def test_without_freeing_what_was_read_stays_in_use():
    machine = small(memory_size=3, num_reads=2, freeing=False)
    assert machine.spec.interface_size == small(memory_size=3, num_reads=2).spec.interface_size - 2
    state = machine.initial_state(1)
    row = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    state = state._replace(usage=row[None], read_weights=row[None, None].expand(1, 2, 3))
    planted(machine, write_gate=SHUT)
    trace = machine.trace(inputs(batch=1, time=4), state)
    assert "free_gates" not in trace.tensors
    torch.testing.assert_close(trace.usage, row.expand(1, 4, 3))


def test_a_masked_look_up_compares_only_what_the_mask_lets_through():
    machine = small(memory_size=2, word_size=3, masked_lookup=True)
    memory = torch.tensor([[[1.0, 0, 5], [0, 1, 0]]], dtype=torch.float64)
    state = machine.initial_state(1)._replace(memory=memory)
    settings = {"write_gate": SHUT, "free": SHUT, "key": [1.0, 0, 1], "read_strength": 0.0}
    modes = [SHUT, OPEN, SHUT]
    mask = [OPEN, OPEN, SHUT] * 2
    planted(machine, **settings, modes=modes, mask=mask)
    seen = machine.trace(inputs(batch=1, time=1), state).content_weights[0, 0, 0]
    # With the third number hidden from both, row 0 is the key itself: cosine 1 against 0.
    expected = torch.tensor([1 + math.log(2), 0], dtype=torch.float64).softmax(-1)
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-6)
    planted(machine, **settings, modes=modes, mask=OPEN)
    seen = machine.trace(inputs(batch=1, time=1), state).content_weights[0, 0, 0]
    expected = torch.tensor(
        [(1 + math.log(2)) * 6 / (2 * 26) ** 0.5, 0], dtype=torch.float64
    ).softmax(-1)
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-6)


def test_sharp_links_bring_an_even_link_to_a_point():
    machine = small(memory_size=3, sharp_links=True)
    link = torch.tensor([[0.0, 0, 0], [0.6, 0, 0], [0.4, 0, 0]], dtype=torch.float64)
    row = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    state = machine.initial_state(1)._replace(link=link[None], read_weights=row[None, None])
    planted(machine, write_gate=SHUT, free=SHUT, modes=[SHUT, SHUT, OPEN], sharpness=[0.0, 20.0])
    seen = machine.trace(inputs(batch=1, time=1), state).read_weights[0, 0, 0]
    power = 1.5**21
    expected = torch.tensor([0.0, power / (1 + power), 1 / (1 + power)], dtype=torch.float64)
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("allocation", ["sort", "proportional", "softmax"])
def test_the_machine_allocates_by_the_rule_it_was_given(allocation):
    machine = small(memory_size=3, allocation=allocation)
    state = machine.initial_state(1)
    usage = torch.tensor([[0.5, 0.0, 1.0]], dtype=torch.float64)
    planted(machine, free=SHUT)
    seen = machine.trace(inputs(batch=1, time=1), state._replace(usage=usage)).allocation[0, 0]
    if allocation == "softmax":
        beta = 1 + math.log1p(math.exp(machine.allocation_strength.item()))
        expected = (beta * (1 - usage[0])).softmax(-1)
    else:
        expected = torch.tensor(
            {"sort": [0.0, 1, 0], "proportional": [1 / 3, 2 / 3, 0]}[allocation]
        )
    torch.testing.assert_close(seen, expected.double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("allocation", "alike"), [("sort", False), ("proportional", True), ("softmax", True)]
)
def test_what_breaks_the_tie_of_empty_rows_is_sorting_alone(allocation, alike):
    """docs/dnc.md: under a smooth allocation the rows of a new memory stay equal."""
    _, state = small(allocation=allocation, num_reads=2)(inputs())
    memory = state.memory
    assert memory.abs().amax() > 0.1
    assert torch.allclose(memory, memory[:, :1].expand_as(memory)) == alike


def test_softmax_allocation_learns_its_strength_and_starts_strong():
    machine = DNC(3, 2, memory_size=4, allocation="softmax", backend="reference").double()
    planted(machine, free=SHUT, add=1.0)
    usage = torch.tensor([[0.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
    state = machine.initial_state(1)._replace(usage=usage)
    trace = machine.trace(inputs(batch=1, time=3), state)
    power = math.exp(10)
    assert trace.allocation[0, 0, 0].item() == pytest.approx(power / (power + 3), rel=1e-6)
    trace.y.sum().backward()
    assert machine.allocation_strength.grad.abs() > 0
    assert "allocation_strength" not in dict(DNC(3, 2).named_parameters())


def test_a_trained_machine_takes_another_memory_size():
    """With more rows than it ever fills, the number of rows makes no difference to its answers."""
    machine = planted(
        small(memory_size=9),
        **{"allocation_gate": OPEN, "write_gate": OPEN, "free": SHUT, "modes": [SHUT, OPEN, SHUT]},
        **{"key": 1.0, "add": 1.0, "read_strength": 60.0},
    )
    with torch.no_grad():
        sizes = machine.spec.interface_sizes
        machine.interface.weight.split(sizes)[5].normal_(std=0.5)  # the write vector moves
    x = inputs(time=6)
    y, _ = machine(x)
    machine.memory_size = 20
    wide, state = machine(x)
    assert state.memory.shape == (3, 20, 4)
    torch.testing.assert_close(wide, y)
    machine.memory_size = 2
    assert not torch.allclose(machine(x)[0], y)
    with pytest.raises(ValueError, match=r"state.memory must have shape \(3, 2, 4\)"):
        machine(x, state)
    with pytest.raises(ValueError, match="memory_size must be a whole number of at least 1, got 0"):
        machine.memory_size = 0
    other = DNC(3, 2, memory_size=50, word_size=4, hidden_size=5)
    other.load_state_dict(machine.state_dict())


def test_bypass_dropout_hides_the_controller_from_the_output_only_while_training():
    machine, x = small(bypass_dropout=0.5), inputs()
    trained = machine.trace(x)
    assert not torch.equal(machine(x)[0], machine(x)[0])
    machine.eval()
    y, state = machine(x)
    assert torch.equal(y, machine(x)[0])
    # The memory never feels it: only y differs.
    torch.testing.assert_close(trained.state, state)
    twin = small()
    twin.load_state_dict(machine.state_dict())
    torch.testing.assert_close(twin(x)[0], y)
    with torch.no_grad():
        machine.train().output.weight[:, :5] = 0  # nothing left to drop but what must stay
    torch.testing.assert_close(machine(x)[0], machine.eval()(x)[0])


def test_a_bidirectional_machine_sees_the_end_from_the_start():
    machine, x = small(**AHEAD), inputs()
    changed = x.clone()
    changed[:, -1] += 1
    assert (machine.trace(changed).key[:, 0] - machine.trace(x).key[:, 0]).abs().max() > 1e-3
    plain = small(num_reads=2)
    assert torch.equal(plain.trace(changed).key[:, 0], plain.trace(x).key[:, 0])
    with pytest.raises(ValueError, match="bidirectional must be False for single steps, got True"):
        machine.step(x[:, 0], machine.initial_state(3))


def test_layer_norm_makes_the_interface_blind_to_the_scale_of_its_weights():
    machine, x = small(layer_norm=True), inputs(time=1)
    before = machine.trace(x).key
    with torch.no_grad():
        machine.interface.weight.mul_(7)
        machine.interface.bias.mul_(7)
    torch.testing.assert_close(machine.trace(x).key, before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("allocation", ["sort", "proportional", "softmax"])
def test_gradients_are_finite_over_many_steps_of_a_wild_machine(allocation):
    machine = small(torch.float32, allocation=allocation, num_reads=2)
    with torch.no_grad():
        machine.interface.weight.mul_(20)
    y, _ = machine(inputs(batch=2, time=300, dtype=torch.float32))
    y.square().mean().backward()
    for name, parameter in machine.named_parameters():
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory_size": 0}, "memory_size must be a whole number of at least 1, got 0"),
        ({"num_reads": -2}, "num_reads must be a whole number of at least 1, got -2"),
        ({"sparse_links": -1}, "sparse_links must be a whole number of at least 0, got -1"),
        ({"controller": "gru"}, "controller must be one of lstm, feedforward, or a function"),
        ({"similarity": "cos"}, "similarity must be one of cosine, dot, euclidean, manhattan"),
        ({"allocation": "heap"}, "allocation must be one of sort, proportional, softmax"),
        (
            {"bypass_dropout": 1.0},
            "bypass_dropout must be a finite number from 0 to below 1, got 1.0",
        ),
        ({"backend": "gpu"}, "backend must be one of auto, reference, cpu, got 'gpu'"),
    ],
)
def test_an_impossible_option_is_named_with_its_value_and_what_it_may_be(options, message):
    with pytest.raises(ValueError, match=message):
        DNC(3, 2, **options)


def test_an_unknown_option_is_a_type_error():
    with pytest.raises(TypeError, match="num_writes"):
        DNC(3, 2, num_writes=4)


def test_every_similarity_is_its_own():
    from tapehead.ops.similarity import SIMILARITIES

    x = inputs()
    weights = small().state_dict()
    results = []
    for similarity in SIMILARITIES:
        machine = small(similarity=similarity)
        machine.load_state_dict(weights)
        results.append(machine(x)[0])
    assert not any(torch.allclose(results[0], other) for other in results[1:])

"""The NTM whose weightings are chosen, on the CPU, held against its reference in plain PyTorch."""

from functools import partial

import pytest
import torch
from ntm_cases import Case, as_type, draw, relative_error

from tapehead.machines import DiscreteNTM
from tapehead.ops import lending
from tapehead.ops.estimators import addresses, gumbel
from tapehead.ops.ntm import NTMState, NTMWeights, choosing
from tapehead.ops.ntm.cpu import calls
from tapehead.ops.ntm.cpu import choosing as cpu

CASES = {
    "small": Case(),
    "ragged": Case(batch=5, rows=17, ragged=True, read_first=True, seed=1),
    "many heads": Case(num_reads=2, num_writes=3, rows=63, word=7, time=4, ragged=True, seed=2),
    "reading first": Case(num_reads=3, num_writes=2, rows=8, read_first=True, shift_range=2),
    "feed-forward": Case(controller="feedforward", layers=2, rows=1, shift_range=0, seed=3),
    "layers": Case(layers=2, batch=9, rows=33, time=3, similarity="manhattan", seed=4),
    "one step": Case(batch=1, time=1, rows=16, word=1, hidden=1, seed=5),
    "clipped": Case(gradient_clip=0.05, rows=9, read_first=True, seed=6),
}
KINDS = {
    "soft": lambda noise: addresses.soft,
    "hard": lambda noise: addresses.hard,
    "sampling": addresses.sampling,
    "relaxing": partial(addresses.relaxing, temperature=0.7),
    "straight-through": addresses.straight_through,
    "straight-through-gumbel": partial(addresses.straight_through_gumbel, temperature=1.5),
    "forced": lambda noise: addresses.forced(noise.softmax(-1)),
}


def noise_of(inputs, case):
    """Noise and offset, both of which want gradients."""
    shape = (case.batch, case.time, case.num_reads + case.num_writes, case.rows)
    generator = torch.Generator().manual_seed(9)
    noise = gumbel(torch.empty(shape, dtype=torch.float64), generator)
    offset = torch.randn(shape, generator=generator, dtype=torch.float64)
    like = inputs.x.dtype
    return [part.to(torch.float32).to(like).requires_grad_() for part in (noise, offset)]


def results(run, inputs, case, kind):
    """Everything that comes out, and the gradient of everything that went in, of a fixed random
    mixture of all that comes out and means something."""
    noise, offset = noise_of(inputs, case)
    choose = KINDS[kind](noise)
    given = (inputs.x, inputs.weights, inputs.state, inputs.spec, choose, inputs.lengths, offset)
    found = run(*given)
    outputs = {"y": found.y} | {f"last {n}": t for n, t in found.state._asdict().items()}
    active = addresses.active_steps(inputs.x, inputs.lengths)
    for name in ("logits", "weights", "hidden"):
        outputs[name] = getattr(found, name)[active]
    generator = torch.Generator().manual_seed(1)
    loss = torch.zeros((), dtype=found.y.dtype)
    for tensor in outputs.values():
        mixture = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        loss = loss + (tensor * mixture.to(tensor.dtype)).sum()
    leaves = [*inputs.leaves(), noise, offset]
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True)
    again = torch.autograd.grad(loss, leaves, allow_unused=True)
    for one, other in zip(gradients, again, strict=True):
        assert one is None or torch.equal(one, other)
    names = ["x", *NTMWeights._fields, *NTMState._fields, "noise", "offset"]
    found = outputs | {f"d {name}": g for name, g in zip(names, gradients, strict=True)}
    return {
        name: part.detach() for name, part in found.items() if part is not None and part.numel()
    }


def assert_equal_to_reference(case, kind):
    inputs = draw(case)
    truth = results(choosing.ntm, inputs, case, kind)
    found = results(cpu.ntm, inputs, case, kind)
    # A gradient that is zero everywhere need not be there.
    for part in truth.keys() ^ found.keys():
        assert (truth | found)[part].abs().max() == 0, part
    for part in truth.keys() & found.keys():
        assert relative_error(found[part], truth[part]) < 1e-10, part
    reached = kind in ("relaxing", "straight-through-gumbel", "forced")
    assert ("d noise" in truth) == ("d noise" in found) == reached
    assert truth["d offset"].abs().max() > 0 or case.rows == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_outputs_state_and_gradients_equal_the_references(name, kind):
    assert_equal_to_reference(CASES[name], kind)


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_every_similarity_may_end_in_a_choice(similarity):
    assert_equal_to_reference(Case(similarity=similarity, num_reads=2, seed=7), "relaxing")


@pytest.mark.parametrize("kind", ["sampling", "relaxing", "straight-through-gumbel"])
def test_float32_is_as_exact_as_the_reference(kind):
    """In the middle of many machines, held against float64; draws are the same in all."""
    ours, theirs = [], []
    for seed in range(3):
        case = Case(rows=12, num_reads=2, ragged=True, time=6, seed=seed)
        inputs = draw(case)
        truth = results(choosing.ntm, inputs, case, kind)
        short = as_type(inputs, torch.float32)
        found = [results(run, short, case, kind) for run in (cpu.ntm, choosing.ntm)]
        assert torch.equal(found[0]["weights"].argmax(-1), truth["weights"].argmax(-1))
        for errors, values in zip((ours, theirs), found, strict=True):
            errors += [relative_error(value, truth[name]) for name, value in values.items()]
    assert torch.tensor(ours).median() < 1.5 * torch.tensor(theirs).median()


def machine(**options):
    torch.manual_seed(0)
    sizes = {"memory_size": 11, "word_size": 5, "hidden_size": 8, "num_reads": 2}
    return DiscreteNTM(4, 3, **(sizes | options))


def everything(made, x, choose, lengths=None, offset=None):
    start = made.initial_state(len(x))
    run = made.run(x, start, choose, lengths=lengths, offset=offset)
    active = addresses.active_steps(x, lengths)
    loss = run.y.square().sum() + run.logits[active].sum() + run.context[active].sum()
    gradients = torch.autograd.grad(loss, list(made.parameters()))
    return [run.y, *run.state, run.logits[active], run.weights[active], *gradients]


def identical(some, others):
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


def noise_for(made, x):
    shape = (*x.shape[:2], made.choices, made.rows)
    return gumbel(torch.empty(shape), torch.Generator().manual_seed(3))


def test_results_do_not_depend_on_threads_bit_for_bit():
    made, x = machine(backend="cpu"), torch.randn(17, 6, 4)
    choose = addresses.straight_through_gumbel(noise_for(made, x), 0.5)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            weights, start = made._weights(), made.initial_state(17)
            y, *_ = cpu.ntm(x, weights, start, made.spec, choose)
            # The operation alone: PyTorch's own products round differently with the threads.
            found.append([y, *torch.autograd.grad(y.square().sum(), [*made.parameters()][3:6])])
    finally:
        torch.set_num_threads(before)
    assert identical(*found)


@pytest.mark.parametrize("ragged", [False, True])
def test_every_number_of_a_result_is_written(ragged, monkeypatch):
    """All buffers start as NaN: a number that is read before it was written shows."""
    made, x = machine(backend="cpu"), torch.randn(9, 7, 4)
    lengths = torch.randint(1, 8, (9,)) if ragged else None
    noise = noise_for(made, x).requires_grad_()
    offset = torch.zeros_like(noise).requires_grad_()
    choose = addresses.relaxing(noise, 0.5)

    def all_of_it():
        found = everything(made, x, choose, lengths, offset)
        run = made.run(x, made.initial_state(9), choose, lengths=lengths, offset=offset)
        return [*found, *torch.autograd.grad(run.y.square().sum(), [noise, offset])]

    clean = all_of_it()
    lending._spare.clear()
    usual_new, usual_empty, usual_like = torch.Tensor.new_empty, torch.empty, torch.empty_like

    def poison(tensor):
        return tensor.fill_(float("nan") if tensor.is_floating_point() else 255)

    monkeypatch.setattr(torch.Tensor, "new_empty", lambda *a, **k: poison(usual_new(*a, **k)))
    monkeypatch.setattr(torch, "empty", lambda *a, **k: poison(usual_empty(*a, **k)))
    monkeypatch.setattr(torch, "empty_like", lambda *a, **k: poison(usual_like(*a, **k)))
    assert identical(clean, all_of_it())
    assert all(part.isfinite().all() for part in clean)


def test_a_long_sequence_without_a_tape_is_the_one_with_it_and_its_trace(monkeypatch):
    monkeypatch.setattr(calls, "STEPS_AT_ONCE", 4)
    made = machine(backend="cpu").double()
    time = 2 * calls.STEPS_AT_ONCE + 5
    x = torch.randn(3, time, 4, dtype=torch.float64)
    lengths = torch.tensor([time, 6, 3])
    noise = noise_for(made, x).double()
    choose = addresses.sampling(noise)
    with_tape = made.run(x, made.initial_state(3), choose, lengths=lengths)
    with torch.no_grad():
        without = made.run(x, made.initial_state(3), choose, lengths=lengths)
        trace = made.run(x, made.initial_state(3), choose, lengths=lengths, keep=True)
    for run in (without, trace):
        assert identical(
            [run.y, *run.state, run.logits, run.weights, run.context],
            [*with_tape[:1], *with_tape.state, *with_tape[2:5]],
        )
    made.backend = "reference"
    truth = made.run(x, made.initial_state(3), choose, lengths=lengths, keep=True).inner
    active = addresses.active_steps(x, lengths)
    assert truth.keys() == trace.inner.keys()
    for name, tensor in truth.items():
        torch.testing.assert_close(trace.inner[name][active], tensor[active], msg=name)
    for name in ("memory", "reads", "read_weights", "write_weights"):
        torch.testing.assert_close(trace.inner[name], truth[name], msg=name)


def test_a_row_that_cannot_be_chosen_is_not_and_of_equals_the_first_is():
    made = machine(backend="cpu").double()
    x = torch.randn(2, 4, 4, dtype=torch.float64)
    noise = noise_for(made, x).double()
    offset = torch.zeros_like(noise)
    offset[..., 2] = -torch.inf
    offset[..., 5] = offset[..., 7] = 1e9
    found = {}
    for backend in ("reference", "cpu"):
        made.backend = backend
        soft = made.run(x, made.initial_state(2), addresses.relaxing(noise, 0.5), offset=offset)
        hard = made.run(x, made.initial_state(2), addresses.hard, offset=offset)
        (slope,) = torch.autograd.grad(soft.y.square().sum(), made.interface.weight)
        found[backend] = (soft.y, soft.weights, soft.state.memory, hard.y, hard.weights, slope)
        assert (soft.weights[..., 2] == 0).all()
    torch.testing.assert_close(found["cpu"], found["reference"])
    # Rounded to 1e9, all other differences are gone.
    assert (found["cpu"][4].argmax(-1) <= 7).all()
    equal = torch.zeros_like(noise)
    forced = addresses.Choosing("hard", torch.where(equal == 0, 1e300, equal))
    assert (made.run(x, made.initial_state(2), forced).weights.argmax(-1) == 0).all()


def test_a_gradient_of_a_gradient_is_the_references():
    made = machine(backend="cpu").double()
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    noise = noise_for(made, x).double().requires_grad_()
    found = []
    for backend in ("cpu", "reference"):
        made.backend = backend
        run = made.run(x, made.initial_state(2), addresses.relaxing(noise, 0.5))
        total = run.y.square().sum() + run.logits.square().sum()
        slopes = torch.autograd.grad(total, [noise, made.read_weight], create_graph=True)
        size = sum(slope.square().sum() for slope in slopes)
        found.append(torch.autograd.grad(size, [noise, made.interface.weight]))
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_that_nothing_hangs_on_has_no_gradient(kind):
    """As in the reference, and not one of zeros: an optimiser tells the two apart."""
    made, x = machine(), torch.randn(2, 3, 4)
    found = {}
    for backend in ("cpu", "reference"):
        made.backend = backend
        choose = KINDS[kind](noise_for(made, x).softmax(-1))
        y = made.run(x, made.initial_state(2), choose).y
        slopes = torch.autograd.grad(y.sum(), list(made.parameters()), allow_unused=True)
        names = [name for name, _ in made.named_parameters()]
        found[backend] = {n for n, g in zip(names, slopes, strict=True) if g is not None}
    assert found["cpu"] == found["reference"]


def test_divergence_shows():
    made, x = machine(backend="cpu"), torch.randn(3, 6, 4)
    bad = x.clone()
    bad[1, 2, 0] = float("nan")
    for choose in (addresses.hard, addresses.soft):
        y = made.run(bad, made.initial_state(3), choose).y
        assert y[1, 2:].isnan().all()
        assert y[[0, 2]].isfinite().all()
        assert y[1, :2].isfinite().all()


def test_the_kernel_is_taken_where_it_can_run_and_why_not_is_said():
    made, x = machine(), torch.randn(2, 3, 4)
    assert made.backend_choice().backend == "cpu"
    run = made.run(x, made.initial_state(2), addresses.hard)
    assert "Choosing" in type(run.y.grad_fn).__name__

    def softest(logits, time, first):
        return torch.full_like(logits, 1 / logits.shape[-1])

    own = made.run(x, made.initial_state(2), softest)
    assert "Choosing" not in type(own.y.grad_fn).__name__
    made.backend = "cpu"
    with pytest.raises(RuntimeError, match="backend must be 'auto' or 'reference' with a way of"):
        made.run(x, made.initial_state(2), softest)
    half = machine().bfloat16()
    assert "not torch.bfloat16" in half.backend_choice().reason
    assert half(x.bfloat16())[0].dtype == torch.bfloat16
    own_cell = machine(controller=torch.nn.GRUCell)
    assert "controller brought along" in own_cell.backend_choice().reason
    assert "reference" not in str(machine().backend_choice())


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_what_comes_for_every_address_must_fit(backend):
    made, x = machine(backend=backend), torch.randn(2, 3, 4)
    start, noise = made.initial_state(2), torch.zeros(2, 3, 3, 11)
    with pytest.raises(
        ValueError, match=r"noise must have shape \(2, 3, 3, 11\), got \(2, 2, 3, 11"
    ):
        made.run(x, start, addresses.sampling(noise[:, :2]))
    with pytest.raises(
        ValueError, match=r"offset must have shape \(2, 3, 3, 11\), got \(2, 3, 3, 1\)"
    ):
        made.run(x, start, addresses.hard, offset=noise[..., :1])
    with pytest.raises(
        ValueError, match=r"noise must be torch.float32 on cpu as x is, got torch.fl"
    ):
        made.run(x, start, addresses.sampling(noise.double()))
    # What is not one number behind the other is as good.
    spread = noise.transpose(1, 3).contiguous().transpose(1, 3)
    same = made.run(
        x, start, addresses.relaxing(spread, 1.0), offset=noise[..., :1].expand_as(noise)
    )
    assert torch.equal(same.y, made.run(x, start, addresses.soft).y)

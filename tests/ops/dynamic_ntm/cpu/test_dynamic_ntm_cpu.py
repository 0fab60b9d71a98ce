"""The Dynamic NTM's kernel, held against its reference in plain PyTorch."""

from functools import partial

import pytest
import torch
from torch import nn

from tapehead import DynamicNTM
from tapehead.ops import lending
from tapehead.ops.dynamic_ntm import DynamicNTMState, DynamicNTMWeights, cpu, reference
from tapehead.ops.estimators import addresses, gumbel

F64 = {"dtype": torch.float64}
CASES = {
    # batch, time, input, rows, content, address, hidden, and options of the machine
    "one of each": (1, 1, 1, 1, 1, 1, 1, {"controller": "feedforward", "no_operation": False}),
    "feed-forward": (16, 6, 3, 16, 5, 4, 9, {"controller": "feedforward"}),
    "gru": (3, 7, 5, 6, 3, 2, 17, {}),
    "lstm": (5, 4, 2, 33, 7, 6, 13, {"controller": "lstm", "num_reads": 2}),
    "three turns": (2, 5, 3, 8, 2, 5, 6, {"reading_steps": 3, "num_reads": 2, "num_writes": 3}),
    "all rows": (3, 4, 4, 17, 9, 8, 8, {"no_operation": False, "num_writes": 2}),
    "no recency": (2, 5, 3, 5, 4, 3, 5, {"least_recently_used": False, "reading_steps": 2}),
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


def given(name, dtype=torch.float64, *, ragged=False):
    """Arguments of the operation, in the middle of a run: nothing is zero, all want gradients."""
    batch, time, inputs, rows, word, address, hidden, options = CASES[name]
    torch.manual_seed(0)
    sizes = {"memory_size": rows, "word_size": word, "address_size": address}
    made = DynamicNTM(inputs, 3, **sizes, hidden_size=hidden, **options)
    draw = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(*shape, generator=draw, **F64).to(dtype).requires_grad_()

    spec = made._spec()
    weights = [weight.double() for weight in made._weights(spec)]
    weights = [w + 0.3 * torch.randn(w.shape, generator=draw, **F64) for w in weights]
    weights = DynamicNTMWeights(*(w.detach().to(dtype).requires_grad_() for w in weights))
    state = DynamicNTMState(*(normal(*part.shape) for part in made.initial_state(batch)))
    lengths = torch.arange(batch) % time + 1 if ragged else None
    shape = (batch, time, spec.choices, made.rows)
    noise = gumbel(torch.empty(shape, **F64), draw).to(dtype).requires_grad_()
    return (normal(batch, time, inputs), weights, state, spec), noise, normal(*shape), lengths


def results(module, arguments, kind):
    """Everything that comes out, and the gradient of everything that went in, of a fixed random
    mixture of all that comes out and means something."""
    (x, weights, state, spec), noise, offset, lengths = arguments
    found = module.dynamic_ntm(x, weights, state, spec, KINDS[kind](noise), lengths, offset)
    active = addresses.active_steps(x, lengths)
    outputs = {"y": found.y} | {f"last {n}": t for n, t in found.state._asdict().items()}
    outputs |= {n: getattr(found, n)[active] for n in ("logits", "weights", "context")}
    generator = torch.Generator().manual_seed(1)
    loss = torch.zeros((), **F64).to(x.dtype)
    for tensor in outputs.values():
        mixture = torch.randn(tensor.shape, generator=generator, **F64)
        loss = loss + (tensor * mixture.to(x.dtype)).sum()
    leaves = [x, *weights, *state, noise, offset]
    # Twice: estimators differentiate a run more than once.
    slopes = torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True)
    again = torch.autograd.grad(loss, leaves, allow_unused=True)
    for one, other in zip(slopes, again, strict=True):
        assert one is None or torch.equal(one, other)
    names = ["x", *DynamicNTMWeights._fields, *DynamicNTMState._fields, "noise", "offset"]
    outputs |= {f"d {name}": slope for name, slope in zip(names, slopes, strict=True)}
    return {n: part.detach() for n, part in outputs.items() if part is not None and part.numel()}


def relative_error(found, truth):
    return ((found.double() - truth).norm() / (truth.norm() + 1e-12)).item()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CASES)
def test_outputs_state_and_gradients_equal_the_references(name, kind):
    for ragged in (False, True):
        arguments = given(name, ragged=ragged)
        found, truth = (results(module, arguments, kind) for module in (cpu, reference))
        # A gradient that is zero everywhere need not be there.
        for part in truth.keys() ^ found.keys():
            assert (truth | found)[part].abs().max() == 0, part
        for part in truth.keys() & found.keys():
            assert relative_error(found[part], truth[part]) < 1e-10, part
        reached = kind in ("relaxing", "straight-through-gumbel", "forced")
        assert ("d noise" in truth) == ("d noise" in found) == reached
        assert truth["d offset"].abs().max() > 0


@pytest.mark.parametrize("kind", ["soft", "sampling", "straight-through-gumbel"])
def test_single_precision_is_as_exact_as_the_reference(kind):
    ours, theirs = [], []
    for name in ("feed-forward", "gru", "lstm"):
        truth = results(reference, given(name), kind)
        found = [results(module, given(name, torch.float32), kind) for module in (cpu, reference)]
        # The same rows in all, or nothing can be compared.
        assert torch.equal(found[0]["weights"].argmax(-1), truth["weights"].argmax(-1))
        for errors, values in zip((ours, theirs), found, strict=True):
            errors += [relative_error(value, truth[part]) for part, value in values.items()]
    assert torch.tensor(ours).median() < 1.5 * torch.tensor(theirs).median()


@pytest.mark.parametrize("part", [0, 1, 2, 3])
def test_gradients_of_any_result_alone_are_right(part):
    """Each may be all that a loss knows of; gradients of the rest are not there."""
    (x, weights, state, spec), noise, offset, _ = given("three turns")
    found = []
    for module in (cpu, reference):
        choose = addresses.relaxing(noise, 0.7)
        run = module.dynamic_ntm(x, weights, state, spec, choose, None, offset)
        loss = [run.y, run.state.recency, run.logits, run.weights][part].square().sum()
        leaves = [x, *weights[:-2], *state[:-1], noise, offset]
        found.append(torch.autograd.grad(loss, leaves, allow_unused=True))
    for ours, theirs in zip(*found, strict=True):
        theirs = torch.zeros_like(ours) if theirs is None else theirs
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["three turns", "gru"])
def test_the_kernel_by_finite_differences(name):
    (x, weights, state, spec), noise, offset, _ = given(name)

    def run(x, noise, offset, *tensors):
        own = DynamicNTMWeights(*tensors[: len(weights)])
        start = DynamicNTMState(*tensors[len(weights) :])
        choose = addresses.relaxing(noise[:2, :3], 0.7)
        found = cpu.dynamic_ntm(x[:2, :3], own, start, spec, choose, None, offset[:2, :3])
        parts = (found.y, found.logits, found.weights, found.context, *found.state)
        return torch.cat([part.flatten() for part in parts])

    state = [part.detach()[:2].requires_grad_() for part in state]
    given_all = (x, noise, offset, *weights, *state)
    assert torch.autograd.gradcheck(run, given_all, fast_mode=True)


def machine(**options):
    torch.manual_seed(0)
    sizes = {"memory_size": 11, "word_size": 5, "address_size": 4, "hidden_size": 8}
    return DynamicNTM(4, 3, **(sizes | {"num_reads": 2} | options))


def noise_for(made, x):
    shape = (*x.shape[:2], made.choices, made.rows)
    return gumbel(torch.empty(shape), torch.Generator().manual_seed(3))


def everything(made, x, choose, lengths=None, offset=None):
    run = made.run(x, made.initial_state(len(x)), choose, lengths=lengths, offset=offset)
    active = addresses.active_steps(x, lengths)
    loss = run.y.square().sum() + run.logits[active].sum() + run.context[active].sum()
    slopes = torch.autograd.grad(loss, list(made.parameters()))
    return [run.y, *run.state, run.logits[active], run.weights[active], *slopes]


def identical(some, others):
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("controller", ["gru", "lstm", "feedforward"])
def test_threads_pieces_and_inference_give_the_same_bits(controller):
    made, x = machine(backend="cpu", controller=controller), torch.randn(17, 6, 4)
    noise = noise_for(made, x)
    weights, spec = made._weights(made._spec()), made._spec()
    inner = [weights.address, weights.erase_bias, weights.read_bias]
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            choose = addresses.straight_through_gumbel(noise, 0.5)
            run = cpu.dynamic_ntm(x, weights, made.initial_state(17), spec, choose)
            # The operation alone: PyTorch's own products round differently with the threads.
            slopes = torch.autograd.grad(run.logits.square().sum(), inner)
            found.append([run.logits, run.weights, *run.state, slopes[0]])
    finally:
        torch.set_num_threads(before)
    assert identical(*found)
    with torch.no_grad():
        start, pieces = made.initial_state(17), []
        for low, high in ((0, 4), (4, 6)):
            choose = addresses.straight_through_gumbel(noise[:, low:high], 0.5)
            run = cpu.dynamic_ntm(x[:, low:high], weights, start, spec, choose)
            start = run.state
            pieces.append([run.logits, run.weights])
        joined = [torch.cat(parts, 1) for parts in zip(*pieces, strict=True)]
    assert identical([*joined, *start], found[0][:-1])


@pytest.mark.parametrize("ragged", [False, True])
def test_every_number_of_a_result_is_written(ragged, monkeypatch):
    """All buffers start as NaN: a number that is read before it was written shows."""
    made, x = machine(backend="cpu", reading_steps=2, num_writes=2), torch.randn(9, 7, 4)
    lengths = torch.randint(1, 8, (9,)) if ragged else None
    noise = noise_for(made, x).requires_grad_()
    offset = torch.zeros_like(noise).requires_grad_()
    choose = addresses.relaxing(noise, 0.5)

    def all_of_it():
        found = everything(made, x, choose, lengths, offset)
        run = made.run(x, made.initial_state(9), choose, lengths=lengths, offset=offset)
        with torch.no_grad():
            free = made.run(x, made.initial_state(9), choose, lengths=lengths, offset=offset)
        slopes = torch.autograd.grad(run.y.square().sum(), [noise, offset])
        return [*found, free.y, *free.state, *slopes]

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


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_that_nothing_hangs_on_has_no_gradient(kind):
    """As in the reference, and not one of zeros: an optimiser tells the two apart."""
    for controller in ("gru", "feedforward"):
        made, x, found = machine(controller=controller), torch.randn(2, 3, 4), {}
        for backend in ("cpu", "reference"):
            made.backend = backend
            choose = KINDS[kind](noise_for(made, x).softmax(-1))
            y = made.run(x, made.initial_state(2), choose).y
            slopes = torch.autograd.grad(y.sum(), list(made.parameters()), allow_unused=True)
            names = [name for name, _ in made.named_parameters()]
            found[backend] = {n for n, g in zip(names, slopes, strict=True) if g is not None}
        assert found["cpu"] == found["reference"]


def test_a_gradient_of_a_gradient_is_the_references():
    for controller in ("gru", "lstm"):
        made, found = machine(backend="cpu", controller=controller).double(), []
        x = torch.randn(2, 3, 4, **F64)
        noise = noise_for(made, x).double().requires_grad_()
        for backend in ("cpu", "reference"):
            made.backend = backend
            run = made.run(x, made.initial_state(2), addresses.relaxing(noise, 0.5))
            total = run.y.square().sum() + run.logits.square().sum()
            slopes = torch.autograd.grad(total, [noise, made.address], create_graph=True)
            size = sum(slope.square().sum() for slope in slopes)
            found.append(torch.autograd.grad(size, [noise, made.erase.weight]))
        torch.testing.assert_close(*found)


def test_divergence_shows():
    made, x = machine(backend="cpu"), torch.randn(3, 6, 4)
    bad = x.clone()
    bad[1, 2, 0] = float("nan")
    for choose in (addresses.hard, addresses.soft):
        y = made.run(bad, made.initial_state(3), choose).y
        assert y[1, 2:].isnan().all()
        assert y[[0, 2]].isfinite().all()
        assert y[1, :2].isfinite().all()


def test_a_state_given_twice_gives_the_same_answers_and_is_not_changed():
    (x, weights, state, spec), noise, _, _ = given("lstm")
    choose, kept = addresses.relaxing(noise, 0.7), [part.clone() for part in state]
    runs = [cpu.dynamic_ntm(x, weights, state, spec, choose) for _ in range(2)]
    runs[0].y.square().sum().backward()
    assert torch.equal(runs[0].y, runs[1].y)
    assert identical(state, kept)


def test_the_kernel_is_taken_where_it_can_run_and_why_not_is_said():
    made, x = machine(), torch.randn(2, 3, 4)
    assert made.backend_choice().backend == "cpu"
    run = made.run(x, made.initial_state(2), addresses.hard)
    assert "DynamicNTM" in type(run.logits.grad_fn).__name__

    def softest(logits, time, first):
        return torch.full_like(logits, 1 / logits.shape[-1])

    own = made.run(x, made.initial_state(2), softest)
    assert own.logits.grad_fn is None or "DynamicNTM" not in type(own.logits.grad_fn).__name__
    made.backend = "cpu"
    with pytest.raises(RuntimeError, match="backend must be 'auto' or 'reference' with a way of"):
        made.run(x, made.initial_state(2), softest)
    half = machine().bfloat16()
    assert "not torch.bfloat16" in half.backend_choice().reason
    assert half(x.bfloat16())[0].dtype == torch.bfloat16
    own_cell = machine(controller=nn.GRUCell)
    assert "controller brought along" in own_cell.backend_choice().reason
    own_cell.backend = "cpu"
    with pytest.raises(RuntimeError, match="backend 'cpu' cannot run: it does not know a contr"):
        own_cell(x)


PARTS = ("read_interface", "controller.layer", "controller", "erase", "candidate_input")


@pytest.mark.parametrize("name", PARTS)
def test_a_part_with_a_hook_is_called(name):
    """By the reference, which then gives what the hook makes of it."""
    made, x = machine(), torch.randn(2, 3, 4)
    before, calls = made(x)[0], []
    made.get_submodule(name).register_forward_hook(lambda *_: calls.append(name))
    y, _ = made(x)
    torch.testing.assert_close(y, before)
    assert len(calls) == 3  # one a step
    part = name.partition(".")[0]
    assert made.backend_choice().reason.startswith(f"cpu: {part} must be called: hooks, or no")
    made.backend = "cpu"
    with pytest.raises(RuntimeError, match=f"cannot run: {part} must be called"):
        made(x)


def test_a_layer_with_a_bias_that_no_kernel_knows_is_called():
    made, x = machine(), torch.randn(2, 3, 4)
    made.candidate_input = nn.Linear(4, 5)
    assert "candidate_input must be called" in made.backend_choice().reason
    with torch.no_grad():
        y, _ = made(x)
        made.candidate_input.bias += 3.0
        assert not torch.allclose(made(x)[0], y)


@pytest.mark.parametrize("module", [cpu, reference])
def test_what_does_not_fit_is_refused_by_name(module):
    (x, weights, state, spec), noise, offset, _ = given("gru")
    choose = addresses.sampling(noise)
    for field, name in (
        ("input_weight", "controller.layer.weight_ih"),
        ("shown_weight", "candidate_input.weight"),
        ("read_bias", "read_interface.bias"),
    ):
        bad = weights._replace(**{field: getattr(weights, field)[:-1]})
        with pytest.raises(ValueError, match=f"{name} must have shape"):
            module.dynamic_ntm(x, bad, state, spec, choose)
    bad = state._replace(recency=state.recency[..., 1:])
    with pytest.raises(ValueError, match=r"state.recency must have shape \(3, 2, 7\)"):
        module.dynamic_ntm(x, weights, bad, spec, choose)
    with pytest.raises(ValueError, match=r"noise must have shape \(3, 7, 2, 7\)"):
        module.dynamic_ntm(x, weights, state, spec, addresses.sampling(noise[:, 1:]))
    with pytest.raises(ValueError, match=r"offset must be torch.float64 on cpu as x is"):
        module.dynamic_ntm(x, weights, state, spec, choose, None, offset.float())

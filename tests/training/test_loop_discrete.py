"""Machines that choose rows, trained by the loop: the right loss, exact resuming, wrong calls."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from stand_ins import tiny
from test_loop import StopAt, rows, same_weights, weights

from tapehead.runs.build import build_machine, build_task
from tapehead.runs.checkpoint import load_checkpoint
from tapehead.runs.devices import batch_to
from tapehead.runs.evaluation import mean_scores
from tapehead.runs.randomness import Stream
from tapehead.tasks import TASKS
from tapehead.tasks.copy import Copy
from tapehead.training import Stopped, load_run, train
from tapehead.training import rows as written
from tapehead.training.objectives import RowChoices, Supervised, make_objective
from tapehead.training.processes import OneProcess
from tapehead.training.session import Session

SIZES = {"memory_size": 5, "word_size": 3, "hidden_size": 6}


def chooser(machine="discrete-ntm", **options):
    addressing = options.pop("addressing", "discrete")
    return tiny(
        machine=machine,
        machine_options=SIZES | {"addressing": addressing},
        objective_options={} if addressing == "soft" else {"estimator": "rebar"} | options,
        task_options={"max_length": 2, "num_bits": 2},
        optimiser="adam",
        max_sequences=64,
        report_every=16,
        validate_every=32,
        validation_sequences=4,
    )


def session(config):
    task = build_task(config)
    machine = build_machine(config, task)
    objective = make_objective(machine, task, **config.objective_options)
    return Session(config, task, machine, objective, OneProcess(torch.device("cpu")))


@pytest.mark.parametrize("optimiser", ["adam", "rmsprop", "graves-rmsprop"])
@pytest.mark.parametrize("fresh", [True, False])
def test_an_annealed_machine_begins_to_choose_with_a_fresh_optimiser(optimiser, fresh):
    """And with the weights that it has."""
    options = {"soft_batches": 2, "annealing": 5}
    run = session(replace(chooser(**options), optimiser=optimiser, fresh_optimiser=fresh))
    batch = run.task.batch(torch.Generator().manual_seed(1), 4)
    empty = []
    for number in range(1, 6):
        before = run.learner.flat.parameter.detach().clone()
        run.learner.step(run.task, batch, number, 1e-3)
        assert not torch.equal(run.learner.flat.parameter, before)
        tensors = run.learner.optimiser_tensors().values()
        empty.append(all((each == 0).all() for each in tensors))
    # Softness is still whole with as many batches seen as are soft: the third is soft for sure.
    assert empty == [False, False, fresh, False, False]


@pytest.mark.parametrize("fresh", [True, False])
def test_another_epsilon_holds_from_the_first_choice_on(fresh):
    """Softness is whole until 3 batches are seen, and a machine that is never soft has no such."""
    options = {"soft_batches": 2, "annealing": 5}
    config = replace(chooser(**options), fresh_optimiser=fresh, choosing_epsilon=0.5)
    for settings, expected in (
        (config, [1e-8, 1e-8, 0.5, 0.5]),
        (replace(config, choosing_epsilon=None), [1e-8] * 4),
        (replace(config, objective_options={}), [1e-8] * 4),
        (replace(chooser(addressing="soft"), choosing_epsilon=0.5), [1e-8] * 4),
    ):
        run = session(settings)
        batch = run.task.batch(torch.Generator().manual_seed(1), 4)
        found = []
        for number in range(1, 5):
            run.learner.step(run.task, batch, number, 1e-3)
            found.append(run.learner.optimiser.param_groups[0]["epsilon"])
        assert found == expected


@pytest.mark.parametrize("annealing", [0, 6])
def test_steps_across_the_annealing_are_those_of_a_plain_loop(annealing):
    """Written out with PyTorch's own Adam: the same batches and draws give the same weights."""
    options = {"soft_batches": 4, "annealing": annealing, "estimator": "reinforce"}
    config = replace(chooser(**options), clip_value=None, clip_norm=0.1, choosing_epsilon=1e-3)
    run = session(config)
    machine, objective = copy.deepcopy(run.machine), copy.deepcopy(run.objective)
    weights = [*machine.parameters(), *objective.parameters()]
    optimiser = torch.optim.Adam(weights, lr=1e-3)
    for number in range(1, 13):
        batch = run.task.batch(run.generator, 4)
        torch.manual_seed(number)
        run.learner.step(run.task, batch, number, 1e-3)
        if objective.batches_seen == 4 + (annealing > 0):  # the next is the first that may choose
            optimiser = torch.optim.Adam(weights, lr=1e-3, eps=1e-3)
        torch.manual_seed(number)
        for weight in weights:  # a baseline too, of which a soft batch has no use
            weight.grad = torch.zeros_like(weight)
        objective(machine, run.task, batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 0.1)
        optimiser.step()
        ours = [*run.machine.parameters(), *run.objective.parameters()]
        for mine, plain in zip(ours, weights, strict=True):
            torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-6)


def test_an_annealed_machine_is_not_done_while_it_is_soft(monkeypatch):
    """With a mark that everyone meets, training goes on until every batch is discrete."""
    monkeypatch.setattr(Copy, "solved", lambda task, scores: True)

    def done(**options):
        config = replace(chooser(**options), report_every=4, validate_every=1000, batch_size=4)
        asked = []
        with monkeypatch.context() as patch:
            patch.setattr(
                written, "mean_scores", lambda *args: asked.append(args) or mean_scores(*args)
            )
            result = train(config)
        # No validation is called for before it can be passed.
        assert len(asked) == 1
        return result.sequences if result.solved else None

    assert done(annealing=3) == 12
    assert done(annealing=3, soft_batches=7) == 40
    assert done(soft_batches=7) == 28
    assert done(soft_batches=17) is None
    assert done() == 4


def test_lessons_are_judged_softly_while_every_batch_is_soft(monkeypatch):
    """Validation and tests never are: what counts in the end are hard addresses."""
    options = {"soft_batches": 2, "annealing": 1}
    run = session(chooser(**options))
    twin = session(chooser(addressing="soft"))
    twin.machine.load_state_dict(run.machine.state_dict())
    how = (run.task, 16, 8, 0, Stream.VALIDATION)
    soft, hard = mean_scores(twin.machine, *how), mean_scores(run.machine, *how)
    assert soft != hard
    with run.objective.as_trained(run.machine):
        assert mean_scores(run.machine, *how) == pytest.approx(soft)
    run.objective.batches_seen += 3
    with run.objective.as_trained(run.machine):
        assert mean_scores(run.machine, *how) == hard

    asked = set()

    def listening(machine, *args):
        lesson = args[3] != written.VALIDATION_SEED
        asked.add(("lesson" if lesson else "validation", machine.addressing))
        return mean_scores(machine, *args)

    monkeypatch.setattr(written, "mean_scores", listening)
    monkeypatch.setattr(Copy, "solved", lambda task, scores: True)
    options["soft_batches"] = 99
    train(replace(chooser(**options), curriculum="naive", stop_when_solved=False))
    assert asked == {("validation", "discrete"), ("lesson", "soft")}


@pytest.mark.parametrize("name", ["copy", "associative-recall", "ngrams", "traversal"])
def test_step_costs_add_up_to_the_loss(name):
    task = TASKS[name]()
    batch = task.batch(torch.Generator().manual_seed(0), 5)
    outputs = torch.randn(*batch.targets.shape[:2], task.output_size)
    costs = task.step_costs(outputs, batch)
    torch.testing.assert_close(costs.sum(1).mean(), task.loss(outputs, batch))
    assert (costs[~batch.mask] == 0).all()
    # Each step has its own outputs' cost, and no other's.
    last = batch.mask[0].nonzero().max()
    outputs[0, last] *= -1
    changed = task.step_costs(outputs, batch) != costs
    assert changed.nonzero().tolist() == [[0, int(last)]]


@pytest.mark.parametrize("estimator", ["rebar", "straight-through"])
def test_a_step_of_training_follows_the_estimate(estimator):
    """The gradient that the optimiser sees is that of the objective's loss on the same draws."""
    run = session(chooser(estimator=estimator))
    task, machine, objective = run.task, run.machine, run.objective
    assert isinstance(objective, RowChoices)
    both = [*machine.named_parameters(), *objective.named_parameters()]
    batch = task.batch(torch.Generator().manual_seed(1), 6)
    torch.manual_seed(2)
    _, outputs, loss = run.learner.differentiate(task, batch)
    found = {name: p.grad.clone() for name, p in both}
    run.learner.release()
    torch.manual_seed(2)
    costs = partial(task.step_costs, batch=batch)
    expected, said = objective.loss(machine, batch.inputs.x, costs, lengths=batch.inputs.lengths)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(loss, task.loss(outputs, batch))
    assert torch.equal(outputs, said)
    for name, parameter in both:
        torch.testing.assert_close(found[name], parameter.grad, msg=name)
    # REBAR's own number is trained beside the machine; REINFORCE for the choices is there.
    assert (found["interface.weight"] != 0).any()
    if estimator == "rebar":
        assert found["address_estimator.scale"] != 0


def test_outputs_of_several_samples_are_those_of_the_first(monkeypatch):
    run = session(chooser(estimator="reinforce", baseline="leave-one-out", samples=3))
    batch = run.task.batch(torch.Generator().manual_seed(1), 4)
    said, original = [], run.machine.run

    def listening(*args, **options):
        said.append(original(*args, **options))
        return said[-1]

    monkeypatch.setattr(run.machine, "run", listening)
    outputs = run.learner.differentiate(run.task, batch)[1]
    assert len(said[0].y) == 12
    assert torch.equal(outputs, said[0].y[:4])
    assert not torch.equal(outputs, said[0].y[4:8])


@pytest.mark.parametrize(
    ("machine", "options"),
    [
        ("discrete-ntm", {"estimator": "relax", "baseline": "moving-average"}),
        ("dynamic-ntm", {"annealing": 10}),
        ("discrete-ntm", {"annealing": 10, "soft_batches": 7}),
        ("discrete-ntm", {"annealing": 5, "soft_batches": 2}),
        ("tardis", {"estimator": "reinforce"}),
    ],
)
def test_resumed_is_uninterrupted(tmp_path, machine, options):
    """Noise of the choices, tosses of the annealing, averages of the baseline, the epsilon of a
    machine that chooses: all as they were."""
    config = replace(chooser(machine, **options), choosing_epsilon=1e-2)
    train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "pieces", reporter=StopAt(8))
    train(config, tmp_path / "pieces", resume=True)
    assert rows(tmp_path / "whole") == rows(tmp_path / "pieces")
    ends = [weights(load_run(tmp_path / name, step="latest")[1]) for name in ("whole", "pieces")]
    assert same_weights(*ends)
    own = [
        load_checkpoint(tmp_path / name / "checkpoint", 16).parts["objective"]
        for name in ("whole", "pieces")
    ]
    assert same_weights(*own)
    assert own[0]["batches_seen"] == config.max_sequences / config.batch_size


def test_a_task_without_step_costs_is_refused_unless_addressing_is_soft():
    task = TASKS["shortest-path"]()
    config = chooser("dynamic-ntm")
    with pytest.raises(
        ValueError, match=r"addressing must be soft on shortest-path, .*got 'discrete'"
    ):
        make_objective(build_machine(config, task), task)
    soft = chooser("dynamic-ntm", addressing="soft")
    assert isinstance(make_objective(build_machine(soft, task), task), Supervised)


def test_an_objective_is_of_the_type_of_its_machine():
    task = Copy(num_bits=2, max_length=2)
    machine = build_machine(chooser(), task).double()
    objective = make_objective(machine, task, estimator="relax")
    assert {part.dtype for part in objective.parameters()} == {torch.float64}
    batch = task.batch(torch.Generator().manual_seed(1), 4)
    batch = batch_to(batch, torch.device("cpu"), torch.float64)
    objective(machine, task, batch).loss.backward()
    assert all(part.grad is not None for part in objective.parameters())

"""Machines that choose rows, trained by the loop: the right loss, exact resuming, wrong calls."""

from functools import partial

import pytest
import torch
from stand_ins import tiny
from test_loop import StopAt, rows, same_weights, weights

from tapehead.machines.discrete import DiscreteMachine
from tapehead.tasks import TASKS
from tapehead.training import Stopped, load_run, train
from tapehead.training.build import build_machine, build_task
from tapehead.training.session import Session

SIZES = {"memory_size": 5, "word_size": 3, "hidden_size": 6}


def chooser(machine="discrete-ntm", **options):
    options = SIZES | {"addressing": "discrete", "estimator": "rebar"} | options
    return tiny(
        machine=machine,
        machine_options=options,
        task_options={"max_length": 2, "num_bits": 2},
        optimiser="adam",
        max_sequences=64,
        report_every=16,
        validate_every=32,
        validation_sequences=4,
    )


def session(config):
    from lightning_fabric import Fabric

    task = build_task(config)
    return Session(config, task, build_machine(config, task), Fabric(accelerator="cpu"))


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
    """The gradient that the optimiser sees is that of `training_loss` on the same draws."""
    run = session(chooser(estimator=estimator))
    task, machine = run.task, run.machine
    assert isinstance(machine, DiscreteMachine)
    batch = task.batch(torch.Generator().manual_seed(1), 6)
    torch.manual_seed(2)
    _, outputs, loss = run.learner.differentiate(task, batch)
    found = {name: p.grad.clone() for name, p in machine.named_parameters()}
    run.learner.release()
    torch.manual_seed(2)
    expected, said = machine.training_loss(
        batch.inputs, partial(task.step_costs, batch=batch), lengths=batch.lengths
    )
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(loss, task.loss(outputs, batch))
    assert torch.equal(outputs, said)
    for name, parameter in machine.named_parameters():
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
        ("dynamic-ntm", {"addressing": "annealed", "annealing": 10}),
        ("tardis", {"estimator": "reinforce"}),
    ],
)
def test_resumed_is_uninterrupted(tmp_path, machine, options):
    """Noise of the choices, tosses of the annealing, averages of the baseline: all as they were."""
    config = chooser(machine, **options)
    train(config, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(config, tmp_path / "pieces", reporter=StopAt(8))
    train(config, tmp_path / "pieces", resume=True)
    assert rows(tmp_path / "whole") == rows(tmp_path / "pieces")
    ends = [weights(load_run(tmp_path / name, step="latest")[1]) for name in ("whole", "pieces")]
    assert same_weights(*ends)
    if machine != "tardis":
        assert ends[0]["batches_seen"] == config.max_sequences / config.batch_size


def test_a_task_without_step_costs_is_refused_unless_addressing_is_soft():
    task = TASKS["shortest-path"]()
    config = chooser("dynamic-ntm")
    with pytest.raises(
        ValueError, match=r"addressing must be soft on shortest-path, .*got 'discrete'"
    ):
        build_machine(config, task)
    build_machine(chooser("dynamic-ntm", addressing="soft"), task)

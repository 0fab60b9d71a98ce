"""The D-NTM that reads stories: its choices are trained question by question, and what it found is
traced back to the sentences. Its answers are held against a loop in test_reading.py."""

import inspect
import math

import numpy as np
import pytest
import torch
from paths import every_path, standard_errors
from test_reading import SIZES, STORY, machine

from tapehead import DynamicNTMReader
from tapehead.forms import Story
from tapehead.machines.dynamic_ntm_reader import _numbers
from tapehead.recipes.races import log_variance
from tapehead.runs import load_run, read_metrics
from tapehead.tasks import Batch, make_task
from tapehead.training import TrainConfig, train
from tapehead.training.objectives import RowChoices, make_objective
from tapehead.viewing.origins import origins_of

NAME = "dynamic-ntm-reader"
SMALL = {
    "sentence_size": 4, "hidden_size": 5, "memory_size": 3, "word_size": 4, "address_size": 2,
}  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"controller": "lstm", "no_operation": False}])
def test_weights_and_state_are_as_large_as_worked_out(options):
    made = DynamicNTMReader(**SIZES, **options)
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(DynamicNTMReader).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    counted = sum(weight.numel() for weight in made.parameters()) + made.state_numbers
    assert _numbers(**SIZES, **defaults | options) == counted


def task_and_batch():
    """Stories of unlike numbers of sentences and of questions."""
    task = make_task("babi", task="8")
    first, second, *_ = task.stories
    shorter = second._replace(sentences=second.sentences[:2], questions=second.questions[:1])
    return task, task.batch_of([first, shorter, first])


def made_for(task, **options):
    torch.manual_seed(2)
    return DynamicNTMReader(**task.sizes, **SMALL | options).double()


def gradients(made, loss):
    weights = dict(made.named_parameters())
    return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


def test_soft_batches_are_those_of_the_soft_machine_whatever_each_story_is_asked():
    """So costs stand at the right steps, and as large as they must."""
    task, batch = task_and_batch()
    assert not batch.mask.all()
    soft, made = made_for(task), made_for(task, addressing="discrete")
    for options in ({}, {"soft_entropy_cost": 1e-12}):  # two ways to the same loss
        objective = make_objective(made, task, soft_batches=9, **options)
        assert isinstance(objective, RowChoices)
        judged = objective(made, task, batch)
        outputs, _ = task.run(soft, batch)
        loss = task.loss(outputs, batch)
        torch.testing.assert_close(judged.loss, loss)
        torch.testing.assert_close(judged.outputs, outputs.detach() * batch.mask[..., None])
        torch.testing.assert_close(gradients(made, judged.loss), gradients(soft, loss))
        with objective.as_trained(made):
            torch.testing.assert_close(task.run(made, batch)[0], outputs)
    assert made.addressing == "discrete"


@pytest.mark.parametrize("name", ["reinforce", "relax", "straight-through-gumbel"])
def test_the_estimate_for_each_question_is_the_sum_over_its_paths(name):
    """One story with two questions, which share no choice: every row for every reading and write
    of the first is tried, and so for the second."""
    sentences = torch.tensor([[0, 0, 0], [4, 5, 6], [7, 5, 0]])
    story = Story(sentences, *(torch.tensor([each]) for each in ([1], [2, 1], [1, 1])))
    torch.manual_seed(4)
    options = SMALL | {"memory_size": 2, "no_operation": False, "blank_steps": 0}
    made = DynamicNTMReader(**SIZES, **options, addressing="discrete").double()
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(0.7 * torch.randn_like(weight))
    told = made.unfolded(story)
    assert told.x.shape == (2, 2, 4)
    target = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]], dtype=torch.float64)

    def of_answers(answers):
        return (answers.softmax(-1) * target).sum(-1)

    costs = told.costs(of_answers)
    objective = RowChoices(**made.objective_sizes, estimator=name, baseline="none").double()
    # Many of the same stories.
    count = 6_000
    many = made.unfolded(story.select(torch.zeros(count, dtype=torch.int64)))
    estimate = objective.estimate(
        many.machine, many.x, many.costs(of_answers), lengths=many.lengths,
        generator=torch.Generator().manual_seed(1), want_gradient=True,
    )  # fmt: skip
    found = estimate.gradient.unflatten(0, (count, 2))
    worst = 0.0
    for question in range(2):
        x = told.x[question : question + 1].detach()

        def alone(y, question=question):
            return 2 * torch.stack(
                [torch.zeros(len(y)), of_answers(y[:, -1:].expand(-1, 2, -1))[:, question]], 1
            )

        _, at_logits = every_path(made.ntm, x, alone)
        worst = max(worst, float(standard_errors(found[:, question], at_logits)))
    assert worst > 8 if name == "straight-through-gumbel" else worst < 5
    assert costs(made.ntm(told.x, lengths=told.lengths)[0])[:, 0].abs().sum() == 0


def test_what_was_looked_at_is_what_the_page_says_of_each_read():
    made = machine(NAME, num_writes=2, num_reads=2, reading_steps=2, blank_steps=2, memory_size=5)
    found = made.trace(*STORY).attention
    assert found.shape == (2, 3, 3 * 2 * 2, 4)
    for item, asked in ((0, 0), (0, 2), (1, 1)):
        known = int(STORY.known[item, asked])
        parts = (STORY.questions[item, asked], STORY.known[item, asked])
        story = Story(STORY.sentences, STORY.told[item : item + 1], *(p.view(1, 1) for p in parts))
        told = made.unfolded(story)
        x = told.x[:, : known + 3]
        trace = made.ntm.trace(x)
        origins = origins_of(trace, made.ntm.initial_state(1).content)
        # The last reading of each step: of two heads, after an earlier one of each.
        shares = origins.reads[known:, :, 1:].reshape(3, 2, -1, 2).sum(-1)[..., :known]
        shares /= shares.sum(-1, keepdims=True)
        ours = found[item, asked].detach().numpy().reshape(3, 2, 2, 4)[:, 1]
        assert np.allclose(ours[..., :known], shares, atol=1e-8)
        assert (ours[..., known:] == 0).all()


def test_a_row_that_keeps_nothing_was_written_by_nobody():
    made = machine(NAME, memory_size=1)
    with torch.no_grad():
        made.ntm.write_interface.bias[-1] = 0.0
        made.ntm.candidate.bias.fill_(-100.0)  # nothing is ever added
        made.ntm.candidate.weight.zero_()
        made.ntm.candidate_input.weight.zero_()
    assert (made.trace(*STORY).attention == 0).all()


def config(**changes):
    settings = {
        "task": "babi", "task_options": {"task": "15"}, "machine": NAME,
        "machine_options": SMALL | {"addressing": "discrete"},
        "objective_options": {"estimator": "relax", "soft_batches": 2, "annealing": 3},
        "optimiser": "adam", "batch_size": 4, "max_sequences": 48, "report_every": 8,
        "validate_every": 16, "threads": 1, "stop_when_solved": False,
    }  # fmt: skip
    return TrainConfig(**settings | changes)


def losses(path):
    return [row["loss"] for row in read_metrics(path) if row["kind"] == "train"]


def test_a_run_that_chooses_goes_on_to_the_bit(tmp_path):
    train(config(), tmp_path / "whole")
    train(config(max_sequences=24), tmp_path / "halves")
    train(config(), tmp_path / "halves", resume=True)
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")
    whole, halves = (load_run(tmp_path / name)[1] for name in ("whole", "halves"))
    assert all(
        torch.equal(*pair) for pair in zip(whole.parameters(), halves.parameters(), strict=True)
    )
    assert whole.addressing == "discrete"


def test_it_learns_what_one_sentence_says():
    task = make_task("babi", task="4")
    torch.manual_seed(0)
    made = DynamicNTMReader(**task.sizes, **SMALL | {"sentence_size": 16, "hidden_size": 16})
    optimiser = torch.optim.Adam(made.parameters(), lr=0.02)
    batch = task.problems(torch.arange(len(task.stories)))
    before = task.loss(made(*batch.inputs)[0], batch).item()
    for _ in range(60):
        loss = task.loss(made(*batch.inputs)[0], batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    test = task.test_settings()["test"]
    scores = test.scores(made(*(told := test.problems(torch.arange(6))).inputs)[0], told)
    assert scores["wrong"].mean() < 0.2
    assert loss < 0.3 * before


def test_the_variance_of_a_gradient_is_that_of_every_question_of_the_longest_story():
    task = make_task("babi", task="2")
    made = made_for(task, addressing="discrete").float()
    objective = make_objective(made, task, estimator="reinforce", baseline="none")
    found = log_variance(made, objective, task, samples=4)
    batch = task.batch(torch.Generator().manual_seed(0), 32)
    longest = int(batch.inputs.known.amax(1).argmax())
    sentences, *parts = batch.inputs
    told, questions, known = (part[longest].expand(4, -1) for part in parts)
    drawn = Story(sentences, told, questions, known)
    batch = Batch(
        drawn, batch.targets[longest].expand(4, -1, -1), batch.mask[longest].expand(4, -1)
    )
    unfolded = made.unfolded(drawn)
    estimate = objective.estimate(
        made.ntm, unfolded.x, unfolded.costs(lambda y: task.step_costs(y, batch)),
        lengths=unfolded.lengths, generator=torch.Generator().manual_seed(0), want_gradient=True,
    )  # fmt: skip
    asked = int(batch.mask[0].sum())
    each = [np.var(estimate.gradient[at::asked].numpy(), 0, ddof=1).mean() for at in range(asked)]
    assert found == pytest.approx(math.log(np.mean(each)), abs=1e-3)

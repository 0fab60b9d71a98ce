"""Teacher forcing: the loss of each pointer after the right ones before it, step by step."""

import torch

from tapehead.machines import PointerNetwork
from tapehead.runs.evaluation import mean_scores
from tapehead.runs.randomness import Stream, generator_for
from tapehead.tasks import ConvexHull, Sorting
from tapehead.training.objectives import TeacherForcing, make_objective

TASK = ConvexHull(max_points=8, mixed_points=True)


def made(**options):
    torch.manual_seed(1)
    return PointerNetwork(**TASK.sizes, hidden_size=8, **options)


def test_the_loss_is_that_of_each_right_pointer_after_those_before_it():
    machine, batch = made().double(), TASK.batch(torch.Generator().manual_seed(0), 6)
    batch = batch._replace(inputs=batch.inputs.to(torch.device("cpu"), torch.float64))
    judged = TeacherForcing()(machine, TASK, batch)
    costs = []
    for row in range(6):
        count, right = int(batch.inputs.counts[row]), batch.targets[row][batch.mask[row]]
        xy = batch.inputs.xy[row : row + 1, :count]
        for step, pointer in enumerate(right):
            told = torch.cat([right[:step], right.new_zeros(1)])[None]
            logits, _ = machine(xy, None, told)
            costs.append(-logits[0, step].log_softmax(-1)[pointer])
    torch.testing.assert_close(judged.loss, torch.stack(costs).mean())


def test_rows_of_training_score_the_likeliest_pointers():
    """Not the right ones, which the machine was told."""
    machine, batch = made(), TASK.batch(torch.Generator().manual_seed(0), 32)
    judged = make_objective(machine, TASK)(machine, TASK, batch)
    said = judged.batch.inputs.answer
    assert torch.equal(said, TASK.answer.said(judged.outputs, batch))
    assert not torch.equal(said, batch.targets)
    assert TASK.scores(judged.outputs, judged.batch)["solved"].float().mean() < 0.5
    assert batch.inputs.answer is None


def test_validation_runs_free_and_its_loss_is_that_of_the_right_answer():
    machine = made()
    scores = mean_scores(machine, TASK, 32, 32, 0, Stream.VALIDATION)
    batch = TASK.batch(generator_for(0, Stream.VALIDATION, 0), 32)
    machine.eval()
    answer, _ = machine.answers(batch.inputs.xy, batch.inputs.counts)
    with torch.no_grad():
        forced, _ = machine(batch.inputs.xy, batch.inputs.counts, batch.targets)
    expected = TASK.scores(forced, batch._replace(inputs=batch.inputs._replace(answer=answer)))
    assert scores["area"] == float(expected["area"].double().mean())
    assert scores["loss"] == float(TASK.loss(forced, batch).double())


def test_it_learns_to_sort():
    task = Sorting(min_points=4, max_points=4)
    torch.manual_seed(0)
    machine = PointerNetwork(**task.sizes, hidden_size=16)
    objective, generator = TeacherForcing(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(machine.parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        objective(machine, task, task.batch(generator, 32)).loss.backward()
        optimiser.step()
    scores = mean_scores(machine, task, 128, 64, 0, Stream.VALIDATION)
    assert scores["solved"] > 0.9

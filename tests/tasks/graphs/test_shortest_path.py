"""Shortest path: walked with the teacher and alone, heard, charged and planned aloud."""

from dataclasses import replace

import networkx as nx
import pytest
import torch
from batches import same
from graph_tasks import SMALL, VARIANTS, draw, parts, step_along
from torch import nn

from tapehead.forms import Sequence
from tapehead.machines import LSTM
from tapehead.tasks import Batch
from tapehead.tasks.graphs import ShortestPath, coding, planner
from tapehead.tasks.graphs.coding import ANSWER, BLANK, TRIPLE_SIZE, decode, encode


@pytest.mark.parametrize("task", [task for task in VARIANTS if task.name == "shortest-path"])
def test_shortest_path_is_walked_by_the_teacher(task):
    batch = draw(task, 12)
    lengths = set()
    for b in range(12):
        graph, rest = parts(batch, b)
        source, edge, goal = rest[0][0]
        assert edge == BLANK
        shortest = nx.shortest_path_length(graph, source, goal)
        lengths.add(shortest)
        answer = [step for step in rest if step[1][1]]
        planning = rest[1 : len(rest) - len(answer)]
        assert len(planning) == task.planning_steps
        assert all(told == [BLANK] * 3 for told, _, _ in planning)
        assert len(answer) == shortest
        at, said = source, [BLANK] * 3
        for told, _, triple in answer:
            assert told == said  # what was taken at the step before
            assert triple[0] == at
            assert step_along(graph, at, triple[1]) == triple[2]
            at, said = triple[2], triple
        assert at == goal
    assert lengths == set(range(task.min_length, task.max_length + 1))


class Walker(nn.Module):
    """Says at each step what the oracle, or someone else, says to the inputs so far."""

    def __init__(self, task, says):
        super().__init__()
        self.task, self.says, self.calls = task, says, 0

    def forward(self, x, state=None, lengths=None):
        self.calls += 1
        if state is None:
            return x.new_zeros(*x.shape[:2], 90), (x, lengths)
        before, lengths = state
        size = max(before.shape[1], int(lengths.max()) + 1)
        history = x.new_zeros(len(x), size, x.shape[2])
        history[:, : before.shape[1]] = before
        history[torch.arange(len(x)), lengths] = x[:, 0]
        batch = Batch(Sequence(history, lengths + 1), history[..., :90], history[..., ANSWER] > 0)
        said = self.says(batch)[torch.arange(len(x)), lengths]
        return said[:, None], (history, lengths + 1)


@pytest.mark.parametrize("teacher", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("training", [True, False])
def test_a_machine_that_knows_walks_the_shortest_path_by_itself(teacher, training):
    task = ShortestPath(**SMALL, min_length=1, max_length=3, teacher=teacher)
    walker = Walker(task, task.oracle).train(training)
    batch = draw(task, 8)
    outputs, walked = task.run(walker, batch)
    assert same(batch, walked)
    assert task.scores(outputs, walked)["solved"].all()
    assert task.loss(outputs, walked) == 0


def test_a_machine_that_errs_is_heard_and_judged_where_it_stands():
    """It takes the longest way round at every step: told its own steps, never the teacher's."""
    task = ShortestPath(**SMALL, min_length=2, max_length=3, extra_steps=2)

    def worst(batch):
        outputs = torch.zeros(*batch.inputs.x.shape[:2], 90)
        for b in range(len(outputs)):
            graph, rest = parts(batch, b)
            goal = rest[0][0][2]
            told = [step[0] for step in rest if step[1][1]]
            at = told[-1][2] if told[-1][2] != BLANK else rest[0][0][0]
            far = nx.single_target_shortest_path_length(graph, goal)
            far = dict(far)
            _, end, key = max(
                graph.out_edges(at, keys=True), key=lambda edge: far.get(edge[1], 1000)
            )
            outputs[b, int(batch.inputs.lengths[b]) - 1] = (
                encode(torch.tensor([at, key, end])) * 200
            )
        return outputs

    walker = Walker(task, worst).eval()
    batch = draw(task, 8)
    outputs, walked = task.run(walker, batch)
    scores = task.scores(outputs, walked)
    for b in range(8):
        graph, rest = parts(walked, b)
        start, _, goal = rest[0][0]
        shortest = nx.shortest_path_length(graph, start, goal)
        answer = [step for step in rest if step[1][1]]
        said = decode(outputs[b][walked.mask[b]]).tolist()
        at = start
        for i, (told, _, teacher) in enumerate(answer):
            assert told == (said[i - 1] if i else [BLANK] * 3)
            assert teacher[0] == at
            onward = nx.shortest_path_length(graph, teacher[2], goal)
            assert onward + 1 == nx.shortest_path_length(graph, at, goal)
            at = said[i][2]
        assert len(answer) <= shortest + 2
        arrived = at == goal
        longer = len(answer) - shortest if arrived else 1
        assert bool(scores["solved"][b]) == (arrived and longer == 0)
        if arrived:
            assert scores["wasted_steps"][b] == longer
        assert bool(scores["late"][b]) >= (not arrived and longer > 1)
    assert not scores["solved"].all()

    guided = ShortestPath(**SMALL, min_length=2, max_length=3, teacher=1.0)
    outputs, walked = guided.run(Walker(guided, worst).train(), batch)
    assert same(batch, walked)


def test_the_teacher_takes_its_share_of_the_steps():
    task = ShortestPath(min_nodes=10, max_nodes=10, min_degree=3, max_degree=3, teacher=0.8)
    away = Walker(task, lambda batch: -task.oracle(batch)).train()
    batch = draw(task, 200)
    _, walked = task.run(away, batch)
    told = decode(walked.inputs.x[..., :TRIPLE_SIZE])
    first = walked.mask.int().argmax(1)
    sequences = torch.arange(200)
    longer = walked.inputs.lengths > first + 1
    taken = told[sequences, (first + 1).clamp(max=told.shape[1] - 1)]
    meant = decode(walked.targets)[sequences, first]
    share = (taken == meant).all(-1)[longer].float().mean().item()
    assert 0.7 < share < 0.9


def test_an_even_prediction_costs_the_logarithm_of_the_ways_out():
    task = ShortestPath(**SMALL, min_length=2, max_length=3)
    batch = draw(task, 6)
    bits = task.scores(torch.zeros_like(batch.targets), batch)["bits"]
    for b in range(6):
        graph, rest = parts(batch, b)
        stood_on = [triple[0] for _, flag, triple in rest if flag[1]]
        ways = torch.tensor([float(graph.out_degree(node)) for node in stood_on])
        torch.testing.assert_close(bits[b], ways.log2().sum())
    assert bits.max() > 0


def test_gradients_reach_what_was_said():
    task = ShortestPath(**SMALL, min_length=1, max_length=3)
    batch = draw(task, 4)
    outputs = torch.randn(batch.targets.shape, requires_grad=True)
    task.loss(outputs, batch).backward()
    assert outputs.grad[batch.mask].isfinite().all()
    assert (outputs.grad[~batch.mask] == 0).all()
    graph_has_choice = (outputs.grad[batch.mask].abs().sum(-1) > 0).any()
    assert graph_has_choice


def test_spelling_charges_for_the_digits_of_the_teachers_edge_too():
    task = ShortestPath(**SMALL, min_length=1, max_length=3)
    spelled = replace(task, spelling=0.5)
    batch = task.batch(torch.Generator().manual_seed(3), 5)
    outputs = torch.randn(*batch.targets.shape, generator=torch.Generator().manual_seed(4))
    outputs.requires_grad_()
    digits = batch.targets[batch.mask].unflatten(-1, (9, 10)).argmax(-1)
    said = outputs[batch.mask].unflatten(-1, (9, 10))
    spelling = torch.nn.functional.cross_entropy(said.flatten(0, 1), digits.flatten())
    loss = spelled.loss(outputs, batch)
    torch.testing.assert_close(loss, task.loss(outputs, batch) + 0.5 * spelling)
    torch.testing.assert_close(spelled.step_costs(outputs, batch).sum(1).mean(), loss)
    # The choice alone says nothing where one edge leaves a node; the digits of it do.
    (slope,) = torch.autograd.grad(loss, outputs)
    assert (slope[batch.mask].abs().sum(-1) > 0).all()
    for name, score in task.scores(outputs, batch).items():
        assert torch.equal(score, spelled.scores(outputs, batch)[name])


@pytest.mark.parametrize("guided", [True, False])
def test_a_machine_that_plans_aloud_hears_what_was_named_at_the_step_before(guided):
    task = ShortestPath(**SMALL, min_length=2, max_length=4, recall=1.0, aloud=True)
    torch.manual_seed(0)
    machine = LSTM(92, 90, hidden_size=8, num_layers=1).train(guided)
    drawn = task.batch(torch.Generator().manual_seed(2), 6)
    outputs, batch = task.run(machine, drawn)
    told = planner.read_told(batch.inputs.x)
    wanted = task.answer.recalled(batch)
    heard = coding.decode(batch.inputs.x[..., : coding.TRIPLE_SIZE])
    likeliest = planner.edge_log_probabilities(
        planner.Told(*(each.repeat_interleave(outputs.shape[1], 0) for each in told)),
        told.is_edge.repeat_interleave(outputs.shape[1], 0),
        outputs.detach().flatten(0, 1),
    ).argmax(-1)
    likeliest = likeliest.unflatten(0, outputs.shape[:2])
    beyond = 0
    for number in range(6):
        first = int(told.answer_at[number]) - task.planning_steps
        edges = told.triples[number][told.is_edge[number]]
        assert (heard[number, first] == coding.BLANK).all()
        for step in range(first, first + task.planning_steps - 1):
            if not guided:
                named = told.triples[number, likeliest[number, step]]
            elif wanted.mask[number, step]:
                named = coding.decode(wanted.targets[number, step])
            else:
                beyond += 1
                assert (edges == heard[number, step + 1]).all(-1).any()
                continue
            assert torch.equal(heard[number, step + 1], named)
        # Before it plans, nothing changes.
        assert torch.equal(
            heard[number, :first], coding.decode(drawn.inputs.x[number, :first, :90])
        )
    assert guided == bool(beyond)
    again, _ = machine(batch.inputs.x, lengths=batch.inputs.steps)
    counts = wanted.mask | batch.mask
    torch.testing.assert_close(outputs[counts], again[counts])


def test_planning_aloud_needs_something_to_name():
    with pytest.raises(ValueError, match="aloud must be left out without recall"):
        ShortestPath(aloud=True)


def test_sizes_without_any_such_question_are_named():
    task = ShortestPath(min_nodes=2, max_nodes=2, min_length=5)
    with pytest.raises(
        ValueError, match=r"min_length must be a length that shortest paths .*, got 5"
    ):
        draw(task, 1)

"""The edges that a machine is asked for while it plans, worked out one by one."""

from dataclasses import replace

import pytest
import torch
from graph_tasks import SMALL, draw, read

from tapehead.machines import LSTM
from tapehead.tasks.graphs import Inference, ShortestPath, planner
from tapehead.tasks.graphs.coding import BLANK
from tapehead.tasks.graphs.relations import relations


def check_recall(task, asked, batch, outputs, costs):
    """Half the mean of these costs is all that asking adds to the loss; scores stay as they are."""
    loss = asked.loss(outputs, batch)
    torch.testing.assert_close(loss, task.loss(outputs, batch) + 0.5 * torch.stack(costs).mean())
    torch.testing.assert_close(asked.step_costs(outputs, batch).sum(1).mean(), loss)
    assert asked.loss(asked.oracle(batch), batch) == 0
    for name, score in task.scores(outputs, batch).items():
        assert torch.equal(score, asked.scores(outputs, batch)[name])


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_recall_asks_for_the_edges_around_the_way_while_the_machine_plans(length):
    task = ShortestPath(**SMALL, min_length=1, max_length=length)
    asked = replace(task, recall=0.5)
    batch = asked.batch(torch.Generator().manual_seed(3), 5)
    outputs = torch.randn(*batch.targets.shape, generator=torch.Generator().manual_seed(4))
    outputs.requires_grad_()
    told = planner.read_told(batch.inputs.x)
    costs = []
    for number in range(5):
        edges = [tuple(each) for each in told.triples[number][told.is_edge[number]].tolist()]
        start, goal = int(told.start[number]), int(told.goal[number])
        wanted = []
        fronts = [([start], {start}), ([goal], {goal})]
        for ring in range(max(length, 2)):
            (nodes, seen), near = fronts[ring % 2], (0, 2)[ring % 2]
            found = [edge for node in nodes for edge in edges if edge[near] == node]
            wanted += [edge for edge in found if edge not in wanted]
            nodes = [edge[2 - near] for edge in found if edge[2 - near] not in seen]
            fronts[ring % 2] = (list(dict.fromkeys(nodes)), seen | set(nodes))
        first = int(told.answer_at[number]) - task.planning_steps
        for step, edge in enumerate(wanted[: task.planning_steps]):
            said = outputs[number, first + step].unflatten(-1, (9, 10)).log_softmax(-1)
            digits = [int(digit) for name in edge for digit in f"{name:03}"]
            costs.append(-said[range(9), digits].mean())
    check_recall(task, asked, batch, outputs, costs)


def test_what_is_said_while_planning_counts_with_recall_alone():
    task = ShortestPath(**SMALL, min_length=2, max_length=3)
    machine = LSTM(92, 90, hidden_size=4, num_layers=1)
    for recall in (0.0, 1.0):
        own = replace(task, recall=recall)
        outputs, batch = own.run(machine, own.batch(torch.Generator().manual_seed(1), 3))
        planned = own.answer.recalled(batch).mask
        assert bool((outputs[planned] != 0).all()) == bool(recall)
    with pytest.raises(ValueError, match="recall must be 0 without planning_steps"):
        replace(task, recall=1.0, planning_steps=0)


@pytest.mark.parametrize(("planning", "length"), [(10, 5), (3, 5), (2, 2)])
def test_recall_asks_for_the_edges_of_a_relation_and_the_last_until_the_answer(planning, length):
    task = Inference(**SMALL, max_length=length, planning_steps=planning)
    asked = replace(task, recall=0.5)
    batch = draw(asked, 5, seed=3)
    outputs = torch.randn(*batch.targets.shape, generator=torch.Generator().manual_seed(4))
    costs = []
    for number in range(5):
        told, *_ = read(batch, number)
        edges = {(source, label): end for source, label, end in told if BLANK not in (source, end)}
        for step, (source, name, end) in enumerate(told):
            if source == BLANK or end != BLANK:
                continue
            meaning = [label for label in relations()[name - 10].tolist() if label >= 0]
            for place in range(planning):
                if place < len(meaning):
                    edge = (source, meaning[place], edges[source, meaning[place]])
                    source = edge[2]
                said = outputs[number, step + 1 + place].unflatten(-1, (9, 10)).log_softmax(-1)
                digits = [int(digit) for word in edge for digit in f"{word:03}"]
                costs.append(-said[range(9), digits].mean())
    check_recall(task, asked, batch, outputs, costs)
    with pytest.raises(ValueError, match="recall must be 0 without planning_steps"):
        replace(asked, planning_steps=0)

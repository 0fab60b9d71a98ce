"""The three graph tasks, against networkx and against what the paper says of their episodes."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import networkx as nx
import pytest
import torch
from batches import same
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tapehead.errors import TapeheadError
from tapehead.forms import Sequence
from tapehead.machines import LSTM
from tapehead.tasks import TASKS, Batch, make_task
from tapehead.tasks.graphs import Inference, ShortestPath, Traversal, coding, planner
from tapehead.tasks.graphs.coding import (
    ANSWER,
    BLANK,
    NEW_PHASE,
    TRIPLE_SIZE,
    decode,
    digits_of,
    encode,
)
from tapehead.tasks.graphs.maps import family_tree, underground
from tapehead.tasks.graphs.relations import relations
from tapehead.tasks.graphs.walking import LATE
from tapehead.tasks.graphs.worlds import edge_table, pick, random_graphs
from tapehead.tasks.metrics import SOLVED
from underground_tables import write_tables

GRAPH_TASKS = [Traversal, ShortestPath, Inference]
SMALL = {"min_nodes": 4, "max_nodes": 7, "min_degree": 1, "max_degree": 3}
VARIANTS = [
    Traversal(**SMALL, max_length=4),
    Traversal(**SMALL, max_length=4, ending=False),
    Traversal(graph="family", min_length=3, max_length=5),
    ShortestPath(**SMALL, min_length=1, max_length=3),
    ShortestPath(**SMALL, min_length=2, max_length=3, spelling=0.5, recall=0.5),
    ShortestPath(**SMALL, min_length=2, max_length=3, recall=0.5, aloud=True),
    ShortestPath(graph="family", planning_steps=0),
    Inference(**SMALL, max_length=3),
    Inference(**SMALL, max_length=5, planning_steps=4, recall=0.5),
    Inference(graph="family", queries=1, planning_steps=0),
]
each = pytest.mark.parametrize("task", VARIANTS, ids=lambda task: f"{task.name}-{task.graph}")


def draw(task, batch_size=6, seed=0):
    return task.batch(torch.Generator().manual_seed(seed), batch_size)


def read(batch, index):
    """A sequence as triples, flags and answers, step by step, in plain Python."""
    length = int(batch.inputs.lengths[index])
    told = decode(batch.inputs.x[index, :length, :TRIPLE_SIZE]).tolist()
    flags = batch.inputs.x[index, :length, TRIPLE_SIZE:].int().tolist()
    answers = decode(batch.targets[index, :length]).tolist()
    return told, flags, answers


def parts(batch, index):
    """Graph (networkx, edge labels as keys) and the steps after it."""
    told, flags, answers = read(batch, index)
    begin = next(i for i, flag in enumerate(flags) if flag[0])
    graph = nx.MultiDiGraph()
    for source, edge, destination in told[:begin]:
        assert BLANK not in (source, edge, destination)
        assert not graph.has_node(source) or all(
            key != edge for _, _, key in graph.out_edges(source, keys=True)
        ), "two edges of one name leave a node"
        graph.add_edge(source, destination, key=edge)
    return graph, list(zip(told, flags, answers, strict=True))[begin:]


def step_along(graph, node, label):
    (end,) = [end for _, end, key in graph.out_edges(node, keys=True) if key == label]
    return end


# Coding


@given(st.lists(st.lists(st.integers(-1, 999), min_size=3, max_size=3), min_size=1, max_size=5))
def test_triples_are_coded_as_nine_digits_and_back(triples):
    triples = torch.tensor(triples)
    coded = encode(triples)
    assert coded.shape == (len(triples), 90)
    assert torch.equal(coded.sum(-1), 3.0 * (triples != BLANK).sum(-1))
    assert torch.equal(decode(coded), triples)


def test_digits_come_hundreds_first():
    coded = encode(torch.tensor([[123, BLANK, 7]])).unflatten(-1, (3, 3, 10))[0]
    assert coded[0].argmax(-1).tolist() == [1, 2, 3]
    assert coded[1].sum() == 0
    assert coded[2].argmax(-1).tolist() == [0, 0, 7]
    assert digits_of(torch.tensor([[123, 45, 7]])).tolist() == [[1, 2, 3, 0, 4, 5, 0, 0, 7]]


# Graphs


@given(st.integers(0, 10**6))
@settings(max_examples=10)
def test_random_graphs_join_nearest_neighbours(seed):
    g = torch.Generator().manual_seed(seed)
    graphs = random_graphs(g, 8, (3, 9), (2, 4))
    for b in range(8):
        nodes, count = int(graphs.nodes[b]), int(graphs.counts[b])
        assert 3 <= nodes <= 9
        edges = [tuple(edge) for edge in graphs.edges[b, :count].tolist()]
        assert len({(source, label) for source, label, _ in edges}) == count
        assert len({(source, end) for source, _, end in edges}) == count
        assert all(source != end and max(source, end) < nodes for source, _, end in edges)
        degrees = Counter(source for source, _, _ in edges)
        assert set(degrees) == set(range(nodes))
        assert all(min(2, nodes - 1) <= degree <= min(4, nodes - 1) for degree in degrees.values())
        names = graphs.names[b, :nodes].tolist()
        assert len(set(names)) == nodes
        assert all(0 <= name <= 999 for name in names)
        # As many edge names as nodes, whoever uses them.
        used = {label for _, label, _ in edges}
        assert max(used) < nodes


def test_neighbours_are_near():
    """The mean rank of an edge's end among all nodes by distance is that of the nearest K."""
    g = torch.Generator().manual_seed(3)
    state = g.get_state()
    graphs = random_graphs(g, 1, (30, 30), (3, 3))
    replay = torch.Generator()
    replay.set_state(state)
    torch.randint(30, 31, (1,), generator=replay)
    points = torch.rand(1, 30, 2, generator=replay)[0]
    ends = {node: set() for node in range(30)}
    for source, _, end in graphs.edges[0].tolist():
        ends[source].add(end)
    for node, near in ends.items():
        by_distance = (points - points[node]).norm(dim=-1).argsort().tolist()
        assert near == set(by_distance[1:4])


def test_edge_table_lists_every_edge_and_no_other():
    g = torch.Generator().manual_seed(0)
    graphs = random_graphs(g, 5, (2, 6), (1, 3), 10)
    table = edge_table(graphs, 10)
    for b in range(5):
        expected = torch.full_like(table[b], -1)
        for source, label, end in graphs.edges[b, : int(graphs.counts[b])].tolist():
            expected[source, label] = end
        assert torch.equal(table[b], expected)


def test_pick_draws_by_weight_and_never_what_has_none():
    g = torch.Generator().manual_seed(0)
    weights = torch.tensor([[0.0, 1.0, 3.0, 0.0]]).expand(4000, -1)
    drawn = torch.bincount(pick(weights, g), minlength=4)
    assert drawn[0] == drawn[3] == 0
    assert abs(int(drawn[2]) - 3000) < 5 * (4000 * 0.75 * 0.25) ** 0.5


def test_the_family_is_a_family():
    family = family_tree()
    assert len(family.node_names) >= 20
    assert len(family.label_names) <= 10
    ties = {(a, label): b for a, label, b in family.edges}
    assert len(ties) == len(family.edges)
    names, labels = family.node_names, family.label_names
    name = {n: i for i, n in enumerate(names)}
    kind = {n: i for i, n in enumerate(labels)}
    for (person, label), other in ties.items():
        if labels[label] in ("mother", "father"):
            children = [end for (who, _), end in ties.items() if who == other]
            assert person in children
        if labels[label] == "spouse":
            assert ties[other, label] == person
    great = name["Vera"]
    for tie in ("mother", "mother", "mother"):
        great = ties[great, kind[tie]]
    assert names[great] == "Ada"
    depth = nx.dag_longest_path_length(
        nx.DiGraph((a, b) for a, label, b in family.edges if labels[label] in ("mother", "father"))
    )
    assert depth == 3


def test_the_underground_keeps_meeting_stations_and_names_lines_by_direction(tmp_path):
    write_tables(tmp_path)
    known = underground(str(tmp_path))
    # Between and North lie on one line each: rides pass through. Far lies in another zone.
    assert known.node_names == ("West", "Middle", "East")
    rides = {
        (known.node_names[a], known.label_names[label], known.node_names[b])
        for a, label, b in known.edges
    }
    assert {ride for ride in rides if ride[1].startswith("Red")} == {
        ("West", "Red east", "Middle"),
        ("Middle", "Red west", "West"),
        ("Middle", "Red east", "East"),
        ("East", "Red west", "Middle"),
    }
    assert len({(a, label) for a, label, _ in known.edges}) == len(known.edges)


def test_missing_or_foreign_tables_are_one_clear_line(tmp_path):
    with pytest.raises(TapeheadError, match=r"data = .*: there is no london.stations.csv in it"):
        underground(str(tmp_path))
    (tmp_path / "b").mkdir()
    for name in ("stations", "lines", "connections"):
        (tmp_path / "b" / f"london.{name}.csv").write_text("something\nelse\n")
    with pytest.raises(TapeheadError, match="not tables of the Underground"):
        underground(str(tmp_path / "b"))


# Episodes


@each
def test_an_episode_is_graph_query_plan_and_answer(task):
    batch = draw(task, 8)
    for b in range(8):
        graph, rest = parts(batch, b)
        if task.graph == "random":
            assert task.min_nodes <= graph.number_of_nodes() <= task.max_nodes
        asking = [flag[1] for _, flag, _ in rest]
        assert (
            batch.mask[b, : int(batch.inputs.lengths[b])]
            == batch.inputs.x[b, : int(batch.inputs.lengths[b]), ANSWER].bool()
        ).all()
        assert not batch.mask[b, int(batch.inputs.lengths[b]) :].any()
        assert batch.inputs.x[b, int(batch.inputs.lengths[b]) :].abs().sum() == 0
        assert batch.targets[b][~batch.mask[b]].abs().sum() == 0
        assert (batch.targets[b][batch.mask[b]].sum(-1) == 9).all()
        turns = [i for i, (_, flag, _) in enumerate(rest) if flag[0]]
        assert turns[0] == 0
        # Every answer opens with the flag of a new phase.
        opens = [i for i, a in enumerate(asking) if a and not (i and asking[i - 1])]
        assert set(opens) <= set(turns)


@pytest.mark.parametrize("task", [task for task in VARIANTS if task.name == "traversal"])
def test_traversal_asks_for_a_walk_and_answers_it(task):
    batch = draw(task, 12)
    lengths = set()
    for b in range(12):
        graph, rest = parts(batch, b)
        query = [told for told, flag, _ in rest if not flag[1]]
        answer = [triple for _, flag, triple in rest if flag[1]]
        assert all(told == [BLANK] * 3 for told, flag, _ in rest if flag[1])
        lengths.add(len(query))
        at = query[0][0]
        assert [triple[0] for triple in query[1:]] == [BLANK] * (len(query) - 1)
        expected = []
        for source_and_edge in query:
            assert source_and_edge[2] == BLANK
            end = step_along(graph, at, source_and_edge[1])
            expected.append([at, source_and_edge[1], end])
            at = end
        assert answer == expected + [[999] * 3] * task.ending
    assert lengths == set(range(task.min_length, task.max_length + 1))


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


@pytest.mark.parametrize("task", [task for task in VARIANTS if task.name == "inference"])
def test_inference_follows_its_relation(task):
    known = relations().tolist()
    batch = draw(task, 12)
    lengths = set()
    for b in range(12):
        graph, rest = parts(batch, b)
        queries = [i for i, (told, _, _) in enumerate(rest) if told[0] != BLANK]
        assert len(queries) == task.queries
        for i in queries:
            told, _, _ = rest[i]
            assert told[2] == BLANK
            plan = rest[i + 1 : i + 1 + task.planning_steps]
            assert all(step[0] == [BLANK] * 3 and step[1][1] == 0 for step in plan)
            _, flag, triple = rest[i + 1 + task.planning_steps]
            assert flag == [1, 1]
            meaning = [label for label in known[told[1] - 10] if label >= 0]
            lengths.add(len(meaning))
            at = told[0]
            for label in meaning:
                at = step_along(graph, at, label)
            assert triple == [told[0], told[1], at]
    assert lengths <= set(range(task.min_length, task.max_length + 1))
    assert len(lengths) > 1


def test_relations_are_a_hundred_different_ones_of_each_length():
    known = [tuple(label for label in row if label >= 0) for row in relations().tolist()]
    assert len(set(known)) == 400
    assert Counter(map(len, known)) == {2: 100, 3: 100, 4: 100, 5: 100}
    assert all(0 <= label <= 9 for row in known for label in row)
    names = draw(Inference(), 64)
    asked = {told[1] for b in range(64) for told, _, _ in parts(names, b)[1] if told[0] != BLANK}
    assert min(asked) >= 10
    assert max(asked) <= 409


def test_every_query_of_every_length_is_drawn():
    batch = draw(Inference(min_nodes=20, max_nodes=25), 200)
    known = relations()
    counts = Counter()
    for b in range(200):
        for told, _, _ in parts(batch, b)[1]:
            if told[0] != BLANK:
                counts[int((known[told[1] - 10] >= 0).sum())] += 1
    assert set(counts) == {2, 3, 4, 5}
    assert min(counts.values()) > 60


@each
def test_the_oracle_is_right_from_the_inputs_alone(task):
    batch = draw(task, 8, seed=3)
    blind = batch._replace(targets=torch.zeros_like(batch.targets))
    outputs = task.oracle(blind)
    assert task.scores(outputs, batch)["solved"].all()
    assert task.loss(outputs, batch) == 0


@each
def test_scores_tell_right_from_wrong(task):
    batch = draw(task, 6, seed=1)
    outputs = task.oracle(batch)
    wrong = outputs.clone()
    step = int(batch.mask[2].nonzero()[-1])
    wrong[2, step] = outputs[2, step].roll(1)
    if task.name == "shortest-path":
        # Only the choice of an edge counts, so say one that does not lead to the goal.
        graph, rest = parts(batch, 2)
        at, _, best = rest[-1][2]
        others = [(at, k, e) for _, e, k in graph.out_edges(at, keys=True) if e != best]
        assert others, "another seed is needed: the only way out is the right one"
        wrong[2, step] = encode(torch.tensor(others[0])) * 200
    scores = task.scores(wrong, batch)
    assert scores["solved"].tolist() == [True, True, False, True, True, True]
    assert scores["solved"].tolist() == [True, True, False, True, True, True]
    assert (scores["bits"] > 1)[2]
    assert task.loss(wrong, batch) > 0.1


@pytest.mark.parametrize("task", [Traversal(**SMALL), Inference(**SMALL)])
def test_an_even_prediction_costs_log_ten_a_digit_and_counts_as_wrong(task):
    batch = draw(task, 3)
    even = torch.zeros_like(batch.targets)
    torch.testing.assert_close(task.loss(even, batch), torch.tensor(10.0).log())
    assert not task.scores(even, batch)["solved"].any()
    nan = task.oracle(batch)
    nan[0][batch.mask[0]] = torch.nan
    assert task.scores(nan, batch)["solved"].tolist() == [False, True, True]


@each
def test_padding_does_not_count(task):
    batch = draw(task, 5)
    outputs = torch.randn(batch.targets.shape, generator=torch.Generator().manual_seed(0))
    beyond = torch.arange(outputs.shape[1]) >= batch.inputs.lengths[:, None]
    assert beyond.any() or task.name == "inference"
    noisy = torch.where(beyond[..., None], torch.nan, outputs)
    torch.testing.assert_close(task.loss(noisy, batch), task.loss(outputs, batch))
    for name, value in task.scores(outputs, batch).items():
        torch.testing.assert_close(task.scores(noisy, batch)[name], value, msg=name)
    for b in range(5):
        length = int(batch.inputs.lengths[b])
        alone = batch.map(lambda part, b=b: part[b : b + 1])
        alone = alone.map(lambda part, n=length: part[:, :n] if part.dim() > 1 else part)
        one = task.scores(outputs[b : b + 1, :length], alone)
        for name, value in task.scores(outputs, batch).items():
            torch.testing.assert_close(one[name][0], value[b], msg=name)


@each
def test_batches_come_from_their_generator_alone(task):
    before = torch.get_rng_state()
    assert same(draw(task), draw(task))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(draw(task, seed=1).inputs.x[:, :9], draw(task, seed=2).inputs.x[:, :9])


# Walking by oneself


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


# Lessons


@pytest.mark.parametrize(("task", "count"), [(Traversal, 14), (ShortestPath, 15), (Inference, 17)])
def test_lessons_are_the_papers_and_end_at_the_task_itself(task, count):
    assert len(task.lessons) == task().max_difficulty == count
    assert task().at_lesson(count) == task()
    assert task().with_difficulty(count) == task()
    first, last = task.lessons[0], task.lessons[-1]
    expected = {
        "traversal": (((3, 10), (2, 4), (1, 1)), ((10, 40), (2, 6), (1, 20))),
        "shortest-path": (((5, 10), (1, 2), (2, 2)), ((20, 25), (2, 6), (2, 5))),
        "inference": (((3, 3), (2, 2), (2, 2)), ((20, 25), (2, 4), (2, 5))),
    }[task.name]
    assert ((first.nodes, first.degree, first.length), (last.nodes, last.degree, last.length)) == (
        expected
    )
    for number in range(1, count + 1):
        lesson = task().with_difficulty(number)
        assert task.lessons[number - 1].length == (lesson.min_length, lesson.max_length)
        assert draw(lesson, 2).inputs.x.shape[2] == task().input_size == 92
    with pytest.raises(ValueError, match=f"must be a whole number from 1 to {count}, got"):
        task().with_difficulty(count + 1)


def test_the_gradual_plan_leaves_every_step_a_choice_and_ends_where_the_paper_does():
    task = ShortestPath(lesson_plan="gradual")
    plan = task.plan
    assert task.max_difficulty == len(plan) == 20
    assert plan[-1] == ShortestPath.lessons[-1]
    assert task.with_difficulty(20) == task
    for number, (lesson, following) in enumerate(pairwise(plan), 1):
        assert lesson.degree[0] >= 2
        # Paths never become shorter; where they do not become longer, the graphs grow.
        assert following.length[1] >= lesson.length[1]
        grown = following.nodes[1] > lesson.nodes[1] or following.degree[1] > lesson.degree[1]
        assert grown or following.length[1] > lesson.length[1]
        assert draw(task.with_difficulty(number), 2).inputs.x.shape[2] == 92
    with pytest.raises(ValueError, match="lesson_plan must be one of paper, gradual, got 'steep'"):
        ShortestPath(lesson_plan="steep")


def test_pass_marks_are_the_papers():
    assert Traversal().solved({"solved": 0.91})
    assert not Traversal().solved({"solved": 0.9})
    assert Inference().pass_mark == (SOLVED, 0.9)
    assert ShortestPath().pass_mark == (LATE, 0.2)


def test_test_settings_reach_for_the_real_maps(tmp_path):
    write_tables(tmp_path)
    assert set(Traversal().test_settings()) == {"final lesson"}
    tests = Traversal(data=str(tmp_path)).test_settings()
    walk = tests["underground"]
    assert (walk.graph, walk.min_length, walk.max_length) == ("underground", 7, 7)
    graph, _ = parts(draw(walk, 2), 0)
    assert graph.number_of_nodes() == 3
    path = ShortestPath(data=str(tmp_path)).test_settings()["underground"]
    assert (path.min_length, path.max_length) == (4, 4)
    family = Inference().test_settings()["family tree"]
    graph, rest = parts(draw(family, 2), 0)
    assert graph.number_of_nodes() == len(family_tree().node_names)
    asked = [told[1] for told, _, _ in rest if told[0] != BLANK]
    assert all((relations()[name - 10] >= 0).sum() == 4 for name in asked)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (
            "traversal",
            {"graph": "london"},
            "graph must be one of random, underground, family, got 'london'",
        ),
        (
            "traversal",
            {"graph": "underground"},
            "data must be the folder of the tables of the Underground, got ''",
        ),
        ("traversal", {"min_nodes": 1}, "min_nodes must be a whole number from 2 to 1000, got 1"),
        ("shortest-path", {"teacher": 1.5}, "teacher must be a finite number from 0 to 1, got 1.5"),
        ("inference", {"max_length": 6}, "max_length must be a whole number from 2 to 5, got 6"),
        (
            "inference",
            {"graph": "underground", "data": "x"},
            "graph must be one of random, family, got",
        ),
    ],
)
def test_impossible_options_are_named(task, options, message):
    with pytest.raises(ValueError, match=message):
        make_task(task, **options)


def test_sizes_without_any_such_question_are_named():
    task = ShortestPath(min_nodes=2, max_nodes=2, min_length=5)
    with pytest.raises(
        ValueError, match=r"min_length must be a length that shortest paths .*, got 5"
    ):
        draw(task, 1)


@pytest.mark.parametrize("task", GRAPH_TASKS)
def test_channels_have_names(task):
    assert TASKS[task.name] is task
    assert len(task().channel_names) == task().input_size == 92
    assert len(set(task().channel_names)) == 92
    assert task().channel_names[NEW_PHASE] == "new phase"
    assert len(task().output_names) == task().output_size == 90

"""What holds for all three graph tasks: episodes, oracles, costs, scores and options."""

import pytest
import torch
from batches import same
from graph_tasks import GRAPH_TASKS, SMALL, draw, each, parts

from tapehead.tasks import TASKS, make_task
from tapehead.tasks.graphs import Inference, ShortestPath, Traversal
from tapehead.tasks.graphs.coding import ANSWER, BLANK, NEW_PHASE, encode
from tapehead.tasks.graphs.maps import family_tree
from tapehead.tasks.graphs.relations import relations
from tapehead.tasks.graphs.walking import LATE
from tapehead.tasks.metrics import SOLVED
from underground_tables import write_tables


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


@pytest.mark.parametrize("task", GRAPH_TASKS)
def test_channels_have_names(task):
    assert TASKS[task.name] is task
    assert len(task().channel_names) == task().input_size == 92
    assert len(set(task().channel_names)) == 92
    assert task().channel_names[NEW_PHASE] == "new phase"
    assert len(task().output_names) == task().output_size == 90

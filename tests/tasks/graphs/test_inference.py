"""Inference: what a relation means, and that each is asked for."""

from collections import Counter

import pytest
from graph_tasks import VARIANTS, draw, parts, step_along

from tapehead.tasks.graphs import Inference
from tapehead.tasks.graphs.coding import BLANK
from tapehead.tasks.graphs.relations import relations


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

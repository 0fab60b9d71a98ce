"""Traversal: the walk that is asked for, step by step."""

import pytest
from graph_tasks import VARIANTS, draw, parts, step_along

from tapehead.tasks.graphs.coding import BLANK


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

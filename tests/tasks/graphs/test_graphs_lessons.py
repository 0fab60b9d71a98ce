"""Lessons: the paper's, and the gradual ones of shortest path."""

from itertools import pairwise

import pytest
from graph_tasks import draw

from tapehead.tasks.graphs import Inference, ShortestPath, Traversal


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

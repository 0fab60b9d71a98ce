"""Tasks on points: each answer against another way to find it, the scores, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.spatial
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tour_oracles import by_all_orders, length, problems

from tapehead.forms import Points
from tapehead.tasks import TSP, ConvexHull, Delaunay, Sorting, make_task

TASKS = [
    Sorting(),
    ConvexHull(),
    ConvexHull(order="x", mixed_points=True, max_points=12),
    Delaunay(max_points=8, mixed_points=True),
    Delaunay(triangles="numbers", order="x"),
    TSP(max_points=9, mixed_points=True),
    TSP(teacher="greedy", max_points=12),
]
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda t: f"{t.name}-{t.order}")


def drawn(task, count=20, seed=0):
    return task.batch(torch.Generator().manual_seed(seed), count)


def rows(batch):
    """Points and the answer without its end, problem by problem."""
    answers = batch.targets.numpy()
    for xy, count, answer, mask in zip(
        batch.inputs.xy.double().numpy(), batch.inputs.sizes.numpy(), answers, batch.mask.numpy(),
        strict=True,
    ):  # fmt: skip
        assert (answer[mask] > 0).sum() == mask.sum() - 1, "the end is the last step"
        assert (answer[~mask] == 0).all()
        assert (xy[count:] == 0).all()
        yield xy[:count], answer[mask][:-1]


def answered(batch, pointers):
    """The batch with an answer given by whoever."""
    width = max(len(each) for each in pointers) + 1
    padded = torch.zeros(len(pointers), width, dtype=torch.int64)
    for row, each in zip(padded, pointers, strict=True):
        row[: len(each)] = torch.as_tensor(np.array(each, dtype=np.int64))
    return batch._replace(inputs=batch.inputs._replace(answer=padded))


def scored(task, batch, pointers):
    given_answer = answered(batch, pointers)
    return task.scores(task.oracle(batch), given_answer)


def test_numbers_are_sorted_and_of_equals_the_first_comes_first():
    for xy, answer in rows(drawn(Sorting(max_points=9, mixed_points=True))):
        assert answer.tolist() == (sorted(range(len(xy)), key=lambda i: xy[i, 0]) + np.ones(
            len(xy), int)).tolist()  # fmt: skip
    assert Sorting().batch_of([[[0.5], [0.2], [0.5], [0.2]]]).targets.tolist() == [[2, 4, 1, 3, 0]]


@pytest.mark.parametrize("order", ["drawn", "x"])
def test_hulls_are_those_of_qhull(order):
    task = ConvexHull(order=order, mixed_points=True, min_points=3)
    for xy, answer in rows(drawn(task, 60)):
        corners = scipy.spatial.ConvexHull(xy).vertices  # counter-clockwise
        start = int(np.argmin(corners))
        assert answer.tolist() == (np.roll(corners, -start) + 1).tolist()
        if order == "x":
            assert (np.diff(xy[:, 0]) >= 0).all()
            assert answer[0] == 1, "the leftmost point comes first"


@given(arrays(np.int8, st.tuples(st.integers(3, 9), st.just(2)), elements=st.integers(0, 4)))
def test_hulls_of_equal_and_collinear_points_have_strict_corners(grid):
    """Against the definition: a corner is a point that lies in no triangle and on no line of
    others; of equals the first."""
    points = grid.astype(float)
    first = {tuple(p): i for i, p in reversed(list(enumerate(points.tolist())))}
    distinct = sorted(first.values())
    if np.linalg.matrix_rank(points - points[0]) < 2:
        with pytest.raises(ValueError, match=r"problem 0 must have a hull, got points on one line"):
            ConvexHull().batch_of([points])
        return
    others = {i: [points[j] for j in distinct if j != i] for i in distinct}

    def is_corner(i):
        from scipy.optimize import linprog

        rest = np.array(others[i])
        equal = np.vstack([rest.T, np.ones(len(rest))])
        return not linprog(np.zeros(len(rest)), A_eq=equal, b_eq=[*points[i], 1]).success

    corners = {i + 1 for i in distinct if is_corner(i)}
    (answer,) = (answer for _, answer in rows(ConvexHull().batch_of([points])))
    assert set(answer.tolist()) == corners
    assert len(answer) == len(corners)
    assert answer[0] == min(answer)
    x, y = points[answer - 1].T
    assert (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() > 0, "counter-clockwise"


@pytest.mark.parametrize("triangles", ["incentre", "numbers"])
def test_triangulations_are_those_of_qhull(triangles):
    task = Delaunay(min_points=3, max_points=14, mixed_points=True, triangles=triangles)
    for xy, answer in rows(drawn(task, 40)):
        triples = answer.reshape(-1, 3) - 1
        expected = {tuple(sorted(t)) for t in scipy.spatial.Delaunay(xy).simplices.tolist()}
        assert {tuple(t) for t in triples.tolist()} == expected
        assert len(triples) == len(expected)
        assert (np.diff(triples, axis=1) > 0).all(), "the numbers of a triangle rise"
        if triangles == "numbers":
            assert triples.tolist() == sorted(triples.tolist())
            continue
        corners = xy[triples]  # (triangles, 3, 2)
        sides = np.linalg.norm(corners[:, [1, 2, 0]] - corners[:, [2, 0, 1]], axis=-1)
        centres = (corners * sides[..., None]).sum(1) / sides.sum(1, keepdims=True)
        assert (np.diff(centres[:, 0]) >= 0).all(), "from left to right by the incentre"


def test_a_tour_begins_at_city_1_and_goes_the_way_of_the_lower_number():
    batch = drawn(TSP(min_points=3, max_points=9, mixed_points=True), 40)
    for xy, answer in rows(batch):
        assert sorted(answer.tolist()) == list(range(1, len(xy) + 1))
        assert answer[0] == 1
        assert answer[1] < answer[-1]
    for points in ([[0, 0], [0, 0], [1, 1], [1, 1]], [[0, 0], [1, 0], [2, 0]]):  # equal; on a line
        (answer,) = (answer for _, answer in rows(TSP().batch_of([points])))
        assert length(np.array(points, float), answer - 1) == pytest.approx(
            by_all_orders(np.array(points, float))
        )


def test_a_batch_of_one_size_has_the_tours_that_a_mixed_one_has():
    """One way goes through all subsets of many side by side, the other takes one after another."""
    task = TSP(min_points=7, max_points=7)
    batch = drawn(task, 20)
    mixed = replace(task, min_points=5, mixed_points=True)
    other = mixed.batch_of([*batch.inputs.xy.numpy(), problems(1, 5)[0]])
    assert torch.equal(other.targets[:20], batch.targets)


@every_task
def test_the_oracle_is_right_and_pays_nothing(task):
    batch = drawn(task)
    outputs = task.oracle(batch._replace(targets=torch.zeros_like(batch.targets)))
    scores = task.scores(outputs, batch)
    assert list(scores) == [metric.name for metric in task.metrics]
    assert scores["solved"].all()
    assert (scores["pointer_errors"] == 0).all()
    assert (scores["bits"] == 0).all()
    for name, best in (("area", 1), ("valid", 1), ("triangles", 1), ("gap", 0)):
        if name in scores:
            torch.testing.assert_close(
                scores[name].double(), torch.full((20,), float(best)).double()
            )


@every_task
def test_equal_generators_draw_equal_batches(task):
    one, again, other = drawn(task).tensors(), drawn(task).tensors(), drawn(task, seed=1).tensors()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["inputs.xy"][:, :3], other["inputs.xy"][:, :3])
    count = drawn(task, 64).inputs.sizes
    assert (len(set(count.tolist())) > 1) == task.mixed_points
    assert task.min_points <= int(count.min()) <= int(count.max()) <= task.max_points


def test_points_that_come_from_left_to_right_are_the_same_points():
    plain, sorted_ = drawn(ConvexHull(max_points=9)), drawn(ConvexHull(max_points=9, order="x"))
    for a, b in zip(plain.inputs.xy, sorted_.inputs.xy, strict=True):
        assert sorted(a.tolist()) == b.tolist()


def test_a_hull_that_begins_elsewhere_is_right_and_one_that_runs_backwards_is_not():
    task = ConvexHull()
    batch = drawn(task)
    right = [answer for _, answer in rows(batch)]
    assert scored(task, batch, [np.roll(each, 2) for each in right])["solved"].all()
    back = scored(task, batch, [each[::-1] for each in right])
    assert not back["solved"].any()
    assert back["area"].tolist() == pytest.approx([1.0] * 20)
    assert back["valid"].all()


def test_the_area_of_a_hull():
    task = ConvexHull()
    square = [[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.25]]
    batch = task.batch_of([square] * 6)
    answers = [[1, 2, 3], [1, 5, 3, 4], [1, 3, 2, 4], [1, 2], [1, 2, 3, 2], [1, 2, 3, 4]]
    scores = scored(task, batch, answers)
    # Half; a corner missed for a point inside; edges that cross; no polygon; a point twice; all.
    assert scores["area"].tolist() == pytest.approx([0.5, 0.625, 0, 0, 0, 1])
    assert scores["valid"].tolist() == [True, True, False, False, False, True]
    assert scores["solved"].tolist() == [False] * 5 + [True]


def test_triangles_count_in_any_order():
    task = Delaunay()
    batch = drawn(task)
    right = [answer for _, answer in rows(batch)]
    turned = [np.concatenate(answer.reshape(-1, 3)[::-1, ::-1]) for answer in right]
    assert scored(task, batch, turned)["solved"].all()
    fewer = scored(task, batch, [answer[3:] for answer in right])
    counts = torch.tensor([len(answer) // 3 for answer in right])
    torch.testing.assert_close(fewer["triangles"], ((counts - 1) / counts).double())
    assert fewer["valid"].all()
    assert not fewer["solved"].any()
    twice = scored(task, batch, [np.concatenate([answer[:3], answer]) for answer in right])
    assert not twice["valid"].any()
    broken = scored(task, batch, [answer[:-1] for answer in right])
    assert not broken["valid"].any()
    assert not scored(task, batch, [[1, 1, 2]] * 20)["valid"].any()


def test_a_tour_is_judged_by_its_length():
    task = TSP()
    square = [[0, 0], [0, 1], [1, 1], [1, 0]]
    batch = task.batch_of([square] * 5)
    answers = [[1, 2, 3, 4], [3, 2, 1, 4], [1, 3, 2, 4], [1, 2], [1, 2, 1, 3, 4]]
    scores = scored(task, batch, answers)
    around, across = 4.0, 2 + 2 * 2**0.5
    # What is missing comes at the end in the order of its numbers; what comes again is left out.
    expected = [around, around, across, around, around]
    assert scores["length"].tolist() == pytest.approx(expected)
    assert scores["gap"].tolist() == pytest.approx([each / 4 - 1 for each in expected])
    assert scores["valid"].tolist() == [True, True, True, False, False]
    assert scores["solved"].tolist() == [True, True, False, False, False]


def test_a_sorted_answer_must_be_whole():
    task = Sorting()
    batch = task.batch_of([[[0.3], [0.1], [0.2]]] * 3)
    assert scored(task, batch, [[2, 3, 1], [2, 3], [2, 1, 3]])["solved"].tolist() == [
        True, False, False,
    ]  # fmt: skip


@every_task
def test_without_an_answer_the_outputs_are_what_was_said(task):
    batch = drawn(task)
    outputs = task.oracle(batch)
    outputs[0] = outputs[0].flip(-1)
    said = batch._replace(inputs=batch.inputs._replace(answer=task.answer.said(outputs, batch)))
    one, other = task.scores(outputs, batch), task.scores(outputs, said)
    for name in one:
        assert torch.equal(one[name], other[name])
    assert not one["solved"][0]
    assert one["solved"][1:].all()


@pytest.mark.parametrize(
    ("task", "points", "message"),
    [
        ("convex-hull", [[0, 0], [1, 1]], r"at least 3 points, got \(2, 2\)"),
        ("delaunay", [[0, 0], [1, 1]], r"at least 3 points, got \(2, 2\)"),
        ("tsp", [[0, 0], [1, 1]], r"at least 3 points, got \(2, 2\)"),
        ("sorting", np.zeros((0, 1)), r"at least 1 points, got \(0, 1\)"),
        ("sorting", [[0, 0]], r"shape \(points, 1\)"),
        ("tsp", [[0, 0], [1, 1], [0, float("nan")]], r"finite points, got \[0.0, nan\] as point 3"),
        ("sorting", [[float("inf")]], r"finite points, got \[inf\] as point 1"),
        ("convex-hull", [[0, 0], [1, 1], [3, 3]], "must have a hull, got points on one line"),
        ("convex-hull", [[1, 1]] * 4, "must have a hull, got points on one line"),
        ("delaunay", [[0, 0], [1, 1], [3, 3]], "must have one triangulation, got points that are"),
        ("delaunay", [[0, 0], [1, 0], [1, 1], [0, 1]], "equal, on one line or on one circle"),
        ("delaunay", [[0, 0], [1, 0], [0.3, 1], [0, 0]], "equal, on one line or on one circle"),
    ],
)
def test_points_without_an_answer_are_refused_in_one_line(task, points, message):
    with pytest.raises(ValueError, match=message) as error:
        make_task(task).batch_of([points])
    assert "\n" not in str(error.value)
    assert "problem 0" in str(error.value)


@pytest.mark.parametrize(
    ("points", "triangles"),
    [
        ([[0, 0], [2, 0], [1, 2], [1, 0]], {(1, 3, 4), (2, 3, 4)}),  # one in the middle of an edge
        ([[0, 0], [2, 0], [1, 2], [1, 1]], {(1, 2, 4), (1, 3, 4), (2, 3, 4)}),
    ],
)
def test_a_triangulation_of_points_on_an_edge_of_the_hull(points, triangles):
    (answer,) = (answer for _, answer in rows(Delaunay().batch_of([points])))
    assert {tuple(each) for each in answer.reshape(-1, 3).tolist()} == triangles


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_points": 2}, "min_points must be a whole number of at least 3, got 2"),
        ({"min_points": 9, "max_points": 8}, "max_points must be a whole number of at least 9"),
        ({"max_points": 31}, "max_points must be at most 30 with teacher 'exact', got 31"),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TSP(**options)


def test_no_problem_is_no_batch():
    with pytest.raises(ValueError, match="problems must be at least 1, got 0"):
        TSP().batch_of([])


@every_task
def test_levels_and_test_sizes(task):
    for level in (1, task.max_difficulty):
        at = task.with_difficulty(level)
        assert (at.min_points, at.max_points) == (task.min_points, task.min_points + level - 1)
        assert at.sizes == task.sizes
    for label, setting in task.test_settings().items():
        assert (setting.min_points, setting.max_points) == (int(label), int(label))
        assert setting.sizes == task.sizes


def test_a_batch_takes_no_more_numbers_than_are_reckoned():
    for task in TASKS:
        batch = drawn(task, 8)
        channels = batch.mask.numel() * (batch.inputs.xy.shape[1] + 1)
        assert batch.inputs.xy.numel() + batch.targets.numel() + channels <= task.numbers(8)


def test_points_as_a_form():
    xy = torch.rand(2, 5, 2)
    assert Points(xy).sizes.tolist() == [5, 5]
    moved = Points(xy, torch.tensor([5, 5])).to(torch.device("cpu"), torch.float64)
    assert moved.counts is None
    assert moved.xy.dtype == torch.float64
    kept = Points(xy, torch.tensor([5, 4]), torch.ones(2, 1, dtype=torch.int64))
    assert kept.to(torch.device("cpu"), torch.float32).counts.tolist() == [5, 4]

"""Memory with no more rows than a lesson has facts."""

from dataclasses import replace

import pytest
import torch
from stand_ins import tiny

from tapehead.machines import DNC
from tapehead.runs import load_run
from tapehead.runs.evaluation import mean_scores
from tapehead.runs.randomness import Stream
from tapehead.tasks import Traversal
from tapehead.training import train
from tapehead.training.rows import VALIDATION_BATCH, VALIDATION_SEED

LESSONS = tiny(
    task="traversal",
    task_options={},
    machine="dnc",
    machine_options={"memory_size": 100, "word_size": 3, "hidden_size": 4},
    # A step in each of the fourteen lessons.
    batch_size=2,
    max_sequences=28,
    curriculum="linear",
    curriculum_sequences=28,
    lesson_rows=True,
)


@pytest.fixture
def rows(monkeypatch):
    """The rows of the machine in each step of training, as they come."""
    seen, forward = [], DNC._forward

    def watched(machine, x, state, lengths):
        if machine.training:
            seen.append(machine.memory_size)
        return forward(machine, x, state, lengths)

    monkeypatch.setattr(DNC, "_forward", watched)
    return seen


def test_each_lesson_has_the_rows_that_its_graphs_have_edges(rows):
    result = train(LESSONS)
    # Most nodes times most edges out of each, Extended Data Table 3 of the paper.
    facts = [40, 40, 40, 40, 60, 60, 80, 80, 120, 120, 120, 120, 240, 240]
    assert [Traversal().at_lesson(number + 1).max_edges for number in range(14)] == facts
    assert rows[-14:] == [min(count, 100) for count in facts]
    assert result.machine.memory_size == 100


def test_a_resumed_run_goes_on_with_the_rows_of_its_lesson(tmp_path, rows):
    whole = train(LESSONS)
    half = replace(LESSONS, max_sequences=14)
    train(half, tmp_path)
    rows.clear()
    again = train(LESSONS, tmp_path, resume=True)
    assert rows[-7:] == [80, *[100] * 6]
    for name, value in whole.machine.state_dict().items():
        assert torch.equal(again.machine.state_dict()[name], value), name


SPARE = replace(LESSONS, spare_rows=0.5, machine_options={"memory_size": 300, "word_size": 3})


def test_spare_rows_are_drawn_in_each_step(rows):
    train(SPARE)
    facts = [40, 40, 40, 40, 60, 60, 80, 80, 120, 120, 120, 120, 240, 240]
    more = [seen / count - 1 for seen, count in zip(rows[-14:], facts, strict=True)]
    assert min(more) >= 0
    assert max(more[:12]) <= 0.5
    assert len(set(more)) > 8, "not the same share in every step"
    assert max(rows) <= 300
    first = rows[-14:]
    train(SPARE)
    assert rows[-14:] == first
    train(replace(SPARE, seed=SPARE.seed + 1))
    assert rows[-14:] != first


def test_a_resumed_run_has_the_same_spare_rows(tmp_path, rows):
    whole = train(SPARE)
    seen = rows[-14:]
    train(replace(SPARE, max_sequences=14), tmp_path)
    again = train(SPARE, tmp_path, resume=True)
    assert rows[-7:] == seen[7:]
    for name, value in whole.machine.state_dict().items():
        assert torch.equal(again.machine.state_dict()[name], value), name


def test_validations_are_taken_with_all_rows(tmp_path):
    first = replace(LESSONS, curriculum="naive", curriculum_sequences=None)
    result = train(first, tmp_path)
    # It is handed back with them too, although it never left the first lesson.
    assert result.machine.memory_size == 100
    _, machine, task = load_run(tmp_path, step="latest")
    assert machine.memory_size == 100
    given = (task, 16, VALIDATION_BATCH, VALIDATION_SEED, Stream.VALIDATION)
    assert result.scores == mean_scores(machine, *given)
    machine.memory_size = 40
    assert result.scores != mean_scores(machine, *given)


def test_a_sparse_ntm_has_them_too():
    options = {"memory_size": 100, "word_size": 3, "hidden_size": 4}
    result = train(replace(LESSONS, machine="sparse-ntm", machine_options=options))
    assert result.machine.memory_size == 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"lesson_rows": False, "spare_rows": 0.5},
            r"spare_rows must be 0 without lesson_rows, got 0\.5",
        ),
        ({"task": "copy"}, "lesson_rows must be False on copy, which does not say how many facts"),
        ({"machine": "ntm"}, "lesson_rows must be False for ntm, whose memory cannot grow without"),
        ({"machine": "lstm", "machine_options": {}}, "lesson_rows must be False for lstm, whose"),
    ],
)
def test_where_it_means_nothing_it_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        train(replace(LESSONS, **changes))

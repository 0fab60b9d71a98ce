"""A story that is changed: what must change of a reader's answers does, and nothing else."""

from itertools import pairwise

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_reading import READERS, machine

from tapehead.forms import Story

SENTENCES = torch.tensor([[0, 0, 0], [4, 5, 6], [7, 5, 0], [4, 8, 1], [6, 2, 0], [7, 4, 0]])
WIDE = {"memory-network": {"memory_size": 8}}
"""Room for every sentence of these stories."""


@st.composite
def stories(draw):
    """Two stories, the first with different neighbours and a question after each sentence."""
    told = draw(st.lists(st.integers(1, 5), min_size=2, max_size=6))
    assume(all(a != b for a, b in pairwise(told)))
    other = draw(st.lists(st.integers(1, 5), min_size=len(told), max_size=len(told)))
    asked = draw(st.lists(st.integers(1, 5), min_size=len(told), max_size=len(told)))
    known = list(range(1, len(told) + 1))
    rows = [torch.tensor(pair) for pair in ([told, other], [asked, asked], [known, known])]
    return Story(SENTENCES, *rows)


@pytest.mark.parametrize("name", READERS)
@given(story=stories(), data=st.data())
@settings(max_examples=10)
def test_a_dropped_fact_changes_the_answers_that_knew_it(name, story, data):
    made = machine(name, **WIDE.get(name, {}))
    count = story.told.shape[1]
    fact = data.draw(st.integers(1, count - 1))
    kept = [*range(fact), *range(fact + 1, count)]
    told = story.told.clone()
    told[0, : count - 1] = story.told[0, kept]
    known = story.known.clone()
    known[0] -= (known[0] > fact).long()
    before, _ = made(*story)
    after, _ = made(*story._replace(told=told, known=known))
    same = torch.isclose(after[0], before[0], rtol=1e-12, atol=1e-12).all(-1)
    assert same.tolist() == [asked < fact for asked in range(count)]
    assert torch.allclose(after[1], before[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", READERS)
@given(story=stories())
@settings(max_examples=10)
def test_a_reversed_story_is_another_story(name, story):
    made = machine(name, **WIDE.get(name, {}))
    told = story.told.clone()
    told[0] = story.told[0].flip(0)
    before, _ = made(*story)
    after, _ = made(*story._replace(told=told))
    palindrome = torch.equal(told[0], story.told[0])
    assert torch.allclose(after[0, -1], before[0, -1], rtol=1e-12, atol=1e-12) == palindrome
    assert torch.allclose(after[1], before[1], rtol=1e-12, atol=1e-12)


@given(story=stories())
@settings(max_examples=10)
def test_order_reaches_a_memory_network_by_its_time_vectors_alone(story):
    made = machine("memory-network", **WIDE["memory-network"])
    with torch.no_grad():
        made.times.zero_()
    before, _ = made(*story)
    after, _ = made(*story._replace(told=story.told.flip(1)))
    # The last question knows the same sentences; those before it know others now.
    assert torch.allclose(after[:, -1], before[:, -1], rtol=1e-12, atol=1e-12)

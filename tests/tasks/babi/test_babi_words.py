"""bAbI word by word: what a story sounds like, where an answer is due, and when it is right."""

import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapehead.runs.evaluation import evaluate
from tapehead.tasks import make_task
from tapehead.tasks.babi.simulation import simulate
from tapehead.tasks.babi.text import parse
from tapehead.tasks.babi.words import Buckets, _transcribed, spoken, transcribe, words_in
from tapehead.tasks.batch import Batch
from tapehead.tasks.replies import SpelledReplies
from tapehead.tasks.task import certain_logits

TEXT = """\
1 Mary got the ball.
2 Where is Mary?\tattic\t1
3 Mary got the coin.
4 What is Mary carrying?\tball,coin\t1 3
5 It is cold.
1 How is it?\tcold\t
"""


def test_a_story_is_told_word_by_word_with_marks_where_answers_are_due():
    story, *_ = parse(TEXT.replace("1 How", "6 How"), "a file")
    steps = spoken(story)
    assert " ".join(word for word, _ in steps) == (
        "mary got the ball . where is mary ? - mary got the coin . what is mary carrying ? - - "
        "it is cold . how is it ? -"
    )
    assert [(at, answer) for at, (_, answer) in enumerate(steps) if answer] == [
        (9, "attic"), (20, "ball"), (21, "coin"), (30, "cold"),
    ]  # fmt: skip


def test_sentences_behind_the_last_question_are_told_too():
    story, *_ = parse(TEXT.split("1 How")[0], "a file")
    assert " ".join(word for word, _ in spoken(story)).endswith("carrying ? - - it is cold .")


@given(seeds=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 99)), min_size=1, max_size=4))
def test_numbers_are_the_words_again_in_any_company(seeds):
    stories = [simulate(number, random.Random(seed)) for number, seed in seeds]
    words = words_in(stories)
    assert words[:3] == ("-", ".", "?")
    assert len(set(words)) == len(words)
    order = torch.tensor([*reversed(range(len(stories))), 0])
    found = transcribe(stories, words).of(order)
    for row, number in enumerate(order.tolist()):
        steps = spoken(stories[number])
        count = int(found.real[row].sum())
        assert found.real[row, :count].all()
        assert [words[at] for at in found.words[row, :count].tolist()] == [w for w, _ in steps]
        due = [at for at, (_, answer) in enumerate(steps) if answer]
        assert found.due[row].nonzero()[:, 0].tolist() == due
        assert [words[found.answers[row, at]] for at in due] == [steps[at][1] for at in due]


def test_a_batch_is_one_hot_and_nothing_past_the_end():
    task = make_task("babi-words", task="2")
    batch = task.batch(torch.Generator().manual_seed(0), 7)
    x, lengths = batch.inputs
    assert len(lengths.unique()) > 1
    real = torch.arange(x.shape[1]) < lengths[:, None]
    assert torch.equal(x.sum(-1), real.float())
    assert torch.equal(batch.targets.sum(-1), batch.mask.float())
    assert (x[batch.mask][:, 0] == 1).all()  # only "-" says that an answer is due
    assert torch.equal(x[..., 0] == 1, batch.mask)
    assert task.sizes == {"input_size": len(task.words), "output_size": len(task.words)}
    assert task.max_steps >= int(lengths.max())


def test_both_views_tell_the_same_stories():
    words, sentences = (make_task(name, task="2", split="test") for name in ("babi-words", "babi"))
    assert words.stories == sentences.stories
    assert words.num_problems == sentences.num_problems == 6
    told, read = words.problems(torch.tensor([4])), sentences.problems(torch.tensor([4]))
    assert words.read(told.targets[told.mask]) == [
        sentences.answer.names[number] for number in read.targets[0].argmax(-1).tolist()
    ]


def test_a_question_is_right_if_all_its_words_are():
    """Two sequences: a question of two words and one of one; and one of three words."""
    answer = SpelledReplies(("-", "a", "b"), words=("answer",), each=1.5)
    mask = torch.tensor([[0, 1, 1, 0, 1, 0], [1, 1, 1, 0, 0, 0]]).bool()
    targets = torch.zeros(2, 6, 3)
    targets[..., 1] = mask.float()
    batch = Batch(None, targets, mask)
    right = certain_logits(targets)
    wrong = {
        (): [0.0, 0.0],
        ((0, 1),): [1.0, 0.0],
        ((0, 1), (0, 2)): [1.0, 0.0],  # one question, though two words
        ((0, 2), (0, 4)): [2.0, 0.0],
        ((1, 0), (1, 2)): [0.0, 1.0],
        ((0, 0), (0, 3), (1, 5)): [0.0, 0.0],  # nothing is asked there
    }
    for places, expected in wrong.items():
        outputs = right.clone()
        for row, step in places:
            outputs[row, step] = torch.tensor([0.0, 0.0, 9.0])
        scores = answer.scores(outputs, batch)
        assert (scores["wrong"] * 1.5).tolist() == expected
        assert scores["solved"].tolist() == [value == 0 for value in expected]


@given(st.data())
def test_wrong_questions_are_counted_as_one_by_one(data):
    rows = data.draw(st.lists(st.lists(st.integers(0, 2), min_size=8, max_size=8), max_size=3))
    steps = torch.tensor(rows or [[0] * 8])  # 0: nothing asked, 1: right, 2: wrong
    mask = steps > 0
    targets = torch.nn.functional.one_hot(mask.long(), 2).float() * mask[..., None]
    outputs = certain_logits(targets) * torch.where(steps == 2, -1, 1)[..., None]
    found = SpelledReplies(("-", "a")).scores(outputs, Batch(None, targets, mask))["wrong"]
    for row, count in zip(steps.tolist(), found.tolist(), strict=True):
        said = "".join(map(str, row)).split("0")
        assert count == sum("2" in question for question in said)


class Key(torch.nn.Module):
    """Looks each story up, and says what is due there; of one story something else."""

    def __init__(self, everything):
        super().__init__()
        self.everything = everything
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, x, lengths=None):
        known = self.everything.inputs.x[:, : x.shape[1]]
        at = [int((known == row).all((1, 2)).nonzero()[0]) for row in x]
        outputs = certain_logits(self.everything.targets[at, : x.shape[1]])
        outputs[torch.tensor(at) == 3] = 0.0
        return outputs, None


def test_a_whole_split_is_scored_question_by_question():
    task = make_task("babi-words", task="2").test_settings()["test"]
    everything = task.problems(torch.arange(task.num_problems))
    scores = evaluate(Key(everything), task, batch_size=4)
    assert scores["wrong"] == pytest.approx(1 / 6)
    assert scores["solved"] == pytest.approx(5 / 6)


def test_an_unknown_word_is_named():
    stories = parse(TEXT.replace("1 How", "6 How"), "a file")
    words = [word for word in words_in(stories) if word != "coin"]
    with pytest.raises(ValueError, match=r"^words must be among those of the task, got 'coin'; it"):
        transcribe(stories, words)


def test_generated_stories_are_told_word_by_word():
    task = make_task("babi-words", task="3", generated=True)
    first, again = (task.batch(torch.Generator().manual_seed(5), 3) for _ in range(2))
    assert torch.equal(first.inputs.x, again.inputs.x)
    assert first.mask.sum(1).tolist() == [5, 5, 5]
    assert int(first.inputs.lengths.max()) <= task.max_steps


def stories_of(buckets):
    ends = buckets.starts.tolist()
    return [buckets.order[first:end].tolist() for first, end in pairwise(ends)]


@given(
    lengths=st.lists(st.integers(4, 60), min_size=1, max_size=40),
    ratio=st.sampled_from([1.0, 1.3]),
    least=st.integers(1, 6),
)
def test_buckets_hold_every_story_once_and_are_as_narrow_as_they_may_be(lengths, ratio, least):
    found = stories_of(Buckets.of(torch.tensor(lengths), ratio=ratio, least=least))
    assert sorted(number for bucket in found for number in bucket) == list(range(len(lengths)))
    told = [[lengths[number] for number in bucket] for bucket in found]
    assert all(one[-1] < other[0] for one, other in pairwise(told))
    for bucket in told:
        assert bucket == sorted(bucket)
        assert len(bucket) >= min(least, len(lengths))
    for bucket in told[:-1]:  # the last may have taken in what was too little
        narrow = sum(length <= ratio * bucket[0] for length in bucket)
        # No story that is too long came in but to make up the least, or as long as one that did.
        assert narrow >= least or bucket[-1] in bucket[:least]
        assert narrow == len(bucket) or narrow < least


def test_every_story_is_as_likely_in_buckets_as_without():
    lengths = torch.tensor([5] * 7 + [9, 10] + [40] * 3)
    buckets = Buckets.of(lengths, ratio=1.2, least=2)
    assert [len(bucket) for bucket in stories_of(buckets)] == [7, 2, 3]
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(12)
    for _ in range(6_000):
        drawn = buckets.draw(generator, 4)
        assert len({int(length) // 8 for length in lengths[drawn]}) == 1
        counts.index_add_(0, drawn, torch.ones(4))
    # Of 24,000 each has 2,000; a batch of three stories holds some of them twice.
    assert ((counts - 2_000).abs() < 5 * 75).all()


@pytest.fixture
def small_buckets(monkeypatch):
    monkeypatch.setattr("tapehead.tasks.babi.words.LEAST", 8)
    _transcribed.cache_clear()
    yield
    _transcribed.cache_clear()


def same(one, other):
    pairs = zip(one.tensors().values(), other.tensors().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


@pytest.mark.usefixtures("small_buckets")
def test_a_bucketed_batch_wastes_little_and_is_decided_by_the_generator_alone():
    plain, task = (make_task("babi-words", task="all", bucketed=on) for on in (False, True))

    def used(task, seed):
        batch = task.batch(torch.Generator().manual_seed(seed), 16)
        return float(batch.inputs.lengths.sum()) / batch.inputs.x[..., 0].numel()

    shares = [sum(used(each, seed) for seed in range(20)) / 20 for each in (plain, task)]
    assert shares[0] < 0.6
    assert shares[1] > 0.85
    one, other = torch.Generator().manual_seed(3), torch.Generator().manual_seed(3)
    for _ in range(3):
        torch.manual_seed(torch.seed())  # of which nothing may depend, nor on earlier batches
        assert same(task.batch(one, 5), task.batch(other, 5))
        task = make_task("babi-words", task="all", bucketed=True)


def test_validation_stories_are_read_in_order_in_buckets_too():
    task = make_task("babi-words", task="2", bucketed=True).held_out
    plain = make_task("babi-words", task="2").held_out
    numbers = torch.arange(task.num_problems)
    assert same(task.problems(numbers), plain.problems(numbers))

"""The bAbI tasks word by word: a story as one sequence, with a mark where an answer is due."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from tapehead import forms
from tapehead.checks import listed
from tapehead.tasks.answers import Answer
from tapehead.tasks.babi.library import library_of
from tapehead.tasks.babi.simulation import all_words
from tapehead.tasks.babi.stories import StoryTask, draw_numbers
from tapehead.tasks.babi.text import TextStory
from tapehead.tasks.replies import SpelledReplies
from tapehead.tasks.task import Batch, SequenceTask

DUE = "-"
"""Stands where a word of an answer is due; as many of them as it has words."""
STOP, ASKED = ".", "?"
MARKS = (DUE, STOP, ASKED)


@dataclass(frozen=True, kw_only=True)
class BAbIWords(StoryTask, SequenceTask):
    """Answer questions about short stories, word by word: the bAbI tasks as a machine with a
    recurrent controller reads them (Graves et al. 2016, Methods, "bAbI question answering tasks").

    A story with all its questions is one sequence of words, full stops and question marks, each
    one-hot. Behind a question mark stands "-" for each word of the answer, and only there an answer
    is due. An answer of several words ("football,milk") is right if all of them are. Outputs are
    logits of all words and marks, as in the paper.

    bucketed: the stories of a training batch are about as long as each other, so that little of it
        is padding; every story is as likely as without. Not for stories simulated without end.

    >>> import torch
    >>> from tapehead.tasks import BAbIWords
    >>> task = BAbIWords(task="1", generated=True)
    >>> batch = task.batch(torch.Generator().manual_seed(0), 2)
    >>> batch.inputs.x.shape, batch.mask.sum(1)
    (torch.Size([2, 88, 38]), tensor([5, 5]))
    >>> print(" ".join(task.read(batch.inputs.x[0, :18])))
    john went back to the hallway . john travelled to the bathroom . where is john ? -
    >>> print(*task.read(batch.targets[0, 17:18]))
    bathroom
    """

    name = "babi-words"
    title = "bAbI, word by word"

    bucketed: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """All marks and words, in the order of the channels."""
        return _transcribed(*self._files).words

    @property
    def channel_names(self) -> list[str]:
        return list(self.words)

    @property
    def answer(self) -> Answer:
        each = self.library.questions_each[self.split]
        return SpelledReplies(self.words, words=("answer",), each=each)

    @property
    def max_steps(self) -> int:
        told = _transcribed(*self._files).splits.get(self.split)
        return _LONGEST_SIMULATED if told is None else int(told.lengths.max())

    def read(self, channels: Tensor) -> list[str]:
        """Steps of a sequence, or of its targets, as words."""
        return [self.words[number] for number in channels.argmax(-1).tolist()]

    def _batch(self, numbers: Int64[Tensor, " batch"]) -> Batch:
        return self._one_hot(_transcribed(*self._files).splits[self.split].of(numbers))

    def batch_of(self, stories: list[TextStory]) -> Batch:
        everything = torch.arange(len(stories), device="cpu")
        return self._one_hot(transcribe(stories, self.words).of(everything))

    def _drawn(self, generator: torch.Generator, batch_size: int) -> Int64[Tensor, " batch"]:
        if not self.bucketed:
            return super()._drawn(generator, batch_size)
        return _transcribed(*self._files).buckets[self.split].draw(generator, batch_size)

    def _one_hot(self, told: "Padded") -> Batch:
        count = len(self.words)
        x = one_hot(told.words, count).float() * told.real[..., None]
        targets = one_hot(told.answers, count).float() * told.due[..., None]
        return Batch(forms.Sequence(x, told.real.sum(1)), targets, told.due)


RATIO, LEAST = 1.2, 256
"""Of buckets. Of the stories of all tasks, batches of 32 have a step of padding for every eight;
drawn from all alike they would have 28 for every eight."""
_LONGEST_SIMULATED = 1_000
"""Steps; simulated stories of task 3 have some 400."""


class Transcripts(NamedTuple):
    """Stories as numbers of words, one behind the other.

    answers: at each `DUE` the word that is due; 0 elsewhere.
    starts, lengths: of the stories, in words.
    """

    words: Int64[Tensor, " all"]
    answers: Int64[Tensor, " all"]
    starts: Int64[Tensor, " stories"]
    lengths: Int64[Tensor, " stories"]

    def of(self, stories: Int64[Tensor, " batch"]) -> "Padded":
        """Some of the stories, no longer than need be."""
        lengths = self.lengths[stories]
        steps = torch.arange(int(lengths.max()), device="cpu")
        real = steps < lengths[:, None]
        places = torch.where(real, self.starts[stories, None] + steps, 0)
        words, answers = self.words[places], self.answers[places]
        return Padded(words, answers, real, real & (words == MARKS.index(DUE)))


class Padded(NamedTuple):
    """Stories side by side, which of their steps are real, and at which an answer is due."""

    words: Int64[Tensor, "stories time"]
    answers: Int64[Tensor, "stories time"]
    real: Bool[Tensor, "stories time"]
    due: Bool[Tensor, "stories time"]


class Buckets(NamedTuple):
    """Stories apart by their length.

    order: their numbers, the shortest first.
    starts: where in it each bucket begins, and where the last ends.
    """

    order: Int64[Tensor, " stories"]
    starts: Int64[Tensor, " buckets_and_one"]

    @classmethod
    def of(cls, lengths: Int64[Tensor, " stories"], *, ratio: float, least: int) -> "Buckets":
        """Buckets whose longest story has at most `ratio` times the words of the shortest, unless
        that left fewer than `least` stories."""
        ordered, order = lengths.sort(stable=True)
        starts = [0]
        for place in (ordered.diff() > 0).nonzero().flatten().add(1).tolist():
            first = starts[-1]
            if place - first >= least and ordered[place] > ratio * ordered[first]:
                starts.append(place)
        if len(starts) > 1 and len(ordered) - starts[-1] < least:
            starts.pop()
        return cls(order, torch.tensor([*starts, len(ordered)], device="cpu"))

    def draw(self, generator: torch.Generator, count: int) -> Int64[Tensor, " count"]:
        """Stories of one bucket. It is that of a story drawn from all: so each story comes as often
        as any other."""
        place = draw_numbers(generator, len(self.order), 1)
        bucket = int(torch.searchsorted(self.starts, place, right=True)) - 1
        first, end = self.starts[bucket : bucket + 2].tolist()
        return self.order[first + draw_numbers(generator, end - first, count)]


def spoken(story: TextStory) -> list[tuple[str, str]]:
    """A story word by word, each with the word of an answer that is due there, or "".

    >>> from tapehead.tasks.babi import parse
    >>> from tapehead.tasks.babi.words import spoken
    >>> story, = parse("1 Mary got milk.\\n2 What has Mary?\\tmilk\\t1\\n", "example")
    >>> " ".join(word for word, _ in spoken(story)), spoken(story)[-1]
    ('mary got milk . what has mary ? -', ('-', 'milk'))
    """
    steps: list[tuple[str, str]] = []
    told = 0
    for question in story.questions:
        for sentence in story.sentences[told : question.known]:
            steps += [(word, "") for word in (*sentence, STOP)]
        told = question.known
        steps += [(word, "") for word in (*question.words, ASKED)]
        steps += [(DUE, word) for word in question.answer.split(",")]
    for sentence in story.sentences[told:]:
        steps += [(word, "") for word in (*sentence, STOP)]
    return steps


def transcribe(stories: Sequence[TextStory], words: Sequence[str]) -> Transcripts:
    """Stories as numbers of these words, which begin with the marks.

    Raises:
        ValueError: a word that is not among them.
    """
    numbers = {"": 0, **{word: number for number, word in enumerate(words)}}
    told = [spoken(story) for story in stories]
    try:
        said, due = ([numbers[pair[place]] for steps in told for pair in steps] for place in (0, 1))
    except KeyError as error:
        known = listed(words[len(MARKS) :], most=10**6)
        got = error.args[0]
        raise ValueError(
            f"words must be among those of the task, got {got!r}; it knows {known}"
        ) from None
    said, due, lengths = (
        torch.tensor(each, dtype=torch.int64, device="cpu")
        for each in (said, due, [len(steps) for steps in told])
    )
    return Transcripts(said, due, lengths.cumsum(0) - lengths, lengths)


class _Library(NamedTuple):
    words: tuple[str, ...]
    splits: dict[str, Transcripts]
    """Without those that are simulated."""
    buckets: dict[str, Buckets]


@lru_cache(maxsize=32)
def _transcribed(data: str, size: str, task: str, generated: bool) -> _Library:
    texts = library_of(data, size, task, generated).texts
    told = [story for stories in texts.values() for story in stories]
    words = words_in([*told, *(all_words() if generated else [])])
    splits = {split: transcribe(stories, words) for split, stories in texts.items() if stories}
    buckets = {
        split: Buckets.of(told.lengths, ratio=RATIO, least=LEAST) for split, told in splits.items()
    }
    return _Library(words, splits, buckets)


def words_in(stories: Iterable[TextStory]) -> tuple[str, ...]:
    """The three marks, and all words of the stories and their answers, sorted."""
    said = {word for story in stories for pair in spoken(story) for word in pair}
    return (*MARKS, *sorted(said - {"", *MARKS}))

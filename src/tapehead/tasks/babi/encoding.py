"""Stories as numbers: a vocabulary, and tensors to draw batches from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from tapehead.checks import listed
from tapehead.forms import Story
from tapehead.tasks.babi.text import TextStory, Words

NOTHING = "-"
"""Word number 0: what stands past the end of a sentence."""


class Vocabulary(NamedTuple):
    """Words by number: `NOTHING`, all that can be answers, all others, each group sorted.

    An answer of several words ("football,milk") is a word of its own.
    """

    words: tuple[str, ...]
    num_answers: int

    @classmethod
    def of(cls, stories: Iterable[TextStory]) -> "Vocabulary":
        words: set[str] = set()
        answers: set[str] = set()
        for story in stories:
            words.update(*story.sentences)
            for question in story.questions:
                words.update(question.words)
                answers.add(question.answer)
        return cls((NOTHING, *sorted(answers), *sorted(words - answers)), len(answers))

    @property
    def answers(self) -> tuple[str, ...]:
        """What can be answered; of the words the first after `NOTHING`."""
        return self.words[1 : self.num_answers + 1]

    @property
    def numbers(self) -> Mapping[str, int]:
        return {word: number for number, word in enumerate(self.words)}


class Encoded(NamedTuple):
    """Stories of any number, padded; as in `tapehead.forms.Story`, and the answers to its questions
    as numbers from 0."""

    sentences: Int64[Tensor, "distinct words"]
    told: Int64[Tensor, "stories time"]
    counts: Int64[Tensor, " stories"]
    questions: Int64[Tensor, "stories asked"]
    known: Int64[Tensor, "stories asked"]
    answers: Int64[Tensor, "stories asked"]
    asked: Bool[Tensor, "stories asked"]

    def form(self, stories: Int64[Tensor, " batch"]) -> tuple[Story, Tensor, Tensor]:
        """Some of the stories, and answers and marks of their questions, no longer than need be."""
        time, asked = int(self.counts[stories].max()), self.asked[stories]
        most = int(asked.sum(1).max())
        told, questions = self.told[stories, :time], self.questions[stories, :most]
        sentences = self.sentences
        if len(sentences) > told.numel() + questions.numel():
            # Sentences that nobody tells or asks need not be read.
            used, places = torch.cat([told.flatten(), questions.flatten()]).unique(
                return_inverse=True
            )
            sentences = sentences[used]
            told, questions = (
                part.view_as(like)
                for part, like in zip(
                    places.split([told.numel(), questions.numel()]), (told, questions), strict=True
                )
            )
        form = Story(sentences, told, questions, self.known[stories, :most])
        return form, self.answers[stories, :most], asked[:, :most]


def encode(stories: Sequence[TextStory], vocabulary: Vocabulary, sentence_length: int) -> Encoded:
    """Stories as numbers; row 0 of the sentences is empty. An answer may be "", if it is not known.

    Raises:
        ValueError: a word that is not in the vocabulary, or a sentence that is too long.
    """
    numbers = {"": 1, **vocabulary.numbers}
    rows: dict[Words, int] = {(): 0}
    told, asked = [], []
    for story in stories:
        told.append([rows.setdefault(words, len(rows)) for words in story.sentences])
        asked.append(
            [
                (rows.setdefault(each.words, len(rows)), each.known, numbers[each.answer] - 1)
                for each in story.questions
            ]
        )
    for words in rows:
        if len(words) > sentence_length:
            raise ValueError(
                f"a sentence must have at most {sentence_length} words, got {' '.join(words)!r}"
            )
        for word in words:
            if word not in numbers:
                raise ValueError(
                    f"words must be among those of the task, got {word!r}; it knows "
                    f"{listed(vocabulary.words[1:], most=10**6)}"
                )
    questions, known, answers = (
        _padded([[each[i] for each in q] for q in asked]) for i in range(3)
    )
    return Encoded(
        _padded([[numbers[word] for word in words] for words in rows], sentence_length),
        _padded(told),
        torch.tensor([len(each) for each in told], dtype=torch.int64, device="cpu"),
        questions,
        known,
        answers,
        _padded([[1] * len(each) for each in asked]).bool(),
    )


def _padded(rows: Sequence[Sequence[int]], length: int | None = None) -> Int64[Tensor, "rows most"]:
    """Rows of numbers with zeros past their ends."""
    most = length or max(map(len, rows))
    filled = [[*row, *[0] * (most - len(row))] for row in rows]
    return torch.tensor(filled, dtype=torch.int64, device="cpu")

"""The twenty bAbI tasks: short stories, and questions with an answer of one word."""

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import one_hot

from tapehead.checks import listed
from tapehead.forms import Story
from tapehead.tasks.answers import Answer, Replies
from tapehead.tasks.babi.encoding import Encoded, Vocabulary, encode
from tapehead.tasks.babi.files import FOLDER, read_split
from tapehead.tasks.babi.simulation import QUESTIONS, SIMULATED, all_words, simulate
from tapehead.tasks.babi.text import TextStory, parse
from tapehead.tasks.metrics import WRONG, PassMark
from tapehead.tasks.task import Batch, Task

TITLES = {
    1: "single supporting fact",
    2: "two supporting facts",
    3: "three supporting facts",
    4: "two argument relations",
    5: "three argument relations",
    6: "yes/no questions",
    7: "counting",
    8: "lists/sets",
    9: "simple negation",
    10: "indefinite knowledge",
    11: "basic coreference",
    12: "conjunction",
    13: "compound coreference",
    14: "time reasoning",
    15: "basic deduction",
    16: "basic induction",
    17: "positional reasoning",
    18: "size reasoning",
    19: "path finding",
    20: "agent's motivations",
}
"""What Weston et al. call them, by number."""

Number = Literal[
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10",
    "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "all",
]  # fmt: skip
Split = Literal["train", "valid", "test"]
FAILED = 0.05
"""The share of wrong answers above which the authors count a task as failed."""


class Library(NamedTuple):
    """All stories of a task, as they were told and as numbers, by split."""

    vocabulary: Vocabulary
    sentence_length: int
    """Words of the longest sentence or question."""
    texts: Mapping[str, list[TextStory]]
    """Without those of splits that are simulated."""
    encoded: Mapping[str, Encoded]
    questions_each: Mapping[str, float]
    """Mean number of questions of a story."""


@dataclass(frozen=True, kw_only=True)
class BAbI(Task):
    """Answer questions about short stories: the twenty bAbI tasks, sentence by sentence.

    The stories are those of the authors' files, split into training, validation and test as they
    split them; a sequence is a story with all its questions. Where a set has no validation file,
    the last tenth of the training stories is held out instead.

    task: "1" to "20", or "all" of them together.
    size: training questions of a task: "10k" or "1k".
    split: the stories that batches are drawn from. A run trains on "train", chooses by "valid", and
        is tested on "test".
    data: folder or archive with the files; left out: that of the environment's TAPEHEAD_BABI, or a
        copy in the user's cache, downloaded once.
    generated: train on fresh stories without end, told by a simulation of tasks 1, 2 and 3.
        Validation and test are those of the files if `data` or the environment says where they
        are, else fresh too.

    >>> import torch
    >>> from tapehead.tasks import BAbI
    >>> task = BAbI(task="1", generated=True)
    >>> task.answer.names
    ('bathroom', 'bedroom', 'garden', 'hallway', 'kitchen', 'office')
    >>> batch = task.batch(torch.Generator().manual_seed(0), 2)
    >>> batch.inputs.told.shape, batch.inputs.questions.shape  # ten sentences, five questions
    (torch.Size([2, 10]), torch.Size([2, 5]))
    """

    name = "babi"
    title = "bAbI"
    source = "Weston et al. (2015), Towards AI-Complete Question Answering"
    tells = Story
    variant = "task"

    task: Number = "1"
    size: Literal["10k", "1k"] = "10k"
    split: Split = "train"
    data: str = ""
    generated: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.task, int):
            object.__setattr__(self, "task", str(self.task))
        super().__post_init__()
        if self.generated and self.task not in map(str, SIMULATED):
            allowed = listed([str(number) for number in SIMULATED])
            raise ValueError(f"task must be one of {allowed} if generated, got {self.task!r}")

    @property
    def library(self) -> Library:
        """All stories of the task; read once a process.

        Raises:
            TapeheadError: the files cannot be found or read.
        """
        data = self.data or os.environ.get(FOLDER, "")
        return _library(data, self.size, self.task, self.generated)

    @property
    def _is_endless(self) -> bool:
        """Whether stories are simulated as they are needed."""
        return not self.library.texts[self.split]

    @property
    def stories(self) -> list[TextStory]:
        """The stories of this split, as they were told; a hundred of those without end."""
        if self._is_endless:
            return self._simulated(random.Random(0), 100)
        return self.library.texts[self.split]

    def _simulated(self, draw: random.Random, count: int) -> list[TextStory]:
        return [simulate(int(self.task), draw) for _ in range(count)]

    def form_of(self, story: TextStory) -> Story:
        """A story as a machine of this task reads it; its answers need not be known.

        Raises:
            ValueError: a word that the task does not know, or a sentence that is too long.
        """
        return self._batch_of([story]).inputs

    def _batch_of(self, stories: list[TextStory]) -> Batch:
        library = self.library
        encoded = encode(stories, library.vocabulary, library.sentence_length)
        return self._batch(encoded, torch.arange(len(stories), device="cpu"))

    @property
    def sizes(self) -> Mapping[str, Any]:
        vocabulary = self.library.vocabulary
        return {
            "vocabulary_size": len(vocabulary.words),
            "sentence_length": self.library.sentence_length,
            "num_answers": vocabulary.num_answers,
        }

    @property
    def answer(self) -> Answer:
        library = self.library
        return Replies(
            library.vocabulary.answers, words=("answer",), each=library.questions_each[self.split]
        )

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(WRONG, FAILED)

    @property
    def num_problems(self) -> int | None:
        return None if self.split == "train" or self._is_endless else len(self.stories)

    @property
    def held_out(self) -> "BAbI":
        return replace(self, split="valid") if self.split == "train" else self

    def test_settings(self) -> dict[str, Task]:
        return {"test": replace(self, split="test")}

    def problems(self, numbers: Int64[Tensor, " batch"]) -> Batch:
        return self._batch(self.library.encoded[self.split], numbers)

    def _batch(self, encoded: Encoded, numbers: Int64[Tensor, " batch"]) -> Batch:
        form, answers, asked = encoded.form(numbers)
        targets = one_hot(answers, self.library.vocabulary.num_answers).float()
        return Batch(form, targets * asked[..., None], asked)

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        device = generator.device
        most = 2**63 - 1 if self._is_endless else len(self.library.texts[self.split])
        size = 1 if self._is_endless else batch_size
        drawn = torch.randint(most, (size,), generator=generator, device=device).cpu()
        if self._is_endless:
            batch = self._batch_of(self._simulated(random.Random(int(drawn)), batch_size))
        else:
            batch = self.problems(drawn)
        return batch.map(lambda part: part.to(device))


@lru_cache(maxsize=32)
def _library(data: str, size: str, task: str, generated: bool) -> Library:
    place = Path(data) if data else None
    texts: dict[str, list[TextStory]] = {"train": [], "valid": [], "test": []}
    if not generated:
        for number in TITLES if task == "all" else [int(task)]:
            for split, found in _texts(place, size, number).items():
                texts[split] += found
    elif data:
        for split in ("valid", "test"):
            texts[split] = parse(*read_split(place, size, int(task), split)[:2])
    everything = [story for stories in texts.values() for story in stories]
    everything += all_words() if generated else []
    vocabulary = Vocabulary.of(everything)
    length = max(
        len(words)
        for story in everything
        for words in (*story.sentences, *(question.words for question in story.questions))
    )
    encoded = {
        split: encode(stories, vocabulary, length) for split, stories in texts.items() if stories
    }
    each = {
        split: sum(len(story.questions) for story in stories) / max(1, len(stories))
        for split, stories in texts.items()
    }
    each |= {split: float(QUESTIONS) for split, stories in texts.items() if not stories}
    return Library(vocabulary, length, texts, encoded, each)


def _texts(data: Path | None, size: str, task: int) -> dict[str, list[TextStory]]:
    """The stories of one task by split."""
    found, undivided = {}, False
    for split in ("train", "valid", "test"):
        text, where, whole = read_split(data, size, task, split)
        found[split] = parse(text, where)
        undivided |= whole
    if undivided:
        stories = found["train"]
        kept = len(stories) - max(1, len(stories) // 10)
        found |= {"train": stories[:kept], "valid": stories[kept:]}
    return found

"""The twenty bAbI tasks: short stories, and questions about them, sentence by sentence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor
from torch.nn.functional import one_hot

from tapehead.forms import Story
from tapehead.tasks.answers import Answer
from tapehead.tasks.babi.encoding import Encoded, encode
from tapehead.tasks.babi.stories import StoryTask
from tapehead.tasks.babi.text import TextStory
from tapehead.tasks.replies import Replies
from tapehead.tasks.task import Batch


@dataclass(frozen=True, kw_only=True)
class BAbI(StoryTask):
    """Answer questions about short stories: the twenty bAbI tasks, sentence by sentence.

    The stories are those of the authors' files, split into training, validation and test as they
    split them; a sequence is a story with all its questions. Where a set has no validation file,
    the last tenth of the training stories is held out instead.

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
    tells = Story

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

    def _batch(self, numbers: Int64[Tensor, " batch"]) -> Batch:
        return self._answered(self.library.encoded[self.split], numbers)

    def batch_of(self, stories: list[TextStory]) -> Batch:
        library = self.library
        encoded = encode(stories, library.vocabulary, library.sentence_length)
        return self._answered(encoded, torch.arange(len(stories), device="cpu"))

    def _answered(self, encoded: Encoded, numbers: Int64[Tensor, " batch"]) -> Batch:
        form, answers, asked = encoded.form(numbers)
        targets = one_hot(answers, self.library.vocabulary.num_answers).float()
        return Batch(form, targets * asked[..., None], asked)

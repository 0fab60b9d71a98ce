"""What the machines that read stories share."""

from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tapehead.forms import Story
from tapehead.machines.machine import Machine, Trace, check_range
from tapehead.ops import gate

Tensors = dict[str, Tensor]


class Reader(Machine):
    """A machine that reads a `tapehead.forms.Story` and answers its questions.

    Its constructor takes `vocabulary_size` (words by number, 0 for none; 1 to `num_answers` can be
    answers), `sentence_length` (words of the longest sentence) and `num_answers`.

    >>> from tapehead.machines import MACHINES, Reader
    >>> sorted(name for name, kind in MACHINES.items() if issubclass(kind, Reader))
    ['dynamic-memory-network', 'dynamic-ntm-reader', 'entity-network', 'memory-network']
    """

    reads = Story
    vocabulary_size: int
    sentence_length: int
    num_answers: int

    def forward(
        self,
        sentences: Int64[Tensor, "distinct words"],
        told: Int64[Tensor, "batch time"],
        questions: Int64[Tensor, "batch asked"],
        known: Int64[Tensor, "batch asked"],
        **how: Any,
    ) -> tuple[Float[Tensor, "batch asked answers"], None]:
        """Logits of the answers to each question, from the fields of a `Story`; inside
        `torch.autocast` too in the type of the machine's weights.

        Raises:
            TypeError, ValueError: an argument is none that the machine can read; one line names it.
        """
        story = Story(sentences, told, questions, known)
        self._check(story)
        with self._in_its_own_type():
            return self._read(story, **how)[0], None

    def trace(
        self,
        sentences: Int64[Tensor, "distinct words"],
        told: Int64[Tensor, "batch time"],
        questions: Int64[Tensor, "batch asked"],
        known: Int64[Tensor, "batch asked"],
    ) -> Trace:
        story = Story(sentences, told, questions, known)
        self._check(story)
        with self._in_its_own_type():
            logits, tensors = self._read(story, keep=True)
        return Trace(logits, None, tensors)

    def _in_its_own_type(self) -> AbstractContextManager[Any]:
        weight = self._weight()
        if gate.autocasting(weight):
            return torch.autocast(weight.device.type, enabled=False)
        return nullcontext()

    @abstractmethod
    def _read(
        self, story: Story, *, keep: bool = False
    ) -> tuple[Float[Tensor, "batch asked answers"], Tensors]:
        """Logits, and if they are to be kept what `trace` gives."""

    def _check(self, story: Story) -> None:
        """Raise a TypeError or ValueError that names the first part of a story that cannot be read:
        numbers out of range would be looked up beyond the tables."""
        gate.check_rank("sentences", story.sentences, "distinct", self.sentence_length)
        gate.check_rank("told", story.told, "batch", "time")
        gate.check_rank("questions", story.questions, len(story.told), "asked")
        gate.check_rank("known", story.known, *story.questions.shape)
        device = self._weight().device
        for name, tensor in story._asdict().items():
            gate.check_type(name, tensor, torch.int64, device, "where the machine's weights are")
        check_range("sentences", story.sentences, 0, self.vocabulary_size - 1)
        for name in ("told", "questions"):
            check_range(name, getattr(story, name), 0, len(story.sentences) - 1)
        check_range("known", story.known, 0, story.told.shape[1])

"""The end-to-end memory network (MemN2N)."""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.checks import SWITCH, Share, Size, Width
from tapehead.forms import Story
from tapehead.machines.options import configured
from tapehead.machines.reading import Reader, Tensors
from tapehead.ops.sentences import Lengths, position_weights, recent, softmax_over


def _numbers(
    *, vocabulary_size: int, embedding_size: int, hops: int, memory_size: int, **_: object
) -> int:
    return (hops + 1) * (vocabulary_size + memory_size) * embedding_size


class MemoryNetwork(Reader):
    """End-to-end memory network, MemN2N (Sukhbaatar et al. 2015), which answers questions about
    stories.

    Each sentence is a memory. A question looks at all of them at once, adds what it finds to
    itself, and looks again, `hops` times; then it names the answer. docs/readers.md has the
    equations.

    Args:
        vocabulary_size: words by number, 0 for none; 1 to `num_answers` can be answers.
        sentence_length: words of the longest sentence.
        num_answers: answers there are.
        hops: how often it looks.
        embedding_size: d, numbers of a vector.
        memory_size: sentences that it remembers, the newest ones.
        tying: "adjacent": what one hop reads by is what the one before it read, the first also
            encodes the question, and the last also the answers. "layer-wise": all hops share their
            matrices, and the question goes through a matrix from hop to hop.
        nonlinear: a ReLU ends each hop, as in the larger machine (d = 100, "layer-wise") that the
            paper trains on 10,000 questions a task.
        encoding: of the words of a sentence: "position" weighs them by their place, "bag" adds
            them up.
        lengths: what the position encoding counts as a sentence's length; see
            `tapehead.ops.sentences.position_weights`.
        temporal: whether a memory also says how long ago it was told.
        time_noise: chance of each memory, while training, that another place is left free before
            it: the paper's empty memories.

    Trace (`machine.trace(*story)`): `attention` (batch, asked, hops, time), how much each hop of
    each question looked at each sentence of the story.

    >>> import torch
    >>> from tapehead.forms import Story
    >>> from tapehead.machines import MemoryNetwork
    >>> story = Story(
    ...     sentences=torch.tensor([[0, 0], [3, 1], [4, 2], [5, 3]]),
    ...     told=torch.tensor([[1, 2]]), questions=torch.tensor([[3]]), known=torch.tensor([[2]]),
    ... )
    >>> machine = MemoryNetwork(vocabulary_size=6, sentence_length=2, num_answers=2)
    >>> machine(*story)[0].shape
    torch.Size([1, 1, 2])
    """

    trained_by = "linear-start"
    width = "embedding_size"
    hops: int
    embedding_size: int
    memory_size: int
    time_noise: float
    lengths: Lengths
    times: Tensor
    between: Tensor

    @configured(_numbers)
    def __init__(
        self,
        vocabulary_size: Width,
        sentence_length: Size,
        num_answers: Size,
        *,
        hops: Size = 3,
        embedding_size: Size = 20,
        memory_size: Size = 50,
        tying: Literal["adjacent", "layer-wise"] = "adjacent",
        nonlinear: Annotated[bool, SWITCH] = False,
        encoding: Literal["position", "bag"] = "position",
        lengths: Lengths = "sentence",
        temporal: Annotated[bool, SWITCH] = True,
        time_noise: Share = 0.1,
    ):
        super().__init__()
        # Adjacent: A of hop k + 1 is C of hop k. Layer-wise: A, C, B and the answers' W.
        self._tables = hops + 1 if tying == "adjacent" else 4
        times = self._tables if tying == "adjacent" else 2
        self.words = nn.Parameter(torch.empty(vocabulary_size, self._tables, embedding_size))
        self._register("times", memory_size if temporal else 0, times, embedding_size)
        self._register("between", embedding_size if tying == "layer-wise" else 0, embedding_size)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Normal numbers of standard deviation 0.1, as in the paper."""
        with torch.no_grad():
            for weight in (self.words, self.times, self.between):
                weight.normal_(0.0, 0.1)

    def _read(
        self, story: Story, *, keep: bool = False, linear: bool = False
    ) -> tuple[Float[Tensor, "batch asked answers"], Tensors]:
        """As in `Reader`.

        Args:
            linear: leave out the softmax over memories, as at the start of training (section 4.2).
        """
        sentences, told, questions, known = story
        encoded = self._encoded(sentences)
        rows, there = recent(told, known, min(self.memory_size, told.shape[1]))
        places = self._places(rows.shape, there)
        batch, asked, _ = rows.shape
        u = encoded[questions, self._question_table]
        by_row = encoded.new_zeros(batch, asked, len(sentences))
        by_place = encoded.new_zeros(batch, asked, self.memory_size)
        looked = []
        for hop in range(self.hops):
            key, value = (hop, hop + 1) if self.tying == "adjacent" else (0, 1)
            # No vector for each memory: sentences that are told again and again are scored once.
            scores = (u @ encoded[:, key].mT).gather(2, rows)
            if self.temporal:
                scores = scores + (u @ self.times[:, key].mT).gather(2, places)
            weights = scores * there if linear else softmax_over(scores, there)
            found = by_row.scatter_add(2, rows, weights) @ encoded[:, value]
            if self.temporal:
                found = found + by_place.scatter_add(2, places, weights) @ self.times[:, value]
            u = found + (u @ self.between.mT if self.tying == "layer-wise" else u)
            if self.nonlinear:
                u = u.relu()
            looked.append(weights)
        answers = self.words[1 : self.num_answers + 1, self._tables - 1]
        return u @ answers.mT, self._attention(looked, story) if keep else {}

    def _attention(self, looked: list[Tensor], story: Story) -> Tensors:
        """What each hop looked at, from how long ago it was told to its place in the story."""
        back = (
            story.known[..., None] - 1 - torch.arange(story.told.shape[1], device=story.told.device)
        )
        weights = torch.stack(looked, 2)
        there = (back >= 0) & (back < weights.shape[3])
        back = back.clamp(0, weights.shape[3] - 1)[:, :, None].expand(-1, -1, self.hops, -1)
        return {"attention": weights.gather(3, back) * there[:, :, None]}

    @property
    def _question_table(self) -> int:
        return 0 if self.tying == "adjacent" else 2

    def _encoded(self, sentences: Tensor) -> Float[Tensor, "distinct tables embedding"]:
        """Every sentence by every table of words."""
        words = self.words[sentences]  # (distinct, words, tables, embedding)
        if self.encoding == "bag":
            weights = (sentences != 0)[..., None].to(words.dtype)
        else:
            weights = position_weights(sentences, self.embedding_size, self.lengths, words.dtype)
        return (words * weights[:, :, None]).sum(1)

    def _places(self, shape: torch.Size, there: Tensor) -> Tensor:
        """How long ago each memory was told, in sentences."""
        places = torch.arange(shape[2], device=there.device).expand(shape)
        if self.training and self.temporal and self.time_noise > 0:
            free = torch.rand(shape, device=there.device) < self.time_noise
            places = (places + free.cumsum(-1)).clamp(max=self.memory_size - 1)
        return places

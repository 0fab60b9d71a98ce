"""The improved dynamic memory network (DMN+)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.checks import Share, Size, Width
from tapehead.forms import Story
from tapehead.machines.options import configured
from tapehead.machines.reading import Reader, Tensors
from tapehead.ops.episodes import attention_gru, interactions, turned_round
from tapehead.ops.sentences import Lengths, position_weights, softmax_over


def _numbers(
    *, vocabulary_size: int, num_answers: int, hidden_size: int, hops: int, **_: object
) -> int:
    return (vocabulary_size + 2 * num_answers + (24 + 3 * hops) * hidden_size) * hidden_size


class DynamicMemoryNetwork(Reader):
    """Improved dynamic memory network, DMN+ (Xiong, Merity & Socher 2016), which answers questions
    about stories.

    A bidirectional GRU lets each sentence know of those around it. For each question the machine
    goes through the sentences several times, each time attending to others, and sums up what it
    read in a memory. docs/readers.md has the equations.

    Args:
        vocabulary_size, sentence_length, num_answers: see `Reader`.
        hops: how often it goes through the sentences.
        hidden_size: numbers of a word, a sentence and the memory.
        attention: "gru": the attention is the update gate of a GRU over the sentences; "soft": it
            weighs them in a sum.
        lengths: see `tapehead.ops.sentences.position_weights`.
        dropout: share of the numbers of each encoded sentence, and of what the answer is read from,
            that is left out while training.

    Trace (`machine.trace(*story)`): `attention` (batch, asked, hops, time), how much each hop of
    each question attended to each sentence of the story.

    >>> import torch
    >>> from tapehead.forms import Story
    >>> from tapehead.machines import DynamicMemoryNetwork
    >>> story = Story(
    ...     sentences=torch.tensor([[0, 0], [3, 1], [4, 2], [5, 3]]),
    ...     told=torch.tensor([[1, 2]]), questions=torch.tensor([[3]]), known=torch.tensor([[2]]),
    ... )
    >>> machine = DynamicMemoryNetwork(vocabulary_size=6, sentence_length=2, num_answers=2)
    >>> machine(*story)[0].shape
    torch.Size([1, 1, 2])
    """

    hops: int
    hidden_size: int
    dropout: float
    lengths: Lengths

    @configured(_numbers)
    def __init__(
        self,
        vocabulary_size: Width,
        sentence_length: Size,
        num_answers: Size,
        *,
        hops: Size = 3,
        hidden_size: Size = 80,
        attention: Literal["gru", "soft"] = "gru",
        lengths: Lengths = "sentence",
        dropout: Share = 0.1,
    ):
        super().__init__()
        size = hidden_size
        self.words = nn.Parameter(torch.empty(vocabulary_size, size))
        self.asking = nn.GRU(size, size, batch_first=True)
        self.forwards = nn.GRU(size, size, batch_first=True)
        self.backwards = nn.GRU(size, size, batch_first=True)
        self.look = nn.Linear(4 * size, size)
        self.score = nn.Linear(size, 1)
        self.fact = nn.Linear(size, 2 * size) if attention == "gru" else None
        self.hidden = nn.Linear(size, 2 * size) if attention == "gru" else None
        self.updates = nn.ModuleList(nn.Linear(3 * size, size) for _ in range(hops))
        self.output = nn.Linear(2 * size, num_answers)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Words evenly from -sqrt 3 to sqrt 3, matrices by Glorot & Bengio, biases 0."""
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if name == "words":
                    weight.uniform_(-(3**0.5), 3**0.5)
                elif weight.dim() > 1:
                    nn.init.xavier_uniform_(weight)
                else:
                    weight.zero_()

    def _read(
        self, story: Story, *, keep: bool = False
    ) -> tuple[Float[Tensor, "batch asked answers"], Tensors]:
        sentences, told, questions, known = story
        batch, asked = questions.shape
        facts = self._facts(story)
        question = self._questions(sentences, questions)
        counts = known.flatten()
        there = torch.arange(facts.shape[1], device=told.device) < counts[:, None]
        inner = None if self.fact is None else self.fact(facts)
        memory, looked = question, []
        for update in self.updates:
            scores = self.score(self.look(interactions(facts, question, memory)).tanh())
            attention = softmax_over(scores.squeeze(-1), there)
            looked.append(attention)
            if inner is None or self.hidden is None:
                context = (attention[..., None] * facts).sum(1)
            else:
                context = attention_gru(inner, attention, self.hidden.weight, self.hidden.bias)
            memory = update(torch.cat([memory, context, question], -1)).relu()
        found = self._dropped(torch.cat([memory, question], -1))
        logits = self.output(found).view(batch, asked, -1)
        if not keep:
            return logits, {}
        return logits, {"attention": torch.stack(looked, 1).view(batch, asked, self.hops, -1)}

    def _facts(self, story: Story) -> Float[Tensor, "questions time size"]:
        """The sentences that each question knows of, each aware of those around it."""
        sentences, told, _, known = story
        words = self.words[sentences]
        weights = position_weights(sentences, self.hidden_size, self.lengths, words.dtype)
        encoded = self._dropped((words * weights).sum(1))
        inputs = encoded[told]
        # What came before a sentence is the same for all questions of a story; what came after it
        # is cut off at the question.
        before, _ = self.forwards(inputs)
        counts = known.flatten()
        asked = known.shape[1]
        each = inputs.repeat_interleave(asked, 0)
        after, _ = self.backwards(turned_round(each, counts))
        return before.repeat_interleave(asked, 0) + turned_round(after, counts)

    def _questions(self, sentences: Tensor, questions: Tensor) -> Float[Tensor, "questions size"]:
        """Each question's words through a GRU, to its last word."""
        rows, places = questions.unique(return_inverse=True)
        words = sentences[rows]
        states, _ = self.asking(self.words[words])
        last = ((words != 0).sum(1) - 1).clamp(min=0)
        return states[torch.arange(len(rows), device=rows.device), last][places.flatten()]

    def _dropped(self, vectors: Tensor) -> Tensor:
        if self.dropout == 0:
            return vectors
        return nn.functional.dropout(vectors, self.dropout, self.training)

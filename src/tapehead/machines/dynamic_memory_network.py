"""The improved dynamic memory network (DMN+)."""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.checks import Share, Size, Width, choice
from tapehead.forms import Story
from tapehead.machines.options import configured
from tapehead.machines.ragged_gru import RaggedGRU
from tapehead.machines.reading import Reader, Tensors
from tapehead.ops.backends import BACKENDS, Choice
from tapehead.ops.episodes import interactions
from tapehead.ops.gru import backend_choice, implementation
from tapehead.ops.lengths import turned_round
from tapehead.ops.ragged import Ragged
from tapehead.ops.sentences import Lengths, position_weights, softmax_over


def _numbers(
    *, vocabulary_size: int, num_answers: int, hidden_size: int, hops: int, **_: object
) -> int:
    return (vocabulary_size + 2 * num_answers + (24 + 3 * hops) * hidden_size) * hidden_size


_GATED = ("asking", "forwards", "backwards", "fact", "hidden")
"""Parts whose weights are those of several gates, one above the other."""


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
        backend: "auto", "reference" or "cpu"; see `tapehead.ops.backends`.

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

    changeable = ("backend",)
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
        backend: Annotated[str, choice(BACKENDS)] = "auto",
    ):
        super().__init__()
        self.backend = backend
        size = hidden_size
        self.words = nn.Parameter(torch.empty(vocabulary_size, size))
        self.asking = RaggedGRU(size)
        self.forwards = RaggedGRU(size)
        self.backwards = RaggedGRU(size)
        self.look = nn.Linear(4 * size, size)
        self.score = nn.Linear(size, 1)
        self.fact = nn.Linear(size, 2 * size) if attention == "gru" else None
        self.hidden = nn.Linear(size, 2 * size) if attention == "gru" else None
        self.updates = nn.ModuleList(nn.Linear(3 * size, size) for _ in range(hops))
        self.output = nn.Linear(2 * size, num_answers)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Words evenly from -sqrt 3 to sqrt 3, matrices by Glorot & Bengio, that of each gate by
        itself, biases 0."""
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if name == "words":
                    weight.uniform_(-(3**0.5), 3**0.5)
                    continue
                gates = weight.split(self.words.shape[1]) if name.startswith(_GATED) else [weight]
                for gate in gates:
                    if weight.dim() > 1:
                        nn.init.xavier_uniform_(gate)
                    else:
                        gate.zero_()

    def backend_choice(self) -> Choice:
        return backend_choice(self.backend, self.words, None)

    def _read(
        self, story: Story, *, keep: bool = False
    ) -> tuple[Float[Tensor, "batch asked answers"], Tensors]:
        sentences, told, questions, known = story
        batch, asked = questions.shape
        # A row for each sentence that each question knows of.
        ragged = Ragged.of(known.flatten(), told.shape[1])
        item = ragged.item
        facts = self._facts(story, ragged)
        question = self._questions(sentences, questions)
        there = torch.arange(told.shape[1], device=told.device) < known.flatten()[:, None]
        inner = None if self.fact is None else self.fact(facts)
        # What the look makes of the question is the same in all hops; in the first the memory is
        # the question.
        fq, fm, q_apart, m_apart = self.look.weight.chunk(4, 1)
        of_question, of_memory = torch.cat([fq, q_apart], 1), torch.cat([fm, m_apart], 1)
        memory, looked = question, []
        likeness = interactions(facts, question[item])
        asked_for = likeness @ of_question.mT + self.look.bias
        for hop, update in enumerate(self.updates):
            if hop:
                likeness = interactions(facts, memory[item])
            scores = self.score((asked_for + likeness @ of_memory.mT).tanh()).squeeze(-1)
            attention = softmax_over(ragged.padded(scores), there)
            looked.append(attention)
            weights = ragged.rows(attention)
            if inner is None or self.hidden is None:
                context = ragged.sums(weights[:, None] * facts)
            else:
                module = implementation(self.backend, inner, None)
                hidden = self.hidden.weight, self.hidden.bias
                context = ragged.last(module.attention_gru(inner, weights, *hidden, ragged))
            memory = update(torch.cat([memory, context, question], -1)).relu()
        found = self._dropped(torch.cat([memory, question], -1))
        logits = self.output(found).view(batch, asked, -1)
        if not keep:
            return logits, {}
        return logits, {"attention": torch.stack(looked, 1).view(batch, asked, self.hops, -1)}

    def _facts(self, story: Story, ragged: Ragged) -> Float[Tensor, "rows size"]:
        """The sentences that each question knows of, each aware of those around it."""
        sentences, told, _, known = story
        words = self.words[sentences]
        weights = position_weights(sentences, self.hidden_size, self.lengths, words.dtype)
        encoded = self._dropped((words * weights).sum(1))
        item, step, asked = ragged.item, ragged.step, known.shape[1]
        # What came before a sentence is the same for all questions of a story; what came after it
        # is cut off at the question.
        stories = Ragged.of(known.amax(1), told.shape[1])
        before = self.forwards(encoded, stories.rows(told), stories, self.backend)
        turned = turned_round(step, known.flatten()[item])
        after = self.backwards(encoded, told[item // asked, turned], ragged, self.backend)
        return before[stories.starts[item // asked] + step] + after[ragged.starts[item] + turned]

    def _questions(self, sentences: Tensor, questions: Tensor) -> Float[Tensor, "questions size"]:
        """Each question's words through a GRU, to its last word; each different one once."""
        rows, places = self._distinct(questions.flatten(), len(sentences))
        words = sentences[rows]
        ragged = Ragged.of((words != 0).sum(1), words.shape[1])
        states = self.asking(self.words, ragged.rows(words), ragged, self.backend)
        return ragged.last(states)[places]

    @staticmethod
    def _distinct(rows: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """The different ones, and where each is among them."""
        if rows.is_meta or torch.compiler.is_compiling():
            return rows, torch.arange(len(rows), device=rows.device)
        return rows.unique(return_inverse=True)

    def _dropped(self, vectors: Tensor) -> Tensor:
        if self.dropout == 0:
            return vectors
        return nn.functional.dropout(vectors, self.dropout, self.training)

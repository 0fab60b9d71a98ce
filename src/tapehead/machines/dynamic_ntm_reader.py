"""The Dynamic NTM as a machine that reads stories (Gulcehre, Chandar, Cho, Bengio, arXiv
1607.00036)."""

from typing import Annotated, Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import pad

from tapehead.checks import Count, Size, Width, choice
from tapehead.forms import Story
from tapehead.machines.cells import CELLS
from tapehead.machines.discrete import ADDRESSINGS, Unfolded
from tapehead.machines.dynamic_ntm import DynamicNTM
from tapehead.machines.machine import Trace
from tapehead.machines.options import configured
from tapehead.machines.ragged_gru import RaggedGRU
from tapehead.machines.reading import Reader, Tensors
from tapehead.machines.sizes import dynamic_ntm_numbers
from tapehead.ops.backends import BACKENDS, Choice
from tapehead.ops.gru import backend_choice
from tapehead.ops.origins import written_by
from tapehead.ops.ragged import Ragged


def _numbers(*, vocabulary_size: int, num_answers: int, sentence_size: int, **options: Any) -> int:
    encoder = (vocabulary_size + 6 * sentence_size + 6) * sentence_size
    return encoder + dynamic_ntm_numbers(
        input_size=sentence_size, output_size=num_answers, **options
    )


class DynamicNTMReader(Reader):
    """Dynamic NTM that answers questions about stories (Gulcehre et al. 2016): a GRU makes a vector
    of each sentence, and the machine takes a step for each of them.

    Each question has a sequence of its own: the sentences told before it, the question, and steps
    without input, at the last of which it is answered. docs/readers.md has more.

    Args:
        vocabulary_size, sentence_length, num_answers: see `Reader`.
        sentence_size: numbers of a word and of a sentence.
        blank_steps: steps without input after the question; 0: it is answered at its own step.
        memory_size: rows, without the no-operation cell. This and the other sizes are those of the
            authors' code.
        word_size: numbers of content in each row.
        address_size: numbers of learned address in each row.
        num_reads: read heads.
        num_writes: write heads.
        reading_steps: readings in each step, one after the other.
        controller: "gru", "lstm" or "feedforward".
        hidden_size: units of the controller.
        no_operation: have a row that keeps nothing: to read or write it is to do neither.
        least_recently_used: let each head subtract its recent logits from its present ones.
        addressing: "discrete", one row at a time, or "soft", all rows at once.
        backend: of the GRU and of the steps, "auto", "reference" or "cpu"; see
            `tapehead.ops.backends`.

    Trace (`machine.trace(*story)`): `attention` (batch, asked, hops, time), which sentences had
    written what each reading found at the question and at each step after it: their shares in the
    content read, as far as it came from sentences. Readings are counted step by step, head by head.

    >>> import torch
    >>> from tapehead import DynamicNTMReader
    >>> from tapehead.forms import Story
    >>> story = Story(
    ...     sentences=torch.tensor([[0, 0], [3, 1], [4, 2], [5, 3]]),
    ...     told=torch.tensor([[1, 2]]), questions=torch.tensor([[3]]), known=torch.tensor([[2]]),
    ... )
    >>> machine = DynamicNTMReader(vocabulary_size=6, sentence_length=2, num_answers=2)
    >>> machine(*story)[0].shape
    torch.Size([1, 1, 2])
    """

    changeable = ("addressing", "backend")
    trained_by = "rows"
    sentence_size: int
    blank_steps: int
    num_reads: int
    reading_steps: int

    @configured(_numbers)
    def __init__(
        self,
        vocabulary_size: Width,
        sentence_length: Size,
        num_answers: Size,
        *,
        sentence_size: Size = 100,
        blank_steps: Count = 1,
        memory_size: Size = 120,
        word_size: Size = 28,
        address_size: Size = 16,
        num_reads: Size = 1,
        num_writes: Size = 1,
        reading_steps: Size = 1,
        controller: Annotated[str, choice(CELLS)] = "gru",
        hidden_size: Size = 180,
        no_operation: bool = True,
        least_recently_used: bool = True,
        addressing: Annotated[str, choice(ADDRESSINGS)] = "soft",
        backend: Annotated[str, choice(BACKENDS)] = "auto",
    ):
        super().__init__()
        self.words = nn.Parameter(torch.empty(vocabulary_size, sentence_size))
        self.encoder = RaggedGRU(sentence_size)
        self.ntm = DynamicNTM(
            sentence_size,
            num_answers,
            memory_size=memory_size,
            word_size=word_size,
            address_size=address_size,
            num_reads=num_reads,
            num_writes=num_writes,
            reading_steps=reading_steps,
            controller=controller,
            hidden_size=hidden_size,
            no_operation=no_operation,
            least_recently_used=least_recently_used,
            addressing=addressing,
            backend=backend,
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Words of standard deviation 1, the GRU's matrices by Glorot & Bengio, that of each gate
        by itself, biases 0; the rest as `DynamicNTM` begins, but for the controller."""
        self.ntm.reset_parameters()
        with torch.no_grad():
            self.words.normal_()
            for weight in self.encoder.parameters():
                for gate in weight.chunk(3):
                    if gate.dim() > 1:
                        nn.init.xavier_uniform_(gate)
                    else:
                        gate.zero_()

    @property
    def addressing(self) -> str:
        return self.ntm.addressing

    @addressing.setter
    def addressing(self, value: str) -> None:
        self.ntm.addressing = value

    @property
    def backend(self) -> str:
        return self.ntm.backend

    @backend.setter
    def backend(self, value: str) -> None:
        self.ntm.backend = value

    @property
    def objective(self) -> str:
        return self.ntm.objective

    @property
    def objective_sizes(self) -> dict[str, int]:
        return dict(self.ntm.objective_sizes)

    @property
    def state_numbers(self) -> int:
        return self.ntm.state_numbers

    def backend_choice(self) -> Choice:
        of_steps = self.ntm.backend_choice()
        if of_steps.backend == "reference":
            return of_steps
        return backend_choice(self.backend, self.words, None)

    def unfolded(self, told: Story) -> Unfolded:
        """The sequences over which it chooses rows: one for each question.

        Raises:
            TypeError, ValueError: a part of the story is none that the machine can read.
        """
        self._check(told)
        with self._in_its_own_type():
            return self._unfolded(told)

    def _read(
        self, story: Story, *, keep: bool = False
    ) -> tuple[Float[Tensor, "batch asked answers"], Tensors]:
        told, tensors = self._unfolded(story), {}
        if keep:
            trace = self.ntm.trace(told.x, lengths=told.lengths)
            y, tensors["attention"] = trace.y, self._attention(trace, told, story.told.shape[1])
        else:
            y, _ = self.ntm(told.x, lengths=told.lengths)
        # In a graph questions that there are not were asked too.
        return torch.where(story.known[..., None] > 0, told.answers(y), 0.0), tensors

    def _unfolded(self, story: Story) -> Unfolded:
        sentences, told, questions, known = story
        # A row of zeros after the last sentence, for steps without input.
        encoded = pad(self._encoded(sentences), (0, 0, 0, 1))
        asked = self._asked(known)
        item = asked // known.shape[1]
        ends = known.flatten()[asked]
        time = told.shape[1]
        step = torch.arange(time + 1 + self.blank_steps, device=told.device)
        facts = told[item][:, step.clamp(max=time - 1)]
        question = questions.flatten()[asked]
        after = torch.where(step == ends[:, None], question[:, None], len(sentences))
        x = encoded[torch.where(step < ends[:, None], facts, after)]
        return Unfolded(
            self.ntm, x, ends + 1 + self.blank_steps, asked, (len(known), known.shape[1])
        )

    def _encoded(self, sentences: Tensor) -> Float[Tensor, "distinct size"]:
        """The last state of the GRU over the words of each sentence."""
        ragged = Ragged.of((sentences != 0).sum(1), sentences.shape[1])
        return ragged.last(self.encoder(self.words, ragged.rows(sentences), ragged, self.backend))

    @staticmethod
    def _asked(known: Int64[Tensor, "batch asked"]) -> Int64[Tensor, " sequences"]:
        """The questions that there are, by number; where numbers cannot be looked at, all places
        for one."""
        if known.is_meta or torch.compiler.is_compiling():
            return torch.arange(known.numel(), device=known.device)
        return known.flatten().nonzero().squeeze(1)

    def _attention(self, trace: Trace, told: Unfolded, time: int) -> Tensor:
        """Which sentences had written what was read from the question on."""
        assert told.lengths is not None
        assert told.asked is not None
        of, count = trace.tensors, self.num_reads * self.reading_steps
        reading = self.ntm.without_no_operation(of["weights"][:, :, :count])
        writing = self.ntm.without_no_operation(of["write_weights"])
        question = told.lengths - 1 - self.blank_steps
        row = torch.arange(len(question), device=question.device)
        hops = [
            written_by(reading[row, at], at, writing, of["erase"], of["candidate"])[..., :time]
            for at in (question + step for step in range(self.blank_steps + 1))
        ]
        # What the question wrote down itself came from no sentence.
        sentences = torch.arange(time, device=row.device) < question[:, None]
        looked = torch.cat(hops, 1) * sentences[:, None]
        looked = looked / looked.sum(-1, keepdim=True).clamp(min=torch.finfo(looked.dtype).tiny)
        table = looked.new_zeros(told.shape[0] * told.shape[1], *looked.shape[1:])
        return table.index_copy(0, told.asked, looked).unflatten(0, told.shape)

"""The recurrent entity network (EntNet)."""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tapehead.checks import NotNegative, Positive, Share, Size, Width, choice
from tapehead.forms import Story
from tapehead.machines.options import configured
from tapehead.machines.reading import Reader, Tensors
from tapehead.ops.backends import BACKENDS, Choice
from tapehead.ops.entities import backend_choice, implementation
from tapehead.ops.entities.reference import entity_states


def _numbers(
    *, vocabulary_size: int, num_answers: int, num_slots: int, hidden_size: int, **_: object
) -> int:
    return (vocabulary_size + num_answers + 2 * num_slots + 4 * hidden_size) * hidden_size


class EntityNetwork(Reader):
    """Recurrent entity network, EntNet (Henaff et al. 2017), which answers questions about stories.

    Its slots stand for people, things and places. Each sentence opens the slots that it is about,
    by their keys or by what they hold, and adds to them; a question looks at all slots once.
    docs/readers.md has the equations.

    Args:
        vocabulary_size, sentence_length, num_answers: see `Reader`.
        num_slots: slots there are.
        hidden_size: d, numbers of a word, a key and a slot.
        keys: "free": learned; "tied": the vectors of the first `num_slots` words.
        dropout: share of the numbers of each encoded sentence that is left out while training.
        word_std: standard deviation of words and keys at the start; the paper's is 0.1.
        mask_std: of the masks by which words are encoded, around 1; in the paper all are 1.
        matrices: at the start; "uniform": numbers up to 1 / sqrt d, as in `torch.nn.Linear`;
            "normal": of standard deviation 0.1, the paper's.
        slope: of the PReLU below zero at the start; in the paper 1.
        slopes: "shared": one for all numbers of a slot; "each": one for each, both as in He et al.
            2015.
        backend: "auto", "reference" or "cpu"; see `tapehead.ops.backends`.

    Trace (`machine.trace(*story)`): `gates` (batch, time, slots), how far each sentence opened each
    slot; `attention` (batch, asked, 1, slots), how much each question looked at each slot; `slots`
    (batch, time, slots, size), what they hold after each sentence.

    >>> import torch
    >>> from tapehead.forms import Story
    >>> from tapehead.machines import EntityNetwork
    >>> story = Story(
    ...     sentences=torch.tensor([[0, 0], [3, 1], [4, 2], [5, 3]]),
    ...     told=torch.tensor([[1, 2]]), questions=torch.tensor([[3]]), known=torch.tensor([[2]]),
    ... )
    >>> machine = EntityNetwork(vocabulary_size=6, sentence_length=2, num_answers=2)
    >>> machine(*story)[0].shape
    torch.Size([1, 1, 2])
    """

    changeable = ("backend",)
    num_slots: int
    hidden_size: int
    dropout: float
    free_keys: Tensor

    @configured(_numbers)
    def __init__(
        self,
        vocabulary_size: Width,
        sentence_length: Size,
        num_answers: Size,
        *,
        num_slots: Size = 20,
        hidden_size: Size = 100,
        keys: Literal["free", "tied"] = "free",
        dropout: Share = 0.1,
        word_std: Positive = 0.3,
        mask_std: NotNegative = 1.0,
        matrices: Literal["uniform", "normal"] = "uniform",
        slope: float = 0.25,
        slopes: Literal["shared", "each"] = "shared",
        backend: Annotated[str, choice(BACKENDS)] = "auto",
    ):
        super().__init__()
        if keys == "tied" and num_slots > vocabulary_size - 1:
            raise ValueError(
                f"num_slots must be at most {vocabulary_size - 1}, the words there are, with tied "
                f"keys, got {num_slots}"
            )
        size = hidden_size
        self.words = nn.Parameter(torch.empty(vocabulary_size, size))
        self.masks = nn.Parameter(torch.empty(2, sentence_length, size))
        self._register("free_keys", num_slots if keys == "free" else 0, size)
        self.hidden_weight = nn.Parameter(torch.empty(size, size))
        self.key_weight = nn.Parameter(torch.empty(size, size))
        self.sentence_weight = nn.Parameter(torch.empty(size, size))
        self.found_weight = nn.Parameter(torch.empty(size, size))
        self.below_zero = nn.Parameter(torch.empty(1 if slopes == "shared" else size))
        self.output = nn.Linear(size, num_answers, bias=False)
        # Set before `reset_parameters`, which reads them.
        self.backend = backend
        self.word_std, self.mask_std, self.matrices = word_std, mask_std, matrices
        self.slope = slope
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Words, keys and masks of normal numbers, matrices and slopes as they are to be."""
        with torch.no_grad():
            for weight in (self.words, self.free_keys):
                weight.normal_(0.0, self.word_std)
            self.masks.normal_(0.0, self.mask_std).add_(1.0)
            for weight in (
                self.hidden_weight, self.key_weight, self.sentence_weight, self.found_weight,
                self.output.weight,
            ):  # fmt: skip
                if self.matrices == "normal":
                    weight.normal_(0.0, 0.1)
                else:
                    most = weight.shape[1] ** -0.5
                    weight.uniform_(-most, most)
            self.below_zero.fill_(self.slope)

    def backend_choice(self) -> Choice:
        return backend_choice(self.backend, self.words, None)

    @property
    def state_numbers(self) -> int:
        return self.num_slots * self.hidden_size

    def _read(
        self, story: Story, *, keep: bool = False
    ) -> tuple[Float[Tensor, "batch asked answers"], Tensors]:
        sentences, told, questions, known = story
        facts, asked = self._encoded(sentences)
        keys = self.free_keys if self.keys == "free" else self.words[1 : self.num_slots + 1]
        # Of each different sentence once, however often it is told.
        likeness, own = facts @ keys.mT, facts @ self.sentence_weight.mT
        of_keys = keys @ self.key_weight.mT
        slope = self.below_zero.expand(self.hidden_size)
        inputs = facts, likeness, own, keys, of_keys, self.hidden_weight, slope, told
        tensors: Tensors = {}
        if keep:
            kept, tensors["gates"] = entity_states(*inputs)
            tensors["slots"] = kept[:, 1:]
            held = kept[torch.arange(len(told), device=told.device)[:, None], known]
        else:
            held = implementation(self.backend, own, None).entities(*inputs, known)
        q = asked[questions]  # (batch, asked, size)
        attention = (held @ q[..., None]).squeeze(-1).softmax(-1)
        u = (attention[..., None, :] @ held).squeeze(-2)
        x = q + u @ self.found_weight.mT
        logits = self.output(torch.where(x > 0, x, slope * x))
        if keep:
            tensors["attention"] = attention[:, :, None]
        return logits, tensors

    def _encoded(self, sentences: Tensor) -> tuple[Tensor, Tensor]:
        """Every sentence as a fact and as a question: each word times the mask of its place, added
        up (equation 1)."""
        words = self.words[sentences] * (sentences != 0)[..., None]
        facts, asked = ((words * masks).sum(1) for masks in self.masks)
        if self.dropout > 0:
            facts = nn.functional.dropout(facts, self.dropout, self.training)
        return facts, asked

"""The associative-recall task: shown one item of a list again, say the item that followed it."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tapehead.checks import Size, Width, whole
from tapehead.forms import Sequence
from tapehead.tasks.answers import Answer, Bits
from tapehead.tasks.draws import random_bits, random_integers
from tapehead.tasks.metrics import BIT_ERRORS, PassMark
from tapehead.tasks.task import Batch, SequenceTask, Task, bit_names, certain_logits, take_steps


@dataclass(frozen=True, kw_only=True)
class AssociativeRecall(SequenceTask):
    """n items of k random vectors, then one of them again; the answer is the item after it.

    T = (k + 1) n + 2k + 2 steps: an item delimiter before each item, a query delimiter before and
    after the query, then k steps without input to answer in. Input channels: the bits, the item
    delimiter, the query delimiter. Outputs: the bits.

    The query is any item but the last. Where several items are equal, the query means the first.

    num_bits: bits of each vector.
    item_length: k, vectors of each item.
    min_items, max_items: range of n, uniform, both ends included.
    mixed_lengths: n for each sequence of a batch; if false, one n for each batch.

    >>> import torch
    >>> from tapehead.tasks import AssociativeRecall
    >>> task = AssociativeRecall(num_bits=3, item_length=1, min_items=3, max_items=3)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=1)
    >>> batch.inputs.x[0].int()
    tensor([[0, 0, 0, 1, 0],
            [1, 1, 0, 0, 0],
            [0, 0, 0, 1, 0],
            [1, 1, 1, 0, 0],
            [0, 0, 0, 1, 0],
            [1, 1, 1, 0, 0],
            [0, 0, 0, 0, 1],
            [1, 1, 0, 0, 0],
            [0, 0, 0, 0, 1],
            [0, 0, 0, 0, 0]], dtype=torch.int32)
    >>> batch.targets[0, -1].int()
    tensor([1, 1, 1], dtype=torch.int32)
    """

    name: ClassVar[str] = "associative-recall"
    title: ClassVar[str] = "Associative recall"
    source: ClassVar[str] = "Graves, Wayne & Danihelka (2014), section 4.3"

    num_bits: Width = 6
    item_length: Size = 3
    min_items: Annotated[int, whole(2)] = 2
    max_items: Size = 6
    mixed_lengths: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self.min_items)("max_items", self.max_items)

    @property
    def channel_names(self) -> list[str]:
        return [*bit_names(self.num_bits), "item", "query"]

    @property
    def answer(self) -> Answer:
        return Bits(bit_names(self.num_bits))

    @property
    def max_steps(self) -> int:
        return (self.item_length + 1) * self.max_items + 2 * self.item_length + 2

    @property
    def pass_mark(self) -> PassMark:
        return PassMark(BIT_ERRORS, 0.1)

    @property
    def max_difficulty(self) -> int:
        return self.max_items - self.min_items + 1

    def _at_level(self, level: int) -> "AssociativeRecall":
        return replace(self, max_items=self.min_items + level - 1)

    def test_settings(self) -> dict[str, Task]:
        counts = (6, 8, 10, 12, 15, 20)
        return {str(n): replace(self, min_items=n, max_items=n) for n in counts}

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        size = self.item_length
        counts = random_integers(
            generator, self.min_items, self.max_items, batch_size, mixed=self.mixed_lengths
        )
        most = int(counts.max())
        vectors = random_bits(generator, batch_size, most * size, self.num_bits)
        draws = random_integers(generator, 0, 2**31 - 1, batch_size, mixed=True)
        queries = (draws % (counts - 1)).unsqueeze(-1)
        items = vectors.view(batch_size, most, size * self.num_bits)
        query = items.gather(1, queries.unsqueeze(-1).expand(-1, -1, items.shape[2]))
        answers = first_match(items, query) + 1

        steps = torch.arange((size + 1) * most + 2 * size + 2, device=generator.device)
        since_query = steps - (size + 1) * counts[:, None]
        listing = since_query < 0
        at_item = steps % (size + 1) == 0
        query_delimiter = (since_query == 0) | (since_query == size + 1)
        answering = since_query > size + 1
        in_time = since_query <= 2 * size + 1

        # One gather for all three parts: the list, the query, the answer.
        listed = steps - steps // (size + 1) - 1
        asked = queries * size + since_query - 1
        answered = answers * size + since_query - size - 2
        rows = torch.where(listing, listed, torch.where(answering, answered, asked))
        said = take_steps(vectors, rows, in_time)

        inputs = vectors.new_zeros(batch_size, len(steps), self.input_size)
        shown = ~(answering | query_delimiter | (listing & at_item))
        torch.mul(said, shown.unsqueeze(-1), out=inputs[:, :, : self.num_bits])
        inputs[:, :, self.num_bits] = listing & at_item
        inputs[:, :, self.num_bits + 1] = query_delimiter
        targets = said * answering.unsqueeze(-1)
        total = (size + 1) * counts + 2 * size + 2
        return Batch(Sequence(inputs, total), targets, answering & in_time)

    def oracle(self, batch: Batch) -> Float[Tensor, "batch time output_size"]:
        size = self.item_length
        vectors = batch.inputs.x[:, :, : self.num_bits]
        query_start = batch.inputs.x[:, :, self.num_bits + 1].argmax(dim=1, keepdim=True)
        steps = torch.arange(batch.inputs.x.shape[1], device=batch.inputs.x.device)

        places = query_start + 1 + torch.arange(size, device=steps.device)
        query = take_steps(vectors, places, places > 0).flatten(1).unsqueeze(1)
        # What follows a shorter list is no item, but it comes after the match that is sought.
        slots = int(query_start.max()) // (size + 1)
        items = vectors[:, : slots * (size + 1)].unflatten(1, (slots, size + 1))[:, :, 1:]
        answers = first_match(items.flatten(2), query) + 1

        answered = steps - query_start - size - 2
        answering = (answered >= 0) & (answered < size)
        return certain_logits(take_steps(vectors, (size + 1) * answers + 1 + answered, answering))


def first_match(
    items: Float[Tensor, "batch items width"], query: Float[Tensor, "batch 1 width"]
) -> Int64[Tensor, "batch 1"]:
    """Position of the first item equal to the query."""
    return (items == query).all(dim=-1).int().argmax(dim=1, keepdim=True)

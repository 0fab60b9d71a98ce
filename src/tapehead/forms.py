"""What a machine reads: a form is a few tensors that belong together, batch first.

A machine says `reads = Sequence`, a task says `tells = Sequence`, and the two fit. The fields of a
form are arguments of the machine's `forward`, by name: `machine(**inputs._asdict())`.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor


class Sequence(NamedTuple):
    """Vectors over time, padded at the end.

    lengths: real steps of each sequence; None: all fill the batch.

    >>> import torch
    >>> from tapehead import LSTM
    >>> from tapehead.forms import Sequence
    >>> told = Sequence(torch.rand(2, 5, 3), torch.tensor([5, 2]))
    >>> y, state = LSTM(3, 1, hidden_size=4)(**told._asdict())
    >>> y.shape, Sequence(told.x).steps
    (torch.Size([2, 5, 1]), tensor([5, 5]))
    """

    x: Float[Tensor, "batch time input"]
    lengths: Int64[Tensor, " batch"] | None = None

    @property
    def steps(self) -> Int64[Tensor, " batch"]:
        """Real steps of each sequence."""
        if self.lengths is not None:
            return self.lengths
        batch, time = self.x.shape[:2]
        return torch.full((batch,), time, dtype=torch.int64, device=self.x.device)

    def select(self, rows: Int64[Tensor, " chosen"]) -> "Sequence":
        """Some of the sequences, by number."""
        return Sequence(self.x[rows], None if self.lengths is None else self.lengths[rows])

    def to(self, device: torch.device, dtype: torch.dtype) -> "Sequence":
        """Where a machine can read it; without lengths if all sequences fill the batch, since a
        machine may then take a shorter path."""
        x, lengths = self
        if lengths is not None:
            # Looked at before it goes to a GPU, which would have to stop for it.
            whole = int(lengths.min()) == x.shape[1]
            lengths = None if whole else lengths.to(device, non_blocking=True)
        return Sequence(x.to(device, dtype, non_blocking=True), lengths)


class Tape(NamedTuple):
    """Symbols on a tape, on which a machine moves at a pace of its own.

    symbols: 0 is blank, as is all outside.
    limits: steps that each machine has.
    answers: symbols that it must write, never more than its steps.

    >>> import torch
    >>> from tapehead.forms import Tape
    >>> from tapehead.tasks import make_task
    >>> tape = Tape(torch.tensor([[2, 3, 2, 1]]), torch.tensor([5]), torch.tensor([3]))
    >>> tape.to(torch.device("cpu"), torch.float64).symbols  # symbols stay whole numbers
    tensor([[2, 3, 2, 1]])
    >>> make_task("copy-tape").tells is Tape
    True
    """

    symbols: Int64[Tensor, "batch places"]
    limits: Int64[Tensor, " batch"]
    answers: Int64[Tensor, " batch"]

    def to(self, device: torch.device, dtype: torch.dtype) -> "Tape":
        """Where a machine can read it."""
        return Tape(*(part.to(device, non_blocking=True) for part in self))


class Story(NamedTuple):
    """Sentences in the order in which they are told, and questions in between.

    sentences: the different sentences and questions of the batch, each once and shared by all its
        stories, as numbers of words; 0 past a sentence's end.
    told: which of them each story tells, in order; past a story's end it does not matter which.
    questions: which of them each question is; past the last question it does not matter which.
    known: how many sentences of its story are told before each question; 0 past the last question.

    >>> import torch
    >>> from tapehead.forms import Story
    >>> told = [[1, 2, 3], [4, 2, 5], [6, 1, 0]]  # Ann went home. Bob went out. Where Ann?
    >>> story = Story(torch.tensor(told), *(torch.tensor([row]) for row in ([0, 1], [2], [2])))
    >>> story.sentences[story.told[0]].tolist()
    [[1, 2, 3], [4, 2, 5]]
    >>> story.steps
    tensor([2])
    """

    sentences: Int64[Tensor, "distinct words"]
    told: Int64[Tensor, "batch time"]
    questions: Int64[Tensor, "batch asked"]
    known: Int64[Tensor, "batch asked"]

    @property
    def steps(self) -> Int64[Tensor, " batch"]:
        """Sentences that any question of each story knows of."""
        return self.known.amax(1)

    def select(self, rows: Int64[Tensor, " chosen"]) -> "Story":
        """Some of the stories, by number."""
        return Story(self.sentences, *(part[rows] for part in self[1:]))

    def to(self, device: torch.device, dtype: torch.dtype) -> "Story":
        """Where a machine can read it."""
        return Story(*(part.to(device, non_blocking=True) for part in self))


class Points(NamedTuple):
    """Points to be pointed at.

    xy: their coordinates, padded at the end; a number is a point with one.
    counts: points of each problem; None: all fill the batch.
    answer: what was pointed at, step by step: numbers of points from 1, and 0 where the answer ends
        and past that. None: nobody has answered yet, and the machine is to.

    >>> import torch
    >>> from tapehead import PointerNetwork
    >>> from tapehead.forms import Points
    >>> points = Points(torch.rand(2, 5, 2), torch.tensor([5, 4]))
    >>> points.sizes, Points(points.xy).sizes
    (tensor([5, 4]), tensor([5, 5]))
    >>> points.to(torch.device("cpu"), torch.float64).xy.dtype
    torch.float64
    """

    xy: Float[Tensor, "batch points dims"]
    counts: Int64[Tensor, " batch"] | None = None
    answer: Int64[Tensor, "batch steps"] | None = None

    @property
    def sizes(self) -> Int64[Tensor, " batch"]:
        """Points of each problem."""
        if self.counts is not None:
            return self.counts
        batch, points = self.xy.shape[:2]
        return torch.full((batch,), points, dtype=torch.int64, device=self.xy.device)

    def to(self, device: torch.device, dtype: torch.dtype) -> "Points":
        """Where a machine can read it; without counts if all problems fill the batch."""
        xy, counts, answer = self
        if counts is not None:
            whole = int(counts.min()) == xy.shape[1]
            counts = None if whole else counts.to(device, non_blocking=True)
        answer = None if answer is None else answer.to(device, non_blocking=True)
        return Points(xy.to(device, dtype, non_blocking=True), counts, answer)


FORMS = (Sequence, Tape, Story, Points)

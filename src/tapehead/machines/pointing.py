"""What the machines that point share: how answers are forced, and how they are found."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tapehead.forms import Points
from tapehead.machines.layers import check_layers
from tapehead.machines.machine import Machine, Trace, check_range
from tapehead.ops import gate
from tapehead.ops.pointing import (
    END,
    Rule,
    Said,
    forbidden,
    forbidden_after,
    longest,
    nothing_said,
    round_length,
    say,
)

Constraints = Literal["always", "answering", "never"]
BeamChoice = Literal["likeliest", "shortest"]


SPREAD = 12**-0.5
"""Standard deviation of numbers that are uniform from 0 to 1."""


class Steps(NamedTuple):
    """What a decoder makes of some steps.

    state: after the last of them, a tuple of tensors (batch, ...).
    tensors: for the trace, each (batch, steps, ...).
    """

    logits: Float[Tensor, "batch steps channels"]
    state: tuple[Tensor, ...]
    tensors: Mapping[str, Tensor]


class Pointing(Machine):
    """A machine that reads `tapehead.forms.Points` and answers with pointers at them.

    Its constructor takes `point_size` (numbers of a point) and `rule` (what an answer may be, see
    `tapehead.ops.pointing.forbidden`), and these options:

    scaled: whether the points' numbers, taken to be uniform from 0 to 1, are given the mean 0 and
        the variance 1.
    constraints: when pointers that the rule forbids are left out: "always", "answering" (not while
        it learns), or "never". Points that are not there are never pointed at.
    beam_width: how many answers are followed at once when it runs free; 1: the likeliest pointer is
        taken at each step. May be set later.
    beam_choice: which of the answers that a beam found is given: the "likeliest", or of tours the
        "shortest", which is known without the right answer. May be set later.

    >>> from tapehead.machines import MACHINES, Pointing
    >>> sorted(name for name, kind in MACHINES.items() if issubclass(kind, Pointing))
    ['pointer-network', 'seq2seq']
    """

    reads = Points
    trained_by = "teacher-forcing"
    changeable: ClassVar[tuple[str, ...]] = ("beam_width", "beam_choice")
    point_size: int
    rule: Rule
    constraints: Constraints
    beam_width: int
    beam_choice: BeamChoice

    def forward(
        self,
        xy: Float[Tensor, "batch points dims"],
        counts: Int64[Tensor, " batch"] | None = None,
        answer: Int64[Tensor, "batch steps"] | None = None,
    ) -> tuple[Float[Tensor, "batch steps channels"], Int64[Tensor, "batch steps"]]:
        """Logits at each step, after the pointers of `answer` before it, and the answer; without
        one, after those that the machine itself chose.

        Args:
            xy: points, padded at the end with any finite numbers.
            counts: points of each problem; None: all of them.
            answer: pointers from 1, and 0 from the end on.

        Raises:
            TypeError, ValueError: an argument is none that the machine can read; one line names it.
        """
        points = Points(xy, counts, answer)
        self._check(points)
        steps, answer = self._read(points)
        return steps.logits, answer

    def trace(
        self,
        xy: Float[Tensor, "batch points dims"],
        counts: Int64[Tensor, " batch"] | None = None,
        answer: Int64[Tensor, "batch steps"] | None = None,
    ) -> Trace:
        points = Points(xy, counts, answer)
        self._check(points)
        steps, answer = self._read(points)
        tensors = {"attention": steps.logits.softmax(-1), **steps.tensors, "answer": answer}
        return Trace(steps.logits, None, tensors)

    def answers(
        self,
        xy: Float[Tensor, "batch points dims"],
        counts: Int64[Tensor, " batch"] | None = None,
        *,
        beam_width: int = 1,
        beam_choice: BeamChoice = "likeliest",
    ) -> tuple[Int64[Tensor, "batch steps"], Float[Tensor, " batch"]]:
        """The answers that it finds running free, and their log-probabilities.

        With a beam never a less likely answer than without, or a longer one if `beam_choice` is
        "shortest": the greedy one stays in the running.
        """
        points = Points(xy, counts)
        self._check(points)
        with torch.no_grad():
            context, state = self._encode(points)
            return self._find(points, context, state, beam_width, beam_choice)

    @abstractmethod
    def _encode(self, points: Points) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """What the decoder looks at, and the state that it starts from: tensors (batch, ...)."""

    @abstractmethod
    def _decode(
        self,
        context: tuple[Tensor, ...],
        state: tuple[Tensor, ...],
        before: Int64[Tensor, "batch steps"],
        *,
        start: bool,
    ) -> Steps:
        """Some steps, from the pointer before each; nothing is left out of the logits yet.

        Args:
            start: whether the first of them begins the answer; there is no pointer before it.
        """

    def _read(self, points: Points) -> tuple[Steps, Tensor]:
        context, state = self._encode(points)
        answer = points.answer
        if answer is None:
            with torch.no_grad():
                answer, _ = self._find(points, context, state, self.beam_width, self.beam_choice)
        before = answer.roll(1, 1)
        steps = self._decode(context, state, before, start=True)
        counts, channels = points.sizes, points.xy.shape[1] + 1
        if self._constrained:
            out = forbidden_after(self.rule, before, counts, channels)
            return steps._replace(logits=steps.logits.masked_fill(out, -torch.inf)), answer
        if points.counts is not None:
            out = (torch.arange(channels, device=counts.device) > counts[:, None])[:, None]
            return steps._replace(logits=steps.logits.masked_fill(out, -torch.inf)), answer
        return steps, answer

    @property
    def _constrained(self) -> bool:
        return self.constraints == "always" or (
            self.constraints == "answering" and not self.training
        )

    @property
    def _rule(self) -> Rule:
        """What it may answer when it runs free."""
        return "free" if self.constraints == "never" else self.rule

    def _allowed(self, logits: Tensor, said: Said, counts: Tensor) -> Tensor:
        """Log-probabilities of the next pointer (batch, channels)."""
        out = forbidden(self._rule, said, counts)
        return logits.masked_fill(out, -torch.inf).log_softmax(-1)

    def _find(
        self,
        points: Points,
        context: tuple[Tensor, ...],
        state: tuple[Tensor, ...],
        width: int,
        choice: BeamChoice,
    ) -> tuple[Tensor, Tensor]:
        answer, score = self._greedy(points, context, state)
        if width == 1:
            return answer, score
        others, scores = self._beam(points, context, state, width)
        steps = max(answer.shape[1], others.shape[2])
        pad = torch.nn.functional.pad
        answers = torch.cat(
            [
                pad(answer, (0, steps - answer.shape[1]))[:, None],
                pad(others, (0, steps - others.shape[2])),
            ],
            1,
        )
        scores = torch.cat([score[:, None], scores], 1)
        merit = scores
        if choice == "shortest":
            # What has no chance was made up where fewer answers are left than are followed.
            merit = -round_length(points.xy, answers).masked_fill(scores.isneginf(), torch.inf)
        best = merit.argmax(1, keepdim=True)
        answer = answers.gather(1, best[..., None].expand(-1, -1, steps))[:, 0]
        return answer[:, : int((answer != END).sum(1).max()) + 1], scores.gather(1, best)[:, 0]

    def _greedy(
        self, points: Points, context: tuple[Tensor, ...], state: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        counts, channels = points.sizes, points.xy.shape[1] + 1
        said = nothing_said(counts, channels)
        score = points.xy.new_zeros(len(counts))
        answer = []
        for step in range(longest(self._rule, points.xy.shape[1]) + 1):
            made = self._decode(context, state, said.last[:, None], start=step == 0)
            state = made.state
            best, pointer = self._allowed(made.logits[:, 0], said, counts).max(-1)
            score = score + best
            said = say(said, pointer)
            answer.append(pointer)
            if bool(said.pointed[:, END].all()):
                break
        return torch.stack(answer, 1), score

    def _beam(
        self,
        points: Points,
        context: tuple[Tensor, ...],
        state: tuple[Tensor, ...],
        width: int,
    ) -> tuple[Tensor, Tensor]:
        """Answers (batch, width, steps) that were always among the `width` likeliest so far, and
        their log-probabilities."""
        batch, channels = points.xy.shape[0], points.xy.shape[1] + 1
        repeated = torch.arange(batch, device=points.xy.device).repeat_interleave(width)
        context = tuple(part[repeated] for part in context)
        state = tuple(part[repeated] for part in state)
        counts = points.sizes[repeated]
        said = nothing_said(counts, channels)
        first = torch.arange(width, device=repeated.device).repeat(batch) == 0
        # All start alike: only one of them counts.
        score = points.xy.new_zeros(len(repeated)).masked_fill(~first, -torch.inf)
        answer = said.last.new_zeros(len(repeated), 0)
        for step in range(longest(self._rule, points.xy.shape[1]) + 1):
            made = self._decode(context, state, said.last[:, None], start=step == 0)
            scores = score[:, None] + self._allowed(made.logits[:, 0], said, counts)
            # Where fewer answers are left than are followed, some have said what is forbidden.
            scores = scores.masked_fill(score.isneginf()[:, None], -torch.inf)
            score, chosen = scores.view(batch, -1).topk(width, -1)
            score, chosen = score.flatten(), chosen.flatten()
            came = chosen // channels + torch.arange(
                0, batch * width, width, device=chosen.device
            ).repeat_interleave(width)
            said = say(Said(*(part[came] for part in said)), chosen % channels)
            state = tuple(part[came] for part in made.state)
            answer = torch.cat([answer[came], said.last[:, None]], 1)
            if bool(said.pointed[:, END].all()):
                break
        return answer.view(batch, width, -1), score.view(batch, width)

    def _check(self, points: Points) -> None:
        """Raise a TypeError or ValueError that names the first part that cannot be read."""
        xy, counts, answer = points
        gate.check_rank("xy", xy, "batch", "points", self.point_size)
        weight = self._weight()
        gate.check_numbers("xy", xy, weight, "the machine's weights")
        if gate.values_known(xy) and not bool(torch.isfinite(xy).all()):
            raise ValueError("xy must be finite, got a point that is not")
        if counts is not None:
            gate.check_rank("counts", counts, len(xy))
            gate.check_type("counts", counts, torch.int64, weight.device, "as xy is")
            check_range("counts", counts, 1, xy.shape[1])
        if answer is not None:
            gate.check_rank("answer", answer, len(xy), "steps")
            gate.check_type("answer", answer, torch.int64, weight.device, "as xy is")
            check_range("answer", answer, 0, xy.shape[1])


def run_over(
    reader: nn.LSTM, x: Float[Tensor, "batch points dims"], counts: Int64[Tensor, " batch"] | None
) -> tuple[Float[Tensor, "batch points size"], tuple[Tensor, Tensor]]:
    """An LSTM over points in their order, and its last state (batch, size), both directions side by
    side."""
    check_layers("reader", reader)
    inputs: Any = x
    if counts is not None:
        inputs = nn.utils.rnn.pack_padded_sequence(
            x, counts.cpu(), batch_first=True, enforce_sorted=False
        )
    codes, (hidden, cell) = reader(inputs)
    if counts is not None:
        codes, _ = nn.utils.rnn.pad_packed_sequence(
            codes, batch_first=True, total_length=x.shape[1]
        )
    return codes, (hidden.transpose(0, 1).flatten(1), cell.transpose(0, 1).flatten(1))

"""The baselines of the pointer network: LSTM to LSTM, without and with attention."""

from typing import Annotated, Any

import torch
from torch import Tensor, nn

from tapehead.checks import SWITCH, Size, Width
from tapehead.forms import Points
from tapehead.machines.layers import check_layers
from tapehead.machines.options import configured
from tapehead.machines.pointing import SPREAD, BeamChoice, Constraints, Pointing, Steps, run_over
from tapehead.machines.sizes import linear, lstm
from tapehead.ops.pointing import Rule, additive_scores


def _numbers(
    *, point_size: int, hidden_size: int, attention: bool, most_points: int, **_: Any
) -> int:
    read = lstm(point_size, hidden_size) + lstm(hidden_size, hidden_size)
    looks = attention * (2 * hidden_size * hidden_size + hidden_size)
    said = linear((1 + attention) * hidden_size, most_points + 1)
    return read + looks + said + (most_points + 1) * hidden_size + 2 * hidden_size


class SequenceToSequence(Pointing):
    """LSTM to LSTM, the baseline of the pointer network: it knows points only by their numbers.

    The encoder reads the points in their order; the decoder hears the number that it named last,
    and names another from a fixed list (Sutskever et al. 2014). With attention it also looks at the
    points before it does (Bahdanau et al. 2015).

    Args:
        point_size, rule: see `Pointing`.
        hidden_size: units of the encoder and the decoder.
        attention: whether the decoder looks at the points.
        most_points: numbers that it has names for; a problem cannot have more points.
        scaled, constraints, beam_width, beam_choice: see `Pointing`.

    Trace (`machine.trace(*points)`): `attention` (batch, steps, points + 1), the chance of the end
    and of each number; `looked` (batch, steps, points), with attention; `answer` (batch, steps).

    >>> import torch
    >>> from tapehead.machines import SequenceToSequence
    >>> machine = SequenceToSequence(point_size=2, rule="distinct", hidden_size=16)
    >>> logits, answer = machine(torch.rand(4, 7, 2))
    >>> logits.shape[2]
    8
    """

    hidden_size: int
    most_points: int
    scaled: bool

    @configured(_numbers)
    def __init__(
        self,
        point_size: Size,
        rule: Rule,
        *,
        hidden_size: Size = 256,
        attention: Annotated[bool, SWITCH] = False,
        most_points: Width = 50,
        scaled: bool = True,
        constraints: Constraints = "never",
        beam_width: Size = 1,
        beam_choice: BeamChoice = "likeliest",
    ):
        super().__init__()
        size = hidden_size
        self.reader = nn.LSTM(point_size, size, batch_first=True)
        self.names = nn.Embedding(most_points + 1, size)
        self.decoder = nn.LSTM(size, size, batch_first=True)
        self.keys = nn.Linear(size, size, bias=False) if attention else None
        self.query = nn.Linear(size, size, bias=False) if attention else None
        self.weight = nn.Parameter(torch.empty(size)) if attention else None
        self.output = nn.Linear((1 + attention) * size, most_points + 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The vector that is no layer's, uniform like the weights of a layer."""
        if self.weight is not None:
            nn.init.uniform_(self.weight, -(len(self.weight) ** -0.5), len(self.weight) ** -0.5)

    @property
    def state_numbers(self) -> int:
        return 2 * self.hidden_size

    def _encode(self, points: Points) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        xy, counts, _ = points
        if xy.shape[1] > self.most_points:
            raise ValueError(
                f"xy must have at most {self.most_points} points, most_points of this machine, got "
                f"{xy.shape[1]}"
            )
        codes, state = run_over(self.reader, (xy - 0.5) / SPREAD if self.scaled else xy, counts)
        keys = codes if self.keys is None else self.keys(codes)
        return (codes, keys, points.sizes), state

    def _decode(
        self, context: tuple[Tensor, ...], state: tuple[Tensor, ...], before: Tensor, *, start: bool
    ) -> Steps:
        codes, keys, counts = context
        if start:  # number 0, the end, is what is heard at first
            before = torch.cat([torch.zeros_like(before[:, :1]), before[:, 1:]], 1)
        check_layers("decoder", self.decoder)
        hidden, cell = (part[None].contiguous() for part in state)
        d, (hidden, cell) = self.decoder(self.names(before), (hidden, cell))
        tensors = {}
        if self.query is not None and self.weight is not None:
            scores = additive_scores(keys, self.query(d), self.weight)
            missing = torch.arange(keys.shape[1], device=keys.device) >= counts[:, None]
            looked = scores.masked_fill(missing[:, None], -torch.inf).softmax(-1)
            d = torch.cat([d, looked @ codes], -1)
            tensors["looked"] = looked
        logits = self.output(d)[..., : codes.shape[1] + 1]
        return Steps(logits, (hidden[0], cell[0]), tensors)

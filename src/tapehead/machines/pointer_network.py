"""The pointer network."""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from tapehead.checks import Count, Layers, Size
from tapehead.forms import Points
from tapehead.machines.layers import check_layers
from tapehead.machines.options import configured
from tapehead.machines.pointing import SPREAD, BeamChoice, Constraints, Pointing, Steps, run_over
from tapehead.machines.set_encoder import SetEncoder, mean_of
from tapehead.machines.sizes import linear, lstm
from tapehead.ops.pointing import VIEWS, Rule, additive_scores, dot_scores, seen_from_last

GAIN = 300.0
"""By which what is learned of straight views counts: some differences are small."""


def _numbers(
    *,
    point_size: int,
    hidden_size: int,
    encoder: str,
    attention: str,
    hears: str,
    glimpses: int,
    views: int,
    blocks: int,
    widening: int,
    **_: Any,
) -> int:
    size = hidden_size
    square = linear(size, size)
    if encoder == "set":
        block = (
            4 * square + linear(size, widening * size) + linear(widening * size, size) + 4 * size
        )
        read = linear(point_size, size) + blocks * block + 2 * size + 2 * square
    elif encoder == "lstm":
        read = lstm(point_size, size)
    else:
        read = 2 * lstm(point_size, size // 2)
    heard = point_size if hears == "point" else size
    points = linear(size + point_size, size, False) + square + size + heard
    points += (attention == "additive") * size
    glances = glimpses * (square + size * size)
    seen = (linear(VIEWS, views) + views * size + views + VIEWS) if views else 0
    return read + lstm(heard, size) + points + glances + seen + 2 * size


class PointerNetwork(Pointing):
    """Pointer network, Ptr-Net (Vinyals, Fortunato & Jaitly 2015): its answers point at its input.

    An encoder reads the points; a decoder LSTM hears, step by step, what it pointed at last, and
    points again by attention over the points, or ends the answer. docs/pointers.md has the
    equations.

    Args:
        point_size, rule: see `Pointing`.
        hidden_size: units of the encoder and the decoder.
        encoder: "lstm" reads the points in their order, as in the paper; "bidirectional" from both
            ends; "set" looks at all of them at once, and knows no order.
        attention: the pointer's: "additive" as in the paper, or "dot".
        hears: what the decoder hears of what it pointed at: its "code" by the encoder, or as in the
            paper the "point" itself.
        glimpses: how often the decoder looks at the points before it points (Bello et al. 2017).
        views: units by which the pointer also judges how each point of the plane is seen from the
            last one, see `tapehead.ops.pointing.seen_from_last`; 0: it does not.
        blocks, heads, widening: of the set encoder.
        scaled, constraints, beam_width, beam_choice: see `Pointing`.

    Trace (`machine.trace(*points)`): `attention` (batch, steps, points + 1), the chance of the end
    and of each point; `glimpse` (batch, steps, glimpses, points + 1); `answer` (batch, steps).

    >>> import torch
    >>> from tapehead.machines import PointerNetwork
    >>> machine = PointerNetwork(point_size=2, rule="permutation", hidden_size=16)
    >>> logits, answer = machine(torch.rand(4, 7, 2))
    >>> logits.shape, answer.sort(1).values[0]  # each point once, and the end
    (torch.Size([4, 8, 8]), tensor([0, 1, 2, 3, 4, 5, 6, 7]))
    """

    hidden_size: int
    encoder: str
    attention: str
    hears: str
    glimpses: int
    views: int
    scaled: bool

    @configured(_numbers)
    def __init__(
        self,
        point_size: Size,
        rule: Rule,
        *,
        hidden_size: Size = 128,
        encoder: Literal["lstm", "bidirectional", "set"] = "set",
        attention: Literal["additive", "dot"] = "dot",
        hears: Literal["code", "point"] = "code",
        glimpses: Count = 0,
        views: Count = 0,
        blocks: Layers = 2,
        heads: Size = 4,
        widening: Size = 4,
        scaled: bool = True,
        constraints: Constraints = "always",
        beam_width: Size = 1,
        beam_choice: BeamChoice = "likeliest",
    ):
        super().__init__()
        size = hidden_size
        if encoder == "set":
            if size % heads:
                raise ValueError(f"heads must divide hidden_size {size}, got {heads}")
            self.embedding = nn.Linear(point_size, size)
            self.reader = SetEncoder(size, blocks, heads, widening)
            self.begin = nn.Linear(size, 2 * size)
        else:
            both = encoder == "bidirectional"
            if both and size % 2:
                raise ValueError(f"hidden_size must be even to read from both ends, got {size}")
            self.reader = nn.LSTM(
                point_size, size // 2 if both else size, batch_first=True, bidirectional=both
            )
        self.end = nn.Parameter(torch.empty(size))
        self.start = nn.Parameter(torch.empty(point_size if hears == "point" else size))
        self.decoder = nn.LSTM(len(self.start), size, batch_first=True)
        self.keys = nn.Linear(size + point_size, size, bias=False)
        self.query = nn.Linear(size, size)
        self.weight = nn.Parameter(torch.empty(size)) if attention == "additive" else None
        self.looks = nn.ModuleList(nn.Linear(size, size) for _ in range(glimpses))
        self.glances = nn.ModuleList(nn.Linear(size, size, bias=False) for _ in range(glimpses))
        self.attention = attention
        if views:
            if point_size != 2:
                raise ValueError(f"views must be 0 unless points have 2 numbers, got {views}")
            self.sees = nn.Linear(VIEWS, views)
            self.minds = nn.Linear(size, views, bias=False)
            self.judges = nn.Linear(views, 1, bias=False)
            self.straight = nn.Parameter(torch.zeros(VIEWS))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The vectors that are no layer's, uniform like the weights of a layer."""
        bound = self.end.shape[0] ** -0.5
        with torch.no_grad():
            for weight in (self.end, self.start, self.weight):
                if weight is not None:
                    weight.uniform_(-bound, bound)

    @property
    def state_numbers(self) -> int:
        return 2 * self.hidden_size

    def _encode(self, points: Points) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        xy, counts, _ = points
        x = (xy - 0.5) / SPREAD if self.scaled else xy
        batch, most, _ = xy.shape
        there = None
        if counts is not None:
            there = torch.arange(most, device=xy.device) < counts[:, None]
        if isinstance(self.reader, SetEncoder):
            codes = self.reader(self.embedding(x), there)
            state = self.begin(mean_of(codes, there)).chunk(2, -1)
        else:
            codes, state = run_over(self.reader, x, counts)
        end = self.end.expand(batch, 1, -1)
        ended = torch.cat([end, codes], 1)
        sides = torch.cat([x.new_zeros(batch, 1, x.shape[2]), x], 1)
        keys = self.keys(torch.cat([ended, sides], -1))
        heard = x if self.hears == "point" else codes
        heard = torch.cat([self.start.expand(batch, 1, -1), heard], 1)
        context = (keys, heard, *(glance(ended) for glance in self.glances))
        context += (points.sizes,) if self.glimpses else ()
        if self.views:
            nothing = points.sizes.new_zeros(batch)
            context, state = (*context, x), (*state, nothing, nothing)
        return context, tuple(state)

    def _decode(
        self, context: tuple[Tensor, ...], state: tuple[Tensor, ...], before: Tensor, *, start: bool
    ) -> Steps:
        keys, heard, *rest = context
        if start:  # channel 0 of what is heard: nobody hears of an end
            before = torch.cat([torch.zeros_like(before[:, :1]), before[:, 1:]], 1)
        index = before[..., None].expand(-1, -1, heard.shape[2])
        check_layers("decoder", self.decoder)
        hidden, cell, *way = state
        d, (hidden, cell) = self.decoder(
            heard.gather(1, index), (hidden[None].contiguous(), cell[None].contiguous())
        )
        tensors = {}
        if self.glimpses:
            glances, counts = rest[: self.glimpses], rest[self.glimpses]
            missing = torch.arange(keys.shape[1], device=keys.device) > counts[:, None]
            seen = []
            for look, refs in zip(self.looks, glances, strict=True):
                scores = dot_scores(refs, look(d)).masked_fill(missing[:, None], -torch.inf)
                seen.append(scores.softmax(-1))
                d = d + seen[-1] @ refs
            tensors["glimpse"] = torch.stack(seen, 2)
        query = self.query(d)
        if self.weight is not None:
            logits = additive_scores(keys, query, self.weight)
        else:
            logits = dot_scores(keys, query)
        if self.views:
            seen, way = self._see(rest[-1], before, *way)
            judged = self.judges((self.sees(seen) + self.minds(d)[:, :, None]).tanh())
            logits = logits + judged[..., 0] + GAIN * (seen @ self.straight)
        return Steps(logits, (hidden[0], cell[0], *way), tensors)

    def _see(
        self, x: Tensor, last: Tensor, before: Tensor, first: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """How points are seen at each step; and the last pointer but one, and the first, of the
        step that comes after.

        Args:
            before, first: those of the first step; 0: none yet.
        """
        begun = torch.cat([first[:, None], last], 1)
        first = begun.gather(1, (begun != 0).int().argmax(1, keepdim=True))[:, 0]
        places = torch.cat([before[:, None], last], 1)
        return seen_from_last(x, first, last, places[:, :-1]), (places[:, -1], first)

"""TARDIS (Gulcehre, Chandar, Bengio, "Memory Augmented Neural Networks with Wormhole Connections",
arXiv 1701.08718).

| name | symbol | shape |
|---|---|---|
| address | A | rows, address |
| content | C | batch, rows, word |
| usage | u | batch, rows |
| read | r | batch, address + word |
| hidden_gate, read_gate | beta, alpha | batch |
"""

from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot

from tapehead.checks import Size, choice
from tapehead.machines.discrete import ADDRESSINGS, DiscreteMachine, Run
from tapehead.machines.machine import check_range, glorot_
from tapehead.machines.options import configured
from tapehead.machines.recurrent import check_batch_size
from tapehead.machines.sizes import tardis_numbers
from tapehead.ops.estimators.addresses import Chooser
from tapehead.ops.pytree import saved_by_name

EMPTY = -1e4
"""Logit of a row that holds nothing yet."""

SCALAR_GATES = ("hard-sigmoid", "gumbel-sigmoid")
USAGE_NORMS = ("euclidean", "softmax")
SCORINGS = ("tanh", "linear")
GATE_TEMPERATURE = 0.3
"""Of the sampled scalar gates, as in the code of one of the authors."""


def hard_sigmoid(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """min(max(x + 3, 0), 6) / 6, as `torch.nn.functional.hardsigmoid` (in single precision to the
    bit, value and slope), and with a second derivative, zero, which that one lacks."""
    bounded = (x + 3).clamp(0, 6)
    # torch divides in the forward pass and multiplies in the backward pass.
    value = bounded * (1 / 6)
    return value + (bounded / 6 - value).detach()


def gumbel_sigmoid(
    x: Float[Tensor, "*shape"], temperature: float, *, sample: bool
) -> Float[Tensor, "*shape"]:
    """sigma((x + n) / temperature), n the difference of two Gumbel numbers, which is logistic, or 0
    unless `sample`. The noise comes from PyTorch's global generator."""
    if sample:
        x = x + torch.rand_like(x).clamp(1e-6, 1 - 1e-6).logit()
    return (x / temperature).sigmoid()


def unit_length(usage: Float[Tensor, "batch rows"]) -> Float[Tensor, "batch rows"]:
    """u / |u|, with 1e-6 inside the root: zero for a memory that was never read."""
    return usage / (usage.square().sum(-1, keepdim=True) + 1e-6).sqrt()


@saved_by_name
class TARDISState(NamedTuple):
    """All that the machine carries from step to step, batch first.

    `usage` counts how often each row was read; `filled` how many rows hold something.
    """

    content: Float[Tensor, "batch rows word"]
    usage: Float[Tensor, "batch rows"]
    filled: Int[Tensor, " batch"]
    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class TARDIS(DiscreteMachine):
    """An LSTM that keeps pictures of its own past and returns to one of them in every step.

    Each step reads one row, lets it into the gates and the candidate of the LSTM, and stores a
    linear picture of the new hidden state: in the next empty row while there is one, then in the
    row that was just read. The picture is differentiable, so a read is a way for the gradient
    straight to the step that wrote it: a wormhole.

    Trace names, all (batch, time, ...): `hidden` (hidden), `read_weights`, `write_weights` (1,
    rows), `reads` (1, address + word), `add` (1, word; the picture), `hidden_gate`, `read_gate`
    (1), `memory` (rows, word) after the step, `logits` and `weights` (1, rows), the address before
    and after its choice.

    Args:
        input_size: numbers per input step.
        output_size: numbers per output step (logits).
        memory_size: rows.
        word_size: numbers of content in each row.
        address_size: numbers of learned address in each row.
        hidden_size: units of the LSTM.
        attention_size: hidden units of the network that scores a row, where `scoring` has one.
        scalar_gate: how much of the read and of the hidden state enters the candidate:
            "hard-sigmoid", or "gumbel-sigmoid", which is sampled in training and sharp.
        usage_norm: how the counts of reads are brought to one size: "euclidean" or "softmax".
        scoring: "tanh": a network scores each row by its content and address; "linear": each row's
            score is linear in input, hidden state, usage and the products of all rows' content with
            the picture of the last hidden state.
        peepholes: let the gates of the LSTM see its cell state. These four are departures.md's.
        addressing: "discrete", one row at a time, or "soft", all rows at once.

    >>> import torch
    >>> from tapehead import TARDIS
    >>> machine = TARDIS(input_size=9, output_size=8, memory_size=16, word_size=6)
    >>> y, state = machine(torch.rand(4, 10, 9))
    >>> state.filled  # a row in each step, while there are empty ones
    tensor([10, 10, 10, 10])
    """

    choices = 1

    @configured(tardis_numbers)
    def __init__(
        self,
        input_size: Size,
        output_size: Size,
        *,
        memory_size: Size = 64,
        word_size: Size = 32,
        address_size: Size = 16,
        hidden_size: Size = 100,
        attention_size: Size = 64,
        scalar_gate: Annotated[str, choice(SCALAR_GATES)] = "hard-sigmoid",
        usage_norm: Annotated[str, choice(USAGE_NORMS)] = "euclidean",
        scoring: Annotated[str, choice(SCORINGS)] = "tanh",
        peepholes: bool = False,
        addressing: Annotated[str, choice(ADDRESSINGS)] = "discrete",
    ):
        super().__init__()
        self.scalar_gate, self.usage_norm = scalar_gate, usage_norm
        self.scoring, self.peepholes = scoring, peepholes
        self.input_size, self.output_size = input_size, output_size
        self.memory_size = memory_size
        self.word_size, self.hidden_size = word_size, hidden_size
        width, context = address_size + word_size, input_size + hidden_size
        if scoring == "tanh":
            self.attend = nn.Linear(context + memory_size, attention_size)
            self.attend_row = nn.Linear(width, attention_size, bias=False)
            self.attend_score = nn.Linear(attention_size, 1, bias=False)
        else:
            self.attend = nn.Linear(context + memory_size, memory_size)
            self.attend_match = nn.Linear(memory_size, memory_size, bias=False)
        # Forget, enter and leave gates, then the two scalar gates on hidden state and read.
        self.gates = nn.Linear(context + width, 3 * hidden_size)
        self.scalar_gates = nn.Linear(context + width, 2)
        if peepholes:
            # Forget and enter see the cell before the step, leave the one after it.
            self.peep = nn.Linear(hidden_size, 2 * hidden_size, bias=False)
            self.peep_after = nn.Linear(hidden_size, hidden_size, bias=False)
        self.from_hidden = nn.Linear(hidden_size, hidden_size, bias=False)
        self.from_input = nn.Linear(input_size, hidden_size)
        self.from_read = nn.Linear(width, hidden_size, bias=False)
        self.picture = nn.Linear(hidden_size, word_size)
        self.output = nn.Linear(hidden_size + width, output_size)
        self.address = nn.Parameter(torch.empty(memory_size, address_size))
        self.reset_parameters()
        self.addressing, self.context_size = addressing, context

    @property
    def rows(self) -> int:
        return self.memory_size

    def reset_parameters(self) -> None:
        """Draw all weights afresh."""
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, nn.Linear):
                    glorot_(layer.weight, layer.in_features, layer.out_features)
                    if layer.bias is not None:
                        layer.bias.zero_()
            # An open forget gate (Gers, Schmidhuber & Cummins 2000).
            self.gates.bias[: self.hidden_size] = 1.0
            self.address.normal_()

    def initial_state(self, batch_size: int) -> TARDISState:
        check_batch_size(self, batch_size)
        new = self.address.new_zeros
        return TARDISState(
            content=new(batch_size, self.rows, self.word_size),
            usage=new(batch_size, self.rows),
            filled=torch.zeros(batch_size, dtype=torch.int64, device=self.address.device),
            hidden=new(batch_size, self.hidden_size),
            cell=new(batch_size, self.hidden_size),
        )

    def _check_whole_numbers(self, state: TARDISState) -> None:
        check_range("state.filled", state.filled, 0, self.rows)

    def run(
        self,
        x: Float[Tensor, "batch time input"],
        state: TARDISState,
        choose: Chooser,
        *,
        lengths: Int[Tensor, " batch"] | None = None,
        offset: Float[Tensor, "batch time choices rows"] | None = None,
        keep: bool = False,
    ) -> Run:
        return self.unroll(x, state, choose, lengths=lengths, offset=offset, keep=keep)

    def one_step(self, x_t, state, choose, time, offset):
        """One step: output logits, the new state, and the inner tensors by name."""
        memory = torch.cat([self.address.expand(x_t.shape[0], -1, -1), state.content], -1)
        known = torch.cat([x_t, state.hidden], -1)
        logits = self._scores(known, memory, state)[:, None]
        if offset is not None:
            logits = logits + offset
        weights = choose(logits, time, 0)
        # A machine that has stored nothing has nothing to read, whatever it chose.
        read = torch.einsum("bn,bnw->bw", weights[:, 0], memory) * (state.filled > 0)[:, None]

        everything = torch.cat([known, read], -1)
        forget, enter, leave = self.gates(everything).chunk(3, -1)
        if self.peepholes:
            seen_forget, seen_enter = self.peep(state.cell).chunk(2, -1)
            forget, enter = forget + seen_forget, enter + seen_enter
        hidden_gate, read_gate = self._gate(self.scalar_gates(everything)).split(1, -1)
        candidate = (
            hidden_gate * self.from_hidden(state.hidden)
            + self.from_input(x_t)
            + read_gate * self.from_read(read)
        ).tanh()
        cell = forget.sigmoid() * state.cell + enter.sigmoid() * candidate
        if self.peepholes:
            leave = leave + self.peep_after(cell)
        hidden = leave.sigmoid() * cell.tanh()

        empty_left = (state.filled < self.rows)[:, None]
        next_empty = one_hot(state.filled.clamp(max=self.rows - 1), self.rows).to(weights.dtype)
        write_weights = torch.where(empty_left, next_empty, weights[:, 0])
        at = write_weights[..., None]
        picture = self.picture(hidden)[:, None]
        content = (1 - at) * state.content + at * picture
        after = TARDISState(
            content=content,
            usage=state.usage + weights[:, 0].detach(),
            filled=(state.filled + 1).clamp(max=self.rows),
            hidden=hidden,
            cell=cell,
        )
        inner = {
            "logits": logits,
            "weights": weights,
            "context": known,
            "hidden": hidden,
            "read_weights": weights,
            "write_weights": write_weights[:, None],
            "reads": read[:, None],
            "add": picture,
            "hidden_gate": hidden_gate,
            "read_gate": read_gate,
            "memory": content,
        }
        return self.output(torch.cat([hidden, read], -1)), after, inner

    def _gate(self, x: Tensor) -> Tensor:
        if self.scalar_gate == "hard-sigmoid":
            return hard_sigmoid(x)
        return gumbel_sigmoid(x, GATE_TEMPERATURE, sample=self.training)

    def _scores(self, known: Tensor, memory: Tensor, state: TARDISState) -> Tensor:
        """pi(i) = a . tanh(W_h h + W_x x + W_m M(i) + W_u norm(u)); or linear, with C the content
        and p the picture of h, pi = W_h h + W_x x + W_u norm(u) + W_m C p(h)."""
        usage = unit_length(state.usage)
        if self.usage_norm == "softmax":
            usage = state.usage.softmax(-1)
        asked = self.attend(torch.cat([known, usage], -1))
        if self.scoring == "linear":
            match = torch.einsum("bnw,bw->bn", state.content, self.picture(state.hidden))
            scores = asked + self.attend_match(match)
        else:
            scores = self.attend_score((asked[:, None] + self.attend_row(memory)).tanh())[..., 0]
        rows = torch.arange(self.rows, device=scores.device)
        return torch.where(rows < state.filled.clamp(min=1)[:, None], scores, EMPTY)

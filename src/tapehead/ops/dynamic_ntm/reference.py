"""The Dynamic NTM, step by step, in plain PyTorch and any floating dtype.

This is the truth that every other backend must equal: outputs, logits, weightings, gradients and
final state. How rows are chosen is a `Chooser`'s affair (`tapehead.ops.estimators.addresses`): with
`soft` all rows are addressed at once.

Source: Gulcehre, Chandar, Cho, Bengio, arXiv 1607.00036.

| name | symbol | shape |
|---|---|---|
| address | A | rows, address |
| content | C | batch, rows, word |
| key | k | batch, heads, address + word |
| strength | beta | batch, heads |
| recency | v | batch, heads, rows |
| recency_gate | gamma | batch, heads |
| erase, candidate | e, c bar | batch, writes, word |
| reads | r | batch, reads, address + word |
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import linear, pad, softplus

from tapehead.ops.calling import call
from tapehead.ops.dynamic_ntm.admission import admit
from tapehead.ops.dynamic_ntm.parts import (
    Chosen,
    DynamicNTMSpec,
    DynamicNTMState,
    DynamicNTMWeights,
    HeadParameters,
)
from tapehead.ops.estimators.addresses import Addresses, Chooser, check_addresses
from tapehead.ops.gate import steps
from tapehead.ops.memory import read
from tapehead.ops.similarity import cosine
from tapehead.ops.unrolling import unroll

RECENCY_DECAY = 0.1
"""v_t = 0.1 v_{t-1} + 0.9 z_t. The authors' code has 0.04 and 0.96."""

NEEDED = ("logits", "weights", "context")
"""The inner tensors that `Chosen` is made of."""

Weighting = Float[Tensor, "batch heads rows"]
Words = Float[Tensor, "batch heads word"]


def head_parameters(interface: Float[Tensor, "batch numbers"], heads: int) -> HeadParameters:
    """k as it is, beta = softplus + 1, gamma = sigmoid."""
    numbers = interface.unflatten(-1, (heads, -1))
    return HeadParameters(
        numbers[..., :-2], softplus(numbers[..., -2]) + 1.0, numbers[..., -1].sigmoid()
    )


def recent(recency: Weighting, alike: Weighting) -> Weighting:
    """v_t = 0.1 v_{t-1} + 0.9 z_t."""
    return RECENCY_DECAY * recency + (1 - RECENCY_DECAY) * alike


def least_recently_used(
    alike: Weighting, recency: Weighting, recency_gate: Float[Tensor, "batch heads"]
) -> Weighting:
    """The logits z - gamma v_{t-1}."""
    return alike - recency_gate[..., None] * recency


def without_no_operation(weights: Float[Tensor, "*batch rows"]) -> Float[Tensor, "*batch rows"]:
    """Weights over rows, of which the cell that keeps nothing has none: it is the last."""
    return pad(weights[..., :-1], (0, 1))


def gated_candidate(
    own: Words, gate: Float[Tensor, "batch heads"], shown: Words
) -> Float[Tensor, "batch heads word"]:
    """c bar = relu(W h + alpha W_x x), alpha the input gate."""
    return (own + gate[..., None] * shown).relu()


def write(
    content: Float[Tensor, "batch rows word"],
    weights: Float[Tensor, "batch writes rows"],
    erase: Float[Tensor, "batch writes word"],
    candidate: Float[Tensor, "batch writes word"],
) -> Float[Tensor, "batch rows word"]:
    """C(j) <- (1 - e u(j)) C(j) + u(j) c bar, for one write head after the other."""
    for head in range(weights.shape[1]):
        at = weights[:, head, :, None]
        content = content * (1 - at * erase[:, head, None]) + at * candidate[:, head, None]
    return content


def controller_step(
    inputs: Float[Tensor, "batch seen"],
    hidden: Float[Tensor, "batch hidden"],
    cell: Float[Tensor, "batch hidden"],
    weights: DynamicNTMWeights,
    spec: DynamicNTMSpec,
) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]:
    """The controller's hidden state and cell; it sees the input and what was read."""
    if spec.called and spec.called.controller:
        return spec.called.controller(inputs, hidden, cell)
    own = weights.input_weight, weights.recurrent_weight, weights.input_bias, weights.recurrent_bias
    if spec.controller == "gru":
        return torch.gru_cell(inputs, hidden, *own), cell
    if spec.controller == "lstm":
        return torch.lstm_cell(inputs, (hidden, cell), *own)
    return linear(inputs, weights.input_weight, weights.input_bias).tanh(), cell


def answer(
    features: Float[Tensor, "*batch features"], weights: DynamicNTMWeights, spec: DynamicNTMSpec
) -> Float[Tensor, "*batch output"]:
    """The output logits, of hidden state and reads."""
    return _map("output", features, weights.output_weight, weights.output_bias, spec)


def dynamic_ntm_step(
    x_t: Float[Tensor, "batch input"],
    weights: DynamicNTMWeights,
    state: DynamicNTMState,
    spec: DynamicNTMSpec,
    choose: Callable[[Tensor], Tensor],
) -> tuple[Float[Tensor, "batch features"], DynamicNTMState, dict[str, Tensor]]:
    """One step: features [h; r], the new state, and the inner tensors by name.

    Args:
        choose: from the logits of heads (batch, heads, rows) to their weightings.
    """
    reading, writing = slice(None, spec.num_reads), slice(spec.num_reads, None)
    known = torch.cat([x_t, state.hidden], -1)
    rows = weights.address.expand(x_t.shape[0], -1, -1)
    memory = torch.cat([rows, state.content], -1)

    def address(interface: Tensor, heads: slice) -> tuple[HeadParameters, Tensor, Tensor, Tensor]:
        recency = state.recency[:, heads]
        head = head_parameters(interface, recency.shape[1])
        alike = head.strength[..., None] * cosine(head.key, memory)
        after = recent(recency, alike)
        if spec.least_recently_used:
            alike = least_recently_used(alike, recency, head.recency_gate)
        chosen = choose(alike)
        kept = without_no_operation(chosen) if spec.no_operation else chosen
        return head, after, chosen, kept

    # The first reading of a step starts from what the last step found.
    reads, readings = state.reads, []
    for _ in range(spec.reading_steps):
        asked = torch.cat([known, reads.flatten(1)], -1)
        asked = _map("read_interface", asked, weights.read_weight, weights.read_bias, spec)
        *found, kept = address(asked, reading)
        reads = read(memory, kept)
        readings.append(found)
    read_head, read_recency, read_weights = readings[-1]

    seen = torch.cat([x_t, reads.flatten(1)], -1)
    hidden, cell = controller_step(seen, state.hidden, state.cell, weights, spec)
    asked = _map("write_interface", hidden, weights.write_weight, weights.write_bias, spec)
    write_head, write_recency, write_weights, kept = address(asked, writing)

    each = (spec.num_writes, -1)
    erase = _map("erase", hidden, weights.erase_weight, weights.erase_bias, spec)
    erase = erase.sigmoid().unflatten(-1, each)
    at_gate = torch.cat([x_t, hidden], -1)
    gate = _map("input_gate", at_gate, weights.gate_weight, weights.gate_bias, spec).sigmoid()
    own = _map("candidate", hidden, weights.candidate_weight, weights.candidate_bias, spec)
    shown = _map("candidate_input", x_t, weights.shown_weight, None, spec)
    candidate = gated_candidate(own.unflatten(-1, each), gate, shown.unflatten(-1, each))
    content = write(state.content, kept, erase, candidate)
    after = DynamicNTMState(
        content, torch.cat([read_recency, write_recency], 1), reads, hidden, cell
    )
    inner = {
        "context": known,
        "hidden": hidden,
        "read_weights": read_weights,
        "write_weights": write_weights,
        "erase": erase,
        "candidate": candidate,
        "strength": torch.cat([read_head.strength, write_head.strength], 1),
        "recency_gate": torch.cat([read_head.recency_gate, write_head.recency_gate], 1),
        "reads": reads,
        "memory": content,
    }
    return torch.cat([hidden, reads.flatten(1)], -1), after, inner


def dynamic_ntm(
    x: Float[Tensor, "batch time input"],
    weights: DynamicNTMWeights,
    state: DynamicNTMState,
    spec: DynamicNTMSpec,
    choose: Chooser,
    lengths: Int[Tensor, " batch"] | None = None,
    offset: Addresses | None = None,
) -> Chosen:
    """A whole sequence.

    Args:
        lengths: steps of each sequence; from step `lengths[b]` on, sequence b keeps its state and
            its outputs are zero. None: all steps of all sequences.
        offset: added to the logits of every address; to differentiate by.
    """
    y, state, inner = _unroll(x, weights, state, spec, choose, lengths, offset, answer)
    return Chosen(y, state, *(inner[name] for name in NEEDED))


def dynamic_ntm_trace(
    x: Float[Tensor, "batch time input"],
    weights: DynamicNTMWeights,
    state: DynamicNTMState,
    spec: DynamicNTMSpec,
    choose: Chooser,
    lengths: Int[Tensor, " batch"] | None = None,
    offset: Addresses | None = None,
) -> tuple[Chosen, dict[str, Tensor]]:
    """As `dynamic_ntm`, with every inner tensor of every step, `logits` and `weights` among them.

    Past a sequence's length memory, reads and hidden are those that it keeps.
    """
    y, state, inner = _unroll(x, weights, state, spec, choose, lengths, offset, answer, keep=True)
    chosen = Chosen(y, state, *(inner[name] for name in NEEDED))
    return chosen, {name: part for name, part in inner.items() if name != "context"}


def dynamic_ntm_features(
    x: Float[Tensor, "batch time input"],
    weights: DynamicNTMWeights,
    state: DynamicNTMState,
    spec: DynamicNTMSpec,
    choose: Chooser,
    lengths: Int[Tensor, " batch"] | None = None,
    offset: Addresses | None = None,
) -> Chosen:
    """As `dynamic_ntm`, but for the last layer: `y` holds its inputs."""

    def as_they_are(features: Tensor, *_: object) -> Tensor:
        return features

    y, state, inner = _unroll(x, weights, state, spec, choose, lengths, offset, as_they_are)
    return Chosen(y, state, *(inner[name] for name in NEEDED))


def _unroll(x, weights, state, spec, choose, lengths, offset, ends, *, keep=False):
    admit(x, weights, state, spec)
    check_addresses(x, spec.choices, state.content.shape[1], choose, offset)

    def step(
        time: int, state: DynamicNTMState
    ) -> tuple[Tensor, DynamicNTMState, dict[str, Tensor]]:
        choices = _Choices(choose, time, None if offset is None else offset[:, time])
        features, after, inner = dynamic_ntm_step(x[:, time], weights, state, spec, choices)
        return ends(features, weights, spec), after, choices.made() | inner

    def kept(state: DynamicNTMState, inner: dict[str, Tensor]) -> dict[str, Tensor]:
        # Of a long sequence every memory would be a great deal.
        return shown(state, inner) if keep else {name: inner[name] for name in NEEDED}

    return unroll(step, steps(x), state, lengths, keep=kept)


class _Choices:
    """The choices of one step, in their order: from logits to weightings, both written down."""

    def __init__(self, choose: Chooser, time: int, offset: Tensor | None):
        self._choose, self._time, self._offset = choose, time, offset
        self._asked: list[tuple[Tensor, Tensor]] = []

    def __call__(self, logits: Tensor) -> Tensor:
        first = sum(logits.shape[1] for logits, _ in self._asked)
        if self._offset is not None:
            logits = logits + self._offset[:, first : first + logits.shape[1]]
        weights = self._choose(logits, self._time, first)
        self._asked.append((logits, weights))
        return weights

    def made(self) -> dict[str, Tensor]:
        return {
            "logits": torch.cat([logits for logits, _ in self._asked], 1),
            "weights": torch.cat([weights for _, weights in self._asked], 1),
        }


def shown(state: DynamicNTMState, inner: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a trace shows of a step: of a sequence that has ended, the state that it keeps."""
    return inner | {"memory": state.content, "reads": state.reads, "hidden": state.hidden}


def _map(
    name: str, inputs: Tensor, weight: Tensor, bias: Tensor | None, spec: DynamicNTMSpec
) -> Tensor:
    """A linear layer, by its weights or, if it must be, by calling it."""
    part = getattr(spec.called, name) if spec.called else None
    if part is None:
        return linear(inputs, weight, bias)
    return call(name, part, inputs, weight.shape[0])

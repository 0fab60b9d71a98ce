"""The sparse NTM, step by step, in plain PyTorch and any floating dtype.

This is the truth that every other backend must equal: outputs, gradients and final state. It
touches every row in every step, and keeps every memory; the others do not.

Source: Rae et al., "Scaling Memory-Augmented Neural Networks with Sparse Reads and Writes", arXiv
1610.09027, where it is called sparse access memory, SAM; equation numbers are its own.

| name | symbol | shape |
|---|---|---|
| memory | M | batch, rows, word |
| key, add | q, a | batch, heads, word |
| strength | beta | batch, heads |
| write_gate, gate | alpha, gamma | batch, heads |
| read_weights, write_weights | w^R, w^W | batch, heads, rows |
| oldest | the row of I^U | batch, heads |
| accessed | max {t: w^W_t + w^R_t > delta} | batch, rows |
| reads | r | batch, heads, word |
| hidden, cell | h, c | batch, hidden |
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import linear, softplus

from tapehead.ops.calling import call
from tapehead.ops.gate import steps
from tapehead.ops.memory import add
from tapehead.ops.ntm.reference import lstm_cell
from tapehead.ops.similarity import cosine
from tapehead.ops.sparse_ntm.parts import (
    HeadParameters,
    SparseNTMSpec,
    SparseNTMState,
    SparseNTMWeights,
)
from tapehead.ops.unrolling import unroll

Memory = Float[Tensor, "batch rows word"]
PerHead = Float[Tensor, "batch heads"]
Words = Float[Tensor, "batch heads word"]
Weighting = Float[Tensor, "batch heads rows"]
Rows = Int[Tensor, "batch heads kept"]
AtRows = Float[Tensor, "batch heads kept"]


def head_parameters(
    interface: Float[Tensor, "batch interface"], spec: SparseNTMSpec
) -> HeadParameters:
    """Section 3.3: key and add as they are, both gates logistic; strength 1 + softplus, which the
    paper does not list (docs/departures.md)."""
    key, add, strength, write_gate, gate = interface.split(spec.interface_sizes, dim=-1)
    return HeadParameters(
        key=key.unflatten(-1, (spec.num_heads, spec.word_size)),
        add=add.unflatten(-1, (spec.num_heads, spec.word_size)),
        strength=1 + softplus(strength),
        write_gate=write_gate.sigmoid(),
        gate=gate.sigmoid(),
    )


def least_recent(
    accessed: Int[Tensor, "batch rows"], num_heads: int
) -> Int[Tensor, "batch {num_heads}"]:
    """I^U, eq. 6: the row that was not accessed for longest, the first of several; for each further
    head the next. More heads than rows begin again."""
    order = accessed.argsort(dim=-1, stable=True)[:, :num_heads]
    return order[:, torch.arange(num_heads, device=order.device) % order.shape[1]]


def write_weighting(
    previous: Weighting, oldest: Weighting, write_gate: PerHead, gate: PerHead
) -> Weighting:
    """w^W = alpha (gamma w^R_{t-1} + (1 - gamma) I^U), eq. 5."""
    gate = gate[..., None]
    return write_gate[..., None] * (gate * previous + (1 - gate) * oldest)


def erase_rows(memory: Memory, erased: Bool[Tensor, "batch rows"]) -> Memory:
    """(1 - R) M with R = I^U 1^T, eq. 3: what is overwritten is zero before, for all heads."""
    return memory.masked_fill(erased[..., None], 0.0)


def most_alike(scores: Weighting, kept: int) -> Rows:
    """Rows of the `kept` largest scores, the largest first; of equal scores the first row."""
    return scores.argsort(dim=-1, descending=True, stable=True)[..., :kept]


def read_weighting(scores: AtRows, strength: PerHead) -> AtRows:
    """w^R at the rows that are read: softmax(beta K[q, M(s_i)]) over these alone, section 3.1."""
    return torch.softmax(strength[..., None] * scores, dim=-1)


def read_rows(memory: Memory, rows: Rows, weights: AtRows) -> Words:
    """r = sum_i w^R(s_i) M(s_i), eq. 4."""
    index = rows.flatten(1)[..., None].expand(-1, -1, memory.shape[-1])
    words = memory.gather(1, index).unflatten(1, rows.shape[1:])
    return torch.einsum("bhk,bhkw->bhw", weights, words)


def last_accessed(
    accessed: Int[Tensor, "batch rows"],
    read: Weighting,
    write: Weighting,
    now: Int[Tensor, " batch"],
    threshold: float,
) -> Int[Tensor, "batch rows"]:
    """max {t: w^W_t(i) + w^R_t(i) > delta}, section 3.2, of all heads together."""
    touched = (read + write).detach().sum(1) > threshold
    return torch.where(touched, now[:, None], accessed)


def at_rows(rows: Rows, weights: AtRows, count: int) -> Weighting:
    """A weighting over all `count` rows of which only some are not zero."""
    return weights.new_zeros(*weights.shape[:2], count).scatter_add(2, rows, weights)


def controller_step(
    projected: Float[Tensor, "batch gates"], weights: SparseNTMWeights, state: SparseNTMState
) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]:
    """An LSTM's hidden and cell state; it sees the input and the words read before, section 3.3."""
    gates = projected + linear(state.reads.flatten(1), weights.read_weight)
    return lstm_cell(gates + linear(state.hidden, weights.recurrent_weight), state.cell)


def sparse_ntm_step(
    projected: Float[Tensor, "batch gates"],
    weights: SparseNTMWeights,
    state: SparseNTMState,
    spec: SparseNTMSpec,
) -> tuple[Float[Tensor, "batch features"], SparseNTMState, dict[str, Tensor]]:
    """One step: features [h; r], the new state, and every inner tensor by name."""
    rows = state.memory.shape[1]
    hidden, cell = controller_step(projected, weights, state)
    if spec.interface is None:
        asked = linear(hidden, weights.interface_weight, weights.interface_bias)
    else:
        asked = call("interface", spec.interface, hidden, len(weights.interface_bias))
    heads = head_parameters(asked, spec)

    oldest = least_recent(state.accessed, spec.num_heads)[..., None]
    chosen = at_rows(oldest, torch.ones_like(oldest, dtype=hidden.dtype), rows)
    previous = at_rows(state.read_rows, state.read_weights, rows)
    write_weights = write_weighting(previous, chosen, heads.write_gate, heads.gate)
    erased = chosen.any(1)
    memory = add(erase_rows(state.memory, erased), write_weights, heads.add)

    scores = cosine(heads.key, memory)
    found = most_alike(scores.detach(), spec.kept)
    at_found = read_weighting(scores.gather(2, found), heads.strength)
    reads = read_rows(memory, found, at_found)
    read_weights = at_rows(found, at_found, rows)

    clock = state.clock + 1
    after = SparseNTMState(
        memory=memory,
        accessed=last_accessed(state.accessed, read_weights, write_weights, clock, spec.threshold),
        clock=clock,
        read_rows=found,
        read_weights=at_found,
        reads=reads,
        hidden=hidden,
        cell=cell,
    )
    inner = {
        **heads._asdict(),
        "read_weights": read_weights,
        "write_weights": write_weights,
        "kept": (~erased).to(memory.dtype),
        "reads": reads,
        "memory": memory,
        "hidden": hidden,
    }
    return torch.cat([hidden, reads.flatten(1)], -1), after, inner


def sparse_ntm(
    projected: Float[Tensor, "batch time gates"],
    weights: SparseNTMWeights,
    state: SparseNTMState,
    spec: SparseNTMSpec,
    lengths: Int[Tensor, " batch"] | None = None,
) -> tuple[Float[Tensor, "batch time features"], SparseNTMState]:
    """A whole sequence: hidden state and words read in every step, and the state after the last.

    Args:
        projected: what the input brings to the gates, biases included.
        lengths: steps of each sequence; from step `lengths[b]` on, sequence b keeps its state and
            its features are zero. None: all steps of all sequences.
    """
    features, state, _ = _unroll(projected, weights, state, spec, lengths, keep=False)
    return features, state


def sparse_ntm_trace(
    projected: Float[Tensor, "batch time gates"],
    weights: SparseNTMWeights,
    state: SparseNTMState,
    spec: SparseNTMSpec,
    lengths: Int[Tensor, " batch"] | None = None,
) -> tuple[Float[Tensor, "batch time features"], SparseNTMState, dict[str, Tensor]]:
    """As `sparse_ntm`, with every inner tensor of every step, stacked as (batch, time, ...).

    Past a sequence's length memory, reads and their weights are those that it keeps; the head
    parameters there are what the machine would have done and mean nothing.
    """
    return _unroll(projected, weights, state, spec, lengths, keep=True)


def _unroll(projected, weights, state, spec, lengths, *, keep):
    def step(time: int, state: SparseNTMState) -> tuple[Tensor, SparseNTMState, dict[str, Tensor]]:
        return sparse_ntm_step(projected[:, time], weights, state, spec)

    return unroll(step, steps(projected), state, lengths, keep=shown if keep else None)


def shown(state: SparseNTMState, inner: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a trace shows of a step: of a sequence that has ended, the state that it keeps."""
    weights = at_rows(state.read_rows, state.read_weights, state.memory.shape[1])
    kept = {"memory": state.memory, "reads": state.reads, "read_weights": weights}
    return inner | kept | {"hidden": state.hidden, "accessed": state.accessed}

"""The Neural Turing Machine, step by step, in plain PyTorch and any floating dtype.

This is the truth that every other backend must equal: outputs, gradients and final state.
Source: Graves, Wayne, Danihelka, "Neural Turing Machines", arXiv 1410.5401; equation numbers are
its own.

| name | symbol | shape |
|---|---|---|
| memory | M | batch, rows, word |
| key | k | batch, heads, word |
| strength, gate, sharpening | beta, g, gamma | batch, heads |
| shift | s | batch, heads, shifts |
| erase, add | e, a | batch, writes, word |
| read_weights, write_weights | w | batch, reads or writes, rows |
| reads | r | batch, reads, word |
| hidden, cell | h, c | batch, layers, hidden |
"""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import linear, softplus

from tapehead.ops.addressing import circular_shift, content_weighting, interpolate, sharpen
from tapehead.ops.calling import call
from tapehead.ops.gate import steps
from tapehead.ops.memory import add, erase, read
from tapehead.ops.ntm.admission import admit
from tapehead.ops.ntm.parts import HeadParameters, NTMSpec, NTMState, NTMWeights
from tapehead.ops.similarity import Similarity, scores
from tapehead.ops.unrolling import unroll


def head_parameters(interface: Float[Tensor, "batch interface"], spec: NTMSpec) -> HeadParameters:
    """The paper gives the ranges (section 3.3) but not the functions; these are listed in
    docs/departures.md: key and add tanh, gate and erase logistic, strength softplus, shift softmax,
    sharpening 1 + softplus."""
    key, strength, gate, shift, sharpening, erase, add = interface.split(
        spec.interface_sizes, dim=-1
    )
    return HeadParameters(
        key=key.unflatten(-1, (spec.num_heads, spec.word_size)).tanh(),
        strength=softplus(strength),
        gate=gate.sigmoid(),
        shift=shift.unflatten(-1, (spec.num_heads, spec.num_shifts)).softmax(-1),
        sharpening=1 + softplus(sharpening),
        erase=erase.unflatten(-1, (spec.num_writes, spec.word_size)).sigmoid(),
        add=add.unflatten(-1, (spec.num_writes, spec.word_size)).tanh(),
    )


Sharpen = Callable[[Tensor, Tensor, slice], Tensor]
"""The end of figure 2: from shifted weightings (batch, heads, rows), the sharpening (batch, heads)
and which heads they are of, to the weightings that are read and written with."""


def sharpened(
    shifted: Float[Tensor, "batch heads rows"],
    sharpening: Float[Tensor, "batch heads"],
    chosen: slice,
) -> Float[Tensor, "batch heads rows"]:
    """Eq. 9, for all heads alike."""
    return sharpen(shifted, sharpening)


def address(
    memory: Float[Tensor, "batch rows word"],
    previous: Float[Tensor, "batch heads rows"],
    chosen: slice,
    heads: HeadParameters,
    similarity: str | Similarity,
    ends: Sharpen = sharpened,
) -> tuple[Float[Tensor, "batch heads rows"], Float[Tensor, "batch heads rows"]]:
    """Figure 2 of the paper, for the `chosen` heads: their weightings and content weightings."""
    alike = scores(similarity, heads.key[:, chosen], memory)
    content = content_weighting(alike, heads.strength[:, chosen])
    gated = interpolate(content, previous, heads.gate[:, chosen])
    shifted = circular_shift(gated, heads.shift[:, chosen])
    return ends(shifted, heads.sharpening[:, chosen], chosen), content


def lstm_cell(
    gates: Float[Tensor, "batch gates"], cell: Float[Tensor, "batch hidden"]
) -> tuple[Float[Tensor, "batch hidden"], Float[Tensor, "batch hidden"]]:
    """Hidden and cell state from the summed inputs of the gates (input, forget, cell, output)."""
    enter, keep, candidate, leave = gates.chunk(4, dim=-1)
    cell = keep.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
    return leave.sigmoid() * cell.tanh(), cell


def project(
    x: Float[Tensor, "batch time input"], weights: NTMWeights, spec: NTMSpec
) -> Float[Tensor, "batch time numbers"]:
    """What the input brings to the first layer's gates; for a controller of the caller's own, the
    input itself."""
    if callable(spec.controller):
        return x
    if spec.called and spec.called.input:
        return call("input", spec.called.input, x, len(weights.input_bias))
    return linear(x, weights.input_weight, weights.input_bias)


def interface_vector(
    output: Float[Tensor, "batch hidden"], weights: NTMWeights, spec: NTMSpec
) -> Float[Tensor, "batch interface"]:
    """What the controller asks of the heads, before `head_parameters`."""
    if spec.called and spec.called.interface:
        return call("interface", spec.called.interface, output, len(weights.interface_bias))
    return linear(output, weights.interface_weight, weights.interface_bias)


def answer(
    features: Float[Tensor, "batch time features"], weights: NTMWeights, spec: NTMSpec
) -> Float[Tensor, "batch time output"]:
    """The output logits, from hidden and reads of every step."""
    if spec.called and spec.called.output:
        return call("output", spec.called.output, features, len(weights.output_bias))
    return linear(features, weights.output_weight, weights.output_bias)


def controller_step(
    projected: Float[Tensor, "batch numbers"], weights: NTMWeights, state: NTMState, spec: NTMSpec
) -> tuple[
    Float[Tensor, "batch hidden"],
    Float[Tensor, "batch hidden_layers hidden"],
    Float[Tensor, "batch cell_layers hidden"],
]:
    """The controller's output, and its new hidden and cell states of all layers.

    The first layer sees the input and the previous reads, each further one the layer below.
    """
    if callable(spec.controller):
        outputs, hidden, cell = spec.controller(projected, state.reads, state.hidden, state.cell)
        return outputs[-1], hidden, cell
    below = projected + linear(state.reads.flatten(1), weights.read_weight)
    hiddens, cells = [], []
    for layer in range(weights.layer_weight.shape[0] + 1):
        if layer > 0:
            below = linear(below, weights.layer_weight[layer - 1], weights.layer_bias[layer - 1])
        if spec.controller == "lstm":
            gates = below + linear(state.hidden[:, layer], weights.recurrent_weight[layer])
            below, cell = lstm_cell(gates, state.cell[:, layer])
            hiddens.append(below)
            cells.append(cell)
        else:
            below = below.tanh()
    if spec.controller == "lstm":
        return below, torch.stack(hiddens, 1), torch.stack(cells, 1)
    return below, state.hidden, state.cell


def _cut(part: Tensor, bound: float) -> Tensor:
    """The same; what comes back to it is cut to +-bound, number by number."""
    part = part.view_as(part)
    if part.requires_grad:
        part.register_hook(lambda gradient: gradient.clamp(-bound, bound))
    return part


def ntm_step(
    projected: Float[Tensor, "batch numbers"],
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    ends: Sharpen = sharpened,
) -> tuple[Float[Tensor, "batch features"], NTMState, dict[str, Tensor]]:
    """One step: features [h; r], the new state, and every inner tensor by name.

    Args:
        ends: what addressing ends with, for the write heads and then for the read heads; another
            than eq. 9 makes another machine, such as one that chooses a row.
    """
    if spec.gradient_clip:
        state = NTMState(*(_cut(part, spec.gradient_clip) for part in state))
    output, hidden, cell = controller_step(projected, weights, state, spec)
    heads = head_parameters(interface_vector(output, weights, spec), spec)
    reading, writing = slice(None, spec.num_reads), slice(spec.num_reads, None)

    write_weights, write_content = address(
        state.memory, state.write_weights, writing, heads, spec.similarity, ends
    )
    memory = add(erase(state.memory, write_weights, heads.erase), write_weights, heads.add)
    read_from = state.memory if spec.read_first else memory
    read_weights, read_content = address(
        read_from, state.read_weights, reading, heads, spec.similarity, ends
    )
    reads = read(read_from, read_weights)

    inner = {
        **heads._asdict(),
        "content_weights": torch.cat([read_content, write_content], 1),
        "read_weights": read_weights,
        "write_weights": write_weights,
        "reads": reads,
        "memory": memory,
        "hidden": output,
    }
    features = torch.cat([output, reads.flatten(1)], -1)
    return features, NTMState(memory, read_weights, write_weights, reads, hidden, cell), inner


def ntm(
    x: Float[Tensor, "batch time input"],
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    lengths: Int[Tensor, " batch"] | None = None,
    *,
    checkpoint_every: int | None = None,
) -> tuple[Float[Tensor, "batch time output"], NTMState]:
    """A whole sequence: the outputs of every step and the state after the last.

    Args:
        lengths: steps of each sequence; from step `lengths[b]` on, sequence b keeps its state and
            its outputs are zero. None: all steps of all sequences.
        checkpoint_every: for backends that can compute memories again; here all are kept.
    """
    y, state, _ = _unroll(x, weights, state, spec, lengths, keep=False)
    return y, state


def ntm_trace(
    x: Float[Tensor, "batch time input"],
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    lengths: Int[Tensor, " batch"] | None = None,
) -> tuple[Float[Tensor, "batch time output"], NTMState, dict[str, Tensor]]:
    """As `ntm`, with every inner tensor of every step, stacked as (batch, time, ...).

    Past a sequence's length the weightings, memory and reads are those that it keeps; the head
    parameters there are what the machine would have done and mean nothing.
    """
    return _unroll(x, weights, state, spec, lengths, keep=True)


def _unroll(x, weights, state, spec, lengths, *, keep):
    admit(x, weights, state, spec)
    projected = project(x, weights, spec)

    def step(time: int, state: NTMState) -> tuple[Tensor, NTMState, dict[str, Tensor]]:
        return ntm_step(projected[:, time], weights, state, spec)

    features, state, trace = unroll(step, steps(x), state, lengths, keep=shown if keep else None)
    y = answer(features, weights, spec)
    if lengths is not None:
        active = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        y = torch.where(active[..., None], y, torch.zeros_like(y))
    return y, state, trace


def shown(state: NTMState, inner: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a trace shows of a step: of a sequence that has ended, the state that it keeps."""
    names = ("memory", "reads", "read_weights", "write_weights")
    return inner | {name: getattr(state, name) for name in names}

"""The Differentiable Neural Computer, step by step, in plain PyTorch and any floating dtype.

This is the truth that every other backend must equal: outputs, gradients and final state.
Source: Graves, Wayne et al., "Hybrid computing using a neural network with dynamic external
memory", Nature 538 (2016), Methods. Switches come from Csordas & Schmidhuber, arXiv 1904.10278
(`masked`, `erase_freed`, `sharp_links`) and Franke, Niehues & Waibel, arXiv 1807.02658
(`layer_norm`).

| name | symbol | shape |
|---|---|---|
| memory | M | batch, rows, word |
| key, strength | k, beta | batch, reads + 1, word; batch, reads + 1 (reads first, then the write) |
| erase, add | e, v | batch, 1, word |
| free_gates | f | batch, reads |
| allocation_gate, write_gate | g^a, g^w | batch |
| read_modes | pi (backward, content, forward) | batch, reads, 3 |
| usage, precedence, allocation | u, p, a | batch, rows |
| link | L | batch, rows, rows |
| read_weights, write_weights | w^r, w^w | batch, reads or 1, rows |
| reads | r | batch, reads, word |
| hidden, cell | h, s | batch, layers, hidden |
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import layer_norm, linear, softplus

from tapehead.ops.addressing import content_weighting
from tapehead.ops.allocation import (
    allocate_by_softmax,
    allocate_by_sort,
    allocate_in_proportion,
    retention,
    update_usage,
    write_weighting,
)
from tapehead.ops.calling import call
from tapehead.ops.dnc.admission import admit
from tapehead.ops.dnc.parts import DNCSpec, DNCState, DNCWeights, Interface
from tapehead.ops.gate import steps
from tapehead.ops.links import (
    SparseLink,
    backward_weighting,
    dense_link,
    forward_weighting,
    sharpen_link,
    sparse_backward_weighting,
    sparse_forward_weighting,
    update_link,
    update_precedence,
    update_sparse_link,
)
from tapehead.ops.memory import add, erase, read
from tapehead.ops.ntm.reference import lstm_cell
from tapehead.ops.similarity import Similarity, scores
from tapehead.ops.unrolling import unroll

LAYER_NORM_EPSILON = 1e-5

Rows = Float[Tensor, "batch rows"]
Weighting = Float[Tensor, "batch heads rows"]


def oneplus(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """1 + log(1 + e^x)"""
    return 1 + softplus(x)


def masks(x: Float[Tensor, "batch heads word"], floor: float) -> Float[Tensor, "batch heads word"]:
    """sigma(x) (1 - floor) + floor"""
    return x.sigmoid() * (1 - floor) + floor


def split_interface(interface: Float[Tensor, "batch interface"], spec: DNCSpec) -> Interface:
    """The pieces of the interface vector, in the paper's order, each brought into its range."""
    reads, word = spec.num_reads, spec.word_size
    pieces = interface.split(spec.interface_sizes, dim=-1)
    read_key, read_strength, write_key, write_strength, erased, added = pieces[:6]
    free, allocation_gate, write_gate, modes, mask, sharpness = pieces[6:]
    return Interface(
        key=torch.cat([read_key, write_key], -1).unflatten(-1, (reads + 1, word)),
        strength=oneplus(torch.cat([read_strength, write_strength], -1)),
        erase=erased[:, None].sigmoid(),
        add=added[:, None],
        free_gates=free.sigmoid() if spec.freeing else None,
        allocation_gate=allocation_gate[:, 0].sigmoid(),
        write_gate=write_gate[:, 0].sigmoid(),
        read_modes=modes.unflatten(-1, (reads, 3)).softmax(-1),
        mask=masks(mask.unflatten(-1, (-1, word)), spec.mask_floor) if spec.masked else None,
        sharpness=oneplus(sharpness.unflatten(-1, (-1, 2))) if spec.sharp_links else None,
    )


def look_up(
    memory: Float[Tensor, "batch rows word"],
    heads: Interface,
    chosen: slice,
    similarity: str | Similarity,
) -> Weighting:
    """C(M, k, beta) for the `chosen` heads; masked, C(m M, m k, beta) (arXiv 1904.10278, eq. 4)."""
    key, strength = heads.key[:, chosen], heads.strength[:, chosen]
    if heads.mask is None:
        return content_weighting(scores(similarity, key, memory), strength)
    mask = heads.mask[:, chosen]
    masked = (memory[:, None] * mask[:, :, None, :]).flatten(0, 1)
    alike = scores(similarity, (key * mask).flatten(0, 1)[:, None], masked)
    return content_weighting(alike.view(*strength.shape, -1), strength)


def allocate(usage: Rows, weights: DNCWeights, spec: DNCSpec) -> Rows:
    """The allocation weighting of the rule that `spec` names."""
    if spec.allocation == "sort":
        return allocate_by_sort(usage)
    if spec.allocation == "proportional":
        return allocate_in_proportion(usage)
    return allocate_by_softmax(usage, oneplus(weights.allocation_strength))


def controller_step(
    projected: Float[Tensor, "batch numbers"], weights: DNCWeights, state: DNCState, spec: DNCSpec
) -> tuple[
    Float[Tensor, "batch layers_times_hidden"],
    Float[Tensor, "batch hidden_layers hidden"],
    Float[Tensor, "batch cell_layers hidden"],
]:
    """[h^1; ...; h^L], and the new hidden and cell states of all layers.

    Every layer sees the input, the previous reads and the layer below it.
    """
    if callable(spec.controller):
        outputs, hidden, cell = spec.controller(projected, state.reads, state.hidden, state.cell)
        return torch.cat(list(outputs), -1), hidden, cell
    layers = weights.layer_weight.shape[0] + 1
    bound = spec.gradient_clip
    seen = projected + linear(state.reads.flatten(1), weights.read_weight)
    hiddens, cells = [], []
    for layer, gates in enumerate(seen.chunk(layers, dim=-1)):
        if layer > 0:
            gates = gates + linear(hiddens[-1], weights.layer_weight[layer - 1])
        if spec.controller == "lstm":
            gates = gates + linear(state.hidden[:, layer], weights.recurrent_weight[layer])
            hidden, cell = lstm_cell(gates, state.cell[:, layer])
            cells.append(cell)
        else:
            hidden = gates.tanh()
        if bound and hidden.requires_grad:
            hidden.register_hook(lambda gradient: gradient.clamp(-bound, bound))
        hiddens.append(hidden)
    output = torch.cat(hiddens, -1)
    if spec.controller == "lstm":
        return output, torch.stack(hiddens, 1), torch.stack(cells, 1)
    return output, state.hidden, state.cell


def interface_vector(
    output: Float[Tensor, "batch layers_times_hidden"],
    offset: Float[Tensor, "batch interface"],
    weights: DNCWeights,
    spec: DNCSpec,
) -> Float[Tensor, "batch interface"]:
    """xi = W_xi [h^1; ...; h^L] + offset, under layer normalisation if `spec` says so."""
    if spec.called and spec.called.interface:
        interface = call("interface", spec.called.interface, output, spec.interface_size) + offset
    else:
        interface = linear(output, weights.interface_weight) + offset
    if spec.layer_norm:
        size = interface.shape[-1:]
        return layer_norm(interface, size, weights.norm_gain, weights.norm_bias, LAYER_NORM_EPSILON)
    return interface


def follow_links(
    state: DNCState, write_weights: Rows, spec: DNCSpec
) -> tuple[Weighting, Weighting, Tensor, Tensor]:
    """Backward and forward weightings of every read head, and the new link matrix."""
    if not spec.sparse_links:
        link = update_link(state.link, state.precedence, write_weights)
        backward = backward_weighting(link, state.read_weights)
        return backward, forward_weighting(link, state.read_weights), link, state.link_columns
    sparse = update_sparse_link(
        SparseLink(state.link, state.link_columns),
        state.precedence,
        write_weights,
        spec.sparse_links,
    )
    backward = sparse_backward_weighting(sparse, state.read_weights)
    forward = sparse_forward_weighting(sparse, state.read_weights)
    return backward, forward, sparse.values, sparse.columns


def dnc_step(
    projected: Float[Tensor, "batch numbers"],
    offset: Float[Tensor, "batch interface"],
    weights: DNCWeights,
    state: DNCState,
    spec: DNCSpec,
) -> tuple[Float[Tensor, "batch features"], DNCState, dict[str, Tensor]]:
    """One step: features [h^1; ...; h^L; r^1; ...; r^R], the new state, and by name every inner
    tensor that is not part of the state."""
    output, hidden, cell = controller_step(projected, weights, state, spec)
    heads = split_interface(interface_vector(output, offset, weights, spec), spec)
    reading, writing = slice(None, spec.num_reads), slice(spec.num_reads, None)

    kept = torch.ones_like(state.usage)
    if heads.free_gates is not None:
        kept = retention(heads.free_gates, state.read_weights)
    usage = update_usage(state.usage, state.write_weights[:, 0], kept)
    allocation = allocate(usage, weights, spec)
    write_content = look_up(state.memory, heads, writing, spec.similarity)
    write = write_weighting(
        allocation, write_content[:, 0], heads.allocation_gate, heads.write_gate
    )
    memory = erase(state.memory, write[:, None], heads.erase)
    if spec.erase_freed:
        memory = memory * kept[..., None]
    memory = add(memory, write[:, None], heads.add)

    backward, forward, link, link_columns = follow_links(state, write, spec)
    if heads.sharpness is not None:
        backward = sharpen_link(backward, heads.sharpness[..., 0])
        forward = sharpen_link(forward, heads.sharpness[..., 1])
    precedence = update_precedence(state.precedence, write)

    read_content = look_up(memory, heads, reading, spec.similarity)
    modes = heads.read_modes[..., None]
    read_weights = modes[:, :, 0] * backward + modes[:, :, 1] * read_content
    read_weights = read_weights + modes[:, :, 2] * forward
    reads = read(memory, read_weights)

    after = DNCState(
        memory=memory,
        read_weights=read_weights,
        write_weights=write[:, None],
        reads=reads,
        usage=usage,
        precedence=precedence,
        link=link,
        link_columns=link_columns,
        hidden=hidden,
        cell=cell,
    )
    inner = {
        **{name: piece for name, piece in heads._asdict().items() if piece is not None},
        "content_weights": torch.cat([read_content, write_content], 1),
        "backward_weights": backward,
        "forward_weights": forward,
        "allocation": allocation,
        "hidden": output,
    }
    return torch.cat([output, reads.flatten(1)], -1), after, inner


def traced_state(state: DNCState, spec: DNCSpec) -> dict[str, Tensor]:
    """What of the state a trace shows; of sparse links the whole matrix."""
    names = ("memory", "read_weights", "write_weights", "reads", "usage", "precedence")
    shown = {name: getattr(state, name) for name in names}
    link = SparseLink(state.link, state.link_columns)
    return {**shown, "link": dense_link(link) if spec.sparse_links else state.link}


def dnc(
    projected: Float[Tensor, "batch time numbers"],
    offset: Float[Tensor, "batch time interface"],
    weights: DNCWeights,
    state: DNCState,
    spec: DNCSpec,
    lengths: Int[Tensor, " batch"] | None = None,
) -> tuple[Float[Tensor, "batch time features"], DNCState]:
    """A whole sequence: features [h_t; r_t] of every step and the state after the last.

    Args:
        projected: what the input brings to every controller layer, W x_t + b, layer after layer;
            for a controller that was brought along, the input itself.
        offset: what is added to W_xi h_t: a bias, or more when something else sees the input too.
        lengths: steps of each sequence; from step `lengths[b]` on, sequence b keeps its state and
            its features are zero. None: all steps of all sequences.
    """
    features, state, _ = _unroll(projected, offset, weights, state, spec, lengths, keep=False)
    return features, state


def dnc_trace(
    projected: Float[Tensor, "batch time numbers"],
    offset: Float[Tensor, "batch time interface"],
    weights: DNCWeights,
    state: DNCState,
    spec: DNCSpec,
    lengths: Int[Tensor, " batch"] | None = None,
) -> tuple[Float[Tensor, "batch time features"], DNCState, dict[str, Tensor]]:
    """As `dnc`, with every inner tensor of every step, stacked as (batch, time, ...).

    Past a sequence's length the tensors of the state are those that it keeps; the rest there is
    what the machine would have done and means nothing.
    """
    return _unroll(projected, offset, weights, state, spec, lengths, keep=True)


def _unroll(projected, offset, weights, state, spec, lengths, *, keep):
    # The columns are whole numbers; the machine looks at them.
    parts = [part for part in state if part is not state.link_columns]
    names = [name for name in state._fields if name != "link_columns"]
    admit(projected, offset, [*weights, *parts], names, spec)

    def step(time: int, state: DNCState) -> tuple[Tensor, DNCState, dict[str, Tensor]]:
        return dnc_step(projected[:, time], offset[:, time], weights, state, spec)

    def shown(state: DNCState, inner: dict[str, Tensor]) -> dict[str, Tensor]:
        return {**inner, **traced_state(state, spec)}

    return unroll(step, steps(projected), state, lengths, keep=shown if keep else None)

"""The Neural Turing Machine with a choice at each head: one row, or a relaxation of one.

Everything but the choice is the machine of `reference`. The final weighting w of a head (NTM
eq. 9) is a distribution over rows; here its logarithm is handed to a chooser, and what comes back
is read, written and shifted from in its place. With the chooser `soft` this is the plain machine,
but for the floor of the logarithm.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import linear

from tapehead.ops.addressing import circular_shift, content_weighting, interpolate
from tapehead.ops.estimators.addresses import Chooser
from tapehead.ops.memory import add, erase, read
from tapehead.ops.ntm.reference import (
    HeadParameters,
    NTMSpec,
    NTMState,
    NTMWeights,
    controller_step,
    head_parameters,
)
from tapehead.ops.similarity import SIMILARITIES

FLOOR = 1e-6
"""Added to each weight before its logarithm. A head that stood on one row and shifts by one gives
all other rows no weight at all; this is the chance, to within sharpening, that it leaves them, and
it bounds the slope of the logarithm."""


def ntm_choices(
    projected: Float[Tensor, "batch time gates"],
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    choose: Chooser,
    lengths: Int[Tensor, " batch"] | None = None,
    offset: Float[Tensor, "batch time choices rows"] | None = None,
) -> tuple[Float[Tensor, "batch time features"], NTMState, dict[str, Tensor]]:
    """A whole sequence, as `reference.ntm_trace`, with these inner tensors beside its names:

    `logits` and `weights` (choices, rows): each address before and after its choice, in the order
    of choosing: write heads first, as they act first, unless `spec.read_first`.
    """
    outputs, history = [], []
    for time in range(projected.shape[1]):
        shifted = None if offset is None else offset[:, time]
        features, after, inner = _step(
            projected[:, time], weights, state, spec, choose, time, shifted
        )
        if lengths is not None:
            active = time < lengths
            after = NTMState(
                *(_where(active, new, old) for new, old in zip(after, state, strict=True))
            )
            features = _where(active, features, torch.zeros_like(features))
        state = after
        outputs.append(features)
        history.append(inner)
    stacked = {name: torch.stack([step[name] for step in history], 1) for name in history[0]}
    return torch.stack(outputs, 1), state, stacked


def _step(projected, weights, state, spec, choose, time, offset):
    output, hidden, cell = controller_step(projected, weights, state, spec)
    heads = head_parameters(linear(output, weights.interface_weight, weights.interface_bias), spec)
    reading, writing = slice(None, spec.num_reads), slice(spec.num_reads, None)
    first_read = 0 if spec.read_first else spec.num_writes
    first_write = spec.num_reads if spec.read_first else 0

    def address(memory, previous, chosen, first):
        logits, content = address_logits(memory, previous, chosen, heads, spec.similarity)
        if offset is not None:
            logits = logits + offset[:, first : first + logits.shape[1]]
        return logits, choose(logits, time, first), content

    write_logits, write_weights, write_content = address(
        state.memory, state.write_weights, writing, first_write
    )
    memory = add(erase(state.memory, write_weights, heads.erase), write_weights, heads.add)
    read_from = state.memory if spec.read_first else memory
    read_logits, read_weights, read_content = address(
        read_from, state.read_weights, reading, first_read
    )
    reads = read(read_from, read_weights)
    order = [1, 0] if spec.read_first else [0, 1]

    def in_order(written, was_read):
        return torch.cat([(written, was_read)[part] for part in order], 1)

    inner = {
        **heads._asdict(),
        "logits": in_order(write_logits, read_logits),
        "weights": in_order(write_weights, read_weights),
        "content_weights": torch.cat([read_content, write_content], 1),
        "read_weights": read_weights,
        "write_weights": write_weights,
        "reads": reads,
        "memory": memory,
        "hidden": output,
    }
    features = torch.cat([output, reads.flatten(1)], -1)
    return features, NTMState(memory, read_weights, write_weights, reads, hidden, cell), inner


def address_logits(
    memory: Float[Tensor, "batch rows word"],
    previous: Float[Tensor, "batch heads rows"],
    chosen: slice,
    heads: HeadParameters,
    similarity: str,
) -> tuple[Float[Tensor, "batch heads rows"], Float[Tensor, "batch heads rows"]]:
    """Figure 2 of the paper for the `chosen` heads, up to the softmax that ends the sharpening:
    gamma log(w~ + floor), and the content weightings."""
    scores = SIMILARITIES[similarity](heads.key[:, chosen], memory)
    content = content_weighting(scores, heads.strength[:, chosen])
    gated = interpolate(content, previous, heads.gate[:, chosen])
    shifted = circular_shift(gated, heads.shift[:, chosen])
    return heads.sharpening[:, chosen, None] * (shifted + FLOOR).log(), content


def _where(active: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(active.view(-1, *[1] * (new.dim() - 1)), new, old)

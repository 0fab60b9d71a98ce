"""The Neural Turing Machine with a choice at each head: one row, or a relaxation of one.

Everything but the choice is the machine of `reference`. The final weighting w of a head (NTM
eq. 9) is a distribution over rows; here its logarithm is handed to a chooser, and what comes back
is read, written and shifted from in its place. With the chooser `soft` this is the plain machine,
but for the floor of the logarithm.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tapehead.ops.addressing import circular_shift, content_weighting, interpolate
from tapehead.ops.estimators.addresses import Chooser
from tapehead.ops.gate import steps
from tapehead.ops.memory import add, erase, read
from tapehead.ops.ntm.parts import HeadParameters, NTMSpec, NTMState, NTMWeights
from tapehead.ops.ntm.reference import controller_step, head_parameters, interface_vector
from tapehead.ops.similarity import Similarity, scores

FLOOR = 1e-6
"""Added to each weight before its logarithm. A head that stood on one row and shifts by one gives
all other rows no weight at all; this is the chance, to within sharpening, that it leaves them, and
it bounds the slope of the logarithm."""


def ntm_choices(
    projected: Float[Tensor, "batch time numbers"],
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    choose: Chooser,
    lengths: Int[Tensor, " batch"] | None = None,
    offset: Float[Tensor, "batch time choices rows"] | None = None,
    *,
    keep: bool = True,
) -> tuple[Float[Tensor, "batch time features"], NTMState, dict[str, Tensor]]:
    """A whole sequence, as `reference.ntm_trace`, with these inner tensors beside its names:

    `logits` and `weights` (choices, rows): each address before and after its choice, in the order
    of choosing: write heads first, as they act first, unless `spec.read_first`.

    Args:
        keep: give every inner tensor; if false only these two and `hidden`.
    """
    outputs, history = [], []
    for time in steps(projected):
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
        # Of a long sequence every memory would be a great deal.
        names = inner if keep else ("logits", "weights", "hidden")
        history.append({name: inner[name] for name in names})
    stacked = {name: torch.stack([step[name] for step in history], 1) for name in history[0]}
    return torch.stack(outputs, 1), state, stacked


def _step(projected, weights, state, spec, choose, time, offset):
    output, hidden, cell = controller_step(projected, weights, state, spec)
    heads = head_parameters(interface_vector(output, weights, spec), spec)
    reading, writing = slice(None, spec.num_reads), slice(spec.num_reads, None)
    first_read = 0 if spec.read_first else spec.num_writes
    first_write = spec.num_reads if spec.read_first else 0

    write_logits, write_content = address_logits(
        state.memory, state.write_weights, writing, heads, spec.similarity
    )
    write_logits = _moved(write_logits, offset, first_write)
    write_weights = choose(write_logits, time, first_write)
    memory = add(erase(state.memory, write_weights, heads.erase), write_weights, heads.add)
    read_from = state.memory if spec.read_first else memory
    read_logits, read_content = address_logits(
        read_from, state.read_weights, reading, heads, spec.similarity
    )
    read_logits = _moved(read_logits, offset, first_read)
    read_weights = choose(read_logits, time, first_read)
    reads = read(read_from, read_weights)
    in_order = reversed if spec.read_first else iter
    inner = {
        **heads._asdict(),
        "logits": torch.cat([*in_order((write_logits, read_logits))], 1),
        "weights": torch.cat([*in_order((write_weights, read_weights))], 1),
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
    similarity: str | Similarity,
) -> tuple[Float[Tensor, "batch heads rows"], Float[Tensor, "batch heads rows"]]:
    """Figure 2 of the paper for the `chosen` heads, up to the softmax that ends the sharpening:
    gamma log(w~ + floor), and the content weightings."""
    alike = scores(similarity, heads.key[:, chosen], memory)
    content = content_weighting(alike, heads.strength[:, chosen])
    gated = interpolate(content, previous, heads.gate[:, chosen])
    shifted = circular_shift(gated, heads.shift[:, chosen])
    return heads.sharpening[:, chosen, None] * (shifted + FLOOR).log(), content


def _moved(logits: Tensor, offset: Tensor | None, first: int) -> Tensor:
    """The logits of choices from number `first` on, with what they are to be differentiated by."""
    return logits if offset is None else logits + offset[:, first : first + logits.shape[1]]


def _where(active: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(active.view(-1, *[1] * (new.dim() - 1)), new, old)

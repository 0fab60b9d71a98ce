"""Gradients of the Differentiable Neural Computer that can be differentiated again."""

from collections.abc import Sequence

from torch import Tensor

from tapehead.ops import second_order
from tapehead.ops.dnc import reference
from tapehead.ops.dnc.cpu.layout import STATE, WEIGHTS
from tapehead.ops.dnc.parts import DNCSpec, DNCState, DNCWeights


def gradients(
    spec: DNCSpec,
    lengths: Tensor | None,
    columns: Tensor,
    inputs: Sequence[Tensor],
    wanted: Sequence[bool],
    above: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """See `ops.second_order.gradients`; inputs are projected, offset, the allocation's strength
    before oneplus, the weights that the kernel knows, and the state without `columns`."""

    def run(projected, offset, strength, *tensors):
        weights = DNCWeights(*tensors[: len(WEIGHTS)], allocation_strength=strength)
        parts = dict(zip(STATE, tensors[len(WEIGHTS) :], strict=True))
        state = DNCState(link_columns=columns, **parts)
        features, last = reference.dnc(projected, offset, weights, state, spec, lengths)
        return features, *(getattr(last, name) for name in STATE)

    return second_order.gradients(run, inputs, wanted, above, gradient_clip=spec.gradient_clip)

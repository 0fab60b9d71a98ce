"""Gradients of the Neural Turing Machine that can be differentiated again."""

from collections.abc import Sequence

from torch import Tensor

from tapehead.ops import second_order
from tapehead.ops.ntm import reference
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights

_WEIGHTS = len(NTMWeights._fields)


def gradients(
    spec: NTMSpec,
    lengths: Tensor | None,
    inputs: Sequence[Tensor],
    wanted: Sequence[bool],
    above: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """See `ops.second_order.gradients`; inputs are x, all weights, all parts of the state."""

    def run(x, *tensors):
        weights, state = NTMWeights(*tensors[:_WEIGHTS]), NTMState(*tensors[_WEIGHTS:])
        y, last = reference.ntm(x, weights, state, spec, lengths)
        return y, *last

    return second_order.gradients(run, inputs, wanted, above, gradient_clip=spec.gradient_clip)

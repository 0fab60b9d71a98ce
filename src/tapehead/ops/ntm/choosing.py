"""The Neural Turing Machine whose weightings are chosen, step by step, in plain PyTorch.

The weighting that eq. 9 would give is a distribution over rows; what is read, written and shifted
from is what a `Chooser` makes of it (`tapehead.ops.estimators.addresses`). This is the truth that
the kernel must equal: outputs, logits, gradients and final state.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tapehead.ops.addressing import CHOICE_FLOOR
from tapehead.ops.estimators.addresses import Addresses, Chooser, check_addresses
from tapehead.ops.gate import steps
from tapehead.ops.lengths import within_lengths
from tapehead.ops.ntm.admission import admit
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights
from tapehead.ops.ntm.reference import answer, ntm_step, project, shown
from tapehead.ops.unrolling import unroll
from tapehead.ops.verified import Verified

NEEDED = ("logits", "weights", "hidden")
"""The inner tensors that `Chosen` is made of."""

VERIFIED = Verified(
    Path(__file__).with_name("choosing.json"),
    "tapehead.ops.ntm.choosing:ntm",
    "tapehead.ops.ntm.choosing:_Choices",
    "tapehead.ops.estimators.addresses:chosen",
    "tapehead.ops.estimators.draws:Categorical.relax",
)
"""The functions that the kernel was checked against."""


class Chosen(NamedTuple):
    """A run. `logits` and `weights` hold every address before and after its choice, in the order of
    choosing; `hidden` is what the controller gave. Past a sequence's length they mean nothing."""

    y: Float[Tensor, "batch time output"]
    state: NTMState
    logits: Addresses
    weights: Addresses
    hidden: Float[Tensor, "batch time hidden"]


def ntm(
    x: Float[Tensor, "batch time input"],
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    choose: Chooser,
    lengths: Int[Tensor, " batch"] | None = None,
    offset: Addresses | None = None,
) -> Chosen:
    """A whole sequence.

    Args:
        lengths: as for `ops.ntm.reference.ntm`.
        offset: added to the logits of every address; to differentiate by.
    """
    y, state, inner = _unroll(x, weights, state, spec, choose, lengths, offset, keep=False)
    return Chosen(y, state, *(inner[name] for name in NEEDED))


def ntm_trace(
    x: Float[Tensor, "batch time input"],
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    choose: Chooser,
    lengths: Int[Tensor, " batch"] | None = None,
    offset: Addresses | None = None,
) -> tuple[Chosen, dict[str, Tensor]]:
    """As `ntm`, with every inner tensor of every step, `logits` and `weights` among them."""
    y, state, inner = _unroll(x, weights, state, spec, choose, lengths, offset, keep=True)
    return Chosen(y, state, *(inner[name] for name in NEEDED)), inner


def _unroll(x, weights, state, spec, choose, lengths, offset, *, keep):
    admit(x, weights, state, spec)
    check_addresses(x, spec.num_heads, state.memory.shape[1], choose, offset)
    projected = project(x, weights, spec)

    def step(time: int, state: NTMState) -> tuple[Tensor, NTMState, dict[str, Tensor]]:
        shift = None if offset is None else offset[:, time]
        choices = _Choices(choose, time, shift, spec)
        features, after, inner = ntm_step(projected[:, time], weights, state, spec, choices.end)
        return features, after, inner | choices.made()

    def kept(state: NTMState, inner: dict[str, Tensor]) -> dict[str, Tensor]:
        # Of a long sequence every memory would be a great deal.
        return shown(state, inner) if keep else {name: inner[name] for name in NEEDED}

    features, state, inner = unroll(step, steps(x), state, lengths, keep=kept)
    return within_lengths(answer(features, weights, spec), lengths), state, inner


class _Choices:
    """The end of addressing in one step: the distribution over rows goes to a chooser, and what
    comes back is read, written and shifted from in its place.

    With the chooser `soft` this is the plain machine, but for the floor of the logarithm.
    """

    def __init__(self, choose: Chooser, time: int, offset: Tensor | None, spec: NTMSpec):
        self._choose, self._time, self._offset, self._spec = choose, time, offset, spec
        self._asked: dict[int, tuple[Tensor, Tensor]] = {}

    def end(self, shifted: Tensor, sharpening: Tensor, chosen: slice) -> Tensor:
        spec = self._spec
        writes = chosen.start is not None
        # Write heads act first, and so choose first, unless the machine reads first.
        first = (
            (spec.num_reads if spec.read_first else 0)
            if writes
            else (0 if spec.read_first else spec.num_writes)
        )
        logits = sharpening[..., None] * (shifted + CHOICE_FLOOR).log()
        if self._offset is not None:
            logits = logits + self._offset[:, first : first + logits.shape[1]]
        weights = self._choose(logits, self._time, first)
        self._asked[first] = (logits, weights)
        return weights

    def made(self) -> dict[str, Tensor]:
        """Every address before and after its choice, in the order of choosing."""
        in_order = [self._asked[first] for first in sorted(self._asked)]
        return {
            "logits": torch.cat([logits for logits, _ in in_order], 1),
            "weights": torch.cat([weights for _, weights in in_order], 1),
        }

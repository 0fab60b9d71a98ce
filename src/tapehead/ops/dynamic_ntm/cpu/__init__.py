"""The Dynamic NTM on the CPU: the whole sequence in one Numba kernel, and back.

`dynamic_ntm` and `dynamic_ntm_trace` are those of `reference`, sooner, for any `Choosing`. The
mathematics of the backward pass is derived in ops/dynamic_ntm/README.md, the arrangement of numbers
in `layout`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tapehead.ops import second_order
from tapehead.ops.dynamic_ntm import reference
from tapehead.ops.dynamic_ntm.cpu import calls
from tapehead.ops.dynamic_ntm.parts import (
    Chosen,
    DynamicNTMSpec,
    DynamicNTMState,
    DynamicNTMWeights,
)
from tapehead.ops.estimators.addresses import Choosing, check_addresses
from tapehead.ops.gate import asks_for_gradients
from tapehead.ops.lengths import within_lengths

__all__ = ["dynamic_ntm", "dynamic_ntm_trace", "obstacle", "prepare"]

prepare = calls.prepare
dynamic_ntm_trace = reference.dynamic_ntm_trace
"""A trace keeps every memory of every step: to make them costs no more than to keep them."""

_WEIGHTS = len(DynamicNTMWeights._fields)


def obstacle(x: Tensor, spec: DynamicNTMSpec) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if torch.compiler.is_compiling():
        return "its choices are no operator of PyTorch"
    if x.device.type != "cpu":
        return f"its tensors are on {x.device.type}"
    if x.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not {x.dtype}"
    if spec.controller == "own":
        return "it does not know a controller brought along"
    return spec.called.obstacle if spec.called else None


def dynamic_ntm(
    x: Tensor,
    weights: DynamicNTMWeights,
    state: DynamicNTMState,
    spec: DynamicNTMSpec,
    choose: Choosing,
    lengths: Tensor | None = None,
    offset: Tensor | None = None,
) -> Chosen:
    """As `reference.dynamic_ntm`, of a known way of choosing."""
    check_addresses(x, spec.choices, state.content.shape[1], choose, offset)
    given = [tensor for tensor in (choose.noise, offset) if tensor is not None]
    if asks_for_gradients(x, *weights, *state, *given):
        ways = choose._replace(noise=None)
        found = _DynamicNTM.apply(spec, ways, lengths, choose.noise, offset, x, *weights, *state)
        features, logits, rows, *last = found
        # What goes through untouched is no output of the kernel's.
        last = state._replace(**dict(zip(DynamicNTMState._fields, last, strict=False)))
    else:
        (features, last, logits, rows), _ = calls.forward(
            x, weights, state, spec, choose, lengths, offset, keep=False
        )
    hidden = features[..., : state.hidden.shape[1]]
    context = torch.cat([x, torch.cat([state.hidden[:, None], hidden[:, :-1]], 1)], -1)
    y = within_lengths(reference.answer(features, weights, spec), lengths)
    return Chosen(y, last, logits, rows, context)


class _DynamicNTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx, spec, ways, lengths, noise, offset, x, *tensors):
        weights, state = tensors[:_WEIGHTS], tensors[_WEIGHTS:]
        choose = ways._replace(noise=noise)
        found, run = calls.forward(x, weights, state, spec, choose, lengths, offset)
        ctx.save_for_backward(*run, noise, offset, x, *tensors)
        ctx.spec, ctx.ways = spec, ways
        ctx.set_materialize_grads(False)
        last = found.last if spec.controller == "lstm" else found.last[:-1]
        return found.features, found.logits, found.weights, *last

    @staticmethod
    def backward(ctx, *above):
        # To be looked at once: a checkpoint makes them anew for it.
        saved, kept = ctx.saved_tensors, len(calls.Run._fields)
        run, wanted = calls.Run(*saved[:kept]), ctx.needs_input_grad[3:]
        noise, offset, x, *tensors = saved[kept:]
        if second_order.needed(above):
            inputs = [noise, offset, x, *tensors]
            found = _gradients(ctx.spec, ctx.ways, run.lengths, inputs, wanted, above)
            return None, None, None, *found
        d_features, d_logits, d_rows, *d_last = above
        d_last = DynamicNTMState(*d_last, *[None] * (5 - len(d_last)))
        # Through a draw that is hard there is no way to its noise.
        reached = ctx.ways.how != "hard" or ctx.ways.slope == "relaxed"
        d_x, d_weights, d_state, d_noise, d_offset = calls.backward(
            run,
            x,
            tensors[:_WEIGHTS],
            tensors[_WEIGHTS:],
            ctx.spec,
            ctx.ways._replace(noise=noise),
            calls.Found(d_features, d_last, d_logits, d_rows),
            x_wanted=wanted[2],
            noise_wanted=wanted[0] and reached,
            offset_wanted=wanted[1],
        )
        sloping = ctx.ways.how == "soft" or ctx.ways.slope != "none"
        if not sloping and d_logits is None and d_last.recency is None:
            _unreached(ctx.spec, d_weights, d_state)
        return None, None, None, d_noise, d_offset, d_x, *d_weights, None, None, *d_state


def _unreached(
    spec: DynamicNTMSpec, d_weights: list[Tensor | None], d_state: list[Tensor | None]
) -> None:
    """No way leads from what was chosen to what the heads asked for: no gradient, as the reference
    has none, not one of zeros."""
    names = DynamicNTMWeights._fields
    for name in ("read_weight", "read_bias", "write_weight", "write_bias"):
        d_weights[names.index(name)] = None
    names = DynamicNTMState._fields
    d_state[names.index("recency")] = None
    if spec.controller == "feedforward":
        d_state[names.index("hidden")] = None


def _gradients(
    spec: DynamicNTMSpec,
    ways: Choosing,
    lengths: Tensor | None,
    inputs: Sequence[Tensor | None],
    wanted: Sequence[bool],
    above: Sequence[Tensor | None],
) -> list[Tensor | None]:
    """See `ops.second_order.gradients`; inputs are noise, offset, x, all weights, all of the
    state."""

    def run(noise, offset, x, *tensors):
        weights = DynamicNTMWeights(*tensors[:_WEIGHTS])
        state = DynamicNTMState(*tensors[_WEIGHTS:])
        choose = ways._replace(noise=noise)
        found = reference.dynamic_ntm_features(x, weights, state, spec, choose, lengths, offset)
        last = found.state if spec.controller == "lstm" else found.state[:-1]
        return found.y, found.logits, found.weights, *last

    return second_order.gradients(run, inputs, wanted, above)

"""The Neural Turing Machine whose weightings are chosen, on the CPU: the plain machine's kernel
with another end of addressing (`choices`). `ntm` and `ntm_trace` are those of
`ops.ntm.choosing`, sooner.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tapehead.ops import second_order
from tapehead.ops.estimators.addresses import Choosing, check_addresses
from tapehead.ops.gate import asks_for_gradients
from tapehead.ops.ntm import choosing, cpu
from tapehead.ops.ntm.choosing import Chosen
from tapehead.ops.ntm.cpu import calls
from tapehead.ops.ntm.cpu.choices import codes
from tapehead.ops.ntm.cpu.tracing import unpack
from tapehead.ops.ntm.parts import NTMSpec, NTMState, NTMWeights
from tapehead.ops.storage import address, dense

prepare = calls.prepare

_WEIGHTS, _STATE = len(NTMWeights._fields), len(NTMState._fields)
_WEIGHTINGS = [NTMState._fields.index(name) for name in ("read_weights", "write_weights")]


def obstacle(x: Tensor, spec: NTMSpec) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if torch.compiler.is_compiling():
        return "its choices are no operator of PyTorch"
    return cpu.obstacle(x, spec)


def ntm(
    x: Tensor,
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    choose: Choosing,
    lengths: Tensor | None = None,
    offset: Tensor | None = None,
) -> Chosen:
    """As `ops.ntm.choosing.ntm`, of a known way of choosing."""
    noise, ways = choose.noise, choose._replace(noise=None)
    check_addresses(x, spec.num_heads, state[0].shape[1], choose, offset)
    given = [tensor for tensor in (noise, offset) if tensor is not None]
    if asks_for_gradients(x, *weights, *state, *given):
        found = _Choosing.apply(spec, ways, lengths, noise, offset, x, *weights, *state)
        return _chosen(found)
    pieces, steps = [], calls.STEPS_AT_ONCE
    # Without a tape to keep, as many steps at a time as its room is for.
    for low in range(0, x.shape[1], steps):
        here = slice(low, low + steps)
        piece = [None if part is None else part[:, here] for part in (noise, offset)]
        left = None if lengths is None else (lengths - low).clamp(min=0)
        run, more = _forward(x[:, here], weights, state, spec, ways, left, *piece)
        y, last, _ = run
        state = NTMState(*last)
        pieces.append((y, more.logits, more.weights, more.context))
    if len(pieces) > 1:
        pieces = [[torch.cat(parts, 1) for parts in zip(*pieces, strict=True)]]
    y, logits, rows, hidden = pieces[0]
    return Chosen(y, state, logits, rows, hidden)


def ntm_trace(
    x: Tensor,
    weights: NTMWeights,
    state: NTMState,
    spec: NTMSpec,
    choose: Choosing,
    lengths: Tensor | None = None,
    offset: Tensor | None = None,
) -> tuple[Chosen, dict[str, Tensor]]:
    """As `ops.ntm.choosing.ntm_trace`, which it takes where a gradient may be asked for."""
    noise, ways = choose.noise, choose._replace(noise=None)
    given = [tensor for tensor in (noise, offset) if tensor is not None]
    if asks_for_gradients(x, *weights, *state, *given):
        return choosing.ntm_trace(x, weights, state, spec, choose, lengths, offset)
    check_addresses(x, spec.num_heads, state[0].shape[1], choose, offset)
    # One sequence a block and every memory kept: then the tape can be read as it is.
    (y, last, run), more = _forward(
        x, weights, state, spec, ways, lengths, noise, offset, every=1, block=1
    )
    found = Chosen(y, NTMState(*last), more.logits, more.weights, more.context)
    inner = unpack(run, found.state, spec, lengths)
    return found, inner | {"logits": more.logits, "weights": more.weights}


def _chosen(found: Sequence[Tensor]) -> Chosen:
    y, *state, logits, rows, hidden = found
    return Chosen(y, NTMState(*state), logits, rows, hidden)


class _More:
    """What the kernel is given, and what it writes, besides that of the plain machine."""

    def __init__(
        self, x: Tensor, rows: int, hidden: int, spec: NTMSpec, ways: Choosing, *, whole: bool
    ):
        batch, time, _ = x.shape
        room = x.new_empty if whole else x.new_zeros
        self.ways = ways
        self.logits = room(batch, time, spec.num_heads, rows)
        self.weights = room(batch, time, spec.num_heads, rows)
        self.context = room(batch, time, hidden)


def _fields(ways: Choosing, like: Tensor, **tensors: Tensor | None) -> tuple[dict[str, int], Any]:
    """Fields of the kernel's arguments, and what must live as long as they are read."""
    temperature = like.new_full((1,), ways.temperature)
    fields = codes(ways) | {"choice_temperature": temperature.data_ptr()}
    kept = {name: None if part is None else dense(part) for name, part in tensors.items()}
    fields |= {name: 0 if part is None else address(name, part) for name, part in kept.items()}
    return fields, (temperature, kept)


def _forward(x, weights, state, spec, ways, lengths, noise, offset, **room):
    more = _More(x, state[0].shape[1], calls.widths(weights)[0], spec, ways, whole=lengths is None)
    fields, kept = _fields(
        ways,
        x,
        choice_noise=noise,
        choice_offset=offset,
        choice_logits=more.logits,
        choice_weights=more.weights,
        choice_context=more.context,
    )
    run = calls.forward(x, weights, state, spec, lengths, more=fields, **room)
    del kept
    return run, more


class _Choosing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, spec, ways, lengths, noise, offset, x, *tensors):
        weights, state = tensors[:_WEIGHTS], tensors[_WEIGHTS:]
        (y, last, run), more = _forward(x, weights, state, spec, ways, lengths, noise, offset)
        ctx.save_for_backward(run.tape, run.lengths, more.logits, noise, offset, x, *tensors)
        ctx.spec, ctx.ways, ctx.plan = spec, ways, run.plan
        ctx.set_materialize_grads(False)
        return y, *last, more.logits, more.weights, more.context

    @staticmethod
    def backward(ctx, *above):
        tape, lengths, logits, *inputs = ctx.saved_tensors
        wanted = ctx.needs_input_grad[3:]
        if second_order.needed(above):
            found = _gradients(ctx.spec, ctx.ways, lengths, inputs, wanted, above)
            return None, None, None, *found
        d_y, *d_last = above[: 1 + _STATE]
        d_logits, d_weights, d_context = above[1 + _STATE :]
        wanted = list(wanted)
        sloping = ctx.ways.how == "soft" or ctx.ways.slope != "none"
        for at in _WEIGHTINGS:
            # No way leads from what was chosen to the weightings before: no gradient, as the
            # reference has none, not one of zeros.
            if not sloping and d_logits is None and d_last[at] is None:
                wanted[3 + _WEIGHTS + at] = False
        noise, _, _, *tensors = inputs
        # Through a draw that is hard there is no way to its noise.
        reached = ctx.ways.how != "hard" or ctx.ways.slope == "relaxed"
        room = torch.empty_like if lengths is None else torch.zeros_like
        d_noise = room(logits) if wanted[0] and reached else None
        d_offset = room(logits) if wanted[1] else None
        fields, kept = _fields(
            ctx.ways,
            tape,
            choice_noise=noise,
            choice_logits=logits,
            d_choice_logits=d_logits,
            d_choice_weights=d_weights,
            d_choice_context=d_context,
            d_choice_noise=d_noise,
            d_choice_offset=d_offset,
        )
        d_x, d_weights, d_state = calls.backward(
            calls.Run(tape, lengths, ctx.plan),
            tensors[:_WEIGHTS],
            d_y,
            d_last,
            x_wanted=wanted[2],
            state_wanted=wanted[3 + _WEIGHTS :],
            more=fields,
        )
        del kept
        return None, None, None, d_noise, d_offset, d_x, *d_weights, *d_state


def _gradients(spec, ways, lengths, inputs, wanted, above):
    """See `ops.second_order.gradients`; inputs are noise, offset, x, all weights, all of the
    state."""

    def run(noise, offset, x, *tensors):
        weights, state = NTMWeights(*tensors[:_WEIGHTS]), NTMState(*tensors[_WEIGHTS:])
        choose = ways._replace(noise=noise)
        found = choosing.ntm(x, weights, state, spec, choose, lengths, offset)
        return found.y, *found.state, found.logits, found.weights, found.hidden

    return second_order.gradients(run, inputs, wanted, above, gradient_clip=spec.gradient_clip)

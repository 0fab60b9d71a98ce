"""The kernels as operators of PyTorch, for `torch.compile`, `torch.export` and `opcheck`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from tapehead.ops.dnc.cpu import calls, second_order
from tapehead.ops.dnc.cpu.layout import STATE, WEIGHTS
from tapehead.ops.dnc.cpu.sizes import machine_sizes, tape_size
from tapehead.ops.dnc.parts import DNCSpec

EVERY = 16
"""Memory and links are kept every so many steps: one number, so that sizes of tensors follow from
those of the inputs by arithmetic alone."""

_TENSORS = ("strength", *WEIGHTS, *STATE)
_GRADIENTS = ("projected", "offset", *_TENSORS)
_FIRST = 4
"""Where `_TENSORS` begin among the inputs: after projected, offset, lengths and columns."""

_INPUTS = "Tensor projected, Tensor offset, Tensor? lengths, Tensor columns, " + ", ".join(
    f"Tensor {name}" for name in _TENSORS
)
OPTIONS = {
    "num_reads": "int",
    "word_size": "int",
    "controller": "str",
    "similarity": "str",
    "allocation": "str",
    "freeing": "bool",
    "erase_freed": "bool",
    "layer_norm": "bool",
    "masked": "bool",
    "mask_floor": "float",
    "sharp_links": "bool",
    "sparse_links": "int",
    "gradient_clip": "float",
}
"""Fields of the spec, and their types in an operator's schema."""

_SCHEMA = f"{_INPUTS}, {', '.join(f'{kind} {name}' for name, kind in OPTIONS.items())}, int every"


def _tensors(count: int) -> str:
    return f"({', '.join(['Tensor'] * count)})"


_library = torch.library.Library("tapehead", "FRAGMENT")
# Features, the last state and its columns, tape, order.
_library.define(
    f"dnc({_SCHEMA}) -> {_tensors(len(STATE) + 4)}",
    tags=(torch.Tag.needs_fixed_stride_order,),
)
_library.define(
    "dnc_backward(Tensor d_features, "
    + "".join(f"Tensor d_last_{name}, " for name in STATE)
    + f"Tensor features, Tensor tape, Tensor order, {_SCHEMA}) -> "
    + _tensors(len(_GRADIENTS)),
    tags=(torch.Tag.needs_fixed_stride_order,),
)


def dnc(
    projected: Tensor,
    offset: Tensor,
    lengths: Tensor | None,
    columns: Tensor,
    strength: Tensor,
    weights: Sequence[Tensor],
    state: Sequence[Tensor],
    spec: DNCSpec,
    every: int | None,
) -> list[Tensor]:
    """Features, the parts of the last state, and its columns."""
    options = [getattr(spec, name) for name in OPTIONS]
    tensors = (projected, offset, lengths, columns, strength, *weights, *state)
    return torch.ops.tapehead.dnc(*tensors, *options, every or EVERY)[:-2]


def _spec(*options):
    return DNCSpec(**dict(zip(OPTIONS, options, strict=True)))


def _split(inputs):
    """Strength, weights, state, spec and `every` of an operator's inputs."""
    end = _FIRST + len(_TENSORS)
    strength, *rest = inputs[_FIRST:end]
    *options, every = inputs[end:]
    count = len(WEIGHTS)
    return strength, rest[:count], rest[count:], _spec(*options), every


@torch.library.impl(_library, "dnc", "CPU")
def _forward(*inputs):
    projected, offset, lengths, columns = inputs[:_FIRST]
    strength, weights, state, spec, every = _split(inputs)
    run = calls.forward(
        projected, offset, lengths, strength, weights, state, columns, spec, every, clean=True
    )
    # Where there are no columns these are what came in, which an operator must not give back.
    columns = run.columns if spec.sparse_links else run.columns.clone()
    return run.features, *run.last, columns, run.tape, run.order


@torch.library.impl(_library, "dnc_backward", "CPU")
def _backward(d_features, *rest):
    d_last, (features, tape, order), inputs = (
        rest[: len(STATE)],
        rest[len(STATE) : len(STATE) + 3],
        rest[len(STATE) + 3 :],
    )
    strength, weights, state, spec, every = _split(inputs)
    plan = calls.plan_for(inputs[0], weights, state, spec, every)
    lengths = None if inputs[2] is None else inputs[2].long().contiguous()
    run = calls.Run(features, [], inputs[3], tape, order, lengths, plan)
    d_projected, d_offset, d_strength, d_weights, d_state = calls.backward(
        run, strength, weights, state, d_features, d_last, [True] * len(STATE)
    )
    return d_projected, d_offset, d_strength, *d_weights, *d_state


@torch.library.register_fake("tapehead::dnc", lib=_library)
def _fake_forward(*inputs):
    projected = inputs[0]
    _, weights, state, spec, every = _split(inputs)
    batch, time, _ = projected.shape
    rows, layers = state[0].shape[1], weights[2].shape[0] + 1
    hidden = weights[3].shape[1] // layers
    sizes = machine_sizes(spec, rows, hidden, layers, projected.element_size())
    features = projected.new_empty(batch, time, sizes["features_size"])
    last = [projected.new_empty(tensor.shape) for tensor in state]
    last.append(inputs[3].new_empty(inputs[3].shape))
    tape = projected.new_empty(batch, tape_size(sizes, time, every))
    order = projected.new_empty(batch, time, rows, dtype=torch.int64)
    return features, *last, tape, order


@torch.library.register_fake("tapehead::dnc_backward", lib=_library)
def _fake_backward(d_features, *rest):
    inputs = rest[len(STATE) + 3 :]
    tensors = [*inputs[:2], *inputs[_FIRST : _FIRST + len(_TENSORS)]]
    return tuple(tensor.new_empty(tensor.shape) for tensor in tensors)


def _setup_context(ctx, inputs, output):
    end = _FIRST + len(_TENSORS)
    ctx.options = inputs[end:]
    features, (columns, tape, order) = output[0], output[-3:]
    ctx.save_for_backward(features, tape, order, *inputs[:end])
    ctx.mark_non_differentiable(columns, tape, order)


def _through(ctx, *gradients):
    if torch.is_grad_enabled():
        _, _, _, projected, offset, lengths, columns, *rest = ctx.saved_tensors
        wanted = [*ctx.needs_input_grad[:2], *ctx.needs_input_grad[_FIRST : _FIRST + len(_TENSORS)]]
        d_projected, d_offset, *d_rest = second_order.gradients(
            _spec(*ctx.options[:-1]),
            lengths,
            columns,
            [projected, offset, *rest],
            wanted,
            gradients[:-3],
        )
        return d_projected, d_offset, None, None, *d_rest, *[None] * len(ctx.options)
    d_projected, d_offset, *d_rest = torch.ops.tapehead.dnc_backward(
        *gradients[:-3], *ctx.saved_tensors, *ctx.options
    )
    return d_projected, d_offset, None, None, *d_rest, *[None] * len(ctx.options)


torch.library.register_autograd(
    "tapehead::dnc", _through, setup_context=_setup_context, lib=_library
)

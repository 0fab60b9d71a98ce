"""One step after another: what every reference does with its equations."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Inner = dict[str, Tensor]
"""Tensors of a step by name."""


def unroll(
    step: Callable[[int, Any], tuple[Tensor, Any, Inner]],
    times: Iterable[int],
    state: Any,
    lengths: Int[Tensor, " batch"] | None = None,
    *,
    keep: Callable[[Any, Inner], Inner] | None = None,
) -> tuple[Float[Tensor, "batch time numbers"], Any, Inner]:
    """Outputs of every step, the state after the last, and what was kept, stacked as (batch, time,
    ...).

    Args:
        step: from its number and the state before it to its output (batch, numbers), the state
            after it, a NamedTuple, and its inner tensors.
        lengths: steps of each sequence; from step `lengths[b]` on, sequence b keeps its state and
            its outputs are zero. None: all steps of all sequences.
        keep: from the state after a step and its inner tensors to those that are kept; None keeps
            nothing.
    """
    outputs, history = [], []
    for time in times:
        output, after, inner = step(time, state)
        if lengths is not None:
            active = time < lengths
            after = type(after)(
                *(where_active(active, new, old) for new, old in zip(after, state, strict=True))
            )
            output = where_active(active, output, torch.zeros_like(output))
        state = after
        outputs.append(output)
        if keep is not None:
            history.append(keep(state, inner))
    kept = (
        {name: torch.stack([each[name] for each in history], 1) for name in history[0]}
        if keep is not None
        else {}
    )
    return torch.stack(outputs, 1), state, kept


def where_active(active: Bool[Tensor, " batch"], new: Tensor, old: Tensor) -> Tensor:
    """What sequences have that go on, and what those keep that have ended."""
    return torch.where(active.view(-1, *[1] * (new.dim() - 1)), new, old)

"""The gate of the Differentiable Neural Computer: what its weights and its state must be like."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from tapehead.ops.dnc.parts import DNCSpec, DNCWeights
from tapehead.ops.gate import Admitted, check_alike, check_rank, is_dense, size

NAMES = {"interface_weight": "interface.weight"}
"""Weights that a machine calls otherwise than `DNCWeights`."""


_admitted = Admitted()


def admit(
    projected: Tensor,
    offset: Tensor,
    tensors: Sequence[Tensor],
    parts: Sequence[str],
    spec: DNCSpec,
) -> None:
    """Raise unless all is of the type of `projected` (batch, time, gates), on its device, and of
    shapes that fit each other.

    Args:
        tensors: the first weights, as many as there are, and the `parts` of the state.
    """
    # Sizes may be symbols in a graph being captured, and those fit into no cache.
    fresh = torch.compiler.is_compiling()
    all_tensors, given = (offset, *tensors), (spec, len(parts))
    # A shape that has passed is of the right rank.
    if (
        not fresh
        and is_dense(projected)
        and _admitted.again((*given, projected.shape), all_tensors, like=projected)
    ):
        return
    check_rank("projected", projected, "batch", "time", "gates")
    key = (*given, projected.shape)
    weights = DNCWeights._fields[: len(tensors) - len(parts)]
    layers, own = size("layer_weight", tensors[2], 0) + 1, None
    if spec.called:
        # The cache must not keep a machine's parts alive.
        spec = replace(spec, called=None)
    if callable(spec.controller):
        # Which states it has is its own affair, and the cache must not keep it alive.
        spec = replace(spec, controller="own", similarity="own")
        of_layers = [tensors[len(weights) + parts.index(part)] for part in ("hidden", "cell")]
        hidden, own = (
            size("interface.weight", tensors[3], 1),
            tuple(tuple(part.shape[1:]) for part in of_layers),
        )
    else:
        hidden = projected.shape[2] // (4 * layers if spec.controller == "lstm" else layers)
    rows = size("state.memory", tensors[len(weights) + parts.index("memory")], 1)
    batch, time, _ = projected.shape
    names, shapes = (_shapes.__wrapped__ if fresh else _shapes)(
        spec, batch, time, rows, hidden, layers, len(weights), tuple(parts), own
    )
    check_alike(names, all_tensors, shapes, like=projected)
    if not fresh and key[0] is spec:
        _admitted.remember(key, all_tensors)


Shapes = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=256)
def _shapes(
    spec: DNCSpec,
    batch: int,
    time: int,
    rows: int,
    hidden: int,
    layers: int,
    count: int,
    parts: tuple[str, ...],
    own: Shapes | None = None,
) -> tuple[tuple[str, ...], Shapes]:
    """Names and shapes of the offset, of the first `count` weights, and of parts of the state.

    Args:
        own: shapes of hidden and cell state of a controller that was brought along, whose layers
            are then one to all else.
    """
    recurrent, gates = (layers, 4 * hidden) if spec.controller == "lstm" else (0, hidden)
    width = hidden
    if own is not None:
        gates, width = 0, own[0][-1]
    with_hidden, with_cell = ((recurrent, hidden), (recurrent, hidden)) if own is None else own
    reads, word, sparse = spec.num_reads, spec.word_size, spec.sparse_links
    interface, kept = spec.interface_size, min(spec.sparse_links, rows)
    norm = (interface if spec.layer_norm else 0,)
    weights = dict(  # noqa: C408
        read_weight=(layers * gates, reads * word),
        recurrent_weight=(recurrent, gates, width),
        layer_weight=(layers - 1, gates, width),
        interface_weight=(interface, layers * hidden),
        norm_gain=norm,
        norm_bias=norm,
        allocation_strength=(),
    )
    state = dict(  # noqa: C408
        memory=(rows, word),
        read_weights=(reads, rows),
        write_weights=(1, rows),
        reads=(reads, word),
        usage=(rows,),
        precedence=(rows,),
        link=(rows, kept if sparse else rows),
        link_columns=(rows, kept),
        hidden=with_hidden,
        cell=with_cell,
    )
    of_weights = DNCWeights._fields[:count]
    names = [NAMES.get(name, name) for name in of_weights]
    names += [f"state.{name}" for name in parts]
    shapes = [(batch, time, interface), *(weights[name] for name in of_weights)]
    shapes += [(batch, *state[name]) for name in parts]
    return ("offset", *names), tuple(shapes)

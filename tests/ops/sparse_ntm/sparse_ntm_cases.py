"""Arguments of the sparse NTM's operation, and all that comes out of a run, gradients too."""

import pytest
import torch

from tapehead.ops.sparse_ntm.parts import SparseNTMSpec, SparseNTMState, SparseNTMWeights

F64 = {"dtype": torch.float64}

CASES = {
    # batch, time, rows, word, heads, kept, hidden
    "one of each": (1, 1, 1, 1, 1, 1, 1),
    "more heads and kept than rows": (2, 5, 3, 4, 5, 4, 3),
    "odd": (5, 9, 17, 11, 3, 2, 13),
    "six heads": (3, 30, 40, 8, 6, 4, 9),
    "long, few rows": (2, 63, 5, 3, 1, 2, 4),
    "many rows": (2, 12, 1000, 33, 4, 4, 20),
}

every_case = pytest.mark.parametrize("name", CASES)


def given(name, dtype=torch.float64, *, begun=False, threshold=0.005):
    """Arguments of the operation; a memory that has begun is full, its rows used now and then."""
    batch, time, rows, word, heads, kept, hidden = CASES[name]
    draw = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(*shape, generator=draw, **F64).to(dtype)

    kept = min(kept, rows)
    spec = SparseNTMSpec(num_heads=heads, kept=kept, word_size=word, threshold=threshold)
    weights = SparseNTMWeights(
        0.5 * normal(4 * hidden, heads * word),
        0.5 * normal(4 * hidden, hidden),
        normal(sum(spec.interface_sizes), hidden),
        normal(sum(spec.interface_sizes)),
    )
    weighting = normal(batch, heads, kept).softmax(-1)
    state = SparseNTMState(
        memory=normal(batch, rows, word) if begun else torch.zeros((), dtype=dtype),
        accessed=torch.randint(0, 9, (batch, rows), generator=draw) * begun,
        clock=torch.full((batch,), 9 * begun),
        read_rows=torch.stack(
            [torch.randperm(rows, generator=draw)[:kept] for _ in range(batch * heads)]
        ).view(batch, heads, kept),
        read_weights=weighting * begun,
        reads=normal(batch, heads, word) * begun,
        hidden=normal(batch, hidden) * begun,
        cell=normal(batch, hidden) * begun,
    )
    state = state._replace(memory=state.memory.expand(batch, rows, word))
    return normal(batch, time, 4 * hidden), weights, state, spec


def with_gradients(arguments):
    projected, weights, state, spec = arguments
    state = [part.clone().requires_grad_() if part.is_floating_point() else part for part in state]
    weights = SparseNTMWeights(*(weight.clone().requires_grad_() for weight in weights))
    return projected.clone().requires_grad_(), weights, SparseNTMState(*state), spec


def everything(module, arguments, lengths=None, which=slice(None)):
    """Features, the last state, and the gradients of all by all of them that are in `which`."""
    arguments = with_gradients(arguments)
    features, last = module.sparse_ntm(*arguments, lengths)
    loss = torch.zeros((), **F64).to(features.dtype)
    for part in (features, *last)[which]:
        if part.is_floating_point():
            weights = torch.randn(part.shape, generator=torch.Generator().manual_seed(1), **F64)
            loss = loss + (part * weights.to(part.dtype)).sum()
    projected, own, state, _ = arguments
    wanted = [projected, *own, *(part for part in state if part.is_floating_point())]
    return features, tuple(last), torch.autograd.grad(loss, wanted, allow_unused=True)

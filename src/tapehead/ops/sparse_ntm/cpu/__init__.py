"""The sparse NTM on the CPU: the whole sequence in one Numba kernel, and back.

`sparse_ntm` and `sparse_ntm_trace` are those of `reference`. The kernel changes one copy of the
memory in place, row by row, and keeps the rows that were read: ops/sparse_ntm/README.md says why
that is enough to come back.
"""

import torch
from torch import Tensor

from tapehead.ops.gate import asks_for_gradients
from tapehead.ops.second_order import gradients, needed
from tapehead.ops.sparse_ntm import reference
from tapehead.ops.sparse_ntm.cpu import calls
from tapehead.ops.sparse_ntm.parts import SparseNTMSpec, SparseNTMState, SparseNTMWeights

__all__ = ["obstacle", "prepare", "sparse_ntm", "sparse_ntm_trace"]

prepare = calls.prepare
sparse_ntm_trace = reference.sparse_ntm_trace
"""A trace shows all rows of every step, and so may as well look at them."""


def obstacle(tensor: Tensor, spec: SparseNTMSpec) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if tensor.device.type != "cpu":
        return f"its tensors are on {tensor.device.type}"
    if tensor.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not {tensor.dtype}"
    if spec.interface is not None:
        return "interface must be called: hooks, or no plain torch.nn.Linear"
    return None


def sparse_ntm(
    projected: Tensor,
    weights: SparseNTMWeights,
    state: SparseNTMState,
    spec: SparseNTMSpec,
    lengths: Tensor | None = None,
) -> tuple[Tensor, SparseNTMState]:
    """As `reference.sparse_ntm`."""
    if torch.compiler.is_compiling():
        return reference.sparse_ntm(projected, weights, state, spec, lengths)
    if not asks_for_gradients(projected, *weights, *state):
        return calls.forward(projected, weights, state, spec, lengths, keep=False)[:2]
    features, *last = _SparseNTM.apply(spec, lengths, projected, *weights, *state)
    return features, SparseNTMState(*last)


_WEIGHTS = len(SparseNTMWeights._fields)


class _SparseNTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx, spec, lengths, projected, *tensors):
        weights, state = tensors[:_WEIGHTS], SparseNTMState(*tensors[_WEIGHTS:])
        features, last, run = calls.forward(projected, weights, state, spec, lengths)
        ctx.save_for_backward(*run, features, projected, *tensors)
        ctx.spec = spec
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(last.accessed, last.clock, last.read_rows)
        return features, *last

    @staticmethod
    def backward(ctx, *grad_outputs):
        tape, rows, lengths, features, *inputs = ctx.saved_tensors
        wanted = ctx.needs_input_grad[2:]
        if needed(grad_outputs):
            found = gradients(_reference(ctx.spec, lengths), inputs, wanted, grad_outputs)
            return None, None, *found
        d_features, *d_last = grad_outputs
        weights = inputs[1 : 1 + _WEIGHTS]
        d_projected, d_weights, d_state = calls.backward(
            calls.Run(tape, rows, lengths),
            weights,
            SparseNTMState(*inputs[1 + _WEIGHTS :]),
            features,
            d_features,
            SparseNTMState(*d_last),
            memory_wanted=wanted[1 + _WEIGHTS],
        )
        return None, None, d_projected, *d_weights, *d_state


def _reference(spec: SparseNTMSpec, lengths: Tensor | None):
    def run(projected: Tensor, *tensors: Tensor) -> list[Tensor]:
        weights = SparseNTMWeights(*tensors[:_WEIGHTS])
        state = SparseNTMState(*tensors[_WEIGHTS:])
        features, last = reference.sparse_ntm(projected, weights, state, spec, lengths)
        return [features, *last]

    return run

"""The slots of the entity network on the CPU: a whole story in one Numba kernel, and back.

`entities` is `reference.entities`, sooner: a story costs its own sentences alone, and the gradient
of U is one product over all of them.
"""

import torch
from torch import Tensor

from tapehead.ops.entities import reference
from tapehead.ops.entities.cpu import calls
from tapehead.ops.gate import asks_for_gradients
from tapehead.ops.second_order import gradients, needed

__all__ = ["entities", "obstacle", "prepare"]

prepare = calls.prepare


def obstacle(tensor: Tensor, spec: None = None) -> str | None:
    """Why this backend cannot run, or None if it can."""
    if tensor.device.type != "cpu":
        return f"its tensors are on {tensor.device.type}"
    if tensor.dtype not in (torch.float32, torch.float64):
        return f"it computes in float32 or float64, not {tensor.dtype}"
    return None


def entities(*inputs: Tensor) -> Tensor:
    """As `reference.entities`."""
    if torch.compiler.is_compiling():
        return reference.entities(*inputs)
    if not asks_for_gradients(*inputs):
        return calls.forward(*inputs)[0]
    return _Entities.apply(*inputs)


class _Entities(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *inputs):
        held, run = calls.forward(*inputs)
        ctx.save_for_backward(*run, *inputs)
        return held

    @staticmethod
    def backward(ctx, *grad_outputs):
        (d_held,) = grad_outputs
        saved = ctx.saved_tensors
        run, inputs = calls.Run(*saved[:3]), saved[3:]
        if needed([d_held]):
            wanted = [*ctx.needs_input_grad[:-2], False, False]
            found = gradients(lambda *names: [reference.entities(*names)], inputs, wanted, [d_held])
            return tuple(found)
        return *calls.backward(run, inputs, d_held), None, None

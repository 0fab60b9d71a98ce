"""Kernels against the reference in float64: random machines of odd sizes, odd lengths, inputs in
any arrangement. Outputs, last state and all gradients; and a sequence in pieces as the whole."""

import copy
import random
from typing import Any

import torch
from harness import Case, Wrong
from torch import Tensor
from values import _strided

import machines
from tapehead import DNC, NTM, DiscreteNTM
from tapehead.machines import Recurrent

CLOSE = 1e-9
"""Largest error of a tensor, in units of its own length."""
NEAR_NOTHING = 1e-5
"""Of the longest gradient: one that is shorter is held against this."""


def case(draw: random.Random) -> Case:
    """A machine that has a kernel, a sequence, where it starts and how long it is."""
    torch.manual_seed(draw.getrandbits(60))
    while True:
        machine = machines.machine(draw)
        if isinstance(machine, NTM | DNC) and machine.backend_choice().backend == "cpu":
            break
    machine = machines.stirred(machine.double(), draw.choice((0.0, 0.1, 0.3, 1.0)))
    batch, time = draw.choice((1, 2, 3, 5, 16)), draw.choice((1, 2, 3, 7, 13, 31))
    x = torch.randn(batch, time, machine.input_size, dtype=torch.float64)
    x = x * draw.choice((0.1, 1.0, 1.0, 10.0))
    lengths = None
    if draw.random() < 0.4:
        lengths = torch.tensor([draw.randint(1, time) for _ in range(batch)])
    x = _strided(draw, x) if draw.random() < 0.5 else x
    state = None
    if draw.random() < 0.6:
        # One that a machine can come to: rows that are used alike would be told apart by rounding.
        with torch.no_grad():
            _, state = machine(torch.randn(batch, 4, machine.input_size, dtype=torch.float64))
    cut = draw.randint(1, time - 1) if time > 1 and lengths is None else None
    if getattr(machine, "ahead", None) is not None:
        cut = None
    values = {"x": tuple(x.shape), "lengths": lengths, "state": state is not None, "cut": cut}
    values["machine"] = machine.spec
    label = type(machine).__name__
    return Case(label, lambda: compare(machine, x, state, lengths, cut), (), values)


def compare(
    machine: Recurrent, x: Tensor, state: Any, lengths: Tensor | None, cut: int | None
) -> None:
    """Raise unless kernel and reference agree, and pieces with the whole."""
    reference = copy.deepcopy(machine)
    machine.backend, reference.backend = "cpu", "reference"
    truth = everything(reference, x, state, lengths)
    _agree(everything(machine, x, state, lengths), truth, "the kernel")
    if cut is not None:
        _agree(everything(machine, x, state, lengths, cut), truth, f"the kernel cut at {cut}")
    traced = machine.trace(x, state, lengths=lengths).y
    # A DiscreteNTM is traced through the logarithms of its weightings, which adds a little to each.
    if lengths is None and not isinstance(machine, DiscreteNTM):
        _agree({"y": traced.detach()}, {"y": truth["y"]}, "the trace")


def everything(
    machine: Recurrent, x: Tensor, state: Any, lengths: Tensor | None, cut: int | None = None
) -> dict[str, Tensor]:
    """Outputs, last state, and the gradient of all that went in."""
    x = x.detach().requires_grad_()
    given = {}
    if state is not None:
        state = type(state)(
            *(s.detach().requires_grad_() if s.is_floating_point() else s for s in state)
        )
        given = {f"d state.{n}": s for n, s in state._asdict().items() if s.requires_grad}
    outputs, after = [], state
    for piece in x.split([cut, x.shape[1] - cut], 1) if cut else [x]:
        y, after = machine(piece, after, lengths=lengths)
        outputs.append(y)
    y = torch.cat(outputs, 1)
    if lengths is not None:
        y = y * (torch.arange(x.shape[1]) < lengths[:, None])[..., None]
    found = {"y": y} | {f"last {name}": part for name, part in after._asdict().items()}
    generator = torch.Generator().manual_seed(1)
    loss = sum(
        (part * torch.randn(part.shape, generator=generator, dtype=part.dtype)).sum()
        for part in found.values()
        if part.is_floating_point()
    )
    leaves = {"d x": x, **given} | {f"d {n}": p for n, p in machine.named_parameters()}
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    found |= {n: g for n, g in zip(leaves, gradients, strict=True) if g is not None}
    return {name: part.detach() for name, part in found.items() if part.numel()}


def _agree(found: dict[str, Tensor], truth: dict[str, Tensor], what: str) -> None:
    if found.keys() != truth.keys():
        raise Wrong(f"{what} has other parts: {found.keys() ^ truth.keys()}")
    lengths = [part.norm().item() for name, part in truth.items() if name.startswith("d ")]
    longest = max(lengths, default=0.0)
    for name, wanted in truth.items():
        if not wanted.is_floating_point():
            continue
        size = max(wanted.norm().item(), NEAR_NOTHING * longest if name.startswith("d ") else 1e-12)
        error = (found[name] - wanted).norm().item()
        if not error <= CLOSE * size:
            raise Wrong(f"{what} is off by {error / (size or 1):.1e} in {name}")

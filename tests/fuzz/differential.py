"""Kernels against the reference in float64: random machines of odd sizes, odd lengths, inputs in
any arrangement. Outputs, last state and all gradients; a sequence in pieces as the whole, and a
trace as the run that it is of. Of machines that choose rows, which have no kernel, the last two.

Where a machine ranks numbers that are the same but for their rounding (the DNC sorts rows by usage)
no two computations need agree: a case is undecided if the reference, shaken by a rounding error at
each step, moves as far from itself as the kernel is from it.
"""

import copy
import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from harness import Case, Wrong
from torch import Tensor
from values import _strided

import machines
from tapehead.machines import Recurrent
from tapehead.machines.discrete import DiscreteMachine
from tapehead.ops.links import SparseLink, dense_link

CLOSE = 1e-9
"""Largest error of a tensor, in units of its own length."""
NEAR_NOTHING = 1e-5
"""Of the longest gradient: one that is shorter is held against this."""


SHAKES = 8
"""Times that the reference is run again, to see how far rounding errors move it."""
ROUNDING = 1e-15


def case(draw: random.Random) -> Case:
    """A machine that has a kernel or chooses rows, a sequence, where it starts, and its lengths."""
    torch.manual_seed(draw.getrandbits(60))
    while True:
        machine = machines.machine(draw)
        if machine.backend_choice().backend == "cpu" or _chooses(machine):
            break
    machine = machines.stirred(machine.double(), draw.choice((0.0, 0.1, 0.3, 1.0)))
    machine.train(draw.random() < 0.5)
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
    # What a machine draws for a sequence depends on how long it is.
    if getattr(machine, "ahead", None) is not None or (_chooses(machine) and machine.training):
        cut = None
    values = {"x": tuple(x.shape), "lengths": lengths, "state": state is not None, "cut": cut}
    values["machine"] = getattr(machine, "spec", machine)
    label = type(machine).__name__
    return Case(label, lambda: compare(machine, x, state, lengths, cut), (), values)


def _chooses(machine: Recurrent) -> bool:
    return isinstance(machine, DiscreteMachine) and machine.addressing != "soft"


def compare(
    machine: Recurrent, x: Tensor, state: Any, lengths: Tensor | None, cut: int | None
) -> str | None:
    """Raise unless kernel and reference agree, pieces with the whole, and the trace with both."""
    reference = copy.deepcopy(machine)
    if not _chooses(machine):
        machine.backend, reference.backend = "cpu", "reference"
    truth = everything(reference, x, state, lengths)
    found = {"the kernel": everything(machine, x, state, lengths)}
    if cut is not None:
        found[f"the kernel cut at {cut}"] = everything(machine, x, state, lengths, [cut])
    # Without gradients it is the kernel's own, with them the reference's.
    with torch.no_grad():
        found["the trace"] = _traced(machine, x, state, lengths)
    found["the trace with gradients"] = _traced(machine, x, state, lengths)
    for what, parts in found.items():
        if (fault := _fault(parts, truth, what)) is not None:
            if _shaky(reference, x, state, lengths, truth, fault.error):
                return "undecided"
            raise Wrong(fault.text)
    return None


def _traced(machine: Recurrent, x: Tensor, state: Any, lengths: Tensor | None) -> dict[str, Tensor]:
    torch.manual_seed(SAME)
    trace = machine.trace(x, state, lengths=lengths)
    parts = {f"last {name}": part for name, part in _comparable(trace.state).items()}
    parts = {"y": _within(trace.y, lengths)} | parts
    return {name: part.detach() for name, part in parts.items() if part.numel()}


def _comparable(state: Any) -> dict[str, Tensor]:
    """The parts of a state by name, sparse links as a matrix: in which place a row keeps one is
    the affair of whoever computes it."""
    parts = state._asdict()
    columns = parts.pop("link_columns", None)
    if columns is not None and columns.numel():
        parts["link"] = dense_link(SparseLink(parts["link"], columns))
    return parts


SAME = 1
"""Seed of what a machine draws, so that it draws the same each time."""


def _within(y: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return y
    return y * (torch.arange(y.shape[1]) < lengths[:, None])[..., None]


def _shaky(
    reference: Recurrent,
    x: Tensor,
    state: Any,
    lengths: Tensor | None,
    truth: dict[str, Tensor],
    error: float,
) -> bool:
    """Whether rounding errors move the reference by as much as an error."""
    whole = lengths is not None or getattr(reference, "ahead", None) is not None
    cuts = [] if whole or _chooses(reference) else list(range(1, x.shape[1]))
    for _ in range(SHAKES):
        shaken = copy.deepcopy(reference)
        with torch.no_grad():
            for weight in shaken.parameters():
                weight.copy_(_shake(weight))
        moved = everything(shaken, _shake(x), state, lengths, cuts, shake=_shake)
        fault = _fault(moved, truth, "the reference")
        if fault is not None and fault.error > error / 100:
            return True
    return False


def _shake(part: Tensor) -> Tensor:
    if not part.is_floating_point():
        return part
    return part * (1 + ROUNDING * torch.randn(part.shape, dtype=part.dtype))


def everything(
    machine: Recurrent,
    x: Tensor,
    state: Any,
    lengths: Tensor | None,
    cuts: Sequence[int] = (),
    shake: Callable[[Tensor], Tensor] = lambda part: part,
) -> dict[str, Tensor]:
    """Outputs, last state, and the gradient of all that went in.

    Args:
        cuts: steps before which the sequence is cut; `shake` changes the state there.
    """
    x = x.detach().requires_grad_()
    given = {}
    if state is not None:
        state = type(state)(
            *(s.detach().requires_grad_() if s.is_floating_point() else s for s in state)
        )
        given = {f"d state.{n}": s for n, s in state._asdict().items() if s.requires_grad}
    torch.manual_seed(SAME)
    outputs, after = [], state
    for piece in x.tensor_split(list(cuts), 1):
        y, after = machine(piece, after, lengths=lengths)
        after = type(after)(*map(shake, after)) if cuts else after
        outputs.append(y)
    y = _within(torch.cat(outputs, 1), lengths)
    found = {"y": y} | {f"last {name}": part for name, part in _comparable(after).items()}
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


class Fault(NamedTuple):
    text: str
    error: float


def _fault(found: dict[str, Tensor], truth: dict[str, Tensor], what: str) -> Fault | None:
    """How far the furthest part is from what it should be, in units of its length, if too far.

    A trace has no gradients to compare; all else has what the truth has.
    """
    names = [name for name in truth if not ("trace" in what and name.startswith("d "))]
    if found.keys() != set(names):
        return Fault(f"{what} has other parts: {found.keys() ^ set(names)}", math.inf)
    lengths = [part.norm().item() for name, part in truth.items() if name.startswith("d ")]
    longest = max(lengths, default=0.0)
    furthest = Fault("", 0.0)
    for name in names:
        wanted = truth[name]
        if not wanted.is_floating_point():
            continue
        size = max(wanted.norm().item(), NEAR_NOTHING * longest if name.startswith("d ") else 1e-12)
        error = (found[name] - wanted).norm().item() / size
        if not error <= max(CLOSE, furthest.error):
            error = math.inf if math.isnan(error) else error
            furthest = Fault(f"{what} is off by {error:.1e} in {name}", error)
    return furthest if furthest.error else None

"""Inputs, states, lengths and weights that no machine can take, on every machine, in every mode of
PyTorch. What is accepted must come out as it does for the same numbers in plain tensors."""

import contextlib
import copy
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from harness import REFUSALS, Case, Wrong
from torch import Tensor
from values import lengths_like, numbers_like, states_like, weights_like

import machines
from tapehead.machines import Recurrent


class Call(NamedTuple):
    """One call of a machine. `method`: forward, trace, step, backward, pieces or loss."""

    machine: Recurrent
    method: str
    x: Any
    state: Any
    lengths: Any


METHODS = ("forward", "forward", "trace", "step", "backward", "pieces", "loss")
HOSTILE = ("x", "state", "lengths", "weights")


def case(draw: random.Random) -> Case:
    """One or two arguments of a call replaced, a mode of PyTorch switched on, or both."""
    torch.manual_seed(draw.getrandbits(60))
    machine = machines.machine(draw)
    if hasattr(machine, "backend") and machine.backend_choice().backend == "cpu":
        machine.backend = draw.choice(("auto", "auto", "reference", "cpu"))
    if draw.random() < 0.3:
        machine.double()
    machine.train(draw.random() < 0.3)
    method = draw.choice(METHODS)
    if method == "loss" and machine.objective != "rows":
        method = "forward"
    if method == "step" and getattr(machine, "ahead", None) is not None:
        method = "forward"
    batch, time = draw.choice((1, 2, 3, 5)), draw.choice((1, 2, 3, 6))
    kind = machine._weight().dtype
    x = torch.randn(batch, time, machine.input_size, dtype=kind)
    x = x[:, 0] if method == "step" else x
    state = _state(draw, machine, x) if method != "loss" else None
    lengths = None
    if method != "step" and draw.random() < 0.3:
        lengths = torch.tensor([draw.randint(1, time) for _ in range(batch)])

    mode = draw.choice(tuple(MODES)) if draw.random() < 0.4 else "plain"
    if method == "backward" and mode in ("no_grad", "inference_mode"):
        method = "forward"
    hostile = draw.sample(HOSTILE, k=draw.choice((1, 1, 1, 2)))
    if method in ("step", "loss"):
        hostile = [part for part in hostile if part in ("x", "weights")] or ["x"]
    if mode != "plain" and draw.random() < 0.5:
        hostile = []
    values: dict[str, Any] = {"mode": mode, "method": method}
    names: list[str] = []
    if "x" in hostile:
        values["x"], x = numbers_like(draw, x)
        # A shape may fit what stands beside it as little as that fits the shape.
        names += ["x", "x_t", "state", "lengths"]
    if "state" in hostile:
        values["state"], state = states_like(draw, state or machine.initial_state(batch), machine)
        names += ["state", "x"]
    if "lengths" in hostile:
        values["lengths"], lengths = lengths_like(draw, batch, time)
        names.append("lengths")
    if "weights" in hostile:
        machine = copy.deepcopy(machine)
        values["weights"], named = weights_like(draw, machine)
        # A machine of another type or device holds x and state against it.
        names += [*named, "x", "x_t", "state"]
    call = Call(machine, method, x, state, lengths)
    kinds = REFUSALS
    if mode == "dual level":
        names.append("backend")
    if method == "loss":
        names.append("estimator")
    if hostile or mode in ("dual level", "no_grad", "inference_mode"):
        kinds = (*REFUSALS, RuntimeError)
    values["machine"] = repr(machine)[:30]
    comparable = "weights" not in hostile and not machine.training
    label = f"{type(machine).__name__}.{method} in {mode}"
    names = names or ["x"]
    same = "weights" not in hostile
    return Case(label, lambda: run(call, mode, same, comparable), tuple(names), values, kinds)


def _state(draw: random.Random, machine: Recurrent, x: Tensor) -> Any:
    batch = x.shape[0]
    if draw.random() < 0.5 and x.dim() == 3:
        return None
    state = machine.initial_state(batch)
    if draw.random() < 0.5:
        _, state = machine(x if x.dim() == 3 else x[:, None], state)
    return type(state)(*(part.detach() for part in state))


def run(call: Call, mode: str, same: bool, comparable: bool) -> None:
    """Make the call in a mode of PyTorch, and look at what it gives and leaves."""
    before = _versions(call)
    with MODES[mode]() if mode != "threads" else contextlib.nullcontext():
        found = _in_threads(call) if mode == "threads" else made(call)
    if _versions(call) != before:
        raise Wrong("an argument was changed")
    plain = _plain(call)
    if plain.lengths is not None and call.method != "loss":
        found = _within(found, call.method, plain.lengths)
    # Weights of another shape may be another output layer.
    width = found[0].shape[-1] if call.method != "loss" and not same else call.machine.output_size
    expected = (*plain.x.shape[:-1], width)
    if call.method != "loss" and found[0].shape != expected:
        raise Wrong(f"outputs have shape {tuple(found[0].shape)}, not {expected}")
    if comparable and not (mode == "threads" and call.method == "loss"):
        wanted = made(plain)
        if plain.lengths is not None and call.method != "loss":
            wanted = _within(wanted, call.method, plain.lengths)
        _compare(found, wanted)


def made(call: Call) -> list[Tensor]:
    """All that comes out of a call: outputs, state, gradients."""
    machine, method, x, state, lengths = call
    if method == "step":
        y, after = machine.step(x, state)
        return [y, *after]
    if method == "trace":
        trace = machine.trace(x, state, lengths=lengths)
        return [trace.y, *trace.state, *(trace.tensors[name] for name in sorted(trace.tensors))]
    if method == "loss":
        torch.manual_seed(0)
        choices = machines.objective(random.Random(0), machine)
        loss, y = choices.loss(machine, x, lambda y: y.square().sum(-1), lengths=lengths)
        if loss.requires_grad:
            loss.backward()
        return [loss.detach(), y]
    whole = not isinstance(x, Tensor) or x.layout is not torch.strided or x.is_nested
    # A piece of one without storage cannot be cut.
    whole = whole or (not x.is_meta and not x.untyped_storage().nbytes())
    whole = whole or x.dim() < 2 or x.shape[1] < 2 or lengths is not None
    if method == "pieces" and not whole and getattr(machine, "ahead", None) is None:
        first, state = machine(x[:, :1], state)
        rest, state = machine(x[:, 1:], state)
        return [torch.cat([first, rest], 1), *state]
    y, after = machine(x, state, lengths=lengths)
    if method != "backward" or not y.requires_grad:
        return [y, *after]
    loss = y.square().sum()
    wanted = [weight for weight in machine.parameters() if weight.requires_grad]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True)
    # A state that was given may belong to the same graph, or not: they are compared elsewhere.
    if any(each is not None and each.is_meta for each in gradients):
        raise Wrong("gradients on another device")
    return [y, *after]


def _compare(found: list[Tensor], plain: list[Tensor]) -> None:
    """Raise unless both are the same numbers, as far as they are finite."""
    if len(found) != len(plain):
        raise Wrong(f"{len(found)} tensors instead of {len(plain)}")
    for number, (one, other) in enumerate(zip(found, plain, strict=True)):
        one, other = one.detach().double(), other.detach().double()
        if not other.numel():
            continue
        if not (other.isfinite().all() and other.abs().max() < 1e4):
            return
        if one.shape != other.shape or not torch.allclose(one, other, rtol=1e-3, atol=1e-4):
            gap = (one - other).abs().max() if one.shape == other.shape else one.shape
            raise Wrong(f"part {number} is another than with plain tensors by {gap}")


def _within(found: list[Tensor], method: str, lengths: Tensor) -> list[Tensor]:
    """With zeros past the lengths, where outputs and traces mean nothing."""
    time = found[0].shape[1]
    past = torch.arange(time) >= lengths[:, None]

    def cut(tensor: Tensor) -> Tensor:
        return tensor.masked_fill(past.view(*past.shape, *[1] * (tensor.dim() - 2)), 0.0)

    if method != "trace":
        return [cut(found[0]), *found[1:]]
    # In a trace, state is (batch, ...), all else (batch, time, ...); where sizes happen to be the
    # same a part of the state is cut too, on both sides.
    return [cut(each) if each.shape[:2] == past.shape else each for each in found]


def _plain(call: Call) -> Call:
    """The same call with dense tensors of their own, of the machine's type."""
    like = call.machine._weight()

    def plain(tensor: Any) -> Any:
        if not isinstance(tensor, Tensor):
            return tensor
        tensor = tensor.detach().as_subclass(Tensor).resolve_conj().resolve_neg()
        tensor = tensor.clone(memory_format=torch.contiguous_format)
        return tensor.to(like.dtype) if tensor.is_floating_point() else tensor

    with torch.inference_mode(False):
        state = None if call.state is None else type(call.state)(*map(plain, call.state))
        lengths = None if call.lengths is None else torch.tensor([int(n) for n in call.lengths])
        return call._replace(x=plain(call.x), state=state, lengths=lengths)


def _versions(call: Call) -> list[Any]:
    parts = [call.x, call.lengths, *(call.state if isinstance(call.state, tuple) else ())]
    return [
        part._version if isinstance(part, Tensor) and not part.is_inference() else None
        for part in parts
    ]


def _in_threads(call: Call) -> list[Tensor]:
    """The same call in three threads at once; their results must be the same."""
    if hasattr(call.state, "_make"):
        # One graph behind a state that all three start from cannot be gone through three times.
        parts = (part.detach() if isinstance(part, Tensor) else part for part in call.state)
        call = call._replace(state=call.state._make(parts))
    found: list[Any] = [None] * 3

    def run(number: int) -> None:
        try:
            found[number] = made(call)
        except Exception as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in found:
        if isinstance(each, Exception):
            raise each
    if not call.machine.training and call.method != "loss":
        _compare(found[1], found[0])
        _compare(found[2], found[0])
    return found[0]


@contextlib.contextmanager
def _default_dtype() -> Iterator[None]:
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64 if before is torch.float32 else torch.float32)
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    try:
        torch.use_deterministic_algorithms(True)
        yield
    finally:
        torch.use_deterministic_algorithms(False)


MODES: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "plain": contextlib.nullcontext,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast float16": lambda: torch.autocast("cpu", torch.float16),
    "default dtype": _default_dtype,
    "default device meta": lambda: torch.device("meta"),
    "deterministic": _deterministic,
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True, check_nan=False),
    "saved on cpu": torch.autograd.graph.save_on_cpu,
    "dual level": torch.autograd.forward_ad.dual_level,
    "threads": contextlib.nullcontext,
}

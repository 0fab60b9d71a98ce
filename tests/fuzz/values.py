"""Values that nobody should pass, of every kind."""

import contextlib
import random
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class Odd:
    """Says nothing true about itself, and raises when it is asked."""

    def __eq__(self, other: object) -> Any:
        raise RuntimeError("asked whether it is equal")

    def __bool__(self) -> bool:
        raise RuntimeError("asked whether it is true")

    def __repr__(self) -> str:
        return "odd\nin two lines"

    __hash__ = None


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("asked for its name")


def nasty_values() -> list[Any]:
    """Values of every kind, most of them wrong everywhere, some right here and there."""
    whole = [0, 1, 2, 3, 7, -1, -(2**63), 10**4, 10**6, 10**9, 10**12, 2**31, 2**63, 10**30]
    real = [0.0, -0.0, 0.5, 1.0, -1.0, 1.5, 1e-45, 1e-300, 1e38, 1e39, 1e308]
    special = [float("nan"), float("inf"), -float("inf"), 10**5000, Fraction(1, 3), 1j]
    words = ["", "lstm", "copy", "auto", "none", "1", "x" * 10_000, "two\nlines", "é\0"]
    arrays = [np.int64(2), np.uint8(3), np.float32(0.5), np.bool_(True), np.array([1, 2])]
    tensors = [torch.tensor(2), torch.tensor(0.5), torch.ones(2, 3), torch.tensor(True)]
    others = [None, True, False, [], [1], (), {}, {"a": 1}, b"lstm", object(), Odd(), Mute(), int]
    return [*whole, *real, *special, *words, *arrays, *tensors, *others]


class Sub(torch.Tensor):
    """A tensor of another class."""


HUGE = (2**38, 2**50)
TYPES = (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128,
    torch.int8, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint64, torch.bool,
    torch.float8_e5m2,
)  # fmt: skip


def numbers_like(draw: random.Random, x: Tensor) -> tuple[str, Any]:
    """Something in place of a tensor of numbers, and its name: of every type, shape, layout,
    arrangement and device."""
    while True:
        name = draw.choice(tuple(_NUMBERS))
        # Not every tensor can be had of every kind.
        with contextlib.suppress(RuntimeError, IndexError, TypeError, ValueError):
            return name, _NUMBERS[name](draw, x)


def _any_value(draw: random.Random, x: Tensor) -> Any:
    return draw.choice(nasty_values())


def _typed(draw: random.Random, x: Tensor) -> Tensor:
    return x.to(draw.choice(TYPES))


def _shaped(draw: random.Random, x: Tensor) -> Tensor:
    sizes = list(x.shape)
    for _ in range(draw.choice((1, 1, 2))):
        where = draw.randrange(len(sizes) + 1)
        change = draw.choice(("more", "less", "size", "zero"))
        if change == "more":
            sizes.insert(where, draw.choice((0, 1, 2)))
        elif sizes and change == "less":
            sizes.pop(min(where, len(sizes) - 1))
        elif sizes:
            sizes[min(where, len(sizes) - 1)] = 0 if change == "zero" else draw.choice((1, 2, 4))
    return torch.randn(sizes, dtype=x.dtype)


def _strided(draw: random.Random, x: Tensor) -> Tensor:
    """The same numbers, another way apart in memory."""
    order = list(range(x.dim()))
    draw.shuffle(order)
    back = [order.index(place) for place in range(x.dim())]
    x = x.permute(order).contiguous().permute(back)
    if draw.random() < 0.5:
        x = torch.stack([torch.full_like(x, float("nan")), x], -1)[..., 1]
    if draw.random() < 0.3:
        x = torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape)
    return x


def _overlapping(draw: random.Random, x: Tensor) -> Tensor:
    strides = [draw.choice((0, 0, 1, 2)) for _ in x.shape]
    numbers = torch.randn(100) if x.is_floating_point() else torch.ones(100)
    return numbers.to(x.dtype).as_strided(x.shape, strides)


def _expanded(draw: random.Random, x: Tensor) -> Tensor:
    keep = draw.randrange(x.dim())
    for place in range(x.dim()):
        if place != keep:
            x = x.narrow(place, 0, 1)
    return x


def _expanded_to(draw: random.Random, x: Tensor) -> Tensor:
    return _expanded(draw, x).expand(x.shape)


def _huge(draw: random.Random, x: Tensor) -> Tensor:
    where = draw.randrange(x.dim())
    sizes = list(x.shape)
    sizes[where] = draw.choice(HUGE)
    return x.new_zeros([1] * x.dim()).expand(sizes)


def _special(draw: random.Random, x: Tensor) -> Tensor:
    x = x.clone()
    top = torch.finfo(x.dtype).max if x.is_floating_point() else 2**62
    odd = (float("nan"), float("inf"), -float("inf"), top, -top, 1e-45, 1e10, 0.0)
    odd = odd if x.is_floating_point() else (top, -top, -1, 0)
    for _ in range(draw.choice((1, 3, x.numel() or 1))):
        if x.numel():
            x.view(-1)[draw.randrange(x.numel())] = draw.choice(odd)
    return x


def _lazy(draw: random.Random, x: Tensor) -> Tensor:
    """With a sign that is only noted down, or, if complex, conjugated so."""
    pair = torch.complex(torch.zeros_like(x), -x).conj()
    return pair.imag if draw.random() < 0.7 else pair


def _laid_out(draw: random.Random, x: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = draw.choice(("coo", "csr", "jagged", "strided nested", "mkldnn"))
        if kind == "csr" and x.dim() == 2:
            return x.to_sparse_csr()
        if kind == "jagged" and x.dim() > 1:
            return torch.nested.nested_tensor(list(x.unbind()), layout=torch.jagged)
        if kind == "strided nested" and x.dim() > 1:
            return torch.nested.nested_tensor(list(x.unbind()))
        if kind == "mkldnn" and x.dtype is torch.float32:
            return x.to_mkldnn()
        return x.to_sparse()


def _of_class(draw: random.Random, x: Tensor) -> Tensor:
    x = x.detach().clone()
    return x.as_subclass(Sub) if draw.random() < 0.5 else nn.Parameter(x)


def _marked(draw: random.Random, x: Tensor) -> Tensor:
    """One that asks for gradients, belongs to a graph, or to inference."""
    x = x.detach().clone()
    choice = draw.choice(("leaf", "graph", "inference", "freed"))
    if choice == "inference":
        with torch.inference_mode():
            return x.clone()
    if choice == "freed":
        x.untyped_storage().resize_(0)
        return x
    x.requires_grad_()
    return x if choice == "leaf" else x * 1


_NUMBERS: dict[str, Callable[[random.Random, Tensor], Any]] = {
    "any value": _any_value,
    "type": _typed,
    "shape": _shaped,
    "strides": _strided,
    "overlap": _overlapping,
    "expanded": _expanded_to,
    "one of each": _expanded,
    "huge": _huge,
    "special": _special,
    "lazy": _lazy,
    "layout": _laid_out,
    "class": _of_class,
    "marked": _marked,
    "meta": lambda draw, x: x.to("meta"),
    "list": lambda draw, x: x.tolist(),
    "array": lambda draw, x: x.numpy(),
    "packed": lambda draw, x: nn.utils.rnn.pack_sequence(list(x.unbind())[:1]),
    "tuple": lambda draw, x: (x,),
}


def states_like(draw: random.Random, state: Any, machine: nn.Module) -> tuple[str, Any]:
    """Something in place of a state: another kind of thing, or one of its tensors replaced."""
    kind = draw.choice(
        ("part", "part", "part", "parts alike", "whole", "half", "other", "expanded")
    )
    if kind == "part":
        name = draw.choice(state._fields)
        what, value = numbers_like(draw, getattr(state, name))
        return f"{name} {what}", state._replace(**{name: value})
    if kind == "parts alike":
        first, second = draw.choice(state._fields), draw.choice(state._fields)
        return f"{second} is {first}", state._replace(**{second: getattr(state, first)})
    if kind == "half":
        to = draw.choice((torch.bfloat16, torch.float16, torch.float64, torch.float32))
        return "of another type", type(state)(
            *(part.to(to) if part.is_floating_point() else part for part in state)
        )
    if kind == "expanded":
        return kind, type(state)(*(part[:1].expand_as(part) for part in state))
    if kind == "other":
        return "of another machine", machine_of(draw).initial_state(len(state[0]))
    other = (tuple(state), list(state), state._asdict(), state[0], 1, "state", object(), (state,))
    return "whole", draw.choice((*other, *nasty_values()[-14:]))


def machine_of(draw: random.Random) -> Any:
    import machines

    return machines.machine(draw)


def lengths_like(draw: random.Random, batch: int, time: int) -> tuple[str, Any]:
    """Something in place of lengths."""
    good = torch.tensor([draw.randint(1, time) for _ in range(batch)])
    if draw.random() < 0.5:
        return numbers_like(draw, good.double() if draw.random() < 0.2 else good)
    odd = (0, -1, time + 1, 2**31, 2**62, -(2**63), 1.0, 1.5, True, None, "1", float("nan"))
    listed = good.tolist()
    listed[draw.randrange(batch)] = draw.choice(odd)
    forms = (tuple, list, set, iter, lambda values: np.array(values, dtype=object), range)
    form = draw.choice(forms)
    if form is range:
        return "range", range(1, batch + 1)
    try:
        tensor = torch.tensor(listed)
    except (RuntimeError, TypeError, ValueError):
        tensor = good
    return "listed", draw.choice((form(listed), tensor, listed * 2, listed[:-1]))


def weights_like(draw: random.Random, machine: nn.Module) -> tuple[str, list[str]]:
    """Replace a weight of a machine; its name and what became of it, and what it may be called."""
    found = {name: w for name, w in machine.named_parameters() if w.numel()}
    name = draw.choice(tuple(found))
    weight = found[name].detach()
    while True:
        what, value = numbers_like(draw, weight)
        if isinstance(value, Tensor) and not value.is_nested:
            break
    owner, _, last = name.rpartition(".")
    part = machine.get_submodule(owner)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if type(value) is Tensor and not value.is_inference():
            real = value.is_floating_point() or value.is_complex()
            value = nn.Parameter(value.detach(), requires_grad=real and draw.random() < 0.8)
        del part._parameters[last]
        if isinstance(value, nn.Parameter):
            part.register_parameter(last, value)
        else:
            part.register_buffer(last, value)
    return f"{name} {what}", [name, last, name.replace(".", "_"), owner]

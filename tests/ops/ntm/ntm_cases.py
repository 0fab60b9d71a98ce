"""One random Neural Turing Machine, run by a backend: outputs and every gradient, by name."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tapehead.machines import NTM
from tapehead.ops.ntm import NTMState, NTMWeights


@dataclass(frozen=True, kw_only=True)
class Case:
    batch: int = 3
    time: int = 7
    rows: int = 10
    word: int = 5
    num_reads: int = 1
    num_writes: int = 1
    hidden: int = 12
    layers: int = 1
    shift_range: int = 1
    controller: str = "lstm"
    similarity: str = "cosine"
    read_first: bool = False
    ragged: bool = False
    gradient_clip: float = 0.0
    seed: int = 0

    def machine(self, **options) -> NTM:
        return NTM(
            4,
            3,
            memory_size=self.rows,
            word_size=self.word,
            num_reads=self.num_reads,
            num_writes=self.num_writes,
            hidden_size=self.hidden,
            num_layers=self.layers,
            shift_range=self.shift_range,
            controller=self.controller,
            similarity=self.similarity,
            read_first=self.read_first,
            gradient_clip=self.gradient_clip,
            **options,
        )


@dataclass(frozen=True)
class Inputs:
    x: Tensor
    weights: NTMWeights
    state: NTMState
    lengths: Tensor | None
    spec: object

    def leaves(self) -> list[Tensor]:
        return [self.x, *self.weights, *self.state]


def draw(case: Case, dtype: torch.dtype = torch.float64) -> Inputs:
    """Weights far enough from their start that every gate and head is in use."""
    generator = torch.Generator().manual_seed(case.seed)
    machine = case.machine()

    def normal(shape, scale: float) -> Tensor:
        value = torch.randn(shape, generator=generator, dtype=torch.float64) * scale
        return value.to(torch.float32).to(dtype).requires_grad_()

    weights = NTMWeights(*(normal(w.shape, 0.4) for w in machine._weights()))
    start = machine.initial_state(case.batch)
    state = NTMState(*(normal(part.shape, 1.0) for part in start))
    for name in ("read_weights", "write_weights"):
        weighting = getattr(state, name).detach().softmax(-1).float().to(dtype)
        state = state._replace(**{name: weighting.requires_grad_()})
    x = normal((case.batch, case.time, machine.input_size), 1.0)
    lengths = None
    if case.ragged:
        lengths = torch.randint(0, case.time + 1, (case.batch,), generator=generator)
    return Inputs(x, weights, state, lengths, machine.spec)


def as_type(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    def cast(tensor: Tensor) -> Tensor:
        return tensor.detach().to(dtype).requires_grad_()

    return replace(
        inputs,
        x=cast(inputs.x),
        weights=NTMWeights(*map(cast, inputs.weights)),
        state=NTMState(*map(cast, inputs.state)),
    )


def results(run, inputs: Inputs, **options) -> dict[str, Tensor]:
    """Everything that comes out of `run` (an `ntm`), and the gradient of everything that went in.

    The loss is a fixed random mixture of all outputs, the last state included.
    """
    y, state = run(inputs.x, inputs.weights, inputs.state, inputs.spec, inputs.lengths, **options)
    outputs = {"y": y} | {f"last {n}": t for n, t in state._asdict().items()}
    generator = torch.Generator().manual_seed(1)
    loss = torch.zeros((), dtype=y.dtype)
    for tensor in outputs.values():
        mixture = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        loss = loss + (tensor * mixture.to(tensor.dtype)).sum()
    gradients = torch.autograd.grad(loss, inputs.leaves(), allow_unused=True)
    names = ["x", *NTMWeights._fields, *NTMState._fields]
    found = outputs | {f"d {name}": g for name, g in zip(names, gradients, strict=True)}
    return {
        name: tensor.detach()
        for name, tensor in found.items()
        if tensor is not None and tensor.numel() > 0
    }


def relative_error(value: Tensor, truth: Tensor) -> float:
    truth = truth.double()
    size = truth.norm().item()
    return (value.double() - truth).norm().item() / (size if size > 0 else 1.0)

"""Machines of every kind and odd size, drawn at random."""

import random
from typing import Any

import torch

from tapehead import DNC, LSTM, NTM, TARDIS, DiscreteNTM, DynamicNTM, SparseNTM
from tapehead.machines import Recurrent
from tapehead.machines.discrete import ADDRESSINGS, DiscreteMachine
from tapehead.ops.allocation import ALLOCATIONS
from tapehead.ops.similarity import SIMILARITIES
from tapehead.training.objectives import RowChoices
from tapehead.training.objectives.estimator import BASELINES, ESTIMATORS


def size(draw: random.Random) -> int:
    return draw.choice((1, 2, 3, 3, 4, 5, 7, 9))


def memory_options(draw: random.Random) -> dict[str, Any]:
    return {
        "memory_size": draw.choice((1, 2, 3, 5, 8, 17)),
        "word_size": size(draw),
        "hidden_size": size(draw),
    }


def ntm_options(draw: random.Random) -> dict[str, Any]:
    return memory_options(draw) | {
        "num_reads": draw.choice((1, 1, 2, 3)),
        "num_writes": draw.choice((1, 1, 2, 3)),
        "controller": draw.choice(("lstm", "feedforward")),
        "num_layers": draw.choice((1, 1, 2, 3)),
        "shift_range": draw.choice((0, 1, 1, 2, 5)),
        "similarity": draw.choice(tuple(SIMILARITIES)),
        "read_first": draw.choice((True, False)),
        "memory_init": draw.choice(("constant", "learned", "random", "uniform")),
        "controller_init": draw.choice(("zeros", "learned")),
        "head_init": draw.choice(("focused", "random")),
    }


def dnc_options(draw: random.Random) -> dict[str, Any]:
    return memory_options(draw) | {
        "num_reads": draw.choice((1, 1, 2, 4)),
        "controller": draw.choice(("lstm", "feedforward")),
        "num_layers": draw.choice((1, 1, 2, 3)),
        "similarity": draw.choice(tuple(SIMILARITIES)),
        "allocation": draw.choice(tuple(ALLOCATIONS)),
        "masked_lookup": draw.random() < 0.3,
        "freeing": draw.random() < 0.7,
        "erase_freed": draw.random() < 0.3,
        "sharp_links": draw.random() < 0.3,
        "layer_norm": draw.random() < 0.3,
        "bidirectional": draw.random() < 0.2,
        "sparse_links": draw.choice((0, 0, 1, 2, 40)),
        "biases": draw.random() < 0.7,
        "mask_floor": draw.choice((0.0, 0.0, 0.2)),
        "gradient_clip": draw.choice((0.0, 0.0, 0.01)),
    }


def choosing(draw: random.Random) -> dict[str, Any]:
    return {"addressing": draw.choice(ADDRESSINGS)}


def objective(draw: random.Random, machine: DiscreteMachine) -> RowChoices:
    """What a machine that chooses could be trained by."""
    baseline = draw.choice(BASELINES)
    options = {
        "estimator": draw.choice(ESTIMATORS),
        "baseline": baseline,
        "samples": draw.choice((2, 3) if baseline == "leave-one-out" else (1, 1, 2)),
        "soft_batches": draw.choice((0, 0, 5)),
        "soft_entropy_cost": draw.choice((0.0, 0.1)),
        "entropy": draw.choice((0.0, 0.1)),
    }
    made = RowChoices(**machine.objective_sizes, **options)
    return made.to(machine._weight().dtype)


def machine(draw: random.Random, backend: str = "auto") -> Recurrent:
    """Any machine, small; the backend is for those that have more than one."""
    sizes = {"input_size": size(draw), "output_size": size(draw)}
    kind = draw.choice((NTM, NTM, DNC, DNC, LSTM, DiscreteNTM, DynamicNTM, SparseNTM, TARDIS))
    if kind is NTM:
        clip = draw.choice((0.0, 0.0, 0.01))
        every = draw.choice((None, None, 1, 2))
        made = NTM(
            **sizes, **ntm_options(draw), backend=backend,
            gradient_clip=clip, memory_checkpoint_every=every,
        )  # fmt: skip
    elif kind is DNC:
        made = DNC(**sizes, **dnc_options(draw), backend=backend)
    elif kind is LSTM:
        hidden, layers = size(draw), draw.choice((1, 2, 3))
        start = draw.choice(("zeros", "learned"))
        made = LSTM(**sizes, hidden_size=hidden, num_layers=layers, controller_init=start)
    elif kind is DiscreteNTM:
        options = choosing(draw)
        own = backend if options["addressing"] == "soft" else "auto"
        made = DiscreteNTM(**sizes, **ntm_options(draw), **options, backend=own)
    elif kind is DynamicNTM:
        options = choosing(draw)
        own = backend if options["addressing"] == "soft" else "auto"
        made = DynamicNTM(
            **sizes, **memory_options(draw), **options, backend=own,
            address_size=size(draw), num_reads=draw.choice((1, 2)), num_writes=draw.choice((1, 2)),
            reading_steps=draw.choice((1, 2)),
            controller=draw.choice(("gru", "lstm", "feedforward")),
            no_operation=draw.random() < 0.5, least_recently_used=draw.random() < 0.5,
        )  # fmt: skip
    elif kind is SparseNTM:
        made = SparseNTM(
            **sizes, **memory_options(draw), num_heads=draw.choice((1, 2, 5)),
            rows_per_head=draw.choice((1, 2, 4)), threshold=draw.choice((0.0, 0.005, 0.3)),
            backend=backend,
        )  # fmt: skip
    else:
        made = TARDIS(
            **sizes, **memory_options(draw), **choosing(draw),
            address_size=size(draw), attention_size=size(draw),
            scalar_gate=draw.choice(("hard-sigmoid", "gumbel-sigmoid")),
            usage_norm=draw.choice(("euclidean", "softmax")),
            scoring=draw.choice(("tanh", "linear")), peepholes=draw.random() < 0.3,
        )  # fmt: skip
    return made


def stirred(machine: Recurrent, scale: float = 0.3) -> Recurrent:
    """With weights far enough from their start that every gate and head is in use."""
    with torch.no_grad():
        for weight in machine.parameters():
            weight.add_(scale * torch.randn_like(weight))
    return machine

"""From a config to its optimiser."""

from typing import Any

from torch import nn

from tapehead.ops import rmsprop
from tapehead.runs.config import TrainConfig
from tapehead.training.optimisers.adam import Adam
from tapehead.training.optimisers.optimiser import Optimiser
from tapehead.training.optimisers.rmsprop import GravesRMSprop, RMSprop

_KINDS = {"rmsprop": RMSprop, "graves-rmsprop": GravesRMSprop, "adam": Adam}


def make_optimiser(config: TrainConfig, vector: nn.Parameter) -> Optimiser:
    """The optimiser that a config names, with its own defaults for what the config leaves out."""
    chosen: dict[str, Any] = {"decay": config.decay, "epsilon": config.epsilon}
    options = {name: value for name, value in chosen.items() if value is not None}
    if config.optimiser != "adam":  # which PyTorch has fused itself
        options["fused"] = (
            rmsprop.fits(vector) and rmsprop.backend_choice("auto", vector.dtype).backend == "cpu"
        )
    kind = _KINDS[config.optimiser]
    options |= {"l2": config.l2, "weight_decay": config.weight_decay}
    return kind([vector], config.learning_rate, momentum=config.momentum, **options)

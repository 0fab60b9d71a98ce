"""The optimisers of a config, each for one long vector of weights, and their learning rates.

Each is a `torch.optim.Optimizer` and works for any parameters; on a vector (see `flat.py`) each
update is a handful of operations in place.
"""

from tapehead.training.optimisers.adam import Adam
from tapehead.training.optimisers.clipping import clip_gradient
from tapehead.training.optimisers.making import make_optimiser
from tapehead.training.optimisers.optimiser import Optimiser
from tapehead.training.optimisers.rmsprop import GravesRMSprop, RMSprop
from tapehead.training.optimisers.schedules import learning_rate_schedule

__all__ = [
    "Adam",
    "GravesRMSprop",
    "Optimiser",
    "RMSprop",
    "clip_gradient",
    "learning_rate_schedule",
    "make_optimiser",
]

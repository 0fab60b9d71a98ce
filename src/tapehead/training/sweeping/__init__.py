"""A search for settings that train: Optuna proposes, the fleet trains several seeds of each."""

from tapehead.training.sweeping.space import Choice, Range, Vary, parse_vary
from tapehead.training.sweeping.sweep import Sweep
from tapehead.training.sweeping.trial import Trial

__all__ = ["Choice", "Range", "Sweep", "Trial", "Vary", "parse_vary"]

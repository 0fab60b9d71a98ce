"""From a config to a trained machine in a run directory.

What `tapehead.runs` exports of a run that is done is here too: one import serves a whole script.
"""

from tapehead.runs import (
    Result,
    TrainConfig,
    evaluate,
    evaluate_settings,
    load_run,
    read_config,
    read_metrics,
    read_result,
)
from tapehead.signals import Stopped
from tapehead.training.display import (
    JsonReporter,
    LineReporter,
    QuietReporter,
    Reporter,
    RichReporter,
    RunInfo,
    make_reporter,
)
from tapehead.training.entry import train
from tapehead.training.failures import NonFiniteError, read_batch
from tapehead.training.fleet import SeedsFailed, train_seeds

__all__ = [
    "JsonReporter",
    "LineReporter",
    "NonFiniteError",
    "QuietReporter",
    "Reporter",
    "Result",
    "RichReporter",
    "RunInfo",
    "SeedsFailed",
    "Stopped",
    "TrainConfig",
    "evaluate",
    "evaluate_settings",
    "load_run",
    "make_reporter",
    "read_batch",
    "read_config",
    "read_metrics",
    "read_result",
    "train",
    "train_seeds",
]

"""From a config to a trained machine in a run directory."""

from tapehead.signals import Stopped
from tapehead.training.config import TrainConfig
from tapehead.training.evaluation import evaluate, evaluate_settings
from tapehead.training.failures import NonFiniteError, read_batch
from tapehead.training.loading import load_run
from tapehead.training.loop import train
from tapehead.training.progress import RichReporter, make_reporter
from tapehead.training.records import read_config, read_metrics, read_result
from tapehead.training.reporting import (
    JsonReporter,
    LineReporter,
    QuietReporter,
    Reporter,
    RunInfo,
)
from tapehead.training.result import Result
from tapehead.training.seeds import SeedsFailed, train_seeds

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

"""What a run is: its settings, its directory, its checkpoints and the machine that came out of it.

Nothing here trains: whoever reads, evaluates or draws a run needs no more than this.
"""

from tapehead.runs.build import build_machine, build_task
from tapehead.runs.config import TrainConfig
from tapehead.runs.evaluation import evaluate, evaluate_settings
from tapehead.runs.loading import load_run, load_task
from tapehead.runs.records import read_config, read_metrics, read_result
from tapehead.runs.result import Result

__all__ = [
    "Result",
    "TrainConfig",
    "build_machine",
    "build_task",
    "evaluate",
    "evaluate_settings",
    "load_run",
    "load_task",
    "read_config",
    "read_metrics",
    "read_result",
]

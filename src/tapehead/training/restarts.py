"""When a run that gets nowhere begins anew."""

from collections.abc import Mapping

from tapehead.runs.config import TrainConfig
from tapehead.tasks import Task
from tapehead.training.curriculum import passed
from tapehead.training.progress import Progress


def restart_is_due(config: TrainConfig, progress: Progress) -> bool:
    """Whether a report is the one to decide by: the first that comes `restart_after` sequences
    after the run began, or last began anew, while as many are left.

    Args:
        progress: as of the report, its row not yet counted.
    """
    after = config.restart_after
    if after is None:
        return False
    reached = progress.row_sequences < progress.began + after <= progress.sequences
    return reached and config.max_sequences - progress.sequences >= after


def is_stuck(
    config: TrainConfig, task: Task, progress: Progress, means: Mapping[str, float]
) -> bool:
    """Whether a run that is due has not got anywhere: no validation has met the task's pass mark,
    nor have the training sequences met `restart_mark`, if there is one.

    Args:
        means: scores of the training sequences of the report.
    """
    if progress.solved_after is not None:
        return False
    return config.restart_mark is None or not passed(task, means, config.restart_mark)

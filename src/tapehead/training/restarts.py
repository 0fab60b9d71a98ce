"""When a run that gets nowhere begins anew."""

from collections.abc import Mapping

from tapehead.runs.config import TrainConfig
from tapehead.tasks import Task
from tapehead.training.curriculum import passed
from tapehead.training.session import Progress


def is_stuck(
    config: TrainConfig, task: Task, progress: Progress, means: Mapping[str, float]
) -> bool:
    """Whether a run begins anew after a report: it is the first one since the run began, or last
    began anew, that is `restart_after` sequences later, and is still worse than `restart_mark`.

    Never so once the run was solved, or where fewer than `restart_after` sequences are left.

    Args:
        progress: as of the report, its row not yet written.
        means: scores of the training sequences since the row before.
    """
    after = config.restart_after
    if after is None or progress.solved_after is not None:
        return False
    due = progress.row_sequences < progress.began + after <= progress.sequences
    left = config.max_sequences - progress.sequences
    return due and left >= after and not passed(task, means, config.restart_mark)

"""When a checkpoint is due, and what goes into it."""

from dataclasses import replace

from tapehead.runs.checkpoint import checkpoint_steps, save_checkpoint
from tapehead.runs.config import TrainConfig
from tapehead.runs.directory import RunDirectory
from tapehead.tasks import Batch
from tapehead.training.failures import non_finite_in
from tapehead.training.session import Session


class Saver:
    """Saves a session into its run directory; without one, only looks whether it could.

    Attributes:
        up_to_date: whether the last checkpoint has all there is: a row of metrics, or a validation,
            may come after it at the same step.
        batch: of the last step, to be kept if its outcome cannot be saved.
    """

    def __init__(self, session: Session, run: RunDirectory | None):
        self._session, self._run = session, run
        self.up_to_date = session.progress.step > 0
        self.batch: Batch | None = None
        self._best_saved = session.progress.best

    def save(self) -> None:
        """Add a checkpoint; every process must call this at the same step.

        Raises:
            NonFiniteError: a weight or a number of the optimiser is not finite. Earlier checkpoints
                are as they were.
            TapeheadError: it cannot be written.
        """
        progress = self._session.progress
        if self._run is not None:
            progress.metrics_bytes, progress.metrics_check = self._run.sync_metrics()
        checkpoint = self._session.snapshot()
        error = non_finite_in(checkpoint.parts, progress.step, self.batch)
        if error is not None:
            raise error
        if self._run is not None:
            settings = self._session.config.to_dict()
            checkpoint = replace(checkpoint, run=self._run.id, settings=settings)
            # The best as of the checkpoint before too, which may yet be gone back to.
            best = [best["step"] for best in (progress.best, self._best_saved) if best]
            folder = self._run.checkpoints
            config = self._session.config
            kept = [step for step in checkpoint_steps(folder) if is_kept(step, config)]
            save_checkpoint(folder, checkpoint, keep=best + kept)
        self.up_to_date, self._best_saved = True, progress.best


def is_kept(step: int, config: TrainConfig) -> bool:
    """Whether the checkpoint of a step is one of those that stay for good."""
    return config.keep_every is not None and crossed(
        step * config.batch_size, config.batch_size, config.keep_every
    )


def crossed(sequences: int, batch_size: int, every: int) -> bool:
    """Whether the last batch took the count of sequences over a multiple of `every`."""
    return sequences // every > (sequences - batch_size) // every

"""The page of a run directory while a training, of whatever process, goes on in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tapehead.runs import load_task, read_config, read_metrics, read_result
from tapehead.runs.checkpoint import checkpoint_steps
from tapehead.runs.directory import is_in_use
from tapehead.runs.records import METRICS, RESULT, read_start
from tapehead.viewing.page.document import document
from tapehead.viewing.page.panels import Recording
from tapehead.viewing.problems import load_viewed, recorded
from tapehead.viewing.view import choose_settings, headed


class RunPage:
    """What the page of a run shows, from what is in its directory now.

    Until the run has a result, its episodes are of the newest checkpoint; then, of the one that
    `load_run` takes. Until there is a checkpoint there is only the curve. It is live as long as a
    process trains in it: not if it was stopped or killed.

    Args:
        lengths: sizes to show; None takes the task's test settings.
        seed: decides the sequences.

    Raises:
        TapeheadError: there is no run, or it does not fit this tapehead.
        ValueError: the task has no such length.
    """

    def __init__(
        self, path: Path | str, *, lengths: Sequence[int | str] | None = None, seed: int = 0
    ):
        self._path, self._seed = Path(path), seed
        self._config = read_config(path)
        self._settings = choose_settings(load_task(path), lengths)
        self._shown: tuple[int | str, list[Recording]] | None = None

    def state(self) -> tuple[Any, ...]:
        """Something else whenever the page would be."""
        files = [self._path / METRICS, self._path / RESULT]
        sizes = [file.stat().st_size if file.exists() else None for file in files]
        return (is_in_use(self._path), *sizes, *checkpoint_steps(self._path / "checkpoint"))

    def document(self) -> dict[str, Any]:
        """All that the page holds.

        Raises:
            TapeheadError: a file is damaged, or was replaced while it was read.
        """
        config, result = self._config, read_result(self._path)
        task = load_task(self._path)
        return document(
            **headed(config, task, self._settings, self._path),
            config=config,
            task=task,
            recordings=self._recordings(ended=result is not None),
            rows=read_metrics(self._path) if (self._path / METRICS).exists() else [],
            facts=read_start(self._path),
            result=result,
            live=result is None and is_in_use(self._path),
        )

    def _recordings(self, *, ended: bool) -> list[Recording]:
        """Of the machine as it is; kept as long as it stays the same."""
        steps = checkpoint_steps(self._path / "checkpoint")
        if not steps:
            return []
        wanted = "best" if ended else steps[-1]
        if self._shown is None or self._shown[0] != wanted:
            _, machine, _ = load_viewed(self._path, step=wanted)
            made = [
                recorded(machine, task, seed=self._seed, label=label)()
                for label, task in self._settings.items()
            ]
            self._shown = wanted, made
        return self._shown[1]

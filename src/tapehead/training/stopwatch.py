"""The time that training takes, without what is done beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, process_time

from tapehead.training.session import Session


class Stopwatch:
    """Counts the seconds of a session's steps into its progress: those of the clock, and those that
    the processor gave to this process, which do not mind what else it is busy with."""

    def __init__(self, session: Session):
        self._session = session

    def start(self) -> None:
        self._since, self._cpu_since = perf_counter(), process_time()

    def seconds(self, now: float) -> float:
        """Of training until `now`, a value of `perf_counter`."""
        return self._session.progress.seconds + now - self._since

    def stop(self) -> None:
        """Finish the step, and count the time until now."""
        self._session.learner.settle()
        progress = self._session.progress
        progress.seconds = self.seconds(perf_counter())
        progress.cpu_seconds += process_time() - self._cpu_since

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stand still while something is done that is not training."""
        self.stop()
        yield
        self.start()

"""The time that training takes, without what is done beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from tapehead.training.session import Session


class Stopwatch:
    """Counts the seconds of a session's steps into its progress."""

    def __init__(self, session: Session):
        self._session = session

    def start(self) -> None:
        self._since = perf_counter()

    def seconds(self, now: float) -> float:
        """Of training until `now`, a value of `perf_counter`."""
        return self._session.progress.seconds + now - self._since

    def stop(self) -> None:
        """Finish the step, and count the time until now."""
        self._session.learner.settle()
        self._session.progress.seconds = self.seconds(perf_counter())

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stand still while something is done that is not training."""
        self.stop()
        yield
        self.start()

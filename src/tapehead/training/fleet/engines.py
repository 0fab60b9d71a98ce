"""Where jobs are done: here, in processes of this machine, or (`ray_cluster.py`) on many."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from tapehead import room
from tapehead.checks import choice, whole
from tapehead.errors import TapeheadError
from tapehead.registry import ENGINES
from tapehead.signals import Stopped, StopRequest
from tapehead.training.fleet.workers import Hear, News, Workers

Key = TypeVar("Key")


@runtime_checkable
class Engine(Protocol):
    """Does jobs in order, as many at a time as it can, and says what becomes of each.

    remote: whether jobs are done in other processes, so that they and their answers are pickled.

    >>> from tapehead.training.fleet import Engine, Here, Processes
    >>> isinstance(Here(), Engine), Here().remote, Processes(2).remote
    (True, False, True)
    """

    remote: bool

    def do(
        self,
        work: Callable[..., Any],
        jobs: Mapping[Any, tuple[Any, ...]],
        hear: Hear,
        request: StopRequest,
    ) -> int | None:
        """Call `work(tell, *arguments)` for each job. An error in `hear` ends those under way.

        Args:
            jobs: the arguments of each, by what it is called in the news.
            request: a caller may ask here to stop, as a signal does: jobs under way save what they
                have, and no more are begun.

        Returns:
            The number of the signal that stopped it, or None if all jobs have ended.
        """
        ...


@runtime_checkable
class EngineKind(Protocol):
    """What `--engine` names: as a rule a class of engines, this being a class method of it."""

    def for_jobs(
        self, jobs: int, *, workers: int | None, address: str | None, cores: int, gpus: int
    ) -> Engine:
        """An engine for so many jobs; see `make_engine`."""
        ...


class Here:
    """This process, one job after the other; a signal is the job's own affair.

    >>> from tapehead.training import TrainConfig, train_seeds
    >>> from tapehead.training.fleet import Here
    >>> config = TrainConfig(machine="lstm", max_sequences=16, batch_size=8, validation_sequences=4)
    >>> [result.seed for result in train_seeds(config, [0, 1], engine=Here())]
    [0, 1]
    """

    remote = False

    def do(
        self,
        work: Callable[..., Any],
        jobs: Mapping[Any, tuple[Any, ...]],
        hear: Hear,
        request: StopRequest,
    ) -> int | None:
        for key, arguments in jobs.items():
            if request.number is not None:
                return request.number
            hear(News(key, "started"))

            def tell(message: Any, key: Any = key) -> None:
                hear(News(key, "told", message))

            try:
                value = work(tell, *arguments)
            except Stopped:
                raise
            except TapeheadError as error:
                hear(News(key, "failed", str(error)))
            else:
                hear(News(key, "done", value))
        return None


class Processes:
    """Processes on this machine, `count` at a time. See `Workers`.

    >>> from tapehead.training.fleet import Processes
    >>> Processes(2).count
    2
    >>> Processes(0)
    Traceback (most recent call last):
        ...
    ValueError: workers must be a whole number of at least 1, got 0
    """

    remote = True

    def __init__(self, count: int):
        whole(1)("workers", count)
        self.count = count

    @classmethod
    def for_jobs(cls, jobs: int, *, workers: int | None = None, **_: Any) -> "Processes":
        return cls(min(workers or default_workers(), jobs))

    def do(
        self,
        work: Callable[..., Any],
        jobs: Mapping[Any, tuple[Any, ...]],
        hear: Hear,
        request: StopRequest,
    ) -> int | None:
        with Workers(work, jobs, self.count, request) as workers:
            for news in workers:
                hear(news)
        return workers.stopped_by


def make_engine(
    name: str,
    jobs: int,
    *,
    workers: int | None = None,
    address: str | None = None,
    cores: int = 1,
    gpus: int = 0,
) -> Engine:
    """An engine by its name.

    Args:
        name: of `registry.ENGINES`: "processes", "ray", or "module:Class" of an `EngineKind`.
        jobs: how many there are.
        workers: at a time; None: one for each core that this process may use, or what a cluster has
            room for.
        address: of the cluster.
        cores, gpus: that a job takes on a cluster.

    Raises:
        ValueError: there is no such engine.
        TapeheadError: it cannot be imported, or Ray is not installed.
    """
    choice(ENGINES)("engine", name)
    takes = {"cores": cores, "gpus": gpus}
    return ENGINES[name].for_jobs(jobs, workers=workers, address=address, **takes)


def default_workers() -> int:
    """One for each core that this process may use."""
    return room.cores()

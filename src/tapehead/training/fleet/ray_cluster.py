"""The machines of a Ray cluster as one engine.

Every machine must have the same tapehead, and the folder of the runs under the same path: a job
goes on elsewhere from the checkpoints that it left there.
"""

import contextlib
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tapehead.errors import TapeheadError
from tapehead.signals import StopRequest, stop_on_signal
from tapehead.training.fleet.workers import POLL, Hear, News, answer_of

TRIES = 3
"""A job that was lost with this many machines may be what breaks them."""
ANSWERS = 10.0
"""Seconds in which the head of a cluster must take a call."""
DOUBT = 30.0
"""Seconds in which Ray notices, at its usual settings, that a machine is gone."""


class Cluster:
    """A Ray cluster; jobs of a machine that is lost are begun again on another.

    Args:
        address: of its head, "host:port"; None takes RAY_ADDRESS, or the cluster that this machine
            belongs to.
        count: jobs at a time; None leaves that to the cluster.
        cores, gpus: that a job takes.

    Raises:
        TapeheadError: Ray is not installed.
    """

    remote = True

    def __init__(
        self, address: str | None = None, count: int | None = None, cores: int = 1, gpus: int = 0
    ):
        self._ray = _ray()
        self._address, self._count = address, count
        self._takes = {"num_cpus": cores, "num_gpus": gpus, "max_retries": 0}

    @classmethod
    def for_jobs(
        cls, jobs: int, *, workers: int | None, address: str | None, cores: int, gpus: int
    ) -> "Cluster":
        return cls(address, workers, cores, gpus)

    def do(
        self,
        work: Callable[..., Any],
        jobs: Mapping[Any, tuple[Any, ...]],
        hear: Hear,
        request: StopRequest,
    ) -> int | None:
        """See `Engine.do`; `hear` may change the arguments of a job that was lost.

        Raises:
            TapeheadError: no cluster answers, or its versions are others.
        """
        with _connected(self._ray, self._address), stop_on_signal(request):
            flight = _Flight(self._ray, work, jobs, hear, self._takes, self._count)
            try:
                return flight.until_all_have_ended(request)
            finally:
                flight.cancel(force=True)


class _Flight:
    """The jobs of one call of `Cluster.do`, waiting and under way."""

    def __init__(
        self,
        ray: Any,
        work: Callable[..., Any],
        jobs: Mapping[Any, tuple[Any, ...]],
        hear: Hear,
        takes: Mapping[str, Any],
        count: int | None,
    ):
        self._ray, self._work, self._jobs, self._hear, self._count = ray, work, jobs, hear, count
        self._serve = ray.remote(_serve).options(**takes)
        # Beside us, or it might be lost too.
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self._mail = ray.remote(_Mail).options(num_cpus=0, scheduling_strategy=here).remote()
        self._waiting = list(jobs)
        self._flying: dict[Any, Any] = {}
        self._doubtful: dict[Any, tuple[float, str]] = {}
        self._nodes: dict[Any, str] = {}
        self._tries: Counter[Any] = Counter()

    def until_all_have_ended(self, request: StopRequest) -> int | None:
        stopped_by = None
        while self._waiting or self._flying or self._doubtful:
            if request.number is not None and stopped_by is None:
                stopped_by, self._waiting = request.number, []
                self.cancel()
            while self._waiting and (self._count is None or len(self._flying) < self._count):
                self._begin(self._waiting.pop(0))
            done = []
            if self._flying:
                done, _ = self._ray.wait(list(self._flying), timeout=POLL)
            else:
                time.sleep(POLL)
            heard = self._read_mail()
            for reference in done:
                self._end(reference, self._flying.pop(reference))
            self._look_at_the_doubtful(stopped_by is not None)
            if not (heard or done):
                self._hear(None)
        return stopped_by

    def cancel(self, *, force: bool = False) -> None:
        """Ask the jobs under way to save and end, or end them."""
        for reference in self._flying:
            self._ray.cancel(reference, force=force)

    def _begin(self, key: Any) -> None:
        self._tries[key] += 1
        self._nodes.pop(key, None)
        reference = self._serve.remote(
            self._mail, key, self._tries[key], os.getcwd(), self._work, self._jobs[key]
        )
        self._flying[reference] = key

    def _read_mail(self) -> bool:
        letters = self._ray.get(self._mail.take.remote())
        for key, attempt, event, value in letters:
            if attempt != self._tries[key]:
                continue  # of one that was given up
            if event == "started":
                self._nodes[key] = value
                self._hear(News(key, "started"))
            else:
                self._hear(News(key, event, value))
        return bool(letters)

    def _end(self, reference: Any, key: Any) -> None:
        errors = self._ray.exceptions
        try:
            event, value = self._ray.get(reference)
        except errors.TaskCancelledError:
            event, value = "stopped", None
        except errors.RayTaskError as error:
            event, value = "failed", str(error)
        except errors.OutOfMemoryError:
            event, value = "died", "its machine ran out of memory"
        except errors.RayError as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            self._doubtful[key] = time.monotonic() + DOUBT, reason
            return
        if key in self._nodes or event != "stopped":
            self._hear(News(key, event, value))

    def _look_at_the_doubtful(self, stopping: bool) -> None:
        """Tell processes that died from machines that are gone, of which Ray hears later."""
        if not self._doubtful:
            return
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        for key, (until, reason) in list(self._doubtful.items()):
            gone = self._nodes.get(key) not in alive
            if not gone and time.monotonic() < until:
                continue
            del self._doubtful[key]
            started = key in self._nodes
            if stopping:
                self._hear(News(key, "stopped"))
            elif gone and self._tries[key] < TRIES:
                if started:
                    self._hear(News(key, "lost", "its machine was lost"))
                self._waiting.append(key)
            else:
                if not started:
                    self._hear(News(key, "started"))
                lost = f"it was lost with {TRIES} machines"
                self._hear(News(key, "died", lost if gone else f"its process died ({reason})"))


class _Mail:
    """Keeps what jobs tell until it is fetched."""

    def __init__(self) -> None:
        self._letters: list[tuple[Any, int, str, Any]] = []

    def put(self, key: Any, attempt: int, event: str, value: Any) -> None:
        self._letters.append((key, attempt, event, value))

    def take(self) -> list[tuple[Any, int, str, Any]]:
        letters, self._letters = self._letters, []
        return letters


def _serve(
    mail: Any,
    key: Any,
    attempt: int,
    folder: str,
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> tuple[str, Any]:
    """On a machine of the cluster: do one job."""
    ray = _ray()
    node = ray.get_runtime_context().get_node_id()
    last = mail.put.remote(key, attempt, "started", node)

    def tell(message: Any) -> None:
        nonlocal last
        last = mail.put.remote(key, attempt, "told", message)

    try:
        os.chdir(folder)
    except OSError as error:
        answer = "failed", f"a machine of the cluster has no folder {folder}: {error.strerror}"
    else:
        answer = answer_of(work, tell, arguments)
    ray.get(last)  # so that the answer is not there before what was told
    return answer


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise TapeheadError(
            f"the engine ray needs Ray, which cannot be imported ({error}): install tapehead with "
            "its extra [ray]"
        ) from error
    return ray


@contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    """To a cluster that there is; one that this process had connected to before stays so."""
    if ray.is_initialized():
        yield
        return
    # Ray would hide GPUs from jobs that ask for none, and warns of it.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    where = address or os.environ.get("RAY_ADDRESS") or "auto"
    try:
        _call(where)
        ray.init(address=where, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        place = "this machine" if where == "auto" else where
        raise TapeheadError(
            f"no Ray cluster of these versions answers at {place} ({reason}): start one by "
            "`ray start --head`, or name another by --ray-address"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _call(address: str) -> None:
    """Raise an OSError at once where nobody listens: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal():
        with contextlib.suppress(OverflowError):  # no port, as Ray will say
            socket.create_connection((host, int(port)), timeout=ANSWERS).close()

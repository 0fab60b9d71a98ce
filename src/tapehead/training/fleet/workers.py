"""Jobs done by several processes at a time, and what they tell while they run."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Literal, TypeVar, cast

from tapehead.errors import TapeheadError
from tapehead.signals import Stopped, StopRequest, stop_on_signal

POLL = 0.2
"""Seconds after which no news is said to be none."""

Key = TypeVar("Key", bound=Hashable)
Tell = Callable[[Any], None]
"""How a job sends a message from its process."""


@dataclass(frozen=True)
class News(Generic[Key]):
    """Of a job: it has `started`; it `told` its message `value`; it is `done` and returned `value`;
    it `failed` or its process `died`, for the reason `value`; it was `lost` with its machine, to be
    started again; or it was `stopped` by a signal.

    >>> from tapehead.training.fleet import Here, News
    >>> from tapehead.signals import StopRequest
    >>> Here().do(lambda tell, x: 2 * x, {"a": (3,)}, print, StopRequest())
    News(key='a', event='started', value=None)
    News(key='a', event='done', value=6)
    """

    key: Key
    event: Literal["started", "told", "done", "failed", "died", "lost", "stopped"]
    value: Any = None


Hear = Callable[[News[Any] | None], None]
"""Told what happens as it happens, and None now and then when nothing does."""


class Workers(Generic[Key]):
    """Processes that take one job after the other, in order.

    A process that dies takes its job with it; another one does what is left. A signal to stop is
    passed on to the jobs under way, which may save what they have, and begin no more. If this
    process dies, by `kill -9` too, its workers die with it.

        with Workers(work, jobs, 2) as workers:
            for news in workers:
                ...

    Iterating does all jobs and says what happens as it happens, and None when nothing does. Leaving
    early ends the jobs under way.

    Args:
        work: called in a worker as `work(tell, *arguments)`; like them it must survive pickling.
            A script that uses it must guard its main part by `if __name__ == "__main__":`.
        jobs: the arguments of each, by what it is called here.
        count: processes at most.
        request: where a signal is noted; a caller may ask to stop here too.

    Attributes:
        stopped_by: the number of the signal that arrived, if one did.
    """

    def __init__(
        self,
        work: Callable[..., Any],
        jobs: Mapping[Key, tuple[Any, ...]],
        count: int,
        request: StopRequest | None = None,
    ):
        self.stopped_by: int | None = None
        self.request = request or StopRequest()
        self._work, self._jobs, self._count = work, jobs, count
        self._waiting = list(jobs)
        self._processes: dict[Connection, Any] = {}
        self._busy: dict[Connection, Key] = {}

    def __enter__(self) -> "Workers[Key]":
        self._open = contextlib.ExitStack()
        self._open.enter_context(stop_on_signal(self.request))
        self._open.callback(self._dismiss)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[News[Key] | None]:
        while True:
            if self.request.number is not None and self.stopped_by is None:
                self._stop(self.request.number)
            while self._waiting and len(self._busy) < self._count:
                yield self._give_work(self._new_worker())
            if not self._busy:
                return
            speaking = wait(list(self._busy), timeout=POLL)
            if not speaking:
                yield None
            for connection in speaking:
                yield from self._hear(cast(Connection, connection))

    def _new_worker(self) -> Connection:
        context = multiprocessing.get_context("spawn")  # a fork would inherit thread pools
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def _give_work(self, connection: Connection) -> News[Key]:
        key = self._waiting.pop(0)
        self._busy[connection] = key
        with contextlib.suppress(OSError):  # one that has died will be heard of
            connection.send(self._jobs[key])
        return News(key, "started")

    def _hear(self, connection: Connection) -> Iterator[News[Key]]:
        key = self._busy[connection]
        try:
            event, value = connection.recv()
        except (EOFError, OSError):
            process = self._processes.pop(connection)
            process.join()
            connection.close()
            del self._busy[connection]
            if self.stopped_by is None:
                yield News(key, "died", f"its process died (exit code {process.exitcode})")
            else:
                yield News(key, "stopped")
            return
        yield News(key, event, value)
        if event != "told":
            del self._busy[connection]
            if self._waiting:
                yield self._give_work(connection)

    def _stop(self, number: int) -> None:
        self.stopped_by, self._waiting = number, []
        for connection in self._busy:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._processes[connection].pid, signal.SIGTERM)

    def _dismiss(self) -> None:
        for connection, process in self._processes.items():
            connection.close()  # which ends a worker that has nothing to do
            if connection in self._busy:
                process.terminate()
            process.join()


def _serve(connection: Connection, work: Callable[..., Any]) -> None:
    """A worker: do what is sent until the other end is closed."""
    _die_with_parent()
    # Ctrl-C and a closed terminal reach us too; the parent passes them on.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

    def tell(message: Any) -> None:
        connection.send(("told", message))

    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            arguments = connection.recv()
            connection.send(answer_of(work, tell, arguments))


def answer_of(work: Callable[..., Any], tell: Tell, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    """How a job ended, as event and value of its news."""
    try:
        return "done", work(tell, *arguments)
    except BrokenPipeError:
        raise  # the parent is gone
    except Stopped:
        return "stopped", None
    except (TapeheadError, TypeError, ValueError) as error:
        return "failed", str(error)
    except Exception:
        return "failed", traceback.format_exc()


PR_SET_PDEATHSIG = 1
"""Of Linux, <sys/prctl.h>."""


def _die_with_parent() -> None:
    """See to it that this worker ends when its parent does, however that ends.

    At once: a run that is gone must not hold its directory, and going on from its last checkpoint
    comes to the same weights. Linux kills us itself; elsewhere, and for a parent that died before
    we asked for that, a thread waits for the pipe that the parent holds open.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library without it
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(128 + signal.SIGTERM)

    threading.Thread(target=watch, name="parent's end", daemon=True).start()

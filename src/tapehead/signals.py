"""Being stopped: by Ctrl-C, by whoever manages processes, by a closed terminal or a closed pipe."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tapehead.errors import TapeheadError

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that ask a process to end."""
CLOSED_PIPE = getattr(signal, "SIGPIPE", signal.SIGTERM)
"""What a program is killed by that writes where nobody reads any more, unless it looks itself."""


class Stopped(TapeheadError):
    """A signal ended a job; everything so far is saved.

    exit_code: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP, 141 for SIGPIPE (a closed pipe), as
        shells count.

    >>> from tapehead.training import Stopped
    >>> stopped = Stopped(2, "at sequence 1,000; resume to go on")
    >>> stopped.exit_code, str(stopped)
    (130, 'stopped by SIGINT at sequence 1,000; resume to go on')
    """

    def __init__(self, number: int, circumstances: str):
        self.signal = signal.Signals(number)
        super().__init__(f"stopped by {self.signal.name} {circumstances}")
        self.exit_code = 128 + number


class Interrupted(KeyboardInterrupt):
    """A signal arrived where there is nothing to finish; `number` is the signal's.

    Not an Exception: what catches those must not keep a process alive that was told to end.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


class StopRequest:
    """Whether a signal to stop has arrived, or a pipe was closed; `number` is the signal's."""

    number: int | None = None

    def broken_pipe(self) -> None:
        """Nobody reads what is written any more."""
        if self.number is None:
            self.number = CLOSED_PIPE


@contextmanager
def stop_on_signal(request: StopRequest | None = None) -> Iterator[StopRequest]:
    """Note signals instead of dying at once; a second SIGINT interrupts as usual.

    Outside the main thread, where Python takes no signals, this does nothing.
    """
    request = request or StopRequest()

    def note(number: int, frame: object) -> None:
        if number == signal.SIGINT and request.number is not None:
            raise KeyboardInterrupt
        request.number = number

    with _handled_by(note):
        if request.number is None:
            request.number = _take_lost()
        yield request


@contextmanager
def interrupt_on_signal() -> Iterator[None]:
    """Let every signal end what is under way as Ctrl-C does: by an exception, Interrupted.

    If the exception is lost (Python drops those that are raised in a callback of compiled code, as
    while a kernel is compiled), it is raised again at the end of this block, or the next
    `stop_on_signal` inside it begins with the request to stop.
    """

    def interrupt(number: int, frame: object) -> None:
        _lost[:] = [number]
        raise Interrupted(number)

    with _handled_by(interrupt):
        try:
            yield
        finally:
            number = _take_lost()
        if number is not None:
            raise Interrupted(number)


_lost: list[int] = []
"""The number of a signal whose exception has not been seen to arrive."""


def _take_lost() -> int | None:
    """That number, once; only the main thread is told of signals."""
    main = threading.current_thread() is threading.main_thread()
    return _lost.pop() if main and _lost else None


@contextmanager
def _handled_by(handler: Callable[[int, object], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    try:
        for number in STOPPING:
            earlier = signal.getsignal(number)
            # Under `nohup` a closed terminal is to be ignored.
            if number in (signal.SIGINT, signal.SIGTERM) or earlier != signal.SIG_IGN:
                before[number] = earlier
                signal.signal(number, handler)
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, signal.SIG_DFL if earlier is None else earlier)

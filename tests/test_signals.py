"""Signals that arrive where Python drops the exception of their handler."""

import ctypes
import os
import signal

import pytest

from tapehead.signals import Interrupted, interrupt_on_signal, stop_on_signal

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def lose(number):
    """Be sent a signal inside a callback of compiled code."""

    @ctypes.CFUNCTYPE(None)
    def callback():
        os.kill(os.getpid(), number)
        for _ in range(1000):  # Python calls the handler between two instructions
            pass

    callback()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_lost_signal_ends_the_block(number):
    went_on = []
    with pytest.raises(Interrupted) as caught, interrupt_on_signal():
        went_on += [lose(number)]
    assert went_on == [None]
    assert caught.value.number == number


def test_a_lost_signal_is_a_request_to_the_loop_that_follows():
    with interrupt_on_signal():
        lose(signal.SIGTERM)
        with stop_on_signal() as request:
            assert request.number == signal.SIGTERM


def test_a_signal_that_was_seen_is_not_raised_again():
    with pytest.raises(Interrupted), interrupt_on_signal():
        signal.raise_signal(signal.SIGTERM)
    with interrupt_on_signal(), stop_on_signal() as request:
        assert request.number is None

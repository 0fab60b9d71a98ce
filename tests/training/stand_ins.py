"""Machines for the tests of training, and settings that train in a moment."""

import os
import random
import signal
import sys
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import numpy as np
import torch
from torch import nn

from tapehead.machines import MACHINES, Recurrent, Trace
from tapehead.training import Reporter, TrainConfig, read_metrics


class Noisy(Recurrent):
    """One layer, shaken by the global generators of PyTorch, NumPy and Python."""

    def __init__(self, input_size: int, output_size: int, *, hidden_size: int = 8):
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.inner = nn.Linear(input_size, hidden_size)
        self.outer = nn.Linear(hidden_size, output_size)
        self.register_buffer("scale", torch.rand(hidden_size))

    def initial_state(self, batch_size: int) -> Any:
        return ()

    def forward(self, x, state=None, *, lengths=None):
        noise = torch.randn(()) + np.random.normal()  # noqa: NPY002
        if "beartype" not in sys.modules:  # which draws from Python's generator as it checks
            noise = noise + random.gauss(0, 1)
        hidden = torch.tanh(self.inner(x)) * self.scale * (1 + 0.1 * noise)
        return self.outer(hidden), ()

    def trace(self, x, state=None, *, lengths=None) -> Trace:
        raise NotImplementedError


class Poisoned(Noisy):
    """One whose bias gets a certain value at a certain step, which no loss or gradient shows."""

    def __init__(self, input_size: int, output_size: int, *, at_step: int, value: float):
        super().__init__(input_size, output_size)
        self._left, self._value = at_step + 1, value  # the warm-up comes first

    def forward(self, x, state=None, *, lengths=None):
        self._left -= self.training
        if self._left == 0:
            with torch.no_grad():
                self.inner.bias[2] = self._value
        return super().forward(x, state, lengths=lengths)


_HELD = ExitStack()


def known() -> AbstractContextManager[None]:
    """While `train` knows the machines below by name."""
    return MACHINES.holding(noisy=Noisy, breaking=Breaking, poisoned=Poisoned)


def install() -> None:
    """The same, for as long as a process of a test lives."""
    _HELD.enter_context(known())


def tiny(**changes: Any) -> TrainConfig:
    """A run of 60 steps in about a tenth of a second."""
    settings = {
        "machine": "noisy",
        "task_options": {"max_length": 3, "num_bits": 4},
        "batch_size": 4,
        "max_sequences": 240,
        "report_every": 40,
        "validate_every": 100,
        "validation_sequences": 16,
        "learning_rate": 1e-2,
        "threads": 1,
        "device": "cpu",
    }
    return TrainConfig(**settings | changes)


class Breaking(Recurrent):
    """One layer that breaks at a certain step of training.

    how: "outputs" are infinite, the "gradient" is not a number, or it "overflows"; or the outputs
        of a "validation" are infinite.
    """

    def __init__(self, input_size: int, output_size: int, *, at_step: int, how: str):
        super().__init__()
        self.input_size, self.output_size = input_size, output_size
        self.first = nn.Linear(input_size, output_size)
        self.second = nn.Parameter(torch.ones(3))
        self._left, self._how = at_step + 1, how  # the warm-up comes first

    def initial_state(self, batch_size: int) -> Any:
        return ()

    def forward(self, x, state=None, *, lengths=None):
        y = self.first(x) + self.second.sum()
        self._left -= self.training
        if self._how == "validation" and not self.training:
            return y / 0, ()
        if self._left == 0:
            if self._how == "outputs":
                y = y / 0
            elif self._how == "gradient":
                y = y + (self.second[1] * 0).sqrt()
            else:
                huge = self.second[1] * 1e30
                y = y + huge - huge.detach()
        return y, ()

    def trace(self, x, state=None, *, lengths=None) -> Trace:
        raise NotImplementedError


TIMES = ("seconds", "cpu_seconds", "sequences_per_second")


def rows(path, kind=None):
    """The rows of a run without what differs from one run to the next."""
    return [
        {name: value for name, value in row.items() if name not in TIMES}
        for row in read_metrics(path)
        if kind in (None, row["kind"])
    ]


class StopAt(Reporter):
    """Sends this process a signal at a row of a certain step, and keeps what is noted."""

    def __init__(self, step=None, number=signal.SIGTERM):
        self.step, self.number, self.notes = step, number, []

    def reported(self, row):
        if row["step"] == self.step:
            os.kill(os.getpid(), self.number)

    def noted(self, text):
        self.notes.append(text)

"""The machines, one file for each paper."""

from tapehead.machines.dnc import DNC, DNCState
from tapehead.machines.lstm import LSTM, LSTMState
from tapehead.machines.machine import Machine, Trace
from tapehead.machines.ntm import NTM, NTMState

MACHINES: dict[str, type[Machine]] = {"dnc": DNC, "lstm": LSTM, "ntm": NTM}
"""Every machine by its name on the command line."""

__all__ = [
    "DNC",
    "LSTM",
    "MACHINES",
    "NTM",
    "DNCState",
    "LSTMState",
    "Machine",
    "NTMState",
    "Trace",
]

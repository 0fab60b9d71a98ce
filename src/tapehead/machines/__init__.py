"""The machines, one file for each paper."""

from tapehead.machines.discrete_ntm import DiscreteNTM
from tapehead.machines.dnc import DNC, DNCState
from tapehead.machines.dynamic_ntm import DynamicNTM, DynamicNTMState
from tapehead.machines.lstm import LSTM, LSTMState
from tapehead.machines.machine import Machine, Trace
from tapehead.machines.ntm import NTM, NTMState
from tapehead.machines.recurrent import Recurrent
from tapehead.machines.rl_ntm import RLNTM
from tapehead.machines.tardis import TARDIS, TARDISState

MACHINES: dict[str, type[Machine]] = {
    "discrete-ntm": DiscreteNTM,
    "dnc": DNC,
    "dynamic-ntm": DynamicNTM,
    "lstm": LSTM,
    "ntm": NTM,
    "rl-ntm": RLNTM,
    "tardis": TARDIS,
}
"""Every machine by its name on the command line."""

__all__ = [
    "DNC",
    "LSTM",
    "MACHINES",
    "NTM",
    "RLNTM",
    "TARDIS",
    "DNCState",
    "DiscreteNTM",
    "DynamicNTM",
    "DynamicNTMState",
    "LSTMState",
    "Machine",
    "NTMState",
    "Recurrent",
    "TARDISState",
    "Trace",
]

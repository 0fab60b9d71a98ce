"""The machines, one file for each paper."""

from tapehead.machines.discrete_ntm import DiscreteNTM
from tapehead.machines.dnc import DNC, DNCState
from tapehead.machines.dynamic_memory_network import DynamicMemoryNetwork
from tapehead.machines.dynamic_ntm import DynamicNTM, DynamicNTMState
from tapehead.machines.dynamic_ntm_reader import DynamicNTMReader
from tapehead.machines.entity_network import EntityNetwork
from tapehead.machines.lstm import LSTM, LSTMState
from tapehead.machines.machine import Machine, Trace
from tapehead.machines.memory_network import MemoryNetwork
from tapehead.machines.ntm import NTM, NTMState
from tapehead.machines.pointer_network import PointerNetwork
from tapehead.machines.pointing import Pointing
from tapehead.machines.reading import Reader
from tapehead.machines.recurrent import Recurrent
from tapehead.machines.rl_ntm import RLNTM
from tapehead.machines.sequence_to_sequence import SequenceToSequence
from tapehead.machines.sparse_ntm import SparseNTM, SparseNTMState
from tapehead.machines.tardis import TARDIS, TARDISState
from tapehead.registry import MACHINES

__all__ = [
    "DNC",
    "LSTM",
    "MACHINES",
    "NTM",
    "RLNTM",
    "TARDIS",
    "DNCState",
    "DiscreteNTM",
    "DynamicMemoryNetwork",
    "DynamicNTM",
    "DynamicNTMReader",
    "DynamicNTMState",
    "EntityNetwork",
    "LSTMState",
    "Machine",
    "MemoryNetwork",
    "NTMState",
    "PointerNetwork",
    "Pointing",
    "Reader",
    "Recurrent",
    "SequenceToSequence",
    "SparseNTM",
    "SparseNTMState",
    "TARDISState",
    "Trace",
]

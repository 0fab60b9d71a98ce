"""Neural networks with an external memory: the Neural Turing Machine and its family."""

from tapehead.machines import LSTM, NTM, Machine, Trace

__all__ = ["LSTM", "NTM", "Machine", "Trace"]
__version__ = "0.1.0"

"""The operators of all kernels, by which `torch.export.load` knows them again."""

from tapehead.ops.dnc.cpu import registered as dnc
from tapehead.ops.ntm.cpu import registered as ntm

__all__ = ["dnc", "ntm"]

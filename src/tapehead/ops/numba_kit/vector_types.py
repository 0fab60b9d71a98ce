"""The types that the kernels compute with: vectors, masks of their lanes, and pointers."""

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import models, register_model

_FEATURES = llvm.get_host_cpu_features()
VECTOR_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16


def lanes_of(dtype: types.Float) -> int:
    """Numbers of a type that fit a register of this machine."""
    return VECTOR_BYTES * 8 // dtype.bitwidth


class Vector(types.Type):
    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Vector({dtype})")


class Mask(types.Type):
    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Mask({dtype})")


class Pointer(types.Type):
    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Pointer({dtype})")


def scalar_ir(dtype):
    return ir.FloatType() if dtype == types.float32 else ir.DoubleType()


def vector_ir(dtype):
    return ir.VectorType(scalar_ir(dtype), lanes_of(dtype))


def integer_ir(dtype):
    return ir.VectorType(ir.IntType(dtype.bitwidth), lanes_of(dtype))


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, vector_ir(fe_type.dtype))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, ir.VectorType(ir.IntType(1), lanes_of(fe_type.dtype)))


@register_model(Pointer)
class _PointerModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, scalar_ir(fe_type.dtype).as_pointer())

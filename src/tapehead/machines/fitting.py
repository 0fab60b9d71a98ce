"""Whether saved tensors fit a machine of today."""

from collections.abc import Mapping

from torch import Tensor


def misfit(target: Mapping[str, Tensor], source: Mapping[str, Tensor]) -> str | None:
    """The first tensor that keeps `source` from taking the place of `target`, in words."""
    for name in [*target, *source]:
        if name not in source:
            return f"{name} is missing"
        if name not in target:
            return f"{name} is unknown here"
        if target[name].shape != source[name].shape:
            return f"{name} has shape {tuple(source[name].shape)}, expected " + str(
                tuple(target[name].shape)
            )
        if target[name].dtype != source[name].dtype:
            return f"{name} has {source[name].dtype}, expected {target[name].dtype}"
    return None

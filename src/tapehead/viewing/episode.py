"""One sequence and a machine's answer to it: what the pictures of bits are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Shaped
from torch import Tensor

from tapehead.viewing.style import to_array

Array = np.ndarray | Tensor
Image = Shaped[Array, "time channels"]


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One sequence and what a machine made of it, kept as NumPy arrays.

    Attributes:
        inputs: (time, input channels), any real numbers.
        targets: (time, output channels), bits.
        outputs: (time, output channels), the probability of each bit, in [0, 1].
        mask: (time,), the steps at which an answer is asked; None means all.
        input_names: a name per input channel.
        output_names: a name per output channel.

    Raises:
        ValueError: shapes that do not fit together, or outputs that are not probabilities.
    """

    inputs: Array
    targets: Array
    outputs: Array
    mask: Array | None = None
    input_names: Sequence[str] | None = None
    output_names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for name in ("inputs", "targets", "outputs"):
            value = to_array(getattr(self, name)).astype(float)
            if value.ndim != 2 or 0 in value.shape:
                raise ValueError(f"{name} must be (time, channels), got shape {value.shape}")
            object.__setattr__(self, name, value)
        steps = len(self.inputs)
        mask = np.ones(steps, bool) if self.mask is None else to_array(self.mask).astype(bool)
        object.__setattr__(self, "mask", mask)
        if self.targets.shape != self.outputs.shape:
            raise ValueError(
                f"outputs must have the targets' shape {self.targets.shape}, "
                f"got {self.outputs.shape}"
            )
        if len(self.targets) != steps or mask.shape != (steps,):
            raise ValueError(
                f"inputs, targets and mask must have as many steps, got {steps}, "
                f"{len(self.targets)} and {mask.shape}"
            )
        asked = self.outputs[mask]
        if not ((asked >= 0) & (asked <= 1)).all():
            raise ValueError("outputs must be probabilities in [0, 1]; take the sigmoid of logits")
        for name, image in (("input_names", self.inputs), ("output_names", self.outputs)):
            names = getattr(self, name)
            if names is not None and len(names) != image.shape[1]:
                raise ValueError(
                    f"{name} must hold {image.shape[1]} names, one per channel, got {len(names)}"
                )

    @property
    def wrong(self) -> Bool[np.ndarray, "time outputs"]:
        """Where a bit was asked for and the answer does not lean to it; 0.5 leans to neither."""
        leaning = (self.outputs - 0.5) * (2 * self.targets - 1)
        return (leaning <= 0) & self.mask[:, None]

    @property
    def answer_starts(self) -> int | None:
        """The first asked step (from 0), if anything came before it."""
        first = int(self.mask.argmax())
        return first if first > 0 else None

    def answer(self) -> "Episode":
        """The asked steps alone."""
        return Episode(
            inputs=self.inputs[self.mask],
            targets=self.targets[self.mask],
            outputs=self.outputs[self.mask],
            input_names=self.input_names,
            output_names=self.output_names,
        )

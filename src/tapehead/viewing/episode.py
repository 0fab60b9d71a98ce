"""One sequence and a machine's answer to it: what the pictures of bits are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Shaped
from torch import Tensor

from tapehead.viewing.style import to_array

Array = np.ndarray | Tensor
Image = Shaped[Array, "time channels"]


@dataclass(frozen=True, init=False)
class Episode:
    """One sequence and what a machine made of it, kept as NumPy arrays.

    Attributes:
        inputs: (time, input channels), any real numbers.
        targets: (time, output channels), bits.
        outputs: (time, output channels), the probability of each bit, in [0, 1].
        mask: (time,), the steps at which an answer is asked; left out: all.
        input_names: a name per input channel, or None.
        output_names: a name per output channel, or None.

    Raises:
        ValueError: shapes that do not fit together, or outputs that are not probabilities.
    """

    inputs: np.ndarray
    targets: np.ndarray
    outputs: np.ndarray
    mask: np.ndarray
    input_names: Sequence[str] | None
    output_names: Sequence[str] | None

    def __init__(
        self,
        *,
        inputs: Array,
        targets: Array,
        outputs: Array,
        mask: Array | None = None,
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
    ) -> None:
        images = {
            name: to_array(values).astype(float)
            for name, values in (("inputs", inputs), ("targets", targets), ("outputs", outputs))
        }
        for name, values in images.items():
            if values.ndim != 2 or 0 in values.shape:
                raise ValueError(f"{name} must be (time, channels), got shape {values.shape}")
        steps = len(images["inputs"])
        asked = np.ones(steps, bool) if mask is None else to_array(mask).astype(bool)
        wanted, got = images["targets"].shape, images["outputs"].shape
        if wanted != got:
            raise ValueError(f"outputs must have the targets' shape {wanted}, got {got}")
        if wanted[0] != steps or asked.shape != (steps,):
            raise ValueError(
                "inputs, targets and mask must have as many steps, "
                f"got {steps}, {wanted[0]} and {asked.shape}"
            )
        answer = images["outputs"][asked]
        if not ((answer >= 0) & (answer <= 1)).all():
            raise ValueError("outputs must be probabilities in [0, 1]; take the sigmoid of logits")
        names = {"input_names": input_names, "output_names": output_names}
        for (option, given), image in zip(names.items(), ("inputs", "outputs"), strict=True):
            channels = images[image].shape[1]
            if given is not None and len(given) != channels:
                raise ValueError(
                    f"{option} must hold {channels} names, one per channel, got {len(given)}"
                )
        for name, value in {**images, "mask": asked, **names}.items():
            object.__setattr__(self, name, value)

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

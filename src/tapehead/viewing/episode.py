"""One sequence and a machine's answer to it: what the pictures of bits are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tapehead.viewing.image import Array, group_names
from tapehead.viewing.style import to_array

NOTABLE = 24
"""Names of channels that can be read beside each other."""


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
        wrong: (time, output channels), where an answer is asked for and wrong; left out: where the
            probability does not lean to the target's bit; 0.5 leans to neither.
        unit: what is counted right and wrong: "bits", "steps", "words"; "" for nothing.
        channelwise: whether each channel of an answer step is one of these; else each step is.
        part: what a wrong cell is called in the key: "bit", "digit", "step".
        words: what each word of an answer step is called; empty for answers that are no text.
        asked, said: the words asked for and answered, for each asked step.

    Raises:
        ValueError: shapes that do not fit together, or outputs that are not probabilities.

    >>> import torch
    >>> from tapehead.viewing import Episode, bit_figure
    >>> asked, said = torch.tensor([[1, 0], [0, 1]]), torch.tensor([[0.9, 0.2], [0.1, 0.3]])
    >>> episode = Episode(inputs=asked, targets=asked, outputs=said)
    >>> episode.verdict
    '1 of 4 bits wrong'
    >>> figure = bit_figure(episode)
    """

    inputs: np.ndarray
    targets: np.ndarray
    outputs: np.ndarray
    mask: np.ndarray
    input_names: Sequence[str] | None
    output_names: Sequence[str] | None
    wrong: np.ndarray
    unit: str
    channelwise: bool
    part: str
    words: Sequence[str]
    asked: Sequence[Sequence[str]]
    said: Sequence[Sequence[str]]

    def __init__(
        self,
        *,
        inputs: Array,
        targets: Array,
        outputs: Array,
        mask: Array | None = None,
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        wrong: Array | None = None,
        unit: str = "bits",
        channelwise: bool = True,
        part: str = "bit",
        words: Sequence[str] = (),
        asked: Sequence[Sequence[str]] = (),
        said: Sequence[Sequence[str]] = (),
    ) -> None:
        images = {
            name: to_array(values).astype(float)
            for name, values in (("inputs", inputs), ("targets", targets), ("outputs", outputs))
        }
        for name, values in images.items():
            if values.ndim != 2 or 0 in values.shape:
                raise ValueError(f"{name} must be (time, channels), got shape {values.shape}")
        steps = len(images["inputs"])
        masked = np.ones(steps, bool) if mask is None else to_array(mask).astype(bool)
        wanted, got = images["targets"].shape, images["outputs"].shape
        if wanted != got:
            raise ValueError(f"outputs must have the targets' shape {wanted}, got {got}")
        if wanted[0] != steps or masked.shape != (steps,):
            raise ValueError(
                "inputs, targets and mask must have as many steps, "
                f"got {steps}, {wanted[0]} and {masked.shape}"
            )
        answer = images["outputs"][masked]
        if not ((answer >= 0) & (answer <= 1)).all():
            raise ValueError("outputs must be probabilities in [0, 1], not logits")
        names = {"input_names": input_names, "output_names": output_names}
        for (option, given), image in zip(names.items(), ("inputs", "outputs"), strict=True):
            channels = images[image].shape[1]
            if given is not None and len(given) != channels:
                raise ValueError(
                    f"{option} must hold {channels} names, one per channel, got {len(given)}"
                )
        if wrong is None:
            leaning = (images["outputs"] - 0.5) * (2 * images["targets"] - 1)
            wrong = (leaning <= 0) & masked[:, None]
        wrong = to_array(wrong).astype(bool)
        if wrong.shape != wanted:
            raise ValueError(f"wrong must have the targets' shape {wanted}, got {wrong.shape}")
        told = {
            "unit": unit, "channelwise": channelwise, "part": part,
            "words": words, "asked": asked, "said": said,
        }  # fmt: skip
        for name, value in {**images, "mask": masked, "wrong": wrong, **names, **told}.items():
            object.__setattr__(self, name, value)

    @property
    def count(self) -> int:
        """How many of `unit` are wrong."""
        return int(self.wrong.sum() if self.channelwise else self.wrong.any(axis=1).sum())

    @property
    def verdict(self) -> str:
        """ "3 of 40 bits wrong", or "all 40 bits right"; empty where nothing is counted."""
        if not self.unit:
            return ""
        total = int(self.mask.sum()) * (self.targets.shape[1] if self.channelwise else 1)
        if self.count:
            return f"{self.count} of {total} {self.unit} wrong"
        return f"all {total} {self.unit} right"

    @property
    def answer_starts(self) -> int | None:
        """The first asked step (from 0), if anything came before it."""
        first = int(self.mask.argmax())
        return first if first > 0 else None

    def answer(self) -> "Episode":
        """The asked steps alone."""
        images = ("inputs", "targets", "outputs", "wrong", "mask")
        return self._with({name: getattr(self, name)[self.mask] for name in images})

    def notable(self, most: int) -> "Episode":
        """The channels that something happens in, where there are more than `most` names to read:
        inputs that are ever on, and the outputs that are asked for or likeliest at some step."""
        changed: dict[str, Any] = {}
        if self.input_names is not None and len(group_names(self.input_names)) > most:
            kept = np.flatnonzero(np.abs(self.inputs).max(0) > 0)
            changed["inputs"] = self.inputs[:, kept]
            changed["input_names"] = [self.input_names[channel] for channel in kept.tolist()]
        if self.output_names is not None and len(group_names(self.output_names)) > most:
            likely = (self.outputs + self.targets)[self.mask].max(0)
            kept = np.sort(np.argsort(-likely, kind="stable")[:most])
            images = ("targets", "outputs", "wrong")
            changed |= {name: getattr(self, name)[:, kept] for name in images}
            changed["output_names"] = [self.output_names[channel] for channel in kept.tolist()]
        return self._with(changed)

    def _with(self, changed: Mapping[str, Any]) -> "Episode":
        return Episode(**{**vars(self), **changed})

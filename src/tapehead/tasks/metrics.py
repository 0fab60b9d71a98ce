"""Scores by name: how each is written, what it is counted in, and which way is better."""

from typing import Literal, NamedTuple


class Metric(NamedTuple):
    """A score: the mean over sequences is what tables, figures and pass marks speak of.

    name: its key in rows of metrics and in results.
    label: what a person reads.
    unit: "per sequence", "bits per sequence", ...; "%" for a share of the sequences from 0 to 1,
        "% of ..." for one of something else; "" for none.
    better: whether lower or higher values are.

    >>> from tapehead.tasks.metrics import Metric
    >>> late = Metric("late", "that came late", "%")
    >>> late.heading, late.shown(0.25)
    ('sequences that came late', '25.0%')
    >>> Metric("bits", "cost", "bits per sequence").heading
    'cost (bits per sequence)'
    """

    name: str
    label: str
    unit: str
    better: Literal["lower", "higher"] = "lower"

    @property
    def heading(self) -> str:
        """Label and unit, as on an axis or at the head of a column."""
        if self.unit == "%":
            return f"sequences {self.label}"
        if not self.unit:
            return self.label
        if self.unit.startswith("per "):
            return f"{self.label} {self.unit}"
        return f"{self.label} ({self.unit})"

    def shown(self, value: float, digits: int = 3) -> str:
        """A value as text: 0.250, or 25.0% of a share."""
        return f"{value:.1%}" if self.is_share else f"{value:.{digits}f}"

    @property
    def is_share(self) -> bool:
        return self.unit.startswith("%")


class PassMark(NamedTuple):
    """The metric by which a task counts as solved, and the value that its mean must be better
    than.

    >>> from tapehead.tasks.metrics import BIT_ERRORS, PassMark
    >>> mark = PassMark(BIT_ERRORS, 0.1)
    >>> mark.words, mark.met(0.05), mark.met(0.1)
    ('wrong bits below 0.1', True, False)
    """

    metric: Metric
    threshold: float

    def met(self, value: float) -> bool:
        """Whether a mean is better than the threshold; equal is not enough."""
        lower = self.metric.better == "lower"
        return value < self.threshold if lower else value > self.threshold

    def rank(self, value: float) -> float:
        """The value, its sign such that lower is better."""
        return value if self.metric.better == "lower" else -value

    def distance(self, value: float) -> float:
        """How many times worse than the threshold a value is; below 1 once it is better."""
        if self.metric.better == "lower":
            return value / self.threshold
        return self.threshold / max(value, 1e-30)

    def __str__(self) -> str:
        side = "below" if self.metric.better == "lower" else "above"
        return f"{side} {self.goal}"

    @property
    def words(self) -> str:
        """In few words, of a mean over sequences: "wrong bits below 0.1", "regret below 1 bit"."""
        unit = self.metric.unit.removesuffix(" per sequence")
        if self.metric.is_share or unit == self.metric.unit:  # in the threshold, or in the label
            return f"{self.metric.label} {self}"
        return f"{self.metric.label} {self} {unit.removesuffix('s') if self.goal == '1' else unit}"

    @property
    def goal(self) -> str:
        """The threshold as text."""
        return f"{self.threshold:.0%}" if self.metric.is_share else f"{self.threshold:g}"


SOLVED = Metric("solved", "without error", "%", "higher")
BITS = Metric("bits", "cost", "bits per sequence")
BIT_ERRORS = Metric("bit_errors", "wrong bits", "per sequence")
STEP_ERRORS = Metric("step_errors", "wrong steps", "per sequence")
WRONG = Metric("wrong", "wrong answers", "% of questions")
POINTER_ERRORS = Metric("pointer_errors", "wrong pointers", "per sequence")
VALID = Metric("valid", "with a valid answer", "%", "higher")
REGRET = Metric("regret", "regret", "bits per sequence")
LOSS = Metric("loss", "loss", "nats per answered bit")
_KNOWN = {
    metric.name: metric
    for metric in (
        SOLVED,
        BITS,
        BIT_ERRORS,
        STEP_ERRORS,
        WRONG,
        POINTER_ERRORS,
        VALID,
        REGRET,
        LOSS,
    )
}


def metric_of(name: Metric | str) -> Metric:
    """A metric by the name of its column; one that is not ours is called by that name."""
    return name if isinstance(name, Metric) else _KNOWN.get(name, Metric(name, name, ""))

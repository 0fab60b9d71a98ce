"""What is said of a run, in words and numbers."""

from collections.abc import Mapping
from typing import Any

from tapehead.tasks.metrics import SOLVED, Metric
from tapehead.training.display.reporter import RunInfo


def describe_preparing(done: int, total: int, seconds_left: float | None) -> str:
    text = f"{done:,} of {total:,} problems made"
    if done == total or seconds_left is None:
        return text
    return f"{text}, {clock(seconds_left, whole=True)} left"


def describe(info: RunInfo) -> str:
    parts = [
        f"{info.machine} on {info.task}",
        f"seed {info.seed}",
        f"{info.parameters:,} parameters",
        f"{info.device}, {count(info.threads, 'thread')}",
    ]
    if info.processes > 1:
        parts.append(f"{info.processes} processes")
    if info.backend:
        parts.append(f"backend {info.backend}")
    if info.began_with is not None and not info.resumed_at:
        parts.append(f"begun with the weights of {info.began_with}")
    if info.resumed_at:
        parts.append(f"resumed at {info.resumed_at:,} sequences")
    if info.path:
        parts.append(info.path)
    return "   ".join(parts)


def describe_validation(row: Mapping[str, Any], info: RunInfo) -> str:
    metric = info.pass_mark.metric
    verdict = "solved" if row["passed"] else f"not yet {info.pass_mark}"
    value = f"{metric.shown(row[metric.name])} {metric.label}"
    return f"validation at {row['sequences']:,}: {value}, {verdict}"


def described_row(row: Mapping[str, Any], info: RunInfo) -> str:
    scores = [
        f"{metric.shown(row[metric.name], 2)} {metric.label}"
        for metric in told_metrics(info)
        if metric.name in row
    ]
    return ", ".join([f"{row['sequences']:,} sequences", *scores])


def describe_result(result: Mapping[str, Any]) -> str:
    return f"{ending(result)} in {clock(result['seconds'])}"


def ending(result: Mapping[str, Any]) -> str:
    verdict = "solved" if result["solved"] else "not solved"
    restarts = result.get("restarts", 0)
    again = f" and {count(restarts, 'restart')}" if restarts else ""
    return f"{verdict} after {result['sequences']:,} sequences{again}"


def told_metrics(info: RunInfo) -> tuple[Metric, ...]:
    """What live lines say beside the loss: the pass mark's metric, and the share without error."""
    metric = info.pass_mark.metric
    return (metric, SOLVED) if info.has_errors and metric != SOLVED else (metric,)


def count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def clock(seconds: float, *, whole: bool = False) -> str:
    """Seconds as 9.8 s (0:10 if whole), 3:05 or 2:03:05."""
    if seconds < 60 and not whole:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"

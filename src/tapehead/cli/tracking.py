"""`--track`: another program that follows the runs of a command."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tapehead.training import Reporter

Name = Literal["tensorboard", "trackio"]


def check_track(track: Name | None) -> None:
    """Raise a TapeheadError that names the extra unless the tracker is installed."""
    if track is not None:
        from tapehead.training.tracking import check_tracker

        check_tracker(track)


def followed(reporter: "Reporter", track: Name | None) -> "Reporter":
    """A reporter that tells the tracker too."""
    if track is None:
        return reporter
    from tapehead.training.display import Together
    from tapehead.training.tracking import Tracking

    return Together(reporter, Tracking(track))

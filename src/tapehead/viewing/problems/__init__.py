"""One problem of a task and what a machine does with it, as pictures: a module for each form."""

from tapehead.viewing.problems.points import point_figures, pointed_of
from tapehead.viewing.problems.recording import recorded
from tapehead.viewing.problems.running import load_viewed, run_one
from tapehead.viewing.problems.sequences import (
    episode_of,
    run_episode,
    sequence_figures,
    start_of,
)
from tapehead.viewing.problems.stories import read_story, story_figures
from tapehead.viewing.problems.tapes import tape_figures, walk_of

__all__ = [
    "episode_of",
    "load_viewed",
    "point_figures",
    "pointed_of",
    "read_story",
    "recorded",
    "run_episode",
    "run_one",
    "sequence_figures",
    "start_of",
    "story_figures",
    "tape_figures",
    "walk_of",
]

"""Many runs: the same jobs on several engines, and what becomes of each."""

from tapehead.training.fleet.engines import (
    Engine,
    Here,
    News,
    Processes,
    default_workers,
    make_engine,
)
from tapehead.training.fleet.jobs import Job, Outcome, run_jobs
from tapehead.training.fleet.seeds import SeedsFailed, train_seeds

__all__ = [
    "Engine",
    "Here",
    "Job",
    "News",
    "Outcome",
    "Processes",
    "SeedsFailed",
    "default_workers",
    "make_engine",
    "run_jobs",
    "train_seeds",
]

"""What a person looks at: figures of runs, machines at work and machines compared.

Every function takes plain arrays, tensors or rows and returns a matplotlib `Figure`; `save` writes
it. No window opens and no global setting changes.
"""

from tapehead.viewing.bits import bit_figure, length_figure
from tapehead.viewing.curves import learning_curves
from tapehead.viewing.episode import Episode
from tapehead.viewing.generalisation import generalisation
from tapehead.viewing.heads import heads_figure
from tapehead.viewing.memory import memory_figure
from tapehead.viewing.problems import run_episode
from tapehead.viewing.seeds import Seed, read_seed
from tapehead.viewing.several import view_runs
from tapehead.viewing.style import COLUMN, DOUBLE, save
from tapehead.viewing.summary import compare, summary_figure
from tapehead.viewing.view import view_run
from tapehead.viewing.words import word_figure

__all__ = [
    "COLUMN",
    "DOUBLE",
    "Episode",
    "Seed",
    "bit_figure",
    "compare",
    "generalisation",
    "heads_figure",
    "learning_curves",
    "length_figure",
    "memory_figure",
    "read_seed",
    "run_episode",
    "save",
    "summary_figure",
    "view_run",
    "view_runs",
    "word_figure",
]

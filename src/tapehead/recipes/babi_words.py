"""The experiment `babi/words`: machines that hear stories word by word, each trained on all twenty
bAbI tasks at once (Graves, Wayne et al. 2016).

A run is judged as those of `babi/joint` are; the last cell has the mean of the twenty tasks.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tapehead.recipes import babi_joint, dnc, ntm_paper
from tapehead.recipes.babi import published
from tapehead.recipes.experiment import Contest, Experiment

if TYPE_CHECKING:
    import matplotlib.figure

    import tapehead.runs.config

PAPER = "Graves et al. 2016"
TASK = "babi-words-all"
MEAN = "mean of 20 tasks"
CONTESTANTS = ("lstm", "ntm-lstm", "dnc")

PUBLISHED = {
    "lstm": [
        24.5, 53.2, 48.3, 0.4, 3.5, 11.5, 15.0, 16.5, 10.5, 22.9, 6.1, 3.8, 0.5, 55.3, 44.7, 52.6,
        39.2, 4.8, 89.5, 1.3,
    ],
    "ntm-lstm": [
        31.5, 54.5, 43.9, 0.0, 0.8, 17.1, 17.8, 13.8, 16.4, 16.6, 15.2, 8.9, 7.4, 24.2, 47.0, 53.6,
        25.5, 2.2, 4.3, 1.5,
    ],
    "dnc": [
        0.0, 0.4, 1.8, 0.0, 0.8, 0.0, 0.6, 0.3, 0.2, 0.2, 0.0, 0.0, 0.1, 0.4, 0.0, 55.1, 12.0, 0.8,
        3.9, 0.0,
    ],
}  # fmt: skip
"""Test error in %, best of 20 runs by validation (Extended Data Table 1)."""
SOURCES = {"lstm": PAPER, "ntm-lstm": PAPER, "dnc": f"{PAPER} (DNC2)"}
PUBLISHED_MEANS = {"lstm": 27.3, "ntm-lstm": 28.5, "dnc": 16.7}
"""Over tasks and all 20 runs, the same table; of the DNC the better kind, DNC1."""

PAPER_SIZES: dict[str, dict[str, Any]] = {
    # Extended Data Table 2; the DNC that it calls DNC1.
    "lstm": {"hidden_size": 512, "num_layers": 1},
    "ntm-lstm": {"hidden_size": 256, "memory_size": 256, "word_size": 64, "num_reads": 4},
    "dnc": {"hidden_size": 256, "memory_size": 256, "word_size": 64, "num_reads": 4},
}
_PAPERS_SIDE = {"lstm": ntm_paper.PAPER_LSTM, "ntm-lstm": ntm_paper.PAPER_MACHINE}

SIZES = {"hidden_size": 256, "memory_size": 192, "word_size": 64, "num_reads": 4}
"""Of Franke, Niehues & Waibel (2018)."""
MACHINES: dict[str, dict[str, Any]] = {
    "lstm": PAPER_SIZES["lstm"],
    # Over hundreds of steps gradients can grow past all measure.
    "ntm-lstm": SIZES | {"gradient_clip": 0.01},
    "dnc": SIZES
    | {"layer_norm": True, "bypass_dropout": 0.1}
    # Csordas & Schmidhuber (2019) found these two to help most.
    | {"masked_lookup": True, "erase_freed": True}
    # A step takes half the time.
    | {"sparse_links": 8},
}
TRAINING: dict[str, Any] = {
    "optimiser": "rmsprop",
    "learning_rate": 1e-4,
    "momentum": 0.9,
    "clip_value": None,
    "clip_norm": 1.0,
    "batch_size": 32,
    "schedule": "linear",
    "final_learning_rate": 1e-5,
}
_EPOCH = 56_396
"""Training stories of all tasks."""
EPOCHS = 24


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of a machine on the stories of all tasks, `fast` or `paper`."""
    from tapehead.runs.config import TrainConfig

    machine, training = MACHINES[contestant], TRAINING
    options: dict[str, Any] = {"task": "all", "generated": True}
    if setting == "paper":
        machine = PAPER_SIZES[contestant] | _PAPERS_SIDE.get(contestant, dnc.PAPER_MACHINE)
        training = dnc.PAPER_TRAINING | ({"clip_value": None} if contestant == "dnc" else {})
    else:
        options["bucketed"] = True
    return TrainConfig.from_dict(
        {
            "task": "babi-words",
            "task_options": options,
            "machine": contestant.removesuffix("-lstm"),
            "machine_options": dict(machine),
            "stop_when_solved": False,
            "validate_every": _EPOCH,
            "report_every": _EPOCH // 20,
            "test_sequences": 1,
        }
        | training
        | {"max_sequences": EPOCHS * _EPOCH}
    )


def judge(contest: Contest) -> list[dict[str, Any]]:
    """The test error of each run's best checkpoint on each task, and their mean, with the
    validations on the way."""
    from tapehead.recipes.races import validations

    cells = babi_joint.cells_by_task(contest, published(PUBLISHED, SOURCES))
    mean = cells[0] | {
        "task": TASK,
        "test": MEAN,
        "values": [fmean(each) for each in zip(*(cell["values"] for cell in cells), strict=True)],
        "best": fmean(cell["best"] for cell in cells),
        "published": round(fmean(cell["published"] for cell in cells), 5),
        "published_mean": PUBLISHED_MEANS[contest.contestant] / 100,
        "curves": validations(contest),
    }
    return [*cells, mean]


def figure(cells: Sequence[dict[str, Any]]) -> "matplotlib.figure.Figure":
    """The mean error over all tasks on the way, a line for each machine."""
    from tapehead.tasks import make_task
    from tapehead.viewing.races import task_figure

    task = make_task("babi-words", task="all")
    means = [cell for cell in cells if cell["task"] == TASK]
    return task_figure(means, {TASK: task.title}, mark=task.pass_mark)


EXPERIMENT = Experiment(
    name="babi/words",
    source=f"{PAPER}, Methods and Extended Data Tables 1 and 2",
    tasks=(TASK,),
    contestants=CONTESTANTS,
    recipe=recipe,
    metric="wrong",
    unit="share of questions answered wrongly",
    seeds=1,
    told_with=("data",),
    judge=judge,
    figure=figure,
)

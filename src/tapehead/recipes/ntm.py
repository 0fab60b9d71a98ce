"""The experiments of the Neural Turing Machine paper (Graves, Wayne, Danihelka, arXiv 1410.5401).

Five tasks, three contestants each. The `paper` setting has the sizes, optimiser and rates of its
tables 1-3, and wherever docs/departures.md names a switch the paper's side of it; the `fast`
setting has our own optimiser and rates, and the same sizes where no comment says otherwise.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from tapehead.recipes.experiment import Experiment
from tapehead.recipes.ntm_paper import (
    PAPER,
    PAPER_LSTM,
    PAPER_MACHINE,
    PAPER_SEQUENCES,
    PAPER_TRAINING,
    PUBLISHED,
    SECTIONS,
    SIZES,
)

if TYPE_CHECKING:
    import tapehead.runs.config

CONTESTANTS = ("ntm-lstm", "ntm-feedforward", "lstm")

# Of either setting.
TESTING: dict[str, Any] = {"test_sequences": 512}

# ----------------------------------------------------------------------------------------------
# The fast setting: options of TrainConfig, then of the machine under "machine_options".
# Found by search, on some of the seeds that the results report where FRESH names no others. A
# small batch helps twice: its noise leaves the half-solutions that larger ones settle in, and its
# steps are cheap.
# ----------------------------------------------------------------------------------------------
RMSPROP: dict[str, Any] = {
    "optimiser": "rmsprop",
    "learning_rate": 7e-4,
    "momentum": 0.9,
    "decay": 0.95,
    "clip_value": 10.0,
    "batch_size": 8,
    "schedule": "linear",
}
ADAM: dict[str, Any] = {
    "optimiser": "adam",
    "learning_rate": 1e-3,
    "momentum": 0.9,
    "clip_value": 10.0,
    "batch_size": 16,
    "schedule": "linear",
}
UNIFORM = {"memory_init": "uniform"}
# Copies of at most 20 leave most of 128 rows empty. Machines learn to lean on that, and fail where
# a longer copy fills the memory. Trained with few rows to spare they do not, and can be given as
# many as they need. A start in which all rows are alike leaves them nothing else to go by, such as
# how one of them looks (docs/why-runs-fail.md).
COPYING = RMSPROP | {
    "max_sequences": 32_000,
    # Most runs have solved it by then; those that take longer copy in a way that does not last.
    "restart_after": 8_000,
    "machine_options": {"memory_size": 24},
    "test_memory_size": 128,
}
# Smaller steps of bounded length.
BOUNDED = RMSPROP | {"learning_rate": 3e-4, "clip_value": None, "clip_norm": 1.0}
REPEATS = BOUNDED | {"max_sequences": 150_000, "machine_options": UNIFORM}
# Counting and sorting keep things in places of their own. A memory whose first contents are learned
# can mark them. Heads that move by one row a step stay among the twenty rows or so around the first
# one; these start anywhere, and reach far.
PLACES = {"memory_init": "learned", "head_init": "random", "shift_range": 10}
COUNTING = RMSPROP | {
    "learning_rate": 4e-4,
    "clip_value": None,
    "clip_norm": 1.0,
    "max_sequences": 90_000,
    # Over 200 steps some seeds' gradients grow past all measure, and undo what was learned.
    "machine_options": PLACES | {"gradient_clip": 0.01},
}
SORT = RMSPROP | {
    "learning_rate": 1.2e-3,
    "clip_value": None,
    "clip_norm": 1.0,
    "batch_size": 16,
    "max_sequences": 250_000,
    "machine_options": PLACES,
}
FAST: dict[str, dict[str, dict[str, Any]]] = {
    "copy": {
        "ntm-lstm": COPYING,
        "ntm-feedforward": COPYING,
        "lstm": ADAM | {"max_sequences": 60_000},
    },
    "repeat-copy": {
        # At copy's rate some seeds lose what they had learned and never find it again.
        "ntm-lstm": REPEATS | {"batch_size": 4},
        "ntm-feedforward": REPEATS,
        "lstm": ADAM | {"max_sequences": 2_000},
    },
    "associative-recall": {
        # A half-solution near 4 wrong bits holds it for long; larger steps of bounded length leave
        # it sooner, and a run that has not left it by then begins anew. Once solved, steps that get
        # smaller make the rest exact, also with more items than in training.
        "ntm-lstm": ADAM
        | {
            "learning_rate": 2e-3,
            "clip_value": None,
            "clip_norm": 1.0,
            "batch_size": 32,
            "max_sequences": 400_000,
            "restart_after": 100_000,
            "cooldown": 40_000,
            "machine_options": UNIFORM,
        },
        "ntm-feedforward": ADAM
        | {"max_sequences": 300_000, "restart_after": 50_000, "cooldown": 30_000},
        "lstm": ADAM | {"max_sequences": 20_000},
    },
    "ngrams": {
        "ntm-lstm": COUNTING,
        # A second read head, and a closer cut than for the LSTM controller, which has another way
        # to remember. It is still getting better when its sequences end.
        "ntm-feedforward": COUNTING
        | {
            "learning_rate": 5e-4,
            "batch_size": 4,
            "max_sequences": 110_000,
            "machine_options": PLACES | {"num_reads": 2, "gradient_clip": 0.002},
        },
        "lstm": ADAM | {"max_sequences": 15_000},
    },
    "priority-sort": {
        # One layer learns sooner than the paper's two; a quarter of its 512 feed-forward units make
        # cheaper steps.
        "ntm-lstm": SORT | {"machine_options": PLACES | {"num_layers": 1}},
        "ntm-feedforward": SORT
        | {
            "learning_rate": 7e-4,
            "machine_options": PLACES | {"hidden_size": 128, "gradient_clip": 0.01},
        },
        "lstm": RMSPROP | {"learning_rate": 3e-4, "batch_size": 16, "max_sequences": 100_000},
    },
}
# ----------------------------------------------------------------------------------------------

READ_ORDERS = {"ntm-lstm, read first": True, "ntm-lstm, write first": False}


def read_order(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The same machine reading before the step's write or, as in eq. 2, after it."""
    config = recipe(task, "ntm-lstm", setting)
    options = UNIFORM | {"read_first": READ_ORDERS[contestant], "memory_size": 128}
    return dataclasses.replace(
        config,
        machine_options=config.machine_options | options,
        max_sequences=30_000,
        restart_after=None,
        test_memory_size=None,
    )


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of one contestant on one task, `fast` or `paper`."""
    from tapehead.runs.config import TrainConfig

    size = SIZES[contestant][task]
    machine: dict[str, Any] = {"hidden_size": size.hidden_size, "num_layers": size.num_layers}
    if size.heads is not None:
        machine |= {
            "memory_size": 128,
            "word_size": 20,
            "num_reads": size.heads,
            "num_writes": size.heads,
            "controller": contestant.removeprefix("ntm-"),
        }
    training: dict[str, Any]
    if setting == "paper":
        machine |= PAPER_LSTM if size.heads is None else PAPER_MACHINE
        training = PAPER_TRAINING | {
            "learning_rate": size.learning_rate,
            "max_sequences": PAPER_SEQUENCES[task],
        }
    else:
        training = FAST[task][contestant]
    training = TESTING | training
    machine |= training.pop("machine_options", {})
    return TrainConfig.from_dict(
        {
            "task": task,
            "machine": "lstm" if size.heads is None else "ntm",
            "machine_options": machine,
            **training,
        }
    )


METRICS = dict.fromkeys(SECTIONS, ("bits", "bits per sequence"))
METRICS["ngrams"] = ("regret", "bits above the optimal predictor")

# Recipes that were searched for on other seeds than these.
FRESH: dict[str, dict[str, Any]] = {
    "copy": {"seeds": 20, "seeds_of": {"lstm": 5}, "first_seed": 3_000},
    "associative-recall": {"seeds": 20, "seeds_of": {"lstm": 5}, "first_seed": 3_000},
}


def _experiment(task: str) -> Experiment:
    return Experiment(
        name=f"ntm/{task}",
        source=f"{PAPER}, {SECTIONS[task]}",
        tasks=(task,),
        contestants=CONTESTANTS,
        recipe=recipe,
        published={task: PUBLISHED[task]},
        metric=METRICS[task][0],
        unit=METRICS[task][1],
        parameters={name: SIZES[name][task].parameters for name in CONTESTANTS},
        **FRESH.get(task, {}),
    )


COPY = _experiment("copy")
REPEAT_COPY = _experiment("repeat-copy")
ASSOCIATIVE_RECALL = _experiment("associative-recall")
NGRAMS = _experiment("ngrams")
PRIORITY_SORT = _experiment("priority-sort")
READ_ORDER = Experiment(
    name="ntm/read-order",
    source=f"{PAPER}, equation 2, against common practice",
    tasks=("copy",),
    contestants=tuple(READ_ORDERS),
    recipe=read_order,
    seeds=10,
)
TIME_TO_SOLUTION = Experiment(
    name="ntm/time-to-solution",
    source=f"{PAPER}, section 4.1, as `make train`",
    tasks=("copy",),
    contestants=("ntm-lstm",),
    recipe=recipe,
    seeds=20,
    first_seed=3_000,
    until_solved=True,
)

"""The experiments of the Differentiable Neural Computer (Graves, Wayne et al., Nature 538, 2016).

Copy, repeat copy and associative recall beside the machines of the NTM paper, the allocation test
(Extended Data Figure 1), and what each choice of the design is worth. The DNC has the sizes of the
NTM's tables 1-2. The paper gives no settings for these tasks: `paper` takes those of its bAbI runs
(Extended Data Table 2), `fast` is ours.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

from tapehead.recipes import ntm, ntm_paper
from tapehead.recipes.experiment import Experiment

if TYPE_CHECKING:
    import tapehead.runs.config

PAPER = "Graves, Wayne et al. 2016"
CONTESTANTS = ("dnc", "ntm-lstm", "lstm")

PAPER_TRAINING: dict[str, Any] = {
    "optimiser": "rmsprop",
    "learning_rate": 1e-4,
    "clip_value": 10.0,
    "batch_size": 1,
    "max_sequences": 100_000,
}

# Of the DNC: neither output nor interface has biases, and what is cut is the gradient of each
# activation of the controller, not the finished gradient.
PAPER_MACHINE: dict[str, Any] = {"biases": False, "gradient_clip": 10.0}

MACHINE: dict[str, Any] = {
    "memory_size": 128,
    "word_size": 20,
    "num_reads": 1,
    "controller": "lstm",
    "hidden_size": 100,
}

# Sequences for each contestant, where the NTM's own experiments do not say. The LSTM of the NTM
# paper has twenty times the weights of the others and learns none of these tasks in what they need:
# it gets what shows that.
SEQUENCES = {
    "copy": {"dnc": 64_000, "lstm": 5_000},
    "repeat-copy": {"dnc": 150_000},
    "associative-recall": {"dnc": 300_000},
    "chained-copy": {"dnc": 200_000, "ntm-feedforward": 200_000, "lstm": 2_000},
}

# The fast setting, found by search on training seeds.
TRAINING: dict[str, dict[str, Any]] = {
    # Adam is slower here, and failed on one seed of three. What is solved goes on while the rate
    # falls: else a fifth of the seeds makes mistakes in sequences of six times the length.
    "copy": ntm.RMSPROP | {"test_memory_size": 128, "restart_after": 8_000, "cooldown": 24_000},
    # As for the NTM, but by lessons: straight at the task most seeds stay in a half-solution.
    "repeat-copy": ntm.BOUNDED
    | {"curriculum": "linear", "curriculum_start": 4, "curriculum_sequences": 80_000},
    # Near 5.5 wrong bits lies a half-solution, which smaller steps do not leave.
    "associative-recall": ntm.ADAM
    | {
        "learning_rate": 2e-3,
        "clip_value": None,
        "clip_norm": 1.0,
        "batch_size": 32,
        "restart_after": 80_000,
        "cooldown": 30_000,
    },
    # Straight at ten copies it learns all of them but the first, which finds an empty memory; by
    # lessons it can learn them all.
    "chained-copy": ntm.RMSPROP | {"curriculum": "look-back"},
}


# As for the NTM: with few rows to spare.
ROWS_IN_TRAINING = {"copy": 24}


def recipe(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The settings of one contestant on one task, `fast` or `paper`."""
    if contestant == "dnc":
        rows = ROWS_IN_TRAINING.get(task) if setting == "fast" else None
        return _config(task, setting, "dnc", MACHINE | ({"memory_size": rows} if rows else {}))
    config = ntm.recipe(task, contestant, setting)
    if setting == "fast":
        config = dataclasses.replace(
            config, max_sequences=SEQUENCES[task].get(contestant, config.max_sequences)
        )
    return config


ROWS = 10
"""Rows of the memory in the allocation test, for 50 vectors."""


def allocation(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """Ten copies one after the other, with ten rows: a feed-forward controller has nothing but the
    memory to keep vectors in."""
    small = {"memory_size": ROWS, "word_size": 20, "controller": "feedforward", "hidden_size": 100}
    start = ntm.UNIFORM if setting == "fast" else {}
    options = {
        "dnc": MACHINE | small,
        "ntm-feedforward": small | start,
        "lstm": {"hidden_size": 256, "num_layers": 3},
    }[contestant]
    machine = contestant.removesuffix("-feedforward")
    return _config(task, setting, machine, options, SEQUENCES[task][contestant])


VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # What differs from the first: options of the machine, options of the task.
    "dnc": ({}, {}),
    "dnc, one length": ({}, {"min_length": 20}),
    "dnc, feed-forward": ({"controller": "feedforward"}, {}),
    "dnc, dot": ({"similarity": "dot"}, {}),
    "dnc, euclidean": ({"similarity": "euclidean"}, {}),
    "dnc, manhattan": ({"similarity": "manhattan"}, {}),
    "dnc, proportional": ({"allocation": "proportional"}, {}),
    "dnc, softmax": ({"allocation": "softmax"}, {}),
}


def extension(task: str, contestant: str, setting: str) -> "tapehead.runs.config.TrainConfig":
    """The DNC on copy with one choice changed."""
    machine, options = VARIANTS[contestant]
    config = _config(task, setting, "dnc", MACHINE | machine, 20_000)
    return dataclasses.replace(
        config, task_options=options, restart_after=None, cooldown=0, test_memory_size=None
    )


def _config(
    task: str, setting: str, machine: str, options: dict[str, Any], sequences: int | None = None
) -> "tapehead.runs.config.TrainConfig":
    from tapehead.runs.config import TrainConfig

    training = PAPER_TRAINING
    if setting == "paper":
        own = {"dnc": PAPER_MACHINE, "ntm": ntm_paper.PAPER_MACHINE, "lstm": ntm_paper.PAPER_LSTM}
        options = options | own[machine]
        training = training | ({"clip_value": None} if machine == "dnc" else {})
    else:
        training = TRAINING[task] | {"max_sequences": sequences or SEQUENCES[task]["dnc"]}
    return TrainConfig.from_dict(
        {"task": task, "machine": machine, "machine_options": dict(options)}
        | ntm.TESTING
        | training
    )


def _experiment(task: str) -> Experiment:
    """One of the NTM's, of which the DNC's paper has no numbers."""
    published = ntm_paper.PUBLISHED[task]
    return Experiment(
        name=f"dnc/{task}",
        source=f"{ntm_paper.PAPER}, {ntm_paper.SECTIONS[task]}; {PAPER}",
        tasks=(task,),
        contestants=CONTESTANTS,
        recipe=recipe,
        published={task: {name: published[name] for name in CONTESTANTS if name != "dnc"}},
        **ntm.FRESH.get(task, {}),
    )


COPY = _experiment("copy")
REPEAT_COPY = _experiment("repeat-copy")
ASSOCIATIVE_RECALL = _experiment("associative-recall")
ALLOCATION = Experiment(
    name="dnc/allocation",
    source=f"{PAPER}, Extended Data Figure 1",
    tasks=("chained-copy",),
    contestants=("dnc", "ntm-feedforward", "lstm"),
    recipe=allocation,
)
EXTENSIONS = Experiment(
    name="dnc/extensions",
    source=f"{PAPER}, Methods; one choice of its design changed",
    tasks=("copy",),
    contestants=tuple(VARIANTS),
    recipe=extension,
    seeds=10,
    first_seed=3_000,
)

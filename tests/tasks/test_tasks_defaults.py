"""Tasks under other defaults of PyTorch: the same numbers, of the same type, on the same device."""

import contextlib

import pytest
import torch

from tapehead.forms import Sequence, Tape
from tapehead.tasks import TASKS, make_task
from tapehead.tasks.babi.library import library_of
from tapehead.tasks.babi.stories import StoryTask
from tapehead.tasks.task import certain_logits

CASES = [
    *((name, {}) for name, task in TASKS.items() if task.tells is Sequence),
    ("traversal", {"graph": "family"}),
    ("inference", {"graph": "family"}),
    ("copy", {"mixed_lengths": False}),
]


@contextlib.contextmanager
def defaults(dtype, device):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        torch.set_default_device(None)


def everything(name, options):
    """A batch, and what is said of it: of an oracle that is a little wrong, and of a walk."""
    torch.manual_seed(5)
    task = make_task(name, **options)
    generator = torch.Generator("cpu").manual_seed(3)
    batch = task.batch(generator, 4)
    # A story has no oracle: its answers are given.
    given = isinstance(task, StoryTask)
    oracle = certain_logits(batch.targets) if given else task.oracle(batch)
    outputs = 0.01 * oracle + 0.1 * torch.randn(oracle.shape, generator=generator, device="cpu",
                                                dtype=torch.float32)  # fmt: skip
    walked, told = task.run(lambda x, state=None, lengths=None: (x[..., : task.output_size], 0),
                            batch)  # fmt: skip
    scores = task.scores(outputs, batch)
    drawn, heard = batch.tensors().values(), told.tensors().values()
    return [*drawn, oracle, task.loss(outputs, batch), *scores.values(), walked, *heard]


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize(("dtype", "device"), [(torch.float64, "cpu"), (torch.float32, "meta")])
def test_tasks_are_the_same_under_other_defaults(name, options, dtype, device):
    wanted = everything(name, options)
    with defaults(dtype, device):
        found = everything(name, options)
    for got, want in zip(found, wanted, strict=True):
        assert (got.dtype, got.device) == (want.dtype, want.device)
        assert torch.equal(got, want)


@pytest.mark.parametrize(
    "kind", [kind for kind in TASKS.values() if kind.tells is Tape], ids=lambda kind: kind.name
)
@pytest.mark.parametrize("lesson", [0, 3])
def test_tapes_are_the_same_under_other_defaults(kind, lesson):
    def drawn():
        task = kind(lesson=lesson)
        batch = task.batch(torch.Generator("cpu").manual_seed(1), 3)
        oracle = task.oracle(batch)
        scores = task.scores(oracle, batch).values()
        return [*batch.tensors().values(), oracle, task.loss(oracle, batch), *scores]

    wanted = drawn()
    with defaults(torch.float64, "meta"):
        found = drawn()
    for got, want in zip(found, wanted, strict=True):
        assert (got.dtype, got.device) == (want.dtype, want.device)
        assert torch.equal(got, want)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_no_sequence_is_longer_than_the_longest(name, options):
    task = make_task(name, **options)
    drawn = [task.batch(torch.Generator().manual_seed(seed), 16) for seed in range(8)]
    longest = max(int(batch.inputs.lengths.max()) for batch in drawn)
    assert task.max_steps / 3 < longest <= task.max_steps


def test_a_batch_that_memory_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"^batch_size must be small enough for .* GB of memory"):
        make_task("copy").batch(torch.Generator(), 10**12)
    with pytest.raises(ValueError, match=r"^max_length must be small enough for .* GB of memory"):
        make_task("copy", max_length=10**12).batch(torch.Generator(), 2)


@pytest.mark.parametrize("options", [{}, {"generated": True}], ids=["files", "generated"])
def test_stories_are_the_same_under_other_defaults(options):
    def drawn():
        task = make_task("babi", task="2", **options)
        batch = task.batch(torch.Generator("cpu").manual_seed(1), 3)
        oracle = certain_logits(batch.targets)
        scores = task.scores(oracle, batch).values()
        return [*batch.tensors().values(), oracle, task.loss(oracle, batch), *scores]

    wanted = drawn()
    library_of.cache_clear()
    with defaults(torch.float64, "meta"):
        found = drawn()
    for got, want in zip(found, wanted, strict=True):
        assert (got.dtype, got.device) == (want.dtype, want.device)
        assert torch.equal(got, want)

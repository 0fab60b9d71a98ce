"""What holds for every task: reproducible batches, masks, loss, scores, oracles, difficulty."""

import dataclasses
import math

import hypothesis.strategies as st
import jaxtyping
import pytest
import torch
from batches import same
from bit_tasks import DEFAULTS, EVERY, label, tasks
from hypothesis import given
from plain import plain_answer

from tapehead.forms import Sequence
from tapehead.tasks import TASKS, Batch, NGrams, Task, make_task

every_task = pytest.mark.parametrize("task", EVERY, ids=label)
default_task = pytest.mark.parametrize("task", DEFAULTS, ids=lambda task: task.name)


def draw(task: Task, batch_size: int = 5, seed: int = 0) -> Batch:
    return task.batch(torch.Generator().manual_seed(seed), batch_size)


def some_outputs(batch: Batch, seed: int = 1) -> torch.Tensor:
    return 3 * torch.randn(batch.targets.shape, generator=torch.Generator().manual_seed(seed))


def alone(batch: Batch, index: int) -> Batch:
    """One sequence of a batch without its padding."""
    length = int(batch.inputs.lengths[index])
    one = batch.map(lambda part: part[index : index + 1])
    return one.map(lambda part: part[:, :length] if part.dim() > 1 else part)


@pytest.fixture
def as_users_run_it():
    """Without the type checks that stand before the task's own in these tests."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


# Batches


@every_task
def test_batch_comes_from_its_generator_alone(task):
    generator = torch.Generator().manual_seed(7)
    torch.manual_seed(1)
    outside = torch.get_rng_state()
    first = task.batch(generator, 4)
    assert torch.equal(torch.get_rng_state(), outside)
    second = task.batch(generator, 4)
    torch.manual_seed(2)
    generator = torch.Generator().manual_seed(7)
    assert same(first, task.batch(generator, 4))
    assert same(second, task.batch(generator, 4))


@default_task
def test_batches_differ_by_seed_and_by_turn(task):
    generator = torch.Generator().manual_seed(7)
    first = task.batch(generator, 8)
    assert not same(first, task.batch(generator, 8))
    assert not same(first, draw(task, 8, seed=8))


@default_task
def test_sequences_of_a_batch_differ(task):
    batch = draw(task, 32)
    texts = {tuple(row.flatten().tolist()) for row in batch.inputs.x}
    assert len(texts) == 32


@given(task=tasks(), batch_size=st.integers(1, 5), seed=st.integers(0, 2**31))
def test_batch_keeps_its_promises(task, batch_size, seed):
    batch = draw(task, batch_size, seed)
    steps = int(batch.inputs.lengths.max())
    assert batch.inputs.x.shape == (batch_size, steps, task.input_size)
    assert batch.targets.shape == (batch_size, steps, task.output_size)
    assert (batch.inputs.x.dtype, batch.targets.dtype) == (torch.float32, torch.float32)
    assert (batch.mask.dtype, batch.inputs.lengths.dtype) == (torch.bool, torch.int64)
    padding = torch.arange(steps) >= batch.inputs.lengths[:, None]
    assert not batch.inputs.x[padding].any()
    assert not batch.mask[padding].any()
    assert not batch.targets[~batch.mask].any()
    assert ((batch.targets == 0) | (batch.targets == 1)).all()
    # The answer ends the sequence.
    assert batch.mask.gather(1, batch.inputs.lengths[:, None] - 1).all()
    # Kernels take whole blocks of memory, and writing to one tensor must not change another.
    tensors = batch.tensors().values()
    assert all(tensor.is_contiguous() for tensor in tensors)
    assert len({tensor.data_ptr() for tensor in tensors}) == 4
    if not isinstance(task, NGrams):
        assert not batch.inputs.x[batch.mask].any(), "input while answering"


@pytest.mark.parametrize(
    "task", [task for task in EVERY if hasattr(task, "mixed_lengths")], ids=label
)
def test_mixed_lengths_or_one_length(task):
    seen = [draw(task, 6, seed).inputs.lengths for seed in range(30)]
    mixed = any(len(lengths.unique()) > 1 for lengths in seen)
    assert mixed == (task.mixed_lengths and task.max_difficulty > 1)
    assert len(torch.cat(seen).unique()) > 1 or task.max_difficulty == 1


@default_task
@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True])
def test_impossible_batch_size(task, batch_size, as_users_run_it):
    kind = ValueError if type(batch_size) is int else TypeError
    with pytest.raises(kind, match=r"batch_size must be a whole number of at least 1, got"):
        task.batch(torch.Generator(), batch_size)


# Oracles


@given(task=tasks(), batch_size=st.integers(1, 4), seed=st.integers(0, 2**31))
def test_oracle_is_the_plain_rule(task, batch_size, seed):
    batch = draw(task, batch_size, seed)
    chances = task.oracle(batch).double().sigmoid()
    for index in range(batch_size):
        length = int(batch.inputs.lengths[index])
        answer = plain_answer(task, batch.inputs.x[index, :length].tolist())
        steps = batch.mask[index].nonzero().flatten().tolist()
        assert steps == sorted(answer)
        expected = torch.tensor([[float(p) for p in answer[t]] for t in steps]).double()
        torch.testing.assert_close(chances[index, steps], expected, atol=1e-7, rtol=0)


@every_task
def test_oracle_reads_inputs_alone(task):
    batch = draw(task)
    blind = Batch(
        Sequence(batch.inputs.x, torch.zeros_like(batch.inputs.lengths)),
        torch.full_like(batch.targets, math.nan),
        torch.zeros_like(batch.mask),
    )
    assert torch.equal(task.oracle(batch), task.oracle(blind))


@pytest.mark.parametrize(
    "task", [task for task in EVERY if not isinstance(task, NGrams)], ids=label
)
def test_oracle_makes_no_error(task):
    batch = draw(task, 64)
    scores = task.scores(task.oracle(batch), batch)
    assert scores["solved"].all()
    assert not scores["bit_errors"].any()
    assert not scores["bits"].any()
    assert task.loss(task.oracle(batch), batch) == 0


# Loss


@every_task
def test_loss_is_the_mean_over_answered_bits(task):
    batch = draw(task)
    outputs = some_outputs(batch)
    costs = []
    for b, t in batch.mask.nonzero().tolist():
        for logit, bit in zip(outputs[b, t].tolist(), batch.targets[b, t].tolist(), strict=True):
            p = 1 / (1 + math.exp(-logit))
            costs.append(-math.log(p if bit else 1 - p))
    assert float(task.loss(outputs, batch)) == pytest.approx(sum(costs) / len(costs), rel=1e-5)


@every_task
def test_loss_takes_logits_as_far_out_as_they_come(task):
    """A loss on sigmoids stops growing near 100 and has no gradient beyond."""
    batch = draw(task)
    wrong = (-1e4 * (2 * batch.targets - 1)).requires_grad_()
    loss = task.loss(wrong, batch)
    (gradient,) = torch.autograd.grad(loss, wrong)
    assert float(loss.detach()) == pytest.approx(1e4, rel=1e-5)
    assert (gradient[batch.mask] != 0).all()


@pytest.mark.parametrize("garbage", [5.0, math.inf, -math.inf, math.nan])
@every_task
def test_what_stands_outside_the_mask_does_not_matter(task, garbage):
    batch = draw(task)
    outputs = some_outputs(batch)
    marred = torch.where(batch.mask.unsqueeze(-1), outputs, garbage).requires_grad_()
    assert torch.equal(task.loss(marred, batch), task.loss(outputs, batch))
    (gradient,) = torch.autograd.grad(task.loss(marred, batch), marred)
    assert not gradient[~batch.mask].any()
    assert gradient.isfinite().all()
    for name, score in task.scores(outputs, batch).items():
        assert torch.equal(task.scores(marred, batch)[name], score), name


@given(task=tasks(), seed=st.integers(0, 2**31))
def test_a_sequence_scores_the_same_alone_and_in_any_batch(task, seed):
    batch = draw(task, 4, seed)
    outputs = some_outputs(batch)
    together = task.scores(outputs, batch)
    losses, answered = [], []
    for index in range(4):
        single = alone(batch, index)
        spoken = outputs[index : index + 1, : int(batch.inputs.lengths[index])]
        for name, score in task.scores(spoken, single).items():
            torch.testing.assert_close(score[0], together[name][index], atol=1e-4, rtol=1e-5)
        oracle = task.oracle(batch)[index : index + 1, : spoken.shape[1]]
        torch.testing.assert_close(task.oracle(single)[single.mask], oracle[single.mask])
        losses.append(float(task.loss(spoken, single)))
        answered.append(int(single.mask.sum()))
    mean = sum(a * n for a, n in zip(losses, answered, strict=True)) / sum(answered)
    assert float(task.loss(outputs, batch)) == pytest.approx(mean, rel=1e-4)


@default_task
def test_precision_of_outputs(task):
    batch = draw(task)
    outputs = some_outputs(batch)
    exact = task.loss(outputs.double(), batch)
    assert exact.dtype == torch.float64
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.bfloat16, 1e-2)):
        loss = task.loss(outputs.to(dtype), batch)
        assert loss.dtype == torch.float32
        assert float(loss) == pytest.approx(float(exact), rel=tolerance)
        bits = task.scores(outputs.to(dtype), batch)["bits"]
        assert bits.dtype == torch.float32


# Scores


@every_task
def test_scores_count_wrong_bits(task):
    batch = draw(task)
    right = 2 * batch.targets - 1
    b, t = batch.mask.nonzero()[0].tolist()
    wrong_once = right.clone()
    wrong_once[b, t, 0] *= -1
    errors = task.scores(wrong_once, batch)["bit_errors"]
    solved = task.scores(wrong_once, batch)["solved"]
    assert errors.tolist() == [float(index == b) for index in range(5)]
    assert solved.tolist() == [index != b for index in range(5)]
    answered = batch.mask.sum(dim=1) * task.output_size
    assert torch.equal(task.scores(-right, batch)["bit_errors"], answered.float())


@every_task
@pytest.mark.parametrize("nothing", [0.0, math.nan])
def test_an_output_that_says_neither_is_wrong(task, nothing):
    batch = draw(task)
    silent = torch.full_like(batch.targets, nothing)
    scores = task.scores(silent, batch)
    assert torch.equal(scores["bit_errors"], (batch.mask.sum(1) * task.output_size).float())
    assert not scores["solved"].any()


@every_task
def test_bits_are_those_of_the_whole_answer(task):
    batch = draw(task)
    undecided = torch.zeros_like(batch.targets)
    expected = (batch.mask.sum(dim=1) * task.output_size).float()
    torch.testing.assert_close(task.answer.bits(undecided, batch), expected)
    # The paper's learning curves start at about 1 bit of cost for each bit of the answer.
    given_free = task.context_length if isinstance(task, NGrams) else 0
    torch.testing.assert_close(task.scores(undecided, batch)["bits"], expected + given_free)


@every_task
def test_scores_are_one_number_per_sequence_without_gradient(task):
    for batch_size in (1, 3):
        batch = draw(task, batch_size)
        scores = task.scores(some_outputs(batch).requires_grad_(), batch)
        assert {"bit_errors", "solved", "bits"} <= set(scores)
        for score in scores.values():
            assert score.shape == (batch_size,)
            assert not score.requires_grad


@default_task
def test_pass_mark_is_strict(task):
    metric, threshold = task.pass_mark
    better = threshold + (1e-3 if metric.better == "higher" else -1e-3)
    assert not task.solved({metric.name: threshold})
    assert task.solved({metric.name: better})
    assert not task.solved({metric.name: math.nan})
    assert metric.name in task.scores(some_outputs(draw(task)), draw(task))


# Options, difficulty, test sizes


@every_task
def test_a_task_is_a_value(task):
    twin = dataclasses.replace(task)
    assert twin == task
    assert hash(twin) == hash(task)
    field = dataclasses.fields(task)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(task, field, 3)
    with pytest.raises(TypeError):
        type(task)(3)


@every_task
def test_every_channel_has_its_name(task):
    assert len(set(task.channel_names)) == task.input_size
    assert len(set(task.output_names)) == task.output_size


@every_task
def test_levels_grow_to_the_task_itself(task):
    longest = []
    for level in range(1, task.max_difficulty + 1):
        easier = task.with_difficulty(level)
        assert (easier.input_size, easier.output_size) == (task.input_size, task.output_size)
        batches = [draw(easier, 4, seed) for seed in range(60)]
        longest.append(max(int(batch.inputs.lengths.max()) for batch in batches))
        scores = easier.scores(easier.oracle(batches[0]), batches[0])
        assert isinstance(task, NGrams) or scores["solved"].all()
    assert longest == sorted(longest)
    assert len(set(longest)) > task.max_difficulty // 2
    assert same(draw(task.with_difficulty(task.max_difficulty)), draw(task))
    for level in (0, task.max_difficulty + 1):
        with pytest.raises(ValueError, match=f"level must be .* from 1 to .*, got {level}"):
            task.with_difficulty(level)


@default_task
def test_test_settings_are_the_same_task_at_other_sizes(task):
    for name, setting in task.test_settings().items():
        assert type(setting) is type(task)
        assert (setting.input_size, setting.output_size) == (task.input_size, task.output_size)
        lengths = draw(setting, 20).inputs.lengths
        assert len(lengths.unique()) == 1, f"{name}: every test sequence has the size it names"


def test_make_task_by_name():
    assert set(TASKS) >= {"copy", "repeat-copy", "associative-recall", "ngrams", "priority-sort"}
    for name, kind in TASKS.items():
        assert make_task(name) == kind()
        assert kind.name == name
        assert kind.title
        assert kind.source
    assert make_task("copy", max_length=7).max_length == 7


def test_make_task_names_what_is_wrong():
    with pytest.raises(
        ValueError, match=r"task must be one of copy, repeat-copy, .*sort.*, got 'cpoy'"
    ):
        make_task("cpoy")
    with pytest.raises(TypeError, match=r"copy has no option 'bits'; its options: num_bits, min"):
        make_task("copy", bits=8)
    with pytest.raises(ValueError, match=r"num_bits must be a whole number from 1 to 65536, got 0"):
        make_task("copy", num_bits=0)


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("copy", {"num_bits": "8"}, "num_bits must be a whole number .*, got '8'"),
        ("copy", {"num_bits": 8.0}, "num_bits must be a whole number .*, got 8.0"),
        ("copy", {"num_bits": True}, "num_bits must be a whole number .*, got True"),
        ("copy", {"min_length": 0}, "min_length must be a whole number .*, got 0"),
        ("copy", {"min_length": 5, "max_length": 4}, "max_length must be .* at least 5, got 4"),
        ("copy", {"mixed_lengths": 1}, "mixed_lengths must be true or false, got 1"),
        ("chained-copy", {"length": 0}, "length must be a whole number .*, got 0"),
        ("chained-copy", {"min_copies": 11}, "max_copies must be .* at least 11, got 10"),
        ("repeat-copy", {"max_length": 0}, "max_length must be a whole number .*, got 0"),
        ("repeat-copy", {"min_repeats": 0}, "min_repeats must be a whole number .*, got 0"),
        (
            "repeat-copy",
            {"min_repeats": 4, "max_repeats": 3},
            "max_repeats must be .* at least 4, got 3",
        ),
        (
            "repeat-copy",
            {"trained_min_repeats": 0},
            "trained_min_repeats must be a whole number .*, got 0",
        ),
        (
            "repeat-copy",
            {"trained_min_repeats": 3, "trained_max_repeats": 2},
            "trained_max_repeats must be .* at least 3, got 2",
        ),
        (
            "repeat-copy",
            {"max_repeats": 3, "trained_min_repeats": 4},
            "trained_max_repeats must be .* at least 4, got 3",
        ),
        ("associative-recall", {"min_items": 1}, "min_items must be .* at least 2, got 1"),
        ("associative-recall", {"max_items": 1}, "max_items must be .* at least 2, got 1"),
        ("associative-recall", {"item_length": 0}, "item_length must be a whole number .*, got 0"),
        ("ngrams", {"context_length": 0}, "context_length must be .* from 1 to 16, got 0"),
        ("ngrams", {"context_length": 17}, "context_length must be a whole number .*, got 17"),
        ("ngrams", {"sequence_length": 5}, "sequence_length must be .* at least 6, got 5"),
        ("priority-sort", {"num_answers": 21}, "num_answers must be .* from 1 to 20, got 21"),
        ("priority-sort", {"num_vectors": 0}, "num_vectors must be a whole number .*, got 0"),
    ],
)
def test_impossible_values(name, options, complaint, as_users_run_it):
    with pytest.raises((ValueError, TypeError), match=f"^{complaint}") as raised:
        make_task(name, **options)
    value = next(iter(options.values()))
    wrong_kind = type(value) is not int or "mixed_lengths" in options
    assert raised.type is (TypeError if wrong_kind else ValueError)

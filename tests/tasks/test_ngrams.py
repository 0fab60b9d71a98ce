"""The source of the n-grams, sequence by sequence against its exact probabilities, and regret."""

import itertools
import math
from fractions import Fraction

import pytest
import torch
from chance import UNLIKELY, assert_fair
from plain import plain_answer
from scipy import stats

from tapehead.forms import Sequence
from tapehead.tasks import NGrams
from tapehead.tasks.metrics import REGRET


def sequences(batch):
    """The bits of each sequence, the last one from the targets."""
    return torch.cat([batch.inputs.x[:, :, 0], batch.targets[:, -1:, 0]], dim=1)


def probability(bits: tuple[int, ...], context_length: int) -> Fraction:
    """Chance of a whole sequence under fresh Beta(1/2, 1/2) tables.

    For each context, with tables integrated out, prod (k + 1/2) over ones and zeros seen so far:
    B(1/2 + ones, 1/2 + zeros) / B(1/2, 1/2), independent of any predictor's running counts.
    """
    counts: dict[tuple, list[int]] = {}
    for t in range(context_length, len(bits)):
        counts.setdefault(bits[t - context_length : t], [0, 0])[bits[t]] += 1
    chance = Fraction(1, 2**context_length)
    for zeros, ones in counts.values():
        rises = [Fraction(2 * k + 1, 2) for n in (zeros, ones) for k in range(n)]
        chance *= math.prod(rises, start=Fraction(1)) / math.factorial(zeros + ones)
    return chance


def test_layout_of_one_sequence():
    task = NGrams(context_length=2, sequence_length=6)
    batch = task.batch(torch.Generator().manual_seed(5), 1)
    bits = sequences(batch)[0]
    assert torch.equal(batch.inputs.x[0, :, 0], bits[:5])
    # The step that shows the second bit is the first whose next bit has a full context.
    assert batch.mask[0].tolist() == [False, True, True, True, True]
    assert torch.equal(batch.targets[0, 1:, 0], bits[2:])
    assert batch.inputs.lengths.tolist() == [5]


def test_papers_sizes():
    task = NGrams()
    assert (task.input_size, task.output_size) == (1, 1)
    batch = task.batch(torch.Generator(), 3)
    # 200 bits take 199 steps, none of them blank: a step shows a bit and asks for the next.
    assert batch.inputs.lengths.tolist() == [199] * 3
    assert batch.mask.sum(dim=1).tolist() == [195] * 3
    assert torch.equal(batch.inputs.x[:, 5:], batch.targets[:, 4:-1])
    assert list(task.test_settings().values()) == [task]
    assert task.pass_mark == (REGRET, 1.0)


@pytest.mark.parametrize(("context_length", "length"), [(1, 6), (2, 7)])
def test_every_sequence_comes_as_often_as_it_should(context_length, length):
    """Fair first bits, tables from Beta(1/2, 1/2), one per context, new for each sequence."""
    every = list(itertools.product((0, 1), repeat=length))
    chances = [float(probability(bits, context_length)) for bits in every]
    assert math.fsum(chances) == pytest.approx(1)
    task = NGrams(context_length=context_length, sequence_length=length)
    batch = task.batch(torch.Generator().manual_seed(0), 200_000)
    weights = 2 ** torch.arange(length - 1, -1, -1)
    counts = torch.bincount((sequences(batch).long() * weights).sum(dim=1), minlength=2**length)
    expected = [200_000 * chance for chance in chances]
    assert stats.chisquare(counts.numpy(), expected).pvalue > UNLIKELY


@pytest.mark.parametrize("context_length", [1, 2])
def test_oracle_pays_the_exact_probability_of_every_sequence(context_length):
    """Its costs add up to the entropy that no predictor can beat: it is the optimum."""
    length = 7
    every = torch.tensor(list(itertools.product((0, 1), repeat=length))).float()
    task = NGrams(context_length=context_length, sequence_length=length)
    template = task.batch(torch.Generator(), len(every))
    answered = template.mask.unsqueeze(-1)
    batch = template._replace(
        inputs=Sequence(every[:, :-1, None]), targets=every[:, 1:, None] * answered
    )
    scores = task.scores(task.oracle(batch), batch)
    expected = [
        -math.log2(probability(tuple(bits), context_length)) for bits in every.int().tolist()
    ]
    torch.testing.assert_close(scores["bits"], torch.tensor(expected))
    assert not scores["regret"].any()


def test_first_bits_are_fair_and_tables_are_new_for_each_sequence():
    bits = sequences(NGrams().batch(torch.Generator().manual_seed(0), 4000))
    assert_fair(bits[:, :5])
    # Over all tables every bit is fair, but bits after the same context agree: 3/4 of the time.
    assert abs(float(bits.mean()) - 0.5) < 0.02
    contexts = (bits[:, :10].unfold(1, 5, 1) * 2.0 ** torch.arange(5)).sum(dim=-1)
    again = contexts[:, 0] == contexts[:, 5]
    agreement = (bits[again, 5] == bits[again, 10]).double().mean()
    assert abs(float(agreement) - 0.75) < 6 * (0.75 * 0.25 / int(again.sum())) ** 0.5


def test_optimum_in_bits_is_the_papers():
    """133 in figure 13, all 200 bits counted; 133.28 by simulation of 200,000 sequences."""
    task = NGrams()
    batch = task.batch(torch.Generator().manual_seed(0), 2000)
    scores = task.scores(task.oracle(batch), batch)
    mean, error = scores["bits"].mean(), scores["bits"].std() / 2000**0.5
    assert abs(float(mean) - 133.28) < 4 * float(error)
    assert float(error) < 1
    assert not scores["regret"].any()
    assert task.solved({"regret": float(scores["regret"].mean())})


def test_regret_is_what_is_paid_above_the_optimum():
    task = NGrams(context_length=2, sequence_length=50)
    batch = task.batch(torch.Generator().manual_seed(0), 500)
    undecided = torch.zeros_like(batch.targets)
    scores = task.scores(undecided, batch)
    torch.testing.assert_close(scores["bits"], torch.full((500,), 50.0))
    costs = []
    for inputs, targets in zip(
        batch.inputs.x.tolist(), batch.targets[:, :, 0].tolist(), strict=True
    ):
        answer = plain_answer(task, inputs)
        costs.append(sum(-math.log2(p if targets[t] else 1 - p) for t, (p,) in answer.items()))
    torch.testing.assert_close(scores["regret"], 48 - torch.tensor(costs), atol=1e-3, rtol=1e-4)
    assert scores["regret"].mean() > 0


def test_no_predictor_that_errs_a_little_beats_the_oracle():
    """The optimum is flat to first order and rises on every side, on average over sequences."""
    task = NGrams()
    batch = task.batch(torch.Generator().manual_seed(0), 1000)
    best = task.oracle(batch)
    for other in (0.8 * best, 1.25 * best, best + 0.2, best - 0.2):
        assert task.scores(other, batch)["regret"].mean() > 0.1


def test_oracle_never_looks_ahead():
    task = NGrams(context_length=2, sequence_length=30)
    batch = task.batch(torch.Generator().manual_seed(0), 8)
    whole = task.oracle(batch)
    for steps in range(2, 29):
        start = batch._replace(inputs=Sequence(batch.inputs.x[:, :steps]))
        torch.testing.assert_close(task.oracle(start), whole[:, :steps])


def test_bits_of_the_oracle_are_its_cross_entropy():
    task = NGrams()
    batch = task.batch(torch.Generator().manual_seed(0), 4)
    scores = task.scores(task.oracle(batch), batch)
    torch.testing.assert_close(scores["bits"], task.answer.bits(task.oracle(batch), batch) + 5)

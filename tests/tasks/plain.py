"""Each task's rule again, for one sequence at a time in plain Python: what the oracles must say.

`plain_answer(task, inputs)` takes the real steps of one sequence as a list of lists and returns
{step: answer}, the answer a list of bits (for the n-grams: the chance of a 1, as a fraction).
"""

from fractions import Fraction

from tapehead.tasks import (
    AssociativeRecall,
    ChainedCopy,
    Copy,
    NGrams,
    PrioritySort,
    RepeatCopy,
    Task,
)


def plain_answer(task: Task, inputs: list[list[float]]) -> dict[int, list]:
    return RULES[type(task)](task, inputs)


def copy(task, inputs):
    width = task.num_bits
    end = next(t for t, row in enumerate(inputs) if row[width] == 1)
    return {end + 1 + t: inputs[t][:width] for t in range(end)}


def chained_copy(task, inputs):
    answers, shown = {}, []
    for t, row in enumerate(inputs):
        if row[task.num_bits] == 1:
            heard = shown[-task.length :]
            answers |= {t + 1 + i: vector for i, vector in enumerate(heard)}
        shown.append(row[: task.num_bits])
    return answers


def repeat_copy(task, inputs):
    width = task.num_bits
    start, end = (t for t, row in enumerate(inputs) if row[width] == 1)
    assert start == 0
    sequence = [row[:width] for row in inputs[1:end]]
    seen = range(task.trained_range[0], task.trained_range[1] + 1)
    mean = sum(seen) / len(seen)
    variance = sum((r - mean) ** 2 for r in seen) / len(seen)
    repeats = round(inputs[end][width + 1] * (variance**0.5 or 1) + mean)
    answers = [[*vector, 0.0] for _ in range(repeats) for vector in sequence]
    answers.append([0.0] * width + [1.0])
    return {end + 1 + t: answer for t, answer in enumerate(answers)}


def associative_recall(task, inputs):
    width = task.num_bits
    items: list[list] = []
    queries: list[list] = []
    for t, row in enumerate(inputs):
        if row[width] == 1:
            items.append([])
        elif row[width + 1] == 1:
            queries.append([])
            last = t
        elif queries:
            queries[-1].append(row[:width])
        else:
            items[-1].append(row[:width])
    answer = items[items.index(queries[0]) + 1]
    return {last + 1 + t: vector for t, vector in enumerate(answer)}


def ngrams(task, inputs):
    bits = [int(row[0]) for row in inputs]
    counts: dict[tuple, list[int]] = {}
    chances = {}
    for t in range(task.context_length - 1, len(bits)):
        zeros, ones = counts.setdefault(tuple(bits[t - task.context_length + 1 : t + 1]), [0, 0])
        chances[t] = [Fraction(2 * ones + 1, 2 * (ones + zeros) + 2)]
        if t + 1 < len(bits):
            context = tuple(bits[t - task.context_length + 1 : t + 1])
            counts[context][bits[t + 1]] += 1
    return chances


def priority_sort(task, inputs):
    width = task.num_bits
    shown = inputs[: task.num_vectors]
    order = sorted(range(len(shown)), key=lambda i: (-shown[i][width], i))
    return {len(shown) + place: shown[order[place]][:width] for place in range(task.num_answers)}


RULES = {
    Copy: copy,
    ChainedCopy: chained_copy,
    RepeatCopy: repeat_copy,
    AssociativeRecall: associative_recall,
    NGrams: ngrams,
    PrioritySort: priority_sort,
}

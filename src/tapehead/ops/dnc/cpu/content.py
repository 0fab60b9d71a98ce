"""Content look-up, forward and backward: similarity of keys and rows, and its softmax.

Names as in `access` and `access_backward`.
"""

from tapehead.ops.dnc.cpu.masked import masked_look_up_backward, masked_similarities
from tapehead.ops.ntm.cpu.addressing import LOWEST, normalise_exp, softmax_backward
from tapehead.ops.ntm.cpu.similarity import (
    COSINE,
    DOT,
    EUCLIDEAN,
    inverse_key_norm,
    minus_sign,
    similarities,
)
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    larger,
    load,
    max_lanes,
    store,
    store_one,
    sum_lanes,
)


@part
def look_up(a, head, count, record, memory, inverse, misc):
    """Content weightings of `count` heads from `head` on; `misc` is room for a memory."""
    if a.masked:
        masked_similarities(a, head, count, record, memory, misc)
    else:
        similarities(a, head, count, record, memory, inverse)
    width, rows_pad = lanes(memory), a.rows_pad
    for h in range(head, head + count):
        scores, content = record + a.at_scores + h * rows_pad, record + a.at_content + h * rows_pad
        strength = 1 + broadcast(record + a.at_strengths + h)
        top = fill(memory, LOWEST)
        for n in range(0, rows_pad, width):
            value = first(strength * load(scores + n), a.rows - n, fill(memory, LOWEST))
            store(content + n, value)
            top = larger(value, top)
        normalise_exp(rows_pad, content, max_lanes(top))


@part
def look_up_backward(a, head, record, memory, inverse, d_content, d_memory, d_record):
    """One head's content weighting; `d_content` and the row behind it are lost."""
    if a.masked:
        masked_look_up_backward(a, head, record, memory, d_content, d_memory, d_record)
        return
    width, rows_pad, word = lanes(memory), a.rows_pad, a.word
    content, scores = (
        record + a.at_content + head * rows_pad,
        record + a.at_scores + head * rows_pad,
    )
    key, d_key = record + a.at_keys + head * a.word_pad, d_record + a.at_keys + head * a.word_pad
    softmax_backward(a, content, d_content, d_content)
    strength = 1 + broadcast(record + a.at_strengths + head)
    zero = fill(memory, 0)
    d_strength, total = zero, zero
    inverse_key = zero
    if a.similarity == COSINE:
        inverse_key = inverse_key_norm(a, key)
    # `d_content` becomes what each row's numbers are multiplied by.
    for n in range(0, rows_pad, width):
        score, change = load(scores + n), load(d_content + n)
        d_strength = fma(change, score, d_strength)
        change = change * strength
        if a.similarity == COSINE:
            total = fma(change, score, total)
            change = change * (inverse_key * load(inverse + n))
        elif a.similarity == EUCLIDEAN:
            # The score is minus the distance: d score / d k = (k - m) / score.
            change = first(change / score, a.rows - n, zero)
        store(d_content + n, change)
    store_one(d_record + a.at_strengths + head, sum_lanes(d_strength))
    total = sum_lanes(total) * inverse_key * inverse_key
    for j in range(word):
        line, d_line, number = memory + j * rows_pad, d_memory + j * rows_pad, broadcast(key + j)
        d_number = zero
        for n in range(0, rows_pad, width):
            value, change = load(line + n), load(d_content + n)
            if a.similarity == COSINE:
                d_number = fma(change, value, d_number)
                # change k - c s / |m|^2 m, where change = c / (|k| |m|), so c s = change s |k| |m|
                norm = load(inverse + n)
                along = change * load(scores + n) * (norm / inverse_key)
                rest = fma(change, number, load(d_line + n))
                store(d_line + n, rest - along * value)
            elif a.similarity == DOT:
                d_number = fma(change, value, d_number)
                store(d_line + n, fma(change, number, load(d_line + n)))
            elif a.similarity == EUCLIDEAN:
                through = change * (number - value)
                d_number = d_number + through
                store(d_line + n, load(d_line + n) - through)
            else:
                through = change * minus_sign(number - value)
                d_number = d_number + through
                store(d_line + n, load(d_line + n) - through)
        store_one(d_key + j, sum_lanes(d_number) - total * number)

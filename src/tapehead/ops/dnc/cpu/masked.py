"""Content look-up through a mask of each head, C(m M, m k, beta): forward and backward.

Csordas & Schmidhuber, arXiv 1904.10278, eq. 4. Names as in `content`; the record keeps, for every
head, the mask, what of it is above its floor, its square, and the key times that square.
"""

from tapehead.ops.ntm.cpu.addressing import softmax_backward
from tapehead.ops.ntm.cpu.similarity import COSINE, DOT, EUCLIDEAN, minus_sign
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.maths import absolute, sigmoid, sqrt
from tapehead.ops.numba_kit.product import multiply
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    first,
    fma,
    lanes,
    load,
    pointer_like,
    store,
    store_first,
    store_one,
    sum_lanes,
)
from tapehead.ops.similarity import EPSILON


@part
def split_masks(a, interface, record):
    """All masks of a step, from where they begin in the interface vector."""
    width, word = lanes(record), a.word
    floor = broadcast(pointer_like(record, a.mask_floor))
    for head in range(a.heads):
        for j in range(0, word, width):
            place = head * a.word_pad + j
            opened = sigmoid(load(interface + head * word + j))
            mask = fma(opened, 1 - floor, floor)
            square = mask * mask
            store(record + a.at_mask_opened + place, opened)
            store(record + a.at_mask + place, mask)
            store(record + a.at_mask_squares + place, square)
            store(record + a.at_masked_keys + place, square * load(record + a.at_keys + place))


@part
def split_masks_backward(a, record, d_record, target):
    width, word = lanes(record), a.word
    floor = broadcast(pointer_like(record, a.mask_floor))
    for head in range(a.heads):
        for j in range(0, word, width):
            place = head * a.word_pad + j
            opened = load(record + a.at_mask_opened + place)
            slope = (1 - floor) * ((1 - opened) * opened)
            change = load(d_record + a.at_mask + place) * slope
            store_first(target + head * word + j, change, word - j)


@part
def masked_key_norm(a, head, record):
    """1 / sqrt(|m k|^2 + epsilon)"""
    width, zero = lanes(record), fill(record, 0)
    keys = record + a.at_keys + head * a.word_pad
    masked = record + a.at_masked_keys + head * a.word_pad
    total = zero
    for j in range(0, a.word, width):
        total = total + first(load(keys + j) * load(masked + j), a.word - j, zero)
    return 1 / sqrt(sum_lanes(total) + EPSILON)


@part
def masked_similarities(a, head, count, record, memory, squares):
    """K[m k, m M] of `count` heads from `head` on; `squares` is room for a memory."""
    width, rows_pad, word = lanes(memory), a.rows_pad, a.word
    scores = record + a.at_scores + head * rows_pad
    keys, masks = record + a.at_keys + head * a.word_pad, record + a.at_mask + head * a.word_pad
    if a.similarity == COSINE or a.similarity == DOT:
        masked = record + a.at_masked_keys + head * a.word_pad
        multiply(count, masked, a.word_pad, 1, memory, rows_pad, rows_pad, word, scores, rows_pad)
    if a.similarity == COSINE:
        inverse = record + a.at_masked_inverse + head * rows_pad
        for n in range(0, word * rows_pad, width):
            value = load(memory + n)
            store(squares + n, value * value)
        masked = record + a.at_mask_squares + head * a.word_pad
        multiply(count, masked, a.word_pad, 1, squares, rows_pad, rows_pad, word, inverse, rows_pad)
        for h in range(count):
            inverse_key = masked_key_norm(a, head + h, record)
            for n in range(h * rows_pad, (h + 1) * rows_pad, width):
                norm = 1 / sqrt(load(inverse + n) + EPSILON)
                store(inverse + n, norm)
                store(scores + n, load(scores + n) * (inverse_key * norm))
    elif a.similarity != DOT:
        for h in range(count):
            for n in range(0, rows_pad, width):
                total = fill(memory, 0)
                for j in range(word):
                    place = h * a.word_pad + j
                    apart = broadcast(keys + place) - load(memory + j * rows_pad + n)
                    apart = apart * broadcast(masks + place)
                    if a.similarity == EUCLIDEAN:
                        total = fma(apart, apart, total)
                    else:
                        total = total + absolute(apart)
                if a.similarity == EUCLIDEAN:
                    total = sqrt(total + EPSILON)
                store(scores + h * rows_pad + n, -total)


@part
def masked_look_up_backward(a, head, record, memory, d_content, d_memory, d_record):
    """One head's content weighting; `d_content` and the row behind it are lost."""
    width, rows_pad = lanes(memory), a.rows_pad
    content = record + a.at_content + head * rows_pad
    scores, keys = record + a.at_scores + head * rows_pad, record + a.at_keys + head * a.word_pad
    masks = record + a.at_mask + head * a.word_pad
    inverse, along = record + a.at_masked_inverse + head * rows_pad, d_content + rows_pad
    softmax_backward(a, content, d_content, d_content)
    strength = 1 + broadcast(record + a.at_strengths + head)
    zero = fill(memory, 0)
    d_strength, total = zero, zero
    inverse_key = zero
    if a.similarity == COSINE:
        inverse_key = masked_key_norm(a, head, record)
    # `d_content` becomes what each row's numbers are multiplied by.
    for n in range(0, rows_pad, width):
        score, change = load(scores + n), load(d_content + n)
        d_strength = fma(change, score, d_strength)
        change = change * strength
        if a.similarity == COSINE:
            norm, through = load(inverse + n), change * score
            total = total + through
            store(along + n, through * (norm * norm))
            change = change * (inverse_key * norm)
        elif a.similarity == EUCLIDEAN:
            change = first(change / score, a.rows - n, zero)
        store(d_content + n, change)
    store_one(d_record + a.at_strengths + head, sum_lanes(d_strength))
    total = sum_lanes(total) * (inverse_key * inverse_key)
    for j in range(a.word):
        line, d_line = memory + j * rows_pad, d_memory + j * rows_pad
        number, mask = broadcast(keys + j), broadcast(masks + j)
        square = mask * mask
        d_number, d_mask = zero, zero
        for n in range(0, rows_pad, width):
            value, change, before = load(line + n), load(d_content + n), load(d_line + n)
            apart = number - value
            if a.similarity == COSINE:
                d_number = fma(change, value, d_number)
                through = load(along + n) * value
                d_mask = fma(through, value, d_mask)
                store(d_line + n, fma(square, change * number - through, before))
            elif a.similarity == DOT:
                d_number = fma(change, value, d_number)
                store(d_line + n, fma(square, change * number, before))
            elif a.similarity == EUCLIDEAN:
                through = change * apart
                d_number = d_number + through
                d_mask = fma(through, apart, d_mask)
                store(d_line + n, before - square * through)
            else:
                through = change * minus_sign(apart)
                d_number = d_number + through
                d_mask = fma(through, apart, d_mask)
                store(d_line + n, before - mask * through)
        d_number, d_mask = sum_lanes(d_number), sum_lanes(d_mask)
        if a.similarity == COSINE or a.similarity == DOT:
            d_mask = mask * (number * (2 * d_number - total * number) - d_mask)
            d_number = square * (d_number - total * number)
        elif a.similarity == EUCLIDEAN:
            d_mask, d_number = mask * d_mask, square * d_number
        else:
            d_number = mask * d_number
        store_one(d_record + a.at_keys + head * a.word_pad + j, d_number)
        store_one(d_record + a.at_mask + head * a.word_pad + j, d_mask)

"""Which rows: those most like a key, by looking at all of them, and those unused for longest.

Of a memory only the rows before `live` can hold anything. Those behind are all alike, empty, and
score 0: the first few of them stand for the rest. So to look at all rows costs no more than there
are rows in use, and finds the same.
"""

from tapehead.ops.numba_kit.gathering import put_integer, some_lane
from tapehead.ops.numba_kit.linking import part
from tapehead.ops.numba_kit.native import integer_at
from tapehead.ops.numba_kit.simd import (
    broadcast,
    fill,
    fma,
    lanes,
    larger,
    less,
    load,
    load_first,
    select,
    store_one,
    sum_lanes,
)
from tapehead.ops.sparse_ntm.cpu.layout import LIVE, OLDEST, PLACE, STAMP

LOWEST = -1e30
_LIVE, _STAMP, _PLACE, _OLDEST, _LOWEST = LIVE, STAMP, PLACE, OLDEST, LOWEST
_NEVER = 2**63 - 1


@part
def number(address, place):
    return integer_at(address + 8 * place)


@part
def put(address, place, value):
    put_integer(address + 8 * place, value)


@part
def smaller(pointer, a, b):
    """1 if the first of two numbers, each in all lanes, is less than the second, else 0;
    `pointer` gives the type only."""
    return some_lane(select(less(a, b), fill(pointer, 1), fill(pointer, 0)))


@part
def offer(best, found, kept, score, row):
    """Put a row among the `kept` best, behind those of the same score; a worse one drops out."""
    place = kept - 1
    while place > 0 and smaller(best, broadcast(best + place - 1), score):
        store_one(best + place, broadcast(best + place - 1))
        put(found, place, number(found, place - 1))
        place -= 1
    store_one(best + place, score)
    put(found, place, row)


@part
def most_alike(a, queries, memory, inverse, live, best, found):
    """For each head the `kept` rows of the largest k . m / |m|, the largest first; of equal ones
    the first row. `inverse` holds 1 / |m|."""
    for head in range(a.heads):
        for k in range(a.kept):
            # Rows in any case, even if no score is a number.
            store_one(best + head * a.kept_pad + k, fill(best, _LOWEST))
            put(found, head * a.kept + k, k)
    head = 0
    while head < a.heads:
        query, top = queries + head * a.word_pad, best + head * a.kept_pad
        rows = found + 8 * head * a.kept
        if a.heads - head == 1:
            scan_one(a, query, memory, inverse, live, top, rows)
            head += 1
        else:
            scan_four(a, query, memory, inverse, live, min(4, a.heads - head), top, rows)
            head += 4
    zero = fill(best, 0)
    for head in range(a.heads):
        top, rows = best + head * a.kept_pad, found + 8 * head * a.kept
        for row in range(live, min(a.rows, live + a.kept)):
            if smaller(top, broadcast(top + a.kept - 1), zero):
                offer(top, rows, a.kept, zero, row)


@part
def scan_one(a, query, memory, inverse, live, best, found):
    width, word, kept = lanes(memory), a.word, a.kept
    whole = word - word % width
    worst = broadcast(best + kept - 1)
    for row in range(live):
        m = memory + row * word
        score = fill(memory, 0)
        for j in range(0, whole, width):
            score = fma(load(m + j), load(query + j), score)
        if whole < word:
            score = fma(load_first(m + whole, word - whole), load(query + whole), score)
        score = sum_lanes(score) * broadcast(inverse + row)
        if smaller(best, worst, score):
            offer(best, found, kept, score, row)
            worst = broadcast(best + kept - 1)


@part
def scan_four(a, query, memory, inverse, live, heads, best, found):
    """Four heads share each load of a row; of the last of them there may be less."""
    width, word, kept, pad = lanes(memory), a.word, a.kept, a.kept_pad
    whole = word - word % width
    second, third, fourth = query + a.word_pad, query + 2 * a.word_pad, query + 3 * a.word_pad
    last = kept - 1
    never = fill(best, -_LOWEST)
    w0, w1 = broadcast(best + last), broadcast(best + pad + last)
    w2, w3 = never, never
    if heads > 2:
        w2 = broadcast(best + 2 * pad + last)
    if heads > 3:
        w3 = broadcast(best + 3 * pad + last)
    zero = fill(memory, 0)
    for row in range(live):
        m = memory + row * word
        s0, s1, s2, s3 = zero, zero, zero, zero
        for j in range(0, whole, width):
            value = load(m + j)
            s0 = fma(value, load(query + j), s0)
            s1 = fma(value, load(second + j), s1)
            s2 = fma(value, load(third + j), s2)
            s3 = fma(value, load(fourth + j), s3)
        if whole < word:
            value = load_first(m + whole, word - whole)
            s0 = fma(value, load(query + whole), s0)
            s1 = fma(value, load(second + whole), s1)
            s2 = fma(value, load(third + whole), s2)
            s3 = fma(value, load(fourth + whole), s3)
        scale = broadcast(inverse + row)
        s0, s1 = sum_lanes(s0) * scale, sum_lanes(s1) * scale
        s2, s3 = sum_lanes(s2) * scale, sum_lanes(s3) * scale
        over = larger(larger(s0 - w0, s1 - w1), larger(s2 - w2, s3 - w3))
        if smaller(best, zero, over):
            if smaller(best, w0, s0):
                offer(best, found, kept, s0, row)
                w0 = broadcast(best + last)
            if smaller(best, w1, s1):
                offer(best + pad, found + 8 * kept, kept, s1, row)
                w1 = broadcast(best + pad + last)
            if smaller(best, w2, s2):
                offer(best + 2 * pad, found + 16 * kept, kept, s2, row)
                w2 = broadcast(best + 2 * pad + last)
            if smaller(best, w3, s3):
                offer(best + 3 * pad, found + 24 * kept, kept, s3, row)
                w3 = broadcast(best + 3 * pad + last)


@part
def least_recent(a, accessed, counters):
    """The rows of the heads from `OLDEST` on: those whose last access is the longest ago, of
    several the first.

    No row has an access before the stamp, nor one before the place an access of the stamp: most
    often the rows that are wanted follow right there.
    """
    count = min(a.heads, a.rows)
    oldest = counters + 8 * _OLDEST
    stamp, row, got = number(counters, _STAMP), number(counters, _PLACE), 0
    while row < a.rows and got < count:
        if number(accessed, row) == stamp:
            put(oldest, got, row)
            got += 1
        row += 1
    if got < count:
        by_looking_at_all(a, accessed, oldest, count)
    put(counters, _STAMP, number(accessed, number(oldest, 0)))
    put(counters, _PLACE, number(oldest, 0))
    for head in range(count, a.heads):
        put(oldest, head, number(oldest, head % count))


@part
def by_looking_at_all(a, accessed, oldest, count):
    got = 0
    worst = _NEVER
    for row in range(a.rows):
        stamp = number(accessed, row)
        if got == count and stamp >= worst:
            continue
        place = got if got < count else count - 1
        while place > 0 and number(accessed, number(oldest, place - 1)) > stamp:
            put(oldest, place, number(oldest, place - 1))
            place -= 1
        put(oldest, place, row)
        got = min(count, got + 1)
        worst = number(accessed, number(oldest, got - 1))

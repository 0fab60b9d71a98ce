"""Every task that answers in bits, at ordinary and odd sizes."""

from hypothesis import strategies as st

from tapehead.tasks import make_task

# Those that answer in bits; the others have tests of their own.
BIT_TASKS = (
    "copy",
    "repeat-copy",
    "associative-recall",
    "ngrams",
    "priority-sort",
    "chained-copy",
)
DEFAULTS = [make_task(name) for name in BIT_TASKS]

ODD = [
    make_task("copy", num_bits=1, min_length=1, max_length=1),
    make_task("copy", num_bits=3, min_length=4, max_length=7, mixed_lengths=False),
    make_task("repeat-copy", num_bits=1, max_length=1, max_repeats=1),
    make_task("repeat-copy", num_bits=2, max_length=3, max_repeats=3, mixed_lengths=False),
    make_task("associative-recall", num_bits=1, item_length=1, max_items=2),
    make_task("associative-recall", num_bits=1, item_length=2, max_items=7, mixed_lengths=False),
    make_task("ngrams", context_length=1, sequence_length=2),
    make_task("ngrams", context_length=3, sequence_length=30),
    make_task("priority-sort", num_bits=1, num_vectors=1, num_answers=1),
    make_task("priority-sort", num_bits=2, num_vectors=5, num_answers=5),
    make_task("chained-copy", num_bits=1, length=1, max_copies=1),
    make_task("chained-copy", length=2, min_copies=2, max_copies=4, mixed_lengths=False),
]

EVERY = DEFAULTS + ODD


def label(task):
    return "-".join(str(part) for part in (task.name, *vars(task).values()))


def ordered(low, high):
    """Two integers in a range, the smaller first."""
    return st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)


@st.composite
def tasks(draw):
    """Any task at any small size."""
    name = draw(st.sampled_from(BIT_TASKS))
    bits = draw(st.integers(1, 4))
    mixed = draw(st.booleans())
    if name == "copy":
        low, high = draw(ordered(1, 9))
        return make_task(name, num_bits=bits, min_length=low, max_length=high, mixed_lengths=mixed)
    if name == "chained-copy":
        low, high = draw(ordered(1, 4))
        length = draw(st.integers(1, 3))
        sizes = {"length": length, "min_copies": low, "max_copies": high}
        return make_task(name, num_bits=bits, **sizes, mixed_lengths=mixed)
    if name == "repeat-copy":
        low, high = draw(ordered(1, 5))
        least, most = draw(ordered(1, 6))
        trained = draw(st.none() | ordered(1, 6)) or (None, None)
        return make_task(
            name,
            num_bits=bits,
            min_length=low,
            max_length=high,
            min_repeats=least,
            max_repeats=most,
            trained_min_repeats=trained[0],
            trained_max_repeats=trained[1],
            mixed_lengths=mixed,
        )
    if name == "associative-recall":
        low, high = draw(ordered(2, 7))
        return make_task(
            name,
            num_bits=bits,
            item_length=draw(st.integers(1, 4)),
            min_items=low,
            max_items=high,
            mixed_lengths=mixed,
        )
    if name == "ngrams":
        context = draw(st.integers(1, 4))
        length = draw(st.integers(context + 1, 40))
        return make_task(name, context_length=context, sequence_length=length)
    answers, vectors = draw(ordered(1, 8))
    return make_task(name, num_bits=bits, num_vectors=vectors, num_answers=answers)

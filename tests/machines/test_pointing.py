"""Machines that point: each against loops in plain numpy, and what holds of all of them."""

import inspect
import itertools

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapehead.machines import MACHINES, PointerNetwork, SequenceToSequence
from tapehead.machines.options import _CONFIGURE
from tapehead.ops.pointing import forbidden_after, longest, seen_from_last
from tapehead.tasks import ConvexHull, make_task

RULES = ("free", "distinct", "permutation", "triples")
KINDS = {
    "paper": (PointerNetwork, {"encoder": "lstm", "attention": "additive", "hears": "point"}),
    "both ends": (PointerNetwork, {"encoder": "bidirectional", "glimpses": 1}),
    "set": (PointerNetwork, {"encoder": "set", "blocks": 2, "heads": 2, "widening": 1}),
    "views": (PointerNetwork, {"encoder": "set", "heads": 2, "views": 3, "glimpses": 2}),
    "seq2seq": (SequenceToSequence, {"most_points": 9, "constraints": "always"}),
    "seq2seq with attention": (
        SequenceToSequence,
        {"most_points": 9, "attention": True, "constraints": "always"},
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_rule = pytest.mark.parametrize("rule", RULES)
COUNTS = torch.tensor([6, 4, 5])


def machine(kind, rule="distinct", **options):
    made, fixed = KINDS[kind]
    torch.manual_seed(5)
    found = made(2, rule, hidden_size=6, **fixed | options).double().eval()
    with torch.no_grad():
        for weight in found.parameters():
            weight += 0.4 * torch.randn_like(weight)
    return found


def points(batch=3, count=6, seed=0):
    return torch.rand(
        batch, count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )


# --- the equations, in loops --------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    powers = np.exp(x - np.max(x))
    return powers / powers.sum()


def lstm_step(w, x, h, c):
    gates = w["weight_ih_l0"] @ x + w["bias_ih_l0"] + w["weight_hh_l0"] @ h + w["bias_hh_l0"]
    i, f, g, o = np.split(gates, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def part(w, name, suffix=""):
    prefix = f"{name}."
    found = {key.removeprefix(prefix): value for key, value in w.items() if key.startswith(prefix)}
    return {key.removesuffix(suffix): value for key, value in found.items() if key.endswith(suffix)}


def linear(w, name, x):
    return w[f"{name}.weight"] @ x + w.get(f"{name}.bias", 0)


def norm(w, name, x):
    scaled = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def read_by_lstm(w, x, name="reader", suffix=""):
    weights = {k: v for k, v in part(w, name).items() if ("reverse" in k) == bool(suffix)}
    weights = {k.removesuffix(suffix): v for k, v in weights.items()}
    h = c = np.zeros(weights["weight_hh_l0"].shape[1])
    codes = []
    for each in x:
        h, c = lstm_step(weights, each, h, c)
        codes.append(h)
    return codes, h, c


def read_as_set(made, w, x):
    codes = [linear(w, "embedding", each) for each in x]
    size = made.hidden_size // made.heads
    for block in range(made.blocks):
        name = f"reader.blocks.{block}"
        looks = [linear(w, f"{name}.looks", norm(w, f"{name}.first", e)) for e in codes]
        found = [[] for _ in codes]
        for head in range(made.heads):
            cut = slice(head * size, (head + 1) * size)
            q, k, v = ([np.split(each, 3)[i][cut] for each in looks] for i in range(3))
            for i in range(len(codes)):
                p = softmax(np.array([q[i] @ other for other in k]) / np.sqrt(size))
                found[i].append(sum(weight * value for weight, value in zip(p, v, strict=True)))
        for i, seen in enumerate(found):
            e = codes[i] + linear(w, f"{name}.found", np.concatenate(seen))
            wide = np.maximum(linear(w, f"{name}.wide", norm(w, f"{name}.second", e)), 0)
            codes[i] = e + linear(w, f"{name}.narrow", wide)
    codes = [norm(w, "reader.norm", e) for e in codes]
    h, c = np.split(linear(w, "begin", np.mean(codes, 0)), 2)
    return codes, h, c


def angle(a, b):
    """From one direction to another, counter-clockwise, from -1 to 1 half turns."""
    if (b == -a).all():
        return 1.0  # a whole half turn counts as one to the left
    turned = np.angle(complex(*b) / complex(*a)) if np.any(a) and np.any(b) else 0.0
    return turned / np.pi


def views(x, answer, step):
    """Of the end and of each point, at one step of an answer."""
    if step == 0:
        return np.concatenate([np.zeros((len(x) + 1, 6)), [np.zeros(2), *x]], 1)
    last = x[answer[step - 1] - 1]
    before = x[answer[step - 2] - 1] if step > 1 else None
    way = last - before if step > 1 else np.array([0.0, -1.0])
    rows = []
    for target in [x[answer[0] - 1], *x]:
        ahead = target - last
        far = np.sqrt(ahead @ ahead + 1e-12)
        under = angle(ahead, target - before if step > 1 else ahead + way)
        rows.append([far, np.log(far + 0.01), *(ahead / far), angle(way, ahead), under, 0, 0])
    return np.array(rows)


def by_hand(made, xy, answer):
    """Logits of one problem at each step of an answer, before anything is left out."""
    w = {name: value.detach().numpy() for name, value in made.named_parameters()}
    x = (xy - 0.5) * np.sqrt(12)
    if isinstance(made, SequenceToSequence):
        return sequence_by_hand(made, w, x, answer)
    if made.encoder == "set":
        codes, h, c = read_as_set(made, w, x)
    elif made.encoder == "lstm":
        codes, h, c = read_by_lstm(w, x)
    else:
        ahead, h1, c1 = read_by_lstm(w, x)
        back, h2, c2 = read_by_lstm(w, x[::-1], suffix="_reverse")
        codes = [np.concatenate(pair) for pair in zip(ahead, back[::-1], strict=True)]
        h, c = np.concatenate([h1, h2]), np.concatenate([c1, c2])
    refs = [w["end"], *codes]
    places = [np.zeros(2), *x]
    keys = [linear(w, "keys", np.concatenate(p)) for p in zip(refs, places, strict=True)]
    heard = x if made.hears == "point" else codes
    rows = []
    for step in range(len(answer)):
        hears = heard[answer[step - 1] - 1] if step else w["start"]
        h, c = lstm_step(part(w, "decoder"), hears, h, c)
        d = h
        for glimpse in range(made.glimpses):
            values = [linear(w, f"glances.{glimpse}", ref) for ref in refs]
            q = linear(w, f"looks.{glimpse}", d)
            p = softmax(np.array([q @ value for value in values]) / np.sqrt(len(q)))
            d = d + sum(weight * value for weight, value in zip(p, values, strict=True))
        q = linear(w, "query", d)
        if made.attention == "additive":
            row = np.array([w["weight"] @ np.tanh(key + q) for key in keys])
        else:
            row = np.array([key @ q for key in keys]) / np.sqrt(len(q))
        if made.views:
            seen = views(x, answer, step)
            minds = w["minds.weight"] @ d
            for j, view in enumerate(seen):
                judged = w["judges.weight"][0] @ np.tanh(linear(w, "sees", view) + minds)
                row[j] += judged + 300 * (view @ w["straight"])
        rows.append(row)
    return np.array(rows)


def sequence_by_hand(made, w, x, answer):
    codes, h, c = read_by_lstm(w, x)
    rows = []
    for step in range(len(answer)):
        name = answer[step - 1] if step else 0
        h, c = lstm_step(part(w, "decoder"), w["names.weight"][name], h, c)
        d = h
        if made.attention:
            scores = [
                w["weight"] @ np.tanh(linear(w, "keys", e) + linear(w, "query", d)) for e in codes
            ]
            p = softmax(np.array(scores))
            d = np.concatenate([d, sum(a * e for a, e in zip(p, codes, strict=True))])
        rows.append(linear(w, "output", d)[: len(x) + 1])
    return np.array(rows)


ANSWERS = torch.tensor([[3, 1, 6, 2, 0], [2, 4, 1, 0, 0], [5, 3, 4, 1, 2]])


@every_kind
def test_logits_are_the_equations_written_out_in_loops(kind):
    made, xy = machine(kind, constraints="never"), points()
    logits, answer = made(xy, COUNTS, ANSWERS)
    assert torch.equal(answer, ANSWERS)
    for row, count in enumerate(COUNTS.tolist()):
        said = ANSWERS[row].tolist()
        steps = said.index(0) + 1 if 0 in said else len(said)
        expected = by_hand(made, xy[row, :count].numpy(), said[:steps])
        np.testing.assert_allclose(
            logits[row, :steps, : count + 1].detach(), expected, rtol=1e-9, atol=1e-9
        )
        assert (logits[row, :, count + 1 :] == -torch.inf).all(), "points that are not there"


# --- what an answer may be ----------------------------------------------------------------------


def may_follow(rule, count, said, channel):
    """Whether an answer can go on so: from the definitions, one at a time."""
    if (said and said[-1] == 0) or len(said) >= longest(rule, count):
        return channel == 0
    if channel > count:
        return False
    if rule == "free":
        return True
    if rule == "triples":
        begun = said[len(said) // 3 * 3 :]
        if channel == 0:
            return not begun and bool(said)
        # Whatever must come after it in the group needs higher numbers that are there.
        return channel > max(begun, default=0) and channel <= count - (2 - len(begun))
    if channel == 0:
        return len(said) >= (count if rule == "permutation" else min(3, count))
    return channel not in said


@given(st.data(), st.sampled_from(RULES), st.integers(1, 6), st.integers(0, 2))
def test_what_may_follow(data, rule, count, padding):
    if rule == "triples":
        count = max(count, 3)
    said = []
    while len(said) < longest(rule, count) + 2:
        allowed = [c for c in range(count + 1 + padding) if may_follow(rule, count, said, c)]
        assert allowed, "an answer can always go on"
        said.append(data.draw(st.sampled_from(allowed)))
    before = torch.tensor([[9, *said[:-1]]])  # what stands first is not looked at
    before[0, 0] = 0
    out = forbidden_after(rule, before, torch.tensor([count]), count + 1 + padding)[0]
    for step in range(len(said)):
        expected = [not may_follow(rule, count, said[:step], c) for c in range(count + 1 + padding)]
        assert out[step].tolist() == expected


@every_kind
@every_rule
def test_an_answer_keeps_its_rule(kind, rule):
    made = machine(kind, rule)
    for width in (1, 3):
        answers, _ = made.answers(points(), COUNTS, beam_width=width)
        for answer, count in zip(answers.tolist(), COUNTS.tolist(), strict=True):
            assert 0 in answer, "it ends"
            for step, pointer in enumerate(answer):
                assert may_follow(rule, count, answer[:step], pointer)
    free = machine(kind, rule, constraints="never")
    answers, _ = free.answers(points(), COUNTS)
    assert (answers <= COUNTS[:, None]).all()


@every_kind
@pytest.mark.parametrize("rule", ["distinct", "permutation"])
def test_what_the_rule_forbids_has_no_chance(kind, rule):
    made = machine(kind, rule)
    logits, _ = made(points(), COUNTS, ANSWERS)
    for row, count in enumerate(COUNTS.tolist()):
        said = ANSWERS[row].tolist()
        for step, channel in itertools.product(range(len(said)), range(7)):
            allowed = may_follow(rule, count, said[:step], channel)
            assert torch.isfinite(logits[row, step, channel]) == allowed
    learning = machine(kind, rule, constraints="answering").train()
    assert torch.isfinite(learning(points(), None, ANSWERS)[0]).all()
    assert not torch.isfinite(learning.eval()(points(), None, ANSWERS)[0]).all()


# --- running free -------------------------------------------------------------------------------


def log_probability(made, xy, answer):
    """Of a whole answer to one problem."""
    with torch.no_grad():
        logits, _ = made(xy[None], None, answer[None])
    costs = logits.log_softmax(-1).gather(-1, answer[None, :, None])[0, :, 0]
    return costs[: int((answer != 0).cumprod(0).sum()) + 1].sum()


@every_kind
@every_rule
def test_running_free_takes_the_likeliest_pointer_at_each_step(kind, rule):
    made, xy = machine(kind, rule), points()
    logits, answer = made(xy, COUNTS)
    scores = made.answers(xy, COUNTS)[1]
    for row, count in enumerate(COUNTS.tolist()):
        said = answer[row].tolist()
        for step in range(said.index(0) + 1):
            # One step at a time, each from the beginning.
            prefix = torch.tensor([[*said[:step], 0]])
            again = made(xy[row : row + 1, :count], None, prefix)[0][0, step]
            torch.testing.assert_close(again, logits[row, step, : count + 1])
            assert int(again.argmax()) == said[step]
        whole = log_probability(made, xy[row, :count], answer[row])
        torch.testing.assert_close(whole, scores[row])


@every_kind
@every_rule
def test_a_batch_of_mixed_sizes_is_each_problem_alone(kind, rule):
    made, xy = machine(kind, rule), points()
    xy[1, 4:], xy[2, 5:] = 7.0, -3.0  # whatever stands in the padding
    logits, answer = made(xy, COUNTS)
    for row, count in enumerate(COUNTS.tolist()):
        alone, said = made(xy[row : row + 1, :count])
        steps = said.shape[1]
        assert torch.equal(answer[row, :steps], said[0])
        assert (answer[row, steps:] == 0).all()
        torch.testing.assert_close(logits[row, :steps, : count + 1], alone[0])
        wide = [made.answers(xy, COUNTS, beam_width=3), made.answers(
            xy[row : row + 1, :count], beam_width=3)]  # fmt: skip
        torch.testing.assert_close(wide[0][1][row], wide[1][1][0])


def all_answers(rule, count):
    """Every whole answer that the rule allows."""
    found, open_ = [], [[]]
    while open_:
        said = open_.pop()
        for channel in range(count + 1):
            if may_follow(rule, count, said, channel):
                (found if channel == 0 else open_).append([*said, channel])
    return found


@every_kind
@pytest.mark.parametrize("rule", ["distinct", "permutation"])
def test_a_beam_as_wide_as_all_answers_finds_the_likeliest(kind, rule):
    made, xy = machine(kind, rule), points(count=4)
    everything = all_answers(rule, 4)
    for row in xy:
        best = max(float(log_probability(made, row, torch.tensor(each))) for each in everything)
        answer, score = made.answers(row[None], beam_width=len(everything) + 5)
        assert float(score[0]) == pytest.approx(best, abs=1e-9)
        assert answer[0].tolist() in everything
        torch.testing.assert_close(log_probability(made, row, answer[0]), score[0])


@every_kind
@every_rule
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_is_never_worse_than_none(kind, rule, seed):
    made, xy = machine(kind, rule), points(8, 5, seed)
    greedy, chance = made.answers(xy)
    one, same = made.answers(xy, beam_width=1)
    assert torch.equal(one, greedy)
    assert torch.equal(same, chance)
    for width in (2, 4):
        answers, score = made.answers(xy, beam_width=width)
        assert (score >= chance).all()
        for row in range(8):
            torch.testing.assert_close(log_probability(made, xy[row], answers[row]), score[row])


def test_a_beam_can_choose_the_shortest_tour():
    made, xy = machine("paper", "permutation"), points(8, 5)
    everything = torch.tensor(all_answers("permutation", 5))

    def length(places, tour):
        way = [places[number - 1] for number in tour if number]
        return sum(float((a - b).norm()) for a, b in zip(way, way[1:] + way[:1], strict=True))

    for row in xy:
        wanted = min(length(row, tour) for tour in everything.tolist())
        answer, score = made.answers(row[None], beam_width=130, beam_choice="shortest")
        assert length(row, answer[0].tolist()) == pytest.approx(wanted, abs=1e-12)
        torch.testing.assert_close(log_probability(made, row, answer[0]), score[0])
    greedy, _ = made.answers(xy)
    found, _ = made.answers(xy, beam_width=3, beam_choice="shortest")
    shorter = [
        length(row, one.tolist()) - length(row, other.tolist())
        for row, one, other in zip(xy, found, greedy, strict=True)
    ]
    assert max(shorter) < 1e-12
    assert min(shorter) < -1e-3
    made.beam_width, made.beam_choice = 3, "shortest"
    assert torch.equal(made(xy)[1], found)
    with pytest.raises(ValueError, match="beam_choice must be one of likeliest, shortest"):
        made.beam_choice = "best"


def test_beam_width_is_what_forward_takes():
    made, xy = machine("paper", "permutation"), points(16, 6)
    made.beam_width = 4
    assert torch.equal(made(xy)[1], made.answers(xy, beam_width=4)[0])
    assert not torch.equal(made(xy)[1], made.answers(xy)[0])
    with pytest.raises(ValueError, match="beam_width must be a whole number of at least 1, got 0"):
        made.beam_width = 0


# --- sets, gradients, what is refused -----------------------------------------------------------


@pytest.mark.parametrize("kind", ["set", "views"])
def test_of_a_set_the_order_does_not_matter(kind):
    """The answer points at the same points; loss and scores stay as they are."""
    task = ConvexHull(min_points=6, max_points=6, order="drawn")
    batch = task.batch(torch.Generator().manual_seed(0), 8)
    made = machine(kind).float()
    order = torch.randperm(6)
    places = torch.cat([torch.zeros(1, dtype=torch.int64), order.argsort() + 1])
    moved = batch._replace(
        inputs=batch.inputs._replace(xy=batch.inputs.xy[:, order]), targets=places[batch.targets]
    )
    outputs, answered = task.run(made, batch)
    outputs_moved, answered_moved = task.run(made, moved)
    assert torch.equal(answered_moved.inputs.answer, places[answered.inputs.answer])
    torch.testing.assert_close(task.loss(outputs_moved, moved), task.loss(outputs, batch))
    one, other = task.scores(outputs, answered), task.scores(outputs_moved, answered_moved)
    for name in one:
        torch.testing.assert_close(one[name], other[name])
    lstm = machine("paper").float()
    assert not torch.equal(task.run(lstm, moved)[1].inputs.answer, places[
        task.run(lstm, batch)[1].inputs.answer])  # fmt: skip


@every_kind
def test_gradients(kind):
    made = machine(kind).train()
    xy = points(2, 4).requires_grad_()
    answer = torch.tensor([[2, 4, 1, 0], [3, 1, 4, 2]])
    weights = list(made.parameters())

    def cost(xy, *weights):
        named = dict(zip((name for name, _ in made.named_parameters()), weights, strict=True))
        logits, _ = torch.func.functional_call(made, named, (xy, None, answer))
        return -logits.log_softmax(-1).gather(-1, answer[..., None]).sum()

    assert torch.autograd.gradcheck(cost, (xy, *weights), atol=1e-4, fast_mode=True)


@every_kind
def test_every_weight_learns(kind):
    task = ConvexHull(max_points=7)
    made = machine(kind).float().train()
    batch = task.batch(torch.Generator().manual_seed(0), 4)
    outputs, _ = task.run(made, batch._replace(inputs=batch.inputs._replace(answer=batch.targets)))
    task.loss(outputs, batch).backward()
    for name, weight in made.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


@every_kind
def test_the_trace_is_what_it_did(kind):
    made, xy = machine(kind), points()
    logits, answer = made(xy, COUNTS)
    trace = made.trace(xy, COUNTS)
    assert torch.equal(trace.answer, answer)
    torch.testing.assert_close(trace.y, logits)
    torch.testing.assert_close(trace.attention, logits.softmax(-1))
    for name in ("glimpse", "looked"):
        if name in trace.tensors:
            shown = trace.tensors[name]
            torch.testing.assert_close(shown.sum(-1), torch.ones_like(shown[..., 0]))
            past = COUNTS[1] + (name == "glimpse")
            assert (shown[1, ..., past:] == 0).all(), "nothing is seen where no point is"
    assert ("glimpse" in trace.tensors) == bool(getattr(made, "glimpses", 0))


@every_kind
def test_numbers_are_as_many_as_worked_out(kind):
    made = machine(kind)
    names = list(inspect.signature(type(made)).parameters)
    options = {name: getattr(made, name) for name in names}
    count = sum(weight.numel() for weight in made.parameters()) + made.state_numbers
    assert _CONFIGURE[type(made).__init__](**options) == count


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ((torch.rand(2, 5, 3),), ValueError, r"xy must be \(batch, points, 2\)"),
        ((torch.rand(2, 0, 2),), ValueError, "with at least one of each"),
        ((torch.rand(2, 5, 2).double(),), ValueError, "xy must be torch.float32"),
        ((torch.tensor([[[0.0, float("nan")]]]),), ValueError, "xy must be finite"),
        (
            (torch.rand(2, 5, 2), torch.tensor([5, 6])),
            ValueError,
            "counts must lie between 1 and 5",
        ),
        (
            (torch.rand(2, 5, 2), torch.tensor([0, 5])),
            ValueError,
            "counts must lie between 1 and 5",
        ),
        ((torch.rand(2, 5, 2), torch.tensor([5])), ValueError, r"counts must be \(2\)"),
        ((torch.rand(2, 5, 2), torch.tensor([5.0, 5.0])), ValueError, "counts must be torch.int64"),
        (
            (torch.rand(2, 5, 2), None, torch.tensor([[6], [1]])),
            ValueError,
            "answer must lie between 0 and 5, got 1 to 6",
        ),
        ((torch.rand(2, 5, 2), None, torch.zeros(1, 3).long()), ValueError, "answer must be"),
    ],
)
@pytest.mark.parametrize("kind", ["paper", "seq2seq"])
def test_what_cannot_be_read_is_refused_in_one_line(kind, inputs, error, message):
    made = machine(kind).float()
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(error, match=message) as raised:
            made(*inputs)
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (PointerNetwork, {"heads": 3}, "heads must divide hidden_size 128, got 3"),
        (
            PointerNetwork,
            {"encoder": "bidirectional", "hidden_size": 7},
            "hidden_size must be even to read from both ends, got 7",
        ),
        (PointerNetwork, {"point_size": 1, "views": 4}, "views must be 0 unless points have 2"),
    ],
)
def test_impossible_options_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**{"point_size": 2, "rule": "distinct"} | options)


def test_a_sequence_cannot_name_more_points_than_it_knows():
    with pytest.raises(ValueError, match="xy must have at most 9 points, most_points of this"):
        machine("seq2seq")(points(1, 10))


def test_the_end_is_seen_where_the_answer_began():
    xy = points(1, 5)
    seen = seen_from_last(
        xy, torch.tensor([2]), torch.tensor([[0, 2, 4]]), torch.tensor([[0, 0, 2]])
    )
    assert (seen[0, 0, :, :6] == 0).all()
    assert torch.equal(seen[0, 0, 1:, 6:], xy[0])
    assert (seen[0, 1:, :, 6:] == 0).all()
    assert torch.equal(seen[0, 2, 0], seen[0, 2, 2])


@pytest.mark.parametrize("name", ["pointer-network", "seq2seq"])
def test_a_machine_fits_every_task_on_points(name):
    for task in map(make_task, ("sorting", "convex-hull", "delaunay", "tsp")):
        made = MACHINES[name](**task.sizes, hidden_size=8)
        batch = task.resized(min_points=5, max_points=5).batch(torch.Generator(), 2)
        outputs, answered = task.run(made, batch)
        assert outputs.shape[2] == 6
        assert torch.isfinite(task.loss(outputs, batch))
        assert task.scores(outputs, answered)

"""Machines that read stories: each against loops in plain numpy, and what holds of all of them."""

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tapehead.forms import Story
from tapehead.machines import MACHINES
from tapehead.tasks import make_task

READERS = [name for name, kind in MACHINES.items() if kind.reads is Story]
SIZES = {"vocabulary_size": 9, "sentence_length": 3, "num_answers": 3}
SMALL = {
    "memory-network": {"embedding_size": 4, "hops": 2, "memory_size": 3},
    "entity-network": {"num_slots": 3, "hidden_size": 4, "dropout": 0.0},
    "dynamic-memory-network": {"hidden_size": 4, "hops": 2, "dropout": 0.0},
    "dynamic-ntm-reader": {
        "sentence_size": 4, "hidden_size": 5, "memory_size": 3, "word_size": 4, "address_size": 2,
    },
}  # fmt: skip
STORY = Story(
    sentences=torch.tensor([[0, 0, 0], [4, 5, 6], [7, 5, 0], [4, 8, 1], [6, 2, 0], [7, 4, 0]]),
    told=torch.tensor([[1, 2, 3, 2], [3, 1, 0, 0]]),
    questions=torch.tensor([[4, 5, 4], [5, 4, 0]]),
    known=torch.tensor([[2, 3, 4], [1, 2, 0]]),
)


def machine(name, **options):
    torch.manual_seed(3)
    made = MACHINES[name](**SIZES, **SMALL[name] | options).double().eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.3 * torch.randn_like(weight)
    return made


def weights(made):
    return {name: value.detach().numpy() for name, value in made.named_parameters()}


def told_before(story, item, asked):
    """The rows of the sentences that a question knows of, oldest first."""
    return story.told[item, : int(story.known[item, asked])].tolist()


def position_encoding(words, vectors, longest):
    """Sum over words of l_j e_j, counted from 1 as in the paper."""
    real = [word for word in words if word]
    count, size = (longest or len(real)), vectors.shape[-1]
    total = np.zeros(size)
    for j, word in enumerate(real, 1):
        for k in range(1, size + 1):
            part = (1 - j / count) - (k / size) * (1 - 2 * j / count)
            total[k - 1] += part * vectors[word, k - 1]
    return total


def softmax(scores):
    powers = np.exp(scores - np.max(scores))
    return powers / powers.sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def memory_network(made, story, item, asked, linear=False):
    """Sukhbaatar et al. 2015, section 2, sentence by sentence."""
    w = weights(made)
    sentences = story.sentences.tolist()
    rows = told_before(story, item, asked)[::-1][: made.memory_size]
    longest = made.sentence_length if made.lengths == "longest" else None

    def encode(row, table):
        vectors = w["words"][:, table]
        if made.encoding == "bag":
            return sum(
                (vectors[word] for word in sentences[row] if word), np.zeros(vectors.shape[1])
            )
        return position_encoding(sentences[row], vectors, longest)

    adjacent = made.tying == "adjacent"
    u = encode(int(story.questions[item, asked]), 0 if adjacent else 2)
    for hop in range(made.hops):
        a, c = (hop, hop + 1) if adjacent else (0, 1)
        memory, read = [], []
        for place, row in enumerate(rows):
            times = w["times"][place] if made.temporal else np.zeros((9, u.size))
            memory.append(encode(row, a) + times[a])
            read.append(encode(row, c) + times[c])
        scores = np.array([u @ m for m in memory])
        p = scores if linear else softmax(scores)
        found = sum(weight * each for weight, each in zip(p, read, strict=True))
        u = found + (u if adjacent else w["between"] @ u)
        u = np.maximum(u, 0) if made.nonlinear else u
    return w["words"][1 : made.num_answers + 1, -1] @ u


def entity_network(made, story, item, asked):
    """Henaff et al. 2017, equations 1 to 6, slot by slot."""
    w = weights(made)
    keys = w["free_keys"] if made.keys == "free" else w["words"][1 : made.num_slots + 1]

    def encode(row, masks):
        words = story.sentences[row].tolist()
        return sum(
            (masks[i] * w["words"][word] for i, word in enumerate(words) if word),
            np.zeros(made.hidden_size),
        )

    def prelu(x):
        return np.where(x > 0, x, w["below_zero"] * x)

    slots = [key.copy() for key in keys]
    for row in told_before(story, item, asked):
        s = encode(row, w["masks"][0])
        for j, key in enumerate(keys):
            gate = sigmoid(s @ slots[j] + s @ key)
            candidate = prelu(
                w["hidden_weight"] @ slots[j] + w["key_weight"] @ key + w["sentence_weight"] @ s
            )
            h = slots[j] + gate * candidate
            slots[j] = h / np.linalg.norm(h)
    q = encode(int(story.questions[item, asked]), w["masks"][1])
    p = softmax(np.array([q @ h for h in slots]))
    u = sum(weight * h for weight, h in zip(p, slots, strict=True))
    return w["output.weight"] @ prelu(q + w["found_weight"] @ u)


def gru(w, name, inputs, h):
    """All states of a GRU, as in torch.nn.GRU."""
    states = []
    for x in inputs:
        of_x = w[f"{name}.weight_ih_l0"] @ x + w[f"{name}.bias_ih_l0"]
        of_h = w[f"{name}.weight_hh_l0"] @ h + w[f"{name}.bias_hh_l0"]
        (xr, xz, xn), (hr, hz, hn) = np.split(of_x, 3), np.split(of_h, 3)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        h = (1 - z) * np.tanh(xn + r * hn) + z * h
        states.append(h)
    return states


def dynamic_memory_network(made, story, item, asked):
    """Xiong et al. 2016, equations 6 to 13, fact by fact."""
    w = weights(made)
    zero = np.zeros(made.hidden_size)
    longest = made.sentence_length if made.lengths == "longest" else None
    sentences = [
        position_encoding(story.sentences[row].tolist(), w["words"], longest)
        for row in told_before(story, item, asked)
    ]
    before = gru(w, "forwards", sentences, zero)
    after = gru(w, "backwards", sentences[::-1], zero)[::-1]
    facts = [b + a for b, a in zip(before, after, strict=True)]
    words = [word for word in story.sentences[story.questions[item, asked]].tolist() if word]
    q = gru(w, "asking", [w["words"][word] for word in words], zero)[-1]
    m = q
    for hop in range(made.hops):
        scores = []
        for f in facts:
            z = np.concatenate([f * q, f * m, abs(f - q), abs(f - m)])
            inner = np.tanh(w["look.weight"] @ z + w["look.bias"])
            scores.append((w["score.weight"] @ inner + w["score.bias"])[0])
        g = softmax(np.array(scores))
        if made.attention == "soft":
            context = sum(weight * f for weight, f in zip(g, facts, strict=True))
        else:
            context = zero
            for weight, f in zip(g, facts, strict=True):
                fr, fn = np.split(w["fact.weight"] @ f + w["fact.bias"], 2)
                hr, hn = np.split(w["hidden.weight"] @ context + w["hidden.bias"], 2)
                candidate = np.tanh(fn + sigmoid(fr + hr) * hn)
                context = weight * candidate + (1 - weight) * context
        x = np.concatenate([m, context, q])
        m = np.maximum(w[f"updates.{hop}.weight"] @ x + w[f"updates.{hop}.bias"], 0)
    return w["output.weight"] @ np.concatenate([m, q]) + w["output.bias"]


def dynamic_ntm_reader(made, story, item, asked):
    """Gulcehre et al. 2016: the sentences one by one, the question, and steps without input. What
    the machine does at a step is held against its equations in test_dynamic_ntm.py."""
    w = weights(made)
    told = [*told_before(story, item, asked), int(story.questions[item, asked])]
    steps = []
    for row in told:
        words = [w["words"][word] for word in story.sentences[row].tolist() if word]
        steps.append(gru(w, "encoder", words, np.zeros(made.sentence_size))[-1])
    state, y = made.ntm.initial_state(1), None
    for x in steps + [np.zeros(made.sentence_size)] * made.blank_steps:
        y, state = made.ntm.step(torch.tensor(x)[None], state)
    return y[0].detach().numpy()


LOOPS = {
    "memory-network": memory_network,
    "entity-network": entity_network,
    "dynamic-memory-network": dynamic_memory_network,
    "dynamic-ntm-reader": dynamic_ntm_reader,
}
ASKED = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("memory-network", {}),
        ("memory-network", {"tying": "layer-wise"}),
        ("memory-network", {"tying": "layer-wise", "nonlinear": True}),
        ("memory-network", {"encoding": "bag"}),
        ("memory-network", {"lengths": "longest"}),
        ("memory-network", {"temporal": False}),
        ("memory-network", {"memory_size": 9, "hops": 3}),
        ("entity-network", {}),
        ("entity-network", {"keys": "tied"}),
        ("entity-network", {"slopes": "each", "matrices": "normal"}),
        ("entity-network", {"backend": "reference"}),
        ("dynamic-memory-network", {}),
        ("dynamic-memory-network", {"attention": "soft"}),
        ("dynamic-memory-network", {"lengths": "longest"}),
        ("dynamic-ntm-reader", {}),
        ("dynamic-ntm-reader", {"blank_steps": 0, "controller": "feedforward"}),
        ("dynamic-ntm-reader", {"blank_steps": 2, "reading_steps": 2, "num_writes": 2}),
        ("dynamic-ntm-reader", {"addressing": "discrete", "backend": "reference"}),
    ],
)
def test_it_computes_the_equations_of_its_paper(name, options):
    made = machine(name, **options)
    y, _ = made(*STORY)
    for item, asked in ASKED:
        wanted = LOOPS[name](made, STORY, item, asked)
        assert np.allclose(y[item, asked].detach().numpy(), wanted, rtol=1e-12, atol=1e-12)


def test_linear_start_leaves_out_the_softmax():
    made = machine("memory-network")
    y, _ = made(*STORY, linear=True)
    for item, asked in ASKED:
        wanted = memory_network(made, STORY, item, asked, linear=True)
        assert np.allclose(y[item, asked].detach().numpy(), wanted, rtol=1e-12, atol=1e-12)


@pytest.fixture
def as_users():
    """Without the checks of shapes that only tests have."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.mark.parametrize("name", READERS)
def test_a_story_alone_gives_what_it_gives_among_others(name):
    made = machine(name)
    together, _ = made(*STORY)
    told = [STORY.told[:1], STORY.told[1:, :2]]
    for item, count in ((0, 3), (1, 2)):
        asked = slice(0, count)
        alone, _ = made(
            STORY.sentences,
            told[item],
            STORY.questions[item : item + 1, asked],
            STORY.known[item : item + 1, asked],
        )
        assert torch.allclose(alone[0], together[item, asked], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", READERS)
def test_what_is_told_after_a_question_or_past_the_end_does_not_matter(name):
    made = machine(name)
    before, _ = made(*STORY)
    told = STORY.told.clone()
    told[0, 3], told[1, 2:] = 1, 5
    after, _ = made(*STORY._replace(told=told))
    assert torch.equal(after[0, :2], before[0, :2])
    assert torch.equal(after[1, :2], before[1, :2])
    assert not torch.allclose(after[0, 2], before[0, 2])


@pytest.mark.parametrize("name", READERS)
def test_the_order_of_the_sentences_matters(name):
    made = machine(name)
    before, _ = made(*STORY)
    turned, _ = made(*STORY._replace(told=STORY.told[:, [1, 0, 2, 3]]))
    assert not torch.allclose(turned[0, 0], before[0, 0])


@pytest.mark.parametrize("name", READERS)
@given(seed=st.integers(0, 2**31))
def test_how_sentences_are_numbered_does_not_matter(name, seed):
    made = machine(name)
    order = torch.randperm(len(STORY.sentences), generator=torch.Generator().manual_seed(seed))
    place = order.argsort()
    story = Story(STORY.sentences[order], place[STORY.told], place[STORY.questions], STORY.known)
    assert torch.allclose(made(*story)[0], made(*STORY)[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", READERS)
def test_every_weight_has_the_gradient_that_differences_show(name):
    made = machine(name)
    named = dict(made.named_parameters())

    def loss(*values):
        given = dict(zip(named, values, strict=True))
        return torch.func.functional_call(made, given, tuple(STORY))[0].square().sum()

    values = [value.detach().requires_grad_() for value in named.values()]
    assert torch.autograd.gradcheck(loss, values, fast_mode=True)
    gradients = torch.autograd.grad(loss(*values), values)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize("name", READERS)
def test_a_trace_says_what_was_looked_at(name):
    made = machine(name)
    trace = made.trace(*STORY)
    assert torch.allclose(trace.y, made(*STORY)[0], rtol=1e-12, atol=1e-12)
    attention = trace.attention
    for item, asked in ASKED:
        assert torch.allclose(attention[item, asked].sum(-1), torch.ones(1).double())
        if name != "entity-network":
            known = int(STORY.known[item, asked])
            assert (attention[item, asked, :, known:] == 0).all()
    if name == "memory-network":
        assert (attention[0, 2, :, 0] == 0).all()  # a memory of three sentences has forgotten it
    if name == "entity-network":
        w = weights(made)
        s = (
            w["masks"][0]
            * w["words"][STORY.sentences[1]]
            * (STORY.sentences[1] != 0)[:, None].numpy()
        )
        s = s.sum(0)
        wanted = sigmoid(2 * w["free_keys"] @ s)
        assert np.allclose(trace.gates[0, 0].detach().numpy(), wanted)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        (
            "sentences",
            torch.tensor([[9, 0, 0]] * 6),
            "sentences must lie between 0 and 8, got 0 to 9",
        ),
        ("sentences", torch.zeros(6, 2, dtype=torch.int64), r"sentences must be \(distinct, 3\)"),
        ("told", STORY.told + 9, "told must lie between 0 and 5, got 9 to 12"),
        ("told", STORY.told.float(), "told must be torch.int64 on cpu"),
        ("questions", STORY.questions - 1, "questions must lie between 0 and 5, got -1 to"),
        ("known", STORY.known + 1, "known must lie between 0 and 4, got 1 to 5"),
        ("known", STORY.known[:, :2], r"known must be \(2, 3\)"),
        ("told", None, "told must be a tensor"),
    ],
)
def test_what_it_cannot_read_is_refused_by_name(name, part, value, message, as_users):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        machine(name)(**STORY._replace(**{part: value})._asdict())


LEARNERS = {
    "memory-network": (250, {}),
    "entity-network": (100, {"dropout": 0.0}),
    "dynamic-memory-network": (100, {"dropout": 0.0}),
}
"""Steps, and options; a D-NTM takes thousands."""


@pytest.mark.parametrize("name", LEARNERS)
def test_it_learns_a_task_in_a_moment(name):
    """Where is Mary? It is where she went last."""
    task = make_task("babi", task="1", generated=True)
    torch.manual_seed(0)
    steps, options = LEARNERS[name]
    made = MACHINES[name](**task.sizes, **options)
    optimiser = torch.optim.Adam(made.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        batch = task.batch(generator, 12)
        optimiser.param_groups[0]["lr"] = 0.01 * min(1.0, 2 * (1 - step / steps))
        loss = task.loss(made(*batch.inputs)[0], batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(made.parameters(), 10.0)
        optimiser.step()
    made.eval()
    batch = task.batch(torch.Generator().manual_seed(2), 100)
    with torch.no_grad():
        wrong = task.scores(made(*batch.inputs)[0], batch)["wrong"].mean().item()
    assert wrong < 0.25  # of six places, guessing leaves 0.83


def test_time_noise_moves_memories_apart_in_training_only():
    made = machine("memory-network", time_noise=0.9)
    plain = made(*STORY)[0]
    assert torch.equal(made(*STORY)[0], plain)
    made.train()
    torch.manual_seed(0)
    assert not torch.allclose(made(*STORY)[0], plain)


def test_more_tied_slots_than_words_are_refused():
    with pytest.raises(ValueError, match=r"^num_slots must be at most 8, the words there are"):
        machine("entity-network", keys="tied", num_slots=9)


@pytest.mark.parametrize("name", READERS)
def test_past_the_last_question_numbers_are_finite(name):
    assert machine(name)(*STORY)[0].isfinite().all()


def test_each_gate_of_the_dynamic_memory_network_begins_by_itself():
    """Taken for one matrix, those of three gates would begin 0.71 times as large."""
    torch.manual_seed(0)
    made = MACHINES["dynamic-memory-network"](**SIZES, hidden_size=40)
    bound = (6 / 80) ** 0.5
    for name, weight in made.named_parameters():
        if weight.dim() > 1 and name.startswith(("asking", "forwards", "hidden.")):
            assert 0.98 * bound < weight.abs().max() <= bound
    assert (made.hidden.bias == 0).all()

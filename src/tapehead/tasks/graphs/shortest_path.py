"""The shortest-path task: told a graph and two of its nodes, walk from one to the other."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from tapehead.checks import Count, NotNegative, Size, choice, number
from tapehead.forms import Sequence
from tapehead.tasks.graphs.coding import (
    ANSWER,
    BLANK,
    TRIPLE_SIZE,
    decode,
    encode,
)
from tapehead.tasks.graphs.lessons import GRADUAL, SHORTEST_PATH, Lesson
from tapehead.tasks.graphs.planner import (
    UNREACHABLE,
    Told,
    edge_log_probabilities,
    name_pairs,
    read_told,
    teacher_edge,
    ways_out,
)
from tapehead.tasks.graphs.recall import plan_aloud
from tapehead.tasks.graphs.recalling import check_recall
from tapehead.tasks.graphs.task import GraphTask, Script, triples
from tapehead.tasks.graphs.walking import LATE, Walking
from tapehead.tasks.graphs.worlds import Graphs, draw_until, pick, random_graphs, told_map
from tapehead.tasks.metrics import PassMark
from tapehead.tasks.task import Batch, Task

LESSON_PLANS = ("paper", "gradual")


@dataclass(frozen=True, kw_only=True)
class ShortestPath(GraphTask):
    """The query names start and goal, (source, _, destination); after some steps without input
    the machine says triple after triple of a shortest path, and is told at each step which edge
    was taken at the one before.

    What the machine says is read as a choice among the edges that leave the node it stands on.
    The loss is the cross-entropy of that choice against the first step of a shortest path from
    there. While training, each step takes the teacher's edge with probability `teacher`, else the
    machine's own likeliest, as DAgger does; else always the machine's own.

    min_nodes, max_nodes: nodes of a graph, uniform.
    min_degree, max_degree: edges out of a node, uniform for each node.
    min_length, max_length: edges of the path; uniform among the lengths that a graph has.
    planning_steps: steps between query and answer.
    teacher: the paper's beta.
    extra_steps: how many steps more than needed the machine may take before it is stopped.
    spelling: how much the loss has, beside the choice's, of the mean cross-entropy of the nine
        digits of the teacher's edge. The choice alone, among the edges that leave a node, says
        nothing where there is only one.
    recall: how much the loss has of the mean cross-entropy of the edges that are asked for while
        the machine plans: those that leave the start, then those that lead to the goal, in the
        order told; for each edge more that paths have, then those that leave where the former end,
        those that lead to where the latter begin, and so on in turn; as many as there are planning
        steps. The paper asks for nothing then.
    aloud: while it plans, the machine hears at each step which edge it named at the one before, in
        training the one that it should have named. In the paper it hears nothing.
    lesson_plan: what a curriculum goes through: "paper", its 15 lessons, or "gradual", 20 of ours.
    graph: "random", "underground" or "family".
    data: folder with the tables of the Underground; see `tapehead.tasks.graphs.maps`.

    The defaults are the last of the paper's 15 lessons (Extended Data Table 5).

    >>> import torch
    >>> from tapehead.tasks import ShortestPath
    >>> task = ShortestPath(min_nodes=4, max_nodes=6, min_length=2, max_length=2)
    >>> batch = task.batch(torch.Generator().manual_seed(0), batch_size=2)
    >>> batch.inputs.x.shape, batch.targets.shape[-1]
    (torch.Size([2, 37, 92]), 90)
    >>> task.scores(task.oracle(batch), batch)["solved"]
    tensor([True, True])
    """

    name: ClassVar[str] = "shortest-path"
    title: ClassVar[str] = "Shortest path"
    source: ClassVar[str] = "Graves, Wayne et al. (2016), Methods, Shortest path"
    interactive: ClassVar[bool] = True
    lessons: ClassVar[tuple[Lesson, ...]] = SHORTEST_PATH

    min_nodes: Size = 20
    max_nodes: Size = 25
    min_degree: Size = 2
    max_degree: Size = 6
    min_length: Size = 2
    max_length: Size = 5
    planning_steps: Count = 10
    teacher: Annotated[float, number(0.0, most=1.0)] = 0.8
    extra_steps: Count = 5
    spelling: NotNegative = 0.0
    recall: NotNegative = 0.0
    aloud: bool = False
    lesson_plan: Annotated[str, choice(LESSON_PLANS)] = "paper"

    @property
    def plan(self) -> tuple[Lesson, ...]:
        return GRADUAL if self.lesson_plan == "gradual" else self.lessons

    def __post_init__(self) -> None:
        super().__post_init__()
        check_recall(self.recall, self.planning_steps)
        if self.aloud and not self.recall:
            raise ValueError("aloud must be left out without recall, which says what to name")

    @property
    def answer(self) -> Walking:
        return triples(
            Walking,
            spelling=self.spelling,
            recall=self.recall,
            planning=self.planning_steps,
            # From either end in turn, these hold all ways of that length.
            rings=max(self.max_length, 2),
        )

    @property
    def max_steps(self) -> int:
        return self.max_edges + 1 + self.planning_steps + self.max_length + self.extra_steps

    @property
    def pass_mark(self) -> PassMark:
        """80% of paths at most one step longer than the shortest."""
        return PassMark(LATE, 0.2)

    def test_settings(self) -> dict[str, Task]:
        final = replace(self, graph="random").at_lesson(len(self.plan))
        settings: dict[str, Task] = {"final lesson": final}
        if self.data:
            # Figure 2b: four-step shortest paths.
            settings["underground"] = replace(self, graph="underground", min_length=4, max_length=4)
        return settings

    def _graphs(self, generator: torch.Generator, batch_size: int) -> Graphs:
        if self.known is not None:
            return told_map(generator, batch_size, self.known)
        nodes, degree = (self.min_nodes, self.max_nodes), (self.min_degree, self.max_degree)
        return random_graphs(generator, batch_size, nodes, degree)

    def _sample(self, generator: torch.Generator, batch_size: int) -> Batch:
        """Sequences in which the teacher walks all the way."""

        def pairs(graphs: Graphs) -> tuple[Tensor, Tensor, Tensor]:
            distance, names = name_pairs(
                graphs.triples(graphs.edges), graphs.valid, self.max_length
            )
            lengths = torch.arange(self.min_length, self.max_length + 1, device=names.device)
            return (distance[:, None] == lengths[:, None, None]).flatten(2), distance, names

        graphs = draw_until(
            lambda graphs: pairs(graphs)[0].any(-1).any(-1),
            lambda: self._graphs(generator, batch_size),
            "min_length must be a length that shortest paths on a graph of "
            f"{self.min_nodes} to {self.max_nodes} nodes often have, got {self.min_length}",
        )
        possible, _, names = pairs(graphs)
        length = pick(possible.any(-1).float(), generator)
        choices = possible.gather(1, length[:, None, None].expand(-1, 1, possible.shape[-1]))
        chosen = pick(choices[:, 0].float(), generator)
        start = names.gather(1, (chosen // names.shape[1])[:, None])
        goal = names.gather(1, (chosen % names.shape[1])[:, None])

        script = Script(graphs)
        script.add(torch.stack([start, torch.full_like(start, BLANK), goal], -1))
        if self.planning_steps:
            script.pause(self.planning_steps)
        # A first step of the answer, for the walk to begin at.
        nothing = start.new_full((batch_size, 1, 3), BLANK)
        script.add(nothing, targets=nothing)
        told = script.batch()
        return self._walk(told, lambda _, __, teacher: teacher)[1]

    def run(
        self,
        machine: Callable[..., tuple[Tensor, Any]],
        batch: Batch,
    ) -> tuple[Float[Tensor, "batch time output_size"], Batch]:
        """Let a machine walk, and return its outputs beside the batch as it came to be: what it
        was told at each step of the answer, and the teacher's triple at each node it stood on.

        Args:
            machine: maps (x, state, lengths=...) to (outputs, state); while its attribute
                `training` is true, `teacher` of its steps are the teacher's.
            batch: as drawn; its answers are written anew.
        """
        told = read_told(batch.inputs.x)
        training = bool(getattr(machine, "training", False))
        if self.aloud:
            planned, state, batch = plan_aloud(
                machine, batch, told, self.planning_steps, self.answer.rings, training
            )
        else:
            beginning = batch.inputs.x[:, : int(told.answer_at.max())]
            planned, state = machine(beginning, lengths=told.answer_at)
        device = batch.inputs.x.device
        states = [state]
        dtype = batch.inputs.x.dtype

        def choose(heard: Tensor, at: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
            outputs, states[0] = machine(heard[:, None].to(dtype), states[0])
            says = outputs[:, 0].detach().float()
            own = edge_log_probabilities(told, ways_out(told, at), says).argmax(-1)
            chance = torch.rand(len(at), device=device, dtype=torch.float32)
            guided = chance < (self.teacher if training else 0.0)
            return outputs[:, 0], torch.where(guided, teacher, own)

        return self._walk(batch, choose, told, planned if self.recall else None)

    def _walk(
        self,
        batch: Batch,
        choose: Callable[[Tensor, Tensor, Tensor], Any],
        told: Told | None = None,
        planned: Tensor | None = None,
    ) -> tuple[Tensor, Batch]:
        """Walk until everyone has arrived, is lost, or has gone `extra_steps` too far.

        `choose` is given what is heard (batch, 92), where each stands and the teacher's edge; it
        returns outputs (batch, 90) and edges, or edges alone. `planned`: outputs from before the
        answer, where they count.
        """
        told = read_told(batch.inputs.x) if told is None else told
        at, size = told.start, len(told.start)
        limit = told.distance.gather(1, at[:, None])[:, 0] + self.extra_steps
        asked = torch.zeros(size, TRIPLE_SIZE + 2, device=at.device, dtype=torch.float32)
        asked[:, ANSWER] = 1.0
        heard, outputs, targets, walking = [], [], [], []
        last = torch.full((size, 3), BLANK, device=at.device)
        active = at != told.goal
        while active.any():
            step = len(heard)
            now = asked.clone()
            now[:, :TRIPLE_SIZE] = encode(last)
            now[:, TRIPLE_SIZE] = float(step == 0)
            teacher = teacher_edge(told, at)
            choice = choose(now, at, teacher)
            said, edge = choice if isinstance(choice, tuple) else (now[:, :TRIPLE_SIZE], choice)
            triples = [
                told.triples.gather(1, e[:, None, None].expand(-1, 1, 3))[:, 0]
                for e in (teacher, edge)
            ]
            heard.append(now)
            outputs.append(said)
            targets.append(encode(triples[0]))
            walking.append(active)
            last = torch.where(active[:, None], triples[1], last)
            at = torch.where(active, triples[1][:, 2], at)
            lost = told.distance.gather(1, at[:, None])[:, 0] >= UNREACHABLE
            active = active & (at != told.goal) & ~lost & (step + 1 < limit)
        return self._told_anew(batch, told, heard, outputs, targets, walking, planned)

    def _told_anew(self, batch, told, heard, outputs, targets, walking, planned):
        """The batch with these steps in place of its answer."""
        heard, walking = torch.stack(heard, 1), torch.stack(walking, 1)
        steps = torch.arange(walking.shape[1], device=walking.device)
        place = told.answer_at[:, None] + steps
        time = int(told.answer_at.max()) + walking.shape[1]
        lengths = told.answer_at + walking.sum(1)

        def placed(parts: Tensor, background: Tensor | None = None) -> Tensor:
            parts = torch.where(walking[..., None], parts, 0)
            whole = parts.new_zeros(len(parts), time, parts.shape[-1])
            if background is not None:
                before = int(told.answer_at.max())
                earlier = torch.arange(before, device=parts.device) < told.answer_at[:, None]
                whole[:, :before] = torch.where(earlier[..., None], background[:, :before], 0)
            index = place[..., None].expand_as(parts)
            return whole.scatter_add(1, index, parts)

        mask = torch.zeros(len(heard), time, dtype=torch.bool, device=heard.device)
        mask = mask.scatter(1, place, walking)
        inputs = placed(heard.to(batch.inputs.x.dtype), batch.inputs.x)
        answers = placed(torch.stack(targets, 1).to(batch.targets.dtype))
        longest = int(lengths.max())
        return (
            placed(torch.stack(outputs, 1), planned)[:, :longest],
            Batch(Sequence(inputs[:, :longest], lengths), answers[:, :longest], mask[:, :longest]),
        )

    def _answer(self, batch: Batch) -> Int64[Tensor, "batch time 3"]:
        told = read_told(batch.inputs.x)
        taken = decode(batch.inputs.x[..., :TRIPLE_SIZE])
        answers = torch.full_like(taken, BLANK)
        sequences = torch.arange(len(taken), device=taken.device)
        asks = batch.inputs.x[..., ANSWER] > 0
        for step in range(int(asks.sum(1).max())):
            place = told.answer_at + step
            asked = step < asks.sum(1)
            before = taken[sequences, place.clamp(max=taken.shape[1] - 1), 2]
            at = torch.where(before == BLANK, told.start, before)
            triple = told.triples[sequences, teacher_edge(told, at)]
            answers[sequences[asked], place[asked]] = triple[asked]
        if self.recall:
            recalled = self.answer.recalled(batch)
            answers[recalled.mask] = decode(recalled.targets[recalled.mask])
        return answers

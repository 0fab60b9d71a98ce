"""Machines, tasks, experiments and engines by name, those of other packages too. What is listed is
not imported.

A name stands for "module:Class", that of an experiment for "module:NAME", an `Experiment` in the
module. Ours are below; another package declares its own as entry points of the groups
`tapehead.machines`, `tapehead.tasks`, `tapehead.experiments` and `tapehead.engines`:

    [project.entry-points."tapehead.machines"]
    stack = "mypackage.machines:Stack"

    [project.entry-points."tapehead.experiments"]
    "stack/copy" = "mypackage.studies:COPY"

A name of ours means ours, whatever is installed. And wherever a name is taken, so is "module:Class"
itself, from an installed package or from a file in the working directory.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from tapehead.errors import TapeheadError


class AddressError(TapeheadError, ValueError):
    """A "module:Class" or "module:NAME" that cannot be had."""


class Registry(Mapping[str, Any]):
    """Classes by name, each imported when it is first asked for.

    Args:
        what: what one is called: "machine" or "task".
        base: "module:Class" that every one must be a subclass of.
        known: name -> "module:Class", of ours.
    """

    due = "a subclass"
    """Of `base`: what every one must be."""

    def __init__(self, what: str, base: str, known: Mapping[str, str]):
        self.what, self.known, self._base = what, known, base
        self._loaded: dict[str, Any] = {}

    @cached_property
    def addresses(self) -> dict[str, str]:
        """Name -> "module:Class", of ours and of those that other packages declare."""
        declared = entry_points(group=f"tapehead.{self.what}s")
        return {entry.name: entry.value for entry in declared} | dict(self.known)

    def is_address(self, name: object) -> bool:
        """Whether a name is "module:Class" itself."""
        module, colon, cls = str(name).partition(":")
        parts = [*module.split("."), cls]
        return isinstance(name, str) and bool(colon) and all(part.isidentifier() for part in parts)

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            if name not in self:
                raise KeyError(name)
            self._loaded[name] = self._load(name, self.addresses.get(name, name))
        return self._loaded[name]

    @contextmanager
    def holding(self, **kinds: Any) -> Iterator[None]:
        """With these classes too, under these names; for tests and notebooks."""
        before = dict(self._loaded)
        self._loaded |= kinds
        try:
            yield
        finally:
            self._loaded = before

    def __contains__(self, name: object) -> bool:
        return name in self.addresses or name in self._loaded or self.is_address(name)

    def __iter__(self) -> Iterator[str]:
        """The names; not what was asked for by its address."""
        others = (name for name in self._loaded if not self.is_address(name))
        return iter(dict.fromkeys([*self.addresses, *others]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def name_of(self, kind: type) -> str:
        """What a class is called here: its name, or its address."""
        address = f"{kind.__module__}:{kind.__qualname__}"
        names = [name for name, known in self.addresses.items() if known == address]
        return names[0] if names else address

    def summary(self, name: str) -> str:
        """The first paragraph of a class's docstring, read from its source if it is one of ours:
        importing it would bring torch along."""
        address = self.addresses[name]
        if name not in self.known:
            return f"{address} (another package)"
        module, _, cls = address.partition(":")
        file = Path(__file__).parent.joinpath(*module.split(".")[1:]).with_suffix(".py")
        # To parse every file whole would be a third of the time of `tapehead list`.
        head = rf'^class {cls}\b[^"]*:\n\s+r?""".*?"""'
        found = re.search(head, file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        if found is None:
            raise LookupError(address)
        (node,) = ast.parse(found[0]).body
        assert isinstance(node, ast.ClassDef)
        text = (ast.get_docstring(node) or "").split("\n\n")[0]
        return text.replace("\n", " ").rstrip(".")

    def _load(self, name: str, address: str) -> Any:
        """What stands at an address.

        Raises:
            AddressError: it cannot be imported, or is none of what is held here; one line says why.
        """
        module, _, attribute = address.partition(":")
        held = vars(_module(self.what, name, module))
        base_module, _, base = self._base.partition(":")
        wanted = getattr(import_module(base_module), base)
        found = held.get(attribute)
        if found is None:
            own = [
                name
                for name, each in held.items()
                if self._fits(each, wanted)
                and (not isinstance(each, type) or each.__module__ == module)
            ]
            instead = f"; it has {', '.join(own)}" if own else ""
            raise AddressError(f"{self.what} {name!r}: {module} has no {attribute}{instead}")
        if not self._fits(found, wanted):
            raise AddressError(
                f"{self.what} {name!r}: {attribute} must be {self.due} of {base_module}.{base}"
            )
        missing = sorted(getattr(found, "__abstractmethods__", ()))
        if missing:
            raise AddressError(f"{self.what} {name!r}: {attribute} lacks {', '.join(missing)}")
        return found

    def _fits(self, found: Any, wanted: Any) -> bool:
        return isinstance(found, type) and issubclass(found, wanted)


class Objects(Registry):
    """Objects by name, as the classes of a `Registry` are: instances of `base`."""

    due = "an instance"

    def _fits(self, found: Any, wanted: Any) -> bool:
        return isinstance(found, wanted)


class Experiments(Objects):
    """Experiments by name. Their runs and results lie in folders of that name, so it must be their
    own, and nobody else's."""

    def summary(self, name: str) -> str:
        """What one of ours reproduces: to load it takes no torch."""
        return self[name].source if name in self.known else super().summary(name)

    def _load(self, name: str, address: str) -> Any:
        found = super()._load(name, address)
        other = self.addresses.get(found.name, address)
        if other != address:
            raise AddressError(
                f"experiment {name!r}: {address} has the name {found.name!r}, which is that of "
                f"{other}"
            )
        if name not in (address, found.name):
            raise AddressError(f"experiment {name!r}: {address} has another name, {found.name!r}")
        return found


def _module(what: str, name: str, module: str) -> Any:
    # As `python -m` does: a file of one's own lies where one works.
    here = os.getcwd()
    if here not in sys.path:
        sys.path.append(here)
    try:
        return import_module(module)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        if isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]:
            reason = f"there is no {error.name}.py in {here} and no installed package {error.name}"
        raise AddressError(f"{what} {name!r}: cannot import {module}: {reason}") from error


MACHINES = Registry(
    "machine",
    "tapehead.machines.machine:Machine",
    {
        "discrete-ntm": "tapehead.machines.discrete_ntm:DiscreteNTM",
        "dnc": "tapehead.machines.dnc:DNC",
        "dynamic-memory-network": ("tapehead.machines.dynamic_memory_network:DynamicMemoryNetwork"),
        "dynamic-ntm": "tapehead.machines.dynamic_ntm:DynamicNTM",
        "dynamic-ntm-reader": "tapehead.machines.dynamic_ntm_reader:DynamicNTMReader",
        "entity-network": "tapehead.machines.entity_network:EntityNetwork",
        "lstm": "tapehead.machines.lstm:LSTM",
        "memory-network": "tapehead.machines.memory_network:MemoryNetwork",
        "ntm": "tapehead.machines.ntm:NTM",
        "pointer-network": "tapehead.machines.pointer_network:PointerNetwork",
        "rl-ntm": "tapehead.machines.rl_ntm:RLNTM",
        "seq2seq": "tapehead.machines.sequence_to_sequence:SequenceToSequence",
        "sparse-ntm": "tapehead.machines.sparse_ntm:SparseNTM",
        "tardis": "tapehead.machines.tardis:TARDIS",
    },
)
"""Every machine by its name on the command line."""

TASKS = Registry(
    "task",
    "tapehead.tasks.task:Task",
    {
        "copy": "tapehead.tasks.copy:Copy",
        "repeat-copy": "tapehead.tasks.repeat_copy:RepeatCopy",
        "associative-recall": "tapehead.tasks.associative_recall:AssociativeRecall",
        "ngrams": "tapehead.tasks.ngrams:NGrams",
        "priority-sort": "tapehead.tasks.priority_sort:PrioritySort",
        "chained-copy": "tapehead.tasks.chained_copy:ChainedCopy",
        "traversal": "tapehead.tasks.graphs.traversal:Traversal",
        "shortest-path": "tapehead.tasks.graphs.shortest_path:ShortestPath",
        "inference": "tapehead.tasks.graphs.inference:Inference",
        "copy-tape": "tapehead.tasks.tapes:CopyTape",
        "duplicated-tape": "tapehead.tasks.tapes:DuplicatedTape",
        "reverse-tape": "tapehead.tasks.tapes:ReverseTape",
        "forward-reverse-tape": "tapehead.tasks.tapes:ForwardReverseTape",
        "repeat-copy-tape": "tapehead.tasks.tapes:RepeatCopyTape",
        "babi": "tapehead.tasks.babi.babi:BAbI",
        "babi-words": "tapehead.tasks.babi.words:BAbIWords",
        "sorting": "tapehead.tasks.geometry.sorting:Sorting",
        "convex-hull": "tapehead.tasks.geometry.convex_hull:ConvexHull",
        "delaunay": "tapehead.tasks.geometry.delaunay:Delaunay",
        "tsp": "tapehead.tasks.geometry.tsp:TSP",
    },
)
"""Every task by its name on the command line."""

EXPERIMENTS = Experiments(
    "experiment",
    "tapehead.recipes.experiment:Experiment",
    {
        "ntm/copy": "tapehead.recipes.ntm:COPY",
        "ntm/repeat-copy": "tapehead.recipes.ntm:REPEAT_COPY",
        "ntm/associative-recall": "tapehead.recipes.ntm:ASSOCIATIVE_RECALL",
        "ntm/ngrams": "tapehead.recipes.ntm:NGRAMS",
        "ntm/priority-sort": "tapehead.recipes.ntm:PRIORITY_SORT",
        "ntm/read-order": "tapehead.recipes.ntm:READ_ORDER",
        "ntm/time-to-solution": "tapehead.recipes.ntm:TIME_TO_SOLUTION",
        "ntm/grown-memory": "tapehead.recipes.grown:EXPERIMENT",
        "dnc/copy": "tapehead.recipes.dnc:COPY",
        "dnc/repeat-copy": "tapehead.recipes.dnc:REPEAT_COPY",
        "dnc/associative-recall": "tapehead.recipes.dnc:ASSOCIATIVE_RECALL",
        "dnc/allocation": "tapehead.recipes.dnc:ALLOCATION",
        "dnc/extensions": "tapehead.recipes.dnc:EXTENSIONS",
        "dnc/graphs": "tapehead.recipes.dnc_graphs:EXPERIMENT",
        "discrete/copy": "tapehead.recipes.discrete:EXPERIMENT",
        "discrete/rl-ntm": "tapehead.recipes.tapes:EXPERIMENT",
        "discrete/tardis": "tapehead.recipes.tardis:EXPERIMENT",
        "babi/memory-network": "tapehead.recipes.babi:MEMORY_NETWORK",
        "babi/entity-network": "tapehead.recipes.babi:ENTITY_NETWORK",
        "babi/dynamic-memory-network": "tapehead.recipes.babi:DYNAMIC_MEMORY_NETWORK",
        "babi/memory-network-1k": "tapehead.recipes.babi:MEMORY_NETWORK_1K",
        "babi/joint": "tapehead.recipes.babi_joint:EXPERIMENT",
        "babi/words": "tapehead.recipes.babi_words:EXPERIMENT",
        "babi/dynamic-ntm": "tapehead.recipes.babi_dynamic_ntm:EXPERIMENT",
        "pointer/sorting": "tapehead.recipes.pointer:SORTING",
        "pointer/convex-hull": "tapehead.recipes.pointer:CONVEX_HULL",
        "pointer/baselines": "tapehead.recipes.pointer:BASELINES",
        "pointer/tsp": "tapehead.recipes.pointer:TSP",
        "pointer/delaunay": "tapehead.recipes.pointer:DELAUNAY",
    },
)
"""Every experiment that trains machines, by its name on the command line."""

ENGINES = Objects(
    "engine",
    "tapehead.training.fleet.engines:EngineKind",
    {
        "processes": "tapehead.training.fleet.engines:Processes",
        "ray": "tapehead.training.fleet.ray_cluster:Cluster",
    },
)
"""Every engine for many runs at a time, by its name on the command line."""

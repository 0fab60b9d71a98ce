"""The arrows of docs/architecture.md: no room imports one above it or beside it."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tapehead
from tapehead import machines
from tapehead.machines import MACHINES

SOURCE = Path(tapehead.__file__).parent
GROUND = {"errors", "checks", "files", "room", "zoo"}
BELOW = {
    "errors": set(),
    "checks": {"errors"},
    "files": {"errors"},
    "room": {"errors"},
    "zoo": set(),
    "signals": {"errors"},
    "registry": {"errors"},
    "ops": GROUND,
    "forms": set(),
    "machines": {"ops", "forms", "registry", *GROUND},
    "tasks": {"ops", "forms", "registry", *GROUND},
    "runs": {"machines", "tasks", "ops", "forms", *GROUND},
    "training": {"runs", "machines", "tasks", "ops", "forms", "signals", *GROUND},
    "benchmark": {"machines", "tasks", "ops", "forms", *GROUND},
    "viewing": {"runs", "machines", "tasks", "ops", "forms", *GROUND},
    "recipes": {
        "viewing",
        "training",
        "runs",
        "machines",
        "tasks",
        "ops",
        "forms",
        "registry",
        "signals",
        *GROUND,
    },
}
FILES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[list[str]]:
    """What a file imports of ours, inside functions and for type checkers too, as dotted parts."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return [name.split(".") for name in names if name.startswith("tapehead.")]


def imported_rooms(path: Path) -> set[str]:
    return {parts[1] for parts in imports(path)} & {room(file) for file in FILES}


def imported_files(path: Path) -> set[Path]:
    """Files that an import names, not those behind the names of a package."""
    places = [SOURCE.joinpath(*parts[1:]) for parts in imports(path)]
    found = {place.with_suffix(".py") for name in places for place in (name, name.parent)}
    return (found & set(FILES)) - {path}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_arrows_only_point_down(path):
    here = room(path)
    if here in ("cli", "results", "__init__", "__main__"):
        return
    assert here in BELOW, f"{here} is a room that docs/architecture.md does not have"
    assert imported_rooms(path) - {here} <= BELOW[here]


def test_no_file_imports_one_that_imports_it():
    """By whatever way round."""
    list(TopologicalSorter({path: imported_files(path) for path in FILES}).static_order())


def test_every_machine_is_a_public_name():
    """`from tapehead import NTM`, though the package loads nothing until it is asked."""
    for machine in MACHINES.values():
        assert machine.__name__ in tapehead.__all__
    for name in tapehead.__all__:
        assert getattr(tapehead, name) is getattr(machines, name)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = tapehead.Nonsense


def asked_kinds(tree: ast.AST) -> set[str]:
    """Names of all that code asks `isinstance` or `issubclass` of, or matches as `case Name()`."""
    asked: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.MatchClass):
            asked.append(node.cls)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
            asked += node.args[1:]
    return {ast.unparse(part) for kind in asked for part in ast.walk(kind) if is_name(part)}


def is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


MACHINE_CLASSES = {
    node.name
    for path in (SOURCE / "machines").glob("*.py")
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.ClassDef)
}


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room(path) in ("training", "runs")],
    ids=lambda path: str(path.relative_to(SOURCE)),
)
def test_what_a_machine_can_do_is_asked_of_it_and_not_of_its_class(path):
    """A machine of one's own is trained as ours are: nothing depends on which class it is of."""
    asked = asked_kinds(ast.parse(path.read_text()))
    assert not {name for name in asked if name.split(".")[-1] in MACHINE_CLASSES}

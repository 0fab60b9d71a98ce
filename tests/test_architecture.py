"""The arrows of docs/architecture.md: no room imports one above it or beside it."""

import ast
from pathlib import Path

import pytest

import tapehead
from tapehead import machines
from tapehead.machines import MACHINES

SOURCE = Path(tapehead.__file__).parent
GROUND = {"errors", "checks", "room"}
BELOW = {
    "errors": set(),
    "checks": {"errors"},
    "room": {"errors"},
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
        "signals",
        *GROUND,
    },
}
FILES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Rooms named by every import of a file, those inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names if name.startswith("tapehead.")]
    return {part[1] for part in parts} & {room(file) for file in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_arrows_only_point_down(path):
    here = room(path)
    if here in ("cli", "__init__", "__main__"):
        return
    assert here in BELOW, f"{here} is a room that docs/architecture.md does not have"
    assert imported_rooms(path) - {here} <= BELOW[here]


def test_every_machine_is_a_public_name():
    """`from tapehead import NTM`, though the package loads nothing until it is asked."""
    for machine in MACHINES.values():
        assert machine.__name__ in tapehead.__all__
    for name in tapehead.__all__:
        assert getattr(tapehead, name) is getattr(machines, name)
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = tapehead.Nonsense

"""The arrows of docs/architecture.md: no room imports one above it or beside it."""

import ast
from pathlib import Path

import pytest

import tapehead

SOURCE = Path(tapehead.__file__).parent
BELOW = {
    "errors": set(),
    "ops": {"errors"},
    "machines": {"ops", "errors"},
    "tasks": {"ops", "errors"},
    "training": {"machines", "tasks", "ops", "errors"},
    "benchmark": {"machines", "tasks", "ops", "errors"},
    "viewing": {"training", "machines", "tasks", "ops", "errors"},
    "recipes": {"viewing", "training", "machines", "tasks", "ops", "errors"},
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


def test_the_package_offers_exactly_its_public_names():
    assert all(hasattr(tapehead, name) for name in tapehead.__all__)
    source = ast.parse((SOURCE / "__init__.py").read_text())
    imported = {a.name for n in source.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert imported == set(tapehead.__all__)

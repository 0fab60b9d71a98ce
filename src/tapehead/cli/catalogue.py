"""Names of tasks and machines, read from their sources: importing them would bring torch along."""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """A task or machine as `tapehead list` shows it."""

    name: str
    summary: str


def tasks() -> list[Entry]:
    """What `tapehead.tasks.TASKS` holds, in its order."""
    return _entries("tapehead.tasks", "TASKS")


def machines() -> list[Entry]:
    """What `tapehead.machines.MACHINES` holds, in its order."""
    return _entries("tapehead.machines", "MACHINES")


@cache
def _entries(package: str, registry: str) -> list[Entry]:
    folder = _folder(package)
    classes = {
        node.name: node
        for file in folder.rglob("*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }
    value = _assigned(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")), registry)
    if isinstance(value, ast.Dict):
        pairs = [
            (key.value, classes[kind.id])
            for key, kind in zip(value.keys, value.values, strict=True)
            if isinstance(key, ast.Constant) and isinstance(kind, ast.Name)
        ]
    else:  # a comprehension over the classes, which carry their names
        members = [node.id for node in ast.walk(value) if isinstance(node, ast.Name)]
        pairs = [
            (ast.literal_eval(_assigned(classes[member], "name")), classes[member])
            for member in members
            if member in classes
        ]
    return [Entry(str(name), _summary(kind)) for name, kind in pairs]


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _assigned(scope: ast.Module | ast.ClassDef, name: str) -> ast.expr:
    """The value of `name = ...` or `name: type = ...`."""
    for node in scope.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            return node.value
    raise LookupError(f"{name} is not assigned where it was looked for")


def _summary(kind: ast.ClassDef) -> str:
    return (ast.get_docstring(kind) or "").split("\n\n")[0].replace("\n", " ").rstrip(".")

"""Whether the equations are still those that a kernel was checked against.

A kernel stands for functions of plain PyTorch. Whoever edits one of them must see the change, not
the kernel's old numbers: so fingerprints of all these functions are kept in a file beside the
kernel, and compared with what the functions are now.

    python -m tapehead.ops.verified MODULE ...

writes the files of the modules' `VERIFIED` again, for the day that a kernel follows its reference
and the tests show that it does; `make record-equations` does so for all.
"""

import ast
import hashlib
import json
import linecache
import sys
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib import import_module
from operator import attrgetter, itemgetter
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

_PLAIN = (bool, int, float, str, type(None))
_CHECKS = ("checks", "gate", "admission")
"""Modules that refuse what cannot be computed, and change no number."""
_code_of = attrgetter("__code__")


class Verified:
    """The functions that kernels stand for, and all that these call, as they were checked.

    A function counts in every place where it goes by a name: that of `ops.addressing` and the one
    that `ops.ntm.reference` imported from it.

    Args:
        record: the file of fingerprints.
        roots: functions, as "module:name".
    """

    def __init__(self, record: Path, *roots: str):
        self._record, self._roots = record, roots
        self._seen: tuple[_Guard | None, str | None] = None, None

    @cached_property
    def recorded(self) -> dict[str, str]:
        return json.loads(self._record.read_bytes())

    def changed(self) -> str | None:
        """Which functions are no longer what they were, in words, or None.

        The first call reads the sources; after that one takes two or three microseconds, until
        something is replaced.
        """
        guard, reason = self._seen
        if guard is None or not guard.holds():
            places = self._places()
            guard, reason = _Guard(places), self._difference(places)
            self._seen = guard, reason
        return reason

    def fingerprints(self) -> dict[str, str]:
        """By the name of each place, as things are now."""
        return {place.name: place.fingerprint for place in self._places()}

    def record(self) -> None:
        """Declare what the functions are now to be what the kernels compute."""
        text = json.dumps(self.fingerprints(), indent=0, sort_keys=True)
        self._record.write_text(f"{text}\n", encoding="utf-8")
        self.__dict__.pop("recorded", None)
        self._seen = None, None

    def _places(self) -> "list[_Place]":
        found: dict[str, _Place] = {}
        for root in self._roots:
            module, _, path = root.partition(":")
            *owners, name = path.split(".")
            owner: Any = attrgetter(*owners)(import_module(module)) if owners else None
            scope = vars(owner) if owners else vars(import_module(module))
            _visit(f"{module}.{path}", scope, name, found)
        return list(found.values())

    def _difference(self, places: "list[_Place]") -> str | None:
        now = {place.name: place.fingerprint for place in places}
        names = sorted(
            name for name in now | self.recorded if now.get(name) != self.recorded.get(name)
        )
        if not names:
            return None
        # Of a function and the places that import it, the function says it all.
        homes = {place.home for place in places if place.name in names}
        origins = [name for name in names if name in homes] or names
        more = f" and {len(origins) - 3} more" if len(origins) > 3 else ""
        return f"no longer what it was checked against: {', '.join(origins[:3])}{more}"


class _Place(NamedTuple):
    """Where a value goes by a name: `scope[key]`.

    home: the name of the function where it was defined.
    function: without what a checker of types wrapped around it.
    """

    name: str
    scope: Mapping[str, Any]
    key: str
    value: Any
    fingerprint: str
    home: str = ""
    function: FunctionType | None = None


class _Guard:
    """Notices, in microseconds, that a name has come to mean something else."""

    def __init__(self, places: list[_Place]):
        scopes: dict[int, list[_Place]] = {}
        for place in places:
            scopes.setdefault(id(place.scope), []).append(place)
        self._names = []
        for members in scopes.values():
            scope, values_of = members[0].scope, itemgetter(*(place.key for place in members))
            # Of a name that is gone nothing can be kept: such a guard never holds.
            gone = any(place.key not in scope for place in members)
            self._names.append((values_of, scope, object() if gone else values_of(scope)))
        self._functions = {place.function for place in places if place.function is not None}
        self._codes = [function.__code__ for function in self._functions]

    def holds(self) -> bool:
        # Compared by identity first, which is all that a call costs where nothing changed.
        try:
            for values_of, scope, values in self._names:
                if values_of(scope) != values:
                    return False
        except Exception:  # gone, or of a kind that does not compare
            return False
        return list(map(_code_of, self._functions)) == self._codes


def _visit(name: str, scope: Mapping[str, Any], key: str, found: dict[str, _Place]) -> None:
    """Add a place, and all that its value leads to."""
    if name in found:
        return
    value = scope.get(key)
    function = _bare(value)
    if function is None:
        found[name] = _Place(name, scope, key, value, _fingerprint_of_value(value))
        _visit_members(name, value, found)
        return
    tree = _tree(function)
    home = f"{function.__module__}.{function.__qualname__}"
    print_ = "unknown" if tree is None else _digest(tree)
    found[name] = _Place(name, scope, key, value, print_, home, function)
    module = sys.modules[function.__module__]
    if home != name and "." not in function.__qualname__:
        _visit(home, vars(module), function.__qualname__, found)
    for used in sorted(_names(tree)) if tree is not None else ():
        if used in function.__globals__ and _counts(function.__globals__[used]):
            _visit(f"{function.__module__}.{used}", function.__globals__, used, found)


def _visit_members(name: str, value: Any, found: dict[str, _Place]) -> None:
    """The entries of a table of functions; properties and methods of a class of ours."""
    if isinstance(value, dict):
        for key in value:
            _visit(f"{name}.{key}", value, key, found)
    elif isinstance(value, type) and _ours(value):
        members = vars(value)  # a new view each time
        for key, member in members.items():
            if not key.startswith("__") and _bare(member) is not None:
                _visit(f"{name}.{key}", members, key, found)


def _counts(value: Any) -> bool:
    """Whether a global name may change what a function computes."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value)
    if str(getattr(value, "__module__", "")).split(".")[-1] in _CHECKS and _ours(value):
        return False
    return _is_constant(value) or callable(value)


def _is_constant(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_constant, value))
    return isinstance(value, _PLAIN)


def _ours(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).split(".")[0] == "tapehead"


def _fingerprint_of_value(value: Any) -> str:
    """Of a constant its digits; of a table or class its kind, for its members have places."""
    if _is_constant(value):
        return repr(value)
    if isinstance(value, dict):
        return "table"
    # What others wrote may change with their version: whose it is must do.
    owner = getattr(value, "__module__", None) or type(value).__module__
    name = getattr(value, "__qualname__", "") if _ours(value) else ""
    return f"{owner.split('.')[0]} {name}".strip()


def _bare(value: Any) -> FunctionType | None:
    """The function of ours behind a value, without a wrapper that only checks its arguments."""
    value = value.fget if isinstance(value, property) else value
    while isinstance(value, FunctionType) and _only_checks(value):
        value = value.__wrapped__  # pyrefly: ignore
    return value if isinstance(value, FunctionType) and _ours(value) else None


def _only_checks(function: FunctionType) -> bool:
    """Whether it is a wrapper of jaxtyping's, or one that was defined as `only_checks`."""
    code = function.__code__  # of the wrapper: its `__name__` is that of what it wraps
    return "jaxtyping" in Path(code.co_filename).parts or code.co_name == "only_checks"


def _tree(function: FunctionType) -> ast.AST | None:
    code = function.__code__
    source = "".join(linecache.getlines(code.co_filename, function.__globals__))
    return _functions_of(source).get(code.co_qualname)


@cache
def _functions_of(source: str) -> dict[str, ast.AST]:
    """Every function of a file by its qualified name."""
    found: dict[str, ast.AST] = {}

    def look(scope: ast.AST, prefix: str) -> None:
        for node in ast.iter_child_nodes(scope):
            if isinstance(node, ast.FunctionDef):
                found[prefix + node.name] = node
                look(node, f"{prefix}{node.name}.<locals>.")
            elif isinstance(node, ast.ClassDef):
                look(node, f"{prefix}{node.name}.")
            else:
                look(node, prefix)

    look(ast.parse(source), "")
    return found


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in _walk(tree) if isinstance(node, ast.Name)}


def _digest(tree: ast.AST) -> str:
    return hashlib.sha256(_canonical(tree).encode()).hexdigest()[:16]


def _canonical(node: Any) -> str:
    """The same text for the same meaning, in every version of Python."""
    if isinstance(node, list):
        return f"[{','.join(map(_canonical, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = [f"{name}={_canonical(value)}" for name, value in _fields(node)]
    return f"{type(node).__name__}({','.join(parts)})"


def _walk(node: Any) -> Iterator[ast.AST]:
    if isinstance(node, list):
        for part in node:
            yield from _walk(part)
    elif isinstance(node, ast.AST):
        yield node
        for _, value in _fields(node):
            yield from _walk(value)


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """What decides what a piece of source computes; later versions of Python add empty fields."""
    for name, value in ast.iter_fields(node):
        if value is None and not isinstance(node, ast.Constant):
            continue
        if value == [] or name in ("annotation", "returns", "type_comment", "kind"):
            continue
        if name == "body" and isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            value = value[1:]
        yield name, value


def main(modules: list[str]) -> None:
    for name in modules:
        import_module(name).VERIFIED.record()


if __name__ == "__main__":
    main(sys.argv[1:])

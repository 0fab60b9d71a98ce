"""What docs/architecture.md says of the tree: no room imports one above it or beside it, and tests/
mirrors src/tapehead/."""

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
    "training": {"runs", "machines", "tasks", "ops", "forms", "registry", "signals", *GROUND},
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
TESTS = Path(__file__).parent
CROSSING = {
    "test_architecture.py": "the whole tree",
    "test_examples.py": "the docstrings of all packages",
    "test_signatures.py": "signatures.py, which checks shapes in all tests",
    "test_skips.py": "skips.py, which all tests share",
    "test_makefile.py": "the Makefile",
    "test_docs.py": "README.md and docs/",
    "test_extending.py": "docs/extending.md",
    "test_gallery.py": "docs/examples/",
    "test_site.py": "docs/conf.py and docs/_site/",
    "test_site_build.py": "the site whole, as `make docs` builds it",
    "test_task_pages.py": "docs/_site/task_pages.py",
    "recipes/test_paper_settings.py": "docs/departures.md, beside the recipes",
    "fuzz/test_fuzz.py": "the campaigns beside it, which call everything",
}
"""Tests of more than one package, or of what is in none: what each is of."""


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


def subjects(folder: Path) -> set[str]:
    """What a test in a folder may be named after, `ntm_cpu` or `cpu_layout`: that package or a
    module of it, with as many names of the packages around it in front as set it apart."""
    source = SOURCE / folder
    package = [SOURCE.name, *folder.parts]
    modules = [[*package, path.stem] for path in source.glob("*.py") if path.stem != "__init__"]
    return {"_".join(names[first:]) for names in (package, *modules) for first in range(len(names))}


def mirrors(test: str) -> bool:
    """Whether a test file stands where what it is named after does; more words may follow."""
    path = Path(test)
    name = path.stem.removeprefix("test_") + "_"
    here = (SOURCE / path.parent / "__init__.py").exists()
    return here and any(name.startswith(f"{subject}_") for subject in subjects(path.parent))


def test_a_test_stands_where_what_it_tests_does_and_is_named_after_it():
    files = {str(path.relative_to(TESTS)) for path in TESTS.rglob("test_*.py")}
    assert len(files) > 100
    assert {test for test in files if not mirrors(test)} == set(CROSSING)


@pytest.mark.parametrize(
    "wrong",
    ["ops/test_ntm.py", "test_copy.py", "viewing/test_page_serving.py", "machines/test_readers.py"],
)
def test_a_test_elsewhere_or_of_another_name_is_noticed(wrong):
    assert not mirrors(wrong)
    right = {"ops/ntm/test_ntm.py", "tasks/test_copy.py", "viewing/page/test_page_serving.py"}
    assert all(map(mirrors, right))


def given_twice(tree: ast.Module) -> set[str]:
    """Names that a module gives to more than one thing."""
    names = [
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for name in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(name, ast.Name)
    ]
    names += [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not any(ast.unparse(each) == "overload" for each in node.decorator_list)
    ]
    return {name for name in names if names.count(name) > 1}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_name_of_a_module_stands_for_one_thing(path):
    """Type checkers take the later one in silence, and readers the first."""
    assert not given_twice(ast.parse(path.read_text()))


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

"""The trained machines that come with the package: a folder MACHINE/TASK for each.

`runs/packing.py` says what is in a folder, `recipes/zoo.py` how it came there.
"""

from pathlib import Path

ZOO = Path(__file__).parent
RUN = "run"
"""In the folder of a machine, the run that trained it."""


def names() -> list[str]:
    """Of all of them: "ntm/copy"."""
    return sorted(path.parent.relative_to(ZOO).as_posix() for path in ZOO.glob("*/*/config.json"))


def folder_of(path: Path) -> Path | None:
    """The folder of the machine that a path names, unless there is a file or folder there."""
    return ZOO / path if path.as_posix() in names() and not path.exists() else None

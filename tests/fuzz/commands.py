"""A command of the command line, and whether it ended as one should."""

import contextlib
import io

from harness import Wrong, fault_of

from tapehead.cli import main


def ended(argv: list[str], names: tuple[str, ...] | None) -> tuple[int, str]:
    """Exit code and what was printed.

    Args:
        names: what the line of an error may be about; None for anything.

    Raises:
        Wrong: it was refused in another way than by one clear line.
    """
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(argv)
        except SystemExit as error:
            raise Wrong(f"SystemExit {error.code}: {err.getvalue()}") from None
    said = err.getvalue()
    if code == 0 or not argv:
        return code, out.getvalue()
    if code not in (1, 2):
        raise Wrong(f"exit code {code}: {said!r}")
    fault = fault_of(said.removesuffix("\n"), names)
    if fault is not None:
        raise Wrong(fault)
    if "Traceback" in said or "Error:" in said or "TAPEHEAD_DEBUG" in said:
        raise Wrong(f"an error that is not ours: {said!r}")
    return code, said

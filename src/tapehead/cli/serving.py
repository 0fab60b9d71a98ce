"""The port that a page is served on."""

from typing import TYPE_CHECKING

from tapehead.cli.options import UsageError

if TYPE_CHECKING:
    from tapehead.viewing.page.serving import PageServer


def check_port(port: int) -> None:
    """Raise a UsageError unless --port is one."""
    if not 0 <= port <= 65_535:
        raise UsageError(f"--port must be a whole number from 0 to 65535, got {port}")


def server_at(port: int) -> "PageServer":
    """A server on this machine alone.

    Raises:
        UsageError: the port is taken, or is none for this user.
    """
    from tapehead.viewing.page.serving import PageServer

    try:
        return PageServer(port)
    except OSError as error:
        raise UsageError(f"--port {port} cannot be used: {error.strerror}") from None

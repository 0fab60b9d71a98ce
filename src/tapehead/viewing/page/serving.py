"""The page of a run that goes on, served to this machine alone."""

import json
import math
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tapehead.viewing.page.packing import plain
from tapehead.viewing.page.writing import page

LOOPBACK = "127.0.0.1"
WATCHED = 6.0
"""Seconds for which a page counts as watched after it has asked; it asks every two."""


SOON = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<meta name="color-scheme" content="light dark"><title>tapehead</title>
<link rel="icon" href="data:,">
<p style="font: 16px system-ui, sans-serif; margin: 3em">The training begins. This page follows.</p>
"""
"""What a browser gets that asks before there is a first episode; it asks again each second."""


class PageServer:
    """Serves one page, which asks for what is new every two seconds.

    Documents are made when somebody asks for them, in a thread of the server. Nothing that goes
    wrong there reaches whoever shows them.

    Attributes:
        cost: seconds of the processor that the last document took.

    Args:
        port: 0 takes any that is free.

    Raises:
        OSError: the port cannot be used.
    """

    def __init__(self, port: int = 0) -> None:
        self._make: Callable[[], dict[str, Any]] | None = None
        self._version, self._made = 0, (-1, {})
        self._asked, self._seen = -math.inf, -1
        self.cost = 0.0
        self._lock = threading.Lock()
        self._server = _Server((LOOPBACK, port), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    @property
    def watched(self) -> bool:
        """Whether somebody has the page open."""
        return time.monotonic() - self._asked < WATCHED

    @property
    def has_news(self) -> bool:
        """Whether there is anything to show yet."""
        return self._make is not None

    def show(self, make: Callable[[], dict[str, Any]]) -> None:
        """From now on the page holds what this gives."""
        self._make = make
        self._version += 1

    def wait_until_seen(self, seconds: float = 3.0) -> None:
        """Let a page that is open fetch the last of it, before the process ends."""
        until = time.monotonic() + seconds
        while self.watched and self._seen != self._version and time.monotonic() < until:
            time.sleep(0.05)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def current(self) -> dict[str, Any]:
        """What the page holds now, and its version."""
        self._asked = time.monotonic()
        with self._lock:
            version, make = self._version, self._make
            if self._made[0] != version and make is not None:
                began = time.thread_time()
                self._made = version, plain(make())
                self.cost = time.thread_time() - began
            self._seen = version
            return {**self._made[1], "version": self._made[0]}

    def is_news(self, version: str) -> bool:
        """Whether there is another version than one that a page has."""
        self._asked = time.monotonic()
        return version != str(self._version)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that has gone is no news, and a terminal belongs to the training."""


def _handler(served: PageServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Another site's name that leads here is none of ours (DNS rebinding).
            host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
            asked = urlsplit(self.path)
            if host not in (LOOPBACK, "localhost"):
                self.send_error(HTTPStatus.FORBIDDEN)
            elif asked.path == "/":
                # Also asking too early counts as watching.
                shown, document = served.has_news, served.current()
                self._send("text/html", page(document) if shown else SOON)
            elif asked.path == "/live.json":
                version = parse_qs(asked.query).get("version", [""])[0]
                if served.is_news(version):
                    self._send("application/json", json.dumps(served.current()))
                else:
                    self.send_response(HTTPStatus.NO_CONTENT)
                    self.end_headers()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _send(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody asked for a log."""

    return Handler

"""The server of a page that goes on: this machine alone, and nothing of it reaches a training."""

import http.client
import json
import socket
import threading

import pytest
from page_samples import planted_document
from test_page import data_of

from tapehead.viewing.page import serving
from tapehead.viewing.page.serving import PageServer


@pytest.fixture
def server():
    server = PageServer()
    yield server
    server.close()


def get(server, path, host=None):
    """Status and body, asked as a browser does."""
    port = int(server.address.rstrip("/").rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


def test_the_page_and_what_is_new(server):
    server.show(planted_document)
    status, text = get(server, "/")
    assert status == 200
    held = data_of(text)
    assert held["title"] == "NTM-LSTM: Copy"
    assert get(server, f"/live.json?version={held['version']}") == (204, "")
    server.show(lambda: planted_document(title="later"))
    status, text = get(server, f"/live.json?version={held['version']}")
    assert (status, json.loads(text)["title"]) == (200, "later")


def test_before_the_first_episode_the_page_says_so_and_asks_again(server):
    status, text = get(server, "/")
    assert status == 200
    assert "The training begins" in text
    assert 'http-equiv="refresh"' in text
    assert 'rel="icon" href="data:,"' in text  # else a browser asks for one, which is not there
    server.show(planted_document)
    assert data_of(get(server, "/")[1])["title"] == "NTM-LSTM: Copy"


def test_it_listens_on_loopback_alone(server):
    assert server.address.startswith("http://127.0.0.1:")
    assert server._server.socket.getsockname()[0] == "127.0.0.1"
    others = [each for each in socket.gethostbyname_ex(socket.gethostname())[2]
              if not each.startswith("127.")]  # fmt: skip
    port = int(server.address.rstrip("/").rsplit(":", 1)[1])
    for address in others:
        with pytest.raises(OSError, match=r"."), socket.create_connection((address, port), 2):
            pass


def test_other_names_and_other_paths_are_refused(server):
    server.show(planted_document)
    assert get(server, "/", host="evil.example:80")[0] == 403
    assert get(server, "/live.json", host="evil.example")[0] == 403
    assert get(server, "/etc/passwd")[0] == 404
    assert get(server, "/../view.html")[0] == 404
    assert get(server, "/", host="localhost:1234")[0] == 200


def test_documents_are_made_once_and_only_when_asked_for(server):
    made = []

    def make():
        made.append(1)
        return planted_document()

    server.show(make)
    assert made == []
    get(server, "/")
    get(server, "/live.json")
    assert made == [1]


def test_it_is_watched_while_somebody_asks(server, monkeypatch):
    server.show(planted_document)
    assert not server.watched
    get(server, "/live.json?version=1")
    assert server.watched
    monkeypatch.setattr(serving, "WATCHED", 0.0)
    assert not server.watched


def test_a_document_that_cannot_be_made_is_the_browsers_trouble_alone(server, capfd):
    def broken():
        raise RuntimeError("no such thing")

    server.show(broken)
    with pytest.raises((http.client.HTTPException, OSError)):
        get(server, "/")
    assert capfd.readouterr() == ("", "")
    server.show(planted_document)
    assert get(server, "/")[0] == 200


def test_a_browser_that_goes_away_in_the_middle_is_no_news(server, capfd):
    server.show(planted_document)
    port = int(server.address.rstrip("/").rsplit(":", 1)[1])
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port)) as wire:
            wire.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert get(server, "/")[0] == 200
    assert capfd.readouterr() == ("", "")


def test_the_last_of_it_is_waited_for(server):
    server.show(planted_document)
    server.wait_until_seen()  # nobody looks: at once
    get(server, "/")
    server.show(lambda: planted_document(title="the last"))
    late = threading.Timer(0.2, lambda: get(server, "/live.json?version=1"))
    late.start()
    server.wait_until_seen(20.0)
    assert server._seen == server._version
    late.join()

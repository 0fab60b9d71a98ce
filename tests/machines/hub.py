"""A hub on this machine: as much of it as huggingface-hub asks for to push and fetch a folder."""

import base64
import json
import threading
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def digest(content):
    """Of a file, as git has it."""
    return sha1(b"blob %d\0" % len(content) + content).hexdigest()


COMMIT = "0123456789abcdef" + 24 * "0"


class Hub(BaseHTTPRequestHandler):
    """Machines by their names, each with one commit, on the branch `main` and under the tag `v1`.

    made: what was asked for to make each.
    commits: messages by name.
    files: contents by name and path.
    tokens: what those that were answered were signed with.
    """

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        hub = self.server
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            is_new = hub.made.setdefault(name, asked) is asked
            self.answer(200 if is_new else 409, {"url": f"{hub.address}/{name}"})
        elif self.path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            mode = {"uploadMode": "regular", "shouldIgnore": False}
            paths = [file["path"] for file in json.loads(body)["files"]]
            self.answer(200, {"files": [{"path": path, **mode} for path in paths]})
        elif self.path.endswith("/commit/main"):
            name = self.path.removeprefix("/api/models/").removesuffix("/commit/main")
            lines = [json.loads(line) for line in body.splitlines()]
            for line in lines:
                told = line["value"]
                if line["key"] == "header":
                    hub.commits.setdefault(name, []).append(told["summary"])
                else:
                    assert (line["key"], told["encoding"]) == ("file", "base64")
                    hub.files.setdefault(name, {})[told["path"]] = base64.b64decode(told["content"])
            address = f"{hub.address}/{name}/commit/{COMMIT}"
            self.answer(200, {"commitUrl": address, "commitOid": COMMIT, "success": True})
        else:
            self.answer(404, {"error": self.path})

    def do_GET(self):
        hub = self.server
        path = self.path.partition("?")[0]
        for name, files in hub.files.items():
            if path in (f"/api/models/{name}/revision/{at}" for at in ("main", "v1", COMMIT)):
                inside = [{"rfilename": file} for file in files]
                self.answer(200, {"id": name, "sha": COMMIT, "siblings": inside})
                return
            if path == f"/api/models/{name}/tree/{COMMIT}":
                self.answer(200, [
                    {"type": "file", "path": file, "size": len(content), "oid": digest(content)}
                    for file, content in files.items()
                ])  # fmt: skip
                return
            file = path.removeprefix(f"/{name}/resolve/{COMMIT}/")
            if file in files:
                about = {"X-Repo-Commit": COMMIT, "ETag": f'"{digest(files[file])}"'}
                self.answer(200, files[file], about)
                return
        missing = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
        self.answer(404, {"error": "Repository not found"}, missing)

    do_HEAD = do_GET

    def answer(self, status, content, headers=None):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        if status == 200:
            self.server.tokens.add(self.headers["Authorization"])
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *arguments):
        pass


@contextmanager
def a_hub():
    """The server of a hub that is empty at first, at its `address`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.daemon_threads = True
        server.address = f"http://127.0.0.1:{server.server_port}"
        server.made, server.commits, server.files, server.tokens = {}, {}, {}, set()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

"""A model hub on this machine that serves one folder."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = "Qwen/Qwen2.5-0.5B"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub(http.server.BaseHTTPRequestHandler):
    """Just enough of the hub's protocol to serve a folder as one repository; `asked` is what
    files were."""

    folder: Path
    asked: list[str]

    def log_message(self, *_: object) -> None:
        return None

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        if "/api/models/" in self.path:
            files = [{"rfilename": file.name} for file in self.folder.iterdir()]
            if "/tree/" in self.path:
                entries = [
                    {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40}
                    for f in self.folder.iterdir()
                ]
                self.send(json.dumps(entries).encode(), {}, body)
                return
            content = json.dumps({"id": REPOSITORY, "sha": COMMIT, "siblings": files})
            self.send(content.encode(), {}, body)
            return
        file = self.folder / self.path.rsplit("/", 1)[-1]
        if body:
            self.asked.append(file.name)
        if not file.is_file():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            return
        content = file.read_bytes()
        etag = hashlib.sha256(content).hexdigest()
        self.send(content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, body)

    def send(self, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as REPOSITORY: the hub's address, and the files whose content was asked for
    so far."""
    asked: list[str] = []
    handler = type("Hub", (FakeHub,), {"folder": folder, "asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()

"""Foreign names and origins are refused, over HTTP and WebSocket, and in a real Chromium."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from pages.parts.guard import refusal
from tests.support.chromium import needs_chromium
from tests.support.server import serve
from vibecore.core.paths import PROJECT_ROOT

STREAM = "/_stcore/stream"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
# Whether a page can open the dashboard's stream: the event that came first.
OPEN_STREAM = """(address) => new Promise((done) => {
    const stream = new WebSocket(address);
    stream.onopen = () => done("open");
    stream.onerror = () => done("refused");
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, published_db: Path) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("guard"), published_db) as running:
        yield running.address


def ask(server: str, path: str, host: str | None, **headers: str) -> tuple[int, str]:
    """The status of a request as it is written here, and the whole answer's beginning."""
    lines = [f"GET {path} HTTP/1.1", *([] if host is None else [f"Host: {host}"])]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    place = urlsplit(server)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = connection.recv(65536)
        # A stream stays open; every other answer ends.
        while path != STREAM and (more := connection.recv(65536)):
            answer += more
    return int(answer.split()[1]), answer.decode("latin-1")


def port_of(server: str) -> int:
    return urlsplit(server).port or 0


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LocalHost", "localhost."])
@pytest.mark.parametrize("path", ["/", "/_stcore/health", STREAM])
def test_its_own_names_are_answered(server: str, name: str, path: str) -> None:
    upgrade = UPGRADE if path == STREAM else {"Connection": "close"}
    status, _ = ask(server, path, f"{name}:{port_of(server)}", **upgrade)
    assert status == (101 if path == STREAM else 200)


@pytest.mark.parametrize(
    "name",
    [
        "evil.test",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "127.0.0.1@evil.test",
        "evil.test#localhost",
        "2130706433",
        "[::1",
        "",
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/launch", "/_stcore/health", "/_stcore/upload_file", STREAM]
)
def test_a_foreign_host_is_refused(server: str, name: str, path: str) -> None:
    host = f"{name}:{port_of(server)}" if name else ""
    upgrade = UPGRADE if path == STREAM else {"Connection": "close"}
    # The origin of a page that DNS rebinding brought here is its own host.
    status, answer = ask(server, path, host, Origin=f"http://{host}", **upgrade)
    assert status in (400, 403)
    if status == 403 and path != STREAM:
        assert "server.allowedHosts" in answer and "docs/dashboard.md" in answer


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:1",
        "http://127.0.0.1:1",
        "http://127.0.0.1",
        "https://evil.test",
        "null",
        "file://",
        "http://[",
    ],
)
@pytest.mark.parametrize("path", ["/", "/_stcore/host-config", STREAM])
def test_a_page_of_another_origin_is_refused(server: str, origin: str, path: str) -> None:
    upgrade = UPGRADE if path == STREAM else {"Connection": "close"}
    host = f"127.0.0.1:{port_of(server)}"
    assert ask(server, path, host, Origin=origin, **upgrade)[0] == 403
    assert ask(server, path, host, Origin=f"http://{host}", **upgrade)[0] in (101, 200)


def test_no_other_origin_may_frame_it(server: str) -> None:
    _, answer = ask(server, "/", f"127.0.0.1:{port_of(server)}", Connection="close")
    assert "content-security-policy: frame-ancestors 'self'" in answer.lower()


def test_two_hosts_and_none_are_refused() -> None:
    own = (b"host", b"127.0.0.1:8501")
    assert refusal([]) is not None
    assert refusal([own, (b"host", b"evil.test")]) is not None


def test_what_a_proxy_needs_is_in_the_options(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit import config

    options = {"server.allowedHosts": ["vibe.example.com"], "server.corsAllowedOrigins": []}
    monkeypatch.setattr(config, "get_option", options.__getitem__)
    host, page = (b"host", b"vibe.example.com"), (b"origin", b"https://vibe.example.com")
    assert refusal([host, page]) is None
    other = (b"origin", b"https://shown.example.com")
    assert refusal([host, other]) is not None
    options["server.corsAllowedOrigins"] = ["https://shown.example.com"]
    assert refusal([host, other]) is None


def test_the_shipped_options_allow_this_machine_alone() -> None:
    text = (PROJECT_ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
    assert 'allowedHosts = ["127.0.0.1", "localhost"]' in text
    assert 'address = "127.0.0.1"' in text


@needs_chromium
def test_a_browser_under_another_name_gets_nothing(
    server: str, launch_chromium: Callable[..., Browser]
) -> None:
    """DNS rebinding: the browser takes evil.test for this machine, as a rebound name would be."""
    port = port_of(server)
    own = f"ws://127.0.0.1:{port}{STREAM}"
    with launch_chromium("--host-resolver-rules=MAP evil.test 127.0.0.1") as browser:
        page = browser.new_page()
        answer = page.goto(f"http://evil.test:{port}/launch")
        assert answer is not None and answer.status == 403
        assert "server.allowedHosts" in page.inner_text("body")
        assert page.evaluate(OPEN_STREAM, f"ws://evil.test:{port}{STREAM}") == "refused"
        assert page.evaluate(OPEN_STREAM, own) == "refused"
        answer = page.goto(f"http://127.0.0.1:{port}/_stcore/health")
        assert answer is not None and answer.status == 200
        assert page.evaluate(OPEN_STREAM, own) == "open"

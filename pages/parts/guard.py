"""Who may talk to the dashboard's server: requests under one of its own names, from its own pages.

A page of any site can point a name of its own at 127.0.0.1 (DNS rebinding), and a page on another
port of this machine can open a WebSocket to this one; both could start runs. Streamlit holds
`server.allowedHosts` against WebSockets alone, and takes every port of localhost for a friend.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from streamlit import config
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

FORBIDDEN = 403
POLICY_VIOLATION = 1008
# No page of another origin may show the dashboard in a frame and have its buttons clicked.
FRAME_HEADERS = (
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"x-frame-options", b"SAMEORIGIN"),
)


class Guard:
    """ASGI middleware that refuses foreign hosts and origins, for HTTP and WebSocket alike."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request or connection, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
        elif (why := refusal(scope["headers"])) is None:
            await self.app(scope, receive, _without_frames(send))
        elif scope["type"] == "websocket":
            # Closed before it was accepted, which the client gets as 403.
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        else:
            await _refuse(send, why)


def refusal(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Why a request is refused, as a sentence; None where it is one of the dashboard's own.

    `headers` are as ASGI gives them, names in lower case. A request without an origin comes from no
    page's script and is judged by its host alone.
    """
    hosts, origins = _values(headers, b"host"), _values(headers, b"origin")
    if len(hosts) != 1 or not is_host_allowed(hosts[0]):
        return "The dashboard does not answer under this name. Allow it in server.allowedHosts."
    own = {hosts[0].lower()}
    for origin in origins:
        allowed = origin in config.get_option("server.corsAllowedOrigins")
        if not allowed and _place(origin) not in own:
            return (
                "The dashboard does not answer pages of another origin. Allow it in "
                "server.corsAllowedOrigins."
            )
    return None


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def _place(origin: str) -> str | None:
    """Host and port of an origin; None for an opaque one, such as a sandboxed frame's `null`."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


async def _refuse(send: Send, why: str) -> None:
    body = f"{why} See docs/dashboard.md.\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": FORBIDDEN, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _without_frames(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *FRAME_HEADERS]
        await send(message)

    return sent

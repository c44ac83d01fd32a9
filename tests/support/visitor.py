"""A browser tab that remembers what went wrong and what it asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import Browser, Error, Page, expect

PATIENCE = 90_000
# Two files of tests run side by side, so a page can take longer than Playwright's five seconds.
expect.set_options(timeout=PATIENCE)
# Streamlit looks for its server beside the page's path first, and finds it one level up.
EXPECTED_404 = re.compile(r"/_stcore/(health|host-config)$")
# Whether anything makes the page scroll sideways.
TOO_WIDE = """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
    .some((e) => e.scrollWidth > e.clientWidth)"""
# Of the page, by colour scheme.
BACKGROUNDS = {"light": "rgb(253, 253, 251)", "dark": "rgb(22, 24, 27)"}
# Steps inside a number field (its arrow keys do the same), and buttons that say so themselves.
POINTER_ONLY = """() => {
    const excused = '[data-testid=stNumberInput], [data-baseweb], .react-aria-ComboBox';
    const unreachable = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled
        && e.tabIndex < 0 && !e.closest(excused);
    return [...document.querySelectorAll('a, button, [role=button]')].filter(unreachable)
        .map((e) => e.outerHTML.slice(0, 120));
}"""


class Visitor:
    """A tab that remembers what went wrong and what it asked for."""

    def __init__(self, page: Page, server: str) -> None:
        self.page, self.server = page, server
        self.problems: list[str] = []
        self.foreign: list[str] = []
        page.set_default_timeout(PATIENCE)
        self._listeners: dict[Any, Any] = {
            "console": self._on_console,
            "pageerror": lambda error: self.problems.append(str(error)),
            "request": lambda request: self._on_request(request.url),
            "response": lambda response: self._on_response(response.status, response.url),
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)

    def _on_console(self, message) -> None:
        # A failed request is judged by its status and address in _on_response.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(message.text)

    def _on_request(self, url: str) -> None:
        if not url.startswith((self.server, "data:", "blob:", "ws://127.0.0.1")):
            self.foreign.append(url)

    def _on_response(self, status: int, url: str) -> None:
        if status >= 400 and not EXPECTED_404.search(url):
            self.problems.append(f"{status} {url}")

    def go(self, path: str) -> Page:
        self.page.goto(f"{self.server}/{path}")
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until the script has run and the title stands."""
        expect(self.page.locator("h1")).to_have_count(1, timeout=PATIENCE)
        self.page.wait_for_selector(
            '[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=PATIENCE
        )

    def in_each_scheme(self) -> Iterator[str]:
        """Gives the page, which follows the system's colour scheme, the one and then the other."""
        for scheme in ("light", "dark"):
            self.page.emulate_media(color_scheme=scheme)
            app = self.page.locator(".stApp")
            expect(app).to_have_css("background-color", BACKGROUNDS[scheme])
            self.settle()
            yield scheme

    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlparse(self.page.url).query)

    def leave(self) -> None:
        """Empty the tab of all that this visitor did, for the next one."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        context = self.page.context
        for other in context.pages:
            if other != self.page:
                other.close()
        context.clear_cookies()
        context.clear_permissions()
        if self.page.url.startswith(self.server):
            self.page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
        self.page.goto("about:blank")


class Tab:
    """A tab that one test after the other uses, emptied in between: a tab of each one's own would
    compile Streamlit's scripts anew, for three seconds of processor time."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._page: Page | None = None

    def open(
        self, server: str, width: int = 1400, height: int = 900, scheme: Any = "light"
    ) -> Visitor:
        """The empty tab, at a size in pixels and a colour scheme."""
        if self._page is None:
            self._page = self._browser.new_context().new_page()
        self._page.set_viewport_size({"width": width, "height": height})
        self._page.emulate_media(color_scheme=scheme)
        return Visitor(self._page, server)

    def leave(self, visitor: Visitor) -> None:
        """Empty the tab, or give it up where that fails."""
        try:
            visitor.leave()
        except Error:
            visitor.page.context.close()
            self._page = None

    def close(self) -> None:
        """Close it and its context."""
        if self._page is not None:
            self._page.context.close()

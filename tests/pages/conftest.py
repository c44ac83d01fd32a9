"""Fixtures of the pages' tests."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from streamlit.components.v2 import manifest_scanner

from tests.support import dashboard_database
from tests.support.visitor import Tab, Visitor
from vibecore.core.paths import DATABASE_VARIABLE

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session", autouse=True)
def components_of_packages() -> Iterator[None]:
    """Looked for once: AppTest reads the metadata of every installed package at each visit."""
    once = functools.cache(manifest_scanner.scan_component_manifests)
    with patch.object(manifest_scanner, "scan_component_manifests", once):
        yield


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with one study of each kind; tests only read it, or a copy."""
    return dashboard_database.build(tmp_path_factory.mktemp("pages") / "pages.duckdb")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a database the dashboard's."""
    return lambda path: monkeypatch.setenv(DATABASE_VARIABLE, str(path))


@pytest.fixture(scope="session")
def browser(launch_chromium: Callable[[], Browser]) -> Iterator[Browser]:
    with launch_chromium() as running:
        yield running


@pytest.fixture(scope="session")
def tab(browser: Browser) -> Iterator[Tab]:
    kept = Tab(browser)
    yield kept
    kept.close()


@pytest.fixture
def visit(tab: Tab, server: str) -> Iterator[Callable[..., Visitor]]:
    """Opens the tab on the server of the test's module, which a fixture `server` gives: `visit()`,
    or with the width, height and scheme that are wanted."""
    visitors: list[Visitor] = []

    def opened(**screen: Any) -> Visitor:
        assert not visitors, "there is one tab"
        visitors.append(tab.open(server, **screen))
        return visitors[0]

    yield opened
    for visitor in visitors:
        tab.leave(visitor)


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    return visit()

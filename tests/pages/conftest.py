"""Fixtures of the pages' tests."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from streamlit.components.v2 import manifest_scanner

from tests.support import dashboard_database
from tests.support.visitor import Visitor
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


@pytest.fixture
def visitor(browser: Browser, server: str) -> Iterator[Visitor]:
    """A tab on the server of the test's module, which a fixture `server` gives."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    yield Visitor(context.new_page(), server)
    context.close()

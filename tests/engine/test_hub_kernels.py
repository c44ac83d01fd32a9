"""Where the package that fetches kernels from a hub is installed, nothing fetches any."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest
from transformers.utils import import_utils

from vibecore import engine
from vibecore.engine.hub_kernels import PACKAGE


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder to import from, with the package in it."""
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / "__init__.py").touch()
    about = tmp_path / f"{PACKAGE}-{import_utils.KERNELS_MIN_VERSION}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {import_utils.KERNELS_MIN_VERSION}\n",
        encoding="utf-8",
    )
    return tmp_path


def test_no_import_finds_it(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.load is not None, "as in a worker"
    monkeypatch.syspath_prepend(str(installed))
    assert importlib.util.find_spec(PACKAGE) is None
    with pytest.raises(ImportError):
        importlib.import_module(PACKAGE)
    asked = import_utils.is_kernels_available
    getattr(asked, "cache_clear", lambda: None)()
    assert not asked()

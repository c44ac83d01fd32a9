"""The Chromium that browser tests use, and whether its absence is a failure."""

from __future__ import annotations

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium")
REQUIRED = "VIBECHECK_REQUIRE_CHROMIUM" in os.environ
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
needs_chromium = pytest.mark.skipif(CHROMIUM is None and not REQUIRED, reason="no chromium here")

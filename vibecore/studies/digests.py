"""Digests of what runs came to, made of the figures that Metrics shows (see store/digest.py)."""

from __future__ import annotations

from typing import Any

from vibecore import store
from vibecore.analysis.metrics import AGGREGATES


def finish_run(connection: Any, run_id: int, status: str, error: str | None = None) -> None:
    """Set a run's final status (see store.finish_run), and make its digest."""
    store.finish_run(connection, run_id, status, error)
    store.write_digests(connection, [run_id], AGGREGATES)


def seal(connection: Any, study: str) -> None:
    """Make the digests that a study's runs lack, and write the checksum of its rows."""
    digest_study(connection, study)
    store.seal_study(connection, study)


def digest_study(connection: Any, study: str) -> None:
    """Make the digests that a study's runs lack."""
    store.write_digests(connection, store.run_ids(connection, study), AGGREGATES)

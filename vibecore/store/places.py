"""Where generations are made: one row for a node with one kind of device and driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from vibecore.core.formats import counted
from vibecore.core.rows import DeviceSpeed
from vibecore.store.connection import insert


def place_id(connection: duckdb.DuckDBPyConnection, environment: Mapping[str, Any]) -> int | None:
    """The id of the place that a LoadReport's environment describes, written where it is new; None
    where it does not say."""
    place = _place(environment)
    if place is None:
        return None
    row = connection.execute(
        """SELECT place_id FROM place
           WHERE node = $node AND device = $device AND driver IS NOT DISTINCT FROM $driver""",
        place,
    ).fetchone()
    if row is not None:
        return int(row[0])
    next_id = connection.execute("SELECT coalesce(max(place_id), 0) + 1 FROM place").fetchone()
    assert next_id is not None
    insert(connection, "place", [{"place_id": next_id[0], **place}])
    return int(next_id[0])


def _place(environment: Mapping[str, Any]) -> dict[str, str | None] | None:
    """Its columns: the GPU by its name, a processor by its name and the cores that a worker may
    use of it."""
    machine = environment.get("machine", {})
    node, gpu = environment.get("node"), environment.get("gpu")
    if node is None:
        return None
    if gpu:
        return {"node": node, "device": gpu["name"], "driver": machine.get("driver")}
    cores = environment.get("slot_cores") or machine.get("cores")
    device = f"{machine.get('cpu')}, {counted(cores, 'core')}" if cores else str(machine.get("cpu"))
    return {"node": node, "device": device, "driver": None}


def device_speeds(
    by_run: Mapping[int, Sequence[Sequence[Any]]],
) -> dict[int, tuple[DeviceSpeed, ...]]:
    """How fast each run of a study was on each kind of hardware, by run id; empty where all of the
    study was made on one kind, or where that was not recorded. `by_run` has (device, outputs,
    tokens a second), the device None where it was not recorded."""
    kinds = {device for found in by_run.values() for device, *_ in found if device is not None}
    if len(kinds) < 2:
        return {}
    return {
        run_id: tuple(
            DeviceSpeed("hardware not recorded" if device is None else device, outputs, speed)
            for device, outputs, speed in found
        )
        for run_id, found in by_run.items()
        if found
    }

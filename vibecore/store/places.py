"""Where generations are made: one row for a node with one kind of device and driver."""

from __future__ import annotations

from collections.abc import Mapping
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


def read_device_speeds(
    connection: duckdb.DuckDBPyConnection, study_id: int
) -> dict[int, tuple[DeviceSpeed, ...]]:
    """How fast each run of a study was on each kind of hardware, by run id; empty where all of the
    study was made on one kind, or where that was not recorded."""
    # Mostly one machine's, which is seen without reading a generation.
    [there] = connection.execute("SELECT count(DISTINCT device) FROM place").fetchone() or [0]
    if there < 2:
        return {}
    of_study = "run_id IN (SELECT run_id FROM run WHERE study_id = $study)"
    [kinds] = connection.execute(
        f"""SELECT count(DISTINCT device) FROM place
            WHERE place_id IN (SELECT place_id FROM generation WHERE {of_study})""",
        {"study": study_id},
    ).fetchone() or [0]
    if kinds < 2:
        return {}
    rows = connection.execute(
        f"""WITH batches AS (
                SELECT run_id, coalesce(place.device, 'hardware not recorded') AS device,
                       count(*) AS outputs, sum(new_tokens) AS tokens,
                       max(total_seconds) AS seconds
                FROM generation LEFT JOIN place USING (place_id)
                WHERE {of_study} GROUP BY run_id, batch_index, place.device)
            SELECT run_id, device, sum(outputs)::BIGINT, sum(tokens) / nullif(sum(seconds), 0)
            FROM batches GROUP BY run_id, device ORDER BY run_id, sum(outputs) DESC, device""",
        {"study": study_id},
    ).fetchall()
    found: dict[int, tuple[DeviceSpeed, ...]] = {}
    for run_id, device, outputs, speed in rows:
        found[run_id] = (*found.get(run_id, ()), DeviceSpeed(device, outputs, speed))
    return found

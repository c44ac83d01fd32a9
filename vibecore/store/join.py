"""A study of another database brought into the study of the same name here: what two machines made
of one suite under one protocol becomes one study."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from vibecore.core.errors import InputError
from vibecore.core.formats import listed
from vibecore.core.rows import StudyRow
from vibecore.store.connection import bound_memory, quoted, reading, writing
from vibecore.store.copy import OTHER_KEYS, RUN_TABLES, copy_places
from vibecore.store.read import read_study
from vibecore.store.run_status import settle_runs
from vibecore.store.scores import set_protocol

# What must be the same of a config that both have, where both know it.
IDENTITY = ("model", "precision", "weights", "kind", "weights_sha256", "stored_as")
# What a run that never started here has from theirs.
OF_A_RUN = ("started_at", "load_seconds", "weight_bytes", "dtype", "environment")
# table -> what identifies a row of it within its run
KEYS = {
    "aggregate": (),
    "generation": ("prompt_id", "sample"),
    "score": ("prompt_id", "sample"),
    "verdict": ("prompt_id", "sample"),
    "fidelity": ("against_run_id", "way", "reference", "item", "sample"),
}
KEEP = "Give the import another name with --study to keep both."


@dataclass(frozen=True)
class Joined:
    """What a study gained: configs that it did not have, and outputs; and how many of theirs it
    had already, which stayed as they were."""

    configs: list[str]
    outputs: int
    known: int


def join_study(source: Path, target: Path, name: str) -> Joined:
    """Bring the study `name` of `source` into that of `target`, in one transaction.

    Configs are added, and outputs filled in that a config lacks here; what is here stays. Raises
    InputError, with nothing written, where the suite, the protocol or a config's weights differ.
    """
    with reading(source) as connection:
        theirs = read_study(connection, name)
    with writing(target) as connection:
        bound_memory(connection)
        connection.execute(f"ATTACH '{quoted(source)}' AS copied_from (READ_ONLY)")
        ours = read_study(connection, name)
        _require_same_suite(connection, name)
        _join_protocol(connection, ours, theirs)
        _map_runs(connection, ours)
        _require_same_weights(connection, name)
        added = _add_runs(connection, ours)
        copy_places(connection)
        outputs, known = _add_rows(connection)
        _settle(connection, ours)
    return Joined(added, outputs, known)


def _require_same_suite(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    suite = """SELECT prompt_id, position, category, text, constraints::VARCHAR, prompt_count
               FROM {0}.prompt JOIN {0}.study USING (study_id) WHERE name = $name"""
    ours, theirs = suite.format("main"), suite.format("copied_from")
    rows = connection.execute(
        f"""SELECT prompt_id FROM (({ours}) EXCEPT ({theirs}))
            UNION SELECT prompt_id FROM (({theirs}) EXCEPT ({ours})) ORDER BY prompt_id""",
        {"name": name},
    ).fetchall()
    if rows:
        prompts = listed([prompt for (prompt,) in rows[:3]])
        more = f" (and {len(rows) - 3} more)" if len(rows) > 3 else ""
        raise InputError(
            f"The two studies '{name}' are not of one suite: {prompts}{more} differ. Nothing was "
            f"imported. {KEEP}"
        )


def _join_protocol(connection: duckdb.DuckDBPyConnection, ours: StudyRow, theirs: StudyRow) -> None:
    """Hold that both have one protocol; kind of weights and hardware may differ, and become those
    of both."""
    if ours.protocol is None or theirs.protocol is None:
        raise InputError(
            f"'{ours.name}' is a published study, which nothing can be joined to. {KEEP}"
        )
    alike = replace(theirs.protocol, weights=ours.protocol.weights)
    if alike != ours.protocol:
        here, there = vars(ours.protocol), vars(alike)
        fields = [
            f"{field.replace('_', ' ')} {here[field]} here, {there[field]} there"
            for field in here
            if here[field] != there[field]
        ]
        raise InputError(
            f"The two studies '{ours.name}' have different protocols ({'; '.join(fields)}). "
            f"Nothing was imported. {KEEP}"
        )
    if theirs.protocol.weights != ours.protocol.weights:
        set_protocol(connection, ours.name, replace(ours.protocol, weights="mixed"))
    machines = [part for one in (ours, theirs) for part in (one.hardware or "").split(" + ")]
    connection.execute(
        "UPDATE study SET hardware = $hardware, checksum = NULL WHERE study_id = $study",
        {
            "hardware": " + ".join(dict.fromkeys(filter(None, machines))) or None,
            "study": ours.study_id,
        },
    )


def _map_runs(connection: duckdb.DuckDBPyConnection, ours: StudyRow) -> None:
    """Of each of their runs the id here, whether it is added, and how many batches it has here."""
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE copied_run AS
           SELECT theirs.run_id AS old, own.run_id IS NULL AS added,
                  coalesce(own.run_id, (SELECT coalesce(max(run_id), 0) FROM main.run)
                      + row_number() OVER (ORDER BY theirs.position, theirs.run_id)) AS new,
                  (SELECT coalesce(max(batch_index) + 1, 0) FROM main.generation
                   WHERE run_id = own.run_id) AS batches
           FROM copied_from.run AS theirs JOIN copied_from.study USING (study_id)
           LEFT JOIN main.run AS own ON own.study_id = $study AND own.config = theirs.config
           WHERE study.name = $name""",
        {"study": ours.study_id, "name": ours.name},
    )


def _require_same_weights(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    both = ", ".join(f"own.{field}, theirs.{field}" for field in IDENTITY)
    rows = connection.execute(
        f"""SELECT own.config, {both} FROM copied_run JOIN main.run AS own ON own.run_id = new
            JOIN copied_from.run AS theirs ON theirs.run_id = old WHERE NOT added
            ORDER BY own.position"""
    ).fetchall()
    for config, *values in rows:
        for field, here, there in zip(IDENTITY, values[::2], values[1::2], strict=True):
            if here != there and here is not None and there is not None:
                raise InputError(
                    f"{config} is not the same config in the two studies '{name}': its "
                    f"{field.replace('_', ' ')} is {here} here, {there} there. Nothing was "
                    f"imported. {KEEP}"
                )


def _add_runs(connection: duckdb.DuckDBPyConnection, ours: StudyRow) -> list[str]:
    """Write runs that are not here, after those that are; a run that never started here has from
    theirs what loading cost. Returns the new configs."""
    connection.execute(
        """INSERT INTO main.run BY NAME
           SELECT theirs.* REPLACE (
               $study AS study_id, new AS run_id,
               (SELECT coalesce(max(position), -1) FROM main.run WHERE study_id = $study)
               + row_number() OVER (ORDER BY theirs.position, theirs.run_id) AS position)
           FROM copied_from.run AS theirs JOIN copied_run ON old = run_id WHERE added""",
        {"study": ours.study_id},
    )
    taken = ", ".join(f"{field} = theirs.{field}" for field in OF_A_RUN)
    connection.execute(
        f"""UPDATE main.run SET {taken} FROM copied_run, copied_from.run AS theirs
            WHERE run.run_id = new AND theirs.run_id = old AND NOT added
              AND run.started_at IS NULL"""
    )
    rows = connection.execute(
        """SELECT config FROM main.run JOIN copied_run ON new = run_id WHERE added
           ORDER BY position"""
    ).fetchall()
    return [config for (config,) in rows]


def _add_rows(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Write the rows of every output that is not here, with those of new runs. Returns how many
    outputs were written, and how many were here."""
    # Read before any is written: scores and verdicts follow their generations.
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE wanted AS
           SELECT theirs.run_id, theirs.prompt_id, theirs.sample
           FROM copied_from.generation AS theirs JOIN copied_run ON old = theirs.run_id
           ANTI JOIN main.generation AS own ON own.run_id = new
                AND own.prompt_id = theirs.prompt_id AND own.sample = theirs.sample"""
    )
    for table in RUN_TABLES:
        renewed = f", {OTHER_KEYS[table]}" if table in OTHER_KEYS else ""
        if table == "generation":
            # Batches are numbered on, so that none of theirs is taken for one of ours.
            renewed += ", batch_index + copied_run.batches AS batch_index"
        among = "SEMI JOIN wanted USING (run_id, prompt_id, sample)"
        rows = f"""SELECT rows.* REPLACE (new AS run_id{renewed})
                   FROM copied_from.{table} AS rows JOIN copied_run ON rows.run_id = old"""
        if KEYS[table] == ("prompt_id", "sample"):
            rows = rows.replace("AS rows JOIN", f"AS rows {among} JOIN")
        else:
            same = " AND ".join(f"own.{key} = rows.{key}" for key in ("run_id", *KEYS[table]))
            rows = f"FROM ({rows}) AS rows ANTI JOIN main.{table} AS own ON {same}"
        connection.execute(f"INSERT INTO main.{table} BY NAME {rows}")
    [(written, theirs)] = connection.execute(
        """SELECT (SELECT count(*) FROM wanted),
                  (SELECT count(*) FROM copied_from.generation JOIN copied_run ON old = run_id)"""
    ).fetchall()
    return written, theirs - written


def _settle(connection: duckdb.DuckDBPyConnection, ours: StudyRow) -> None:
    """Runs that have begun now are no longer pending; those that are whole now are complete. None
    has a digest: that of before is of other rows."""
    connection.execute("DELETE FROM main.digest WHERE run_id IN (SELECT new FROM copied_run)")
    connection.execute(
        """UPDATE main.run SET status = 'stopped'
           WHERE status = 'pending' AND run_id IN (
               SELECT new FROM wanted JOIN copied_run ON old = wanted.run_id WHERE NOT added)"""
    )
    settle_runs(connection, ours.name)

"""The schema, as numbered functions that only ever grow: never edit one that has shipped.

Tables: study (one suite under one protocol), prompt (the suite as it was), run (one config of a
study), aggregate (published figures that have no outputs behind them), place (a node and its
device), generation, score, verdict, fidelity and digest. Times are UTC; durations are seconds,
sizes bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb


def m001_studies(connection: duckdb.DuckDBPyConnection) -> None:
    """Studies with the suite they ran, one row a prompt."""
    connection.execute("""
        CREATE TABLE study (
            study_id INTEGER PRIMARY KEY,
            name VARCHAR NOT NULL UNIQUE,
            source VARCHAR NOT NULL CHECK (source IN ('measured', 'published')),
            title VARCHAR NOT NULL,
            hardware VARCHAR,
            suite VARCHAR NOT NULL,
            suite_sha256 VARCHAR,
            prompt_count INTEGER NOT NULL,
            protocol JSON NOT NULL,
            code_commit VARCHAR,
            created_at TIMESTAMP,
            note VARCHAR
        )""")
    connection.execute("""
        CREATE TABLE prompt (
            study_id INTEGER NOT NULL,
            prompt_id VARCHAR NOT NULL,
            position INTEGER NOT NULL,
            category VARCHAR NOT NULL,
            text VARCHAR NOT NULL,
            constraints JSON NOT NULL,
            PRIMARY KEY (study_id, prompt_id)
        )""")


def m002_runs(connection: duckdb.DuckDBPyConnection) -> None:
    """Runs, and the aggregates of a study that published no outputs."""
    connection.execute("""
        CREATE TABLE run (
            run_id INTEGER PRIMARY KEY,
            study_id INTEGER NOT NULL,
            position INTEGER NOT NULL,
            config VARCHAR NOT NULL,
            model VARCHAR NOT NULL,
            precision VARCHAR NOT NULL,
            source VARCHAR NOT NULL,
            weights VARCHAR NOT NULL,
            revision VARCHAR,
            estimated_weight_bytes BIGINT,
            status VARCHAR NOT NULL
                CHECK (status IN ('pending', 'running', 'complete', 'stopped', 'failed')),
            error VARCHAR,
            started_at TIMESTAMP,
            finished_at TIMESTAMP,
            load_seconds DOUBLE,
            weight_bytes BIGINT,
            dtype VARCHAR,
            environment JSON,
            UNIQUE (study_id, config)
        )""")
    connection.execute("""
        CREATE TABLE aggregate (
            run_id INTEGER PRIMARY KEY,
            prompts INTEGER NOT NULL,
            tokens_per_second DOUBLE,
            repetitive INTEGER,
            empty INTEGER,
            adherent_prompts INTEGER
        )""")


def m003_generations(connection: duckdb.DuckDBPyConnection) -> None:
    """Generations with their scores and verdicts."""
    connection.execute("""
        CREATE TABLE generation (
            run_id INTEGER NOT NULL,
            prompt_id VARCHAR NOT NULL,
            text VARCHAR,
            token_ids INTEGER[],
            prompt_tokens INTEGER,
            new_tokens INTEGER,
            finish_reason VARCHAR CHECK (finish_reason IN ('eos', 'length', 'stopped')),
            batch_index INTEGER,
            batch_size INTEGER,
            first_token_seconds DOUBLE,
            total_seconds DOUBLE,
            tokens_per_second DOUBLE,
            decode_tokens_per_second DOUBLE,
            peak_memory_bytes BIGINT,
            created_at TIMESTAMP,
            PRIMARY KEY (run_id, prompt_id)
        )""")
    connection.execute("""
        CREATE TABLE score (
            run_id INTEGER NOT NULL,
            prompt_id VARCHAR NOT NULL,
            scorer_version INTEGER NOT NULL,
            words INTEGER NOT NULL,
            characters INTEGER NOT NULL,
            sentences INTEGER NOT NULL,
            lines INTEGER NOT NULL,
            empty BOOLEAN NOT NULL,
            repetition_ratio DOUBLE NOT NULL,
            repetitive BOOLEAN NOT NULL,
            garbage BOOLEAN,
            distinct_1 DOUBLE,
            distinct_2 DOUBLE,
            rep_4 DOUBLE,
            zlib_ratio DOUBLE,
            loop_onset INTEGER,
            constraints_met INTEGER NOT NULL,
            constraints_total INTEGER NOT NULL,
            constraints_judged INTEGER NOT NULL,
            adherent BOOLEAN,
            PRIMARY KEY (run_id, prompt_id)
        )""")
    connection.execute("""
        CREATE TABLE verdict (
            run_id INTEGER NOT NULL,
            prompt_id VARCHAR NOT NULL,
            position INTEGER NOT NULL,
            check_name VARCHAR NOT NULL,
            arguments JSON NOT NULL,
            status VARCHAR NOT NULL CHECK (status IN ('pass', 'fail', 'error', 'skipped')),
            explanation VARCHAR NOT NULL,
            PRIMARY KEY (run_id, prompt_id, position)
        )""")


def m004_depth(connection: duckdb.DuckDBPyConnection) -> None:
    """Scores in depth, and the loose verdicts of IFEval suites; NULL in older rows.

    `duplicates` is a JSON object of shares by name, `degenerate_by` the names of the published
    cuts exceeded, `language_switch` a character of the text.
    """
    for column in (
        "degenerate BOOLEAN",
        "degenerate_by VARCHAR[]",
        "duplicates JSON",
        "loop_period INTEGER",
        "prompt_echo DOUBLE",
        "refusal BOOLEAN",
        "language_switch INTEGER",
        "constraints_met_loose INTEGER",
        "adherent_loose BOOLEAN",
    ):
        connection.execute(f"ALTER TABLE score ADD COLUMN {column}")
    connection.execute("ALTER TABLE verdict ADD COLUMN status_loose VARCHAR")


def m005_bench(connection: duckdb.DuckDBPyConnection) -> None:
    """What `bench` measured of a config, by engine (see studies/bench/report.py); else NULL."""
    connection.execute("ALTER TABLE run ADD COLUMN bench JSON")


def m006_samples(connection: duckdb.DuckDBPyConnection) -> None:
    """Several outputs of a prompt: `sample` joins the keys of generation, score and verdict.

    DuckDB cannot alter a primary key, so each table is made again from its own columns.
    """
    for table, last_key in (("generation", ""), ("score", ""), ("verdict", ", position")):
        connection.execute(f"CREATE TEMP TABLE rows AS FROM {table}")
        columns = connection.execute(
            """SELECT column_name, data_type, NOT is_nullable FROM duckdb_columns()
               WHERE table_name = ? AND NOT internal ORDER BY column_index""",
            [table],
        ).fetchall()
        checks = connection.execute(
            """SELECT constraint_text FROM duckdb_constraints()
               WHERE table_name = ? AND constraint_type = 'CHECK'""",
            [table],
        ).fetchall()
        definitions = [f"{name} {kind}{' NOT NULL' * required}" for name, kind, required in columns]
        definitions.insert(2, "sample INTEGER NOT NULL DEFAULT 0")
        definitions += [check for (check,) in checks]
        definitions.append(f"PRIMARY KEY (run_id, prompt_id, sample{last_key})")
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"CREATE TABLE {table} ({', '.join(definitions)})")
        names = ", ".join(name for name, _, _ in columns)
        connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM rows")
        connection.execute("DROP TABLE rows")


def m007_asking(connection: duckdb.DuckDBPyConnection) -> None:
    """What a model is and how it was asked; NULL in older rows. A generation may also end inside
    its reasoning (`thinking`) or numerically broken (`non_finite`).

    DuckDB cannot alter a CHECK, so the table is made again.
    """
    for column in ("kind VARCHAR", "weights_sha256 VARCHAR", "stored_as VARCHAR"):
        connection.execute(f"ALTER TABLE run ADD COLUMN {column}")
    connection.execute("CREATE TEMP TABLE rows AS FROM generation")
    connection.execute("DROP TABLE generation")
    connection.execute("""
        CREATE TABLE generation (
            run_id INTEGER NOT NULL,
            prompt_id VARCHAR NOT NULL,
            sample INTEGER NOT NULL DEFAULT 0,
            text VARCHAR,
            token_ids INTEGER[],
            prompt_tokens INTEGER,
            new_tokens INTEGER,
            finish_reason VARCHAR CHECK (
                finish_reason IN ('eos', 'length', 'stopped', 'thinking', 'non_finite')
            ),
            batch_index INTEGER,
            batch_size INTEGER,
            first_token_seconds DOUBLE,
            total_seconds DOUBLE,
            tokens_per_second DOUBLE,
            decode_tokens_per_second DOUBLE,
            peak_memory_bytes BIGINT,
            created_at TIMESTAMP,
            rendered_prompt VARCHAR,
            reasoning VARCHAR,
            reasoning_tokens INTEGER,
            PRIMARY KEY (run_id, prompt_id, sample)
        )""")
    connection.execute("INSERT INTO generation BY NAME FROM rows")
    connection.execute("DROP TABLE rows")


def m008_real_answers(connection: duckdb.DuckDBPyConnection) -> None:
    """Why an output is broken, what the token limit decided, and measures that do not apply; NULL
    in older rows."""
    for column in ("broken_by VARCHAR[]", "constraints_cut INTEGER", "adherent_cut BOOLEAN"):
        connection.execute(f"ALTER TABLE score ADD COLUMN {column}")
    for column in ("repetition_ratio", "repetitive"):
        connection.execute(f"ALTER TABLE score ALTER {column} DROP NOT NULL")
    connection.execute("ALTER TABLE verdict ADD COLUMN cut BOOLEAN")


def m009_fidelity(connection: duckdb.DuckDBPyConnection) -> None:
    """How far a config's next-token distributions are from its parent's, one row a reference text
    (core/fidelity.py says what the lists hold). `item` is a prompt's id, or the name of a part of
    the running text."""
    connection.execute("""
        CREATE TABLE fidelity (
            run_id INTEGER NOT NULL,
            against_run_id INTEGER NOT NULL,
            way VARCHAR NOT NULL CHECK (way IN ('alone', 'batch', 'graph')),
            reference VARCHAR NOT NULL CHECK (reference IN ('outputs', 'text')),
            item VARCHAR NOT NULL,
            sample INTEGER NOT NULL DEFAULT 0,
            kld FLOAT[] NOT NULL,
            same_top BOOLEAN[] NOT NULL,
            log_p FLOAT[] NOT NULL,
            parent_log_p FLOAT[] NOT NULL,
            top_token INTEGER[] NOT NULL,
            top_p FLOAT[] NOT NULL,
            pieces VARCHAR[] NOT NULL,
            top_pieces VARCHAR[] NOT NULL,
            prompt_tokens INTEGER NOT NULL,
            seconds DOUBLE NOT NULL,
            peak_memory_bytes BIGINT NOT NULL,
            measured_on VARCHAR NOT NULL,
            created_at TIMESTAMP NOT NULL,
            PRIMARY KEY (run_id, against_run_id, way, reference, item, sample)
        )""")


def m010_places(connection: duckdb.DuckDBPyConnection) -> None:
    """Where each generation was made, and a checksum of a study's rows once it has ended; NULL in
    older rows. `device` is the GPU's name, or the processor's with its cores."""
    connection.execute("""
        CREATE TABLE place (
            place_id INTEGER PRIMARY KEY,
            node VARCHAR NOT NULL,
            device VARCHAR NOT NULL,
            driver VARCHAR
        )""")
    connection.execute("ALTER TABLE generation ADD COLUMN place_id INTEGER")
    connection.execute("ALTER TABLE study ADD COLUMN checksum VARCHAR")


def m011_keys_held_by_the_writer(connection: duckdb.DuckDBPyConnection) -> None:
    """The three tables that grow with every output have no index: at a million rows a commit spent
    a second in writing it (docs/size.md). `store.add_generations` refuses a key that is stored.

    DuckDB cannot drop a primary key, so each table is made again from its own columns.
    """
    for table in ("generation", "score", "verdict"):
        columns = connection.execute(
            """SELECT column_name, data_type, NOT is_nullable, column_default FROM duckdb_columns()
               WHERE table_name = ? AND NOT internal ORDER BY column_index""",
            [table],
        ).fetchall()
        checks = connection.execute(
            """SELECT constraint_text FROM duckdb_constraints()
               WHERE table_name = ? AND constraint_type = 'CHECK'""",
            [table],
        ).fetchall()
        definitions = [
            f"{name} {kind}{' NOT NULL' * required}{f' DEFAULT {default}' if default else ''}"
            for name, kind, required, default in columns
        ]
        definitions += [check for (check,) in checks]
        connection.execute(f"CREATE TABLE without_keys ({', '.join(definitions)})")
        connection.execute(f"INSERT INTO without_keys BY NAME FROM {table}")
        connection.execute(f"DROP TABLE {table}")
        connection.execute(f"ALTER TABLE without_keys RENAME TO {table}")


def m012_digests(connection: duckdb.DuckDBPyConnection) -> None:
    """What each run's outputs came to, kept beside them (see store/digest.py): `outputs` and
    `scores` count the rows that it is of, `figures` is JSON that may have NaN, what an output came
    to is packed by column. Without a key: a row is written again in one transaction, which
    DuckDB's index does not take."""
    connection.execute("""
        CREATE TABLE digest (
            run_id INTEGER NOT NULL,
            version VARCHAR NOT NULL,
            outputs BIGINT NOT NULL,
            scores BIGINT NOT NULL,
            figures VARCHAR NOT NULL,
            prompt BLOB NOT NULL,
            sample BLOB NOT NULL,
            broken BLOB NOT NULL,
            adherent BLOB NOT NULL,
            new_tokens BLOB NOT NULL,
            total_seconds BLOB NOT NULL
        )""")


MIGRATIONS: tuple[Callable[[duckdb.DuckDBPyConnection], None], ...] = (
    m001_studies,
    m002_runs,
    m003_generations,
    m004_depth,
    m005_bench,
    m006_samples,
    m007_asking,
    m008_real_answers,
    m009_fidelity,
    m010_places,
    m011_keys_held_by_the_writer,
    m012_digests,
)
# The oldest version whose tables have every column that is read: a later migration changes only how
# rows are kept, and waits for a writer.
READABLE = 10


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring an open database to the newest schema."""
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)")
    done = {row[0] for row in connection.execute("SELECT version FROM schema_version").fetchall()}
    for number, migration in enumerate(MIGRATIONS, start=1):
        if number not in done:
            migration(connection)
            connection.execute("INSERT INTO schema_version VALUES (?)", [number])

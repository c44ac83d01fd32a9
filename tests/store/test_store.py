"""The database: schema, transactions, locks, foreign files, and nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from vibecore import content_key, store
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.errors import InputError, VibeError
from vibecore.core.formats import to_json
from vibecore.core.records import Aggregate, Decoding, Generation, Protocol
from vibecore.scoring import SCORER_VERSION, score_output
from vibecore.store.schema import MIGRATIONS, READABLE
from vibecore.store.scores import SCORE_COLUMNS

PROMPT = Prompt("p1", "code", "Say hi.", (Constraint("starts_with", {"prefix": "hi"}),))
STUDY = store.NewStudy("s", "measured", "S", "suite", (PROMPT,), 1, Protocol())
RUN = store.NewRun("1M-bf16", "1M", "bf16", "demo/1M", "demo")


def create(path: Path) -> int:
    with store.writing(path) as connection:
        return store.create_study(connection, STUDY, [RUN])["1M-bf16"]


def add(path: Path, run_id: int, text: str = "hi there") -> None:
    generation = {"text": text, "token_ids": [1, 2], "new_tokens": 2, "finish_reason": "eos"}
    rows = [("p1", generation, score_output(PROMPT, text, [1]))]
    with store.writing(path) as connection:
        store.add_generations(connection, run_id, 0, rows, SCORER_VERSION)


def test_what_is_written_is_read(db: Path) -> None:
    run_id = create(db)
    add(db, run_id)
    with store.reading(db) as connection:
        [output] = store.read_outputs(connection, "s")
        [[verdict]] = store.read_verdicts(connection, "s").values()
        [prompt] = store.read_prompts(connection, "s")
        assert store.missing_prompts(connection, run_id) == set()
        assert store.read_study(connection, "s").protocol == Protocol()
    assert (output.text, output.token_ids) == ("hi there", [1, 2])
    assert verdict.arguments == {"prefix": "hi"}
    assert prompt.constraints == [{"check": "starts_with", "prefix": "hi"}]


def test_a_transaction_is_all_or_nothing(db: Path) -> None:
    run_id = create(db)

    def half_written() -> None:
        with store.writing(db) as connection:
            connection.execute("UPDATE run SET status = 'complete'")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        half_written()
    with store.reading(db) as connection:
        assert store.read_configs(connection, "s")[0].status == "pending"
        assert store.missing_prompts(connection, run_id) == {("p1", 0)}


def test_the_same_output_is_never_stored_twice(db: Path) -> None:
    run_id = create(db)
    add(db, run_id)
    with pytest.raises(VibeError, match="another process"):
        add(db, run_id, "hi again")
    with store.reading(db) as connection:
        assert [row.text for row in store.read_outputs(connection, "s")] == ["hi there"]


def test_each_sample_of_a_prompt_is_a_row_of_its_own(db: Path) -> None:
    run_id = create(db)
    add(db, run_id)
    second = {"sample": 1, "text": "no", "token_ids": [3], "finish_reason": "eos"}
    with store.writing(db) as connection:
        rows = [("p1", second, score_output(PROMPT, "no"))]
        store.add_generations(connection, run_id, 1, rows, SCORER_VERSION)
    with store.reading(db) as connection:
        outputs = store.read_outputs(connection, "s")
        verdicts = store.read_verdicts(connection, "s")
        scores = store.read_scores(connection, "s")
        texts = store.read_texts(connection, run_id, store.text_keys(connection, run_id))
    assert [(row.sample, row.text, row.adherent) for row in outputs] == [
        (0, "hi there", True),
        (1, "no", False),
    ]
    assert {key[2]: [v.status for v in found] for key, found in verdicts.items()} == {
        0: ["pass"],
        1: ["fail"],
    }
    assert [(row.sample, row.adherent) for row in scores] == [(0, True), (1, False)]
    assert [(row.sample, row.text) for row in texts] == [(0, "hi there"), (1, "no")]


def test_a_protocol_is_data_and_prints_as_it_did(db: Path) -> None:
    sampled = Protocol(decoding=Decoding(0.7, 0.9, 3), samples=4)
    for name, protocol in (("s", Protocol()), ("t", sampled), ("published", None)):
        with store.writing(db) as connection:
            store.create_study(connection, replace(STUDY, name=name, protocol=protocol), [])
    with store.writing(db) as connection:
        connection.execute(
            """UPDATE study SET protocol = '{"batch_size": 2, "decoding": "greedy"}'
               WHERE name = 's'"""
        )
    with store.reading(db) as connection:
        older, newer, published = store.list_studies(connection)
    assert older.protocol == Protocol(batch_size=2)
    assert newer.protocol == sampled
    assert published.protocol is None
    printed = [json.loads(to_json(row))["protocol"] for row in (older, newer, published)]
    assert list(printed[0]) == [
        *("max_new_tokens", "batch_size", "engine", "weights", "device"),
        *("decoding", "execute_code", "chat"),
    ]
    assert printed[0]["decoding"] == "greedy"
    assert printed[1]["decoding"] == "temperature 0.7, top-p 0.9, seed 3"
    assert (printed[1]["samples"], printed[2]) == (4, {})


def test_preparing_twice_changes_nothing(db: Path) -> None:
    create(db)
    store.prepare(db)
    with store.reading(db) as connection:
        assert store.study_exists(connection, "s")


def test_any_duckdb_since_1_0_can_read_the_file(db: Path) -> None:
    with duckdb.connect(str(db), read_only=True) as connection:
        query = "SELECT tags FROM duckdb_databases() WHERE NOT internal"
        [tags] = connection.execute(query).fetchone()
    assert tags["storage_version"].startswith("v1.0.0")


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Another process holds the database open for writing."""
    code = (
        "import duckdb, time\n"
        f"connection = duckdb.connect({str(path)!r})\n"
        f"print('locked', flush=True); time.sleep({seconds})\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        yield
        writer.kill()


def test_a_reader_waits_for_a_writer(db: Path) -> None:
    with locked(db, seconds=1), store.reading(db) as connection:
        assert store.list_studies(connection) == []


def test_the_wait_is_bounded_and_says_so(db: Path) -> None:
    started = time.monotonic()
    with (
        locked(db, seconds=60),
        pytest.raises(VibeError, match="in use by another process"),
        store.reading(db, wait_seconds=0.3),
    ):
        pass
    assert time.monotonic() - started < 10


def test_two_threads_of_one_process_wait_for_each_other(db: Path) -> None:
    held, release = threading.Event(), threading.Event()

    def read() -> None:
        with store.reading(db):
            held.set()
            release.wait(10)

    thread = threading.Thread(target=read)
    thread.start()
    held.wait(10)
    threading.Timer(0.3, release.set).start()
    with store.writing(db) as connection:
        connection.execute("CREATE TABLE there (number INTEGER)")
    thread.join()


def foreign_text(path: Path) -> None:
    path.write_text("not a database " * 100)


def foreign_duckdb(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine (a INTEGER)")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (foreign_text, "not a DuckDB database"),
        (foreign_duckdb, "not one of Vibe check"),
        (lambda path: path.mkdir(), "is a folder"),
    ],
)
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, make, says: str) -> None:
    path = tmp_path / "x.duckdb"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(InputError, match=says), store.reading(path):
        pass
    with pytest.raises(InputError, match=says):
        store.prepare(path)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_missing_database_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run --family demo"), store.reading(tmp_path / "no.db"):
        pass
    with pytest.raises(InputError, match="folder"):
        store.prepare(tmp_path / "nowhere" / "x.duckdb")


def test_a_reader_brings_an_older_schema_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "older.duckdb"
    made_by(path, READABLE - 1, monkeypatch)
    assert version_of(path) == len(MIGRATIONS)


def test_a_reader_leaves_a_schema_that_has_all_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "older.duckdb"
    made_by(path, READABLE, monkeypatch)
    add(path, create(path))
    before = path.read_bytes()
    with store.reading(path) as connection:
        [stored] = store.read_outputs(connection, "s")
    assert version_of(path) == READABLE
    assert path.read_bytes() == before
    store.prepare(path)
    assert version_of(path) == len(MIGRATIONS)
    with store.reading(path) as connection:
        assert store.read_outputs(connection, "s") == [stored]


def made_by(path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database as the Vibe check of that schema made it."""
    with monkeypatch.context() as earlier:
        earlier.setattr("vibecore.store.schema.MIGRATIONS", MIGRATIONS[:version])
        earlier.setattr("vibecore.store.connection.MIGRATIONS", MIGRATIONS[:version])
        store.prepare(path)


def version_of(path: Path) -> int:
    with store.reading(path) as connection:
        [version] = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return version


def test_rows_of_an_older_schema_keep_their_scores_and_lack_the_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "older.duckdb"
    monkeypatch.setattr("vibecore.store.schema.MIGRATIONS", MIGRATIONS[:3])
    monkeypatch.setattr("vibecore.store.connection.MIGRATIONS", MIGRATIONS[:3])
    store.prepare(path)
    run_id = 1
    with store.writing(path) as connection:
        connection.execute(
            """INSERT INTO study (study_id, name, source, title, suite, prompt_count, protocol)
               VALUES (1, 's', 'measured', 's', 'one', 1, '{"batch_size": 1}')"""
        )
        connection.execute("INSERT INTO prompt VALUES (1, 'p1', 0, 'x', 'Say hi', '[]')")
        connection.execute(
            """INSERT INTO run (run_id, study_id, position, config, model, precision, source,
                                weights, status)
               VALUES (1, 1, 0, '1M-bf16', '1M', 'bf16', 'demo/1M', 'demo', 'complete')"""
        )
        connection.execute(
            "INSERT INTO generation (run_id, prompt_id, text) VALUES (?, 'p1', 'hi')", [run_id]
        )
        connection.execute(
            """INSERT INTO score VALUES (?, 'p1', 1, 1, 2, 1, 1, false, 0.0, true, NULL, 1.0, 1.0,
                                         NULL, 1.0, NULL, 1, 1, 1, true)""",
            [run_id],
        )
        connection.execute(
            "INSERT INTO verdict VALUES (?, 'p1', 0, 'starts_with', '{}', 'pass', 'it does')",
            [run_id],
        )
    monkeypatch.undo()
    with store.reading(path) as connection:
        [output] = store.read_outputs(connection, "s")
        [[verdict]] = store.read_verdicts(connection, "s").values()
        [run] = store.read_configs(connection, "s")
        counts = store.count_scores(connection, "s")
    assert (output.sample, run.generations, run.scorer_version) == (0, 1, 1)
    assert (run.kind, run.weights_sha256, run.stored_as) == (None, None, None)
    assert (output.text, output.rendered_prompt, output.reasoning) == ("hi", None, None)
    with pytest.raises(VibeError, match="another process"):
        add(path, run_id)
    assert (output.repetitive, output.scorer_version) == (True, 1)
    for name in ("degenerate", "degenerate_by", "duplicates", "loop_period", "refusal"):
        assert getattr(output, name) is None
    assert (verdict.status, verdict.status_loose) == ("pass", None)
    assert (counts["repetitive"], counts["degenerate"]) == (1, None)


def test_scores_are_written_whole_and_replaced_whole(db: Path) -> None:
    run_id = create(db)
    looping = "hi " + "and so on " * 40
    add(db, run_id, looping)
    wanted = score_output(PROMPT, looping, [1])
    with store.reading(db) as connection:
        [output] = store.read_outputs(connection, "s")
        [texts] = store.read_texts(connection, run_id, store.text_keys(connection, run_id))
        [row] = store.read_scores(connection, "s")
    for name in SCORE_COLUMNS:
        value = getattr(output, name)
        value = tuple(value) if isinstance(value, list) else value
        assert value == getattr(wanted, name), name
    assert row.duplicates is None
    assert (texts.text, texts.token_ids, texts.finish_reason) == (looping, [1, 2], "eos")
    with store.writing(db) as connection:
        again = [("p1", 0, score_output(PROMPT, "no"))]
        store.replace_scores(connection, run_id, again, SCORER_VERSION)
    with store.reading(db) as connection:
        [output] = store.read_outputs(connection, "s")
        [[verdict]] = store.read_verdicts(connection, "s").values()
    assert (output.degenerate, verdict.status) == (None, "fail")
    assert output.text == looping


def test_a_newer_schema_is_refused(db: Path) -> None:
    with store.writing(db) as connection:
        connection.execute("INSERT INTO schema_version VALUES (?)", [len(MIGRATIONS) + 1])
    for opening in (lambda: store.reading(db).__enter__(), lambda: store.prepare(db)):
        with pytest.raises(InputError, match="Update Vibe check"):
            opening()


def test_unknown_names_list_what_there_is(db: Path) -> None:
    create(db)
    with store.reading(db) as connection:
        with pytest.raises(InputError, match=r"no study 'x'.*: s\."):
            store.read_study(connection, "x")
        with pytest.raises(InputError, match=r"no prompt 'x'.*p1"):
            store.read_outputs(connection, "s", "x")
        with pytest.raises(InputError, match=r"no config 'x'.*1M-bf16"):
            store.read_outputs(connection, "s", None, "x")


def test_the_content_key_follows_the_content(db: Path) -> None:
    before = content_key(db)
    assert content_key(db) == before
    create(db)
    assert content_key(db) != before


def test_a_compact_copy_holds_the_same(db: Path, tmp_path: Path) -> None:
    add(db, create(db))
    copy = tmp_path / "copy.duckdb"
    store.copy_compact(db, copy)
    assert not copy.with_name("copy.duckdb.wal").exists()
    with store.reading(db) as one:
        wanted = store.read_outputs(one, "s")
    with store.reading(copy) as other:
        assert store.read_outputs(other, "s") == wanted


def test_aggregates_are_compiled_from_names(db: Path) -> None:
    prompts = tuple(replace(PROMPT, id=f"p{i}") for i in range(4))
    runs = [RUN, replace(RUN, config="1M-4bit")]
    with store.writing(db) as connection:
        ids = store.create_study(connection, replace(STUDY, prompts=prompts), runs)
        timings = {"first_token_seconds": 0.5, "total_seconds": 2.0}
        alone = {"batch_size": 1, "finish_reason": "length", **timings}
        together = {"batch_size": 2, "finish_reason": "eos", **timings}
        score = score_output(PROMPT, "hi")
        for batch, rows in enumerate(
            (
                [("p0", {"new_tokens": 4, **alone}, score)],
                [("p1", {"new_tokens": 1, **alone}, None)],
                [(f"p{i}", {"new_tokens": 9, **together}, score) for i in (2, 3)],
            )
        ):
            store.add_generations(connection, ids["1M-bf16"], batch, rows, SCORER_VERSION)
    wanted = {
        "outputs": (Aggregate("count", "outputs"), 4),
        "scored": (Aggregate("count", "scores"), 3),
        "truncated": (Aggregate("count_true", "truncated"), 2),
        "adherent": (Aggregate("count_true", "adherent"), 3),
        "seconds": (Aggregate("sum", "batch_seconds"), 6.0),
        "tpot": (Aggregate("mean", "tpot_seconds"), 0.5),
        "ttft_p99": (Aggregate("quantile", "first_token_seconds", quantile=0.99), 0.5),
        "fewest": (Aggregate("min", "new_tokens"), 1),
        "most": (Aggregate("max", "new_tokens", where="tpot_seconds"), 4),
        "loose": (Aggregate("sum", "constraints_judged", where="adherent_loose"), None),
    }
    asked = {name: aggregate for name, (aggregate, _) in wanted.items()}
    with store.reading(db) as connection:
        full, empty = store.read_configs(connection, "s", asked)
        assert full.aggregates == {name: value for name, (_, value) in wanted.items()}
        assert empty.aggregates == dict.fromkeys(wanted)
        for wrong in (
            Aggregate("sum", "text"),
            Aggregate("sum", "new_tokens", where="adherent"),
            Aggregate("quantile", "new_tokens"),
        ):
            with pytest.raises(ValueError, match=r"x|text"):
                store.read_configs(connection, "s", {"x": wrong})


@pytest.mark.parametrize("reason", ["thinking", "non_finite"])
def test_what_was_asked_and_thought_is_kept_beside_the_answer(db: Path, reason: str) -> None:
    run_id = create(db)
    generation = Generation(
        text="",
        token_ids=(5, 6, 7),
        prompt_tokens=3,
        finish_reason=reason,  # type: ignore[arg-type]
        first_token_seconds=0.1,
        total_seconds=0.2,
        peak_memory_bytes=1,
        rendered_prompt="<|im_start|>user\nSay hi<|im_end|>\n",
        reasoning="They want a greeting.",
        reasoning_tokens=2,
    )
    with store.writing(db) as connection:
        rows = [("p1", store.generation_row(generation), None)]
        store.add_generations(connection, run_id, 0, rows, 2)
    with store.reading(db) as connection:
        [output] = store.read_outputs(connection, "s")
        texts = store.read_texts(connection, run_id, store.text_keys(connection, run_id))
    assert output.finish_reason == reason
    assert output.rendered_prompt == generation.rendered_prompt
    assert (output.reasoning, output.reasoning_tokens) == (generation.reasoning, 2)
    assert generation.answer_token_ids == (7,)
    assert len(texts) == (reason == "thinking")
    assert generation.answer == ("" if reason == "thinking" else None)


def test_the_writer_holds_the_keys_that_no_index_holds(db: Path) -> None:
    run_id = create(db)
    generation = {"text": "hi", "token_ids": [1], "finish_reason": "eos"}
    rows = [("p1", generation, score_output(PROMPT, "hi"))]
    with pytest.raises(VibeError, match="another process"), store.writing(db) as connection:
        store.add_generations(connection, run_id, 0, [*rows, *rows], SCORER_VERSION)

    def write() -> bool:
        try:
            with store.writing(db) as connection:
                store.add_generations(connection, run_id, 0, rows, SCORER_VERSION)
        except VibeError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        wrote = [future.result() for future in [pool.submit(write) for _ in range(4)]]
    assert sorted(wrote) == [False, False, False, True]
    with store.reading(db) as connection:
        assert connection.execute("SELECT count(*) FROM generation").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM verdict").fetchone() == (1,)
        keyed = connection.execute(
            "SELECT DISTINCT table_name FROM duckdb_constraints() "
            "WHERE constraint_type = 'PRIMARY KEY'"
        ).fetchall()
    assert {"generation", "score", "verdict"}.isdisjoint(name for (name,) in keyed)


def test_tables_without_keys_keep_their_defaults_and_checks(db: Path) -> None:
    with store.writing(db) as connection:
        connection.execute("INSERT INTO generation (run_id, prompt_id) VALUES (1, 'p')")
        assert connection.execute("SELECT sample FROM generation").fetchone() == (0,)
    with pytest.raises(VibeError), store.writing(db) as connection:
        connection.execute(
            "INSERT INTO generation (run_id, prompt_id, finish_reason) VALUES (1, 'q', 'x')"
        )
    verdict = "INSERT INTO verdict BY NAME SELECT 1 AS run_id, 'p' AS prompt_id, 0 AS position, "
    verdict += "'c' AS check_name, '{}' AS arguments, '' AS explanation, "
    with store.writing(db) as connection:
        connection.execute(f"{verdict} 'pass' AS status")
    with pytest.raises(VibeError), store.writing(db) as connection:
        connection.execute(f"{verdict} 'perhaps' AS status")


@pytest.mark.parametrize(
    "value", ["", "a\0b", "\ufeff'\"\\", "ﬁ 👩‍👩‍👧 \u202e", "x" * 100_000, "[1, 2]", "NULL"]
)
def test_text_is_stored_as_it_is(db: Path, value: str) -> None:
    run_id = create(db)
    generation = {"text": value, "token_ids": [], "reasoning": None, "rendered_prompt": value}
    with store.writing(db) as connection:
        store.add_generations(connection, run_id, 0, [("p1", generation, None)], SCORER_VERSION)
    with store.reading(db) as connection:
        [row] = store.read_outputs(connection, "s")
    assert (row.text, row.rendered_prompt, row.token_ids, row.reasoning) == (value, value, [], None)


@pytest.mark.parametrize("count", [2, 40])
def test_outputs_of_some_configs_are_those_of_all_less_the_others(db: Path, count: int) -> None:
    names = [f"m{number}-bf16" for number in range(count)]
    with store.writing(db) as connection:
        runs = store.create_study(
            connection, STUDY, [replace(RUN, config=name, model=name) for name in names]
        )
        other = store.create_study(connection, replace(STUDY, name="t"), [RUN])
        for name, run_id in {**runs, **other}.items():
            rows = [("p1", {"text": name}, score_output(PROMPT, name))]
            store.add_generations(connection, run_id, 0, rows, SCORER_VERSION)
    with store.reading(db) as connection:
        for prompt in (None, "p1"):
            outputs = store.read_outputs(connection, "s", prompt)
            verdicts = store.read_verdicts(connection, "s", prompt)
            assert [row.text for row in outputs] == [row.config for row in outputs] == names
            assert [config for config, _, _ in verdicts] == names
            for some in (names[1:2], names[-2:], names):
                found = store.read_outputs(connection, "s", prompt, configs=some)
                assert found == [row for row in outputs if row.config in some]
                judged = store.read_verdicts(connection, "s", prompt, some)
                assert judged == {key: verdicts[key] for key in verdicts if key[0] in some}
            assert store.read_outputs(connection, "s", prompt, names[0]) == outputs[:1]
        assert store.read_outputs(connection, "s", configs=["none"]) == []

"""Databases that are not as they were written: each is read as it was, or refused in a sentence."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import duckdb
import pytest

from vibecore import read_summary, store
from vibecore.core.errors import InputError
from vibecore.store.damage import HEADER, WHAT_TO_DO, checksum, refuse_damaged_log, whole_until
from vibecore.studies.published import add_published

PLACES = 24
COMMITS = 3


@pytest.fixture(scope="module")
def logged_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose last commits are in its log alone, as a killed writer leaves them."""
    path = tmp_path_factory.mktemp("logged") / "logged.duckdb"
    store.prepare(path)
    add_published(path)
    for note in range(COMMITS):
        with store.Writer(path).writing() as connection:
            store.set_note(connection, "published", f"note {note}")
    assert log_of(path).exists()
    return path


def log_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def copied(path: Path, folder: Path, log: bytes | None = None) -> Path:
    copy = Path(shutil.copy(path, folder / "copy.duckdb"))
    if log is not None:
        log_of(copy).write_bytes(log)
    return copy


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :]


def entries(data: bytes) -> list[int]:
    """Where each entry of a log begins."""
    places, place = [], len(HEADER)
    while place < len(data):
        places.append(place)
        place += 16 + struct.unpack_from("<Q", data, place)[0]
    return places


def note_of(path: Path) -> str | None:
    with store.reading(path) as connection:
        return store.read_study(connection, "published").note


def test_a_byte_that_is_another_is_never_another_figure(published_db: Path, tmp_path: Path) -> None:
    def ask(db: Path) -> object:
        with store.reading(db) as connection:
            return (
                store.read_configs(connection, "published"),
                store.read_outputs(connection, "published"),
            )

    truth, data, refused = ask(published_db), published_db.read_bytes(), 0
    for number in range(PLACES):
        db = tmp_path / f"{number}.duckdb"
        db.write_bytes(flipped(data, (2 * number + 1) * len(data) // (2 * PLACES)))
        try:
            assert ask(db) == truth
        except InputError as error:
            assert str(db) in str(error)
            refused += 1
    assert refused


def test_what_a_query_finds_damaged_is_said_with_what_to_do(
    published_db: Path, tmp_path: Path
) -> None:
    data = published_db.read_bytes()
    # A text of the suite, in a block that no opening reads.
    place = data.index(b"Write a Python function")
    db = tmp_path / "damaged.duckdb"
    db.write_bytes(flipped(data, place))
    with pytest.raises(InputError, match="is damaged") as caught, store.reading(db) as connection:
        store.read_prompts(connection, "published")
    assert isinstance(caught.value.__cause__, duckdb.Error)
    assert WHAT_TO_DO in str(caught.value)
    target = tmp_path / "target.duckdb"
    with pytest.raises(InputError, match=r"damaged\.duckdb is damaged"):
        store.copy_studies(db, target)
    with store.reading(target) as connection:
        assert store.list_studies(connection) == []


def test_every_length_of_a_log_is_checked(logged_db: Path) -> None:
    data = log_of(logged_db).read_bytes()
    assert len(entries(data)) >= 3 * COMMITS
    for place in entries(data):
        length, expected = struct.unpack_from("<QQ", data, place)
        assert checksum(data[place + 16 : place + 16 + length]) == expected
        for byte in range(place, place + 8):
            left_out = flipped(data, byte)
            unreachable = struct.unpack_from("<Q", left_out, place)[0] > len(data)
            assert whole_until(left_out) is None or not unreachable, (place, byte)
    for byte in range(len(HEADER)):
        assert whole_until(flipped(data, byte)) is None


def test_a_log_that_a_kill_cut_off_is_not_damaged(logged_db: Path, tmp_path: Path) -> None:
    data = log_of(logged_db).read_bytes()
    assert whole_until(data) == len(data)
    assert all(whole_until(data[:length]) is not None for length in range(len(data)))
    half = whole_until(data[:-1])
    assert half is not None
    assert whole_until(data, half) == len(data), "it is read on from where it was whole"
    db = copied(logged_db, tmp_path, data[:-1])
    assert note_of(db) == f"note {COMMITS - 2}"


def test_a_log_that_would_lose_commits_without_a_word_is_refused(
    logged_db: Path, tmp_path: Path
) -> None:
    data = log_of(logged_db).read_bytes()
    assert note_of(copied(logged_db, tmp_path, data)) == f"note {COMMITS - 1}"
    broken = flipped(data, entries(data)[1] + 2)
    db = copied(logged_db, tmp_path, broken)
    with duckdb.connect(str(db), read_only=True) as connection:
        assert connection.execute("SELECT note FROM study").fetchone() != (
            f"note {COMMITS - 1}",
        ), "DuckDB opens it and leaves commits out"
    for opened in (store.reading, store.writing):
        with pytest.raises(InputError, match=r"copy\.duckdb\.wal.*damaged"), opened(db):
            pass
    assert log_of(db).read_bytes() == broken
    log_of(db).unlink()
    assert not str(note_of(db)).startswith("note "), "the log is gone, the file is read"


def test_a_new_log_under_the_old_one_s_inode_is_read_from_its_start(
    logged_db: Path, tmp_path: Path
) -> None:
    """As a file system gives a file that is made anew after a checkpoint the number of the old."""
    data = log_of(logged_db).read_bytes()
    second = entries(data)[1]
    db = copied(logged_db, tmp_path, data[:second])
    refuse_damaged_log(db)
    other = data[: len(HEADER)] + data[second:] + data[len(HEADER) : second]
    log_of(db).write_bytes(other)
    refuse_damaged_log(db)
    log_of(db).write_bytes(flipped(other, entries(other)[1] + 2))
    with pytest.raises(InputError, match=r"copy\.duckdb\.wal.*damaged"):
        refuse_damaged_log(db)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE score",
        "ALTER TABLE generation DROP COLUMN text",
        "ALTER TABLE run ADD COLUMN another INTEGER",
        "UPDATE study SET protocol = '[1]'",
        "UPDATE run SET environment = '[]'",
        "UPDATE run SET environment = '1'",
    ],
)
def test_tables_that_something_else_changed_are_refused_in_words(
    published_db: Path, tmp_path: Path, change: str
) -> None:
    db = copied(published_db, tmp_path)
    with duckdb.connect(str(db)) as connection:
        connection.execute(change)
    with pytest.raises(InputError, match="does not hold what Vibe check stores"):
        read_summary(db, "published")
        with store.reading(db) as connection:
            store.read_outputs(connection, "published")


def test_an_error_of_the_reader_itself_is_not_blamed_on_the_file(published_db: Path) -> None:
    with pytest.raises(ValueError, match="the reader"), store.reading(published_db):
        raise ValueError("the reader")
    with pytest.raises(duckdb.ParserException), store.reading(published_db) as connection:
        connection.execute("SELEC 1")

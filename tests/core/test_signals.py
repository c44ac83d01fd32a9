"""Ctrl-C while the database is in use: what is being written is written, and it stays Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vibecore import read_outputs, read_runs, store
from vibecore.core.signals import INTERRUPTED_QUERY, ended_as_by_ctrl_c
from vibecore.store import connection as connections
from vibecore.studies.dispatch import attempt
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study

# Some tenths of a second: DuckDB does not always look for signals before a query's end.
QUERY = "SELECT sum(a.range * b.range) FROM range(10000) a, range(10000) b"


def test_a_write_is_finished_before_it_is_interrupted(db: Path) -> None:
    with pytest.raises(KeyboardInterrupt), store.writing(db) as connection:
        connection.execute("CREATE TABLE kept (number INTEGER)")
        signal.raise_signal(signal.SIGINT)
        connection.execute("INSERT INTO kept SELECT range FROM range(1000)")
    with store.reading(db) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture
def in_background() -> Iterator[None]:
    """A process that a script has started with `&` ignores Ctrl-C."""
    wanted = {
        signal.SIGINT: signal.SIG_IGN,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_write_in_the_background_is_finished_before_it_is_ended(
    db: Path, in_background: None, name: str
) -> None:
    with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c() as came:
        with store.writing(db) as connection:
            connection.execute("CREATE TABLE kept (number INTEGER)")
            signal.raise_signal(getattr(signal, name))
            connection.execute("INSERT INTO kept SELECT range FROM range(1000)")
        raise AssertionError("it went on")
    assert [one.name for one in came] == [name]
    with store.reading(db) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def test_a_write_in_the_background_ignores_ctrl_c(db: Path, in_background: None) -> None:
    with ended_as_by_ctrl_c() as came, store.writing(db) as connection:
        connection.execute("CREATE TABLE kept (number INTEGER)")
        signal.raise_signal(signal.SIGINT)
    assert came == []
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_read_is_interrupted_as_by_ctrl_c(db: Path) -> None:
    with pytest.raises(KeyboardInterrupt), store.reading(db) as connection:
        threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
        while True:
            connection.execute(QUERY).fetchall()


@pytest.mark.parametrize("module", ["writer", "connection"])
def test_an_opening_to_write_is_interrupted_as_by_ctrl_c(
    db: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    def interrupted(*given: object, **named: object) -> None:
        raise RuntimeError(INTERRUPTED_QUERY)

    monkeypatch.setattr(f"vibecore.store.{module}.when_free", interrupted)
    opening = store.Writer(db).writing() if module == "writer" else store.writing(db)
    with pytest.raises(KeyboardInterrupt), opening:
        raise AssertionError("it was opened")


@pytest.mark.parametrize(
    "use", [store.check_writable, lambda path: store.reading(path).__enter__()]
)
def test_a_look_at_the_schema_is_interrupted_as_by_ctrl_c(
    use: Callable[[Path], object], published_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: object) -> int:
        raise RuntimeError(INTERRUPTED_QUERY)

    monkeypatch.setattr(connections, "_version", interrupted)
    with pytest.raises(KeyboardInterrupt):
        use(published_db)
    monkeypatch.undo()
    with store.writing(published_db, wait_seconds=0):
        pass


def test_another_error_of_a_read_is_what_it_was(db: Path) -> None:
    with pytest.raises(RuntimeError, match="of ours"), store.reading(db):
        raise RuntimeError("of ours")


def test_a_thread_that_gets_no_ctrl_c_writes_all_the_same(db: Path) -> None:
    def write() -> None:
        with store.writing(db) as connection:
            connection.execute("CREATE TABLE written (number INTEGER)")

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    with store.reading(db) as connection:
        assert connection.execute("SELECT count(*) FROM written").fetchone() == (0,)


@pytest.mark.parametrize(
    ("part", "together", "stored"),
    [
        ("start_run", 0.0, 0),
        ("add_batches", 0.0, 1),
        ("add_batches", 600.0, 30),
        ("finish_run", 0.0, 30),
    ],
)
def test_a_study_interrupted_while_it_stores_is_stopped_whole(
    db: Path,
    fake_worker,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    together: float,
    stored: int,
) -> None:
    monkeypatch.setattr(attempt, "TOGETHER_SECONDS", together)
    store_it = getattr(store, part)

    def interrupted(connection, *given, **named) -> None:
        signal.raise_signal(signal.SIGINT)
        store_it(connection, *given, **named)

    monkeypatch.setattr(store, part, interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(new_plan(Options(study="s", configs=("1M-bf16",)), db), lambda event: None)
    [run] = read_runs(db, "s")
    assert len(read_outputs(db, "s")) == stored
    assert run.status == ("complete" if stored == 30 else "stopped")


def test_an_interrupt_in_a_destructor_comes_again() -> None:
    class Slow:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
        Slow()
        time.sleep(30)
    assert sys.unraisablehook == before

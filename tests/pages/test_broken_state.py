"""A state folder in which something else stands in the place of a folder or a lock: a sentence, and
the pages are there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.launched import TWO_PROMPTS, made
from tests.support.pages import html, visit
from vibecore.core.errors import InputError
from vibecore.core.locks import locked
from vibecore.live import launch
from vibecore.live.launch import manage
from vibecore.runtime import device_queue, study_use
from vibecore.studies import own_suites
from vibecore.studies.plan import Options

# Each folder of the state folder, and each lock that is held in one.
FOLDERS = ["queue", "queue/cpu", "runs", "studies", "studies/changing", "suites", "gguf"]
LOCKS = ["queue/cpu/mutex.lock", "runs/door.lock", "studies/mutex.lock"]
# What stands in its way -> what comes to it.
USES: dict[str, Callable[[Path], object]] = {
    "queue": lambda db: device_queue.queue_of("cpu"),
    "queue/cpu": lambda db: device_queue.residents("cpu"),
    "queue/cpu/mutex.lock": lambda db: device_queue.acquire("cpu", "a try").__enter__(),
    "runs": launch.list_runs,
    "runs/door.lock": lambda db: launch.start(
        Options(configs=("1M-bf16",), study="s", suite=TWO_PROMPTS), db
    ),
    "studies": lambda db: study_use.writing_to(db, "s", "a run").__enter__(),
    "studies/changing": lambda db: study_use.changing(db, "s").__enter__(),
    "studies/mutex.lock": lambda db: manage.rename(db, "published", "other"),
}


def stand_in_the_way(state: Path, name: str) -> None:
    """A file in the place of a folder, a folder in the place of a lock."""
    place = state / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir() if name in LOCKS else place.touch()


@pytest.mark.parametrize("name", USES)
def test_it_is_told_in_a_sentence(name: str, state: Path, db: Path) -> None:
    stand_in_the_way(state, name)
    with pytest.raises(InputError, match=r"cannot be written: .* or set VIBECHECK_STATE"):
        USES[name](db)


def test_a_lock_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written"), locked(tmp_path):
        pass


def test_own_suites(state: Path) -> None:
    stand_in_the_way(state, "suites")
    assert own_suites.own_suite_names() == []


@pytest.mark.parametrize("name", [*FOLDERS, *LOCKS])
@pytest.mark.parametrize("page", ["try", "launch"])
def test_a_page_is_there(
    page: str, name: str, state: Path, studies: Path, use: Callable[[Path], None]
) -> None:
    use(studies)
    stand_in_the_way(state, name)
    assert "<h1" in html(visit(page))


@pytest.mark.timeout(120)
def test_a_pipe_in_the_place_of_a_record_is_not_waited_for(state: Path, db: Path) -> None:
    run = made(state, db=db)
    (run.folder / "record.json").unlink()
    os.mkfifo(run.folder / "record.json")
    assert launch.list_runs(db) == []
    with pytest.raises(InputError, match="no launched run"):
        launch.find(run.id)

"""Shared fixtures: temporary databases and a fake worker that needs no torch."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.support.chromium import ARGUMENTS, CHROMIUM
from vibecore import store
from vibecore.core.errors import RunError
from vibecore.core.paths import STATE_VARIABLE
from vibecore.core.records import GREEDY, Asking, Decoding, Generation, LoadReport, LoadRequest
from vibecore.studies.published import add_published

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 8 * 2**30
ENVIRONMENT = {"device": "cpu", "machine": {"cpu": "test", "cores": 1, "gpus": []}}


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C as in a terminal, for tests that send it: what a shell starts in the background
    ignores it, and so does every process begun by that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if _memory_has_room():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _memory_has_room() -> bool:
    """Whether the tests' temporary folders may be in memory. On a disk they wait for it: every
    transaction of every study is written through."""
    if not MEMORY.is_dir() or psutil.virtual_memory().available < MEMORY_NEEDED:
        return False
    there = os.statvfs(MEMORY)
    runs_programs = not there.f_flag & getattr(os, "ST_NOEXEC", 0)
    return runs_programs and there.f_bavail * there.f_frsize >= MEMORY_NEEDED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with few tests first: a test of theirs takes longest, and `make test`, whose processes
    take a file at a time, would wait for one that had begun it last."""
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: tests[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: object) -> Any:
    """Add what the browser showed to the report of a failed test."""
    report = yield
    visitor = getattr(item, "funcargs", {}).get("visitor")
    if report.when == "call" and report.failed and visitor is not None:
        report.sections.append(("Page", visitor.page.inner_text("body")))
    return report


@pytest.fixture(scope="session", autouse=True)
def state_of_fixtures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The state folder of what is made once for several tests: before any test has its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(STATE_VARIABLE, str(tmp_path_factory.mktemp("state-of-fixtures")))
        yield


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder, this test's own: nothing of the user's is read, queued for or changed."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv(STATE_VARIABLE, str(folder))
    return folder


@pytest.fixture(scope="session")
def prepared_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, prepared database, to copy."""
    path = tmp_path_factory.mktemp("prepared") / "test.duckdb"
    store.prepare(path)
    return path


@pytest.fixture
def db(tmp_path: Path, prepared_db: Path) -> Path:
    """An empty, prepared database."""
    return shutil.copy(prepared_db, tmp_path / "test.duckdb")


@pytest.fixture(scope="session")
def published_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the published study; tests only read it."""
    path = tmp_path_factory.mktemp("published") / "published.duckdb"
    store.prepare(path)
    add_published(path)
    return path


@dataclass
class FakeWorker:
    """Answers what `answer` says, in the place of a process with a model in it.

    `broken` maps config ids to the error their loading raises; `interrupt_after` raises
    KeyboardInterrupt after that many generations; `environment` is what a load reports.
    """

    answer: Callable[[str, str], str] = lambda config, prompt: f"an answer to {prompt}"
    broken: dict[str, str] = field(default_factory=dict)
    interrupt_after: int | None = None
    dummy: bool = False
    environment: dict[str, Any] = field(default_factory=lambda: dict(ENVIRONMENT))
    calls: list[tuple[str, list[str]]] = field(default_factory=list)
    decodings: list[Decoding] = field(default_factory=list)
    seeds: list[list[int]] = field(default_factory=list)
    asked: dict[str, Asking] = field(default_factory=dict)
    config: str = ""

    def __call__(self) -> FakeWorker:
        return self

    def __enter__(self) -> FakeWorker:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def wait_ready(self) -> None:
        return None

    def choose_device(self, device: str) -> str:
        if device == "cuda":
            raise RunError("CUDA was asked for, but there is none. Use --device cpu.")
        return "cpu"

    def load(self, request: LoadRequest) -> LoadReport:
        self.config = request.config_id
        self.asked[self.config] = request.asking
        if self.config in self.broken:
            raise RunError(self.broken[self.config])
        return LoadReport(0.5, 1000, "bfloat16", self.environment)

    def warm_up(self, prompts: Sequence[str]) -> None:
        return None

    def prepare(
        self, batches: Sequence[Sequence[str]], max_new_tokens: int, decoding: Decoding = GREEDY
    ) -> None:
        return None

    def generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        *,
        decoding: Decoding = GREEDY,
        seeds: Sequence[int] = (),
    ) -> list[Generation]:
        if self.interrupt_after is not None and len(self.calls) >= self.interrupt_after:
            raise KeyboardInterrupt
        self.calls.append((self.config, list(prompts)))
        self.decodings.append(decoding)
        self.seeds.append(list(seeds))
        return [
            Generation(
                text=None if self.dummy else self.answer(self.config, prompt),
                token_ids=tuple(range(10)),
                prompt_tokens=5,
                finish_reason="length",
                first_token_seconds=0.1,
                total_seconds=0.5,
                peak_memory_bytes=2000,
                batch_size=len(prompts),
            )
            for prompt in prompts
        ]

    def ask_to_generate(self, *arguments: Any, **named: Any) -> Callable[[], list[Generation]]:
        """As of a worker that begins a batch when its outputs are waited for."""
        return lambda: self.generate(*arguments, **named)


@pytest.fixture(scope="session")
def launch_chromium() -> Iterator[Callable[..., Browser]]:
    """Starts a Chromium, with arguments of the test's own besides; Playwright itself runs once for
    all tests, because it allows no second."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield lambda *arguments: playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments]
        )


@pytest.fixture
def fake_worker(monkeypatch: pytest.MonkeyPatch) -> FakeWorker:
    """A fake worker in the place of every worker process of a study."""
    worker = FakeWorker()
    monkeypatch.setattr("vibecore.studies.workers.Worker", worker)
    return worker

"""One attempt at a config: load it, generate what its job lacks, store each batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from vibecore import store
from vibecore.catalog.weights import load_request
from vibecore.core.records import Decoding, Generation, LoadReport, LoadRequest
from vibecore.studies.commits import Commits
from vibecore.studies.events import Event, OnEvent
from vibecore.studies.jobs import Job, Plan, PlannedBatch, require_same_place, require_same_sampler

# Batches that come sooner than this after the last storing are stored with the one that does not: a
# transaction of one output takes as long as 40 outputs in one (docs/size.md), and a kill loses no
# more than the work of so long besides.
TOGETHER_SECONDS = 0.5


class ConfigWorker(Protocol):
    """What an attempt needs of a worker: runtime.worker.Worker is one, and so is one that a node of
    a cluster holds (runtime.cluster.RemoteWorker). All raise RunError."""

    def load(self, request: LoadRequest) -> LoadReport:
        """Load a config."""
        ...

    def warm_up(self, prompts: Sequence[str]) -> None:
        """Run a few untimed tokens of these prompts."""
        ...

    def prepare(
        self, batches: Sequence[Sequence[str]], max_new_tokens: int, decoding: Decoding = ...
    ) -> None:
        """Prepare what these batches need before they are timed."""
        ...

    def ask_to_generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        *,
        decoding: Decoding = ...,
        seeds: Sequence[int] | None = None,
    ) -> Callable[[], list[Generation]]:
        """Begin outputs of the prompts as one batch; what is returned waits for them."""
        ...


@dataclass
class Attempt:
    """One attempt at a job. `batches_done` counts its batches that are stored."""

    plan: Plan
    job: Job
    commits: Commits
    on_event: OnEvent
    place: str | None = None
    batches_done: int = 0
    _kept: list[tuple[store.NewBatch, tuple[Generation, ...]]] = field(default_factory=list)
    _stored_at: float = 0.0

    @property
    def outputs_done(self) -> int:
        """Outputs of the config that are stored, earlier runs' included."""
        left = self.job.batches[self.batches_done :]
        return self.plan.outputs - sum(len(batch.prompts) for batch in left)

    @property
    def rest(self) -> Job:
        """The job without what is stored."""
        return replace(self.job, batches=self.job.batches[self.batches_done :])

    def emit(self, kind: str, **details: Any) -> None:
        """Tell what happened to the config."""
        done, total = self.outputs_done, self.plan.outputs
        self.on_event(Event(kind, self.job.config.id, done, total, place=self.place, **details))

    def run(self, worker: ConfigWorker) -> None:
        """Generate and store. Raises RunError; what is stored by then stays."""
        plan, job, protocol = self.plan, self.job, self.plan.protocol
        assert job.resolved is not None
        request = load_request(
            job.config, job.resolved, protocol.device, protocol.engine, protocol.asking
        )
        report = worker.load(request)
        require_same_place(job, report, mixed=plan.mixes_places)
        require_same_sampler(job, protocol, report)
        texts = [[prompt.text for prompt in batch.prompts] for batch in job.batches]
        worker.warm_up(texts[0])
        worker.prepare(texts, protocol.max_new_tokens, protocol.decoding)
        self.commits.start(job, report)
        self._stored_at = time.monotonic()
        self.emit("running", report=report)
        # A GPU's timings are not of this processor: it works on while its outputs are stored.
        ahead = report.environment.get("device") == "cuda"
        answer: Callable[[], list[Generation]] | None = None
        try:
            for number, batch in enumerate(job.batches):
                made = (answer or self._ask(worker, batch))()
                answer = None
                try:
                    if ahead and number + 1 < len(job.batches):
                        answer = self._ask(worker, job.batches[number + 1])
                finally:
                    self.keep(batch, made)
        finally:
            self.store_kept()

    def keep(self, batch: PlannedBatch, made: Sequence[Generation]) -> None:
        """Score a batch, and store it with what was kept before unless that was done just now; the
        next one, or `store_kept`, stores it then."""
        generations = tuple(
            replace(generation, sample=sample)
            for generation, sample in zip(made, batch.samples, strict=True)
        )
        self._kept.append((self.commits.score(self.job, batch, generations), generations))
        if time.monotonic() - self._stored_at >= TOGETHER_SECONDS:
            self.store_kept()

    def store_kept(self) -> None:
        """Store what is kept, then tell of it."""
        kept, self._kept = self._kept, []
        if not kept:
            return
        self.commits.add([batch for batch, _ in kept])
        self._stored_at = time.monotonic()
        for _, generations in kept:
            self.batches_done += 1
            self.emit("generated", generations=generations)

    def _ask(self, worker: ConfigWorker, batch: PlannedBatch) -> Callable[[], list[Generation]]:
        decoding = self.plan.protocol.decoding
        return worker.ask_to_generate(
            [prompt.text for prompt in batch.prompts],
            self.plan.protocol.max_new_tokens,
            decoding=decoding,
            seeds=[decoding.of_sample(sample).seed for sample in batch.samples],
        )

"""The loop of a fidelity measurement: config × reference text → distances → rows, and its
resumption.

A worker loads a config and its parent beside it, and both are led along the parent's outputs and
the running text. What is stored is never measured again; a kill loses the prompt in flight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from vibecore import store
from vibecore.catalog.models import Config
from vibecore.catalog.weights import USE_WEIGHTS, Resolved, load_request, resolve
from vibecore.core.errors import InputError, RunError
from vibecore.core.fidelity import FLOOR_WAYS, Reference, ReferenceText, TokenDistances, Way
from vibecore.core.machine import hardware
from vibecore.core.records import LoadRequest
from vibecore.runtime import fork_server, study_use
from vibecore.runtime.device_queue import QueueEntry
from vibecore.runtime.worker import Worker, WorkerDied
from vibecore.studies.fidelity.items import (
    Item,
    Portion,
    count_done,
    is_done,
    missing_portions,
    part_names,
)
from vibecore.studies.fidelity.left_out import note_left_out
from vibecore.studies.fidelity.plan import ALONE, Comparison, FidelityPlan, located
from vibecore.studies.jobs import refuse_changed_weights
from vibecore.studies.workers import each_worker, hold_device, settle_device


@dataclass(frozen=True)
class FidelityEvent:
    """What happened to a comparison, by its label.

    `kind` is `planned`, `loading`, `running`, `measured`, `left_out`, `complete` or `failed`;
    `done` of `total` reference texts are stored. `mean_kld` is that of the tokens just measured, in
    nats; `error` says why it failed, or why a way was left out. `waiting` and `crowded` are about
    the device, as in studies.run.Event, and name no comparison.
    """

    kind: str
    label: str
    done: int = 0
    total: int = 0
    mean_kld: float | None = None
    error: str | None = None
    others: tuple[QueueEntry, ...] = ()


OnEvent = Callable[[FidelityEvent], None]


def measure_fidelity(plan: FidelityPlan, on_event: OnEvent) -> dict[str, str]:
    """Measure what is missing of a plan. Returns `complete` or `failed` by comparison's label.

    Raises InputError, with nothing written, for weights that are missing or are not those the study
    ran with, and where part of it was measured on another machine.
    """
    with study_use.writing_to(plan.db, plan.study, "a fidelity measurement"):
        return _measure(plan, on_event)


def _measure(plan: FidelityPlan, on_event: OnEvent) -> dict[str, str]:
    statuses = {comparison.label: "complete" for comparison in plan.comparisons}
    left = _left(plan)
    if not left:
        _announce(plan, on_event)
        return statuses
    left = [located(comparison, plan.weights) for comparison in left]
    resolved = _resolve(plan, left)
    with ExitStack() as stack:
        stack.enter_context(fork_server.kept_running())
        first, device = settle_device(stack, plan.device, len(left))
        plan = replace(plan, device=device)
        _refuse_other_place(plan)

        def emit(kind: str, others: Sequence[QueueEntry]) -> None:
            on_event(FidelityEvent(kind, "", others=tuple(others)))

        hold_device(stack, device, f"fidelity of study {plan.study}", emit)
        if plan.again:
            _drop(plan)
        _announce(plan, on_event)
        # Another process may have done part of it during the wait.
        still = {comparison.label for comparison in _left(plan)}
        left = [comparison for comparison in left if comparison.label in still]
        for comparison, worker in zip(left, each_worker(stack, first, len(left)), strict=False):
            statuses[comparison.label] = _Measurement(plan, comparison, resolved, on_event).run(
                worker
            )
    return statuses


def _left(plan: FidelityPlan) -> list[Comparison]:
    """The comparisons with something to measure."""
    if plan.again:
        return list(plan.comparisons)
    with store.reading(plan.db) as connection:
        return [one for one in plan.comparisons if not is_done(connection, one, plan.text)]


def _announce(plan: FidelityPlan, on_event: OnEvent) -> None:
    with store.reading(plan.db) as connection:
        for one in plan.comparisons:
            done, total = count_done(connection, one, one.ways, ())
            on_event(FidelityEvent("planned", one.label, done, total))


def _resolve(plan: FidelityPlan, left: Sequence[Comparison]) -> dict[str, Resolved]:
    """Where the weights of these comparisons are, by config; refuses others than the study's."""
    configs: dict[str, Config] = {}
    for comparison in left:
        for config in (comparison.config, comparison.against):
            configs[config.id] = config
    resolved = {
        config.id: resolve(config, plan.weights, plan.device, USE_WEIGHTS)
        for config in configs.values()
    }
    with store.reading(plan.db) as connection:
        runs = store.read_configs(connection, plan.study)
    refuse_changed_weights(plan.study, runs, configs.values(), resolved)
    return resolved


def _refuse_other_place(plan: FidelityPlan) -> None:
    """Raise InputError where what will stand beside this plan's figures was measured elsewhere."""
    dropped = set(_dropped(plan))
    here = hardware(plan.device)
    with store.reading(plan.db) as connection:
        places = store.fidelity_places(connection, plan.study)
    for *what, place in places:
        if place != here and tuple(what) not in dropped:
            all_of_it = "--again, the running text too" if plan.text is None else "--again"
            raise InputError(
                f"Fidelity of the study '{plan.study}' was measured on {place}; this is "
                f"{here}, and its noise floor is another. Go on there, or measure all of it "
                f"here with {all_of_it}."
            )


def _drop(plan: FidelityPlan) -> None:
    with store.writing(plan.db) as connection:
        for what in _dropped(plan):
            store.drop_fidelity(connection, *what)


def _dropped(plan: FidelityPlan) -> list[tuple[int, int, Way, Reference]]:
    """(run id, id of the run it is held against, way, reference) of what a plan measures anew: of a
    text that it leaves out, nothing."""
    references: tuple[Reference, ...] = ("outputs",) if plan.text is None else ("outputs", "text")
    return [
        (one.run_id, one.against_run_id, way, reference)
        for one in (plan.comparisons if plan.again else ())
        for way in one.ways
        for reference in references
    ]


class _Measurement:
    """One comparison in one worker."""

    def __init__(
        self,
        plan: FidelityPlan,
        comparison: Comparison,
        resolved: Mapping[str, Resolved],
        on_event: OnEvent,
    ) -> None:
        self.plan = plan
        self.comparison = comparison
        self.resolved = resolved
        self.on_event = on_event
        self.place = hardware(plan.device)
        self.done = 0
        self.total = 0

    def run(self, worker: Worker) -> str:
        """Measure and store what is missing. Returns the status."""
        status, reason = "complete", None
        self._count(self.comparison.ways, ())
        self._emit("loading")
        try:
            with worker:
                self._run(worker)
        except WorkerDied as error:
            both = self.comparison.config.id
            if self.comparison.ways == ALONE:
                both += f" with {self.comparison.against.id} beside it"
            status, reason = "failed", f"{error} It had {both} to load."
        except RunError as error:
            status, reason = "failed", str(error)
        self._emit(status, error=reason)
        return status

    def _run(self, worker: Worker) -> None:
        comparison = self.comparison
        worker.load(self._request(comparison.config))
        ways = list(comparison.ways)
        if "alone" in ways:
            worker.call("fidelity.load_beside", self._request(comparison.against))
            worker.call("fidelity.shared_vocabulary")
        for way in [way for way in ways if way in FLOOR_WAYS]:
            if why := worker.call("fidelity.why_left_out", way):
                ways.remove(way)
                note_left_out(self.plan.db, comparison.run_id, way, why, self.place)
                self._emit("left_out", error=f"no noise floor by {way}: {why}")
        parts = self._parts(worker)
        names = [name for name, _ in parts]
        if parts:
            with store.writing(self.plan.db) as connection:
                ids = comparison.run_id, comparison.against_run_id
                store.drop_fidelity_text(connection, *ids, names)
        with store.reading(self.plan.db) as connection:
            portions = missing_portions(connection, comparison, ways, parts)
        self._count(ways, names)
        self._emit("running")
        for portion in portions:
            texts = [item.text for item in portion.items]
            found = worker.call("fidelity.measure", texts, portion.way)
            _refuse_another_prompt(portion.items, found)
            self._commit(portion, found)

    def _request(self, config: Config) -> LoadRequest:
        protocol = self.plan.protocol
        # Whatever engine made the outputs: distributions are transformers' (see engine/fidelity).
        return load_request(
            config, self.resolved[config.id], self.plan.device, "eager", protocol.asking
        )

    def _parts(self, worker: Worker) -> list[tuple[str, ReferenceText]]:
        """The parts of the running text with their names; none where it is left out."""
        if self.plan.text is None:
            return []
        texts = worker.call("fidelity.running_text", self.plan.text)
        return list(zip(part_names(self.plan.text, len(texts)), texts, strict=True))

    def _count(self, ways: Sequence[Way], names: Sequence[str]) -> None:
        with store.reading(self.plan.db) as connection:
            self.done, self.total = count_done(connection, self.comparison, ways, names)

    def _commit(self, portion: Portion, found: Sequence[TokenDistances]) -> None:
        rows = [
            (item.name, item.sample, distances)
            for item, distances in zip(portion.items, found, strict=True)
        ]
        with store.writing(self.plan.db) as connection:
            store.add_fidelity(
                connection,
                self.comparison.run_id,
                self.comparison.against_run_id,
                portion.way,
                portion.reference,
                rows,
                self.place,
            )
        self.done += len(rows)
        klds = [kld for distances in found for kld in distances.kld]
        self._emit("measured", mean_kld=math.fsum(klds) / len(klds) if klds else None)

    def _emit(self, kind: str, *, mean_kld: float | None = None, error: str | None = None) -> None:
        self.on_event(
            FidelityEvent(kind, self.comparison.label, self.done, self.total, mean_kld, error)
        )


def _refuse_another_prompt(items: Sequence[Item], found: Sequence[TokenDistances]) -> None:
    """Raise RunError where a prompt is not put to the model as it was for its output: a tokenizer
    or a chat template that has changed since, or one that names the day."""
    for item, distances in zip(items, found, strict=True):
        if item.prompt_tokens not in (None, distances.prompt_tokens):
            raise RunError(
                f"The prompt {item.name} has {distances.prompt_tokens} tokens as it is asked now, "
                f"and had {item.prompt_tokens} in the study: the tokenizer or the chat template "
                "has changed. Put the earlier files back, or run the study again."
            )

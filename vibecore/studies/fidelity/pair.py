"""Any two models held against each other: what the second one answers to a suite's prompts, and a
running text. Nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from vibecore.catalog.engines import is_native
from vibecore.catalog.models import MODELS, Config, label_of_files, own_models
from vibecore.catalog.precisions import AS_IS, find_precision
from vibecore.catalog.reference_text import reference_text
from vibecore.catalog.suites import Suite
from vibecore.catalog.vocabulary import refuse_other_tokens
from vibecore.catalog.weights import GIVE_A_PATH, Resolved, load_request, resolve
from vibecore.core.errors import RunError
from vibecore.core.fidelity import (
    BATCH_TEXTS,
    FILE_WAYS,
    PARENT_WAYS,
    FidelityTokens,
    Reference,
    ReferenceText,
    TokenDistances,
    Way,
)
from vibecore.core.machine import hardware
from vibecore.core.paths import given_path
from vibecore.core.records import Asking
from vibecore.runtime import fork_server
from vibecore.runtime.device_queue import QueueEntry
from vibecore.runtime.worker import Worker
from vibecore.scoring import load_suite
from vibecore.studies.fidelity.items import part_names
from vibecore.studies.fidelity.measure import FidelityEvent, OnEvent
from vibecore.studies.limits import DEVICES, MOST_TOKENS, one_of, within
from vibecore.studies.plan import DEFAULT_SUITE, SWITCH
from vibecore.studies.workers import each_worker, hold_device, settle_device

# Reference texts by their names.
Texts = list[tuple[str, ReferenceText]]


@dataclass(frozen=True)
class PairPlan:
    """`config` is held against `against`, whose greedy outputs to the suite's prompts, of at most
    `max_new_tokens`, are the reference; so is `text`, unless it is None."""

    config: Config
    against: Config
    suite: Suite
    max_new_tokens: int
    asking: Asking
    device: str
    text: str | None


def pair_plan(
    model: str,
    against: str,
    *,
    precision: str | None = None,
    against_precision: str | None = None,
    suite: str | None = None,
    max_new_tokens: int = 200,
    device: str = "auto",
    chat: str = "auto",
    with_text: bool = True,
) -> PairPlan:
    """The plan of two models: folders, GGUF files, hub ids or names of the catalogue. A precision
    is bf16 where it is None, `as-is` of a folder that is quantised already.

    Raises InputError for what does not exist.
    """
    config, other = _config(model, precision), _config(against, against_precision)
    if config.model.name == other.model.name and config.model.source != other.model.source:
        # Folders of one name in two places.
        named = own_models((config.model.source, other.model.source))
        config, other = (
            Config(one, half.precision) for one, half in zip(named, (config, other), strict=True)
        )
    return PairPlan(
        config,
        other,
        load_suite(suite or DEFAULT_SUITE),
        within("--max-new-tokens", max_new_tokens, 1, MOST_TOKENS),
        Asking(one_of("--chat", chat, SWITCH)),
        one_of("--device", device, DEVICES),
        reference_text() if with_text else None,
    )


def measure_pair(plan: PairPlan, on_event: OnEvent) -> list[FidelityTokens]:
    """Hold the plan's config against the other, and that one against itself (the noise floor).

    Raises InputError for weights that are missing, and where the files say that the two cannot be
    compared; RunError where that shows once a tokenizer or the models are loaded.
    """
    both = plan.config, plan.against
    resolved = [resolve(config, "hub", plan.device, GIVE_A_PATH) for config in both]
    _refuse_by_files(plan, resolved)
    with ExitStack() as stack:
        stack.enter_context(fork_server.kept_running())
        first, device = settle_device(stack, plan.device, 2)

        def emit(kind: str, others: Sequence[QueueEntry]) -> None:
            on_event(FidelityEvent(kind, "", others=tuple(others)))

        hold_device(stack, device, "fidelity of two models", emit)
        own, other = each_worker(stack, first, 2), _Loaded(plan, resolved, device)
        with next(own) as worker:
            references, floors = other.of_reference(worker, on_event)
        with next(own) as worker:
            return [*floors, *other.held_against(worker, references, on_event)]


def _config(source: str, precision: str | None) -> Config:
    model = None if given_path(source).exists() else MODELS.get(source)
    model = model or own_models((source,))[0]
    own = label_of_files(model)
    if own is not None and precision in (None, AS_IS):
        return Config(model, own)
    return Config(model, find_precision(precision or "bf16"))


def _refuse_by_files(plan: PairPlan, resolved: Sequence[Resolved]) -> None:
    """Raise InputError where the files of the two say that their token ids do not compare."""
    config, other = resolved
    if config.folder is not None and other.folder is not None:
        specs = plan.config.model.spec, plan.against.model.spec
        one, two = (None if spec is None else spec.vocab_size for spec in specs)
        names = plan.config.id, plan.against.id
        refuse_other_tokens(names, (config.folder, other.folder), (one, two))


class _Loaded:
    """The two models of a plan, in the workers that hold them."""

    def __init__(self, plan: PairPlan, resolved: Sequence[Resolved], device: str) -> None:
        config, against = resolved
        self.plan = plan
        self.request = load_request(plan.config, config, device, "eager", plan.asking)
        self.other = load_request(plan.against, against, device, "eager", plan.asking)
        self.place = hardware(device)

    def of_reference(
        self, worker: Worker, on_event: OnEvent
    ) -> tuple[dict[Reference, Texts], list[FidelityTokens]]:
        """The reference texts, and the noise floor over them."""
        plan, name = self.plan, self.plan.against.id
        on_event(FidelityEvent("loading", f"{name} (outputs)", 0, len(plan.suite.prompts)))
        worker.load(self.other)
        # Before it is asked to answer anything.
        prompts = [prompt.text for prompt in plan.suite.prompts]
        worker.call("fidelity.refuse_other_tokens", self.request, prompts)
        references: dict[Reference, Texts] = {"outputs": []}
        for number, prompt in enumerate(plan.suite.prompts, start=1):
            [made] = worker.generate([prompt.text], plan.max_new_tokens)
            if made.token_ids and made.finish_reason != "non_finite":
                text = ReferenceText(tuple(made.token_ids), prompt.text)
                references["outputs"].append((prompt.id, text))
            done = number, len(plan.suite.prompts)
            on_event(FidelityEvent("generated", f"{name} (outputs)", *done))
        if plan.text is not None:
            parts = worker.call("fidelity.running_text", plan.text)
            names = part_names(plan.text, len(parts))
            references["text"] = list(zip(names, parts, strict=True))
        if not any(references.values()):
            raise RunError(f"{name} answers no prompt with a token: there is nothing to compare.")
        label, ways = f"{name} (noise floor)", []
        for way in FILE_WAYS if is_native(plan.against) else PARENT_WAYS:
            if why := worker.call("fidelity.why_left_out", way):
                on_event(FidelityEvent("left_out", label, error=f"no noise floor by {way}: {why}"))
            else:
                ways.append(way)
        return references, self._measure(worker, label, ways, references, on_event)

    def held_against(
        self, worker: Worker, references: dict[Reference, Texts], on_event: OnEvent
    ) -> list[FidelityTokens]:
        """The config against the other, over the reference texts."""
        on_event(FidelityEvent("loading", self.plan.config.id))
        worker.load(self.request)
        worker.call("fidelity.load_beside", self.other)
        worker.call("fidelity.shared_vocabulary")
        return self._measure(worker, self.plan.config.id, ["alone"], references, on_event)

    def _measure(
        self,
        worker: Worker,
        label: str,
        ways: Sequence[Way],
        references: dict[Reference, Texts],
        on_event: OnEvent,
    ) -> list[FidelityTokens]:
        config = self.plan.config if "alone" in ways else self.plan.against
        total, done = len(ways) * sum(map(len, references.values())), 0
        found = []
        for way in ways:
            size = BATCH_TEXTS if way == "batch" else 1
            for reference, texts in references.items():
                rows: list[TokenDistances] = []
                for start in range(0, len(texts), size):
                    some = [text for _, text in texts[start : start + size]]
                    rows += worker.call("fidelity.measure", some, way)
                    done += len(some)
                    kld = _mean([value for row in rows[-len(some) :] for value in row.kld])
                    on_event(FidelityEvent("measured", label, done, total, kld))
                if rows:
                    names = [name for name, _ in texts]
                    found.append(
                        _tokens(
                            config.id, self.plan.against.id, way, reference, names, rows, self.place
                        )
                    )
        on_event(FidelityEvent("complete", label, done, total))
        return found


def _tokens(
    config: str,
    against: str,
    way: Way,
    reference: Reference,
    names: Sequence[str],
    rows: Sequence[TokenDistances],
    place: str,
) -> FidelityTokens:
    """What the store reads of distances that it keeps."""
    import numpy as np

    def joined(name: str, kind: type) -> np.ndarray:
        return np.array([value for row in rows for value in getattr(row, name)], kind)

    return FidelityTokens(
        config=config,
        against=against,
        way=way,
        reference=reference,
        items=tuple(names),
        item_of=np.repeat(np.arange(len(rows)), [len(row.kld) for row in rows]),
        kld=joined("kld", float),
        same_top=joined("same_top", bool),
        log_p=joined("log_p", float),
        parent_log_p=joined("parent_log_p", float),
        seconds=sum(row.seconds for row in rows),
        peak_memory_bytes=max(row.peak_memory_bytes for row in rows),
        measured_on=place,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None

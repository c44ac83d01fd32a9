"""The rows of a new study, and the batches each config is missing."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vibecore import store
from vibecore.catalog.chat import why_not
from vibecore.catalog.models import Config
from vibecore.catalog.suites import Prompt, Suite
from vibecore.catalog.weights import Resolved, asking_for
from vibecore.core.errors import InputError, RunError
from vibecore.core.machine import free_bytes
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import EARLIER_SAMPLER, LoadReport, Protocol
from vibecore.core.rows import RunRow
from vibecore.studies import digests
from vibecore.studies.batches import auto_batch_size, make_batches

# A prompt, and the number of its sample.
Output = tuple[Prompt, int]


@dataclass(frozen=True)
class Plan:
    """A study that is about to run. `weights` is `hub`, `dummy` or a folder (see
    catalog.weights.resolve); `auto_batch`: the batch size is what memory allows; `extends`: its
    configs are added to a study that exists; `note` goes with a new one. `gpus` are those of this
    machine that run configs side by side (see dispatch.gpus.chosen_gpus), `cluster` the address of
    a Ray cluster that does; both None for one device of this machine."""

    db: Path
    name: str
    suite: Suite
    configs: tuple[Config, ...]
    protocol: Protocol
    weights: str = "hub"
    auto_batch: bool = False
    extends: bool = False
    note: str | None = None
    gpus: str | None = None
    cluster: str | None = None

    @property
    def mixes_places(self) -> bool:
        """Whether outputs may be of several kinds of hardware."""
        return self.gpus is not None or self.cluster is not None

    @property
    def outputs(self) -> int:
        """How many outputs each config makes in all."""
        return len(self.suite.prompts) * self.protocol.samples

    @property
    def most_together(self) -> int:
        """How many outputs a batch of any size has room for (see _outputs_together)."""
        return self.outputs if self.protocol.decoding.sampled else len(self.suite.prompts)


@dataclass(frozen=True)
class PlannedBatch:
    """Prompts that are decoded together, each for its sample of the number that stands in its place
    in `samples`. `index` is its place among all batches of the run."""

    index: int
    prompts: tuple[Prompt, ...]
    samples: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """A config, with the outputs that it still has to make in the batches they were planned in.

    `resolved` is None where it has none to make. `begun_on` is the environment of what its study
    has already, of this config where it has any.
    """

    run_id: int
    config: Config
    resolved: Resolved | None
    batches: tuple[PlannedBatch, ...]
    begun_on: Mapping[str, Any] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """How many outputs are left to make."""
        return sum(len(batch.prompts) for batch in self.batches)


def refuse_existing(plan: Plan) -> None:
    """Raise InputError where the database already has a study of the plan's name."""
    if not plan.db.exists():
        return
    with store.reading(plan.db) as connection:
        if store.study_exists(connection, plan.name):
            raise InputError(
                f"{plan.db} already has a study '{plan.name}'. Choose another --study name, or "
                "add --resume to do what is missing of it."
            )


def create_rows(plan: Plan, resolved: Mapping[str, Resolved], hardware_now: str) -> None:
    """Write a new study with its prompts and pending runs; `resolved` is by config id."""
    with store.writing(plan.db) as connection:
        study = store.NewStudy(
            name=plan.name,
            source="measured",
            title=plan.name,
            suite=plan.suite.name,
            suite_sha256=plan.suite.sha256,
            prompts=plan.suite.prompts,
            prompt_count=len(plan.suite.prompts),
            protocol=plan.protocol,
            hardware=hardware_now,
            code_commit=code_commit(),
            created_at=store.now(),
            note=plan.note,
        )
        store.create_study(
            connection,
            study,
            [_new_run(plan, config, resolved[config.id]) for config in plan.configs],
        )


def add_rows(plan: Plan, resolved: Mapping[str, Resolved], hardware_now: str) -> None:
    """Write the pending runs of a plan that extends its study.

    Raises InputError, with nothing written, where this is another machine than the study's, and
    where another process has just added one of the configs.
    """
    with store.writing(plan.db) as connection:
        study = store.read_study(connection, plan.name)
        if not plan.mixes_places and study.hardware not in (None, hardware_now):
            raise InputError(
                f"The study '{plan.name}' was measured on {study.hardware}; this is "
                f"{hardware_now}. Their speeds do not compare: extend it there, or start a study "
                "of another name."
            )
        known = {run.config for run in store.read_configs(connection, plan.name)}
        if again := [config.id for config in plan.configs if config.id in known]:
            raise InputError(f"The study '{plan.name}' has {', '.join(again)} already.")
        store.add_runs(
            connection,
            study.study_id,
            [_new_run(plan, config, resolved[config.id]) for config in plan.configs],
        )
        kinds = {found.weights for found in resolved.values()}
        if study.protocol and kinds != {study.protocol.weights}:
            store.set_protocol(connection, plan.name, replace(study.protocol, weights="mixed"))


def settle_rows(plan: Plan) -> None:
    """Call the runs of a study complete that have all their outputs, however they ended."""
    with store.writing(plan.db) as connection:
        store.settle_runs(connection, plan.name)


def seal_rows(plan: Plan) -> None:
    """Write the digests and the checksum of a study whose run has ended."""
    with store.writing(plan.db) as connection:
        digests.seal(connection, plan.name)


def unfinished(plan: Plan) -> tuple[Config, ...]:
    """The configs of an existing study that lack outputs: only their weights are needed."""
    with store.reading(plan.db) as connection:
        runs = {run.config: run.run_id for run in store.read_configs(connection, plan.name)}
        return tuple(
            config for config in plan.configs if store.missing_prompts(connection, runs[config.id])
        )


def refuse_asking(plan: Plan, resolved: Mapping[str, Resolved], *, new: bool) -> None:
    """Raise InputError where prompts cannot be put to a model as the protocol says, and where a
    system message or a switch for thinking would reach none of a `new` study's models."""
    asking = plan.protocol.asking
    asked = {config: asking_for(asking, found) for config, found in resolved.items()}
    for config, how in asked.items():
        if reason := why_not(resolved[config].template, how):
            raise InputError(f"{config} cannot be asked like this: {reason}")
    if not new:
        return
    if all(how.system != asking.system for how in asked.values()):
        raise InputError(
            "--system would have no effect: no config is asked through a chat template. Leave it "
            "out, or use --chat on for a base model that has one."
        )
    if all(how.thinking != asking.thinking for how in asked.values()):
        raise InputError(
            f"--thinking {asking.thinking} would have no effect: no config's chat template has "
            "such a switch. Leave it out."
        )


def refuse_other_weights(plan: Plan, resolved: Mapping[str, Resolved]) -> None:
    """Raise InputError where a model's weights are not those that its study ran it with: changed
    since, or another model of the same name."""
    with store.reading(plan.db) as connection:
        runs = store.read_configs(connection, plan.name)
    refuse_changed_weights(plan.name, runs, plan.configs, resolved)


def refuse_changed_weights(
    study: str,
    runs: Iterable[RunRow],
    configs: Iterable[Config],
    resolved: Mapping[str, Resolved],
) -> None:
    """Raise InputError where the weights of one of these configs, by its id in `resolved`, are not
    those that the study's runs have of its model."""
    runs = list(runs)
    for config in configs:
        found = resolved.get(config.id)
        if found is None or found.sha256 is None:
            continue
        source = _source(config, found)
        for run in runs:
            known = run.weights_sha256
            if run.model == config.model.name and (
                known != found.sha256 if known else run.source != source
            ):
                raise InputError(
                    f"The weights of {config.model.name} are not those that the study '{study}' "
                    f"ran {run.config} with: {_said(run.source, known)} then, "
                    f"{_said(source, found.sha256)} now. Put the earlier ones back, or start a "
                    "study of another name."
                )


def _said(source: str, identity: str | None) -> str:
    """A source with the identity of its weights, where it is known."""
    return f"{source} (weights {identity[:12]})" if identity else source


def remaining_jobs(plan: Plan, resolved: Mapping[str, Resolved]) -> Iterator[Job]:
    """What each config still has to do. A batch is committed whole, so it is missing whole."""
    batches = _outputs_together(plan)
    with store.reading(plan.db) as connection:
        runs = {run.config: run for run in store.read_configs(connection, plan.name)}
        missing = {
            config: store.missing_prompts(connection, run.run_id) for config, run in runs.items()
        }
        begun = {
            config: store.count_batches(connection, run.run_id) for config, run in runs.items()
        }
    begun_on: Mapping[str, Any] = next(
        (run.environment for run in runs.values() if run.generations), {}
    )
    for config in plan.configs:
        run = runs[config.id]
        yield Job(
            run.run_id,
            config,
            resolved.get(config.id),
            tuple(_missing_of(batches, missing[config.id], begun[config.id])),
            run.environment if run.generations else begun_on,
        )


def _outputs_together(plan: Plan) -> list[tuple[Output, ...]]:
    """The outputs of each batch. Where several sampled ones are decoded together, those of a prompt
    are neighbours, so that they share its prefill; else each batch is for samples of one number."""
    prompts, protocol = plan.suite.prompts, plan.protocol
    size, samples = protocol.batch_size, range(protocol.samples)
    if size > 1 and protocol.decoding.sampled:
        ordered = [prompt for batch in make_batches(prompts, size) for prompt in batch]
        outputs = [(prompt, sample) for prompt in ordered for sample in samples]
        return [tuple(outputs[start : start + size]) for start in range(0, len(outputs), size)]
    return [
        tuple((prompt, sample) for prompt in batch)
        for sample, batch in itertools.product(samples, make_batches(prompts, size))
    ]


def _missing_of(
    batches: Iterable[tuple[Output, ...]], missing: Set[tuple[str, int]], begun: int
) -> Iterator[PlannedBatch]:
    """Each batch with something missing, numbered on from the `begun` ones that are stored. A study
    of an earlier version, whose batches were made otherwise, can lack a part of one."""
    for batch in batches:
        left = [(prompt, sample) for prompt, sample in batch if (prompt.id, sample) in missing]
        if left:
            prompts, samples = zip(*left, strict=True)
            yield PlannedBatch(begun, prompts, samples)
            begun += 1


def with_batch_size(plan: Plan, free: int | None = None) -> Plan:
    """The plan with the batch size that fits into `free` bytes, by default those of this machine's
    device, where it asks for `auto`."""
    if not plan.auto_batch:
        return plan
    size = auto_batch_size(
        plan.configs,
        plan.suite.prompts,
        plan.protocol.device,
        plan.protocol.max_new_tokens,
        free_bytes(plan.protocol.device) if free is None else free,
        plan.protocol.asking,
        plan.protocol.engine,
        most=plan.most_together,
        sampled=plan.protocol.decoding.sampled,
    )
    return replace(plan, protocol=replace(plan.protocol, batch_size=size))


def require_same_sampler(job: Job, protocol: Protocol, report: LoadReport) -> None:
    """Raise RunError when outputs of a run's study were sampled in another way, by an earlier
    version."""
    if not (protocol.decoding.sampled and job.begun_on):
        return
    begun, here = (
        found.get("sampler", EARLIER_SAMPLER) for found in (job.begun_on, report.environment)
    )
    if begun != here:
        raise RunError(
            f"{job.config.id} cannot go on: what its study has was sampled by {begun}, and is in "
            f"this version by {here}. Its outputs would mix the two. Start a study with another "
            "name."
        )


def require_same_place(job: Job, report: LoadReport, *, mixed: bool = False) -> None:
    """Raise RunError when outputs of a run's study were made on another machine or packages. Where
    its hardware may be `mixed`, as on a cluster, the packages alone are compared: every generation
    says where it was made."""
    shared = set(_packages(job.begun_on)) & set(_packages(report.environment))
    mixed = mixed or bool(job.begun_on.get("mixed"))
    begun, here = (
        _place(found, shared, named=not mixed) for found in (job.begun_on, report.environment)
    )
    if job.begun_on and begun != here:
        raise RunError(
            f"{job.config.id} cannot go on: its study was begun with {begun}; this is {here}. Its "
            "speeds would mix the two. Go on there, or start a study with another name."
        )


def _new_run(plan: Plan, config: Config, resolved: Resolved) -> store.NewRun:
    return store.NewRun(
        config=config.id,
        model=config.model.name,
        precision=config.precision.name,
        source=_source(config, resolved),
        weights=resolved.weights,
        revision=resolved.revision,
        estimated_weight_bytes=config.weight_bytes(plan.protocol.device),
        kind=resolved.kind,
        weights_sha256=resolved.sha256,
        stored_as=resolved.stored_as,
    )


def _source(config: Config, resolved: Resolved) -> str:
    """Where the weights are from, as it is stored: a path where they are not the table's."""
    own = resolved.weights in ("local", "gguf")
    return str(resolved.source) if own else config.model.source


def _place(environment: Mapping[str, Any], packages: Set[str], *, named: bool) -> str:
    machine = environment.get("machine", {})
    device = environment.get("gpu", {}).get("name") or machine.get("cpu")
    versions = (
        f"{name} {version}"
        for name, version in sorted(_packages(environment).items())
        if name in packages
    )
    return ", ".join([*([str(device)] if named else []), *versions])


def _packages(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    return environment.get("packages") or {}


def code_commit() -> str | None:
    """The commit of this checkout, None outside one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=PROJECT_ROOT, capture_output=True, text=True
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None

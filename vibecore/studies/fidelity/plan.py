"""Which configs of a study are held against which parents, and what cannot be compared."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vibecore import store
from vibecore.catalog.models import Config, model_of
from vibecore.catalog.reference_text import reference_text
from vibecore.catalog.vocabulary import refuse_other_tokens
from vibecore.catalog.weights import local_place
from vibecore.core.errors import InputError
from vibecore.core.fidelity import PARENT_PRECISIONS, PARENT_WAYS, Way
from vibecore.core.machine import hardware, likely_device
from vibecore.core.records import Protocol
from vibecore.core.rows import RunRow, StudyRow
from vibecore.studies.fidelity.left_out import known_left_out
from vibecore.studies.jobs import Plan
from vibecore.studies.limits import DEVICES, one_of
from vibecore.studies.plan import stored_config

ALONE: tuple[Way, ...] = ("alone",)


@dataclass(frozen=True)
class Comparison:
    """A config to hold against its parent (way `alone`), or a parent to hold against itself in the
    PARENT_WAYS."""

    config: Config
    against: Config
    run_id: int
    against_run_id: int
    ways: tuple[Way, ...] = ALONE

    @property
    def label(self) -> str:
        """What it is called: the config's id, that of a noise floor with these words."""
        return self.config.id if self.ways == ALONE else f"{self.config.id} (noise floor)"


@dataclass(frozen=True)
class FidelityPlan:
    """What is about to be measured of a study.

    `text` is the running text, None to leave it out; `weights` as in Plan, and where own folders
    are that have moved; `again` says to drop what is stored of these comparisons first, but for the
    text where that is left out. `left_out` has a sentence for each config that has nothing to be
    held against, and for each way in which a parent is known to have no noise floor.
    """

    db: Path
    study: str
    protocol: Protocol
    comparisons: tuple[Comparison, ...]
    text: str | None
    device: str = "auto"
    weights: str = "hub"
    again: bool = False
    left_out: tuple[str, ...] = ()


def fidelity_plan(
    db: Path,
    study: str,
    configs: Sequence[str] = (),
    *,
    with_text: bool = True,
    device: str | None = None,
    weights: str | None = None,
    again: bool = False,
) -> FidelityPlan:
    """The plan of a study's configs, all where none is named; the noise floor of their parents goes
    with them. `device` is the study's own where it is None.

    Raises InputError for a study without outputs of its own or on random weights, for a config that
    it has not, and where no config has another as its parent whose outputs are stored.
    """
    with store.reading(db) as connection:
        found = store.read_study(connection, study)
        runs = {run.config: run for run in store.read_configs(connection, study)}
        parents = store.read_parents(connection, study)
        measured = {run_id for run_id, *_ in store.fidelity_places(connection, study)}
    protocol = _protocol_of(found, list(runs.values()))
    refuse_unknown_configs(study, list(runs), configs)
    if weights == "dummy":
        raise InputError(
            "--weights dummy gives random weights, whose distributions say nothing. Leave it out, "
            "or name the folder that the weights are in."
        )
    # A parent that nothing is held against needs no noise floor, unless it is asked for, or was.
    wanted = list(configs) or [
        config
        for config, run in runs.items()
        if parents.get(config) != config or (again and run.run_id in measured)
    ]
    if not wanted:
        raise InputError(
            f"The study '{study}' has 16-bit configs alone, and nothing to hold against them. Add "
            "another precision with `python -m vibecore run --extend --study "
            f"{shlex.quote(study)}`."
        )
    left_out = {config: _why_left_out(study, runs, parents, config) for config in wanted}
    reasons = {config: reason for config, reason in left_out.items() if reason}
    compared = [config for config in wanted if config not in reasons]
    if reasons and (configs or not compared):
        raise InputError(next(iter(reasons.values())))
    with_parents = {*compared, *(parents[config] for config in compared)}
    device = one_of("--device", device or protocol.device, DEVICES)
    place = "" if again else hardware(likely_device(device))
    comparisons = []
    for config in runs:
        if config in with_parents:
            parent = runs[parents[config]]
            known = {} if again or config != parent.config else known_left_out(parent, place)
            comparisons.append(comparison_of(runs[config], parent, known))
            reasons |= {f"{config} {way}": floor_sentence(config, way, known[way]) for way in known}
    return FidelityPlan(
        db=db,
        study=study,
        protocol=protocol,
        comparisons=tuple(comparisons),
        text=reference_text() if with_text else None,
        device=device,
        weights=weights or "hub",
        again=again,
        left_out=tuple(dict.fromkeys(reasons.values())),
    )


def refuse_unknown_configs(study: str, known: Sequence[str], configs: Sequence[str]) -> None:
    """Raise InputError for a config that a study has not; `known` are those that it has."""
    if unknown := [config for config in configs if config not in known]:
        raise InputError(
            f"The study '{study}' has no config '{unknown[0]}'. It has {', '.join(known)}."
        )


def refuse_no_fidelity(plan: Plan, *, resume: bool) -> None:
    """Raise InputError, before a plan runs, where its study will have nothing for fidelity to
    measure, or nothing that compares; with `resume` the study is there already."""
    if plan.weights == "dummy":
        raise InputError(
            "--fidelity needs real weights: random ones have distributions that say nothing. Leave "
            "one of the options out."
        )
    configs = configs_of_run(plan, resume=resume)
    parents = parents_among(configs)
    children = [(config, parent) for config, parent in parents.items() if config != parent]
    for config, parent in children:
        places = local_place(config, plan.weights), local_place(parent, plan.weights)
        if places[0] is not None and places[1] is not None:
            refuse_other_tokens((config.id, parent.id), (places[0], places[1]), (None, None))
    if children:
        return
    lacking = next((config.model for config in configs if config not in parents), None)
    what_to_do = (
        f"there is no {lacking.name} at bf16. Add it to the run"
        if lacking
        else "there are 16-bit configs alone. Add another precision such as 4bit"
    )
    raise InputError(
        f"--fidelity holds configs against the same model at 16 bit, and {what_to_do}, or leave "
        "--fidelity out."
    )


def configs_of_run(plan: Plan, *, resume: bool) -> list[Config]:
    """The configs that a study will have once a plan has run; with `resume` it has some already."""
    stored: list[Config] = []
    if resume:
        with store.reading(plan.db) as connection:
            stored = [stored_config(run) for run in store.read_configs(connection, plan.name)]
    known = {config.id: config for config in stored}
    return list((known | {config.id: config for config in plan.configs}).values())


def parents_among(configs: Sequence[Config]) -> dict[Config, Config]:
    """The parent of each of a study's configs whose model is there at 16 bit; a parent is its
    own."""
    parents: dict[str, Config] = {}
    for precision in PARENT_PRECISIONS:
        for config in configs:
            if config.precision.name == precision:
                parents.setdefault(config.model.name, config)
    return {
        config: parents[config.model.name] for config in configs if config.model.name in parents
    }


def _protocol_of(study: StudyRow, runs: Sequence[RunRow]) -> Protocol:
    """The protocol of a study that has outputs to compare at. Raises InputError for another."""
    if study.protocol is None:
        raise InputError(
            f"The study '{study.name}' was published, not run here: its outputs are not stored, so "
            "there is nothing to compare at. Run its configs as a study of your own."
        )
    if any(run.benched for run in runs):
        raise InputError(
            f"The study '{study.name}' was imported from a bench: it has no prompts to compare at. "
            "Run its configs as a study with `python -m vibecore run`."
        )
    if "dummy" in {study.protocol.weights, *(run.weights for run in runs)}:
        raise InputError(
            f"The study '{study.name}' ran on random weights, whose distributions say nothing. Run "
            "it with real weights, as a study of another name."
        )
    return study.protocol


def _why_left_out(
    study: str, runs: Mapping[str, RunRow], parents: Mapping[str, str], config: str
) -> str | None:
    """Why a config cannot be held against a parent, with what to do; None where it can."""
    model = runs[config].model
    if config not in parents:
        return (
            f"The study '{study}' has {model} at no 16-bit precision to hold {config} against. Add "
            f"it with `python -m vibecore run --extend --study {shlex.quote(study)}`: {model} at "
            "bf16."
        )
    parent = runs[parents[config]]
    if not parent.generations:
        return (
            f"{parent.config} has no outputs in the study '{study}' to compare {model} at "
            f"({parent.status}). Make them with `python -m vibecore run --resume --study "
            f"{shlex.quote(study)}`."
        )
    return None


def located(comparison: Comparison, weights: str) -> Comparison:
    """A comparison with own folders and GGUF files where they are now: in the folder `weights`,
    where one is no longer at the place that the study had it; what it holds has to be checked.
    Raises InputError where it is at neither."""
    return replace(
        comparison,
        config=_found(comparison.config, weights),
        against=_found(comparison.against, weights),
    )


def floor_sentence(config: str, way: Way, why: str) -> str:
    """That a parent has no noise floor by a way."""
    return f"{config}: no noise floor by {way}: {why}."


def comparison_of(run: RunRow, against: RunRow, left_out: Collection[Way] = ()) -> Comparison:
    """A stored config against its parent, both as their runs have them; a parent against itself in
    all ways but those left out."""
    ways = ALONE
    if run.config == against.config:
        ways = tuple(way for way in PARENT_WAYS if way not in left_out)
    return Comparison(stored_config(run), stored_config(against), run.run_id, against.run_id, ways)


def _found(config: Config, weights: str) -> Config:
    model = config.model
    if model.weights not in ("local", "gguf") or Path(model.source).exists():
        return config
    if weights == "hub":
        raise InputError(
            f"The weights of {model.name} are no longer at {model.source}. Name the folder that "
            "they are in with --weights."
        )
    folder = Path(weights).expanduser()
    is_it = model.weights == "local" and (folder / "config.json").is_file()
    place = folder if is_it else folder / Path(model.source).name
    if not place.exists():
        raise InputError(
            f"The weights of {model.name} are neither at {model.source} nor at {place}. Name the "
            "folder that they are in with --weights."
        )
    return Config(model_of(model.name, str(place.resolve()), model.weights), config.precision)

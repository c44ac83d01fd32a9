"""A precision in words: what it is, what it leaves alone, what it was fitted to, where it runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.catalog.models import MODELS
from vibecore.catalog.precisions import PRECISIONS, Precision
from vibecore.core import formats

# The model of which each precision's bits per weight are told.
EXAMPLE_MODEL = "1.5B"
# The columns of a table of PrecisionRow's fields, name and title with link first.
HEADS = (
    "precision",
    "what it is",
    f"bits per weight of {EXAMPLE_MODEL}: linear layers, all",
    "left alone",
    "calibration",
    "runs on",
    "needs",
)


@dataclass(frozen=True)
class PrecisionRow:
    """A precision as the glossary has it, in words; labels of one format, which differ in their
    type of number alone, are one row, `name` all of them. `bits` are per weight of the linear
    layers of EXAMPLE_MODEL and of the whole model, by the format's definition; `install` is the
    command for what it needs, empty where it needs nothing."""

    name: str
    title: str
    link: str
    bits: str
    unquantised: str
    calibration: str
    hardware: str
    install: str


def precision_rows() -> list[PrecisionRow]:
    """Every precision of the catalogue, then the labels of folders that are quantised already."""
    spec = MODELS[EXAMPLE_MODEL].spec
    assert spec is not None
    rows = []
    for _, alike in groupby(PRECISIONS.values(), key=lambda one: one.title):
        one, *others = alike
        bits = None if one.as_stored else one.bits_of(spec)
        rows.append(
            PrecisionRow(
                ", ".join(entry.name for entry in (one, *others)),
                one.title,
                one.link,
                f"{bits.layers:.2f}, {bits.model:.2f}" if bits else "as stored",
                one.unquantised,
                one.calibration,
                one.hardware.words,
                one.requirement.install if one.requirement else "",
            )
        )
    return rows


def described(precision: Precision) -> str:
    """All that its entry says, in one sentence; the link is apart."""
    needed = f"; needs {precision.requirement.package}" if precision.requirement else ""
    return (
        f"{precision.title}. Left alone: {precision.unquantised}. Calibration: "
        f"{precision.calibration}. Runs on: {precision.hardware.words}{needed}."
    )


def described_config(row: ConfigMetrics) -> str | None:
    """The same of a config's precision, with how its files were quantised already and its bits per
    weight as loaded; None for a precision that the catalogue does not have."""
    precision = PRECISIONS.get(row.precision)
    if precision is None:
        return None
    stored = f" Its files: {row.stored_as}." if row.stored_as else ""
    if row.bits_per_weight is None or row.model_bits_per_weight is None:
        return described(precision) + stored
    layers, model = (
        formats.number(bits, 2) for bits in (row.bits_per_weight, row.model_bits_per_weight)
    )
    return (
        f"{described(precision)}{stored} As loaded: {layers} bits per weight, {model} over the "
        "model."
    )


def described_as_list(names: Iterable[str]) -> str:
    """Precisions by name as a Markdown list, each with its link: what a form says on demand."""
    found = [PRECISIONS[name] for name in names]
    return "\n".join(f"- **{one.name}**: {described(one)} [Source]({one.link})" for one in found)

"""Made fidelity: what a comparison of a study's configs with their parents could have found.

Every figure is drawn from a seed: the further a precision, the larger its KLD. A parent's stored
outputs are the reference; its noise floor is measured in a batch and by engine `graph`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vibecore import store
from vibecore.core.fidelity import Reference, TokenDistances, Way

# precision -> the median KLD of a token
SCALES: Mapping[str, float] = {"8bit": 2e-4, "8bit-t0": 8e-4, "4bit": 8e-3}
# way of the noise floor -> the same; in a batch of equal lengths the arithmetic is the same
FLOORS: Mapping[Way, float] = {"batch": 0.0, "graph": 2e-7}
CHUNKS, CHUNK_TOKENS = 6, 256
MEASURED_ON = "a processor, CPU"


def add_fidelity(
    path: Path,
    study: str,
    *,
    scales: Mapping[str, float] = SCALES,
    floors: Mapping[Way, float] = FLOORS,
    text: bool = True,
    parent_precisions: Sequence[str] = ("bf16",),
    skipped: Sequence[str] = (),
) -> None:
    """Write what a comparison of every config of a study with its parent found, but for those
    `skipped`; of a running text too where `text`."""
    store.prepare(path)
    with store.writing(path) as connection:
        runs = connection.execute(
            """SELECT run_id, config, model, precision FROM run JOIN study USING (study_id)
               WHERE name = ? ORDER BY position""",
            [study],
        ).fetchall()
        parents = {
            model: id_ for id_, _, model, precision in runs if precision in parent_precisions
        }
        for id_, config, model, precision in runs:
            if config in skipped or model not in parents:
                continue
            parent = parents[model]
            ways: Mapping[Way, float] = (
                floors if id_ == parent else {"alone": scales.get(precision, 2e-3)}
            )
            for way, scale in ways.items():
                for reference, rows in _references(connection, parent, text).items():
                    made = [
                        (item, sample, _distances(pieces, scale, config + item))
                        for item, sample, pieces in rows
                    ]
                    store.add_fidelity(connection, id_, parent, way, reference, made, MEASURED_ON)


def _references(
    connection: Any, parent: int, text: bool
) -> dict[Reference, list[tuple[str, int, list[str]]]]:
    """(item, sample, pieces) of the parent's outputs, and of a running text."""
    outputs = connection.execute(
        """SELECT prompt_id, sample, text FROM generation
           WHERE run_id = ? AND text IS NOT NULL ORDER BY prompt_id, sample""",
        [parent],
    ).fetchall()
    found: dict[Reference, list[tuple[str, int, list[str]]]] = {
        "outputs": [(item, sample, pieces_of(written)) for item, sample, written in outputs]
    }
    if text:
        chunk = [" word"] * CHUNK_TOKENS
        found["text"] = [(f"text {number}", 0, chunk) for number in range(1, CHUNKS + 1)]
    return found


def pieces_of(text: str) -> list[str]:
    """A text in pieces of about a token's length, and the end token."""
    return [*re.findall(r"\s*\S{1,5}|\s+$", text), "<end>"]


def _distances(pieces: Sequence[str], scale: float, seed: str) -> TokenDistances:
    """What a config could have made of a reference text."""
    random = np.random.default_rng(list(seed.encode()))
    count = len(pieces)
    # Some prompts are hit harder than others, so that tokens of a prompt are alike.
    kld = scale * np.exp(random.normal(random.normal(0, 0.5), 1.8, count))
    other = random.random(count) < np.minimum(0.5, 0.7 * np.sqrt(kld))
    parent_p = np.where(other, random.uniform(0.25, 0.5, count), random.uniform(0.5, 1, count))
    p = np.clip(parent_p * np.exp(-np.sqrt(2 * kld) * random.normal(0.1, 1, count)), 1e-6, 1)
    return TokenDistances(
        kld=tuple(kld.tolist()),
        same_top=tuple((~other).tolist()),
        log_p=tuple(np.log(p).tolist()),
        parent_log_p=tuple(np.log(parent_p).tolist()),
        top_token=tuple(7 if different else 3 for different in other),
        top_p=tuple(np.where(other, np.maximum(p, 0.3) + 0.01, p).tolist()),
        pieces=tuple(pieces),
        top_pieces=tuple(" the" if different else None for different in other),
        prompt_tokens=20,
        seconds=0.25,
        peak_memory_bytes=1_200_000_000,
    )

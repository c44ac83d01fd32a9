"""The session on a lent GPU: each part is of commands that exist, and ends within ten minutes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.gpu_session import PARTS, SLOW_ALONE, steps_of
from vibecore.catalog.models import find_configs
from vibecore.catalog.precisions import PRECISIONS

TEN_MINUTES = 600


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_of_commands_that_exist(part: str, device: str) -> None:
    steps = steps_of(part, device, Path("out"))
    # What fails at once leaves its time to the others.
    assert sum(step.seconds for step in steps) <= TEN_MINUTES
    for step in steps:
        assert find_spec(step.command[0]) is not None
        words = step.command
        ids = [words[i + 1] for i, word in enumerate(words) if word == "--config"]
        assert len(find_configs(ids)) == len(ids)


def test_every_precision_that_is_installed_is_measured() -> None:
    """Of each model; what is slow alone is measured last, so that it takes nobody else's time."""
    steps = steps_of("precisions", "cuda", Path("out"))
    configs = [
        config
        for step in steps
        for config, before in zip(step.command[1:], step.command, strict=False)
        if before == "--config"
    ]
    installed = [
        name
        for name, entry in PRECISIONS.items()
        if entry.from_plain_weights and entry.requirement and entry.requirement.is_met
    ]
    wanted = {f"{model}-{name}" for model in ("5M", "0.5B", "1.5B") for name in installed}
    assert wanted <= set(configs)
    assert len(configs) == len(set(configs))
    slow = [f"{model}-{name}" for model in ("1.5B", "0.5B") for name in SLOW_ALONE]
    assert configs[-2:] == slow or not set(SLOW_ALONE) & set(installed)

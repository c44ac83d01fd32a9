"""Why configs failed: what several have in common is told once."""

from __future__ import annotations

from vibecore.views.failures import Failures


def test_a_shared_reason_is_told_once() -> None:
    failures = Failures()
    assert failures.line("a", "No GPU.") == "a failed: No GPU."
    assert failures.line("b", "No GPU.") == "b failed for the same reason as a."
    assert failures.line("c", "No disk.") == "c failed: No disk."


def test_a_reason_that_names_its_config_is_not_named_twice_and_is_compared_without() -> None:
    failures = Failures()
    assert failures.line("m-bf16", "m-bf16 needs 9 GiB.") == "m-bf16 needs 9 GiB."
    assert failures.line("m-4bit", "m-4bit needs 9 GiB.") == (
        "m-4bit failed for the same reason as m-bf16."
    )

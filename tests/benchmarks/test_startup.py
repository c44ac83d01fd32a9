"""The timeline from command to first token: every part of it is found."""

from __future__ import annotations

import pytest

from benchmarks.startup import SAID, main


def test_the_timeline_of_a_command_and_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["startup", "--config", "1M-4bit", "--device", "cpu", "--rounds", "1"]
    monkeypatch.setattr("sys.argv", arguments)
    main()
    printed = capfd.readouterr().out
    first, parts = printed.splitlines()[:2]
    assert first.startswith("1M-4bit: first token after ")
    assert all(f"{name} " in parts for name in SAID), parts
    phases = [line.rsplit(maxsplit=1)[0].strip() for line in printed.splitlines()[3:]]
    assert phases == [
        "import torch",
        "import transformers",
        "import the engine",
        "find the weights",
        "import bitsandbytes",
        "import the model's code",
        "load",
        "take apart",
        "first prompt",
    ]

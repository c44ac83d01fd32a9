"""A study of the demo family that real workers run on this machine."""

from __future__ import annotations

from pathlib import Path

import yaml

from vibecore.catalog.suites import SUITES_DIR
from vibecore.core.rows import OutputRow
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.queries import read_outputs
from vibecore.studies.run import run_study

# Tokens of each output, at most.
NEW_TOKENS = 100


def demo_outputs(folder: Path, prompt_id: str) -> dict[str, OutputRow]:
    """One prompt's output by config. Another processor rounds otherwise and can write other tokens
    than those of the shipped study, so what is compared must run here."""
    suite = yaml.safe_load((SUITES_DIR / "vibe30.yaml").read_text("utf-8"))
    suite["prompts"] = [prompt for prompt in suite["prompts"] if prompt["id"] == prompt_id]
    file, db = folder / "one.yaml", folder / "one.duckdb"
    file.write_text(yaml.safe_dump(suite), "utf-8")
    options = Options(
        family="demo", suite=str(file), study="one", device="cpu", max_new_tokens=NEW_TOKENS
    )
    run_study(new_plan(options, db), lambda event: None)
    return {row.config: row for row in read_outputs(db, "one")}

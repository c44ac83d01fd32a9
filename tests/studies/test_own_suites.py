"""The user's own suites: saved, found by name, run with what a study ran with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from vibecore import store
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.suites import Constraint, Prompt, suite_names
from vibecore.core.errors import InputError
from vibecore.live.launch.like_study import command_line, options_like
from vibecore.scoring import load_suite
from vibecore.studies.own_suites import own_suite_names, save_prompt
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study

SHORT = Constraint("word_count", {"relation": "le", "count": 50})
TRICKY = "  yes: [no]\n# not a comment\n\n'quoted' \"twice\" \\ é 語 \U0001f600\ttab \n"


def prompt(id_: str = "first", text: str = "Name a colour.", *constraints: Constraint) -> Prompt:
    return Prompt(id_, "instruction", text, constraints or (SHORT,))


def test_a_saved_prompt_is_a_suite_that_is_found_by_name(state: Path) -> None:
    path = save_prompt("mine", prompt())
    assert path == state / "suites" / "mine.yaml"
    assert own_suite_names() == ["mine"]
    assert "mine" in suite_names()
    assert load_suite("mine").prompts == (prompt(),)


def test_a_prompt_keeps_every_character() -> None:
    words = Constraint("contains_all", {"phrases": ["no", "1", "ünder", "a: b"]})
    kept = prompt("odd", TRICKY, words, words)
    save_prompt("mine", kept)
    assert load_suite("mine").prompts == (kept,)


def test_a_taken_name_is_refused_unless_the_prompt_is_added() -> None:
    save_prompt("mine", prompt())
    with pytest.raises(InputError, match="already"):
        save_prompt("mine", prompt("second"))
    save_prompt("mine", prompt("second"), append=True)
    assert [p.id for p in load_suite("mine").prompts] == ["first", "second"]
    with pytest.raises(InputError, match="another id"):
        save_prompt("mine", prompt("second"), append=True)


@pytest.mark.parametrize(
    ("suite", "id_", "says"),
    [
        ("vibe30", "a", "ships with"),
        ("../up", "a", "no name"),
        ("", "a", "no name"),
        ("mine", "a b", "no name"),
    ],
)
def test_a_bad_name_writes_nothing(state: Path, suite: str, id_: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        save_prompt(suite, prompt(id_))
    assert not list(state.rglob("*.yaml"))


def test_what_no_suite_may_hold_leaves_the_old_file(state: Path) -> None:
    save_prompt("mine", prompt())
    with pytest.raises(InputError):
        save_prompt("mine", prompt("second", "Hello", Constraint("no_check", {})), append=True)
    assert [p.id for p in load_suite("mine").prompts] == ["first"]
    assert [file.name for file in (state / "suites").iterdir()] == ["mine.yaml"]


def test_backfill_runs_as_the_study_ran(db: Path, fake_worker) -> None:
    given = Options(
        configs=("1M-bf16", "5M-4bit"), study="s", max_new_tokens=7, batch_size=2, device="cpu"
    )
    run_study(new_plan(given, db), lambda event: None)
    save_prompt("mine", prompt())
    options = options_like(db, "s", "mine", "s-mine")
    plan = new_plan(options, db)
    assert [config.id for config in plan.configs] == ["1M-bf16", "5M-4bit"]
    assert (plan.protocol.max_new_tokens, plan.protocol.batch_size) == (7, 2)
    run_study(plan, lambda event: None)
    with store.reading(db) as connection:
        assert store.read_study(connection, "s-mine").suite == "mine"
    line = command_line(options, db)
    assert "--config=1M-bf16 --config=5M-4bit --suite=mine --study=s-mine" in line
    assert "--max-new-tokens=7 --batch-size=2" in line


def test_backfill_of_own_models_and_of_the_published_study(
    db: Path, published_db: Path, fake_worker, tmp_path: Path
) -> None:
    folders = tuple(str(tmp_path / name) for name in ("own", "other"))
    for folder in folders:
        shutil.copytree(MODELS_DIR / "1M", folder)
    given = Options(
        configs=("5M-4bit",),
        models=folders,
        names=("", "mine"),
        precisions=("bf16", "4bit"),
        chat="off",
        study="own",
    )
    run_study(new_plan(given, db), lambda event: None)
    options = options_like(db, "own", "mine", "x")
    assert (options.configs, options.models) == (("5M-4bit",), folders)
    assert (options.names, options.precisions) == (("own", "mine"), ("bf16", "4bit"))
    assert (options.chat, options.system, options.thinking) == ("off", None, "auto")
    assert [config.id for config in new_plan(replace(options, suite="vibe30"), db).configs] == [
        config.id for config in new_plan(given, db).configs
    ]
    assert len(options_like(published_db, "published", "mine", "x").configs) == 6
    with pytest.raises(InputError, match="no study"):
        options_like(db, "nope", "mine", "x")

"""What can be wished for, what fits, and the form of every check."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.catalog.models import find_configs
from vibecore.catalog.suites import Constraint
from vibecore.core.errors import InputError
from vibecore.core.machine import GIB, _container_free
from vibecore.core.records import GREEDY
from vibecore.live.playground import choose_configs, fit, make_request, own_prompt, suite_prompt
from vibecore.live.playground.constraint_form import (
    KINDS,
    constraint_of,
    constraint_words,
    fields_of,
    rule_of,
)
from vibecore.scoring import CHECKS, load_suite
from vibecore.scoring.sandbox import isolation

ONE = find_configs(["1M-bf16"])


def test_a_wish_is_greedy_unless_a_temperature_is_given() -> None:
    assert make_request(own_prompt("Hello"), ONE).decoding == GREEDY
    assert make_request(own_prompt("Hello"), ONE, top_p=0.5, seed=3).comparable
    assert not make_request(own_prompt("Hello"), ONE, temperature=0.7).comparable


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_new_tokens": 0}, "from 1 to"),
        ({"max_new_tokens": 10**6}, "not 1000000"),
        ({"device": "tpu"}, "auto, cpu, cuda"),
        ({"engine": "warp"}, "eager"),
        ({"chat": "maybe"}, "--chat must be one of auto, on, off, not 'maybe'"),
        ({"thinking": "hard"}, "--thinking must be one of"),
        ({"temperature": 0.0}, "above 0"),
        ({"temperature": float("nan")}, "above 0"),
        ({"temperature": 1.0, "top_p": 0.0}, "Top-p"),
        ({"temperature": 1.0, "seed": -1}, "seed"),
    ],
)
def test_a_wish_that_cannot_be_says_why(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make_request(own_prompt("Hello"), ONE, **options)


def test_code_is_run_only_where_it_can_be_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not make_request(own_prompt("Hello"), ONE).execute_code
    monkeypatch.setattr(isolation, "find_isolation", lambda: isolation.Isolation("namespaces"))
    assert make_request(own_prompt("Hello"), ONE, execute_code=True).execute_code
    none = isolation.Isolation(None, "no namespaces")
    monkeypatch.setattr(isolation, "find_isolation", lambda: none)
    with pytest.raises(InputError, match="no namespaces"):
        make_request(own_prompt("Hello"), ONE, execute_code=True)


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_prompt_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="empty"):
        own_prompt(text)


def test_configs_are_one_to_six_of_any_kind(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(DEMO_MODELS_DIR / "1M", folder)
    chosen = choose_configs(["0.5B-4bit", "5M-bf16"], [str(folder)], ["bf16", "8bit"])
    assert [config.id for config in chosen] == ["0.5B-4bit", "5M-bf16", "own-bf16", "own-8bit"]
    assert choose_configs([], ["someone/model"], ["4bit"])[0].id == "model-4bit"
    several = choose_configs([], ["someone/model", str(folder)], ["4bit"], ["mine"])
    assert [config.id for config in several] == ["mine-4bit", "own-4bit"]


@pytest.mark.parametrize(
    ("ids", "models", "precisions", "says"),
    [
        ([], [], [], "none is chosen"),
        (
            [f"{m}-{p}" for m in ("0.5B", "1.5B", "1M", "5M") for p in ("bf16", "4bit")],
            [],
            [],
            "8 are chosen",
        ),
        (["7B-bf16"], [], [], "no config"),
        ([], ["/no/such/folder"], ["bf16"], "neither a model folder"),
        ([], ["someone/model"], [], "at least one --precision"),
        (["1M-bf16"], [], ["bf16"], "goes with --model"),
    ],
)
def test_bad_choices_are_told(
    ids: list[str], models: list[str], precisions: list[str], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        choose_configs(ids, models, precisions)


def test_a_suites_prompt_brings_its_constraints() -> None:
    assert suite_prompt("vibe30", "code_001").constraints
    with pytest.raises(InputError, match="no prompt 'nope'"):
        suite_prompt("vibe30", "nope")


def test_the_preview_names_what_does_not_fit_and_what_would() -> None:
    configs = find_configs(["1.5B-bf16", "0.5B-bf16"])
    line, refusals = fit.preview(configs, "cuda", "hub", 2 * GIB)
    assert line.startswith("2.00 GiB available on the GPU; the largest of these needs about 3.6")
    assert len(refusals) == 1
    assert "1.5B-8bit" not in refusals[0]
    assert "1.5B-4bit" in refusals[0]
    assert fit.preview(configs, "cuda", "hub", 8 * GIB)[1] == []
    assert "No config known here would fit" in fit.preview(configs, "cuda", "hub", 1)[1][0]


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    assert _container_free(tmp_path) > 2**60
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 100\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert _container_free(tmp_path) > 2**60
    (tmp_path / "memory.max").write_text("1000\n")
    assert _container_free(tmp_path) == 500


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_form(check: str) -> None:
    fields = fields_of(check)
    assert [field.name for field in fields] == list(CHECKS[check].arguments)
    assert {field.kind for field in fields} <= {*KINDS.values(), "choice", "JSON"}
    assert all(field.options for field in fields if field.kind == "choice")
    assert rule_of(check)


def test_what_the_form_is_given_makes_the_suites_own_constraints() -> None:
    """Every constraint of the shipped suite can be written in the form."""
    import json

    for prompt in load_suite("vibe30").prompts:
        for constraint in prompt.constraints:
            given = dict(constraint.arguments)
            for field in fields_of(constraint.check):
                value = given[field.name]
                if field.kind == "lines":
                    given[field.name] = "\n".join(["", *(f" {line} " for line in value)])
                elif field.kind == "JSON":
                    given[field.name] = json.dumps(value)
            made = constraint_of(constraint.check, given)
            stripped = json.loads(json.dumps(dict(constraint.arguments)))
            for field in fields_of(constraint.check):
                if field.kind == "lines":
                    stripped[field.name] = [line.strip() for line in stripped[field.name]]
            assert made == Constraint(constraint.check, stripped)


def test_a_form_that_is_filled_badly_says_so() -> None:
    with pytest.raises(InputError, match="phrases"):
        constraint_of("contains_all", {"phrases": " \n "})
    with pytest.raises(InputError, match="always met"):
        constraint_of("word_count", {"relation": "ge", "count": 0})
    with pytest.raises(InputError, match="regular expression"):
        constraint_of("matches_regex", {"pattern": "(", "what": "a word"})


def test_a_constraint_is_told_on_one_short_line() -> None:
    words = constraint_words(Constraint("contains_all", {"phrases": ["x" * 100]}))
    assert words.startswith("contains all: phrases [")
    assert len(words) < 80

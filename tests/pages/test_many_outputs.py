"""A study of more outputs than are read at once: what compares them all says so, the rest works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import many_configs
from tests.support.commands import called
from tests.support.pages import errors, html, visit
from vibecore.core.errors import InputError
from vibecore.studies import queries
from vibecore.studies.claims import compare_studies, read_findings
from vibecore.studies.queries import read_outputs
from vibecore.views.report import make_report

MOST = 200
TOO_MANY = "At most 200 outputs are read at once; those of 'many' are 4,800."


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_configs.build(tmp_path_factory.mktemp("many") / "many.duckdb")


@pytest.fixture(autouse=True)
def few_at_once(many: Path, use: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MOST_READ", MOST)
    use(many)


def test_all_outputs_at_once_are_refused_and_named_ones_read(many: Path) -> None:
    with pytest.raises(InputError, match="Name a prompt or a config") as caught:
        read_outputs(many, "many")
    assert TOO_MANY in str(caught.value)
    assert len(read_outputs(many, "many", "p_00")) == many_configs.CONFIGS
    assert len(read_outputs(many, "many", config="m00-bf16")) == many_configs.PROMPTS
    with pytest.raises(InputError, match="are 240"):
        read_outputs(many, "many", configs=[f"m0{n}-bf16" for n in range(6)])


def test_what_compares_all_outputs_says_why_it_does_not(many: Path) -> None:
    for read in (lambda: read_findings(many, "many"), lambda: compare_studies(many, "many", "x")):
        with pytest.raises(InputError) as caught:
            read()
        assert "At most 200 outputs" in str(caught.value)
    told = called("findings", "--study", "many", "--db", str(many))
    assert told.returncode == 2
    assert f"Checking claims takes all outputs at once. {TOO_MANY}" in " ".join(told.stderr.split())
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("page", ["findings", "fidelity"])
def test_its_pages_say_so(page: str) -> None:
    app = visit(page)
    assert TOO_MANY in errors(app)
    assert f">{page.capitalize()}</h1>" in html(app)


@pytest.mark.parametrize("page", ["metrics", "charts", "outputs", "about", "speed"])
def test_the_other_pages_need_not_read_them(page: str) -> None:
    assert not errors(visit(page))


def test_a_report_is_made_without_them(many: Path) -> None:
    report = make_report(many, "many", ".md")
    assert f"Findings and fidelity are left out. {TOO_MANY}" in report
    assert "Shown are 1 to 50 of 120 configs" in report
    assert "m29-4bit" in report

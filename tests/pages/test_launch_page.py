"""The Launch page, driven by AppTest: its form, its errors in words, its runs, and its switch."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.page_table import ACTING_VARIABLE
from tests.support import pages
from tests.support.launched import TWO_PROMPTS, made
from tests.support.pages import errors, html, table, warnings
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.core.errors import InputError
from vibecore.core.paths import DATABASE_VARIABLE, PROJECT_ROOT
from vibecore.live.launch import LaunchedRun, control
from vibecore.live.launch import record as launch_record
from vibecore.runtime import cluster, device_queue
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study


@pytest.fixture
def use(published_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database with the published study, the dashboard's own."""
    path = tmp_path / "page.duckdb"
    shutil.copy(published_db, path)
    monkeypatch.setenv(DATABASE_VARIABLE, str(path))
    return path


def visit(**query: str) -> AppTest:
    return pages.visit("launch", **query)


def test_the_form_says_what_a_run_takes_before_it_starts(use: Path) -> None:
    app = visit()
    assert set(table(app, "estimate")) == {
        f"{model}-{precision}"
        for model in ("0.5B", "1.5B")
        for precision in ("bf16", "8bit", "4bit")
    }
    assert "6 configs × 30 prompts × at most 200 tokens" in html(app)
    app.multiselect(key="launch_families").set_value(["demo"]).run()
    cells = table(app, "estimate")["1M-4bit"]
    assert cells[1]["text"] == "fits"
    assert cells[2]["text"] == "not known yet"
    app.number_input(key="launch_tokens").set_value(50).run()
    assert "at most 50 tokens" in html(app)


@pytest.mark.parametrize("value", [0, 1_000_000])
def test_a_number_out_of_bounds_is_told(use: Path, value: int) -> None:
    says = f"Max new tokens must be from 1 to 32768, not {value}."
    app = visit()
    app.number_input(key="launch_tokens").set_value(value).run()
    assert says in warnings(app)
    assert not pages.has_component(app, "estimate")
    app.button(key="launch_start").click().run()
    assert says in errors(app)
    assert says not in warnings(app), "once, not above the form and in it"
    assert len(app.error) == 1
    assert not app.exception


@pytest.mark.parametrize(
    ("kind", "key", "value", "says"),
    [
        ("text_input", "launch_batch", "-1", "Batch size must be from 1"),
        ("text_input", "launch_batch", "many", "Batch size must be a number or `auto`"),
        ("selectbox", "launch_weights", "from a folder …", "Enter the folder of the weights"),
        ("selectbox", "launch_suite", "from a file …", "Enter the path of the suite file"),
    ],
)
def test_what_cannot_be_used_is_told(use: Path, kind: str, key: str, value: str, says: str) -> None:
    app = visit()
    getattr(app, kind)(key=key).set_value(value).run()
    assert says in warnings(app)


def test_a_taken_name_and_a_missing_model_are_told(use: Path) -> None:
    app = visit()
    app.text_input(key="launch_study").set_value("published").run()
    assert "already has a study 'published'. Choose another study name" in warnings(app)
    app.text_input(key="launch_study").set_value("new").run()
    app.multiselect(key="launch_families").set_value([]).run()
    assert "Choose at least one config" in html(app)
    assert "or enter a model of your own: its field is empty" in html(app)
    app.text_input(key="launch_model_0").set_value("/no/such/model").run()
    assert "'/no/such/model' is neither a model folder" in warnings(app)
    app.text_input(key="launch_model_0").set_value(str(PROJECT_ROOT / "tests")).run()
    app.button(key="launch_start").click().run()
    assert "is not a model folder: it has no config.json" in errors(app)
    app.button(key="launch_start").click().run()
    assert "config.json" in errors(app), "said once a click, and again at the next"


def test_a_config_that_cannot_fit_is_told(use: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vibecore.catalog.fit.total_bytes", lambda device: 2 * 1024**3)
    app = visit()
    cell = table(app, "estimate")["1.5B-bf16"][1]
    assert (cell["text"], "Choose a lower precision" in cell["note"]) == ("too large", True)
    app.selectbox(key="launch_weights").select("random: speed and memory only").run()
    app.button(key="launch_start").click().run()
    assert "1.5B-bf16 needs about" in errors(app)


def test_what_fidelity_takes_is_shown_where_it_is_measured(use: Path) -> None:
    app = visit()
    app.multiselect(key="launch_families").set_value(["demo"]).run()
    assert not pages.has_component(app, "estimate_fidelity")
    app.checkbox(key="launch_fidelity").check().run()
    cells = table(app, "estimate_fidelity")["1M-4bit"]
    assert cells[0]["text"] == "1M-4bit with 1M-bf16 beside it"
    assert "with 1M-bf16 beside it needs about" in cells[1]["note"]
    assert "fidelity" in html(app)


def test_start_hands_on_what_was_chosen_and_shows_the_run(
    use: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Options, Path]] = []

    def pretend(options: Options, db: Path, *, extend: bool) -> LaunchedRun:
        assert not extend
        asked.append((options, db))
        return made(state, db=db.resolve(), study=new_plan(options, db).name)

    monkeypatch.setattr("vibecore.live.launch.start", pretend)
    app = visit()
    app.multiselect(key="launch_families").set_value([]).run()
    app.multiselect(key="launch_configs").set_value(["1M-bf16", "5M-4bit"]).run()
    app.selectbox(key="launch_suite").select("from a file …").run()
    app.text_input(key="launch_file").set_value(TWO_PROMPTS).run()
    app.text_input(key="launch_study").set_value("mine").run()
    app.button(key="launch_start").click().run()
    options, db = asked[0]
    assert db == use
    assert options == Options(
        configs=("1M-bf16", "5M-4bit"),
        suite=TWO_PROMPTS,
        study="mine",
        max_new_tokens=200,
        batch_size="1",
        weights="hub",
        engine="eager",
        device="auto",
        chat="auto",
        thinking="auto",
    )
    assert app.query_params["run"] == "one"
    assert "Study mine" in html(app)
    assert app.text_input(key="launch_study").value == "", "or its name would be taken at once"


def test_family_configs_and_own_models_run_together(
    use: Path, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Options] = []

    def pretend(options: Options, db: Path, *, extend: bool) -> LaunchedRun:
        asked.append(options)
        return made(state, db=db.resolve(), study=new_plan(options, db).name)

    monkeypatch.setattr("vibecore.live.launch.start", pretend)
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        shutil.copytree(DEMO_MODELS_DIR / "1M", folder)
    app = visit()
    app.multiselect(key="launch_families").set_value(["demo"]).run()
    app.multiselect(key="launch_configs").set_value(["0.5B-4bit"]).run()
    app.text_input(key="launch_model_0").set_value(str(folders[0])).run()
    app.text_input(key="launch_model_1").set_value(f" {folders[1]} ").run()
    app.text_input(key="launch_name_1").set_value("two").run()
    app.multiselect(key="launch_precisions").set_value(["bf16", "4bit"]).run()
    app.selectbox(key="launch_chat").set_value("off").run()
    assert "Every model gets the bare prompt" in html(app)
    app.selectbox(key="launch_thinking").set_value("off").run()
    assert "Thinking off needs the chat template, and chat template off puts" in warnings(app)
    app.selectbox(key="launch_chat").set_value("on").run()
    app.text_input(key="launch_system").set_value("Answer in French.").run()
    assert set(table(app, "estimate")) == {
        *(f"{model}-{p}" for model in ("1M", "5M") for p in ("bf16", "8bit", "4bit")),
        "0.5B-4bit",
        *(f"{model}-{precision}" for model in ("first", "two") for precision in ("bf16", "4bit")),
    }
    app.button(key="launch_start").click().run()
    [options] = asked
    assert options.families == ("demo",)
    assert options.configs == ("0.5B-4bit",)
    assert options.models == (str(folders[0]), str(folders[1]))
    assert options.names == ("", "two")
    assert options.precisions == ("bf16", "4bit")
    assert (options.chat, options.system, options.thinking) == ("on", "Answer in French.", "off")


def test_the_switch_for_fidelity_is_handed_on_and_says_what_it_needs(
    use: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Options] = []

    def pretend(options: Options, db: Path, *, extend: bool) -> LaunchedRun:
        asked.append(options)
        return made(state, db=db.resolve())

    monkeypatch.setattr("vibecore.live.launch.start", pretend)
    app = visit()
    assert not app.checkbox(key="launch_fidelity").value
    app.multiselect(key="launch_families").set_value([]).run()
    app.multiselect(key="launch_configs").set_value(["1M-4bit"]).run()
    app.checkbox(key="launch_fidelity").check().run()
    assert "there is no 1M at bf16" in warnings(app)
    assert "--" not in warnings(app)
    app.multiselect(key="launch_configs").set_value(["1M-bf16", "1M-4bit"]).run()
    assert not app.warning
    app.button(key="launch_start").click().run()
    assert [options.fidelity for options in asked] == [True]


def test_configs_are_added_to_a_finished_study_under_its_own_protocol(
    use: Path, fake_worker, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Options(
        configs=("1M-bf16",), study="mine", suite=TWO_PROMPTS, max_new_tokens=50, chat="off"
    )
    run_study(new_plan(mine, use), lambda event: None)
    asked: list[tuple[Options, bool]] = []

    def pretend(options: Options, db: Path, *, extend: bool) -> LaunchedRun:
        asked.append((options, extend))
        return made(state, db=db.resolve(), study="mine")

    monkeypatch.setattr("vibecore.live.launch.start", pretend)
    app = visit()
    assert app.selectbox(key="launch_into").options == ["a new study", "mine"], "no published one"
    app.selectbox(key="launch_into").set_value("mine").run()
    assert "2 prompts × at most 50 tokens, batch size 1" in html(app)
    assert "no chat template" in html(app)
    assert "launch_suite" not in {field.key for field in app.selectbox}, "it has its own"
    app.multiselect(key="launch_families").set_value([]).run()
    app.multiselect(key="launch_configs").set_value(["1M-bf16"]).run()
    assert "The study 'mine' has 1M-bf16 already" in warnings(app)
    app.multiselect(key="launch_configs").set_value(["1M-4bit"]).run()
    assert set(table(app, "estimate")) == {"1M-4bit"}
    app.button(key="launch_start").click().run()
    assert asked == [(Options(configs=("1M-4bit",), study="mine"), True)]
    assert app.selectbox(key="launch_into").value == "a new study"


def test_a_row_that_is_emptied_goes_and_the_others_stay(use: Path) -> None:
    app = visit()
    for row, source in enumerate(("org/a", "org/b", "org/c")):
        app.text_input(key=f"launch_model_{row}").set_value(source).run()
    app.text_input(key="launch_name_2").set_value("cee").run()
    app.text_input(key="launch_model_1").set_value("").run()
    rows = [app.text_input(key=f"launch_model_{row}").value for row in range(3)]
    assert rows == ["org/a", "org/c", ""]
    assert app.text_input(key="launch_name_1").value == "cee"
    app.text_input(key="launch_model_1").set_value("org/d").run()
    assert app.text_input(key="launch_model_1").value == "org/d"
    app.text_input(key="launch_model_1").set_value("").run()
    assert "hub id of the model called cee" in warnings(app), "its name is left"
    app.text_input(key="launch_name_1").set_value("").run()
    assert app.text_input(key="launch_model_1").value == ""
    assert "launch_model_2" not in {field.key for field in app.text_input}


def test_a_run_that_was_killed_says_so_with_its_last_words(use: Path, state: Path) -> None:
    run = made(state, db=use.resolve(), study="night <b>")
    run.log.write_text("Study night\n**Traceback**\n", encoding="utf-8")
    app = visit(run="one")
    shown = html(app)
    assert "Study night &lt;b&gt;" in shown
    assert "It ended before it began" in shown
    assert "resume" not in {button.key for button in app.button}
    assert app.code[0].value == "Study night\n**Traceback**"
    assert app.code[0].proto.wrap_lines, "the end of a long line says what to do"
    assert table(app, "progress")["1M-bf16"][1]["text"] == "pending"
    assert table(app, "runs")["one"][1]["text"] == "ended without finishing"


def test_a_run_under_way_is_shown_without_being_asked_for(use: Path, state: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(process.pid).create_time()
    made(state, db=use.resolve(), pid=process.pid, process_started=started)
    with process, device_queue.acquire("cpu", "study before it"):
        app = visit()
        assert "Study s" in html(app)
        assert "Starting" in html(app)
        assert "resume" not in {button.key for button in app.button}
        assert "cancel" in {button.key for button in app.button}


def test_an_unknown_run_is_told_and_the_form_is_there(use: Path) -> None:
    app = visit(run="20200101-000000-ffff")
    assert "There is no launched run" in warnings(app)
    assert table(app, "estimate")


def test_a_study_begun_in_a_terminal_can_be_resumed(
    use: Path, fake_worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_worker.interrupt_after = 1
    with pytest.raises(KeyboardInterrupt):
        options = Options(configs=("1M-bf16",), study="terminal", suite=TWO_PROMPTS)
        run_study(new_plan(options, use), lambda event: None)
    asked: list[str] = []

    def pretend(study: str, db: Path, *, on_one_device: bool) -> LaunchedRun:
        assert not on_one_device
        asked.append(study)
        return made(db.parent, db=db, study=study)

    monkeypatch.setattr("vibecore.live.launch.resume", pretend)
    app = visit()
    app.button(key="resume-terminal").click().run()
    assert asked == ["terminal"]


def test_without_a_database_the_form_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(tmp_path / "none.duckdb"))
    app = visit()
    assert not app.error
    assert table(app, "estimate")


# Keeps the database to itself for a while, as a run does while it stores an output.
WRITER = """
import sys, time
from pathlib import Path
from vibecore import store
with store.writing(Path(sys.argv[1])):
    print("has it", flush=True)
    time.sleep(1.5)
"""


def test_the_page_waits_for_a_database_that_is_being_written(use: Path, state: Path) -> None:
    made(state, db=use.resolve())
    command = [sys.executable, "-c", WRITER, str(use)]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline()
        app = visit(run="one")
        assert not app.error
        assert not app.warning
        assert table(app, "progress")
        assert table(app, "estimate")


def test_only_so_many_runs_are_listed(use: Path, state: Path) -> None:
    run = made(state, db=use.resolve())
    from vibecore.live.launch.record import save

    for number in range(25):
        other = replace(run, id=f"n{number}", launched_at=time.time() + number)
        other.folder.mkdir()
        save(other)
    assert len(table(visit(), "runs")) == 20


def test_the_switch_hides_the_page_and_its_link_says_so(
    use: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ACTING_VARIABLE, "OFF")
    app = visit()
    assert "Switched off" in html(app)
    assert not app.button
    assert not app.error


def test_why_configs_failed_is_told_once_and_the_log_is_folded(
    use: Path, fake_worker, state: Path
) -> None:
    why = "The file is cut short. Fetch it again."
    fake_worker.broken = {"1M-bf16": why, "1M-4bit": why}
    mine = Options(configs=("1M-bf16", "1M-4bit"), study="s", suite=TWO_PROMPTS)
    run_study(new_plan(mine, use), lambda event: None)
    run = made(state, db=use.resolve(), configs=("1M-bf16", "1M-4bit"))
    run.log.write_text(f"1M-bf16 failed: {why}\n", encoding="utf-8")
    (run.folder / "ended.json").write_text('{"code": 1, "at": 0}', encoding="utf-8")
    app = visit(run="one")
    rows = table(app, "progress")
    assert rows["1M-bf16"][1]["note"] == why
    assert rows["1M-4bit"][1]["note"] == "for the same reason as 1M-bf16"
    assert "The last lines of its log" in {fold.label for fold in app.expander}


def test_several_gpus_and_a_cluster_are_refused_before_the_start_where_they_are_not(
    use: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = visit()
    app.selectbox(key="launch_device").set_value("gpus").run()
    assert "Choosing GPUs needs an NVIDIA GPU" in warnings(app)
    app.text_input(key="launch_gpus").set_value("").run()
    assert "numbers of the GPUs" in warnings(app)
    monkeypatch.setattr(cluster, "RAY", replace(cluster.RAY, package="no-such-package"))
    app.selectbox(key="launch_device").set_value("ray").run()
    assert "pip install -r requirements-ray.txt" in warnings(app)
    assert not app.exception


def test_a_launched_run_is_given_its_cluster() -> None:
    given = control.arguments(Options(family="demo", study="s", ray="auto"))
    assert "--ray=auto" in given
    assert "--gpus=0,1" in control.arguments(Options(family="demo", gpus="0,1"))


def test_a_run_is_resumed_where_it_was_launched_or_on_one_device(
    use: Path, state: Path, fake_worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_worker.interrupt_after = 1
    with pytest.raises(KeyboardInterrupt):
        run_study(
            new_plan(Options(configs=("1M-bf16",), study="s", suite=TWO_PROMPTS), use),
            lambda event: None,
        )
    run = made(state, db=use.resolve(), ray="auto")
    begun: list[tuple[LaunchedRun, list[str]]] = []

    def begin(run: LaunchedRun, given: list[str]) -> LaunchedRun:
        begun.append((run, given))
        return run

    monkeypatch.setattr(control, "_begin", begin)
    app = visit(run="one")
    assert "It goes on where it ran: Ray cluster, auto." in html(app)
    app.button(key="resume").click().run()
    resumed, given = begun.pop()
    assert resumed == run and "--ray=auto" in given and "--resume" in given
    monkeypatch.setattr(cluster, "RAY", replace(cluster.RAY, package="no-such-package"))
    app.button(key="resume").click().run()
    assert not begun
    [said] = [error.value.replace("\\", "") for error in app.error]
    assert "not there any more" in said and "requirements-ray.txt" in said
    app.button(key="resume-on-one").click().run()
    resumed, given = begun.pop()
    assert resumed.ray is None and not [word for word in given if word.startswith("--ray")]
    assert not app.exception


def test_a_record_keeps_where_its_run_was_launched(state: Path) -> None:
    run = made(state, gpus="0,1")
    assert launch_record.find("one") == run
    (run.folder / "record.json").write_text(
        (run.folder / "record.json").read_text("utf-8").replace('"0,1"', "[0, 1]"), encoding="utf-8"
    )
    with pytest.raises(InputError, match="no launched run"):
        launch_record.find("one")

"""`try`: one prompt on some configs, streamed to the terminal; nothing is stored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vibecore.cli.base import (
    ExecuteCode,
    OwnModels,
    Precisions,
    ShortNames,
    SystemMessage,
    app,
    listed,
    say,
    show,
)
from vibecore.core.errors import INTERRUPTED, InputError
from vibecore.core.formats import counted
from vibecore.runtime import fork_server
from vibecore.views.broken import NOT_MEASURED
from vibecore.views.cut_off import explained
from vibecore.views.failures import Failures

if TYPE_CHECKING:
    from vibecore.live.playground import Pane, Playground, Session

# Fast enough to read along; a token of the fastest demo config takes 2 ms.
POLL_SECONDS = 0.05
FORMATS = ("table", "json")


@app.command("try")
def attempt(
    prompt: Annotated[str | None, typer.Argument(help="The prompt.")] = None,
    config: Annotated[
        list[str] | None, typer.Option(help="A config such as 5M-4bit; repeatable.")
    ] = None,
    model: OwnModels = None,
    precision: Precisions = None,
    name: ShortNames = None,
    suite: Annotated[str | None, typer.Option(help="Take a prompt of this suite.")] = None,
    prompt_id: Annotated[str | None, typer.Option("--prompt", help="Its id, with --suite.")] = None,
    weights: Annotated[str, typer.Option(help="hub, dummy or a folder.")] = "hub",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    engine: Annotated[str, typer.Option(help="Decoding engine.")] = "eager",
    chat: Annotated[
        str, typer.Option(help="Ask through the chat template: auto, on or off.")
    ] = "auto",
    system: SystemMessage = None,
    thinking: Annotated[
        str, typer.Option(help="Let a thinking model reason: auto, on or off.")
    ] = "auto",
    max_new_tokens: Annotated[int, typer.Option(help="Tokens per output.")] = 200,
    temperature: Annotated[
        float | None, typer.Option(help="Sample instead of greedy decoding.")
    ] = None,
    top_p: Annotated[float | None, typer.Option(help="With --temperature [1].")] = None,
    seed: Annotated[int | None, typer.Option(help="With --temperature [0].")] = None,
    execute_code: ExecuteCode = False,
    format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """Try a prompt on some configs, one after another, and watch them write.

    Answers go to stdout. The reasoning of a thinking model goes to stderr, dimmed on a terminal,
    and is never scored.
    """
    if format not in FORMATS:
        raise InputError(f"--format must be one of {', '.join(FORMATS)}, not '{format}'.")
    if (suite is None) != (prompt_id is None):
        missing, given = ("--prompt ID", "--suite") if suite else ("--suite NAME", "--prompt")
        raise InputError(f"{given} takes a prompt of a suite: add {missing}.")
    if (prompt is None) == (suite is None):
        raise InputError(
            'Give one prompt: either its text, as in try "Name a colour.", or --suite NAME '
            "--prompt ID."
        )
    if temperature is None and (top_p is not None or seed is not None):
        raise InputError(
            "--top-p and --seed are for sampling: add --temperature, or leave them out."
        )
    # Its imports take longer than this process's, so they begin first.
    with fork_server.kept_running(at_once=True):
        from vibecore.core.formats import to_json
        from vibecore.live.playground import (
            Playground,
            choose_configs,
            make_request,
            own_prompt,
            suite_prompt,
        )
        from vibecore.live.playground.cards import pane_row

        request = make_request(
            suite_prompt(suite, prompt_id) if suite and prompt_id else own_prompt(prompt or ""),
            choose_configs(listed(config), model or (), listed(precision), name or ()),
            weights=weights,
            device=device,
            engine=engine,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_p=1.0 if top_p is None else top_p,
            seed=seed or 0,
            execute_code=execute_code,
            chat=chat,
            system=system,
            thinking=thinking,
        )
        playground = Playground()
        try:
            session = playground.submit(request, is_watched=lambda: True)
            stopped = _follow(playground, session, streaming=format == "table")
        finally:
            playground.close()
        if format == "json":
            show(to_json([pane_row(session, pane) for pane in session.panes]))
        if stopped:
            raise typer.Exit(INTERRUPTED)
        failed = [pane for pane in session.panes if pane.error]
        if failed:
            raise typer.Exit(2 if any(pane.bad_input for pane in failed) else 1)


def _follow(playground: Playground, session: Session, *, streaming: bool) -> bool:
    """Print the panes as they are written until the session has ended; Ctrl-C stops it. Returns
    whether it did."""
    failures = Failures()
    if not session.request.comparable:
        say("Sampled: not comparable with studies, which decode greedily.")
    for pane in session.panes:
        try:
            _follow_pane(session, pane, streaming, failures)
        except KeyboardInterrupt:
            playground.stop(session)
            session.finished.wait()
            say("Stopped.")
            return True
    return False


def _follow_pane(session: Session, pane: Pane, streaming: bool, failures: Failures) -> None:
    from vibecore.live.playground.cards import pane_facts, why_no_answer

    shown = shown_reasoning = 0
    announced: tuple[str, ...] = ()
    say(f"── {pane.config.id}")
    while True:
        ended = pane.ended or session.finished.wait(POLL_SECONDS)
        if pane.ahead and pane.ahead != announced:
            announced = pane.ahead
            say(f"Waiting for the device. Ahead of it: {', '.join(announced)}.")
        # The answer is read first, and printed second: no reasoning comes after it.
        new, thought = pane.pieces[shown:], pane.reasoning_pieces[shown_reasoning:]
        if streaming and thought:
            _print_reasoning("".join(thought), begins=shown_reasoning == 0)
        if streaming and new:
            if shown == 0 and pane.reasoning_pieces:
                say("\n── answer")
            show("".join(new), end="", flush=True)
        shown += len(new)
        shown_reasoning += len(thought)
        if ended:
            break
    if streaming and shown:
        show("", flush=True)
    elif streaming and shown_reasoning:
        say("")
    if pane.generation is not None and pane.text is None:
        say("No text: the weights are random.")
    if pane.error:
        say(failures.line(pane.config.id, pane.error))
    else:
        say(f"{pane.config.id}: {' · '.join(pane_facts(pane))}")
    if why := why_no_answer(pane):
        say(why)
    if pane.score is not None:
        score = pane.score
        flags = [name for name in ("empty", "repetitive", "degenerate") if getattr(score, name)]
        period = score.loop_period
        loop = [] if period is None else [f"loops every {counted(period, 'token')}"]
        new_tokens = pane.generation.new_tokens if pane.generation else None
        ratio = score.repetition_ratio
        repetition = NOT_MEASURED if ratio is None else f"{ratio:.2f}"
        say(", ".join([f"repetition {repetition}", *flags, *loop]))
        for result in pane.score.constraints:
            say(f"{result.status:7} {result.check}: {explained(result, new_tokens)}")
    sys.stderr.flush()


def _print_reasoning(text: str, *, begins: bool) -> None:
    """Print a piece of reasoning to stderr, under a heading of its own."""
    if begins:
        say("── reasoning, not scored")
    say(text, end="", dimmed=True)

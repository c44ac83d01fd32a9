"""Run code and call its functions, isolated: source and calls in, replies out."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from vibecore.scoring.sandbox.calls import Call, Reply, call_as_json, read_reply
from vibecore.scoring.sandbox.isolation import SandboxError, find_isolation, run_isolated
from vibecore.scoring.sandbox.limits import LIMITS, Limits
from vibecore.scoring.sandbox.process import Transcript


@dataclass(frozen=True)
class Execution:
    """The outcome of running a piece of code: a reply to each call, as far as it got.

    `loading_error` is what the code raised while it was loaded (its calls are made all the same,
    on what was defined by then); `ending` says why there are fewer replies than calls, else None.
    """

    replies: tuple[Reply, ...]
    loading_error: Reply | None = None
    ending: str | None = None


def run_calls(source: str, calls: Sequence[Call], limits: Limits = LIMITS) -> Execution:
    """Load `source` as a module, isolated, and make the calls in order, in one process.

    Raises SandboxError, with nothing run, where this machine has no isolation or it failed.
    Whatever the code does once it runs (crash, loop, flood its output) is an Execution.
    """
    isolation = find_isolation()
    if isolation.way is None:
        raise SandboxError(isolation.reason)
    rows = [call_as_json(call) for call in calls]
    transcript = run_isolated(isolation.way, source, rows, limits)
    return _read(transcript, len(calls), limits)


def _read(transcript: Transcript, wanted: int, limits: Limits) -> Execution:
    if transcript.ending == "over" and not transcript.lines:
        return Execution((), ending=_ending(transcript, limits))
    loading_error: Reply | None = None
    replies: list[Reply] = []
    for number, line in enumerate(transcript.lines[: wanted + 1]):
        if number == 0 and line == b'{"loaded": true}':
            continue
        reply = read_reply(line)
        if reply is None or (number == 0 and not reply.raised):
            return Execution(tuple(replies), loading_error, "sent something that is no reply")
        if number == 0:
            loading_error = reply
        else:
            replies.append(reply)
    complete = len(replies) == wanted and transcript.ending == "over" and transcript.status == 0
    ending = None if complete else _ending(transcript, limits)
    return Execution(tuple(replies), loading_error, ending)


def _ending(transcript: Transcript, limits: Limits) -> str:
    if transcript.ending == "time":
        return f"did not finish within {limits.seconds:g} s"
    if transcript.ending in ("printed", "replied"):
        most = limits.printed_bytes if transcript.ending == "printed" else limits.reply_bytes
        verb = "printed" if transcript.ending == "printed" else "returned"
        return f"{verb} more than {most // 2**20} MiB"
    if transcript.status > 128:
        number = transcript.status - 128
        names = {item.value: item.name for item in signal.Signals}
        return f"was ended by {names.get(number, f'signal {number}')}"
    return f"ended its process (exit status {transcript.status})"

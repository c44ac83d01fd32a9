"""Runs inside the isolation: locks itself in, then calls the code; a script, never imported.

It reads one job (JSON) from stdin. Everything that limits it is set here, before the first line
of untrusted code: resource limits and the filter of system calls. It inspects its surroundings
and refuses to run anything where it is not isolated. Replies go out one line a call, after the
line "ready"; what the code prints goes to stderr. A reply holds what a call returned, never a
verdict: the expected values stay outside, so that nothing in here can claim them.
"""

# It starts once an answer, so it avoids the import of pathlib.
# ruff: noqa: PTH118, PTH208

import ctypes
import json
import os
import resource
import sys
import types

MOST_ITEMS, MOST_DEPTH, MOST_TEXT = 10_000, 40, 100_000
SET_NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
SOCKET_LEVEL, NETWORK_COOKIE = 1, 71
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))


def limit(limits: dict[str, int]) -> None:
    """Set resource limits, soft and hard; where the host's are lower, those stay."""
    for name, most in limits.items():
        number = getattr(resource, name)
        hard = resource.getrlimit(number)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (most, most))


def find_opening(job: dict) -> str | None:
    """Evidence that this process is not isolated; None when it is."""
    import _socket

    if os.getpid() > 9:
        return "it shares the host's processes"
    if 0 in (os.getuid(), os.geteuid()) or has_capabilities():
        return "it has privileges"
    for folder, names in job["seen"].items():
        extra = sorted(set(os.listdir(folder)) - set(names))
        if extra:
            return f"it sees {os.path.join(folder, extra[0])}"
    try:
        os.close(os.open("/written", os.O_CREAT | os.O_WRONLY))
        return "its root can be written to"
    except OSError:
        pass
    if {name for _, name in _socket.if_nameindex()} - {"lo"}:
        return "it has network interfaces"
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    cookie = probe.getsockopt(SOCKET_LEVEL, NETWORK_COOKIE, 8)
    probe.close()
    if cookie.hex() == job["network"]:
        return "it shares the host's network"
    return None


def has_capabilities() -> bool:
    """Whether this process has capabilities: effective, permitted or inheritable."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    return libc.capget(header, sets) != 0 or any(sets)


def filter_calls(program: bytes) -> str | None:
    """Put the filter of system calls in place. Returns what went wrong, or None."""
    lines = Program(len(program) // 8, program)
    if libc.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return "it cannot give up privileges"
    if libc.prctl(SET_SECCOMP, FILTER, ctypes.byref(lines), 0, 0):
        return "the filter of system calls cannot be set"
    return None


def encode(value: object, depth: int = 0, left: list[int] | None = None) -> object:
    """A value in a form that JSON can hold: mappings, sets and everything else are tagged."""
    left = left if left is not None else [MOST_ITEMS]
    left[0] -= 1
    if left[0] < 0 or depth > MOST_DEPTH:
        return {"other": "something too large to read"}
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        if value.bit_length() > 10_000:
            return {"other": f"a number of {value.bit_length()} bits"}
        return value
    if isinstance(value, str):
        return value if len(value) <= MOST_TEXT else {"other": f"a text of {len(value)} characters"}
    if isinstance(value, (list, tuple)):
        return [encode(item, depth + 1, left) for item in value]
    if isinstance(value, dict):
        flat = [encode(part, depth + 1, left) for pair in dict.items(value) for part in pair]
        return {"dict": list(zip(flat[::2], flat[1::2], strict=True))}
    if isinstance(value, (set, frozenset)):
        return {"set": [encode(item, depth + 1, left) for item in value]}
    return {"other": f"an object of type {type(value).__name__}"}


def call(module: types.ModuleType, job: dict) -> dict:
    """One call's reply: what it returned, or what it raised."""
    if job["function"] not in module.__dict__:
        return {"missing": True}
    try:
        value = module.__dict__[job["function"]](*job["arguments"], **job["keywords"])
        made = value
        for method, *arguments in job["then"]:
            value = getattr(made, method)(*arguments)
        return {"value": encode(value)}
    except BaseException as error:
        return describe(error)


def describe(error: BaseException) -> dict:
    """An exception as a reply: its class and bases by name, and its message."""
    names = [kind.__name__ for kind in type(error).__mro__]
    try:
        message = str(error)[:200]
    except BaseException:
        message = ""
    return {"raised": names, "message": message}


def main() -> None:
    """Lock in, load the code, make the calls, reply to each, and end."""
    job = json.loads(sys.stdin.buffer.read())
    channel, exit_now, dumps, write = os.dup(1), os._exit, json.dumps, os.write
    os.dup2(2, 1)

    def reply(row: dict) -> None:
        line = memoryview(dumps(row).encode() + b"\n")
        while line:
            line = line[write(channel, line) :]

    limit(job["limits"])
    refusal = find_opening(job) or filter_calls(bytes.fromhex(job["filter"]))
    if refusal:
        reply({"refused": refusal})
        exit_now(0)
    os.environ.clear()
    reply({"ready": True})
    module = types.ModuleType("answer")
    sys.modules["answer"] = module
    try:
        exec(compile(job["source"], "<answer>", "exec"), module.__dict__)
        reply({"loaded": True})
    except BaseException as error:
        reply(describe(error))
    for row in job["calls"]:
        try:
            reply(call(module, row))
        except BaseException as error:
            reply(describe(error))
    exit_now(0)


main()

"""The sandbox on honest code: values, errors, limits' words, and what refuses to run."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vibecore.core.paths import PROJECT_ROOT
from vibecore.scoring.sandbox import (
    Call,
    Foreign,
    Limits,
    Reply,
    SandboxError,
    calls,
    execute,
    find_isolation,
    isolation,
    run_calls,
)
from vibecore.scoring.sandbox.root import python_root

ISOLATED = find_isolation().way is not None
needs_isolation = pytest.mark.skipif(not ISOLATED, reason=f"none: {find_isolation().reason}")


def value_of(source: str, *arguments: object) -> object:
    return run_calls(source, [Call("f", arguments)]).replies[0].value


@needs_isolation
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("None", None),
        ("True", True),
        ("7", 7),
        ("-2.5", -2.5),
        ("10 ** 60", 10**60),
        ("'ü\\ud800'", "ü\ud800"),
        ("(1, [2, (3,)])", [1, [2, [3]]]),
        ("{'a': 1, (1, 2): {3}}", {"a": 1, (1, 2): frozenset({3})}),
        ("__import__('collections').Counter('aab')", {"a": 2, "b": 1}),
        ("object()", Foreign("an object of type object")),
        ("(x for x in [])", Foreign("an object of type generator")),
        ("2 ** 100_000", Foreign("a number of 100001 bits")),
    ],
)
def test_values_come_back_as_plain_data(expression: str, value: object) -> None:
    assert value_of(f"def f(): return {expression}") == value


@needs_isolation
@pytest.mark.parametrize("expression", ["(x := []).append(x) or x", "list(range(20_000))"])
def test_what_is_too_large_is_said_and_not_sent(expression: str) -> None:
    assert "too large" in str(value_of(f"def f(): return {expression}"))


@needs_isolation
def test_arguments_keywords_and_methods_reach_the_code() -> None:
    source = "class Box:\n def __init__(self, n, *, m=0): self.n = n + m\n def add(self, k): "
    source += "self.n += k\n def get(self): return self.n"
    call = Call("Box", [1], {"m": 10}, [["add", 5], ["get"]])
    assert run_calls(source, [call]).replies == (Reply(value=16),)


@needs_isolation
def test_each_call_has_its_reply_and_an_error_does_not_end_them() -> None:
    source = "def f(x):\n    if x == 2: raise SystemExit('two')\n    return 6 / x"
    execution = run_calls(source, [Call("f", [x]) for x in (1, 0, 2, 3)])
    first, zero, two, last = execution.replies
    assert (first.value, last.value, execution.ending) == (6, 2, None)
    assert zero.raised[:2] == ("ZeroDivisionError", "ArithmeticError")
    assert (two.raised[0], two.message) == ("SystemExit", "two")


@needs_isolation
def test_code_that_fails_after_its_definitions_is_still_called() -> None:
    execution = run_calls("def f(): return 1\nprint(undefined)", [Call("f"), Call("g")])
    assert execution.loading_error is not None
    assert execution.loading_error.raised[0] == "NameError"
    assert execution.replies == (Reply(value=1), Reply(missing=True))


@needs_isolation
def test_the_main_part_is_not_run_and_input_is_at_its_end() -> None:
    source = "if __name__ == '__main__':\n    1 / 0\ndef f(): return input()"
    execution = run_calls(source, [Call("f")])
    assert execution.loading_error is None
    assert execution.replies[0].raised[0] == "EOFError"


@needs_isolation
def test_sets_come_in_one_order_whenever_the_code_is_run() -> None:
    source = "def f(): return list({str(n) for n in range(50)})"
    assert value_of(source) == value_of(source)


@needs_isolation
def test_the_temporary_folder_can_be_written_and_is_empty_each_time() -> None:
    source = "import os\ndef f():\n    n = os.listdir('/tmp')\n"
    source += "    open('/tmp/a', 'w').write('x')\n    return n, open('/tmp/a').read(), os.getcwd()"
    assert value_of(source) == [[], "x", "/tmp"]
    assert value_of(source) == [[], "x", "/tmp"]


@needs_isolation
def test_a_run_costs_little() -> None:
    """In processor time, which a busy machine does not stretch as it does the clock."""
    before = os.times()
    for _ in range(3):
        assert value_of("def f(): return 1") == 1
    after = os.times()
    user, system = (after[part] - before[part] for part in (2, 3))
    assert 0 < (user + system) / 3 < 0.15


def test_replies_that_are_none_are_refused() -> None:
    for line in (b"", b"[]", b"{}", b"7", b"{", b'{"value": {}}', b'{"raised": 3}', b"\xff"):
        assert calls.read_reply(line) is None, line
    assert calls.read_reply(b'{"value": ' + b"[" * 50_000 + b"]" * 50_000 + b"}") is None
    assert calls.read_reply(b'{"value": ' + b"9" * 10_000 + b"}") is None
    many = json.dumps({"value": {"dict": [[n, n] for n in range(2_000)]}}).encode()
    assert isinstance(calls.read_reply(many).value, Foreign)  # type: ignore[union-attr]


# ------------------------------------------------------------------- refusing


@pytest.fixture
def fresh_isolation():
    """Isolation is looked for again in the test, and once more after it."""
    find_isolation.cache_clear()
    yield
    find_isolation.cache_clear()


def test_another_system_or_machine_is_refused_with_its_name(monkeypatch, fresh_isolation) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    found = find_isolation()
    assert found.way is None
    assert "this is Darwin on arm64" in found.reason
    with pytest.raises(SandboxError, match="Linux"):
        run_calls("def f(): return 1", [Call("f")])


def test_where_no_way_works_every_reason_is_told(monkeypatch, fresh_isolation) -> None:
    def broken(*_: object) -> list[str]:
        return ["/nowhere/at/all"]

    monkeypatch.setattr(isolation, "WAYS", {"first": broken, "second": lambda *_: ["false"]})
    if not ISOLATED:
        pytest.skip("refused before any way is tried")
    found = find_isolation()
    assert found.way is None
    assert "first: it cannot be started: No such file" in found.reason
    assert "second: it ended with status 1" in found.reason


@needs_isolation
def test_the_runner_refuses_to_run_bare(monkeypatch) -> None:
    """However it is started: without walls it runs nothing."""
    monkeypatch.setitem(isolation.WAYS, "bare", lambda root, program, limits: program)
    with pytest.raises(SandboxError, match=r"shares the host's processes|has privileges|sees /"):
        isolation.run_isolated("bare", "open('/tmp/ran', 'w')", [], Limits())


# What a script beside the sandbox's own files may import.
NEEDED = [PROJECT_ROOT / "vibecore/core/errors.py", PROJECT_ROOT / "tests/support/hostile_code.py"]


def run_apart(prefix: list[str], body: str, path: str = "/usr/bin") -> str:
    """The output of a script that uses the sandbox, under another user or with less rights.

    It runs on the system's own Python, because this one's folder may be closed to others, as
    pytest's folders are.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file in (*PROJECT_ROOT.glob("vibecore/scoring/sandbox/*.py"), *NEEDED):
            copy = folder / file.relative_to(PROJECT_ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
        for package in ("vibecore", "vibecore/core", "vibecore/scoring"):
            (folder / package / "__init__.py").touch()
        script = folder / "script.py"
        script.write_text(f"import sys\nsys.path.insert(0, {name!r})\n{body}")
        for parent in [folder, *folder.rglob("*")]:
            parent.chmod(0o755)
        done = subprocess.run(
            [*prefix, SYSTEM_PYTHON, "-B", script],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": path},
            cwd="/",
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SYSTEM_PYTHON = Path("/usr/bin/python3")
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"


def can_be_another_user() -> bool:
    tools = all(map(shutil.which, ("setpriv", "unshare", str(SYSTEM_PYTHON))))
    if not (ISOLATED and tools and os.geteuid() == 0):
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", NEW_ENOUGH]).returncode == 0


needs_another_user = pytest.mark.skipif(
    not can_be_another_user(), reason="needs root, setpriv, unshare and a system Python 3.11"
)
ASK = """
from vibecore.scoring.sandbox import SandboxError, find_isolation, run_calls
print(find_isolation())
try:
    run_calls("", [])
except SandboxError as error:
    print("refused", error)
"""


@needs_another_user
def test_where_namespaces_are_forbidden_it_refuses() -> None:
    """A kernel, or a container, that allows no user namespaces: here, none below this one."""
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"'
    prefix = [*AS_NOBODY, "unshare", "--user", "--map-root-user", "sh", "-c", forbid]
    found, error = run_apart(prefix, ASK).split("\n")
    assert "way=None" in found
    # What the kernel says (ENOSPC) to one namespace more than allowed.
    assert "making namespaces: No space left on device" in found
    assert error.startswith("refused bubblewrap: ")


@needs_isolation
def test_the_root_shows_nothing_but_python() -> None:
    root = python_root()
    names = value_of("import os\ndef f(): return sorted(os.listdir('/'))")
    assert names == root.seen()["/"]
    assert "home" not in names
    assert str(PROJECT_ROOT) not in [*root.folders, *root.files]


def test_a_reply_that_is_none_ends_the_reading() -> None:
    from vibecore.scoring.sandbox.process import Transcript

    lines = (b'{"loaded": true}', b'{"value": 1}', b"nonsense", b'{"value": 2}')
    found = execute._read(Transcript(lines, b"", True, "over", 0), 3, Limits())
    assert [reply.value for reply in found.replies] == [1]
    assert found.ending == "sent something that is no reply"

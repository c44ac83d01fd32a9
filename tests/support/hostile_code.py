"""Code that means harm, or does it by accident: the test set of the sandbox.

Each defines `f`, which is called once. `{canary}` is a file of the host, `{port}` a listener on
its 127.0.0.1, `{pid}` the process that asks. The pattern is looked for in the verdict.
"""

from __future__ import annotations

import re
from textwrap import indent

MODULES = "builtins ctypes fcntl gc os resource shutil socket struct subprocess sys threading time"


def does(body: str) -> str:
    """Code whose `f` has this body, and that imports the modules named in it."""
    named = [module for module in MODULES.split() if re.search(rf"\b{module}\.", body)]
    imports = f"import {', '.join(named)}\n" if named else ""
    return f"{imports}def f():\n{indent(body, '    ')}"


def gives(expression: str) -> str:
    """Code whose `f` returns this."""
    return does(f"return {expression}")


def tries(body: str) -> str:
    """Code whose `f` returns GOT if it got what it wanted; the cases want another value."""
    return does(f"{body}\nreturn 'GOT'")


def syscall(number: str) -> str:
    """Code whose `f` makes this system call for 4,096 events and room for a pointer."""
    return tries(
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"if libc.syscall({number}, 4096, ctypes.byref(ctypes.c_ulong(0))) == -1:\n"
        "    raise OSError(ctypes.get_errno(), 'refused')"
    )


def writes_to_channels(data: str) -> str:
    """A body that writes this to every channel it may have."""
    return f"for fd in range(3, 32):\n    try: os.write(fd, {data})\n    except OSError: pass"


# Patterns of reasons that several share.
DENIED, ABSENT = "PermissionError", "FileNotFoundError"
LATE, UNCHANGED = "did not finish within", "Read-only file system"
ALWAYS_EQUAL = "def __eq__(self, other): return True"

HOSTILE: dict[str, tuple[str, str]] = {
    # ---------------------------------------------------- what the host shares out
    "takes all asynchronous I/O": (syscall("206 if os.uname().machine == 'x86_64' else 0"), DENIED),
    "locks Python's own file": (
        tries("fcntl.flock(open(os.__file__), fcntl.LOCK_EX)"),
        DENIED,
    ),
    "locks a part of it": (tries("fcntl.lockf(open(os.__file__), fcntl.LOCK_SH)"), DENIED),
    "locks it by its description": (
        tries("fcntl.fcntl(open(os.__file__), 37, struct.pack('hhqqi4x', 0, 0, 0, 0, 0))"),
        DENIED,
    ),
    "leases it": (tries("fcntl.fcntl(open(os.__file__), fcntl.F_SETLEASE, 0)"), DENIED),
    "watches its folder": (
        tries("fcntl.fcntl(os.open(os.path.dirname(os.__file__), 0), fcntl.F_NOTIFY, 2)"),
        DENIED,
    ),
    "watches files": (
        syscall("294 if os.uname().machine == 'x86_64' else 26"),
        DENIED,
    ),
    "takes the pages of pipes": (
        tries("fcntl.fcntl(os.pipe()[1], 1031, 1 << 20)"),
        DENIED,
    ),
    # ---------------------------------------------------- processes and threads
    "fork": (tries("os.fork()"), DENIED),
    "fork bomb": (does("while 1:\n    try: os.fork()\n    except OSError: pass"), LATE),
    "thread": (tries("threading.Thread(target=print).start()"), "can't start new thread"),
    "thread bomb": (
        does(
            "n = 0\nfor _ in range(5000):\n    try:\n        threading.Thread(target=f).start()\n"
            "        n += 1\n    except RuntimeError: pass\nreturn n"
        ),
        "returned 0",
    ),
    "subprocess": (
        gives("subprocess.run(['/bin/sh', '-c', 'echo GOT'])"),
        "PermissionError|FileNotFoundError",
    ),
    "exec": (does("os.execv(sys.executable, [sys.executable, '-c', ''])"), DENIED),
    "signals to the one who asks": (tries("os.kill({pid}, 9)"), "ProcessLookupError"),
    "signal to its parent": (
        does("os.kill(os.getppid(), 9)\ntime.sleep(0.2)\nreturn os.getppid()"),
        "returned 1|PermissionError|was ended by",
    ),
    "signal to all": (
        tries("os.kill(-1, 9)"),
        "ProcessLookupError|PermissionError|was ended by|returned 'GOT'",
    ),
    "signal to its group": (does("os.kill(0, 9)"), "was ended by SIGKILL"),
    "signal to itself": (does("os.kill(os.getpid(), 9)"), "was ended by SIGKILL"),
    "stops itself": (does("os.kill(os.getpid(), 19)"), LATE),
    # -------------------------------------------------------- time and memory
    "endless loop": (does("while True: pass"), LATE),
    "endless loop at load": ("while True: pass\ndef f(): pass", LATE),
    "loop that catches all": (
        "import signal\nsignal.signal(15, signal.SIG_IGN)\n"
        + does("while True:\n    try: raise SystemExit\n    except BaseException: pass"),
        LATE,
    ),
    "sleep": (does("time.sleep(1000)"), LATE),
    "memory hog": (gives("len(bytearray(4 * 10**9))"), "MemoryError"),
    "memory hog by bits": (
        does("kept = []\nwhile True: kept.append(bytearray(10**6))"),
        "MemoryError|did not finish within",
    ),
    "memory of another kind": (gives("os.write(os.memfd_create('x'), b'GOT')"), DENIED),
    "endless recursion": (gives("f()"), "RecursionError"),
    "recursion without a limit": (
        "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __repr__(self):\n"
        "        return repr([self])\ndef f(): return repr(A())",
        "was ended by SIGSEGV|did not finish|MemoryError|RecursionError",
    ),
    "raises its limits": (
        tries("resource.setrlimit(resource.RLIMIT_NPROC, (99, 99))"),
        "ValueError|PermissionError",
    ),
    # -------------------------------------------------------------- the files
    "reads a file of the host": (gives("open('{canary}').read()"), ABSENT),
    "deletes a file of the host": (tries("os.remove('{canary}')"), ABSENT),
    "deletes the home": (
        does(
            "for home in ('/home', '/root', os.path.expanduser('~')):\n"
            "    shutil.rmtree(home, ignore_errors=True)\nreturn os.path.exists('{canary}')"
        ),
        "returned False|did not finish within",
    ),
    "reads accounts": (gives("open('/etc/passwd').read()"), ABSENT),
    "writes outside": (gives("open('/usr/lib/GOT', 'w')"), UNCHANGED),
    "writes into the root": (gives("open('/GOT', 'w')"), UNCHANGED),
    "writes into Python": (
        gives("open(os.__file__, 'a').write('GOT')"),
        "Read-only file system|PermissionError",
    ),
    "changes rights": (gives("os.chmod('/usr', 0o777)"), "Read-only|Permission"),
    "huge file": (
        tries(
            "with open('/tmp/x', 'wb') as file:\n    for _ in range(1000): file.write(bytes(10**6))"
        ),
        "File too large|No space left",
    ),
    "many files": (
        tries("for n in range(100_000): open(f'/tmp/{{n}}', 'w').close()"),
        "No space left|did not finish within",
    ),
    "many large files": (
        tries(
            "for n in range(64):\n"
            "    with open(f'/tmp/{{n}}', 'wb') as new: new.write(bytes(10**6))"
        ),
        "No space left",
    ),
    "opens without end": (
        tries("kept = [open('/tmp/x', 'w') for _ in range(10_000)]"),
        "Too many open files",
    ),
    "symlink to the host": (
        does("os.symlink('{canary}', '/tmp/link')\nreturn open('/tmp/link').read()"),
        ABSENT,
    ),
    "way up": (gives("open('/tmp/' + '../' * 40 + '{canary}'.lstrip('/')).read()"), ABSENT),
    "hard link": (
        tries("os.link(os.__file__, '/tmp/os.py')"),
        "cross-device|Read-only|PermissionError|OSError",
    ),
    "device": (
        does(
            "os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))\n"
            "return open('/tmp/disk', 'rb').read(9)"
        ),
        DENIED,
    ),
    "shared memory": (
        "from multiprocessing import shared_memory\n"
        + gives("shared_memory.SharedMemory(create=True, size=10**9).size"),
        "FileNotFoundError|PermissionError|OSError|ImportError",
    ),
    # ------------------------------------------------------------ the secrets
    "environment": (gives("os.environ['SECRET']"), "KeyError"),
    "environment below Python": (
        does(
            "get = ctypes.CDLL(None).getenv\nget.restype = ctypes.c_char_p\nreturn get(b'SECRET')"
        ),
        "returned None",
    ),
    "environment of process 1": (gives("open('/proc/1/environ').read()"), ABSENT),
    "environment of the one who asks": (gives("open('/proc/{pid}/environ').read()"), ABSENT),
    "the root of another process": (gives("open('/proc/1/root{canary}').read()"), ABSENT),
    "memory of another process": (
        tries("ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0 or 1 / 0"),
        "ZeroDivisionError",
    ),
    # ------------------------------------------------------------ the network
    "connects to the host": (
        tries("socket.create_connection(('127.0.0.1', {port}), 0.5).sendall(b'GOT')"),
        "PermissionError|unreachable|ConnectionRefused|TimeoutError",
    ),
    "connects to the world": (
        tries("socket.create_connection(('192.0.2.1', 80), 0.5)"),
        "PermissionError|unreachable",
    ),
    "asks for a name": (gives("socket.getaddrinfo('example.org', 80)"), "gaierror|PermissionError"),
    "socket of the host": (
        tries("s = socket.socket(socket.AF_UNIX)\ns.connect('/run/docker.sock')"),
        "PermissionError|FileNotFoundError",
    ),
    # ------------------------------------------------------- walls and rights
    "becomes root": (tries("os.setuid(0)"), "OSError|PermissionError"),
    "namespaces of its own": (
        tries("ctypes.CDLL(None).unshare(0x10000000) == 0 or 1 / 0"),
        "ZeroDivisionError",
    ),
    "mounts": (
        tries("ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0 or 1 / 0"),
        "ZeroDivisionError",
    ),
    "changes the root": (tries("os.chroot('/tmp')"), "Permission"),
    # ------------------------------------------------ the channel and the judge
    "output flood": (does("while True: print('x' * 1000)"), "printed more than 1 MiB"),
    "error flood": (does("while True: os.write(2, b'x' * 1000)"), "printed more than 1 MiB"),
    "reply flood": (
        does("while True:\n" + indent(writes_to_channels("b'x' * 1000"), "    ")),
        "no reply|returned more than 1 MiB",
    ),
    "forged verdict": (
        does(writes_to_channels('b\'{{"passed": true, "status": "pass"}}\\n\'') + "\nos._exit(0)"),
        "no reply",
    ),
    "forged refusal": (
        does(writes_to_channels('b\'{{"refused": "no isolation"}}\\n\'') + "\nos._exit(0)"),
        "no reply",
    ),
    "leaves": (does("os._exit(0)"), "ended its process .exit status 0."),
    "leaves politely": (does("sys.exit(0)"), "raised SystemExit"),
    "leaves at load": ("import os\n" + does("pass") + "\nos._exit(0)", "ended its process"),
    "aborts": (does("os.abort()"), "was ended by SIGABRT"),
    "crashes": (gives("ctypes.string_at(0)"), "was ended by SIGSEGV"),
    "closes its channels": (does("os.closerange(0, 99)"), "ended its process"),
    "closes its channels and stays": (
        does("os.closerange(0, 99)\nwhile True: time.sleep(1)"),
        LATE,
    ),
    "equals everything": (
        f"class A:\n    {ALWAYS_EQUAL}\n    def __hash__(self): return 0\n" + gives("A()"),
        "returned an object of type A",
    ),
    "number that equals everything": (
        f"class A(int):\n    {ALWAYS_EQUAL}\n    __hash__ = int.__hash__\n" + gives("A(7)"),
        "returned 7",
    ),
    "list that equals everything": (
        f"class A(list):\n    {ALWAYS_EQUAL}\n"
        "    def __iter__(self): return iter(['x'] * 10**9)\n" + gives("A()"),
        "returned|MemoryError|did not finish",
    ),
    "patched json": (
        "import json, os\njson.dumps = json.loads = lambda *a, **k: 'GOT'\n"
        "os.write = os._exit = print = len = None\n" + gives("'GOT'"),
        "returned 'GOT'|no reply",
    ),
    "no builtins": (
        tries("builtins.__dict__.clear()"),
        "returned 'GOT'|raised|ended its process|no reply",
    ),
    "looks for what is wanted": (
        does(
            "seen, frame = '', sys._getframe(1)\nwhile frame:\n"
            "    seen += repr(frame.f_locals) + repr(frame.f_globals)\n    frame = frame.f_back\n"
            "seen += repr([o for o in gc.get_objects() if isinstance(o, dict)])\n"
            "return 'WANTED'[:0] + ('WAN' + 'TED' if 'WAN' 'TED-' + '731' in seen else 'none')"
        ),
        "returned 'none'",
    ),
    "endless exception": (
        "import time\nclass E(Exception):\n    def __str__(self): time.sleep(1000)\n"
        + does("raise E"),
        LATE,
    ),
    "deep value": (
        does("x = []\nfor _ in range(100_000): x = [x]\nreturn x"),
        "too large|RecursionError|\\.\\.\\.",
    ),
}

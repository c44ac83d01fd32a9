"""Code that means harm, or does it by accident: the test set of the sandbox.

Each defines `f`, which is called once. `{canary}` is a file of the host, `{port}` a listener on
its 127.0.0.1, `{pid}` the process that asks. The pattern is looked for in the verdict.
"""

from __future__ import annotations

# What f returns if it got what it wanted; the cases want another value, so it never passes.
GOT = "GOT"

HOSTILE: dict[str, tuple[str, str]] = {
    # ---------------------------------------------------- processes and threads
    "fork": ("import os\ndef f():\n    os.fork()\n    return 'GOT'", "PermissionError"),
    "fork bomb": (
        "import os\ndef f():\n    while 1:\n        try: os.fork()\n        except OSError: pass",
        "did not finish within",
    ),
    "thread": (
        "import threading\ndef f():\n    threading.Thread(target=print).start()\n    return 'GOT'",
        "can't start new thread",
    ),
    "thread bomb": (
        "import threading\ndef f():\n    n = 0\n    for _ in range(5000):\n        try:\n"
        "            threading.Thread(target=f).start()\n            n += 1\n"
        "        except RuntimeError: pass\n    return n",
        "returned 0",
    ),
    "subprocess": (
        "import subprocess\ndef f(): return subprocess.run(['/bin/sh', '-c', 'echo GOT'])",
        "PermissionError|FileNotFoundError",
    ),
    "exec": (
        "import os, sys\ndef f(): os.execv(sys.executable, [sys.executable, '-c', ''])",
        "PermissionError",
    ),
    "signals to the one who asks": (
        "import os\ndef f():\n    os.kill({pid}, 9)\n    return 'GOT'",
        "ProcessLookupError",
    ),
    "signal to its parent": (
        "import os, time\ndef f():\n    os.kill(os.getppid(), 9)\n    time.sleep(0.2)\n"
        "    return os.getppid()",
        "returned 1|PermissionError|was ended by",
    ),
    "signal to all": (
        "import os\ndef f():\n    os.kill(-1, 9)\n    return 'GOT'",
        "ProcessLookupError|PermissionError|was ended by|returned 'GOT'",
    ),
    "signal to its group": ("import os\ndef f(): os.kill(0, 9)", "was ended by SIGKILL"),
    "signal to itself": ("import os\ndef f(): os.kill(os.getpid(), 9)", "was ended by SIGKILL"),
    "stops itself": ("import os\ndef f(): os.kill(os.getpid(), 19)", "did not finish within"),
    # -------------------------------------------------------- time and memory
    "endless loop": ("def f():\n    while True: pass", "did not finish within"),
    "endless loop at load": ("while True: pass\ndef f(): pass", "did not finish within"),
    "loop that catches all": (
        "import signal\nsignal.signal(15, signal.SIG_IGN)\ndef f():\n    while True:\n"
        "        try: raise SystemExit\n        except BaseException: pass",
        "did not finish within",
    ),
    "sleep": ("import time\ndef f(): time.sleep(1000)", "did not finish within"),
    "memory hog": ("def f(): return len(bytearray(4 * 10**9))", "MemoryError"),
    "memory hog by bits": (
        "def f():\n    kept = []\n    while True: kept.append(bytearray(10**6))",
        "MemoryError|did not finish within",
    ),
    "memory of another kind": (
        "import os\ndef f():\n    return os.write(os.memfd_create('x'), b'GOT')",
        "PermissionError",
    ),
    "endless recursion": ("def f(): return f()", "RecursionError"),
    "recursion without a limit": (
        "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n    def __repr__(self):\n"
        "        return repr([self])\ndef f(): return repr(A())",
        "was ended by SIGSEGV|did not finish|MemoryError|RecursionError",
    ),
    "raises its limits": (
        "import resource\ndef f():\n    resource.setrlimit(resource.RLIMIT_NPROC, (99, 99))\n"
        "    return 'GOT'",
        "ValueError|PermissionError",
    ),
    # -------------------------------------------------------------- the files
    "reads a file of the host": ("def f(): return open('{canary}').read()", "FileNotFoundError"),
    "deletes a file of the host": (
        "import os\ndef f():\n    os.remove('{canary}')\n    return 'GOT'",
        "FileNotFoundError",
    ),
    "deletes the home": (
        "import os, shutil\ndef f():\n"
        "    for home in ('/home', '/root', os.path.expanduser('~')):\n"
        "        shutil.rmtree(home, ignore_errors=True)\n    return os.path.exists('{canary}')",
        "returned False|did not finish within",
    ),
    "reads accounts": ("def f(): return open('/etc/passwd').read()", "FileNotFoundError"),
    "writes outside": ("def f(): return open('/usr/lib/GOT', 'w')", "Read-only file system"),
    "writes into the root": ("def f(): return open('/GOT', 'w')", "Read-only file system"),
    "writes into Python": (
        "import os\ndef f():\n    return open(os.__file__, 'a').write('GOT')",
        "Read-only file system|PermissionError",
    ),
    "changes rights": (
        "import os\ndef f(): return os.chmod('/usr', 0o777)",
        "Read-only|Permission",
    ),
    "huge file": (
        "def f():\n    with open('/tmp/x', 'wb') as file:\n"
        "        for _ in range(1000): file.write(bytes(10**6))\n    return 'GOT'",
        "File too large|No space left",
    ),
    "many files": (
        "def f():\n    for n in range(100_000): open(f'/tmp/{{n}}', 'w').close()\n    return 'GOT'",
        "No space left|did not finish within",
    ),
    "many large files": (
        "def f():\n    for n in range(64):\n"
        "        with open(f'/tmp/{{n}}', 'wb') as new: new.write(bytes(10**6))\n    return 'GOT'",
        "No space left",
    ),
    "opens without end": (
        "def f():\n    kept = [open('/tmp/x', 'w') for _ in range(10_000)]\n    return 'GOT'",
        "Too many open files",
    ),
    "symlink to the host": (
        "import os\ndef f():\n    os.symlink('{canary}', '/tmp/link')\n"
        "    return open('/tmp/link').read()",
        "FileNotFoundError",
    ),
    "way up": (
        "def f(): return open('/tmp/' + '../' * 40 + '{canary}'.lstrip('/')).read()",
        "FileNotFoundError",
    ),
    "hard link": (
        "import os\ndef f():\n    os.link(os.__file__, '/tmp/os.py')\n    return 'GOT'",
        "cross-device|Read-only|PermissionError|OSError",
    ),
    "device": (
        "import os\ndef f():\n    os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))\n"
        "    return open('/tmp/disk', 'rb').read(9)",
        "PermissionError",
    ),
    "shared memory": (
        "from multiprocessing import shared_memory\n"
        "def f(): return shared_memory.SharedMemory(create=True, size=10**9).size",
        "FileNotFoundError|PermissionError|OSError|ImportError",
    ),
    # ------------------------------------------------------------ the secrets
    "environment": ("import os\ndef f(): return os.environ['SECRET']", "KeyError"),
    "environment below Python": (
        "import ctypes\ndef f():\n    get = ctypes.CDLL(None).getenv\n"
        "    get.restype = ctypes.c_char_p\n    return get(b'SECRET')",
        "returned None",
    ),
    "environment of process 1": (
        "def f(): return open('/proc/1/environ').read()",
        "FileNotFoundError",
    ),
    "environment of the one who asks": (
        "def f(): return open('/proc/{pid}/environ').read()",
        "FileNotFoundError",
    ),
    "the root of another process": (
        "def f(): return open('/proc/1/root{canary}').read()",
        "FileNotFoundError",
    ),
    "memory of another process": (
        "import ctypes\ndef f():\n    ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0 or 1 / 0\n"
        "    return 'GOT'",
        "ZeroDivisionError",
    ),
    # ------------------------------------------------------------ the network
    "connects to the host": (
        "import socket\ndef f():\n"
        "    socket.create_connection(('127.0.0.1', {port}), 0.5).sendall(b'GOT')\n"
        "    return 'GOT'",
        "PermissionError|unreachable|ConnectionRefused|TimeoutError",
    ),
    "connects to the world": (
        "import socket\ndef f():\n    socket.create_connection(('192.0.2.1', 80), 0.5)\n"
        "    return 'GOT'",
        "PermissionError|unreachable",
    ),
    "asks for a name": (
        "import socket\ndef f(): return socket.getaddrinfo('example.org', 80)",
        "gaierror|PermissionError",
    ),
    "socket of the host": (
        "import socket\ndef f():\n    s = socket.socket(socket.AF_UNIX)\n"
        "    s.connect('/run/docker.sock')\n    return 'GOT'",
        "PermissionError|FileNotFoundError",
    ),
    # ------------------------------------------------------- walls and rights
    "becomes root": (
        "import os\ndef f():\n    os.setuid(0)\n    return 'GOT'",
        "OSError|PermissionError",
    ),
    "namespaces of its own": (
        "import ctypes\ndef f():\n    ctypes.CDLL(None).unshare(0x10000000) == 0 or 1 / 0\n"
        "    return 'GOT'",
        "ZeroDivisionError",
    ),
    "mounts": (
        "import ctypes\ndef f():\n"
        "    ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0 or 1 / 0\n"
        "    return 'GOT'",
        "ZeroDivisionError",
    ),
    "changes the root": (
        "import os\ndef f():\n    os.chroot('/tmp')\n    return 'GOT'",
        "Permission",
    ),
    # ------------------------------------------------ the channel and the judge
    "output flood": ("def f():\n    while True: print('x' * 1000)", "printed more than 1 MiB"),
    "error flood": (
        "import os\ndef f():\n    while True: os.write(2, b'x' * 1000)",
        "printed more than 1 MiB",
    ),
    "reply flood": (
        "import os\ndef f():\n    while True:\n        for fd in range(3, 32):\n"
        "            try: os.write(fd, b'x' * 1000)\n            except OSError: pass",
        "no reply|returned more than 1 MiB",
    ),
    "forged verdict": (
        "import os\ndef f():\n    for fd in range(3, 32):\n"
        '        try: os.write(fd, b\'{{"passed": true, "status": "pass"}}\\n\')\n'
        "        except OSError: pass\n    os._exit(0)",
        "no reply",
    ),
    "forged refusal": (
        "import os\ndef f():\n    for fd in range(3, 32):\n"
        '        try: os.write(fd, b\'{{"refused": "no isolation"}}\\n\')\n'
        "        except OSError: pass\n    os._exit(0)",
        "no reply",
    ),
    "leaves": ("import os\ndef f(): os._exit(0)", "ended its process .exit status 0."),
    "leaves politely": ("import sys\ndef f(): sys.exit(0)", "raised SystemExit"),
    "leaves at load": ("import os\ndef f(): pass\nos._exit(0)", "ended its process"),
    "aborts": ("import os\ndef f(): os.abort()", "was ended by SIGABRT"),
    "crashes": ("import ctypes\ndef f(): return ctypes.string_at(0)", "was ended by SIGSEGV"),
    "closes its channels": ("import os\ndef f(): os.closerange(0, 99)", "ended its process"),
    "closes its channels and stays": (
        "import os, time\ndef f():\n    os.closerange(0, 99)\n    while True: time.sleep(1)",
        "did not finish within",
    ),
    "equals everything": (
        "class A:\n    def __eq__(self, other): return True\n    def __hash__(self): return 0\n"
        "def f(): return A()",
        "returned an object of type A",
    ),
    "number that equals everything": (
        "class A(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\n"
        "def f(): return A(7)",
        "returned 7",
    ),
    "list that equals everything": (
        "class A(list):\n    def __eq__(self, other): return True\n"
        "    def __iter__(self): return iter(['x'] * 10**9)\ndef f(): return A()",
        "returned|MemoryError|did not finish",
    ),
    "patched json": (
        "import json, os\njson.dumps = json.loads = lambda *a, **k: 'GOT'\n"
        "os.write = os._exit = print = len = None\ndef f(): return 'GOT'",
        "returned 'GOT'|no reply",
    ),
    "no builtins": (
        "import builtins\ndef f():\n    builtins.__dict__.clear()\n    return 'GOT'",
        "returned 'GOT'|raised|ended its process|no reply",
    ),
    "looks for what is wanted": (
        "import gc, sys\ndef f():\n    seen, frame = '', sys._getframe(1)\n    while frame:\n"
        "        seen += repr(frame.f_locals) + repr(frame.f_globals)\n"
        "        frame = frame.f_back\n"
        "    seen += repr([o for o in gc.get_objects() if isinstance(o, dict)])\n"
        "    return 'WANTED'[:0] + ('WAN' + 'TED' if 'WAN' 'TED-' + '731' in seen else 'none')",
        "returned 'none'",
    ),
    "endless exception": (
        "import time\nclass E(Exception):\n    def __str__(self): time.sleep(1000)\n"
        "def f(): raise E",
        "did not finish within",
    ),
    "deep value": (
        "def f():\n    x = []\n    for _ in range(100_000): x = [x]\n    return x",
        "too large|RecursionError|\\.\\.\\.",
    ),
}

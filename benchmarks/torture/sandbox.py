"""Attacks on the sandbox that the tests' set does not have: system calls made directly, descriptors
that might be inherited, resources that are the whole system's, and looks at the host.

`f` returns GOT where it got what it wanted; every other end is a wall that held.
"""

from __future__ import annotations

import fcntl
import os
import platform
import socket
import time
from pathlib import Path
from textwrap import indent

from benchmarks.torture.figures import Figures
from benchmarks.torture.ground import Ground
from vibecore.scoring.sandbox import Call, Limits, find_isolation, run_calls

# Numbers of x86_64 (arch/x86/entry/syscalls/syscall_64.tbl); a call that is denied gives -1.
PRELUDE = """
import ctypes, errno, fcntl, glob, mmap, os, signal, socket, sys, time
C = ctypes.CDLL(None, use_errno=True)
C.syscall.restype = ctypes.c_long
def call(number, *arguments):
    return C.syscall(ctypes.c_long(number), *arguments)
HOME, PORT, PID = {home!r}, {port}, {pid}
"""
ATTACKS: dict[str, str] = {
    "io_uring": "return 'GOT' if call(425, 8, ctypes.create_string_buffer(120)) >= 0 else 0",
    "memfd, and a program in it": (
        "fd = call(319, b'x', 0)\n"
        "if fd < 0: return 0\n"
        "os.write(fd, open(sys.executable, 'rb').read())\n"
        "os.execve(fd, ['x'], {})"
    ),
    "asynchronous I/O of the whole system": (
        "kept = []\n"
        "for _ in range(4):\n"
        "    context = ctypes.c_ulong(0)\n"
        "    if call(206, 1024, ctypes.byref(context)) == 0: kept.append(context)\n"
        "return 'GOT' if kept else 0"
    ),
    "lock on Python's own files": (
        "fcntl.flock(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "return 'GOT'"
    ),
    "record lock on Python's own files": (
        "fcntl.lockf(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_SH | fcntl.LOCK_NB)\n"
        "fcntl.fcntl(os.open(os.__file__, os.O_RDONLY), 1024, 0)\nreturn 'GOT'"
    ),
    "inherited descriptors": (
        "found = []\n"
        "for fd in range(3, 1024):\n"
        "    try: found.append(os.readlink(f'/proc/self/fd/{fd}'))\n"
        "    except OSError:\n"
        "        try: found.append(os.fstat(fd).st_mode)\n"
        "        except OSError: continue\n"
        "        if os.path.exists(f'{HOME}'): return 'GOT'\n"
        "        try:\n"
        "            os.fchdir(fd)\n"
        "            return 'GOT' if os.path.exists('..' + HOME) else 0\n"
        "        except OSError: pass\n"
        "return len(found)"
    ),
    "descriptor of a folder as a way up": (
        "for fd in range(0, 64):\n"
        "    try: os.open('../../../../../..' + HOME + '/canary', os.O_RDONLY, dir_fd=fd)\n"
        "    except OSError: continue\n"
        "    return 'GOT'\n"
        "return 0"
    ),
    "watches the host's files": (
        "fd = call(294, 0)\n"
        "mark = call(254, fd, os.path.dirname(os.__file__).encode(), 0xfff) if fd >= 0 else -1\n"
        "return 'GOT' if mark >= 0 else 0"
    ),
    "watches all of a file system": ("fd = call(300, 0, 0)\nreturn 'GOT' if fd >= 0 else 0"),
    "reads the kernel's log": (
        "return 'GOT' if call(103, 3, ctypes.create_string_buffer(99), 99) > 0 else 0"
    ),
    "reads the kernel's symbols": "return 'GOT' if open('/proc/kallsyms').read(9) else 0",
    "other processes in /proc": (
        "return 'GOT' if len([x for x in os.listdir('/proc') if x.isdigit()]) > 2 else 0"
    ),
    "descriptor of another process": "return 'GOT' if call(434, PID, 0) >= 0 else 0",
    "memory of another process": (
        "class V(ctypes.Structure): _fields_ = [('b', ctypes.c_void_p), ('n', ctypes.c_size_t)]\n"
        "buffer = ctypes.create_string_buffer(8)\n"
        "here = V(ctypes.addressof(buffer), 8)\n"
        "there = V(id(f), 8)\n"
        "got = call(310, PID, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)\n"
        "return 'GOT' if got > 0 else 0"
    ),
    "thread by clone3": (
        "arguments = (ctypes.c_ulong * 11)(0x10f00)\n"
        "return 'GOT' if call(435, arguments, 88) > 0 else 0"
    ),
    "process by vfork": "return 'GOT' if call(58) > 0 else 0",
    "32-bit system calls": (
        "code = mmap.mmap(-1, 4096, prot=7)\n"
        "code.write(bytes.fromhex('b802000000cd80c3'))\n"
        "view = ctypes.c_char.from_buffer(code)\n"
        "made = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(view))()\n"
        "return 'GOT' if made > 0 else 0"
    ),
    "x32 system calls": "return 'GOT' if call(0x40000000 + 57) > 0 else 0",
    "socket by number": "return 'GOT' if call(41, 2, 1, 0) >= 0 else 0",
    "netlink": "return 'GOT' if call(41, 16, 3, 0) >= 0 else 0",
    "vsock": "return 'GOT' if call(41, 40, 1, 0) >= 0 else 0",
    "user fault handling": "return 'GOT' if call(323, 0) >= 0 else 0",
    "program in the kernel": (
        "return 'GOT' if call(321, 5, ctypes.create_string_buffer(128), 128) >= 0 else 0"
    ),
    "user namespace": "return 'GOT' if call(272, 0x10000000) == 0 else 0",
    "enters another namespace": (
        "fd = os.open(f'/proc/{PID}/ns/mnt', os.O_RDONLY)\n"
        "return 'GOT' if call(308, fd, 0) == 0 else 0"
    ),
    "secret memory": "return 'GOT' if call(447, 0) >= 0 else 0",
    "shared memory of System V": "return 'GOT' if call(29, 0, 1 << 28, 0o1777) >= 0 else 0",
    "locked memory": (
        "kept = mmap.mmap(-1, 1 << 26)\n"
        "view = ctypes.c_char.from_buffer(kept)\n"
        "got = C.mlock(ctypes.c_void_p(ctypes.addressof(view)), ctypes.c_size_t(1 << 26))\n"
        "return 'GOT' if got == 0 else 0"
    ),
    "higher priority": "os.nice(-5)\nreturn 'GOT'",
    "real-time scheduling": (
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\nreturn 'GOT'"
    ),
    "sets the clock": "time.clock_settime(time.CLOCK_REALTIME, time.time())\nreturn 'GOT'",
    "names the host": "socket.sethostname('GOT')\nreturn 'GOT'",
    "writes to the terminal": (
        "for name in ('/dev/tty', '/dev/console', '/dev/pts/0'):\n"
        "    try: os.write(os.open(name, os.O_RDWR), b'GOT')\n"
        "    except OSError: continue\n"
        "    return 'GOT'\n"
        "return 0"
    ),
    "types into the terminal": (
        "import termios\n"
        "for fd in (0, 1, 2):\n"
        "    try: fcntl.ioctl(fd, termios.TIOCSTI, b'x')\n"
        "    except OSError: continue\n"
        "    return 'GOT'\n"
        "return 0"
    ),
    "file by its handle": (
        "return 'GOT' if call(304, -100, ctypes.create_string_buffer(128), 0) >= 0 else 0"
    ),
    "signals by number to all": ("return 'GOT' if call(62, PID, 0) == 0 else 0"),
}


def attack(ground: Ground) -> Figures:
    """Each once; the host is compared with what it was before."""
    figures = Figures("sandbox attack")
    started = time.monotonic()
    if find_isolation().way is None or platform.machine() != "x86_64":
        figures.count("not on this machine")
        return figures
    home = ground.fresh("home")
    home.mkdir(mode=0o777)
    canary = home / "canary"
    canary.write_text("GOT")
    canary.chmod(0o666)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        values = {"home": str(home), "port": server.getsockname()[1], "pid": os.getpid()}
        for name, body in ATTACKS.items():
            figures.tries += 1
            source = PRELUDE.format(**values) + "def f():\n" + indent(body, "    ")
            in_use = _asynchronous()
            execution = run_calls(source, [Call("f")], Limits(seconds=2.0))
            value = execution.replies[0].value if execution.replies else None
            if value == "GOT":
                figures.count("escape", name)
            elif execution.ending:
                figures.count("ended")
            elif execution.replies and execution.replies[0].raised:
                figures.count("denied by an error")
            else:
                figures.count("nothing got")
            if [file.read_text() for file in home.iterdir()] != ["GOT"]:
                figures.count("changed", name)
            if _asynchronous() > in_use:
                figures.count("escape", f"{name}: the system's AIO is in use after it")
            _lock_is_free(figures, name)
        try:
            server.accept()
            figures.count("escape", "something connected to the host")
        except TimeoutError:
            pass
    figures.seconds = time.monotonic() - started
    return figures


def _asynchronous() -> int:
    """How much of the system's asynchronous I/O is taken."""
    try:
        return int(Path("/proc/sys/fs/aio-nr").read_text())
    except OSError:
        return 0


def _lock_is_free(figures: Figures, name: str) -> None:
    descriptor = os.open(os.__file__, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        figures.count("escape", f"{name}: holds a lock on {os.__file__}")
    finally:
        os.close(descriptor)

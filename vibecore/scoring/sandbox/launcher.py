"""Run one program in namespaces of its own, with nothing but ctypes; a script, never imported.

    python -I -S -c SOURCE '{"parent": PID, "folders": […], "links": [[TARGET, PATH]], …}'

Three processes: this one, which stays outside and holds the life line (a pipe); process 1 of the
new namespaces, which builds the root and waits; and the program, without any capability. When
this one ends, however it ends, the kernel kills process 1, and with it everything inside. It works
for root too: then the program runs as a user that is not root outside either, because the kernel
exempts root from its limit on processes.

Exit status: the program's; 128 + N for signal N; 125, with a line on stderr, where isolation
failed: the program is then not run.
"""

# It starts once an answer, so it avoids the imports of pathlib and typing.
# ruff: noqa: PTH102, PTH103, PTH120, PTH123, PTH211

import ctypes
import json
import os
import select
import signal
import sys
from collections.abc import Callable

FAILED = 125
NEW_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
READ_ONLY, NO_SET_UID, NO_DEVICES, NO_PROGRAMS = 1, 2, 4, 8
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18
DETACH = 2
SET_PARENT_DEATH_SIGNAL, DROP_BOUNDING_CAPABILITY, SET_NO_NEW_PRIVILEGES = 1, 24, 38
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
MOUNT_SETATTR = 442
AT_FDCWD, AT_RECURSIVE = -100, 0x8000

libc = ctypes.CDLL(None, use_errno=True)


def call(what: str, function: Callable[..., int], *arguments: object) -> None:
    """Call a function of libc; end this process with what failed and why."""
    plain = [a.encode() if isinstance(a, str) else a for a in arguments]
    if function(*plain) != 0:
        fail(what, os.strerror(ctypes.get_errno()))


def fail(what: str, reason: str | None) -> None:
    """End this process with a line on stderr."""
    os.write(2, f"{what}: {reason}\n".encode())
    os._exit(FAILED)


def mount(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
) -> None:
    """mount(2)."""
    call(f"mounting {target}", libc.mount, source, target, kind, ctypes.c_ulong(flags), data)


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2), for which libc has no function."""
    number = PIVOT_ROOT[os.uname().machine]
    call("changing the root", libc.syscall, ctypes.c_long(number), new, old)


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it ends."""
    libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def enter_namespaces(job: dict) -> None:
    """Leave the host's namespaces; a child that stays in them writes the user and group maps."""
    user, group, as_root = os.geteuid(), os.getegid(), os.geteuid() == 0
    inside = job["user"]
    users = f"0 {user} 1\n{inside} {inside} 1" if as_root else f"{inside} {user} 1"
    groups = f"0 {group} 1\n{inside} {inside} 1" if as_root else f"{inside} {group} 1"
    target = os.getpid()
    left_read, left_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    mapper = os.fork()
    if mapper == 0:
        os.close(left_write)
        if os.read(left_read, 1):
            try:
                for name, text in (("setgroups", "deny"), ("uid_map", users), ("gid_map", groups)):
                    if not (as_root and name == "setgroups"):
                        with open(f"/proc/{target}/{name}", "w") as file:
                            file.write(text)
                os.write(mapped_write, b"1")
            except OSError as error:
                fail("mapping the user", error.strerror)
        os._exit(0)
    os.close(left_read)
    os.close(mapped_write)
    call("making namespaces", libc.unshare, NEW_NAMESPACES)
    os.write(left_write, b"1")
    if not os.read(mapped_read, 1):
        os._exit(FAILED)
    os.waitpid(mapper, 0)


def build_root(job: dict) -> None:
    """A root of an empty file system and the job's folders, read-only, and /tmp to write in."""
    mount(None, "/", None, PRIVATE | RECURSIVE)
    mount("tmpfs", "/tmp", "tmpfs", NO_SET_UID | NO_DEVICES, "size=1m,mode=0755")
    os.mkdir("/tmp/host")
    pivot_root("/tmp", "/tmp/host")
    os.chdir("/")
    os.mkdir("/new")
    mount("tmpfs", "/new", "tmpfs", NO_SET_UID | NO_DEVICES, "size=1m,mode=0755")
    os.mkdir("/new/tmp")
    for path in job["folders"]:
        os.makedirs("/new" + path)
        mount("/host" + path, "/new" + path, None, BIND | RECURSIVE)
    for path in job["files"]:
        os.makedirs(os.path.dirname("/new" + path), exist_ok=True)
        os.close(os.open("/new" + path, os.O_CREAT | os.O_WRONLY, 0o444))
        mount("/host" + path, "/new" + path, None, BIND)
    for target, path in job["links"]:
        os.makedirs(os.path.dirname("/new" + path), exist_ok=True)
        os.symlink(target, "/new" + path)
    attributes = (ctypes.c_uint64 * 4)(READ_ONLY | NO_SET_UID | NO_DEVICES, 0, 0, 0)
    call(
        "making the root read-only",
        libc.syscall,
        ctypes.c_long(MOUNT_SETATTR),
        AT_FDCWD,
        "/new",
        AT_RECURSIVE,
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    size = f"size={job['temporary_bytes']},nr_inodes=1024,mode=1777"
    mount("tmpfs", "/new/tmp", "tmpfs", NO_SET_UID | NO_DEVICES | NO_PROGRAMS, size)
    call("leaving the host's files", libc.umount2, "/host", DETACH)
    os.chdir("/new")
    pivot_root(".", ".")
    call("leaving the host's files", libc.umount2, ".", DETACH)
    os.chdir("/tmp")


def become_nobody(job: dict) -> None:
    """Give up every capability, for good: a program gets none, whatever it executes."""
    number = 0
    while libc.prctl(DROP_BOUNDING_CAPABILITY, number, 0, 0, 0) == 0:
        number += 1
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(job["user"], job["user"], job["user"])
        os.setresuid(job["user"], job["user"], job["user"])
    call("giving up privileges", libc.prctl, SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def be_process_one(job: dict, life_line: int) -> None:
    """Build the root, start the program, and end with its status."""
    die_with_parent()
    if select.select([life_line], [], [], 0)[0]:
        os._exit(FAILED)  # the launcher has gone already
    os.setsid()
    build_root(job)
    program = os.fork()
    if program == 0:
        os.setsid()
        become_nobody(job)
        os.execv(job["command"][0], job["command"])
    os._exit(wait_for(program))


def wait_for(process: int) -> int:
    """Wait for a process, holding none of its pipes; its exit status, 128 + N for signal N."""
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    ended, status = 0, 0
    while ended != process:
        ended, status = os.waitpid(-1, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def main() -> None:
    """Do what the job in the first argument says."""
    job = json.loads(sys.argv[1])
    enter_namespaces(job)
    die_with_parent()
    if os.getppid() != job["parent"]:
        os._exit(FAILED)
    life_line, held = os.pipe()
    process_one = os.fork()
    try:
        if process_one == 0:
            os.close(held)
            be_process_one(job, life_line)
    except OSError as error:
        fail(error.filename or "starting", error.strerror)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(process_one, signal.SIGKILL))
    os._exit(wait_for(process_one))


main()

"""The filter of system calls that code under test runs behind, as a BPF program.

The filter is the second barrier, behind the namespaces: it denies what could open them again
(user namespaces, mounts, ptrace), large attack surfaces of the kernel (io_uring, bpf, keys),
memory that no limit counts, what the host shares out (asynchronous I/O, locks and watches on
Python's own files), and every way to start a process or thread, run a program, or open a socket.
Numbers: Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import errno
import struct

# Machine → the AUDIT_ARCH constant of its 64-bit calls (include/uapi/linux/audit.h).
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Name → number on x86_64 and on aarch64.
DENIED: dict[str, tuple[int, int]] = {
    # processes, threads and programs
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "execveat": (322, 281),
    # the network, and other processes' descriptors
    "socket": (41, 198),
    "socketpair": (53, 199),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # memory that RLIMIT_AS does not count
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # what the host has one store of: its asynchronous I/O (fs.aio-max-nr), its users' watches
    "io_setup": (206, 0),
    "io_destroy": (207, 1),
    "io_submit": (209, 2),
    "io_cancel": (210, 3),
    "io_getevents": (208, 4),
    "io_pgetevents": (333, 292),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    # locks on files that are the host's, Python's own among them; fcntl's are in DENIED_FCNTL
    "flock": (73, 32),
    # this process's own settings
    "prctl": (157, 167),
    "seccomp": (317, 277),
    "personality": (135, 92),
    # the kernel's attack surface
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
}
# x86_64 alone has these older forms.
DENIED_X86 = {"fork": 57, "vfork": 58, "inotify_init": 253}
# fcntl itself is needed (include/uapi/linux/fcntl.h, asm-generic/fcntl.h): these of its commands
# lock, lease or watch a file, or take of the pages that a user has for pipes.
FCNTL = (72, 25)
DENIED_FCNTL = {
    "F_SETLK": 6,
    "F_SETLKW": 7,
    "F_SETOWN": 8,
    "F_SETSIG": 10,
    "F_SETOWN_EX": 15,
    "F_OFD_SETLK": 37,
    "F_OFD_SETLKW": 38,
    "F_SETLEASE": 1024,
    "F_NOTIFY": 1026,
    "F_SETPIPE_SZ": 1031,
}
# The second number space of x86_64 (x32), through which the same calls could be made.
X32_BIT = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
# In struct seccomp_data; of the second argument the lower half, which is all the kernel reads.
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _SECOND_ARGUMENT_OFFSET = 0, 4, 24


def program(machine: str) -> bytes:
    """The filter as an array of struct sock_filter: denied calls give EPERM, the rest passes.

    `machine` is as in platform.machine(). Raises KeyError for one not in ARCHITECTURES.
    """
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_OFFSET),
        (_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_OFFSET),
    ]
    on_x86 = machine == "x86_64"
    numbers = [pair[0 if on_x86 else 1] for pair in DENIED.values()]
    if on_x86:
        lines += [(_AT_LEAST, 0, 1, X32_BIT), (_RETURN, 0, 0, _REFUSE)]
        numbers += DENIED_X86.values()
    for number in numbers:
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    commands = [
        line
        for command in DENIED_FCNTL.values()
        for line in ((_EQUAL, 0, 1, command), (_RETURN, 0, 0, _REFUSE))
    ]
    lines += [
        (_EQUAL, 0, 1 + len(commands), FCNTL[0 if on_x86 else 1]),
        (_LOAD, 0, 0, _SECOND_ARGUMENT_OFFSET),
        *commands,
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)

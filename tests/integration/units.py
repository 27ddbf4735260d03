# SPDX-License-Identifier: MIT
"""The installed unit of hookspoold, read the way systemd reads it, and its system call
filter for a process of the tests: the list that systemd-analyze prints, loaded through
libseccomp."""

import ctypes
import functools
import subprocess

import programs

UNIT = programs.LIBDIR / "systemd" / "system" / "hookspoold.service"

SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, EPERM = 0x7fff0000, 0x00050000, 1
PR_SET_NO_NEW_PRIVS = 38


def settings(path=UNIT):
    """[(key, value)] of a unit, in its order."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [tuple(part.strip() for part in line.split("=", 1)) for line in lines
            if "=" in line and not line.startswith(("#", ";"))]


def values(key):
    return [value for name, value in settings() if name == key]


@functools.lru_cache(maxsize=None)
def members(name):
    """The system calls of a set such as @system-service, those of its sets included."""
    if not name.startswith("@"):
        return frozenset([name])
    done = subprocess.run(["systemd-analyze", "syscall-filter", name], check=True,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = set()
    for line in done.stdout.splitlines()[1:]:
        word = line.strip()
        if word and not word.startswith("#"):
            found |= members(word)
    return frozenset(found)


def allowed_calls():
    """What SystemCallFilter= leaves; each line adds to or takes from the ones before,
    and @default, which systemd adds to every list of this kind, stays."""
    allowed = set()
    for line in values("SystemCallFilter"):
        named = set().union(*map(members, line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed | members("@default")


class Filter:
    """To be loaded in a child between fork and exec: `preexec_fn=Filter().load`."""

    def __init__(self):
        self.library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self.library.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.library.seccomp_init(SCMP_ACT_ERRNO | EPERM))
        count = 0
        for name in allowed_calls():
            number = self.library.seccomp_syscall_resolve_name(name.encode())
            if number < 0:
                continue  # of another architecture, or newer than the library
            done = self.library.seccomp_rule_add_array(
                self.context, SCMP_ACT_ALLOW, number, 0, None)
            assert done == 0, (name, done)
            count += 1
        assert count > 200

    def load(self):
        libc = ctypes.CDLL(None)
        assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
        assert self.library.seccomp_load(self.context) == 0

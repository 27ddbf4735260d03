# SPDX-License-Identifier: MIT
"""Where the programs under test are, and how they are run. `make check` says so in the
environment; to run one file by hand: make check TESTS=tests/integration/test_NAME.py."""

import os
import pathlib
import subprocess


def place(name):
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"{name} is not set: run these tests through make check")
    return pathlib.Path(value)


SOURCE = place("HOOKSPOOL_SOURCE")  # the top of the source tree
BUILD = place("HOOKSPOOL_BUILD")  # the top of the build tree
STAGE = place("HOOKSPOOL_STAGE")  # DESTDIR of the staged installation
BINDIR = place("HOOKSPOOL_BINDIR")  # these three within it
SBINDIR = place("HOOKSPOOL_SBINDIR")
LIBDIR = place("HOOKSPOOL_LIBDIR")

NOTIFY = BINDIR / "hookspool-notify"
CONTROL = BINDIR / "hookspool"
DAEMON = SBINDIR / "hookspoold"
CHECK = pathlib.Path(os.environ.get("HOOKSPOOL_CHECK") or
                     LIBDIR.parent / "libexec" / "nagios" / "plugins" / "check_hookspool")
LIBRARY = LIBDIR / "libhookspool.so"
PUTTER = BUILD / "tests" / "putter"

SANITIZED = os.environ.get("HOOKSPOOL_SANITIZED") == "1"
IS_ROOT = os.geteuid() == 0


def environment(extra=None):
    """A plain environment with the staged library first."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8",
           "LD_LIBRARY_PATH": str(LIBDIR)}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    env.update(extra or {})
    return env


def run(*args, env=None, timeout=30, **options):
    """Run one program; its result with text output. Never a shell, never our stdin."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("text", True)
    command = [a if isinstance(a, bytes) else str(a) for a in args]
    return subprocess.run(command, env=environment(env), timeout=timeout,
                          capture_output=True, check=False, **options)

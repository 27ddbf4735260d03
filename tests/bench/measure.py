# SPDX-License-Identifier: MIT
"""What the sections of the benchmark share: the table, a receiver, a fresh spool."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

import programs  # noqa: E402  (the path comes first)
from spool import Hookspool, wait_for  # noqa: E402

TOOLS = programs.BUILD / "tests" / "bench"
rows = []


def row(what, value, target, good):
    """Print one line of the table at once: what takes long shows that it goes on."""
    rows.append(good)
    print(f"{what:<52} {value:>22}  {target:<14} {'yes' if good else 'NO'}", flush=True)


def note(what, value):
    print(f"  {what:<50} {value:>22}", flush=True)


class Sink:
    """tests/bench/sink, and what it counted."""

    def __init__(self, log=False):
        args = [TOOLS / "sink"] + (["-l"] if log else [])
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/"

    def count(self):
        with urllib.request.urlopen(self.url, timeout=30) as answer:
            return [int(word) for word in answer.read().split()]

    def wait_count(self, wanted, timeout=600):
        """Until so many came; (count, first, last)."""
        return wait_for(f"{wanted} requests", lambda: (
            lambda got: got if got[0] >= wanted else None)(self.count()), timeout, 0.02)

    def end(self):
        """Its log: {id: nanoseconds of the first request}."""
        output, _ = self.process.communicate()
        times = {}
        for line in output.splitlines():
            event, at = line.split()
            times.setdefault(event, int(at))
        return times


@contextlib.contextmanager
def place(**keys):
    """A fresh spool with one endpoint at a fresh sink."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hs-bench-"))
    hooks, sink = Hookspool(folder), Sink(log=keys.pop("log", False))
    hooks.endpoint(url=sink.url, timeout="30s", **keys).init()
    try:
        yield hooks, sink
    finally:
        hooks.close()
        if sink.process.poll() is None:
            sink.end()
        shutil.rmtree(folder, ignore_errors=True)


def seconds(*args, env):
    """Run one program, as little as possible around it; its time."""
    began = time.perf_counter()
    pid = os.posix_spawn(str(args[0]), [str(a) for a in args], env)
    _, status = os.waitpid(pid, 0)
    took = time.perf_counter() - began
    assert status == 0, args
    return took


def memory_mb(pid, name="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(name))
    return int(line.split()[1]) / 1024

# SPDX-License-Identifier: MIT
"""Long queues: many events that wait, and what a person does with many letters."""

import contextlib
import os
import statistics
import subprocess
import time

from measure import Sink, memory_mb, note, place, row

import programs
from spool import wait_for

QUEUED = int(os.environ.get("HOOKSPOOL_BENCH_QUEUE", "1000000"))


def queued(hooks, count):
    """Start on a queue of `count`: (seconds to the first request, requests a second over
    some seconds, memory then and at the most)."""
    sink = Sink()
    hooks.endpoints["main"].update(url=sink.url, rate_limit="none")
    hooks.write()
    began = time.monotonic_ns()
    daemon = hooks.start(ready=False)
    wanted = min(count, 100_000)
    got, first, last = sink.wait_count(wanted)
    size = memory_mb(daemon.process.pid), memory_mb(daemon.process.pid, "VmHWM")
    daemon.stop()
    sink.end()
    return (first - began) / 1e9, got / ((last - first) / 1e9), size


def fill(hooks, count):
    """Let the daemon take in `count` events and send but one: (seconds, memory)."""
    hooks.endpoints["main"].update(rate_limit="1/h", max_queued=count + 1,
                                   max_queued_size="100G")
    hooks.write()
    hooks.generate(count + 1, monitors=min(count, 10_000), batch=10_000)
    began = time.monotonic()
    hooks.start(ready=False)
    wait_for("all are queued", lambda: not hooks.files("incoming"), 1800, 0.2)
    wait_for("the status says so", lambda: hooks.endpoint_status().get("pending")
             == count, 120, 0.2)
    took = time.monotonic() - began
    size = memory_mb(hooks.daemon.process.pid)
    hooks.daemon.stop(timeout=120)
    return took, size


def million():
    results = {}
    for count in (1000, QUEUED):
        rates = []
        for _ in range(5 if count == 1000 else 1):
            with place() as (hooks, _):
                took, size = fill(hooks, count)
                first, rate, then = queued(hooks, count)
                rates.append(rate)
        results[count] = statistics.median(rates)
        if count != 1000:
            note(f"taking in {count}", f"{took:.0f} s, {count / took:.0f}/s")
            row(f"memory with {count} taken in", f"{size:.1f} MB", "<= 64 MB", size <= 64)
            row(f"memory with {count} queued at the start", f"{then[0]:.1f} MB",
                "<= 64 MB", then[0] <= 64)
            note("at the most meanwhile", f"{then[1]:.1f} MB")
            row(f"start with {count} queued, first request", f"{first:.2f} s", "<= 2 s",
                first <= 2)
    ratio = results[QUEUED] / results[1000]
    for count, rate in results.items():
        note(f"drain with {count} queued, requests a second", f"{rate:.0f}")
    row(f"drain with {QUEUED} queued against 1,000", f"{ratio:.2f} x", ">= 0.7 x",
        ratio >= 0.7)


def listed(hooks):
    """`hookspool list`: (seconds, its peak memory in MB, lines). The peak is looked at while
    it writes, for what the kernel tells at its end counts this process before its exec."""
    command = [str(word) for word in (programs.CONTROL, "-c", hooks.config, "list")]
    size, lines = 0, 0
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0,
                          env=programs.environment()) as process:
        while part := process.stdout.read(1 << 16):
            lines += part.count(b"\n")
            with contextlib.suppress(OSError, StopIteration):
                size = memory_mb(process.pid, "VmHWM")
    assert process.returncode == 0
    return time.perf_counter() - began, size, lines


def unreachable(**keys):
    """A place whose endpoint nobody listens at."""
    return place(rate_limit="none", backoff="1h", backoff_max="1h", probe_max="1h",
                 max_dead=1_000_000, max_dead_size="10G", **keys)


def waiting_list(count):
    with unreachable() as (hooks, _):
        hooks.endpoints["main"].update(url="http://127.0.0.1:9/")
        hooks.write()
        hooks.generate(count, monitors=1000, batch=5000)
        hooks.drain()
        took, size, lines = listed(hooks)
        assert lines >= count
        return took, size


def letters():
    """A list of 100,000 events, and 10,000 dead letters that are sent again."""
    took, size = waiting_list(100_000)
    longer, more = waiting_list(300_000)
    note("list of 100,000 that wait", f"{took:.2f} s, {size:.1f} MB")
    note("list of 300,000", f"{longer:.2f} s, {more:.1f} MB")
    row("memory for a list of 300,000 against 100,000", f"{more / size:.2f} x",
        "<= 1.1 x", more / size <= 1.1)
    with unreachable(retries=0, outage="count") as (hooks, sink):
        hooks.endpoints["main"].update(url="http://127.0.0.1:9/")
        hooks.write()
        hooks.generate(10_000, monitors=1000, batch=5000)
        hooks.drain(timeout=120)
        assert len(hooks.dead()) == 10_000
        hooks.endpoints["main"].update(url=sink.url, backoff="1s")
        hooks.write()
        hooks.start()
        began = time.perf_counter()
        done = hooks.control("retry", "--all", timeout=60)
        asked = time.perf_counter() - began
        assert done.returncode == 0, done.stderr
        sink.wait_count(10_000)
        took = time.perf_counter() - began
    note("retry of 10,000 dead letters, the command", f"{asked:.2f} s")
    note("until all are delivered", f"{took:.2f} s")

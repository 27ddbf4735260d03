# SPDX-License-Identifier: MIT
"""The way of an event: from the adapter into the spool, and out of it to a receiver."""

import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

from measure import TOOLS, Sink, memory_mb, note, place, row, seconds

import programs
from spool import Hookspool


def enqueue():
    """A whole durable enqueue against a minimal program with the same system calls."""
    with place() as (hooks, _):
        env = programs.environment()
        args = ["service", "NOTIFICATIONTYPE=PROBLEM", "HOSTNAME=web-01",
                "SERVICEDESC=API", "SERVICESTATE=CRITICAL", "SERVICEATTEMPT=3",
                "MAXSERVICEATTEMPTS=3", "SERVICENOTIFICATIONNUMBER=1",
                "SERVICEOUTPUT=HTTP CRITICAL - Socket timeout after 30 seconds",
                "TIMET=1700000000", "LASTSERVICECHECK=1700000000"]
        hooks.notify(*args)
        size = (hooks.spool / hooks.files("incoming")[0]).stat().st_size
        ours, least = [], []
        for number in range(600):
            ours.append(seconds(programs.NOTIFY, "-c", hooks.config, *args, env=env))
            least.append(seconds(TOOLS / "minimal_put", hooks.spool, f"m-{number}",
                                 size, env=env))
    mine, base = statistics.median(ours), statistics.median(least)
    note("hookspool-notify, median", f"{mine * 1000:.2f} ms")
    note("minimal program, median", f"{base * 1000:.2f} ms")
    row("enqueue, whole process, against the minimum", f"{mine / base:.2f} x", "<= 1.5 x",
        mine / base <= 1.5)


def span(lines):
    """Milliseconds from the first put's beginning to the last one's end."""
    fields = [line.split() for line in lines]
    return (int(fields[-1][2]) - int(fields[0][1])) / 1e6


def puts(hooks, count, batch):
    done = programs.run(programs.PUTTER, "-c", hooks.config, "-g", count, "-b", batch,
                        timeout=600)
    assert done.returncode == 0, done.stderr
    return span(done.stdout.splitlines())


def batch():
    """10,000 events of one callback in one put, against single puts."""
    with place() as (hooks, _):
        together = statistics.median(puts(hooks, 10_000, 10_000) for _ in range(7))
        single = statistics.median(puts(hooks, 1000, 1) for _ in range(3)) * 10
    note("10,000 single puts", f"{single:.0f} ms")
    note("single puts against the batch", f"{single / together:.0f} x")
    row("enqueue of a batch of 10,000", f"{together:.1f} ms", "<= 100 ms",
        together <= 100)


def bodies(folder):
    """The payloads of made-up events, as the bare loop posts them."""
    hooks = Hookspool(folder)
    hooks.spool.mkdir()
    hooks.write()
    hooks.generate(1000, batch=1000)
    text = b"".join((hooks.spool / f).read_bytes() for f in hooks.files("incoming"))
    found = [line for line in text.splitlines() if line.startswith(b'{"event_type"')]
    path = folder / "bodies"
    path.write_bytes(b"\n".join(found) + b"\n")
    shutil.rmtree(hooks.spool)
    return path


def bare(path, count, beside=()):
    """Requests a second of the bare loop, with another program beside it."""
    sink = Sink()
    load = beside and subprocess.Popen([str(a) for a in beside], env=programs.environment(),
                                       stdout=subprocess.DEVNULL)
    done = subprocess.run([TOOLS / "bare_loop", sink.url, str(count), path], check=True,
                          capture_output=True, text=True)
    sink.end()
    if load:
        load.kill()
        load.wait()
    return float(done.stdout)


def bare_beside_a_putter(path, count):
    """The same while as many events are put as in `streaming`, into a spool that nobody
    reads."""
    with place() as (hooks, _):
        return bare(path, count, [programs.PUTTER, "-c", hooks.config, "-g", count,
                                  "-m", 1000, "-b", 100])


def cold(count):
    """Requests a second from a backlog in incoming/, the daemon's start included."""
    with place() as (hooks, sink):
        hooks.generate(count, monitors=1000, batch=1000)
        began = time.monotonic_ns()
        hooks.start(ready=False)
        _, _, last = sink.wait_count(count)
        return count / ((last - began) / 1e9)


def streaming(count):
    """Requests a second while events stream in as fast as they can be put."""
    with place() as (hooks, sink):
        hooks.start()
        began = time.monotonic_ns()
        hooks.generate(count, monitors=1000, batch=100)
        _, _, last = sink.wait_count(count)
        return count / ((last - began) / 1e9)


def drain():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hs-bench-"))
    try:
        path = bodies(folder)
        rates = {"bare": [], "bare beside a putter": [], "streaming": [], "cold": []}
        for _ in range(3):
            rates["bare"].append(bare(path, 50_000))
            rates["bare beside a putter"].append(bare_beside_a_putter(path, 50_000))
            rates["streaming"].append(streaming(50_000))
            rates["cold"].append(cold(30_000))
    finally:
        shutil.rmtree(folder)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, rate in middle.items():
        note(f"{name}, requests a second", f"{rate:.0f}")
    for name, least in (("streaming", 0.5), ("cold", 0.3)):
        ratio = middle[name] / middle["bare"]
        row(f"drain, {name}, against the bare loop", f"{ratio:.2f} x", f">= {least} x",
            ratio >= least)


def latency():
    """From the beginning of a put to its request at the receiver."""
    with place(log=True) as (hooks, sink):
        hooks.start()
        done = programs.run(programs.PUTTER, "-c", hooks.config, "-g", 1500, "-r", 100,
                            timeout=120)
        sink.wait_count(1500)
        hooks.wait_settled()
        times = sink.end()
        waits = []
        for line in done.stdout.splitlines():
            event, began, _ = line.split()
            waits.append((times[event] - int(began)) / 1e6)
    waits.sort()
    for name, share, most in (("p50", 0.5, 5), ("p99", 0.99, 25)):
        value = waits[int(len(waits) * share)]
        row(f"enqueue to request, {name}", f"{value:.2f} ms", f"<= {most} ms",
            value <= most)


def switches(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
    return total


def idle():
    with place() as (hooks, sink):
        hooks.start()
        hooks.generate(100)
        sink.wait_count(100)
        hooks.wait_settled()
        time.sleep(5)  # it may write its status a last time
        pid = hooks.daemon.process.pid
        before = switches(pid)
        time.sleep(5)
        woken, size = switches(pid) - before, memory_mb(pid)
        note("idle, of it the daemon's own (RssAnon)", f"{memory_mb(pid, 'RssAnon'):.1f} MB")
    row("idle, wake-ups in 5 s", str(woken), "0", woken == 0)
    row("idle, memory", f"{size:.1f} MB", "<= 8 MB", size <= 8)

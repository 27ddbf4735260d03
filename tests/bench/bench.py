# SPDX-License-Identifier: MIT
"""`make bench`: the numbers of the design as ratios measured side by side in one run, as
a table. With arguments, only the sections whose names begin so: enqueue, batch, drain,
latency, idle, collectd, million. HOOKSPOOL_BENCH_QUEUE=N takes another size than a million."""

import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

import programs  # noqa: E402  (the path comes first)
from collectd import Collectd  # noqa: E402
from spool import Hookspool, wait_for  # noqa: E402

TOOLS = programs.BUILD / "tests" / "bench"
QUEUED = int(os.environ.get("HOOKSPOOL_BENCH_QUEUE", "1000000"))
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


def memory_mb(pid, name="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(name))
    return int(line.split()[1]) / 1024


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


MONITOR = """
<Monitor "m{0}">
  Host "web1"
  Plugin "curl"
  PluginInstance "page-{0}"
  Type "response_code"
  FailureMax 399
  Timeout 0
  ResponseTime "curl-page-{0}/response_time"
  StatusCode "curl-page-{0}/response_code"
</Monitor>
"""


def dispatched(values, *, load):
    """Values a second through collectd, with and without write_hookspool."""
    block = "".join(MONITOR.format(n) for n in range(1000)) if load else ""
    host = Collectd(block, load=load, writers=5, interval=3600)
    result = host.base / "result"
    shutil.copy(TOOLS / ".libs" / "dispatch.so", host.plugins)
    host.env = {"HOOKSPOOL_BENCH_VALUES": str(values), "HOOKSPOOL_BENCH_RESULT": str(result)}
    host.last = "LoadPlugin dispatch"
    try:
        host.start()
        wait_for("all values", lambda: result.exists() and result.read_text(), 300, 0.05)
        return values / float(result.read_text())
    finally:
        host.close()


def collectd():
    """Values that no Monitor matches, with 1,000 Monitors and without the plugin."""
    if not (TOOLS / ".libs" / "dispatch.so").exists():
        note("collectd: built without it", "-")
        return
    rates = {True: [], False: []}
    for _ in range(7):
        for load in (False, True):
            rates[load].append(dispatched(200_000, load=load))
    without, loaded = (statistics.median(rates[load]) for load in (False, True))
    note("collectd, values a second without the plugin", f"{without:.0f}")
    note("collectd, with it and 1,000 monitors", f"{loaded:.0f}")
    row("collectd, with the plugin against without", f"{loaded / without:.2f} x",
        ">= 0.8 x", loaded / without >= 0.8)


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


SECTIONS = (enqueue, batch, drain, latency, idle, collectd, million)


def main(wanted):
    print(f"{'measured':<52} {'':>22}  {'to reach':<14} reached")
    for section in SECTIONS:
        if not wanted or any(section.__name__.startswith(w) for w in wanted):
            section()
    return 0 if rows and all(rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

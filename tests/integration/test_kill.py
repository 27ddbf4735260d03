# SPDX-License-Identifier: MIT
"""kill -9 at random instants under load, of the daemon and of adapters: nothing that was
acknowledged is missing, nothing is torn, and no DOWN comes after its UP."""

import collections
import os
import random
import subprocess
import threading
import time

import programs
from checks import check_arrived, check_numbers
from spool import wait_for

KILLS = 220 if os.environ.get("HOOKSPOOL_QUICK") != "1" else 30


class Load:
    """Putters and notification commands that run until they are stopped, each on its
    own monitors. A monitor's numbers go up whoever of them was killed in between."""

    def __init__(self, hooks, rng):
        self.hooks, self.rng = hooks, rng
        self.lock = threading.Lock()
        self.acknowledged = []
        self.stop = threading.Event()
        self.running = {}  # what may be killed: worker number to process
        self.killed = collections.Counter()
        self.failures = []
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(4)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_exception):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.failures, self.failures[:3]

    def work(self, number):
        """Workers 0 and 1 stream through the library, the others run commands."""
        first = 0
        while not self.stop.is_set():
            first += self.stream(number, first) if number < 2 else self.notify(number, first)

    def run(self, number, kind, *args):
        """One program to its end or until it is killed: (lines of output, its status)."""
        process = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=programs.environment(), text=True)
        with self.lock:
            self.running[number] = (kind, process)
        output, errors = process.communicate()
        with self.lock:
            self.running.pop(number)
        if process.returncode not in (0, -9):
            self.failures.append((process.returncode, output[-500:], errors))
            self.stop.set()
        return output.splitlines(), process.returncode

    def stream(self, number, first):
        """A putter over three monitors; how many numbers it may have used."""
        lines, _ = self.run(number, "putter", programs.PUTTER, "-c", self.hooks.config,
                            "-g", 60, "-m", 3, "-p", f"stream-{number}", "-n", first,
                            "-b", 1 if number else 5, "-r", 150)
        # The last line of a killed one may be cut.
        ids = [line.split()[0] for line in lines if len(line.split()) == 3]
        with self.lock:
            self.acknowledged += ids
        return 20

    def notify(self, number, first):
        """One notification of a service: even numbers are problems."""
        kind, state = ("PROBLEM", "CRITICAL") if first % 2 == 0 else ("RECOVERY", "OK")
        _, status = self.run(
            number, "notify", programs.NOTIFY, "-c", self.hooks.config, "service",
            f"NOTIFICATIONTYPE={kind}", f"HOSTNAME=notify-{number}", "SERVICEDESC=API",
            f"SERVICESTATE={state}", f"SERVICEOUTPUT={state}", f"TIMET={int(time.time())}",
            f"RESPONSE_TIME_MS={first}")
        if status == 0:
            with self.lock:
                self.acknowledged.append((f"notify-{number}/API", first))
        return 1

    def kill_one(self):
        with self.lock:
            if self.running:
                kind, process = self.rng.choice(list(self.running.values()))
                process.kill()
                self.killed[kind] += 1


def test_kill_daemon_and_adapters(hooks, make_receiver):
    rng = random.Random(1)
    receiver, other = make_receiver(), make_receiver()
    for one in (receiver, other):
        one.answer(status=500, times=40)
        one.answer(status=503, headers={"Retry-After": "0"}, times=40)
    hooks.endpoint("one", receiver=receiver, retries=100, rate_limit="2000/s")
    hooks.endpoint("two", receiver=other, retries=100).init().start(ready=False)
    daemons = 0
    with Load(hooks, rng) as load:
        while daemons < KILLS or load.killed.total() < KILLS:
            assert not load.stop.is_set(), load.failures
            load.stop.wait(rng.uniform(0.0, 0.08))
            load.kill_one()
            if rng.random() < 0.7:
                assert hooks.daemon.process.poll() is None, hooks.daemon.log()
                hooks.daemon.kill()
                hooks.start(ready=False)
                daemons += 1
    wait_for("the daemon is up", lambda: hooks.status().get("pid")
             == hooks.daemon.process.pid)
    hooks.wait_settled(timeout=120)

    assert min(load.killed["putter"], load.killed["notify"]) > KILLS / 10
    ids = [i for i in load.acknowledged if isinstance(i, str)]
    assert len(ids) > KILLS and len(load.acknowledged) > len(ids)
    for one in (receiver, other):
        accepted = one.accepted()
        check_arrived(accepted, ids)
        arrived = {(r.monitor, r.number) for r in accepted}
        missing = [a for a in load.acknowledged if isinstance(a, tuple)
                   and a not in arrived]
        assert not missing, missing[:5]
        check_numbers(one.snapshot())
    assert hooks.dead("one") == hooks.dead("two") == hooks.files("corrupt") == []
    with open(hooks.journal_path, encoding="utf-8") as file:
        assert all(line.startswith("{") or not line.strip() for line in file)


def test_kill_while_a_backlog_drains(hooks, receiver):
    """A cold backlog of batches, the daemon killed every few hundred requests."""
    rng = random.Random(5)
    hooks.endpoint(receiver=receiver).init()
    ids = hooks.generate(6000, monitors=300, batch=500)
    kills = 0
    hooks.start(ready=False)
    while len(receiver.snapshot()) < 6000 and kills < 60:
        end = time.monotonic() + rng.uniform(0.02, 0.3)
        wait_for("its time", lambda end=end: time.monotonic() > end)
        hooks.daemon.kill()
        hooks.start(ready=False)
        kills += 1
    hooks.wait_settled(timeout=120)
    check_arrived(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert kills >= 5

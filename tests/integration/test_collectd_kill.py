# SPDX-License-Identifier: MIT
"""write_hookspool in a collectd that is killed, stopped and held up at the worst moments,
and whose configuration changes between two runs."""

import random
import signal
import subprocess
import threading
import time

import pytest

from collectd import Collectd, Connection, Site
from hosts import find_program
from spool import wait_for
from test_collectd import PLAIN, SERIES, curl

# A plugin built with a sanitizer is for test_collectd_sanitizers: the host has to be
# started for it.
pytestmark = pytest.mark.slow

ROUNDS = 8


@pytest.fixture
def make():
    made = []

    def make(*args, **options):
        made.append(Collectd(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Talker(threading.Thread):
    """One connection that sends until it breaks, and what was acknowledged on it."""

    def __init__(self, host, name, send):
        super().__init__(daemon=True)
        self.host, self.send, self.name, self.acknowledged = host, send, name, []
        self.start()

    def run(self):
        try:
            connection = Connection(self.host.socket_path)
            for number in range(100_000):
                self.acknowledged.append(self.send(connection, f"{self.name}-{number}"))
            connection.close()
        except (AssertionError, OSError):
            pass


def test_killed_in_a_flood(make):
    """At random moments: what was acknowledged is there, and DOWN and UP take turns."""
    host = make(PLAIN.format(more="") + "Notifications true", writers=5)
    moments = random.Random(4)
    acknowledged = []

    def notify(connection, name):
        host.notify("failure", name, plugin=name, connection=connection)
        return name

    def value(connection, name):
        number = 99 if int(name.rsplit("-", 1)[1]) % 2 else 1
        connection.ask(f'PUTVAL "{SERIES}" interval=1 {time.time():.6f}:{number}')
        time.sleep(0.002)

    for turn in range(ROUNDS):
        host.start()
        talkers = [Talker(host, f"{turn}-{n}", notify) for n in range(3)]
        values = Talker(host, f"v{turn}", value)
        time.sleep(moments.uniform(0, 0.3))
        host.kill()
        for talker in (*talkers, values):
            talker.join()
        acknowledged += [name for t in talkers for name in t.acknowledged]
    host.start()
    wait_for("what was left", lambda: {e.message for e in host.all_events()}.issuperset(
        acknowledged))
    kinds = [e.kind for e in host.events("plain")]
    print(f"{len(acknowledged)} acknowledged, {len(kinds)} changes")
    assert acknowledged and len(kinds) > 2
    assert all(kind != after for kind, after in zip(kinds, kinds[1:]))


def test_stopped_for_a_while(make):
    """Whoever is not awake hears nothing, which is nobody's fault."""
    site = Site()
    try:
        host = curl(make, site, "Timeout 1").start()
        host.wait_state(b"web1UP")
        for pause in (1.2, 3):
            host.process.send_signal(signal.SIGSTOP)
            time.sleep(pause)
            host.process.send_signal(signal.SIGCONT)
            time.sleep(1.5)
        assert not host.all_events(), host.all_events()[0].raw
    finally:
        site.close()


def test_monitor_left_out_by_mistake(make):
    """While it is DOWN: that is told at once, and its recovery when it is back."""
    host = make(PLAIN.format(more="")).start()
    host.value(SERIES, 11)
    host.wait_events("plain", 1)
    host.stop()
    right, host.block = host.block, PLAIN.format(more="Failures 0")
    host.start()
    host.wait_log("1 that are DOWN since before are not watched any more")
    host.value(SERIES, 1)
    host.stop()
    host.block = right
    host.start()
    host.value(SERIES, 1)
    assert host.wait_events("plain", 2)[-1].kind == "recovery"


@pytest.mark.root("makes a file that collectd's user cannot read")
def test_state_file_of_somebody_else(make):
    """It is told, kept beside, and nothing waits for it."""
    host = make(PLAIN.format(more=""))
    host.make_spool()
    host.state_path.write_bytes(b"hookspool-state 1\n")
    host.state_path.chmod(0o600)
    host.start()
    assert any("hookspool.state: Permission denied" in line for line in host.ours())
    host.value(SERIES, 11)
    host.wait_events("plain", 1)
    host.wait_state(b"DOWN")
    kept = host.state_path.with_name("hookspool.state.bad")
    assert kept.stat().st_uid == 0 and kept.read_bytes() == b"hookspool-state 1\n"


def test_endpoints_renamed_between_two_runs(make):
    """The change goes where the configuration says now."""
    host = make(PLAIN.format(more='Endpoints "old"')).start()
    host.value(SERIES, 11)
    host.wait_events("plain", 1)
    host.stop()
    host.block = PLAIN.format(more='Endpoints "new"')
    host.start()
    host.value(SERIES, 1)
    down, up = host.wait_events("plain", 2)
    assert (down.all["endpoints"], up.all["endpoints"]) == ("old", "new")


@pytest.mark.parametrize("name", ["m" * 500, "r\u00e9seau \u2192 \U0001f514", "a\tb", "%s%n"],
                         ids=["long", "unicode", "tab", "percent"])
def test_names_over_a_restart(make, name):
    host = make(PLAIN.format(more="").replace('"plain"', f'"{name}"')
                .replace('Host "web1"', "")).start()
    host.value(SERIES, 11)
    host.wait_events(f"{name}@web1", 1)
    host.stop()
    host.start()
    host.value(SERIES, 12)
    host.value(SERIES, 1)
    assert host.wait_events(f"{name}@web1", 2)[-1].kind == "recovery"


def test_loaded_twice_with_a_block(make):
    """Globals and Interval of collectd's own change nothing."""
    host = make(PLAIN.format(more="") + "Notifications true", sample="""
<LoadPlugin write_hookspool>
  Globals true
  Interval 60
</LoadPlugin>
LoadPlugin write_hookspool
""").start()
    host.value(SERIES, 11)
    host.notify("failure", "m", plugin="p")
    host.wait_events("plain", 1)
    host.wait_events("p", 1)
    assert len(host.all_events()) == 2


def test_disk_that_hangs(make, folder):
    """One notification waits for it, the others do not; nothing is lost when it moves
    again, and the end does not wait for ever."""
    host = make(PLAIN.format(more="") + "Notifications true").start()
    tracer = subprocess.Popen(
        [find_program("strace"), "-f", "-o", folder / "log", "-p", str(host.process.pid),
         "-e", "trace=fsync,fdatasync", "-e",
         "inject=fsync,fdatasync:delay_enter=3000000"], stderr=subprocess.PIPE, text=True)
    try:
        assert "attached" in tracer.stderr.readline()
        began = time.monotonic()
        for number in range(40):
            host.notify("failure", f"n{number}", plugin=f"p{number}")
        assert time.monotonic() - began < 2.5
        wait_for("all of them", lambda: len(host.all_events()) == 40)
    finally:
        tracer.terminate()
        tracer.communicate()
    host.stop()
    assert host.ours() == []

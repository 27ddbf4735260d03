# SPDX-License-Identifier: MIT
"""hookspool-zabbix-export beside a real Zabbix server with four history syncers, whose
files are rotated at 1 MB."""

import signal
import subprocess

import pytest

from hosts import read_events
from spool import wait_for
from zabbix import Zabbix, as_user

HOSTILE = 'Web "01" \\ €'


class Follower:
    """The program, as Zabbix' user."""

    def __init__(self, zabbix):
        self.zabbix, self.process = zabbix, None
        self.log_path = zabbix.work / "exporter.log"
        self.state = zabbix.work / "export.state"

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(a) for a in (self.zabbix.bindir / "hookspool-zabbix-export", "--state",
                                  self.state, self.zabbix.export_dir)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env=self.zabbix.environment(), **as_user(self.zabbix.user))
        wait_for("it has begun", lambda: self.alive() and self.state.exists())

    def alive(self):
        assert self.process.poll() is None, self.log_path.read_text()
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.log_path.read_text()


@pytest.fixture(scope="module")
def zabbix():
    with Zabbix() as host:
        host.export(size="1M")
        host.start()
        host.hostid = host.make_host("web-01", HOSTILE)
        yield host


@pytest.fixture
def follower(zabbix):
    made = Follower(zabbix)
    made.start()
    yield made
    if made.process.poll() is None:
        made.stop()


def all_events(zabbix):
    return [event for path in (zabbix.hooks.spool / "incoming").iterdir()
            for event in read_events(path)]


def test_problem_and_recovery(zabbix, follower):
    """Right to the receiver; neither a restart of the server nor kills of the program make
    anything twice."""
    zabbix.make_item(zabbix.hostid, "status")
    zabbix.make_trigger('Shop "is" down', "last(/web-01/status)=0", priority=4,
                        tags={"scope": "web", "webhook.url": "https://shop.example.com/"})
    zabbix.reload_cache()
    zabbix.send(("web-01", "status", 0))
    (down,) = zabbix.wait_events('Shop "is" down', 1)
    follower.kill()
    zabbix.restart_server()
    zabbix.send(("web-01", "status", 0))
    zabbix.send(("web-01", "status", 1))
    follower.start()
    down, up = sorted(zabbix.wait_events('Shop "is" down', 2), key=lambda e: e.kind)
    assert down.summary == ("incident", "DOWN", "UP", 1, 1)
    assert up.summary == ("recovery", "UP", "DOWN", 0, 1)
    assert down.payload["monitor"]["id"] == up.payload["monitor"]["id"]
    (problem,) = zabbix.problems()
    for event in (down, up):
        assert event.all["host"] == "web-01" and event.details["host_name"] == HOSTILE
        assert event.details["severity"] == "high"
        assert event.details["event_id"] == problem["eventid"]
        assert "scope:web" in event.details["tags"]
        assert event.payload["monitor"]["url"] == "https://shop.example.com/"


def test_two_hundred_triggers_at_once(zabbix, follower):
    keys = [f"many[{n}]" for n in range(200)]
    zabbix.make_items(zabbix.hostid, keys)
    zabbix.make_triggers([(f"trigger {n}", f"last(/web-01/{key})=0")
                          for n, key in enumerate(keys)], priority=3)
    zabbix.reload_cache()
    for number in (0, 1):
        assert zabbix.send(*(("web-01", key, number) for key in keys)) == 200

    def told():
        found = [e for e in all_events(zabbix) if e.monitor.startswith("trigger ")]
        assert len({(e.monitor, e.kind) for e in found}) == len({e.id for e in found})
        return len({e.id for e in found}) == 400 and found
    found = wait_for("400 events", told, timeout=60)
    assert {e.all["host"] for e in found} == {"web-01"}


@pytest.mark.slow
def test_ten_thousand_values(zabbix, follower):
    """Of 1,000 items; the program is killed on the way. Exactly the right edges."""
    keys = [f"value[{n}]" for n in range(1000)]
    zabbix.make_items(zabbix.hostid, keys, tags={"webhook.monitor": "", "webhook.up": ">0",
                                                 "webhook.failures": "2"})
    zabbix.reload_cache()
    rounds = (1, 0, 0, 1, 0, 1, 0, 0, 0, 1)
    for index, number in enumerate(rounds):
        assert zabbix.send(*(("web-01", key, number) for key in keys)) == 1000
        if index in (2, 5, 8):
            follower.kill()
            follower.start()

    def told():
        found = {e.id: e for e in all_events(zabbix) if "item_id" in e.details}
        assert len(found) <= 4000
        return len(found) == 4000 and found.values()
    edges = {}
    for event in sorted(wait_for("4,000 edges", told, timeout=60),
                        key=lambda e: (e.all["time"], e.all["sequence"])):
        edges.setdefault(event.details["item_name"], []).append(event.kind)
    assert set(edges) == set(keys)
    assert all(kinds == ["incident", "recovery"] * 2 for kinds in edges.values())
    assert list(zabbix.export_dir.glob("history-*.old")), "nothing was rotated"
    assert "passed over" not in follower.log_path.read_text()

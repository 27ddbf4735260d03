# SPDX-License-Identifier: MIT
"""What the module costs Zabbix's server: values a second with it, where all of them are
of mapped items, and without."""

import statistics
import subprocess
import time

from measure import note, row

from hosts import find_program
from spool import wait_for
from zabbix import as_user
from zabbix_module import MODULE, ModuleZabbix

ITEMS = 1000
TURNS = 100  # values of each item
SENDERS = 4
ROUNDS = 5


def set_up(host):
    host.server_conf["StartTrappers"] = SENDERS
    host.start()
    hostid = host.make_host("many")
    keys = [f"value.{number}" for number in range(ITEMS)]
    itemids = []
    for first in range(0, ITEMS, 500):
        itemids += host.make_items(hostid, keys[first:first + 500])
    host.reload_cache()
    host.write_map(*[(itemid, {"failures": 2}) for itemid in itemids])
    return keys


def steady(_turn, _index):
    return 1


def outage(turn, _index):
    """All items are down for a while."""
    return 0 if 50 <= turn < 60 else 1


def flapping(turn, index):
    """Each item changes with every tenth value, all the time some of them."""
    return (turn + index) // 10 % 2


def write_values(host, keys, pattern):
    """Files for zabbix_sender."""
    paths = []
    begin = int(time.time()) - TURNS - 1
    for sender in range(SENDERS):
        mine = keys[sender::SENDERS]
        lines = [f"many {key} {begin + turn} {turn} {pattern(turn, index)}\n"
                 for turn in range(TURNS) for index, key in enumerate(mine)]
        paths.append(host.work / f"sender-{sender}")
        paths[-1].write_text("".join(lines), encoding="ascii")
    return paths


def count(host):
    return int(host.database.sql("SELECT count(*) FROM history_uint")[0][0])


def ingest(host, paths):
    """Seconds until all values are in the database."""
    host.database.sql("TRUNCATE history_uint")
    began = time.monotonic()
    senders = [subprocess.Popen(
        [find_program("zabbix_sender"), "-z", "127.0.0.1", "-p", str(host.server_port), "-T",
         "-N", "-i", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        **as_user(host.user)) for path in paths]
    assert [process.wait() for process in senders] == [0] * SENDERS
    wait_for("all values", lambda: count(host) >= ITEMS * TURNS, 300, 0.02)
    return time.monotonic() - began


def measure_one(host, loaded, paths):
    """A server of its own, which begins without a status."""
    host.stop_server()
    host.server_conf["LoadModule"] = MODULE.name if loaded else None
    (host.map_dir / "module.state").unlink(missing_ok=True)
    host.start_server()
    return ingest(host, paths)


def compare(host, keys, what, pattern):
    took = {True: [], False: []}
    paths = write_values(host, keys, pattern)
    for _ in range(ROUNDS):
        for loaded in (False, True):
            took[loaded].append(measure_one(host, loaded, paths))
    base, ours = (statistics.median(took[loaded]) for loaded in (False, True))
    note(f"Zabbix, {what}: values/s without, with module",
         f"{ITEMS * TURNS / base:.0f}, {ITEMS * TURNS / ours:.0f}")
    return ours / base


def zabbix_module():
    with ModuleZabbix() as host:
        keys = set_up(host)
        for what, pattern, target in (("no edges", steady, 1.1),
                                      ("all down, all up", outage, 1.2)):
            ratio = compare(host, keys, what, pattern)
            row(f"Zabbix's ingest with the module, {what}", f"{ratio:.2f} x",
                f"<= {target} x", ratio <= target)
        ratio = compare(host, keys, "every 10th an edge", flapping)
        note("Zabbix's ingest with the module, every 10th an edge", f"{ratio:.2f} x")
        assert len(host.hooks.files("incoming")) > 0

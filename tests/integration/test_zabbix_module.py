# SPDX-License-Identifier: MIT
"""zbx_hookspool.so in the real Zabbix server with four history syncers: exactly the edges
of the values, over restarts and kills, with a spool that fails."""

import os
import random
import shutil
import time

import pytest

import programs
from hosts import find_program
from spool import wait_for
from zabbix_api import CHARACTER, FLOAT, LOG, TEXT
from zabbix_module import MODULE, ModuleZabbix, stage_needs, symbols, truth

# A module built with a sanitizer is for test_zabbix_sanitizers: the server has to be
# started for it.
pytestmark = pytest.mark.slow

ITEMS = 1000


@pytest.fixture(scope="module")
def zabbix():
    with ModuleZabbix() as host:
        host.start()
        host.count = 0
        yield host


@pytest.fixture
def make(zabbix):
    """make(words, count=1, …): hosts with one item each, which are mapped, and all the
    others are not any more."""
    def made(words=None, count=1, **options):
        zabbix.alive()
        items, names = [], []
        for _ in range(count):
            zabbix.count += 1
            names.append(f"host-{zabbix.count}")
        groups = [{"groupid": zabbix.groupid()}]
        hostids = zabbix.api("host.create", [
            {"host": name, "groups": groups} for name in names])["hostids"]
        value_type = options.pop("value_type", 3)
        items = zabbix.api("item.create", [
            {"hostid": hostid, "name": "status", "key_": "status", "type": 2,
             "value_type": value_type, **options} for hostid in hostids])["itemids"]
        zabbix.use_map(*[(itemid, words or {}) for itemid in items])
        zabbix.reload_cache()
        return list(zip(names, items))
    return made


def send(zabbix, name, *values):
    """Values of now, one call each, so that each is a batch of its own."""
    for value in values:
        assert zabbix.send((name, "status", value)) == 1


# The file, and other processes.


def test_links_nothing_else():
    libraries, wanted, own = stage_needs()
    assert own == {"zbx_module_api_version", "zbx_module_init", "zbx_module_uninit",
                   "zbx_module_item_list", "zbx_module_item_timeout",
                   "zbx_module_history_write_cbs"}
    if not programs.SANITIZED:
        assert {name.split(".so")[0] for name in libraries} <= {
            "libc", "libm", "libjson-c", "libconfuse", "ld-linux-x86-64"}
    # Whatever the server or the agent defines comes before the libraries' own.
    needed = set(wanted)
    for name in ("libjson-c.so.5", "libconfuse.so.2"):
        path = programs.run("gcc", f"-print-file-name={name}").stdout.strip()
        needed |= symbols(path, "--defined-only") | symbols(path, "--undefined-only")
    theirs = symbols(find_program("zabbix_server"), "--defined-only") \
        | symbols(find_program("zabbix_agentd"), "--defined-only")
    assert len(theirs) > 1000
    libc = {"_init", "_fini", "stderr", "stdout", "optarg", "optind", "environ",
            "__environ", "_edata", "_end", "__bss_start"}
    assert not needed & theirs - libc
    assert not {name for name in wanted if name.startswith(("zbx", "__zbx", "curl", "EVP"))}


def test_agent_tries_a_key_as_root(folder):
    """zabbix_agentd -t loads and begins as whoever calls it: nothing is made."""
    conf = folder / "agentd.conf"
    conf.write_text(f"LogType=console\nServer=127.0.0.1\nLoadModule={MODULE}\n",
                    encoding="utf-8")
    spool, state = folder / "spool", folder / "state"
    state.mkdir()
    (folder / "hookspool.conf").write_text(f'spool_dir = "{spool}"\n', encoding="utf-8")
    (state / "items.map").write_text(
        "hookspool-zabbix-map 1\nitem 1\nhost h\nservice s\nup >0\nend 1\n",
        encoding="utf-8")
    before = sorted(folder.rglob("*"))
    env = {"HOOKSPOOL_CONFIG": str(folder / "hookspool.conf"),
           "HOOKSPOOL_ZABBIX_DIR": str(state)}
    for key, answer in (("hookspool.pending", "No such file or directory"),
                        ("hookspool.pending[/etc]", "No such file or directory"),
                        ("hookspool.module[items]", "[u|1]")):
        done = programs.run(find_program("zabbix_agentd"), "-c", conf, "-t", key, env=env)
        assert answer in done.stdout, done
    assert sorted(folder.rglob("*")) == before


# Values.


def test_many_items(zabbix, make):
    """10,000 values over 1,000 items: exactly the right edges."""
    items = make(count=ITEMS)
    random.seed(1)
    values = {name: [random.random() < 0.6 for _ in range(10)] for name, _ in items}
    before = zabbix.synced(0)
    begin = int(time.time()) - 60
    sent = [(name, "status", int(values[name][turn]), begin + turn, turn)
            for turn in range(10) for name, _ in items]
    assert zabbix.send(*sent) == len(sent)
    zabbix.synced(before + len(sent))
    expected = {f"h{itemid}": truth(values[name]) for name, itemid in items}
    expected = {host: edges for host, edges in expected.items() if edges}

    def found():
        events = zabbix.mapped()
        return {host: [e.state for e in events.get(host, [])] for host in expected}
    try:
        wait_for("all edges", lambda: zabbix.alive() and found() == expected, pause=0.2)
    except AssertionError:
        got = found()
        wrong = [h for h in expected if got[h] != expected[h]]
        raise AssertionError([(len(wrong), h, expected[h], got[h]) for h in wrong[:5]])


def test_one_item(zabbix, make):
    """10,000 values of one item, each in a batch of its own."""
    ((name, itemid),) = make()
    random.seed(2)
    values = [random.random() < 0.7 for _ in range(10000)]
    before = zabbix.synced(0)
    begin = int(time.time()) - 60
    sent = [(name, "status", int(value), begin + index // 500, index % 500 + 1)
            for index, value in enumerate(values)]
    assert zabbix.send(*sent) == len(sent)
    zabbix.synced(before + len(sent))
    wait_for("all edges", lambda: zabbix.edges(itemid) == truth(values), pause=0.2)


@pytest.mark.parametrize("value_type, rule, good, bad, message", [
    (FLOAT, "<5", "4.5", "5.25", "5.25 is not below 5"),
    (CHARACTER, "=OK", "OK", "NOT OK", "NOT OK is not OK"),
    (TEXT, "!~error|fatal", "fine", 'a "fatal"\nthing', 'a "fatal"\nthing matches error|fatal'),
    (LOG, "!~error", "fine", "error € \\", "error € \\ matches error"),
])
def test_types(zabbix, make, value_type, rule, good, bad, message):
    ((name, itemid),) = make({"up": rule, "name": 'Web "01" \\ €',
                              "host": "odd \\ \"host\""}, value_type=value_type)
    send(zabbix, name, good, bad)
    (event,) = wait_for("an event", lambda: zabbix.alive() and [
        e for e in zabbix.mapped().get('odd \\ "host"', [])
        if e.details["item_id"] == itemid])
    assert event.monitor == 'Web "01" \\ €'
    assert event.summary == ("incident", "DOWN", "UP", 1, 1)
    assert event.message == message
    assert event.details["value"] == bad


def test_response_time_and_status_code(zabbix, make):
    (name, itemid), (slow, slow_id), (code, code_id) = make(count=3)
    zabbix.use_map((itemid, {"response_time": slow_id, "status_code": code_id}))
    before = zabbix.synced(0)
    send(zabbix, slow, 2)
    send(zabbix, code, 503)
    zabbix.synced(before + 2)
    send(zabbix, name, 0)
    zabbix.wait_edges(itemid, "D")
    (event,) = zabbix.mapped()[f"h{itemid}"]
    assert event.payload["check_result"]["response_time_ms"] == 2000
    assert event.payload["check_result"]["status_code"] == 503


def test_notify_at_and_repeat(zabbix, make):
    ((name, itemid),) = make({"failures": 2, "notify_at": "3 5"})
    send(zabbix, name, 1, 0, 0, 0, 0, 0, 0, 1)
    zabbix.wait_edges(itemid, "DDDU")
    events = zabbix.mapped()[f"h{itemid}"]
    assert [e.summary for e in events] == [
        ("incident", "DOWN", "UP", 2, 1), ("incident", "DOWN", "DOWN", 3, 2),
        ("incident", "DOWN", "DOWN", 5, 3), ("recovery", "UP", "DOWN", 0, 3)]
    ((name, itemid),) = make({"repeat": "1s"})
    send(zabbix, name, 0)
    wait_for("three incidents", lambda: zabbix.send(("pulse", "pulse", 1)) == 1
             and len(zabbix.edges(itemid)) >= 3, pause=0.2)
    send(zabbix, name, 1)
    wait_for("its end", lambda: zabbix.edges(itemid)[-1] == "UP", pause=0.1)
    levels = [e.level for e in zabbix.mapped()[f"h{itemid}"] if e.kind == "incident"]
    assert levels == list(range(1, len(levels) + 1))


# Restarts and kills.


def test_restart(zabbix, make):
    """While it is UP and while it is DOWN, and in the middle of counting."""
    ((name, itemid), (other, other_id)) = make({"failures": 2}, count=2)
    send(zabbix, name, 1, 0)
    send(zabbix, other, 1)
    zabbix.restart_server()
    send(zabbix, other, 1)
    send(zabbix, name, 0)
    zabbix.wait_edges(itemid, "D")
    zabbix.restart_server()
    send(zabbix, name, 0, 0)
    zabbix.restart_server()
    send(zabbix, name, 1)
    zabbix.wait_edges(itemid, "DU")
    zabbix.restart_server()
    send(zabbix, name, 1, 0, 0)
    zabbix.wait_edges(itemid, "DUD")
    assert zabbix.edges(other_id) == []
    files = sorted(path.name for path in zabbix.map_dir.iterdir())
    assert files == ["items.map", "module.state"]


def test_kill(zabbix, make):
    """Killed at any time: the status converges with each item's next value, and nothing
    is there under two ids."""
    items = make(count=20)
    random.seed(3)
    for turn in range(4):
        begin = time.time_ns()
        values = [(name, "status", random.randrange(2), *divmod(begin + index, 10**9))
                  for index in range(20) for name, _ in items]
        zabbix.send(*values)
        time.sleep(random.random() * 0.3)
        zabbix.kill_server()
        zabbix.start_server()
        last = turn % 2
        zabbix.send(*[(name, "status", last) for name, _ in items])
        for _, itemid in items:
            wait_for(f"item {itemid} converges", lambda: zabbix.alive() and (
                zabbix.edges(itemid) or ["UP"])[-1] == ("UP" if last else "DOWN"), pause=0.1)
    for _, itemid in items:
        edges = zabbix.edges(itemid)
        assert all(a != b for a, b in zip(["UP", *edges], edges)), edges


def test_killed_syncer(zabbix, make):
    """One process of the server is killed: Zabbix ends, in order, and so does the
    module; nothing is lost of what was told, nothing hangs."""
    items = make(count=20)
    zabbix.send(*[(name, "status", 0) for name, _ in items])
    for _, itemid in items:
        zabbix.wait_edges(itemid, "D")
    pid = next(p for p in zabbix.server.members()
               if "history syncer" in title_of(p))
    os.kill(pid, 9)
    wait_for("the server has ended", lambda: zabbix.server.process.poll() is not None,
             timeout=60)
    zabbix.server.process = None
    zabbix.start_server()
    zabbix.send(*[(name, "status", 1) for name, _ in items])
    for _, itemid in items:
        zabbix.wait_edges(itemid, "DU")


def title_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


# A spool that fails.


def test_spool_unwritable(zabbix, make):
    """The server goes on, the edges are kept, also over a restart, and come when the spool
    takes them again; it is told once a minute."""
    items = make(count=10)
    said = "events wait and are tried again"
    before = zabbix.log().count(said)
    tmp = zabbix.hooks.spool / "tmp"
    tmp.chmod(0)
    for value in (0, 1, 0):
        zabbix.send(*[(name, "status", value) for name, _ in items])
        wait_for("a line in the log", lambda: zabbix.log().count(said) > before)
        time.sleep(1.2)
    assert zabbix.log().count(said) == before + 1
    zabbix.restart_server()
    zabbix.send(*[(name, "status", 1) for name, _ in items])
    wait_for("the same line again", lambda: zabbix.log().count(said) > before + 1)
    tmp.chmod(0o3770)
    wait_for("the log", lambda: zabbix.send(("pulse", "pulse", 1)) == 1
             and "the spool takes events again" in zabbix.log(), pause=0.2)
    for _, itemid in items:
        zabbix.wait_edges(itemid, "DUDU")


def test_spool_full(zabbix, make):
    """Less than min_free is left: as above."""
    ((name, itemid),) = make()
    zabbix.hooks.top["min_free"] = "99%"
    zabbix.hooks.write()
    zabbix.restart_server()
    send(zabbix, name, 0, 1)
    wait_for("a line in the log", lambda: "of bytes or inodes is free" in zabbix.log())
    assert zabbix.edges(itemid) == []
    zabbix.hooks.top["min_free"] = "0%"
    zabbix.hooks.write()
    zabbix.restart_server()
    zabbix.send(("pulse", "pulse", 1))
    zabbix.wait_edges(itemid, "DU")


def test_no_state_file(zabbix, make):
    """Where its file cannot be written all else works."""
    ((name, itemid),) = make()
    send(zabbix, name, 1)
    zabbix.map_dir.chmod(0o555)
    (zabbix.map_dir / "module.state").unlink()
    send(zabbix, name, 0, 1)
    zabbix.wait_edges(itemid, "DU")
    wait_for("a line in the log", lambda: "until this is mended" in zabbix.log())
    zabbix.map_dir.chmod(0o755)
    wait_for("the log", lambda: zabbix.send(("pulse", "pulse", 1)) == 1
             and "the state file can be written again" in zabbix.log(), pause=0.2)


# Maps.


def test_map_without_restart(zabbix, make):
    ((name, itemid),) = make({"up": ">0"})
    send(zabbix, name, 1)
    zabbix.use_map((itemid, {"up": ">5"}))
    send(zabbix, name, 1)
    zabbix.wait_edges(itemid, "D")
    (zabbix.map_dir / "items.map").write_text("nonsense\n", encoding="utf-8")
    wait_for("a line in the log", lambda: zabbix.send(("pulse", "pulse", 1)) == 1
             and "this is no map" in zabbix.log(), pause=0.2)
    send(zabbix, name, 6)
    zabbix.wait_edges(itemid, "DU")


def test_no_map():
    """Nothing is mapped: no value is handed over, and no file is made."""
    with ModuleZabbix() as host:
        host.write_map()
        host.start()
        host.reload_cache()
        assert "no items are mapped in " in host.log()
        assert host.send(("pulse", "pulse", 1)) == 1
        host.synced(1)
        host.stop_server()
        assert [path.name for path in host.map_dir.iterdir()] == ["items.map"]
        shutil.rmtree(host.map_dir)
        host.start_server()
        host.stop_server()

# SPDX-License-Identifier: MIT
"""hookspool-zabbix-export in trouble: garbage, long lines, a spool that is away; and what
it may do and takes."""

import json
import re
import socket
import time

import pytest

import programs
import units
from exporting import EXPORT, Exporter, problem, recovery, value
from spool import wait_for

MONITOR = {"webhook.monitor": "Shop", "webhook.up": ">0"}


@pytest.fixture
def exporter(hooks):
    hooks.init()
    made = Exporter(hooks)
    yield made
    made.end()


def test_garbage(exporter):
    writer = exporter.writer()
    writer.raw(b"garbage\n\n{}\n[1]\nnull\n\0\0\0\n{\"clock\":1,\"ns\":1}\n\xff\xfe\n"
               b'{"clock":-1,"ns":0,"value":1,"eventid":1}\n')
    writer.lines(problem(1))
    writer.raw(b'{"clock":1700000000,"ns":0,"value":0,"eventid":"x"}\n')
    writer.lines({**problem(2), "name": None, "hosts": "x", "tags": [1, {"tag": 2}]})
    done = exporter.once("--from-start")
    assert {key[1] for key in exporter.told()} == {"1", "2"}
    assert len(done.stderr.splitlines()) <= 2 and "garbage" not in done.stderr
    assert "passed over" in done.stderr


def test_long_lines(exporter):
    writer = exporter.writer()
    writer.raw(b"x" * 3000000 + b"\n")
    writer.lines(problem(1, tags={"long": "a" * 900000}), problem(2))
    writer.raw(b"y" * 1500000)
    exporter.start("--from-start")
    exporter.wait_told(2)
    writer.raw(b"y\n")
    writer.lines(problem(3))
    exporter.wait_told(3)
    assert "1 MB" in exporter.log()


def test_half_a_line_waits(exporter):
    exporter.start()
    writer = exporter.writer()
    line = json.dumps(problem(1)).encode()
    writer.raw(line[:40])
    writer2 = exporter.writer("problems-history-syncer-2")
    writer2.lines(problem(2))
    exporter.wait_told(1)
    exporter.kill()
    exporter.start()
    writer.raw(line[40:] + b"\n")
    exporter.wait_told(2)
    assert "passed over" not in exporter.log()


def test_a_spool_that_is_away(exporter):
    """It keeps what it read, says so once, and catches up."""
    exporter.start()
    spool, away = exporter.hooks.spool, exporter.hooks.folder / "away"
    spool.rename(away)
    spool.write_text("in the way", encoding="ascii")
    writer = exporter.writer()
    writer.lines(*(problem(n) for n in range(30)))
    wait_for("a complaint", lambda: "events wait" in exporter.log())
    exporter.kill()
    exporter.start()
    writer.lines(problem(30))
    wait_for("another", lambda: exporter.log().count("events wait") >= 2)
    spool.unlink()
    away.rename(spool)
    assert len(exporter.wait_told(31)) == 31
    assert exporter.once(check=False).returncode == 73  # in use


def test_once_with_a_spool_that_is_away(exporter):
    exporter.writer().lines(problem(1))
    exporter.hooks.spool.rename(exporter.hooks.folder / "away")
    exporter.hooks.spool.write_text("in the way", encoding="ascii")
    done = exporter.once("--from-start", check=False)
    assert done.returncode == 1 and "spool" in done.stderr


@pytest.mark.parametrize("args,code,word", [
    ([], 64, "ExportDir"), (["a", "b"], 64, "more than one"), (["--only", "x", "."], 64, "x"),
    (["--min-severity", "6", "."], 64, "6"), (["--state", "", "."], 64, "--state"),
    (["--state", "/nowhere/at/all", "."], 73, "/nowhere/at/all"),
    (["--state", "STATE", "/no/such/folder"], 66, "/no/such/folder"),
    (["--state", "STATE", "FILE"], 66, "FILE")])
def test_wrong_options(hooks, args, code, word):
    hooks.init()
    named = {"STATE": hooks.folder / "state", "FILE": hooks.config}
    done = programs.run(EXPORT, "-c", hooks.config, "--once",
                        *[named.get(a, a) for a in args])
    word = str(named.get(word, word))
    assert done.returncode == code and word in done.stderr, done
    assert len(done.stderr.splitlines()) == 1


def test_it_tells_the_service_manager(exporter):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(exporter.hooks.folder / "notify"))
        sock.settimeout(30)
        exporter.start(env={"NOTIFY_SOCKET": str(exporter.hooks.folder / "notify")})
        assert sock.recv(100) == b"READY=1"
        exporter.stop()
        assert sock.recv(100) == b"STOPPING=1"


def test_an_idle_one_does_nothing(exporter):
    exporter.start()
    exporter.writer().lines(problem(1))
    exporter.wait_told(1)
    exporter.wait_read()

    def switches():
        with open(f"/proc/{exporter.process.pid}/status", encoding="ascii") as file:
            return sum(int(n.split()[1]) for n in file if "ctxt_switches" in n)
    wait_for("it is idle", lambda: (switches(), time.sleep(1.5))[0] == switches())
    exporter.stop()


def keys_of(unit):
    return dict(units.settings(units.UNIT.with_name(unit)))


@pytest.mark.skipif(programs.SANITIZED, reason="sanitizers make calls of their own")
def test_it_works_within_the_filter_of_its_unit(exporter):
    """Which is that of hookspoold's."""
    for unit in ("hookspool-zabbix-export.service", "hookspool-zabbix-map.service"):
        filters = [v for k, v in units.settings(units.UNIT.with_name(unit))
                   if k == "SystemCallFilter"]
        assert filters == units.values("SystemCallFilter")
    assert keys_of("hookspool-zabbix-export.service")["User"] == "zabbix"
    exporter.start(preexec=units.Filter().load)
    writer = exporter.writer()
    writer.lines(problem(1), recovery(2, 1))
    exporter.wait_told(2)
    writer.rotate()
    writer.lines(recovery(4, 3))
    exporter.wait_told(3)
    exporter.stop()


@pytest.mark.skipif(programs.SANITIZED, reason="sanitizers take memory of their own")
def test_memory_is_bounded(exporter):
    """Whatever the length of the files, of which most lines are of no interest."""
    exporter.start("--from-start")
    writer = exporter.writer("history-history-syncer-1")
    block = b"".join(json.dumps(value(n, n, name="x" * 200)).encode() + b"\n"
                     for n in range(2000))
    for number in range(60):
        writer.raw(block)
        writer.lines(value(9, number % 2, MONITOR, clock=int(time.time()) - 100 + number))
    wait_for("all edges", lambda: len(exporter.events()) == 60)
    with open(f"/proc/{exporter.process.pid}/status", encoding="ascii") as file:
        peak = int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))
    assert peak < 32 * 1024, f"{peak} kB"

# SPDX-License-Identifier: MIT
"""hookspool-zabbix-export in trouble: garbage, long lines, a spool that is away; and what
it may do and takes."""

import json
import os
import re
import resource
import signal
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


def line_of(item):
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()


HOSTILE = 'Web "01" \\ {"clock":1} \\\\" {\'clock\':1,"eventid":9}'
HALF = line_of(problem(900, HOSTILE, tags={"a": "b"}))


@pytest.mark.parametrize("front", [
    *(HALF[:length] for length in (1, 2, 9, 40, len(HALF) // 2, len(HALF) - 1)),
    HALF[:30] + HALF[:60], b"\0" * 100, HALF[:HALF.index(b"Web") + 30], b"}}{{[\"", b'"'],
    ids=lambda front: f"{len(front)}-{front[-6:]!r}")
def test_what_comes_behind_half_a_line(exporter, front):
    """A server that was killed in the middle of a line, or had no space for it, goes on in
    the same line when it can."""
    writer = exporter.writer()
    writer.lines(problem(1))
    writer.raw(front)
    writer.lines(problem(2, HOSTILE), recovery(3, 2), problem(4))
    done = exporter.once("--from-start")
    assert {key[:3] for key in exporter.told()} == {
        ("incident", "1", None), ("incident", "2", None), ("recovery", "2", "3"),
        ("incident", "4", None)}
    assert len(done.stderr.splitlines()) == 1 and "passed over" in done.stderr
    assert exporter.once().stderr == ""


def test_a_line_without_its_end(exporter):
    """Only the line end was torn off: both are whole."""
    writer = exporter.writer()
    writer.raw(line_of(problem(1)) + line_of(problem(2)))
    writer.lines(problem(3))
    writer.raw(HALF[:70] + line_of(recovery(4, 1)))
    writer.lines(recovery(5, 2))
    exporter.once("--from-start")
    assert {key[1:3] for key in exporter.told()} == {
        ("1", None), ("2", None), ("3", None), ("1", "4"), ("2", "5")}


def test_half_a_value(exporter):
    """Members of values come in another order, and most values are of no interest."""
    writer = exporter.writer("history-history-syncer-1")
    half = line_of(value(1, 0, MONITOR))
    for length in (5, 50, 130, len(half) - 1):
        writer.raw(half[:length])
        writer.lines(value(2, 0, MONITOR, ns=length * 2))
        writer.raw(half[:length])
        writer.lines(value(3, 0))
        writer.lines(value(2, 1, MONITOR, ns=length * 2 + 1))
    exporter.once("--from-start")
    assert [e.details["item_id"] for e in exporter.events()] == ["2"] * 8


def test_half_a_line_is_torn_while_it_runs(exporter):
    """The reader has the half already, is killed, and starts again."""
    exporter.start()
    writer = exporter.writer()
    writer.raw(HALF[:50])
    writer2 = exporter.writer("problems-history-syncer-2")
    writer2.lines(problem(1))
    exporter.wait_told(1)
    writer.lines(problem(2))
    exporter.wait_told(2)
    writer.raw(HALF[:50])
    exporter.kill()
    exporter.start()
    writer.lines(problem(3))
    exporter.wait_told(3)
    assert "passed over" in exporter.log()


def test_half_a_line_before_the_first_start(exporter):
    """What becomes whole after it is news; so is what stands behind what never does."""
    one, two = exporter.writer(), exporter.writer("problems-history-syncer-2")
    half = line_of(problem(2))
    for writer in (one, two):
        writer.lines(*(problem(n) for n in range(10, 60)))
        writer.raw(half[:80])
    exporter.once()
    assert exporter.events() == []
    one.raw(half[80:] + b"\n")
    two.lines(problem(3))
    exporter.once()
    assert {key[1] for key in exporter.told()} == {"2", "3"}


# Files that may not be opened. Root may do everything, so its way around is taken away.

def bound(command):
    names = "-dac_override,-dac_read_search"
    return ["setpriv", "--bounding-set", names, "--inh-caps", names, *command] \
        if programs.IS_ROOT else command


def test_a_file_that_may_not_be_opened(exporter):
    """The others are read, and it is told; once that is mended, nothing is missing."""
    exporter.writer("problems-history-syncer-1").lines(problem(1))
    other = exporter.writer("problems-history-syncer-2")
    other.lines(problem(2))
    other.path.chmod(0)
    done = programs.run(*bound(exporter.command("--once", "--from-start")))
    assert done.returncode == 66 and len(done.stderr.splitlines()) == 1
    assert other.path.name in done.stderr and "Permission denied" in done.stderr
    assert {key[1] for key in exporter.told()} == {"1"}
    other.path.chmod(0o644)
    assert exporter.once().stderr == ""
    assert {key[1] for key in exporter.told()} == {"1", "2"}


def test_a_file_that_may_not_be_opened_for_a_while(exporter):
    """By one that stays: it says so once, tries again by itself, and says that too."""
    other = exporter.writer("problems-history-syncer-2")
    other.lines(problem(2))
    other.path.chmod(0)
    exporter.start(wrap=bound)
    wait_for("a complaint", lambda: "Permission denied" in exporter.log())
    exporter.writer("problems-history-syncer-1").lines(problem(1))
    exporter.wait_told(1)
    time.sleep(2.5)  # it tries again each second
    assert exporter.log().count("Permission denied") == 1
    other.lines(problem(3))  # news, and 2 is not
    other.path.chmod(0o644)
    assert {key[1] for key in exporter.wait_told(2)} == {"1", "3"}
    wait_for("it is over", lambda: "can be read again" in exporter.log())
    exporter.stop()


def test_rotated_to_a_file_that_may_not_be_opened(exporter):
    writer = exporter.writer()
    writer.lines(problem(1))
    exporter.start("--from-start", wrap=bound)
    exporter.wait_told(1)
    exporter.process.send_signal(signal.SIGSTOP)
    writer.rotate()
    writer.path.chmod(0)
    writer.lines(problem(2))
    exporter.process.send_signal(signal.SIGCONT)
    wait_for("a complaint", lambda: "Permission denied" in exporter.log())
    writer.path.chmod(0o644)
    exporter.wait_told(2)
    assert "lost" not in exporter.log()


def test_too_few_descriptors(exporter):
    """Not even the spool can be opened: all of it is there with the next call."""
    for number in range(40):
        exporter.writer(f"problems-history-syncer-{number}").lines(problem(number))
    done = exporter.once("--from-start", check=False, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (30, 30)))
    assert done.returncode == 1 and "Too many open files" in done.stderr
    assert exporter.once("--from-start").stderr == ""
    assert {int(key[1]) for key in exporter.told()} == set(range(40))


def test_what_is_no_file_is_not_read(exporter):
    """Nor is it worth a word."""
    os.mkfifo(exporter.folder / "problems-a.ndjson")
    (exporter.folder / "problems-b.ndjson").mkdir(0o000)
    (exporter.hooks.folder / "elsewhere").write_bytes(line_of(problem(1)) + b"\n")
    (exporter.folder / "problems-c.ndjson").symlink_to(exporter.hooks.folder / "elsewhere")
    exporter.writer().lines(problem(2))
    done = programs.run(*bound(exporter.command("--once", "--from-start")))
    assert (done.returncode, done.stderr) == (0, "")
    assert {key[1] for key in exporter.told()} == {"2"}


# The state file.

@pytest.mark.parametrize("content", [
    b"my notes\n", b"\n", b"hookspool-state 2\n", b"hookspool-state 1 \n", b"h" * 40,
    b"\0" * 4096])
def test_a_state_file_that_is_none(exporter, content):
    """It is left alone, and nothing stands beside it."""
    exporter.writer().lines(problem(1))
    exporter.state.write_bytes(content)
    before = sorted(exporter.hooks.folder.iterdir())
    done = exporter.once(check=False)
    assert done.returncode == 73 and len(done.stderr.splitlines()) == 1
    assert f"read {exporter.state}" in done.stderr
    assert exporter.state.read_bytes() == content and exporter.events() == []
    assert sorted(exporter.hooks.folder.iterdir()) == before


def test_the_state_file_of_another_program(exporter):
    body = b"set 4 1\nnodeA\n"
    content = b"hookspool-state 1\ngroup %d %016x\n%s" % (len(body), fnv(body), body)
    exporter.state.write_bytes(content)
    done = exporter.once(check=False)
    assert done.returncode == 73 and "another program" in done.stderr
    assert exporter.state.read_bytes() == content


def fnv(data):
    number = 0xcbf29ce484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001b3 % 2 ** 64
    return number


@pytest.mark.parametrize("keep", [0, 9, len("hookspool-state 1\n"), 40])
def test_a_state_file_that_lost_everything(exporter, keep):
    """That is no first start: what was told has the same ids again, and what was not told
    yet is."""
    writer = exporter.writer()
    exporter.once()
    writer.lines(problem(1), recovery(2, 1))
    exporter.once()
    before = {event.id for event in exporter.events()}
    writer.lines(problem(3))
    exporter.state.write_bytes(exporter.state.read_bytes()[:keep])
    done = exporter.once()
    assert "beginning" in done.stderr and str(exporter.state) in done.stderr
    assert {key[1] for key in exporter.told()} == {"1", "3"}  # which looks at the ids
    assert len(exporter.events()) == 5 and len(before) == 2
    assert exporter.once().stderr == ""


def test_a_state_file_that_lost_its_end(exporter):
    """It goes on from what is left of it."""
    exporter.start()
    writer = exporter.writer()
    writer.lines(problem(1))
    exporter.wait_told(1)
    writer.lines(recovery(2, 1), problem(3))
    exporter.wait_told(3)
    exporter.kill()
    os.truncate(exporter.state, exporter.state.stat().st_size - 3)
    done = exporter.once()
    assert "torn" in done.stderr and "beginning" not in done.stderr
    assert {key[1:3] for key in exporter.told()} == {("1", None), ("1", "2"), ("3", None)}


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
    (["--state", "/nowhere/at/all", "/no/such/folder"], 66, "/no/such/folder"),
    (["--tag", "", "."], 64, "--tag"), (["--tag", "a", "--tag", "=b", "."], 64, "--tag"),
    (["--without-tag", "", "."], 64, "--without-tag"),
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

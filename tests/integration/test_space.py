# SPDX-License-Identifier: MIT
"""A full disk, for adapters and for the daemon; and the limits that an endpoint has for
itself."""

import contextlib
import json
import os
import subprocess
import time

import pytest

from checks import check_arrived, check_exactly, check_numbers
from spool import wait_for

MOUNTS = pytest.mark.root("mounts a tmpfs")


@contextlib.contextmanager
def tmpfs(path, options):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def small(hooks):
    """A spool and a journal on a disk of their own, of 6 MB."""
    with tmpfs(hooks.folder / "disk", "size=6m,mode=755") as disk:
        hooks.spool = disk / "spool"
        hooks.journal_path = disk / "delivery.jsonl"
        hooks.top.update(spool_dir=hooks.spool, journal=hooks.journal_path)
        yield hooks
        hooks.close()


def fill(hooks, leave=0):
    """A file that takes all space but `leave` bytes."""
    ballast = hooks.folder / "disk" / "ballast"
    with open(ballast, "ab", buffering=0) as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
    os.truncate(ballast, max(0, ballast.stat().st_size - leave))
    return ballast


def refused_full(hooks):
    done = hooks.service(check=False)
    assert done.returncode == 75 and len(done.stderr.splitlines()) == 1, done
    assert hooks.files("tmp") == []
    return done


@MOUNTS
def test_adapter_on_a_full_disk(small):
    small.endpoint(url="http://127.0.0.1:9/").init()
    small.service()
    before = small.files("incoming")
    ballast = fill(small)
    done = refused_full(small)
    assert str(small.spool) in done.stderr
    assert small.files("incoming") == before
    ballast.unlink()
    small.service()
    assert len(small.files("incoming")) == 2


@MOUNTS
def test_pause_on_a_full_disk(small, receiver):
    """It is done, and what does not hold is said."""
    small.endpoint(receiver=receiver).init().start()
    ballast = fill(small)
    done = small.control("pause", "main")
    assert done.returncode not in (0, 1) and "until the next start only" in done.stderr, done
    shown = json.loads(small.control("status", "--json").stdout)
    assert shown["endpoints"]["main"]["state"] == "paused"
    time.sleep(2.5)  # at most three tries to write the status, of which one is told
    assert small.daemon.log().count("status.json") == 1
    ballast.unlink()
    assert small.control("pause", "main").returncode == 0
    small.daemon.stop()
    small.start()
    small.wait_state("paused")


@MOUNTS
def test_adapter_keeps_min_free(small):
    """Below min_free nothing is taken, though it would still fit."""
    small.top["min_free"] = "20%"
    small.endpoint(url="http://127.0.0.1:9/").init()
    fill(small, leave=800_000)
    refused_full(small)
    small.top["min_free"] = "100K"
    small.write()
    small.service()


@MOUNTS
def test_adapter_out_of_inodes(hooks):
    with tmpfs(hooks.folder / "disk", "size=6m,nr_inodes=100,mode=755") as disk:
        hooks.spool = disk / "spool"
        hooks.top["spool_dir"] = hooks.spool
        hooks.endpoint(url="http://127.0.0.1:9/").init()
        for number in range(100):
            try:
                (disk / f"file-{number}").touch()
            except OSError:
                break
        refused_full(hooks)
        (disk / "file-0").unlink()
        (disk / "file-1").unlink()
        hooks.service()


@MOUNTS
def test_batch_on_a_full_disk(small):
    """A batch is in or out, never in part."""
    small.endpoint(url="http://127.0.0.1:9/").init()
    fill(small, leave=20_000)
    events = [{"kind": b"incident", "state": b"DOWN", "host": b"h%d" % i,
               "message": b"x" * 1000} for i in range(100)]
    assert small.put(*events, batch=100, check=False) == []
    assert small.files("incoming", "tmp") == []


@MOUNTS
def test_daemon_drains_a_full_disk(small, receiver):
    """What the spool holds when the disk fills up is delivered, with its journal lines,
    out of the daemon's reserve; then there is space again by itself."""
    receiver.down()
    small.endpoint(receiver=receiver).init().start()
    ids = small.generate(300, monitors=50)
    wait_for("queued", lambda: len(small.files("queue/main")) == 300)
    fill(small)
    refused_full(small)
    receiver.up()
    small.wait_settled()
    check_exactly(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert {line["id"] for line in small.journal("delivered")} == set(ids)
    assert small.daemon.process.poll() is None


@MOUNTS
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_daemon_starts_on_a_full_disk(small, receiver, end):
    """A spool that was in use: its reserve is there, so the daemon starts, sends what
    waits, and takes in the rest when there is room, without a restart."""
    small.endpoint(receiver=receiver).init().start()
    ids = small.generate(10)
    small.wait_settled()
    receiver.down()
    ids += small.generate(100, monitors=50, first=1)
    wait_for("queued", lambda: len(small.files("queue/main")) == 100)
    getattr(small.daemon, end)()
    ids += small.generate(100, monitors=50, first=3, batch=20)
    ballast = fill(small)
    receiver.up()
    small.start()
    wait_for("what was queued", lambda: len(receiver.accepted()) >= 110)
    ballast.unlink()
    small.wait_settled()
    check_exactly(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())


@MOUNTS
def test_new_spool_on_a_full_disk(small, receiver):
    """Without room for its state the daemon may not start, and says why; nothing is
    lost."""
    small.endpoint(receiver=receiver).init()
    ids = small.generate(50)
    ballast = fill(small)
    small.start(ready=False)
    wait_for("an answer of the daemon",
             lambda: small.daemon.process.poll() is not None or receiver.accepted())
    ballast.unlink()
    if small.daemon.process.poll() is not None:
        assert small.daemon.process.poll() == 75 and "space" in small.daemon.log()
        small.start()
    small.wait_settled()
    check_exactly(receiver.accepted(), ids)


@MOUNTS
def test_full_while_running(small, receiver):
    """The disk fills and empties again under load; whatever was acknowledged arrives."""
    small.endpoint(receiver=receiver).init().start()
    ids, notified = [], 0
    for round_number in range(6):
        ids += small.generate(60, monitors=20, first=round_number * 3)
        ballast = fill(small)
        done = small.service(host=f"h{round_number}", check=False)
        # What the daemon removes meanwhile makes room again.
        assert done.returncode in (0, 75), done
        notified += done.returncode == 0
        ballast.unlink()
    small.wait_settled()
    check_arrived(receiver.accepted(), ids)
    check_numbers([r for r in receiver.snapshot() if r.number is not None])
    assert len({r.id for r in receiver.accepted()}) == len(ids) + notified
    assert {line["id"] for line in small.journal("delivered")} >= set(ids)


@MOUNTS
def test_short_of_space_is_in_the_status(small, make_receiver):
    """Below half of min_free nothing is copied for a second endpoint; the status says
    "short", and it goes on by itself."""
    receivers = make_receiver(), make_receiver()
    small.top["min_free"] = "50%"
    for name, receiver in zip("ab", receivers):
        small.endpoint(name, receiver=receiver)
    small.init().start()
    ids = small.generate(5)
    small.wait_settled()
    assert small.status()["space"] == "ok"
    small.daemon.stop()
    ids += small.generate(20, first=1)
    ballast = fill(small, leave=800_000)
    refused_full(small)
    small.start()
    wait_for("short in the status", lambda: small.status()["space"] == "short")
    ballast.unlink()
    small.wait_settled()
    for receiver in receivers:
        check_exactly(receiver.accepted(), ids)
    wait_for("ok in the status", lambda: small.status()["space"] == "ok")


@MOUNTS
def test_journal_on_a_full_disk_of_its_own(hooks, receiver):
    """No event is sent whose result could not be recorded, and none is lost."""
    with tmpfs(hooks.folder / "disk", "size=64k,mode=755") as disk:
        hooks.journal_path = disk / "delivery.jsonl"
        hooks.top["journal"] = hooks.journal_path
        hooks.endpoint(receiver=receiver).init().start()
        ids = hooks.generate(3)
        hooks.wait_settled()
        fill(hooks)
        ids += hooks.generate(2000, monitors=50, first=1)
        wait_for("as much as the reserve holds, or nothing",
                 lambda: hooks.status()["endpoints"]["main"]["pending"] > 100
                 and hooks.status()["endpoints"]["main"]["in_flight"] == 0)
        recorded = {line["id"] for line in hooks.journal("delivered")}
        assert {r.id for r in receiver.accepted()} == recorded
        (disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=10m", disk], check=True)
        hooks.wait_settled()
        check_exactly(receiver.accepted(), ids)
        hooks.close()


def test_max_queued(hooks, make_receiver):
    """An endpoint that is away for long fills its own quota only: its oldest go to dead,
    each with a line; the other endpoint gets everything."""
    good, away = make_receiver(), make_receiver()
    away.down()
    hooks.endpoint("good", receiver=good)
    hooks.endpoint("away", receiver=away, max_queued=50).init().start()
    ids = hooks.generate(200, monitors=20)
    wait_for("the good one", lambda: len(good.accepted()) == 200)
    wait_for("the quota", lambda: len(hooks.dead("away")) == 150)
    check_exactly(good.accepted(), ids)
    away.up()
    hooks.wait_settled()
    gone = [line["id"] for line in hooks.journal("dead", endpoint="away")]
    check_exactly(away.accepted(), [event for event in ids if event not in gone])
    check_numbers(away.snapshot())
    assert len(gone) == 150 and hooks.dead("good") == []
    in_flight = set(ids[:150]) - set(gone)  # just then
    assert len(in_flight) <= 8, in_flight


def test_max_queued_size(hooks, receiver):
    receiver.down()
    hooks.endpoint(receiver=receiver, max_queued_size="100K").init().start()
    events = [{"kind": b"incident", "state": b"DOWN", "host": b"h%d" % i,
               "message": b"x" * 9000} for i in range(40)]
    ids = hooks.put(*events)
    wait_for("most are dead", lambda: len(hooks.dead()) >= 28)
    receiver.up()
    hooks.wait_settled()
    kept = [r.id for r in receiver.accepted()]
    assert 5 <= len(kept) <= 12 and set(kept) == set(ids[-len(kept):])


def test_max_dead(hooks, receiver):
    """The oldest dead letters go, each with a line: nothing goes without one."""
    receiver.answer(status=422)
    hooks.endpoint(receiver=receiver, retries=0, max_dead=10).init().start()
    ids = hooks.generate(40, monitors=1)
    hooks.wait_settled()
    wait_for("the quota", lambda: len(hooks.dead()) == 10)
    kept = {name.rsplit(".", 1)[1] for name in hooks.dead()}
    assert kept == set(ids[30:])
    assert [line["id"] for line in hooks.journal("removed")] == ids[:30]


def test_max_dead_size(hooks, receiver):
    receiver.answer(status=422)
    hooks.endpoint(receiver=receiver, retries=0, max_dead_size="100K").init().start()
    hooks.put(*({"kind": b"incident", "state": b"DOWN", "host": b"h",
                 "message": b"x" * 9000} for _ in range(30)))
    hooks.wait_settled()
    wait_for("the quota", lambda: sum(
        (hooks.spool / f).stat().st_size for f in hooks.dead()) <= 100 * 1024)
    assert 5 <= len(hooks.dead()) <= 12
    assert len(hooks.journal("removed")) == 30 - len(hooks.dead())


def test_journal_is_bounded(hooks, receiver):
    hooks.top["journal_max"] = "64K"
    hooks.endpoint(receiver=receiver).init().start()
    hooks.generate(1200, monitors=20)
    hooks.wait_settled()
    sizes = [p.stat().st_size for p in hooks.journal_path.parent.iterdir()]
    assert len(sizes) == 2 and max(sizes) <= 64 * 1024
    assert hooks.journal_path.stat().st_mode & 0o7777 == 0o640

# SPDX-License-Identifier: MIT
"""Nothing in incoming/ is trusted: what is wrong goes to corrupt/, and the daemon goes
on."""

import json
import os
import uuid

import pytest

from checks import check_exactly
from spool import wait_for

SIZE = 16 * 1024 * 1024


def name():
    return f"018d0e5c-0000-7000-8000-{uuid.uuid4().hex[:12]}.evt"


@pytest.fixture
def record(hooks):
    """The bytes of one good spool file."""
    hooks.init()
    return hooks.service(options=("--dry-run",)).stdout.encode()


def wrong_contents(record):
    """What a file of the right name may hold that is no good record."""
    event = record.index(b"event ")
    end = record.rindex(b"end ")
    body = record.index(b"{")
    return {
        "empty": b"",
        "garbage": os.urandom(4096),
        "text": b"hello\n",
        "zeros": b"\0" * 4096,
        "other version word": record.replace(b"hookspool 1", b"hookspool one", 1),
        "version 0": record.replace(b"hookspool 1", b"hookspool 0", 1),
        "no end": record[:end],
        "cut in half": record[:len(record) // 2],
        "cut by one": record[:-1],
        "one more": record + b"x",
        "two records": record + record,
        "wrong length": record.replace(b"event ", b"event 1", 1),
        "huge length": record[:event + 43] + b"99999999999999999999 5\n" + record[body:],
        "no such id": record.replace(record[event + 6:event + 42], b"x" * 36),
        "upper-case id": record.replace(record[event + 6:event + 42],
                                        b"018D0E5C-0000-7000-8000-000000000001"),
        "changed body": record.replace(b"monitor_alert", b"monitor_alarm", 1),
        "not canonical": record.replace(b'{"event_type":"', b'{"event_type":\t', 1),
        "no UTF-8": record.replace(b"monitor_alert", b"monitor_aler\xff", 1),
        "path in the id": record.replace(record[event + 6:event + 42],
                                         (b"../" * 12)),
    }


KINDS = list(wrong_contents(b"hookspool 1\nevent " + b"0" * 36 + b" 2 2\n{}\n{}\nend 1 9\n"))


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_contents(hooks, receiver, record, kind):
    hooks.endpoint(receiver=receiver).write()
    path = hooks.spool / "incoming" / name()
    path.write_bytes(wrong_contents(record)[kind])
    hooks.start()
    ids = hooks.generate(5)
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    assert len(hooks.files("corrupt")) >= 1
    assert hooks.journal("corrupt")
    wait_for("the status counts it", lambda: hooks.status().get("corrupt") == 1)


def test_corrupt_files_are_counted_until_they_are_removed(hooks, receiver):
    def counted():
        return json.loads(hooks.control("status", "--json").stdout)["corrupt"]
    hooks.endpoint(receiver=receiver).init()
    (hooks.spool / "incoming" / name()).write_bytes(b"garbage")
    hooks.start()
    wait_for("the status counts it", lambda: counted() == 1)
    hooks.daemon.stop()
    hooks.start()
    assert counted() == 1
    for file in hooks.files("corrupt"):
        (hooks.spool / file).unlink()
    assert counted() == 0


@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "fifo", "folder",
                                  "hard link", "socket", "huge"])
def test_wrong_types(hooks, receiver, record, kind):
    """Neither followed nor opened for ever; a link's target is untouched."""
    hooks.endpoint(receiver=receiver).write()
    path, target = hooks.spool / "incoming" / name(), hooks.folder / "target"
    target.write_bytes(record)
    if kind == "symlink":
        path.symlink_to(target)
    elif kind == "dangling symlink":
        path.symlink_to("nowhere")
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
        (path / "inside").touch()
    elif kind == "hard link":
        os.link(target, path)
    elif kind == "socket":
        os.mknod(path, 0o140600)
    else:
        with open(path, "wb") as file:
            file.truncate(SIZE * 64)
    hooks.start()
    ids = hooks.generate(5)
    wait_for("the good ones", lambda: len(receiver.accepted()) >= 5)
    wait_for("out of incoming/", lambda: not path.is_symlink() and not path.exists())
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    assert hooks.journal("corrupt") and target.read_bytes() == record


@pytest.mark.parametrize("wrong", [
    "x", ".evt", "note.txt", "018d0e5c-0000-7000-8000-000000000001", "a b.evt",
    "018d0e5c-0000-7000-8000-000000000001.evt.tmp", "-rf.evt", "\n.evt", "%s%n.evt",
    "018D0E5C-0000-7000-8000-000000000001.evt", "ü.evt", "x" * 255])
def test_wrong_names(hooks, receiver, record, wrong):
    """Even with good contents: a put never makes such a name."""
    hooks.endpoint(receiver=receiver).write()
    path = hooks.spool / "incoming" / wrong
    path.write_bytes(record)
    hooks.start()
    ids = hooks.generate(5)
    wait_for("out of incoming/", lambda: not path.exists())
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    assert len(hooks.files("corrupt")) == 1 and hooks.journal("corrupt")


def test_newer_version_stays(hooks, receiver, record):
    """Left alone, with a warning, for the newer daemon that will come."""
    hooks.endpoint(receiver=receiver).write()
    path = hooks.spool / "incoming" / name()
    newer = record.replace(b"hookspool 1\n", b"hookspool 2\nnew field\n", 1)
    path.write_bytes(newer)
    hooks.start()
    ids = hooks.generate(5)
    wait_for("the good ones", lambda: len(receiver.accepted()) == 5)
    wait_for("a warning", lambda: hooks.journal("warning") or "newer" in hooks.daemon.log())
    check_exactly(receiver.accepted(), ids)
    hooks.daemon.stop()
    assert path.read_bytes() == newer and hooks.files("corrupt") == []


def test_corrupt_is_bounded(hooks, receiver):
    """Ten thousand bad files do not fill the disk with copies for a person."""
    hooks.endpoint(receiver=receiver).init()
    for number in range(3000):
        (hooks.spool / "incoming" / f"bad-{number}").write_bytes(b"x" * 100)
    hooks.start()
    ids = hooks.generate(5)
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    assert 1 <= len(hooks.files("corrupt")) < 3000
    assert hooks.journal("removed") or hooks.journal("corrupt")


def test_old_tmp_files_go(hooks, receiver):
    hooks.endpoint(receiver=receiver).init()
    old, young = hooks.spool / "tmp" / "old", hooks.spool / "tmp" / "young"
    old.write_bytes(b"half a rec")
    young.write_bytes(b"half a rec")
    os.utime(old, (1_700_000_000, 1_700_000_000))
    hooks.start()
    wait_for("the old one is gone", lambda: not old.exists())
    assert young.exists()


def test_damage_in_the_queue(hooks, receiver):
    """A file of the queue that a disk has damaged stops neither start nor others."""
    receiver.down()
    hooks.endpoint(receiver=receiver).init().start()
    ids = hooks.generate(20, monitors=20)
    wait_for("queued", lambda: len(hooks.files("queue/main")) == 20)
    hooks.daemon.stop()
    damaged = hooks.files("queue/main")[3:6]
    for path, content in zip(damaged, (b"", b"garbage", None)):
        full = hooks.spool / path
        full.write_bytes(content if content is not None else full.read_bytes()[:-10])
    (hooks.spool / damaged[0]).parent.joinpath("not a queue file").touch()
    receiver.up()
    hooks.start()
    wait_for("the others", lambda: len(receiver.accepted()) == 17)
    assert {r.id for r in receiver.accepted()} < set(ids)
    wait_for("set aside", lambda: len(hooks.files("corrupt")) >= 3)


@pytest.mark.parametrize("damage", ["remove", "empty", "garbage"])
def test_damage_in_state(hooks, receiver, damage):
    """Without its state the daemon still delivers everything that waits, in order."""
    receiver.down()
    hooks.endpoint(receiver=receiver, rate_limit="1000/s").init().start()
    ids = hooks.generate(40, monitors=10)
    wait_for("queued", lambda: len(hooks.files("queue/main")) == 40)
    hooks.daemon.stop()
    assert hooks.files("state")
    for path in hooks.files("state"):
        full = hooks.spool / path
        if damage == "remove":
            full.unlink()
        else:
            full.write_bytes(b"" if damage == "empty" else os.urandom(100))
    hooks.start()
    ids += hooks.generate(40, monitors=10, first=4)
    receiver.up()
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    numbers = {}
    for request in receiver.accepted():
        assert request.number == numbers.get(request.monitor, 0)
        numbers[request.monitor] = request.number + 1

# SPDX-License-Identifier: MIT
"""The process is killed at each named point between two durable steps, and started
again. The points are taken from the sources: a new one is tested by being there. Those of
programs that run inside a host, or beside one, are tested with that host."""

import pathlib
import re

import pytest

import programs
from checks import check_arrived, check_numbers
from spool import wait_for

POINT = re.compile(r'hsp_crash_point\("([a-z-]+)"\)')


def points(path):
    path = pathlib.Path(programs.SOURCE, path)
    files = path.rglob("*.c") if path.is_dir() else [path]
    return sorted({point for file in files
                   for point in POINT.findall(file.read_text(encoding="utf-8"))})


PUT = points("core/put.c")
BY_HAND = [p for p in points("core/delivery") if p.startswith(("letter-", "transfer-"))]
DAEMON = [p for p in points("core/delivery") if p not in BY_HAND]


def test_the_points_are_there():
    assert {"put-created", "put-written", "put-synced", "put-renamed"} <= set(PUT)
    assert {"intake-read", "send-start", "commit-synced", "dead-written"} <= set(DAEMON)
    assert {"letter-revived", "transfer-renamed"} <= set(BY_HAND)


@pytest.mark.parametrize("point", PUT)
@pytest.mark.parametrize("batch", [False, True])
def test_put(hooks, receiver, point, batch):
    """A put that dies is not acknowledged; whatever it left behind is whole or ignored,
    and the same put again is one webhook."""
    hooks.endpoint(receiver=receiver).init()
    events = [{"kind": b"incident", "state": b"DOWN", "host": b"h%d" % n,
               "id": b"018d0e5c-0000-7000-8000-%012d" % n} for n in range(3)]
    options = {"batch": 3 if batch else 1, "env": {"HOOKSPOOL_CRASH": point}}
    assert hooks.put(*events, check=False, **options) == []
    left = hooks.files("incoming")
    assert len(left) == (1 if point == "put-renamed" else 0)
    died = hooks.service(check=False, env={"HOOKSPOOL_CRASH": point})
    assert died.returncode < 0 or died.returncode > 128, died
    hooks.start()
    ids = hooks.put(*events, batch=options["batch"])
    hooks.service()
    hooks.wait_settled()
    assert sorted(r.id for r in receiver.accepted() if r.id in ids) == sorted(ids)
    assert {r.monitor for r in receiver.accepted()} == {"h0", "h1", "h2", "web-01/API"}
    assert hooks.files("corrupt") == []


def misbehave(receiver):
    """Answers that lead the daemon past every point: deliveries, retries, deaths."""
    receiver.answer(status=422, monitor="bad-0")
    receiver.answer(status=500, monitor="again-0", times=1)
    receiver.answer(status=422, monitor="again-0", times=1)


def load(hooks):
    ids = hooks.generate(4, monitors=1, prefix="again")
    ids += hooks.generate(30, monitors=10, batch=15)
    ids += hooks.generate(8, monitors=4, prefix="single")
    return ids, hooks.generate(2, monitors=1, prefix="bad")


@pytest.mark.parametrize("nth", [1, 2, 7])
@pytest.mark.parametrize("point", DAEMON)
def test_daemon(hooks, make_receiver, point, nth):
    one, two = make_receiver(), make_receiver()
    misbehave(one)
    misbehave(two)
    hooks.endpoint("one", receiver=one, retries=2)
    hooks.endpoint("two", receiver=two, retries=2).init()
    ids, refused = load(hooks)
    hooks.start(ready=False, env={"HOOKSPOOL_CRASH": f"{point}:{nth}"})
    crashed = crash_or_settle(hooks, nth)
    more = hooks.generate(10, monitors=10, first=3)
    if crashed or crash_or_settle(hooks, nth):
        hooks.start()
    hooks.wait_settled()
    for receiver in (one, two):
        check_arrived(receiver.accepted(), ids + more)
        check_numbers(receiver.snapshot())
        assert not {r.id for r in receiver.accepted()} & set(refused)
    for name in ("one", "two"):
        letters = [path.rsplit(".", 1)[1] for path in hooks.dead(name)]
        assert sorted(letters) == sorted(refused)
        told = {line["id"] for line in hooks.journal("delivered", endpoint=name)}
        # A crash between the answer and its line leaves none; the resend has one.
        assert told == set(ids + more)
    assert hooks.files("corrupt") == []


def crash_or_settle(hooks, nth):
    """Every point must be reached once; not all are reached more often than that."""
    def over():
        return hooks.daemon.process.poll() is not None or (
            nth > 1 and hooks.status() and not hooks.waiting() and not hooks.waiting())
    wait_for("the crash", over)
    return hooks.daemon.process.poll() is not None


def test_crash_at_every_start(hooks, receiver):
    """A daemon that dies at the next point each time it is started still gets there."""
    misbehave(receiver)
    hooks.endpoint(receiver=receiver, retries=2).init()
    ids, refused = load(hooks)
    for point in DAEMON * 2:
        hooks.start(ready=False, env={"HOOKSPOOL_CRASH": f"{point}:2"})
        crash_or_settle(hooks, 2)
        hooks.daemon.kill()
    hooks.start()
    hooks.wait_settled()
    check_arrived(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert sorted(p.rsplit(".", 1)[1] for p in hooks.dead()) == sorted(refused)


@pytest.mark.parametrize("point", BY_HAND + ["commit-journaled", "commit-removed",
                                             "commit-synced"])
def test_by_hand(hooks, receiver, point):
    """hookspool itself dies while it puts letters back and moves waiting events: what it
    was asked for can be asked for again, and each event goes out once, in order."""
    receiver.answer(status=422)
    hooks.endpoint("old", receiver=receiver, retries=0, outage="count").init()
    hooks.start()
    ids = hooks.generate(40, monitors=4, batch=40)
    wait_for("letters", lambda: hooks.endpoint_status("old").get("dead") == 40)
    hooks.control("pause", "old")
    ids += hooks.generate(40, monitors=4, first=10, batch=40)
    wait_for("they wait", lambda: hooks.endpoint_status("old").get("pending") == 40)
    hooks.daemon.stop()
    receiver.forget_rules()
    del hooks.endpoints["old"]
    hooks.endpoint("new", receiver=receiver).write()
    for places in (("--dead",), ("--waiting",)):
        died = hooks.control("move", "old", "new", *places,
                             env={"HOOKSPOOL_CRASH": f"{point}:1"})
        reached = (point.startswith("commit-") or
                   (point == "letter-revived") == (places == ("--dead",)))
        assert (died.returncode < 0) == reached, died
        hooks.control("move", "old", "new", *places)
    assert not hooks.files("queue/old", "dead/old", "corrupt")
    before = len(receiver.requests)
    hooks.start()
    hooks.wait_settled()
    requests = receiver.snapshot()[before:]
    assert sorted(r.id for r in requests) == sorted(ids)
    check_numbers(requests)


def test_a_displaced_head_is_found_again(hooks, receiver):
    """A letter comes back before a waiting event that has attempts in its name, and the
    process dies between the two renames, in either order."""
    for point in ("letter-revived:1", "commit-removed:1"):
        receiver.answer(status=422)
        hooks.endpoint(receiver=receiver, retries=0, outage="count").init()
        hooks.start()
        first = hooks.generate(1, prefix=point[:3])
        wait_for("a letter", lambda: hooks.endpoint_status().get("dead") == 1)
        hooks.daemon.stop()
        receiver.forget_rules()
        receiver.answer(status=500)
        hooks.endpoint(receiver=receiver, retries=9, backoff="1h",
                       backoff_max="1h").write()
        hooks.start()
        second = hooks.generate(1, prefix=point[:3], first=1)
        wait_for("a try", lambda n=second: hooks.journal("failed", id=n[0]))
        hooks.daemon.stop()
        receiver.forget_rules()
        hooks.control("retry", *first, env={"HOOKSPOOL_CRASH": point})
        hooks.control("retry", *first)
        before = len(receiver.requests)
        hooks.start()
        wait_for("both", lambda n=before: len(receiver.requests) == n + 2)
        assert [r.id for r in receiver.requests[before:]] == first + second
        hooks.wait_settled()
        hooks.daemon.stop()
        assert not hooks.files("corrupt")

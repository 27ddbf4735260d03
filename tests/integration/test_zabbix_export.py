# SPDX-License-Identifier: MIT
"""hookspool-zabbix-export: what Zabbix writes to its ExportDir becomes events, once each,
over rotation, kill and restart."""

import json
import os
import pathlib
import random
import re
import signal
import threading
import time

import pytest

import programs
from exporting import Exporter, problem, recovery, value
from spool import wait_for

POINT = re.compile(r'hsp_crash_point\("([a-z-]+)"\)')
SOURCES = ("plugins/zabbix/exporter.c", "core/statefile.c", "core/courier.c", "core/put.c")
POINTS = sorted({name for path in SOURCES for name in POINT.findall(
    pathlib.Path(programs.SOURCE, path).read_text(encoding="utf-8"))})
BASE = int(time.time()) - 7200  # a while ago, less than a day
MONITOR = {"webhook.monitor": "Shop", "webhook.up": ">0"}


def utc(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@pytest.fixture
def exporter(hooks):
    hooks.init()
    made = Exporter(hooks)
    yield made
    made.end()


# Problems and recoveries.

def test_problem_and_recovery(exporter):
    """Host, severity, tags and name; the recovery has them from its problem."""
    exporter.start()
    writer = exporter.writer()
    hostile = 'Web "01" \\ €\nkey=value'
    writer.lines(problem(1000001, hostile, tags={"scope": "web", "webhook.url": "https://a/b"},
                         clock=BASE, ns=7))
    exporter.wait_told(1)
    writer.lines(recovery(1000002, 1000001, clock=BASE + 60))
    told = exporter.wait_told(2)
    down = told["incident", "1000001", None, None, None]
    up = told["recovery", "1000001", "1000002", None, None]
    assert down.payload["monitor"] == up.payload["monitor"] | {"status": "DOWN"}
    assert (down.monitor, down.payload["monitor"]["url"]) == (hostile, "https://a/b")
    assert down.summary == ("incident", "DOWN", "UP", 1, 1)
    assert up.summary == ("recovery", "UP", "DOWN", 0, 1)
    assert down.message == hostile and up.message is None
    assert down.payload["check_result"]["timestamp"] == utc(BASE)
    for event in (down, up):
        assert event.all["system"] == "zabbix" and event.all["host"] == "web-01"
        assert event.details["severity"] == "high"
        assert event.details["host_name"] == "Visible web-01"
        assert "scope:web" in event.details["tags"]
        assert json.loads(event.details["groups"]) == ["Linux servers"]
    assert (down.all["time"], down.all["sequence"]) == (BASE, 1000001)


def test_what_is_there_before_the_first_start(exporter):
    """Old problems are no news, unless they are asked for."""
    exporter.writer().lines(problem(1), recovery(2, 1))
    exporter.once()
    assert exporter.events() == []
    exporter.writers[0].lines(problem(3))
    exporter.once()
    assert [key[1] for key in exporter.told()] == ["3"]
    exporter.state.unlink()
    exporter.once("--from-start")
    assert {key[1:3] for key in exporter.told()} == {("1", None), ("1", "2"), ("3", None)}


def test_files_that_appear_later(exporter):
    exporter.start()
    for number, name in enumerate(("problems-history-syncer-1", "problems-main-process-0",
                                   "problems-task-manager-1"), 1):
        exporter.writer(name).lines(problem(number))
        exporter.wait_told(number)
    exporter.writer("trends-history-syncer-1").lines(problem(7))
    exporter.writer("other").lines(problem(8))
    exporter.writer("history-history-syncer-1").lines(value(9, 0, MONITOR))
    exporter.wait_told(4)
    exporter.stop()
    assert len(exporter.told()) == 4


def test_a_recovery_without_its_problem(exporter):
    exporter.writer().lines(recovery(11, 10))
    exporter.once("--from-start")
    (event,) = exporter.told().values()
    assert event.summary == ("recovery", "UP", "DOWN", 0, 1) and "10" in event.monitor


def test_a_recovery_before_its_problem(exporter):
    """Syncers do not wait for each other: it is kept until the problem has come, also over
    a restart."""
    exporter.start()
    one, two = exporter.writer(), exporter.writer("problems-history-syncer-2")
    two.lines(recovery(11, 10))
    wait_for("it is kept", lambda: b"recovery 10" in exporter.state.read_bytes())
    exporter.kill()
    exporter.start()
    one.lines(problem(10))
    told = exporter.wait_told(2)
    assert [event.kind for event in exporter.events()] == ["incident", "recovery"]
    assert len({event.payload["monitor"]["id"] for event in told.values()}) == 1


def late(exporter, problemid):
    """(kind, monitor) of the events that are of this problem, in the order of time."""
    found = {event.id: event for event in exporter.events()
             if event.details["event_id"] == str(problemid)}
    return [(event.kind, event.monitor)
            for event in sorted(found.values(),
                                key=lambda e: (e.all["time"], e.all["sequence"]))]


def test_a_problem_that_comes_after_its_recovery_was_told(exporter):
    """Told by its number, as the name is not known; then both are told, so that there is no
    incident without an end. It is remembered over restarts."""
    one, two = exporter.writer(), exporter.writer("problems-history-syncer-2")
    two.lines(recovery(11, 10, clock=BASE + 60), recovery(21, 20, clock=BASE + 60))
    exporter.once("--from-start")
    assert late(exporter, 10) == [("recovery", "problem 10")]
    exporter.once()
    one.lines(problem(10, clock=BASE), problem(20, severity=1, clock=BASE), problem(30))
    done = exporter.once("--min-severity", "2")
    assert "after its recovery" in done.stderr and len(done.stderr.splitlines()) == 1
    assert late(exporter, 10) == [("incident", "Web is down"), ("recovery", "problem 10"),
                                  ("recovery", "Web is down")]
    assert late(exporter, 20) == [("recovery", "problem 20")]
    down, up = [e for e in exporter.events() if e.monitor == "Web is down"
                and e.details["event_id"] == "10"]
    assert down.payload["monitor"]["id"] == up.payload["monitor"]["id"]
    assert up.payload["check_result"]["timestamp"] == utc(BASE + 60)
    assert up.details["recovery_event_id"] == "11"
    assert len({e.id for e in exporter.events()}) == len(exporter.events()) == 5
    count = len(exporter.events())
    one.lines(recovery(31, 30))
    assert exporter.once().stderr == ""
    assert len(exporter.events()) == count + 1


def test_such_a_problem_by_one_that_stays(exporter):
    exporter.start("--from-start")
    one, two = exporter.writer(), exporter.writer("problems-history-syncer-2")
    two.lines(recovery(11, 10, clock=BASE + 60))
    wait_for("it is told by its number", lambda: late(exporter, 10), timeout=40)
    exporter.kill()
    exporter.start()
    one.lines(problem(10, clock=BASE))
    wait_for("all of it", lambda: len(exporter.events()) == 3)
    assert [kind for kind, monitor in late(exporter, 10) if monitor == "Web is down"] == [
        "incident", "recovery"]


def test_the_receiver_sees_an_end(exporter, receiver):
    """Of what is told late, through the daemon, which takes one id for one event."""
    exporter.hooks.endpoint(receiver=receiver).write()
    exporter.hooks.start()
    one, two = exporter.writer(), exporter.writer("problems-history-syncer-2")
    two.lines(recovery(11, 10, clock=BASE + 60))
    exporter.once("--from-start")
    wait_for("the early one", lambda: len(receiver.accepted()) == 1)
    one.lines(problem(10, clock=BASE))
    exporter.once()
    wait_for("the late ones", lambda: len(receiver.accepted()) == 3)
    assert [(request.monitor, request.state) for request in receiver.accepted()] == [
        ("problem 10", "UP"), ("Web is down", "DOWN"), ("Web is down", "UP")]


def test_one_recovery_of_several_problems(exporter):
    exporter.writer().lines(problem(1), problem(2, "Other"), recovery(3, 1), recovery(3, 2))
    exporter.once("--from-start")
    assert len(exporter.told()) == 4 and len({e.id for e in exporter.events()}) == 4


@pytest.mark.parametrize("options,expected", [
    ([], "123456"),
    (["--min-severity", "average"], "3456"),
    (["--min-severity", "4"], "456"),
    (["--tag", "team=web"], "16"), (["--tag", "team"], "126"),
    (["--tag", "team=db", "--tag", "scope"], "26"),
    (["--without-tag", "team"], "345"), (["--tag", "team", "--without-tag", "scope"], "12"),
    (["--only", "history"], "")])
def test_filters(exporter, options, expected):
    """Of problem and recovery alike."""
    tags = {1: {"team": "web"}, 2: {"team": "db"}, 6: {"team": "web", "scope": "x"}}
    severity = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 5}
    for number in range(1, 7):
        exporter.writer(f"problems-history-syncer-{number}").lines(
            problem(number, severity=severity[number], tags=tags.get(number, ())),
            recovery(number + 10, number))
    exporter.once("--from-start", *options)
    told = exporter.told()
    assert "".join(sorted(key[1] for key in told if key[0] == "incident")) == expected
    assert len(told) == 2 * len(expected)


# Values.

def test_edges_of_values(exporter):
    tags = {**MONITOR, "webhook.failures": 2, "webhook.id": "shop-1", "webhook.notify_at": "4"}
    exporter.writer("history-history-syncer-1").lines(
        *(value(44, number, tags, clock=BASE + index, ns=index)
          for index, number in enumerate((1, 0, 1, 0, 0, 0, 0, 5, 0))))
    exporter.once("--from-start")
    events = exporter.events()
    assert [e.summary[:4] for e in events] == [
        ("incident", "DOWN", "UP", 2), ("incident", "DOWN", "DOWN", 4),
        ("recovery", "UP", "DOWN", 0)]
    assert [e.level for e in events][:2] == [1, 2]
    assert {e.payload["monitor"]["id"] for e in events} == {"shop-1"}
    assert events[0].monitor == "Shop" and events[0].message == "0 is not above 0"
    assert events[0].payload["check_result"]["timestamp"] == utc(BASE + 4)
    assert events[0].details["item_id"] == "44" and events[2].details["value"] == "5"


@pytest.mark.parametrize("rule,good,bad", [
    ("200..399", 204, 503), ("=OK", "OK", "not OK"), ("!~error", "fine", "an error"),
    ("<5", 4.5, 5.5), ("=0", 0, 1)])
def test_rules(exporter, rule, good, bad):
    tags = {"webhook.monitor": "m", "webhook.up": rule}
    exporter.writer("history-history-syncer-1").lines(
        *(value(1, v, tags, ns=i) for i, v in enumerate((good, bad, good))))
    exporter.once("--from-start")
    assert [e.kind for e in exporter.events()] == ["incident", "recovery"]


def test_response_time_and_status_code(exporter):
    now = int(time.time())
    exporter.writer("history-history-syncer-1").lines(
        value(2, 0.25, {"webhook.response_time": "Shop"}, clock=now - 2),
        value(3, 503, {"webhook.status_code": "Shop"}, clock=now - 1),
        value(4, 7, {"webhook.response_time": "Shop"}, host="other", clock=now - 1),
        value(1, 0, MONITOR, clock=now))
    exporter.once("--from-start")
    result = exporter.events()[0].payload["check_result"]
    assert (result["response_time_ms"], result["status_code"]) == (250, 503)


def test_wrong_tags_are_told_once(exporter):
    writer = exporter.writer("history-history-syncer-1")
    writer.lines(*(value(1, 0, {"webhook.monitor": "a"}) for _ in range(3)),
                 value(2, 0, {**MONITOR, "webhook.failures": "0"}), value(3, 0),
                 value(4, 0, MONITOR))
    done = exporter.once("--from-start")
    assert done.stderr.count("item 1 ") == 1 and "webhook.up" in done.stderr
    assert "item 2 " in done.stderr and "failures" in done.stderr
    assert [e.details["item_id"] for e in exporter.events()] == ["4"]


def test_failures_count_on_over_restarts(exporter):
    tags = {**MONITOR, "webhook.failures": 3, "webhook.successes": 2}
    writer = exporter.writer("history-history-syncer-1")
    exporter.once("--from-start")
    for index, number in enumerate((1, 0, 0, 0, 1, 0, 1, 1)):
        writer.lines(value(1, number, tags, ns=index))
        exporter.once()
    assert [e.kind for e in exporter.events()] == ["incident", "recovery"]
    assert exporter.events()[0].failures == 3


def test_values_of_four_syncers(exporter):
    """One item's values in four files, in the order of time whatever is read first."""
    writers = [exporter.writer(f"history-history-syncer-{n}") for n in range(4)]
    start = int(time.time()) - 4000
    for index in range(4000):
        writers[index % 4].lines(value(1, index // 10 % 2, MONITOR, clock=start + index))
    exporter.once("--from-start")
    stamps = [e.all["time"] - start for e in exporter.events()]
    assert stamps == list(range(0, 4000, 10))


def test_repeat(exporter):
    exporter.start()
    exporter.writer("history-history-syncer-1").lines(
        value(1, 0, {**MONITOR, "webhook.repeat": "1s"}))
    wait_for("three incidents", lambda: len(exporter.events()) >= 3)
    assert [e.level for e in exporter.events()][:3] == [1, 2, 3]
    assert len({e.id for e in exporter.events()}) == len(exporter.events())


# Rotation, kills, restarts.

def test_rotation(exporter):
    """Eight writers whose files are renamed again and again; nothing is lost or twice.
    (A real file is 1 MB at least: two rotations between two looks are another test.)"""
    exporter.start()
    written = 0
    for number in range(8):
        writer = exporter.writer(f"problems-history-syncer-{number}", limit=8192)
        writer.rotated = lambda: exporter.wait_told(written)
    for written in range(1500):
        exporter.writers[written % 8].lines(problem(written, f"problem {written}"))
    told = exporter.wait_told(1500)
    assert {key[1] for key in told} == {str(n) for n in range(1500)}
    assert len(list(exporter.folder.glob("*.old"))) == 8
    exporter.stop()
    assert len(exporter.told()) == 1500


def test_rotated_while_it_did_not_run(exporter):
    writer = exporter.writer()
    exporter.once("--from-start")
    for start in (0, 100, 200):
        writer.lines(*(problem(start + n) for n in range(50)))
        exporter.once()
        writer.lines(*(problem(start + 50 + n) for n in range(50)))
        writer.rotate()
    writer.lines(problem(300))
    done = exporter.once()
    assert {int(key[1]) for key in exporter.told()} == set(range(301)) and done.stderr == ""


def test_rotated_twice_while_it_did_not_run(exporter):
    """What is gone is gone: it is told, and the rest is read."""
    writer = exporter.writer()
    exporter.once("--from-start")
    writer.lines(problem(1))
    exporter.once()
    for number in (2, 3):
        writer.lines(problem(number))
        writer.rotate()
    writer.lines(problem(4))
    done = exporter.once()
    assert {key[1] for key in exporter.told()} == {"1", "3", "4"} and "lost" in done.stderr


def test_rotated_twice_between_two_looks(exporter):
    """A file that was made and renamed before anybody looked is still found."""
    writer = exporter.writer()
    exporter.start()
    writer.lines(problem(1))
    exporter.wait_told(1)
    exporter.process.send_signal(signal.SIGSTOP)
    for number in (2, 3):
        writer.lines(problem(number))
        writer.rotate()
    writer.lines(problem(4))
    exporter.process.send_signal(signal.SIGCONT)
    assert {key[1] for key in exporter.wait_told(4)} == {"1", "2", "3", "4"}


def test_a_file_that_became_shorter(exporter):
    writer = exporter.writer()
    exporter.start()
    writer.lines(problem(1), problem(2))
    exporter.wait_told(2)
    os.truncate(writer.path, 0)
    writer.lines(problem(3))
    exporter.wait_told(3)
    assert "shorter" in exporter.log()


def crowd(exporter):
    """Lines of every kind; how many events they make."""
    tags = {**MONITOR, "webhook.failures": 2}
    for number in range(3):
        writer = exporter.writer(f"problems-history-syncer-{number}", limit=2048)
        writer.lines(*(problem(1000 * number + n, f"p{n}") for n in range(1, 8)),
                     *(recovery(1000 * number + 500 + n, 1000 * number + n)
                       for n in range(1, 8)))
    exporter.writer("history-history-syncer-1").lines(
        *(value(7, n // 3 % 2, tags, clock=BASE + n) for n in range(30)))
    return 3 * 14 + 10


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_each_point(exporter, point, nth):
    """And started again, which goes on as if nothing had been."""
    exporter.writer()
    exporter.once("--from-start")
    expected = crowd(exporter)
    died = exporter.once(check=False, env={"HOOKSPOOL_CRASH": f"{point}:{nth}"})
    assert died.returncode == -9 or nth > 1, (point, died)
    exporter.once()
    assert len(exporter.told()) == expected
    before = len(exporter.events())
    exporter.once()
    assert len(exporter.events()) == before


def test_killed_again_and_again(exporter):
    """At any time, while four writers go on and rotate."""
    stop = threading.Event()
    written = [0] * 4

    def write(number):
        writer = exporter.writers[number]
        while not stop.is_set():
            written[number] += 1
            eventid = number * 1000000 + written[number] * 2
            writer.lines(problem(eventid, f"p{eventid}"), recovery(eventid + 1, eventid))
            time.sleep(0.002)

    for number in range(4):
        exporter.writer(f"problems-history-syncer-{number}")
    exporter.start()
    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    chance = random.Random(5)
    try:
        for _ in range(12):
            time.sleep(chance.uniform(0.02, 0.6))
            exporter.kill()
            exporter.start()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert len(exporter.wait_told(2 * sum(written))) == 2 * sum(written)

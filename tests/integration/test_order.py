# SPDX-License-Identifier: MIT
"""Per-monitor order: by the host's own time where events come together, by arrival
otherwise, and never by id."""

import concurrent.futures
import random
import threading
import time

import pytest

from checks import by_monitor, check_exactly, check_numbers
from spool import wait_for


def kinds(receiver, monitor="web-01/API"):
    return [r.kind for r in receiver.of(monitor)]


def event(host, number, **fields):
    """A numbered event, DOWN where even, for `put`."""
    down = number % 2 == 0
    made = {"kind": b"incident" if down else b"recovery",
            "state": b"DOWN" if down else b"UP", "host": host,
            "response": b"%d" % number}
    made.update({k: b"%d" % v for k, v in fields.items()})
    return made


def test_many_events_stay_in_order(main, receiver):
    receiver.answer(status=500, times=15)
    receiver.answer(status=422, times=15)
    ids = main.generate(600, monitors=20)
    main.wait_settled()
    check_exactly(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())


def test_recovery_overtakes_its_problem(main, receiver):
    """Nagios runs them in two workers: the RECOVERY may be put first, the PROBLEM a
    moment later. The receiver gets the PROBLEM first."""
    now = int(time.time())
    for number in range(10):
        host = f"web-{number}"
        main.service("OK", host=host, TIMET=now)
        threading.Event().wait(0.05)
        main.service("CRITICAL", host=host, TIMET=now - 1)
    main.wait_settled()
    for number in range(10):
        assert kinds(receiver, f"web-{number}/API") == ["incident", "recovery"]


def test_recovery_overtakes_by_a_few_milliseconds_while_stopped(hooks, receiver):
    """The same found together, in one scan, with the same second on both: then the
    incident goes first."""
    hooks.endpoint(receiver=receiver).init()
    now = int(time.time())
    hooks.service("OK", TIMET=now)
    hooks.service("CRITICAL", TIMET=now - 2)
    hooks.start()
    hooks.wait_settled()
    assert kinds(receiver) == ["incident", "recovery"]


def test_lone_recovery_is_not_held_for_ever(main, receiver):
    main.service("OK")
    wait_for("the recovery", lambda: kinds(receiver) == ["recovery"], timeout=6)


def test_next_problem_stays_behind_the_recovery(main, receiver):
    """DOWN, UP, DOWN of three seconds of one monitor, put in every order."""
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    main.daemon.stop()
    now = int(time.time()) - 10
    for index, order in enumerate(orders):
        main.put(*(event(b"h%d" % index, n, order_time=now + n) for n in order))
    main.start()
    main.wait_settled()
    check_numbers(receiver.snapshot())
    assert len(receiver.accepted()) == 18


def test_host_sequence_within_a_second(main, receiver):
    main.daemon.stop()
    now = int(time.time())
    events = [event(b"host", n, order_time=now, order_sequence=n) for n in range(40)]
    random.Random(3).shuffle(events)
    main.put(*events)
    main.start()
    main.wait_settled()
    assert [r.number for r in receiver.snapshot()] == list(range(40))


def test_two_processes_in_the_same_millisecond(main, receiver):
    """Many putters at once: ids stay unique, each monitor's own order holds."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(main.generate, 100, monitors=2, prefix=f"p{n}")
                for n in range(8)]
        ids = [i for job in jobs for i in job.result()]
    assert len(set(ids)) == 800
    main.wait_settled()
    check_exactly(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())


def test_notifications_at_once(main, receiver):
    """Thousands may run at once: a hundred here, of one second, all arrive."""
    now = int(time.time())
    with concurrent.futures.ThreadPoolExecutor(25) as pool:
        done = list(pool.map(lambda n: main.service(host=f"h{n}", TIMET=now), range(100)))
    assert {d.returncode for d in done} == {0}
    main.wait_settled()
    assert len(receiver.accepted()) == 100 == len(by_monitor(receiver.snapshot()))


@pytest.mark.parametrize("back", [1, 3600, 40 * 86400])
def test_clock_stepped_back(main, receiver, back):
    """Events after a step back carry older times; they come after what was sent before,
    in the order of their arrival, and none is held or lost."""
    now = int(time.time())
    main.put(event(b"host", 0, order_time=now), event(b"host", 1, order_time=now))
    main.wait_settled()
    main.put(event(b"host", 2, order_time=now - back, time=now - back))
    main.wait_settled()
    main.put(event(b"host", 3, order_time=now - back, time=now - back))
    main.wait_settled()
    assert [r.number for r in receiver.snapshot()] == [0, 1, 2, 3]


def test_equal_times(main, receiver):
    """The same TIMET on everything, put one after the other: the order of putting."""
    now = int(time.time())
    for number in range(12):
        main.service("OK" if number % 2 else "CRITICAL", TIMET=now,
                     RESPONSE_TIME_MS=number)
    main.wait_settled()
    assert [r.number for r in receiver.snapshot()] == list(range(12))


@pytest.mark.parametrize("timet", ["0", "", "-1", "99999999999", "abc", "$TIMET$"])
def test_absent_times(main, receiver, timet):
    """A time that is none does not stop a notification."""
    main.service("CRITICAL", TIMET=timet)
    main.wait_settled()
    main.service("OK", TIMET=timet)
    main.wait_settled()
    assert kinds(receiver) == ["incident", "recovery"]


def test_waiting_incident_holds_back_only_its_own_recovery(main, receiver):
    receiver.answer(status=429, headers={"Retry-After": "0"}, monitor="a-0", times=5)
    receiver.answer(status=422, monitor="b-0", times=3)
    ids = main.generate(2, monitors=1, prefix="a") + main.generate(2, monitors=1, prefix="b")
    ids += main.generate(20, monitors=10)
    main.wait_settled()
    check_exactly(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    last_of_others = max(r.at for r in receiver.snapshot() if r.monitor.startswith("host"))
    last_of_b = max(r.at for r in receiver.of("b-0"))
    assert last_of_others < last_of_b


def test_order_over_a_restart(hooks, receiver):
    """The persistent sequence: what waited before a restart goes before what came
    after it, whatever ids and clocks say."""
    hooks.endpoint(receiver=receiver).init()
    receiver.down()
    now, expected = int(time.time()), []
    for round_number in range(4):
        hooks.start()
        number = len(expected)
        hooks.put(event(b"host", number, order_time=now - number))
        expected.append(number)
        wait_for("taken in", lambda: not hooks.files("incoming"))
        hooks.daemon.kill() if round_number % 2 else hooks.daemon.stop()
    receiver.up()
    hooks.start()
    hooks.wait_settled()
    assert [r.number for r in receiver.accepted()] == expected

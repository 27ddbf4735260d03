# SPDX-License-Identifier: MIT
"""Every answer a receiver can give, and what comes of it."""

import email.utils
import time

import pytest

from checks import check_arrived, check_exactly, check_numbers, check_sequence
from spool import wait_for


def others_pass(hooks, until, prefix="busy"):
    """Keep other monitors' events passing until `until()`; their ids."""
    ids, round_number = [], 0

    def step():
        nonlocal round_number
        if until():
            return True
        ids.extend(hooks.generate(4, monitors=4, prefix=prefix, first=round_number))
        round_number += 1
        return False

    wait_for("the poisoned event's end", step, pause=0.05)
    return ids


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(main, receiver, status):
    receiver.answer(status=status, body=b"")
    (event,) = main.generate(1)
    main.wait_settled()
    assert [r.id for r in receiver.requests] == [event]
    (line,) = main.journal("delivered")
    assert (line["id"], line["status"], line["endpoint"]) == (event, status, "main")


@pytest.mark.parametrize("status", [400, 409, 413, 422, 451])
def test_refused_event_is_dead_after_its_retries(main, receiver, status):
    """1 + 5 requests, then a dead letter that says why; all others pass meanwhile."""
    receiver.answer(status=status, monitor="bad-0", body=b"field x is wrong")
    (refused,) = main.generate(1, prefix="bad", monitors=1)
    others = main.generate(40, monitors=10)
    wait_for("the others", lambda: len(receiver.accepted()) >= 40, timeout=10)
    main.wait_settled()

    assert [r.id for r in receiver.of("bad-0")] == [refused] * 6
    check_exactly(receiver.accepted(), others)
    assert len(main.journal("failed", id=refused)) == 5
    (line,) = main.journal("dead")
    assert (line["id"], line["status"], line["attempt"]) == (refused, status, 6)
    (dead,) = main.dead()
    text = (main.spool / dead).read_text(encoding="utf-8")
    assert text.startswith("hookspool 1\n") and refused in text
    assert str(status) in text and "field x is wrong" in text
    assert receiver.of("bad-0")[0].raw.decode() in text


def test_later_events_of_the_monitor_wait_and_then_pass(main, receiver):
    receiver.answer(status=422, monitor="bad-0", times=6)
    ids = main.generate(4, prefix="bad", monitors=1)
    main.wait_settled()
    check_sequence(receiver.snapshot(), ids)
    assert [r.id for r in receiver.accepted()] == ids[1:]
    assert len(main.dead()) == 1


@pytest.mark.parametrize("status", [500, 403])
def test_poison_for_one_event_alone(hooks, receiver, status):
    """A receiver that cannot stomach one event, and says so as if it were ill itself:
    the event is dead after 1 + retries, and every other one passes."""
    hooks.endpoint(receiver=receiver, retries=3).init().start()
    receiver.answer(status=status, monitor="bad-0")
    (poison,) = hooks.generate(1, prefix="bad", monitors=1)
    others = others_pass(hooks, hooks.dead)
    hooks.wait_settled()

    assert [line["id"] for line in hooks.journal("dead")] == [poison]
    assert len(receiver.of("bad-0")) >= 4
    check_arrived(receiver.accepted(), others)
    check_numbers(receiver.snapshot())
    hooks.wait_state("ok")


@pytest.mark.parametrize("status", [500, 403])
def test_poison_quite_alone_waits(hooks, receiver, status):
    """With nothing else to send nobody can tell it from an outage: kept until max_age,
    and gone at once when the receiver is well again."""
    receiver.answer(status=status)
    hooks.endpoint(receiver=receiver, retries=1, backoff="50ms", max_age="4s").init()
    hooks.start()
    (event,) = hooks.generate(1)
    wait_for("many more requests than retries", lambda: len(receiver.requests) > 6)
    assert hooks.dead() == []
    hooks.wait_settled()
    (line,) = hooks.journal("expired")
    assert line["id"] == event and len(hooks.dead()) == 1


@pytest.mark.parametrize("status, form", [
    (429, "seconds"), (429, "date"), (503, "seconds"), (503, "date")])
def test_busy_waits_as_told(main, receiver, status, form):
    """Nothing at all is sent before the time that Retry-After says, in both forms."""
    until = time.time() + 2
    value = "2" if form == "seconds" else email.utils.formatdate(until, usegmt=True)
    receiver.answer(status=status, headers={"Retry-After": value}, times=1)
    first = main.generate(1)
    main.wait_journal("busy")
    ids = first + main.generate(10, monitors=5)
    main.wait_settled()
    seen = receiver.snapshot()
    # A date has whole seconds: it may mean up to one second less.
    assert seen[1].at - seen[0].ended >= (2.0 if form == "seconds" else 0.9)
    assert seen[1].at - seen[0].ended < 5
    check_exactly(receiver.accepted(), ids)


@pytest.mark.parametrize("value", ["0", "nonsense", "-5", "99999999999999999999", None])
def test_busy_uses_up_no_attempt(main, receiver, value):
    """Twice as often busy as there are retries; odd values count as no value."""
    if value == "99999999999999999999":
        receiver.answer(status=429, headers={"Retry-After": value}, times=1)
        main.generate(1)
        (line,) = main.wait_journal("busy")
        wait_for("the pause in the status",
                 lambda: main.endpoint_status().get("next_attempt_at"))
        assert len(receiver.requests) == 1 and line["status"] == 429
        return
    headers = {} if value is None else {"Retry-After": value}
    receiver.answer(status=429, headers=headers, times=12)
    (event,) = main.generate(1)
    main.wait_settled()
    assert [r.id for r in receiver.snapshot()] == [event] * 13
    assert main.dead() == [] and len(main.journal("busy")) == 12


def test_gone_keeps_everything(main, receiver):
    """410: nothing more is sent, over a restart too, and nothing is lost."""
    receiver.answer(status=410)
    main.generate(1)
    main.wait_state("gone")
    sent = len(receiver.snapshot())
    main.generate(20, monitors=5, first=1)
    wait_for("the status shows them", lambda: main.endpoint_status()["pending"] == 21)
    main.daemon.stop()
    main.start()
    main.wait_state("gone")
    wait_for("the status shows them", lambda: main.endpoint_status()["pending"] == 21)
    assert len(receiver.snapshot()) == sent and main.dead() == []
    assert main.journal("gone")


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 301, 302, 307, 308])
def test_wrongly_set_up_is_loud_and_loses_nothing(hooks, make_receiver, status):
    """Probed, no attempt used, redirects not followed; all arrive once it is mended."""
    receiver, elsewhere = make_receiver(), make_receiver()
    receiver.answer(status=status, headers={"Location": elsewhere.url()})
    hooks.endpoint(receiver=receiver, retries=1, backoff="50ms", probe_max="100ms")
    hooks.init().start()
    ids = hooks.generate(12, monitors=4)
    hooks.wait_state("misconfigured")
    wait_for("more requests than retries", lambda: len(receiver.snapshot()) > 12)
    assert "main" in hooks.daemon.log() and str(status) in hooks.daemon.log()
    assert hooks.journal("misconfigured") and hooks.dead() == []
    receiver.forget_rules()
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert not elsewhere.requests
    hooks.wait_state("ok")


@pytest.mark.parametrize("mode", ["silent", "drip"])
def test_slow_receiver_is_given_up(hooks, receiver, mode):
    """`timeout` is for the whole answer: silence and drops are the same."""
    receiver.answer(mode=mode, times=2)
    hooks.endpoint(receiver=receiver, timeout="500ms").init().start()
    (event,) = hooks.generate(1)
    hooks.wait_settled()
    assert [r.id for r in receiver.snapshot()] == [event] * 3
    times = [r.at for r in receiver.snapshot()]
    assert all(0.5 <= b - a < 2.5 for a, b in zip(times, times[1:]))
    assert len(hooks.journal("failed", id=event)) == 2


def test_connection_closed_before_the_answer(main, receiver):
    receiver.answer(mode="hangup", times=2)
    (event,) = main.generate(1)
    main.wait_settled()
    assert [r.id for r in receiver.snapshot()] == [event] * 3


def test_connection_closed_within_the_answer(main, receiver):
    """The head said 200: sent again or not, the event arrives under its one id."""
    receiver.answer(mode="cut", times=2)
    ids = main.generate(2, monitors=1)
    main.wait_settled()
    check_sequence(receiver.snapshot(), ids)
    assert main.dead() == [] and len(main.journal("delivered")) == 2


def test_huge_answer_is_not_read_to_its_end(hooks, receiver):
    receiver.answer(body=b"x" * 50_000_000)
    hooks.endpoint(receiver=receiver, timeout="10s").init().start()
    ids = hooks.generate(4, monitors=2)
    hooks.wait_settled()
    check_arrived(receiver.snapshot(), ids)
    assert hooks.dead() == []
    with open(f"/proc/{hooks.daemon.process.pid}/status", encoding="ascii") as file:
        peak = next(line for line in file if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 40_000 or "Sanitizer" in hooks.daemon.log()


def test_idle_connection_closed_by_the_receiver(main, receiver):
    """A kept connection that went away in between costs no attempt and no event."""
    for first in range(3):
        (event,) = main.generate(1, first=first)
        main.wait_settled()
        assert receiver.snapshot()[-1].id == event
        receiver.down()
        receiver.up()
    assert len(receiver.accepted()) == 3 and main.dead() == []

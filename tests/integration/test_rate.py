# SPDX-License-Identifier: MIT
"""The rate limit as the receiver counts: no window holds more, whatever happens."""

import time

import pytest

from checks import check_arrived, check_exactly, check_numbers, most_within
from spool import wait_for


def times(receiver):
    return [r.at for r in receiver.snapshot()]


def test_burst_of_250(hooks, receiver):
    """250 at once at 100 a window: 100, 100, 50."""
    hooks.endpoint(receiver=receiver, rate_limit="100/s").init().start()
    ids = hooks.generate(250, monitors=50, batch=250)
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    assert 50 < most_within(times(receiver), 1.0) <= 100
    assert 2.0 <= max(times(receiver)) - min(times(receiver)) < 8


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_across_restarts(hooks, receiver, end):
    """Every restart would be worth another window's requests if it forgot."""
    hooks.endpoint(receiver=receiver, rate_limit="25/s").init()
    ids = hooks.generate(250, monitors=50, batch=50)
    while len(receiver.accepted()) < 250:
        seen = len(receiver.snapshot())
        hooks.start()
        wait_for("the next thirty", lambda: len(receiver.snapshot()) >= min(250, seen + 30))
        getattr(hooks.daemon, end)()
    hooks.start()
    hooks.wait_settled()
    check_arrived(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert most_within(times(receiver), 1.0) <= 25


def test_retries_count(hooks, receiver):
    receiver.answer(status=422)
    hooks.endpoint(receiver=receiver, rate_limit="20/s", backoff="10ms",
                   backoff_max="10ms", retries=3).init().start()
    hooks.generate(20, monitors=20)
    hooks.wait_settled()
    assert len(receiver.snapshot()) == 80
    assert most_within(times(receiver), 1.0) <= 20


def test_slow_requests_count_until_they_end(hooks, receiver):
    """The receiver may date a request at any moment in which it was under way."""
    receiver.answer(delay=0.7)
    hooks.endpoint(receiver=receiver, rate_limit="10/s", connections=20).init().start()
    hooks.generate(40, monitors=40)
    hooks.wait_settled()
    seen = receiver.snapshot()
    for dates in ([r.at for r in seen], [r.ended for r in seen],
                  [r.at if i % 2 else r.ended for i, r in enumerate(seen)]):
        assert most_within(dates, 1.0) <= 10


def test_minutes_in_the_status(hooks, receiver):
    """Windows of a minute: the limit's rest is not sent, the status says how it stands,
    and a killed daemon does not start a new window."""
    hooks.endpoint(receiver=receiver, rate_limit="100/min").init().start()
    hooks.generate(130, monitors=130)
    wait_for("a hundred", lambda: len(receiver.snapshot()) >= 100)
    status = wait_for("the status", lambda: (
        hooks.endpoint_status().get("rate_used") == 100 and hooks.endpoint_status()))
    assert (status["rate_limit"], status["pending"], status["state"]) == (100, 30, "ok")
    hooks.daemon.kill()
    hooks.start()
    began = time.monotonic()
    wait_for("two seconds more", lambda: time.monotonic() - began > 2)
    assert len(receiver.snapshot()) == 100


def test_limit_is_the_endpoint_s_own(hooks, make_receiver):
    slow, fast = make_receiver(), make_receiver()
    hooks.endpoint("slow", receiver=slow, rate_limit="5/s")
    hooks.endpoint("fast", receiver=fast).init().start()
    hooks.generate(30, monitors=30)
    wait_for("all at the fast one", lambda: len(fast.accepted()) == 30, timeout=4)
    assert len(slow.accepted()) <= 25
    hooks.wait_settled()
    assert len(slow.accepted()) == 30 and most_within(times(slow), 1.0) <= 5

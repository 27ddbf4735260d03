# SPDX-License-Identifier: MIT
"""An endpoint that is away loses nothing, however long it is away."""

import time

import pytest

from checks import check_arrived, check_exactly, check_numbers, most_within
from spool import wait_for

SHORT = {"retries": 2, "backoff": "100ms", "backoff_max": "200ms", "probe_max": "200ms"}
ALL_RETRIES = 0.3  # seconds that SHORT's retries take together


def away(receiver, how):
    if how == "port closed":
        receiver.down()
    elif how == "500":
        receiver.answer(status=500)
    else:
        receiver.answer(mode="hangup")


def back(receiver, how):
    if how == "port closed":
        receiver.up()
    else:
        receiver.forget_rules()


@pytest.mark.parametrize("how", ["port closed", "500", "hangup"])
def test_longer_than_all_retries(hooks, receiver, how):
    hooks.endpoint(receiver=receiver, **SHORT).init().start()
    away(receiver, how)
    began = time.monotonic()
    ids = hooks.generate(60, monitors=10)
    hooks.wait_state("backoff")
    ids += hooks.generate(60, monitors=10, first=6)
    wait_for("ten times all retries", lambda: time.monotonic() - began > 10 * ALL_RETRIES)
    assert hooks.dead() == []
    back(receiver, how)

    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert hooks.dead() == [] and not hooks.journal("dead")
    hooks.wait_state("ok")


def test_outage_over_restarts(hooks, receiver):
    """The state is kept: a restarted daemon goes on probing instead of starting over."""
    hooks.endpoint(receiver=receiver, **SHORT).init()
    receiver.down()
    ids = hooks.generate(40, monitors=10)
    for end in ("kill", "stop", "kill"):
        hooks.start()
        hooks.wait_state("backoff")
        failed = len(hooks.journal("failed"))
        wait_for("another try", lambda: len(hooks.journal("failed")) > failed)
        getattr(hooks.daemon, end)()
    receiver.up()
    hooks.start()
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert hooks.dead() == []


def test_probes(hooks, receiver):
    """In backoff there is one request at a time, less and less often, each time with
    another monitor's event."""
    receiver.answer(status=503)
    hooks.endpoint(receiver=receiver, backoff="100ms", probe_max="800ms").init().start()
    hooks.generate(30, monitors=30)
    hooks.wait_state("backoff")
    # What was under way when the third failure came may still come in.
    hooks.wait_journal("failed")
    before = len(receiver.snapshot())
    wait_for("eight probes", lambda: len(receiver.snapshot()) >= before + 8 + 8)
    probes = receiver.snapshot()[-8:]
    assert all(a.monitor != b.monitor for a, b in zip(probes, probes[1:]))
    pauses = [b.at - a.ended for a, b in zip(probes, probes[1:])]
    assert min(pauses[-3:]) > 0.6 and max(pauses) < 2.0, pauses
    assert hooks.endpoint_status()["pending"] == 30


def test_probe_that_passes_lets_all_go(hooks, receiver):
    receiver.answer(status=503)
    hooks.endpoint(receiver=receiver, **SHORT).init().start()
    ids = hooks.generate(200, monitors=50)
    hooks.wait_state("backoff")
    receiver.forget_rules()
    began = time.monotonic()
    hooks.wait_settled()
    # One probe each 200 ms would take 40 s.
    assert time.monotonic() - began < 10
    check_arrived(receiver.accepted(), ids)


def test_counting_outage(hooks, receiver):
    """outage = "count" is the plain rule: 1 + retries requests, then a dead letter."""
    receiver.answer(status=500)
    hooks.endpoint(receiver=receiver, **SHORT, outage="count").init().start()
    ids = hooks.generate(6, monitors=3)
    hooks.wait_settled()
    for event in ids:
        assert len([r for r in receiver.snapshot() if r.id == event]) == 3
    assert len(hooks.dead()) == 6
    assert sorted(line["id"] for line in hooks.journal("dead")) == sorted(ids)
    check_numbers(receiver.snapshot())


def test_backoff_grows(hooks, receiver):
    """The pauses between the attempts of one event: 300 ms, 900 ms, then the most."""
    receiver.answer(status=422)
    hooks.endpoint(receiver=receiver, retries=4, backoff="300ms",
                   backoff_max="1200ms").init().start()
    hooks.generate(1)
    hooks.wait_settled()
    seen = receiver.snapshot()
    pauses = [b.at - a.ended for a, b in zip(seen, seen[1:])]
    assert len(pauses) == 4
    for pause, longest in zip(pauses, (0.3, 0.9, 1.2, 1.2)):
        assert 0.8 * longest <= pause < longest + 0.5, pauses


def test_too_old(hooks, receiver):
    """Beyond max_age an event is a dead letter whatever the endpoint's state."""
    receiver.down()
    hooks.endpoint(receiver=receiver, **SHORT, max_age="2s").init().start()
    ids = hooks.generate(5, monitors=5)
    hooks.wait_settled()
    assert len(hooks.dead()) == 5
    assert sorted(line["id"] for line in hooks.journal("expired")) == sorted(ids)
    receiver.up()
    later = hooks.generate(5, monitors=5, first=1)
    hooks.wait_settled()
    check_exactly(receiver.accepted(), later)


def test_one_endpoint_away_does_not_stop_another(hooks, make_receiver):
    good, bad = make_receiver(), make_receiver()
    bad.answer(mode="silent")
    hooks.endpoint("good", receiver=good).endpoint("bad", receiver=bad).init().start()
    began = time.monotonic()
    ids = hooks.generate(100, monitors=20)
    wait_for("all at the good one", lambda: len(good.accepted()) >= 100)
    assert time.monotonic() - began < 10
    check_exactly(good.accepted(), ids)
    bad.forget_rules()
    bad.down()
    bad.up()
    hooks.wait_settled()
    check_arrived(bad.accepted(), ids)
    check_numbers(bad.snapshot())


def test_connections_bound_parallel_requests(hooks, receiver):
    receiver.answer(delay=0.2)
    hooks.endpoint(receiver=receiver, connections=3).init().start()
    hooks.generate(30, monitors=30)
    hooks.wait_settled()
    seen = receiver.snapshot()
    parallel = max(sum(r.at <= s.at < r.ended for r in seen) for s in seen)
    assert parallel == 3 and receiver.connections <= 6
    assert most_within([r.at for r in seen], 0.19) <= 3

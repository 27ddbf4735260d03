# SPDX-License-Identifier: MIT
"""The daemon as a process: its lock, its signals, --drain, its status, its idleness."""

import os
import re
import signal
import time

import pytest

import programs
from checks import check_arrived, check_exactly, check_numbers
from spool import wait_for

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


def test_second_daemon_is_refused(main, receiver):
    second = programs.run(programs.DAEMON, "-c", main.config)
    assert second.returncode == 73, second
    assert "lock" in second.stderr or "another" in second.stderr
    assert str(main.spool) in second.stderr
    drain = main.drain()
    assert drain.returncode == 73, drain
    ids = main.generate(5)
    main.wait_settled()
    check_exactly(receiver.accepted(), ids)


def test_lock_of_a_killed_daemon_is_free(main, receiver):
    main.daemon.kill()
    main.start()
    ids = main.generate(5)
    main.wait_settled()
    check_exactly(receiver.accepted(), ids)


def test_term_finishes_what_is_in_flight(main, receiver):
    """The answer that is on its way is waited for, and counts."""
    receiver.answer(delay=0.7)
    ids = main.generate(4, monitors=4)
    wait_for("in flight", lambda: len(receiver.snapshot()) >= 4)
    main.daemon.stop()
    assert {line["id"] for line in main.journal("delivered")} == set(ids)
    assert main.waiting() == []
    main.start()
    main.generate(1, first=1)
    main.wait_settled()
    assert len(receiver.snapshot()) == 5


def test_term_starts_nothing_new(hooks, receiver):
    receiver.answer(delay=0.3)
    hooks.endpoint(receiver=receiver, connections=2).init().start()
    ids = hooks.generate(50, monitors=50)
    wait_for("some", lambda: len(receiver.snapshot()) >= 2)
    hooks.daemon.stop()
    assert len(receiver.snapshot()) <= 6
    receiver.forget_rules()
    hooks.start()
    hooks.wait_settled()
    check_exactly(receiver.accepted(), ids)


@pytest.mark.slow
def test_term_does_not_wait_for_ever(hooks, receiver):
    """Ten seconds for what is in flight; the rest stays queued under its id."""
    receiver.answer(mode="silent")
    hooks.endpoint(receiver=receiver, timeout="60s").init().start()
    ids = hooks.generate(3, monitors=3)
    wait_for("in flight", lambda: len(receiver.snapshot()) == 3)
    began = time.monotonic()
    hooks.daemon.stop()
    assert 8 < time.monotonic() - began < 14
    receiver.forget_rules()
    hooks.start()
    hooks.wait_settled()
    check_arrived(receiver.accepted(), ids)
    assert hooks.dead() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_end_it(main, number):
    main.daemon.signal(number)
    assert main.daemon.wait() == 0


def test_drain(hooks, receiver):
    """Delivers what is due and exits: 0 when nothing waits any more."""
    hooks.endpoint(receiver=receiver).init()
    assert hooks.drain().returncode == 0
    ids = hooks.generate(100, monitors=20)
    done = hooks.drain()
    assert done.returncode == 0, done
    check_exactly(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert hooks.waiting() == []


def test_drain_leaves_what_fails(hooks, receiver):
    """1 when something still waits; it does not wait for retries to be due."""
    hooks.endpoint(receiver=receiver, backoff="1h", backoff_max="1h").init()
    receiver.answer(status=422, monitor="host-0")
    ids = hooks.generate(6, monitors=3)
    began = time.monotonic()
    done = hooks.drain()
    assert done.returncode == 1, done
    assert time.monotonic() - began < 20
    assert {r.id for r in receiver.accepted()} == set(ids) - {ids[0], ids[3]}
    assert len(hooks.waiting()) == 2 and hooks.dead() == []
    receiver.down()
    assert hooks.drain().returncode == 1


def test_status_content(hooks, make_receiver):
    good, bad = make_receiver(), make_receiver()
    bad.answer(status=401)
    hooks.endpoint("good", receiver=good, rate_limit="1000/min")
    hooks.endpoint("bad", receiver=bad, backoff="1h", backoff_max="1h", probe_max="1h")
    hooks.init().start()
    hooks.generate(3, monitors=3)
    status = wait_for("settled status", lambda: (
        hooks.endpoint_status("bad").get("state") == "misconfigured"
        and hooks.endpoint_status("good").get("sent") == 3 and hooks.status()))
    assert status["version"] == 1 and status["pid"] == hooks.daemon.process.pid
    assert TIME.fullmatch(status["started_at"]) and TIME.fullmatch(status["updated_at"])
    assert status["started_at"][:19] <= status["updated_at"][:19]
    assert (status["incoming"], status["corrupt"], status["space"]) == (0, 0, "ok")
    one = status["endpoints"]["good"]
    assert (one["state"], one["pending"], one["in_flight"], one["failed"], one["dead"],
            one["rate_limit"], one["rate_used"], one["oldest_at"], one["last_error"]) == (
                "ok", 0, 0, 0, 0, 1000, 3, None, None)
    assert TIME.fullmatch(one["last_success_at"])
    other = wait_for("the bad one's numbers", lambda: (
        hooks.endpoint_status("bad")["pending"] == 3 and hooks.endpoint_status("bad")))
    assert (other["sent"], other["in_flight"], other["last_success_at"]) == (0, 0, None)
    assert other["failed"] >= 1 and TIME.fullmatch(other["oldest_at"])
    assert TIME.fullmatch(other["next_attempt_at"]) and "401" in other["last_error"]
    assert set(one) == set(other)
    assert (hooks.spool / "status.json").stat().st_mode & 0o7777 == 0o640


def test_status_command(hooks, receiver):
    """`hookspool status` says the same to people, with and without a daemon."""
    receiver.down()
    hooks.endpoint(receiver=receiver).init().start()
    hooks.generate(3, monitors=3)
    hooks.wait_state("backoff")
    wait_for("all counted", lambda: hooks.endpoint_status()["pending"] == 3)
    shown = hooks.control("status")
    assert shown.returncode == 0 and "main" in shown.stdout and "backoff" in shown.stdout
    as_json = hooks.control("status", "--json")
    assert '"backoff"' in as_json.stdout and as_json.returncode == 0
    hooks.daemon.stop()
    stopped = hooks.control("status")
    assert "main" in stopped.stdout and stopped.stdout != shown.stdout, stopped


def test_idle_daemon_sleeps(hooks, receiver):
    """No wake-ups when there is nothing to do, after it has had something to do."""
    hooks.endpoint(receiver=receiver).init().start()
    hooks.generate(10)
    hooks.wait_settled()

    def three_quiet_seconds():
        before, began = hooks.daemon.wakeups(), time.monotonic()
        wait_for("three seconds", lambda: time.monotonic() - began > 3, pause=0.1)
        return hooks.daemon.wakeups() == before

    wait_for("quiet", three_quiet_seconds, timeout=60)


def test_noticed_at_once(main, receiver):
    """No polling: from a put's end to the receiver in well under a second, every time."""
    for first in range(20):
        main.generate(1, first=first)
        began = time.monotonic()
        wait_for("the request", lambda: len(receiver.snapshot()) == first + 1)
        assert time.monotonic() - began < 0.5


def test_headers(main, receiver):
    (event,) = main.generate(1)
    main.wait_settled()
    (request,) = receiver.snapshot()
    assert request.id == event and request.path == "/hook"
    assert re.fullmatch(r"hookspool/\d+\.\d+\.\d+\S*", request.headers["user-agent"])
    assert "expect" not in request.headers
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"


def test_journal_lines(main, receiver):
    """One line a decision, with who submitted the event."""
    receiver.answer(status=500, times=1)
    (event,) = main.generate(1)
    main.wait_settled()
    failed, delivered = main.journal("failed"), main.journal("delivered")
    assert len(failed) == len(delivered) == 1
    for line, status, attempt in ((failed[0], 500, 1), (delivered[0], 200, 2)):
        assert list(line)[:2] == ["at", "what"] and TIME.fullmatch(line["at"])
        assert (line["endpoint"], line["id"], line["kind"], line["status"],
                line["attempt"], line["uid"]) == (
                    "main", event, "incident", status, attempt, os.geteuid())
        assert line["monitor"] == receiver.requests[0].payload["monitor"]["id"]
        assert isinstance(line["sequence"], int) and isinstance(line["took_ms"], int)
    assert TIME.fullmatch(failed[0]["next_at"]) and "500" in failed[0]["reason"]


def test_journal_is_reopened(main, receiver):
    """logrotate moves it away, with or without a SIGHUP."""
    for number, signalled in enumerate((False, True)):
        main.generate(1, prefix=f"a{number}")
        main.wait_settled()
        main.journal_path.rename(f"{main.journal_path}.rotated-{number}")
        if signalled:
            main.daemon.reload()
        (event,) = main.generate(1, prefix=f"b{number}")
        main.wait_settled()
        assert [line["id"] for line in main.journal("delivered")] == [event]
    assert len(receiver.accepted()) == 4


def test_torn_journal_line_of_a_crash(main):
    main.daemon.kill()
    with open(main.journal_path, "a", encoding="utf-8") as file:
        file.write('{"at":"2024-01-15T10:30:15.000Z","what":"deliv')
    main.start()
    (event,) = main.generate(1)
    main.wait_settled()
    last = main.journal_path.read_text(encoding="utf-8").splitlines()[-1]
    assert event in last and last.startswith('{"at"')


def test_events_filter(hooks, make_receiver):
    """Each endpoint's `events` decides; all are recorded."""
    default, wants = make_receiver(), make_receiver()
    kinds = [b"acknowledgement", b"downtime", b"flapping", b"custom", b"test"]
    hooks.endpoint("default", receiver=default)
    hooks.endpoint("wants", receiver=wants, events=["acknowledgement", "custom"])
    hooks.init().start()
    hooks.put(*({"kind": kind, "state": b"DOWN", "host": kind} for kind in kinds))
    hooks.wait_settled()
    assert default.requests == []
    assert sorted(r.kind for r in wants.accepted()) == ["acknowledgement", "custom"]
    assert hooks.journal("filtered")

# SPDX-License-Identifier: MIT
"""The real Icinga 2 runs hookspool-notify by the installed sample configuration."""

import itertools
import time

import pytest

from hosts import Icinga
from spool import wait_for

OK, WARNING, CRITICAL, UNKNOWN = range(4)
UP, DOWN = range(2)
URL = "https://api.example.com/health"

SERVICES = {
    "API": {"max_check_attempts": 3, "vars__url": URL, "vars__monitor_id": "mon_api",
            "action_url": "https://elsewhere.example.com/"},
    "Plain": {"action_url": "https://a.example.com/?s=$service.name$"},
    "Volatile": {"volatile": True, "notes": "it's $(x)"},
    "Types": {"vars__endpoint": "ops"},
    "Flapping": {"enable_flapping": True},
    "Left out": {"vars__hookspool": False},
    "Never checked": {},
    "Shared": {},
    "Lenient": {"vars__hookspool": False},
    "Broken": {"vars__hookspool": False},
    "Repeated": {},
    "Quick": {},
    "Live": {"max_check_attempts": 2, "vars__url": URL, "vars__hookspool": False},
}


def variant(host, name, options, service):
    """Commands as in the sample with more options, and a notification of one service."""
    added = ", ".join(f'"{option}"' for option in options)
    host.objects.append(f"""
object NotificationCommand "{name}-service" {{
  import "hookspool-service"
  command = [ "{host.bindir}/hookspool-notify", {added}, "--system", "icinga2", "service" ]
}}
object NotificationCommand "{name}-host" {{
  import "hookspool-host"
  command = [ "{host.bindir}/hookspool-notify", {added}, "--system", "icinga2", "host" ]
}}
apply Notification "{name}" to Service {{
  command = "{name}-service"
  users = [ "hookspool" ]
  interval = 0
  assign where service.name == "{service}"
}}
apply Notification "{name}" to Host {{
  command = "{name}-host"
  users = [ "hookspool" ]
  interval = 0
  assign where host.vars.only == "{name}"
}}
""")


@pytest.fixture(scope="module")
def icinga():
    """One Icinga 2 for all tests; every test has services of its own."""
    host = Icinga()
    try:
        set_up(host)
        host.start_live()
        host.start()
        yield host
    finally:
        host.close()


def set_up(host):
    host.add_host("web-01", vars__region="eu", vars__url="https://not.for.services/")
    host.add_host("db-01", max_check_attempts=2, vars__url="https://db.example.com/")
    host.add_host("live-01", vars__hookspool=False, vars__only="live",
                  action_url="https://live.example.com/")
    for name, keys in SERVICES.items():
        host.add_service(name, **keys)
    for number in range(50):
        host.add_service(f"burst-{number}")
    variant(host, "lenient",
            ["-c", host.second_config("lenient.conf", warning_is="up")], "Lenient")
    variant(host, "broken", ["-s", host.folder / "nowhere"], "Broken")
    variant(host, "live", ["-c", host.folder / "live" / "hookspool.conf"], "Live")
    host.objects.append("""
object User "second" { }
object User "third" { }
apply Notification "shared" to Service {
  command = "hookspool-service"
  users = [ "hookspool", "second", "third" ]
  interval = 0
  assign where service.name == "Shared"
}
apply Notification "repeated" to Service {
  command = "hookspool-service"
  users = [ "hookspool" ]
  interval = 1s
  assign where service.name == "Repeated"
}
""")


def test_service_problem_and_recovery(icinga):
    icinga.service("API", OK)
    for _ in range(3):
        assert not icinga.events("web-01/API")
        icinga.service("API", CRITICAL, "HTTP CRITICAL: HTTP/1.1 503 Service Unavailable"
                       " - 190 bytes in 0.123 second response time|time=0.1234s;;;0 size=1B")
    (problem,) = icinga.wait_events("web-01/API", 1)
    assert problem.summary == ("incident", "DOWN", "UP", 3, 1)
    check = problem.payload["check_result"]
    assert check["status_code"] == 503 and check["response_time_ms"] == 123
    assert check["error_message"].startswith("HTTP CRITICAL: HTTP/1.1 503 Service")
    assert check["region"] == "eu"
    assert problem.payload["monitor"]["url"] == URL
    assert problem.payload["monitor"]["id"] == "mon_api"
    assert (problem.all["system"], problem.all["host"], problem.all["service"]) == (
        "icinga2", "web-01", "API")
    icinga.service("API", OK, "fine")
    problem, recovery = icinga.wait_events("web-01/API", 2)
    assert recovery.summary == ("recovery", "UP", "DOWN", 0, 1)
    assert recovery.message is None
    assert problem.all["time"] <= recovery.all["time"]
    assert abs(recovery.all["time"] - time.time()) < 60
    assert problem.all["fold"] != recovery.all["fold"]
    for _ in range(3):
        icinga.service("API", CRITICAL)
    again = icinga.wait_events("web-01/API", 3)[-1]
    assert again.summary == ("incident", "DOWN", "UP", 3, 1)
    assert len({e.all["fold"] for e in icinga.events("web-01/API")}) == 3


def test_defaults(icinga):
    """An action URL, no region and url of the host's; a state that changes while hard."""
    icinga.service("Plain", WARNING)
    icinga.wait_events("web-01/Plain", 1)
    icinga.service("Plain", CRITICAL)
    first, second = icinga.wait_events("web-01/Plain", 2)
    assert first.summary[:3] == ("incident", "DOWN", "UP")
    assert second.summary[:3] == ("incident", "DOWN", "DOWN")
    assert first.payload["monitor"]["url"] == "https://a.example.com/?s=Plain"
    assert first.payload["monitor"]["id"].startswith("mon_")
    icinga.service("Left out", CRITICAL)
    icinga.service("Plain", UNKNOWN)
    assert icinga.wait_events("web-01/Plain", 3)[-1].details["state"] == "UNKNOWN"
    assert not icinga.events("web-01/Left out")


def test_host_down_and_up(icinga):
    icinga.host("db-01", UP)
    for _ in range(2):
        assert not icinga.events("db-01")
        icinga.host("db-01", DOWN, "PING CRITICAL|rta=900.123ms;1;2;0 pl=50%")
    (down,) = icinga.wait_events("db-01", 1)
    assert down.summary == ("incident", "DOWN", "UP", 2, 1)
    assert down.payload["check_result"]["response_time_ms"] == 900
    assert down.payload["monitor"]["url"] == "https://db.example.com/"
    assert down.all["service"] == "" and down.details["state"] == "DOWN"
    icinga.host("db-01", UP)
    assert icinga.wait_events("db-01", 2)[-1].summary == ("recovery", "UP", "DOWN", 0, 1)


def attacks(marker):
    touch = f"touch {marker}"
    return [f"$({touch})", f"`{touch}`", f"'; {touch}; '", f"\"; {touch}; \"",
            f"x\\'; {touch}; \\'", f"${{IFS}}$({touch})", "it's", "a backslash \\", "$",
            "$host.name$", "$$", "$host.vars.url$ $", "$(", "'", "\"", f"\t{touch}",
            "key=value=other"]


def test_output_reaches_no_shell_and_is_not_expanded(icinga):
    for count, attack in enumerate(attacks(icinga.marker), 1):
        text = f"first {attack}\nlong {attack}\nC:\\new"
        icinga.check("Volatile", CRITICAL, f"{text}|x=1;{attack}".encode())
        event = icinga.wait_events("web-01/Volatile", count)[-1]
        assert event.message == text
    icinga.command("ACKNOWLEDGE_SVC_PROBLEM", "web-01", "Volatile", 1, 1, 0, "o'alice",
                   f"'$(touch {icinga.marker})' $host.name$ $")
    event = icinga.wait_events("web-01/Volatile", count + 1)[-1]
    assert event.details["author"] == "o'alice"
    assert event.details["comment"] == f"'$(touch {icinga.marker})' $host.name$ $"
    icinga.command("REMOVE_SVC_ACKNOWLEDGEMENT", "web-01", "Volatile")
    assert not icinga.marker.exists()


@pytest.mark.parametrize("output, message", [
    (b"caf\xe9 \xff\xfe", "caf\ufffd \ufffd\ufffd"),
    ("größer als 3 → 😀".encode(), "größer als 3 → 😀"),
    (b"a\tb\x01\x1b[31mred", "a\tb\x01\x1b[31mred"),
    (b"", ""),
])
def test_odd_bytes(icinga, output, message):
    before = len(icinga.events("web-01/Volatile"))
    icinga.check("Volatile", CRITICAL, output)
    assert icinga.wait_events("web-01/Volatile", before + 1)[-1].message == message


@pytest.mark.parametrize("size", [110_000, 300_000])
def test_long_output(icinga, size):
    """More than one environment variable can hold is cut by the sample's function."""
    before = len(icinga.events("web-01/Volatile"))
    icinga.check("Volatile", CRITICAL, b"first\n" + b"$123456789" * (size // 10)
                 + b"|" + b"label=1 " * (size // 10))
    event = icinga.wait_events("web-01/Volatile", before + 1)[-1]
    assert event.message.startswith("first\n$123456789$12")
    assert 99_000 < len(event.message) and len(event.raw) <= 102_399


def test_users_share_a_fold_key(icinga):
    """Of one notification object, while another object's notification is another."""
    icinga.service("Shared", CRITICAL)
    events = icinga.wait_events("web-01/Shared", 4)
    assert len({e.all["fold"] for e in events}) == 1
    assert sorted(e.details["CONTACTNAME"] for e in events) == [
        "hookspool", "hookspool", "second", "third"]


def test_other_types(icinga):
    where = ("web-01", "Types")
    icinga.service("Types", CRITICAL)
    icinga.wait_events("web-01/Types", 1)
    icinga.command("ACKNOWLEDGE_SVC_PROBLEM", *where, 1, 1, 0, "alice", "on it")
    icinga.wait_events("web-01/Types", 2)
    icinga.command("SEND_CUSTOM_SVC_NOTIFICATION", *where, 2, "bob", "look")
    icinga.wait_events("web-01/Types", 3)
    now = int(time.time())
    icinga.command("SCHEDULE_SVC_DOWNTIME", *where, now, now + 600, 1, 0, 600, "carol", "x")
    icinga.wait_events("web-01/Types", 4)
    icinga.command("DEL_SVC_DOWNTIME", 1)  # the first of this process
    events = icinga.wait_events("web-01/Types", 5)
    assert [e.details["type"] for e in events] == [
        "PROBLEM", "ACKNOWLEDGEMENT", "CUSTOM", "DOWNTIMESTART", "DOWNTIMEEND"]
    assert [e.kind for e in events] == [
        "incident", "acknowledgement", "custom", "downtime", "downtime"]
    for event in events[1:]:
        assert event.summary[1:] == ("DOWN", "DOWN", 1, 1)
    assert [e.details.get("author") for e in events[:4]] == [None, "alice", "bob", "carol"]
    assert events[0].all["endpoints"] == "ops"
    assert len({e.all["fold"] for e in events}) == 5


def test_never_checked(icinga):
    """There is no output at all then."""
    icinga.command("SEND_CUSTOM_SVC_NOTIFICATION", "web-01", "Never checked", 2, "bob", "x")
    (event,) = icinga.wait_events("web-01/Never checked", 1)
    assert event.kind == "custom" and event.details["comment"] == "x"


def test_flapping(icinga):
    states = itertools.cycle([CRITICAL, OK])

    def started():
        icinga.service("Flapping", next(states))
        return [e for e in icinga.events("web-01/Flapping") if e.kind == "flapping"]
    (event,) = wait_for("flapping starts", started, pause=0.1)
    assert event.details["type"] == "FLAPPINGSTART"
    assert event.state == event.previous


def test_warning_is_up(icinga):
    seen = []
    for count, status in enumerate((WARNING, CRITICAL, WARNING, OK), 1):
        icinga.service("Lenient", status)
        seen.append(icinga.wait_events("web-01/Lenient", count)[-1])
    assert [e.summary[:3] for e in seen] == [
        ("unchanged", "UP", "UP"), ("incident", "DOWN", "UP"), ("recovery", "UP", "DOWN"),
        ("unchanged", "UP", "UP")]


def test_repeats(icinga):
    """Driven by Icinga's timer; level and failures grow with the time, states do not."""
    icinga.service("Repeated", CRITICAL)

    def repeated():
        events = icinga.events("web-01/Repeated")
        return len(events) >= 3 and events
    events = sorted(wait_for("a repeat", repeated, pause=0.1),
                    key=lambda e: int(e.details["NOTIFICATIONNUMBER"]))
    assert events[0].summary == ("incident", "DOWN", "UP", 1, 1)
    assert events[-1].level >= 2 and events[-1].kind == "incident"
    assert events[-1].all["fold"] != events[0].all["fold"]


def test_unusable_spool_is_in_the_log(icinga):
    icinga.service("Broken", CRITICAL)
    icinga.wait_log("terminated with exit code 73, output: hookspool-notify: "
                    f"open {icinga.folder}/nowhere: No such file or directory")


def test_burst(icinga):
    for number in range(50):
        icinga.service(f"burst-{number}", CRITICAL)
    for number in range(50):
        (event,) = icinga.wait_events(f"web-01/burst-{number}", 1)
        assert event.summary == ("incident", "DOWN", "UP", 1, 1)
    wait_for("tmp/ is empty", lambda: not icinga.hooks.files("tmp"))


def test_end_to_end(icinga):
    """What arrives at the receiver, signed, of a service and of a host."""
    icinga.service("Live", OK)
    for _ in range(2):
        icinga.service("Live", CRITICAL, "HTTP CRITICAL: HTTP/1.1 503 Bad \u00fc|time=0.25s")
    (request,) = icinga.wait_requests("web-01/Live", 1)
    body = request.payload
    assert body["monitor"] == {"id": body["monitor"]["id"], "name": "web-01/Live",
                               "url": URL, "status": "DOWN"}
    assert body["check_result"] == {
        "status": "DOWN", "timestamp": body["check_result"]["timestamp"],
        "region": "eu", "error_message": "HTTP CRITICAL: HTTP/1.1 503 Bad \u00fc",
        "response_time_ms": 250, "status_code": 503}
    assert body["context"] == {"consecutive_failures": 2, "previous_status": "UP",
                               "notification_level": 1, "notification_type": "incident"}
    icinga.command("ACKNOWLEDGE_SVC_PROBLEM", "web-01", "Live", 1, 1, 0, "alice", "on it")
    icinga.live.wait_journal("filtered")
    icinga.service("Live", OK, "fine")
    _, recovery = icinga.wait_requests("web-01/Live", 2)
    assert recovery.payload["context"] == {
        "consecutive_failures": 0, "previous_status": "DOWN", "notification_level": 1,
        "notification_type": "recovery"}
    assert "error_message" not in recovery.payload["check_result"]

    icinga.host("live-01", DOWN, "gone")
    icinga.wait_requests("live-01", 1)
    icinga.host("live-01", UP)
    down, up = icinga.wait_requests("live-01", 2)
    assert [r.kind for r in (down, up)] == ["incident", "recovery"]
    assert down.payload["monitor"]["url"] == "https://live.example.com/"
    assert down.payload["check_result"]["error_message"] == "gone"
    icinga.live.wait_settled()
    assert len(icinga.receiver.snapshot()) == 4

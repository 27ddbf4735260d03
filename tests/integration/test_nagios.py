# SPDX-License-Identifier: MIT
"""The real Nagios runs hookspool-notify by the installed sample configuration: what is in
the spool after each kind of notification, and that nothing a plugin, a comment or a
variable holds reaches a shell."""

import itertools
import re
import time

import pytest

from hosts import Nagios
from spool import wait_for

OK, WARNING, CRITICAL, UNKNOWN = range(4)
UP, DOWN, UNREACHABLE = range(3)
URL = "https://api.example.com/health"

# One service each, so that the tests do not wait for one another.
SERVICES = {
    "API": {"max_check_attempts": 3},
    "Shop": {"notification_interval": 1},
    "Volatile": {"is_volatile": 1},
    "Shared": {"contacts": "hookspool,second,third"},
    "Types": {},
    "Flapping": {"flap_detection_enabled": 1},
    "Lenient": {"contacts": "lenient", "max_check_attempts": 1},
    "Full": {"contacts": "full", "_URL": URL, "_MONITOR_ID": "mon_full", "_REGION": "eu",
             "_ENDPOINT": "ops", "action_url": "https://elsewhere.example.com/"},
    "Action": {"contacts": "full", "action_url": "https://a.example.com/?s=$SERVICEDESC$"},
    "Broken": {"contacts": "broken"},
    "Live": {"contacts": "live,live again", "_URL": URL, "max_check_attempts": 2},
    "Quick": {},
}


@pytest.fixture(scope="module")
def nagios():
    """One Nagios for all tests; every test has services of its own."""
    host = Nagios()
    try:
        set_up(host)
        host.start_live()
        host.start()
        yield host
    finally:
        host.close()


def set_up(host):
    host.add_contact("second")
    host.add_contact("third")
    host.add_contact("full", "notify-host-by-hookspool-full",
                     "notify-service-by-hookspool-full")
    host.add_variant("lenient",
                     f"-c {host.second_config('lenient.conf', warning_is='up')}")
    host.add_variant("broken", f"-s {host.folder}/nowhere")
    host.add_variant("live", f"-c {host.folder}/live/hookspool.conf", "by-hookspool-full")
    host.add_contact("live again", "notify-host-live", "notify-service-live")
    host.add_host("web-01")
    for name in ("db-01", "db-02"):
        host.add_host(name)
    host.add_host("live-01", "live", _URL="https://db.example.com/")
    for name, keys in SERVICES.items():
        host.add_service(name, **keys)
    for number in range(50):
        host.add_service(f"burst-{number}")


def pairs(event):
    return event.all["host"], event.all.get("service")


def test_service_problem_and_recovery(nagios):
    for _ in range(3):
        assert not nagios.events("web-01/API")
        nagios.service("API", CRITICAL, "HTTP CRITICAL: HTTP/1.1 503 Service Unavailable"
                       " - 190 bytes in 0.123 second response time|time=0.1234s;;;0 size=1B")
    (problem,) = nagios.wait_events("web-01/API", 1)
    assert problem.summary == ("incident", "DOWN", "UP", 3, 1)
    check = problem.payload["check_result"]
    assert check["status_code"] == 503 and check["response_time_ms"] == 123
    assert check["error_message"].startswith("HTTP CRITICAL: HTTP/1.1 503 Service")
    assert problem.payload["monitor"]["url"] is None
    assert pairs(problem) == ("web-01", "API") and problem.all["system"] == "nagios"
    assert problem.details["SERVICESTATE"] == problem.details["state"] == "CRITICAL"
    assert problem.details["SERVICEPERFDATA"].startswith("time=0.1234s")
    nagios.service("API", OK, "fine")
    problem, recovery = nagios.wait_events("web-01/API", 2)
    assert recovery.summary == ("recovery", "UP", "DOWN", 0, 2)
    assert recovery.message is None
    first, second = ((e.all["time"], e.all["sequence"]) for e in (problem, recovery))
    assert first < second and abs(second[0] - time.time()) < 60
    assert problem.all["fold"] != recovery.all["fold"]
    assert problem.payload["monitor"]["id"] == recovery.payload["monitor"]["id"]


def test_repeats_and_other_states(nagios):
    nagios.service("Shop", CRITICAL)
    (first,) = nagios.wait_events("web-01/Shop", 1)
    assert first.summary == ("incident", "DOWN", "UP", 1, 1)

    def notified_of(state, status):
        nagios.service("Shop", status)
        return [e for e in nagios.events("web-01/Shop")[1:] if e.details["state"] == state]
    second = wait_for("a repeat", lambda: notified_of("CRITICAL", CRITICAL), pause=0.3)[0]
    assert second.summary == ("incident", "DOWN", "DOWN", 2, 2)
    assert second.all["fold"] != first.all["fold"]
    warning = wait_for("a WARNING", lambda: notified_of("WARNING", WARNING), pause=0.3)[0]
    assert warning.summary[:3] == ("incident", "DOWN", "DOWN") and warning.failures >= 3
    recovery = wait_for("a RECOVERY", lambda: notified_of("OK", OK), pause=0.3)[0]
    assert recovery.summary[:4] == ("recovery", "UP", "DOWN", 0)


def test_host_down_unreachable_and_up(nagios):
    nagios.host("db-01", DOWN, "PING CRITICAL - rta 900 ms|rta=900.123ms;1;2;0 pl=50%")
    (down,) = nagios.wait_events("db-01", 1)
    assert down.summary == ("incident", "DOWN", "UP", 1, 1)
    assert down.payload["check_result"]["response_time_ms"] == 900
    assert down.all["service"] == "" and down.details["HOSTSTATE"] == "DOWN"
    nagios.host("db-01", UP)
    down, up = nagios.wait_events("db-01", 2)
    assert up.summary == ("recovery", "UP", "DOWN", 0, 2)
    nagios.host("db-02", UNREACHABLE)
    (unreachable,) = nagios.wait_events("db-02", 1)
    assert unreachable.summary[:3] == ("incident", "DOWN", "UP")
    assert unreachable.details["state"] == "UNREACHABLE"


def attacks(marker):
    """Texts that would make the marker where a shell, or a careless parser, sees them."""
    touch = f"touch {marker}"
    return [f"$({touch})", f"`{touch}`", f"'; {touch}; '", f"\"; {touch}; \"", f"; {touch}",
            f"' `{touch}` '", f"x\\'; {touch}; \\'", f"&& {touch} &", f"${{IFS}}$({touch})",
            f"\\\"; {touch} #", "it's", "ends in a backslash \\", "'", "\"", "(", ")*?[",
            f"x > {marker}", f"\t$({touch})", f"%0a{touch}", f"KEY='$({touch})'"]


def left_of(text):
    """What Nagios leaves of a plugin's first line on a command line."""
    text = re.sub(r"[`~$&|'\"<>\x00-\x1f\x7f]", "", text).replace(";", ":")
    return text.strip()


def test_output_reaches_no_shell(nagios):
    """In output, long output and performance data."""
    for count, attack in enumerate(attacks(nagios.marker), 1):
        nagios.check("Volatile", CRITICAL, f"first {attack}|{attack}\nlong {attack}\n"
                     f"more|{attack}\n".encode())
        event = nagios.wait_events("web-01/Volatile", count)[-1]
        assert left_of(event.message.split("\n")[0]) == left_of(f"first {attack}"), attack
    assert not nagios.marker.exists()


def test_odd_bytes_and_lines(nagios):
    before = len(nagios.events("web-01/Volatile"))
    cases = [
        (b"first\nC:\\new\\table\nlast \\\\ one", "first\nC:\\new\\table\nlast \\\\ one"),
        (b"caf\xe9 \xff\xfe", "caf\ufffd \ufffd\ufffd"),
        ("größer als 3 → 😀".encode(), "größer als 3 → 😀"),
        (b"a\tb\x01\x1b[31mred", "ab[31mred"),
        (b"", "(No output on stdout) stderr:"),
        (b"$SERVICESTATE$ $$ $HOSTNAME$", "SERVICESTATE  HOSTNAME"),
        (b"key=value=other", "key=value=other"),
    ]
    for count, (output, message) in enumerate(cases, before + 1):
        nagios.check("Volatile", CRITICAL, output)
        event = nagios.wait_events("web-01/Volatile", count)[-1]
        assert event.message == message


def test_long_output(nagios):
    """100 KB of it: the message is cut, the rest of the event whole."""
    before = len(nagios.events("web-01/Volatile"))
    nagios.check("Volatile", CRITICAL, b"first\n" + b"0123456789" * 11_000 + b"\n")
    event = nagios.wait_events("web-01/Volatile", before + 1)[-1]
    assert len(event.raw) <= 102_399 and event.message.endswith("…")
    assert event.message.startswith("first\n0123456789") and len(event.message) > 101_000
    assert len(event.details["LONGSERVICEOUTPUT"]) == 110_000


def test_contacts_share_a_fold_key(nagios):
    nagios.service("Shared", CRITICAL)
    events = nagios.wait_events("web-01/Shared", 3)
    assert len({e.all["fold"] for e in events}) == 1
    assert len({e.id for e in events}) == len({e.name for e in events}) == 3
    assert {e.details["CONTACTNAME"] for e in events} == {"hookspool", "second", "third"}


def test_other_types(nagios):
    """Acknowledgement, custom, downtime: the current status twice, and who said what."""
    where = ("web-01", "Types")
    nagios.service("Types", CRITICAL)
    nagios.wait_events("web-01/Types", 1)
    nagios.command("ACKNOWLEDGE_SVC_PROBLEM", *where, 1, 1, 0, "alice", "on it")
    nagios.wait_events("web-01/Types", 2)
    nagios.command("SEND_CUSTOM_SVC_NOTIFICATION", *where, 0, "bob", "look")
    nagios.wait_events("web-01/Types", 3)
    now = int(time.time())
    nagios.command("SCHEDULE_SVC_DOWNTIME", *where, now, now + 600, 1, 0, 600, "carol", "x")
    nagios.wait_events("web-01/Types", 4)
    nagios.command("DEL_DOWNTIME_BY_HOST_NAME", *where)
    events = nagios.wait_events("web-01/Types", 5)
    assert [e.details["type"] for e in events] == [
        "PROBLEM", "ACKNOWLEDGEMENT", "CUSTOM", "DOWNTIMESTART", "DOWNTIMECANCELLED"]
    assert [e.kind for e in events] == [
        "incident", "acknowledgement", "custom", "downtime", "downtime"]
    for event in events[1:]:
        assert event.summary[1:] == ("DOWN", "DOWN", 1, 1)
    # The sample's plain commands hold no comment: it would not be safe everywhere.
    assert not [k for e in events for k in e.details if "COMMENT" in k or "AUTHOR" in k]


def test_flapping(nagios):
    """Flapping starts in a row of changes; its event has the state of that moment."""
    states = itertools.cycle([CRITICAL, OK])

    def started():
        nagios.service("Flapping", next(states))
        return [e for e in nagios.events("web-01/Flapping") if e.kind == "flapping"]
    (event,) = wait_for("flapping starts", started, pause=0.2)
    assert event.details["type"] == "FLAPPINGSTART"
    assert event.state == event.previous
    assert event.state == ("UP" if event.details["state"] == "OK" else "DOWN")
    assert (event.failures == 0) == (event.state == "UP")


def test_warning_is_up(nagios):
    seen = []
    for count, status in enumerate((WARNING, CRITICAL, WARNING, OK), 1):
        nagios.service("Lenient", status)
        seen.append(nagios.wait_events("web-01/Lenient", count)[-1])
    assert [e.summary[:3] for e in seen] == [
        ("unchanged", "UP", "UP"), ("incident", "DOWN", "UP"), ("recovery", "UP", "DOWN"),
        ("unchanged", "UP", "UP")]


def test_full_commands(nagios):
    """Custom variables, action URL, author and comment."""
    nagios.service("Full", CRITICAL)
    monitor = "web-01/Full"
    (problem,) = nagios.wait_events(monitor, 1)
    assert problem.payload["monitor"]["url"] == URL
    assert problem.payload["monitor"]["id"] == "mon_full"
    assert problem.payload["check_result"]["region"] == "eu"
    assert problem.all["endpoints"] == "ops"
    nagios.command("ACKNOWLEDGE_SVC_PROBLEM", "web-01", "Full", 1, 1, 0, "alice", "on it")
    acknowledged = nagios.wait_events(monitor, 2)[-1]
    assert (acknowledged.details["author"], acknowledged.details["comment"]) == (
        "alice", "on it")
    nagios.service("Action", CRITICAL)
    (problem,) = nagios.wait_events("web-01/Action", 1)
    assert problem.payload["monitor"]["url"] == "https://a.example.com/?s=Action"
    assert problem.payload["check_result"]["region"] == "test-1"


def test_unusable_spool_is_in_the_log(nagios):
    nagios.service("Broken", CRITICAL)
    nagios.wait_log("exited with return code 73")
    nagios.wait_log(f"hookspool-notify: open {nagios.folder}/nowhere: "
                    "No such file or directory")
    lines = [line for line in nagios.log().splitlines() if "stderr line" in line]
    assert all("stderr line 01: hookspool-notify: " in line for line in lines)


def test_burst(nagios):
    """50 commands at once: 50 events, and tmp/ is empty again."""
    for number in range(50):
        nagios.service(f"burst-{number}", CRITICAL)
    for number in range(50):
        (event,) = nagios.wait_events(f"web-01/burst-{number}", 1)
        assert event.summary == ("incident", "DOWN", "UP", 1, 1)
    wait_for("tmp/ is empty", lambda: not nagios.hooks.files("tmp"))


def test_end_to_end(nagios):
    """What arrives at the receiver, signed, of a service and of a host; two contacts make
    one webhook, and an acknowledgement none."""
    for _ in range(2):
        nagios.service("Live", CRITICAL, "HTTP CRITICAL: HTTP/1.1 503 Bad \u00fc|time=0.25s")
    (request,) = nagios.wait_requests("web-01/Live", 1)
    body = request.payload
    assert body["monitor"] == {"id": body["monitor"]["id"], "name": "web-01/Live",
                               "url": URL, "status": "DOWN"}
    assert body["check_result"] == {
        "status": "DOWN", "timestamp": body["check_result"]["timestamp"],
        "region": "test-1", "error_message": "HTTP CRITICAL: HTTP/1.1 503 Bad \u00fc",
        "response_time_ms": 250, "status_code": 503}
    assert body["context"] == {"consecutive_failures": 2, "previous_status": "UP",
                               "notification_level": 1, "notification_type": "incident"}
    nagios.command("ACKNOWLEDGE_SVC_PROBLEM", "web-01", "Live", 1, 1, 0, "alice", "on it")
    nagios.live.wait_journal("filtered")
    nagios.service("Live", OK, "fine")
    _, recovery = nagios.wait_requests("web-01/Live", 2)
    assert recovery.payload["context"] == {
        "consecutive_failures": 0, "previous_status": "DOWN", "notification_level": 2,
        "notification_type": "recovery"}
    assert "error_message" not in recovery.payload["check_result"]

    nagios.host("live-01", DOWN, "gone")
    nagios.wait_requests("live-01", 1)
    nagios.host("live-01", UP)
    down, up = nagios.wait_requests("live-01", 2)
    assert [r.kind for r in (down, up)] == ["incident", "recovery"]
    assert down.payload["monitor"]["url"] == "https://db.example.com/"
    assert down.payload["check_result"]["error_message"] == "gone"
    assert up.payload["context"]["previous_status"] == "DOWN"
    nagios.live.wait_settled()
    assert len(nagios.receiver.snapshot()) == 4


def test_order_of_quick_changes(nagios):
    """PROBLEM and RECOVERY of one moment run in two workers and may overtake one another
    on the way to the spool: their order keys say what came first."""
    for _ in range(10):
        nagios.service("Quick", CRITICAL)
        nagios.service("Quick", OK)
    events = nagios.wait_events("web-01/Quick", 20)
    events.sort(key=lambda e: (e.all["time"], e.all["sequence"]))
    assert [e.state for e in events] == ["DOWN", "UP"] * 10


@pytest.fixture(scope="module")
def with_environment():
    """Another Nagios, with environment macros and nothing on the command line."""
    host = Nagios()
    try:
        host.add_host("web-01", _URL="https://web.example.com/", _SNMPCOMMUNITY="hidden")
        host.add_service("API", is_volatile=1, _URL=URL, _PASSWORD="hidden",
                         notes="it's a \"note\" $(touch x)")
        sample = re.sub(r"(hookspool-notify (?:host|service)) '.*", r"\1",
                        host.sample("nagios", "hookspool.cfg"))
        assert "KEY" not in sample and "$HOSTNAME$" not in sample
        host.start(environment_macros=1, sample=sample)
        yield host
    finally:
        host.close()


def test_environment_macros(with_environment):
    """The same events come by the environment, unchanged by Nagios's cleaning."""
    nagios = with_environment
    for count, attack in enumerate(attacks(nagios.marker), 1):
        nagios.check("API", CRITICAL, f"first {attack}|time=0.5s\nlong {attack}".encode())
        event = nagios.wait_events("web-01/API", count)[-1]
        first, long = event.message.split("\n")
        assert first == f"first {attack}".replace(";", ":").split("|", maxsplit=1)[0]
        assert long == f"long {attack}"
        assert event.payload["check_result"]["response_time_ms"] == 500
        assert event.payload["monitor"]["url"] == URL
        assert event.details["HOSTADDRESS"] == "192.0.2.1"
    assert not nagios.marker.exists()
    nagios.command("ACKNOWLEDGE_SVC_PROBLEM", "web-01", "API", 1, 1, 0, "alice",
                   f"it's $(touch {nagios.marker})")
    event = nagios.wait_events("web-01/API", count + 1)[-1]
    assert event.kind == "acknowledgement" and event.details["author"] == "alice"
    assert event.details["comment"] == f"it's $(touch {nagios.marker})"
    nagios.host("web-01", DOWN)
    (event,) = nagios.wait_events("web-01", 1)
    assert event.payload["monitor"]["url"] == "https://web.example.com/"
    assert not nagios.marker.exists()
    assert b"hidden" not in b"".join(
        p.read_bytes() for p in (nagios.hooks.spool / "incoming").iterdir())

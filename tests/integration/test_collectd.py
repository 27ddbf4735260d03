# SPDX-License-Identifier: MIT
"""write_hookspool in the real collectd: values and notifications become events, over
restarts, once and in order."""

import re
import signal
import time

import pytest

import programs
from collectd import Collectd, Site, sample_text
from receiver import Receiver
from spool import Hookspool, wait_for

# A plugin built with a sanitizer is for test_collectd_sanitizers: the host has to be
# started for it.
pytestmark = pytest.mark.slow

CURL = """
LoadPlugin curl
<Plugin curl>
  <Page "{name}">
    URL "{url}"
    MeasureResponseTime true
    MeasureResponseCode true
  </Page>
</Plugin>
"""
WATCH_CURL = """
  <Monitor "{name}">
    Name "{name}"  # of the page
    URL "https://api.example.org/health"
    Host "web1"
    Plugin "curl"
    PluginInstance "{name}"
    Type "response_code"
    FailureMin 200
    FailureMax 399
    ResponseTime "curl-{name}/response_time"
    StatusCode "curl-{name}/response_code"
    {more}
  </Monitor>
"""
PLAIN = """
  <Monitor "plain">
    Host "web1"
    Plugin "exec"
    Type "gauge"
    FailureMax 10
    Timeout 0
    {more}
  </Monitor>
"""
SERIES = "web1/exec-a/gauge-b"


@pytest.fixture
def make():
    made = []

    def make(*args, **options):
        made.append(Collectd(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def make_site():
    made = []

    def make(**options):
        made.append(Site(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def curl(make, site, more="", name="api"):
    return make(WATCH_CURL.format(name=name, more=more),
                first=CURL.format(name=name, url=site.url), writers=5)


def test_curl_503_and_back(make, make_site):
    site = make_site()
    host = curl(make, site, "Failures 3\n Timeout 60").start()
    host.wait_state(b"web1UP")
    assert not host.all_events()
    site.status = 503
    (down,) = host.wait_events("api", 1)
    assert down.summary == ("incident", "DOWN", "UP", 3, 1)
    check = down.payload["check_result"]
    assert check["status_code"] == 503 and 15 <= check["response_time_ms"] < 10000
    assert check["error_message"] == "503 is above 399"
    assert check["region"] == "test-1"
    assert down.payload["monitor"] == {
        "id": "api", "name": "api", "url": "https://api.example.org/health",
        "status": "DOWN"}
    assert (down.all["system"], down.all["host"], down.all["service"]) == (
        "collectd", "web1", "api")
    assert abs(down.all["time"] - time.time()) < 60
    assert down.details["identifier"] == "web1/curl-api/response_code"
    site.status = 200
    down, up = host.wait_events("api", 2)
    assert up.summary == ("recovery", "UP", "DOWN", 0, 1)
    assert up.message is None
    assert up.payload["check_result"]["status_code"] == 200
    assert up.payload["check_result"]["response_time_ms"] is not None
    assert down.all["time"] <= up.all["time"]
    host.stop()
    assert not host.ours()


def test_curl_server_gone_and_back(make, make_site):
    site = make_site()
    host = curl(make, site, "Failures 3\n Timeout 1").start()
    host.wait_state(b"web1UP")
    site.down()
    (down,) = host.wait_events("api", 1)
    assert down.summary == ("incident", "DOWN", "UP", 1, 1)
    check = down.payload["check_result"]
    assert (check["status_code"], check["response_time_ms"]) == (None, None)
    assert check["error_message"].startswith("no value for 1.")
    site.up()
    _, up = host.wait_events("api", 2)
    assert up.summary == ("recovery", "UP", "DOWN", 0, 1)


def test_curl_dead_from_the_start(make, make_site):
    site = make_site(up=False)
    host = curl(make, site, "Timeout 1").start()
    (down,) = host.wait_events("api", 1)
    assert down.summary == ("incident", "DOWN", None, 1, 1)
    assert "since the start" in down.message
    site.up()
    _, up = host.wait_events("api", 2)
    assert up.summary == ("recovery", "UP", "DOWN", 0, 1)


def test_dead_from_the_start_without_a_host(make):
    """What was said before any host was known is taken back when one is."""
    host = make(PLAIN.format(more="").replace('Host "web1"', "")
                .replace("Timeout 0", "Timeout 1")).start()
    (down,) = host.wait_events("plain", 1)
    assert down.payload["monitor"]["id"] == "plain" and down.all["host"] == ""
    host.value(SERIES, 1)
    _, up = host.wait_events("plain", 2)
    assert up.kind == "recovery"
    host.value(SERIES, 11)
    (other,) = host.wait_events("plain@web1", 1)
    assert other.payload["monitor"]["id"] == "plain@web1"
    assert other.previous == "UP"


def test_default_timeout_is_three_intervals(make):
    host = make(PLAIN.format(more="").replace("Timeout 0", ""), interval=0.5).start()
    host.value(SERIES, 1, interval=0.4)
    began = time.monotonic()
    (down,) = host.wait_events("plain", 1)
    assert down.message.startswith("no value for 1.")
    assert time.monotonic() - began >= 1.1


def test_notify_at_and_repeat(make):
    """An escalation by count, and one by time."""
    host = make(PLAIN.format(more="NotifyAt 1 3 5")
                + PLAIN.format(more="Repeat 1").replace('"plain"', '"repeated"')).start()
    host.value(SERIES, 1)
    for _ in range(7):
        host.value(SERIES, 11)
    events = host.wait_events("plain", 3)
    assert [e.summary for e in events] == [
        ("incident", "DOWN", "UP", 1, 1), ("incident", "DOWN", "DOWN", 3, 2),
        ("incident", "DOWN", "DOWN", 5, 3)]
    repeated = wait_for("repeats", lambda: (
        lambda got: got if len(got) >= 3 else None)(host.events("repeated")))
    assert [e.summary for e in repeated[:3]] == [
        ("incident", "DOWN", "UP", 1, 1), ("incident", "DOWN", "DOWN", 7, 2),
        ("incident", "DOWN", "DOWN", 7, 3)]
    host.value(SERIES, 2)
    assert host.wait_events("plain", 4)[-1].summary == ("recovery", "UP", "DOWN", 0, 3)


def test_values_out_of_order_and_odd(make):
    host = make(PLAIN.format(more="Failures 2")).start()
    now = int(time.time())
    host.value(SERIES, 1, at=now - 50)
    host.value(SERIES, 11, at=now - 60)  # older
    host.value(SERIES, 11, at=now - 50)  # the same again
    host.value(SERIES, 11, at=now - 40)
    host.value(SERIES, 1, at=now - 30)
    time.sleep(0.3)
    assert not host.all_events()
    host.value(SERIES, "U", at=now - 20)
    host.value(SERIES, "U", at=now - 10)
    (down,) = host.wait_events("plain", 1)
    assert down.message == "the value is not a number" and down.failures == 2
    assert down.all["time"] == now - 10
    host.value(SERIES, 1, at=now + 40000)  # a clock that is wrong
    _, up = host.wait_events("plain", 2)
    assert up.all["time"] <= time.time()
    host.value(SERIES, 99)
    host.value(SERIES, 99)
    host.wait_events("plain", 3)


def test_rates_and_data_sources(make):
    """A counter's rate decides, once there is one; one data source among several."""
    host = make("""
  <Monitor "rate">
    Plugin "interface"
    Type "if_octets"
    DataSource "tx"
    FailureMax 100
    Timeout 0
  </Monitor>
  <Monitor "nothing">
    Plugin "interface"
    Type "if_octets"
    DataSource "typo"
    Timeout 0
    Repeat 1
  </Monitor>""").start()
    now = int(time.time())
    for at, octets in ((-30, 0), (-20, 500), (-10, 5500)):
        host.value("web1/interface-eth0/if_octets", f"{octets * 100}:{octets}", now + at)
    (down,) = host.wait_events("rate@web1", 1)
    assert down.previous == "UP" and down.message == "500 is above 100"
    assert down.details["data_source"] == "tx"
    host.wait_log('Monitor "nothing": its values have no DataSource typo')
    assert not host.events("nothing@web1")


NOTED = """
  <Monitor "noted">
    Source "notifications"
    Plugin "threshold"
    Failures 2
    Successes 2
    {more}
  </Monitor>
"""


def test_notifications_of_a_monitor(make):
    host = make(NOTED.format(more='WarningIs "up"\n Host "web1"')
                + "Notifications true").start()
    series = {"host": "web1", "plugin": "threshold", "type": "load"}
    for severity in ("okay", "failure", "warning", "failure", "failure", "okay", "warning"):
        host.notify(severity, f"it is {severity}", **series)
    down, up = host.wait_events("noted", 2)
    assert down.summary == ("incident", "DOWN", None, 2, 1)
    assert down.message == "it is failure"
    assert down.details["severity"] == "failure"
    assert up.summary == ("recovery", "UP", "DOWN", 0, 1)
    assert up.details["message"] == "it is warning"
    assert len(host.all_events()) == 2  # none of them twice


def test_threshold_plugin(make):
    """The whole way: a value, the threshold plugin's notification, an event."""
    host = make("Notifications true", first="""
LoadPlugin threshold
<Plugin threshold>
  <Plugin "exec">
    <Type "gauge">
      FailureMax 10
      WarningMax 5
    </Type>
  </Plugin>
</Plugin>
""").start()
    name = "web1/exec-a/gauge-b"
    for value in (1, 7, 11, 2):
        host.value(SERIES, value)
    warning, failure, okay = host.wait_events(name, 3)
    assert warning.summary == ("incident", "DOWN", None, 1, 1)
    assert failure.summary == ("incident", "DOWN", "DOWN", 2, 2)
    assert "above the failure threshold of 10" in failure.message
    assert failure.details["CurrentValue"] == "11"
    assert failure.details["DataSource"] == "value"
    assert failure.details["WarningMin"] == "nan"
    assert okay.summary == ("recovery", "UP", "DOWN", 0, 2)


def test_min_severity_and_warning(make):
    host = make('Notifications true\nMinSeverity "failure"\nWarningIs "up"').start()
    for severity in ("warning", "okay", "failure", "warning", "failure", "okay"):
        host.notify(severity, plugin="p")
    events = host.wait_events("p", 4)
    assert [e.kind for e in events] == ["incident", "recovery", "incident", "recovery"]
    host.stop()
    host.block = 'Notifications true\nMinSeverity "okay"'
    host.start()
    host.notify("okay", plugin="q")
    assert host.wait_events("q", 1)[0].kind == "unchanged"


@pytest.mark.parametrize("end", ["TERM", "HUP", "KILL"])
def test_restarts(make, end):
    """While DOWN and while UP: changes only, and none is missing."""
    host = make(PLAIN.format(more="") + NOTED.format(more="Failures 1\nSuccesses 1")
                + "Notifications true").start()

    def restart():
        number = getattr(signal, f"SIG{end}")
        host.stop(number, 0 if end == "TERM" else None)
        host.start()
    note = {"host": "web1", "plugin": "threshold"}
    other = {"host": "web1", "plugin": "other"}
    host.value(SERIES, 1)
    host.notify("okay", **note)
    host.notify("okay", **other)
    host.wait_state(b"plain\tweb1UP")
    restart()
    host.value(SERIES, 11)
    host.notify("failure", "first", **note)
    host.notify("failure", "first", **other)
    (down,) = host.wait_events("plain", 1)
    assert down.previous == "UP"
    host.wait_events("noted@web1", 1)
    host.wait_events("web1/other", 1)
    for _ in range(2):  # nothing new
        restart()
        host.value(SERIES, 12)
        host.notify("failure", **note)
        host.notify("failure", **other)
    restart()
    host.value(SERIES, 1)
    host.notify("okay", **note)
    host.notify("okay", **other)
    assert host.wait_events("plain", 2)[-1].summary == ("recovery", "UP", "DOWN", 0, 1)
    assert host.wait_events("noted@web1", 2)[-1].kind == "recovery"
    assert host.wait_events("web1/other", 2)[-1].previous == "DOWN"
    restart()
    host.value(SERIES, 1)
    host.notify("okay", **note)
    host.notify("okay", **other)
    time.sleep(0.3)
    assert len(host.all_events()) == 6


@pytest.mark.parametrize("point", ["state-commit", "state-committed", "put-created",
                                   "put-written", "put-renamed", "outbox-put"])
def test_killed_at_each_point(make, point):
    """What a notification was acknowledged for is there after the next start, once; a
    value's change is, for the next value says it again."""
    host = make(PLAIN.format(more="") + "Notifications true", env={
        "HOOKSPOOL_CRASH": point}).start()
    try:
        host.value(SERIES, 11)
        host.notify("failure", plugin="p")
    except (AssertionError, OSError):
        pass
    host.process.wait(30)
    assert host.process.returncode == -signal.SIGKILL, "build with --enable-crash-points"
    before = {e.id for e in host.all_events()}
    host.env = {}
    host.start()
    host.value(SERIES, 11)
    (down,) = host.wait_events("plain", 1)
    assert before <= {e.id for e in host.all_events()}
    assert down.summary == ("incident", "DOWN", None, 1, 1)
    host.value(SERIES, 1)
    host.wait_events("plain", 2)
    host.stop()
    assert not host.hooks.files("tmp") or point.startswith("put-")


def test_acknowledged_survives_a_kill(make):
    """As soon as the socket says success."""
    host = make("Notifications true").start()
    for number in range(20):
        host.notify("failure", str(number), plugin=f"p{number}")
        host.kill()
        host.start()
    host.wait_log("Initialization complete")
    wait_for("all of them", lambda: len(host.all_events()) == 20)
    assert {e.message for e in host.all_events()} == {str(n) for n in range(20)}


def test_sample_is_loaded_as_it_is(make):
    """Its own block, and another one with what this test needs."""
    host = make(PLAIN.format(more=""), sample=sample_text()).start()
    host.notify("failure", "from the sample", plugin="p")
    assert host.wait_events("p", 1)[0].message == "from the sample"
    host.value(SERIES, 11)
    host.wait_events("plain", 1)
    assert not host.ours()


def test_sample_with_everything_in_it(make):
    """Every example of the sample is right."""
    text, count = re.subn(r"(?m)^  #(?=\S|  \S)", "  ", sample_text())
    assert count > 30 and text.count("\n  <Monitor") == 3
    host = make("", sample=text).start()
    assert [line for line in host.ours() if "onfig" in line or "Monitor" in line] == []


def test_end_to_end(make, make_site):
    """From a page to the receiver, signed."""
    site, receiver = make_site(), Receiver().up()
    host = curl(make, site, "Failures 2\nTimeout 60")
    live = Hookspool(host.folder)
    live.endpoint("main", receiver=receiver)
    host.hooks = live
    if programs.IS_ROOT:
        live.init("--user", "root", "--group", host.group)
    else:
        live.init()
    live.start()
    try:
        host.start()
        host.wait_state(b"web1UP")
        site.status = 503
        wait_for("the incident", lambda: len(receiver.of("api")) >= 1)
        site.status = 200
        wait_for("the recovery", lambda: len(receiver.of("api")) >= 2)
        down, up = receiver.of("api")
        assert (down.kind, up.kind) == ("incident", "recovery")
        assert down.payload["check_result"]["status_code"] == 503
        assert not receiver.problems, receiver.problems
        live.wait_settled()
    finally:
        receiver.close()

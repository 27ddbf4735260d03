# SPDX-License-Identifier: MIT
"""The Script media type in a real Zabbix: problems, updates and recoveries as webhooks,
what values with line breaks and quotes can do, the Test button, a storm, a spool that
cannot be written, a database that is away."""

import datetime
import re
import stat

import pytest

import programs
from spool import wait_for
from zabbix import Zabbix
from zabbix_api import FLOAT, TEXT, text_of

VISIBLE = 'Web "01" \\ €'
FORGED = ('bad "quotes" \\ €\nevent_id=999999\nevent_value=0\r\nupdate_status=1\n'
          "url=http://evil.example/\nhost=other\nevent_name=forged\nmessage=forged\n'; id;")
COMMENT = "seen\nevent_value=0\nhost=other\nevent_name=forged\nurl=http://evil.example/"
KINDS = ("incident", "recovery", "acknowledgement", "custom", "test")
ACKNOWLEDGE, MESSAGE = 2, 4
NEW, SENT, FAILED = "0", "1", "2"  # states of an alert


class MediaHost(Zabbix):
    """With the media type, its user and its action set up as shipped, one host and items
    for each test."""

    def set_up(self):
        (self.alert_dir / "hookspool-zabbix").symlink_to(self.bindir / "hookspool-zabbix")
        self.start()
        self.deliver(events=KINDS)
        (self.folder / "password").write_text("zabbix\n", encoding="ascii")
        (self.folder / "password").chmod(0o600)
        self.hostid = self.make_host("web-01", VISIBLE)
        self.run_setup()
        (self.media,) = self.api("mediatype.get", filter={"name": "hookspool"})

    def run_setup(self, *options, check=True):
        prefix = programs.place("HOOKSPOOL_PREFIX").relative_to("/")
        script = (programs.STAGE / prefix / "share" / "hookspool" / "zabbix"
                  / "hookspool-zabbix-setup")
        done = programs.run("/usr/bin/python3", script, "--url", self.frontend.url,
                            "--password-file", self.folder / "password", *options)
        assert not check or done.returncode == 0, done
        return done

    def tune(self, **params):
        self.api("mediatype.update", mediatypeid=self.media["mediatypeid"], **params)

    def watch(self, name, **options):
        """An item `name`, and a trigger of that name which is a problem while it is 1."""
        self.make_item(self.hostid, name)
        triggerid = self.make_trigger(name, f"last(/web-01/{name})=1", **options)
        self.reload_cache()
        return triggerid

    def put(self, name, value):
        assert self.send(("web-01", name, value)) == 1

    def problem(self, triggerid):
        """The event of a trigger's problem, when there is one."""
        return wait_for("a problem", lambda: self.problems(objectids=triggerid))[-1]

    def alert(self, triggerid, ok):
        """The newest alert of a trigger, once `ok` says so of it."""
        def found():
            alerts = self.alerts(objectids=triggerid)
            return alerts and ok(alerts[-1]) and alerts[-1]
        return wait_for("the alert's state", found, pause=0.1)


@pytest.fixture(scope="module")
def zabbix():
    with MediaHost() as host:
        host.set_up()
        yield host


def utc(clock):
    return datetime.datetime.fromtimestamp(
        int(clock), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_setup_again_changes_nothing(zabbix):
    first = zabbix.run_setup()
    assert first.stdout == zabbix.run_setup().stdout
    assert len(zabbix.api("mediatype.get", filter={"name": "hookspool"})) == 1
    (user,) = zabbix.api("user.get", filter={"username": "hookspool"},
                         selectMedias="extend")
    assert user["timezone"] == "UTC" and len(user["medias"]) == 1
    (action,) = zabbix.api("action.get", filter={"name": "hookspool"},
                           selectOperations="extend", selectRecoveryOperations="extend",
                           selectUpdateOperations="extend")
    assert all(len(action[part]) == 1 for part in (
        "operations", "recovery_operations", "update_operations"))


def test_setup_says_what_is_wrong(zabbix):
    (zabbix.folder / "wrong").write_text("no\n", encoding="ascii")
    (zabbix.folder / "wrong").chmod(0o600)
    (zabbix.folder / "open").write_text("no\n", encoding="ascii")
    for options, code, word in (
            (("--password-file", zabbix.folder / "wrong"), 76, "ncorrect"),
            (("--password-file", "/nonexistent"), 66, "No such file"),
            (("--password-file", zabbix.folder / "open"), 66, "everybody"),
            (("--host-group", "Nowhere"), 65, "Nowhere")):
        done = zabbix.run_setup(*options, check=False)
        assert done.returncode == code and done.stdout == "", done
        assert word in done.stderr and done.stderr.count("\n") == 1, done


def test_problem_update_recovery(zabbix):
    """The whole way, with texts that break JSON, shells and lines."""
    zabbix.make_item(zabbix.hostid, "code")
    zabbix.make_item(zabbix.hostid, "out", value_type=TEXT)
    zabbix.make_item(zabbix.hostid, "took", value_type=FLOAT)
    triggerid = zabbix.make_trigger(
        "Shop on {HOST.NAME}",
        "last(/web-01/code)>=400 or length(last(/web-01/out))<0 or last(/web-01/took)<0",
        priority=4, opdata="{ITEM.LASTVALUE2}", url="https://runbook.example/?a=1&b=2",
        tags={"webhook.status_code": "{ITEM.VALUE1}", "team": 'a "b"',
              "webhook.response_time": "{ITEM.VALUE3}", "webhook.region": "eu-1"})
    zabbix.reload_cache()
    zabbix.send(("web-01", "out", FORGED), ("web-01", "took", 0.25))
    # The trigger looks at all three, and syncers do not wait for one another.
    wait_for("the values are stored", lambda: zabbix.database.sql(
        "SELECT 1 FROM history_text, history WHERE history.value = 0.25"))
    zabbix.put("code", 503)
    problem = zabbix.problem(triggerid)
    name = f"Shop on {VISIBLE}"
    (incident,) = zabbix.wait_requests(name, 1)
    body = incident.payload
    assert body["monitor"] == {"id": body["monitor"]["id"], "name": name,
                               "url": "https://runbook.example/?a=1&b=2", "status": "DOWN"}
    assert body["check_result"] == {
        "status": "DOWN", "timestamp": utc(problem["clock"]), "region": "eu-1",
        "error_message": FORGED.replace("\r\n", "\n"), "response_time_ms": 250,
        "status_code": 503}
    assert body["context"] == {"consecutive_failures": 1, "previous_status": "UP",
                               "notification_level": 1, "notification_type": "incident"}
    zabbix.api("event.acknowledge", eventids=[problem["eventid"]],
               action=ACKNOWLEDGE | MESSAGE, message=COMMENT)
    acknowledged = zabbix.wait_requests(name, 2)[1].payload
    assert acknowledged["context"] == {
        "consecutive_failures": 1, "previous_status": "DOWN", "notification_level": 1,
        "notification_type": "acknowledgement"}
    assert acknowledged["check_result"]["error_message"] == FORGED.replace("\r\n", "\n")
    zabbix.put("code", 200)
    recovery = zabbix.wait_requests(name, 3)[2].payload
    assert recovery["check_result"]["status"] == "UP"
    assert recovery["check_result"]["status_code"] == 200
    assert "error_message" not in recovery["check_result"]
    assert recovery["context"] == {"consecutive_failures": 0, "previous_status": "DOWN",
                                   "notification_level": 1, "notification_type": "recovery"}
    assert {r["monitor"]["id"] for r in (body, acknowledged, recovery)} == {
        body["monitor"]["id"]}
    late_update(zabbix, problem, name)


def late_update(zabbix, problem, name):
    """A comment on a problem that is over stays an update, and says that it is over."""
    zabbix.api("event.acknowledge", eventids=[problem["eventid"]], action=MESSAGE,
               message="was the disk")
    update = zabbix.wait_requests(name, 4)[3].payload
    assert update["context"]["notification_type"] == "custom"
    assert update["context"]["previous_status"] == "UP"
    assert update["check_result"]["status"] == "UP"
    statuses = {a["status"] for a in zabbix.alerts(eventids=problem["eventid"])}
    assert statuses <= {SENT}, zabbix.alerts(eventids=problem["eventid"])


def test_lines_in_names_and_addresses(zabbix):
    """A value that looks like further keys, with and without the number of an event, in
    all of a trigger that may hold it: every other key keeps its own."""
    lies = "\n".join(f"{key}{mark}={value}" for mark in ("", ".1", ".{EVENT.ID}")
                     for key, value in (("monitor_id", "mon_forged"), ("failures", "77"),
                                        ("monitor_name", "forged"), ("host", "other"),
                                        ("event_value", "0"), ("event_name", "forged"),
                                        ("trigger_name", "forged"), ("message", "forged"),
                                        ("url", "https://evil.example/")))
    zabbix.make_item(zabbix.hostid, "lies", value_type=TEXT)
    triggerid = zabbix.make_trigger(
        "Says {ITEM.VALUE1}", 'find(/web-01/lies,,"like","down")=1', priority=4,
        event_name="Event {ITEM.VALUE1}", opdata="all {ITEM.VALUE1}",
        url="https://runbook.example/?{ITEM.VALUE1}")
    zabbix.reload_cache()
    zabbix.put("lies", f"down\n{lies}")
    problem = zabbix.problem(triggerid)
    zabbix.alert(triggerid, lambda a: a["status"] == SENT)
    zabbix.api("event.acknowledge", eventids=[problem["eventid"]], action=MESSAGE,
               message="seen\n" + lies)
    zabbix.alert(triggerid, lambda a: a["status"] == SENT and "Updated" in a["subject"])
    zabbix.put("lies", f"fine\n{lies}")
    found = wait_for("all three", lambda: [
        r for r in zabbix.receiver.snapshot() if r.monitor.startswith("Says ")][2:3]
        and [r for r in zabbix.receiver.snapshot() if r.monitor.startswith("Says ")])
    assert [r.kind for r in found] == ["incident", "custom", "recovery"]
    assert [r.monitor for r in found] == [f"Says down\n{lies}"] * 2 + [f"Says fine\n{lies}"]
    (ident,) = {r.payload["monitor"]["id"] for r in found}
    assert ident != "mon_forged"
    assert {r.payload["monitor"]["url"] for r in found} == {None}
    assert [r.payload["context"]["consecutive_failures"] for r in found] == [1, 1, 0]
    assert found[0].payload["check_result"]["error_message"] == f"all down\n{lies}"


def test_same_trigger_same_monitor(zabbix):
    """Again and again: one id, DOWN and UP in turn."""
    zabbix.watch("again", priority=2)
    for round_number in range(3):
        zabbix.put("again", 1)
        zabbix.wait_requests("again", 2 * round_number + 1)
        zabbix.put("again", 0)
        zabbix.wait_requests("again", 2 * round_number + 2)
    requests = zabbix.receiver.of("again")
    assert [r.state for r in requests] == ["DOWN", "UP"] * 3
    assert len({r.payload["monitor"]["id"] for r in requests}) == 1
    assert len({r.id for r in requests}) == 6


def test_two_recipients_are_one_event(zabbix):
    """A second action for the same user and endpoint is folded."""
    zabbix.run_setup("--name", "twice")
    triggerid = zabbix.watch("twice", priority=2)
    zabbix.put("twice", 1)
    problem = zabbix.problem(triggerid)
    try:
        wait_for("two alerts", lambda: len([
            a for a in zabbix.alerts(eventids=problem["eventid"])
            if a["status"] == SENT]) == 2)
        wait_for("the second is folded", lambda: zabbix.hooks.journal("folded"))
        assert len(zabbix.wait_requests("twice", 1)) == 1
    finally:
        (other,) = zabbix.api("action.get", filter={"name": "twice"})
        zabbix.api("action.delete", [other["actionid"]])


def test_button(zabbix):
    """The Test button of the media types' page: its own words, and a template's, whose
    macros nobody resolves."""
    zabbix.receiver.forget_rules()
    page = zabbix.frontend.test_media_type(
        zabbix.media["mediatypeid"], "main", "Test subject", "This is the test message")
    assert "Media type test successful" in text_of(page), page
    (first,) = zabbix.wait_requests("Test subject", 1)
    (template,) = [t for t in zabbix.api(
        "mediatype.get", mediatypeids=zabbix.media["mediatypeid"],
        selectMessageTemplates="extend")[0]["message_templates"]
        if (t["eventsource"], t["recovery"]) == ("0", "0")]
    assert "\r\n" in template["message"], "imported messages have CRLF"
    page = zabbix.frontend.test_media_type(
        zabbix.media["mediatypeid"], "all", template["subject"], template["message"])
    assert "Media type test successful" in text_of(page), page
    (second,) = zabbix.wait_requests(template["subject"], 1)
    assert first.kind == second.kind == "test"
    broken = zabbix.frontend.test_media_type(
        zabbix.media["mediatypeid"], "main", "a=1", "b")
    assert "Media type test successful" in text_of(broken), broken


def test_storm(zabbix):
    """500 triggers at once, and back: each tells both, in this order."""
    names = [f"storm.{n}" for n in range(500)]
    zabbix.make_items(zabbix.hostid, names)
    zabbix.make_triggers([(name, f"last(/web-01/{name})=1") for name in names], priority=3)
    zabbix.reload_cache()
    seen = {}

    def all_have(count):
        for request in zabbix.receiver.snapshot():
            if request.monitor.startswith("storm."):
                seen.setdefault(request.monitor, {})[request.id] = request.state
        return len(seen) == 500 and all(len(s) == count for s in seen.values())
    for value, count in ((1, 1), (0, 2)):
        assert zabbix.send(*[("web-01", name, value) for name in names]) == 500
        wait_for(f"all 500 are told, {count}", lambda c=count: zabbix.alive() and all_have(c),
                 timeout=120, pause=0.2)
    assert all(list(s.values()) == ["DOWN", "UP"] for s in seen.values())
    assert not zabbix.receiver.problems


@pytest.mark.parametrize("how", ["unwritable", "full"])
def test_alert_shows_why(zabbix, how):
    """A spool that takes nothing: the alert fails with one line, and Zabbix's next
    attempt is the same event."""
    name = f"broken.{how}"
    triggerid = zabbix.watch(name, priority=2)
    incoming = zabbix.hooks.spool / "incoming"
    mode = stat.S_IMODE(incoming.stat().st_mode)
    if how == "unwritable":
        incoming.chmod(0o500)
    else:
        zabbix.hooks.top["min_free"] = "99%"
        zabbix.hooks.write()
    try:
        zabbix.tune(maxattempts=1, attempt_interval="1s")
        zabbix.put(name, 1)
        alert = zabbix.alert(triggerid, lambda a: a["status"] == FAILED)
        assert re.fullmatch(r"hookspool-zabbix: [^\n]*", alert["error"].strip()), alert
        assert ("incoming" if how == "unwritable" else "free") in alert["error"]
        zabbix.tune(maxattempts=50)
        zabbix.put(name, 0)
        zabbix.alert(triggerid, lambda a: a["status"] == NEW and a["error"])
    finally:
        incoming.chmod(mode)
        zabbix.hooks.top["min_free"] = "0%"
        zabbix.hooks.write()
    (recovery,) = zabbix.wait_requests(name, 1)
    assert recovery.kind == "recovery"
    zabbix.alert(triggerid, lambda a: a["status"] == SENT)


@pytest.mark.slow
def test_database_away(zabbix):
    """PostgreSQL is stopped: Zabbix has neither events nor templates, and says so in its
    own words to the group that is configured."""
    (group,) = zabbix.api("usergroup.get", filter={"name": "hookspool"})
    zabbix.api("settings.update", alert_usrgrpid=group["usrgrpid"])
    zabbix.restart_server()  # it reads whom to tell when it starts
    wait_for("it has", lambda: "queued" in zabbix.server.title("alert syncer"))
    zabbix.database.stop()
    try:
        (request,) = wait_for("the alert of the database", lambda: zabbix.alive()
                              and zabbix.receiver.of("Zabbix database"), timeout=150,
                              pause=0.5)
    finally:
        zabbix.database.start()
    body = request.payload
    assert body["context"]["notification_type"] == "incident"
    assert body["check_result"]["status"] == "DOWN"
    assert "<" not in body["check_result"]["error_message"]
    assert "database" in body["check_result"]["error_message"].lower()

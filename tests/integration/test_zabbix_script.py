# SPDX-License-Identifier: MIT
"""hookspool-zabbix called as Zabbix's alerter calls it, without a Zabbix: arguments,
exit statuses, what leaks into it, and the shipped templates."""

import os
import re
import shlex
import stat
import subprocess

import pytest

import programs
from hosts import parse_events, read_events

SCRIPT = programs.BINDIR / "hookspool-zabbix"
KEYS = {"event_id": "7", "event_value": "1", "update_status": "0", "host": "web-01",
        "trigger_id": "12", "event_name": "Shop is down"}


def message(**changes):
    """A message of the media type; what changes stands first, `message` last."""
    pairs = {**changes, **{k: v for k, v in KEYS.items() if k not in changes}}
    pairs["message"] = pairs.pop("message", "503")
    return "\r\n".join(f"{k}={v}" for k, v in pairs.items())


def call(hooks, *args, **options):
    """Through a shell, with the arguments in single quotes."""
    line = " ".join(shlex.quote(str(a)) for a in (SCRIPT, *args))
    return subprocess.run(["sh", "-c", line], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=30, cwd="/", umask=0o002, env=programs.environment(
                              {"HOOKSPOOL_CONFIG": str(hooks.config)}), **options)


def one(hooks):
    (path,) = (hooks.spool / "incoming").iterdir()
    (event,) = read_events(path)
    return event


def test_message(hooks):
    hooks.init()
    done = call(hooks, "main", "Problem: x", message())
    assert (done.returncode, done.stdout) == (0, "")
    event = one(hooks)
    assert event.summary == ("incident", "DOWN", "UP", 1, 1)
    assert (event.monitor, event.message) == ("Shop is down", "503")
    assert event.all["endpoints"] == "main"
    (path,) = (hooks.spool / "incoming").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_pairs(hooks):
    """From 6.4 on: values may hold what they like, and are nobody's keys."""
    hooks.init()
    nasty = 'a "b" \\ \'c\' €\r\nevent_value=0\nurl=http://evil.example/'
    pairs = [f"{k}={v}" for k, v in {**KEYS, "event_name": nasty, "extra": nasty}.items()]
    assert call(hooks, "all", *pairs).returncode == 0
    event = one(hooks)
    assert event.kind == "incident" and event.payload["monitor"]["url"] is None
    assert event.monitor == nasty and event.details["extra"] == nasty


@pytest.mark.parametrize("arguments", [
    (), ("main",), ("main", "subject"), ("main", "a", "b", "c"), ("main", "a=1", "b=2", "c"),
    ("--no-such-option", "main", "a", "b"), ("--min-severity", "loud", "main", "a", "b")])
def test_usage(hooks, arguments):
    hooks.init()
    done = call(hooks, *arguments)
    assert done.returncode == 64
    assert re.fullmatch(r"hookspool-zabbix: [^\n]+; see --help\n", done.stdout), done
    assert not hooks.files("incoming")


def test_spool_trouble_is_one_line(hooks):
    """For Zabbix shows what is printed beside the alert; nothing is half written."""
    hooks.write()
    done = call(hooks, "main", "Problem: x", message())
    assert done.returncode == 73 and "hookspool init" in done.stdout, done
    hooks.init()
    hooks.top["min_free"] = "99%"
    hooks.write()
    full = call(hooks, "main", "Problem: x", message())
    assert full.returncode == 75, full
    assert all(d.stdout.count("\n") == 1 for d in (done, full))
    assert not hooks.files("incoming", "tmp")


def test_broken_configuration_costs_no_alert(hooks):
    hooks.init()
    hooks.write(hooks.text() + "nonsense {\n")
    done = call(hooks, "main", "Problem: x", message())
    assert done.returncode == 0 and "warning" in done.stdout
    assert done.stdout.count("\n") == 1
    assert one(hooks).kind == "incident"


def test_leaked_descriptors(hooks):
    """A pipe of the server that stays open in whatever a script starts holds the server;
    and so does an event that went into a leaked socket."""
    hooks.init()
    reading, writing = os.pipe()
    try:
        done = programs.run("strace", "-f", "-e", "trace=close,close_range,openat", SCRIPT,
                            "main", "Problem: x", message(), pass_fds=(writing,),
                            env={"HOOKSPOOL_CONFIG": str(hooks.config),
                                 "ASAN_OPTIONS": "detect_leaks=0"})  # under ptrace
        assert done.returncode == 0, done
        closed = re.search(rf"close_range\(3, \d+|close\({writing}\)", done.stderr)
        config = done.stderr.index(str(hooks.config))
        assert closed and closed.start() < config, done.stderr
    finally:
        os.close(reading)
        os.close(writing)


def test_largest_message(hooks):
    """65,535 characters, as Zabbix cuts them; and a line of 128 KiB is too long for any
    program, which is the shell's to say."""
    hooks.init()
    assert call(hooks, "main", "s", message(message="€" * 20_000)).returncode == 0
    assert one(hooks).message.startswith("€€€")
    long = call(hooks, "main", "s", "x" * 65_535)
    assert long.returncode == 0


def test_severity(hooks):
    """Less severe problems are recorded as what they are, never as DOWN."""
    hooks.init()
    for severity, kind in (("2", "unchanged"), ("3", "incident")):
        call(hooks, "--min-severity", "average", "main", "s", message(
            severity_number=severity))
        event = one(hooks)
        assert event.kind == kind
        (hooks.spool / "incoming" / event.name).unlink()
    hooks.top["warning_is"] = "up"
    hooks.write()
    call(hooks, "main", "s", message(severity_number="2"))
    assert one(hooks).kind == "unchanged"


# Messages and arguments that look like something else.

def preview(*args, config="/dev/null"):
    """The event that a call would make."""
    done = programs.run(SCRIPT, "--dry-run", *args, env={"HOOKSPOOL_CONFIG": str(config)})
    assert done.returncode == 0, done
    (event,) = parse_events(done.stdout.encode(), "preview")
    return event


@pytest.mark.parametrize("arguments,expected", [
    # A subject and a message that are shaped as pairs, but say nothing of an event.
    (("CPU=99", "host=web-1 is down"), ("incident", "DOWN", "CPU=99", "host=web-1 is down")),
    (("a=1", "trigger_name=x"), ("incident", "DOWN", "a=1", "trigger_name=x")),
    (("a=1", "event_id=7\nevent_value=0"), ("recovery", "UP", "a=1", None)),
    # One that does.
    (("event_id=7", "trigger_name=x"), ("incident", "DOWN", "x", "")),
    (("trigger_name=x", "event_value=0"), ("recovery", "UP", "x", None)),
    (("trigger_name=x", "event_status=PROBLEM"), ("incident", "DOWN", "x", "")),
    (("x", "event_status=PROBLEM"), ("incident", "DOWN", "x", "")),
    (("x", "event_status=RESOLVED"), ("recovery", "UP", "x", None)),
    # Neither can be a subject and a message; what is not clear is an incident.
    (("event_status=PROBLEM",), ("incident", "DOWN", "Zabbix", "")),
    (("a=1",), ("incident", "DOWN", "Zabbix", "")),
    (("a=1", "trigger_name=x", "message=m"), ("incident", "DOWN", "x", "m")),
    (("event_id=", "event_value=*UNKNOWN*", "trigger_name=x"), ("incident", "DOWN", "x", "")),
    # The Test button: macros that nobody resolves.
    (("event_id={EVENT.ID}", "event_value={EVENT.VALUE}"), ("test", "UP", "Zabbix", None)),
    (("event_id={EVENT.ID}", "trigger_name=x", "host=y"), ("test", "UP", "x", None)),
    (("Test subject", "This is the test message"), ("test", "UP", "Test subject", None)),
    (("Test subject 2 is down", "x"), ("incident", "DOWN", "Test subject 2 is down", "x")),
])
def test_what_the_arguments_are(arguments, expected):
    event = preview("all", *arguments)
    kind, state, name, text = expected
    assert (event.kind, event.state, event.monitor) == (kind, state, name)
    assert state == "UP" or event.message == text


def templates():
    """The shipped messages: the lines of each, [(key, macro), …] with all that is before
    the equals sign as the key."""
    path = programs.SOURCE / "contrib" / "zabbix" / "hookspool-media-type.yaml"
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"operation_mode: (\w+)\n.*\n +message: \|\n((?: {12}\S.*\n)+)", text)
    assert [mode for mode, _ in found] == ["PROBLEM", "RECOVERY", "UPDATE"]
    return {mode: re.findall(r"(?m)^ {12}([^=\n]+)=(.*)$", lines) for mode, lines in found}


VALUES = {"event_id": "7", "recovery_event_id": "8", "event_value": "1",
          "event_status": "PROBLEM", "update_status": "0", "event_date": "2026.11.23",
          "event_time": "09:39:41", "recovery_date": "2026.11.23",
          "recovery_time": "09:49:41", "update_date": "2026.11.23",
          "update_time": "09:44:41", "update_action": "commented", "acknowledged": "No",
          "severity_number": "4", "severity": "High", "trigger_id": "12", "host_id": "13",
          "item_id": "14", "action_id": "15", "host": "web-01",
          "tags_json": '[{"tag":"webhook.region","value":"eu"}]',
          "recovery_tags_json": '[{"tag":"a","value":"b"}]', "update_author": "Zoe",
          "trigger_url": "https://t.example/", "url": "https://u.example/",
          "host_name": "Web 1", "trigger_name": "Shop is down", "event_name": "Shop: 503",
          "update_message": "seen", "message": "503"}
MODES = {"PROBLEM": {}, "RECOVERY": {"event_value": "0", "event_status": "RESOLVED"},
         "UPDATE": {"update_status": "1"}}
FURTHER = ("monitor_name", "monitor_id", "region", "status_code", "response_time",
           "response_time_ms", "failures", "level", "opdata", "own")


def forgery(keys, mark=""):
    """Lines that look like further pairs, of all keys there are."""
    return "x\n" + "\n".join(f"{key}{mark}=forged\r\n{key}{mark}=0\n{key}{mark}=1\n{key}"
                             f"{mark}=https://evil.example/" for key in keys)


def as_message(lines, values):
    """What Zabbix makes of a template: its macros in keys as well."""
    return "\r\n".join(f"{key.replace('{EVENT.ID}', values['event_id'])}="
                       f"{values[key.removesuffix('.{EVENT.ID}')]}" for key, _ in lines)


def said(event):
    """All that an event says but its own id and when it was made."""
    event.payload["check_result"].pop("timestamp")
    return event.payload, event.all


@pytest.mark.parametrize("mode", MODES)
def test_no_value_forges_another_key(mode):
    """Whatever stands in a value of the shipped messages, the event is that of the same
    values as arguments, where none can be taken for another."""
    lines = templates()[mode]
    keys = [key.removesuffix(".{EVENT.ID}") for key, _ in lines]
    assert len(keys) == len(set(keys)) > 18
    every = [*dict.fromkeys([*VALUES, *FURTHER])]
    values = {**{key: VALUES[key] for key in keys}, **MODES[mode]}
    for key in keys:
        for lies in (forgery(every), forgery(reversed(every), ".8"),
                     forgery(every, ".{EVENT.ID}"), forgery(every, "."),
                     forgery(["event_id", *every], ".77")):
            if key == "event_id":
                continue  # a number of Zabbix's own, and what the others bear
            told = {**values, key: values[key] + lies}
            pairs = [f"{k}={told[k]}".replace("\r\n", "\n") for k in keys]
            assert said(preview("all", "s", as_message(lines, told))) == said(
                preview("all", *pairs)), key


def test_who_comments_knows_the_number():
    """And a comment has the last word in the message: it changes itself only."""
    lines = templates()["UPDATE"]
    values = {**VALUES, **MODES["UPDATE"]}
    told = {**values, "update_message": forgery([*VALUES, *FURTHER], ".7")}
    kinds, details = said(preview("all", "s", as_message(lines, told)))
    plain, expected = said(preview("all", "s", as_message(lines, values)))
    for key in ("update_message", "comment"):
        assert details["details"].pop(key) == told["update_message"].replace("\r\n", "\n")
        expected["details"].pop(key)
    details.pop("fold"), expected.pop("fold")
    assert (kinds, details) == (plain, expected)


def test_the_name_that_the_page_recommends():
    """A line of the reader's own before the texts, as docs/zabbix.md has it."""
    page = (programs.SOURCE / "docs" / "zabbix.md").read_text(encoding="utf-8")
    (line,) = set(re.findall(r"`(monitor_name[^`]*)`", page))
    (before,) = set(re.findall(r"just before `([^`]*=)`", page))
    key, macro = line.split("=", 1)
    lines = templates()["PROBLEM"]
    at = [f"{k}=" for k, _ in lines].index(before)
    lines.insert(at, (key, macro))
    keys = [k.removesuffix(".{EVENT.ID}") for k, _ in lines]
    lies = forgery([k for k in (*VALUES, *FURTHER) if k != "monitor_name"])
    told = {**{k: VALUES.get(k) for k in keys}, "monitor_name": "Web 1: Shop " + lies}
    pairs = [f"{k}={told[k]}".replace("\r\n", "\n") for k in keys]
    event = preview("all", "s", as_message(lines, told))
    assert event.monitor.startswith("Web 1: Shop")
    assert said(event) == said(preview("all", *pairs))


def texts_of_the_manual():
    """Keys of values that others write, in their order."""
    manual = (programs.SOURCE / "docs" / "hookspool-zabbix.1").read_text(encoding="utf-8")
    (order,) = re.findall(r"(?s)\.Bd -ragged -offset indent\n(.*?)\.Ed", manual)
    return re.findall(r"[a-z_]+", order.replace(".Cm", ""))


@pytest.mark.parametrize("key", texts_of_the_manual())
def test_all_texts_in_their_order(key):
    """A template with all that the manual has: each holds lies in turn, in the number's
    form as well where it is the last."""
    texts = texts_of_the_manual()
    values = {**{k: VALUES[k] for k in ("event_id", "event_value", "host", "trigger_id")},
              **{k: VALUES.get(k, "250") for k in texts}}
    lines = [("event_id", ""), *[(f"{k}.{{EVENT.ID}}", "") for k in list(values)[1:]]]
    mark = ".7" if key == texts[-1] else ".8"
    values[key] += forgery([*VALUES, *FURTHER], mark)
    pairs = [f"{k}={v}".replace("\r\n", "\n") for k, v in values.items()]
    assert said(preview("all", "s", as_message(lines, values))) == said(
        preview("all", *pairs))


def test_templates_keep_the_order():
    """The event's number first, then keys that bear it, each once; texts last, in the
    order of the manual, and comments behind all others."""
    texts = texts_of_the_manual()
    assert texts[-1] == "update_message"
    for lines in templates().values():
        keys = [key for key, _ in lines]
        assert keys[0] == "event_id"
        assert all(key.endswith(".{EVENT.ID}") for key in keys[1:])
        bare = [key.removesuffix(".{EVENT.ID}") for key in keys]
        tail = [key for key in texts if key in bare]
        assert len(set(bare)) == len(bare) and bare[-len(tail):] == tail

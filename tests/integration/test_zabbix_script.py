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
from hosts import read_events

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


def test_templates_keep_the_order():
    """Control keys first, then texts, `message` last; each key once."""
    path = programs.SOURCE / "contrib" / "zabbix" / "hookspool-media-type.yaml"
    text = path.read_text(encoding="utf-8")
    templates = re.findall(r"message: \|\n((?: {12}\S.*\n)+)", text)
    texts = ["host_name", "trigger_name", "event_name", "update_message", "message"]
    assert len(templates) == 3
    for template in templates:
        keys = re.findall(r"(?m)^ +(\w+)=", template)
        assert len(keys) == len(set(keys)) == template.count("\n")
        tail = [k for k in texts if k in keys]
        assert keys[-len(tail):] == tail and keys[-1] == "message"

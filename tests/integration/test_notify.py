# SPDX-License-Identifier: MIT
"""hookspool-notify on its own: options, sources, exit statuses, and the one line on
stderr that is all an operator gets."""

import os
import re
import subprocess

import pytest

import programs
from hosts import parse_events, read_events

BASE = ("HOSTNAME=web-01", "SERVICEDESC=API", "NOTIFICATIONTYPE=PROBLEM",
        "SERVICESTATE=CRITICAL", "SERVICEOUTPUT=broken")
CHECKMK = {"NOTIFY_WHAT": "SERVICE", "NOTIFY_HOSTNAME": "web-01",
           "NOTIFY_SERVICEDESC": "API", "NOTIFY_NOTIFICATIONTYPE": "PROBLEM",
           "NOTIFY_SERVICESTATE": "CRITICAL", "NOTIFY_MICROTIME": "1705314615123456",
           "NOTIFY_SERVICEOUTPUT": "broken", "NOTIFY_PARAMETER_1": "https://hidden/"}


@pytest.fixture
def spool(hooks):
    return hooks.init()


def dry(hooks, *args, **options):
    """The event of a dry run."""
    done = hooks.notify("--dry-run", *args, **options)
    assert not done.stderr
    (event,) = parse_events(done.stdout.encode())
    return event


def failure(done, code, *texts):
    """It ended with `code` and one line that holds all `texts`."""
    assert (done.returncode, done.stdout) == (code, ""), done
    assert re.fullmatch(r"hookspool-notify: [^\n]+\n", done.stderr), done.stderr
    for text in texts:
        assert str(text) in done.stderr


def test_an_event_is_put(spool):
    done = spool.notify("service", *BASE)
    assert (done.stdout, done.stderr) == ("", "")
    (name,) = os.listdir(spool.spool / "incoming")
    (event,) = read_events(spool.spool / "incoming" / name)
    assert event.summary == ("incident", "DOWN", None, 1, 1)
    assert event.payload["monitor"]["name"] == "web-01/API"
    assert event.message == "broken" and name == f"{event.id}.evt"
    assert event.payload["check_result"]["region"] == "test-1"
    assert not os.listdir(spool.spool / "tmp")


def test_dry_run_puts_nothing(hooks):
    hooks.write()
    event = dry(hooks, "host", "HOSTNAME=web-01", "HOSTSTATE=UP",
                "NOTIFICATIONTYPE=RECOVERY")
    assert event.summary == ("recovery", "UP", "DOWN", 0, 1)
    assert not hooks.spool.exists()


def test_spool_option_wins(spool):
    spool.top["spool_dir"] = "/nonexistent"
    spool.write()
    spool.notify("-s", spool.spool, "service", *BASE)
    assert len(os.listdir(spool.spool / "incoming")) == 1


@pytest.mark.parametrize("args, text", [
    ((), "missing word host or service"),
    (("contact",), "'contact'"),
    (("HOSTNAME=web-01",), "'HOSTNAME=web-01'"),
    (("service", *BASE, "junk"), "'junk' is not KEY=VALUE"),
    (("service", *BASE, "=junk"), "'=junk' is not KEY=VALUE"),
    (("service", *BASE, "two\nlines"), "'two?lines'"),
    (("--nonsense", "service", *BASE), "'--nonsense'"),
    (("-x", "service", *BASE), "unknown option"),
    (("service", *BASE, "--url"), "'--url' needs URL"),
    (("service", *BASE, "-c"), "'-c' needs FILE"),
    (("--dry-run=yes", "service", *BASE), "--dry-run"),
    (("--system", "", "service", *BASE), "--system"),
])
def test_usage(spool, args, text):
    done = programs.run(programs.NOTIFY, *args,
                        env={"HOOKSPOOL_CONFIG": str(spool.config)})
    failure(done, 64, text, "--help")
    assert not spool.files("incoming", "tmp")


@pytest.mark.parametrize("args, text", [
    (("service", "SERVICEDESC=API"), "HOSTNAME"),
    (("host",), "HOSTNAME"),
    (("host", "HOSTNAME=$HOSTNAME$"), "HOSTNAME"),
    (("service", "HOSTNAME=web-01"), "SERVICEDESC"),
])
def test_bad_data(spool, args, text):
    failure(spool.notify(*args, check=False), 65, text)


def test_spool_that_is_not_there(hooks):
    hooks.write()
    failure(hooks.notify("service", *BASE, check=False), 73, hooks.spool,
            "hookspool init")


def test_spool_that_is_a_file(hooks):
    hooks.write()
    hooks.spool.write_text("not a folder")
    failure(hooks.notify("service", *BASE, check=False), 73, hooks.spool)


@pytest.mark.root("a user without rights on the spool")
def test_spool_without_permission(spool):
    done = subprocess.run(
        [programs.NOTIFY, "-c", spool.config, "service", *BASE], user=65534, group=65534,
        extra_groups=[], env=programs.environment(), capture_output=True, text=True, check=False)
    failure(done, 73, spool.spool, "Permission denied")


def test_no_space(spool):
    spool.top["min_free"] = "99%"
    spool.write()
    failure(spool.notify("service", *BASE, check=False), 75, spool.spool)
    assert not spool.files("incoming", "tmp")


def test_relative_spool(spool):
    failure(spool.notify("-s", "relative", "service", *BASE, check=False), 78, "relative")


def test_dry_run_that_cannot_be_printed(hooks):
    hooks.write()
    with open("/dev/full", "wb") as full:
        done = subprocess.run([programs.NOTIFY, "-c", hooks.config, "--dry-run", "service",
                               *BASE], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=programs.environment(), check=False)
    assert done.returncode == 74
    assert done.stderr == ("hookspool-notify: print the record: "
                           "No space left on device\n")


@pytest.mark.parametrize("text", ['min_free = "much"\n', "endpoint {\n", "\xff\xfe{{{\n",
                                  'warning_is = "sideways"\n'])
def test_wrong_configuration_only_warns(spool, text):
    spool.write(text)
    done = spool.notify("-s", spool.spool, "service", *BASE)
    assert re.fullmatch(r"hookspool-notify: warning: [^\n]+\n", done.stderr)
    assert str(spool.config) in done.stderr
    assert len(os.listdir(spool.spool / "incoming")) == 1
    # And a failure carries the warning in its one line.
    failure(spool.notify("-s", f"{spool.spool}-no", "service", *BASE, check=False), 73,
            "(configuration: ", spool.config)


def test_unreadable_configuration(spool):
    done = programs.run(programs.NOTIFY, "-c", spool.folder / "absent.conf",
                        "-s", spool.spool, "service", *BASE)
    assert done.returncode == 0 and "absent.conf" in done.stderr
    assert len(os.listdir(spool.spool / "incoming")) == 1


def test_help_and_version():
    done = programs.run(programs.NOTIFY, "--help")
    assert done.returncode == 0 and not done.stderr
    assert done.stdout.startswith("usage: hookspool-notify ")
    assert max(map(len, done.stdout.splitlines())) <= 90
    done = programs.run(programs.NOTIFY, "-V")
    assert re.fullmatch(r"hookspool-notify \d+\.\d+\.\d+\n", done.stdout)


def test_sources_in_their_order(hooks):
    hooks.write()
    env = {"ICINGA__SERVICEURL": "https://custom/", "NAGIOS_URL": "https://nagios/",
           "ICINGA_URL": "https://icinga/"}
    strongest_last = [
        ({"NAGIOS_SERVICEACTIONURL": "https://action/"}, (), (), "https://action/"),
        ({"ICINGA__SERVICEURL": "https://custom/"},
         ("SERVICEACTIONURL=https://action/",), (), "https://custom/"),
        ({k: env[k] for k in ("ICINGA__SERVICEURL", "ICINGA_URL")}, (), (),
         "https://icinga/"),
        (env, (), (), "https://nagios/"),
        (env, ("URL=https://argument/",), (), "https://argument/"),
        (env, ("URL=https://argument/",), ("--url", "https://option/"),
         "https://option/"),
        (env, ("URL=$URL$",), (), "https://nagios/"),
    ]
    for environment, arguments, options, expected in strongest_last:
        event = dry(hooks, *options, "service", *BASE, *arguments, env=environment)
        assert event.payload["monitor"]["url"] == expected


def test_overrides(hooks):
    hooks.write()
    event = dry(hooks, "--monitor-id", "mon_x", "--monitor-name=Shop", "--url", "x:y",
                "--region", "eu", "--response-time-ms", "12", "--status-code", "404",
                "--endpoint", "a,b", "--system", "naemon", "service", *BASE)
    assert event.payload["monitor"] == {"id": "mon_x", "name": "Shop", "url": "x:y",
                                        "status": "DOWN"}
    check = event.payload["check_result"]
    assert (check["region"], check["response_time_ms"], check["status_code"]) == (
        "eu", 12, 404)
    assert event.all["endpoints"] == "a,b" and event.all["system"] == "naemon"
    event = dry(hooks, "service", *BASE, "--response-time-ms", "soon", "STATUS_CODE=-3",
                "_SERVICEREGION=us")
    check = event.payload["check_result"]
    assert (check["region"], check["response_time_ms"], check["status_code"]) == (
        "us", None, None)
    assert event.details["RESPONSE_TIME_MS"] == "soon"
    assert event.details["STATUS_CODE"] == "-3"


def test_unknown_keys_and_types(hooks):
    hooks.write()
    event = dry(hooks, "service", *BASE[:2], "NOTIFICATIONTYPE=NEW", "TEAM=a=b",
                "EMPTY=", "NONE=$NONE$", env={"NAGIOS_CONTACTEMAIL": "a@example.com",
                                              "NAGIOS_ARG1": "secret"})
    assert event.kind == "other" and event.state == event.previous == "DOWN"
    assert event.details == {
        "type": "NEW", "NOTIFICATIONTYPE": "NEW", "HOSTNAME": "web-01",
        "SERVICEDESC": "API", "TEAM": "a=b", "CONTACTEMAIL": "a@example.com"}


def test_details_have_a_limit(hooks):
    """Short ones are kept, whatever the long ones need."""
    hooks.write()
    event = dry(hooks, "service", *(f"LONG{i}={'x' * 100_000}" for i in range(9)), *BASE)
    assert event.all["cut"] is True and event.details["SERVICEOUTPUT"] == "broken"
    assert len(event.details["LONG0"]) == 100_000 and "LONG8" not in event.details


def test_odd_bytes_become_utf8(hooks):
    hooks.write()
    name, output = os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff\x01")
    event = dry(hooks, "service", "HOSTNAME=web-01", f"SERVICEDESC={name}",
                "SERVICESTATE=CRITICAL", f"SERVICEOUTPUT={output}")
    assert event.all["service"] == "caf\ufffd" and event.message == "\ufffd\x01"


def test_checkmk(spool):
    """All by the environment; a failed write asks to be tried again."""
    event = dry(spool, env=CHECKMK)
    assert event.all["system"] == "checkmk"
    assert event.summary == ("incident", "DOWN", None, 1, 1)
    assert event.all["fold"] == "web-01;API;PROBLEM;;1705314615123456"
    assert not [k for k in event.details if "PARAMETER" in k]
    spool.notify(env=CHECKMK)
    spool.notify("SERVICEOUTPUT=argument", env=CHECKMK)
    assert dry(spool, "host", env=CHECKMK).payload["monitor"]["name"] == "web-01"
    failure(spool.notify("-s", f"{spool.spool}-no", env=CHECKMK, check=False), 1)
    spool.top["min_free"] = "99%"
    spool.write()
    failure(spool.notify(env=CHECKMK, check=False), 1)
    failure(spool.notify(env={"NOTIFY_WHAT": "SERVICE"}, check=False), 65)
    failure(spool.notify(env={**CHECKMK, "NOTIFY_WHAT": "THING"}, check=False), 64)
    failure(spool.notify("-s", "no", env=CHECKMK, check=False), 78)
    assert len(spool.files("incoming")) == 2


def test_systemd_is_not_checkmk(hooks):
    hooks.write()
    event = dry(hooks, "service", *BASE, env={"NOTIFY_SOCKET": "/run/systemd/notify",
                                              "NOTIFY_REGION": "mars"})
    assert event.all["system"] == "nagios" and "SOCKET" not in event.details
    assert event.payload["check_result"]["region"] == "test-1"


def test_without_descriptors(spool):
    """Neither complaint nor record may end in a file that took a closed number."""
    def close_all():
        for descriptor in range(3):
            os.close(descriptor)

    for args, code in ((("service", *BASE), 0), (("-s", "/nonexistent", "service", *BASE), 73)):
        done = subprocess.run([programs.NOTIFY, "-c", spool.config, *args], check=False,
                              env=programs.environment(), preexec_fn=close_all)
        assert done.returncode == code
    (name,) = os.listdir(spool.spool / "incoming")
    assert len(read_events(spool.spool / "incoming" / name)) == 1


def test_broken_pipe_after_the_put(spool):
    """A warning that nobody reads does not turn success into a death by signal."""
    spool.write('min_free = "much"\n')
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([programs.NOTIFY, "-c", spool.config, "-s", spool.spool,
                           "service", *BASE], stderr=writer, check=False,
                          env=programs.environment(), restore_signals=True)
    os.close(writer)
    assert done.returncode == 0
    assert len(os.listdir(spool.spool / "incoming")) == 1

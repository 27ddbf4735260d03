# SPDX-License-Identifier: MIT
"""check_hookspool: what it says of every state of a spool, by the Monitoring Plugins
guidelines, with a made-up status and with the real daemon."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

import programs
from fakedaemon import Ago, FakeDaemon, stamp, status
from spool import wait_for
from test_space import tmpfs
from test_users import DAEMON, GROUP, NAGIOS, STRANGER, become_daemon

OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = ["OK", "WARNING", "CRITICAL", "UNKNOWN"]

NUMBER = r"-?\d+(?:\.\d+)?"
RANGE = rf"@?(?:(?:~|{NUMBER})?:)?(?:{NUMBER})?"
ITEM = re.compile(rf"'([^'=|]+)'=({NUMBER})(s|%|c|);({RANGE});({RANGE});({NUMBER})"
                  rf"(?:;({NUMBER}))?")
LINE = re.compile(r"HOOKSPOOL (OK|WARNING|CRITICAL|UNKNOWN) - ([^|\x00-\x1f\x7f]+?)"
                  r"(?: \| ([^|\x00-\x1f\x7f]+))?")
# C0 and C1 but for the line ends.
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class Checked:
    """One run, held against the guidelines."""

    def __init__(self, done):
        self.code, self.output = done.returncode, done.stdout
        assert done.stderr == "" and 0 <= self.code <= 3, done
        assert self.output.endswith("\n") and not CONTROLS.search(self.output), done
        first, *self.more = self.output[:-1].split("\n")
        match = LINE.fullmatch(first)
        assert match, first
        assert match[1] == WORDS[self.code], (first, self.code)
        assert not any("|" in line for line in self.more), self.more
        self.text, self.perfdata = match[2], {}
        for item in re.findall(r"'[^']*'=\S+", match[3] or ""):
            found = ITEM.fullmatch(item)
            assert found, item
            assert found[1] not in self.perfdata, item
            self.perfdata[found[1]] = found.groups()[1:]
        assert " ".join(f"'{k}'" for k in self.perfdata) == " ".join(
            re.findall(r"'[^']*'", match[3] or ""))


def check(*args, **options):
    return Checked(programs.run(programs.CHECK, *args, **options))


@pytest.fixture
def spool(hooks):
    """A spool without a daemon."""
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    return hooks.spool


def event_name(age_s, number=0):
    """An event's file name, made so long ago."""
    made = int((time.time() - age_s) * 1000)
    return f"{made:012x}"[:8] + "-" + f"{made:012x}"[8:] + f"-7000-8000-{number:012x}.evt"


NAME = "second.one-2_x"
SPACE = ("-w", "space=,inodes=", "-c", "space=,inodes=")  # whatever this machine has

# What is shown, options, exit status, and the text.
CASES = {
    "well": (status(), (), OK, "1 endpoint ok, 0 pending, 0 dead"),
    "two well": (status({"main": {"pending": 3}, NAME: {"pending": 4}}), (), OK,
                 "2 endpoints ok, 7 pending, 0 dead"),
    "none configured": (status({}), (), WARNING,
                        "no endpoint is configured: nothing is sent"),
    "pending": (status({"main": {"pending": 101}}), (), WARNING, "main: 101 pending"),
    "pending at the limit": (status({"main": {"pending": 100}}), (), OK,
                             "1 endpoint ok, 100 pending, 0 dead"),
    "pending, chosen": (status({"main": {"pending": 101}}), ("-w", "pending=200"), OK,
                        "1 endpoint ok, 101 pending, 0 dead"),
    "pending, chosen critical": (status({"main": {"pending": 101}}),
                                 ("-c", "pending=100"), CRITICAL, "main: 101 pending"),
    "too few sent": (status(), ("-w", "sent=20:"), WARNING, "main: 17 sent"),
    "failed, inside": (status(), ("-c", "failed=@1:5"), CRITICAL, "main: 3 failed"),
    "rate": (status({"main": {"rate_used": 90}}), ("-w", "rate=80%"), WARNING,
             "main: 90% of its rate limit used"),
    "age": (status({"main": {"pending": 1, "oldest_at": Ago(423)}}), (), WARNING,
            r"main: oldest event waits for 7m0[2-9]s"),
    "age, critical": (status({"main": {"pending": 1, "oldest_at": Ago(7300)}}), (),
                      CRITICAL, r"main: oldest event waits for 2h01m"),
    "age in days": (status({"main": {"pending": 1, "oldest_at": Ago(7300)}}),
                    ("-w", "age=1d", "-c", "age=2d"), OK, "1 endpoint ok, 1 pending, .*"),
    "age of the future": (status({"main": {"pending": 1, "oldest_at": Ago(-900)}}), (),
                          OK, "1 endpoint ok, 1 pending, 0 dead"),
    "dead": (status({"main": {"dead": 1}}), (), WARNING, "main: 1 dead letter"),
    "dead, put off": (status({"main": {"dead": 2}}), ("--warning", "dead="), OK,
                      "1 endpoint ok, 0 pending, 2 dead"),
    "queue nearly full": (status({"main": {"pending": 800}}), ("-w", "pending="), CRITICAL,
                          r"main: queue 80% full \(800 of 1000\)"),
    "queue not so full": (status({"main": {"pending": 799}}), ("-w", "pending="), OK,
                          "1 endpoint ok, 799 pending, 0 dead"),
    "queue nearly full, bytes": (status({"main": {"pending_bytes": 999_999}}), (), CRITICAL,
                                 r"main: queue 100% full \(999999 of 1000000 bytes\)"),
    "dead nearly full": (status({"main": {"dead": 85}}), ("-w", "dead="), CRITICAL,
                         r"main: dead letters 85% full \(85 of 100\)"),
    "dead nearly full, bytes": (status({"main": {"dead_bytes": 80_000}}), (), CRITICAL,
                                r"main: dead letters 80% full \(80000 of 100000 bytes\)"),
    "backoff": (status({"main": {"state": "backoff", "last_error": "HTTP 500"}}), (),
                WARNING, "main fails and is probed: HTTP 500"),
    "misconfigured": (status({"main": {"state": "misconfigured",
                                       "last_error": "HTTP 401"}}), (), CRITICAL,
                      "main is misconfigured: HTTP 401"),
    "gone": (status({"main": {"state": "gone"}}), (), CRITICAL, r"main is gone \(410\)"),
    "paused": (status({"main": {"state": "paused"}}), (), WARNING, "main is paused"),
    "paused for long": (status({"main": {"state": "paused", "pending": 500,
                                         "oldest_at": Ago(90000)}}), (), WARNING,
                        "main is paused"),
    "paused and full": (status({"main": {"state": "paused", "pending": 900}}), (), CRITICAL,
                        r"main: queue 90% full \(900 of 1000\); main is paused"),
    "orphaned": (status({"main": {"state": "orphaned", "max_queued": 0, "max_dead": 0,
                                  "max_queued_bytes": 0, "max_dead_bytes": 0,
                                  "rate_limit": 0, "pending": 5}}), (), WARNING,
                 "main is not in the configuration and has events"),
    "a state of tomorrow": (status({"main": {"state": "asleep"}}), (), WARNING,
                            "main is asleep"),
    "short of space": (status(space="short"), (), CRITICAL,
                       "hookspoold is short of space and holds events up"),
    "corrupt": (status(corrupt=2), (), WARNING, "2 files set aside in corrupt/"),
    "the worst first": (status({"a": {"dead": 1}, "b": {"state": "gone"},
                                "c": {"pending": 900}}, corrupt=1), (), CRITICAL,
                        r"b is gone \(410\); c: queue 90% full \(900 of 1000\); "
                        "a: 1 dead letter; c: 900 pending; and 1 more"),
    "all with -v": (status({"a": {"dead": 1}, "b": {"state": "gone"},
                            "c": {"pending": 900}}, corrupt=1), ("-v",), CRITICAL,
                    r"b is gone \(410\); c: queue 90% full \(900 of 1000\); "
                    "a: 1 dead letter; c: 900 pending; 1 file set aside in corrupt/"),
    "one endpoint": (status({"a": {"dead": 1}, "b": {"state": "gone"}, "c": {}}),
                     ("-e", "a", "--endpoint", "c"), WARNING, "a: 1 dead letter"),
    "one that is well": (status({"a": {"dead": 1}, "c": {}}), ("-e", "c"), OK,
                         "1 endpoint ok, 0 pending, 0 dead"),
    "no such endpoint": (status(), ("-e", "other"), UNKNOWN,
                         "no endpoint 'other' in the status"),
    "no limit": (status({"main": {"rate_limit": 0, "rate_used": 0}}), ("-w", "rate=0"), OK,
                 "1 endpoint ok, .*"),
    "tomorrow's status": (status(version=2), (), UNKNOWN,
                          "the status is of version 2, .*update it"),
    "damaged": ({"version": 1}, (), UNKNOWN, "the status is damaged"),
}


@pytest.mark.parametrize("case", CASES)
def test_made_up_status(spool, case):
    shown, args, code, text = CASES[case]
    with FakeDaemon(spool, shown):
        found = check("-s", spool, *SPACE, *args)
    assert found.code == code and re.fullmatch(text, found.text), found.output
    assert found.more == [] and bool(found.perfdata) == (code != UNKNOWN)


def test_perfdata(spool):
    """Labels, units, thresholds and limits: those of an endpoint carry its name."""
    shown = status({"main": {"pending": 7, "dead": 2, "oldest_at": stamp(-42)},
                    NAME: {"rate_limit": 0}}, corrupt=1)
    with FakeDaemon(spool, shown):
        found = check("-s", spool, "-w", "pending=5:6,age=@1m:2m,dead=", "-c",
                      "pending=~:9,space=3%:,inodes=3:")
    data = found.perfdata
    assert data["pending_main"] == ("7", "", "5:6", "~:9", "0", "1000")
    assert data["age_main"][1:] == ("s", "@60:120", "3600", "0", None)
    assert 42 <= int(data["age_main"][0]) < 60
    assert data["dead_main"] == ("2", "", "", "", "0", "100")
    assert data["sent_main"] == ("17", "c", "", "", "0", None)
    assert data["failed_main"] == ("3", "c", "", "", "0", None)
    assert data["rate_main"] == ("4", "%", "", "", "0", "100")
    assert data["incoming"] == ("0", "", "100", "1000", "0", None)
    assert data["incoming_age"] == ("0", "s", "60", "300", "0", None)
    assert data["corrupt"] == ("1", "", "0", "", "0", None)
    assert data["space"][1:] == ("%", "10:", "3:", "0", "100")
    ours = [label for label in data if label.endswith(f"_{NAME}")]
    assert ours == [f"{m}_{NAME}" for m in ("pending", "age", "dead", "sent", "failed")]
    used = os.statvfs(spool)
    assert abs(float(data["space"][0]) - 100 * used.f_bavail / used.f_blocks) < 2
    assert abs(float(data["inodes"][0]) - 100 * used.f_favail / used.f_files) < 2


def test_texts_from_outside_are_harmless(spool):
    """An answer's text ends up in last_error: no performance data, no controls."""
    evil = "a|b=1;2\n\x1b[31m\x9b\x7fc | 'x'=1 ü → 😀 " + "long " * 100
    shown = status({"main": {"state": "backoff", "last_error": evil}},
                   daemon="1|2\n3")
    with FakeDaemon(spool, shown):
        for level in ([], ["-v"], ["-vv"], ["-v", "-v", "-v"]):
            found = check("-s", spool, *SPACE, *level)
            assert found.code == WARNING
            assert "a/b=1;2??[31m??c / 'x'=1 ü → 😀 long" in found.text, found.text
            assert len(found.text) < 300 and "pending_main" in found.perfdata


def test_verbosity(spool):
    shown = status({"main": {"pending": 3, "oldest_at": stamp(-10),
                             "last_success_at": stamp(-200), "last_error": "HTTP 500"},
                    "b": {}})
    with FakeDaemon(spool, shown):
        lines = [check("-s", spool, *SPACE, *level).more
                 for level in ([], ["-v"], ["-vv"], ["-vvv"])]
    assert lines[0] == lines[1] == [] and len(lines[2]) == 2
    assert re.fullmatch(r"main: ok, 3 pending, oldest 1\ds, 17 sent, 3 failed, 0 dead, "
                        r"last success 3m2\ds ago, last error: HTTP 500", lines[2][0])
    assert lines[2][1] == ("b: ok, 0 pending, oldest -, 17 sent, 3 failed, 0 dead, "
                           "last success never")
    assert f"spool: {spool}" in lines[3] and "known from: the control socket" in lines[3]


def test_incoming(spool):
    """Counted on disk, by name: how many, and how old by their ids."""
    with FakeDaemon(spool, status()):
        for number in range(101):
            (spool / "incoming" / event_name(5, number)).touch()
        (spool / "incoming" / "other").touch()
        found = check("-s", spool, *SPACE)
        assert (found.code, found.text) == (WARNING, "101 files in incoming/")
        (spool / "incoming" / event_name(400)).touch()
        found = check("-s", spool, *SPACE)
        assert found.code == CRITICAL
        assert re.fullmatch(r"oldest file in incoming/ is 6m\d\ds old; "
                            "102 files in incoming/", found.text)
    assert found.perfdata["incoming"][0] == "102"
    assert 399 <= int(found.perfdata["incoming_age"][0]) < 460


# A daemon that is not there
# ---------------------------------------------------------------------------------------


def test_never_run(spool):
    found = check("-s", spool, *SPACE)
    assert (found.code, found.text) == (CRITICAL, "hookspoold is not running")
    (spool / "incoming" / event_name(1)).touch()
    found = check("-s", spool, *SPACE)
    assert found.text == "hookspoold is not running, incoming/ holds 1 file"
    assert "corrupt" not in found.perfdata and "incoming" in found.perfdata


def test_left_status(spool):
    (spool / "status.json").write_text(json.dumps(status(
        {"main": {"dead": 1}}, updated_at=stamp(-303), space="short")), encoding="ascii")
    found = check("-s", spool, *SPACE)
    assert found.code == CRITICAL and re.fullmatch(
        r"hookspoold is not running \(its last status is 5m\d\ds old\); "
        "main: 1 dead letter", found.text)


@pytest.mark.parametrize("text", ["", "{", "null", '{"version":1}', "x" * 1000, "\0\n|"])
def test_damaged_status(spool, text):
    """That nothing runs is worse than a damaged file."""
    (spool / "status.json").write_text(text, encoding="ascii")
    found = check("-s", spool)
    assert found.code == CRITICAL and "hookspoold is not running; " in found.text
    assert "damaged" in found.text


def test_status_of_tomorrow(spool):
    (spool / "status.json").write_text(json.dumps(status(version=3)), encoding="ascii")
    found = check("-s", spool)
    assert found.code == CRITICAL and "version 3" in found.text


def test_no_spool(hooks):
    found = check("-s", hooks.spool)
    assert found.code == UNKNOWN and str(hooks.spool) in found.text
    assert "hookspool init" in found.text
    hooks.spool.write_text("", encoding="ascii")
    found = check("-s", hooks.spool)
    assert found.code == UNKNOWN and "Not a directory" in found.text


def test_locked_without_a_socket(spool):
    """Something has the lock and does not listen: waited for a moment, then told."""
    (spool / "status.json").write_text(json.dumps(status()), encoding="ascii")
    with FakeDaemon(spool, answers=False):
        found = check("-s", spool, *SPACE)
    assert found.code == WARNING
    assert "hookspoold runs, but cannot be asked: connect to" in found.text


@pytest.mark.parametrize("answer", ["", "x", "{}", '{"ok":true,"status":null}', "[]",
                                    '{"error":"no | such"}'])
def test_odd_answers(spool, answer):
    (spool / "status.json").write_text(json.dumps(status()), encoding="ascii")
    with FakeDaemon(spool, answer):
        found = check("-s", spool, *SPACE)
    assert found.code == WARNING and "cannot be asked" in found.text


def test_silent_answer(spool):
    """It takes the question and never answers: CRITICAL, within -t."""
    class Silent(FakeDaemon):
        def serve(self):
            self.held = self.listener.accept()
    (spool / "status.json").write_text(json.dumps(status()), encoding="ascii")
    with Silent(spool):
        began = time.monotonic()
        found = check("-s", spool, "-t", "1")
        assert time.monotonic() - began < 5
    assert found.code == CRITICAL and "hookspoold hangs" in found.text


def test_alarm(spool):
    """Whatever it waits for: the alarm ends it, with a line and 3."""
    class Silent(FakeDaemon):
        def serve(self):
            self.held = self.listener.accept()
    with Silent(spool) as daemon, subprocess.Popen(
            [programs.CHECK, "-s", spool, "-t", "60"], stdout=subprocess.PIPE, text=True,
            env=programs.environment()) as process:
        wait_for("it asks", lambda: hasattr(daemon, "held"))
        process.send_signal(signal.SIGALRM)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == UNKNOWN
    assert output == "HOOKSPOOL UNKNOWN - no result in time (see -t)\n"


# The real daemon
# ---------------------------------------------------------------------------------------


def real(hooks, *args):
    return check("--config", hooks.config, *SPACE, *args)


def test_states_of_the_real_daemon(main, receiver):
    assert real(main).text == "1 endpoint ok, 0 pending, 0 dead"
    assert real(main).code == OK
    main.control("pause", "main")
    assert (real(main).code, real(main).text) == (WARNING, "main is paused")
    main.control("resume", "main")
    for answer, state, code in ((500, "fails and is probed: ", WARNING),
                                (401, "is misconfigured: ", CRITICAL),
                                (410, "is gone", CRITICAL)):
        receiver.forget_rules()
        receiver.answer(status=answer)
        main.control("resume", "main")
        main.generate(3, monitors=3, first=answer)
        wait_for(state, lambda s=state: f"main {s}" in real(main).text)
        assert real(main).code == code
    receiver.forget_rules()
    main.control("resume", "main")
    main.wait_settled()
    wait_for("all is well", lambda: real(main).code == OK)
    assert int(real(main).perfdata["sent_main"][0]) == 9


def test_killed_and_started(main):
    assert real(main).code == OK
    main.daemon.kill()
    main.service()
    found = real(main)
    assert found.code == CRITICAL and found.text.startswith("hookspoold is not running")
    assert "incoming/ holds 1 file" in found.text
    main.start()
    main.wait_settled()
    wait_for("all is well", lambda: real(main).code == OK)


def test_hung_daemon(main):
    """Stopped: also when its backlog is full and connect itself would block."""
    main.daemon.signal(signal.SIGSTOP)
    try:
        for _ in range(14):
            began = time.monotonic()
            found = real(main, "-t", "1")
            assert time.monotonic() - began < 5
            assert found.code == CRITICAL and found.text.startswith("hookspoold hangs")
            assert "pending_main" in found.perfdata
    finally:
        main.daemon.signal(signal.SIGCONT)
    assert real(main).code == OK


def test_dead_letters_and_orphans(hooks, receiver):
    receiver.answer(status=422)
    hooks.endpoint(receiver=receiver, retries=0).init().start()
    hooks.generate(2, monitors=2)
    wait_for("dead", lambda: len(hooks.dead()) == 2)
    wait_for("told", lambda: real(hooks).text == "main: 2 dead letters")
    assert real(hooks).code == WARNING
    hooks.daemon.stop()
    hooks.endpoints = {}
    hooks.endpoint("other", receiver=receiver).write().start()
    found = real(hooks)
    assert found.code == WARNING and "main is not in the configuration" in found.text
    assert real(hooks, "-e", "other").code == OK


@pytest.mark.root("runs programs as other users")
def test_rights(hooks, receiver):
    """A member of the group sees all; a stranger learns whom to add to which group."""
    hooks.endpoint(receiver=receiver)
    hooks.init("--user", str(DAEMON), "--group", str(GROUP))
    os.chown(hooks.secret, DAEMON, GROUP)
    hooks.start(preexec=become_daemon)
    done = programs.run(programs.CHECK, "-s", hooks.spool, *SPACE, **NAGIOS)
    assert Checked(done).code == OK, done
    done = programs.run(programs.CHECK, "-s", hooks.spool, *SPACE, **STRANGER)
    assert Checked(done).code == UNKNOWN and "Permission denied" in done.stdout, done
    hooks.daemon.stop()
    done = programs.run(programs.CHECK, "-s", hooks.spool, *SPACE, **NAGIOS)
    assert Checked(done).code == CRITICAL, done
    done = programs.run(programs.CHECK, "-s", hooks.spool, *SPACE, **STRANGER)
    assert Checked(done).code == UNKNOWN, done


@pytest.mark.root("runs programs as other users")
def test_stranger_learns_the_group(hooks):
    """Where user and group have names."""
    hooks.init("--user", "daemon", "--group", "nogroup")
    (hooks.spool / "status.json").write_text("{}", encoding="ascii")
    (hooks.spool / "status.json").chmod(0o640)
    nogroup = hooks.spool.stat().st_gid
    for gid, told in ((nogroup, "make user games a member of the group nogroup"),
                      (0, "hookspoold has to run with the group nogroup")):
        os.chown(hooks.spool / "status.json", 0, gid)
        done = programs.run(programs.CHECK, "-s", hooks.spool, user="games",
                            group="games", extra_groups=[])
        found = Checked(done)
        assert found.code == UNKNOWN and told in found.text


@pytest.mark.root("mounts a tmpfs")
def test_space_and_inodes(hooks):
    with tmpfs(hooks.folder / "disk", "size=1m,nr_inodes=200,mode=755") as disk:
        hooks.spool = disk / "spool"
        hooks.top["spool_dir"] = hooks.spool
        hooks.init()
        with FakeDaemon(hooks.spool, status()):
            found = check("-s", hooks.spool)
            assert found.code == OK and float(found.perfdata["space"][0]) > 90
            ballast = disk / "ballast"
            ballast.write_bytes(b"x" * (1024 * 1024 * 93 // 100))
            found = check("-s", hooks.spool)
            assert found.code == WARNING
            assert re.fullmatch(r"[5-9]\.\d% of space free", found.text)
            ballast.write_bytes(b"x" * (1024 * 1024 * 97 // 100))
            found = check("-s", hooks.spool)
            assert found.code == CRITICAL and "of space free" in found.text
            ballast.unlink()
            for number in range(200):
                try:
                    (disk / f"n{number}").touch()
                except OSError:
                    break
            found = check("-s", hooks.spool)
            assert (found.code, found.text) == (CRITICAL, "0.0% of inodes free")
            assert check("-s", hooks.spool, "-c", "inodes=", "-w", "inodes=").code == OK


# Options
# ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("args, told", [
    (["--no-such-option"], "unknown option '--no-such-option'"),
    (["-x"], "unknown option '-x'"),
    (["-w"], "option '-w' needs"),
    (["-w", "10"], "'10' is no metric; these are: pending, age, dead"),
    (["-c", "pending=x|y"], "pending: 'x/y' is no range"),
    (["-c", "age=1h:1m"], "age: '1h:1m' is no range"),
    (["-t", "x"], "--timeout: 'x' is not a number"),
    (["-t", "0"], "--timeout: 1 to 3600 seconds"),
    (["-t", "-5"], "--timeout: '-5' is not a number"),
    (["-s", "relative"], "--spool: not an absolute path"),
    (["operand"], "this takes options only"),
])
def test_wrong_options(args, told):
    found = check(*args)
    assert found.code == UNKNOWN and told in found.text, found.output


def test_help_and_version():
    """Status 3, as the guidelines have it, and every metric named with its default."""
    done = programs.run(programs.CHECK, "-h")
    assert done.returncode == UNKNOWN and done.stdout == programs.run(
        programs.CHECK, "--help").stdout
    page = (programs.SOURCE / "docs" / "check_hookspool.8").read_text(encoding="utf-8")
    table = re.findall(r"^  (\w+) +(\S+) +(\S+) +\S", done.stdout, re.M)
    assert len(table) == 11
    for metric, *defaults in table:
        row = re.search(rf"^\.It Li {metric} Ta (.*?) ?Ta (.*?) ?Ta ", page, re.M)
        assert row, metric
        assert [d if d != "-" else "" for d in defaults] == [d.replace("Ta", "").strip()
                                                             for d in row.groups()], metric
    version = programs.run(programs.CHECK, "-V")
    assert version.returncode == UNKNOWN and version.stdout.startswith("check_hookspool (")


def test_configuration(hooks):
    """The spool of the configuration, by option and by environment; a broken one is
    forgiven where the spool is known, and told with -vvv."""
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    found = check("-vvv", env={"HOOKSPOOL_CONFIG": str(hooks.config)})
    assert f"spool: {hooks.spool}" in found.more
    found = check("-vvv", "--config", hooks.config)
    assert f"spool: {hooks.spool}" in found.more
    missing = hooks.folder / "none.conf"  # whatever is well elsewhere is not what was asked
    for found in (check("--config", missing),
                  check(env={"HOOKSPOOL_CONFIG": str(missing)})):
        assert found.code == UNKNOWN, found
        assert found.text == f"open {missing}: No such file or directory", found.text

# SPDX-License-Identifier: MIT
"""`hookspool status`: the table, on a terminal and in a pipe, JSON, --watch, and metrics
for Prometheus, with a daemon, with one that hangs, and without."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

import programs
from fakedaemon import Ago, FakeDaemon, stamp, status
from spool import wait_for
from test_users import DAEMON, GROUP, NAGIOS, STRANGER, become_daemon

HEAD = ["ENDPOINT", "STATE", "PENDING", "OLDEST", "SENT", "FAILED", "DEAD", "RATE",
        "NEXT", "LAST ERROR"]


@pytest.fixture
def spool(hooks):
    """A spool without a daemon."""
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    return hooks.spool


class Table:
    """What is shown to a person, taken apart."""

    def __init__(self, done):
        self.code, self.output = done.returncode, done.stdout
        assert done.stderr == "" and "\x1b" not in self.output, done
        self.verdict, self.daemon, *rest = self.output.splitlines()
        self.facts = next(line for line in rest if line.startswith("incoming "))
        head = [i for i, line in enumerate(rest) if line.startswith("ENDPOINT")]
        self.rows, self.hints = {}, []
        if not head:
            return
        assert re.split(r"  +", rest[head[0]]) == HEAD
        end = rest.index("", head[0]) if "" in rest[head[0]:] else len(rest)
        for line in rest[head[0] + 1:end]:
            cells = re.split(r"  +", line, maxsplit=len(HEAD) - 1)
            assert len(cells) == len(HEAD), line
            self.rows[cells[0]] = dict(zip(HEAD, cells))
        self.hints = rest[end + 1:]


def table(hooks, *args, **options):
    return Table(hooks.control("status", *args, **options))


def test_table(hooks, spool):
    shown = status({
        "main": {"pending": 3, "oldest_at": Ago(185.9), "next_attempt_at": Ago(-30),
                 "last_error": "HTTP 500: no \u00fc", "rate_limit": 1000},
        "a-rather-long-endpoint-name": {"rate_limit": 0, "sent": 123456789}}, corrupt=2)
    with FakeDaemon(spool, shown):
        seen = table(hooks)
    assert seen.code == 0 and seen.verdict == "Alerts are flowing"
    assert seen.daemon == (f"hookspoold 0.1.0 is running for 2h07m, pid 4242; "
                           f"spool {spool}")
    assert re.fullmatch(r"incoming 0, corrupt 2, space ok \(\d+% free\)", seen.facts)
    row = seen.rows["main"]
    assert re.fullmatch(r"3m0[5-9]s", row.pop("OLDEST"))
    assert re.fullmatch(r"2\ds|30s", row.pop("NEXT"))
    assert row == {"ENDPOINT": "main", "STATE": "ok", "PENDING": "3", "SENT": "17",
                   "FAILED": "3", "DEAD": "0", "RATE": "4/1000/min",
                   "LAST ERROR": "HTTP 500: no \u00fc"}
    assert seen.rows["a-rather-long-endpoint-name"] == {
        "ENDPOINT": "a-rather-long-endpoint-name", "STATE": "ok", "PENDING": "0",
        "OLDEST": "-", "SENT": "123456789", "FAILED": "3", "DEAD": "0", "RATE": "-",
        "NEXT": "-", "LAST ERROR": "-"}
    assert seen.hints == []


VERDICTS = {
    "well": (status(), "Alerts are flowing"),
    "one of two": (status({"a": {}, "b": {"state": "backoff"}}),
                   "Alerts are flowing in part: 1 of 2 endpoints ok"),
    "an orphan beside": (status({"a": {}, "b": {"state": "orphaned", "pending": 1}}),
                         "Alerts are flowing"),
    "none of two": (status({"a": {"state": "gone"}, "b": {"state": "paused"}}),
                    "NO ALERT GETS THROUGH: no endpoint is ok"),
    "none at all": (status({}), "NO ALERT IS SENT: no endpoint is configured"),
    "orphans alone": (status({"b": {"state": "orphaned", "pending": 1}}),
                      "NO ALERT IS SENT: no endpoint is configured"),
    "no space": (status(space="short"), "ALERTS ARE HELD UP: short of space"),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_verdict(hooks, spool, case):
    shown, verdict = VERDICTS[case]
    with FakeDaemon(spool, shown):
        seen = table(hooks)
    assert (seen.code, seen.verdict) == (0, verdict)


def test_incoming_is_counted_on_disk(hooks, spool):
    made = int((time.time() - 300) * 1000)
    name = f"{made:012x}"[:8] + "-" + f"{made:012x}"[8:] + "-7000-8000-000000000001.evt"
    (spool / "incoming" / name).touch()
    (spool / "incoming" / "else").touch()
    with FakeDaemon(spool, status(incoming=77)):
        seen = table(hooks)
    assert seen.facts.startswith("incoming 1 (oldest 5m")
    assert seen.verdict == "SOME ALERTS ARE NOT TAKEN IN: see the log"
    seen = table(hooks)
    assert seen.code == 1 and seen.facts.startswith("incoming 1 (oldest 5m")


def test_hints(hooks, spool):
    """One for each endpoint that needs a person, with the command to type."""
    shown = status({
        "well": {}, "probed": {"state": "backoff"}, "wrong": {"state": "misconfigured"},
        "left": {"state": "gone"}, "held": {"state": "paused"},
        "old": {"state": "orphaned", "pending": 2, "dead": 3}, "ill": {"dead": 1}})
    command = f"hookspool -c {hooks.config}"
    with FakeDaemon(spool, shown):
        seen = table(hooks)
    assert seen.hints == [
        f"wrong is set up wrongly; see what is wrong by: {command} test wrong",
        f"left answered 410; when it is to get events again: {command} resume left",
        f"held was paused by hand; to go on: {command} resume held",
        f"old is not in the configuration; for its events: {command} move old OTHER, or "
        f"{command} drop --dead --waiting -e old",
        f"ill has 1 dead letter: {command} list --dead -e ill, then {command} retry "
        "--dead -e ill"]


def test_without_a_daemon(hooks, spool):
    seen = table(hooks)
    assert seen.code == 1
    assert seen.verdict == "NO ALERT IS SENT: hookspoold is NOT RUNNING"
    assert seen.daemon == f"hookspoold has written no status here yet; spool {spool}"
    (spool / "status.json").write_text(json.dumps(status(
        {"main": {"next_attempt_at": stamp(100)}}, updated_at=stamp(-90))),
        encoding="ascii")
    seen = table(hooks)
    assert seen.code == 1 and seen.rows["main"]["NEXT"] == "-"
    assert re.match(r"hookspoold was last seen, status of [1-9]m\d\ds ago; spool ", seen.daemon)


def test_hung_daemon(main):
    """The status that it wrote last, with a word, in a few seconds."""
    main.daemon.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        seen = table(main)
        assert time.monotonic() - began < 8
        assert seen.verdict == "hookspoold is running but DOES NOT ANSWER"
        assert "does not answer within 3.0 s" in seen.output and seen.code == 1
        assert "main" in seen.rows
        as_json = main.control("status", "--json")
        assert "does not answer" in as_json.stderr and as_json.returncode == 1
        assert json.loads(as_json.stdout)["endpoints"]["main"]["state"] == "ok"
    finally:
        main.daemon.signal(signal.SIGCONT)
    assert table(main).code == 0


def test_nobody_listens(hooks, spool):
    (spool / "status.json").write_text(json.dumps(status()), encoding="ascii")
    with FakeDaemon(spool, answers=False):
        seen = table(hooks)
    assert seen.code == 1 and "connect to" in seen.output


def test_json(main):
    done = main.control("status", "--json")
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    shown = json.loads(done.stdout)
    assert set(shown) == set(main.status()) and "main" in shown["endpoints"]
    main.daemon.stop()
    done = main.control("status", "--json")
    assert done.returncode == 1 and json.loads(done.stdout) == main.status()
    (main.spool / "status.json").unlink()
    done = main.control("status", "--json")
    assert done.returncode == 2 and done.stdout == "" and "no status" in done.stderr


@pytest.mark.parametrize("text, told", [
    ('{"version":2,"endpoints":{}}', "version 2"), ("{", "damaged"), ("", "damaged"),
    ('{"version":1}', "damaged")])
@pytest.mark.parametrize("form", ["--json", "--prometheus", None])
def test_what_cannot_be_read_is_refused(hooks, spool, text, told, form):
    (spool / "status.json").write_text(text, encoding="ascii")
    done = hooks.control("status", *([form] if form else []))
    assert done.returncode == 2 and done.stdout == "" and told in done.stderr, done
    assert len(done.stderr.splitlines()) == 1


def test_no_spool(hooks):
    hooks.write()
    done = hooks.control("status")
    assert done.returncode == 2 and "hookspool init" in done.stderr


@pytest.mark.root("runs programs as other users")
def test_rights(hooks, receiver):
    hooks.endpoint(receiver=receiver)
    hooks.init("--user", str(DAEMON), "--group", str(GROUP))
    os.chown(hooks.secret, DAEMON, GROUP)
    hooks.start(preexec=become_daemon)
    assert table(hooks, **NAGIOS).code == 0
    refused = hooks.control("status", **STRANGER)
    assert refused.returncode == 2 and "Permission denied" in refused.stderr
    hooks.daemon.stop()
    assert table(hooks, **NAGIOS).code == 1
    assert hooks.control("status", **STRANGER).returncode == 2


@pytest.mark.parametrize("args, told", [
    (["--json", "--prometheus"], "choose one"),
    (["--every", "1s"], "--watch"),
    (["--watch", "--every", "1ms"], "at least 100ms"),
    (["--watch", "--every", "5"], "is not a number and"),
    (["--watch", "--prometheus"], "needs --output"),
    (["main"], "operands"),
])
def test_wrong_options(hooks, spool, args, told):
    assert spool
    done = hooks.control("status", *args)
    assert done.returncode == 64 and told in done.stderr, done


def test_full_disk_is_told(hooks, spool):
    with FakeDaemon(spool, status()), open("/dev/full", "wb") as full:
        done = subprocess.run(
            [programs.CONTROL, "-c", hooks.config, "status", "--prometheus"], stdout=full,
            stderr=subprocess.PIPE, env=programs.environment(), check=False, timeout=30)
    assert done.returncode == 2 and b"No space left" in done.stderr


# On a terminal
# ---------------------------------------------------------------------------------------


class Terminal:
    """`hookspool status` on a pseudo terminal of some size."""

    def __init__(self, hooks, *args, rows=24, columns=80, env=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.seen = b""
        self.process = subprocess.Popen(
            [programs.CONTROL, "-c", hooks.config, "status", *args], stdin=slave,
            stdout=slave, stderr=slave, start_new_session=True,
            env=programs.environment({"TERM": "xterm", **(env or {})}))
        os.close(slave)

    def read(self):
        """What has come meanwhile."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            self.seen += data
        return self.seen.decode()

    def whole(self):
        wait_for("the end", lambda: self.read() is not None
                 and self.process.poll() is not None)
        return self.read().replace("\r\n", "\n")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def terminal():
    opened = []

    def make(*args, **options):
        opened.append(Terminal(*args, **options))
        return opened[-1]
    yield make
    for one in opened:
        one.close()


LONG = "Failed: \u00fc\u00e9 " + "long " * 60


def test_terminal(hooks, spool, terminal):
    """Coloured states; the last error is cut, by characters, to what is left."""
    shown = status({"main": {"state": "misconfigured", "last_error": LONG}, "b": {}})
    with FakeDaemon(spool, shown):
        wide = terminal(hooks, columns=120).whole()
        plain = terminal(hooks, columns=100, env={"NO_COLOR": "1"}).whole()
        dumb = terminal(hooks, env={"TERM": "dumb"}).whole()
        empty = terminal(hooks, env={"NO_COLOR": ""}).whole()
        narrow = terminal(hooks, columns=40, env={"NO_COLOR": "1"}).whole()
        piped = hooks.control("status").stdout
    assert "\x1b[1;31mmisconfigured\x1b[0m" in wide and "\x1b[32mok\x1b[0m" in wide
    assert "\x1b" not in plain + dumb + piped and "\x1b" in empty
    for text, columns in ((re.sub(r"\x1b\[[\d;]*m", "", wide), 120), (plain, 100)):
        (row,) = [line for line in text.splitlines() if line.startswith("main  ")]
        assert len(row) == columns and row.endswith("…") and "\u00fc\u00e9" in row
        head = [line for line in text.splitlines() if line.startswith("ENDPOINT")][0]
        assert row.index("Failed") == head.index("LAST ERROR")
    assert LONG in piped and "Failed" not in narrow


def test_watch_on_a_terminal(hooks, spool, terminal):
    """Redrawn in place, within the rows that there are; ends at SIGINT with 0."""
    many = {f"e{n:02d}": {} for n in range(40)}
    with FakeDaemon(spool, status(many)) as daemon:
        watching = terminal(hooks, "--watch", "--every", "100ms", rows=12)
        wait_for("three drawings", lambda: watching.read().count("\x1b[H") >= 3)
        first, *drawings = watching.read().split("\x1b[H")
        assert first == "\x1b[2J"
        for text in drawings[:-1]:
            assert text.endswith("\x1b[J") and "e00" in text and "e39" not in text
            lines = text.removesuffix("\x1b[J").split("\r\n")
            assert len(lines) == 12 and lines[-1] == ""
            assert all(line.endswith("\x1b[K") for line in lines[:-1])
        daemon.shown = status({"changed": {}})
        wait_for("the change", lambda: "changed" in watching.read())
        os.killpg(watching.process.pid, signal.SIGINT)
        assert watching.process.wait(20) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_watch_in_a_pipe(hooks, spool, number):
    """Plain text, one after the other; JSON: one object a line."""
    with FakeDaemon(spool, status()):
        for args in ([], ["--json"]):
            with subprocess.Popen(
                    [programs.CONTROL, "-c", hooks.config, "status", "-w", "--every",
                     "100ms", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    env=programs.environment()) as process:
                lines = [process.stdout.readline() for _ in range(20 if not args else 3)]
                process.send_signal(number)
                rest, errors = process.communicate(timeout=20)
                assert process.returncode == 0 and errors == b""
            text = b"".join(lines) + rest
            assert b"\x1b" not in text
            if args:
                assert len([json.loads(line) for line in text.splitlines()]) >= 3
            else:
                assert text.count(b"\nAlerts are flowing\n") >= 2


def test_watch_ends_with_its_reader(hooks, spool):
    with FakeDaemon(spool, status()), subprocess.Popen(
            [programs.CONTROL, "-c", hooks.config, "status", "--watch", "--every",
             "100ms"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=programs.environment()) as process:
        assert process.stdout.readline() == b"Alerts are flowing\n"
        process.stdout.close()
        process.wait(20)
        assert process.stderr.read() == b""


def test_watch_sees_the_daemon_go(main, terminal):
    watching = terminal(main, "--watch", "--every", "100ms", columns=100)
    wait_for("flowing", lambda: "Alerts are flowing" in watching.read())
    main.daemon.kill()
    wait_for("not running", lambda: "NOT RUNNING" in watching.read())
    main.start()
    wait_for("flowing again", lambda: watching.read().rindex("flowing")
             > watching.read().rindex("NOT RUNNING"))


# Prometheus
# ---------------------------------------------------------------------------------------

VALUE = r"-?\d+(?:\.\d+)?"
LABELS = r'\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\}'


def exposition(text):
    """Every line by the text format's grammar: {name: {labels: value}}."""
    families, current, seen = {}, None, set()
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            match = re.fullmatch(r"# HELP (hookspool_[a-z_]+) (\S.*\.)", line)
            assert match and match[1] not in families, line
            current, kind = match[1], None
            families[current] = {}
        elif line.startswith("# TYPE "):
            match = re.fullmatch(r"# TYPE (\S+) (gauge|counter)", line)
            assert match and match[1] == current and not families[current], line
            kind = match[2]
            assert current.endswith("_total") == (kind == "counter"), line
        else:
            match = re.fullmatch(rf"(hookspool_[a-z_]+)({LABELS})? ({VALUE})", line)
            assert match and match[1] == current and kind, line
            assert (match[1], match[2]) not in seen, line
            seen.add((match[1], match[2]))
            families[current][match[2] or ""] = float(match[3])
    return families


def metrics(hooks, *args):
    done = hooks.control("status", "--prometheus", *args)
    assert done.returncode == 0, done
    return exposition(done.stdout)


def test_prometheus(hooks, spool):
    success = time.time() - 3600
    shown = status({
        "main": {"state": "backoff", "pending": 3, "oldest_at": Ago(185.5), "dead": 2,
                 "last_success_at": Ago(3600), "next_attempt_at": Ago(-30)},
        "b.c-d_e": {"rate_limit": 0}}, corrupt=2, daemon='q"b\\s')
    with FakeDaemon(spool, shown):
        seen = metrics(hooks)
    assert seen["hookspool_up"] == {"": 1} and seen["hookspool_incoming"] == {"": 0}
    (build,) = seen["hookspool_build_info"].items()
    assert re.fullmatch(r'\{version="[\d.]+",daemon="q\\"b\\\\s"\}', build[0])
    assert seen["hookspool_space_short"] == {"": 0}
    assert seen["hookspool_corrupt"] == {"": 2}
    assert 0 < seen["hookspool_space_free_ratio"][""] < 1
    main, other = '{endpoint="main"}', '{endpoint="b.c-d_e"}'
    for name, value in (("pending", 3), ("pending_limit", 1000), ("dead", 2),
                        ("sent_total", 17), ("failed_total", 3), ("rate_used", 4),
                        ("rate_limit", 100), ("rate_window_seconds", 60)):
        assert seen[f"hookspool_{name}"][main] == value, name
    assert 185 < seen["hookspool_oldest_seconds"][main] < 200
    assert seen["hookspool_oldest_seconds"][other] == 0
    assert seen["hookspool_rate_limit"][other] == 0
    assert list(seen["hookspool_last_success_timestamp_seconds"]) == [main]
    assert abs(seen["hookspool_last_success_timestamp_seconds"][main] - success) < 30
    states = seen["hookspool_state"]
    assert len(states) == 12 and sum(states.values()) == 2
    assert states['{endpoint="main",state="backoff"}'] == 1
    assert states['{endpoint="b.c-d_e",state="ok"}'] == 1


def test_prometheus_without_a_daemon(hooks, spool):
    """hookspool_up says it: the exit status is that of having written it all."""
    seen = metrics(hooks)
    assert seen["hookspool_up"] == {"": 0} and seen["hookspool_incoming"] == {"": 0}
    assert "hookspool_pending" not in seen and "hookspool_corrupt" not in seen
    (spool / "status.json").write_text(json.dumps(status({})), encoding="ascii")
    seen = metrics(hooks)
    assert seen["hookspool_up"] == {"": 0} and "hookspool_state" not in seen
    (spool / "status.json").write_text(json.dumps(status()), encoding="ascii")
    assert metrics(hooks)["hookspool_pending"] == {'{endpoint="main"}': 0}


def test_output(hooks, spool):
    """Replaced as a whole, readable for the exporter, and nothing left beside."""
    folder = hooks.folder / "textfile"
    folder.mkdir()
    target = folder / "hookspool.prom"
    with FakeDaemon(spool, status()):
        old = os.umask(0o077)
        try:
            done = hooks.control("status", "--prometheus", "--output", target)
        finally:
            os.umask(old)
        assert done.returncode == 0 and done.stdout == "", done
        assert target.stat().st_mode & 0o777 == 0o644
        first = target.stat().st_ino
        assert exposition(target.read_text(encoding="utf-8"))["hookspool_up"] == {"": 1}
        done = hooks.control("status", "--json", "-o", "here.json", cwd=folder)
        assert done.returncode == 0, done
        assert json.loads((folder / "here.json").read_text(encoding="utf-8"))
    done = hooks.control("status", "--prometheus", "-o", target)
    assert done.returncode == 0 and target.stat().st_ino != first
    assert exposition(target.read_text(encoding="utf-8"))["hookspool_up"] == {"": 0}
    assert sorted(p.name for p in folder.iterdir()) == ["here.json", "hookspool.prom"]
    done = hooks.control("status", "-o", folder / "none" / "x")
    assert done.returncode == 2 and str(folder / "none") in done.stderr
    done = hooks.control("status", "-o", folder)
    assert done.returncode == 2 and done.stdout == ""


def test_output_is_watched(hooks, spool):
    target = hooks.folder / "hookspool.prom"
    with FakeDaemon(spool, status()), subprocess.Popen(
            [programs.CONTROL, "-c", hooks.config, "status", "--prometheus", "-w",
             "--every", "100ms", "-o", target], env=programs.environment()) as process:
        wait_for("the file", target.exists)
        first = target.stat().st_ino
        wait_for("another", lambda: target.stat().st_ino != first)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    exposition(target.read_text(encoding="utf-8"))

# SPDX-License-Identifier: MIT
"""hookspool log: what it shows of a journal, and that following one loses no line and
repeats none, whatever is done to the file."""

import datetime
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest

import programs
from spool import wait_for

DAEMON, GROUP = 2001, 2000
MEMBER = {"user": 1001, "group": 1001, "extra_groups": [GROUP]}


def at(seconds_ago):
    when = datetime.datetime.now(datetime.timezone.utc)
    when -= datetime.timedelta(seconds=seconds_ago)
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def line(what, number, seconds_ago=10, **keys):
    order = ("endpoint", "id", "monitor", "kind", "attempt", "status", "took_ms",
             "next_at", "reason")
    keys.setdefault("id", f"018d0c7c-8b00-7000-8000-{number:012x}")
    return json.dumps({"at": at(seconds_ago), "what": what,
                       **{k: keys[k] for k in order if k in keys}},
                      separators=(",", ":"), ensure_ascii=False) + "\n"


ENTRIES = [
    line("failed", 0, 7200, endpoint="a", monitor="m1", kind="incident", status=500),
    line("delivered", 1, 7000, endpoint="a", monitor="m1", kind="incident", status=200),
    line("filtered", 2, 6000, monitor="m2", kind="custom"),
    line("folded", 3, 5000, kind="incident"),
    line("dead", 4, 600, endpoint="b", monitor="m2", kind="recovery", status=422),
    line("retried", 4, 500, endpoint="b", reason="dead letter, by uid 0"),
    line("delivered", 4, 400, endpoint="b", monitor="m2", kind="recovery", status=200),
    line("delivered", 5, 60, endpoint="b-2", monitor="m é/\"3\"", kind="test"),
]


def fill(hooks, newest, older=None):
    """A journal of these lines, and no daemon."""
    hooks.init()
    hooks.journal_path.write_text("".join(newest), encoding="utf-8")
    if older is not None:
        hooks.journal_path.with_name("delivery.jsonl.1").write_text(
            "".join(older), encoding="utf-8")


@pytest.fixture
def filled(hooks):
    fill(hooks, ENTRIES[3:], ENTRIES[:3])
    return hooks


FILTERS = [
    ((), range(8)),
    (("-n", "3"), (5, 6, 7)),
    (("-n", "6"), range(2, 8)),
    (("-n", "100"), range(8)),
    (("-n", "0"), ()),
    (("--what", "dead"), (4,)),
    (("--what", "dead", "--what", "failed"), (0, 4)),
    (("--what", "gone"), ()),
    (("--problems",), (0, 4, 5)),
    (("-p", "-n", "2"), (4, 5)),
    (("-e", "a"), (0, 1)),
    (("-e", "b"), (4, 5, 6)),
    (("-e", "a", "--endpoint", "b-2"), (0, 1, 7)),
    (("-e", "b", "--what", "delivered"), (6,)),
    (("--kind", "custom", "--kind", "test"), (2, 7)),
    (("--monitor", "m2"), (2, 4, 6)),
    (("--monitor", "m é/\"3\""), (7,)),
    (("--id", "018d0c7c-8b00-7000-8000-000000000004"), (4, 5, 6)),
    (("--id", "018d0c7c-8b00-7000-8000-000000000004", "-n", "1"), (6,)),
    (("--id", "018d0c7c-8b00-7000-8000-00000000000"), ()),
    (("--since", "30m"), (4, 5, 6, 7)),
    (("--until", "30m"), range(4)),
    (("--since", at(6500)), range(2, 8)),
    (("--since", "110m", "--until", "8m"), range(2, 6)),
    (("--since", "30s"), ()),
]


@pytest.mark.parametrize("options,expected", FILTERS,
                         ids=[" ".join(o) or "all" for o, _ in FILTERS])
def test_filters(filled, options, expected):
    done = filled.control("log", "--json", *options)
    assert done.stdout == "".join(ENTRIES[i] for i in expected), done
    assert done.returncode == (0 if expected else 1) and done.stderr == ""
    shown = filled.control("log", *options)
    assert len(shown.stdout.splitlines()) == len(list(expected)), shown


def test_since_in_another_zone(filled):
    local = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=5)))
    local -= datetime.timedelta(minutes=30)
    done = filled.control("log", "--json", "--since", local.isoformat())
    assert done.stdout == "".join(ENTRIES[4:]), done


MISUSES = [
    (("--what", "lost"), "'lost'", "delivered, failed, busy"),
    (("-e", "a b"), "'a b'", "endpoint"),
    (("--kind", "incidents"), "'incidents'", "incident, recovery"),
    (("--since", "yesterday"), "'yesterday'", "2024-01-15T10:30:15Z", "2h"),
    (("--until", "2024-01-15"), "'2024-01-15'", "2024-01-15T10:30:15Z"),
    (("--since", "1h", "--until", "2h"), "--since", "--until"),
    (("-f", "--until", "1h"), "--follow", "--until"),
    (("-n", "many"), "'many'",),
    (("-n", "-1"), "'-1'",),
    (("operand",), "operands",),
]


@pytest.mark.parametrize("options,words", [(o, w) for o, *w in MISUSES])
def test_misuse(filled, options, words):
    done = filled.control("log", *options)
    assert done.returncode == 64 and done.stdout == "", done
    for word in words:
        assert word in done.stderr, done


def test_words_are_those_of_the_documentation(filled):
    listed = filled.control("log", "--what", "?").stderr.split(" none of ")[1]
    page = (programs.SOURCE / "docs" / "journal.md").read_text(encoding="utf-8")
    table = page.split("| what | meaning |")[1].split("\n\n")[0]
    assert set(listed.strip().split(", ")) == set(re.findall(r"^\| `(\w+)`", table, re.M))


def test_for_a_person(hooks):
    fill(hooks, [line("failed", 1, endpoint="a", monitor="mon_abc", kind="incident",
                      attempt=2, status=500, took_ms=38, reason="a\x1b[2Jb\u009b",
                      next_at=at(-80))])
    done = hooks.control("log")
    cells = done.stdout.split()
    assert cells[0].endswith("Z") and cells[1:8] == [
        "failed", "a", "incident", "mon_abc", "#2", "500", "38ms"], done
    assert r"a\u001b[2Jb\u009b; again in 1m30s" in done.stdout
    assert cells[-1] == "018d0c7c-8b00-7000-8000-000000000001"
    assert "\x1b" not in done.stdout


def on_terminal(hooks, *options, **env):
    """What a terminal gets."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
            [programs.CONTROL, "-c", hooks.config, "log", *options],
            stdin=subprocess.DEVNULL, stdout=follower, stderr=subprocess.PIPE,
            env=programs.environment({"TERM": "xterm", **env})) as process:
        os.close(follower)
        text = b""
        while True:
            try:
                piece = os.read(leader, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
    os.close(leader)
    return text.decode()


def test_colours_only_on_a_terminal(hooks):
    fill(hooks, ENTRIES)
    shown = on_terminal(hooks)
    assert "\x1b[1;31mdead\x1b[0m" in shown and "\x1b[33mfailed\x1b[0m" in shown
    assert shown.count("\x1b") == 4
    assert "\x1b" not in on_terminal(hooks, NO_COLOR="1")
    assert "\x1b" not in on_terminal(hooks, TERM="dumb")
    assert "\x1b" not in on_terminal(hooks, "--json")
    assert "\x1b" not in hooks.control("log", env={"TERM": "xterm"}).stdout


def test_garbage_is_skipped_and_counted(hooks):
    hooks.init()
    parts = [ENTRIES[0], '{"at":"2024-01-15T10:30:15.123Z","what":"deli\n',
             ENTRIES[1], "\0" * 9000 + ENTRIES[2], "\n", "\0" * 100 + "\n", "[1]\n",
             "x" * 3_000_000 + "\n", ENTRIES[3], '{"at":"2024-']
    hooks.journal_path.write_text("".join(parts), encoding="utf-8")
    done = hooks.control("log", "--json")
    assert done.stdout == "".join(ENTRIES[:4]), done.stdout[-500:]
    assert done.returncode == 0 and "5 lines skipped: no JSON" in done.stderr, done
    assert hooks.control("log", "--json", "-n", "2").stdout == "".join(ENTRIES[2:4])


# Where it cannot be read


def test_no_journal(hooks):
    hooks.init()
    done = hooks.control("log")
    assert done.returncode == 2 and done.stdout == ""
    assert str(hooks.journal_path) in done.stderr and "hookspoold" in done.stderr


def test_a_link_is_refused(hooks):
    hooks.init()
    hooks.journal_path.symlink_to("/etc/passwd")
    done = hooks.control("log")
    assert done.returncode == 2 and "link" in done.stderr, done


@pytest.mark.root("runs programs as other users")
def test_members_are_refused(hooks, receiver):
    """The folder is for the daemon's user and root; the message says so."""
    hooks.endpoint(receiver=receiver)
    hooks.init("--user", str(DAEMON), "--group", str(GROUP))
    os.chown(hooks.secret, DAEMON, GROUP)
    hooks.journal_path.write_text("".join(ENTRIES), encoding="utf-8")
    os.chown(hooks.journal_path, DAEMON, GROUP)
    for options in ((), ("-f",), ("-n", "1")):
        done = hooks.control("log", *options, **MEMBER)
        assert done.returncode == 2 and done.stdout == "", done
        assert "Permission denied" in done.stderr, done
        assert "root and the user of hookspoold" in done.stderr, done
    own = {"user": DAEMON, "group": GROUP, "extra_groups": []}
    assert len(hooks.control("log", **own).stdout.splitlines()) == len(ENTRIES)


BROKEN = ['endpoint "x" {\n  retries = many\n}\n', 'endpoint "x" {\n', "no_key = 1\n",
          'region = "\n']


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_broken_configuration(filled, mistake):
    """It is said, and the right journal is read all the same."""
    filled.write(filled.text() + mistake)
    done = filled.control("log", "--json")
    assert done.returncode == 0 and done.stdout == "".join(ENTRIES), done
    assert f"{filled.config}:" in done.stderr
    assert f"reading {filled.journal_path}" in done.stderr


def test_a_disk_that_is_full(filled):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([programs.CONTROL, "-c", filled.config, "log"], stdout=full,
                              stderr=subprocess.PIPE, check=False, text=True, timeout=30,
                              env=programs.environment())
    assert done.returncode == 2 and "No space left" in done.stderr, done


# Following


class Follower:
    """A running `hookspool log -f`; what it prints goes to a file."""

    def __init__(self, hooks, *options):
        self.path = hooks.folder / "followed"
        self.complaints = hooks.folder / "complaints"
        with open(self.path, "wb") as out, open(self.complaints, "wb") as complaints:
            self.process = subprocess.Popen(
                [programs.CONTROL, "-c", hooks.config, "log", "-f", *options],
                stdin=subprocess.DEVNULL, stdout=out, stderr=complaints,
                env=programs.environment())

    def text(self):
        return self.path.read_text(encoding="utf-8")

    def wait_lines(self, count):
        wait_for(f"{count} lines", lambda: self.text().count("\n") >= count)
        assert self.text().count("\n") == count, self.text()[-3000:]

    def wait_silent(self, journal):
        """Until it has opened the journal and sleeps, with all shown that there was."""
        def sleeps():
            proc = f"/proc/{self.process.pid}"
            opened = [os.readlink(f"{proc}/fd/{n}") for n in os.listdir(f"{proc}/fd")]
            with open(f"{proc}/status", encoding="ascii") as file:
                return str(journal) in opened and "State:\tS" in file.read()
        wait_for("it sleeps", sleeps)

    def end(self, number=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def follow():
    made = []

    def start(*args):
        made.append(Follower(*args))
        return made[-1]

    yield start
    for one in made:
        one.process.kill()
        one.process.wait()


def append(path, text):
    with open(path, "a", encoding="utf-8") as file:
        file.write(text)


def test_follow_shows_the_last_ten_first(hooks, follow):
    more = [line("delivered", n) for n in range(100, 120)]
    fill(hooks, ENTRIES + more)
    one = follow(hooks, "--json")
    one.wait_lines(10)
    append(hooks.journal_path, ENTRIES[0])
    one.wait_lines(11)
    assert one.text() == "".join(more[10:]) + ENTRIES[0]
    assert one.end() == 0 and one.complaints.read_text() == ""


@pytest.mark.parametrize("options,before,after", [
    (("-n", "0"), (), (0, 1, 4)), (("-n", "1", "-p"), (5,), (0, 4)),
    (("--since", "30m"), (4, 5, 6, 7), (4,)), (("-e", "b"), (4, 5, 6), (4,)),
])
def test_follow_filters(hooks, follow, options, before, after):
    fill(hooks, ENTRIES)
    one = follow(hooks, "--json", *options)
    expected = "".join(ENTRIES[i] for i in before)
    wait_for("what was there", lambda: one.text() == expected)
    one.wait_silent(hooks.journal_path)
    for text in (ENTRIES[0], ENTRIES[1], "{garbage\n", ENTRIES[4]):
        append(hooks.journal_path, text)
    expected += "".join(ENTRIES[i] for i in after)
    wait_for("what came", lambda: one.text() == expected)
    assert one.end(signal.SIGTERM) == 0
    assert "1 line skipped" in one.complaints.read_text()


def test_follow_waits_for_a_journal(hooks, receiver, follow):
    """Its folder, too, may be made later."""
    hooks.endpoint(receiver=receiver).write()
    one = follow(hooks, "--json")
    wait_for("it says so", lambda: "waiting for" in one.complaints.read_text())
    hooks.init()
    hooks.start()
    hooks.generate(3)
    one.wait_lines(3)
    assert one.end() == 0


def test_follow_through_the_daemon_s_rotations(hooks, receiver, follow):
    hooks.top["journal_max"] = "64K"
    hooks.endpoint(receiver=receiver, retries=0).init()
    hooks.start()
    one = follow(hooks, "--json", "--what", "delivered")
    ids, inodes = [], set()
    for number in range(8):
        ids += hooks.generate(130, batch=130, first=1000 * number)
        one.wait_lines(len(ids))
        inodes.add(hooks.journal_path.stat().st_ino)
    assert len(inodes) > 1, "it never rotated"
    shown = [json.loads(text)["id"] for text in one.text().splitlines()]
    assert sorted(shown) == sorted(ids)
    assert one.end() == 0 and one.complaints.read_text() == ""


def by_copy(path):
    shutil.copy(path, f"{path}.new")
    os.rename(f"{path}.new", f"{path}.1")
    os.truncate(path, 0)


def by_create(path):
    os.rename(path, f"{path}.1")
    with open(path, "x", encoding="utf-8"):
        os.chmod(path, 0o640)


def by_nocreate(path):
    os.rename(path, f"{path}.1")


def by_date(path):
    os.rename(path, f"{path}-{time.monotonic_ns()}")


@pytest.mark.parametrize("rotate", [by_copy, by_create, by_nocreate, by_date])
def test_follow_through_logrotate(main, follow, rotate):
    """In each of its ways; the last lines before it are not yet read when it comes."""
    one = follow(main, "--json", "--what", "delivered", "-n", "100")
    ids = []
    for number in range(4):
        ids += main.generate(20, first=1000 * number)
        one.wait_lines(len(ids))
        os.kill(one.process.pid, signal.SIGSTOP)
        ids += main.generate(5, first=1000 * number + 500)
        main.wait_settled()
        rotate(main.journal_path)
        ids += main.generate(5, first=1000 * number + 700)
        main.wait_settled()
        os.kill(one.process.pid, signal.SIGCONT)
        one.wait_lines(len(ids))
    shown = [json.loads(text)["id"] for text in one.text().splitlines()]
    assert sorted(shown) == sorted(ids)
    assert one.end() == 0 and one.complaints.read_text() == ""


# Pipes


def test_head_ends_it(hooks):
    fill(hooks, [line("delivered", n, endpoint="a") for n in range(20000)])
    for options in ((), ("-f", "-n", "20000")):
        with subprocess.Popen([programs.CONTROL, "-c", hooks.config, "log", *options],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=programs.environment()) as process:
            assert process.stdout.readline()
            process.stdout.close()
            assert process.wait(30) == 0 and process.stderr.read() == b""


def test_a_reader_that_goes_ends_the_waiting(filled):
    with subprocess.Popen([programs.CONTROL, "-c", filled.config, "log", "-f"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=programs.environment()) as process:
        for _ in range(8):
            assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0 and process.stderr.read() == b""


# What it costs


def cost(hooks, *options):
    """(processor time, memory in KB) of a run."""
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(
            [programs.CONTROL, "-c", hooks.config, "log", *options],
            stdin=subprocess.DEVNULL, stdout=nothing, env=programs.environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def test_what_a_large_journal_costs(hooks):
    """The last lines do not cost what all of them cost; memory does not grow."""
    lines = "".join(line("delivered", n, endpoint="a", monitor=f"mon_{n % 99:012}",
                         kind="incident", attempt=1, status=200) for n in range(2000))
    fill(hooks, [lines] * 80, [lines] * 20)
    all_time, all_memory = cost(hooks, "--json")
    last_time, _ = cost(hooks, "-n", "10")
    assert last_time < all_time / 4, (last_time, all_time)
    hooks.journal_path.write_text(lines, encoding="utf-8")
    _, memory = cost(hooks, "--json")
    assert all_memory < memory + 4096 or programs.SANITIZED, (all_memory, memory)

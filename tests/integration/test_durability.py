# SPDX-License-Identifier: MIT
"""A power cut by the order of system calls: what strace sees must leave nothing to
chance at the moment of an acknowledgement or a request. And I/O errors put in between,
which no acknowledged event may be lost to either."""

import re

import pytest

import programs
import strace
from checks import check_arrived, check_numbers
from spool import wait_for

# LeakSanitizer does not work under ptrace.
TRACED = {"ASAN_OPTIONS": "detect_leaks=0", "LSAN_OPTIONS": "detect_leaks=0"}


def put_calls(hooks):
    """The system calls of one notification, from its file in tmp/ on."""
    log = hooks.folder / "strace.log"
    done = programs.run(
        *strace.command(log), programs.NOTIFY, "-c", hooks.config, "service",
        "NOTIFICATIONTYPE=PROBLEM", "HOSTNAME=web-01", "SERVICEDESC=API",
        "SERVICESTATE=CRITICAL", env=TRACED)
    assert done.returncode == 0, done
    calls = strace.read(log)
    first = next(i for i, c in enumerate(calls)
                 if "O_CREAT" in c.text and f"{hooks.spool}/tmp" in c.text)
    return calls[first:]


def test_steps_of_a_put(hooks):
    """Create exclusively in tmp/, write, fsync, close, rename into incoming/, fsync
    incoming/: these and no other order."""
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    steps = [c for c in put_calls(hooks) if not c.failed]
    assert "O_EXCL" in steps[0].text
    names = [re.sub("^(rename|write).*", r"\1", c.name) for c in steps
             if str(hooks.spool) in c.text]
    while "write" in names[2:] and names[1:3] == ["write", "write"]:
        del names[2]
    assert names[:5] == ["openat", "write", "fsync", "close", "rename"], steps
    assert names[5] == "fsync"
    rename = next(c for c in steps if c.name.startswith("rename"))
    source, target = rename.paths()
    assert strace.folder_of(source) == f"{hooks.spool}/tmp"
    assert strace.folder_of(target) == f"{hooks.spool}/incoming"
    last = [c for c in steps if c.name == "fsync"][-1]
    assert last.descriptors() == [f"{hooks.spool}/incoming"]


def test_nothing_is_pending_after_a_put(hooks):
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    disk = strace.Disk(hooks.spool)
    for call in put_calls(hooks):
        disk.apply(call)
    assert disk.pending("incoming") == []


def traced_daemon(hooks, steps):
    """Run the daemon under strace, do `steps`, stop it; its system calls."""
    log = hooks.folder / "strace.log"
    hooks.start(wrap=strace.command(log), env=TRACED)
    steps()
    hooks.wait_settled(timeout=60)
    hooks.daemon.stop_child()
    return strace.read(log)


@pytest.mark.parametrize("already_there", [False, True])
def test_nothing_is_pending_when_a_request_starts(hooks, receiver, already_there):
    """For each POST: the event's own copies and the removal of its incoming file are
    durable, so is the removal of the event before it. One monitor, so that nothing else
    is under way at that moment."""
    receiver.answer(status=500, times=1)
    receiver.answer(status=422, times=2)
    hooks.endpoint(receiver=receiver, retries=2, rate_limit="100/s").init()

    def steps():
        if not already_there:
            for first in range(6):
                hooks.generate(1, monitors=1, first=first)
                hooks.wait_settled(timeout=60)

    if already_there:
        hooks.generate(6, monitors=1, batch=3)
    calls = traced_daemon(hooks, steps)
    disk, posts = strace.Disk(hooks.folder), []
    for call in calls:
        if strace.is_post(call):
            posts.append(call)
            pending = disk.pending("spool/incoming", "spool/queue", "spool/dead",
                                   "spool/state/rate")
            assert pending == [], f"at request {len(posts)}: {pending}"
        disk.apply(call)
    assert len(posts) == len(receiver.snapshot()) >= 8
    check_numbers(receiver.snapshot())


def test_journal_line_is_durable_before_the_removal(hooks, receiver):
    """A queue file goes only after the line that says why."""
    receiver.answer(status=422, monitor="bad-0")
    hooks.endpoint(receiver=receiver, retries=0).init()
    hooks.generate(6, monitors=3)
    hooks.generate(1, monitors=1, prefix="bad")
    calls = traced_daemon(hooks, lambda: None)
    disk, removals = strace.Disk(hooks.folder), 0
    for call in calls:
        gone = call.name.startswith("unlink") and not call.failed and [
            p for p in call.paths() if p.startswith(f"{hooks.spool}/queue/main/")]
        if gone:
            removals += 1
            assert str(hooks.journal_path) not in disk.files, call
            assert disk.pending("spool/dead") == [], call
        disk.apply(call)
    written = [c for c in calls if c.name == "write" and str(hooks.journal_path) in c.text]
    assert removals == 7 and written


FAULTS = [
    # The step of a put, which call of it fails and how, the exit status, what is left.
    ("create", "openat:error=EACCES:when={create}", 73, 0),
    ("create", "openat:error=ENOSPC:when={create}", 75, 0),
    ("create", "openat:error=EROFS:when={create}", (73, 74), 0),
    ("write", "write:error=ENOSPC:when=1", 75, 0),
    ("write", "write:error=EIO:when=1", 74, 0),
    ("write", "write:error=EDQUOT:when=1", 75, 0),
    ("sync", "fsync:error=EIO:when=1", 74, 0),
    ("sync", "fsync:error=ENOSPC:when=1", 75, 0),
    ("rename", "/^rename:error=EIO:when=1", 74, 0),
    ("rename", "/^rename:error=ENOSPC:when=1", 75, 0),
    # After the rename the event may be sent: it says so by not being acknowledged.
    ("sync", "fsync:error=EIO:when=2", 74, 1),
]


@pytest.mark.parametrize("step, fault, status, left", FAULTS,
                         ids=[f[1].split(":when")[0] + f[1][-2:] for f in FAULTS])
def test_io_error_in_a_put(hooks, step, fault, status, left):
    """A message with step and path, a non-zero exit, nothing half-written."""
    hooks.endpoint(url="http://127.0.0.1:9/").init()
    create = 0
    if "{create}" in fault:
        hooks.service()
        create = create_number(hooks)
    before = hooks.files("incoming")
    done = programs.run(
        "strace", "-f", "-o", "/dev/null", "-e", "inject=" + fault.format(create=create),
        programs.NOTIFY, "-c", hooks.config, "service", "NOTIFICATIONTYPE=PROBLEM",
        "HOSTNAME=web-01", "SERVICEDESC=API", "SERVICESTATE=CRITICAL", env=TRACED)
    expected = status if isinstance(status, tuple) else (status,)
    assert done.returncode in expected, done
    assert len(done.stderr.splitlines()) == 1
    assert step in done.stderr or step == "create" and "open" in done.stderr, done.stderr
    assert str(hooks.spool) in done.stderr, done.stderr
    assert len(hooks.files("incoming")) - len(before) == left
    assert hooks.files("tmp") == []


def create_number(hooks):
    """Which openat of the program creates its file."""
    log = hooks.folder / "count.log"
    programs.run("strace", "-f", "-y", "-o", log, "-e", "trace=openat", programs.NOTIFY,
                 "-c", hooks.config, "service", "NOTIFICATIONTYPE=PROBLEM",
                 "HOSTNAME=web-01", "SERVICEDESC=API", "SERVICESTATE=CRITICAL",
                 env=TRACED)
    opens = [c for c in strace.read(log) if c.name == "openat"]
    return next(i for i, c in enumerate(opens, 1) if "O_CREAT" in c.text
                and f"{hooks.spool}/tmp" in c.text)


DAEMON_FAULTS = ["fsync:error=EIO", "fdatasync:error=EIO", "/^rename:error=EIO",
                 "/^unlink:error=EIO", "pwrite64:error=ENOSPC", "/^mkdir:error=EIO",
                 "fsync:error=ENOSPC", "/^rename:error=ENOSPC", "/^link:error=EIO",
                 "fallocate:error=ENOSPC", "ftruncate:error=EIO"]


@pytest.mark.parametrize("fault", DAEMON_FAULTS)
def test_io_errors_in_the_daemon(hooks, receiver, fault):
    """Every third call of one kind fails while it runs: it neither ends nor forgets, and
    once the disk is well again all that was acknowledged arrives."""
    receiver.answer(status=500, times=3)
    receiver.answer(status=422, monitor="host-3", times=2)
    hooks.endpoint(receiver=receiver, rate_limit="500/s").init()
    hooks.start()
    ids = hooks.generate(10, monitors=5)
    hooks.wait_settled()
    hooks.daemon.stop()
    kind = fault.split(":")[0]
    hooks.start(wrap=["strace", "-f", "-o", hooks.folder / "strace.log", "-e",
                      f"trace={kind}", "-e", f"inject={fault}:when=6+3"], env=TRACED)
    for first in range(2, 8, 2):
        ids += hooks.generate(20, monitors=10, first=first)
    wait_for("all through, or some failures", lambda: (
        not hooks.waiting() or (hooks.folder / "strace.log").read_text().count("INJECTED") > 4))
    assert hooks.daemon.process.poll() is None, hooks.daemon.log()
    hooks.daemon.kill_child()
    hooks.start()
    hooks.wait_settled()
    check_arrived(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert hooks.dead() == [] and hooks.files("corrupt") == []


def test_io_errors_end_by_themselves(hooks, receiver):
    """A disk that fails for a while needs no restart: the daemon goes on alone."""
    hooks.endpoint(receiver=receiver).init()
    hooks.start(wrap=["strace", "-f", "-o", hooks.folder / "strace.log", "-e",
                      "trace=fsync,fdatasync", "-e",
                      "inject=fsync,fdatasync:error=EIO:when=12..15"], env=TRACED)
    ids = []
    for first in range(15):
        # One at a time, or one sync would do for all.
        ids += hooks.generate(4, monitors=4, first=first)
        hooks.wait_settled(timeout=90)
    check_arrived(receiver.accepted(), ids)
    check_numbers(receiver.snapshot())
    assert (hooks.folder / "strace.log").read_text().count("INJECTED") >= 3
    hooks.daemon.stop_child()

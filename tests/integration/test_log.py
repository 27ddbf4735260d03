# SPDX-License-Identifier: MIT
"""Where the daemon's own lines go: standard error, syslog, a file that is rotated by the
real logrotate."""

import os
import re
import shutil
import socket
import subprocess
import threading

import pytest

import programs
from spool import wait_for

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z hookspoold\[\d+\]: "


@pytest.fixture
def logged(hooks, receiver):
    """A daemon that logs to a file; `hooks.file`."""
    hooks.file = hooks.folder / "log" / "hookspoold.log"
    hooks.top["log"] = hooks.file
    hooks.endpoint(receiver=receiver).init()
    hooks.start()
    wait_for("the file", hooks.file.exists)
    return hooks


def reload_and_wait(hooks, path):
    """Reload; the line about it has to come in this file."""
    before = path.read_text().count("reloaded") if path.exists() else 0
    hooks.daemon.reload()
    wait_for(f"a line in {path}", lambda: path.exists() and
             path.read_text().count("reloaded") > before)


def test_a_file(logged):
    assert logged.file.stat().st_mode & 0o7777 == 0o640
    assert re.fullmatch(STAMP + r"info: hookspool \S+ serves \S+: 1 endpoint, .*\n",
                        logged.file.read_text())
    # Who starts it by hand sees that, too; and nothing of what comes after.
    assert "serves" in logged.daemon.log()
    reload_and_wait(logged, logged.file)
    logged.daemon.stop()
    assert logged.file.read_text().splitlines()[-1].endswith(
        "info: ended: 0 events waiting")
    assert "reloaded" not in logged.daemon.log() and "ended" not in logged.daemon.log()


def test_a_start_that_fails_is_told_on_stderr_as_well(hooks):
    hooks.file = hooks.folder / "hookspoold.log"
    hooks.top["log"] = hooks.file
    hooks.endpoint(url="https://hooks.example.com/").init()
    shutil.rmtree(hooks.spool)
    done = programs.run(programs.DAEMON, "-c", hooks.config)
    assert done.returncode == 73 and "hookspool init" in done.stderr
    assert "error: " in hooks.file.read_text() and "init" in hooks.file.read_text()


def test_a_wrong_target(hooks):
    hooks.top["log"] = "file.log"
    hooks.endpoint(url="https://hooks.example.com/").write()
    done = hooks.control("check-config")
    assert done.returncode == 78
    assert "log: 'file.log'" in done.stderr and "stderr, syslog or" in done.stderr


@pytest.mark.parametrize("how", ["create", "nocreate", "copytruncate"])
def test_logrotate_without_a_signal(logged, how):
    """In each of its ways; no line is lost."""
    path, rules = logged.file, logged.folder / "rotate.conf"
    extra = "create 0640" if how == "create" else how
    rules.write_text(f"{path} {{\n  rotate 3\n  {extra}\n  su root root\n}}\n"
                     if programs.IS_ROOT else f"{path} {{\n  rotate 3\n  {extra}\n}}\n")
    for number in range(3):
        reload_and_wait(logged, path)
        done = subprocess.run(
            [shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin"), "-f",
             "-s", str(logged.folder / "rotate.state"), str(rules)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, done
    reload_and_wait(logged, path)
    texts = [p.read_text() for p in path.parent.glob("hookspoold.log*")]
    assert len(texts) == 4
    assert sum(text.count("reloaded") for text in texts) == 4
    assert path.stat().st_mode & 0o7777 == 0o640
    assert "come here" not in logged.daemon.log()


def test_a_file_that_cannot_be_written(hooks, receiver):
    """Said once, and the lines are on stderr; it heals by itself."""
    hooks.file = hooks.folder / "later" / "hookspoold.log"
    hooks.top["log"] = hooks.file
    hooks.endpoint(receiver=receiver).init()
    hooks.start()
    hooks.daemon.reload()
    hooks.daemon.wait_log("reloaded")
    assert hooks.daemon.log().count("until it can be written lines come here") == 1
    hooks.file.parent.mkdir()
    reload_and_wait(hooks, hooks.file)
    hooks.service()
    hooks.wait_settled()
    assert len(receiver.accepted()) == 1


def test_a_pipe_that_nobody_reads_holds_up_nothing(hooks, receiver):
    hooks.top["log"] = hooks.folder / "pipe"
    os.mkfifo(hooks.folder / "pipe")
    hooks.endpoint(receiver=receiver).init()
    hooks.start()
    hooks.daemon.wait_log("come here")
    hooks.service()
    hooks.wait_settled()


def test_a_reload_changes_the_target(logged):
    logged.top["log"] = "stderr"
    logged.write()
    logged.daemon.reload()
    logged.daemon.wait_log("reloaded")
    logged.top["log"] = other = logged.folder / "other.log"
    logged.write()
    reload_and_wait(logged, other)
    assert logged.file.read_text().count("reloaded") == 0


@pytest.mark.root("takes /dev/log's place in a mount namespace")
def test_syslog(hooks, receiver):
    """To whoever listens at /dev/log."""
    # A /dev of its own with a socket of ours at /dev/log.
    own = hooks.folder / "dev"
    own.mkdir()
    taken = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(own / "log"))
        listener.settimeout(30)

        def take():
            try:
                while True:
                    taken.append(listener.recv(4096).decode())
            except OSError:
                pass

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        hooks.top["log"] = "syslog"
        hooks.endpoint(receiver=receiver).init()
        script = ('for f in null zero urandom random; do touch "$0/$f"; '
                  'mount --bind "/dev/$f" "$0/$f"; done; mount --rbind "$0" /dev && '
                  'shift 0 && exec "$@"')
        hooks.start(wrap=["unshare", "-m", "sh", "-c", script, own])
        hooks.daemon.wrapped = False  # they all became the daemon
        wait_for("a line", lambda: taken)
        hooks.daemon.stop()
        wait_for("the last line", lambda: "ended" in taken[-1])
    # <facility * 8 + severity>: daemon is 3, info is 6.
    assert re.match(r"<30>\w{3} [ \d]\d [\d:]{8} hookspoold\[\d+\]: hookspool \S+ serves ",
                    taken[0])
    assert "ended" not in hooks.daemon.log()

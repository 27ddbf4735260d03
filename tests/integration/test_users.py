# SPDX-License-Identifier: MIT
"""As it is installed: the daemon as a user of its own, adapters as other users who are
members of its group, secrets and journal out of their reach."""

import os
import subprocess

import pytest

from checks import check_exactly
from spool import wait_for

DAEMON, GROUP = 2001, 2000
NAGIOS = {"user": 1001, "group": 1001, "extra_groups": [GROUP]}
ZABBIX = {"user": 1002, "group": 1002, "extra_groups": [GROUP]}
STRANGER = {"user": 1003, "group": 1003, "extra_groups": []}

pytestmark = pytest.mark.root("runs programs as other users")


def become_daemon():
    os.setgroups([])
    os.setgid(GROUP)
    os.setuid(DAEMON)


@pytest.fixture
def installed(hooks, receiver):
    """A spool of user DAEMON, its secret, and the daemon running as that user."""
    hooks.endpoint(receiver=receiver)
    hooks.init("--user", str(DAEMON), "--group", str(GROUP))
    os.chown(hooks.secret, DAEMON, GROUP)
    hooks.start(preexec=become_daemon)
    return hooks


def notify(hooks, host, who, **options):
    return hooks.notify("host", "NOTIFICATIONTYPE=PROBLEM", f"HOSTNAME={host}",
                        "HOSTSTATE=DOWN", **who, **options)


def sh(command, who):
    return subprocess.run(["sh", "-c", command], capture_output=True, check=False,
                          stdin=subprocess.DEVNULL, **who).returncode


def test_members_put_and_the_daemon_delivers(installed, receiver):
    for number in range(5):
        notify(installed, f"n{number}", NAGIOS)
        notify(installed, f"z{number}", ZABBIX)
    notify(installed, "root", {})
    installed.wait_settled()
    assert len(receiver.accepted()) == 11
    assert {line["uid"] for line in installed.journal("delivered")} == {1001, 1002, 0}
    refused = notify(installed, "s", STRANGER, check=False)
    assert refused.returncode == 73 and "ermission denied" in refused.stderr


def test_batches_of_members(installed, receiver):
    ids = installed.put(*({"kind": b"incident", "state": b"DOWN", "host": b"h%d" % n}
                          for n in range(50)), batch=25, **NAGIOS)
    installed.wait_settled()
    check_exactly(receiver.accepted(), ids)


def test_who_may_read_what(installed, receiver):
    """Members: incoming/ and the status. Queue, dead letters, journal, secret: nobody
    but the daemon."""
    receiver.answer(status=422)
    notify(installed, "h", NAGIOS)
    wait_for("a try", lambda: receiver.requests)
    spool = installed.spool
    assert sh(f"ls {spool}/incoming && cat {spool}/status.json", NAGIOS) == 0
    for path in ("queue", "dead", "corrupt", "state"):
        assert sh(f"ls {spool}/{path}", NAGIOS) != 0, path
    for path in (installed.journal_path, installed.secret):
        assert sh(f"cat {path}", NAGIOS) != 0, path
    assert sh(f"cat {spool}/status.json", STRANGER) != 0
    status = installed.control("status", **NAGIOS)
    assert status.returncode == 0 and "main" in status.stdout, status


def test_modes_of_the_spool(installed):
    """As docs say, and of the daemon's user."""
    expected = {"incoming": 0o3770, "tmp": 0o3770, "queue": 0o700, "dead": 0o700,
                "corrupt": 0o700, "state": 0o700, "status.json": 0o640,
                "daemon.lock": 0o640, "control.sock": 0o660}
    for name, mode in expected.items():
        stat = (installed.spool / name).stat()
        assert stat.st_mode & 0o7777 == mode, name
        assert (stat.st_uid, stat.st_gid) == (DAEMON, GROUP), name


def test_a_member_cannot_harm_another_s_event(hooks, receiver):
    """Neither remove, rename, replace nor change it; and what a member smuggles in (a
    link to another's file, a folder) is set aside."""
    hooks.endpoint(receiver=receiver)
    hooks.init("--user", str(DAEMON), "--group", str(GROUP))
    os.chown(hooks.secret, DAEMON, GROUP)
    notify(hooks, "h", NAGIOS)
    (name,) = hooks.files("incoming")
    path = hooks.spool / name
    other = path.with_name("018d0e5c-0000-7000-8000-000000000001.evt")
    for command in (f"rm -f {path}", f"mv {path} {path}2", f"echo x >> {path}",
                    f"ln {path} {other}", f"touch {path}.new; mv {path}.new {path}"):
        assert sh(command, ZABBIX) != 0, command
    sh(f"rm -f {path}.new; ln -s {hooks.secret} {other}; mkdir {other}2", ZABBIX)
    hooks.start(preexec=become_daemon)
    wait_for("the event", lambda: receiver.accepted())
    wait_for("the rest set aside", lambda: not os.listdir(hooks.spool / "incoming"))
    assert len(receiver.accepted()) == 1 and hooks.secret.exists()

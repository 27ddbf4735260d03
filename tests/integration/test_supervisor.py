# SPDX-License-Identifier: MIT
"""What the daemon tells the service manager: ready, reloading, stopping, a status, and
that its main loop turns."""

import re
import shutil
import socket
import time

import pytest

import programs
from spool import wait_for


class Manager:
    """The end of $NOTIFY_SOCKET that systemd has."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.environment = {"NOTIFY_SOCKET": str(path)}
        self.told = []

    def look(self):
        """Everything told so far, a datagram an item."""
        try:
            while True:
                self.told.append(self.socket.recv(4096, socket.MSG_DONTWAIT).decode())
        except BlockingIOError:
            return self.told

    def wait(self, text):
        return wait_for(f"{text!r} for the service manager", lambda: [
            t for t in self.look() if text in t])

    def close(self):
        self.socket.close()


@pytest.fixture
def manager(folder):
    made = Manager(folder / "notify")
    yield made
    made.close()


def test_states_are_told(hooks, receiver, manager):
    hooks.endpoint(receiver=receiver).init()
    receiver.down()
    hooks.start(env=manager.environment)
    manager.wait("READY=1")
    assert manager.told == ["STATUS=1 endpoint, 0 events waiting", "READY=1"]
    hooks.service()
    manager.wait("STATUS=1 endpoint, 1 event waiting")
    manager.wait("; main: backoff")
    receiver.up()
    hooks.wait_settled()
    wait_for("the status of an empty spool", lambda: [
        t for t in manager.look() if "STATUS" in t][-1].endswith("0 events waiting"))

    del manager.told[:]
    hooks.daemon.reload()
    manager.wait("READY=1")
    first = manager.told[0]
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", first), manager.told
    told_at = int(first.rpartition("=")[2]) / 1e6
    assert 0 <= time.clock_gettime(time.CLOCK_MONOTONIC) - told_at < 60

    hooks.write("nonsense")
    hooks.daemon.reload()
    manager.wait(f"STATUS={hooks.config}:1")  # refused, and `systemctl status` says why
    del manager.told[:]
    hooks.daemon.stop()
    assert "STOPPING=1" in manager.look()
    assert not any("WATCHDOG" in text for text in manager.told)


def test_a_start_that_fails_says_why(hooks, manager):
    hooks.endpoint(url="https://hooks.example.com/").init()
    shutil.rmtree(hooks.spool)
    done = programs.run(programs.DAEMON, "-c", hooks.config, env=manager.environment)
    assert done.returncode == 73
    (told,) = manager.look()
    assert told.startswith("STATUS=") and "hookspool init" in told


def test_an_idle_daemon_tells_nothing(hooks, receiver, manager):
    """Nor does it wake up for the sake of a manager that wants no watchdog."""
    hooks.endpoint(receiver=receiver).init()
    hooks.start(env=manager.environment)
    manager.wait("READY=1")

    def sleeps():
        """Quiet for two seconds; the start may still have had something to do."""
        del manager.told[:]
        before = hooks.daemon.wakeups()
        time.sleep(2)
        return hooks.daemon.wakeups() == before and manager.look() == []

    wait_for("two seconds of sleep", sleeps)


def test_the_watchdog_is_fed_and_hangs_with_the_loop(hooks, receiver, manager):
    """Twice in its time while the loop turns; not when it does not."""
    hooks.endpoint(receiver=receiver).init()
    hooks.start(env={**manager.environment, "WATCHDOG_USEC": "400000"})
    wait_for("five pings", lambda: manager.look().count("WATCHDOG=1") >= 5)
    hooks.daemon.signal(19)  # SIGSTOP
    try:
        wait_for("the process to stop", lambda: open(
            f"/proc/{hooks.daemon.process.pid}/stat",
            encoding="ascii").read().split()[2] == "T")
        manager.look()
        del manager.told[:]
        time.sleep(1)
        assert manager.look() == []
    finally:
        hooks.daemon.signal(18)
    manager.wait("WATCHDOG=1")
    hooks.daemon.stop()


def test_a_watchdog_of_another_process(hooks, receiver, manager):
    hooks.endpoint(receiver=receiver).init()
    hooks.start(env={**manager.environment, "WATCHDOG_USEC": "100000",
                     "WATCHDOG_PID": "1"})
    manager.wait("READY=1")
    time.sleep(0.5)
    assert not any("WATCHDOG" in text for text in manager.look())

# SPDX-License-Identifier: MIT
"""What looks like a hookspoold from outside: it has the lock and answers "status" with
whatever a test wants to be seen."""

import copy
import datetime
import fcntl
import json
import socket
import struct
import threading

ENDPOINT = {
    "state": "ok", "url": "https://hooks.example.com/x", "pending": 0, "pending_bytes": 0,
    "max_queued": 1000, "max_queued_bytes": 1_000_000, "oldest_at": None, "in_flight": 0,
    "sent": 17, "failed": 3, "dead": 0, "dead_bytes": 0, "max_dead": 100,
    "max_dead_bytes": 100_000, "rate_limit": 100, "rate_window_ms": 60000, "rate_used": 4,
    "next_attempt_at": None, "last_error": None, "last_success_at": None,
}


def stamp(seconds_from_now=0.0):
    """A time as the status has it."""
    time = (datetime.datetime.now(datetime.timezone.utc)
            + datetime.timedelta(seconds=seconds_from_now))
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


class Ago:
    """A time so many seconds before it is told."""

    def __init__(self, seconds):
        self.seconds = seconds


def status(endpoints=None, **top):
    """A status; `endpoints` are changes to ENDPOINT by name."""
    if endpoints is None:
        endpoints = {"main": {}}
    return {"version": 1, "daemon": "0.1.0", "pid": 4242, "started_at": stamp(-7620),
            "updated_at": stamp(), "incoming": 0, "corrupt": 0, "space": "ok", **top,
            "endpoints": {n: {**copy.deepcopy(ENDPOINT), **c}
                          for n, c in endpoints.items()}}


class FakeDaemon:
    """Use it in a with statement. `answers` False: it takes the lock only."""

    def __init__(self, spool, shown=None, answers=True, mode=0o660):
        self.spool, self.shown = spool, shown
        self.lock = open(spool / "daemon.lock", "w", encoding="ascii")
        fcntl.fcntl(self.lock, fcntl.F_OFD_SETLK,
                    struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        self.listener = None
        if answers:
            path = spool / "control.sock"
            path.unlink(missing_ok=True)
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            path.chmod(mode)
            self.listener.listen(8)
            threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rb") as lines:
                for line in lines:
                    assert json.loads(line) == {"verb": "status"}
                    answer = {"ok": True, "status": self.shown}
                    text = self.shown if isinstance(self.shown, str) else json.dumps(
                        answer, default=lambda ago: stamp(-ago.seconds))
                    peer.sendall(text.encode() + b"\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.listener is not None:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.lock.close()

# SPDX-License-Identifier: MIT
"""hookspool-zabbix-export beside a spool, and a made-up Zabbix that writes files for it as
the real one does: a file for each process, rotated to ".old" when it is long enough."""

import json
import os
import signal
import subprocess
import time

import programs
from hosts import parse_events
from spool import wait_for

EXPORT = programs.BINDIR / "hookspool-zabbix-export"


class Writer:
    """One process's file, NAME.ndjson."""

    def __init__(self, folder, name, limit=1 << 30):
        self.path = folder / f"{name}.ndjson"
        self.limit = limit
        self.rotated = lambda: None  # called before a file is renamed
        self.file = open(self.path, "ab")

    def rotate(self):
        """In the order of Zabbix' steps."""
        self.rotated()
        old = self.path.with_name(self.path.name + ".old")
        if old.exists():
            old.unlink()
        self.file.close()
        self.path.rename(old)
        self.file = open(self.path, "ab")

    def raw(self, data):
        self.file.write(data)
        self.file.flush()

    def lines(self, *objects):
        for item in objects:
            line = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            if self.file.tell() + len(line) >= self.limit:
                self.file.flush()
                self.rotate()
            self.file.write(line)
        self.file.flush()

    def close(self):
        self.file.close()


def problem(eventid, name="Web is down", host="web-01", severity=4, tags=(), clock=None, ns=0):
    return {"clock": int(time.time()) if clock is None else clock, "ns": ns, "value": 1,
            "eventid": eventid, "name": name, "severity": severity,
            "hosts": [{"host": host, "name": f"Visible {host}"}], "groups": ["Linux servers"],
            "tags": tags_of(tags)}


def recovery(eventid, problemid, clock=None, ns=0):
    return {"clock": int(time.time()) if clock is None else clock, "ns": ns, "value": 0,
            "eventid": eventid, "p_eventid": problemid}


def tags_of(tags):
    pairs = tags.items() if isinstance(tags, dict) else tags
    return [{"tag": name, "value": str(value)} for name, value in pairs]


def value(itemid, number, tags=(), host="web-01", name="Ping", clock=None, ns=0):
    text = isinstance(number, str)
    return {"host": {"host": host, "name": f"Visible {host}"}, "groups": ["Linux servers"],
            "item_tags": tags_of(tags), "itemid": itemid, "name": name,
            "clock": int(time.time()) if clock is None else clock, "ns": ns,
            "value": number, "type": 4 if text else 3 if isinstance(number, int) else 0}


class Exporter:
    """The program, the folder that it reads and the spool that it fills."""

    def __init__(self, hooks):
        self.hooks = hooks
        self.folder = hooks.folder / "export"
        self.folder.mkdir()
        self.state = hooks.folder / "export.state"
        self.log_path = hooks.folder / "export.log"
        self.process = None
        self.writers = []

    def writer(self, name="problems-history-syncer-1", **options):
        self.writers.append(Writer(self.folder, name, **options))
        return self.writers[-1]

    def command(self, *options):
        return [str(a) for a in (EXPORT, "-c", self.hooks.config, "--state", self.state,
                                 *options, self.folder)]

    def once(self, *options, check=True, **more):
        done = programs.run(*self.command("--once", *options), **more)
        assert not check or done.returncode == 0, done
        return done

    def start(self, *options, env=None, wait=True, preexec=None, wrap=lambda command: command):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                wrap(self.command(*options)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd="/", env=programs.environment(env), preexec_fn=preexec)
        if wait:  # its very first look decides what is new
            wait_for("it has begun", self.has_begun)
        return self.process

    def has_begun(self):
        assert self.process.poll() is None, self.log()
        return self.state.exists() and b"started" in self.state.read_bytes()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code, self.process = self.process.wait(30), None
        assert code == 0, self.log()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def end(self):
        if self.process is not None:
            self.kill()
        for writer in self.writers:
            writer.close()
        assert "Sanitizer" not in self.log(), self.log()

    def log(self):
        return self.log_path.read_text(encoding="utf-8") if self.log_path.exists() else ""

    # What is in the spool.

    def events(self):
        """All events of incoming/, those put first in front; nothing takes them out."""
        incoming = self.hooks.spool / "incoming"
        paths = [p for p in incoming.iterdir() if p.name.endswith(".evt")] \
            if incoming.exists() else []
        return [event for path in sorted(paths, key=lambda p: os.stat(p).st_mtime_ns)
                for event in parse_events(path.read_bytes(), path.name)]

    def told(self):
        """{(kind, event, recovery, item, time of a value): event}; nothing may be there under two ids, nor
        different under one."""
        found, ids = {}, {}
        for event in self.events():
            key = (event.kind, *(event.details.get(k) for k in
                                 ("event_id", "recovery_event_id", "item_id")),
                   event.payload["check_result"]["timestamp"] if "item_id" in event.details
                   else None)
            assert found.setdefault(key, event).id == event.id, key
            assert ids.setdefault(event.id, event.raw) == event.raw, event.id
        return found

    def wait_told(self, count):
        return wait_for(f"{count} events", lambda: len(self.told()) >= count and self.told())

    def wait_read(self):
        """Until it stands at the end of every file."""
        def done():
            text = self.state.read_text(encoding="utf-8", errors="replace") \
                if self.state.exists() else ""
            return all(f"file {w.path.stem}{os.stat(w.path).st_ino} {os.path.getsize(w.path)} "
                       in text for w in self.writers)
        wait_for("everything is read", done)

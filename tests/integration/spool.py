# SPDX-License-Identifier: MIT
"""One spool with its configuration, its daemon and its adapters, in a folder of its own.
Everything waits by polling with a deadline."""

import grp
import json
import os
import pwd
import signal
import subprocess
import time

import corpus
import programs
from receiver import SECRET

DEADLINE = 30.0  # seconds that anything may take on a busy machine


class TimedOut(AssertionError):
    pass


def wait_for(what, condition, timeout=DEADLINE, pause=0.01):
    """Poll until `condition()` is true; its value. `what` is for the failure."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimedOut(f"not within {timeout:g} s: {what}")
        time.sleep(pause)


def written(value):
    """A value as hookspool.conf spells it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{ " + ", ".join(written(v) for v in value) + " }"
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Hookspool:
    """The files of one installation below `folder`. `top` and `endpoints` are what its
    configuration will hold; `write` writes it."""

    QUICK = {"retries": 5, "backoff": "100ms", "backoff_max": "400ms",
             "probe_max": "300ms", "timeout": "2s", "connect_timeout": "1s",
             "rate_limit": "none"}

    def __init__(self, folder):
        self.folder = folder
        self.spool = folder / "spool"
        self.journal_path = folder / "log" / "delivery.jsonl"
        self.config = folder / "hookspool.conf"
        self.secret = folder / "secret"
        self.top = {"spool_dir": self.spool, "region": "test-1", "min_free": "0%",
                    "journal": self.journal_path}
        self.endpoints = {}
        self.daemon = None
        self.daemons = []
        self.write_secret()

    def write_secret(self, text=SECRET + "\n", mode=0o600):
        self.secret.write_text(text, encoding="utf-8")
        self.secret.chmod(mode)

    def endpoint(self, name="main", url=None, receiver=None, **keys):
        """Describe an endpoint; quick retries unless told otherwise."""
        block = {"url": url or receiver.url(), "secret_file": self.secret, **self.QUICK}
        if str(block["url"]).startswith("https:"):
            block["connect_timeout"] = "2s"
        block.update(keys)
        self.endpoints[name] = {k: v for k, v in block.items() if v is not None}
        return self

    def text(self):
        lines = [f"{k} = {written(v)}" for k, v in self.top.items()]
        for name, block in self.endpoints.items():
            lines += [f'endpoint "{name}" {{']
            lines += [f"  {k} = {written(v)}" for k, v in block.items()] + ["}"]
        return "\n".join(lines) + "\n"

    def write(self, text=None):
        self.config.write_text(self.text() if text is None else text, encoding="utf-8")
        return self

    def init(self, *options):
        """Write the configuration and make the spool, owned by whoever runs the test."""
        self.write()
        if not options:
            options = ("--user", pwd.getpwuid(os.geteuid()).pw_name,
                       "--group", grp.getgrgid(os.getegid()).gr_name)
        done = self.control("init", *options)
        assert done.returncode == 0, done
        return self

    # The programs.

    def control(self, *args, **options):
        return programs.run(programs.CONTROL, "-c", self.config, *args, **options)

    def notify(self, *args, check=True, **options):
        """hookspool-notify, which must succeed unless `check` is false."""
        done = programs.run(programs.NOTIFY, "-c", self.config, *args, **options)
        assert not check or done.returncode == 0, done
        return done

    def service(self, state="CRITICAL", host="web-01", service="API", kind=None,
                check=True, options=(), env=None, **macros):
        """A service notification as Nagios sends one."""
        if kind is None:
            kind = "RECOVERY" if state == "OK" else "PROBLEM"
        pairs = {"NOTIFICATIONTYPE": kind, "HOSTNAME": host, "SERVICEDESC": service,
                 "SERVICESTATE": state, "SERVICEOUTPUT": f"{state} output",
                 "TIMET": int(time.time()), **macros}
        pairs = [f"{k}={v}" for k, v in pairs.items() if v is not None]
        return self.notify(*options, "service", *pairs, check=check, env=env)

    def put(self, *events, batch=1, check=True, **options):
        """Put events (dictionaries of bytes) through the library; the ids of those that
        are durable, in order."""
        done = programs.run(programs.PUTTER, "-c", self.config, "-b", batch, text=False,
                            stdin=None, input=b"".join(map(corpus.record, events)),
                            timeout=120, **options)
        lines = done.stdout.decode().splitlines()
        assert not check or done.returncode == 0, (done.stderr, lines[-3:])
        return [line.split()[0] for line in lines if not line.startswith("!")]

    def generate(self, count, *, monitors=100, batch=1, prefix="host", first=0, rate=0):
        """Put made-up events, DOWN and UP in turn on each of `monitors`; their ids."""
        done = programs.run(programs.PUTTER, "-c", self.config, "-b", batch, "-g", count,
                            "-m", monitors, "-p", prefix, "-n", first, "-r", rate,
                            timeout=600)
        assert done.returncode == 0, (done.stderr, done.stdout[-500:])
        return [line.split()[0] for line in done.stdout.splitlines()]

    def start(self, **options):
        self.daemon = Daemon(self, **options)
        self.daemons.append(self.daemon)
        return self.daemon

    def drain(self, timeout=60):
        """hookspoold --drain, run to its end."""
        return programs.run(programs.DAEMON, "-c", self.config, "--drain",
                            timeout=timeout)

    def close(self):
        for daemon in self.daemons:
            daemon.end()

    # What is in the spool.

    def status(self):
        """status.json, or {} while there is none."""
        try:
            return json.loads((self.spool / "status.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}

    def endpoint_status(self, name="main"):
        return self.status().get("endpoints", {}).get(name, {})

    def wait_state(self, state, name="main", **options):
        return wait_for(f"endpoint {name} is {state}",
                        lambda: self.endpoint_status(name).get("state") == state,
                        **options)

    def files(self, *folders):
        """Every file below these folders of the spool, as relative paths."""
        found = []
        for folder in folders:
            for where, _, names in os.walk(self.spool / folder):
                found += [os.path.relpath(os.path.join(where, n), self.spool)
                          for n in names]
        return sorted(found)

    def waiting(self):
        return self.files("incoming", "queue")

    def dead(self, name="main"):
        return self.files(f"dead/{name}")

    def wait_settled(self, timeout=DEADLINE):
        """Until nothing waits any more: looked at twice, for a file may be on its way
        from one folder to the next during the first look."""
        def settled():
            return not self.waiting() and not self.waiting()
        try:
            wait_for("the spool is empty", settled, timeout, pause=0.02)
        except TimedOut as error:
            raise TimedOut(f"{error}; {len(self.waiting())} files wait: "
                           f"{self.waiting()[:5]}; {self.status()}") from None

    def journal(self, what=None, **fields):
        """The journal's lines as dictionaries, the rotated file first."""
        lines = []
        for path in (f"{self.journal_path}.1", self.journal_path):
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    lines += [json.loads(line) for line in file if line.strip()]
        wanted = dict(fields, **({"what": what} if what else {}))
        return [line for line in lines
                if all(line.get(k) == v for k, v in wanted.items())]

    def wait_journal(self, what, timeout=DEADLINE, **fields):
        return wait_for(f"journal line {what} {fields}",
                        lambda: self.journal(what, **fields), timeout)


class Daemon:
    """A running hookspoold. `wrap` is put before its command (strace …); `ready` False
    does not wait for its status."""

    def __init__(self, hooks, args=(), env=None, wrap=(), ready=True, preexec=None):
        self.hooks = hooks
        self.wrapped = bool(wrap)
        self.log_path = hooks.folder / f"daemon-{len(hooks.daemons) + 1}.log"
        before = hooks.status()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*map(str, wrap), str(programs.DAEMON), "-c", str(hooks.config), *args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                env=programs.environment(env), preexec_fn=preexec)
        if ready:
            self.wait_ready((before.get("pid"), before.get("started_at")))

    def wait_ready(self, before):
        def ready():
            assert self.process.poll() is None, f"the daemon is gone:\n{self.log()}"
            status = self.hooks.status()
            return status and (status.get("pid"), status.get("started_at")) != before
        wait_for("the daemon writes its status", ready)

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait_log(self, text, timeout=DEADLINE):
        return wait_for(f"{text!r} in the daemon's log", lambda: text in self.log(),
                        timeout)

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self):
        self.signal(signal.SIGHUP)

    def wait(self, timeout=DEADLINE):
        return self.process.wait(timeout)

    def stop(self, timeout=DEADLINE):
        """SIGTERM; it must end with 0."""
        self.signal(signal.SIGTERM)
        code = self.wait(timeout)
        assert code == 0, f"the daemon ended with {code}:\n{self.log()}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def child(self):
        """The daemon's own process number where it runs under strace."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as file:
            return int(file.read().split()[0])

    def wakeups(self):
        """How often all its threads gave up the processor, or lost it."""
        total = 0
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/status",
                      encoding="ascii") as file:
                total += sum(int(n.split()[1]) for n in file if "ctxt_switches" in n)
        return total

    def stop_child(self):
        """stop, for a daemon under strace, which hands its exit status on."""
        os.kill(self.child(), signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"the daemon ended with {code}:\n{self.log()}"

    def kill_child(self):
        os.kill(self.child(), signal.SIGKILL)
        self.wait()

    def end(self):
        """Clean up after a test, whatever state the daemon is in. A sanitizer's report
        is a failure even where the test looked elsewhere."""
        if self.process.poll() is None:
            target = self.child() if self.wrapped else self.process.pid
            os.kill(target, signal.SIGTERM)
            try:
                self.wait(15)
            except subprocess.TimeoutExpired:
                os.kill(target, signal.SIGKILL)
                self.wait()
        assert "Sanitizer" not in self.log(), self.log()

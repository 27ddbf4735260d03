# SPDX-License-Identifier: MIT
"""The real collectd in a folder of its own, with write_hookspool and a spool, and what
tests do with it: talk to its socket, give its curl plugin something to look at. It runs as
user nobody where the tests run as root."""

import grp
import http.server
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import programs
from hosts import find_program, parse_events
from spool import Hookspool, wait_for

PLUGIN_NAME = "write_hookspool.so"
PLUGIN = programs.LIBDIR / "collectd" / PLUGIN_NAME
INTERVAL = 0.25
MAIN = """
Hostname "web1"
FQDNLookup false
Interval {interval}
MaxReadInterval {max_interval}
WriteThreads {writers}
BaseDir "{base}"
PIDFile "{base}/pid"
TypesDB "/usr/share/collectd/types.db"
PluginDir "{system}"
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{log}"
</Plugin>
LoadPlugin unixsock
<Plugin unixsock>
  SocketFile "{socket}"
  SocketGroup "{group}"
  DeleteSocket true
</Plugin>
{first}
PluginDir "{plugins}"
{sample}
{block}
{last}
"""


def plugin_dir():
    """Where collectd has its own plugins."""
    done = programs.run(find_program("collectd"), "-h")
    (line,) = [ln for ln in done.stdout.splitlines() if "Plugin directory" in ln]
    return line.split()[-1]


def sample_text():
    """The installed sample, as it is."""
    prefix = programs.place("HOOKSPOOL_PREFIX").relative_to("/")
    path = programs.STAGE / prefix / "share" / "hookspool" / "collectd" / "hookspool.conf"
    return path.read_text(encoding="utf-8")


class Site:
    """A web server whose answers can be changed, and that can go and come back."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(self.server.site.delay)
            self.send_response(self.server.site.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args):
            pass

    def __init__(self, up=True):
        self.status, self.delay = 200, 0.02
        self.reserve = socket.socket()
        self.reserve.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserve.bind(("127.0.0.1", 0))
        self.port = self.reserve.getsockname()[1]
        self.server = None
        if up:
            self.up()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/health"

    def up(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port),
                                                      self.Handler)
        self.server.site = self
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def down(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.server = None

    def close(self):
        self.down()
        self.reserve.close()


class Connection:
    """One client of the unixsock plugin."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")

    def ask(self, line):
        """Send one command (text or bytes); its answer must be a success."""
        line = line if isinstance(line, bytes) else line.encode()
        self.socket.sendall(line + b"\n")
        answer = self.file.readline()
        assert answer.startswith(b"0 "), (line, answer)
        return answer

    def close(self):
        self.file.close()
        self.socket.close()


class Collectd:
    """`block` is the text within <Plugin write_hookspool>; `first` what is configured
    before our plugin. `sample` None: the plugin is loaded without the sample. Only one
    writer keeps values that are sent fast in their order; collectd's default is five."""

    def __init__(self, block="", first="", sample=None, plugin=None, interval=INTERVAL,
                 env=None, load=True, writers=1):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hs-"))
        self.folder.chmod(0o755)
        self.user = pwd.getpwnam("nobody") if programs.IS_ROOT else pwd.getpwuid(
            os.geteuid())
        self.group = grp.getgrgid(self.user.pw_gid).gr_name
        self.base = self.make_folder("base")
        self.plugins = self.folder / "plugins"
        self.plugins.mkdir()
        shutil.copy(plugin or PLUGIN, self.plugins / PLUGIN_NAME)
        self.log_path = self.base / "log"
        self.output_path = self.folder / "output"
        self.socket_path = self.base / "sock"
        self.state_path = self.base / "hookspool.state"
        self.hooks = Hookspool(self.folder)
        self.block, self.first, self.interval = block, first, interval
        self.sample = "LoadPlugin write_hookspool" if sample is None else sample
        if not load:
            self.sample = ""
        self.env = env or {}
        self.last = ""
        self.process = self.connection = None
        self.max_interval, self.writers = 2 * interval, writers

    def make_folder(self, name):
        path = self.folder / name
        path.mkdir()
        os.chown(path, self.user.pw_uid, self.user.pw_gid)
        return path

    def make_spool(self):
        if programs.IS_ROOT:
            self.hooks.init("--user", "root", "--group", self.group)
        else:
            self.hooks.init()

    def config(self):
        block = (f'<Plugin write_hookspool>\n  Config "{self.hooks.config}"\n{self.block}\n'
                 "</Plugin>" if self.sample else "")
        return MAIN.format(
            interval=self.interval, max_interval=self.max_interval,
            writers=self.writers, base=self.base, log=self.log_path,
            socket=self.socket_path, group=self.group, first=self.first,
            system=plugin_dir(), plugins=self.plugins, sample=self.sample, block=block,
            last=self.last)

    def become_user(self):
        """In the child: its user, and no SIGHUP that was ignored by nohup before us."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if programs.IS_ROOT:
            os.setgroups([])
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)

    def start(self, wait=True):
        if not self.hooks.config.exists():
            self.make_spool()
        path = self.folder / "collectd.conf"
        path.write_text(self.config(), encoding="utf-8")
        self.log_path.unlink(missing_ok=True)
        self.socket_path.unlink(missing_ok=True)
        with open(self.output_path, "ab") as output:
            self.process = subprocess.Popen(
                [find_program("collectd"), "-f", "-C", str(path)], cwd="/",
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=programs.environment(self.env), preexec_fn=self.become_user)
        if wait:
            self.wait_log("Initialization complete")
            wait_for("the socket", self.connect)
        return self

    def connect(self):
        try:
            self.connection = Connection(self.socket_path)
        except OSError:
            assert self.alive()
            return False
        return True

    def output(self):
        return self.output_path.read_text(errors="replace")

    def alive(self):
        assert self.process.poll() is None, (
            f"collectd is gone ({self.process.returncode}):\n"
            f"{self.output()[-6000:]}\n{self.log()[-4000:]}")
        return True

    def log(self):
        if not self.log_path.exists():
            return ""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def ours(self):
        """What the plugin logged."""
        return [line.split("write_hookspool plugin: ", 1)[1]
                for line in self.log().splitlines() if "write_hookspool plugin: " in line]

    def wait_log(self, text, **options):
        return wait_for(f"{text!r} in collectd's log",
                        lambda: text in self.log() or (self.alive() and False),
                        pause=0.02, **options)

    def stop(self, number=signal.SIGTERM, code=0):
        """End it by a signal; None: whatever its exit status is."""
        if self.connection:
            self.connection.close()
            self.connection = None
        self.process.send_signal(number)
        self.process.wait(60)
        assert code is None or self.process.returncode == code, (
            self.process.returncode, self.output()[-6000:], self.log()[-3000:])

    def kill(self):
        self.stop(signal.SIGKILL, None)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.hooks.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # What a test tells it.

    def value(self, identifier, value, at="N", interval=INTERVAL):
        return self.connection.ask(
            f'PUTVAL "{identifier}" interval={interval} {at}:{value}')

    def notify(self, severity, message="message", at=None, connection=None, **fields):
        """A notification; the fields are text or bytes without quotes."""
        parts = [b"PUTNOTIF severity=" + severity.encode()]
        parts.append(b"time=%d" % (time.time() if at is None else at))
        for key, text in {**fields, "message": message}.items():
            text = text if isinstance(text, bytes) else text.encode()
            parts.append(key.encode() + b'="' + text + b'"')
        return (connection or self.connection).ask(b" ".join(parts))

    # What came of it.

    def all_events(self):
        """Everything in the spool; what was put twice under one id is there once."""
        found = {}
        for path in (self.hooks.spool / "incoming").iterdir():
            for event in parse_events(path.read_bytes(), path.name):
                assert found.setdefault(event.id, event).raw == event.raw
        return [found[ident] for ident in sorted(found)]

    def events(self, monitor=None):
        """Those of the monitor of this name."""
        return [e for e in self.all_events() if monitor in (None, e.monitor)]

    def wait_events(self, monitor, count):
        def some():
            assert self.alive()
            events = self.events(monitor)
            assert len(events) <= count, [e.raw for e in events]
            return events if len(events) == count else None
        return wait_for(f"{count} events of {monitor}", some, pause=0.02)

    def state(self):
        """The bytes of the state file."""
        return self.state_path.read_bytes() if self.state_path.exists() else b""

    def wait_state(self, text):
        wait_for(f"{text} in the state file", lambda: text in self.state(), pause=0.02)

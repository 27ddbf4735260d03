# SPDX-License-Identifier: MIT
"""The real Zabbix in a folder of its own on 127.0.0.1: PostgreSQL, zabbix_server,
zabbix_agentd and the frontend with its API. All run as user zabbix where the tests run as
root, and end by their process ids. Making one takes about four seconds (once a build ten
more, for the import), so a module of tests shares one:

    @pytest.fixture(scope="module")
    def zabbix():
        with Zabbix() as host:
            host.server_conf.update(StartDBSyncers=4, LoadModule="zbx_hookspool.so")
            host.start()             # spool, PostgreSQL, frontend, server
            yield host

    def test_edge(zabbix):
        hostid = zabbix.make_host("web-01")
        itemid = zabbix.make_item(hostid, "status", tags={"webhook.monitor": "web"})
        zabbix.make_trigger("Web is down", "last(/web-01/status)=0", priority=4)
        zabbix.reload_cache()                       # before anything is sent to new items
        zabbix.send(("web-01", "status", 0))        # or (host, key, value, clock, ns)
        wait_until("a problem", zabbix.problems)
        (event,) = zabbix.wait_events("web", 1)     # of a spool without daemon …
        zabbix.deliver()                            # … which goes to a receiver from here
        (request,) = zabbix.wait_requests("web", 1)

Beside the methods here: `api("host.get", output=["host"])`, `import_yaml(text)`, make_host,
make_items, make_triggers, problems, alerts … of zabbix_api.py; `database.sql("select …")`,
`database.stop()` and `start()` of zabbix_db.py; `hooks` (class Hookspool), events,
wait_events of hosts.py. Keys of `server_conf` and `agent_conf` are those of the files; a
list stands for several lines, None takes one away. Before start: `env` is the environment
of server and agent beside HOOKSPOOL_CONFIG. export(): server_conf for ExportDir."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

import programs
from hosts import Host, find_program
from receiver import Receiver
from spool import wait_for
from zabbix_api import Frontend, Objects, free_port
from zabbix_db import NAME, Database, as_user

wait_until = wait_for  # (what, condition, timeout=30.0, pause=0.01)

MODULE_DIR = programs.LIBDIR / "zabbix" / "modules"
PROGRAMS = ("hookspool-zabbix", "hookspool-zabbix-map", "hookspool-zabbix-export")


class Process:
    """zabbix_server or zabbix_agentd in the foreground, with its own configuration."""

    def __init__(self, zabbix, program):
        self.zabbix, self.program = zabbix, program
        self.conf = {}
        self.conf_path = zabbix.folder / f"{program}.conf"
        self.log_path = zabbix.work / f"{program}.log"
        self.output_path = zabbix.folder / f"{program}.out"
        self.process = None

    def write(self):
        lines = []
        for key, value in self.conf.items():
            values = value if isinstance(value, (list, tuple)) else [value]
            lines += [f"{key}={v}" for v in values if v is not None]
        self.conf_path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self, wrap=()):
        self.write()
        with open(self.output_path, "ab") as output:
            self.process = subprocess.Popen(
                [*map(str, wrap), find_program(self.program), "-f", "-c",
                 str(self.conf_path)], cwd="/", env=self.zabbix.environment(),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                umask=0o022, start_new_session=True, **as_user(self.zabbix.user))

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        assert self.process.poll() is None, (
            f"{self.program} is gone:\n{self.log()[-3000:]}\n"
            + self.output_path.read_text(errors="replace")[-3000:])
        return True

    def log(self):
        try:
            return self.log_path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def members(self):
        """The process ids of its session: workers, and scripts that these run."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(int(name))
        return found

    def title(self, name):
        """What the worker `name` ("history syncer #1") says it is doing, in ps."""
        for pid in self.members():
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                    line = file.read().strip("\0 ")
            except OSError:
                continue
            if f"{self.program}: {name}" in line:
                return line
        return ""

    def stop(self, timeout=60):
        """SIGTERM; the exit status. Zabbix writes out what it holds."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        code, self.process = self.process.returncode, None
        return code

    def kill(self):
        """SIGKILL for all its processes, as by a power cut."""
        if self.process is None:
            return
        def gone():
            left = self.members()
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not left
        wait_for(f"{self.program}'s processes are gone", gone)
        self.process.wait()
        self.process = None


class Zabbix(Host, Objects):
    names = ("zabbix",)

    def __init__(self):
        super().__init__()
        for name in ("socket", "export", "alert.d"):
            self.make_folder(f"work/{name}", 0o755)
        self.alert_dir = self.work / "alert.d"
        self.export_dir = self.work / "export"
        self.database = Database(self.work / "db", self.user)
        self.server, self.agent = Process(self, "zabbix_server"), Process(self, "zabbix_agentd")
        self.server_port, self.agent_port = free_port(), free_port()
        self.frontend = Frontend(self.folder / "frontend", self.user, self.database,
                                 self.server_port)
        self.api, self.import_yaml = self.frontend.api, self.frontend.import_yaml
        self.env = {}
        self.server_conf = self.server.conf = self.first_server_conf()
        self.agent_conf = self.agent.conf = {
            "PidFile": self.work / "agentd.pid", "LogFile": self.agent.log_path,
            "LogFileSize": 0, "DebugLevel": 3, "Server": "127.0.0.1", "StartAgents": 2,
            "ListenIP": "127.0.0.1", "ListenPort": self.agent_port,
            "Hostname": "agent", "Timeout": 4, "LoadModulePath": self.bindir}

    def first_server_conf(self):
        conf = {
            "ListenIP": "127.0.0.1", "ListenPort": self.server_port,
            "SocketDir": self.work / "socket", "PidFile": self.work / "server.pid",
            "LogType": "file", "LogFile": self.server.log_path, "LogFileSize": 0,
            "DBHost": self.database.socket_dir, "DBName": NAME, "DBUser": NAME,
            "CacheSize": "32M", "HistoryCacheSize": "16M", "HistoryIndexCacheSize": "4M",
            "ValueCacheSize": "16M", "TrendCacheSize": "4M",
            "CacheUpdateFrequency": 3600, "HousekeepingFrequency": 0, "Timeout": 4,
            "LogSlowQueries": 0, "AlertScriptsPath": self.alert_dir,
            "ExternalScripts": self.work, "StatsAllowedIP": "127.0.0.1",
            "LoadModulePath": self.bindir, "StartDBSyncers": 4, "StartTrappers": 2}
        few = {"Pollers": 1, "PollersUnreachable": 1, "Pingers": 0, "Discoverers": 0,
               "HTTPPollers": 0, "Preprocessors": 1, "HistoryPollers": 1, "LLDProcessors": 1,
               "ODBCPollers": 0, "Timers": 1, "Escalators": 1, "Alerters": 3}
        return {**conf, **{f"Start{name}": count for name, count in few.items()}}

    def export(self, types="events,history", size="1G"):
        """Have the server write NDJSON files into export_dir."""
        self.server_conf.update(ExportDir=self.export_dir, ExportType=types,
                                ExportFileSize=size)

    def stage_program(self):
        """Copies of what was built, for the build may stand where zabbix cannot go. The
        library and the modules stand beside them."""
        bindir = super().stage_program()
        for name in PROGRAMS:
            if (programs.BINDIR / name).exists():
                shutil.copy(programs.BINDIR / name, bindir)
        for module in MODULE_DIR.glob("*.so"):
            shutil.copy(module, bindir)
        return bindir

    def environment(self):
        return {**super().environment(), **self.env}

    # Starting and ending.

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def start(self, agent=False):
        self.make_spool(self.hooks)
        self.database.start()
        self.frontend.start()
        if agent:
            self.start_agent()
        self.start_server()

    def start_server(self, wrap=()):
        """`wrap` is put before the command (["valgrind", …])."""
        before = self.server.log().count("server #0 started")
        self.server.start(wrap)
        wait_for("the server is ready", lambda: self.server.alive()
                 and self.server.log().count("server #0 started") > before
                 and self.connects()
                 and "idle" in self.server.title("configuration syncer"),
                 timeout=60, pause=0.05)

    def connects(self):
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.server_port)) == 0

    def stop_server(self):
        assert self.server.stop() == 0, self.server.log()[-3000:]

    def kill_server(self):
        self.server.kill()

    def restart_server(self):
        self.stop_server()
        self.start_server()

    def start_agent(self):
        self.agent.start()
        wait_for("the agent is ready", lambda: self.agent.alive()
                 and "agent #1 started" in self.agent.log(), pause=0.05)

    def alive(self):
        return self.server.alive()

    def log(self):
        return self.server.log()

    def reload_cache(self):
        """Have the server read its configuration again, and wait until it has: new
        hosts, items, triggers and actions are unknown to it before."""
        before = self.server.title("configuration syncer")
        self.tool("zabbix_server", "-c", self.server.conf_path, "-R", "config_cache_reload")

        def reloaded():
            self.alive()
            title = self.server.title("configuration syncer")
            return "idle" in title and title != before  # the microseconds it took differ
        wait_for("the configuration is read again", reloaded, timeout=60)

    def tool(self, name, *args, check=True, **options):
        """Run one of Zabbix's programs as its user."""
        done = programs.run(find_program(name), *args, **options, **as_user(self.user))
        assert not check or done.returncode == 0, done
        return done

    def close(self):
        for process in (self.server, self.agent):
            try:
                process.stop(20)
            except subprocess.TimeoutExpired:
                pass
        self.frontend.stop()
        self.database.stop()
        for daemon in self.hooks.daemons:
            daemon.end()
        super().close()

    def deliver(self, **keys):
        """Give the spool an endpoint "main" at a receiver, and a hookspoold."""
        if self.receiver is None:
            self.receiver = Receiver().up()
        self.hooks.endpoint("main", receiver=self.receiver, **keys).write()
        return self.hooks.start()

    # Values.

    def send(self, *values):
        """Values by zabbix_sender: (host, key, value), or with clock, or clock and ns,
        behind; the others are from now, a nanosecond apart. The number of those that the
        server took: less than sent where an item is not known (see reload_cache)."""
        now_ns = time.time_ns()
        lines = []
        for index, (host, key, value, *when) in enumerate(values):
            clock, ns = (*when, 0)[:2] if when else divmod(now_ns + index, 10**9)
            lines.append(" ".join([quoted(host), quoted(key), str(clock), str(ns),
                                   quoted(value)]))
        path = self.work / f"values-{now_ns}"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = self.tool("zabbix_sender", "-z", "127.0.0.1", "-p", self.server_port,
                         "-T", "-N", "-i", path, check=False, timeout=120)
        path.unlink()
        taken = re.findall(r"processed: (\d+);", done.stdout + done.stderr)
        assert done.returncode in (0, 2) and taken, done
        return sum(map(int, taken))


def quoted(value):
    """A word of zabbix_sender's input file."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'

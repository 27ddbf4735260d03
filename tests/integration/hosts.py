# SPDX-License-Identifier: MIT
"""The real Nagios and Icinga 2, each in a folder of its own, and what their notification
commands leave in a spool. The daemons run as their own user where the tests run as root,
take results by their command file, and end by their process id."""

import grp
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

import programs
from receiver import Receiver
from spool import Hookspool, wait_for

PLUGIN = """#!/bin/sh
# Print the file that is named, its status stands in the first line.
read -r status <"$1"
tail -n +2 "$1"
exit "$status"
"""


def find_program(*names):
    """A missing host is a failure: these tests are all that tell whether it works."""
    for name in names:
        found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
        if found:
            return found
    raise AssertionError(f"{names[0]} is not installed")


def account(*names):
    """Whom the host runs as: its own user, or whoever runs the tests."""
    if not programs.IS_ROOT:
        return pwd.getpwuid(os.geteuid())
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise AssertionError(f"there is no user {names[0]}")


class Event:
    """One event of a spool file."""

    def __init__(self, name, ident, body, details):
        self.name, self.id = name, ident
        self.raw, self.payload = body, json.loads(body)
        self.all = json.loads(details)
        self.details = self.all["details"]

    @property
    def monitor(self):
        return self.payload["monitor"]["name"]

    @property
    def kind(self):
        return self.payload["context"]["notification_type"]

    @property
    def state(self):
        return self.payload["check_result"]["status"]

    @property
    def previous(self):
        return self.payload["context"]["previous_status"]

    @property
    def failures(self):
        return self.payload["context"]["consecutive_failures"]

    @property
    def level(self):
        return self.payload["context"]["notification_level"]

    @property
    def message(self):
        return self.payload["check_result"].get("error_message")

    @property
    def summary(self):
        return self.kind, self.state, self.previous, self.failures, self.level


def parse_events(data, name=None):
    """The events of one spool file, whose form is checked on the way."""
    match = re.fullmatch(rb"hookspool 1\n(.*)end (\d+) (\d+)\n", data, re.S)
    assert match and int(match[3]) == match.start(2) - len("end "), data[:200]
    rest, events = match[1], []
    while rest:
        head, rest = rest.split(b"\n", 1)
        word, ident, body, details = head.decode().split(" ")
        assert word == "event"
        body, details = int(body), int(details)
        events.append(Event(name, ident, rest[:body], rest[body + 1:body + 1 + details]))
        rest = rest[body + details + 2:]
    assert len(events) == int(match[2])
    return events


def read_events(path):
    return parse_events(path.read_bytes(), path.name)


class Host:
    """What both hosts share: a folder that their user can reach, the staged program
    beside its library, a spool, and a process that is waited for."""

    names = ()  # of the user

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hs-"))
        self.folder.chmod(0o755)
        self.user = account(*self.names)
        self.group = grp.getgrgid(self.user.pw_gid).gr_name
        self.process = None
        self.output_path = self.folder / "output"
        self.log_path = self.output_path
        self.marker = self.folder / "work" / "marker"  # what an attack would make
        self.bindir = self.stage_program()
        self.work = self.make_folder("work")
        self.plugin = self.folder / "plugin"
        self.plugin.write_text(PLUGIN, encoding="ascii")
        self.plugin.chmod(0o755)
        self.hooks = Hookspool(self.folder)  # this one has no daemon
        self.live = self.receiver = None

    def make_folder(self, name, mode=0o755):
        """A folder that belongs to the host's user."""
        path = self.folder / name
        path.mkdir()
        os.chown(path, self.user.pw_uid, self.user.pw_gid)
        path.chmod(mode)
        return path

    def stage_program(self):
        """Copies, for the build may stand where the host's user cannot go."""
        bindir = self.folder / "bin"
        bindir.mkdir()
        shutil.copy(programs.NOTIFY, bindir)
        for library in programs.LIBDIR.glob("libhookspool.so.*"):
            shutil.copy(library, bindir, follow_symlinks=True)
        return bindir

    def make_spool(self, hooks):
        """A spool that this host's user may put into."""
        if programs.IS_ROOT:
            hooks.init("--user", "root", "--group", self.group)
        else:
            hooks.init()

    def second_config(self, name, **top):
        """Another configuration of the same spool; its path."""
        other = Hookspool(self.folder)
        other.config = self.folder / name
        other.top.update(top)
        other.write()
        return other.config

    def start_live(self):
        """A second spool, with hookspoold and an endpoint at a receiver."""
        folder = self.folder / "live"
        folder.mkdir()
        self.receiver = Receiver().up()
        self.live = Hookspool(folder)
        self.live.endpoint("main", receiver=self.receiver)
        self.make_spool(self.live)
        self.live.start()

    def sample(self, folder, name):
        """The installed sample configuration, with the programs of this test in it."""
        prefix = programs.place("HOOKSPOOL_PREFIX").relative_to("/")
        path = programs.STAGE / prefix / "share" / "hookspool" / folder / name
        text = path.read_text(encoding="utf-8")
        installed = "/" + str(programs.BINDIR.relative_to(programs.STAGE))
        assert f"{installed}/hookspool-notify" in text
        return text.replace(f"{installed}/hookspool-notify",
                            f"{self.bindir}/hookspool-notify")

    def environment(self):
        return programs.environment({"LD_LIBRARY_PATH": str(self.bindir),
                                     "HOOKSPOOL_CONFIG": str(self.hooks.config)})

    def run(self, *command):
        with open(self.output_path, "wb") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, cwd="/", env=self.environment(), start_new_session=True)

    def alive(self):
        assert self.process.poll() is None, (
            f"the host is gone:\n{self.output_path.read_text(errors='replace')[-4000:]}")
        return True

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def wait_log(self, text):
        return wait_for(f"{text!r} in the host's log",
                        lambda: self.alive() and text in self.log(), pause=0.05)

    def close(self):
        if self.live is not None:
            self.live.close()
        if self.receiver is not None:
            self.receiver.close()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # What a test tells the host.

    def command(self, *parts):
        """One external command; parts are text or bytes."""
        parts = [p if isinstance(p, bytes) else str(p).encode() for p in parts]
        line = b"[%d] %s\n" % (time.time(), b";".join(parts))
        assert len(line) <= 4096, "longer than a pipe takes in one piece"
        with open(self.command_file, "wb", buffering=0) as pipe:
            pipe.write(line)

    def service(self, service, status, output="output", host="web-01"):
        """A passive result: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."""
        self.command("PROCESS_SERVICE_CHECK_RESULT", host, service, status, output)

    def host(self, host, status, output="output"):
        """A passive result: 0 UP, 1 DOWN, 2 UNREACHABLE."""
        self.command("PROCESS_HOST_CHECK_RESULT", host, status, output)

    def check(self, service, status, output, host="web-01"):
        """An active check whose plugin prints `output` (bytes)."""
        new = self.work / f"{service}.new"
        new.write_bytes(b"%d\n" % status + output)
        new.rename(self.work / service)
        self.command("SCHEDULE_FORCED_SVC_CHECK", host, service, int(time.time()))

    # What came of it.

    def events(self, monitor):
        """The events of one monitor, in the order of their ids."""
        found = []
        for path in sorted((self.hooks.spool / "incoming").iterdir()):
            found += [e for e in read_events(path) if e.monitor == monitor]
        return found

    def wait_events(self, monitor, count):
        """Until the monitor has that many events; those."""
        return wait_for(f"{count} events of {monitor}",
                        lambda: self.alive() and self.some(monitor, count), pause=0.05)

    def some(self, monitor, count):
        events = self.events(monitor)
        assert len(events) <= count, [e.raw for e in events]
        return events if len(events) == count else None

    def wait_requests(self, monitor, count):
        """The requests of one monitor at the receiver, which found nothing wrong."""
        wait_for(f"{count} requests of {monitor}",
                 lambda: self.alive() and len(self.receiver.of(monitor)) >= count)
        assert not self.receiver.problems, self.receiver.problems
        return self.receiver.of(monitor)


def define(kind, **keys):
    """A Nagios object."""
    lines = [f"    {key} {value}" for key, value in keys.items()]
    return "\n".join([f"define {kind} {{", *lines, "}", ""])


class Nagios(Host):
    names = ("nagios",)

    MAIN = """
log_file={log}
cfg_file={folder}/hookspool.cfg
cfg_file={folder}/objects.cfg
object_cache_file={work}/objects.cache
precached_object_file={work}/objects.precache
status_file={work}/status.dat
status_update_interval=60
nagios_user={user}
nagios_group={group}
check_external_commands=1
command_file={work}/nagios.cmd
query_socket={work}/nagios.qh
lock_file={work}/nagios.pid
temp_file={work}/nagios.tmp
temp_path={work}
check_result_path={work}/results
check_result_reaper_frequency=1
log_rotation_method=n
use_syslog=0
retain_state_information=0
interval_length=1
check_for_updates=0
check_workers=3
service_inter_check_delay_method=n
host_inter_check_delay_method=n
enable_flap_detection=1
low_service_flap_threshold=5
high_service_flap_threshold=20
illegal_object_name_chars=`~!$%^&*|'"<>?,()=
illegal_macro_output_chars=`~$&|'"<>
enable_environment_macros={environment_macros}
"""

    def __init__(self):
        super().__init__()
        self.log_path = self.work / "nagios.log"
        self.command_file = self.work / "nagios.cmd"
        self.make_folder("work/results")
        self.objects = [
            define("timeperiod", timeperiod_name="24x7", alias="always",
                   **{d: "00:00-24:00" for d in (
                       "sunday", "monday", "tuesday", "wednesday", "thursday", "friday",
                       "saturday")}),
            define("command", command_name="plugin",
                   command_line=f"{self.plugin} {self.work}/$SERVICEDESC$")]

    def add_host(self, name, contacts="hookspool", **keys):
        self.objects.append(define("host", host_name=name, **{
            "alias": name, "address": "192.0.2.1", "check_command": "plugin",
            "active_checks_enabled": 0, "max_check_attempts": 1, "check_interval": 60,
            "notification_interval": 0, "notification_period": "24x7",
            "notification_options": "d,u,r,f,s", "contacts": contacts, **keys}))

    def add_service(self, name, contacts="hookspool", host="web-01", **keys):
        self.objects.append(define("service", host_name=host, service_description=name, **{
            "check_command": "plugin", "active_checks_enabled": 0,
            "max_check_attempts": 1, "check_interval": 60, "retry_interval": 60,
            "flap_detection_enabled": 0, "notification_interval": 0,
            "notification_period": "24x7", "notification_options": "w,u,c,r,f,s",
            "contacts": contacts, **keys}))

    def add_contact(self, name, host_command="notify-host-by-hookspool",
                    service_command="notify-service-by-hookspool"):
        self.objects.append(define(
            "contact", contact_name=name, alias=name, host_notifications_enabled=1,
            service_notifications_enabled=1, host_notification_period="24x7",
            service_notification_period="24x7", host_notification_options="d,u,r,f,s",
            service_notification_options="w,u,c,r,f,s",
            host_notification_commands=host_command,
            service_notification_commands=service_command))

    def add_variant(self, name, options, base="by-hookspool"):
        """A contact with the sample's commands and more options."""
        text = self.sample("nagios", "hookspool.cfg")
        program = f"{self.bindir}/hookspool-notify"
        for what in ("host", "service"):
            line = re.search(rf"notify-{what}-{base}\n\s*command_line  (.*)", text)[1]
            self.objects.append(define(
                "command", command_name=f"notify-{what}-{name}",
                command_line=line.replace(program, f"{program} {options}")))
        self.add_contact(name, f"notify-host-{name}", f"notify-service-{name}")

    def start(self, environment_macros=0, sample=None):
        self.make_spool(self.hooks)
        (self.folder / "hookspool.cfg").write_text(
            sample or self.sample("nagios", "hookspool.cfg"), encoding="utf-8")
        (self.folder / "objects.cfg").write_text("".join(self.objects), encoding="utf-8")
        main = self.folder / "nagios.cfg"
        main.write_text(self.MAIN.format(
            log=self.log_path, folder=self.folder, work=self.work,
            user=self.user.pw_name, group=self.group,
            environment_macros=environment_macros), encoding="utf-8")
        self.run(find_program("nagios4", "nagios"), main)
        wait_for("Nagios takes commands",
                 lambda: self.alive() and self.log_path.exists()
                 and "Successfully launched command file worker" in self.log())


class Icinga(Host):
    names = ("icinga", "nagios")

    MAIN = """
include <itl>
object Endpoint "local" {{ }}
object Zone "local" {{ endpoints = [ "local" ] }}
object CheckerComponent "checker" {{ }}
object NotificationComponent "notification" {{ }}
object ExternalCommandListener "command" {{ command_path = "{work}/icinga2.cmd" }}
object CheckCommand "plugin" {{ command = [ "{plugin}", "{work}/$service.name$" ] }}
"""

    def __init__(self):
        super().__init__()
        self.command_file = self.work / "icinga2.cmd"
        self.objects = []

    def add(self, kind, name, **keys):
        """An object; values are strings, numbers, true and false, or ready DSL in a
        tuple."""
        def spelled(value):
            if isinstance(value, tuple):
                return value[0]
            return json.dumps(value)
        lines = [f"  {key.replace('__', '.')} = {spelled(value)}"
                 for key, value in keys.items()]
        self.objects.append("\n".join([f'object {kind} "{name}" {{', *lines, "}", ""]))

    def add_host(self, name, **keys):
        self.add("Host", name, **{
            "check_command": "dummy", "enable_active_checks": False,
            "max_check_attempts": 1, "address": "192.0.2.1", **keys})

    def add_service(self, name, host="web-01", **keys):
        self.add("Service", name, **{
            "host_name": host, "check_command": "plugin", "enable_active_checks": False,
            "max_check_attempts": 1, "check_interval": ("60s",), **keys})

    def start(self, sample=None):
        self.make_spool(self.hooks)
        (self.folder / "hookspool.conf.icinga2").write_text(
            sample or self.sample("icinga2", "hookspool.conf"), encoding="utf-8")
        main = self.folder / "icinga2.conf"
        main.write_text(self.MAIN.format(work=self.work, plugin=self.plugin)
                        + "".join(self.objects)
                        + f'include "{self.folder}/hookspool.conf.icinga2"\n',
                        encoding="utf-8")
        defines = {"RunAsUser": self.user.pw_name, "NodeName": "local",
                   "RunAsGroup": self.group}
        for name in ("DataDir", "CacheDir", "SpoolDir", "InitRunDir", "LogDir"):
            defines[name] = self.make_folder(f"work/{name}")
        for name in ("PidPath", "StatePath", "VarsPath", "ObjectsPath", "ModAttrPath"):
            defines[name] = self.work / name
        self.run(find_program("icinga2"), "daemon", "-c", main,
                 *[f"-D{name}={value}" for name, value in defines.items()])
        wait_for("Icinga takes commands",
                 lambda: self.alive() and self.command_file.exists() and "Activated all objects" in self.log())

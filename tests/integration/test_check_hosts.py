# SPDX-License-Identifier: MIT
"""The real Nagios and the real Icinga 2 run check_hookspool by the installed samples:
CRITICAL when the daemon is killed, OK when it is back."""

import os
import re
import shutil

import pytest

import programs
from hosts import Icinga, Nagios, define
from receiver import Receiver
from spool import Hookspool, wait_for

# Whatever else this machine's disk has to say.
SPACE = "-w space=,inodes= -c space=,inodes="


class Watching:
    """A host whose check looks at the spool of `live`, and that tells of every change of
    its state by a line in a file: the state and what the plugin said."""

    def __init__(self, host):
        self.host = host
        self.told = host.work / "told"
        self.seen = 0
        shutil.copy(programs.CHECK, host.bindir)
        folder = host.folder / "live"
        folder.mkdir()
        host.receiver = Receiver().up()
        host.live = Hookspool(folder)
        host.live.endpoint("main", receiver=host.receiver)
        host.make_spool(host.live)

    def start(self):
        """hookspoold, with the group that may read its status."""
        gid = self.host.live.spool.stat().st_gid
        self.host.live.start(preexec=lambda: os.setgid(gid))

    def sample(self, folder, name):
        """The installed sample, with the plugin of this test in it."""
        prefix = programs.place("HOOKSPOOL_PREFIX").relative_to("/")
        path = programs.STAGE / prefix / "share" / "hookspool" / folder / name
        installed = "/" + str(programs.CHECK.relative_to(programs.STAGE))
        text = path.read_text(encoding="utf-8")
        assert text.count(installed) == 1
        return text.replace(installed, f"{self.host.bindir}/check_hookspool")

    def lines(self):
        assert self.host.alive()
        if not self.told.exists():
            return []
        return self.told.read_text(encoding="utf-8").splitlines()

    def wait(self, pattern):
        """Until the host tells this, after what was waited for last; the line."""
        def found():
            return [(i, line) for i, line in enumerate(self.lines())
                    if i >= self.seen and re.match(pattern, line)]
        number, line = wait_for(pattern, found, pause=0.05)[0]
        self.seen = number + 1
        return line

    def run_through(self):
        live = self.host.live
        first = self.wait(r"CRITICAL HOOKSPOOL CRITICAL - hookspoold is not running")
        assert re.search(r" P .*incoming.*=0;100;1000;0 ", first), first
        self.start()
        self.wait(r"OK HOOKSPOOL OK - 1 endpoint ok, 0 pending, 0 dead")
        live.daemon.kill()
        self.wait(r"CRITICAL HOOKSPOOL CRITICAL - hookspoold is not running")
        self.start()
        self.wait(r"OK HOOKSPOOL OK")
        live.control("pause", "main")
        self.wait(r"WARNING HOOKSPOOL WARNING - main is paused")
        live.control("resume", "main")
        self.wait(r"OK HOOKSPOOL OK")
        if not programs.IS_ROOT:
            return
        live.daemon.kill()
        (live.spool / "status.json").chmod(0o600)
        self.wait(r"UNKNOWN HOOKSPOOL UNKNOWN - open \S+ Permission denied")


def slow_to_quick(text, *changes):
    """The sample's times are for real life."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.fixture
def nagios():
    host = Nagios()
    try:
        yield host
    finally:
        host.close()


def test_nagios(nagios):
    watching = Watching(nagios)
    nagios.objects += [
        define("contact", contact_name="nagiosadmin", alias="a",
               host_notification_period="24x7", service_notification_period="24x7",
               host_notification_options="n", service_notification_options="w,u,c,r",
               host_notification_commands="told", service_notification_commands="told"),
        define("contactgroup", contactgroup_name="admins", alias="a",
               members="nagiosadmin"),
        define("command", command_name="told", command_line=(
            "/bin/echo \"$SERVICESTATE$ $SERVICEOUTPUT$ P $SERVICEPERFDATA$\" "
            f">>{watching.told}")),
        slow_to_quick(
            watching.sample("nagios", "check_hookspool.cfg"),
            ("max_check_attempts     3",
             "max_check_attempts     1\n    flap_detection_enabled 0"),
            ("    check_command          check-hookspool\n",
             f"    check_command  check-hookspool!-s {nagios.live.spool} {SPACE}\n"))]
    nagios.add_host("localhost", contacts="nagiosadmin")
    nagios.start()
    watching.run_through()
    assert "Warning: Return code" not in nagios.log()


@pytest.fixture
def icinga():
    host = Icinga()
    try:
        yield host
    finally:
        host.close()


def test_icinga2(icinga):
    watching = Watching(icinga)
    teller = icinga.folder / "teller"
    teller.write_text(f"#!/bin/sh\necho \"$STATE $OUTPUT P $PERFDATA\" "
                      f">>{watching.told}\n", encoding="ascii")
    teller.chmod(0o755)
    icinga.objects.append(slow_to_quick(
        watching.sample("icinga2", "check_hookspool.conf"),
        ("check_interval = 1m", "check_interval = 1s\n  max_check_attempts = 1"),
        ("retry_interval = 30s", f"""retry_interval = 1s
  vars.hookspool_spool = "{icinga.live.spool}"
  vars.hookspool_endpoint = [ "main" ]
  vars.hookspool_warning = [ "space=,inodes=", "age=2h" ]
  vars.hookspool_critical = "space=,inodes="
  vars.hookspool_verbosity = 2""")))
    icinga.objects.append(f"""
object NotificationCommand "told" {{
  command = [ "{teller}" ]
  env = {{ STATE = "$service.state$", OUTPUT = "$service.output$",
          PERFDATA = "$service.perfdata$" }}
}}
object User "watcher" {{ }}
apply Notification "told" to Service {{
  command = "told"
  users = [ "watcher" ]
  interval = 0
  assign where service.name == "hookspool"
}}
""")
    icinga.add_host("local")
    icinga.start()
    watching.run_through()
    # With -vv the output goes on after the performance data.
    text = "\n".join(watching.lines())
    assert re.search(r"0 dead \nmain: ok, .* P .*age_main=0s;7200;3600;0 ", text), text

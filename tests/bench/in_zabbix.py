# SPDX-License-Identifier: MIT
"""What the Script media type costs Zabbix's server."""

import statistics
import time

from measure import note, row

import programs
from spool import wait_for
from zabbix import Zabbix

TRIGGERS = 2000  # so many that steps of seconds in the server's loops do not count
SCRIPTS = ("true", "hookspool-zabbix")


def set_up(host):
    """Triggers by the number, and the media type as it is shipped; its name."""
    (host.alert_dir / "hookspool-zabbix").symlink_to(host.bindir / "hookspool-zabbix")
    (host.alert_dir / "true").symlink_to("/bin/true")
    host.start()
    hostid = host.make_host("storm")
    names = [f"storm.{number}" for number in range(TRIGGERS)]
    host.make_items(hostid, names)
    host.make_triggers([(name, f"last(/storm/{name})=1") for name in names], priority=3)
    password = host.folder / "password"
    password.write_text("zabbix\n", encoding="ascii")
    password.chmod(0o600)
    prefix = programs.place("HOOKSPOOL_PREFIX").relative_to("/")
    script = programs.STAGE / prefix / "share/hookspool/zabbix/hookspool-zabbix-setup"
    done = programs.run("/usr/bin/python3", script, "--url", host.frontend.url,
                        "--password-file", password)
    assert done.returncode == 0, done
    host.reload_cache()
    return names


def alerts(host, state=""):
    return int(host.database.sql(f"SELECT count(*) FROM alerts {state}")[0][0])


def sent(host):
    return alerts(host, "WHERE status = 1")


def storm(host, names, script):
    """All problems at once, told by `script`: seconds from the first alert that there is
    until the last is sent. All recover afterwards."""
    (media,) = host.api("mediatype.get", filter={"name": "hookspool"})
    host.api("mediatype.update", mediatypeid=media["mediatypeid"], exec_path=script)
    before = alerts(host)
    host.send(*[("storm", name, 1) for name in names])
    wait_for("the first alert", lambda: alerts(host) > before, 60, 0.02)
    began = time.monotonic()
    wait_for("all are sent", lambda: sent(host) == before + TRIGGERS, 300, 0.02)
    took = time.monotonic() - began
    host.send(*[("storm", name, 0) for name in names])
    wait_for("all recoveries are sent", lambda: sent(host) == before + 2 * TRIGGERS, 300,
             0.1)
    return took


def zabbix_script():
    """Many triggers at once: hookspool-zabbix as the script, and /bin/true."""
    took = {script: [] for script in SCRIPTS}
    with Zabbix() as host:
        names = set_up(host)
        storm(host, names, "true")  # what is first is slower
        for _ in range(5):
            for script in SCRIPTS:
                took[script].append(storm(host, names, script))
        spooled = len(host.hooks.files("incoming"))
        assert spooled == 5 * 2 * TRIGGERS, spooled
    base, ours = (statistics.median(took[script]) for script in SCRIPTS)
    note(f"Zabbix, {TRIGGERS} triggers with /bin/true", f"{base:.2f} s")
    note(f"Zabbix, {TRIGGERS} triggers with hookspool-zabbix", f"{ours:.2f} s")
    row("Zabbix's script against /bin/true", f"{ours / base:.2f} x", "<= 1.1 x",
        ours / base <= 1.1)

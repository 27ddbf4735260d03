# SPDX-License-Identifier: MIT
"""zbx_hookspool.so built with AddressSanitizer and UndefinedBehaviorSanitizer, inside the
real Zabbix server and agent. A report stands in a file of its own."""

import random
import shutil
import subprocess
import time

import pytest

import programs
from spool import wait_for
from zabbix_api import AGENT, CHARACTER, FLOAT, LOG, SIMPLE, TEXT
from zabbix_module import MODULE, ModuleZabbix

NOT_OURS = ("hookspool.c", "hookspoold.c", "options.c", "outbox.c", "courier.c",
            "statefile.c")
PARTS = ("board", "criteria", "hostlog", "keeper", "keeper_load", "map", "mapped_event",
         "module", "queue_items", "rule", "syncer", "track")


def flags(kind):
    return programs.run("pkg-config", kind, "json-c", "libconfuse").stdout.split()


def build(folder):
    """The module with everything that it is made of, in one go."""
    source, objects = programs.SOURCE, []
    common = ["gcc", "-std=gnu11", "-O1", "-g", "-fPIC", "-fno-omit-frame-pointer",
              "-fvisibility=hidden", "-fsanitize=address,undefined",
              "-fno-sanitize-recover=all", f"-I{source}/core", f"-I{source}/plugins/zabbix",
              "-DHAVE_CONFIG_H", f"-I{programs.BUILD}", *flags("--cflags")]
    common += [f'-DHSP_DEFAULT_{name}="/nonexistent"' for name in (
        "SPOOL_DIR", "CONFIG", "JOURNAL", "ZABBIX_DIR")]
    paths = [p for p in (source / "core").glob("*.c") if p.name not in NOT_OURS]
    paths += [source / "plugins" / "zabbix" / f"{name}.c" for name in PARTS]
    running = []
    for path in paths:
        objects.append(folder / f"{path.stem}.o")
        running.append(subprocess.Popen([*common, "-c", path, "-o", objects[-1]]))
        if len(running) == 2:
            assert running.pop(0).wait() == 0
    assert all(process.wait() == 0 for process in running)
    module = folder / MODULE.name
    subprocess.run(["gcc", "-shared", "-fsanitize=address,undefined", "-o", module, *objects,
                    *flags("--libs"), "-lm"], check=True)
    return module


def runtime():
    return programs.run("gcc", "-print-file-name=libasan.so").stdout.strip()


def traffic(zabbix, hosts):
    """Values of all types, most of them edges, some late, some of no item of ours."""
    good = {FLOAT: "0.25", CHARACTER: "OK", TEXT: "OK " + "x" * 3000, LOG: "OK €", 3: "1"}
    bad = {FLOAT: "7.5", CHARACTER: "no", TEXT: "€" * 3000, LOG: "no \\ \"", 3: "0"}
    for _ in range(6):
        now = time.time_ns()
        values = []
        for name, value_type in hosts:
            for _ in range(20):
                chosen = good if random.random() < 0.5 else bad
                when = divmod(now - random.randrange(10**9), 10**9)
                values.append((name, "status", chosen[value_type], *when))
        zabbix.send(*values)


@pytest.mark.slow
def test_clean(folder):
    if programs.SANITIZED:
        pytest.skip("everything is built with a sanitizer already")
    module = build(folder)
    random.seed(5)
    with ModuleZabbix() as zabbix:
        shutil.copy(module, zabbix.bindir / MODULE.name)
        reports = zabbix.make_folder("work/reports")
        # What Zabbix itself does not free is not ours to judge.
        zabbix.env.update(
            LD_PRELOAD=runtime(), ASAN_OPTIONS=f"detect_leaks=0:log_path={reports}/asan",
            UBSAN_OPTIONS=f"print_stacktrace=1:log_path={reports}/ubsan")
        zabbix.agent_conf["LoadModule"] = MODULE.name
        zabbix.start(agent=True)
        hosts, mapped = [], []
        for number in range(25):
            value_type = (FLOAT, CHARACTER, TEXT, LOG, 3)[number % 5]
            name = f"host-{number}"
            itemid = zabbix.make_item(zabbix.make_host(name), "status",
                                      value_type=value_type)
            hosts.append((name, value_type))
            rule = {FLOAT: "<5", 3: ">0"}.get(value_type, "~OK")
            words = {"up": rule, "failures": 1 + number % 3, "notify_at": "3 4",
                     "repeat": "1s"}
            if mapped:
                words["response_time"] = words["status_code"] = mapped[-1][0]
            mapped.append((itemid, words))
        keys = ("hookspool.daemon", "hookspool.pending[main]", "hookspool.state",
                "hookspool.endpoints.discovery", "hookspool.module[down]",
                "hookspool.error[none]", "hookspool.space")
        queue = zabbix.make_host("queue", agent_port=zabbix.agent_port)
        for item_type in (SIMPLE, AGENT):
            host = queue if item_type == SIMPLE else zabbix.make_host(
                "queue-agent", agent_port=zabbix.agent_port)
            zabbix.make_items(host, keys, value_type=TEXT, item_type=item_type, delay="1s",
                              interfaceid=zabbix.interface(host))
        zabbix.reload_cache()
        zabbix.use_map(*mapped)
        traffic(zabbix, hosts)
        wait_for("edges", lambda: len(zabbix.mapped()) >= 20)
        zabbix.use_map(*mapped[5:], (4711, {"up": "nonsense"}))
        (zabbix.hooks.spool / "tmp").chmod(0)
        traffic(zabbix, hosts)
        wait_for("a line in the log", lambda: "events wait" in zabbix.log())
        zabbix.restart_server()
        (zabbix.hooks.spool / "tmp").chmod(0o3770)
        zabbix.start_daemon()
        traffic(zabbix, hosts)
        wait_for("deliveries", lambda: zabbix.alive() and
                 zabbix.hooks.endpoint_status().get("sent", 0) > 100, timeout=60)
        assert zabbix.send(("pulse", "pulse", 1)) == 1
        zabbix.agent.alive()
        zabbix.stop_server()
        zabbix.agent.stop()
        told = [path.read_text(errors="replace")[:6000] for path in reports.iterdir()]
        assert not told, told[0]
